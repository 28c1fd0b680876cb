//! `pgask demo`: a throwaway PostgreSQL with the sample shop, and the proxy before it.

use crate::app::failure::Failure;

/// Runs the demo until Ctrl-C.
///
/// # Errors
/// When PostgreSQL cannot be started or a port is taken.
pub async fn demo(port: u16, http_port: u16) -> Result<(), Failure> {
    Err(Failure::new(format!(
        "no demo on {port} and {http_port} yet"
    )))
}

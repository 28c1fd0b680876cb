//! `pgask serve`: settings into rooms, and the rooms run until a signal ends them.

use crate::app::failure::Failure;
use crate::config::Settings;

/// Runs the proxy until SIGTERM or SIGINT.
///
/// # Errors
/// When an address cannot be bound.
pub async fn serve(settings: Settings) -> Result<(), Failure> {
    let address = settings.listen.address;
    Err(Failure::new(format!("nothing listens on {address} yet")))
}

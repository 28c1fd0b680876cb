//! `pgask config`: the effective configuration, and where each value came from.

use crate::app::console;
use crate::app::failure::Failure;
use crate::config::Loaded;

/// Prints the configuration to standard output, secrets hidden.
///
/// # Errors
/// When standard output cannot be written.
pub fn print_config(loaded: &Loaded) -> Result<(), Failure> {
    console::print(&loaded.render())
}

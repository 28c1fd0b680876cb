//! The log: one line per event, to standard error.

use std::error::Error;
use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{LevelFilter, ParseError};
use tracing_subscriber::util::SubscriberInitExt;

use crate::observe::settings::{Format, Settings};

/// Starts the log for the whole process: human on a terminal and JSON otherwise, unless the settings say which.
///
/// Called once, before anything is logged; a later call changes nothing.
///
/// # Errors
/// When the level is not one; `config` has checked that by then.
pub fn start(settings: &Settings) -> Result<(), ParseError> {
    let filter = filter(&settings.level)?;
    let terminal = std::io::stderr().is_terminal();
    let human = match settings.format {
        Format::Auto => terminal,
        Format::Human => true,
        Format::Json => false,
    };
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // A log that was started before stays as it is: tests of the whole binary start it more than once.
    let _ = if human {
        lines.with_ansi(terminal).finish().try_init()
    } else {
        lines.json().flatten_event(true).finish().try_init()
    };
    Ok(())
}

/// Reads `log.level`: a level, or directives such as `info,pgask::pool=debug`.
///
/// # Errors
/// When the text is neither.
pub fn filter(level: &str) -> Result<EnvFilter, ParseError> {
    for word in level.split(',').map(str::trim) {
        // Alone, a misspelt level would pass for the name of a part of the program, and the log would be silent.
        let alone = !word.is_empty() && !word.contains(['=', '[', ':']);
        if alone && let Err(error) = word.parse::<LevelFilter>() {
            return Err(ParseError::from(Box::<dyn Error + Send + Sync>::from(
                error,
            )));
        }
    }
    EnvFilter::builder().parse(level)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_or_directives_are_read() {
        assert!(filter("info").is_ok());
        assert!(filter("info,pgask::pool=debug").is_ok());
        assert!(filter("pgask=loud").is_err());
        assert!(filter("loud").is_err());
        assert!(filter("infos,pgask::pool=debug").is_err());
    }
}

//! How a command ends badly: one line on standard error, and an exit code.

use std::process::ExitCode;

use crate::config::Mistake;
use crate::error::Refusal;

/// Why a command ended badly.
#[derive(Debug, thiserror::Error)]
#[error("{line}")]
pub struct Failure {
    line: String,
    code: u8,
}

impl Failure {
    /// Something that was tried did not work: exit code 1.
    #[must_use]
    pub fn new(line: impl Into<String>) -> Self {
        Self {
            line: line.into(),
            code: 1,
        }
    }

    /// The exit code.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

/// A mistake in the configuration: exit code 2, as for a mistake on the command line.
impl From<Mistake> for Failure {
    fn from(mistake: Mistake) -> Self {
        Self {
            line: mistake.to_string(),
            code: 2,
        }
    }
}

/// A refusal, as a client would read it.
impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let mut line = format!("{}: {}", refusal.sqlstate, refusal.message);
        let query = refusal.internal.map(|internal| internal.sql);
        for (name, text) in [
            ("DETAIL", refusal.detail),
            ("HINT", refusal.hint),
            ("QUERY", query),
        ] {
            if let Some(text) = text {
                line.push_str(&format!("\n{name}:  {text}"));
            }
        }
        Self::new(line)
    }
}

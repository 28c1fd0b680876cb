//! A PostgreSQL server that lives for one demo or one test and leaves nothing behind.
//!
//! Owns finding the server's binaries, `initdb`, starting as an unprivileged user, and the clean end. Knows
//! nothing of the proxy, of SQL or of what is stored in the server. Read `server` next.

pub mod binaries;
pub mod server;

use std::io;
use std::path::PathBuf;

use crate::app::throwaway::binaries::REQUIRED;

/// Why no throwaway server could be had.
#[derive(Debug, thiserror::Error)]
pub enum ThrowawayError {
    /// No directory holds PostgreSQL's server binaries.
    #[error(
        "PostgreSQL's server binaries ({}) were not found; looked in {}; install the server, for example with \
         `apt-get install postgresql`, `dnf install postgresql-server`, `apk add postgresql` or \
         `brew install postgresql`",
        REQUIRED.join(", "),
        looked_in(.looked)
    )]
    NoBinaries {
        /// Every directory that was tried, in order.
        looked: Vec<PathBuf>,
    },
    /// The process runs as root and there is no other user to start the server as.
    #[error(
        "PostgreSQL refuses to run as root, and neither a user `postgres` nor a user `nobody` exists"
    )]
    NoUser,
    /// Something the operating system was asked to do failed.
    #[error("cannot {doing}")]
    Io {
        /// What was being done, starting with a verb.
        doing: String,
        /// The system's answer.
        source: io::Error,
    },
    /// A program of PostgreSQL's ended with a failure.
    #[error("{program} failed: {output}")]
    Program {
        /// The program's name.
        program: &'static str,
        /// The end of what it wrote.
        output: String,
    },
}

fn looked_in(looked: &[PathBuf]) -> String {
    let shown: Vec<_> = looked.iter().map(|p| p.display().to_string()).collect();
    shown.join(", ")
}

impl ThrowawayError {
    fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }
}

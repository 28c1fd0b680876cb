//! `[listen]`: where clients connect, and how many.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The keys of `[listen]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// `host:port` to listen on; empty for no TCP at all. Default `127.0.0.1:6432`.
    pub address: String,
    /// The directory of the Unix socket `.s.PGSQL.<port>`; not set for none. Default not set.
    pub unix_socket_dir: Option<PathBuf>,
    /// Clients served at once, 1 and up; the next one is refused with 53300. Default 10000.
    pub max_clients: usize,
    /// How long a client may take from connecting to being logged in. Default 60 s, as PostgreSQL's own
    /// `authentication_timeout`.
    #[serde(with = "crate::names::duration")]
    pub login_timeout: Duration,
    /// How long open transactions may go on after SIGTERM before their clients are closed. Default 30 s.
    #[serde(with = "crate::names::duration")]
    pub shutdown_grace: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            address: "127.0.0.1:6432".to_owned(),
            unix_socket_dir: None,
            max_clients: 10_000,
            login_timeout: Duration::from_secs(60),
            shutdown_grace: Duration::from_secs(30),
        }
    }
}

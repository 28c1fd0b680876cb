//! How fresh the snapshot of a database is kept, and how much of its values.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What can be set of snapshots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How old a snapshot may grow before the catalog is asked, cheaply, whether it has changed. Default 60 s. DDL
    /// that passes through the proxy is known at once; this is for DDL that does not.
    #[serde(with = "crate::names::duration")]
    pub refresh: Duration,
    /// How old a snapshot's statistics may grow before all is read again. Default 10 min.
    #[serde(with = "crate::names::duration")]
    pub statistics_refresh: Duration,
    /// How long the values of small tables may be read whenever all is read. Default 2 s; zero reads no table.
    #[serde(with = "crate::names::duration")]
    pub values_time: Duration,
    /// Bytes of such values that are kept of one database, at most, beside those of its statistics. Up to 256 MB,
    /// default 16 MB; zero reads no table.
    #[serde(with = "crate::names::bytes")]
    pub values_bytes: u64,
}

/// The most that [`Settings::values_bytes`] may be.
pub const VALUES_BYTES_LIMIT: u64 = 256 << 20;

impl Default for Settings {
    fn default() -> Self {
        Self {
            refresh: Duration::from_secs(60),
            statistics_refresh: Duration::from_secs(600),
            values_time: Duration::from_secs(2),
            values_bytes: 16 << 20,
        }
    }
}

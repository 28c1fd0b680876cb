//! How fresh the snapshot of a database is kept.

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
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            refresh: Duration::from_secs(60),
            statistics_refresh: Duration::from_secs(600),
        }
    }
}

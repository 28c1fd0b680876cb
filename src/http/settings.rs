//! `[http]`: where metrics and health are served.

use serde::{Deserialize, Serialize};

/// The keys of `[http]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// `host:port` of `/metrics` and `/health`; not set for no HTTP at all. Default not set.
    pub address: Option<String>,
}

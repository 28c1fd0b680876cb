//! `[log]`: how much is logged, and in which form.

use serde::{Deserialize, Serialize};

/// The keys of `[log]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// A level (`error`, `warn`, `info`, `debug`, `trace`, `off`), or directives such as
    /// `info,pgask::pool=debug`. Default `info`.
    pub level: String,
    /// The form of a line. Default `auto`.
    pub format: Format,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Human on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// One readable line per event.
    Human,
    /// One JSON object per event.
    Json,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: Format::Auto,
        }
    }
}

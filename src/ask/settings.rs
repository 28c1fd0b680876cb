//! `[ask]` and `[cache]`: whether and how questions are answered, and how long answers are remembered.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::schema::render::Privacy;

/// The keys of `[ask]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether questions are answered at all; when not, they are refused with NL006. Default true.
    pub enabled: bool,
    /// Rows that an ask returns, at most, where the session sets no other number. 1 or more, default 10,000.
    pub max_rows: u32,
    /// Bytes of rows that an ask returns, at most, as the protocol counts them, where the session sets no other number.
    /// 1 kB to 1 TB, default 64 MB.
    #[serde(with = "crate::names::bytes")]
    pub max_bytes: u64,
    /// How long an ask may take from its recognition to its last row, where the session sets no other time.
    /// Default 30 s.
    #[serde(with = "crate::names::duration")]
    pub timeout: Duration,
    /// The highest estimated cost, in the planner's units, of a query that is run; `None` (the default) for no
    /// ceiling.
    pub cost_max: Option<f64>,
    /// How much of the schema a provider outside of this machine is shown. Default `comments`.
    pub privacy: Privacy,
    /// Whether an answer comes with a NOTICE that tells its SQL and its reading, where the session says nothing
    /// else. Default true.
    pub notices: bool,
    /// Whether a question may refer to those before it, where the session says nothing else. Default false.
    pub context: bool,
    /// A file that says what people call things here, for the built-in engine and for models; relative to where pgask is
    /// started. `None` (the default) for none.
    pub glossary: Option<PathBuf>,
    /// How often a Draft that the guard or the planner refused goes back to its provider. 0 to 5, default 2.
    pub repair_count_max: u8,
}

/// The keys of `[cache]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CacheSettings {
    /// Whether the SQL of an answered question is remembered, for the same caller and the same schema. Default true.
    pub enabled: bool,
    /// Questions remembered at once; the least used goes first. 1 or more, default 10,000.
    pub entries: u64,
    /// How long one is remembered. Default 10 min.
    #[serde(with = "crate::names::duration")]
    pub ttl: Duration,
}

/// The bounds of [`Settings::max_bytes`].
pub const BYTES_RANGE: std::ops::RangeInclusive<u64> = 1 << 10..=1 << 40;

/// The highest [`Settings::repair_count_max`]: each round may cost a model's whole deadline.
pub const REPAIR_COUNT_LIMIT: u8 = 5;

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            max_rows: 10_000,
            max_bytes: 64 << 20,
            timeout: Duration::from_secs(30),
            cost_max: None,
            privacy: Privacy::default(),
            notices: true,
            context: false,
            glossary: None,
            repair_count_max: 2,
        }
    }
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            entries: 10_000,
            ttl: Duration::from_secs(600),
        }
    }
}

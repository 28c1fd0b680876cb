//! The nouns that rooms on both wings speak of: who is calling, and SQL that nobody has proved yet.
//!
//! The value types that every room's settings are made of live here too: [`secret::Secret`], and the spelling of a
//! time span ([`duration`]) and of an amount of data ([`bytes`]).

pub mod bytes;
pub mod duration;
pub mod raw;
pub mod secret;

use std::fmt;
use std::sync::Arc;

/// Who is calling: a role on a database of one upstream.
///
/// This is what pools, snapshots, budgets and memos are keyed by. Cloning costs three reference counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Caller {
    /// The upstream's name in the configuration.
    pub upstream: Arc<str>,
    /// The database, as the client named it.
    pub database: Arc<str>,
    /// The role that the client logged in as.
    pub role: Arc<str>,
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} as {}", self.upstream, self.database, self.role)
    }
}

/// SQL that a provider wrote and that nobody has proved anything about: only `guard` may read it.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// One SELECT, or whatever the provider wrote instead of one.
    pub sql: String,
    /// What was understood, in plain words ("the 5 customers with the highest sum of orders.total").
    pub reading: String,
    /// How likely the reading is the one meant, 0 to 1. A provider that cannot tell says so with `None`.
    pub confidence: Option<f32>,
    /// The name of the provider, as configured.
    pub provider: Arc<str>,
    /// Other readings, best first; each is as unproved as `sql`.
    pub alternatives: Vec<Alternative>,
    /// What the confidence was computed from, where the provider computes it: features by name.
    pub evidence: Vec<(&'static str, f32)>,
}

impl Draft {
    /// SQL that was given as it is, by somebody of whom nothing more is known than his name as a provider.
    #[must_use]
    pub fn given(
        sql: impl Into<String>,
        reading: impl Into<String>,
        provider: impl Into<Arc<str>>,
    ) -> Self {
        Self {
            sql: sql.into(),
            reading: reading.into(),
            confidence: None,
            provider: provider.into(),
            alternatives: Vec::new(),
            evidence: Vec::new(),
        }
    }
}

/// Another way to read the same question.
#[derive(Clone, Debug, PartialEq)]
pub struct Alternative {
    /// Its SQL, unproved.
    pub sql: String,
    /// Its meaning in plain words.
    pub reading: String,
    /// 0 to 1, on the scale of [`Draft::confidence`].
    pub confidence: f32,
}

//! `[state]`: where pins and feedback are kept, and for whom.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::names::secret::Secret;
use crate::pool::endpoint::Endpoint;

/// The keys of `[state]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// What keeps them. Default `sqlite`.
    pub store: StoreKind,
    /// The SQLite file, which is made with its first record; `None` (the default) for `pgask/state.db` in the state
    /// directory of the system or of the user.
    pub path: Option<PathBuf>,
    /// The PostgreSQL database that keeps them: `postgres://user[:password]@host[:port]/database`.
    pub url: Option<Endpoint>,
    /// The password, when `url` holds none.
    pub password: Option<Secret>,
    /// For whom a new pin or correction holds. Default `role`.
    pub scope: Scope,
    /// Pins in one database, at most. 1 to 100,000, default 1000.
    pub pins_max: usize,
    /// Questions in one database that one role may have said something of, at most. 1 to 100,000, default 10,000.
    pub feedback_max: usize,
}

/// What keeps the records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoreKind {
    /// A file of this process's own.
    #[default]
    Sqlite,
    /// A PostgreSQL database, which several proxies may share.
    Postgres,
    /// Nothing: there are no pins and no feedback.
    None,
}

/// For whom a record holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// For the role that made it.
    #[default]
    Role,
    /// For every role on the database.
    Database,
}

/// The most that [`Settings::pins_max`] and [`Settings::feedback_max`] may be: all records of a database are held in
/// memory.
pub const RECORDS_LIMIT: usize = 100_000;

impl Default for Settings {
    fn default() -> Self {
        Self {
            store: StoreKind::default(),
            path: None,
            url: None,
            password: None,
            scope: Scope::default(),
            pins_max: 1000,
            feedback_max: 10_000,
        }
    }
}

impl Settings {
    /// Where the PostgreSQL database is, its password included.
    #[must_use]
    pub fn endpoint(&self) -> Option<Endpoint> {
        let mut endpoint = self.url.clone()?;
        if self.password.is_some() {
            endpoint.password.clone_from(&self.password);
        }
        Some(endpoint)
    }
}

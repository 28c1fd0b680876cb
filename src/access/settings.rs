//! `[auth]`: how a client proves who it is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The keys of `[auth]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How clients log in where `databases` says nothing else. Default `auth_query`.
    pub method: Method,
    /// `[auth.databases.NAME]`: what differs for the database of that name. Default empty.
    pub databases: BTreeMap<String, DatabaseSettings>,
}

/// The keys of `[auth.databases.NAME]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseSettings {
    /// How clients log in to this database.
    pub method: Method,
}

/// How a client proves that it is the role it names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// SCRAM-SHA-256 against the role's own verifier, which the upstream's service account reads from
    /// PostgreSQL; no password file. The login to the upstream is the caller's own.
    #[default]
    AuthQuery,
    /// No password is asked, and the upstream is logged in to as the named role without one: for the demo and for
    /// sidecars on a trusted loopback.
    Trust,
}

impl Settings {
    /// The method for one database.
    #[must_use]
    pub fn method_for(&self, database: &str) -> Method {
        self.databases
            .get(database)
            .map_or(self.method, |database| database.method)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_may_differ_from_the_rest() {
        let written = "method = 'auth_query'\n[databases.sandbox]\nmethod = 'trust'\n";
        let settings: Settings = toml::from_str(written).unwrap();
        assert_eq!(settings.method_for("sandbox"), Method::Trust);
        assert_eq!(settings.method_for("shop"), Method::AuthQuery);
    }
}

//! `[pool]` and `[[upstream]]`: how server connections are shared, and which servers there are.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::names::secret::Secret;
use crate::pool::endpoint::Endpoint;

/// The keys of `[pool]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// When a server connection goes back to its pool. Default `auto`.
    pub mode: PoolMode,
    /// Server connections per (upstream, database, role), 1 and up. Default 20.
    pub default_pool_size: u32,
    /// How long a client may wait for a free server connection. Default 2 min, as PgBouncer's.
    #[serde(with = "crate::names::duration")]
    pub query_wait_timeout: Duration,
    /// How long connecting and logging in to a server may take. Default 15 s, as PgBouncer's.
    #[serde(with = "crate::names::duration")]
    pub server_connect_timeout: Duration,
    /// A server connection unused for so long is closed. Default 10 min, as PgBouncer's.
    #[serde(with = "crate::names::duration")]
    pub server_idle_timeout: Duration,
    /// A server connection older than this is closed once it is free. Default 1 h, as PgBouncer's.
    #[serde(with = "crate::names::duration")]
    pub server_lifetime: Duration,
    /// Named prepared statements kept on one server connection, 1 and up. Default 1000.
    pub prepared_statements_max: usize,
}

/// When a server connection goes back to its pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PoolMode {
    /// After each transaction, unless the session holds state on the connection; then at its end.
    #[default]
    Auto,
    /// After each transaction, whatever the session did.
    Transaction,
    /// At the end of the session.
    Session,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mode: PoolMode::Auto,
            default_pool_size: 20,
            query_wait_timeout: Duration::from_secs(120),
            server_connect_timeout: Duration::from_secs(15),
            server_idle_timeout: Duration::from_secs(600),
            server_lifetime: Duration::from_secs(3600),
            prepared_statements_max: 1000,
        }
    }
}

/// The keys of one `[[upstream]]`: a PostgreSQL server and the databases that are served from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamSettings {
    /// How logs and metrics name it; no two upstreams share one. Default `main`.
    #[serde(default = "default_name")]
    pub name: String,
    /// `postgres://service[:password]@host[:port][/maintenance database]`; see [`Endpoint::parse`].
    url: Endpoint,
    /// The service account's password, when `url` holds none.
    #[serde(default)]
    password: Option<Secret>,
    /// The databases served from here, by name; `*` stands for every database that no other upstream names.
    /// Default `["*"]`.
    #[serde(default = "every_database")]
    pub databases: Vec<String>,
}

impl UpstreamSettings {
    /// An upstream that serves every database, under the default name.
    #[must_use]
    pub fn new(endpoint: Endpoint) -> Self {
        Self {
            name: default_name(),
            url: endpoint,
            password: None,
            databases: every_database(),
        }
    }

    /// Where the server is and who the service account is, its password included.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        let mut endpoint = self.url.clone();
        if self.password.is_some() {
            endpoint.password.clone_from(&self.password);
        }
        endpoint
    }

    /// Whether the password was written twice, in `url` and in `password`.
    #[must_use]
    pub fn has_two_passwords(&self) -> bool {
        self.url.password.is_some() && self.password.is_some()
    }
}

/// The upstream that serves a database: the one that names it, else the one with `*`.
#[must_use]
pub fn upstream_for<'a>(
    upstreams: &'a [UpstreamSettings],
    database: &str,
) -> Option<&'a UpstreamSettings> {
    let listing = |name: &str| {
        upstreams
            .iter()
            .find(|upstream| upstream.databases.iter().any(|listed| listed == name))
    };
    listing(database).or_else(|| listing(EVERY_DATABASE))
}

/// Stands for every database that no other upstream names.
pub const EVERY_DATABASE: &str = "*";

fn default_name() -> String {
    "main".to_owned()
}

fn every_database() -> Vec<String> {
    vec![EVERY_DATABASE.to_owned()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(name: &str, databases: &[&str]) -> UpstreamSettings {
        let mut upstream = UpstreamSettings::new(Endpoint::parse("postgres://s@h").unwrap());
        upstream.name = name.to_owned();
        upstream.databases = databases.iter().map(|&name| name.to_owned()).collect();
        upstream
    }

    #[test]
    fn a_named_database_comes_before_every_database() {
        let upstreams = [upstream("all", &["*"]), upstream("one", &["shop"])];
        let name_for = |database| upstream_for(&upstreams, database).map(|found| &*found.name);
        assert_eq!(name_for("shop"), Some("one"));
        assert_eq!(name_for("other"), Some("all"));
        assert_eq!(upstream_for(&upstreams[1..], "other"), None);
    }

    #[test]
    fn the_password_may_stand_beside_the_url() {
        let written = "url = 'postgres://service@db:5433'\npassword = 'hunter2'\n";
        let upstream: UpstreamSettings = toml::from_str(written).unwrap();
        let endpoint = upstream.endpoint();
        assert_eq!(endpoint.password.unwrap().expose(), "hunter2");
        assert!(!format!("{upstream:?}").contains("hunter2"));
    }
}

//! Where a server is and who the service account is: the URL of an `[[upstream]]`, parsed.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tokio_postgres::config::{Host as UrlHost, SslMode};

use crate::names::secret::Secret;

/// A server's address and the service account that logs in there.
///
/// `Debug`, `Display` and `Serialize` never show the password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Where the server listens.
    pub host: Host,
    /// The service account.
    pub user: String,
    /// Its password; `None` where the server asks for none.
    pub password: Option<Secret>,
    /// The database that catalog-wide work (reading verifiers, health) connects to. Default `postgres`.
    pub database: String,
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A host name or address, and a port.
    Tcp(String, u16),
    /// The directory of the socket file, and the port that is part of its name.
    Unix(PathBuf, u16),
}

impl Endpoint {
    /// Reads `postgres://user[:password]@host[:port][/database]`.
    ///
    /// A Unix socket's directory is written `postgres://user@/database?host=/dir&port=5432`, or percent-encoded in
    /// the place of the host. The port is 5432 and the database `postgres` where they are not written. Besides
    /// `host` and `port`, only an `sslmode` that allows a connection without TLS may follow the `?`.
    ///
    /// # Errors
    /// What is expected, as a phrase for the end of a line; it repeats nothing of the URL but the name of a
    /// parameter.
    pub fn parse(url: &str) -> Result<Self, String> {
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(format!("expected {SHAPE}"));
        }
        check_parameters(url)?;
        let config =
            tokio_postgres::Config::from_str(url).map_err(|_| format!("expected {SHAPE}"))?;
        if config.get_ssl_mode() == SslMode::Require {
            return Err("expected sslmode disable, allow or prefer".to_owned());
        }
        let user = config
            .get_user()
            .filter(|user| !user.is_empty())
            .ok_or_else(|| format!("no user in the URL: expected {SHAPE}"))?;
        let password = match config.get_password() {
            None => None,
            Some(bytes) => Some(
                std::str::from_utf8(bytes)
                    .map(Secret::new)
                    .map_err(|_| "expected a password in UTF-8".to_owned())?,
            ),
        };
        Ok(Self {
            host: Host::of(&config)?,
            user: user.to_owned(),
            password,
            database: config
                .get_dbname()
                .filter(|database| !database.is_empty())
                .unwrap_or("postgres")
                .to_owned(),
        })
    }
}

impl Host {
    fn of(config: &tokio_postgres::Config) -> Result<Self, String> {
        let [host] = config.get_hosts() else {
            return Err(format!("expected one host: {SHAPE}"));
        };
        let port = match config.get_ports() {
            [] => 5432,
            [port] => *port,
            _ => return Err(format!("expected one port: {SHAPE}")),
        };
        if port == 0 {
            return Err("expected a port from 1 to 65535".to_owned());
        }
        Ok(match host {
            UrlHost::Tcp(name) => Self::Tcp(name.clone(), port),
            UrlHost::Unix(dir) => Self::Unix(dir.clone(), port),
        })
    }
}

/// Refuses what we would otherwise silently not do.
fn check_parameters(url: &str) -> Result<(), String> {
    let Some((_, parameters)) = url.split_once('?') else {
        return Ok(());
    };
    for parameter in parameters.split('&') {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match (name, value) {
            ("host" | "port", _) | ("sslmode", "disable" | "allow" | "prefer") => {}
            ("sslmode", _) => {
                return Err("expected sslmode disable, allow or prefer in the URL".to_owned());
            }
            _ => {
                return Err(format!(
                    "unknown parameter {name} in the URL: expected host, port or sslmode"
                ));
            }
        }
    }
    Ok(())
}

const SHAPE: &str = "postgres://user[:password]@host[:port][/database] or postgres://user@/database?host=/socket/dir";

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(name, port) if name.contains(':') => write!(f, "[{name}]:{port}"),
            Self::Tcp(name, port) => write!(f, "{name}:{port}"),
            Self::Unix(dir, port) => write!(f, "{}/.s.PGSQL.{port}", dir.display()),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = if self.password.is_some() { ":***" } else { "" };
        let (user, database) = (&self.user, &self.database);
        match &self.host {
            Host::Tcp(..) => write!(f, "postgres://{user}{hidden}@{}/{database}", self.host),
            Host::Unix(dir, port) => write!(
                f,
                "postgres://{user}{hidden}@/{database}?host={}&port={port}",
                dir.display()
            ),
        }
    }
}

impl Serialize for Endpoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Endpoint {
    /// Reads the URL as a [`Secret`], because it may hold a password (and may be written `env:NAME`).
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let url = Secret::deserialize(deserializer)?;
        Self::parse(url.expose()).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, expect: &str) {
        let shown = match Endpoint::parse(url) {
            Ok(endpoint) => endpoint.to_string(),
            Err(expected) => expected,
        };
        assert!(shown.contains(expect), "{url}: {shown}");
    }

    #[test]
    fn urls_are_read_as_libpq_reads_them() {
        check("postgres://svc@db", "postgres://svc@db:5432/postgres");
        check(
            "postgresql://svc:pw@db:5433/x",
            "postgres://svc:***@db:5433/x",
        );
        check(
            "postgres://svc@[::1]:5433",
            "postgres://svc@[::1]:5433/postgres",
        );
        check(
            "postgres://svc@/x?host=/run/pg",
            "svc@/x?host=/run/pg&port=5432",
        );
        check(
            "postgres://svc@%2Frun%2Fpg:6000/x",
            "svc@/x?host=/run/pg&port=6000",
        );
        check(
            "postgres://svc@db?sslmode=disable",
            "postgres://svc@db:5432/postgres",
        );
    }

    #[test]
    fn a_password_is_percent_decoded() {
        let endpoint = Endpoint::parse("postgres://svc:p%40ss@db").unwrap();
        assert_eq!(endpoint.password.unwrap().expose(), "p@ss");
    }

    #[test]
    fn what_would_be_ignored_is_refused() {
        check("mysql://svc@db", "expected postgres://");
        check("host=db user=svc", "expected postgres://");
        check("postgres://db", "no user");
        check("postgres://svc@", "expected one host");
        check("postgres://svc@a,b/x", "expected one host");
        check("postgres://svc@db:http", "expected postgres://");
        check("postgres://svc@db:0", "1 to 65535");
        check(
            "postgres://svc@db?sslmode=require",
            "expected sslmode disable",
        );
        check("postgres://svc@db?options=-cx", "unknown parameter options");
    }
}

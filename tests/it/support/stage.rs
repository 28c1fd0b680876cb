//! The usual scene: one PostgreSQL, one role with a database of its own, one proxy in front, and raw clients.

use super::frames::Frame;
use super::postgres::Postgres;
use super::proxy::Proxy;
use super::raw::{self, Endpoint, Login, Raw};

/// The role that clients log in as where a test says nothing else; it owns the database `app`.
pub(crate) const APP: Login<'static> = Login {
    user: "app",
    password: "app's own",
    database: "app",
    parameters: &[],
};

/// How often something is looked at before a test gives up on it, with [`LOOK_EVERY_SECONDS`] between looks.
const LOOK_COUNT_MAX: usize = 200;

/// The pause between two looks.
const LOOK_EVERY_SECONDS: &str = "0.05";

/// What plays on it is dropped in this order: the proxy first.
pub(crate) struct Stage {
    pub(crate) proxy: Proxy,
    pub(crate) postgres: Postgres,
}

impl Stage {
    /// A stage whose proxy has this fragment of `proxy.toml`.
    pub(crate) fn new(fragment: &str) -> Self {
        let postgres = prepared();
        let proxy = Proxy::start(&postgres, fragment);
        Self { proxy, postgres }
    }

    /// A client through the proxy, as [`APP`].
    pub(crate) fn client(&self) -> Raw {
        self.login(&APP)
            .unwrap_or_else(|error| panic!("a login: {error:?}"))
    }

    /// A login through the proxy.
    pub(crate) fn login(&self, login: &Login<'_>) -> Result<Raw, Frame> {
        Raw::login(&self.endpoint(), login)
    }

    /// Where the proxy listens.
    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::local(self.proxy.port())
    }

    /// A login straight to PostgreSQL.
    pub(crate) fn direct(&self, login: &Login<'_>) -> Result<Raw, Frame> {
        Raw::login(&Endpoint::local(self.postgres.port()), login)
    }

    /// The superuser, straight to PostgreSQL, in the database `app`.
    pub(crate) fn admin(&self) -> Raw {
        raw::superuser(&self.postgres, APP.database)
    }

    /// Tries again and again, with a pause in between, until there is something.
    pub(crate) fn eventually<T>(&self, mut attempt: impl FnMut() -> Option<T>) -> T {
        let mut admin = self.admin();
        for _ in 0..LOOK_COUNT_MAX {
            if let Some(found) = attempt() {
                return found;
            }
            admin.rows(&format!("select pg_sleep({LOOK_EVERY_SECONDS})"));
        }
        panic!("it never comes to pass");
    }

    /// Waits until this query, which the superuser asks again and again, gives this value.
    pub(crate) fn wait_for(&self, sql: &str, expected: &str) {
        let mut admin = self.admin();
        self.eventually(|| (admin.value(sql) == expected).then_some(()));
    }

    /// Waits until a metric without labels has this value.
    pub(crate) fn wait_for_metric(&self, name: &str, expected: f64) {
        self.eventually(|| (self.proxy.metric(name) == expected).then_some(()));
    }

    /// Waits until this many backends of [`APP`] match the condition on `pg_stat_activity`.
    pub(crate) fn wait_for_backends(&self, count: usize, condition: &str) {
        self.wait_for(
            &format!(
                "select count(*) from pg_stat_activity where usename = '{}' and ({condition})",
                APP.user
            ),
            &count.to_string(),
        );
    }
}

/// A PostgreSQL with [`APP`]'s role and database.
pub(crate) fn prepared() -> Postgres {
    let postgres = Postgres::start();
    let mut admin = raw::superuser(&postgres, "postgres");
    let password = APP.password.replace('\'', "''");
    admin.rows(&format!(
        "create role {} login password '{password}'",
        APP.user
    ));
    admin.rows(&format!(
        "create database {} owner {}",
        APP.database, APP.user
    ));
    postgres
}

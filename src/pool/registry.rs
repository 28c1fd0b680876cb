//! All pools, found by who is calling and with which startup settings.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::connector::{ServerConnector, SharedCredentials};
use super::endpoint::{Endpoint, Host};
use super::epoch::Epoch;
use super::lease::Pool;
use super::settings::{Settings, UpstreamSettings, upstream_for};
use super::statement::Statements;
use crate::names::Caller;
use crate::observe::metrics::Metrics;
use crate::wire::server::Address;

/// Parameters of a StartupMessage that do not make a pool of their own: who and where are part of the caller, and the
/// application name is set anew with each lease.
const NOT_SETTINGS: [&str; 4] = ["user", "database", "replication", "application_name"];

/// Every pool there is.
#[derive(Debug)]
pub struct Pools {
    upstreams: Vec<UpstreamSettings>,
    settings: Settings,
    metrics: Arc<Metrics>,
    statements: Arc<Statements>,
    epoch: Epoch,
    pools: RwLock<HashMap<PoolKey, Arc<Pool>>>,
}

/// Sessions with equal keys could use one another's connections without noticing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct PoolKey {
    caller: Caller,
    startup_settings: Vec<(String, String)>,
}

impl Pools {
    /// No pool yet.
    #[must_use]
    pub fn new(
        upstreams: Vec<UpstreamSettings>,
        settings: Settings,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            upstreams,
            settings,
            metrics,
            statements: Arc::default(),
            epoch: Epoch::default(),
            pools: RwLock::default(),
        }
    }

    /// How pools behave.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The upstream that serves a database.
    #[must_use]
    pub fn upstream(&self, database: &str) -> Option<&UpstreamSettings> {
        upstream_for(&self.upstreams, database)
    }

    /// The upstream for physical replication, which is of a whole server: the one that serves the database named, or the
    /// only one there is.
    #[must_use]
    pub fn upstream_for_replication(&self, database: &str) -> Option<&UpstreamSettings> {
        match self.upstreams.as_slice() {
            [only] => Some(only),
            _ => self.upstream(database),
        }
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The pool of a caller whose StartupMessage carried these parameters; `None` when no upstream serves its
    /// database.
    #[must_use]
    pub fn pool(&self, caller: &Caller, startup: &[(String, String)]) -> Option<Arc<Pool>> {
        let settings: Vec<_> = startup
            .iter()
            .filter(|(name, _)| !NOT_SETTINGS.contains(&name.as_str()))
            .cloned()
            .collect();
        // The order matters only between equal names, and a stable sort keeps that.
        let mut startup_settings = settings.clone();
        startup_settings.sort_by(|(one, _), (other, _)| one.cmp(other));
        let key = PoolKey {
            caller: caller.clone(),
            startup_settings,
        };
        if let Some(pool) = self
            .pools
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key)
        {
            return Some(pool.clone());
        }
        let upstream = self.upstream(&caller.database)?;
        let mut pools = self.pools.write().unwrap_or_else(PoisonError::into_inner);
        pools.retain(is_used);
        let pool = pools
            .entry(key)
            .or_insert_with_key(|key| Arc::new(self.open(upstream, key, settings)));
        Some(pool.clone())
    }

    /// Forgets the pools that nobody uses.
    pub fn sweep(&self) {
        self.pools
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(is_used);
    }

    fn open(
        &self,
        upstream: &UpstreamSettings,
        key: &PoolKey,
        mut parameters: Vec<(String, String)>,
    ) -> Pool {
        let endpoint = upstream.endpoint();
        parameters.push(("user".to_owned(), key.caller.role.to_string()));
        parameters.push(("database".to_owned(), key.caller.database.to_string()));
        let connector = ServerConnector {
            address: address(&endpoint),
            parameters,
            credentials: Arc::new(SharedCredentials::default()),
            greeting: Arc::default(),
            epoch: self.epoch.of_another_pool(),
            connect_timeout: self.settings.server_connect_timeout,
            prepared_max: self.settings.prepared_statements_max,
            metrics: self.metrics.clone(),
        };
        Pool::new(
            key.caller.clone(),
            &self.settings,
            connector,
            self.statements.clone(),
        )
    }
}

/// A pool that nobody uses and that has no connection left is only memory.
fn is_used(_: &PoolKey, pool: &mut Arc<Pool>) -> bool {
    Arc::strong_count(pool) > 1 || !pool.is_empty()
}

/// Where an endpoint's server listens.
#[must_use]
pub fn address(endpoint: &Endpoint) -> Address {
    match &endpoint.host {
        Host::Tcp(host, port) => Address::Tcp(host.clone(), *port),
        Host::Unix(directory, port) => Address::Unix(directory.join(format!(".s.PGSQL.{port}"))),
    }
}

/// How the control plane connects to an endpoint; the database is left out.
#[must_use]
pub fn control_config(endpoint: &Endpoint) -> tokio_postgres::Config {
    let mut config = tokio_postgres::Config::new();
    match &endpoint.host {
        Host::Tcp(host, port) => config.host(host).port(*port),
        Host::Unix(directory, port) => config.host_path(directory).port(*port),
    };
    config.user(&endpoint.user);
    if let Some(password) = &endpoint.password {
        config.password(password.expose());
    }
    config
}

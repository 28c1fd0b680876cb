//! The control plane's pools: the few connections of the service account that catalog work and logins share.
//!
//! One pool per (upstream, database), made when first asked for. Nothing connects before it is needed, and a
//! server that is down is an error at use, at once and with its reason, that is over as soon as the server is back.
//!
//! Plain queries and asks never run here.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bb8::{ManageConnection, Pool, RunError};
use bb8_postgres::PostgresConnectionManager;
use futures_util::future::BoxFuture;
use moka::sync::Cache;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_postgres::{Client, Config, NoTls};

use crate::error::{Refusal, SqlState};
use crate::schema::control::{ControlClient, ControlClients, reason, refusal};

/// Connections a pool holds at most. Catalog work is rare and short; four let one slow load not delay a login.
pub const CONTROL_POOL_SIZE_MAX: u32 = 4;

/// How long a connection attempt, log-in included, may take.
pub const CONTROL_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a borrower waits for a connection: a little more than one attempt to connect takes.
pub const CONTROL_WAIT_MAX: Duration = Duration::from_secs(6);

/// The `statement_timeout` of every control connection: catalog work that takes longer is given up.
pub const CONTROL_STATEMENT_TIMEOUT: Duration = Duration::from_secs(15);

/// How long an unused connection is kept.
pub const CONTROL_IDLE_TIMEOUT: Duration = Duration::from_secs(300);

/// Pools kept at once, the least used going first. A client names its database before it has proved who it is, so
/// the number of names must not be the client's to choose.
pub const CONTROL_POOLS_MAX: u64 = 128;

/// How control connections call themselves in `pg_stat_activity`.
pub const CONTROL_APPLICATION_NAME: &str = "pgask control";

/// Said once on every new connection.
///
/// The path holds no schema that a user can write to; `pg_temp` last, because it would be searched first if left out
/// (PostgreSQL manual, "Writing SECURITY DEFINER Functions Safely"). The output formats are those in which
/// statistics are read.
fn connection_settings() -> String {
    format!(
        "SET search_path = pg_catalog, pg_temp; SET statement_timeout = {}; \
         SET idle_in_transaction_session_timeout = {}; SET default_transaction_read_only = on; \
         SET datestyle = 'ISO, YMD'; SET timezone = 'UTC'",
        CONTROL_STATEMENT_TIMEOUT.as_millis(),
        CONTROL_STATEMENT_TIMEOUT.as_millis(),
    )
}

/// The pool of one database of one upstream. Cloning shares it.
#[derive(Clone)]
pub struct ControlPool {
    pool: Pool<ControlConnector>,
    failures: watch::Receiver<Option<Refusal>>,
}

impl ControlPool {
    /// A pool over `config` (host or socket directory, port, user, password) for one database. Connects to nothing.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    #[must_use]
    pub fn new(config: &Config, database: &str) -> Self {
        let mut config = config.clone();
        config
            .dbname(database)
            .application_name(CONTROL_APPLICATION_NAME)
            .connect_timeout(CONTROL_CONNECT_TIMEOUT);
        let (failed, failures) = watch::channel(None);
        let pool = Pool::builder()
            .max_size(CONTROL_POOL_SIZE_MAX)
            .connection_timeout(CONTROL_WAIT_MAX)
            .idle_timeout(CONTROL_IDLE_TIMEOUT)
            // A failure is reported to whoever waits; it is the next borrower that tries again.
            .retry_connection(false)
            .build_unchecked(ControlConnector {
                postgres: PostgresConnectionManager::new(config, NoTls),
                failed,
            });
        Self { pool, failures }
    }

    /// Lends a connection.
    ///
    /// # Errors
    /// As [`ControlClients::client`].
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn client(&self) -> Result<ControlClient, Refusal> {
        let mut failures = self.failures.clone();
        failures.mark_unchanged();
        // The pool keeps a connection error to itself and lets the borrower wait for its time-out; the reason is
        // known earlier, from the connector.
        let failure = async {
            while failures.changed().await.is_ok() {
                if let Some(refusal) = failures.borrow_and_update().clone() {
                    return Some(refusal);
                }
            }
            None
        };
        tokio::select! {
            biased;
            lent = self.pool.get_owned() => match lent {
                Ok(client) => Ok(Box::new(client)),
                Err(RunError::User(refusal)) => Err(refusal),
                Err(RunError::TimedOut) => Err(Refusal::new(
                    SqlState::TOO_MANY_CONNECTIONS,
                    "no connection of the service account came free",
                )
                .with_detail(format!(
                    "All {CONTROL_POOL_SIZE_MAX} control connections were in use for {} seconds.",
                    CONTROL_WAIT_MAX.as_secs()
                ))),
            },
            Some(refusal) = failure => Err(refusal),
        }
    }
}

impl fmt::Debug for ControlPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ControlPool")
            .field("state", &self.pool.state())
            .finish_non_exhaustive()
    }
}

/// The control pools of all upstreams. Cloning shares them.
#[derive(Clone)]
pub struct ControlPools {
    upstreams: Arc<HashMap<String, Config>>,
    pools: Cache<(Arc<str>, Arc<str>), ControlPool>,
}

impl ControlPools {
    /// Pools over the upstreams of the configuration: name, and where and as whom to connect (the database is set
    /// for each pool).
    #[must_use]
    pub fn new(upstreams: impl IntoIterator<Item = (String, Config)>) -> Self {
        Self {
            upstreams: Arc::new(upstreams.into_iter().collect()),
            pools: Cache::new(CONTROL_POOLS_MAX),
        }
    }

    /// The pool of one database, made when it is asked for the first time.
    ///
    /// # Errors
    /// `08006` when there is no upstream of this name.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn pool(&self, upstream: &str, database: &str) -> Result<ControlPool, Refusal> {
        let config = self.upstreams.get(upstream).ok_or_else(|| {
            Refusal::new(
                SqlState::CONNECTION_FAILURE,
                format!("there is no upstream \"{upstream}\""),
            )
        })?;
        Ok(self.pools.get_with((upstream.into(), database.into()), || {
            ControlPool::new(config, database)
        }))
    }
}

impl ControlClients for ControlPools {
    fn client<'a>(
        &'a self,
        upstream: &'a str,
        database: &'a str,
    ) -> BoxFuture<'a, Result<ControlClient, Refusal>> {
        Box::pin(async move { self.pool(upstream, database)?.client().await })
    }
}

impl fmt::Debug for ControlPools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ControlPools")
            .field("upstreams", &self.upstreams.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// Connects, prepares the connection, and keeps the reason of the last failure.
struct ControlConnector {
    postgres: PostgresConnectionManager<NoTls>,
    failed: watch::Sender<Option<Refusal>>,
}

impl ManageConnection for ControlConnector {
    type Connection = Client;
    type Error = Refusal;

    async fn connect(&self) -> Result<Client, Refusal> {
        let attempt = async {
            let client = self.postgres.connect().await?;
            client.batch_execute(&connection_settings()).await?;
            Ok(client)
        };
        // The driver's own time-out covers the TCP handshake alone, not a server that accepts and stays silent.
        let outcome = match timeout(CONTROL_CONNECT_TIMEOUT, attempt).await {
            Ok(outcome) => outcome.map_err(|error| connect_refusal(&error)),
            Err(_) => Err(silent_refusal()),
        };
        self.failed.send_replace(outcome.as_ref().err().cloned());
        outcome
    }

    async fn is_valid(&self, client: &mut Client) -> Result<(), Refusal> {
        self.postgres
            .is_valid(client)
            .await
            .map_err(|error| refusal(&error))
    }

    fn has_broken(&self, client: &mut Client) -> bool {
        client.is_closed()
    }
}

fn silent_refusal() -> Refusal {
    Refusal::new(
        SqlState::CONNECTION_FAILURE,
        "connection to the server failed",
    )
    .with_detail(format!(
        "The server accepted no session within {} seconds.",
        CONTROL_CONNECT_TIMEOUT.as_secs()
    ))
}

/// A failure to connect, as a client may read it.
///
/// A refused log-in of the service account must not look to a client as if its own password were wrong.
fn connect_refusal(error: &tokio_postgres::Error) -> Refusal {
    let class_28 = error
        .code()
        .is_some_and(|code| code.code().starts_with("28"));
    if class_28 {
        return Refusal::new(
            SqlState::CONNECTION_FAILURE,
            "the service account could not log in to the server",
        )
        .with_detail(format!("The server said: {}.", reason(error)));
    }
    refusal(error)
}

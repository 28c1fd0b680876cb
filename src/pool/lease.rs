//! A pool, and a lease on one of its connections.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bb8::{PooledConnection, QueueStrategy, RunError};
use tokio::time::{Instant, sleep, timeout_at};

use super::connection::ServerConnection;
use super::connector::{Failures, ServerConnector, SharedCredentials, Welcome};
use super::settings::Settings;
use super::statement::Statements;
use crate::error::{Refusal, SqlState};
use crate::names::Caller;
use crate::observe::metrics::Held;
use crate::wire::message;
use crate::wire::server::{Address, ConnectError};

/// How long to wait before asking for another connection when one failed but others of the pool live.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// The server connections of one caller with one set of startup settings.
#[derive(Debug)]
pub struct Pool {
    caller: Caller,
    address: Address,
    pool: bb8::Pool<ServerConnector>,
    credentials: Arc<SharedCredentials>,
    welcome: Arc<std::sync::Mutex<Option<Welcome>>>,
    failures: Failures,
    wait_timeout: Duration,
    metrics: Arc<crate::observe::metrics::Metrics>,
    statements: Arc<Statements>,
}

/// A server connection, for as long as it is held.
///
/// Dropping it gives the connection back when it was marked clean, and closes it otherwise.
pub struct Lease(PooledConnection<'static, ServerConnector>);

/// Why there is no lease.
#[derive(Clone, Debug)]
pub enum LeaseError {
    /// No connection was free for as long as a client may wait.
    TimedOut(Duration),
    /// No connection could be opened, and none is there to wait for.
    Connect(Address, ConnectError),
}

impl Pool {
    pub(super) fn new(
        caller: Caller,
        settings: &Settings,
        connector: ServerConnector,
        statements: Arc<Statements>,
    ) -> Self {
        let failures = Failures::new();
        let address = connector.address.clone();
        let credentials = connector.credentials.clone();
        let welcome = connector.welcome.clone();
        let metrics = connector.metrics.clone();
        let pool = bb8::Pool::builder()
            .max_size(settings.default_pool_size)
            .test_on_check_out(true)
            .retry_connection(false)
            .connection_timeout(settings.query_wait_timeout)
            .idle_timeout(settings.server_idle_timeout)
            .max_lifetime(settings.server_lifetime)
            .queue_strategy(QueueStrategy::Lifo)
            .error_sink(Box::new(failures.clone()))
            .build_unchecked(connector);
        Self {
            caller,
            address,
            pool,
            credentials,
            welcome,
            failures,
            wait_timeout: settings.query_wait_timeout,
            metrics,
            statements,
        }
    }

    /// Whose connections these are.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Where they lead.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The proof of identity that new connections use.
    #[must_use]
    pub fn credentials(&self) -> &SharedCredentials {
        &self.credentials
    }

    /// The contents that clients prepare.
    #[must_use]
    pub fn statements(&self) -> &Statements {
        &self.statements
    }

    /// Whether the pool has no connection, neither free nor in use.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pool.state().connections == 0
    }

    /// What a client is told at login; opens the pool's first connection when none was opened before.
    ///
    /// # Errors
    /// As [`Self::lease`].
    pub async fn welcome(&self) -> Result<Welcome, LeaseError> {
        loop {
            let known = self
                .welcome
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            if let Some(welcome) = known {
                return Ok(welcome);
            }
            self.lease().await?.mark_clean();
        }
    }

    /// Waits for a connection.
    ///
    /// # Errors
    /// [`LeaseError`]; a failure to connect is reported at once when the pool has no other connection to wait for.
    ///
    /// # Cancel safety
    /// A connection that was found but not returned goes back to the pool.
    pub async fn lease(&self) -> Result<Lease, LeaseError> {
        let seen = self.failures.count();
        let mut get = std::pin::pin!(self.pool.get_owned());
        // Nearly always a connection is free, and then neither a timer nor a subscription is needed.
        let first = futures_util::future::poll_immediate(&mut get).await;
        let found = match first {
            Some(found) => found,
            None => {
                let waiting = Held::new(&self.metrics.leases_waiting);
                let since = Instant::now();
                let found = tokio::select! {
                    biased;
                    found = get => found,
                    failed = self.failures.after(seen) => {
                        return self.after_failure(failed, since + self.wait_timeout).await;
                    }
                };
                drop(waiting);
                self.metrics
                    .lease_wait
                    .observe(since.elapsed().as_secs_f64());
                found
            }
        };
        self.granted(found)
    }

    /// Goes on waiting while other connections of the pool may become free.
    async fn after_failure(
        &self,
        mut failed: ConnectError,
        deadline: Instant,
    ) -> Result<Lease, LeaseError> {
        let _waiting = Held::new(&self.metrics.leases_waiting);
        loop {
            if self.pool.state().connections == 0 {
                return Err(LeaseError::Connect(self.address.clone(), failed));
            }
            sleep(RETRY_AFTER).await;
            let seen = self.failures.count();
            let found = timeout_at(deadline, async {
                tokio::select! {
                    biased;
                    found = self.pool.get_owned() => Ok(found),
                    failed = self.failures.after(seen) => Err(failed),
                }
            });
            match found.await {
                Ok(Ok(found)) => return self.granted(found),
                Ok(Err(error)) => failed = error,
                Err(_) => return Err(LeaseError::TimedOut(self.wait_timeout)),
            }
        }
    }

    fn granted(
        &self,
        found: Result<PooledConnection<'static, ServerConnector>, RunError<ConnectError>>,
    ) -> Result<Lease, LeaseError> {
        match found {
            Ok(mut connection) => {
                connection.mark_leased();
                Ok(Lease(connection))
            }
            Err(RunError::TimedOut) => Err(LeaseError::TimedOut(self.wait_timeout)),
            Err(RunError::User(error)) => Err(LeaseError::Connect(self.address.clone(), error)),
        }
    }
}

impl Deref for Lease {
    type Target = ServerConnection;

    fn deref(&self) -> &ServerConnection {
        &self.0
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut ServerConnection {
        &mut self.0
    }
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Lease(pid {})", self.process_id())
    }
}

impl LeaseError {
    /// What the client is told.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        match self {
            Self::TimedOut(waited) => Refusal::new(
                SqlState::TOO_MANY_CONNECTIONS,
                "no server connection became free in time",
            )
            .with_detail(format!("Waited {waited:?} (pool.query_wait_timeout)."))
            .with_hint("Raise pool.default_pool_size, or find the transactions that stay open."),
            Self::Connect(_, ConnectError::Server(frame)) => message::read_error(frame),
            Self::Connect(address, ConnectError::Unreachable(reason)) => Refusal::new(
                SqlState::CONNECTION_FAILURE,
                format!("could not connect to server at {address}: {reason}"),
            ),
            Self::Connect(address, ConnectError::NoCredentials(reason)) => Refusal::new(
                SqlState::INVALID_AUTHORIZATION,
                format!("could not log in to server at {address}: {reason}"),
            ),
            Self::Connect(address, ConnectError::Stale) => Refusal::new(
                SqlState::CONNECTION_FAILURE,
                format!("could not connect to server at {address}"),
            ),
        }
    }

    /// The server's own ErrorResponse, when it was the server that refused.
    #[must_use]
    pub fn server_frame(&self) -> Option<&[u8]> {
        match self {
            Self::Connect(_, ConnectError::Server(frame)) => Some(frame),
            _ => None,
        }
    }
}

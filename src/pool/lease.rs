//! A pool, and a lease on one of its connections.

use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use bb8::{PooledConnection, QueueStrategy, RunError};
use futures_util::future::poll_immediate;
use tokio::time::{Instant, sleep, timeout_at};

use super::connection::ServerConnection;
use super::connector::{Failures, Greeting, ServerConnector, SharedCredentials};
use super::epoch::Epoch;
use super::parking::{Arrival, Parking, Waiter};
use super::settings::Settings;
use super::statement::Statements;
use crate::error::{Refusal, SqlState};
use crate::names::Caller;
use crate::observe::metrics::{Held, Metrics};
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
    /// Connections that sessions have left, to be found again or stolen.
    pub(super) parking: Arc<Parking<Lease>>,
    size_max: u32,
    limits: AgeLimits,
    credentials: Arc<SharedCredentials>,
    greeting: Arc<std::sync::Mutex<Option<Greeting>>>,
    epoch: Epoch,
    failures: Failures,
    wait_timeout: Duration,
    metrics: Arc<Metrics>,
    statements: Arc<Statements>,
    /// Somebody has asked what a sequence last gave to the session.
    reads_sequences: AtomicBool,
}

/// How old a connection may become that nobody uses.
#[derive(Clone, Copy, Debug)]
pub(super) struct AgeLimits {
    /// Since it was used last.
    idle: Duration,
    /// Since it was opened.
    life: Duration,
}

/// A server connection, for as long as it is held.
///
/// Dropping it gives the connection back when it was marked clean, and closes it otherwise.
// In a box, because it changes hands often.
pub struct Lease(Box<PooledConnection<'static, ServerConnector>>);

/// Why there is no lease.
#[derive(Clone, Debug)]
pub enum LeaseError {
    /// No connection was free for as long as a client may wait.
    TimedOut(Duration),
    /// No connection could be opened, and none is there to wait for.
    Connect(Address, ConnectError),
}

/// bb8's answer to who asks for a connection.
type Found = Result<PooledConnection<'static, ServerConnector>, RunError<ConnectError>>;

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
        let greeting = connector.greeting.clone();
        let epoch = connector.epoch.clone();
        let metrics = connector.metrics.clone();
        let limits = AgeLimits {
            idle: settings.server_idle_timeout,
            life: settings.server_lifetime,
        };
        let pool = bb8::Pool::builder()
            .max_size(settings.default_pool_size)
            .test_on_check_out(true)
            .retry_connection(false)
            .connection_timeout(settings.query_wait_timeout)
            .idle_timeout(limits.idle)
            .max_lifetime(limits.life)
            .reaper_rate(limits.look_every())
            .queue_strategy(QueueStrategy::Lifo)
            .error_sink(Box::new(failures.clone()))
            .build_unchecked(connector);
        let parking = Arc::default();
        tokio::spawn(sweep(Arc::downgrade(&parking), limits));
        Self {
            caller,
            address,
            pool,
            parking,
            size_max: settings.default_pool_size,
            limits,
            credentials,
            greeting,
            epoch,
            failures,
            wait_timeout: settings.query_wait_timeout,
            metrics,
            statements,
            reads_sequences: AtomicBool::new(false),
        }
    }

    /// Whether somebody here has ever asked what a sequence last gave to the session.
    #[inline]
    #[must_use]
    pub fn reads_sequences(&self) -> bool {
        self.reads_sequences.load(Ordering::Relaxed)
    }

    /// Notes that somebody asks what a sequence last gave to the session, and others may, too.
    pub fn note_sequence_read(&self) {
        self.reads_sequences.store(true, Ordering::Relaxed);
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

    /// Notes that new sessions may begin otherwise from now on (`ALTER ROLE ... SET` was carried out, and the like), in
    /// this pool and in every other one: what was opened before goes to no further session, and the next client is told
    /// what a new connection reports.
    pub fn look_anew(&self) {
        self.epoch.end();
    }

    /// What a client is told at login: what the newest connection reported; opens one when there is none of today.
    ///
    /// # Errors
    /// As [`Self::lease`].
    pub async fn greeting(&self) -> Result<Greeting, LeaseError> {
        loop {
            let known = self
                .greeting
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            if let Some(greeting) = known
                && self.epoch.is_greeted()
            {
                return Ok(greeting);
            }
            let mut lease = self.lease().await?;
            lease.mark_clean();
            self.give_back(lease);
        }
    }

    /// Waits for a connection: one that is free, else a new one while there is room, else the one that its session
    /// has not used for longest, else the first that somebody leaves.
    ///
    /// # Errors
    /// [`LeaseError`]; a failure to connect is reported at once when the pool has no other connection to wait for.
    ///
    /// # Cancel safety
    /// A connection that was found but not returned goes back to the pool.
    pub async fn lease(&self) -> Result<Lease, LeaseError> {
        loop {
            let lease = self.next_lease().await?.taken();
            if lease.is_quiet() && lease.opened_at() >= self.epoch.now() {
                return Ok(lease);
            }
        }
    }

    async fn next_lease(&self) -> Result<Lease, LeaseError> {
        let seen = self.failures.count();
        let mut get = std::pin::pin!(self.pool.get_owned());
        // Who comes later must not go first.
        if !self.parking.somebody_waits()
            && let Some(found) = poll_immediate(&mut get).await
        {
            return self.granted(found);
        }
        let waiter = match self.parking.arrive(self.is_full()) {
            Arrival::Stole(lease) => {
                self.metrics.leases_stolen.inc();
                return Ok(lease);
            }
            Arrival::Waits(waiter) => waiter,
        };
        let waiting = Held::new(&self.metrics.leases_waiting);
        let since = Instant::now();
        let lease = self.wait(waiter, get, seen, since).await;
        drop(waiting);
        self.metrics
            .lease_wait
            .observe(since.elapsed().as_secs_f64());
        lease
    }

    /// Waits for what is handed over, opened anew, or given back to bb8, whichever comes first.
    async fn wait(
        &self,
        mut waiter: Waiter<'_, Lease>,
        get: Pin<&mut impl Future<Output = Found>>,
        seen: u64,
        since: Instant,
    ) -> Result<Lease, LeaseError> {
        let failed = tokio::select! {
            biased;
            lease = waiter.handed() => return Ok(lease),
            found = get => {
                let lease = self.granted(found);
                self.relieve_others(waiter).await;
                return lease;
            }
            failed = self.failures.after(seen) => failed,
        };
        self.wait_after_failure(waiter, failed, since + self.wait_timeout)
            .await
    }

    /// Goes on waiting while other connections of the pool may become free.
    async fn wait_after_failure(
        &self,
        mut waiter: Waiter<'_, Lease>,
        mut failed: ConnectError,
        deadline: Instant,
    ) -> Result<Lease, LeaseError> {
        loop {
            // No new one for now: what is parked must do, unless it has gone the same way.
            while let Some(lease) = self.parking.steal() {
                if lease.is_quiet() {
                    self.metrics.leases_stolen.inc();
                    return Ok(lease);
                }
                lease.close();
            }
            if self.pool.state().connections == 0 {
                return Err(LeaseError::Connect(self.address.clone(), failed));
            }
            let retry = async {
                sleep(RETRY_AFTER).await;
                let seen = self.failures.count();
                tokio::select! {
                    biased;
                    found = self.pool.get_owned() => Next::Granted(self.granted(found)),
                    failed = self.failures.after(seen) => Next::Failed(failed),
                }
            };
            let next = timeout_at(deadline, async {
                tokio::select! {
                    biased;
                    lease = waiter.handed() => Next::Handed(lease),
                    next = retry => next,
                }
            });
            match next.await {
                Ok(Next::Handed(lease)) => return Ok(lease),
                Ok(Next::Granted(lease)) => {
                    self.relieve_others(waiter).await;
                    return lease;
                }
                Ok(Next::Failed(error)) => failed = error,
                Err(_) => return Err(LeaseError::TimedOut(self.wait_timeout)),
            }
        }
    }

    /// For one who has waited and was not served by hand: what else has become free, or may be stolen by now,
    /// somebody else may be waiting for. (bb8 wakes one who waits for each connection, and only if it waits already.)
    async fn relieve_others(&self, waiter: Waiter<'_, Lease>) {
        drop(waiter);
        while self.parking.somebody_waits() {
            let free = match poll_immediate(self.pool.get_owned()).await {
                Some(Ok(connection)) => Some(Lease(Box::new(connection))),
                _ if self.is_full() => self.parking.steal(),
                _ => None,
            };
            let Some(free) = free else {
                return;
            };
            drop(self.parking.hand_over(free));
        }
    }

    fn granted(&self, found: Found) -> Result<Lease, LeaseError> {
        match found {
            Ok(connection) => Ok(Lease(Box::new(connection))),
            Err(RunError::TimedOut) => Err(LeaseError::TimedOut(self.wait_timeout)),
            Err(RunError::User(error)) => Err(LeaseError::Connect(self.address.clone(), error)),
        }
    }

    /// Gives a connection back that was marked clean, to whoever has waited longest.
    pub fn give_back(&self, lease: Lease) {
        if lease.is_clean() && !self.is_outlived(&lease, std::time::Instant::now()) {
            drop(self.parking.hand_over(lease));
        }
    }

    /// Whether no further connection would be opened.
    fn is_full(&self) -> bool {
        self.pool.state().connections >= self.size_max
    }

    /// Whether a connection has become too old to be used again.
    pub(super) fn is_outlived(&self, lease: &Lease, now: std::time::Instant) -> bool {
        now.saturating_duration_since(lease.opened()) >= self.limits.life
    }
}

/// What came of waiting after a failure to connect.
enum Next {
    Handed(Lease),
    Granted(Result<Lease, LeaseError>),
    Failed(ConnectError),
}

impl AgeLimits {
    /// How often to look for what has become too old: soon enough for the limits to mean something, and seldom enough
    /// for thousands of pools.
    fn look_every(self) -> Duration {
        (self.idle.min(self.life) / 4).clamp(LOOK_EVERY_MIN, LOOK_EVERY_MAX)
    }
}

/// Bounds on how often connections are looked at for their age; the upper one is bb8's own.
const LOOK_EVERY_MIN: Duration = Duration::from_millis(50);
const LOOK_EVERY_MAX: Duration = Duration::from_secs(30);

/// Closes parked connections that have become too old, until their pool is gone. (bb8 looks after the free ones.)
async fn sweep(parking: Weak<Parking<Lease>>, limits: AgeLimits) {
    loop {
        sleep(limits.look_every()).await;
        let Some(parking) = parking.upgrade() else {
            return;
        };
        let now = std::time::Instant::now();
        let due = parking.take_where(|since, lease| {
            now.saturating_duration_since(since) >= limits.idle
                || now.saturating_duration_since(lease.opened()) >= limits.life
        });
        due.into_iter().for_each(Lease::close);
    }
}

impl Lease {
    /// The same, from here on dirty.
    pub(super) fn taken(mut self) -> Self {
        self.mark_leased();
        self
    }

    /// Closes the connection, whatever its state.
    pub fn close(self) {
        drop(self.taken());
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

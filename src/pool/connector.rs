//! How a pool opens a server connection, and whether one is still good: bb8's side of the pool.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bb8::{ErrorSink, ManageConnection};
use tokio::sync::watch;
use tokio::time::timeout;

use super::connection::ServerConnection;
use super::epoch::Epoch;
use crate::observe::metrics::{Held, Metrics};
use crate::wire::server::{self, Address, ConnectError, Credentials};

/// Opens the server connections of one pool.
#[derive(Debug)]
pub struct ServerConnector {
    pub(super) address: Address,
    /// `user`, `database` and the startup settings that the pool's clients share.
    pub(super) parameters: Vec<(String, String)>,
    pub(super) credentials: Arc<SharedCredentials>,
    /// ParameterStatus as the newest connection reported it.
    pub(super) greeting: Arc<Mutex<Option<Greeting>>>,
    pub(super) epoch: Epoch,
    pub(super) connect_timeout: Duration,
    pub(super) prepared_max: usize,
    pub(super) metrics: Arc<Metrics>,
}

/// Every ParameterStatus, in the server's order.
pub type Welcome = Arc<[(String, String)]>;

/// What a new connection reports.
#[derive(Clone, Debug)]
pub struct Greeting {
    /// What a client is told at login.
    pub welcome: Welcome,
    /// The same without the application name, which is the client's own.
    pub reports: Welcome,
}

impl Greeting {
    fn new(parameters: &[(String, String)], last: Option<&Self>) -> Self {
        let is_report = |(name, _): &&(String, String)| name != "application_name";
        let reports = parameters.iter().filter(is_report).cloned().collect();
        match last {
            Some(last) if last.reports == reports => Self {
                welcome: parameters.into(),
                reports: last.reports.clone(),
            },
            _ => Self {
                welcome: parameters.into(),
                reports,
            },
        }
    }
}

/// The proof of identity that the next connection will use; replaced at each login of a client.
#[derive(Default)]
pub struct SharedCredentials(Mutex<Option<Credentials>>);

impl std::fmt::Debug for SharedCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SharedCredentials(***)")
    }
}

impl SharedCredentials {
    /// Replaces the proof.
    pub fn set(&self, credentials: Credentials) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(credentials);
    }

    fn current(&self) -> Credentials {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
            .unwrap_or(Credentials::None)
    }
}

impl ServerConnector {
    async fn open(&self) -> Result<ServerConnection, ConnectError> {
        let begun_at = self.epoch.now();
        let credentials = self.credentials.current();
        let connecting = server::connect(&self.address, &self.parameters, &credentials);
        let server = timeout(self.connect_timeout, connecting)
            .await
            .map_err(|_| {
                ConnectError::Unreachable(format!("no answer within {:?}", self.connect_timeout))
            })??;
        let (reports, opened_at) = {
            let mut newest = self.greeting.lock().unwrap_or_else(PoisonError::into_inner);
            let greeting = Greeting::new(&server.parameters, newest.as_ref());
            let reports = greeting.reports.clone();
            let greeted = self.epoch.greet(begun_at, &server.parameters);
            if greeted.is_newest {
                *newest = Some(greeting);
            }
            (reports, greeted.opened_at)
        };
        let counted = Held::new(&self.metrics.server_connections);
        Ok(ServerConnection::new(
            self.address.clone(),
            server,
            reports,
            self.prepared_max,
            opened_at,
            counted,
        ))
    }
}

impl ManageConnection for ServerConnector {
    type Connection = ServerConnection;
    type Error = ConnectError;

    async fn connect(&self) -> Result<ServerConnection, ConnectError> {
        let opened = self.open().await;
        match &opened {
            Ok(_) => self.metrics.server_connects.inc(),
            Err(_) => self.metrics.server_connects_failed.inc(),
        }
        opened
    }

    /// No round trip: a connection that the server has closed has said so by now.
    async fn is_valid(&self, connection: &mut ServerConnection) -> Result<(), ConnectError> {
        if connection.is_quiet() && connection.opened_at() >= self.epoch.now() {
            Ok(())
        } else {
            Err(ConnectError::Stale)
        }
    }

    fn has_broken(&self, connection: &mut ServerConnection) -> bool {
        !connection.is_clean()
    }
}

/// Passes failures to connect on to whoever waits for a connection, which bb8 by itself does not.
#[derive(Clone, Debug)]
pub(super) struct Failures(Arc<watch::Sender<Failed>>);

/// How many attempts to connect have failed, and how the last one did.
#[derive(Clone, Debug, Default)]
pub(super) struct Failed {
    pub(super) count: u64,
    pub(super) last: Option<ConnectError>,
}

impl Failures {
    pub(super) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Failed::default())))
    }

    pub(super) fn count(&self) -> u64 {
        self.0.borrow().count
    }

    /// The first failure beyond the first `seen` ones.
    pub(super) async fn after(&self, seen: u64) -> ConnectError {
        let mut receiver = self.0.subscribe();
        let failed = receiver.wait_for(|failed| failed.count > seen).await;
        let last = failed.ok().and_then(|failed| failed.last.clone());
        last.unwrap_or(ConnectError::Stale)
    }
}

impl ErrorSink<ConnectError> for Failures {
    fn sink(&self, error: ConnectError) {
        if !matches!(error, ConnectError::Stale) {
            self.0.send_modify(|failed| {
                failed.count += 1;
                failed.last = Some(error);
            });
        }
    }

    fn boxed_clone(&self) -> Box<dyn ErrorSink<ConnectError>> {
        Box::new(self.clone())
    }
}

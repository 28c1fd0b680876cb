//! Cancels on their way to a server connection, and the connection that waits for them.
//!
//! A CancelRequest names a backend, not a query: whatever that backend runs when the request arrives is what stops. So
//! a connection goes to nobody else between the moment that a cancel for its present client sets out and the moment
//! that the server has taken it; and where it cannot be known whether the server will still take it, to nobody ever.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::lease::Lease;
use crate::wire::server::{self, Address};

/// How long connecting to the server, and then the server's taking of a cancel, may take.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(10);

/// Where a cancel of what one server connection runs must go. It lives as long as the connection.
pub struct CancelPoint {
    address: Address,
    process_id: i32,
    secret_key: Bytes,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// A cancel is on its way.
    sending: bool,
    /// Those who asked for another one since it set out. One more is enough for all of them.
    next: Vec<Waiter>,
    /// A cancel was sent and may still be taken at any time.
    doubtful: bool,
    /// The connection, given back while a cancel was on its way to it.
    held: Option<Lease>,
}

/// Dropped when the server has taken the cancel, or when there is nothing left to wait for.
type Waiter = oneshot::Sender<()>;

impl CancelPoint {
    /// Nothing on its way.
    #[must_use]
    pub fn new(address: Address, process_id: i32, secret_key: Bytes) -> Arc<Self> {
        Arc::new(Self {
            address,
            process_id,
            secret_key,
            state: Mutex::default(),
        })
    }

    /// The backend's process id.
    #[must_use]
    pub fn process_id(&self) -> i32 {
        self.process_id
    }

    /// Sends a cancel on its way, on a task of its own; the future resolves when the server has taken it.
    ///
    /// # Cancel safety
    /// Dropping the future stops nothing.
    pub fn cancel(self: &Arc<Self>) -> impl Future<Output = ()> + use<> {
        let (waiter, taken) = oneshot::channel();
        let mut state = self.lock();
        if state.sending {
            state.next.push(waiter);
        } else {
            state.sending = true;
            tokio::spawn(self.clone().send(vec![waiter]));
        }
        drop(state);
        async move {
            let _ = taken.await;
        }
    }

    /// Hands a connection back that its client has left, unless a cancel may still hit it: then it is kept until the
    /// server has taken the cancel, or closed.
    pub(super) fn leave(lease: Lease) -> Option<Lease> {
        let point = lease.cancel_point().clone();
        let mut state = point.lock();
        if state.sending {
            state.held = Some(lease);
            None
        } else if state.doubtful {
            drop(state);
            lease.close();
            None
        } else {
            Some(lease)
        }
    }

    async fn send(self: Arc<Self>, mut waiters: Vec<Waiter>) {
        loop {
            let is_doubtful = self.send_one().await;
            let mut state = self.lock();
            state.doubtful |= is_doubtful;
            drop(waiters);
            waiters = std::mem::take(&mut state.next);
            // What was given back runs nothing that could be cancelled.
            if waiters.is_empty() || state.held.is_some() {
                state.sending = false;
                let held = state.held.take();
                let is_doubtful = state.doubtful;
                drop(state);
                match held {
                    Some(lease) if is_doubtful => lease.close(),
                    held => drop(held),
                }
                return;
            }
        }
    }

    /// Sends one cancel; whether the server may take it later than this.
    async fn send_one(&self) -> bool {
        let stream = match timeout(CANCEL_TIMEOUT, self.address.connect()).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                tracing::warn!(%error, "could not pass a cancel on to the server");
                return false;
            }
            Err(_) => {
                tracing::warn!("could not pass a cancel on to the server in time");
                return false;
            }
        };
        let sent = server::send_cancel(stream, self.process_id, &self.secret_key);
        match timeout(CANCEL_TIMEOUT, sent).await {
            Ok(Ok(())) => false,
            Ok(Err(error)) => {
                tracing::warn!(%error, "the server may not have taken a cancel");
                true
            }
            Err(_) => {
                tracing::warn!("the server did not take a cancel in time");
                true
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for CancelPoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CancelPoint(pid {})", self.process_id)
    }
}

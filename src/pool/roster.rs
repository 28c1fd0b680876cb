//! The clients that are connected: how a CancelRequest finds one, and how all of them are told to leave.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Context;

use futures_util::task::AtomicWaker;
use subtle::ConstantTimeEq;

use super::cancel::CancelPoint;
use super::lease::Lease;

/// Everybody who is connected.
#[derive(Debug, Default)]
pub struct Roster {
    clients: Mutex<HashMap<i32, Arc<Ticket>>>,
    /// Whoever comes now is to leave at once.
    closed: AtomicBool,
}

/// One client's place in the roster.
#[derive(Debug)]
pub struct Ticket {
    process_id: i32,
    secret_key: SecretKey,
    signals: AtomicU8,
    waker: AtomicWaker,
    /// The connection that the client's queries run on.
    running: Mutex<Option<Arc<CancelPoint>>>,
}

/// The secret that a CancelRequest must carry.
#[derive(Clone)]
pub struct SecretKey {
    bytes: [u8; Self::BYTES_MAX],
    length: usize,
}

impl SecretKey {
    /// Bytes of a key in protocol 3.0, which knows no other length.
    pub const BYTES_3_0: usize = 4;

    /// Bytes of a key from protocol 3.2 on.
    ///
    /// # Source
    /// `MAX_CANCEL_KEY_LENGTH` in `src/include/storage/procsignal.h` of PostgreSQL 18.
    pub const BYTES_MAX: usize = 32;

    /// A random key of `length` bytes, [`Self::BYTES_MAX`] at most.
    fn random(length: usize) -> Self {
        let mut bytes = [0; Self::BYTES_MAX];
        getrandom::fill(&mut bytes).expect("the system's random source is always there");
        Self {
            bytes,
            length: length.min(Self::BYTES_MAX),
        }
    }

    /// The key's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretKey(***)")
    }
}

const CANCEL: u8 = 1;
const LEAVE: u8 = 2;
const EXPEL: u8 = 4;

/// Whether a client is to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dismissal {
    /// It may stay.
    No,
    /// As soon as it is between transactions.
    WhenIdle,
    /// Whatever it is doing.
    Now,
}

impl Roster {
    /// Enters a client under a process id and a secret of its own, of so many bytes.
    #[must_use]
    pub fn enter(self: &Arc<Self>, key_bytes: usize) -> Entry {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let ticket = loop {
            let mut random = [0; 4];
            getrandom::fill(&mut random).expect("the system's random source is always there");
            // Positive, as the process ids of PostgreSQL are.
            let process_id = i32::from_be_bytes(random) & i32::MAX;
            if process_id != 0 && !clients.contains_key(&process_id) {
                break Arc::new(Ticket {
                    process_id,
                    secret_key: SecretKey::random(key_bytes),
                    signals: AtomicU8::new(0),
                    waker: AtomicWaker::new(),
                    running: Mutex::default(),
                });
            }
        };
        clients.insert(ticket.process_id, ticket.clone());
        if self.closed.load(Ordering::Acquire) {
            ticket.signal(LEAVE);
        }
        Entry {
            roster: self.clone(),
            ticket,
        }
    }

    /// Cancels what a client is doing: a query on a server, or its wait for something. A wrong key does nothing.
    pub async fn cancel(&self, process_id: i32, secret_key: &[u8]) {
        let ticket = self
            .clients
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&process_id)
            .cloned();
        if let Some(ticket) = ticket
            && bool::from(ticket.secret_key.as_bytes().ct_eq(secret_key))
        {
            ticket.cancel().await;
        }
    }

    /// Tells every client to leave as soon as its transaction ends.
    pub fn dismiss_all(&self) {
        self.closed.store(true, Ordering::Release);
        self.signal_all(LEAVE);
    }

    /// Tells every client to leave at once.
    pub fn expel_all(&self) {
        self.signal_all(EXPEL);
    }

    fn signal_all(&self, signal: u8) {
        for ticket in self
            .clients
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
        {
            ticket.signal(signal);
        }
    }

    /// How many clients there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.clients
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    /// Whether nobody is connected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Ticket {
    /// The process id that the client knows itself by.
    #[must_use]
    pub fn process_id(&self) -> i32 {
        self.process_id
    }

    /// The secret that a CancelRequest must carry.
    #[must_use]
    pub fn secret_key(&self) -> &SecretKey {
        &self.secret_key
    }

    /// Registers the task to wake on a signal, and says whether the client is to leave.
    #[inline]
    pub fn poll_dismissed(&self, cx: &Context<'_>) -> Dismissal {
        self.waker.register(cx.waker());
        let signals = self.signals.load(Ordering::Acquire);
        if signals & EXPEL != 0 {
            Dismissal::Now
        } else if signals & LEAVE != 0 {
            Dismissal::WhenIdle
        } else {
            Dismissal::No
        }
    }

    /// Waits until the client cancels what is done without a server.
    pub async fn cancelled(&self) {
        std::future::poll_fn(|cx| {
            self.waker.register(cx.waker());
            if self.take_cancel() {
                std::task::Poll::Ready(())
            } else {
                std::task::Poll::Pending
            }
        })
        .await;
    }

    /// Waits until the client is told to leave at once.
    pub async fn expelled(&self) {
        std::future::poll_fn(|cx| match self.poll_dismissed(cx) {
            Dismissal::Now => std::task::Poll::Ready(()),
            Dismissal::No | Dismissal::WhenIdle => std::task::Poll::Pending,
        })
        .await;
    }

    /// Whether the client has cancelled since it was last asked about or forgotten.
    #[must_use]
    pub fn take_cancel(&self) -> bool {
        self.signals.fetch_and(!CANCEL, Ordering::AcqRel) & CANCEL != 0
    }

    /// Forgets a cancel that came too late for what it was meant for.
    pub fn clear_cancel(&self) {
        let _ = self.take_cancel();
    }

    /// Notes that the client's queries now run on this connection.
    pub fn runs_on(&self, point: &Arc<CancelPoint>) {
        *self.lock() = Some(point.clone());
    }

    /// Notes that the client's queries run on this connection no longer, and hands it back, unless a cancel is on its
    /// way to it: then it is kept until the server has taken the cancel, and closed if that does not become known.
    #[must_use]
    pub fn leave(&self, lease: Lease) -> Option<Lease> {
        *self.lock() = None;
        CancelPoint::leave(lease)
    }

    /// Cancels what the client is doing now, on its server connection and without one.
    ///
    /// # Cancel safety
    /// Dropping the future stops nothing: a cancel that has set out arrives, and what it holds up goes on then.
    pub async fn cancel(&self) {
        // Also the answer to an ask that is asked within a transaction is sought without the server.
        self.signal(CANCEL);
        // Under the lock, so that the connection cannot be given back between the look and the setting out.
        let taken = self.lock().as_ref().map(CancelPoint::cancel);
        if let Some(taken) = taken {
            taken.await;
        }
    }

    fn signal(&self, signal: u8) {
        self.signals.fetch_or(signal, Ordering::AcqRel);
        self.waker.wake();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Arc<CancelPoint>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client's entry; dropping it strikes the client off the roster.
#[derive(Debug)]
pub struct Entry {
    roster: Arc<Roster>,
    ticket: Arc<Ticket>,
}

impl Entry {
    /// The client's ticket.
    #[must_use]
    pub fn ticket(&self) -> &Arc<Ticket> {
        &self.ticket
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.roster
            .clients
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.ticket.process_id);
    }
}

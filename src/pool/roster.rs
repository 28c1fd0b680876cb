//! The clients that are connected: how a CancelRequest finds one, and how all of them are told to leave.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Context;
use std::time::Duration;

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use subtle::ConstantTimeEq;

use super::lease::Lease;
use crate::wire::server::{self, Address};

/// How long passing a cancel on to the server may take.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(10);

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
    secret_key: i32,
    signals: AtomicU8,
    waker: AtomicWaker,
    running: Mutex<Running>,
}

/// Where a cancel must go, and what it holds up.
#[derive(Debug, Default)]
struct Running {
    target: Option<Arc<CancelTarget>>,
    /// The target is where the client's queries run now, and not only where they ran last.
    is_now: bool,
    /// Connections that cancels are on their way to, or have perhaps not reached yet.
    flights: Vec<Flight>,
}

#[derive(Debug)]
struct CancelTarget {
    address: Address,
    process_id: i32,
    secret_key: Bytes,
}

/// Cancels on their way to one connection.
#[derive(Debug)]
struct Flight {
    process_id: i32,
    count: u32,
    /// Of one it was never heard that the server took it: it may hit the connection at any later time.
    is_astray: bool,
    /// The connection, once it was left: it goes to nobody until the server has taken the cancels.
    held_up: Option<Lease>,
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
    /// Enters a client under a process id and a secret of its own.
    #[must_use]
    pub fn enter(self: &Arc<Self>) -> Entry {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let ticket = loop {
            let mut random = [0; 8];
            getrandom::fill(&mut random).expect("the system's random source is always there");
            let [a, b, c, d, key @ ..] = random;
            // Positive, as the process ids of PostgreSQL are.
            let process_id = i32::from_be_bytes([a & 0x7f, b, c, d]);
            if process_id != 0 && !clients.contains_key(&process_id) {
                break Arc::new(Ticket {
                    process_id,
                    secret_key: i32::from_be_bytes(key),
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
            && bool::from(ticket.secret_key.to_be_bytes().ct_eq(secret_key))
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
    pub fn secret_key(&self) -> i32 {
        self.secret_key
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
            if self.signals.fetch_and(!CANCEL, Ordering::AcqRel) & CANCEL != 0 {
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

    /// Forgets a cancel that came too late for what it was meant for.
    pub fn clear_cancel(&self) {
        self.signals.fetch_and(!CANCEL, Ordering::AcqRel);
    }

    /// Notes that the client's queries now run on this connection.
    pub fn runs_on(&self, address: &Address, lease: &Lease) {
        let mut running = self.lock();
        running.is_now = true;
        // Mostly the one that it had before.
        let is_same = running.target.as_ref().is_some_and(|target| {
            target.process_id == lease.process_id() && target.secret_key == lease.secret_key()
        });
        if !is_same {
            running.target = Some(Arc::new(CancelTarget {
                address: address.clone(),
                process_id: lease.process_id(),
                secret_key: lease.secret_key().clone(),
            }));
        }
    }

    /// Notes that the client's queries run on this connection no longer, and hands it back, unless a cancel is on its
    /// way to it: then it is kept until the server has taken the cancel, and closed if that does not become known.
    #[must_use]
    pub fn leave(&self, lease: Lease) -> Option<Lease> {
        let mut running = self.lock();
        running.is_now = false;
        let process_id = lease.process_id();
        let Some(index) = running
            .flights
            .iter()
            .position(|f| f.process_id == process_id)
        else {
            return Some(lease);
        };
        if running.flights[index].count > 0 {
            running.flights[index].held_up = Some(lease);
        } else {
            running.flights.remove(index);
            drop(running);
            lease.close();
        }
        None
    }

    /// Cancels what the client is doing now.
    ///
    /// # Cancel safety
    /// A future that is dropped counts as a cancel of which nobody knows whether it arrived.
    pub async fn cancel(&self) {
        let Some(target) = self.take_off() else {
            self.signal(CANCEL);
            return;
        };
        let mut landing = Landing {
            ticket: self,
            process_id: target.process_id,
            is_known: false,
        };
        let sent = server::cancel(
            &target.address,
            target.process_id,
            target.secret_key.clone(),
        );
        match tokio::time::timeout(CANCEL_TIMEOUT, sent).await {
            Ok(Ok(())) => landing.is_known = true,
            Ok(Err(error)) => tracing::warn!(%error, "could not pass a cancel on to the server"),
            Err(_) => tracing::warn!("the server did not take a cancel in time"),
        }
    }

    /// Where a cancel must go now, which is noted to be on its way.
    fn take_off(&self) -> Option<Arc<CancelTarget>> {
        let mut running = self.lock();
        let target = running.target.clone().filter(|_| running.is_now)?;
        let process_id = target.process_id;
        match running
            .flights
            .iter_mut()
            .find(|f| f.process_id == process_id)
        {
            Some(flight) => flight.count += 1,
            None => running.flights.push(Flight {
                process_id,
                count: 1,
                is_astray: false,
                held_up: None,
            }),
        }
        Some(target)
    }

    /// A cancel is no longer on its way; what it alone held up goes free, or is closed.
    fn land(&self, process_id: i32, is_known: bool) {
        let mut running = self.lock();
        let Some(index) = running
            .flights
            .iter()
            .position(|f| f.process_id == process_id)
        else {
            return;
        };
        let flight = &mut running.flights[index];
        flight.count -= 1;
        flight.is_astray |= !is_known;
        if flight.count > 0 || (flight.is_astray && flight.held_up.is_none()) {
            return;
        }
        let Flight {
            is_astray, held_up, ..
        } = running.flights.remove(index);
        drop(running);
        match held_up {
            Some(lease) if is_astray => lease.close(),
            held_up => drop(held_up),
        }
    }

    fn signal(&self, signal: u8) {
        self.signals.fetch_or(signal, Ordering::AcqRel);
        self.waker.wake();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end of a cancel's way, however it ends.
struct Landing<'a> {
    ticket: &'a Ticket,
    process_id: i32,
    is_known: bool,
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        self.ticket.land(self.process_id, self.is_known);
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

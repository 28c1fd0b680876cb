//! Taking a server connection, and giving it back.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::time::timeout;

use super::marks::Marks;
use super::serve::{Gone, Session};
use crate::pool::lease::{Lease, LeaseError, Pool};
use crate::pool::roster::Ticket;
use crate::pool::settings::PoolMode;
use crate::wire::exchange::{Fate, Sent};
use crate::wire::frame::{HEADER_BYTES, Header, tag};
use crate::wire::message;

/// How long the server may take to receive what a client sent before it went.
const LAST_WORDS_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a connection may take to forget its last client before it is closed instead.
const RESET_TIMEOUT: Duration = Duration::from_secs(5);

/// How many connections are closed at most for the sake of one that nobody has used.
const REPLACED_MAX: u32 = 64;

impl Session {
    /// Waits for a connection and makes it the session's.
    pub(super) async fn take_lease(&mut self) -> Result<(), LeaseFailure> {
        self.ticket().clear_cancel();
        let mut lease = match self.seat.unpark() {
            Some(lease) => lease,
            None => self.wait_for_lease().await?,
        };
        if std::mem::take(&mut self.wants_new_connection) {
            for _ in 0..REPLACED_MAX {
                if lease.past.is_untouched_but_by(self.stays.session) {
                    break;
                }
                // It makes room for a new one.
                lease.close();
                lease = self.wait_for_lease().await?;
            }
        }
        self.ticket().runs_on(lease.cancel_point());
        // One that came while there was no server to send it to, and after this one looks there.
        if self.ticket().take_cancel() {
            self.park(lease);
            return Err(LeaseFailure::Cancelled);
        }
        self.server = Some(lease);
        // The connection before this one was left when it owed nothing.
        self.names_in_doubt = false;
        self.begin_stay();
        self.replay_application_name();
        if self.shared.pool_mode == PoolMode::Session {
            self.marks.add(Marks::SESSION_MODE);
        }
        Ok(())
    }

    /// Whether a statement with these marks is to find a connection as a new session finds it: what it does depends on
    /// what the backend has loaded, or on what it has counted, and others may have had it do so.
    pub(super) fn has_to_begin_anew(&self, marks: Marks) -> bool {
        self.shared.pool_mode == PoolMode::Auto
            && (marks.contains(Marks::LIBRARY) && !self.stays.ran_library
                || marks.contains(Marks::STATISTICS) && self.stays.count == 0)
    }

    /// Waits for a connection that is not the session's own.
    async fn wait_for_lease(&mut self) -> Result<Lease, LeaseFailure> {
        let ticket = self.ticket().clone();
        tokio::select! {
            biased;
            lease = self.pool.lease() => lease.map_err(LeaseFailure::Lease),
            () = ticket.cancelled() => Err(LeaseFailure::Cancelled),
            () = ticket.expelled() => Err(LeaseFailure::Gone(Gone::Proxy)),
            () = self.client_hung_up() => Err(LeaseFailure::Gone(Gone::Client)),
        }
    }

    /// Sets the client's application name on a connection that has another's.
    pub(super) fn replay_application_name(&mut self) {
        let Some(lease) = &mut self.server else {
            return;
        };
        let wanted = self
            .application_name
            .as_ref()
            .unwrap_or(&lease.application_name_default)
            .clone();
        if lease.application_name.as_ref() == Some(&wanted) {
            return;
        }
        let mut query = BytesMut::new();
        // `E''` means the same whatever standard_conforming_strings says.
        let quoted = wanted.replace('\\', "\\\\").replace('\'', "''");
        message::put_query(
            &mut query,
            format!("SET application_name TO E'{quoted}'").as_bytes(),
        );
        self.from_client.insert(&query);
        lease.exchange.sent(Sent::Query, Fate::Swallow);
        lease.application_name = Some(wanted);
        lease.unnamed_owner = 0;
    }

    /// The transaction is over: gives the connection back, or keeps it when the session may have state on it.
    pub(super) async fn end_transaction(&mut self) {
        if !self.pinned {
            self.shared.metrics.transactions.inc();
            self.ask_state.end_transaction();
        }
        if (self.pinned || self.marks.keeps_state())
            && self.shared.pool_mode != PoolMode::Transaction
        {
            self.settle_pins().await;
            if self.pinned {
                return;
            }
        }
        self.marks = Marks::default();
        if let Some(lease) = self.server.take() {
            self.park(lease);
        }
    }

    /// Leaves a connection that keeps nothing of the session's.
    fn park(&mut self, mut lease: Lease) {
        lease.mark_clean();
        if let Some(lease) = self.ticket().leave(lease) {
            self.seat.park(lease);
        }
    }

    /// The client has gone: sees to it that its connection is clean before anybody else gets it.
    pub(super) async fn abandon_lease(&mut self) {
        let Some(mut lease) = self.server.take() else {
            return;
        };
        // What the client sent before it went, the server is to get.
        let flush = std::future::poll_fn(|cx| self.from_client.poll_flush(cx, &mut lease.stream));
        let flushed = timeout(LAST_WORDS_TIMEOUT, flush).await;
        if !matches!(flushed, Ok(Ok(()))) {
            return;
        }
        let idle = lease.exchange.is_empty()
            && self.status == b'I'
            && !self.in_batch
            && !self.from_client.has_output()
            && !self.from_client.is_mid_frame()
            && !self.to_client.is_mid_frame()
            && self.to_client.unscanned().is_empty();
        let ticket = self.ticket().clone();
        let is_spoilt = lease.is_spoilt() || self.marks.contains(Marks::SPOILS);
        let end = if idle && !is_spoilt {
            "reset"
        } else {
            "closed"
        };
        self.shared.metrics.leases_ended.inc(end);
        if idle && !is_spoilt {
            tokio::spawn(reset(lease, ticket, self.pool.clone()));
        } else if !lease.exchange.is_empty() {
            // The client died without a Terminate, for which it would have been served to the end. The server would
            // not notice before it writes, and what it runs until then is for nobody.
            tokio::spawn(async move {
                ticket.cancel().await;
                drop(lease);
            });
        }
        // An open transaction with nothing running is rolled back by closing the connection, and what DISCARD ALL
        // would leave as it is goes with it.
    }

    /// Resolves when the client has closed its connection; never while it merely sends more.
    pub(super) async fn client_hung_up(&self) {
        std::future::poll_fn(|cx| self.client.poll_hung_up(cx)).await;
    }
}

/// Why a session got no connection.
#[derive(Debug)]
pub(super) enum LeaseFailure {
    Lease(LeaseError),
    Cancelled,
    Gone(Gone),
}

/// Makes a connection forget its client, of which nothing is left but what DISCARD ALL takes away.
async fn reset(mut lease: Lease, ticket: Arc<Ticket>, pool: Arc<Pool>) {
    let forgotten = timeout(RESET_TIMEOUT, discard_all(&mut lease)).await;
    if matches!(forgotten, Ok(Ok(()))) {
        lease.forget_all();
        lease.past.forget();
        lease.application_name = Some(lease.application_name_default.clone());
        lease.mark_clean();
        if let Some(lease) = ticket.leave(lease) {
            pool.give_back(lease);
        }
    }
}

async fn discard_all(lease: &mut Lease) -> std::io::Result<()> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let mut query = BytesMut::new();
    message::put_query(&mut query, b"DISCARD ALL");
    lease.stream.write_all(&query).await?;
    loop {
        let mut frame = vec![0; HEADER_BYTES];
        lease.stream.read_exact(&mut frame).await?;
        let header = Header::read_backend(&frame).expect("five bytes were read");
        if header.frame_bytes > RESET_MESSAGE_BYTES_MAX {
            return Err(std::io::ErrorKind::InvalidData.into());
        }
        frame.resize(header.frame_bytes, 0);
        lease.stream.read_exact(&mut frame[HEADER_BYTES..]).await?;
        match header.tag {
            tag::READY_FOR_QUERY if frame.get(HEADER_BYTES) == Some(&b'I') => return Ok(()),
            tag::READY_FOR_QUERY | tag::ERROR_RESPONSE => {
                return Err(std::io::ErrorKind::InvalidData.into());
            }
            _ => {}
        }
    }
}

/// Nothing that answers DISCARD ALL is larger, short of a notification's payload (8,000 bytes at most).
const RESET_MESSAGE_BYTES_MAX: usize = 64 * 1024;

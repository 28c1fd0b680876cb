//! Taking a server connection, and giving it back.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::marks::Marks;
use super::serve::{Gone, Session};
use crate::pool::lease::{Lease, LeaseError, Pool};
use crate::pool::replay::ReplayError;
use crate::pool::roster::Ticket;
use crate::pool::set_values::{InForce, is_same};
use crate::pool::settings::PoolMode;
use crate::wire::frame::tag;
use crate::wire::message;

/// How long the server may take to receive what a client sent before it went.
const LAST_WORDS_TIMEOUT: Duration = Duration::from_secs(1);

/// How many connections are tried before the session is told that its settings cannot be set.
const REPLAY_ATTEMPTS_MAX: u32 = 3;

/// How long a connection may take to forget its last client before it is closed instead.
const RESET_TIMEOUT: Duration = Duration::from_secs(5);

/// How long what nobody waits for may take to end before it is cancelled again, and how often it is cancelled at most.
const CANCEL_INTERVAL: Duration = Duration::from_millis(200);
const CANCELS_MAX: u32 = 50;

/// How many connections are closed at most for the sake of one that nobody has used.
const REPLACED_MAX: u32 = 64;

impl Session {
    /// Waits for a connection and makes it the session's.
    pub(super) async fn take_lease(&mut self) -> Result<(), LeaseFailure> {
        self.ticket().clear_cancel();
        self.take_lease_for_ask().await
    }

    /// The same for what an ask needs, of which a cancel may have come already.
    pub(super) async fn take_lease_for_ask(&mut self) -> Result<(), LeaseFailure> {
        let mut lease = match self.seat.unpark() {
            Some(lease) => lease,
            None => self.wait_for_lease().await?,
        };
        let wants_new = std::mem::take(&mut self.wants_new_connection);
        let wants_no_schema = std::mem::take(&mut self.wants_no_temporary_schema);
        for _ in 0..REPLACED_MAX {
            let past = &lease.past;
            if (!wants_new || past.is_untouched_but_by(self.stays.session))
                && !(wants_no_schema && past.has_temporary_schema)
            {
                break;
            }
            // It makes room for a new one.
            lease.close();
            lease = self.wait_for_lease().await?;
        }
        if !self.is_as_wanted(&lease) {
            lease = self.prepare_lease(lease).await?;
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

    /// Brings the session's settings into force on a connection that somebody else may have had; on another one where
    /// what the last one had set stands in the way.
    async fn prepare_lease(&mut self, mut lease: Lease) -> Result<Lease, LeaseFailure> {
        let ticket = self.ticket().clone();
        for attempt in 1.. {
            let was_untouched = lease.in_force.is_none() && lease.own.is_empty();
            let wanted = self.settings.wanted.clone();
            let session = self.stays.session;
            // Whoever leaves here leaves with the connection half prepared, and it is closed.
            let prepared = tokio::select! {
                biased;
                prepared = bring_about(&mut lease, session, &wanted) => prepared,
                () = ticket.cancelled() => return Err(LeaseFailure::Cancelled),
                () = ticket.expelled() => return Err(LeaseFailure::Gone(Gone::Proxy)),
                () = self.client_hung_up() => return Err(LeaseFailure::Gone(Gone::Client)),
            };
            match prepared {
                // The session listens nowhere, or this connection would be its own.
                Ok(_) => break,
                Err(error) if was_untouched || attempt == REPLAY_ATTEMPTS_MAX => {
                    return Err(LeaseFailure::Replay(error));
                }
                Err(_) => {}
            }
            lease.close();
            lease = self.wait_for_lease().await?;
        }
        self.tell_reports(&mut lease);
        Ok(lease)
    }

    /// The transaction is over: gives the connection back, or keeps it when the session may have state on it.
    ///
    /// # Errors
    /// The connection is lost.
    pub(super) async fn end_transaction(&mut self) -> Result<(), Gone> {
        if !self.pinned {
            self.shared.metrics.transactions.inc();
            self.ask_state.end_transaction();
        }
        if self.ask_state.must_settle() && self.settle_shadows().await.is_err() && !self.pinned {
            // Nobody else is to find a copy of our settings on it.
            let lease = self.server.take();
            if let Some(lease) = lease.and_then(|lease| self.ticket().leave(lease)) {
                lease.close();
            }
            return Ok(());
        }
        if (self.pinned || self.marks.keeps_state())
            && self.shared.pool_mode != PoolMode::Transaction
        {
            self.settle_pins().await;
        }
        if self.settings.is_in_doubt() {
            self.settle_settings().await;
        }
        if self.marks.keeps_state() && self.shared.pool_mode != PoolMode::Transaction {
            if !self.pinned {
                self.pin();
            }
            return self.restore_settings().await;
        }
        if !self.is_at_rest() {
            // Something has come with the answer to a question of ours; the rest of it is still to come.
            return Ok(());
        }
        // In transaction mode nothing is pinned: a connection of which nobody knows what is set on it is closed.
        let is_known = !self.settings.is_in_doubt();
        self.marks = Marks::default();
        if let Some(lease) = self.server.take() {
            if is_known {
                self.park(lease);
            } else {
                self.settings.give_up();
                if let Some(lease) = self.ticket().leave(lease) {
                    lease.close();
                }
            }
        }
        Ok(())
    }

    /// Leaves a connection that keeps nothing of the session's.
    fn park(&mut self, mut lease: Lease) {
        lease.mark_clean();
        if let Some(lease) = self.ticket().leave(lease) {
            self.seat.park(lease);
        }
    }

    /// Sets again what a pinned session has reset to the connection's own value instead of its client's.
    async fn restore_settings(&mut self) -> Result<(), Gone> {
        if !self.is_at_rest() {
            // Something has come with the answer to a question of ours; the rest of it is still to come.
            return Ok(());
        }
        let has_looked = self.settings.base_is_looked_at();
        if self.settings.is_in_doubt() && !has_looked {
            return Ok(());
        }
        let Some(mut lease) = self.server.take() else {
            return Ok(());
        };
        let restored = lease.bring_into_force(&self.settings.wanted).await;
        if let Ok(notifications) = &restored {
            self.to_client.insert(notifications);
        }
        self.tell_reports(&mut lease);
        self.server = Some(lease);
        restored.map(|_| ()).map_err(|_| Gone::Server)
    }

    /// Whether what is in force for a pinned session may not be what its client wants.
    #[inline]
    pub(super) fn must_restore_settings(&self) -> bool {
        if self.settings.is_in_doubt() {
            return self.settings.must_look_at_base();
        }
        let in_force = self.server.as_ref().map(|lease| &lease.in_force);
        in_force.is_some_and(|in_force| !is_same(in_force, &self.settings.wanted))
    }

    /// The client has gone: sees to it that its connection is clean before anybody else gets it.
    pub(super) async fn abandon_lease(&mut self) {
        let Some(lease) = &mut self.server else {
            return;
        };
        // What the client sent before it went, the server is to get.
        let flush = std::future::poll_fn(|cx| self.from_client.poll_flush(cx, &mut lease.stream));
        let flushed = timeout(LAST_WORDS_TIMEOUT, flush).await;
        let is_at_rest = self.is_at_rest();
        let Some(lease) = self.server.take() else {
            return;
        };
        if !matches!(flushed, Ok(Ok(()))) {
            return;
        }
        let ticket = self.ticket().clone();
        let spoils = match self.shared.pool_mode {
            // As PgBouncer's: an empty temporary schema is no reason.
            PoolMode::Session => Marks::SPOILS.without(Marks::TEMPORARY),
            PoolMode::Auto | PoolMode::Transaction => Marks::SPOILS,
        };
        let can_be_reset = is_at_rest && !lease.is_spoilt() && !self.marks.contains(spoils);
        let end = if can_be_reset { "reset" } else { "closed" };
        self.shared.metrics.leases_ended.inc(end);
        if can_be_reset {
            tokio::spawn(reset(lease, ticket, self.pool.clone()));
        } else if !lease.exchange.is_empty() {
            // The client died without a Terminate, for which it would have been served to the end. The server would
            // not notice before it writes, and what it runs until then is for nobody.
            tokio::spawn(stop(lease, ticket, self.from_client.is_mid_frame()));
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
    /// The connection could not be brought to where the session wants it.
    Replay(ReplayError),
    Cancelled,
    Gone(Gone),
}

/// Makes a connection as a session wants it to be: nothing of another's under names of its own, and what is set.
async fn bring_about(
    lease: &mut Lease,
    session: u64,
    wanted: &InForce,
) -> Result<BytesMut, ReplayError> {
    lease.close_names_of_others(session).await?;
    lease.bring_into_force(wanted).await
}

/// Ends what a connection runs for nobody, and the connection. A cancel that comes before the server has begun with it
/// does nothing: it is sent again until the server closes the connection, which it is told to do behind all that.
async fn stop(mut lease: Lease, ticket: Arc<Ticket>, is_mid_frame: bool) {
    if is_mid_frame {
        // The server waits for the rest of a frame, and hears of the end at once.
        ticket.cancel().await;
        return;
    }
    let mut farewell = BytesMut::new();
    message::put_frame(&mut farewell, tag::TERMINATE, &[]);
    let _ = timeout(CANCEL_INTERVAL, lease.stream.write_all(&farewell)).await;
    for _ in 0..CANCELS_MAX {
        ticket.cancel().await;
        let closed = async { while matches!(lease.stream.read(&mut [0; 8192]).await, Ok(1..)) {} };
        if timeout(CANCEL_INTERVAL, closed).await.is_ok() {
            return;
        }
    }
}

/// Makes a connection forget its client, of which nothing is left but what DISCARD ALL takes away.
async fn reset(mut lease: Lease, ticket: Arc<Ticket>, pool: Arc<Pool>) {
    let forgotten = timeout(RESET_TIMEOUT, lease.run("DISCARD ALL")).await;
    if matches!(forgotten, Ok(Ok(_))) {
        lease.forget_all();
        lease.past.forget();
        lease.in_force = None;
        lease.mark_clean();
        if let Some(lease) = ticket.leave(lease) {
            pool.give_back(lease);
        }
    }
}

//! What sequences last gave to the session: `currval` and `lastval`, which speak of the backend's past.
//!
//! A statement that names them, or `nextval`, pins. But an INSERT, too, may advance a sequence, and pinning every session
//! that inserts would end all sharing. So a pool whose clients never ask is left alone. Where one asks, the state is
//! right if the session has inserted here and been nowhere else since; otherwise what others left is discarded first,
//! and PostgreSQL says that there is nothing (55000) rather than tell somebody else's number. From then on the sessions
//! of this pool are pinned as soon as they insert, and come to connections on which nobody left anything.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::BytesMut;

use super::marks::Marks;
use super::serve::Session;
use crate::pool::settings::PoolMode;
use crate::wire::exchange::{Fate, Sent};
use crate::wire::message;

/// A number that no other session has had.
static NEXT_SESSION: AtomicU64 = AtomicU64::new(1);

/// Where a session has been.
#[derive(Debug)]
pub(super) struct Stays {
    /// The session's number.
    pub(super) session: u64,
    /// How often it came to a connection that it did not have before.
    pub(super) count: u64,
    /// It has inserted since it came to the current one.
    inserted_here: bool,
    /// It may have had a library loaded.
    pub(super) ran_library: bool,
    /// It has had a temporary schema.
    pub(super) had_temporary_schema: bool,
}

impl Stays {
    pub(super) fn new() -> Self {
        Self {
            session: NEXT_SESSION.fetch_add(1, Ordering::Relaxed),
            count: 0,
            inserted_here: false,
            ran_library: false,
            had_temporary_schema: false,
        }
    }
}

impl Session {
    /// The session has come to a connection, perhaps the one it had before.
    pub(super) fn begin_stay(&mut self) {
        let Some(lease) = &mut self.server else {
            return;
        };
        if lease.past.enter(self.stays.session) {
            self.stays.count += 1;
            self.stays.inserted_here = false;
            if self.pool.reads_sequences() && lease.past.had_others() {
                self.discard_sequences();
            }
        }
    }

    /// Before a statement with these marks goes to the server.
    #[inline]
    pub(super) fn before_sequences(&mut self, marks: Marks) {
        if marks.contains(Marks::INSERTS.with(Marks::READS_SEQUENCE))
            && self.shared.pool_mode == PoolMode::Auto
        {
            self.see_to_sequences(marks);
        }
    }

    fn see_to_sequences(&mut self, marks: Marks) {
        let Some(lease) = &self.server else {
            return;
        };
        if marks.contains(Marks::READS_SEQUENCE) {
            self.pool.note_sequence_read();
        }
        let is_own = self.stays.inserted_here || self.stays.count == 1 && !lease.past.had_others();
        // Within a transaction, a function that it called may have inserted.
        let is_between = self.status == b'I' && !self.in_batch && lease.exchange.is_empty();
        if marks.contains(Marks::SEQUENCE) && !is_own && is_between && !self.pinned {
            self.discard_sequences();
        }
        if marks.contains(Marks::INSERTS) {
            self.stays.inserted_here = true;
            if self.pool.reads_sequences() {
                self.marks.add(Marks::SEQUENCE);
            }
        }
    }

    /// Has what sequences gave to others forgotten, before the frame at the front is dealt with.
    fn discard_sequences(&mut self) {
        let Some(lease) = &mut self.server else {
            return;
        };
        let mut query = BytesMut::new();
        message::put_query(&mut query, b"DISCARD SEQUENCES");
        lease.exchange.sent(Sent::Query, Fate::Drop);
        lease.unnamed_owner = 0;
        lease.past.forget_others();
        self.from_client.insert(&query);
    }
}

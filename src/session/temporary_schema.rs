//! The temporary schema that a backend makes itself with its first temporary object, and never drops: no reset takes it
//! away. Names in it, and a few functions, tell whether there is one.

use bytes::BytesMut;

use super::marks::Marks;
use super::serve::Session;
use crate::pool::settings::PoolMode;
use crate::wire::exchange::{Fate, Sent};
use crate::wire::message;

impl Session {
    /// Whether a statement with these marks must not find a temporary schema, the session having had none.
    pub(super) fn must_find_no_temporary_schema(&self, marks: Marks) -> bool {
        marks.contains(Marks::SAYS_TEMPORARY_SCHEMA)
            && !self.stays.had_temporary_schema
            && self.shared.pool_mode == PoolMode::Auto
    }

    /// The connection has a temporary schema: the session's own, or one that was there before.
    pub(super) fn note_temporary_schema(&mut self, is_own: bool) {
        if let Some(lease) = &mut self.server {
            self.stays.had_temporary_schema |= is_own || !lease.past.has_temporary_schema;
            lease.past.has_temporary_schema = true;
        }
    }

    /// Sees to it that a session that has had a temporary schema has one where its SQL speaks of it.
    pub(super) fn restore_temporary_schema(&mut self) {
        let is_between = self.status == b'I' && !self.in_batch && !self.pinned;
        let Some(lease) = &mut self.server else {
            return;
        };
        if !is_between || !self.stays.had_temporary_schema || lease.past.has_temporary_schema {
            return;
        }
        let mut query = BytesMut::new();
        message::put_query(
            &mut query,
            b"CREATE TEMPORARY TABLE pgask (); DROP TABLE pg_temp.pgask",
        );
        lease.exchange.sent(Sent::Query, Fate::Drop);
        lease.unnamed_owner = 0;
        lease.past.has_temporary_schema = true;
        self.from_client.insert(&query);
    }
}

//! What is prepared where: the client's statements, and the connection's.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::BytesMut;

use super::marks::Marks;
use super::serve::Session;
use crate::pool::connection::StatementName;
use crate::pool::statement::{Change, Statement};
use crate::wire::exchange::{Fate, Sent};
use crate::wire::frame::tag;
use crate::wire::message;

/// A mark that no other unnamed statement has had.
static NEXT_UNNAMED: AtomicU64 = AtomicU64::new(1);

/// The client's unnamed statement.
#[derive(Debug, Default)]
pub(super) struct Unnamed {
    /// Body of its Parse behind the name; empty when there is none.
    pub(super) body: Vec<u8>,
    /// The mark that a connection holding it bears; 0 when there is none.
    pub(super) mark: u64,
    pub(super) marks: Marks,
}

impl Unnamed {
    pub(super) fn remember(&mut self, body: &[u8], marks: Marks) {
        self.body.clear();
        self.body.extend_from_slice(body);
        self.mark = NEXT_UNNAMED.fetch_add(1, Ordering::Relaxed);
        self.marks = marks;
    }

    /// The SQL, where it is an ask's; nothing is copied for any other.
    pub(super) fn sql_of(&self, marks: Marks) -> Vec<u8> {
        if !marks.runs_in_our_words() {
            return Vec::new();
        }
        let end = memchr::memchr(0, &self.body).unwrap_or(self.body.len());
        self.body[..end].to_vec()
    }

    pub(super) fn forget(&mut self) {
        self.body.clear();
        self.mark = 0;
        self.marks = Marks::default();
    }
}

impl Session {
    /// Prepares the client's statements under its own names, because its SQL is about to speak of them; from here on
    /// the connection stays with the session and names pass as they are.
    pub(super) fn use_own_names(&mut self, sync: bool) {
        let Some(lease) = &mut self.server else {
            return;
        };
        self.verbatim = true;
        self.marks.add(Marks::PREPARE);
        for (name, statement) in self.statements.drain() {
            lease.scratch.clear();
            message::put_frame(
                &mut lease.scratch,
                tag::PARSE,
                &[&name, b"\0", statement.body()],
            );
            lease.exchange.sent_with(
                Sent::Parse,
                Fate::Swallow,
                Change::Owned { name, statement },
            );
            self.from_client.insert(&lease.scratch);
        }
        if sync {
            // Should one of them fail, the Query behind it must not be skipped. (In a batch it must, as it would be
            // if what came before it failed.)
            lease.scratch.clear();
            message::put_frame(&mut lease.scratch, tag::SYNC, &[]);
            lease.exchange.sent(Sent::Sync, Fate::Swallow);
            self.from_client.insert(&lease.scratch);
        }
    }

    /// As [`Self::prepared_name`], for a statement that the frame at the front names there.
    pub(super) fn spoken_name(
        &mut self,
        statement: &Arc<Statement>,
        name: Range<usize>,
    ) -> StatementName {
        if let Some(lease) = &mut self.server {
            if lease.exchange.is_empty() {
                lease.spoken.clear();
            }
            if let Some(ours) = lease.prepared(statement) {
                lease.spoken.note(ours, &self.from_client.unscanned()[name]);
                return ours;
            }
        }
        let name = self.from_client.unscanned()[name].to_vec();
        let ours = self.prepared_name(statement);
        if let Some(lease) = &mut self.server {
            lease.spoken.note(ours, &name);
        }
        ours
    }

    /// The name under which this connection knows a statement, preparing it first if it does not.
    pub(super) fn prepared_name(&mut self, statement: &Arc<Statement>) -> StatementName {
        let lease = self
            .server
            .as_mut()
            .expect("frames are forwarded on a lease");
        if let Some(name) = lease.prepared(statement) {
            return name;
        }
        let (name, evicted) = lease.prepare(statement);
        put_parse(
            &mut lease.scratch,
            name.write(&mut [0; 24]),
            statement.body(),
        );
        lease.exchange.sent_with(
            Sent::Parse,
            Fate::Swallow,
            Change::Prepared(statement.clone()),
        );
        self.from_client.insert(&lease.scratch);
        self.close_evicted(evicted);
        name
    }

    pub(super) fn close_evicted(&mut self, evicted: Option<StatementName>) {
        if let (Some(name), Some(lease)) = (evicted, &mut self.server) {
            lease.scratch.clear();
            message::put_frame(
                &mut lease.scratch,
                tag::CLOSE,
                &[b"S", name.write(&mut [0; 24])],
            );
            lease.exchange.sent(Sent::Close, Fate::Swallow);
            self.from_client.insert(&lease.scratch);
        }
    }

    /// Sees to it that the connection's unnamed statement is the client's own, or none where the client has none.
    pub(super) fn ensure_unnamed(&mut self) {
        self.marks.add(self.unnamed.marks);
        let Some(lease) = &mut self.server else {
            return;
        };
        if self.marks.contains(Marks::UNSEEN) || lease.unnamed_owner == self.unnamed.mark {
            return;
        }
        lease.unnamed_owner = self.unnamed.mark;
        if self.unnamed.mark == 0 {
            lease.scratch.clear();
            message::put_frame(&mut lease.scratch, tag::CLOSE, &[b"S\0"]);
            lease.exchange.sent(Sent::Close, Fate::Swallow);
        } else {
            put_parse(&mut lease.scratch, b"\0", &self.unnamed.body);
            lease
                .exchange
                .sent_with(Sent::Parse, Fate::Swallow, Change::Replaced);
        }
        self.from_client.insert(&lease.scratch);
    }
}

/// Puts a Parse together, and nothing else.
pub(super) fn put_parse(out: &mut BytesMut, name_with_nul: &[u8], body: &[u8]) {
    out.clear();
    message::put_frame(out, tag::PARSE, &[name_with_nul, body]);
}

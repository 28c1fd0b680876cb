//! What is prepared where: the client's statements, and the connection's.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::BytesMut;

use super::marks::Marks;
use super::serve::Session;
use crate::pool::statement::{Change, Description};
use crate::wire::exchange::{Fate, Sent};
use crate::wire::frame::tag;
use crate::wire::message;

/// A mark that no other unnamed statement has had.
static NEXT_UNNAMED: AtomicU64 = AtomicU64::new(1);

/// The client's unnamed statement.
#[derive(Debug, Default)]
pub(super) struct Unnamed {
    /// Body of its Parse behind the name; empty when there is none.
    body: Vec<u8>,
    /// The mark that a connection holding it bears; 0 when there is none.
    pub(super) mark: u64,
    pub(super) marks: Marks,
    /// The client has been told what is in the two below.
    pub(super) is_described: bool,
    /// Body of the ParameterDescription.
    described_types: Vec<u8>,
    /// Body of the RowDescription; empty where it was NoData.
    described_row: Vec<u8>,
}

impl Unnamed {
    pub(super) fn remember(&mut self, body: &[u8], marks: Marks) {
        self.body.clear();
        self.body.extend_from_slice(body);
        self.mark = NEXT_UNNAMED.fetch_add(1, Ordering::Relaxed);
        self.marks = marks;
        self.is_described = false;
    }

    /// The SQL, where it is an ask's; nothing is copied for any other.
    pub(super) fn sql_of(&self, marks: Marks) -> Vec<u8> {
        if !marks.runs_in_our_words() {
            return Vec::new();
        }
        self.sql().to_vec()
    }

    pub(super) fn sql(&self) -> &[u8] {
        let end = memchr::memchr(0, &self.body).unwrap_or(self.body.len());
        &self.body[..end]
    }

    /// How many parameters it has, and the OIDs of their types, as far as they are known.
    pub(super) fn types(&self) -> &[u8] {
        if self.is_described {
            &self.described_types
        } else {
            self.body.get(self.sql().len() + 1..).unwrap_or_default()
        }
    }

    /// Notes what the client is told of it.
    pub(super) fn note_description(&mut self, types: &[u8], row: Option<&[u8]>) {
        self.described_types.clear();
        self.described_types.extend_from_slice(types);
        self.described_row.clear();
        self.described_row
            .extend_from_slice(row.unwrap_or_default());
        self.is_described = true;
    }

    /// What the client was told of it.
    pub(super) fn description(&self) -> Description {
        let row = Some(&*self.described_row).filter(|row| !row.is_empty());
        Description::read(&self.described_types, row)
    }

    pub(super) fn forget(&mut self) {
        self.body.clear();
        self.mark = 0;
        self.marks = Marks::default();
        self.is_described = false;
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
        // What others have left there under names of ours is nothing that the client may see.
        lease.close_all();
        self.close_old();
        let Some(lease) = &mut self.server else {
            return;
        };
        let is_alone = sync && self.status == b'I';
        for (name, statement) in self.statements.drain() {
            lease.scratch.clear();
            let parts = [&*name, b"\0", statement.sql(), b"\0", statement.types()];
            message::put_frame(&mut lease.scratch, tag::PARSE, &parts);
            if is_alone {
                // Its table may be gone: that is nobody's business before the statement is used.
                message::put_frame(&mut lease.scratch, tag::SYNC, &[]);
                lease.exchange.sent(Sent::Parse, Fate::Drop);
                lease.exchange.sent(Sent::Sync, Fate::Swallow);
            } else {
                lease.exchange.sent_with(
                    Sent::Parse,
                    Fate::Swallow,
                    Change::Owned { name, statement },
                );
            }
            self.from_client.insert(&lease.scratch);
        }
        if sync && !is_alone {
            // Should one of them fail, the Query behind it must not be skipped. (In a batch it must, as it would be
            // if what came before it failed.)
            lease.scratch.clear();
            message::put_frame(&mut lease.scratch, tag::SYNC, &[]);
            lease.exchange.sent(Sent::Sync, Fate::Swallow);
            self.from_client.insert(&lease.scratch);
        }
    }
}

/// Puts a Parse together, and nothing else.
pub(super) fn put_parse(out: &mut BytesMut, name_with_nul: &[u8], body: &[u8]) {
    out.clear();
    message::put_frame(out, tag::PARSE, &[name_with_nul, body]);
}

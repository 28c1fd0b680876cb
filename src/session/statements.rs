//! What is prepared where: the client's statements, and the connection's.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::BytesMut;

use super::marks::Marks;
use super::serve::Session;
use crate::pool::connection::UNKNOWN_OWNER;
use crate::pool::statement::Description;
use crate::wire::frame::tag;
use crate::wire::message;

/// A mark that no other unnamed statement has had.
static NEXT_UNNAMED: AtomicU64 = AtomicU64::new(1);

/// Each of them is kept until the message that replaces it is answered.
const SUPERSEDED_MAX: usize = 1024;

/// The client's unnamed statement, and those that it had before the messages that the server has yet to answer: which
/// of them is left when one fails, depends on how far the server has come.
#[derive(Debug, Default)]
pub(super) struct Unnamed {
    current: UnnamedStatement,
    /// What was current before each message that replaces it and is not answered, in order.
    superseded: VecDeque<UnnamedStatement>,
    /// The connection really holds the first of those.
    is_first_here: bool,
    /// It is being prepared on the connection, unseen, and that may yet be skipped.
    is_being_brought: bool,
    /// The last message that prepares or replaces it belongs to the current batch: if it is skipped, so is what
    /// follows.
    is_of_this_batch: bool,
    /// Room for the next one.
    spare: UnnamedStatement,
    /// The message that failed last was one that replaces it: it was tried, and not skipped.
    pub(super) has_failed: bool,
}

#[derive(Debug, Default)]
struct UnnamedStatement {
    /// Body of its Parse behind the name; empty when there is none.
    body: Vec<u8>,
    /// The mark that a connection holding it bears; 0 when there is none.
    mark: u64,
    marks: Marks,
    /// The client has been told what is in the two below.
    is_described: bool,
    /// Body of the ParameterDescription.
    described_types: Vec<u8>,
    /// Body of the RowDescription; empty where it was NoData.
    described_row: Vec<u8>,
}

impl UnnamedStatement {
    fn clear(&mut self) {
        self.body.clear();
        self.mark = 0;
        self.marks = Marks::default();
        self.is_described = false;
    }
}

impl Unnamed {
    /// Notes a Parse, which is answered sooner or later, on a connection that holds the unnamed statement of this
    /// owner.
    pub(super) fn replace(&mut self, body: &[u8], marks: Marks, owner: u64) {
        self.drop_later(owner);
        self.current.body.extend_from_slice(body);
        self.current.mark = NEXT_UNNAMED.fetch_add(1, Ordering::Relaxed);
        self.current.marks = marks;
    }

    /// Notes a message that leaves none, and is answered sooner or later, on a connection that holds the unnamed
    /// statement of this owner.
    pub(super) fn drop_later(&mut self, owner: u64) {
        if self.superseded.is_empty() {
            self.is_first_here = owner == self.current.mark && !self.is_being_brought;
        }
        self.is_of_this_batch = true;
        let next = std::mem::take(&mut self.spare);
        self.superseded
            .push_back(std::mem::replace(&mut self.current, next));
    }

    /// There is none any more.
    pub(super) fn forget(&mut self) {
        self.current.clear();
    }

    /// Whether messages that replace it are not answered.
    pub(super) fn is_in_doubt(&self) -> bool {
        !self.superseded.is_empty()
    }

    /// The batch is over, and what follows is carried out whatever became of it.
    #[inline]
    pub(super) fn end_batch(&mut self) {
        self.is_of_this_batch = false;
    }

    /// Whether only an answer tells which statement the connection holds: an earlier batch prepares it, or replaces one
    /// that was never there.
    pub(super) fn must_be_answered(&self) -> bool {
        let is_missing = self.is_in_doubt() && !self.is_first_here;
        (is_missing || self.is_being_brought) && !self.is_of_this_batch
    }

    /// Whether so many messages that replace it are not answered that the next one has to wait.
    pub(super) fn is_full(&self) -> bool {
        self.superseded.len() >= SUPERSEDED_MAX
    }

    /// A message that replaces it was carried out.
    pub(super) fn confirm(&mut self) {
        if let Some(mut superseded) = self.superseded.pop_front() {
            superseded.clear();
            self.spare = superseded;
            self.is_first_here = true;
        }
    }

    /// So many messages that replace it were not carried out, the first of which may have been tried.
    pub(super) fn take_back(&mut self, count: usize) {
        let was_tried = std::mem::take(&mut self.has_failed);
        if count == 0 || count > self.superseded.len() {
            return;
        }
        if was_tried {
            self.superseded[0].clear();
            self.is_first_here = true;
        }
        if count == self.superseded.len() {
            self.current = self.superseded.pop_front().unwrap_or_default();
            self.superseded.clear();
        } else {
            self.superseded.drain(1..=count);
        }
    }

    /// The mark that a connection holding it bears; 0 when there is none.
    pub(super) fn mark(&self) -> u64 {
        self.current.mark
    }

    /// It is prepared on the connection, with messages of the current batch.
    pub(super) fn is_brought(&mut self) {
        self.is_being_brought = true;
        self.is_of_this_batch = true;
    }

    /// Everything that was sent is answered.
    #[inline]
    pub(super) fn settled(&mut self) {
        self.is_being_brought = false;
    }

    /// It was to be brought to the connection, and was not after all.
    pub(super) fn was_not_brought(&mut self) {
        self.is_being_brought = false;
        self.is_first_here = false;
    }

    /// The mark that the connection bears when all messages that replace it are taken back.
    pub(super) fn owner_left(&self) -> u64 {
        if self.is_first_here {
            self.current.mark
        } else {
            UNKNOWN_OWNER
        }
    }

    pub(super) fn marks(&self) -> Marks {
        self.current.marks
    }

    /// Whether the client knows its parameters and columns.
    pub(super) fn is_described(&self) -> bool {
        self.current.is_described
    }

    /// The SQL, where it is an ask's or sets; nothing is copied for any other.
    pub(super) fn sql_of(&self, marks: Marks) -> Vec<u8> {
        if !marks.runs_in_our_words() && !marks.contains(Marks::SPEAKS_OF_SETTINGS) {
            return Vec::new();
        }
        self.sql().to_vec()
    }

    pub(super) fn sql(&self) -> &[u8] {
        let body = &self.current.body;
        &body[..memchr::memchr(0, body).unwrap_or(body.len())]
    }

    /// How many parameters it has, and the OIDs of their types, as far as they are known.
    pub(super) fn types(&self) -> &[u8] {
        if self.current.is_described {
            &self.current.described_types
        } else {
            let types = self.sql().len() + 1..;
            self.current.body.get(types).unwrap_or_default()
        }
    }

    /// Notes what the client is told of it.
    pub(super) fn note_description(&mut self, types: &[u8], row: Option<&[u8]>) {
        if self.is_in_doubt() {
            // It is of one that has been replaced meanwhile, or may be.
            return;
        }
        let current = &mut self.current;
        current.described_types.clear();
        current.described_types.extend_from_slice(types);
        current.described_row.clear();
        current
            .described_row
            .extend_from_slice(row.unwrap_or_default());
        current.is_described = true;
    }

    /// What the client was told of it.
    pub(super) fn description(&self) -> Description {
        let row = Some(&*self.current.described_row).filter(|row| !row.is_empty());
        Description::read(&self.current.described_types, row)
    }
}

impl Session {
    /// Whose unnamed statement the connection holds.
    pub(super) fn unnamed_owner(&self) -> u64 {
        self.server
            .as_ref()
            .map_or(UNKNOWN_OWNER, |lease| lease.unnamed_owner)
    }
}

/// Puts a Parse together, and nothing else.
pub(super) fn put_parse(out: &mut BytesMut, name_with_nul: &[u8], body: &[u8]) {
    out.clear();
    message::put_frame(out, tag::PARSE, &[name_with_nul, body]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(unnamed: &mut Unnamed, sql: &str) {
        let owner = unnamed.mark();
        unnamed.replace(format!("{sql}\0\0\0").as_bytes(), Marks::default(), owner);
    }

    #[test]
    fn what_is_left_is_the_last_that_was_carried_out() {
        let mut unnamed = Unnamed::default();
        for sql in ["a", "b", "c"] {
            parsed(&mut unnamed, sql);
        }
        unnamed.confirm();
        unnamed.take_back(2);
        assert_eq!(unnamed.sql(), b"a");
        assert!(!unnamed.is_in_doubt());
        parsed(&mut unnamed, "d");
        unnamed.has_failed = true;
        unnamed.take_back(1);
        assert_eq!(unnamed.mark(), 0);
    }

    #[test]
    fn what_was_never_on_the_connection_is_not_left_there() {
        let mut unnamed = Unnamed::default();
        parsed(&mut unnamed, "a");
        unnamed.confirm();
        let strangers = unnamed.mark() + 1;
        unnamed.drop_later(strangers);
        assert!(!unnamed.must_be_answered());
        unnamed.end_batch();
        assert!(unnamed.must_be_answered());
        unnamed.take_back(1);
        assert_eq!(unnamed.sql(), b"a");
        assert_eq!(unnamed.owner_left(), UNKNOWN_OWNER);
        unnamed.drop_later(strangers);
        unnamed.has_failed = true;
        unnamed.take_back(1);
        assert_eq!(unnamed.owner_left(), 0);
    }

    #[test]
    fn what_is_still_being_brought_may_not_come() {
        let mut unnamed = Unnamed::default();
        parsed(&mut unnamed, "a");
        unnamed.confirm();
        unnamed.is_brought();
        assert!(!unnamed.must_be_answered());
        unnamed.end_batch();
        assert!(unnamed.must_be_answered());
        parsed(&mut unnamed, "b");
        unnamed.was_not_brought();
        unnamed.take_back(1);
        assert_eq!(unnamed.owner_left(), UNKNOWN_OWNER);
        unnamed.is_brought();
        unnamed.settled();
        unnamed.end_batch();
        assert!(!unnamed.must_be_answered());
    }

    #[test]
    fn a_later_batch_goes_on_from_what_is_left() {
        let mut unnamed = Unnamed::default();
        for sql in ["a", "b", "later"] {
            parsed(&mut unnamed, sql);
        }
        unnamed.confirm();
        unnamed.take_back(1);
        assert_eq!(unnamed.sql(), b"later");
        unnamed.take_back(1);
        assert_eq!(unnamed.sql(), b"a");
        unnamed.drop_later(unnamed.mark());
        unnamed.confirm();
        assert_eq!(unnamed.mark(), 0);
    }
}

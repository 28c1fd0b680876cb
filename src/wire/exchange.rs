//! What a server still owes: one entry for each message sent to it, in order, and what becomes of the answer.
//!
//! The protocol answers messages strictly in order, so a queue of what was sent tells which answer is whose. It is
//! what lets us slip messages of our own between a client's, and answers of our own between a server's, without
//! either of them noticing.
//!
//! # Source
//! PostgreSQL manual, "Message Flow": an error makes the server skip to the next Sync, Sync and Flush are ignored
//! during COPY FROM STDIN, and a simple Query or a FunctionCall is answered up to its own ReadyForQuery.

use std::collections::VecDeque;
use std::sync::Arc;

use super::frame::tag;
use super::meter::Meter;

/// A message that was sent and not yet answered in full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Query or FunctionCall: answered by whatever, then ReadyForQuery.
    Query,
    /// Parse.
    Parse,
    /// Bind.
    Bind,
    /// Describe.
    Describe,
    /// Execute.
    Execute,
    /// Close.
    Close,
    /// Sync.
    Sync,
    /// CopyDone or CopyFail: not answered by itself; it marks where copy-in mode ends.
    CopyEnd,
    /// Nothing was sent: the bytes are ours, and due when their turn comes.
    Emit,
}

/// What becomes of an answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes to the client.
    Relay,
    /// It was our own message: the answer is dropped, unless it is an error.
    Swallow,
    /// It was our own message: the answer is dropped, errors too; what the server says of its own accord passes.
    Drop,
    /// It was our own message, sent to fail: the error is replaced by these bytes, and but for ReadyForQuery all else
    /// is dropped.
    Refuse(Box<[u8]>),
    /// An EmptyQueryResponse is replaced by these bytes; all else goes to the client.
    Complete(Box<[u8]>),
    /// It goes to the client, and its rows are counted.
    Measured(Arc<Meter>),
    /// It has had more rows than were allowed: all the rest is dropped, and the error that ends it is replaced by these
    /// bytes. Where it ends without one, they are kept for [`Exchange::take_unfailed`].
    Overrun(Option<Box<[u8]>>),
    /// An Execute with a row limit of ours, followed by one more that asks for a single row: should the portal be
    /// suspended, the next entry takes over with these endings.
    Capped(Box<Endings>),
    /// The single row that would have been the first too many.
    Remainder(Box<Endings>),
    /// These bytes go to the client ([`Sent::Emit`] only).
    Emit(Box<[u8]>),
}

/// How a capped portal ends.
#[derive(Debug, PartialEq, Eq)]
pub struct Endings {
    /// There were no more rows.
    pub complete: Box<[u8]>,
    /// There were.
    pub cut: Box<[u8]>,
    /// Counts the rows.
    pub meter: Arc<Meter>,
}

/// What becomes of a row, or of a piece of COPY data, that comes now.
#[derive(Clone, Copy, Debug)]
pub enum Rows<'a> {
    /// It goes to the client.
    Pass,
    /// It goes to the client if this has room for it.
    Measured(&'a Meter),
    /// It is not for the client.
    Drop,
}

/// What to do with one message of the server.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Let it pass.
    Pass,
    /// Drop it.
    Drop,
    /// Put these bytes in its place.
    Replace(Box<[u8]>),
}

/// The queue of one server connection. Empty between transactions.
///
/// A client may send millions of short messages before the server takes the first: an entry is three bytes, and what
/// few of them have besides stands in queues of its own.
#[derive(Debug)]
pub struct Exchange<T> {
    owed: VecDeque<Owed>,
    /// Of the entries that have one, in their order.
    extras: VecDeque<Extra<T>>,
    /// Of the entries that have one, in their order.
    names: Names,
    /// How many messages were noted so far.
    sent_count: u64,
    /// An error in a batch: the server ignores everything up to the next Sync.
    skipping: bool,
    /// The server reads copy data and ignores Sync and Flush.
    copy_in: bool,
    /// Tokens of messages that the server never carried out.
    lost: Vec<T>,
    /// The client's name in the message that failed last.
    failed_name: Option<Vec<u8>>,
    /// The error of an answer that was cut off by us and then ended well.
    unfailed: Option<Box<[u8]>>,
}

#[derive(Clone, Copy, Debug)]
struct Owed {
    message: Sent,
    has_extra: bool,
    has_name: bool,
}

#[derive(Debug)]
struct Extra<T> {
    fate: Fate,
    token: Option<T>,
}

/// Names, first in and first out.
#[derive(Debug, Default)]
struct Names {
    lengths: VecDeque<usize>,
    text: VecDeque<u8>,
}

impl Names {
    fn push(&mut self, name: &[u8]) {
        self.lengths.push_back(name.len());
        self.text.extend(name);
    }

    fn pop(&mut self) {
        if let Some(length) = self.lengths.pop_front() {
            self.text.drain(..length);
        }
    }

    fn first(&self) -> Option<Vec<u8>> {
        let length = *self.lengths.front()?;
        Some(self.text.range(..length).copied().collect())
    }
}

/// A queue that has grown beyond this many entries gives its room back when it is empty.
const KEPT_ENTRIES_MAX: usize = 4096;

impl<T> Default for Exchange<T> {
    fn default() -> Self {
        Self {
            owed: VecDeque::new(),
            extras: VecDeque::new(),
            names: Names::default(),
            sent_count: 0,
            skipping: false,
            copy_in: false,
            lost: Vec::new(),
            failed_name: None,
            unfailed: None,
        }
    }
}

impl<T> Exchange<T> {
    /// Nothing is owed.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.owed.is_empty() && !self.skipping
    }

    /// Nothing is owed, nothing half done, and nothing left to take back.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.is_empty() && !self.copy_in && self.lost.is_empty()
    }

    /// How many entries are owed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.owed.len()
    }

    /// A ReadyForQuery is still to come: the transaction status last seen may be out of date.
    #[must_use]
    pub fn owes_ready_for_query(&self) -> bool {
        self.owed
            .iter()
            .any(|owed| matches!(owed.message, Sent::Query | Sent::Sync))
    }

    /// The server ignores whatever comes before the next Sync.
    #[inline]
    #[must_use]
    pub fn is_skipping(&self) -> bool {
        self.skipping
    }

    /// The server reads copy data, and takes nothing else before it ends.
    #[inline]
    #[must_use]
    pub fn is_copying_in(&self) -> bool {
        self.copy_in
    }

    /// The answer that is due now is to a message of our own.
    #[inline]
    #[must_use]
    pub fn is_swallowing(&self) -> bool {
        self.front_extra().is_some_and(|extra| {
            matches!(
                extra.fate,
                Fate::Swallow
                    | Fate::Drop
                    | Fate::Refuse(_)
                    | Fate::Remainder(_)
                    | Fate::Overrun(_)
            )
        })
    }

    /// What becomes of rows of the answer that is due now.
    #[inline]
    #[must_use]
    pub fn rows_due(&self) -> Rows<'_> {
        match self.front_extra().map(|extra| &extra.fate) {
            Some(Fate::Measured(meter)) => Rows::Measured(meter),
            Some(Fate::Capped(endings)) => Rows::Measured(&endings.meter),
            Some(
                Fate::Swallow
                | Fate::Drop
                | Fate::Refuse(_)
                | Fate::Remainder(_)
                | Fate::Overrun(_),
            ) => Rows::Drop,
            _ => Rows::Pass,
        }
    }

    /// The answer that is due now has had more rows than were allowed; it is to end with this ErrorResponse.
    pub fn overrun(&mut self, error: Box<[u8]>) {
        if let Some(fate) = self.front_fate() {
            *fate = Fate::Overrun(Some(error));
        }
    }

    /// The ErrorResponse of an answer that was overrun and ended well all the same: the server is still to be made to
    /// fail, so that the transaction is in the state that the client is told of.
    pub fn take_unfailed(&mut self) -> Option<Box<[u8]>> {
        self.unfailed.take()
    }

    /// The token of the message that is answered now.
    #[inline]
    pub fn token_due(&mut self) -> Option<&T> {
        self.pop_copy_ends();
        self.front_extra()?.token.as_ref()
    }

    /// What the client called the statement of the message that the last ErrorResponse answered, where that was sent
    /// with a name.
    #[must_use]
    pub fn failed_name(&self) -> Option<&[u8]> {
        self.failed_name.as_deref()
    }

    /// Notes a message on its way to the server.
    #[inline]
    pub fn sent(&mut self, message: Sent, fate: Fate) {
        self.push(message, fate, None, None);
    }

    /// How many messages were noted so far, to tell whether there was one since.
    #[must_use]
    pub fn sent_count(&self) -> u64 {
        self.sent_count
    }

    /// The same as [`Self::sent`], with a token that comes back from [`Self::take_lost`] if an error keeps the server from carrying the
    /// message out.
    pub fn sent_with(&mut self, message: Sent, fate: Fate, token: T) {
        self.push(message, fate, Some(token), None);
    }

    /// Notes a message that names a statement otherwise than the client does, whose name for it is this.
    #[inline]
    pub fn sent_for(&mut self, message: Sent, name: &[u8], token: Option<T>) {
        self.push(message, Fate::Relay, token, Some(name));
    }

    #[inline]
    fn push(&mut self, message: Sent, fate: Fate, token: Option<T>, name: Option<&[u8]>) {
        match message {
            Sent::Sync if self.copy_in => return,
            Sent::Sync => self.skipping = false,
            Sent::CopyEnd => {
                self.copy_in = false;
                if self.owed.is_empty() {
                    return;
                }
            }
            _ => {}
        }
        self.sent_count = self.sent_count.wrapping_add(1);
        let has_extra = fate != Fate::Relay || token.is_some();
        if has_extra {
            self.extras.push_back(Extra { fate, token });
        }
        if let Some(name) = name {
            self.names.push(name);
        }
        self.owed.push_back(Owed {
            message,
            has_extra,
            has_name: name.is_some(),
        });
    }

    /// Takes bytes of our own whose turn it is.
    #[inline]
    pub fn pop_emit(&mut self) -> Option<Box<[u8]>> {
        let bytes = match self.front_fate()? {
            Fate::Emit(bytes) => std::mem::take(bytes),
            _ => return None,
        };
        self.pop();
        Some(bytes)
    }

    /// Takes the token of the Query or Execute whose answer is due.
    #[inline]
    pub fn take_due(&mut self) -> Option<T> {
        self.pop_copy_ends();
        let due = self.owed.front()?;
        if !matches!(due.message, Sent::Query | Sent::Execute) || !due.has_extra {
            return None;
        }
        self.extras.front_mut()?.token.take()
    }

    /// Notes a message of the server and says what to do with it.
    #[inline]
    pub fn received(&mut self, code: u8) -> Verdict {
        self.pop_copy_ends();
        if code == tag::ERROR_RESPONSE {
            self.note_failed_name();
        }
        let Some(message) = self.owed.front().map(|owed| owed.message) else {
            return Verdict::Pass;
        };
        let (verdict, endings) = match self.front_fate() {
            Some(fate) => fate.judge(code),
            None => (Verdict::Pass, None),
        };
        let answered = match (message, code) {
            (Sent::Query | Sent::Sync, tag::READY_FOR_QUERY)
            | (Sent::Parse, tag::PARSE_COMPLETE)
            | (Sent::Bind, tag::BIND_COMPLETE)
            | (Sent::Close, tag::CLOSE_COMPLETE)
            | (Sent::Describe, tag::ROW_DESCRIPTION | tag::NO_DATA)
            | (
                Sent::Execute,
                tag::COMMAND_COMPLETE | tag::EMPTY_QUERY_RESPONSE | tag::PORTAL_SUSPENDED,
            ) => true,
            (Sent::Query | Sent::Execute, tag::COPY_IN_RESPONSE) => {
                self.enter_copy_in();
                false
            }
            (Sent::Query, tag::ERROR_RESPONSE) => {
                self.copy_in = false;
                false
            }
            (Sent::Query, _) => false,
            (_, tag::ERROR_RESPONSE) => {
                self.skip_to_sync();
                return verdict;
            }
            _ => false,
        };
        if answered {
            if let Some(Fate::Overrun(error)) = self.front_fate() {
                self.unfailed = error.take();
            }
            self.pop();
            self.pop_copy_ends();
        }
        if let Some(endings) = endings
            && let Some(next) = self.front_fate()
        {
            *next = Fate::Remainder(endings);
        }
        verdict
    }

    /// The tokens of messages that errors have kept the server from carrying out, last sent first.
    pub fn take_lost(&mut self) -> Vec<T> {
        std::mem::take(&mut self.lost)
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    #[inline]
    fn front_extra(&self) -> Option<&Extra<T>> {
        if self.owed.front()?.has_extra {
            self.extras.front()
        } else {
            None
        }
    }

    /// `None` where the answer goes to the client as it is.
    #[inline]
    fn front_fate(&mut self) -> Option<&mut Fate> {
        if self.owed.front()?.has_extra {
            self.extras.front_mut().map(|extra| &mut extra.fate)
        } else {
            None
        }
    }

    #[inline]
    fn pop(&mut self) -> Option<T> {
        let owed = self.owed.pop_front()?;
        if owed.has_name {
            self.names.pop();
        }
        let extra = if owed.has_extra {
            self.extras.pop_front()
        } else {
            None
        };
        if self.owed.is_empty() && self.owed.capacity() > KEPT_ENTRIES_MAX {
            self.owed = VecDeque::new();
            self.extras = VecDeque::new();
            self.names = Names::default();
        }
        extra?.token
    }

    fn note_failed_name(&mut self) {
        let is_named = self.owed.front().is_some_and(|owed| owed.has_name);
        self.failed_name = if is_named { self.names.first() } else { None };
    }

    /// A CopyDone is not answered by itself: it is done with when all before it is.
    #[inline]
    fn pop_copy_ends(&mut self) {
        while self
            .owed
            .front()
            .is_some_and(|owed| owed.message == Sent::CopyEnd)
        {
            self.pop();
        }
    }

    fn skip_to_sync(&mut self) {
        let first = self.lost.len();
        while let Some(owed) = self.owed.front() {
            if owed.message == Sent::Sync {
                break;
            }
            let token = self.pop();
            self.lost.extend(token);
        }
        self.lost[first..].reverse();
        if self.owed.is_empty() {
            self.copy_in = false;
            self.skipping = true;
        }
    }

    /// The Execute or the Query at the front began a COPY FROM STDIN: every Sync that was sent before its CopyDone is
    /// ignored.
    fn enter_copy_in(&mut self) {
        let end = self
            .owed
            .iter()
            .position(|owed| owed.message == Sent::CopyEnd);
        let mut ignored_until = end.unwrap_or(self.owed.len());
        let (mut at, mut extra_at) = (0, 0);
        while at < ignored_until {
            let owed = self.owed[at];
            if owed.message == Sent::Sync {
                self.owed.remove(at);
                ignored_until -= 1;
                if owed.has_extra {
                    self.extras.remove(extra_at);
                }
            } else {
                at += 1;
                extra_at += usize::from(owed.has_extra);
            }
        }
        self.copy_in = end.is_none();
    }
}

impl Fate {
    /// What to do with a message that answers, and the endings that the next entry takes over.
    fn judge(&mut self, code: u8) -> (Verdict, Option<Box<Endings>>) {
        let verdict = match (&mut *self, code) {
            (Self::Capped(_), tag::PORTAL_SUSPENDED) => {
                if let Self::Capped(capped) = std::mem::replace(self, Self::Swallow) {
                    return (Verdict::Drop, Some(capped));
                }
                Verdict::Drop
            }
            (Self::Remainder(endings), tag::DATA_ROW) => {
                endings.complete = std::mem::take(&mut endings.cut);
                Verdict::Drop
            }
            (Self::Remainder(endings), tag::PORTAL_SUSPENDED | tag::COMMAND_COMPLETE) => {
                Verdict::Replace(std::mem::take(&mut endings.complete))
            }
            (_, tag::NOTIFICATION_RESPONSE)
            | (Self::Drop | Self::Overrun(_), tag::PARAMETER_STATUS)
            | (Self::Overrun(None), tag::READY_FOR_QUERY) => Verdict::Pass,
            (Self::Overrun(error), tag::ERROR_RESPONSE) => {
                error.take().map_or(Verdict::Drop, Verdict::Replace)
            }
            (Self::Overrun(_), _) => Verdict::Drop,
            (Self::Drop, _) => Verdict::Drop,
            (Self::Refuse(bytes), tag::ERROR_RESPONSE) => Verdict::Replace(std::mem::take(bytes)),
            (Self::Swallow, tag::ERROR_RESPONSE) | (Self::Refuse(_), tag::READY_FOR_QUERY) => {
                Verdict::Pass
            }
            (Self::Swallow | Self::Refuse(_), _) => Verdict::Drop,
            (Self::Complete(bytes), tag::EMPTY_QUERY_RESPONSE) => {
                Verdict::Replace(std::mem::take(bytes))
            }
            _ => Verdict::Pass,
        };
        (verdict, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extended(messages: &[Sent]) -> Exchange<()> {
        let mut exchange = Exchange::<()>::default();
        for &message in messages {
            exchange.sent(message, Fate::Relay);
        }
        exchange
    }

    #[test]
    fn a_batch_is_answered_in_order() {
        let mut exchange = extended(&[
            Sent::Parse,
            Sent::Bind,
            Sent::Describe,
            Sent::Execute,
            Sent::Sync,
        ]);
        for code in *b"12TDDC" {
            assert_eq!(exchange.received(code), Verdict::Pass);
            assert!(!exchange.is_empty());
        }
        exchange.received(tag::READY_FOR_QUERY);
        assert!(exchange.is_empty());
    }

    #[test]
    fn an_exchange_is_settled_only_when_nothing_is_left_of_it() {
        let mut exchange = Exchange::default();
        assert!(exchange.is_settled());
        exchange.sent_with(Sent::Parse, Fate::Relay, "lost");
        assert!(!exchange.is_settled());
        exchange.received(tag::ERROR_RESPONSE);
        exchange.sent(Sent::Sync, Fate::Relay);
        exchange.received(tag::READY_FOR_QUERY);
        assert!(exchange.is_empty() && !exchange.is_settled());
        assert_eq!(exchange.take_lost(), ["lost"]);
        assert!(exchange.is_settled());
        exchange.sent(Sent::Execute, Fate::Relay);
        exchange.received(tag::COPY_IN_RESPONSE);
        exchange.received(tag::COMMAND_COMPLETE);
        assert!(exchange.is_empty() && !exchange.is_settled());
    }

    #[test]
    fn rows_are_counted_until_there_are_too_many() {
        let begin = || {
            let mut exchange = Exchange::<()>::default();
            let meter = Arc::new(Meter::new(10));
            exchange.sent(Sent::Execute, Fate::Measured(meter));
            exchange.sent(Sent::Sync, Fate::Relay);
            assert!(matches!(exchange.rows_due(), Rows::Measured(meter) if meter.take(10)));
            assert!(matches!(exchange.rows_due(), Rows::Measured(meter) if !meter.take(1)));
            exchange.overrun(b"too many"[..].into());
            assert!(matches!(exchange.rows_due(), Rows::Drop) && exchange.is_swallowing());
            assert_eq!(exchange.received(tag::DATA_ROW), Verdict::Drop);
            assert_eq!(exchange.received(tag::NOTIFICATION_RESPONSE), Verdict::Pass);
            exchange
        };
        let mut stopped = begin();
        let replaced = Verdict::Replace(b"too many"[..].into());
        assert_eq!(stopped.received(tag::ERROR_RESPONSE), replaced);
        assert_eq!(stopped.take_unfailed(), None);
        assert_eq!(stopped.received(tag::READY_FOR_QUERY), Verdict::Pass);
        let mut too_late = begin();
        assert_eq!(too_late.received(tag::COMMAND_COMPLETE), Verdict::Drop);
        assert_eq!(too_late.take_unfailed().as_deref(), Some(&b"too many"[..]));
        assert_eq!(too_late.take_unfailed(), None);
        assert_eq!(too_late.received(tag::READY_FOR_QUERY), Verdict::Pass);
    }

    #[test]
    fn a_query_that_was_stopped_is_ready_only_when_it_has_failed() {
        for (ending, verdict, is_ready) in [
            (
                tag::ERROR_RESPONSE,
                Verdict::Replace(b"too many"[..].into()),
                Verdict::Pass,
            ),
            (tag::COMMAND_COMPLETE, Verdict::Drop, Verdict::Drop),
        ] {
            let mut exchange = Exchange::<()>::default();
            exchange.sent(Sent::Query, Fate::Measured(Arc::new(Meter::new(0))));
            exchange.overrun(b"too many"[..].into());
            assert_eq!(exchange.received(ending), verdict);
            assert_eq!(exchange.received(tag::READY_FOR_QUERY), is_ready);
            assert!(exchange.is_empty());
            assert_eq!(
                exchange.take_unfailed().is_some(),
                is_ready == Verdict::Drop
            );
        }
    }

    #[test]
    fn our_own_messages_are_not_seen() {
        let mut exchange = Exchange::<()>::default();
        exchange.sent(Sent::Parse, Fate::Swallow);
        exchange.sent(Sent::Emit, Fate::Emit(b"1"[..].into()));
        exchange.sent(Sent::Sync, Fate::Relay);
        assert_eq!(exchange.pop_emit(), None);
        assert_eq!(exchange.received(tag::PARSE_COMPLETE), Verdict::Drop);
        assert_eq!(exchange.pop_emit().as_deref(), Some(&b"1"[..]));
        assert_eq!(exchange.received(tag::READY_FOR_QUERY), Verdict::Pass);
    }

    #[test]
    fn an_error_skips_to_the_next_sync() {
        let mut exchange =
            extended(&[Sent::Parse, Sent::Bind, Sent::Sync, Sent::Parse, Sent::Sync]);
        assert_eq!(exchange.received(tag::ERROR_RESPONSE), Verdict::Pass);
        assert_eq!(exchange.len(), 3);
        exchange.received(tag::READY_FOR_QUERY);
        exchange.received(tag::PARSE_COMPLETE);
        exchange.received(tag::READY_FOR_QUERY);
        assert!(exchange.is_empty());
    }

    #[test]
    fn what_an_error_kept_from_happening_comes_back() {
        let mut exchange = Exchange::default();
        exchange.sent_with(Sent::Parse, Fate::Relay, "done");
        exchange.sent_with(Sent::Parse, Fate::Relay, "failed");
        exchange.sent_with(Sent::Close, Fate::Emit(b"3"[..].into()), "skipped");
        exchange.sent(Sent::Sync, Fate::Relay);
        exchange.sent_with(Sent::Parse, Fate::Relay, "next batch");
        exchange.received(tag::PARSE_COMPLETE);
        exchange.received(tag::ERROR_RESPONSE);
        assert_eq!(exchange.take_lost(), ["skipped", "failed"]);
    }

    #[test]
    fn the_token_of_what_is_executed_is_there_when_it_completes() {
        let mut exchange = Exchange::default();
        exchange.sent_with(Sent::Parse, Fate::Relay, "parsed");
        exchange.sent(Sent::Bind, Fate::Relay);
        exchange.sent_with(Sent::Execute, Fate::Relay, "executed");
        exchange.sent(Sent::Sync, Fate::Relay);
        exchange.sent_with(Sent::Query, Fate::Relay, "queried");
        assert_eq!(exchange.take_due(), None);
        exchange.received(tag::PARSE_COMPLETE);
        exchange.received(tag::BIND_COMPLETE);
        assert_eq!(exchange.take_due(), Some("executed"));
        exchange.received(tag::COMMAND_COMPLETE);
        exchange.received(tag::READY_FOR_QUERY);
        assert_eq!(exchange.take_due(), Some("queried"));
        assert_eq!(exchange.take_due(), None);
    }

    #[test]
    fn an_error_before_the_sync_was_sent_waits_for_it() {
        let mut exchange = extended(&[Sent::Parse, Sent::Bind]);
        exchange.received(tag::ERROR_RESPONSE);
        assert!(exchange.is_skipping());
        assert!(!exchange.is_empty());
        exchange.sent(Sent::Sync, Fate::Relay);
        exchange.received(tag::READY_FOR_QUERY);
        assert!(exchange.is_empty());
    }

    #[test]
    fn syncs_during_copy_in_are_not_owed() {
        let mut before = extended(&[Sent::Bind, Sent::Execute, Sent::Sync]);
        before.received(tag::BIND_COMPLETE);
        before.received(tag::COPY_IN_RESPONSE);
        before.sent(Sent::Sync, Fate::Relay);
        before.sent(Sent::CopyEnd, Fate::Relay);
        before.sent(Sent::Sync, Fate::Relay);
        before.received(tag::COMMAND_COMPLETE);
        before.received(tag::READY_FOR_QUERY);
        assert!(before.is_empty());

        let mut blind = extended(&[Sent::Execute, Sent::Sync, Sent::CopyEnd, Sent::Sync]);
        for code in *b"GCZ" {
            blind.received(code);
        }
        assert!(blind.is_empty());
    }

    #[test]
    fn a_copy_in_by_simple_query_leaves_nothing_owed() {
        let mut exchange = extended(&[Sent::Query]);
        exchange.received(tag::COPY_IN_RESPONSE);
        exchange.sent(Sent::Sync, Fate::Relay);
        exchange.sent(Sent::CopyEnd, Fate::Relay);
        exchange.received(tag::COMMAND_COMPLETE);
        exchange.received(tag::READY_FOR_QUERY);
        assert!(exchange.is_empty());
    }

    #[test]
    fn an_error_in_a_simple_query_ends_with_its_ready_for_query() {
        let mut exchange = extended(&[Sent::Query, Sent::Query]);
        for code in *b"TDEZ" {
            exchange.received(code);
        }
        assert_eq!(exchange.len(), 1);
    }

    #[test]
    fn an_error_is_of_the_name_in_the_message_that_it_answers() {
        let mut exchange = Exchange::default();
        for name in ["first", "second", "third"] {
            exchange.sent_for(Sent::Bind, name.as_bytes(), Some(name));
            exchange.sent(Sent::Execute, Fate::Relay);
        }
        exchange.sent(Sent::Sync, Fate::Relay);
        exchange.received(tag::BIND_COMPLETE);
        exchange.received(tag::COMMAND_COMPLETE);
        assert_eq!(exchange.token_due(), Some(&"second"));
        exchange.received(tag::ERROR_RESPONSE);
        assert_eq!(exchange.failed_name(), Some(&b"second"[..]));
        assert_eq!(exchange.take_lost(), ["third", "second"]);
        exchange.received(tag::READY_FOR_QUERY);
        exchange.sent(Sent::Parse, Fate::Relay);
        exchange.received(tag::ERROR_RESPONSE);
        assert_eq!(exchange.failed_name(), None);
    }

    #[test]
    fn a_million_short_messages_take_little_room_and_give_it_back() {
        let mut exchange = Exchange::<()>::default();
        for _ in 0..1_000_000 {
            exchange.sent(Sent::Sync, Fate::Relay);
        }
        assert!(exchange.owed.capacity() * size_of::<Owed>() <= 4 << 20);
        for _ in 0..1_000_000 {
            exchange.received(tag::READY_FOR_QUERY);
        }
        assert!(exchange.is_empty());
        assert!(exchange.owed.capacity() <= KEPT_ENTRIES_MAX);
    }

    #[test]
    fn a_sync_of_ours_that_a_copy_ignores_takes_nobodys_place() {
        let mut exchange = Exchange::default();
        exchange.sent(Sent::Execute, Fate::Relay);
        exchange.sent(Sent::Sync, Fate::Swallow);
        exchange.sent(Sent::CopyEnd, Fate::Relay);
        exchange.sent_with(Sent::Parse, Fate::Swallow, "ours");
        exchange.received(tag::COPY_IN_RESPONSE);
        exchange.received(tag::COMMAND_COMPLETE);
        assert_eq!(exchange.token_due(), Some(&"ours"));
        assert_eq!(exchange.received(tag::PARSE_COMPLETE), Verdict::Drop);
        assert!(exchange.is_empty());
    }

    fn capped() -> Exchange<()> {
        let mut exchange = Exchange::default();
        let endings = Endings {
            complete: b"all"[..].into(),
            meter: Arc::new(Meter::new(u64::MAX)),
            cut: b"cut"[..].into(),
        };
        exchange.sent(Sent::Execute, Fate::Capped(Box::new(endings)));
        exchange.sent(Sent::Execute, Fate::Swallow);
        exchange
    }

    #[test]
    fn a_capped_portal_is_cut_only_when_there_is_more() {
        let mut more = capped();
        assert_eq!(more.received(tag::DATA_ROW), Verdict::Pass);
        assert_eq!(more.received(tag::PORTAL_SUSPENDED), Verdict::Drop);
        assert_eq!(more.received(tag::DATA_ROW), Verdict::Drop);
        let cut = Verdict::Replace(b"cut"[..].into());
        assert_eq!(more.received(tag::PORTAL_SUSPENDED), cut);
        assert!(more.is_empty());

        let mut exact = capped();
        exact.received(tag::PORTAL_SUSPENDED);
        let all = Verdict::Replace(b"all"[..].into());
        assert_eq!(exact.received(tag::COMMAND_COMPLETE), all);

        let mut fewer = capped();
        assert_eq!(fewer.received(tag::COMMAND_COMPLETE), Verdict::Pass);
        assert_eq!(fewer.received(tag::COMMAND_COMPLETE), Verdict::Drop);
        assert!(fewer.is_empty());
    }

    #[test]
    fn nothing_is_seen_of_an_answer_that_is_dropped() {
        let mut exchange = Exchange::<()>::default();
        exchange.sent(Sent::Query, Fate::Drop);
        exchange.sent(Sent::Sync, Fate::Relay);
        for code in [
            tag::ROW_DESCRIPTION,
            tag::NOTICE_RESPONSE,
            tag::ERROR_RESPONSE,
        ] {
            assert_eq!(exchange.received(code), Verdict::Drop);
        }
        for code in [tag::NOTIFICATION_RESPONSE, tag::PARAMETER_STATUS] {
            assert_eq!(exchange.received(code), Verdict::Pass);
        }
        assert_eq!(exchange.received(tag::READY_FOR_QUERY), Verdict::Drop);
        assert!(!exchange.is_swallowing());
    }

    #[test]
    fn a_refusal_takes_the_place_of_the_servers_error() {
        let mut exchange = Exchange::<()>::default();
        exchange.sent(Sent::Query, Fate::Refuse(b"E"[..].into()));
        assert_eq!(
            exchange.received(tag::ERROR_RESPONSE),
            Verdict::Replace(b"E"[..].into())
        );
    }
}

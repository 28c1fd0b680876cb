//! The client's frames: which pass as they are, which are renamed on the way, and which are not for the server.

use bytes::BytesMut;

use super::marks::Marks;
use super::own_names::Names;
use super::serve::{Session, Turn};
use super::words;
use crate::error::{Refusal, SqlState};
use crate::pool::statement::Change;
use crate::wire::exchange::{Fate, Sent};
use crate::wire::frame::{BadHeader, HEADER_BYTES, Header, split_cstr, tag};
use crate::wire::message;

/// A Query or Parse longer than this passes unread, and its connection stays with its session.
const EXAMINED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The functions that drivers call without SQL, those of large objects: what they open ends with the transaction.
///
/// # Source
/// `src/include/catalog/pg_proc.dat`: lo_create, lo_open, lo_close, loread, lowrite, lo_lseek, lo_creat, lo_tell,
/// lo_unlink, lo_truncate, lo_lseek64, lo_tell64, lo_truncate64.
const LARGE_OBJECT_FUNCTIONS: [u32; 13] = [
    715, 952, 953, 954, 955, 956, 957, 958, 964, 1004, 3170, 3171, 3172,
];

impl Session {
    /// Looks at what has come from the client; what need not wait may go when this returns `None`.
    pub(super) fn scan_client(&mut self) -> Option<Turn> {
        self.client_frame_wanted = 0;
        self.waiting_for_answers = false;
        self.end_skipped_query();
        self.describe_prepared();
        loop {
            if self.unfinished.is_some() && !self.finish_ask() {
                return self.held_by_ask();
            }
            let bytes = self.from_client.unscanned();
            let header = match Header::read_frontend(bytes) {
                Ok(Some(header)) => header,
                Ok(None) => break,
                Err(bad) => return Some(Turn::Violation(violation(bad))),
            };
            if self.discarding {
                self.discard_until_sync(header);
                continue;
            }
            if self.server_is_skipping() && !matches!(header.tag, tag::SYNC | tag::TERMINATE) {
                // The server would ignore it.
                self.from_client.discard(header.frame_bytes);
                self.flushed_at = None;
                self.preparing = None;
                continue;
            }
            match self.client_frame(header) {
                Step::Next => self.flushed_at = None,
                Step::More(frame_bytes) => {
                    self.client_frame_wanted = frame_bytes;
                    break;
                }
                Step::Wait => {
                    self.waiting_for_answers = true;
                    break;
                }
                Step::Leave(turn) => return Some(turn),
            }
        }
        self.emit_due();
        None
    }

    /// A message of ours in front of a Query failed (a cancel may hit it): the server skipped the Query too and waits
    /// for a Sync, which no client would send.
    fn end_skipped_query(&mut self) {
        if !self.own_words_ahead || self.in_batch || !self.server_is_skipping() {
            return;
        }
        self.own_words_ahead = false;
        if self.names.release_query()
            && let Ok(Some(header)) = Header::read_frontend(self.from_client.unscanned())
        {
            // The Query was held back, and the error is its answer.
            self.from_client.discard(header.frame_bytes);
            self.unnamed.forget();
        }
        if let Some(lease) = &mut self.server {
            lease.scratch.clear();
            message::put_frame(&mut lease.scratch, tag::SYNC, &[]);
            lease.exchange.sent(Sent::Sync, Fate::Relay);
            self.from_client.insert(&lease.scratch);
        }
    }

    /// What a name means depends on whether an earlier batch was carried out, or in this one a statement that forgets
    /// others: only the answer tells.
    fn must_wait_for_names(&mut self, header: Header) -> bool {
        let speaks_of_names = matches!(
            header.tag,
            tag::PARSE | tag::BIND | tag::DESCRIBE | tag::CLOSE
        );
        if self.forgets_in_batch && speaks_of_names {
            self.forgets_in_batch = !self.is_answered();
            if self.forgets_in_batch {
                return true;
            }
        }
        if !self.names_in_doubt {
            return false;
        }
        if !self.in_batch {
            self.names_in_doubt = !self.owes_nothing();
        } else if speaks_of_names {
            // The batch has begun with something else.
            self.names_in_doubt = !self.is_answered();
        }
        self.names_in_doubt && speaks_of_names
    }

    /// Whether a frame that holds an ask need not wait for answers of the server.
    fn is_due_to_ask(&mut self, header: Header, marks: Marks) -> bool {
        if header.tag != tag::PARSE {
            return self.is_answered();
        }
        if self.server.is_some() && self.must_wait_for_names(header) {
            return false;
        }
        // What keeps something must know whether the server skips it, behind an error in its batch.
        !self.keeps_something() && !marks.contains(Marks::MAY_NAME_STATEMENTS) || self.is_answered()
    }

    pub(super) fn owes_nothing(&self) -> bool {
        self.server
            .as_ref()
            .is_none_or(|lease| lease.exchange.is_empty() || lease.exchange.is_skipping())
    }

    pub(super) fn is_copying_in(&self) -> bool {
        self.server
            .as_ref()
            .is_some_and(|lease| lease.exchange.is_copying_in())
    }

    pub(super) fn server_is_skipping(&self) -> bool {
        self.server
            .as_ref()
            .is_some_and(|lease| lease.exchange.is_skipping())
    }

    fn client_frame(&mut self, header: Header) -> Step {
        let bytes = self.from_client.unscanned();
        let whole = bytes.len() >= header.frame_bytes;
        let must_be_whole = match header.tag {
            tag::QUERY | tag::PARSE => header.frame_bytes <= EXAMINED_BYTES_MAX,
            tag::DESCRIBE | tag::CLOSE | tag::EXECUTE => true,
            _ => false,
        };
        if must_be_whole && !whole {
            return Step::More(header.frame_bytes);
        }
        match header.tag {
            // What was sent before is carried out first, as by PostgreSQL itself.
            tag::TERMINATE => {
                return if self.is_copying_in() || self.is_answered() {
                    Step::Leave(Turn::Terminated)
                } else {
                    Step::Wait
                };
            }
            // Copy data behind a failed COPY, or nothing to flush: PostgreSQL ignores it between transactions.
            tag::COPY_DATA | tag::COPY_DONE | tag::COPY_FAIL | tag::FLUSH
                if self.server.is_none() =>
            {
                self.from_client.discard(header.frame_bytes);
                return Step::Next;
            }
            tag::QUERY | tag::PARSE if whole => {
                if self.watch.is_out_of_date() {
                    return Step::Leave(Turn::KeepersChanged);
                }
                let marks = self.text_marks(header);
                if marks.contains(Marks::ASK) && self.concerns_us(header) {
                    return if self.is_due_to_ask(header, marks) {
                        Step::Leave(Turn::Ask)
                    } else {
                        Step::Wait
                    };
                }
                if self.server.is_none() {
                    self.wants_new_connection = self.has_to_begin_anew(marks);
                    self.wants_no_temporary_schema = self.must_find_no_temporary_schema(marks);
                    return Step::Leave(Turn::NeedServer);
                }
                if self.must_wait_for_names(header) {
                    return Step::Wait;
                }
                if marks.contains(Marks::MAY_NAME_STATEMENTS) {
                    match self.see_to_names(header, marks) {
                        Names::Right => {}
                        Names::Wait => return Step::Wait,
                        Names::Refused => return Step::Next,
                    }
                }
                self.before_keeping(marks);
                return if header.tag == tag::QUERY {
                    self.forward_query(header, marks)
                } else {
                    self.forward_parse(header, marks)
                };
            }
            _ => {}
        }
        if self.server.is_none() {
            return Step::Leave(Turn::NeedServer);
        }
        if self.is_copying_in() && matches!(header.tag, tag::BIND | tag::DESCRIBE | tag::CLOSE) {
            // It breaks the COPY off, whatever it names.
            return self.forward(header, Sent::Close);
        }
        if self.must_wait_for_names(header) {
            return Step::Wait;
        }
        if matches!(header.tag, tag::QUERY | tag::PARSE | tag::FUNCTION_CALL)
            && self.before_unseen(header) == Names::Wait
        {
            return Step::Wait;
        }
        match header.tag {
            tag::QUERY => self.forward_query(header, Marks::UNSEEN),
            tag::PARSE => {
                self.marks.add(Marks::UNSEEN);
                self.unnamed.forget();
                self.forward(header, Sent::Parse)
            }
            tag::BIND => self.forward_bind(header),
            tag::DESCRIBE => self.forward_describe(header),
            tag::CLOSE => self.forward_close(header),
            tag::EXECUTE => {
                self.forgets_in_batch |= self.bound_forgets;
                match self.execute_ours(header) {
                    Some(()) => Step::Next,
                    None => self.forward_execute(header),
                }
            }
            tag::SYNC => {
                self.close_fence();
                self.forward(header, Sent::Sync);
                self.in_batch = false;
                self.unnamed.end_batch();
                self.bound_in_batch = false;
                self.bound_forgets = false;
                self.forgets_in_batch = false;
                self.names_in_doubt |= std::mem::take(&mut self.batch_changes_names);
                Step::Next
            }
            tag::FUNCTION_CALL => {
                let function = self.called_function();
                if function.is_none() && !whole {
                    return Step::More(header.frame_bytes.min(HEADER_BYTES + 4));
                }
                if !function.is_some_and(|oid| LARGE_OBJECT_FUNCTIONS.contains(&oid)) {
                    // What the function does is not to be seen.
                    self.marks.add(Marks::CODE);
                }
                self.forward(header, Sent::Query);
                self.in_batch = false;
                self.unnamed.end_batch();
                Step::Next
            }
            tag::COPY_DONE | tag::COPY_FAIL => {
                let in_batch = self.in_batch;
                self.forward(header, Sent::CopyEnd);
                self.in_batch = in_batch;
                Step::Next
            }
            _ => {
                self.from_client.pass(header.frame_bytes);
                Step::Next
            }
        }
    }

    /// Brings the connection to where a statement with these marks expects it.
    pub(super) fn before_keeping(&mut self, marks: Marks) {
        self.before_sequences(marks);
        if marks.contains(Marks::SAYS_TEMPORARY_SCHEMA) {
            self.restore_temporary_schema();
        }
        self.stays.ran_library |= marks.contains(Marks::RUNS_LIBRARY.with(Marks::CODE));
    }

    /// The function that the FunctionCall at the front calls; `None` while that has not arrived.
    fn called_function(&self) -> Option<u32> {
        let body = self.from_client.unscanned().get(HEADER_BYTES..)?;
        body.first_chunk().map(|oid| u32::from_be_bytes(*oid))
    }

    pub(super) fn front_is_named_parse(&self, header: Header) -> bool {
        header.tag == tag::PARSE && self.from_client.unscanned().get(HEADER_BYTES) != Some(&0)
    }

    /// Passes a frame as it is.
    pub(super) fn forward(&mut self, header: Header, sent: Sent) -> Step {
        self.from_client.pass(header.frame_bytes);
        if let Some(lease) = &mut self.server {
            lease.exchange.sent(sent, Fate::Relay);
        }
        self.in_batch = true;
        Step::Next
    }

    fn forward_execute(&mut self, header: Header) -> Step {
        if self.has_naming_portals() {
            let body = &self.from_client.unscanned()[HEADER_BYTES..header.frame_bytes];
            if let Some((portal, _)) = split_cstr(body) {
                let portal = portal.to_vec();
                match self.executes(&portal, header) {
                    Names::Right => {}
                    Names::Wait => return Step::Wait,
                    Names::Refused => return Step::Next,
                }
            }
        }
        if self.portals_that_set.is_empty() {
            return self.forward(header, Sent::Execute);
        }
        let body = &self.from_client.unscanned()[HEADER_BYTES..header.frame_bytes];
        let portal = split_cstr(body).map(|(portal, _)| portal);
        let sets = self
            .portals_that_set
            .iter()
            .find_map(|(name, changes)| (Some(&**name) == portal).then(|| changes.clone()));
        self.from_client.pass(header.frame_bytes);
        self.sent_that_sets(Sent::Execute, sets);
        self.in_batch = true;
        Step::Next
    }

    fn forward_query(&mut self, header: Header, marks: Marks) -> Step {
        self.marks.add(marks);
        let is_alone = !self.in_batch && !self.unnamed.is_in_doubt();
        let sets = if marks.contains(Marks::SPEAKS_OF_SETTINGS) {
            let body = &self.from_client.unscanned()[HEADER_BYTES..header.frame_bytes];
            let sql = split_cstr(body).map_or(body, |(sql, _)| sql).to_vec();
            // In a batch that no Sync has ended, what fails takes it back.
            self.note_set(&sql, marks, is_alone)
        } else {
            None
        };
        let end = self.from_client.unscanned().len().min(header.frame_bytes);
        let is_refused = end == header.frame_bytes
            && self.is_no_text(&self.from_client.unscanned()[HEADER_BYTES..end]);
        self.from_client.pass(header.frame_bytes);
        let owner = self.unnamed_owner();
        if let Some(lease) = &mut self.server {
            // A simple query drops the unnamed statement, on the server as in the session, unless it is skipped.
            if !is_refused {
                lease.unnamed_owner = 0;
            }
            if is_refused && !is_alone {
                lease.exchange.sent(Sent::Query, Fate::Relay);
            } else if !is_alone {
                self.unnamed.drop_later(owner);
                lease
                    .exchange
                    .sent_with(Sent::Query, Fate::Relay, Change::Replaced);
            } else {
                if !is_refused {
                    self.unnamed.forget();
                }
                self.sent_that_sets(Sent::Query, sets);
            }
        }
        self.names_in_doubt |= marks.contains(Marks::FORGETS_STATEMENTS)
            || std::mem::take(&mut self.batch_changes_names);
        // PostgreSQL treats a Query as a Sync of what came before it only when that was in error; the answers to
        // both end in a ReadyForQuery either way.
        self.bound_in_batch = false;
        self.in_batch = false;
        self.unnamed.end_batch();
        Step::Next
    }

    /// Whether the server refuses a Query, or a Parse of the unnamed statement, before it looks at it, and drops nothing
    /// for it: the text in front of the first NUL is no text. Only worth knowing while there is a statement to drop.
    ///
    /// # Source
    /// `pq_getmsgstring` in `exec_parse_message`'s and `exec_simple_query`'s caller comes before `drop_unnamed_stmt`
    /// (`src/backend/tcop/postgres.c`).
    pub(super) fn is_no_text(&self, text: &[u8]) -> bool {
        if self.unnamed.mark() == 0 || !self.encoding_is_utf8 {
            return false;
        }
        let sql = split_cstr(text).map_or(text, |(sql, _)| sql);
        std::str::from_utf8(sql).is_err()
    }

    /// After a refusal of ours that no server knows of: drops everything up to the Sync, and answers that.
    fn discard_until_sync(&mut self, header: Header) {
        self.from_client.discard(header.frame_bytes);
        if header.tag == tag::SYNC {
            self.discarding = false;
            let mut out = BytesMut::new();
            message::put_ready_for_query(&mut out, self.status);
            self.to_client.insert(&out);
        }
    }

    fn text_marks(&self, header: Header) -> Marks {
        let body = &self.from_client.unscanned()[HEADER_BYTES..header.frame_bytes];
        match header.tag {
            tag::QUERY => words::scan(body, self.watch.keepers()),
            _ => match split_cstr(body) {
                Some((_, rest)) => words::scan(
                    &rest[..memchr::memchr(0, rest).unwrap_or(rest.len())],
                    self.watch.keepers(),
                ),
                None => Marks::default(),
            },
        }
    }
}

/// What to do after one frame.
pub(super) enum Step {
    /// Look at the next.
    Next,
    /// So many bytes of this one are needed first.
    More(usize),
    /// It has to wait until the server has answered all before it.
    Wait,
    /// The loop has to see to something.
    Leave(Turn),
}

/// The end of a client whose message cannot be read.
pub(super) fn malformed(what: &str) -> Step {
    Step::Leave(Turn::Violation(Refusal::new(
        SqlState::PROTOCOL_VIOLATION,
        format!("invalid string in message {what}"),
    )))
}

fn violation(bad: BadHeader) -> Refusal {
    let message = match bad {
        BadHeader::Tag(code) => format!("invalid frontend message type {code}"),
        BadHeader::Length(code, length) => {
            format!(
                "invalid message length {length} for frontend message \"{}\"",
                code.escape_ascii()
            )
        }
    };
    Refusal::new(SqlState::PROTOCOL_VIOLATION, message)
}

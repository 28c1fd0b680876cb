//! The client's frames: which pass as they are, which are renamed on the way, and which are not for the server.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::BytesMut;

use super::marks::Marks;
use super::serve::{Session, Turn, Unnamed};
use super::words;
use crate::error::{Refusal, SqlState};
use crate::pool::connection::StatementName;
use crate::pool::settings::PoolMode;
use crate::pool::statement::{Change, Statement};
use crate::wire::exchange::{Fate, Sent};
use crate::wire::frame::{BadHeader, HEADER_BYTES, Header, split_cstr, tag};
use crate::wire::message;

/// A Query or Parse longer than this passes unread, and its connection stays with its session.
const EXAMINED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The names at the front of a Bind must end within so many bytes.
const NAMES_BYTES_MAX: usize = 64 * 1024;

/// ParseComplete.
const PARSE_COMPLETE: [u8; 5] = [tag::PARSE_COMPLETE, 0, 0, 0, 4];
/// CloseComplete.
const CLOSE_COMPLETE: [u8; 5] = [tag::CLOSE_COMPLETE, 0, 0, 0, 4];

/// A mark that no other unnamed statement has had.
static NEXT_UNNAMED: AtomicU64 = AtomicU64::new(1);

impl Session {
    /// Looks at what has come from the client; what need not wait may go when this returns `None`.
    pub(super) fn scan_client(&mut self) -> Option<Turn> {
        self.client_frame_wanted = 0;
        self.waiting_for_answers = false;
        loop {
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
                continue;
            }
            match self.client_frame(header) {
                Step::Next => {}
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

    /// What a name means depends on whether an earlier batch was carried out: only its answer tells.
    fn must_wait_for_names(&mut self, header: Header) -> bool {
        if !self.names_in_doubt || self.in_batch {
            return false;
        }
        self.names_in_doubt = !self.owes_nothing();
        self.names_in_doubt
            && matches!(
                header.tag,
                tag::PARSE | tag::BIND | tag::DESCRIBE | tag::CLOSE
            )
    }

    fn owes_nothing(&self) -> bool {
        self.server
            .as_ref()
            .is_none_or(|lease| lease.exchange.is_empty() || lease.exchange.is_skipping())
    }

    fn server_is_skipping(&self) -> bool {
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
                return if self.owes_nothing() {
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
                    return if self.owes_nothing() || header.tag == tag::PARSE {
                        Step::Leave(Turn::Ask)
                    } else {
                        Step::Wait
                    };
                }
                if self.server.is_none() {
                    return Step::Leave(Turn::NeedServer);
                }
                if self.must_wait_for_names(header) {
                    return Step::Wait;
                }
                self.before_statement(header, marks);
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
        if self.must_wait_for_names(header) {
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
            tag::EXECUTE => match self.execute_ours(header) {
                Some(()) => Step::Next,
                None => self.forward(header, Sent::Execute),
            },
            tag::SYNC => {
                self.close_fence();
                self.forward(header, Sent::Sync);
                self.in_batch = false;
                self.names_in_doubt |= std::mem::take(&mut self.batch_changes_names);
                Step::Next
            }
            tag::FUNCTION_CALL => {
                // What the function does is not to be seen.
                self.marks.add(Marks::CODE);
                self.forward(header, Sent::Query);
                self.in_batch = false;
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

    /// Brings the connection to where the statement at the front expects it.
    fn before_statement(&mut self, header: Header, marks: Marks) {
        let Some(lease) = &self.server else {
            return;
        };
        if lease.application_name.is_none()
            && self.status != b'E'
            && !self.in_batch
            && lease.exchange.is_empty()
        {
            self.replay_application_name();
        }
        if marks.contains(Marks::NAMES_STATEMENT)
            && !self.verbatim
            && !self.statements.is_empty()
            && self.status != b'E'
            && self.shared.pool_mode != PoolMode::Transaction
        {
            self.use_own_names(header.tag == tag::QUERY && !self.in_batch);
        }
    }

    /// Prepares the client's statements under its own names, because its SQL is about to speak of them; from here on
    /// the connection stays with the session and names pass as they are.
    fn use_own_names(&mut self, sync: bool) {
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

    /// Passes a frame as it is.
    pub(super) fn forward(&mut self, header: Header, sent: Sent) -> Step {
        self.from_client.pass(header.frame_bytes);
        if let Some(lease) = &mut self.server {
            lease.exchange.sent(sent, Fate::Relay);
        }
        self.in_batch = true;
        Step::Next
    }

    fn forward_query(&mut self, header: Header, marks: Marks) -> Step {
        self.marks.add(marks);
        // A simple query drops the unnamed statement, on the server as in the session.
        self.unnamed.forget();
        if let Some(lease) = &mut self.server {
            lease.unnamed_owner = 0;
        }
        self.forward(header, Sent::Query);
        self.names_in_doubt |= marks.contains(Marks::FORGETS_STATEMENTS)
            || std::mem::take(&mut self.batch_changes_names);
        // PostgreSQL treats a Query as a Sync of what came before it only when that was in error; the answers to
        // both end in a ReadyForQuery either way.
        self.in_batch = false;
        Step::Next
    }

    fn forward_parse(&mut self, header: Header, marks: Marks) -> Step {
        let frame = &self.from_client.unscanned()[..header.frame_bytes];
        let Some((name, body)) = split_cstr(&frame[HEADER_BYTES..]) else {
            return malformed("Parse");
        };
        self.batch_changes_names |= marks.contains(Marks::FORGETS_STATEMENTS);
        if name.is_empty() {
            self.unnamed.remember(body, marks);
            self.marks.add(marks);
            self.from_client.pass(header.frame_bytes);
            if let Some(lease) = &mut self.server {
                lease.unnamed_owner = self.unnamed.mark;
                lease
                    .exchange
                    .sent_with(Sent::Parse, Fate::Relay, Change::Replaced);
            }
            self.in_batch = true;
            return Step::Next;
        }
        if self.verbatim {
            self.marks.add(marks);
            return self.forward(header, Sent::Parse);
        }
        let (name, body) = (Box::from(name), body.to_vec());
        self.from_client.discard(header.frame_bytes);
        self.prepare_as(name, &body, marks);
        Step::Next
    }

    /// Carries out a Parse of these contents under this name; the client's frame is gone already.
    pub(super) fn prepare_as(&mut self, name: Box<[u8]>, body: &[u8], marks: Marks) {
        self.in_batch = true;
        self.marks.add(marks);
        let Some(lease) = &mut self.server else {
            return;
        };
        if name.is_empty() {
            self.unnamed.remember(body, marks);
            lease.unnamed_owner = self.unnamed.mark;
            put_parse(&mut lease.scratch, b"\0", body);
            lease
                .exchange
                .sent_with(Sent::Parse, Fate::Relay, Change::Replaced);
            self.from_client.insert(&lease.scratch);
            return;
        }
        self.batch_changes_names = true;
        if let Some(existing) = self.statements.get(&name).cloned() {
            // The server itself must refuse the second use of a name, or the transaction would go on.
            let ours = self.prepared_name(&existing);
            let Some(lease) = &mut self.server else {
                return;
            };
            lease.spoken.note(ours, &name);
            put_parse(&mut lease.scratch, ours.write(&mut [0; 24]), body);
            lease.exchange.sent(Sent::Parse, Fate::Relay);
            self.from_client.insert(&lease.scratch);
            return;
        }
        let statement = self.pool.statements().intern(marks.bits(), body);
        let known = lease.prepared(&statement).is_some();
        let change = Change::Named {
            name: name.clone(),
            statement: statement.clone(),
            prepared: !known,
        };
        if known {
            let answer = Fate::Emit(Box::from(PARSE_COMPLETE));
            lease.exchange.sent_with(Sent::Emit, answer, change);
        } else {
            let (ours, evicted) = lease.prepare(&statement);
            lease.spoken.note(ours, &name);
            put_parse(&mut lease.scratch, ours.write(&mut [0; 24]), body);
            lease.exchange.sent_with(Sent::Parse, Fate::Relay, change);
            self.from_client.insert(&lease.scratch);
            self.close_evicted(evicted);
        }
        self.statements.insert(name, statement);
    }

    /// An ask is fenced by the transaction status, which must not be out of date.
    fn must_wait_for_status(&self, marks: Marks) -> bool {
        marks.contains(Marks::ASKED)
            && self
                .server
                .as_ref()
                .is_some_and(|lease| lease.exchange.owes_ready_for_query())
    }

    fn forward_bind(&mut self, header: Header) -> Step {
        let bytes = self.from_client.unscanned();
        let bytes = &bytes[..bytes.len().min(header.frame_bytes)];
        let names = bytes.get(HEADER_BYTES..).and_then(|body| {
            let (portal, rest) = split_cstr(body)?;
            let (statement, _) = split_cstr(rest)?;
            Some((portal, statement))
        });
        let Some((portal, name)) = names else {
            if bytes.len() >= header.frame_bytes.min(NAMES_BYTES_MAX) {
                return malformed("Bind");
            }
            return Step::More(header.frame_bytes.min(NAMES_BYTES_MAX));
        };
        if name.is_empty() {
            let portal = portal.to_vec();
            let marks = self.unnamed.marks;
            if self.must_wait_for_status(marks) {
                return Step::Wait;
            }
            self.ensure_unnamed();
            self.open_fence(marks, &portal);
            return self.forward(header, Sent::Bind);
        }
        let Some(statement) = self.statements.get(name).cloned() else {
            return self.forward(header, Sent::Bind);
        };
        let prefix = HEADER_BYTES + portal.len() + 1 + name.len() + 1;
        let name_bytes = name.len();
        let portal = portal.to_vec();
        let marks = Marks::from_bits(statement.marks());
        if self.must_wait_for_status(marks) {
            return Step::Wait;
        }
        self.marks.add(marks);
        self.batch_changes_names |= marks.contains(Marks::FORGETS_STATEMENTS);
        let name_end = prefix - 1;
        let ours = self.spoken_name(&statement, name_end - name_bytes..name_end);
        self.open_fence(marks, &portal);
        let Some(lease) = &mut self.server else {
            return Step::Next;
        };
        let mut space = [0; 24];
        let ours = ours.write(&mut space);
        let frame_bytes =
            header.frame_bytes - prefix + HEADER_BYTES + portal.len() + 1 + ours.len();
        let length = u32::try_from(frame_bytes - 1).unwrap_or(u32::MAX);
        lease.scratch.clear();
        lease.scratch.extend_from_slice(&[tag::BIND]);
        lease.scratch.extend_from_slice(&length.to_be_bytes());
        lease.scratch.extend_from_slice(&portal);
        lease.scratch.extend_from_slice(&[0]);
        lease.scratch.extend_from_slice(ours);
        self.from_client.replace(prefix, &lease.scratch);
        self.from_client.pass(header.frame_bytes - prefix);
        lease.exchange.sent(Sent::Bind, Fate::Relay);
        self.in_batch = true;
        Step::Next
    }

    fn forward_describe(&mut self, header: Header) -> Step {
        let Some((kind, name)) = self.kind_and_name(header) else {
            return malformed("Describe");
        };
        if kind != b'S' {
            return self.forward(header, Sent::Describe);
        }
        if name.is_empty() {
            self.ensure_unnamed();
            return self.forward(header, Sent::Describe);
        }
        let name_bytes = name.len();
        let Some(statement) = self.statements.get(name).cloned() else {
            return self.forward(header, Sent::Describe);
        };
        let name_start = HEADER_BYTES + 1;
        let ours = self.spoken_name(&statement, name_start..name_start + name_bytes);
        let Some(lease) = &mut self.server else {
            return Step::Next;
        };
        lease.scratch.clear();
        message::put_frame(
            &mut lease.scratch,
            tag::DESCRIBE,
            &[b"S", ours.write(&mut [0; 24])],
        );
        self.from_client.replace(header.frame_bytes, &lease.scratch);
        lease.exchange.sent(Sent::Describe, Fate::Relay);
        self.in_batch = true;
        Step::Next
    }

    fn forward_close(&mut self, header: Header) -> Step {
        let Some((kind, name)) = self.kind_and_name(header) else {
            return malformed("Close");
        };
        let name = name.to_vec();
        if kind == b'S' && name.is_empty() {
            self.unnamed.forget();
            if let Some(lease) = &mut self.server {
                lease.unnamed_owner = 0;
            }
        } else if kind == b'S'
            && let Some((name, statement)) = self.statements.remove_entry(name.as_slice())
        {
            // The statement stays prepared for whoever asks for it next.
            self.batch_changes_names = true;
            self.from_client.discard(header.frame_bytes);
            if let Some(lease) = &mut self.server {
                lease.exchange.sent_with(
                    Sent::Emit,
                    Fate::Emit(Box::from(CLOSE_COMPLETE)),
                    Change::Unnamed { name, statement },
                );
            }
            self.in_batch = true;
            return Step::Next;
        }
        self.forward(header, Sent::Close)
    }

    /// The `S` or `P` and the name of a Describe or Close.
    fn kind_and_name(&self, header: Header) -> Option<(u8, &[u8])> {
        let body = &self.from_client.unscanned()[HEADER_BYTES..header.frame_bytes];
        let (&kind, rest) = body.split_first()?;
        let (name, _) = split_cstr(rest)?;
        Some((kind, name))
    }

    /// As [`Self::prepared_name`], for a statement that the frame at the front names there.
    fn spoken_name(&mut self, statement: &Arc<Statement>, name: Range<usize>) -> StatementName {
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
    fn prepared_name(&mut self, statement: &Arc<Statement>) -> StatementName {
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

    fn close_evicted(&mut self, evicted: Option<StatementName>) {
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
    fn ensure_unnamed(&mut self) {
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

impl Unnamed {
    pub(super) fn remember(&mut self, body: &[u8], marks: Marks) {
        self.body.clear();
        self.body.extend_from_slice(body);
        self.mark = NEXT_UNNAMED.fetch_add(1, Ordering::Relaxed);
        self.marks = marks;
    }

    pub(super) fn forget(&mut self) {
        self.body.clear();
        self.mark = 0;
        self.marks = Marks::default();
    }
}

fn put_parse(out: &mut BytesMut, name_with_nul: &[u8], body: &[u8]) {
    out.clear();
    message::put_frame(out, tag::PARSE, &[name_with_nul, body]);
}

fn malformed(what: &str) -> Step {
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

//! Parse, Bind, Describe and Close: the frames in which the client's names of statements become ours.

use super::frontend::{Step, malformed};
use super::marks::Marks;
use super::serve::Session;
use super::statements::put_parse;
use crate::pool::statement::Change;
use crate::wire::exchange::{Fate, Sent};
use crate::wire::frame::{HEADER_BYTES, Header, split_cstr, tag};
use crate::wire::message;

/// The names at the front of a Bind must end within so many bytes.
const NAMES_BYTES_MAX: usize = 64 * 1024;

/// ParseComplete.
const PARSE_COMPLETE: [u8; 5] = [tag::PARSE_COMPLETE, 0, 0, 0, 4];
/// CloseComplete.
const CLOSE_COMPLETE: [u8; 5] = [tag::CLOSE_COMPLETE, 0, 0, 0, 4];

impl Session {
    pub(super) fn forward_parse(&mut self, header: Header, marks: Marks) -> Step {
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
        marks.contains(Marks::ASKED.with(Marks::FENCED))
            && self
                .server
                .as_ref()
                .is_some_and(|lease| lease.exchange.owes_ready_for_query())
    }

    pub(super) fn forward_bind(&mut self, header: Header) -> Step {
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
            let sql = self.unnamed.sql_of(marks);
            self.open_fence(marks, &sql, &portal);
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
        self.open_fence(marks, statement.sql(), &portal);
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

    pub(super) fn forward_describe(&mut self, header: Header) -> Step {
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

    pub(super) fn forward_close(&mut self, header: Header) -> Step {
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
}

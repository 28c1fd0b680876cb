//! Parse, Bind, Describe and Close: the frames in which the client's names of statements become ours.

use super::frontend::{Step, malformed};
use super::marks::Marks;
use super::own_names::Names;
use super::prepare::Brought;
use super::serve::Session;
use super::statements::put_parse;
use super::text_settings::freezes_time;
use crate::pool::lease::Lease;
use crate::pool::statement::Change;
use crate::wire::exchange::{Fate, Sent};
use crate::wire::frame::{HEADER_BYTES, Header, split_cstr, tag};
use crate::wire::message;

/// The names at the front of a Bind must end within so many bytes.
const NAMES_BYTES_MAX: usize = 64 * 1024;

/// CloseComplete.
const CLOSE_COMPLETE: [u8; 5] = [tag::CLOSE_COMPLETE, 0, 0, 0, 4];

impl Session {
    pub(super) fn forward_parse(&mut self, header: Header, marks: Marks) -> Step {
        if self.unnamed.is_full() && !self.is_answered() {
            return Step::Wait;
        }
        let frame = &self.from_client.unscanned()[..header.frame_bytes];
        let Some((name, body)) = split_cstr(&frame[HEADER_BYTES..]) else {
            return malformed("Parse");
        };
        self.batch_changes_names |= marks.contains(Marks::FORGETS_STATEMENTS);
        if name.is_empty() && self.is_no_text(body) {
            self.marks.add(marks.unless_run());
            return self.forward(header, Sent::Parse);
        }
        if name.is_empty() {
            let owner = self.unnamed_owner();
            self.unnamed.replace(body, marks, owner);
            self.marks.add(marks.unless_run());
            self.from_client.pass(header.frame_bytes);
            if let Some(lease) = &mut self.server {
                lease.unnamed_owner = self.unnamed.mark();
                lease
                    .exchange
                    .sent_with(Sent::Parse, Fate::Relay, Change::Replaced);
            }
            self.in_batch = true;
            return Step::Next;
        }
        if self.verbatim && !self.statements.contains_key(name) || !self.is_sound_name(name) {
            // A name that is no text in the client's encoding, the server is to refuse.
            self.marks.add(marks);
            return self.forward(header, Sent::Parse);
        }
        let (name, body) = (Box::from(name), body.to_vec());
        self.from_client.discard(header.frame_bytes);
        self.prepare_as(name, &body, marks);
        Step::Next
    }

    fn is_sound_name(&self, name: &[u8]) -> bool {
        name.is_ascii() || !self.encoding_is_utf8 || std::str::from_utf8(name).is_ok()
    }

    /// Carries out a Parse of these contents under this name; the client's frame is gone already.
    pub(super) fn prepare_as(&mut self, name: Box<[u8]>, body: &[u8], marks: Marks) {
        self.in_batch = true;
        self.marks.add(marks.unless_run());
        if self.server.is_none() {
            return;
        }
        if name.is_empty() {
            self.unnamed.replace(body, marks, self.unnamed_owner());
            let lease = lease_mut(&mut self.server);
            lease.unnamed_owner = self.unnamed.mark();
            put_parse(&mut lease.scratch, b"\0", body);
            lease
                .exchange
                .sent_with(Sent::Parse, Fate::Relay, Change::Replaced);
            self.from_client.insert(&lease.scratch);
            return;
        }
        self.batch_changes_names = true;
        self.close_old();
        if let Some(existing) = self.statements.get(&name).cloned() {
            // The server itself must refuse the second use of a name, or the transaction would go on. Where it does
            // not know the first, anything will do in its place.
            let known = lease_mut(&mut self.server).prepared(&existing);
            let ours = known.unwrap_or_else(|| self.stand_in(&[0, 0]));
            let lease = lease_mut(&mut self.server);
            put_parse(&mut lease.scratch, ours.write(&mut [0; 24]), body);
            lease.exchange.sent_for(Sent::Parse, &name, None);
            self.from_client.insert(&lease.scratch);
            return;
        }
        let statement = self.pool.statements().begin(marks.bits(), body);
        let is_described_next = self.describes_next(&name);
        let lease = lease_mut(&mut self.server);
        let ours = lease.fresh_name();
        lease.hold(&statement, ours);
        let mut space = [0; 24];
        let ours = ours.write(&mut space);
        put_parse(&mut lease.scratch, ours, body);
        let change = Change::Named {
            name: name.clone(),
            statement: statement.clone(),
        };
        lease.exchange.sent_for(Sent::Parse, &name, Some(change));
        if freezes_time(statement.sql()) {
            // No other connection could make the same of it.
            self.marks.add(Marks::FROZEN);
        } else if !is_described_next {
            message::put_frame(&mut lease.scratch, tag::DESCRIBE, &[b"S", ours]);
            lease.exchange.sent_with(
                Sent::Describe,
                Fate::Swallow,
                Change::Described {
                    name: name.clone(),
                    statement: statement.clone(),
                },
            );
        }
        self.from_client.insert(&lease.scratch);
        self.statements.insert(name, statement);
    }

    /// Whether the frame at the front describes the statement of this name, as most drivers do behind its Parse.
    fn describes_next(&self, name: &[u8]) -> bool {
        let bytes = self.from_client.unscanned();
        let Ok(Some(header)) = Header::read_frontend(bytes) else {
            return false;
        };
        header.tag == tag::DESCRIBE
            && bytes
                .get(HEADER_BYTES..header.frame_bytes)
                .and_then(|body| body.strip_prefix(b"S"))
                .and_then(split_cstr)
                .is_some_and(|(described, _)| described == name)
    }

    /// An ask is fenced by the transaction status, which must not be out of date.
    fn must_wait_for_status(&self, marks: Marks) -> bool {
        marks.contains(Marks::ASKED.with(Marks::FENCED))
            && self
                .server
                .as_ref()
                .is_some_and(|lease| lease.exchange.owes_ready_for_query())
    }

    fn note_forgetting(&mut self, marks: Marks) {
        if marks.contains(Marks::FORGETS_STATEMENTS) {
            self.batch_changes_names = true;
            self.bound_forgets = true;
        }
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
            let marks = self.unnamed.marks();
            if self.must_wait_for_status(marks) {
                return Step::Wait;
            }
            match self.see_to_bound_names(header, &portal) {
                Names::Right => {}
                Names::Wait => return Step::Wait,
                Names::Refused => return Step::Next,
            }
            self.before_sequences(marks);
            if marks.contains(Marks::BEGIN) {
                // Its Parse may have been answered long ago.
                self.marks.add(Marks::BEGIN);
            }
            match self.bring_unnamed() {
                Brought::Here(_) => {}
                Brought::Wait => return Step::Wait,
                Brought::Changed => {
                    self.refuse_changed(header);
                    return Step::Next;
                }
            }
            self.note_forgetting(marks);
            let sql = if self.ask_state.batch_fenced {
                self.unnamed.sql().to_vec()
            } else {
                self.unnamed.sql_of(marks)
            };
            self.note_portal(&portal, &sql, marks);
            self.open_fence(marks, &sql, &portal);
            return self.forward(header, Sent::Bind);
        }
        let Some(statement) = self.statements.get(name).cloned() else {
            // What it runs only the server knows, as with an EXECUTE: it may write, and is no ask. Its portal may have
            // been one's.
            let (portal, name) = (portal.to_vec(), name.to_vec());
            self.hide_own(&name);
            self.open_fence(Marks::default(), b"EXECUTE", &portal);
            return self.forward(header, Sent::Bind);
        };
        let prefix = HEADER_BYTES + portal.len() + 1 + name.len() + 1;
        let portal = portal.to_vec();
        let marks = Marks::from_bits(statement.marks());
        if self.must_wait_for_status(marks) {
            return Step::Wait;
        }
        self.before_sequences(marks);
        self.marks.add(marks);
        self.note_forgetting(marks);
        self.close_old();
        let ours = match self.bring(&statement, Sent::Bind) {
            Brought::Here(Some(ours)) => ours,
            Brought::Here(None) => return Step::Next,
            Brought::Wait => return Step::Wait,
            Brought::Changed => {
                self.refuse_changed(header);
                return Step::Next;
            }
        };
        self.note_portal(&portal, statement.sql(), marks);
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
        let name = HEADER_BYTES + portal.len() + 1..prefix - 1;
        let name = &self.from_client.unscanned()[name];
        lease.exchange.sent_for(Sent::Bind, name, None);
        self.from_client.replace(prefix, &lease.scratch);
        self.from_client.pass(header.frame_bytes - prefix);
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
            match self.bring_unnamed() {
                Brought::Here(_) => {}
                Brought::Wait => return Step::Wait,
                Brought::Changed => {
                    self.refuse_changed(header);
                    return Step::Next;
                }
            }
            self.from_client.pass(header.frame_bytes);
            if let Some(lease) = &mut self.server {
                lease
                    .exchange
                    .sent_with(Sent::Describe, Fate::Relay, Change::UnnamedDescribed);
            }
            self.in_batch = true;
            return Step::Next;
        }
        let Some(statement) = self.statements.get(name).cloned() else {
            let name = name.to_vec();
            self.hide_own(&name);
            return self.forward(header, Sent::Describe);
        };
        self.close_old();
        let ours = match self.bring(&statement, Sent::Describe) {
            Brought::Here(Some(ours)) => ours,
            Brought::Here(None) => return Step::Next,
            Brought::Wait => return Step::Wait,
            Brought::Changed => {
                self.refuse_changed(header);
                return Step::Next;
            }
        };
        let name = self
            .kind_and_name(header)
            .map(|(_, name)| Box::<[u8]>::from(name))
            .unwrap_or_default();
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
        let change = statement.reading().is_none().then(|| Change::Described {
            name: name.clone(),
            statement,
        });
        lease.exchange.sent_for(Sent::Describe, &name, change);
        self.in_batch = true;
        Step::Next
    }

    pub(super) fn forward_close(&mut self, header: Header) -> Step {
        let Some((kind, name)) = self.kind_and_name(header) else {
            return malformed("Close");
        };
        let name = name.to_vec();
        if kind == b'S' && name.is_empty() {
            self.unnamed.drop_later(self.unnamed_owner());
            self.from_client.pass(header.frame_bytes);
            if let Some(lease) = &mut self.server {
                lease.unnamed_owner = 0;
                lease
                    .exchange
                    .sent_with(Sent::Close, Fate::Relay, Change::Replaced);
            }
            self.in_batch = true;
            return Step::Next;
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

/// The lease of a session that forwards a frame.
fn lease_mut(server: &mut Option<Lease>) -> &mut Lease {
    server.as_mut().expect("frames are forwarded on a lease")
}

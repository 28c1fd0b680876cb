//! Preparing a client's statement on a connection that does not have it, so that nobody can tell.
//!
//! It is the client's statement only if the server makes the same of it as it made of the first: parameters of the
//! same types, which the client may send in binary, and rows of the same columns, which it may read without asking
//! again. So it is parsed with the types that it had and described, and the message that needs it waits for the answer.
//! If the columns have changed, the client is told what a session of its own would have been told by then.

use std::sync::Arc;

use bytes::BytesMut;

use super::marks::Marks;
use super::serve::Session;
use crate::error::{Refusal, SqlState};
use crate::pool::connection::{StatementName, UNKNOWN_OWNER};
use crate::pool::lease::Lease;
use crate::pool::own_names::OwnName;
use crate::pool::statement::{Change, Description, Reading, Statement};
use crate::schema::state_words::{comment_bytes, is_word_byte};
use crate::wire::exchange::{Fate, Sent};
use crate::wire::frame::{HEADER_BYTES, Header, tag};
use crate::wire::message::{self, Severity};

/// A statement that is being prepared for the frame at the front.
#[derive(Debug)]
pub(super) struct Preparing {
    /// `None` for the unnamed one.
    statement: Option<Arc<Statement>>,
    place: Place,
    /// The server makes something else of it here.
    has_changed: bool,
}

/// Under which name a statement is prepared.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// None.
    Unnamed,
    /// One of ours.
    Ours(StatementName),
    /// The client's own.
    Own(Box<[u8]>),
}

/// Where a statement stands that a frame needs.
pub(super) enum Brought {
    /// It is prepared, under this name (`None` for the unnamed one).
    Here(Option<StatementName>),
    /// The frame has to wait for answers of the server.
    Wait,
    /// The server makes something else of it by now.
    Changed,
}

/// The name of a statement that there never is.
const NO_NAME: &[u8] = b"pgask_none\0";

impl Session {
    /// Sees to it that the connection has a statement of the client's, for a Bind or for a Describe.
    pub(super) fn bring(&mut self, statement: &Arc<Statement>, sent: Sent) -> Brought {
        let Some(lease) = &mut self.server else {
            return Brought::Wait;
        };
        if let Some(name) = lease.prepared(statement) {
            return Brought::Here(Some(name));
        }
        let is_asked = self.already_asked(|asked| {
            matches!(asked.place, Place::Ours(_))
                && asked
                    .statement
                    .as_ref()
                    .is_some_and(|s| s.id() == statement.id())
        });
        if let Some(brought) = is_asked {
            return brought;
        }
        // The batch has begun, although nothing of it was sent: the connection must not go before.
        self.in_batch = true;
        if !self.is_answered() {
            return Brought::Wait;
        }
        let fails = self.status == b'E';
        let Some(lease) = &mut self.server else {
            return Brought::Wait;
        };
        if fails
            && !ends_transaction(statement.sql())
            && let Some(reading) = statement.reading()
            && (sent == Sent::Bind || reading.description.columns.is_none())
        {
            // The server refuses to parse it now, but not to say of one without a text what it would say of this.
            return Brought::Here(Some(self.stand_in(statement.types())));
        }
        let name = lease.fresh_name();
        self.prepare_at(statement, Place::Ours(name));
        Brought::Wait
    }

    /// Sees to it that the connection has a statement under the client's own name.
    pub(super) fn bring_to(&mut self, statement: &Arc<Statement>, name: &[u8]) -> Brought {
        let is_asked = self
            .already_asked(|asked| matches!(&asked.place, Place::Own(asked) if **asked == *name));
        if let Some(brought) = is_asked {
            return brought;
        }
        self.in_batch = true;
        if self.is_answered() {
            self.prepare_at(statement, Place::Own(name.into()));
        }
        Brought::Wait
    }

    /// Sends a statement to be prepared and described, read as it was read first.
    fn prepare_at(&mut self, statement: &Arc<Statement>, place: Place) {
        let Some(lease) = &mut self.server else {
            return;
        };
        let mut out = std::mem::take(&mut lease.scratch);
        out.clear();
        put_closes(lease, &mut out);
        let mut space = [0; 24];
        let (name, end): (&[u8], &[u8]) = match &place {
            Place::Unnamed => (b"", b"\0"),
            Place::Ours(name) => (name.write(&mut space), b""),
            Place::Own(name) => {
                if lease.own.remove(name) {
                    message::put_frame(&mut out, tag::CLOSE, &[b"S", name, b"\0"]);
                    lease.exchange.sent(Sent::Close, Fate::Swallow);
                }
                lease.own.put(self.stays.session, name, OwnName::Other);
                (name, b"\0")
            }
        };
        let settings = statement.reading().and_then(|r| r.settings.as_ref());
        for (name, then, _) in settings.iter().flat_map(|s| self.reported.differing(s)) {
            put_setting(lease, &mut out, name, then);
        }
        let parts = [name, end, statement.sql(), b"\0", statement.types()];
        message::put_frame(&mut out, tag::PARSE, &parts);
        lease.exchange.sent(Sent::Parse, Fate::Swallow);
        message::put_frame(&mut out, tag::DESCRIBE, &[b"S", name, end]);
        lease.exchange.sent_with(
            Sent::Describe,
            Fate::Swallow,
            Change::Compared {
                statement: Some(statement.clone()),
            },
        );
        for (name, _, now) in settings.iter().flat_map(|s| self.reported.differing(s)) {
            put_setting(lease, &mut out, name, now);
        }
        message::put_frame(&mut out, tag::FLUSH, &[]);
        self.from_client.insert(&out);
        lease.scratch = out;
        self.in_batch = true;
        self.preparing = Some(Preparing {
            statement: Some(statement.clone()),
            place,
            has_changed: false,
        });
    }

    /// Sees to it that the connection's unnamed statement is the client's own, or none where the client has none.
    pub(super) fn bring_unnamed(&mut self) -> Brought {
        self.marks.add(self.unnamed.marks());
        if self.unnamed.must_be_answered() {
            self.in_batch = true;
            if !self.is_answered() {
                return Brought::Wait;
            }
        }
        let Some(lease) = &mut self.server else {
            return Brought::Wait;
        };
        if self.marks.contains(Marks::UNSEEN) || lease.unnamed_owner == self.unnamed.mark() {
            return Brought::Here(None);
        }
        if self.unnamed.mark() == 0 {
            lease.unnamed_owner = 0;
            lease.scratch.clear();
            message::put_frame(&mut lease.scratch, tag::CLOSE, &[b"S\0"]);
            let change = Change::Compared { statement: None };
            lease.exchange.sent_with(Sent::Close, Fate::Swallow, change);
            self.unnamed.is_brought();
            self.from_client.insert(&lease.scratch);
            return Brought::Here(None);
        }
        if let Some(brought) = self.already_asked(|asked| asked.place == Place::Unnamed) {
            return brought;
        }
        self.in_batch = true;
        let is_described = self.unnamed.is_described();
        if is_described && !self.is_answered() {
            return Brought::Wait;
        }
        let Some(lease) = &mut self.server else {
            return Brought::Wait;
        };
        lease.scratch.clear();
        let parts = [b"\0", self.unnamed.sql(), b"\0", self.unnamed.types()];
        message::put_frame(&mut lease.scratch, tag::PARSE, &parts);
        self.in_batch = true;
        if !is_described {
            // The client knows neither the types of parameters nor the columns: there is nothing to compare.
            let change = Change::Compared { statement: None };
            lease.exchange.sent_with(Sent::Parse, Fate::Swallow, change);
            lease.unnamed_owner = self.unnamed.mark();
            self.unnamed.is_brought();
            self.from_client.insert(&lease.scratch);
            return Brought::Here(None);
        }
        lease.exchange.sent(Sent::Parse, Fate::Swallow);
        lease.unnamed_owner = UNKNOWN_OWNER;
        message::put_frame(&mut lease.scratch, tag::DESCRIBE, &[b"S\0"]);
        lease.exchange.sent_with(
            Sent::Describe,
            Fate::Swallow,
            Change::Compared { statement: None },
        );
        message::put_frame(&mut lease.scratch, tag::FLUSH, &[]);
        self.from_client.insert(&lease.scratch);
        self.preparing = Some(Preparing {
            statement: None,
            place: Place::Unnamed,
            has_changed: false,
        });
        Brought::Wait
    }

    /// A statement without a text, and with parameters of these types.
    pub(super) fn stand_in(&mut self, types: &[u8]) -> StatementName {
        let lease = self
            .server
            .as_mut()
            .expect("frames are forwarded on a lease");
        let name = lease.fresh_name();
        lease.scratch.clear();
        let mut space = [0; 24];
        let parts = [name.write(&mut space), b"\0", types];
        message::put_frame(&mut lease.scratch, tag::PARSE, &parts);
        lease.exchange.sent(Sent::Parse, Fate::Swallow);
        self.from_client.insert(&lease.scratch);
        lease.closing.push(name);
        name
    }

    /// The state of a preparation that has been begun for the frame at the front, if it is this one.
    fn already_asked(&mut self, is_this: impl FnOnce(&Preparing) -> bool) -> Option<Brought> {
        let preparing = self.preparing.as_ref()?;
        if !is_this(preparing) {
            return None;
        }
        if preparing.has_changed {
            self.preparing = None;
            return Some(Brought::Changed);
        }
        Some(Brought::Wait)
    }

    /// Whether the server has answered all that was sent; otherwise it is told not to keep its answers to itself.
    pub(super) fn is_answered(&mut self) -> bool {
        self.emit_due();
        let Some(lease) = &mut self.server else {
            return true;
        };
        if lease.exchange.is_empty() || lease.exchange.is_skipping() {
            self.flushed_at = None;
            return true;
        }
        // What was sent behind a Flush of ours needs one of its own.
        let now = Some(lease.exchange.sent_count());
        if std::mem::replace(&mut self.flushed_at, now) != now {
            lease.scratch.clear();
            message::put_frame(&mut lease.scratch, tag::FLUSH, &[]);
            self.from_client.insert(&lease.scratch);
        }
        false
    }

    /// Fails the frame at the front as PostgreSQL fails a statement whose columns have changed: the server is sent
    /// something in its place that must fail, and the error is told in other words.
    pub(super) fn refuse_changed(&mut self, header: Header) {
        self.from_client.discard(header.frame_bytes);
        let Some(lease) = &mut self.server else {
            return;
        };
        let mut error = BytesMut::new();
        let refusal = Refusal::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            "cached plan must not change result type",
        );
        message::put_error(&mut error, Severity::Error, &refusal);
        lease.scratch.clear();
        message::put_frame(&mut lease.scratch, tag::BIND, &[b"\0", NO_NAME, &[0; 6]]);
        lease
            .exchange
            .sent(Sent::Bind, Fate::Refuse(error[..].into()));
        self.from_client.insert(&lease.scratch);
        self.in_batch = true;
    }

    /// Whether the server's frame, which is whole, tells something of a statement that was asked for.
    pub(super) fn is_description_due(&mut self, code: u8) -> bool {
        matches!(
            code,
            tag::PARAMETER_DESCRIPTION | tag::ROW_DESCRIPTION | tag::NO_DATA
        ) && self.server.as_mut().is_some_and(|lease| {
            matches!(
                lease.exchange.token_due(),
                Some(Change::Described { .. } | Change::Compared { .. } | Change::UnnamedDescribed)
            )
        })
    }

    /// Takes what a frame says of a statement that was asked for.
    pub(super) fn note_description(&mut self, header: Header) {
        let body = &self.to_client.unscanned()[HEADER_BYTES..header.frame_bytes];
        let Some(lease) = &mut self.server else {
            return;
        };
        if header.tag == tag::PARAMETER_DESCRIPTION {
            lease.described_types.clear();
            lease.described_types.extend_from_slice(body);
            return;
        }
        let row = (header.tag == tag::ROW_DESCRIPTION).then_some(body);
        if let Some(Change::UnnamedDescribed) = lease.exchange.token_due() {
            self.unnamed.note_description(&lease.described_types, row);
            return;
        }
        let description = Description::read(&lease.described_types, row);
        match lease.exchange.token_due() {
            Some(Change::Described { name, statement }) => {
                let (name, statement) = (name.clone(), statement.clone());
                self.settle(&name, &statement, description);
            }
            Some(Change::Compared { statement }) => {
                let statement = statement.clone();
                self.compare(statement.as_deref(), &description);
            }
            _ => {}
        }
    }

    /// The server has described a statement that it was sent: whoever has the same one shares it from now on.
    fn settle(&mut self, name: &[u8], statement: &Arc<Statement>, description: Description) {
        let settings = self.reported.that_matter_to(statement.sql());
        if settings.is_some() && self.text_settings_in_doubt {
            // What it was read by was set in this very batch, and is not reported before its end.
            self.marks.add(Marks::FROZEN);
            self.name_stays(name, statement);
            return;
        }
        let reading = Reading {
            description,
            settings,
        };
        let shared = self.pool.statements().settle(statement, reading);
        if let Some(lease) = &mut self.server {
            lease.rename(statement, &shared);
            lease.own.rename(name, statement.id(), shared.id());
        }
        if let Some(held) = self.statements.get_mut(name)
            && held.id() == statement.id()
        {
            *held = shared;
        }
    }

    /// The server has described a statement that it was sent anew.
    fn compare(&mut self, statement: Option<&Statement>, description: &Description) {
        let Some(preparing) = &mut self.preparing else {
            return;
        };
        let is_same = match statement {
            Some(statement) => {
                shows_what_it_finds(statement.sql())
                    || statement
                        .reading()
                        .is_none_or(|reading| reading.description == *description)
            }
            None => {
                shows_what_it_finds(self.unnamed.sql())
                    || self.unnamed.description() == *description
            }
        };
        let Some(lease) = &mut self.server else {
            return;
        };
        match (&preparing.place, statement) {
            (Place::Ours(name), Some(statement)) if is_same => lease.hold(statement, *name),
            (Place::Ours(name), _) => lease.closing.push(*name),
            (Place::Own(name), Some(statement)) if is_same => {
                let here = OwnName::Statement(statement.id(), false);
                lease.own.put(self.stays.session, name, here);
            }
            (Place::Unnamed, _) if is_same => lease.unnamed_owner = self.unnamed.mark(),
            (Place::Own(_) | Place::Unnamed, _) => {}
        }
        if is_same {
            self.preparing = None;
        } else {
            preparing.has_changed = true;
        }
    }

    /// Has statements closed that nobody needs any more.
    #[inline]
    pub(super) fn close_old(&mut self) {
        if let Some(lease) = &mut self.server
            && !lease.closing.is_empty()
        {
            let mut out = std::mem::take(&mut lease.scratch);
            out.clear();
            put_closes(lease, &mut out);
            self.from_client.insert(&out);
            lease.scratch = out;
        }
    }
}

/// Whether the statement's columns are those of a cursor, which may be there, or be another one, whenever it runs. PostgreSQL
/// does not compare them with what it told before.
///
/// # Source
/// `RevalidateCachedQuery` in `src/backend/utils/cache/plancache.c`: what depends on no relation stays valid.
fn shows_what_it_finds(sql: &[u8]) -> bool {
    words_of(sql)
        .next()
        .is_some_and(|word| word.eq_ignore_ascii_case(b"fetch"))
}

/// Whether the statement is one of those that a failed transaction still takes: what ends it, or goes back in it.
///
/// # Source
/// `IsTransactionExitStmt` in `src/backend/tcop/postgres.c`.
fn ends_transaction(sql: &[u8]) -> bool {
    let mut words = words_of(sql);
    let Some(first) = words.next() else {
        return false;
    };
    let is = |word: &[u8], names: &[&str]| {
        names
            .iter()
            .any(|name| word.eq_ignore_ascii_case(name.as_bytes()))
    };
    is(first, &["commit", "end", "rollback", "abort"])
        || is(first, &["prepare"]) && words.next().is_some_and(|word| is(word, &["transaction"]))
}

/// The words of an SQL text from its beginning, comments left out.
fn words_of(sql: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = sql;
    std::iter::from_fn(move || {
        loop {
            if let Some(comment) = rest.strip_prefix(b"--") {
                rest = match memchr::memchr2(b'\n', b'\r', comment) {
                    Some(end) => &comment[end..],
                    None => b"",
                };
            } else if rest.starts_with(b"/*") {
                rest = &rest[comment_bytes(rest).unwrap_or(rest.len())..];
            } else if rest.first().is_some_and(|byte| !is_word_byte(*byte)) {
                rest = &rest[1..];
            } else {
                break;
            }
        }
        let end = rest
            .iter()
            .position(|byte| !is_word_byte(*byte))
            .unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        rest = behind;
        (!word.is_empty()).then_some(word)
    })
}

fn put_closes(lease: &mut Lease, out: &mut BytesMut) {
    for name in std::mem::take(&mut lease.closing) {
        message::put_frame(out, tag::CLOSE, &[b"S", name.write(&mut [0; 24])]);
        lease
            .exchange
            .sent_with(Sent::Close, Fate::Swallow, Change::Closed(name));
    }
}

/// Sets a setting up to the end of the transaction, unseen by the client.
pub(super) fn put_setting(lease: &mut Lease, out: &mut BytesMut, name: &str, value: &[u8]) {
    // `E''` means the same whatever standard_conforming_strings says.
    let mut sql = format!("SET LOCAL {name} TO E'").into_bytes();
    for &byte in value {
        if matches!(byte, b'\'' | b'\\') {
            sql.push(byte);
        }
        sql.push(byte);
    }
    sql.push(b'\'');
    lease.put_statement(out, &sql);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_that_end_a_transaction_are_told_from_others() {
        for sql in [
            "rollback",
            " ; COMMIT work",
            "-- why\nEND",
            "/* a /* nested */ one */ abort",
            "rollback to savepoint a",
            "prepare transaction 'x'",
        ] {
            assert!(ends_transaction(sql.as_bytes()), "{sql}");
        }
        for sql in [
            "",
            "select 'rollback'",
            "-- rollback",
            "/* rollback",
            "prepare p as select 1",
            "rollbacks",
            "release a",
        ] {
            assert!(!ends_transaction(sql.as_bytes()), "{sql}");
        }
    }
}

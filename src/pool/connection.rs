//! One connection to PostgreSQL, and what we know of its state.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::BytesMut;
use lru::LruCache;

use super::cancel::CancelPoint;
use super::connector::Welcome;
use super::own_names::OwnNames;
use super::set_values::InForce;
use super::statement::{Change, Statement};
use crate::observe::metrics::Held;
use crate::wire::exchange::Exchange;
use crate::wire::server::{Address, ServerStream, read_parameter_status};
use crate::wire::stream::Stream;

/// No session's mark: nobody knows what unnamed statement the server holds.
pub const UNKNOWN_OWNER: u64 = u64::MAX;

/// A logged-in server connection.
///
/// It is only as clean as whoever had it last says: a lease that ends without [`Self::mark_clean`] takes the
/// connection with it.
#[derive(Debug)]
pub struct ServerConnection {
    /// The socket.
    pub stream: Stream,
    /// What the server owes.
    pub exchange: Exchange<Change>,
    /// What is set on it beyond what its startup gave.
    pub in_force: InForce,
    /// The settings that it reports, application name apart, as it did last. Connections that report the same from
    /// their beginning share one value.
    pub reports: Welcome,
    /// Whose unnamed statement the server holds: a mark of the session's own, 0 where it holds none,
    /// [`UNKNOWN_OWNER`] where it may hold any.
    pub unnamed_owner: u64,
    /// Statements that nobody needs any more, to be closed with the next messages that go.
    pub closing: Vec<StatementName>,
    /// Statements that stand here under a client's own names.
    pub own: OwnNames,
    /// The body of the last ParameterDescription that was asked for, kept for the next one.
    pub described_types: Vec<u8>,
    /// Whose it has been.
    pub past: Past,
    /// Room to put frames together in, kept for the next one.
    pub scratch: BytesMut,
    cancel_point: Arc<CancelPoint>,
    prepared: LruCache<u64, u32>,
    next_name: u32,
    clean: bool,
    spoilt: bool,
    opened: Instant,
    opened_at: u64,
    _counted: Held,
}

impl ServerConnection {
    pub(super) fn new(
        address: Address,
        server: ServerStream,
        reports: Welcome,
        prepared_max: usize,
        opened_at: u64,
        counted: Held,
    ) -> Self {
        Self {
            stream: server.stream,
            exchange: Exchange::default(),
            in_force: None,
            reports,
            unnamed_owner: 0,
            closing: Vec::new(),
            own: OwnNames::default(),
            described_types: Vec::new(),
            past: Past::default(),
            scratch: BytesMut::new(),
            cancel_point: CancelPoint::new(address, server.process_id, server.secret_key),
            prepared: LruCache::new(NonZeroUsize::new(prepared_max).unwrap_or(NonZeroUsize::MIN)),
            next_name: 0,
            clean: true,
            spoilt: false,
            opened: Instant::now(),
            opened_at,
            _counted: counted,
        }
    }

    /// The backend's process id.
    #[must_use]
    pub fn process_id(&self) -> i32 {
        self.cancel_point.process_id()
    }

    /// Where a cancel of what runs here must go.
    #[must_use]
    pub fn cancel_point(&self) -> &Arc<CancelPoint> {
        &self.cancel_point
    }

    /// The server's name of a statement that is prepared here.
    #[inline]
    pub fn prepared(&mut self, statement: &Statement) -> Option<StatementName> {
        self.prepared
            .get(&statement.id())
            .map(|&n| StatementName(n))
    }

    /// A name that was never used on this connection, so that a Parse or a Close lost to an error cannot collide.
    pub fn fresh_name(&mut self) -> StatementName {
        let number = self.next_name;
        self.next_name += 1;
        StatementName(number)
    }

    /// Notes the name of a statement that is prepared here; one that has to give way to it is to be closed.
    pub fn hold(&mut self, statement: &Statement, name: StatementName) {
        let displaced = self.prepared.push(statement.id(), name.0);
        self.closing
            .extend(displaced.map(|(_, number)| StatementName(number)));
    }

    /// What was prepared as one statement turns out to be another, which takes its place.
    pub fn rename(&mut self, from: &Statement, to: &Statement) {
        if from.id() != to.id()
            && let Some(number) = self.prepared.pop(&from.id())
        {
            self.hold(to, StatementName(number));
        }
    }

    /// Forgets a statement that was not prepared after all.
    pub fn forget(&mut self, statement: &Statement) {
        self.prepared.pop(&statement.id());
    }

    /// Notes what the server reports of a setting: the body of a ParameterStatus.
    pub fn note_report(&mut self, body: &[u8]) {
        let Some((name, value)) = read_parameter_status(body) else {
            return;
        };
        let known = self.reports.iter().position(|(known, _)| *known == name);
        if name == "application_name" || known.is_some_and(|at| self.reports[at].1 == value) {
            return;
        }
        let mut reports = self.reports.to_vec();
        match known {
            Some(at) => reports[at].1 = value,
            None => reports.push((name, value)),
        }
        self.reports = reports.into();
    }

    /// Forgets every statement: DEALLOCATE ALL or DISCARD ALL went by.
    pub fn forget_all(&mut self) {
        self.prepared.clear();
        self.closing.clear();
        let _ = self.own.take();
        self.unnamed_owner = 0;
    }

    /// Whether anything is prepared here under a name of ours.
    #[must_use]
    pub fn holds_statements(&self) -> bool {
        !self.prepared.is_empty() || !self.closing.is_empty()
    }

    /// Marks every statement as one to be closed.
    pub fn close_all(&mut self) {
        while let Some((_, number)) = self.prepared.pop_lru() {
            self.closing.push(StatementName(number));
        }
    }

    /// Notes that a lease begins; from here on the connection is dirty.
    pub(super) fn mark_leased(&mut self) {
        self.clean = false;
    }

    /// States that the connection is idle, outside a transaction, and keeps nothing of its last client's.
    /// One that is spoilt stays dirty, and so does one to which the server owes anything.
    pub fn mark_clean(&mut self) {
        self.clean = !self.spoilt && self.exchange.is_settled();
    }

    /// States that the connection keeps something that nothing can take off it: it is never given to anybody else.
    pub fn spoil(&mut self) {
        self.spoilt = true;
    }

    /// Whether it must not be given to anybody else.
    #[must_use]
    pub fn is_spoilt(&self) -> bool {
        self.spoilt
    }

    pub(super) fn is_clean(&self) -> bool {
        self.clean
    }

    /// The count of [`super::epoch::Epoch`] up to which it shows what sessions begin with.
    pub(super) fn opened_at(&self) -> u64 {
        self.opened_at
    }

    /// When it was opened.
    pub(super) fn opened(&self) -> Instant {
        self.opened
    }

    /// Whether nothing has come from the server since it fell idle: neither a farewell nor the end of the stream.
    pub(super) fn is_quiet(&self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        match self.stream.poll_read_ready(&mut cx) {
            Poll::Pending => true,
            // The socket is marked readable from the last read on unless that read came back short; ask it.
            Poll::Ready(Ok(())) => {
                let mut byte = [0];
                matches!(self.stream.try_read(&mut byte), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
            }
            Poll::Ready(Err(_)) => false,
        }
    }
}

/// Which sessions a connection has had. A session is a number above 0 that no other has.
#[derive(Clone, Copy, Debug, Default)]
pub struct Past {
    last: u64,
    had_others: bool,
    /// How often it came to a session that did not have it before.
    comings: u32,
    /// The backend has made itself a temporary schema, which it never drops.
    pub has_temporary_schema: bool,
}

impl Past {
    /// Notes that a session has the connection; whether somebody else had it before, or nobody.
    #[inline]
    pub fn enter(&mut self, session: u64) -> bool {
        if self.last == session {
            return false;
        }
        self.had_others |= self.last != 0;
        self.last = session;
        self.comings = self.comings.saturating_add(1);
        true
    }

    /// Whether sessions before the current one may have left what their sequences gave them.
    #[must_use]
    pub fn had_others(&self) -> bool {
        self.had_others
    }

    /// What sequences gave to any session is forgotten.
    pub fn forget_others(&mut self) {
        self.had_others = false;
    }

    /// The connection was reset: it is nobody's.
    pub fn forget(&mut self) {
        self.last = 0;
        self.had_others = false;
    }

    /// Whether no session but this one has ever had it.
    #[must_use]
    pub fn is_untouched_but_by(&self, session: u64) -> bool {
        self.comings == 0 || self.comings == 1 && self.last == session
    }
}

/// The text with the client's name of a statement in the place of the first of ours that stands in it in quotes.
#[must_use]
pub fn put_back(text: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let quoted = [b"\"", STATEMENT_NAME_PREFIX.as_bytes()].concat();
    let start = memchr::memmem::find(text, &quoted)? + 1;
    let digits = &text[start + STATEMENT_NAME_PREFIX.len()..];
    let digits = &digits[..memchr::memchr(b'"', digits)?];
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let end = start + STATEMENT_NAME_PREFIX.len() + digits.len();
    Some([&text[..start], name, &text[end..]].concat())
}

/// The name of a prepared statement on one server connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatementName(u32);

/// What every [`StatementName`] begins with.
pub const STATEMENT_NAME_PREFIX: &str = "pgask_";

impl StatementName {
    /// The name's text with its NUL, in `space`.
    #[inline]
    #[must_use]
    pub fn write(self, space: &mut [u8; 24]) -> &[u8] {
        let prefix = STATEMENT_NAME_PREFIX.as_bytes();
        space[..prefix.len()].copy_from_slice(prefix);
        let mut digits = [0; 10];
        let mut at = digits.len();
        let mut rest = self.0;
        loop {
            at -= 1;
            digits[at] = b'0' + u8::try_from(rest % 10).unwrap_or_default();
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        let end = prefix.len() + digits.len() - at;
        space[prefix.len()..end].copy_from_slice(&digits[at..]);
        space[end] = 0;
        &space[..=end]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clients_name_is_put_back_into_an_error() {
        let put_back = |text: &str, name: &str| {
            put_back(text.as_bytes(), name.as_bytes()).map(|text| String::from_utf8(text).unwrap())
        };
        assert_eq!(
            put_back("statement \"pgask_12\" is not", "second").as_deref(),
            Some("statement \"second\" is not")
        );
        assert_eq!(put_back("\"pgask_1\"", "").as_deref(), Some("\"\""));
        for other in ["pgask_12", "\"pgask_x\"", "\"pgask_\"", "\"pgask_1", ""] {
            assert_eq!(put_back(other, "name"), None, "{other}");
        }
    }

    #[test]
    fn a_connection_knows_whose_it_has_been() {
        let mut past = Past::default();
        assert!(past.is_untouched_but_by(1));
        assert!(past.enter(1) && !past.enter(1) && !past.had_others());
        assert!(past.is_untouched_but_by(1) && !past.is_untouched_but_by(2));
        assert!(past.enter(2) && past.had_others());
        past.forget_others();
        assert!(!past.enter(2) && !past.had_others());
        past.forget();
        assert!(past.enter(1) && !past.had_others() && !past.is_untouched_but_by(1));
    }

    #[test]
    fn a_statement_name_is_written_as_it_reads() {
        for number in [0, 7, 10, 4_294_967_295] {
            let mut space = [0; 24];
            let written = StatementName(number).write(&mut space);
            assert_eq!(written, format!("pgask_{number}\0").as_bytes());
        }
    }
}

//! One connection to PostgreSQL, and what we know of its state.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use lru::LruCache;

use super::statement::{Change, Statement};
use crate::observe::metrics::Held;
use crate::wire::exchange::Exchange;
use crate::wire::server::ServerStream;
use crate::wire::stream::Stream;

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
    /// The application name in force, when it is known.
    pub application_name: Option<Arc<str>>,
    /// The application name that the connection has by itself.
    pub application_name_default: Arc<str>,
    /// Whose unnamed statement the server holds: a mark of the session's own, 0 for nobody's.
    pub unnamed_owner: u64,
    /// What the client calls the statements that were spoken of since the connection last owed nothing.
    pub spoken: Spoken,
    /// Room to put frames together in, kept for the next one.
    pub scratch: BytesMut,
    process_id: i32,
    secret_key: Bytes,
    prepared: LruCache<u64, u32>,
    next_name: u32,
    clean: bool,
    opened: Instant,
    opened_at: u64,
    _counted: Held,
}

impl ServerConnection {
    pub(super) fn new(
        server: ServerStream,
        prepared_max: usize,
        opened_at: u64,
        counted: Held,
    ) -> Self {
        let application_name: Arc<str> = server
            .parameters
            .iter()
            .find(|(name, _)| name == "application_name")
            .map_or("", |(_, value)| value)
            .into();
        Self {
            stream: server.stream,
            exchange: Exchange::default(),
            application_name: Some(application_name.clone()),
            application_name_default: application_name,
            unnamed_owner: 0,
            spoken: Spoken::default(),
            scratch: BytesMut::new(),
            process_id: server.process_id,
            secret_key: server.secret_key,
            // The cache evicts by itself only beyond our own bound, which is kept by `prepare`.
            prepared: LruCache::new(NonZeroUsize::new(prepared_max).unwrap_or(NonZeroUsize::MIN)),
            next_name: 0,
            clean: true,
            opened: Instant::now(),
            opened_at,
            _counted: counted,
        }
    }

    /// The backend's process id.
    #[must_use]
    pub fn process_id(&self) -> i32 {
        self.process_id
    }

    /// The secret that a CancelRequest needs.
    #[must_use]
    pub fn secret_key(&self) -> &Bytes {
        &self.secret_key
    }

    /// The server's name of a statement that is prepared here.
    #[inline]
    pub fn prepared(&mut self, statement: &Statement) -> Option<StatementName> {
        self.prepared
            .get(&statement.id())
            .map(|&n| StatementName(n))
    }

    /// Notes that a statement is being prepared here: its name, and the name of the one to close in its favour.
    ///
    /// No name is ever used twice on a connection, so that a Parse or a Close lost to an error cannot collide.
    pub fn prepare(&mut self, statement: &Statement) -> (StatementName, Option<StatementName>) {
        let number = self.next_name;
        self.next_name += 1;
        let evicted = self
            .prepared
            .push(statement.id(), number)
            .map(|(_, number)| StatementName(number));
        (StatementName(number), evicted)
    }

    /// Forgets a statement that was not prepared after all, or is stale.
    pub fn forget(&mut self, statement: &Statement) {
        self.prepared.pop(&statement.id());
    }

    /// Forgets every statement: DEALLOCATE ALL or DISCARD ALL went by.
    pub fn forget_all(&mut self) {
        self.prepared.clear();
        self.unnamed_owner = 0;
    }

    /// Notes that a lease begins; from here on the connection is dirty.
    pub(super) fn mark_leased(&mut self) {
        self.clean = false;
    }

    /// States that the connection is idle, outside a transaction, and keeps nothing of its last client's.
    pub fn mark_clean(&mut self) {
        self.clean = true;
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

/// The client's names of statements, by ours: for putting them back into errors. Keeps its room when it is cleared.
#[derive(Debug, Default)]
pub struct Spoken {
    names: Vec<(StatementName, usize)>,
    text: Vec<u8>,
}

impl Spoken {
    /// Notes what the client calls a statement.
    #[inline]
    pub fn note(&mut self, ours: StatementName, name: &[u8]) {
        self.text.extend_from_slice(name);
        self.names.push((ours, self.text.len()));
    }

    /// Forgets all of it.
    #[inline]
    pub fn clear(&mut self) {
        self.names.clear();
        self.text.clear();
    }

    /// What the client called a statement last.
    fn client_name(&self, ours: StatementName) -> Option<&[u8]> {
        let at = self.names.iter().rposition(|(name, _)| *name == ours)?;
        let start = at.checked_sub(1).map_or(0, |before| self.names[before].1);
        Some(&self.text[start..self.names[at].1])
    }

    /// The text with the client's name in the place of the first of ours that stands in it in quotes.
    #[must_use]
    pub fn put_back(&self, text: &[u8]) -> Option<Vec<u8>> {
        let quoted = [b"\"", STATEMENT_NAME_PREFIX.as_bytes()].concat();
        let start = memchr::memmem::find(text, &quoted)? + 1;
        let digits = &text[start + STATEMENT_NAME_PREFIX.len()..];
        let digits = &digits[..memchr::memchr(b'"', digits)?];
        let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
        let name = self.client_name(StatementName(number))?;
        let end = start + STATEMENT_NAME_PREFIX.len() + digits.len();
        Some([&text[..start], name, &text[end..]].concat())
    }
}

/// The name of a prepared statement on one server connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatementName(u32);

/// What every [`StatementName`] begins with.
pub const STATEMENT_NAME_PREFIX: &str = "pgask_";

impl StatementName {
    /// The name's text, NUL not included.
    #[must_use]
    pub fn text(self) -> String {
        format!("{STATEMENT_NAME_PREFIX}{}", self.0)
    }

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
        let mut spoken = Spoken::default();
        spoken.note(StatementName(1), b"first");
        spoken.note(StatementName(12), b"second");
        spoken.note(StatementName(1), b"");
        let put_back = |text: &str| {
            spoken
                .put_back(text.as_bytes())
                .map(|text| String::from_utf8(text).unwrap())
        };
        assert_eq!(
            put_back("statement \"pgask_12\" is not").as_deref(),
            Some("statement \"second\" is not")
        );
        assert_eq!(put_back("\"pgask_1\"").as_deref(), Some("\"\""));
        for other in ["pgask_12", "\"pgask_7\"", "\"pgask_x\"", "\"pgask_1", ""] {
            assert_eq!(put_back(other), None, "{other}");
        }
    }

    #[test]
    fn a_statement_name_is_written_without_allocating_as_it_reads() {
        for number in [0, 7, 10, 4_294_967_295] {
            let name = StatementName(number);
            let mut space = [0; 24];
            let written = name.write(&mut space);
            assert_eq!(written, format!("{}\0", name.text()).as_bytes());
        }
    }
}

//! Asking the server something between two messages of the client's, without the client noticing.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use tokio::time::timeout;

use super::marks::Marks;
use super::serve::Session;
use crate::wire::exchange::{Fate, Sent};
use crate::wire::frame::{HEADER_BYTES, Header, tag};
use crate::wire::message;

/// How long the server may take to answer. The client waits for as long; without an answer nothing is known, and
/// the connection stays with its session.
const INQUIRY_TIMEOUT: Duration = Duration::from_secs(2);

/// A message longer than this is not read, and what it would have said is not known.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// What waits for the client while more is read from the server.
const UNREAD_BYTES_MAX: usize = 1024 * 1024;

/// The rows of an answer as text in the session's client_encoding, NULL as `None`.
pub(super) type Rows = Vec<Vec<Option<Box<[u8]>>>>;

/// Why a question has no answer.
#[derive(Debug)]
pub(super) enum Unknown {
    /// The connection was not idle, or holds what a question would destroy; nothing was asked.
    NotAsked,
    /// The server refused, in this ErrorResponse.
    Refused(Box<[u8]>),
    /// There was no answer in time. The one that may still come is nobody's.
    TimedOut,
    /// The connection was lost, or the answer could not be read.
    Lost,
}

/// What has come of an answer so far.
#[derive(Debug, Default)]
struct Answer {
    rows: Rows,
    error: Option<Box<[u8]>>,
    is_unreadable: bool,
}

impl Session {
    /// Asks the server, as one simple Query, on the session's own connection between two transactions. What the
    /// server says of its own accord meanwhile (notifications, changed settings, its farewell) goes to the client as
    /// always. A cancel that was meant for the client's last statement may hit the question, which is then asked
    /// once more.
    ///
    /// The SQL must name everything with its schema, operators too: the session's search_path is the client's.
    ///
    /// # Errors
    /// [`Unknown`]; the session goes on in any case.
    ///
    /// # Cancel safety
    /// Dropping the future loses the answer and nothing else.
    pub(super) async fn inquire(&mut self, sql: &str) -> Result<Rows, Unknown> {
        if self.status != b'I' {
            return Err(Unknown::NotAsked);
        }
        self.inquire_within(sql).await
    }

    /// The same where a transaction may be open, which the SQL must not fail.
    ///
    /// # Errors
    /// As of [`Self::inquire`].
    ///
    /// # Cancel safety
    /// As of [`Self::inquire`].
    pub(super) async fn inquire_within(&mut self, sql: &str) -> Result<Rows, Unknown> {
        if !self.can_inquire() {
            return Err(Unknown::NotAsked);
        }
        let asked = timeout(INQUIRY_TIMEOUT, async {
            let first = self.ask_server(sql).await;
            match &first {
                Err(Unknown::Refused(error)) if is_cancelled(error) && self.can_inquire() => {
                    self.ask_server(sql).await
                }
                _ => first,
            }
        });
        let answer = asked.await.unwrap_or(Err(Unknown::TimedOut));
        self.shared.metrics.inquiries.inc(match &answer {
            Ok(_) => "answered",
            Err(Unknown::NotAsked) => "not_asked",
            Err(Unknown::Refused(_)) => "refused",
            Err(Unknown::TimedOut) => "timed_out",
            Err(Unknown::Lost) => "lost",
        });
        // What came behind the answer has been read already.
        self.scan_server();
        answer
    }

    /// Nothing is under way, and the session can restore the unnamed statement that a simple Query destroys.
    fn can_inquire(&self) -> bool {
        self.status != b'E'
            && !self.in_batch
            && !self.marks.contains(Marks::UNSEEN)
            && !self.from_client.has_output()
            && !self.from_client.is_mid_frame()
            && !self.to_client.is_mid_frame()
            && self
                .server
                .as_ref()
                .is_some_and(|lease| lease.exchange.is_empty())
    }

    async fn ask_server(&mut self, sql: &str) -> Result<Rows, Unknown> {
        let Some(lease) = &mut self.server else {
            return Err(Unknown::NotAsked);
        };
        let mut query = BytesMut::new();
        message::put_query(&mut query, sql.as_bytes());
        lease.exchange.sent(Sent::Query, Fate::Drop);
        lease.unnamed_owner = 0;
        self.from_client.insert(&query);
        let mut answer = Answer::default();
        poll_fn(|cx| self.poll_answer(cx, &mut answer)).await?;
        match answer {
            Answer {
                error: Some(error), ..
            } => Err(Unknown::Refused(error)),
            Answer {
                is_unreadable: true,
                ..
            } => Err(Unknown::Lost),
            Answer { rows, .. } => Ok(rows),
        }
    }

    /// Moves the question to the server and reads up to its ReadyForQuery.
    fn poll_answer(
        &mut self,
        cx: &mut Context<'_>,
        answer: &mut Answer,
    ) -> Poll<Result<(), Unknown>> {
        loop {
            if self.scan_answer(answer) {
                return Poll::Ready(Ok(()));
            }
            if self.server_farewell {
                return Poll::Ready(Err(Unknown::Lost));
            }
            let Some(lease) = &mut self.server else {
                return Poll::Ready(Err(Unknown::Lost));
            };
            if let Poll::Ready(Err(_)) = self.from_client.poll_flush(cx, &mut lease.stream) {
                return Poll::Ready(Err(Unknown::Lost));
            }
            let flushed = self.to_client.poll_flush(cx, &mut self.client);
            if let Poll::Ready(Err(_)) = flushed {
                // The loop will find out; until then the answer is worth as little as the client.
                return Poll::Ready(Err(Unknown::Lost));
            }
            if flushed.is_pending() && self.to_client.unsent_bytes() > UNREAD_BYTES_MAX {
                return Poll::Pending;
            }
            let wanted = self.server_frame_wanted;
            match ready!(self.to_client.poll_fill(cx, &mut lease.stream, wanted)) {
                Ok(0) | Err(_) => return Poll::Ready(Err(Unknown::Lost)),
                Ok(_) => {}
            }
        }
    }

    /// Looks at what has come; whether the question is answered in full.
    fn scan_answer(&mut self, answer: &mut Answer) -> bool {
        self.server_frame_wanted = 0;
        loop {
            let Some(lease) = &mut self.server else {
                return true;
            };
            let bytes = self.to_client.unscanned();
            let Some(header) = Header::read_backend(bytes) else {
                return false;
            };
            let is_readable = header.frame_bytes <= MESSAGE_BYTES_MAX;
            if is_readable && bytes.len() < header.frame_bytes {
                self.server_frame_wanted = header.frame_bytes;
                return false;
            }
            lease.exchange.received(header.tag);
            let frame = &bytes[..header.frame_bytes.min(bytes.len())];
            match header.tag {
                tag::READY_FOR_QUERY => {
                    self.status = frame.get(HEADER_BYTES).copied().unwrap_or(b'I');
                    self.to_client.discard(header.frame_bytes);
                    return true;
                }
                tag::NOTIFICATION_RESPONSE => self.to_client.pass(header.frame_bytes),
                tag::PARAMETER_STATUS if is_readable => {
                    match self.note_server_frame(header, None) {
                        Some(frame) => self.to_client.replace(header.frame_bytes, &frame),
                        None => self.to_client.pass(header.frame_bytes),
                    }
                }
                // With low client_min_messages the question makes notices of its own.
                tag::ERROR_RESPONSE | tag::NOTICE_RESPONSE if is_readable && is_farewell(frame) => {
                    self.server_farewell |= header.tag == tag::ERROR_RESPONSE;
                    self.to_client.pass(header.frame_bytes);
                }
                tag::ERROR_RESPONSE => {
                    answer.error = Some(frame.into());
                    self.to_client.discard(header.frame_bytes);
                }
                tag::DATA_ROW => {
                    match read_row(frame).filter(|_| is_readable) {
                        Some(row) => answer.rows.push(row),
                        None => answer.is_unreadable = true,
                    }
                    self.to_client.discard(header.frame_bytes);
                }
                _ => self.to_client.discard(header.frame_bytes),
            }
        }
    }
}

/// The columns of a DataRow; `None` when it is none.
fn read_row(frame: &[u8]) -> Option<Vec<Option<Box<[u8]>>>> {
    let (count, mut rest) = frame.get(HEADER_BYTES..)?.split_first_chunk::<2>()?;
    let mut columns = Vec::new();
    for _ in 0..u16::from_be_bytes(*count) {
        let (length, tail) = rest.split_first_chunk::<4>()?;
        let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
            columns.push(None);
            rest = tail;
            continue;
        };
        let (value, tail) = tail.split_at_checked(length)?;
        columns.push(Some(value.into()));
        rest = tail;
    }
    Some(columns)
}

fn is_cancelled(error: &[u8]) -> bool {
    message::error_field(error, b'C') == Some(b"57014")
}

/// Whether the server closes the connection behind this message, or is about to ("57P0x": shutdown and crash).
fn is_farewell(frame: &[u8]) -> bool {
    matches!(message::error_field(frame, b'V'), Some(b"FATAL" | b"PANIC"))
        || message::error_field(frame, b'C').is_some_and(|code| code.starts_with(b"57P"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_reads_as_written_and_a_torn_one_not_at_all() {
        let mut out = BytesMut::new();
        message::put_text_data_row(&mut out, &[Some("t"), None, Some("")]);
        let row = read_row(&out).expect("a row");
        assert_eq!(
            row,
            [Some(Box::from(&b"t"[..])), None, Some(Box::default())]
        );
        for end in 0..out.len() {
            assert_eq!(read_row(&out[..end]), None, "{end}");
        }
    }

    #[test]
    fn a_farewell_is_told_from_an_error() {
        let error = |fields: &[u8]| {
            let mut out = BytesMut::new();
            message::put_frame(&mut out, tag::ERROR_RESPONSE, &[fields, b"\0\0"]);
            (is_farewell(&out), is_cancelled(&out))
        };
        assert_eq!(error(b"VFATAL\0C57P01"), (true, false));
        assert_eq!(error(b"VWARNING\0C57P02"), (true, false));
        assert_eq!(error(b"VERROR\0C57014"), (false, true));
        assert_eq!(error(b"VERROR\0C42501"), (false, false));
    }
}

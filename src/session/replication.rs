//! A replication connection: a client and the server connection that is its own, byte for byte, until either has gone.
//!
//! Nothing is asked, pooled, renamed or replayed here. The messages' headers are looked at for one thing alone: whether
//! the client is between commands, which is when it can be asked to leave.

use std::task::{Context, Poll, ready};

use bytes::BytesMut;

use super::serve::{FAREWELL_TIMEOUT, Gone};
use crate::error::{Refusal, SqlState};
use crate::pool::dedicated::Dedicated;
use crate::pool::roster::{Dismissal, Entry};
use crate::wire::buffer::Buffer;
use crate::wire::frame::{Header, tag};
use crate::wire::message::{self, Severity};
use crate::wire::stream::Stream;

/// One client that has logged in for replication.
pub struct ReplicationSession {
    client: Stream,
    server: Dedicated,
    entry: Entry,
    from_client: Buffer,
    to_client: Buffer,
    /// Commands that no ReadyForQuery has ended yet.
    commands: usize,
    /// The client has closed its side; what it sent before is still to reach the server.
    client_is_done: bool,
}

impl ReplicationSession {
    pub(super) fn new(client: Stream, entry: Entry, server: Dedicated) -> Self {
        Self {
            client,
            server,
            entry,
            from_client: Buffer::default(),
            to_client: Buffer::default(),
            commands: 0,
            client_is_done: false,
        }
    }

    /// Serves the client until either side has gone; the server connection is then closed.
    pub async fn run(mut self) {
        let gone = std::future::poll_fn(|cx| self.poll_relay(cx)).await;
        if matches!(gone, Gone::Proxy) && !self.to_client.is_mid_frame() {
            let ending = Refusal::new(
                SqlState::ADMIN_SHUTDOWN,
                "terminating connection due to administrator command",
            );
            let mut out = BytesMut::new();
            message::put_error(&mut out, Severity::Fatal, &ending);
            self.to_client.insert(&out);
            let flush = std::future::poll_fn(|cx| self.to_client.poll_flush(cx, &mut self.client));
            // The client may be gone, or may not be reading.
            let _ = tokio::time::timeout(FAREWELL_TIMEOUT, flush).await;
        }
    }

    /// Moves what can be moved, both ways, until either side has gone or the client is to leave.
    fn poll_relay(&mut self, cx: &mut Context<'_>) -> Poll<Gone> {
        let dismissed = self.entry.ticket().poll_dismissed(cx);
        if dismissed == Dismissal::Now {
            return Poll::Ready(Gone::Proxy);
        }
        if let Poll::Ready(gone) = self.poll_server_side(cx) {
            return Poll::Ready(gone);
        }
        if let Poll::Ready(gone) = self.poll_client_side(cx) {
            return Poll::Ready(gone);
        }
        if dismissed == Dismissal::WhenIdle && self.commands == 0 && self.from_client.is_drained() {
            return Poll::Ready(Gone::Proxy);
        }
        Poll::Pending
    }

    fn poll_server_side(&mut self, cx: &mut Context<'_>) -> Poll<Gone> {
        loop {
            if ready!(self.to_client.poll_flush(cx, &mut self.client)).is_err() {
                return Poll::Ready(Gone::Client);
            }
            match ready!(self.to_client.poll_fill(cx, &mut self.server.stream, 0)) {
                Ok(0) | Err(_) => return Poll::Ready(Gone::Server),
                Ok(_) => {}
            }
            while let Some(header) = Header::read_backend(self.to_client.unscanned()) {
                if header.tag == tag::READY_FOR_QUERY {
                    self.commands = self.commands.saturating_sub(1);
                }
                self.to_client.pass(header.frame_bytes);
            }
        }
    }

    fn poll_client_side(&mut self, cx: &mut Context<'_>) -> Poll<Gone> {
        loop {
            match ready!(self.from_client.poll_flush(cx, &mut self.server.stream)) {
                Ok(()) => {}
                // What the server said before it went is still to be read.
                Err(_) => {
                    self.from_client.clear();
                    self.client_is_done = true;
                }
            }
            if self.client_is_done {
                return Poll::Pending;
            }
            match ready!(self.from_client.poll_fill(cx, &mut self.client, 0)) {
                Ok(0) | Err(_) => return Poll::Ready(Gone::Client),
                Ok(_) => {}
            }
            // What is no message of a client's goes to the server as it is, which says so and closes.
            while let Some(header) = Header::read_backend(self.from_client.unscanned()) {
                if matches!(header.tag, tag::QUERY | tag::FUNCTION_CALL | tag::SYNC) {
                    self.commands += 1;
                }
                self.from_client.pass(header.frame_bytes);
            }
        }
    }
}

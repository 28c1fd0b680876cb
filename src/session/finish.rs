//! The end of an ask: what the client's next frame waits for, and an answer that is stopped because it is too large.
//!
//! How an ask went must be known before anything follows it. An answer that was cut off must end in an error of the
//! server's own, or the transaction would go on as if nothing had failed; and what the client sends behind an ask in
//! the same batch may need a transaction that can write.

use bytes::BytesMut;

use super::ask::DOOMED;
use super::serve::{Session, Turn};
use crate::ask::notice;
use crate::exec::fence::{self, Ending, Fence};
use crate::exec::run;
use crate::wire::buffer::BUFFER_BYTES;
use crate::wire::exchange::{Fate, Sent};
use crate::wire::frame::tag;
use crate::wire::message::{self, Severity};

/// What is left to be done when the server has answered an ask.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unfinished {
    /// It was a simple Query, which became a batch.
    Query(Fence),
    /// It stands inside a simple Query, which is a Query still.
    Around(Fence),
    /// It was an Execute.
    Execute {
        /// Its portal has nothing more to return, and so needs its fence no longer.
        is_last: bool,
    },
}

impl Session {
    /// Ends the ask that is running, if the server has answered it.
    pub(super) fn finish_ask(&mut self) -> bool {
        self.emit_due();
        let Some(unfinished) = self.unfinished else {
            return true;
        };
        if !self.owes_nothing() || self.stopping.is_some() {
            return false;
        }
        self.unfinished = None;
        self.ask_state.running = None;
        self.ask_state.pursuit = None;
        match unfinished {
            Unfinished::Query(fence) => self.finish_query(fence),
            Unfinished::Around(fence) => self.finish_around(fence),
            Unfinished::Execute { is_last } => self.finish_execute(is_last),
        }
        true
    }

    /// Waits for the ask that is running. The client is listened to meanwhile, so that it is noticed when it leaves.
    pub(super) fn held_by_ask(&mut self) -> Option<Turn> {
        if self.stopping.is_some() && self.owes_nothing() {
            return Some(Turn::Stopping);
        }
        self.waiting_for_answers = self.from_client.unscanned().len() >= BUFFER_BYTES;
        None
    }

    fn finish_query(&mut self, fence: Fence) {
        self.in_batch = false;
        let mut out = BytesMut::new();
        if let Some(lease) = &mut self.server {
            let unfailed = lease.exchange.take_unfailed();
            let has_failed = unfailed.is_some() || lease.exchange.is_skipping();
            if let Some(error) = unfailed {
                message::put_frame(&mut out, tag::PARSE, &[b"\0", DOOMED, b"\0\0\0"]);
                lease.exchange.sent(Sent::Parse, Fate::Refuse(error));
            }
            run::end_query(lease, &mut out, fence, has_failed);
        }
        self.from_client.insert(&out);
    }

    fn finish_around(&mut self, fence: Fence) {
        self.in_batch = false;
        let is_open = self.status == b'T';
        let mut out = BytesMut::new();
        if let Some(lease) = &mut self.server {
            if lease.exchange.is_skipping() {
                // The fence failed (a cancel may hit it), and the Query behind it was skipped.
                message::put_frame(&mut out, tag::SYNC, &[]);
                lease.exchange.sent(Sent::Sync, Fate::Relay);
            } else if let Some(error) = lease.exchange.take_unfailed() {
                message::put_query(&mut out, DOOMED);
                lease.exchange.sent(Sent::Query, Fate::Refuse(error));
            } else if fence == Fence::Savepoint && is_open {
                // A cursor may outlive the fence: it is released and not rolled back.
                fence::take_down(lease, &mut out, fence, Ending::Release);
                message::put_frame(&mut out, tag::SYNC, &[]);
                lease.exchange.sent(Sent::Sync, Fate::Swallow);
            }
        }
        self.from_client.insert(&out);
    }

    fn finish_execute(&mut self, is_last: bool) {
        let mut out = BytesMut::new();
        let Some(lease) = &mut self.server else {
            return;
        };
        if let Some(error) = lease.exchange.take_unfailed() {
            message::put_frame(&mut out, tag::PARSE, &[b"\0", DOOMED, b"\0\0\0"]);
            lease.exchange.sent(Sent::Parse, Fate::Refuse(error));
            lease.unnamed_owner = 0;
            self.unnamed.forget();
        } else if is_last && !lease.exchange.is_skipping() {
            self.take_fence_down(&mut out);
        }
        self.from_client.insert(&out);
    }

    /// The row that comes now is more than the answer may have: has the server stop, and drops what still comes.
    pub(super) fn stop_answer(&mut self) {
        let bytes_max = self.ask_state.settings.current().max_bytes;
        let mut error = BytesMut::new();
        message::put_error(&mut error, Severity::Error, &notice::too_large(bytes_max));
        if let Some(lease) = &mut self.server {
            lease.exchange.overrun(error[..].into());
            // Nothing else is sent to the server before it has taken the cancel, so that it hits nothing else.
            self.stopping = Some(Box::pin(lease.cancel_point().cancel()));
        }
    }
}

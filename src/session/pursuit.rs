//! A cancel of an ask that is running, sent to the server again until the ask has ended.
//!
//! PostgreSQL drops a cancel that reaches it between two messages. A statement in a simple Query is one message; an ask
//! in its place is several, and its client cannot know that there is anything between them.

use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

use super::serve::Session;

/// How long what was cancelled may take to end before it is cancelled again. It doubles each time, up to the longest.
const INTERVAL: Duration = Duration::from_millis(50);
const INTERVAL_MAX: Duration = Duration::from_secs(1);

/// How often it is cancelled again at most: about a minute long, after which the ask's own time limit has to end it.
const CANCELS_MAX: u32 = 64;

/// A client's cancel that may have been dropped.
#[derive(Debug)]
pub(super) struct Pursuit {
    /// When it is sent again.
    due: Pin<Box<Sleep>>,
    interval: Duration,
    cancels_left: u32,
}

impl Pursuit {
    fn begin() -> Self {
        Self {
            due: Box::pin(sleep(INTERVAL)),
            interval: INTERVAL,
            cancels_left: CANCELS_MAX,
        }
    }

    /// Whether the cancel is to be sent again now; when it is not, the task is woken when it will be.
    fn poll_due(&mut self, cx: &mut Context<'_>) -> bool {
        if self.cancels_left == 0 || self.due.as_mut().poll(cx).is_pending() {
            return false;
        }
        self.cancels_left -= 1;
        self.interval = (self.interval * 2).min(INTERVAL_MAX);
        self.due.as_mut().reset(Instant::now() + self.interval);
        true
    }
}

impl Session {
    /// Sees to it that the client's cancel of the ask which is running is not lost.
    ///
    /// Nothing else of the client's goes to the server before the ask has ended and every cancel sent here was taken
    /// (`stopping`), so that none of them hits anything else.
    pub(super) fn poll_pursuit(&mut self, cx: &mut Context<'_>) {
        if self.unfinished.is_none() {
            return;
        }
        if self.ask_state.pursuit.is_none() {
            if !self.ticket().take_cancel() {
                return;
            }
            self.ask_state.pursuit = Some(Pursuit::begin());
        }
        while !self.owes_nothing()
            && let Some(pursuit) = &mut self.ask_state.pursuit
            && pursuit.poll_due(cx)
            && let Some(lease) = &self.server
        {
            self.stopping = Some(Box::pin(lease.cancel_point().cancel()));
        }
    }
}

//! Asks in a session.

use bytes::BytesMut;

use super::frontend::Step;
use super::marks::Marks;
use super::serve::{Gone, Session};
use crate::exec::fence::{self, Ending, Fence};
use crate::wire::exchange::Sent;
use crate::wire::frame::Header;

/// What a session keeps of its asks.
#[derive(Debug, Default)]
pub(super) struct AskState {
    /// A fence stands around statements of the current batch.
    pub(super) fence_open: bool,
}

impl Session {
    pub(super) fn concerns_us(&mut self, _header: Header) -> bool {
        false
    }

    pub(super) async fn ask(&mut self) -> Result<(), Gone> {
        Ok(())
    }

    pub(super) fn open_fence(&mut self, _marks: Marks, _unnamed: bool) {}
    pub(super) fn close_fence(&mut self) {
        if self.ask_state.fence_open {
            let mut out = BytesMut::new();
            if let Some(lease) = &mut self.server {
                fence::take_down(lease, &mut out, Fence::Savepoint, Ending::Release);
            }
        }
    }
    pub(super) fn forward_execute(&mut self, header: Header) -> Step {
        self.forward(header, Sent::Execute)
    }
}

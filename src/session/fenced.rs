//! Prepared asks when they run: a fence before each Bind, a row limit on each Execute.

use bytes::BytesMut;

use super::marks::Marks;
use super::serve::Session;
use crate::exec::fence::{self, Ending, Fence};
use crate::exec::run::{self, Limits};
use crate::wire::exchange::{Fate, Sent};
use crate::wire::frame::{HEADER_BYTES, Header, split_cstr};
use crate::wire::message;

impl Session {
    /// Puts up a fence before a Bind of an ask, and remembers its portal.
    pub(super) fn open_fence(&mut self, marks: Marks, sql: &[u8], portal: &[u8]) {
        self.ask_state.portals.retain(|(name, _)| **name != *portal);
        if marks.runs_in_our_words() {
            self.ask_state.portals.push((portal.into(), marks));
        }
        if !marks.contains(Marks::ASKED.with(Marks::FENCED)) {
            return;
        }
        self.ask_state.running = Some(String::from_utf8_lossy(sql).into());
        let limits = self.limits();
        let in_block = self.status == b'T' || self.marks.contains(Marks::BEGIN);
        let mut out = BytesMut::new();
        self.take_fence_down(&mut out);
        let Some(lease) = &mut self.server else {
            return;
        };
        if in_block {
            // The portal may outlive the fence, and with it the savepoint is released, not rolled back to: a
            // timeout set inside would stay.
            fence::put_up(lease, &mut out, Fence::Savepoint, None);
            self.ask_state.savepoint_open = true;
        } else if !self.ask_state.batch_fenced {
            fence::put_up(lease, &mut out, Fence::Implicit, Some(limits.timeout));
            self.ask_state.batch_fenced = true;
        }
        self.from_client.insert(&out);
    }

    /// Takes a savepoint's fence down at the latest before a Sync.
    pub(super) fn close_fence(&mut self) {
        self.ask_state.batch_fenced = false;
        let mut out = BytesMut::new();
        self.take_fence_down(&mut out);
        if !out.is_empty() {
            self.from_client.insert(&out);
        }
    }

    /// Executes a portal of an ask, with a row limit if the client set none, or of a setting; `None` for all others.
    pub(super) fn execute_ours(&mut self, header: Header) -> Option<()> {
        if self.ask_state.portals.is_empty() {
            return None;
        }
        let body = &self.from_client.unscanned()[HEADER_BYTES..header.frame_bytes];
        let (portal, rows) = split_cstr(body)?;
        let marks = self
            .ask_state
            .portals
            .iter()
            .find_map(|(name, marks)| (**name == *portal).then_some(*marks))?;
        let unlimited = rows == [0; 4];
        let mut portal = portal.to_vec();
        portal.push(0);
        let limits = self.limits();
        let lease = self.server.as_mut()?;
        if let Some(fate) = setting_complete(marks) {
            self.from_client.pass(header.frame_bytes);
            lease.exchange.sent(Sent::Execute, fate);
        } else if unlimited && marks.contains(Marks::ASKED) {
            let mut out = BytesMut::new();
            run::put_execute(lease, &mut out, &portal, limits.rows_max);
            self.from_client.discard(header.frame_bytes);
            self.take_fence_down(&mut out);
            self.from_client.insert(&out);
        } else {
            self.from_client.pass(header.frame_bytes);
            lease.exchange.sent(Sent::Execute, Fate::Relay);
            if unlimited {
                let mut out = BytesMut::new();
                self.take_fence_down(&mut out);
                self.from_client.insert(&out);
            }
        }
        self.in_batch = true;
        Some(())
    }

    fn take_fence_down(&mut self, out: &mut BytesMut) {
        if std::mem::take(&mut self.ask_state.savepoint_open)
            && let Some(lease) = &mut self.server
        {
            fence::take_down(lease, out, Fence::Savepoint, Ending::Release);
        }
    }

    pub(super) fn limits(&self) -> Limits {
        let values = self.ask_state.settings.current();
        Limits {
            rows_max: values.max_rows,
            timeout: values.timeout,
        }
    }
}

/// CommandComplete of a statement that stood for a `SET` or `RESET` of ours.
fn setting_complete(marks: Marks) -> Option<Fate> {
    let command_tag = if marks.contains(Marks::SETTING_SET) {
        "SET"
    } else if marks.contains(Marks::SETTING_RESET) {
        "RESET"
    } else {
        return None;
    };
    let mut out = BytesMut::new();
    message::put_command_complete(&mut out, command_tag);
    Some(Fate::Complete(out[..].into()))
}

//! Prepared asks when they run: a fence before each Bind, a row limit on each Execute.

use bytes::BytesMut;

use super::finish::Unfinished;
use super::marks::Marks;
use super::reading;
use super::serve::Session;
use crate::ask::setting_statement::{self, SettingCommand};
use crate::exec::fence::{self, Ending, Fence};
use crate::exec::run::{self, Limits, RowCap};
use crate::wire::exchange::{Fate, Sent};
use crate::wire::frame::{HEADER_BYTES, Header, split_cstr, tag};
use crate::wire::message;

/// A portal that is not to be executed as it is.
#[derive(Debug)]
pub(super) struct OurPortal {
    name: Box<[u8]>,
    /// Why not.
    marks: Marks,
    /// What it may still return.
    cap: RowCap,
    /// What it sets, where it stands for a setting of ours.
    command: Option<SettingCommand>,
}

impl Session {
    /// Before a Bind: puts up a fence for an ask, and remembers its portal; ends the fence of the one before it for a
    /// statement that may write.
    pub(super) fn open_fence(&mut self, marks: Marks, sql: &[u8], portal: &[u8]) {
        let is_first = !std::mem::replace(&mut self.bound_in_batch, true);
        self.ask_state.portals.retain(|ours| *ours.name != *portal);
        if marks.runs_in_our_words() {
            self.ask_state.portals.push(OurPortal {
                name: portal.into(),
                marks,
                cap: RowCap::new(self.limits()),
                command: command_of(marks, sql),
            });
        }
        if !marks.contains(Marks::ASKED.with(Marks::FENCED)) {
            if self.ask_state.batch_fenced {
                self.leave_fence(sql);
            }
            return;
        }
        if self.ask_state.running.is_none() {
            // It was prepared before: what was cancelled until now was something else.
            self.ticket().clear_cancel();
        }
        self.ask_state.running = Some(String::from_utf8_lossy(sql).into());
        self.ask_state.batch_may_end &= self.ask_state.batch_fenced;
        if self.status == b'T' || self.marks.contains(Marks::BEGIN) {
            self.put_up_savepoint();
        } else if !self.ask_state.batch_fenced {
            let limits = self.limits();
            let mut out = BytesMut::new();
            if let Some(lease) = &mut self.server {
                fence::put_up(lease, &mut out, Fence::Implicit, limits.timeout);
            }
            self.from_client.insert(&out);
            self.ask_state.batch_fenced = true;
            self.ask_state.batch_may_end = is_first;
            self.ask_state.was_fenced = true;
        }
    }

    /// Fences what is executed next in the client's transaction block.
    fn put_up_savepoint(&mut self) {
        let limits = self.limits();
        let mut out = BytesMut::new();
        self.take_fence_down(&mut out);
        if let Some(lease) = &mut self.server {
            fence::put_up(lease, &mut out, Fence::Savepoint, limits.timeout);
            self.ask_state.savepoint_open = true;
        }
        self.from_client.insert(&out);
    }

    /// A plain statement follows an ask in the same batch, where a transaction that has become read-only stays so. If
    /// nothing but asks has run in it, nobody can tell whether it ends between them and what writes.
    fn leave_fence(&mut self, sql: &[u8]) {
        let may_end = std::mem::take(&mut self.ask_state.batch_may_end);
        let reads = || reading::only_reads(&String::from_utf8_lossy(sql), self.standard_strings);
        if !may_end || reads() {
            return;
        }
        let mut out = BytesMut::new();
        if let Some(lease) = &mut self.server {
            message::put_frame(&mut out, tag::SYNC, &[]);
            lease.exchange.sent(Sent::Sync, Fate::Swallow);
        }
        self.from_client.insert(&out);
        self.ask_state.batch_fenced = false;
        self.ask_state.was_fenced = false;
        self.ask_state.portals.clear();
    }

    /// Takes a savepoint's fence down at the latest before a Sync.
    pub(super) fn close_fence(&mut self) {
        self.ask_state.batch_fenced = false;
        self.ask_state.batch_may_end = false;
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
        let mut name = portal.to_vec();
        name.push(0);
        // Below zero it is no limit either.
        let wanted = rows
            .first_chunk()
            .map_or(0, |rows| i32::from_be_bytes(*rows));
        let wanted = u32::try_from(wanted).ok().filter(|rows| *rows > 0);
        let portals = &self.ask_state.portals;
        let at = portals.iter().position(|ours| *ours.name == *portal)?;
        let marks = portals[at].marks;
        if let Some(fate) = setting_complete(marks) {
            let mut out = BytesMut::new();
            if let Some(command) = portals[at].command.clone() {
                self.set_in_transaction(&command, &mut out);
            }
            self.from_client.insert(&out);
            self.from_client.pass(header.frame_bytes);
            let lease = self.server.as_mut()?;
            lease.exchange.sent(Sent::Execute, fate);
            self.in_batch = true;
            return Some(());
        }
        if self.status == b'T' && !self.ask_state.savepoint_open {
            // It was suspended, and the fence that it began behind is gone.
            self.put_up_savepoint();
        }
        let cap = &mut self.ask_state.portals[at].cap;
        let lease = self.server.as_mut()?;
        let mut out = BytesMut::new();
        let is_capped = marks.contains(Marks::ASKED) && wanted.is_none_or(|rows| rows >= cap.left);
        if is_capped {
            run::put_execute(lease, &mut out, &name, cap);
            cap.left = 0;
        } else {
            let frame = &self.from_client.unscanned()[..header.frame_bytes];
            out.extend_from_slice(frame);
            cap.left = cap.left.saturating_sub(wanted.unwrap_or(0));
            let fate = Fate::Measured(cap.meter.clone());
            lease.exchange.sent(Sent::Execute, fate);
        }
        run::put_flush(&mut out);
        self.from_client.discard(header.frame_bytes);
        self.from_client.insert(&out);
        let is_last = is_capped || wanted.is_none();
        self.ask_state.batch_may_end &= is_last;
        self.unfinished = Some(Unfinished::Execute { is_last });
        self.in_batch = true;
        Some(())
    }

    pub(super) fn take_fence_down(&mut self, out: &mut BytesMut) {
        let was_open = std::mem::take(&mut self.ask_state.savepoint_open);
        // Where it has failed, it goes with the transaction.
        if was_open
            && !self.server_is_skipping()
            && let Some(lease) = &mut self.server
        {
            fence::take_down(lease, out, Fence::Savepoint, Ending::Release);
        }
    }

    pub(super) fn limits(&self) -> Limits {
        let values = self.ask_state.settings.current();
        Limits {
            rows_max: values.max_rows,
            bytes_max: values.max_bytes,
            timeout: values.timeout,
        }
    }
}

/// The text of a statement that stands for a command about a setting of ours: to the server it is empty, and it tells
/// the command again when it runs. `None` where a comment cannot hold it.
pub(super) fn text_of(command: &SettingCommand, value: &str) -> Option<String> {
    let text = match command {
        SettingCommand::Set { name, local, .. } => {
            let scope = if *local { "LOCAL" } else { "SESSION" };
            format!("SET {scope} ask.{name} TO '{}'", value.replace('\'', "''"))
        }
        SettingCommand::Reset { name } => format!("RESET ask.{name}"),
        SettingCommand::Show { .. } => return None,
    };
    (!text.contains("*/") && !text.contains("/*")).then(|| format!("/* {text} */"))
}

fn command_of(marks: Marks, sql: &[u8]) -> Option<SettingCommand> {
    if !marks.contains(Marks::SETTING_SET.with(Marks::SETTING_RESET)) {
        return None;
    }
    let text = std::str::from_utf8(sql).ok()?;
    let text = text.strip_prefix("/*")?.strip_suffix("*/")?;
    setting_statement::parse(text)
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

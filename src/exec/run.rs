//! Running an ask in a simple Query: the messages that do it, and the account of their answers.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;

use super::fence::{self, Ending, Fence};
use crate::ask::notice;
use crate::ask::surface::Whole;
use crate::guard::approved::Approved;
use crate::pool::lease::Lease;
use crate::wire::exchange::{Endings, Fate, Sent};
use crate::wire::frame::tag;
use crate::wire::message::{self, Severity};
use crate::wire::meter::Meter;

/// How far an ask may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Rows returned at most; a NOTICE says when there would have been more.
    pub rows_max: u32,
    /// Bytes of rows returned at most; more is an error.
    pub bytes_max: u64,
    /// Time the query may take on the server.
    pub timeout: Duration,
}

/// Appends the messages that run an Approved, with what a tool appended to its ask, behind a fence and answer it as PostgreSQL answers a Query.
///
/// The row limit is the portal's own: the rows that come are the query's first, and no SQL is wrapped around it. How it
/// went must be known before [`end_query`] ends it.
pub fn put_query(
    lease: &mut Lease,
    out: &mut BytesMut,
    (whole, approved): (&Whole, &Approved),
    fence: Fence,
    limits: Limits,
) {
    let sql = whole.sql(approved.sql());
    fence::put_up(lease, out, fence, limits.timeout);
    message::put_frame(out, tag::PARSE, &[b"\0", sql.as_bytes(), b"\0\0\0"]);
    message::put_frame(out, tag::BIND, &[b"\0\0", &[0; 6]]);
    message::put_frame(out, tag::DESCRIBE, &[b"P\0"]);
    lease.exchange.sent(Sent::Parse, Fate::Swallow);
    lease.exchange.sent(Sent::Bind, Fate::Swallow);
    lease.exchange.sent(Sent::Describe, Fate::Relay);
    put_execute(lease, out, b"\0", &RowCap::new(limits));
    put_flush(out);
    lease.unnamed_owner = 0;
}

/// Appends the messages that end what [`put_query`] began; what failed needs no more than the Sync.
pub fn end_query(lease: &mut Lease, out: &mut BytesMut, fence: Fence, has_failed: bool) {
    if !has_failed {
        fence::take_down(lease, out, fence, Ending::RollBack);
    }
    message::put_frame(out, tag::SYNC, &[]);
    lease.exchange.sent(Sent::Sync, Fate::Relay);
}

/// What a portal may still return.
#[derive(Clone, Debug)]
pub struct RowCap {
    /// Rows.
    pub left: u32,
    /// Rows that it could return in all.
    rows_max: u32,
    /// Bytes.
    pub meter: Arc<Meter>,
}

impl RowCap {
    /// What a new portal may return.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            left: limits.rows_max,
            rows_max: limits.rows_max,
            meter: Arc::new(Meter::new(limits.bytes_max)),
        }
    }
}

/// Appends an Execute of a portal (its name with NUL) that ends after the rows it has left, with a NOTICE if it had
/// more. One that has none left has told so already, and is not asked again.
pub fn put_execute(lease: &mut Lease, out: &mut BytesMut, portal: &[u8], cap: &RowCap) {
    let mut endings = endings(cap);
    if cap.left == 0 {
        endings.cut.clone_from(&endings.complete);
        message::put_frame(out, tag::EXECUTE, &[portal, &1u32.to_be_bytes()]);
        let fate = Fate::Remainder(Box::new(endings));
        lease.exchange.sent(Sent::Execute, fate);
        return;
    }
    message::put_frame(out, tag::EXECUTE, &[portal, &cap.left.to_be_bytes()]);
    message::put_frame(out, tag::EXECUTE, &[portal, &1u32.to_be_bytes()]);
    let capped = Fate::Capped(Box::new(endings));
    lease.exchange.sent(Sent::Execute, capped);
    lease.exchange.sent(Sent::Execute, Fate::Swallow);
}

/// Appends a Flush: the server must not keep to itself how it went.
pub fn put_flush(out: &mut BytesMut) {
    message::put_frame(out, tag::FLUSH, &[]);
}

/// What the client is told when the portal had just so many rows, and when it had more.
fn endings(cap: &RowCap) -> Endings {
    let mut complete = BytesMut::new();
    message::put_command_complete(&mut complete, &format!("SELECT {}", cap.left));
    let mut cut = BytesMut::new();
    let notice = notice::cut_at(cap.rows_max);
    message::put_notice(&mut cut, Severity::Notice, &notice);
    cut.extend_from_slice(&complete);
    Endings {
        complete: complete[..].into(),
        cut: cut[..].into(),
        meter: Arc::clone(&cap.meter),
    }
}

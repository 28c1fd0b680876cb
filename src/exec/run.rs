//! Running an ask in a simple Query: the messages that do it, and the account of their answers.

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

/// How far an ask may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Rows returned at most; a NOTICE says when there would have been more.
    pub rows_max: u32,
    /// Time the query may take on the server.
    pub timeout: Duration,
}

/// Appends the messages that run an Approved, with what a tool appended to its ask, behind a fence and answer it as PostgreSQL answers a Query.
///
/// The row limit is the portal's own: the rows that come are the query's first, and no SQL is wrapped around it.
pub fn put_query(
    lease: &mut Lease,
    out: &mut BytesMut,
    (whole, approved): (&Whole, &Approved),
    fence: Fence,
    limits: Limits,
) {
    let sql = whole.sql(approved.sql());
    fence::put_up(lease, out, fence, Some(limits.timeout));
    message::put_frame(out, tag::PARSE, &[b"\0", sql.as_bytes(), b"\0\0\0"]);
    message::put_frame(out, tag::BIND, &[b"\0\0", &[0; 6]]);
    message::put_frame(out, tag::DESCRIBE, &[b"P\0"]);
    lease.exchange.sent(Sent::Parse, Fate::Swallow);
    lease.exchange.sent(Sent::Bind, Fate::Swallow);
    lease.exchange.sent(Sent::Describe, Fate::Relay);
    put_execute(lease, out, b"\0", limits.rows_max);
    fence::take_down(lease, out, fence, Ending::RollBack);
    message::put_frame(out, tag::SYNC, &[]);
    lease.exchange.sent(Sent::Sync, Fate::Relay);
    lease.unnamed_owner = 0;
}

/// Appends an Execute of a portal (its name with NUL) that ends after so many rows, with a NOTICE if it had more.
pub fn put_execute(lease: &mut Lease, out: &mut BytesMut, portal: &[u8], rows_max: u32) {
    message::put_frame(out, tag::EXECUTE, &[portal, &rows_max.to_be_bytes()]);
    message::put_frame(out, tag::EXECUTE, &[portal, &1u32.to_be_bytes()]);
    let capped = Fate::Capped(Box::new(endings(rows_max)));
    lease.exchange.sent(Sent::Execute, capped);
    lease.exchange.sent(Sent::Execute, Fate::Swallow);
}

/// What the client is told when the portal had just so many rows, and when it had more.
fn endings(rows_max: u32) -> Endings {
    let mut complete = BytesMut::new();
    message::put_command_complete(&mut complete, &format!("SELECT {rows_max}"));
    let mut cut = BytesMut::new();
    message::put_notice(&mut cut, Severity::Notice, &notice::cut_at(rows_max));
    cut.extend_from_slice(&complete);
    Endings {
        complete: complete[..].into(),
        cut: cut[..].into(),
    }
}

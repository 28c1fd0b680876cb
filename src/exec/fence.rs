//! The fence around an ask's SQL: read-only and bounded in time, whatever the guard has overlooked.
//!
//! The fence is made of extended-query messages slipped in front of and behind the ask's own, whose answers the
//! client never sees. Outside a transaction block the settings end with the batch's implicit transaction. Inside one
//! they stand in a savepoint: releasing it restores read-write (`CommitSubTransaction` puts `XactReadOnly` back),
//! rolling back to it restores the rest as well. The time limit that was in force before the fence is kept in a setting
//! of our own, from which a fence that is released puts it back.
//!
//! # Source
//! PostgreSQL manual, "SET TRANSACTION", "SAVEPOINT"; `src/backend/access/transam/xact.c` on `prevXactReadOnly`.

use std::time::Duration;

use bytes::BytesMut;

use crate::pool::lease::Lease;

/// What a fence stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fence {
    /// The implicit transaction of a batch outside any block.
    Implicit,
    /// A savepoint inside the caller's transaction block.
    Savepoint,
}

/// What becomes of a savepoint's fence when the ask is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The savepoint is released: portals opened inside stay.
    Release,
    /// The savepoint is rolled back to and released: nothing that happened inside stays.
    RollBack,
}

/// Puts back the time limit that was in force before a fence in a savepoint.
const RESTORE: &str = "SELECT pg_catalog.set_config('statement_timeout', \
                       pg_catalog.current_setting('pgask.statement_timeout'), true)";

/// The statements that put the fence up, in their order.
///
/// `timeout` bounds each later message of the ask; a shorter `statement_timeout` of the session stays in force.
#[must_use]
pub fn statements(fence: Fence, timeout: Duration) -> Vec<String> {
    let milliseconds = timeout.as_millis().max(1);
    let keep = match fence {
        Fence::Implicit => "",
        Fence::Savepoint => {
            ", pg_catalog.set_config('pgask.statement_timeout', \
             pg_catalog.current_setting('statement_timeout'), true)"
        }
    };
    // `least` passes over the NULL that stands for "no timeout". The search_path is the client's, and so may be an
    // operator that is not named in full.
    let settings = format!(
        "SELECT pg_catalog.set_config('transaction_read_only', 'on', true){keep}, \
         pg_catalog.set_config('statement_timeout', LEAST(CASE WHEN own OPERATOR(pg_catalog.>) 0 THEN own END, \
         {milliseconds})::bigint::pg_catalog.text, true) \
         FROM (SELECT EXTRACT(epoch FROM pg_catalog.current_setting('statement_timeout')::interval) \
         OPERATOR(pg_catalog.*) 1000 AS own) AS timeout"
    );
    match fence {
        Fence::Implicit => vec![settings],
        Fence::Savepoint => vec!["SAVEPOINT pgask_fence".to_owned(), settings],
    }
}

/// Appends the messages that put the fence up, and notes that their answers are ours.
pub fn put_up(lease: &mut Lease, out: &mut BytesMut, fence: Fence, timeout: Duration) {
    for statement in statements(fence, timeout) {
        lease.put_statement(out, statement.as_bytes());
    }
}

/// Appends the messages that take a savepoint's fence down; an implicit one ends by itself.
pub fn take_down(lease: &mut Lease, out: &mut BytesMut, fence: Fence, ending: Ending) {
    if fence == Fence::Savepoint {
        lease.put_statement(
            out,
            match ending {
                Ending::RollBack => b"ROLLBACK TO SAVEPOINT pgask_fence",
                Ending::Release => RESTORE.as_bytes(),
            },
        );
        lease.put_statement(out, b"RELEASE SAVEPOINT pgask_fence");
    }
}

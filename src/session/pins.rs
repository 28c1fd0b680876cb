//! What ties a connection to its session, and when it no longer does.
//!
//! Marks say what may be left on a connection. Of most kinds the server can be asked whether there is any: a word may
//! have been a false alarm, and what was there may be gone again. A session without marks never comes here.

use super::inquiry::{Rows, Unknown};
use super::marks::Marks;
use super::serve::Session;
use crate::observe::metrics::Held;
use crate::pool::settings::PoolMode;

/// After so many questions in a row that unpinned nothing, hints are passed over, twice as many each time.
const FRUITLESS_MAX: u32 = 4;

/// Never more hints than this are passed over.
const PASSED_OVER_MAX: u32 = 64;

/// What is known of a session's marks.
#[derive(Debug, Default)]
pub(super) struct Pins {
    /// Causes that were counted and logged.
    told: Marks,
    /// Causes that were there at the end of an earlier transaction.
    certain: Marks,
    /// Causes that may be gone, or may never have been.
    doubted: Marks,
    /// Something has come to be doubted since the last transaction's end.
    is_hinted: bool,
    /// Only sequences were discarded since the last ReadyForQuery, and nothing was sent behind that.
    has_no_sequences: bool,
    /// Questions in a row that unpinned nothing.
    fruitless: u32,
    /// Hints that are yet to be passed over.
    to_pass_over: u32,
    /// Counts the connection among the pinned ones.
    counted: Option<Held>,
}

impl Pins {
    /// Notes a CommandComplete; `is_last` says that nothing was sent behind what it answers.
    #[inline]
    pub(super) fn command(&mut self, command_tag: &[u8], marks: Marks, is_last: bool) {
        if !marks.keeps_state() {
            return;
        }
        self.has_no_sequences = is_last && command_tag == b"DISCARD SEQUENCES";
        if command_tag == b"ROLLBACK" {
            self.failed(marks);
        } else {
            self.doubt(Marks::ended_by_command(command_tag).and(marks));
        }
    }

    /// Notes that something has failed: what the current transaction made may not be there.
    #[inline]
    pub(super) fn failed(&mut self, marks: Marks) {
        self.doubt(marks.and(Marks::TRANSACTIONAL).without(self.certain));
    }

    /// Notes a ReadyForQuery outside a transaction; the marks that are known to be unfounded.
    #[inline]
    pub(super) fn ready(&mut self) -> Marks {
        if !std::mem::take(&mut self.has_no_sequences) {
            return Marks::default();
        }
        self.is_hinted = true;
        self.told.remove(Marks::SEQUENCE);
        Marks::SEQUENCE
    }

    fn doubt(&mut self, causes: Marks) {
        self.doubted.add(causes);
        self.is_hinted |= causes != Marks::default();
    }

    /// Whether there is something to settle for a session that is pinned already.
    #[inline]
    pub(super) fn are_unsettled(&self, marks: Marks) -> bool {
        self.is_hinted || marks.contains(Marks::UNLOCKS) || marks.without(self.told).keeps_state()
    }

    /// Takes the marks at a transaction's end; which of them the server is to be asked about, none being no reason
    /// to ask.
    fn in_question(&mut self, marks: Marks) -> Marks {
        let visible = marks.and(Marks::VISIBLE);
        if marks.contains(Marks::UNLOCKS) {
            self.doubt(Marks::ADVISORY_LOCK.and(visible));
        }
        let is_hinted = std::mem::take(&mut self.is_hinted);
        let by_word = visible.and(Marks::FOUND_BY_WORD).without(self.certain);
        self.doubted = self.doubted.with(by_word).and(visible);
        self.certain = visible.without(self.doubted);
        if marks.without(Marks::VISIBLE).keeps_state() || self.doubted != visible {
            // The connection stays whatever the answer. What is in doubt is asked about when the rest is, too.
            return Marks::default();
        }
        if self.to_pass_over > 0 {
            self.to_pass_over -= u32::from(is_hinted);
            return Marks::default();
        }
        visible
    }

    /// Notes which of the causes in question are there.
    fn found(&mut self, there: Marks) {
        self.certain = there;
        self.doubted = Marks::default();
        self.fruitless = if there.keeps_state() {
            self.fruitless + 1
        } else {
            0
        };
        let beyond = self.fruitless.saturating_sub(FRUITLESS_MAX);
        self.to_pass_over = 1_u32
            .checked_shl(beyond)
            .map_or(PASSED_OVER_MAX, |hints| (hints - 1).min(PASSED_OVER_MAX));
    }
}

impl Session {
    /// DISCARD ALL was carried out, and nothing was sent behind it.
    pub(super) fn discarded_all(&mut self) {
        let marks = self.marks;
        if self.pins.certain.contains(Marks::TEMPORARY) {
            self.note_temporary_schema(true);
        }
        self.unpin();
        if self.shared.pool_mode == PoolMode::Transaction {
            return;
        }
        if marks.contains(Marks::OUTLIVES_DISCARD) {
            self.marks = marks.and(Marks::OUTLIVES_DISCARD);
            self.pins.told = self.marks;
            self.hold();
        } else if marks.contains(Marks::SPOILS.without(Marks::TEMPORARY))
            && let Some(lease) = &mut self.server
        {
            lease.spoil();
        }
    }

    /// The end of a transaction whose marks say that it may have left something: finds out whether it has, where that
    /// is in doubt, and pins the connection or lets it go.
    pub(super) async fn settle_pins(&mut self) {
        let in_question = self.pins.in_question(self.marks);
        self.marks.remove(Marks::UNLOCKS);
        if in_question.keeps_state() {
            let there = match self.inquire(&question(in_question)).await {
                Ok(rows) => {
                    let (there, has_schema) = read_answer(&rows).unwrap_or((in_question, false));
                    if has_schema && in_question.contains(Marks::TEMPORARY) {
                        self.note_temporary_schema(there.contains(Marks::TEMPORARY));
                    }
                    there
                }
                Err(unknown) => {
                    tracing::debug!(reason = reason(&unknown), "a pin stays unexamined");
                    in_question
                }
            };
            self.pins.found(there);
            self.marks.remove(in_question);
            self.marks.add(there);
        }
        if self.marks.keeps_state() {
            self.pin();
        } else {
            self.unpin();
        }
    }

    /// Ties the connection to the session, for what is marked.
    pub(super) fn pin(&mut self) {
        let new = self.marks.without(self.pins.told);
        self.pins.told.add(new);
        let caller = self.pool.caller();
        for cause in new.causes() {
            self.shared.metrics.pins.inc(cause);
            tracing::debug!(
                database = %caller.database, role = %caller.role, cause,
                "server connection pinned"
            );
        }
        self.hold();
    }

    fn hold(&mut self) {
        let gauge = &self.shared.metrics.pinned_connections;
        self.pins.counted.get_or_insert_with(|| Held::new(gauge));
        self.pinned = true;
    }

    /// Nothing of the session's is on its connection any more.
    pub(super) fn unpin(&mut self) {
        if self.pinned {
            let caller = self.pool.caller();
            tracing::debug!(
                database = %caller.database, role = %caller.role,
                "server connection no longer pinned"
            );
        }
        self.pinned = false;
        self.verbatim = false;
        self.marks = Marks::default();
        // A session that is pinned again and again for nothing is not asked less for it.
        self.pins = Pins::default();
    }
}

/// The kinds of state that can be looked for, and how.
///
/// `pg_depend` is where PostgreSQL itself looks for what it drops with a temporary schema. Where a client's protocol
/// messages name its statements, they are there under the client's own names, and those of others under ours.
///
/// # Source
/// `RemoveTempRelations` in `src/backend/catalog/namespace.c`; PostgreSQL manual, "System Views".
const LOOKS: [(Marks, &str); 5] = [
    (
        Marks::LISTEN,
        "EXISTS (SELECT FROM pg_catalog.pg_listening_channels())",
    ),
    (
        Marks::TEMPORARY,
        "EXISTS (SELECT FROM pg_catalog.pg_depend
                 WHERE refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass
                   AND refobjid OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema())",
    ),
    (
        Marks::HOLD,
        "EXISTS (SELECT FROM pg_catalog.pg_cursors WHERE is_holdable)",
    ),
    (
        Marks::ADVISORY_LOCK,
        "EXISTS (SELECT FROM pg_catalog.pg_locks
                 WHERE locktype OPERATOR(pg_catalog.=) 'advisory'
                   AND pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid())",
    ),
    (
        Marks::PREPARE,
        r"EXISTS (SELECT FROM pg_catalog.pg_prepared_statements
                  WHERE from_sql OR name OPERATOR(pg_catalog.!~~) 'pgask$_%' ESCAPE '$')",
    ),
];

/// One row, a boolean for each of [`LOOKS`], and one that says whether the backend has a temporary schema, empty or
/// not.
fn question(in_question: Marks) -> String {
    let looks: Vec<&str> = LOOKS
        .iter()
        .map(|(cause, look)| {
            if in_question.contains(*cause) {
                *look
            } else {
                "false"
            }
        })
        .collect();
    format!(
        "SELECT {}, pg_catalog.pg_my_temp_schema() OPERATOR(pg_catalog.<>) 0::pg_catalog.oid",
        looks.join(", ")
    )
}

fn read_answer(rows: &Rows) -> Option<(Marks, bool)> {
    let [row] = rows.as_slice() else {
        return None;
    };
    let mut there = Marks::default();
    let (has_schema, row) = row.split_last()?;
    if row.len() != LOOKS.len() {
        return None;
    }
    for ((cause, _), value) in LOOKS.iter().zip(row) {
        match value.as_deref() {
            Some(b"t") => there.add(*cause),
            Some(b"f") => {}
            _ => return None,
        }
    }
    Some((there, has_schema.as_deref() == Some(b"t")))
}

const fn reason(unknown: &Unknown) -> &'static str {
    match unknown {
        Unknown::NotAsked => "the connection cannot be asked",
        Unknown::Refused(_) => "the server refused",
        Unknown::TimedOut => "no answer in time",
        Unknown::Lost => "no answer",
    }
}

//! Has the server plan an Approved before it is run: what it will cost, or what is wrong with it.
//!
//! On a connection of the caller's own role, never on one of the service account with SET ROLE. Planning runs code:
//! it evaluates what is constant in index expressions, constraints and the views of a query, and any such function can
//! set the role back. On the caller's own connection that code has the rights that it would have anyway.

use std::borrow::Cow;
use std::io;
use std::time::Duration;

use bytes::BytesMut;
use serde::Deserialize;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::tokenizer::{Token, Tokenizer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::ask::pipeline::{Probe, ProbeOutcome};
use crate::error::{Refusal, SqlState};
use crate::guard::approved::Approved;
use crate::names::Caller;
use crate::pool::lease::{Lease, Pool};
use crate::wire::frame::{HEADER_BYTES, Header, tag};
use crate::wire::message;

/// How long a probe waits for a connection. Its session may hold one already, so that sessions that all wait for a
/// second one must not wait long.
pub const PROBE_WAIT_MAX: Duration = Duration::from_millis(250);

/// `statement_timeout` of the planning.
pub const PROBE_STATEMENT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long the whole exchange may take; a little more than the server gives itself.
const EXCHANGE_TIME_MAX: Duration = Duration::from_secs(4);

/// The largest message that is read: a plan over some thousand partitions.
const MESSAGE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The name that a query with parameters is prepared under, for as long as the probe takes.
const STATEMENT: &str = "pgask_probe";

/// What came of a probe.
#[derive(Clone, Debug, PartialEq)]
pub enum Probed {
    /// The server would run it like this.
    Planned(Plan),
    /// The server refuses it, and would refuse to run it.
    Refused(PlanError),
    /// Nothing was learnt, for this reason; it may be run all the same.
    Unchecked(Cow<'static, str>),
}

/// The planner's estimates.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct Plan {
    /// The cost until the last row, in the planner's unit (a page read in sequence costs 1 by default).
    #[serde(rename = "Total Cost")]
    pub total_cost: f64,
    /// How many rows there will be.
    #[serde(rename = "Plan Rows")]
    pub plan_rows: f64,
}

/// The server's own error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanError {
    /// SQLSTATE, message, DETAIL and HINT as the server wrote them.
    pub refusal: Refusal,
    /// Where in [`Approved::sql`], in characters from 1.
    pub position: Option<usize>,
}

/// Probes an Approved on a connection of the caller's pool, which is clean again afterwards.
///
/// A query with parameters is planned for any values of them (a generic plan).
///
/// # Cancel safety
/// Dropping the future costs the connection that it was using.
pub async fn probe(pool: &Pool, approved: &Approved) -> Probed {
    let Ok(lease) = timeout(PROBE_WAIT_MAX, pool.lease()).await else {
        return Probed::Unchecked("no server connection was free".into());
    };
    let mut lease = match lease {
        Ok(lease) => lease,
        Err(error) => return Probed::Unchecked(error.refusal().to_string().into()),
    };
    // What a session has set is not the probe's: a role set by one must not plan for another.
    match timeout(EXCHANGE_TIME_MAX, lease.bring_into_force(&None)).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => return Probed::Unchecked(error.refusal().to_string().into()),
        Err(_) => return Probed::Unchecked("resetting a connection took too long".into()),
    }
    let steps = steps(approved);
    let answers = match timeout(EXCHANGE_TIME_MAX, exchange(&mut lease, &steps)).await {
        Ok(Ok(answers)) => answers,
        Ok(Err(error)) => return Probed::Unchecked(error.to_string().into()),
        Err(_) => return Probed::Unchecked("planning took too long".into()),
    };
    if answers.last().is_some_and(|answer| answer.status == b'I') {
        lease.mark_clean();
    }
    outcome(&steps, &answers)
}

impl Probe for Pool {
    /// The pool is the caller's own, and the parameters are counted in the query itself.
    async fn probe(
        &self,
        _caller: &Caller,
        approved: &Approved,
        _parameter_count: u16,
    ) -> ProbeOutcome {
        match probe(self, approved).await {
            Probed::Planned(plan) => ProbeOutcome::Planned {
                cost: plan.total_cost,
            },
            Probed::Refused(PlanError { refusal, position }) => {
                let position = position.and_then(|position| u32::try_from(position).ok());
                ProbeOutcome::Failed(refusal.with_internal_query(approved.sql(), position))
            }
            Probed::Unchecked(reason) => ProbeOutcome::Unknown(Refusal::new(
                SqlState::CANNOT_CONNECT_NOW,
                format!("the query could not be planned: {reason}"),
            )),
        }
    }
}

/// One Query message of a probe.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    sql: String,
    purpose: Purpose,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// Goes before or after; its failure says nothing of the Approved.
    Frame,
    /// Holds the Approved's text from this character on.
    Checked { before: usize },
}

/// Each step is a message of its own, so that an error ends no more than that step, and positions count from its start.
fn steps(approved: &Approved) -> Vec<Step> {
    let frame = |sql: &str| Step {
        sql: sql.to_owned(),
        purpose: Purpose::Frame,
    };
    let checked = |before: &str, sql: &str| Step {
        sql: format!("{before}{sql}"),
        purpose: Purpose::Checked {
            before: before.chars().count(),
        },
    };
    let begin = format!(
        "BEGIN READ ONLY; SET LOCAL statement_timeout = {}; SET LOCAL client_encoding = 'UTF8'; \
         SET LOCAL plan_cache_mode = force_generic_plan",
        PROBE_STATEMENT_TIMEOUT.as_millis()
    );
    let mut steps = vec![frame(&begin)];
    match parameter_count(approved.sql()) {
        0 => steps.push(checked("EXPLAIN (FORMAT JSON) ", approved.sql())),
        count => {
            let nulls = vec!["NULL"; count].join(", ");
            steps.push(checked(&format!("PREPARE {STATEMENT} AS "), approved.sql()));
            let explain = format!("EXPLAIN (FORMAT JSON) EXECUTE {STATEMENT} ({nulls})");
            steps.push(checked(&explain, ""));
        }
    }
    steps.push(frame("ROLLBACK"));
    if steps.len() > 3 {
        // A prepared statement survives a rollback; where it was not prepared, the error ends nothing.
        steps.push(frame(&format!("DEALLOCATE {STATEMENT}")));
    }
    steps
}

/// The highest `n` of `$n`, 0 when there is none.
fn parameter_count(sql: &str) -> usize {
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, sql)
        .tokenize()
        .unwrap_or_default();
    let numbers = tokens.iter().filter_map(|token| match token {
        Token::Placeholder(name) => name.strip_prefix('$')?.parse().ok(),
        _ => None,
    });
    // PostgreSQL's own limit; the guard has held the number to that of the question's parameters.
    numbers.max().unwrap_or(0).min(usize::from(u16::MAX))
}

/// What the server said to one step.
#[derive(Debug, Default)]
struct Answer {
    value: Option<Vec<u8>>,
    error: Option<Vec<u8>>,
    status: u8,
}

/// Sends all steps at once and reads their answers.
async fn exchange(lease: &mut Lease, steps: &[Step]) -> io::Result<Vec<Answer>> {
    // A simple query takes the unnamed statement with it.
    lease.unnamed_owner = 0;
    let mut out = BytesMut::new();
    for step in steps {
        message::put_query(&mut out, step.sql.as_bytes());
    }
    lease.stream.write_all(&out).await?;
    let mut answers = Vec::with_capacity(steps.len());
    for _ in steps {
        answers.push(read_answer(lease).await?);
    }
    Ok(answers)
}

async fn read_answer(lease: &mut Lease) -> io::Result<Answer> {
    let mut answer = Answer::default();
    loop {
        let mut frame = vec![0; HEADER_BYTES];
        lease.stream.read_exact(&mut frame).await?;
        let header = Header::read_backend(&frame).expect("five bytes were read");
        if header.frame_bytes > MESSAGE_BYTES_MAX {
            return Err(io::Error::other("the plan is too large to be read"));
        }
        frame.resize(header.frame_bytes, 0);
        lease.stream.read_exact(&mut frame[HEADER_BYTES..]).await?;
        match header.tag {
            tag::READY_FOR_QUERY => {
                answer.status = frame.get(HEADER_BYTES).copied().unwrap_or_default();
                return Ok(answer);
            }
            tag::DATA_ROW if answer.value.is_none() => {
                answer.value = first_value(&frame[HEADER_BYTES..]).map(<[u8]>::to_vec);
            }
            tag::ERROR_RESPONSE => answer.error = Some(frame),
            // Notices, notifications and changes of parameters come as they like.
            _ => {}
        }
    }
}

/// The first value of a DataRow's body.
fn first_value(body: &[u8]) -> Option<&[u8]> {
    let (length, rest) = body.get(2..)?.split_first_chunk::<4>()?;
    rest.get(..usize::try_from(i32::from_be_bytes(*length)).ok()?)
}

/// Reads the answers: the first error that concerns the Approved, else its plan.
fn outcome(steps: &[Step], answers: &[Answer]) -> Probed {
    let mut plan = None;
    for (step, answer) in steps.iter().zip(answers) {
        match (step.purpose, &answer.error) {
            (Purpose::Frame, Some(error)) if plan.is_none() => {
                return Probed::Unchecked(message::read_error(error).to_string().into());
            }
            (Purpose::Frame, _) => {}
            (Purpose::Checked { before }, Some(error)) => return refused(error, before),
            (Purpose::Checked { .. }, None) => plan = answer.value.as_deref(),
        }
    }
    match plan.and_then(read_plan) {
        Some(plan) => Probed::Planned(plan),
        None => Probed::Unchecked("the plan could not be read".into()),
    }
}

fn refused(error: &[u8], before: usize) -> Probed {
    let refusal = message::read_error(error);
    if refusal.sqlstate == SqlState::QUERY_CANCELED {
        return Probed::Unchecked("planning took too long".into());
    }
    let position = message::error_field(error, b'P')
        .and_then(|position| std::str::from_utf8(position).ok())
        .and_then(|position| position.parse::<usize>().ok())
        .and_then(|position| position.checked_sub(before))
        .filter(|&position| position > 0);
    Probed::Refused(PlanError { refusal, position })
}

/// Reads `EXPLAIN (FORMAT JSON)`: a list of one plan.
fn read_plan(json: &[u8]) -> Option<Plan> {
    #[derive(Deserialize)]
    struct Explained {
        #[serde(rename = "Plan")]
        plan: Plan,
    }
    let explained: Vec<Explained> = serde_json::from_slice(json).ok()?;
    explained.first().map(|explained| explained.plan)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_counted_outside_of_literals() {
        let cases = [
            ("SELECT 1", 0),
            ("SELECT $2, $1, $2", 2),
            ("SELECT E'$3', \"$4\", $1::text", 1),
        ];
        for (sql, expect) in cases {
            assert_eq!(parameter_count(sql), expect, "{sql}");
        }
    }

    #[test]
    fn a_plan_is_read_from_its_top() {
        let json = br#"[{"Plan": {"Node Type": "Limit", "Startup Cost": 0.1, "Total Cost": 12.5, "Plan Rows": 5,
            "Plans": [{"Node Type": "Seq Scan", "Total Cost": 99.0, "Plan Rows": 9}]}}]"#;
        let expect = Plan {
            total_cost: 12.5,
            plan_rows: 5.0,
        };
        assert_eq!(read_plan(json), Some(expect));
        assert_eq!(read_plan(b"[]"), None);
        assert_eq!(read_plan(b"Seq Scan on t"), None);
    }

    #[test]
    fn a_data_row_that_is_cut_off_has_no_value() {
        assert_eq!(first_value(b"\0\x01\0\0\0\x02ab"), Some(&b"ab"[..]));
        assert_eq!(first_value(b"\0\x01\xff\xff\xff\xff"), None);
        assert_eq!(first_value(b"\0\x01\0\0\0\x09ab"), None);
        assert_eq!(first_value(b""), None);
    }
}

//! One connection that plans and reads what was approved, for whoever asks without a session.
//!
//! A command answers as the user of the upstream's URL, in a read-only transaction with a time-out.

use std::pin::pin;
use std::time::Duration;

use futures_util::TryStreamExt;
use jiff::civil::Date;
use serde_json::Value;
use tokio_postgres::error::{DbError, ErrorPosition, SqlState as DbState};
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::ask::pipeline::{Probe, ProbeOutcome};
use crate::error::{Refusal, SqlState};
use crate::guard::approved::Approved;
use crate::names::Caller;
use crate::schema::control::refusal;

/// `statement_timeout` of planning.
const PLAN_TIMEOUT: Duration = Duration::from_secs(2);

/// The connection.
pub struct Reader(Client);

/// What was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// The columns' names.
    pub columns: Vec<String>,
    /// Their values as text, `None` for NULL.
    pub rows: Vec<Vec<Option<String>>>,
    /// There were more.
    pub is_cut_off: bool,
}

impl Reader {
    /// Over a connection that is its own from now on.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self(client)
    }

    /// The date in the session's time zone.
    ///
    /// # Errors
    /// When the server cannot be asked, or its date lies outside of the years -9999 to 9999.
    pub async fn today(&self) -> Result<Date, Refusal> {
        let sql = "SELECT pg_catalog.to_char(CURRENT_DATE, 'YYYY-MM-DD')";
        let row = self
            .0
            .query_one(sql, &[])
            .await
            .map_err(|error| refusal(&error))?;
        let text: &str = row.get(0);
        text.parse().map_err(|_| {
            Refusal::new(
                SqlState::INTERNAL_ERROR,
                format!("the server's date is out of range: {text}"),
            )
        })
    }

    /// Runs a query and reads so many of its rows at most, in no longer than `limit`.
    ///
    /// # Errors
    /// The server's own.
    pub async fn read(
        &self,
        approved: &Approved,
        rows_max: u32,
        limit: Duration,
    ) -> Result<Rows, Refusal> {
        let failed = |error: tokio_postgres::Error| of_approved(&error, approved);
        self.begin(limit).await?;
        self.parse(approved).await.map_err(failed)?;
        let messages = self.0.simple_query_raw(approved.sql()).await;
        let mut messages = pin!(messages.map_err(failed)?);
        let rows_max = usize::try_from(rows_max).unwrap_or(usize::MAX);
        let mut read = Rows::default();
        while let Some(message) = messages.try_next().await.map_err(failed)? {
            match message {
                SimpleQueryMessage::RowDescription(columns) => {
                    let names = columns.iter().map(|column| column.name().to_owned());
                    read.columns = names.collect();
                }
                SimpleQueryMessage::Row(_) if read.rows.len() == rows_max => {
                    read.is_cut_off = true;
                    return Ok(read);
                }
                SimpleQueryMessage::Row(row) => {
                    let values = (0..row.len()).map(|index| row.get(index).map(str::to_owned));
                    read.rows.push(values.collect());
                }
                _ => {}
            }
        }
        Ok(read)
    }

    /// Starts a transaction that can only read, and not for ever.
    async fn begin(&self, limit: Duration) -> Result<(), Refusal> {
        let milliseconds = limit.as_millis().max(1);
        let sql = format!("BEGIN READ ONLY; SET LOCAL statement_timeout = {milliseconds}");
        self.0
            .batch_execute(&sql)
            .await
            .map_err(|error| refusal(&error))
    }

    /// Has the server read the SQL as a statement of the extended protocol.
    ///
    /// The simple protocol, which gives values as text, would run several: this makes sure that there is one,
    /// whatever the guard has overlooked.
    async fn parse(&self, approved: &Approved) -> Result<(), tokio_postgres::Error> {
        self.0.prepare(approved.sql()).await.map(drop)
    }

    /// Plans a query; the connection is out of any transaction again afterwards.
    async fn plan(&self, approved: &Approved) -> Result<ProbeOutcome, Refusal> {
        self.begin(PLAN_TIMEOUT).await?;
        let planned = self.total_cost(approved).await;
        self.0
            .batch_execute("ROLLBACK")
            .await
            .map_err(|error| refusal(&error))?;
        Ok(match planned {
            Ok(Some(cost)) => ProbeOutcome::Planned { cost },
            Ok(None) => ProbeOutcome::Unknown(no_cost()),
            // Out of time is no defect of the query.
            Err(error) if error.code() == Some(&DbState::QUERY_CANCELED) => {
                ProbeOutcome::Unknown(refusal(&error))
            }
            Err(error) => ProbeOutcome::Failed(of_approved(&error, approved)),
        })
    }

    async fn total_cost(&self, approved: &Approved) -> Result<Option<f64>, tokio_postgres::Error> {
        self.parse(approved).await?;
        let explain = format!("EXPLAIN (FORMAT JSON) {}", approved.sql());
        let messages = self.0.simple_query(&explain).await?;
        let plan: String = messages
            .iter()
            .filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => row.get(0),
                _ => None,
            })
            .collect();
        let plan: Option<Value> = serde_json::from_str(&plan).ok();
        Ok(plan.and_then(|plan| plan[0]["Plan"]["Total Cost"].as_f64()))
    }
}

/// The server's error about an approved query, and where in it.
fn of_approved(error: &tokio_postgres::Error, approved: &Approved) -> Refusal {
    let position = match error.as_db_error().and_then(DbError::position) {
        Some(ErrorPosition::Original(position)) => Some(*position),
        _ => None,
    };
    refusal(error).with_internal_query(approved.sql(), position)
}

fn no_cost() -> Refusal {
    Refusal::new(SqlState::INTERNAL_ERROR, "the server's plan tells no cost")
}

impl Probe for Reader {
    async fn probe(&self, _: &Caller, approved: &Approved, _: u16) -> ProbeOutcome {
        self.plan(approved)
            .await
            .unwrap_or_else(ProbeOutcome::Unknown)
    }
}

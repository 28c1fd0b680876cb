//! `pgask ask`: one question from a shell, its rows on standard output.
//!
//! The rooms are put together in this process, without a listener: the directory, the providers, the pipeline and the
//! guard are those that answer a session. The rows are read as the user of the upstream's URL, in a read-only
//! transaction with a time-out.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt;
use jiff::civil::Date;
use serde_json::Value;
use tokio::time::timeout;
use tokio_postgres::error::{DbError, ErrorPosition, SqlState as DbState};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use crate::app::console;
use crate::app::failure::Failure;
use crate::app::rooms;
use crate::app::table::Table;
use crate::ask::answer::Answer;
use crate::ask::notice;
use crate::ask::pipeline::{Asked, Probe, ProbeOutcome};
use crate::ask::session_settings::{SessionSettings, Values};
use crate::config::Settings;
use crate::error::{Refusal, SqlState};
use crate::guard::approved::Approved;
use crate::names::Caller;
use crate::observe::metrics::Metrics;
use crate::pool::endpoint::Endpoint;
use crate::pool::registry::control_config;
use crate::pool::settings::UpstreamSettings;
use crate::schema::control::{reason, refusal};

/// Answers one question over the database of the first upstream's URL, and prints the rows; with `sql_only`, prints
/// the SQL and runs nothing.
///
/// What was understood goes to standard error, so that standard output holds the table alone.
///
/// # Errors
/// When no server can be reached, or the question is refused.
pub async fn ask(settings: &Settings, question: &str, sql_only: bool) -> Result<(), Failure> {
    let upstream = settings
        .upstream
        .first()
        .ok_or_else(|| Failure::new("no server to ask: expected --upstream URL"))?;
    let values = SessionSettings::new(&settings.ask).current().clone();
    let client = connect(&upstream.endpoint(), settings.pool.server_connect_timeout).await?;
    let server = Server(client);
    let answer = answer(settings, upstream, &server, &values, question).await?;
    if sql_only {
        return console::print(&format!("{};\n", answer.approved.sql()));
    }
    if values.notices {
        tell(&notice::of(&answer));
    }
    let (table, cut_off) = server.run(&answer.approved, &values).await?;
    console::print(&table.render())?;
    if cut_off {
        tell(&notice::cut_at(values.max_rows));
    }
    Ok(())
}

async fn connect(endpoint: &Endpoint, limit: Duration) -> Result<Client, Failure> {
    let mut config = control_config(endpoint);
    config
        .dbname(&endpoint.database)
        .application_name("pgask ask");
    let failed = |why: String| Failure::new(format!("cannot connect to {endpoint}: {why}"));
    let (client, connection) = timeout(limit, config.connect(NoTls))
        .await
        .map_err(|_| failed(format!("no answer within {} s", limit.as_secs())))?
        .map_err(|error| failed(reason(&error)))?;
    // It ends when the client is dropped; what ends it earlier is told to the query that waits.
    tokio::spawn(connection);
    Ok(client)
}

/// Puts the rooms that answer together, and asks them.
async fn answer(
    settings: &Settings,
    upstream: &UpstreamSettings,
    server: &Server,
    values: &Values,
    question: &str,
) -> Result<Answer, Failure> {
    let endpoint = upstream.endpoint();
    let control = rooms::control(settings);
    let (pipeline, _) = rooms::asking(settings, &control, &Arc::new(Metrics::new()))?;
    let caller = Caller {
        upstream: upstream.name.as_str().into(),
        database: endpoint.database.as_str().into(),
        role: endpoint.user.as_str().into(),
    };
    let asked = Asked {
        caller: &caller,
        question: question.trim(),
        settings: values,
        today: server.today().await?,
        parameter_count: 0,
        embedded: false,
        turns: &[],
    };
    Ok(pipeline.answer(&asked, server).await?)
}

/// Shows a notice as psql would.
fn tell(notice: &Refusal) {
    let severity = match notice.sqlstate {
        SqlState::WARNING => "WARNING",
        _ => "NOTICE",
    };
    console::say(&format!("{severity}:  {}", notice.message));
    for (name, text) in [("DETAIL", &notice.detail), ("HINT", &notice.hint)] {
        if let Some(text) = text {
            console::say(&format!("{name}:  {text}"));
        }
    }
}

/// The one connection that plans and reads.
struct Server(Client);

/// `statement_timeout` of planning.
const PLAN_TIMEOUT: Duration = Duration::from_secs(2);

impl Server {
    /// The date in the session's time zone.
    async fn today(&self) -> Result<Date, Failure> {
        let sql = "SELECT pg_catalog.to_char(CURRENT_DATE, 'YYYY-MM-DD')";
        let row = self
            .0
            .query_one(sql, &[])
            .await
            .map_err(|error| refusal(&error))?;
        let text: &str = row.get(0);
        text.parse()
            .map_err(|_| Failure::new(format!("the server's date is out of range: {text}")))
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

    /// Runs a query and reads `ask.max_rows` of its rows at most; says whether there were more.
    async fn run(&self, approved: &Approved, values: &Values) -> Result<(Table, bool), Refusal> {
        let failed = |error: tokio_postgres::Error| of_approved(&error, approved);
        self.begin(values.timeout).await?;
        self.parse(approved).await.map_err(failed)?;
        let messages = self.0.simple_query_raw(approved.sql()).await;
        let mut messages = pin!(messages.map_err(failed)?);
        let rows_max = usize::try_from(values.max_rows).unwrap_or(usize::MAX);
        let mut table = Table::default();
        while let Some(message) = messages.try_next().await.map_err(failed)? {
            match message {
                SimpleQueryMessage::RowDescription(columns) => {
                    let names = columns.iter().map(|column| column.name().to_owned());
                    table.columns = names.collect();
                }
                SimpleQueryMessage::Row(_) if table.rows.len() == rows_max => {
                    return Ok((table, true));
                }
                SimpleQueryMessage::Row(row) => {
                    let values = (0..row.len()).map(|index| row.get(index).map(str::to_owned));
                    table.rows.push(values.collect());
                }
                _ => {}
            }
        }
        Ok((table, false))
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

impl Probe for Server {
    async fn probe(&self, _: &Caller, approved: &Approved, _: u16) -> ProbeOutcome {
        self.plan(approved)
            .await
            .unwrap_or_else(ProbeOutcome::Unknown)
    }
}

//! `pgask ask`: one question from a shell, its rows on standard output.
//!
//! The rooms are put together in this process, without a listener: the directory, the providers, the pipeline and the
//! guard are those that answer a session. The rows are read as the user of the upstream's URL, in a read-only
//! transaction with a time-out.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::{Client, NoTls};

use crate::app::console;
use crate::app::failure::Failure;
use crate::app::rooms;
use crate::app::table::Table;
use crate::ask::answer::Answer;
use crate::ask::notice;
use crate::ask::pipeline::Asked;
use crate::ask::session_settings::{SessionSettings, Values};
use crate::config::Settings;
use crate::error::{Refusal, SqlState};
use crate::exec::reader::Reader;
use crate::names::Caller;
use crate::observe::metrics::Metrics;
use crate::pool::endpoint::Endpoint;
use crate::pool::registry::control_config;
use crate::pool::settings::UpstreamSettings;
use crate::schema::control::reason;

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
    let server = Reader::new(client);
    let answer = answer(settings, upstream, &server, &values, question).await?;
    if sql_only {
        return console::print(&format!("{};\n", answer.approved.sql()));
    }
    if values.notices {
        tell(&notice::of(&answer));
    }
    let read = server
        .read(&answer.approved, values.max_rows, values.timeout)
        .await?;
    let table = Table {
        columns: read.columns,
        rows: read.rows,
    };
    console::print(&table.render())?;
    if read.is_cut_off {
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
    server: &Reader,
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

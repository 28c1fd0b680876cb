//! `pgask check`: tries out a configuration that was read without a mistake.
//!
//! One line for each thing that the configuration names. Everything is tried, also after a failure.

use std::time::Duration;

use reqwest::StatusCode;
use serde::Deserialize;
use tokio::time::timeout;
use tokio_postgres::{Client, NoTls};

use crate::access::settings::Method;
use crate::app::console;
use crate::app::failure::Failure;
use crate::app::rooms;
use crate::app::state;
use crate::config::{Loaded, Settings};
use crate::pool::registry::control_config;
use crate::pool::settings::{EVERY_DATABASE, UpstreamSettings};
use crate::schema::catalog;
use crate::schema::control::{ControlClients, reason};
use crate::schema::snapshot::Snapshot;
use crate::synth::openai;
use crate::synth::settings::{ProviderKind, ProviderSettings};

/// Tries everything and prints a line for each.
///
/// # Errors
/// When something failed, after all was tried.
pub async fn check(loaded: &Loaded) -> Result<(), Failure> {
    let settings = &loaded.settings;
    let source = loaded.file.as_deref().map_or_else(
        || "no file: defaults, environment and flags".to_owned(),
        |file| file.display().to_string(),
    );
    let mut report = Report::default();
    report.line("configuration", Ok(source))?;
    let methods = settings
        .auth
        .databases
        .values()
        .map(|database| database.method);
    let needs_verifiers = methods
        .chain([settings.auth.method])
        .any(|method| method == Method::AuthQuery);
    for upstream in &settings.upstream {
        let what = format!("upstream {}", upstream.name);
        let limit = settings.pool.server_connect_timeout;
        report.line(
            &what,
            check_upstream(upstream, needs_verifiers, limit).await,
        )?;
    }
    for provider in &settings.provider {
        let what = format!("provider {}", provider.name);
        report.line(&what, check_provider(provider).await)?;
    }
    if settings.provider.is_empty() {
        report.line("provider builtin", Ok(BUILTIN.to_owned()))?;
    }
    if settings.ask.glossary.is_some() {
        report.line("glossary", check_glossary(settings).await)?;
    }
    report.line("state store", state::check(settings).await)?;
    report.end()
}

/// What there is to say of the built-in engine.
const BUILTIN: &str = "answers in this process, nothing leaves the machine";

/// Reads the glossary, and looks its tables and columns up in the databases that are served by name, and in the one that
/// each upstream's address names.
async fn check_glossary(settings: &Settings) -> Result<String, String> {
    let glossary = rooms::glossary(settings).map_err(|failure| failure.to_string())?;
    let control = rooms::control(settings);
    let mut snapshots = Vec::new();
    for upstream in &settings.upstream {
        let named = upstream
            .databases
            .iter()
            .filter(|name| *name != EVERY_DATABASE);
        let mut databases: Vec<String> = named.cloned().collect();
        if databases.is_empty() {
            databases.push(upstream.endpoint().database);
        }
        for database in databases {
            let client = control.client(&upstream.name, &database).await;
            let mut client = client.map_err(|refusal| refusal.to_string())?;
            let snapshot = catalog::load(&mut client, &settings.schema).await;
            snapshots.push(snapshot.map_err(|refusal| refusal.to_string())?);
        }
    }
    let snapshots: Vec<&Snapshot> = snapshots.iter().collect();
    match &glossary.unknown(&snapshots)[..] {
        [] => Ok(format!("{} entries", glossary.len())),
        unknown => Err(unknown.join("; ")),
    }
}

/// What was tried so far.
#[derive(Default)]
struct Report {
    failed: usize,
}

impl Report {
    fn line(&mut self, what: &str, outcome: Result<String, String>) -> Result<(), Failure> {
        let (mark, found) = match outcome {
            Ok(found) => ("ok    ", found),
            Err(problem) => {
                self.failed += 1;
                ("failed", problem)
            }
        };
        console::print(&format!("{mark}  {what}: {found}\n"))
    }

    fn end(self) -> Result<(), Failure> {
        match self.failed {
            0 => Ok(()),
            1 => Err(Failure::new("1 check failed")),
            failed => Err(Failure::new(format!("{failed} checks failed"))),
        }
    }
}

/// Connects as the service account and says what it finds.
async fn check_upstream(
    upstream: &UpstreamSettings,
    needs_verifiers: bool,
    limit: Duration,
) -> Result<String, String> {
    let endpoint = upstream.endpoint();
    let tried = async {
        let mut config = control_config(&endpoint);
        config.dbname(&endpoint.database);
        let connected = config.connect(NoTls).await;
        let (client, connection) = connected.map_err(|error| reason(&error))?;
        // It ends when the client is dropped; what ends it earlier is told to the query that waits.
        tokio::spawn(connection);
        let found = look_around(&client, upstream)
            .await
            .map_err(|error| reason(&error))?;
        found.judge(needs_verifiers)
    };
    let outcome = timeout(limit, tried).await;
    match outcome.unwrap_or_else(|_| Err(format!("no answer within {} s", limit.as_secs()))) {
        Ok(found) => Ok(format!("{endpoint}: {found}")),
        Err(problem) => Err(format!("{endpoint}: {problem}")),
    }
}

/// What the service account sees of a server.
struct Found {
    version: String,
    login_roles: i64,
    reads_verifiers: bool,
    /// Databases that the configuration names and the server does not have.
    missing: Vec<String>,
}

async fn look_around(
    client: &Client,
    upstream: &UpstreamSettings,
) -> Result<Found, tokio_postgres::Error> {
    let row = client
        .query_one(
            "SELECT pg_catalog.current_setting('server_version'), \
                    (SELECT pg_catalog.count(*) FROM pg_catalog.pg_roles WHERE rolcanlogin), \
                    pg_catalog.has_table_privilege('pg_catalog.pg_authid', 'SELECT') \
                        OR (pg_catalog.has_column_privilege('pg_catalog.pg_authid', 'rolname', 'SELECT') \
                            AND pg_catalog.has_column_privilege('pg_catalog.pg_authid', 'rolpassword', 'SELECT'))",
            &[],
        )
        .await?;
    let listed: Vec<&str> = upstream
        .databases
        .iter()
        .map(String::as_str)
        .filter(|&name| name != EVERY_DATABASE)
        .collect();
    let missing = client
        .query(
            "SELECT name FROM pg_catalog.unnest($1::pg_catalog.text[]) AS name \
             WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname OPERATOR(pg_catalog.=) name)",
            &[&listed],
        )
        .await?;
    Ok(Found {
        version: row.get(0),
        login_roles: row.get(1),
        reads_verifiers: row.get(2),
        missing: missing.iter().map(|row| row.get(0)).collect(),
    })
}

impl Found {
    fn judge(self, needs_verifiers: bool) -> Result<String, String> {
        let Self {
            version,
            login_roles,
            ..
        } = &self;
        let verifiers = if self.reads_verifiers {
            "possible"
        } else {
            "not possible"
        };
        let found = format!(
            "PostgreSQL {version}, {login_roles} roles that can log in, auth_query {verifiers}"
        );
        if !self.missing.is_empty() {
            return Err(format!(
                "{found}; no such database: {}",
                self.missing.join(", ")
            ));
        }
        if needs_verifiers && !self.reads_verifiers {
            return Err(format!(
                "{found}: the service account must be able to read pg_catalog.pg_authid"
            ));
        }
        Ok(found)
    }
}

/// Asks a model's server which models it has; whether this one answers well is nothing that a look can tell.
async fn check_provider(provider: &ProviderSettings) -> Result<String, String> {
    let (ProviderKind::OpenAi, Some(base_url), Some(model)) =
        (provider.kind, &provider.base_url, &provider.model)
    else {
        return Ok(BUILTIN.to_owned());
    };
    let client = openai::client().map_err(|error| reason(&error))?;
    let mut request = client
        .get(format!("{base_url}/models"))
        .timeout(provider.timeout);
    if let Some(key) = &provider.api_key {
        request = request.bearer_auth(key.expose());
    }
    let failed = |error: reqwest::Error| format!("{base_url}: {}", reason(&error.without_url()));
    let response = request.send().await.map_err(failed)?;
    let status = response.status();
    if status == StatusCode::NOT_FOUND || status == StatusCode::METHOD_NOT_ALLOWED {
        return Ok(format!("{base_url}: reached; it does not list its models"));
    }
    if !status.is_success() {
        return Err(format!("{base_url}: answered {status}"));
    }
    let models: Models = response.json().await.map_err(failed)?;
    if models.data.iter().any(|known| known.id == *model) {
        Ok(format!("{base_url}: reached, has the model {model}"))
    } else {
        Err(format!(
            "{base_url}: reached, does not list the model {model}"
        ))
    }
}

/// The reply to `GET /models`.
///
/// # Source
/// OpenAI API reference, "List models".
#[derive(Deserialize)]
struct Models {
    data: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    id: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(reads_verifiers: bool, missing: &[&str]) -> Found {
        Found {
            version: "15.4".to_owned(),
            login_roles: 3,
            reads_verifiers,
            missing: missing.iter().map(|&name| name.to_owned()).collect(),
        }
    }

    #[test]
    fn only_what_is_needed_must_be_possible() {
        assert!(found(true, &[]).judge(true).is_ok());
        assert!(found(false, &[]).judge(false).is_ok());
        assert!(
            found(false, &[])
                .judge(true)
                .unwrap_err()
                .contains("pg_authid")
        );
        assert!(
            found(true, &["shop"])
                .judge(false)
                .unwrap_err()
                .ends_with(": shop")
        );
    }
}

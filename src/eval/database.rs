//! The databases of a suite on a server: made once, and made anew when their SQL has changed.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};
use tokio_postgres::{Client, Config, NoTls};

use crate::error::{Refusal, SqlState};
use crate::schema::control::refusal;
use crate::schema::quote::{identifier, literal};

/// How a database begins to describe itself that was made here. Only such a one is ever dropped.
const MARK: &str = "pgask eval ";

/// Whence a database comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was made just now.
    Made,
    /// It was there, of the same SQL.
    Reused,
    /// It was there, and somebody else made it: it is used as it is.
    Foreign,
}

/// Sees to it that a database is there, of this SQL.
///
/// # Errors
/// When the file cannot be read, or the server refuses: the service account must be able to create databases.
pub async fn prepare(server: &Config, name: &str, sql_path: &Path) -> Result<Origin, Refusal> {
    let sql = fs::read_to_string(sql_path).map_err(|error| {
        Refusal::new(
            SqlState::INTERNAL_ERROR,
            format!("cannot read {}: {error}", sql_path.display()),
        )
    })?;
    let digest = Sha256::digest(sql.as_bytes());
    let mark = digest.iter().fold(MARK.to_owned(), |mut mark, byte| {
        let _ = write!(mark, "{byte:02x}");
        mark
    });
    let admin = connect(server, None).await?;
    match description(&admin, name).await? {
        Some(found) if found == mark => return Ok(Origin::Reused),
        Some(found) if !found.starts_with(MARK) => return Ok(Origin::Foreign),
        Some(_) => run(&admin, &format!("DROP DATABASE {}", identifier(name))).await?,
        None => {}
    }
    run(
        &admin,
        &format!(
            "CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C.UTF-8'",
            identifier(name)
        ),
    )
    .await?;
    // Until it is whole it is one to be dropped.
    describe(&admin, name, MARK).await?;
    let client = connect(server, Some(name)).await?;
    run(&client, &sql).await?;
    run(&client, "ANALYZE").await?;
    describe(&admin, name, &mark).await?;
    Ok(Origin::Made)
}

/// Connects to a database of the server, or to the one that its address names.
///
/// # Errors
/// When there is no connection to be had.
pub async fn connect(server: &Config, database: Option<&str>) -> Result<Client, Refusal> {
    let mut config = server.clone();
    config.application_name("pgask eval");
    if let Some(database) = database {
        config.dbname(database);
    }
    let (client, connection) = config
        .connect(NoTls)
        .await
        .map_err(|error| refusal(&error))?;
    // It ends when the client is dropped; what ends it earlier is told to the query that waits.
    tokio::spawn(connection);
    Ok(client)
}

async fn run(client: &Client, sql: &str) -> Result<(), Refusal> {
    client
        .batch_execute(sql)
        .await
        .map_err(|error| refusal(&error))
}

/// What a database says of itself, nothing when it says nothing; `None` when there is none of this name.
async fn description(admin: &Client, name: &str) -> Result<Option<String>, Refusal> {
    let sql = "SELECT coalesce(pg_catalog.shobj_description(oid, 'pg_database'), '') \
               FROM pg_catalog.pg_database WHERE datname = $1";
    let row = admin
        .query_opt(sql, &[&name])
        .await
        .map_err(|error| refusal(&error))?;
    Ok(row.map(|row| row.get(0)))
}

async fn describe(admin: &Client, name: &str, text: &str) -> Result<(), Refusal> {
    let sql = format!(
        "COMMENT ON DATABASE {} IS {}",
        identifier(name),
        literal(text)
    );
    run(admin, &sql).await
}

//! What PostgreSQL stores of a role's password, read with the service account's rights.

use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::error::{Refusal, SqlState};
use crate::wire::scram::Verifier;

/// Reads the SCRAM verifier of a role; `None` when there is no such role, no password, one that has expired, or one
/// that is not stored for SCRAM-SHA-256.
///
/// # Errors
/// 42501 when the service account may not read `pg_authid`; whatever else the server says.
pub async fn load(client: &Client, role: &str) -> Result<Option<Verifier>, Refusal> {
    let rows = client
        .query_typed(
            "SELECT rolpassword FROM pg_catalog.pg_authid WHERE rolname = $1 \
             AND (rolvaliduntil IS NULL OR rolvaliduntil > pg_catalog.now())",
            &[(&role, Type::TEXT)],
        )
        .await
        .map_err(refusal)?;
    let stored: Option<&str> = rows.first().and_then(|row| row.get(0));
    let verifier = stored.and_then(Verifier::parse);
    if stored.is_some() && verifier.is_none() {
        tracing::warn!(role, "the role's password is not stored for SCRAM-SHA-256");
    }
    Ok(verifier)
}

fn refusal(error: tokio_postgres::Error) -> Refusal {
    match error.as_db_error() {
        Some(server) => Refusal::new(
            SqlState::parse(server.code().code()).unwrap_or(SqlState::INTERNAL_ERROR),
            format!("could not read the role's verifier: {}", server.message()),
        ),
        None => Refusal::new(
            SqlState::CONNECTION_FAILURE,
            format!("could not read the role's verifier: {error}"),
        ),
    }
}

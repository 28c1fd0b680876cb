//! What PostgreSQL stores of a role's password, read with the service account's rights.

use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::error::Refusal;
use crate::schema::control;
use crate::wire::scram::Verifier;

/// Reads the SCRAM verifier of a role; `None` when there is no such role, no password, one that has expired, or one
/// that is not stored for SCRAM-SHA-256.
///
/// # Errors
/// 42501 when the service account may not read `pg_authid`; whatever else the server says.
pub async fn load(client: &Client, role: &str) -> Result<Option<Verifier>, Refusal> {
    let rows = client
        .query_typed(
            // A service account may hold no more of pg_authid than these two columns; the rest is in pg_roles.
            "SELECT a.rolpassword FROM pg_catalog.pg_authid a \
             JOIN pg_catalog.pg_roles r ON r.rolname = a.rolname WHERE a.rolname = $1 \
             AND (r.rolvaliduntil IS NULL OR r.rolvaliduntil > pg_catalog.now())",
            &[(&role, Type::TEXT)],
        )
        .await
        .map_err(|error| control::refusal(&error))?;
    let stored: Option<&str> = rows.first().and_then(|row| row.get(0));
    let verifier = stored.and_then(Verifier::parse);
    if stored.is_some() && verifier.is_none() {
        tracing::warn!(role, "the role's password is not stored for SCRAM-SHA-256");
    }
    Ok(verifier)
}

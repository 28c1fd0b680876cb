//! What PostgreSQL stores of a role's password, read with the service account's rights.

use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::error::Refusal;
use crate::names::raw;
use crate::schema::control;
use crate::wire::scram::Verifier;

/// What is known of a role that wants to log in to a database.
#[derive(Default)]
pub struct Standing {
    /// Its SCRAM verifier; `None` when there is no such role, no password, one that has expired, or one that is not
    /// stored for SCRAM-SHA-256.
    pub verifier: Option<Verifier>,
    /// The server would let the role in, as far as the catalog tells: the role may log in, the database is there and
    /// takes connections, and the role may connect to it.
    pub is_admissible: bool,
}

/// Reads what is known of a role, with the names as [`raw`] holds them.
///
/// # Errors
/// 42501 when the service account may not read `pg_authid`; whatever else the server says.
pub async fn load(client: &Client, role: &str, database: &str) -> Result<Standing, Refusal> {
    let names = [raw::bytes(role), raw::bytes(database)];
    let rows = match names.each_ref().map(|name| std::str::from_utf8(name)) {
        [Ok(role), Ok(database)] => {
            client
                .query_typed(
                    &query("a.rolname = $1", "d.datname = $2"),
                    &[(&role, Type::TEXT), (&database, Type::TEXT)],
                )
                .await
        }
        _ => {
            // Names in no encoding that could be converted are compared byte by byte. Only backslashes have a meaning
            // on the way from text to bytes.
            const BYTES: &str = r"pg_catalog.replace(%::text, E'\\', E'\\\\')::bytea";
            let [role, database] = names.each_ref().map(|name| &**name);
            client
                .query_typed(
                    &query(
                        &format!("{} = $1", BYTES.replace('%', "a.rolname")),
                        &format!("{} = $2", BYTES.replace('%', "d.datname")),
                    ),
                    &[(&role, Type::BYTEA), (&database, Type::BYTEA)],
                )
                .await
        }
    }
    .map_err(|error| control::refusal(&error))?;
    let Some(row) = rows.first() else {
        return Ok(Standing::default());
    };
    let stored: Option<&str> = row.get(0);
    let verifier = stored.and_then(Verifier::parse);
    if stored.is_some() && verifier.is_none() {
        tracing::warn!(
            role = %raw::printable(role),
            "the role's password is not stored for SCRAM-SHA-256"
        );
    }
    Ok(Standing {
        verifier,
        is_admissible: row.get(1),
    })
}

/// A service account may hold no more of pg_authid than two columns, `rolname` and `rolpassword`; the rest is in pg_roles.
fn query(is_role: &str, is_database: &str) -> String {
    format!(
        "SELECT CASE WHEN r.rolvaliduntil IS NULL OR r.rolvaliduntil > pg_catalog.now() \
         THEN a.rolpassword END, \
         COALESCE(r.rolcanlogin AND d.datallowconn \
         AND (r.rolsuper OR r.rolconnlimit <> 0 AND d.datconnlimit <> 0) \
         AND pg_catalog.has_database_privilege(r.oid, d.oid, 'CONNECT'), false) \
         FROM pg_catalog.pg_authid a \
         JOIN pg_catalog.pg_roles r ON r.rolname = a.rolname \
         LEFT JOIN pg_catalog.pg_database d ON {is_database} WHERE {is_role}"
    )
}

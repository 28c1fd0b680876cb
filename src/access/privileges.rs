//! What one role may read and call, and where it looks for unqualified names, as the catalog says.

use std::collections::HashMap;

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use crate::error::{Refusal, SqlState};
use crate::schema::control::refusal;
use crate::schema::snapshot::{Function, Volatility};

/// What one role may read and call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Privileges {
    /// By `pg_class.oid`; a relation that is not here may not be read at all.
    pub relations: HashMap<u32, Readable>,
    /// Functions of which the role may not call all, nor may become a role that may, by schema and name: what is left for
    /// it, if anything.
    pub functions: HashMap<(String, String), Option<Function>>,
    /// Schemas that the role, or one that it may become, may use, unquoted, but for those that begin with `pg_`.
    pub schemas: Vec<String>,
    /// Schemas that exist and that the role may use, in the order of its `search_path`, unquoted, `pg_catalog` left
    /// out.
    pub search_path: Vec<String>,
}

/// How much of a relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readable {
    /// Every column, those still to come included.
    All,
    /// These columns, by `attnum`.
    Columns(Vec<i16>),
}

/// Roles that a role `r` may become by SET ROLE and whose rights it has not before it does: for most there is none. What
/// they may call is what an unqualified name may mean by the time that an ask runs, so that the guard must know of it.
macro_rules! may_become {
    () => {
        r"SELECT b.oid FROM pg_catalog.pg_roles b
          WHERE pg_catalog.pg_has_role(r.oid, b.oid, 'MEMBER')
            AND NOT pg_catalog.pg_has_role(r.oid, b.oid, 'USAGE')"
    };
}

/// The role's `search_path` as written, the schemas it may use, and those that it may after SET ROLE alone.
///
/// Settings of role and database come before those of the role, of the database, and of all roles (PostgreSQL manual,
/// "ALTER ROLE"). Below them is the server's default, which is what the service account's own session would have, had
/// it not its own role setting.
const ROLE: &str = concat!(
    r"
    SELECT coalesce(
        (SELECT pg_catalog.substr(written.setting, pg_catalog.strpos(written.setting, '=') + 1)
         FROM pg_catalog.pg_db_role_setting s,
              LATERAL pg_catalog.unnest(s.setconfig) written (setting)
         WHERE s.setrole IN (0, r.oid)
           AND s.setdatabase IN (0, (SELECT d.oid FROM pg_catalog.pg_database d
                                     WHERE d.datname = pg_catalog.current_database()))
           AND pg_catalog.lower(pg_catalog.split_part(written.setting, '=', 1)) = 'search_path'
         ORDER BY s.setrole <> 0 DESC, s.setdatabase <> 0 DESC
         LIMIT 1),
        (SELECT CASE WHEN EXISTS (
                    SELECT FROM pg_catalog.pg_db_role_setting s
                    JOIN pg_catalog.pg_roles self ON self.oid = s.setrole,
                         LATERAL pg_catalog.unnest(s.setconfig) written (setting)
                    WHERE self.rolname = session_user
                      AND pg_catalog.lower(pg_catalog.split_part(written.setting, '=', 1)) = 'search_path')
                THEN g.boot_val ELSE g.reset_val END
         FROM pg_catalog.pg_settings g WHERE g.name = 'search_path')),
        ARRAY(SELECT n.nspname::pg_catalog.text FROM pg_catalog.pg_namespace n
              WHERE n.nspname !~ '^pg_' AND pg_catalog.has_schema_privilege(r.oid, n.oid, 'USAGE')),
        ARRAY(SELECT n.nspname::pg_catalog.text FROM pg_catalog.pg_namespace n
              WHERE n.nspname !~ '^pg_' AND NOT pg_catalog.has_schema_privilege(r.oid, n.oid, 'USAGE')
                AND EXISTS (SELECT FROM (",
    may_become!(),
    r") other WHERE pg_catalog.has_schema_privilege(other.oid, n.oid, 'USAGE')))
    FROM pg_catalog.pg_roles r
    WHERE r.rolname::pg_catalog.text = $1"
);

/// Relations the role may read: oid, and the attnums when it is not all of them.
const RELATIONS: &str = r"
    SELECT c.oid,
           CASE WHEN NOT p.whole THEN ARRAY(
               SELECT a.attnum FROM pg_catalog.pg_attribute a
               WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                 AND pg_catalog.has_column_privilege(r.oid, c.oid, a.attnum, 'SELECT')
               ORDER BY a.attnum) END
    FROM pg_catalog.pg_roles r
    CROSS JOIN pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL (
        SELECT coalesce(pg_catalog.has_table_privilege(r.oid, c.oid, 'SELECT'), false)) p (whole)
    WHERE r.rolname::pg_catalog.text = $1
      AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
      AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
      AND pg_catalog.has_schema_privilege(r.oid, n.oid, 'USAGE')
      AND (p.whole OR pg_catalog.has_any_column_privilege(r.oid, c.oid, 'SELECT'))";

/// Functions of which the role may not call every one of that schema and name, nor may after SET ROLE: schema, name, and of
/// those that it may call the worst volatility (NULL where there is none) and whether one runs as its owner.
///
/// Where nobody has granted or revoked anything, anybody may call a function, so that few have to be asked about. What an
/// aggregate calls in its turn is its owner's to call.
const FUNCTIONS: &str = concat!(
    r"
    WITH other (oid) AS MATERIALIZED (
        SELECT become.oid FROM pg_catalog.pg_roles r CROSS JOIN LATERAL (",
    may_become!(),
    r") become
        WHERE r.rolname::pg_catalog.text = $1
    ), denied (schema, name) AS MATERIALIZED (
        SELECT DISTINCT p.pronamespace, p.proname
        FROM pg_catalog.pg_roles r CROSS JOIN pg_catalog.pg_proc p
        WHERE r.rolname::pg_catalog.text = $1 AND p.prokind <> 'p'
          AND (p.proacl IS NOT NULL AND NOT pg_catalog.has_function_privilege(r.oid, p.oid, 'EXECUTE')
               OR p.oid >= 16384 AND NOT pg_catalog.has_schema_privilege(r.oid, p.pronamespace, 'USAGE'))
          AND NOT EXISTS (SELECT FROM other o
                          WHERE pg_catalog.has_schema_privilege(o.oid, p.pronamespace, 'USAGE')
                            AND pg_catalog.has_function_privilege(o.oid, p.oid, 'EXECUTE')))
    SELECT n.nspname, p.proname,
           pg_catalog.max(greatest(p.provolatile::pg_catalog.text, w.volatility)) FILTER (WHERE m.may),
           coalesce(pg_catalog.bool_or(p.prosecdef OR coalesce(w.as_owner, false)) FILTER (WHERE m.may), false)
    FROM pg_catalog.pg_roles r
    CROSS JOIN denied d
    JOIN pg_catalog.pg_namespace n ON n.oid = d.schema
    JOIN pg_catalog.pg_proc p ON p.pronamespace = d.schema AND p.proname = d.name AND p.prokind <> 'p'
    CROSS JOIN LATERAL (
        SELECT pg_catalog.has_schema_privilege(r.oid, n.oid, 'USAGE')
           AND pg_catalog.has_function_privilege(r.oid, p.oid, 'EXECUTE')
            OR EXISTS (SELECT FROM other o
                       WHERE pg_catalog.has_schema_privilege(o.oid, n.oid, 'USAGE')
                         AND pg_catalog.has_function_privilege(o.oid, p.oid, 'EXECUTE'))) m (may)
    LEFT JOIN LATERAL (
        SELECT pg_catalog.max(f.provolatile::pg_catalog.text) AS volatility,
               pg_catalog.bool_or(f.prosecdef) AS as_owner
        FROM pg_catalog.pg_aggregate g
        JOIN pg_catalog.pg_proc f ON f.oid IN
            (g.aggtransfn, g.aggfinalfn, g.aggcombinefn, g.aggmtransfn, g.aggminvtransfn, g.aggmfinalfn)
        WHERE g.aggfnoid = p.oid AND p.oid >= 16384
    ) w ON true
    WHERE r.rolname::pg_catalog.text = $1
    GROUP BY 1, 2"
);

/// Reads what a role may read and call in the database that `client` is connected to.
///
/// # Errors
/// `42704` when there is no such role, `08006` when the connection is lost, the server's own SQLSTATE otherwise.
pub async fn load(client: &Client, role: &str) -> Result<Privileges, Refusal> {
    let parameters: [(&(dyn ToSql + Sync), Type); 1] = [(&role, Type::TEXT)];
    let (roles, relations, functions) = tokio::try_join!(
        client.query_typed(ROLE, &parameters),
        client.query_typed(RELATIONS, &parameters),
        client.query_typed(FUNCTIONS, &parameters),
    )
    .map_err(|error| refusal(&error))?;
    let Some(found) = roles.first() else {
        return Err(Refusal::new(
            SqlState::UNDEFINED_OBJECT,
            format!("role \"{role}\" does not exist"),
        ));
    };
    privileges_of(role, found, &relations, &functions).map_err(|error| refusal(&error))
}

/// Whether a role is a superuser; one that does not exist is none.
///
/// # Errors
/// `08006` when the connection is lost, the server's own SQLSTATE otherwise.
pub async fn is_superuser(client: &Client, role: &str) -> Result<bool, Refusal> {
    let sql = "SELECT r.rolsuper FROM pg_catalog.pg_roles r WHERE r.rolname::pg_catalog.text = $1";
    let parameters: [(&(dyn ToSql + Sync), Type); 1] = [(&role, Type::TEXT)];
    let rows = client.query_typed(sql, &parameters).await;
    let rows = rows.map_err(|error| refusal(&error))?;
    let Some(row) = rows.first() else {
        return Ok(false);
    };
    row.try_get(0).map_err(|error| refusal(&error))
}

fn privileges_of(
    role: &str,
    found: &Row,
    relations: &[Row],
    functions: &[Row],
) -> Result<Privileges, tokio_postgres::Error> {
    let written: Option<&str> = found.try_get(0)?;
    let usable: Vec<String> = found.try_get(1)?;
    let search_path = resolve(written.unwrap_or_default(), role, &usable);
    let after_set_role: Vec<String> = found.try_get(2)?;
    let mut privileges = Privileges {
        relations: HashMap::with_capacity(relations.len()),
        functions: HashMap::with_capacity(functions.len()),
        search_path,
        schemas: [usable, after_set_role].concat(),
    };
    for row in relations {
        let readable = match row.try_get(1)? {
            None => Readable::All,
            Some(attnums) => Readable::Columns(attnums),
        };
        privileges.relations.insert(row.try_get(0)?, readable);
    }
    for row in functions {
        let schema: String = row.try_get(0)?;
        let volatility: Option<&str> = row.try_get(2)?;
        let security_definer = row.try_get(3)?;
        let left = volatility.map(|letter| Function {
            schema: schema.clone(),
            volatility: Volatility::of_catalog(letter),
            security_definer,
        });
        privileges.functions.insert((schema, row.try_get(1)?), left);
    }
    Ok(privileges)
}

/// Turns a `search_path` as written into the schemas that are looked at.
fn resolve(written: &str, role: &str, usable: &[String]) -> Vec<String> {
    let mut path: Vec<String> = Vec::new();
    for name in identifiers(written) {
        let name = if name == "$user" {
            role.to_owned()
        } else {
            name
        };
        if usable.contains(&name) && !path.contains(&name) {
            path.push(name);
        }
    }
    path
}

/// Splits a list of identifiers: quoted ones as they are, `""` within for one `"`, others folded to lower case.
fn identifiers(list: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut name = String::new();
    let mut quoted = false;
    let mut chars = list.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                name.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => names.push(std::mem::take(&mut name)),
            c if quoted => name.push(c),
            c if c.is_whitespace() => {}
            c => name.extend(c.to_lowercase()),
        }
    }
    names.push(name);
    names.retain(|name| !name.is_empty());
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(written: &str, expect: &[&str]) {
        let usable = ["public", "alice", "Odd, \"one\"", "hr"].map(str::to_owned);
        assert_eq!(resolve(written, "alice", &usable), expect, "{written}");
    }

    #[test]
    fn a_search_path_is_read_as_postgres_reads_it() {
        check("\"$user\", public", &["alice", "public"]);
        check("$user,public", &["alice", "public"]);
        check("HR , Public", &["hr", "public"]);
        check("\"HR\", public", &["public"]);
        check("\"Odd, \"\"one\"\"\", hr, hr", &["Odd, \"one\"", "hr"]);
        check("pg_catalog, missing", &[]);
        check("", &[]);
        check("\"\"", &[]);
    }
}

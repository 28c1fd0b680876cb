//! Reads from the catalog what [`super::keepers`] decides on. Nothing of a user's is executed or planned.

use tokio_postgres::{Client, IsolationLevel, Row, Transaction};

use super::keepers::{self, Call, Code, Keepers, Kind};
use super::queries;
use super::state_words::{Kept, kept_by};

/// A longer body is not read: its function counts as a keeper.
const SOURCE_BYTES_MAX: usize = 256 * 1024;

/// Bodies are read up to so many bytes in sum, the shortest first.
const SOURCES_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A parse tree is many times the length of the text it stands for.
const TREE_BYTES_MAX: usize = 32 * SOURCE_BYTES_MAX;

/// The first version with bodies that are kept as parse trees.
const SQL_BODIES_SINCE: i32 = 140_000;

/// Reads a database's keepers.
///
/// # Errors
/// When the connection is lost or the server refuses.
pub(in crate::schema) async fn load(client: &mut Client) -> Result<Keepers, tokio_postgres::Error> {
    let transaction = client
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .await?;
    transaction.batch_execute(queries::SETTINGS).await?;
    let codes = codes(&transaction).await?;
    let mut calls = direct_calls(&transaction).await?;
    if !calls.is_empty() || codes.iter().any(Code::is_keeper) {
        let rows = transaction.query_typed(CALLS, &[]).await?;
        for row in &rows {
            calls.push(call_of(row)?);
        }
    }
    transaction.commit().await?;
    Ok(keepers::find(&codes, &calls))
}

async fn codes(transaction: &Transaction<'_>) -> Result<Vec<Code>, tokio_postgres::Error> {
    let version: i32 = transaction
        .query_typed_one(
            "SELECT pg_catalog.current_setting('server_version_num')::pg_catalog.int4",
            &[],
        )
        .await?
        .try_get(0)?;
    let rows = transaction
        .query_typed(&functions(version >= SQL_BODIES_SINCE), &[])
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Code {
                oid: row.try_get(0)?,
                name: row.try_get(1)?,
                language: row.try_get(2)?,
                source: row.try_get(3)?,
                is_volatile: row.try_get(4)?,
                extension: row.try_get(5)?,
            })
        })
        .collect()
}

/// Relations and domains that call one of the server's own functions that keep state, which no dependency tells of.
async fn direct_calls(transaction: &Transaction<'_>) -> Result<Vec<Call>, tokio_postgres::Error> {
    let (mut any, mut no_sequence) = (Vec::new(), Vec::new());
    for row in transaction.query_typed(SERVER_FUNCTIONS, &[]).await? {
        let (oid, name): (u32, &str) = (row.try_get(0)?, row.try_get(1)?);
        let kept = kept_by(name.as_bytes());
        any.extend(kept.map(|_| oid.to_string()));
        no_sequence.extend(
            kept.filter(|kept| *kept != Kept::Sequence)
                .map(|_| oid.to_string()),
        );
    }
    let (any, no_sequence) = (any.join("|"), no_sequence.join("|"));
    let rows = transaction
        .query_typed(&direct(&any, &no_sequence), &[])
        .await?;
    rows.iter().map(call_of).collect()
}

fn call_of(row: &Row) -> Result<Call, tokio_postgres::Error> {
    let kind = |letter: &str| match letter {
        "f" => Kind::Function,
        "r" => Kind::Relation,
        "d" => Kind::Domain,
        "e" => Kind::EventTrigger,
        "s" => Kind::Server,
        _ => Kind::Nameless,
    };
    Ok(Call {
        caller: (kind(row.try_get(0)?), row.try_get(1)?),
        caller_name: row.try_get(2)?,
        called: (kind(row.try_get(3)?), row.try_get(4)?),
    })
}

/// Functions that did not come with the server: oid, name, language, body, whether it is volatile, and its extension.
/// Those in C have no body to read.
fn functions(has_sql_bodies: bool) -> String {
    let (sql_body, sql_body_bytes) = if has_sql_bodies {
        (
            "pg_catalog.pg_get_function_sqlbody(s.oid)",
            "pg_catalog.octet_length(p.prosqlbody::pg_catalog.text)",
        )
    } else {
        ("NULL", "NULL::pg_catalog.int4")
    };
    format!(
        r"
    SELECT s.oid, s.proname, s.lanname,
           CASE WHEN s.lanname NOT IN ('c', 'internal')
                 AND s.source_bytes <= {SOURCE_BYTES_MAX}
                 AND coalesce(s.tree_bytes, 0) <= {TREE_BYTES_MAX}
                 AND s.source_bytes_so_far <= {SOURCES_BYTES_MAX}
                THEN coalesce({sql_body}, s.prosrc) END,
           s.provolatile = 'v',
           (SELECT e.extname::pg_catalog.text
            FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
            WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = s.oid
              AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.deptype = 'e'
            LIMIT 1)
    FROM (SELECT p.oid, p.proname, l.lanname, p.prosrc, p.provolatile,
                 pg_catalog.octet_length(p.prosrc) AS source_bytes,
                 {sql_body_bytes} AS tree_bytes,
                 pg_catalog.sum(pg_catalog.octet_length(p.prosrc))
                     OVER (ORDER BY pg_catalog.octet_length(p.prosrc), p.oid) AS source_bytes_so_far
          FROM pg_catalog.pg_proc p
          JOIN pg_catalog.pg_language l ON l.oid = p.prolang
          WHERE p.oid >= 16384) s"
    )
}

/// The server's own functions that do anything at all.
const SERVER_FUNCTIONS: &str = r"
    SELECT p.oid, p.proname FROM pg_catalog.pg_proc p WHERE p.oid < 16384 AND p.provolatile = 'v'";

/// As [`CALLS`], of these functions of the server's own, whose oids are joined by `|`. A default that takes the next
/// number of a sequence is what every serial column has, and no reason to keep its table's users apart.
fn direct(any: &str, no_sequence: &str) -> String {
    format!(
        r"
    SELECT 'r', w.ev_class, c.relname::pg_catalog.text, 's', 0::pg_catalog.oid
    FROM pg_catalog.pg_rewrite w JOIN pg_catalog.pg_class c ON c.oid = w.ev_class
    WHERE w.ev_class >= 16384 AND w.ev_action::pg_catalog.text ~ ':funcid ({any}) '
    UNION ALL
    SELECT 'r', a.adrelid, c.relname::pg_catalog.text, 's', 0::pg_catalog.oid
    FROM pg_catalog.pg_attrdef a JOIN pg_catalog.pg_class c ON c.oid = a.adrelid
    WHERE a.adbin::pg_catalog.text ~ ':funcid ({no_sequence}) '
    UNION ALL
    SELECT 'r', p.polrelid, c.relname::pg_catalog.text, 's', 0::pg_catalog.oid
    FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_class c ON c.oid = p.polrelid
    WHERE pg_catalog.concat(p.polqual::pg_catalog.text, p.polwithcheck::pg_catalog.text) ~ ':funcid ({any}) '
    UNION ALL
    SELECT CASE WHEN c.oid IS NULL THEN 'd' ELSE 'r' END, coalesce(c.oid, k.contypid),
           coalesce(c.relname, y.typname)::pg_catalog.text, 's', 0::pg_catalog.oid
    FROM pg_catalog.pg_constraint k
    LEFT JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
    LEFT JOIN pg_catalog.pg_type y ON y.oid = k.contypid
    WHERE k.contype = 'c' AND k.oid >= 16384 AND k.conbin::pg_catalog.text ~ ':funcid ({any}) '"
    )
}

/// What may run what: kind, oid and name of the caller, kind and oid of the called.
///
/// Views and rules, triggers, defaults, checks, policies and expression indexes count as their relation, a domain's
/// checks as the domain. A foreign key that acts on its own table runs that one's triggers when the table it refers to
/// changes, and so does a parent in an inheritance tree those of its children.
const CALLS: &str = r"
    WITH dependency (kind, oid, refclassid, refobjid) AS (
        SELECT 'r', w.ev_class, d.refclassid, d.refobjid
        FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_rewrite w ON w.oid = d.objid
        WHERE d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
        UNION ALL
        SELECT 'r', t.tgrelid, d.refclassid, d.refobjid
        FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_trigger t ON t.oid = d.objid
        WHERE d.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass
        UNION ALL
        SELECT 'r', a.adrelid, d.refclassid, d.refobjid
        FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_attrdef a ON a.oid = d.objid
        WHERE d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass
          AND d.refclassid <> 'pg_catalog.pg_class'::pg_catalog.regclass
        UNION ALL
        SELECT CASE WHEN k.conrelid <> 0 THEN 'r' ELSE 'd' END,
               CASE WHEN k.conrelid <> 0 THEN k.conrelid ELSE k.contypid END, d.refclassid, d.refobjid
        FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_constraint k ON k.oid = d.objid
        WHERE d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass
          AND k.contype <> 'f'
        UNION ALL
        SELECT 'r', p.polrelid, d.refclassid, d.refobjid
        FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_policy p ON p.oid = d.objid
        WHERE d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass
        UNION ALL
        SELECT 'r', coalesce(x.indrelid, d.objid), d.refclassid, d.refobjid
        FROM pg_catalog.pg_depend d LEFT JOIN pg_catalog.pg_index x ON x.indexrelid = d.objid
        WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
          AND d.refclassid <> 'pg_catalog.pg_class'::pg_catalog.regclass
        UNION ALL
        SELECT CASE d.classid WHEN 'pg_catalog.pg_proc'::pg_catalog.regclass THEN 'f'
                              WHEN 'pg_catalog.pg_type'::pg_catalog.regclass THEN 'd'
                              WHEN 'pg_catalog.pg_event_trigger'::pg_catalog.regclass THEN 'e'
                              ELSE 'o' END,
               d.objid, d.refclassid, d.refobjid
        FROM pg_catalog.pg_depend d
        WHERE d.classid IN ('pg_catalog.pg_proc'::pg_catalog.regclass,
                            'pg_catalog.pg_event_trigger'::pg_catalog.regclass,
                            'pg_catalog.pg_operator'::pg_catalog.regclass,
                            'pg_catalog.pg_cast'::pg_catalog.regclass)
           OR (d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass
               AND EXISTS (SELECT FROM pg_catalog.pg_type y WHERE y.oid = d.objid AND y.typtype = 'd'))
    ), call (kind, oid, called_kind, called) AS (
        SELECT d.kind, d.oid,
               CASE d.refclassid WHEN 'pg_catalog.pg_proc'::pg_catalog.regclass THEN 'f'
                                 WHEN 'pg_catalog.pg_class'::pg_catalog.regclass THEN 'r'
                                 WHEN 'pg_catalog.pg_type'::pg_catalog.regclass THEN 'd'
                                 ELSE 'o' END,
               d.refobjid
        FROM dependency d
        WHERE d.refobjid >= 16384
          AND d.refclassid IN ('pg_catalog.pg_proc'::pg_catalog.regclass,
                               'pg_catalog.pg_class'::pg_catalog.regclass,
                               'pg_catalog.pg_type'::pg_catalog.regclass,
                               'pg_catalog.pg_operator'::pg_catalog.regclass)
        UNION
        SELECT 'r', k.confrelid, 'r', k.conrelid
        FROM pg_catalog.pg_constraint k
        WHERE k.contype = 'f' AND (k.confdeltype IN ('c', 'n', 'd') OR k.confupdtype IN ('c', 'n', 'd'))
        UNION
        SELECT 'r', i.inhparent, 'r', i.inhrelid FROM pg_catalog.pg_inherits i
    )
    SELECT c.kind, c.oid, coalesce(r.relname, y.typname, '')::pg_catalog.text, c.called_kind, c.called
    FROM call c
    LEFT JOIN pg_catalog.pg_class r ON c.kind = 'r' AND r.oid = c.oid
    LEFT JOIN pg_catalog.pg_type y ON c.kind = 'd' AND y.oid = c.oid
    WHERE (c.kind, c.oid) <> (c.called_kind, c.called)";

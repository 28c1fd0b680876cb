//! The catalog queries, for PostgreSQL 12 and later.
//!
//! Every function, relation and type is written with `pg_catalog`, and the transaction they run in sets
//! `search_path` as well, because operators are not qualified: nothing that a user created can stand in for them.

/// Relations a snapshot holds at most. The largest schemas seen in the field (one schema per tenant) reach this
/// order; beyond it a question cannot be meant.
pub(in crate::schema) const RELATIONS_MAX: usize = 20_000;

/// Columns a snapshot holds at most.
pub(in crate::schema) const COLUMNS_MAX: usize = 300_000;

/// Characters of a value kept at most: longer ones are prose, and nobody types them into a question.
pub(in crate::schema) const VALUE_CHARS_MAX: usize = 100;

/// Common values, and histogram bounds, kept of a text or enum column at most: `default_statistics_target`.
pub(in crate::schema) const TEXT_VALUES_MAX: usize = 100;

/// The same of every other column, where they only serve to show what values look like.
pub(in crate::schema) const OTHER_VALUES_MAX: usize = 12;

/// What the load's transaction says first: names and text forms must not depend on whose connection it is.
pub(in crate::schema) const SETTINGS: &str = "SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL datestyle = 'ISO, YMD'; \
     SET LOCAL timezone = 'UTC'";

/// Which rows of `pg_class c` joined with `pg_namespace n` are the user's relations. Names that begin with `pg_` are
/// reserved for the system, temporary schemas included.
const USER_RELATIONS: &str = r"c.relkind IN ('r', 'p', 'v', 'm', 'f')
      AND NOT c.relispartition
      AND n.nspname <> 'information_schema'
      AND n.nspname !~ '^pg_'";

/// Relations: oid, schema, name, kind, comment, row estimate, row security, readable by the service account, schema and
/// name of the largest partition.
///
/// A partitioned table's estimate is the sum over its leaves: before version 14 it has none of its own, later only
/// when it was analysed by hand. Its largest partition is named, because the statistics of that one stand in for its own
/// where there are none: autovacuum never makes them.
pub(in crate::schema) fn relations() -> String {
    format!(
        r"
    WITH RECURSIVE part (root, oid) AS (
        SELECT c.oid, c.oid FROM pg_catalog.pg_class c WHERE c.relkind = 'p' AND NOT c.relispartition
        UNION ALL
        SELECT p.root, i.inhrelid FROM part p JOIN pg_catalog.pg_inherits i ON i.inhparent = p.oid
    ), leaves (root, row_count) AS (
        SELECT p.root, pg_catalog.sum(c.reltuples)::pg_catalog.float8
        FROM part p JOIN pg_catalog.pg_class c ON c.oid = p.oid
        WHERE c.relkind <> 'p' AND c.reltuples >= 0 AND (c.reltuples > 0 OR c.relpages > 0)
        GROUP BY p.root
    ), largest (root, nspname, relname) AS (
        SELECT DISTINCT ON (p.root) p.root, n.nspname, c.relname
        FROM part p JOIN pg_catalog.pg_class c ON c.oid = p.oid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'r' AND c.reltuples > 0 AND NOT c.relrowsecurity
        ORDER BY p.root, c.reltuples DESC
    )
    SELECT c.oid, n.nspname, c.relname, c.relkind::pg_catalog.text, d.description,
           CASE WHEN c.relkind = 'p' THEN l.row_count
                WHEN c.reltuples > 0 OR (c.reltuples = 0 AND c.relpages > 0)
                THEN c.reltuples::pg_catalog.float8 END,
           c.relrowsecurity,
           coalesce(pg_catalog.has_schema_privilege(n.oid, 'USAGE')
               AND pg_catalog.has_table_privilege(c.oid, 'SELECT'), false),
           g.nspname, g.relname
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN leaves l ON l.root = c.oid
    LEFT JOIN largest g ON g.root = c.oid
    LEFT JOIN pg_catalog.pg_description d
           ON d.objoid = c.oid AND d.objsubid = 0
          AND d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
    WHERE {USER_RELATIONS}
    ORDER BY n.nspname, c.relname
    LIMIT {RELATIONS_MAX}"
    )
}

/// Columns: relation, attnum, name, type as written, base type's name, kind and category, NOT NULL, comment, enum
/// labels. Domains are followed to the type below them.
pub(in crate::schema) fn columns() -> String {
    format!(
        r"
    WITH RECURSIVE base (domain, oid, not_null) AS (
        SELECT t.oid, t.typbasetype, t.typnotnull FROM pg_catalog.pg_type t WHERE t.typtype = 'd'
        UNION ALL
        SELECT b.domain, t.typbasetype, b.not_null OR t.typnotnull
        FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.oid AND t.typtype = 'd'
    ), resolved (domain, oid, not_null) AS (
        SELECT b.domain, b.oid, b.not_null
        FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.oid AND t.typtype <> 'd'
    )
    SELECT a.attrelid, a.attnum, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod),
           t.typname, t.typtype::pg_catalog.text, t.typcategory::pg_catalog.text,
           a.attnotnull OR coalesce(r.not_null, false), d.description,
           CASE WHEN t.typtype = 'e' THEN ARRAY(
               SELECT e.enumlabel::pg_catalog.text FROM pg_catalog.pg_enum e
               WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder) END
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN resolved r ON r.domain = a.atttypid
    JOIN pg_catalog.pg_type t ON t.oid = coalesce(r.oid, a.atttypid)
    LEFT JOIN pg_catalog.pg_description d
           ON d.objoid = c.oid AND d.objsubid = a.attnum
          AND d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
    WHERE {USER_RELATIONS}
    ORDER BY n.nspname, c.relname, a.attnum
    LIMIT {COLUMNS_MAX}"
    )
}

/// Primary and unique keys over plain columns: relation, primary, attnums. Partial indexes and columns that are
/// only INCLUDEd prove nothing about uniqueness.
pub(in crate::schema) const KEYS: &str = r"
    SELECT x.indrelid, x.indisprimary,
           (x.indkey::pg_catalog.int2[])[0:x.indnkeyatts - 1]
    FROM pg_catalog.pg_index x
    WHERE x.indisunique AND x.indisvalid AND x.indpred IS NULL AND x.indexprs IS NULL
      AND x.indrelid >= 16384
    ORDER BY x.indrelid, x.indexrelid";

/// Foreign keys: name, referencing relation and attnums, referenced relation and attnums. The copies that
/// PostgreSQL makes for partitions have a parent.
pub(in crate::schema) const FOREIGN_KEYS: &str = r"
    SELECT k.conname, k.conrelid, k.conkey, k.confrelid, k.confkey
    FROM pg_catalog.pg_constraint k
    WHERE k.contype = 'f' AND k.conparentid = 0
    ORDER BY k.conrelid, k.conname";

/// Functions: schema, name, worst volatility, whether one runs as its owner. Procedures cannot be called from a
/// query. An aggregate calls itself immutable whatever its transition and final functions are, so those count.
pub(in crate::schema) const FUNCTIONS: &str = r"
    SELECT n.nspname, p.proname,
           pg_catalog.max(greatest(p.provolatile::pg_catalog.text, w.volatility)),
           pg_catalog.bool_or(p.prosecdef OR coalesce(w.as_owner, false))
    FROM pg_catalog.pg_proc p
    JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    LEFT JOIN LATERAL (
        SELECT pg_catalog.max(f.provolatile::pg_catalog.text) AS volatility,
               pg_catalog.bool_or(f.prosecdef) AS as_owner
        FROM pg_catalog.pg_aggregate g
        JOIN pg_catalog.pg_proc f ON f.oid IN
            (g.aggtransfn, g.aggfinalfn, g.aggcombinefn, g.aggmtransfn, g.aggminvtransfn, g.aggmfinalfn)
        WHERE g.aggfnoid = p.oid AND p.oid >= 16384
    ) w ON true
    WHERE p.prokind <> 'p'
    GROUP BY 1, 2";

/// Operators that are not PostgreSQL's own: symbol, schema, name of the function, its worst volatility, whether one runs
/// as its owner.
pub(in crate::schema) const OPERATORS: &str = r"
    SELECT o.oprname, n.nspname, p.proname,
           pg_catalog.max(p.provolatile::pg_catalog.text), pg_catalog.bool_or(p.prosecdef)
    FROM pg_catalog.pg_operator o
    JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
    JOIN pg_catalog.pg_proc p ON p.oid = o.oprcode
    WHERE o.oid >= 16384
    GROUP BY 1, 2, 3
    ORDER BY 1, 2, 3";

/// What views call: view, schema and name of each volatile function that reading it runs, through views below it too.
///
/// `pg_depend` knows nothing of PostgreSQL's own functions, so they are read off the rules' parse trees: the fields of
/// FuncExpr, OpExpr, Aggref and WindowFunc, and RangeTblEntry's for the relations below.
pub(in crate::schema) const VIEW_CALLS: &str = r"
    WITH RECURSIVE view (oid, action) AS MATERIALIZED (
        SELECT w.ev_class, w.ev_action::pg_catalog.text
        FROM pg_catalog.pg_rewrite w JOIN pg_catalog.pg_class c ON c.oid = w.ev_class
        WHERE c.relkind = 'v' AND w.ev_type = '1' AND c.oid >= 16384
    ), call (view, function) AS MATERIALIZED (
        SELECT DISTINCT v.oid, m[1]::pg_catalog.oid
        FROM view v, pg_catalog.regexp_matches(v.action, ':(?:funcid|opfuncid|aggfnoid|winfnoid) (\d+)', 'g') m
    ), below (view, relation) AS MATERIALIZED (
        SELECT DISTINCT v.oid, m[1]::pg_catalog.oid
        FROM view v, pg_catalog.regexp_matches(v.action, ':relid (\d+)', 'g') m
    ), reach (view, relation) AS (
        SELECT v.oid, v.oid FROM view v
        UNION
        SELECT r.view, b.relation FROM reach r JOIN below b ON b.view = r.relation
    )
    SELECT DISTINCT r.view, n.nspname, p.proname
    FROM reach r
    JOIN call k ON k.view = r.relation
    JOIN pg_catalog.pg_proc p ON p.oid = k.function
    JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    LEFT JOIN pg_catalog.pg_aggregate g ON g.aggfnoid = p.oid
    WHERE p.provolatile = 'v' OR EXISTS (
        SELECT FROM pg_catalog.pg_proc f
        WHERE f.provolatile = 'v' AND f.oid >= 16384
          AND f.oid IN (g.aggtransfn, g.aggfinalfn, g.aggcombinefn, g.aggmtransfn, g.aggminvtransfn, g.aggmfinalfn))
    ORDER BY 1, 2, 3";

/// Statistics: schema, relation, column, over its heirs, share of NULLs, distinct values, common values, histogram
/// bounds.
///
/// Joined by name to what is known already here and not there: the planner has no idea of how many rows `pg_stats`
/// yields, and a nested loop over it takes minutes where there are thousands of relations. Histograms longer than what
/// is kept are thinned evenly, both ends included, because the lowest bounds alone would say nothing of the rest.
pub(in crate::schema) fn statistics() -> String {
    format!(
        r"
    SELECT s.schemaname, s.tablename, s.attname, s.inherited, s.null_frac, s.n_distinct,
           ARRAY(
               SELECT u.v
               FROM pg_catalog.unnest(s.most_common_vals::pg_catalog.text::pg_catalog.text[])
                    WITH ORDINALITY u (v, i)
               WHERE pg_catalog.length(u.v) <= {VALUE_CHARS_MAX}
               ORDER BY u.i LIMIT {TEXT_VALUES_MAX}),
           ARRAY(
               SELECT u.v
               FROM pg_catalog.unnest(s.histogram_bounds::pg_catalog.text::pg_catalog.text[])
                    WITH ORDINALITY u (v, i)
               WHERE pg_catalog.length(u.v) <= {VALUE_CHARS_MAX}
                 AND (u.i - 1) * ({TEXT_VALUES_MAX} - 1)
                   % greatest(pg_catalog.array_length(s.histogram_bounds, 1) - 1, 1) < {TEXT_VALUES_MAX} - 1
               ORDER BY u.i LIMIT {TEXT_VALUES_MAX})
    FROM pg_catalog.pg_stats s
    WHERE s.schemaname <> 'information_schema' AND s.schemaname !~ '^pg_'"
    )
}

/// The mark: one text that differs whenever the structure of the database has changed.
///
/// Row versions (`xmin`) tell every change of a catalog row but those that VACUUM and ANALYZE make in place, which is
/// just what is wanted. Temporary tables come and go all day and are left out.
pub(in crate::schema) const MARK: &str = r"
    SELECT pg_catalog.concat_ws(':',
        (SELECT pg_catalog.concat(pg_catalog.count(*), '/',
                pg_catalog.sum(pg_catalog.hashtextextended(pg_catalog.concat(c.oid, ',', c.xmin), 0)))
         FROM pg_catalog.pg_class c
         WHERE c.oid >= 16384 AND c.relpersistence <> 't' AND c.relkind IN ('r', 'p', 'v', 'm', 'f')),
        (SELECT pg_catalog.concat(pg_catalog.count(*), '/',
                pg_catalog.sum(pg_catalog.hashtextextended(pg_catalog.concat(a.attrelid, ',', a.attnum, ',', a.xmin), 0)))
         FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
         WHERE c.oid >= 16384 AND c.relpersistence <> 't' AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
           AND a.attnum > 0),
        (SELECT pg_catalog.concat(pg_catalog.count(*), '/',
                pg_catalog.sum(pg_catalog.hashtextextended(pg_catalog.concat(w.oid, ',', w.xmin), 0)))
         FROM pg_catalog.pg_rewrite w JOIN pg_catalog.pg_class c ON c.oid = w.ev_class
         WHERE w.oid >= 16384 AND c.relpersistence <> 't'),
        (SELECT pg_catalog.concat(pg_catalog.count(*), '/',
                pg_catalog.sum(pg_catalog.hashtextextended(pg_catalog.concat(k.oid, ',', k.xmin), 0)))
         FROM pg_catalog.pg_constraint k WHERE k.oid >= 16384 AND k.contype IN ('p', 'u', 'f')),
        (SELECT pg_catalog.concat(pg_catalog.count(*), '/',
                pg_catalog.sum(pg_catalog.hashtextextended(pg_catalog.concat(p.oid, ',', p.xmin), 0)))
         FROM pg_catalog.pg_proc p WHERE p.oid >= 16384),
        (SELECT pg_catalog.concat(pg_catalog.count(*), '/',
                pg_catalog.sum(pg_catalog.hashtextextended(pg_catalog.concat(o.oid, ',', o.xmin), 0)))
         FROM pg_catalog.pg_operator o WHERE o.oid >= 16384),
        (SELECT pg_catalog.concat(pg_catalog.count(*), '/',
                pg_catalog.sum(pg_catalog.hashtextextended(pg_catalog.concat(t.oid, ',', t.xmin), 0)))
         FROM pg_catalog.pg_type t WHERE t.oid >= 16384 AND t.typtype IN ('d', 'e')),
        (SELECT pg_catalog.concat(pg_catalog.count(*), '/',
                pg_catalog.sum(pg_catalog.hashtextextended(pg_catalog.concat(e.oid, ',', e.xmin), 0)))
         FROM pg_catalog.pg_enum e),
        (SELECT pg_catalog.concat(pg_catalog.count(*), '/',
                pg_catalog.sum(pg_catalog.hashtextextended(pg_catalog.concat(n.oid, ',', n.xmin), 0)))
         FROM pg_catalog.pg_namespace n WHERE n.nspname !~ '^pg_'),
        (SELECT pg_catalog.concat(pg_catalog.count(*), '/',
                pg_catalog.sum(pg_catalog.hashtextextended(
                    pg_catalog.concat(d.objoid, ',', d.objsubid, ',', d.xmin), 0)))
         FROM pg_catalog.pg_description d WHERE d.objoid >= 16384))";

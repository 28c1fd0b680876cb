//! Functions that reach beyond the relations a query names, whatever their volatility says.
//!
//! `pg_proc` calls many of them stable: they change nothing. They are refused by name, in any schema, because an
//! extension puts its functions where its user likes. What is not listed must still be known and not volatile.

/// How a family reaches out, to be read after the function's name.
type Reach = &'static str;

const FILES: Reach = "reaches the server's files";
const NETWORK: Reach = "reaches the network";
const BACKENDS: Reach = "reaches other sessions or the server itself";
const LARGE_OBJECTS: Reach = "reaches large objects";
const SETTINGS: Reach = "reaches settings";
const DYNAMIC_SQL: Reach = "runs SQL given as text";
const SEQUENCES: Reach = "reaches sequences";
const CATALOG: Reach = "tells of objects that the caller may not see";
const ANY_TYPE: Reach = "casts to a type that it is given by number";
const SERVER: Reach = "tells of the server's addresses";

/// Functions of `pg_catalog` that begin with `pg_` and do nothing but look at their arguments. All others that begin
/// so are closed: new ones come with every version, and most look at or touch the server.
const HARMLESS_PG: &[&str] = &[
    "pg_column_size",
    "pg_size_bytes",
    "pg_size_pretty",
    "pg_typeof",
];

const BY_NAME: &[(&str, Reach)] = &[
    ("aclexplode", CATALOG),
    ("aclitemin", CATALOG),
    ("aclitemout", CATALOG),
    ("array_in", ANY_TYPE),
    ("bt_index_check", BACKENDS),
    ("bt_index_parent_check", BACKENDS),
    ("col_description", CATALOG),
    ("connectby", DYNAMIC_SQL),
    ("current_setting", SETTINGS),
    ("currval", SEQUENCES),
    ("database_to_xml", DYNAMIC_SQL),
    ("domain_in", ANY_TYPE),
    ("enum_in", ANY_TYPE),
    ("format_type", CATALOG),
    ("get_raw_page", FILES),
    ("http", NETWORK),
    ("inet_client_addr", SERVER),
    ("inet_client_port", SERVER),
    ("inet_server_addr", SERVER),
    ("inet_server_port", SERVER),
    ("lastval", SEQUENCES),
    ("loread", LARGE_OBJECTS),
    ("lowrite", LARGE_OBJECTS),
    ("multirange_in", ANY_TYPE),
    ("nextval", SEQUENCES),
    ("obj_description", CATALOG),
    ("oidvectortypes", CATALOG),
    ("range_in", ANY_TYPE),
    ("record_in", ANY_TYPE),
    ("row_security_active", CATALOG),
    ("set_config", SETTINGS),
    ("setseed", SETTINGS),
    ("setval", SEQUENCES),
    ("shobj_description", CATALOG),
    ("ts_rewrite", DYNAMIC_SQL),
    ("ts_stat", DYNAMIC_SQL),
    ("xpath_table", DYNAMIC_SQL),
];

const BY_PREFIX: &[(&str, Reach)] = &[
    ("aws_", NETWORK),
    ("binary_upgrade_", BACKENDS),
    ("crosstab", DYNAMIC_SQL),
    ("cursor_to_xml", DYNAMIC_SQL),
    ("database_to_xml", DYNAMIC_SQL),
    ("dblink", NETWORK),
    ("file_fdw", FILES),
    ("fmgr_", BACKENDS),
    ("http_", NETWORK),
    ("lo_", LARGE_OBJECTS),
    ("pg_", BACKENDS),
    ("postgres_fdw_", NETWORK),
    ("query_to_xml", DYNAMIC_SQL),
    ("schema_to_xml", DYNAMIC_SQL),
    ("ssl_", SERVER),
    ("table_to_xml", DYNAMIC_SQL),
    ("to_reg", CATALOG),
    ("txid_", BACKENDS),
];

/// Families within [`BY_PREFIX`] that a better word can be said of.
const PG_PREFIX: &[(&str, Reach)] = &[
    ("pg_advisory", "takes or drops locks"),
    ("pg_current_logfile", FILES),
    ("pg_file_", FILES),
    ("pg_get_", CATALOG),
    ("pg_has_", CATALOG),
    ("pg_ls_", FILES),
    ("pg_notify", "sends messages to other sessions"),
    ("pg_read_", FILES),
    ("pg_sleep", "waits"),
    ("pg_stat_file", FILES),
    ("pg_try_advisory", "takes or drops locks"),
];

/// Casts to an object identifier type, spelled as calls.
const OBJECT_IDENTIFIERS: &[&str] = &[
    "regclass",
    "regcollation",
    "regconfig",
    "regdatabase",
    "regdictionary",
    "regnamespace",
    "regoper",
    "regoperator",
    "regproc",
    "regprocedure",
    "regrole",
    "regtype",
];

/// How a function reaches beyond the query's own relations; `None` when its name says nothing of the kind.
pub(in crate::guard) fn reach(function: &str) -> Option<Reach> {
    if HARMLESS_PG.contains(&function) {
        return None;
    }
    if is_object_identifier(function)
        || (function.starts_with("has_") && function.ends_with("_privilege"))
    {
        return Some(CATALOG);
    }
    let by_name = BY_NAME.iter().find(|(name, _)| *name == function);
    let by_prefix = || {
        PG_PREFIX
            .iter()
            .chain(BY_PREFIX)
            .find(|(prefix, _)| function.starts_with(prefix))
    };
    by_name.or_else(by_prefix).map(|(_, reach)| *reach)
}

/// Whether a type (or a cast spelled as a call, or as the type's own input or output function) looks a name up in the
/// catalogs.
pub(in crate::guard) fn is_object_identifier(name: &str) -> bool {
    let of_type = ["in", "out", "send", "recv"]
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix));
    OBJECT_IDENTIFIERS.contains(&name) || of_type.is_some_and(|t| OBJECT_IDENTIFIERS.contains(&t))
}

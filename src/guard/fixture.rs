//! A small schema for the tests of this room.

use std::sync::Arc;

use crate::access::visible::Visible;
use crate::names::Draft;
use crate::schema::snapshot::{Column, Function, Relation, Snapshot, Volatility};

/// A library: `public` and `archive` are on the path in that order, `vault` exists and is not visible.
pub(in crate::guard) fn visible() -> Visible {
    let relations = vec![
        relation(
            "archive",
            "loans_old",
            &[("id", "bigint"), ("book_id", "bigint")],
        ),
        relation("order", "items", &[("id", "bigint")]),
        relation(
            "public",
            "books",
            &[
                ("id", "bigint"),
                ("title", "text"),
                ("genre", "public.genre"),
                ("price", "numeric(10,2)"),
                ("tags", "text[]"),
                ("meta", "jsonb"),
                ("added", "date"),
            ],
        ),
        relation(
            "public",
            "loans",
            &[
                ("id", "bigint"),
                ("book_id", "bigint"),
                ("member_id", "bigint"),
                ("lent_at", "timestamp with time zone"),
                ("returned_at", "timestamp with time zone"),
                ("fee", "numeric"),
            ],
        ),
        relation(
            "public",
            "Members",
            &[("id", "bigint"), ("fullName", "text"), ("touch", "text")],
        ),
    ];
    let mut snapshot = Snapshot {
        relations,
        ..Snapshot::default()
    };
    for name in IMMUTABLE.split_whitespace() {
        function(
            &mut snapshot,
            "pg_catalog",
            name,
            Volatility::Immutable,
            false,
        );
    }
    for name in STABLE.split_whitespace() {
        function(&mut snapshot, "pg_catalog", name, Volatility::Stable, false);
    }
    for name in VOLATILE.split_whitespace() {
        function(
            &mut snapshot,
            "pg_catalog",
            name,
            Volatility::Volatile,
            false,
        );
    }
    function(
        &mut snapshot,
        "public",
        "overdue_days",
        Volatility::Stable,
        false,
    );
    function(
        &mut snapshot,
        "public",
        "touch",
        Volatility::Volatile,
        false,
    );
    function(
        &mut snapshot,
        "public",
        "as_owner",
        Volatility::Stable,
        true,
    );
    function(
        &mut snapshot,
        "public",
        "initcap",
        Volatility::Volatile,
        false,
    );
    function(
        &mut snapshot,
        "public",
        "crosstab",
        Volatility::Stable,
        false,
    );
    function(
        &mut snapshot,
        "public",
        "dblink",
        Volatility::Volatile,
        false,
    );
    Visible::new(
        Arc::new(snapshot),
        Arc::from(["public".to_owned(), "archive".to_owned()]),
    )
}

pub(in crate::guard) fn draft(sql: &str) -> Draft {
    Draft::given(sql, "whatever was meant", "test")
}

const IMMUTABLE: &str = "abs array_length btrim ceil char_length concat_ws date_part dense_rank factorial first_value \
    floor format initcap jsonb_array_elements_text jsonb_build_object jsonb_to_recordset json_build_object lag \
    last_value lead left length lower ltrim make_interval max min mod mode nth_value ntile overlay percentile_cont \
    percentile_disc position rank regexp_replace repeat replace right round row_number rpad rtrim sign split_part sqrt \
    stddev string_agg strpos substr substring sum textcat count avg bool_or array_agg json_agg jsonb_agg corr regr_slope \
    to_number translate trunc unnest upper variance width_bucket xmlcomment ts_rewrite array_to_string cardinality \
    generate_series int4 date_bin numeric timezone pg_size_pretty generate_subscripts pg_typeof extract cume_dist \
    percent_rank jsonb_path_query jsonb_each jsonb_each_text to_tsvector to_tsquery plainto_tsquery daterange int4range \
    upper_inf point md5 encode sha256 stddev_samp var_pop bit_and every starts_with normalize";

const STABLE: &str = "age concat current_database current_schema current_schemas current_setting date_trunc now \
    obj_description pg_get_viewdef pg_relation_size has_table_privilege query_to_xml row_to_json statement_timestamp \
    to_char to_date to_json to_regclass to_timestamp transaction_timestamp version pg_stat_get_activity inet_server_addr \
    regclass table_to_xml database_to_xml txid_current_if_assigned format_type current_query to_jsonb";

const VOLATILE: &str = "random clock_timestamp gen_random_uuid pg_sleep pg_sleep_for pg_read_file pg_read_binary_file \
    pg_ls_dir pg_stat_file lo_import lo_export lo_get lo_unlink loread pg_advisory_lock pg_try_advisory_xact_lock \
    pg_terminate_backend pg_cancel_backend pg_reload_conf set_config nextval setval currval lastval setseed \
    pg_export_snapshot txid_current pg_notify pg_logical_emit_message pg_stat_reset pg_rotate_logfile pg_switch_wal \
    ts_stat pg_create_restore_point brin_summarize_new_values gin_clean_pending_list pg_promote pg_file_write";

fn relation(schema: &str, name: &str, columns: &[(&str, &str)]) -> Relation {
    Relation {
        schema: schema.to_owned(),
        name: name.to_owned(),
        columns: columns
            .iter()
            .map(|(name, type_name)| Column {
                name: (*name).to_owned(),
                type_name: (*type_name).to_owned(),
                ..Column::default()
            })
            .collect(),
        ..Relation::default()
    }
}

fn function(
    snapshot: &mut Snapshot,
    schema: &str,
    name: &str,
    volatility: Volatility,
    security_definer: bool,
) {
    snapshot.functions.add(
        name,
        Function {
            schema: schema.to_owned(),
            volatility,
            security_definer,
        },
    );
}

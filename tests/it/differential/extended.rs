//! The extended protocol: statements, portals, formats, errors.

use super::script::{Scenario, Step};
use crate::support::frames::{
    bind, bind_formats, close_portal, close_statement, describe_portal, describe_statement,
    execute, frame, parse, query, sync,
};

/// OIDs of types in `pg_catalog`, the same everywhere.
const INT4: u32 = 23;
const TEXT: u32 = 25;

/// Every scenario of this file.
pub(super) fn scenarios() -> Vec<Scenario> {
    vec![
        unnamed(),
        named(),
        sql_level_meets_protocol_level(),
        portals(),
        formats(),
        errors(),
    ]
}

fn unnamed() -> Scenario {
    Scenario::new(
        "unnamed statements",
        vec![
            Step::new("sync alone", &[sync()]),
            Step::new(
                "parse, bind, describe, execute",
                &[
                    parse("", "select $1::int + 1 as n", &[]),
                    bind("", "", &[Some("41")]),
                    describe_portal(""),
                    execute("", 0),
                    sync(),
                ],
            ),
            Step::new(
                "the unnamed statement outlives its Sync",
                &[bind("", "", &[Some("1")]), execute("", 0), sync()],
            ),
            Step::new("and is described", &[describe_statement(""), sync()]),
            Step::query("select 'a simple query drops it'"),
            Step::new("so it is gone", &[bind("", "", &[Some("1")]), sync()]),
            Step::new(
                "null parameter",
                &[
                    parse("", "select $1::text is null, $2::text", &[]),
                    bind("", "", &[None, Some("")]),
                    execute("", 0),
                    sync(),
                ],
            ),
            Step::new(
                "prescribed types",
                &[
                    parse("", "select $1, $2", &[INT4, 0]),
                    describe_statement(""),
                    sync(),
                ],
            ),
            Step::new(
                "empty statement",
                &[
                    parse("", "", &[]),
                    describe_statement(""),
                    bind("", "", &[]),
                    describe_portal(""),
                    execute("", 0),
                    sync(),
                ],
            ),
            Step::new(
                "a command without rows",
                &[
                    parse("", "create table e (i int, t text)", &[]),
                    describe_statement(""),
                    bind("", "", &[]),
                    describe_portal(""),
                    execute("", 0),
                    sync(),
                ],
            ),
            Step::new(
                "insert returning",
                &[
                    parse("", "insert into e values ($1, $2) returning *", &[]),
                    describe_statement(""),
                    bind("", "", &[Some("1"), Some("one")]),
                    execute("", 0),
                    sync(),
                ],
            ),
            Step::new(
                "a label comment",
                &[
                    parse("", "-- ask: a label\nselect 'ask: x', $1::int", &[]),
                    describe_statement(""),
                    bind("", "", &[Some("3")]),
                    execute("", 0),
                    sync(),
                ],
            ),
            Step::new(
                "select from a table",
                &[
                    parse("", "select t, i from e where i = $1", &[]),
                    bind("", "", &[Some("1")]),
                    describe_portal(""),
                    execute("", 0),
                    sync(),
                ],
            ),
        ],
    )
}

fn named() -> Scenario {
    let run = |name: &str, value: &str| {
        [
            bind("", name, &[Some(value)]),
            describe_portal(""),
            execute("", 0),
            sync(),
        ]
    };
    Scenario::new(
        "named statements",
        vec![
            Step::new("parse", &[parse("s1", "select $1::int * 2", &[]), sync()]),
            Step::new("run", &run("s1", "21")),
            Step::new("run again", &run("s1", "4")),
            Step::new("describe", &[describe_statement("s1"), sync()]),
            Step::new("a used name", &[parse("s1", "select 1", &[]), sync()]),
            Step::new("still the old one", &run("s1", "5")),
            Step::new(
                "another",
                &[parse("s2", "select $1::text", &[TEXT]), sync()],
            ),
            Step::new(
                "the same text again",
                &[parse("s3", "select $1::text", &[TEXT]), sync()],
            ),
            Step::new(
                "run both",
                &[&run("s2", "b")[..3], &run("s3", "c")[..]].concat(),
            ),
            Step::new("close", &[close_statement("s1"), sync()]),
            Step::new("closed", &run("s1", "1")),
            Step::new("close twice", &[close_statement("s1"), sync()]),
            Step::new("unknown name", &run("nope", "1")),
            Step::new("describe unknown", &[describe_statement("nope"), sync()]),
            Step::new("s2 lives", &run("s2", "x")),
            Step::new(
                "close and reuse within one pipeline",
                &[
                    close_statement("s2"),
                    parse("s2", "select 'new', $1::int", &[]),
                    bind("", "s2", &[Some("9")]),
                    execute("", 0),
                    sync(),
                ],
            ),
            Step::new("a failed parse", &[parse("s4", "select nope", &[]), sync()]),
            Step::new("leaves no statement", &run("s4", "1")),
            Step::new(
                "and the name free",
                &[parse("s4", "select $1::int", &[]), sync()],
            ),
            Step::new("to use", &run("s4", "1")),
            Step::new(
                "parse twice in a pipeline",
                &[
                    parse("s5", "select 1", &[]),
                    parse("s5", "select 2", &[]),
                    sync(),
                ],
            ),
            Step::new(
                "the first one stays",
                &[bind("", "s5", &[]), execute("", 0), sync()],
            ),
            Step::new(
                "an odd name",
                &[parse("Ünï \"x\" 'y'", "select 7", &[]), sync()],
            ),
            Step::new(
                "run it",
                &[bind("", "Ünï \"x\" 'y'", &[]), execute("", 0), sync()],
            ),
            Step::query("deallocate \"Ünï \"\"x\"\" 'y'\""),
            Step::new("gone", &[bind("", "Ünï \"x\" 'y'", &[]), sync()]),
            Step::query("discard all"),
            Step::new("all gone", &run("s3", "1")),
            Step::new(
                "names free again",
                &[parse("s3", "select $1::int + 3", &[]), sync()],
            ),
            Step::new("run", &run("s3", "1")),
            Step::query("deallocate all"),
            Step::new("gone again", &run("s3", "1")),
        ],
    )
}

fn sql_level_meets_protocol_level() -> Scenario {
    Scenario::new(
        "PREPARE and Parse share one space of names",
        vec![
            Step::query("prepare sql_level (int) as select $1 + 100"),
            Step::new(
                "bound by the protocol",
                &[bind("", "sql_level", &[Some("1")]), execute("", 0), sync()],
            ),
            Step::new("described", &[describe_statement("sql_level"), sync()]),
            Step::new(
                "protocol level",
                &[parse("proto", "select $1::int + 200", &[]), sync()],
            ),
            Step::query("execute proto (1)"),
            Step::query("explain (costs off) execute proto (1)"),
            Step::query("prepare proto as select 1"),
            Step::query("deallocate proto"),
            Step::new("gone", &[bind("", "proto", &[Some("1")]), sync()]),
            Step::new(
                "DEALLOCATE by the protocol",
                &[
                    parse("", "deallocate sql_level", &[]),
                    bind("", "", &[]),
                    execute("", 0),
                    sync(),
                ],
            ),
            Step::query("execute sql_level (1)"),
            Step::new(
                "PREPARE by the protocol",
                &[
                    parse("", "prepare inner_one as select 5", &[]),
                    bind("", "", &[]),
                    execute("", 0),
                    sync(),
                ],
            ),
            Step::query("execute inner_one"),
            Step::new(
                "in a failed transaction",
                &[query("begin"), query("select 1/0")],
            )
            .ready(2),
            Step::new(
                "parse fails",
                &[parse("in_failed", "select 1", &[]), sync()],
            ),
            Step::query("rollback"),
            Step::new("not there", &[bind("", "in_failed", &[]), sync()]),
            Step::query("begin"),
            Step::new(
                "in a transaction",
                &[parse("rolled_back", "select 11", &[]), sync()],
            ),
            Step::query("rollback"),
            Step::new(
                "a rollback keeps it",
                &[bind("", "rolled_back", &[]), execute("", 0), sync()],
            ),
            Step::new(
                "settings by the protocol",
                &[
                    parse("", "set work_mem = '77kB'", &[]),
                    bind("", "", &[]),
                    execute("", 0),
                    sync(),
                ],
            ),
            Step::query("show work_mem"),
            Step::new(
                "a bad setting",
                &[
                    parse("", "set work_mem = 'x'", &[]),
                    bind("", "", &[]),
                    execute("", 0),
                    sync(),
                ],
            ),
            Step::new(
                "a reported setting",
                &[
                    parse("", "set application_name = 'by protocol'", &[]),
                    bind("", "", &[]),
                    execute("", 0),
                    sync(),
                ],
            ),
            Step::query("show application_name"),
            Step::new(
                "a temporary table",
                &[
                    parse("", "create temp table tt as select 1 as x", &[]),
                    bind("", "", &[]),
                    execute("", 0),
                    sync(),
                ],
            ),
            Step::query("select * from tt"),
            Step::new(
                "DISCARD ALL",
                &[
                    parse("", "discard all", &[]),
                    bind("", "", &[]),
                    execute("", 0),
                    sync(),
                ],
            ),
            Step::query("select * from tt"),
            Step::query("show work_mem"),
            Step::new(
                "and rolled_back is gone",
                &[bind("", "rolled_back", &[]), sync()],
            ),
        ],
    )
}

fn portals() -> Scenario {
    let rows = "select g from generate_series(1, 5) g";
    Scenario::new(
        "portals",
        vec![
            Step::new(
                "row limit, suspended, continued",
                &[
                    parse("", rows, &[]),
                    bind("", "", &[]),
                    execute("", 2),
                    execute("", 2),
                    execute("", 2),
                    execute("", 2),
                    sync(),
                ],
            ),
            Step::new(
                "exactly as many rows as asked for",
                &[bind("", "", &[]), execute("", 5), execute("", 5), sync()],
            ),
            Step::new(
                "the portal ends with its transaction",
                &[execute("", 1), sync()],
            ),
            Step::query("begin"),
            Step::new(
                "a named portal",
                &[
                    parse("p_rows", rows, &[]),
                    bind("p1", "p_rows", &[]),
                    describe_portal("p1"),
                    execute("p1", 2),
                    sync(),
                ],
            ),
            Step::query("select 'between'"),
            Step::new("continued", &[execute("p1", 2), sync()]),
            Step::query("fetch 1 from p1"),
            Step::query("select name, statement from pg_cursors"),
            Step::new("a used portal name", &[bind("p1", "p_rows", &[]), sync()]),
            Step::new("in a failed transaction", &[execute("p1", 1), sync()]),
            Step::query("rollback"),
            Step::query("begin"),
            Step::new(
                "two portals in turn",
                &[
                    bind("a", "p_rows", &[]),
                    bind("b", "p_rows", &[]),
                    execute("a", 1),
                    execute("b", 2),
                    execute("a", 3),
                    execute("b", 0),
                    sync(),
                ],
            ),
            Step::new("close", &[close_portal("a"), sync()]),
            Step::new("closed", &[execute("a", 1), sync()]),
            Step::query("commit"),
            Step::new("unknown portal", &[execute("nope", 0), sync()]),
            Step::new(
                "describe unknown portal",
                &[describe_portal("nope"), sync()],
            ),
            Step::new("close unknown portal", &[close_portal("nope"), sync()]),
            Step::query("begin"),
            Step::query("declare c cursor for select g * 10 from generate_series(1, 4) g"),
            Step::new(
                "a declared cursor is a portal",
                &[describe_portal("c"), execute("c", 2), sync()],
            ),
            Step::query("fetch all from c"),
            Step::query("commit"),
            Step::new(
                "an update through a limited portal",
                &[
                    parse("", "create table up as select 1 as x", &[]),
                    bind("", "", &[]),
                    execute("", 0),
                    parse("", "update up set x = 2 returning x", &[]),
                    bind("", "", &[]),
                    execute("", 1),
                    execute("", 1),
                    sync(),
                ],
            ),
            Step::new(
                "many rows",
                &[
                    parse(
                        "",
                        "select g, repeat('z', 50) from generate_series(1, 2000) g",
                        &[],
                    ),
                    bind("", "", &[]),
                    execute("", 0),
                    sync(),
                ],
            ),
        ],
    )
}

fn formats() -> Scenario {
    Scenario::new(
        "formats",
        vec![
            Step::new(
                "binary both ways",
                &[
                    parse("f", "select $1::int, $2::text, $3::float8, $4::bytea", &[]),
                    bind_formats(
                        "",
                        "f",
                        &[1],
                        &[
                            Some(&[0, 0, 1, 0]),
                            Some("ü".as_bytes()),
                            Some(&1.5_f64.to_be_bytes()),
                            Some(&[0, 255, 10]),
                        ],
                        &[1],
                    ),
                    describe_portal(""),
                    execute("", 0),
                    sync(),
                ],
            ),
            Step::new(
                "mixed",
                &[
                    bind_formats(
                        "",
                        "f",
                        &[0, 0, 1, 0],
                        &[
                            Some(b"7"),
                            None,
                            Some(&2.0_f64.to_be_bytes()),
                            Some(b"\\x00"),
                        ],
                        &[1, 0, 0, 1],
                    ),
                    describe_portal(""),
                    execute("", 0),
                    sync(),
                ],
            ),
            Step::new(
                "a wrong binary length",
                &[
                    bind_formats("", "f", &[1], &[Some(&[0, 1]), None, None, None], &[]),
                    sync(),
                ],
            ),
            Step::new(
                "an unknown format",
                &[
                    bind_formats("", "f", &[7], &[None, None, None, None], &[]),
                    sync(),
                ],
            ),
            Step::new(
                "too many result formats",
                &[
                    bind_formats("", "f", &[], &[None, None, None, None], &[0, 1]),
                    sync(),
                ],
            ),
            Step::new(
                "binary of many types",
                &[
                    parse(
                        "",
                        "select 1::int2, 2::int8, 1.5::numeric, true, date '2024-02-29', \
                         timestamptz '2024-02-29 00:00+00', interval '1 day', '{\"a\":1}'::jsonb, array[1,null], row(1,'x')",
                        &[],
                    ),
                    bind_formats("", "", &[], &[], &[1]),
                    execute("", 0),
                    sync(),
                ],
            ),
        ],
    )
}

fn errors() -> Scenario {
    Scenario::new(
        "errors",
        vec![
            Step::new("syntax", &[parse("", "select 1 +", &[]), sync()]),
            Step::new(
                "undefined table",
                &[parse("", "select * from nope", &[]), sync()],
            ),
            Step::new(
                "two commands",
                &[parse("", "select 1; select 2", &[]), sync()],
            ),
            Step::new(
                "unknown parameter type",
                &[parse("", "select $2", &[]), sync()],
            ),
            Step::new(
                "prescribed type unknown",
                &[parse("", "select $1", &[999_999]), sync()],
            ),
            Step::new(
                "bad value",
                &[
                    parse("v", "select $1::int", &[]),
                    bind("", "v", &[Some("x")]),
                    sync(),
                ],
            ),
            Step::new(
                "good statement kept",
                &[bind("", "v", &[Some("1")]), execute("", 0), sync()],
            ),
            Step::new("too few values", &[bind("", "v", &[]), sync()]),
            Step::new(
                "too many values",
                &[bind("", "v", &[Some("1"), Some("2")]), sync()],
            ),
            Step::new(
                "at execution",
                &[
                    parse("", "select 1 / $1::int", &[]),
                    bind("", "", &[Some("0")]),
                    execute("", 0),
                    sync(),
                ],
            ),
            Step::new(
                "in the middle of the rows",
                &[
                    parse("", "select 10 / (3 - g) from generate_series(1, 5) g", &[]),
                    bind("", "", &[]),
                    execute("", 0),
                    sync(),
                ],
            ),
            Step::new(
                "bind without parse",
                &[bind("", "never", &[]), execute("", 0), sync()],
            ),
            Step::new("execute without bind", &[execute("", 0), sync()]),
            Step::new(
                "describe of neither kind",
                &[frame(b'D', b"Xname\0"), sync()],
            ),
            Step::new("close of neither kind", &[frame(b'C', b"Xname\0"), sync()]),
            Step::query("select 'alive'"),
        ],
    )
}

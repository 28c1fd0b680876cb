//! Pipelines, COPY into a table, FunctionCall, and bytes that no SQL text can spell.

use super::script::{Scenario, Step, Until};
use crate::support::frames::{
    bind, bind_formats, copy_data, copy_done, copy_fail, describe_portal, describe_statement,
    execute, flush, function_call, parse, query, sync,
};

/// `pg_catalog.int4pl(int4, int4)`.
const INT4PL: u32 = 177;
/// `pg_catalog.upper(text)`.
const UPPER: u32 = 871;

/// Every scenario of this file.
pub(super) fn scenarios() -> Vec<Scenario> {
    vec![
        pipelines(),
        flushes(),
        transactions(),
        replanning(),
        copy_in(),
        copy_in_extended(),
        copy_in_broken_off(),
        function_calls(),
        encodings(),
    ]
}

fn pipelines() -> Scenario {
    let select = |sql: &str| [parse("", sql, &[]), bind("", "", &[]), execute("", 0)].concat();
    Scenario::new(
        "pipelines",
        vec![
            Step::query("create table pl (i int primary key)"),
            Step::new(
                "three in one Sync",
                &[
                    select("select 1"),
                    select("select 2"),
                    select("select 3"),
                    sync(),
                ],
            ),
            Step::new(
                "three Syncs",
                &[
                    select("select 1"),
                    sync(),
                    select("select 2"),
                    sync(),
                    select("select 3"),
                    sync(),
                ],
            )
            .ready(3),
            Step::new(
                "one Sync is one transaction",
                &[
                    select("insert into pl values (1)"),
                    select("insert into pl values (1)"),
                    select("insert into pl values (2)"),
                    sync(),
                ],
            ),
            Step::query("select count(*) from pl"),
            Step::new(
                "an error skips to its own Sync",
                &[
                    select("insert into pl values (3)"),
                    sync(),
                    select("insert into pl values (3)"),
                    select("insert into pl values (4)"),
                    sync(),
                    select("insert into pl values (5)"),
                    sync(),
                ],
            )
            .ready(3),
            Step::query("select * from pl order by i"),
            Step::new(
                "simple queries in a row",
                &[query("select 1"), query("select 1/0"), query("select 3")],
            )
            .ready(3),
            Step::new(
                "simple and extended mixed",
                &[
                    query("select 1"),
                    select("select 2"),
                    sync(),
                    query("select 3"),
                    sync(),
                ],
            )
            .ready(4),
            Step::new(
                "a whole transaction",
                &[
                    select("begin"),
                    select("insert into pl values (10)"),
                    select("select count(*) from pl"),
                    select("commit"),
                    sync(),
                ],
            ),
            Step::new(
                "a failed one",
                &[
                    select("begin"),
                    select("select 1/0"),
                    select("commit"),
                    sync(),
                    query("rollback"),
                ],
            )
            .ready(2),
            Step::new(
                "two transactions",
                &[
                    query("begin; select 1"),
                    query("commit"),
                    query("begin; select 2; commit"),
                ],
            )
            .ready(3),
            Step::new(
                "parse once, run many",
                &[
                    parse("many", "select $1::int", &[]),
                    bind("", "many", &[Some("1")]),
                    execute("", 0),
                    bind("", "many", &[Some("2")]),
                    execute("", 0),
                    bind("", "many", &[Some("x")]),
                    execute("", 0),
                    bind("", "many", &[Some("4")]),
                    execute("", 0),
                    sync(),
                    bind("", "many", &[Some("5")]),
                    execute("", 0),
                    sync(),
                ],
            )
            .ready(2),
            Step::new(
                "a query after an error, before Sync",
                &[bind("", "nope", &[]), query("select 1"), sync()],
            ),
            Step::new(
                "hundred in a pipeline",
                &[
                    (0..100)
                        .flat_map(|_| select("select repeat('p', 2000)"))
                        .collect(),
                    sync(),
                ],
            ),
            Step::new("Syncs only", &[sync(), sync(), sync()]).ready(3),
        ],
    )
}

fn flushes() -> Scenario {
    Scenario::new(
        "Flush",
        vec![
            Step::until(
                "parse, flush",
                &[parse("fl", "select $1::int", &[]), flush()],
                Until::Tag(b'1'),
            ),
            Step::until(
                "describe, flush",
                &[describe_statement("fl"), flush()],
                Until::Tag(b'T'),
            ),
            Step::until(
                "bind, flush",
                &[bind("", "fl", &[Some("3")]), flush()],
                Until::Tag(b'2'),
            ),
            Step::until(
                "execute, flush",
                &[execute("", 0), flush()],
                Until::Tag(b'C'),
            ),
            Step::new("sync", &[sync()]),
            Step::until(
                "an error, flush",
                &[parse("", "selec", &[]), flush()],
                Until::Tag(b'E'),
            ),
            Step::new("skipped until sync", &[parse("", "select 1", &[]), sync()]),
            Step::new("flush with nothing to say", &[flush(), sync()]),
            Step::until(
                "again",
                &[bind("", "fl", &[Some("4")]), execute("", 0), flush()],
                Until::Tag(b'C'),
            ),
            Step::new("then a simple query", &[query("select 5")]),
        ],
    )
}

fn transactions() -> Scenario {
    let run = |sql: &str| {
        [
            parse("", sql, &[]),
            bind("", "", &[]),
            execute("", 0),
            sync(),
        ]
    };
    Scenario::new(
        "extended transactions",
        vec![
            Step::query("create table xt (i int)"),
            Step::new("begin", &run("begin")),
            Step::new("insert", &run("insert into xt values (1)")),
            Step::new("savepoint", &run("savepoint a")),
            Step::new("error", &run("select 1/0")),
            Step::new("refused", &run("select 1")),
            Step::new("rollback to", &run("rollback to a")),
            Step::new("fine again", &run("select * from xt")),
            Step::new("commit", &run("commit")),
            Step::new(
                "set local",
                &[
                    &run("begin")[..3],
                    &run("set local work_mem = '99kB'")[..3],
                    &run("show work_mem")[..],
                ]
                .concat(),
            ),
            Step::new("rollback", &run("rollback")),
            Step::new(
                "begin twice",
                &[&run("begin")[..3], &run("begin")[..]].concat(),
            ),
            Step::new("commit", &run("commit")),
            Step::new("commit without begin", &run("commit")),
            Step::new("vacuum", &run("vacuum xt")),
        ],
    )
}

fn replanning() -> Scenario {
    let star = || {
        [
            bind("", "star", &[]),
            describe_portal(""),
            execute("", 0),
            sync(),
        ]
    };
    Scenario::new(
        "a prepared statement whose table changes",
        vec![
            Step::query("create table ch (a int); insert into ch values (1)"),
            Step::new(
                "parse",
                &[
                    parse("star", "select * from ch", &[]),
                    describe_statement("star"),
                    sync(),
                ],
            ),
            Step::new("run", &star()),
            Step::query("alter table ch add column b int default 2"),
            Step::new("cached plan must not change result type", &star()),
            Step::query("begin"),
            Step::new("in a transaction too", &star()),
            Step::query("rollback"),
            Step::query("alter table ch drop column b"),
            Step::new("fine again", &star()),
            Step::query("drop table ch"),
            Step::new("undefined", &star()),
            Step::query("create table ch (a int); insert into ch values (2)"),
            Step::new("back", &star()),
        ],
    )
}

fn copy_in() -> Scenario {
    let start = |sql: &str| Step::until(sql, &[query(sql)], Until::Tag(b'G'));
    Scenario::new(
        "COPY FROM STDIN",
        vec![
            Step::query("create table ci (i int, t text)"),
            start("copy ci from stdin"),
            Step::new(
                "rows",
                &[
                    copy_data("1\tone\n2\tt"),
                    copy_data("wo\n3\t\\N\n"),
                    copy_done(),
                ],
            ),
            Step::query("select * from ci order by i"),
            start("copy ci from stdin (format csv, header)"),
            Step::new("csv", &[copy_data("i,t\n4,\"fo,ur\"\n"), copy_done()]),
            start("copy ci from stdin"),
            Step::new(
                "fail",
                &[
                    copy_data("5\tfive\n"),
                    copy_fail("the client has had enough"),
                ],
            ),
            start("copy ci from stdin"),
            Step::new(
                "bad row",
                &[copy_data("x\ty\n"), copy_data("6\tsix\n"), copy_done()],
            ),
            Step::query("select count(*) from ci"),
            Step::query("copy no_such_table from stdin"),
            Step::query("begin"),
            start("copy ci from stdin"),
            Step::new("missing column", &[copy_data("7\n"), copy_done()]),
            Step::query("commit"),
            start("copy ci from stdin; select 'after the copy'"),
            Step::new("in a batch", &[copy_data("8\teight\n"), copy_done()]),
            start("copy ci from stdin"),
            Step::new("nothing at all", &[copy_done()]),
            start("copy ci from stdin"),
            Step::new(
                "Flush and Sync are ignored within",
                &[
                    copy_data("9\tnine\n"),
                    flush(),
                    sync(),
                    copy_data("10\tten\n"),
                    copy_done(),
                ],
            ),
            start("copy ci from stdin (format binary)"),
            Step::new(
                "not the binary signature",
                &[copy_data("nonsense that is no signature"), copy_done()],
            ),
            start("copy ci from stdin"),
            Step::new(
                "a big one",
                &[
                    copy_data("11\tx\n".repeat(30_000)),
                    copy_data("12\ty\n".repeat(30_000)),
                    copy_done(),
                ],
            ),
            start("copy ci from stdin (format binary)"),
            Step::new(
                "binary rows, in pieces",
                &[
                    copy_data([b"PGCOPY\n\xff\r\n\0", &[0; 8][..]].concat()),
                    copy_data([0, 2, 0, 0, 0, 4, 0, 0, 0]),
                    copy_data([21, 0, 0, 0, 1, b'b', 255, 255]),
                    copy_done(),
                ],
            ),
            Step::query("copy (select * from ci where i < 4 order by i) to stdout (format binary)"),
            start("copy ci from stdin; copy ci from stdin; copy (select 'out') to stdout"),
            Step::until(
                "the first of two in one Query",
                &[copy_data("22\ta\n"), copy_done()],
                Until::Tag(b'G'),
            ),
            Step::new("and the second", &[copy_data("23\tb\n"), copy_done()]),
            start("copy ci from stdin; copy ci from stdin; select 'not reached'"),
            Step::new(
                "the first of two fails",
                &[copy_data("24\ta\n"), copy_fail("enough")],
            ),
            Step::query("copy ci to stdout; copy (select 1/0) to stdout; select 'not reached'"),
            Step::query("copy (select 10 / (3 - g) from generate_series(1, 5) g) to stdout"),
            Step::query("select i, count(*) from ci group by i order by i"),
            Step::new(
                "stray copy data is ignored",
                &[copy_data("99\tx\n"), copy_done(), query("select 'alive'")],
            ),
            Step::query("select count(*) from ci where i = 99"),
            Step::new(
                "a statement for later",
                &[parse("later", "select count(*) from ci", &[]), sync()],
            ),
            start("copy ci from stdin"),
            Step::new("copy before it", &[copy_data("13\tz\n"), copy_done()]),
            Step::new(
                "right behind the copy",
                &[bind("", "later", &[]), execute("", 0), sync()],
            ),
        ],
    )
}

fn copy_in_extended() -> Scenario {
    let start = |sql: &str| {
        Step::until(
            sql,
            &[
                parse("", sql, &[]),
                bind("", "", &[]),
                execute("", 0),
                flush(),
            ],
            Until::Tag(b'G'),
        )
    };
    Scenario::new(
        "COPY in the extended protocol",
        vec![
            Step::query("create table ce (i int)"),
            start("copy ce from stdin"),
            Step::new("rows", &[copy_data("1\n2\n"), copy_done(), sync()]),
            start("copy ce from stdin"),
            Step::new("fail", &[copy_fail("no"), sync()]),
            start("copy ce from stdin"),
            Step::new("bad row", &[copy_data("x\n"), copy_done(), sync()]),
            Step::new(
                "out",
                &[
                    parse("", "copy ce to stdout", &[]),
                    bind("", "", &[]),
                    describe_portal(""),
                    execute("", 0),
                    sync(),
                ],
            ),
            Step::new(
                "a prepared one",
                &[parse("into", "copy ce from stdin", &[]), sync()],
            ),
            Step::until(
                "begun",
                &[bind("", "into", &[]), execute("", 0), sync()],
                Until::Tag(b'G'),
            ),
            Step::new(
                "Syncs within are ignored",
                &[
                    copy_data("7\n"),
                    sync(),
                    copy_data("8\n"),
                    sync(),
                    copy_done(),
                    sync(),
                ],
            ),
            Step::new(
                "begun and failed in one go",
                &[
                    bind("", "into", &[]),
                    execute("", 0),
                    copy_data("9\nnonsense\n10\n"),
                    copy_done(),
                    sync(),
                    query("select count(*) from ce"),
                ],
            )
            .ready(2),
            Step::new(
                "an error in the middle of one out",
                &[
                    parse(
                        "",
                        "copy (select 10 / (3 - g) from generate_series(1, 5) g) to stdout",
                        &[],
                    ),
                    bind("", "", &[]),
                    execute("", 0),
                    sync(),
                ],
            ),
            Step::new(
                "all in one go",
                &[
                    parse("", "copy ce from stdin", &[]),
                    bind("", "", &[]),
                    execute("", 0),
                    copy_data("5\n"),
                    copy_done(),
                    sync(),
                ],
            ),
            Step::query("select * from ce order by i"),
        ],
    )
}

fn copy_in_broken_off() -> Scenario {
    Scenario::new(
        "COPY FROM STDIN broken off by a query",
        vec![
            Step::query("create table cb (i int)"),
            Step::until(
                "copy cb from stdin",
                &[query("copy cb from stdin")],
                Until::Tag(b'G'),
            ),
            Step::until(
                "the server ends the connection",
                &[query("select 1")],
                Until::Closed,
            ),
        ],
    )
}

fn function_calls() -> Scenario {
    Scenario::new(
        "FunctionCall",
        vec![
            Step::new("int4pl", &[function_call(INT4PL, &["40", "2"])]),
            Step::new("upper", &[function_call(UPPER, &["shout"])]),
            Step::new("bad argument", &[function_call(INT4PL, &["x", "2"])]),
            Step::new("wrong number", &[function_call(INT4PL, &["1"])]),
            Step::new("unknown function", &[function_call(1, &[])]),
            Step::query("begin"),
            Step::new(
                "in a transaction",
                &[function_call(INT4PL, &["2147483647", "1"])],
            ),
            Step::new("failed", &[function_call(INT4PL, &["1", "1"])]),
            Step::query("rollback"),
        ],
    )
}

fn encodings() -> Scenario {
    let raw = |label: &str, sql: &[u8]| Step::new(label, &[query(sql)]);
    Scenario::new(
        "bytes that are no UTF-8",
        vec![
            raw("invalid in a literal", b"select 'a\xff'"),
            raw("invalid in an identifier", b"select 1 as \"\xc3\x28\""),
            raw("invalid in a comment", b"select 1 -- \xfe\xff"),
            raw("invalid beside the word ask", b"-- ask: \xff\nselect 1"),
            Step::new(
                "invalid in Parse",
                &[parse("", b"select '\xff'", &[]), sync()],
            ),
            Step::new(
                "invalid in a parameter",
                &[
                    parse("", "select $1::text", &[]),
                    bind_formats("", "", &[], &[Some(b"\xff")], &[]),
                    execute("", 0),
                    sync(),
                ],
            ),
            Step::query("set client_encoding to 'LATIN1'"),
            raw("latin1 literal", b"select '\xe9\xff', length('\xe9')"),
            raw("latin1 identifier", b"select 1 as \"\xe9\""),
            raw("latin1 in an error", b"select * from \"\xe9\""),
            Step::query("set client_encoding to 'SQL_ASCII'"),
            raw("utf8 bytes unseen", "select 'é', length('é')".as_bytes()),
            Step::query("reset client_encoding"),
            Step::query("set client_encoding to 'SJIS'"),
            raw(
                "a backslash as a second byte",
                b"select '\x83\x5c', octet_length('\x83\x5c')",
            ),
            Step::query("set client_encoding to 'UTF8'"),
            Step::query("select 'ü'"),
        ],
    )
}

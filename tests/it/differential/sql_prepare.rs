//! `PREPARE`, `EXECUTE` and `DEALLOCATE`, by SQL and mixed with the protocol's own, of clients that share connections and
//! give the same names to other statements.

use super::script::Step;
use super::statements::{Scene, compare, parsing, run, running, running_bare};
use crate::support::frames::{
    bind, close_statement, describe_portal, describe_statement, execute, parse, query, sync,
};

/// How many statements a connection may hold by content: one, and all.
const STATEMENTS_MAX: [usize; 2] = [1, 1000];

#[test]
fn what_sql_prepares_is_executed_wherever_the_client_is() {
    compare(&STATEMENTS_MAX, vec![executing(), mixed()]);
}

#[test]
fn what_sql_prepares_ends_as_direct() {
    compare(&[1000], vec![ending(), transactions()]);
}

#[test]
fn what_sql_prepares_follows_changed_tables_as_direct() {
    compare(&[1000], vec![changed_tables(), tables_in_transactions()]);
}

#[test]
fn what_sql_prepares_keeps_its_literals_and_follows_the_search_path() {
    compare(&[1000], vec![literals(), search_path()]);
}

#[test]
fn sql_prepares_over_the_extended_protocol_as_direct() {
    compare(&STATEMENTS_MAX, vec![extended(), pipelined()]);
}

#[test]
fn what_is_not_followed_stays_with_its_session_and_answers_as_direct() {
    compare(&[1000], vec![not_followed(), seen_by_code(), shown()]);
}

/// A scene of client 0 among rivals.
fn scene(name: &'static str, steps: Vec<(usize, Step)>) -> Scene {
    Scene { name, steps }
}

fn says(who: usize, sql: &str) -> (usize, Step) {
    (who, Step::query(sql))
}

/// SQL by the extended protocol, unnamed and described.
fn extends(sql: &str) -> Step {
    Step::new(&format!("extended: {sql}"), &[whole(sql), sync()])
}

fn whole(sql: &str) -> Vec<u8> {
    [
        parse("", sql, &[]),
        bind("", "", &[]),
        describe_portal(""),
        execute("", 0),
    ]
    .concat()
}

fn executing() -> Scene {
    scene(
        "EXECUTE",
        vec![
            says(0, "create table sp (id int primary key, n text)"),
            says(0, "insert into sp values (1, 'one'), (2, 'two')"),
            says(
                0,
                "prepare p (int) as select n, $1 + 1 as a from sp where id = $1",
            ),
            says(1, "prepare p as select 'rival' as r"),
            says(0, "execute p(1)"),
            says(1, "execute p"),
            says(0, "execute p ('2')"),
            says(0, "EXECUTE P(1); -- remark"),
            says(0, "explain (costs off) execute p(1)"),
            says(0, "execute p"),
            says(0, "execute p(1, 2)"),
            says(1, "execute p(1)"),
            says(0, "execute p('x')"),
            says(0, "execute p(true)"),
            says(0, "execute p(nope)"),
            says(0, "  execute p(1 / 0)"),
            says(0, "execute p(1"),
            says(0, "execute nope"),
            says(0, "prepare p as select 1"),
            says(1, "prepare p as select 1"),
            says(0, "prepare p as select nope"),
            says(0, "prepare p as utter nonsense"),
            says(0, "execute p(2)"),
            says(0, "create table made as execute p(1)"),
            says(0, "create table made as execute p(1)"),
            says(
                0,
                "create table if not exists made as execute p(1) with no data",
            ),
            says(0, "table made"),
            says(0, "execute p(1); select 'between'; execute p(2)"),
            says(0, "execute p(1); execute p('x')"),
            says(0, "prepare \"P p\" as select current_query() as q"),
            says(0, "execute \"P p\" -- as the client says it"),
            says(
                0,
                "/* a remark */ prepare /* another */ q(text) as select $1 || 'ü'",
            ),
            says(0, "execute q('ä')"),
            says(1, "execute q('ä')"),
            says(
                0,
                "prepare i (int) as insert into sp values ($1, 'new') returning *",
            ),
            says(0, "execute i(7)"),
            says(0, "execute i(7)"),
            says(0, "prepare u as update sp set n = $1 where id = $2"),
            says(0, "execute u('seven', 7)"),
            says(
                0,
                "prepare d as with gone as (delete from sp where id = 7 returning n) table gone",
            ),
            says(0, "execute d"),
            says(0, "execute d"),
            says(0, "prepare v as values (1, 'a'), (2, 'b')"),
            says(0, "execute v"),
            says(
                0,
                "prepare w as select pg_typeof($1), pg_typeof($2) from sp where id = $1 and n = $2",
            ),
            says(0, "execute w(1, 'one')"),
            says(0, "prepare t as create table x ()"),
            says(0, "prepare t as select $1"),
            says(0, "prepare t (nonsense) as select $1"),
            says(0, "prepare t (unknown) as select $1 || 'x'"),
            says(0, "execute t('y')"),
        ],
    )
}

/// The protocol's statements and SQL's have their names in common.
fn mixed() -> Scene {
    let described = Step::new("describe s", &[describe_statement("s"), sync()]);
    let closing =
        |name: &str| Step::new(&format!("close {name}"), &[close_statement(name), sync()]);
    scene(
        "both kinds of names",
        vec![
            says(0, "prepare s (int) as select $1 + 1 as a"),
            (1, parsing("s", "select 'rival', $1::text")),
            (0, running("s", "41")),
            (1, running("s", "x")),
            (0, described),
            (0, parsing("s", "select 2")),
            (
                0,
                Step::new("wrong count", &[run("s", &[]), sync()]).ready(2),
            ),
            says(0, "execute s(1)"),
            (0, closing("s")),
            says(0, "execute s(1)"),
            (0, running("s", "1")),
            says(0, "prepare s as select 'closed'"),
            (
                0,
                Step::new(
                    "closed and bound behind it",
                    &[close_statement("s"), run("s", &[])],
                ),
            ),
            says(0, "prepare s as select 'anew'"),
            says(0, "execute s"),
            (0, running_bare("s")),
            (0, parsing("k", "select $1::int * 2 as k")),
            says(0, "execute k(21)"),
            says(1, "execute k(21)"),
            says(0, "execute k(22)"),
            says(0, "prepare k as select 1"),
            (0, running("k", "3")),
            says(0, "deallocate k"),
            says(0, "execute k(1)"),
            (0, running("k", "1")),
            says(0, "prepare k as select 'sql'"),
            says(0, "execute k"),
            says(1, "execute s('y')"),
            says(1, "deallocate s"),
            (1, running("s", "y")),
            (0, parsing("plan", "select $1::int")),
            says(0, "begin"),
            says(0, "SAVEPOINT x;DEALLOCATE \"plan\";RELEASE x"),
            (0, running("plan", "1")),
            says(0, "rollback"),
            (0, parsing("plan", "select $1::int + 1")),
            (0, running("plan", "1")),
            says(0, "SAVEPOINT x;DEALLOCATE \"plan\";RELEASE x"),
            (0, running("plan", "1")),
            (
                0,
                Step::new(
                    "closed behind a failed batch that would have prepared it",
                    &[
                        bind("", "nobody", &[]),
                        parse("late", "select 1", &[]),
                        sync(),
                        execute("none", 0),
                        close_statement("late"),
                        sync(),
                    ],
                )
                .ready(2),
            ),
            (0, parsing("late", "select 2")),
            says(0, "select 1 / 0; deallocate plan"),
            says(0, "execute plan(4)"),
            says(0, "deallocate plan; select 1 / 0"),
            says(0, "execute plan(5)"),
        ],
    )
}

fn ending() -> Scene {
    scene(
        "DEALLOCATE of what SQL prepared",
        vec![
            says(0, "prepare a as select 'a'"),
            says(1, "prepare a as select 'rival'"),
            says(0, "deallocate a"),
            says(0, "execute a"),
            says(1, "execute a"),
            says(0, "deallocate a"),
            says(0, "prepare a as select 'second'"),
            says(1, "deallocate prepare \"a\""),
            says(0, "execute a"),
            says(0, "prepare b as select 'b'"),
            says(0, "prepare c (int) as select $1"),
            says(0, "deallocate b; deallocate c; execute a"),
            says(0, "execute b"),
            says(0, "deallocate a; execute a"),
            (0, parsing("both", "select $1::int")),
            says(0, "deallocate both; execute both(1)"),
            says(0, "execute a"),
            says(0, "prepare a as select 'third'"),
            says(0, "deallocate all"),
            says(0, "execute a"),
            says(0, "prepare a as select 'fourth'"),
            says(1, "prepare a as select 'rival again'"),
            says(0, "discard all"),
            says(0, "execute a"),
            says(1, "execute a"),
            says(1, "discard plans"),
            says(1, "execute a"),
            says(0, "prepare a as select 'fifth'"),
            says(0, "select 'execute a', 1 as execute"),
            says(0, "execute a"),
        ],
    )
}

fn transactions() -> Scene {
    scene(
        "PREPARE and transactions",
        vec![
            says(0, "begin"),
            says(0, "prepare r as select 'rolled back'"),
            says(0, "execute r"),
            says(0, "rollback"),
            says(1, "prepare r as select 'rival'"),
            says(0, "execute r"),
            says(0, "begin"),
            says(0, "select 1 / 0"),
            says(0, "prepare f as select 'failed'"),
            says(0, "execute r"),
            says(0, "deallocate r"),
            says(0, "rollback"),
            says(0, "execute f"),
            says(0, "execute r"),
            says(0, "begin"),
            says(0, "prepare g as select 'before the failure'"),
            says(0, "select 1 / 0"),
            says(0, "commit"),
            says(0, "execute g"),
            says(0, "begin"),
            says(0, "execute g"),
            says(0, "savepoint x"),
            says(0, "deallocate g"),
            says(0, "rollback to x"),
            says(0, "execute g"),
            says(0, "commit"),
            says(0, "execute g"),
            says(0, "begin; prepare h as select 'in one text'; commit"),
            says(1, "begin; execute r; commit"),
            says(0, "execute h"),
            says(
                1,
                "begin; create table made (i int); prepare m as table made; rollback",
            ),
            says(1, "execute m"),
            says(0, "begin isolation level repeatable read"),
            says(0, "execute r"),
            says(0, "set transaction isolation level serializable"),
            says(0, "commit"),
        ],
    )
}

fn changed_tables() -> Scene {
    scene(
        "PREPARE and changed tables",
        vec![
            says(0, "create table ct (i int, t text)"),
            says(0, "insert into ct values (1, 'a')"),
            says(0, "prepare p as select * from ct"),
            says(0, "prepare q (int) as select t from ct where i = $1"),
            says(0, "execute p"),
            says(1, "alter table ct add column extra int default 7"),
            says(0, "execute p"),
            says(0, "execute p"),
            says(0, "execute q(1)"),
            says(0, "begin"),
            says(0, "execute p"),
            says(0, "select 1"),
            says(0, "rollback"),
            says(1, "alter table ct drop column extra"),
            says(0, "execute p"),
            says(1, "alter table ct alter t type varchar(9)"),
            says(0, "execute q(1)"),
            says(1, "alter table ct alter t type text"),
            says(0, "execute q(1)"),
            says(1, "drop table ct"),
            says(0, "execute p"),
            says(0, "  execute   q(1)"),
            says(0, "explain execute q(1)"),
            says(0, "select 'still here'"),
            says(0, "prepare p as select 1"),
            says(1, "create table ct (t text, i int)"),
            says(1, "insert into ct values ('again', 1)"),
            says(0, "execute q(1)"),
            says(0, "execute p"),
            says(0, "deallocate p"),
            says(0, "prepare p as select * from ct"),
            says(0, "execute p"),
            says(1, "drop table ct"),
            says(0, "deallocate p"),
            says(0, "execute p"),
        ],
    )
}

fn tables_in_transactions() -> Scene {
    scene(
        "PREPARE and tables that change in transactions",
        vec![
            says(0, "create table tt (i int)"),
            says(0, "insert into tt values (1)"),
            says(0, "prepare p as select * from tt"),
            says(1, "drop table tt"),
            says(0, "begin"),
            says(0, "create table tt (i int)"),
            says(0, "execute p"),
            says(0, "commit"),
            says(0, "execute p"),
            says(0, "begin"),
            says(0, "alter table tt add column n int"),
            says(0, "savepoint x"),
            says(0, "execute p"),
            says(0, "rollback to x"),
            says(0, "alter table tt drop column n"),
            says(0, "execute p"),
            says(0, "commit"),
            says(0, "execute p"),
        ],
    )
}

fn literals() -> Scene {
    scene(
        "literals in what SQL prepares",
        vec![
            says(
                0,
                "prepare d as select '1/2/2026'::date, '2026-01-02 03:04+00'::timestamptz",
            ),
            says(0, "prepare e (date) as select $1 - '1/2/2026'"),
            says(0, "prepare s as select 'a\\\\b'"),
            says(0, "set datestyle = 'sql, dmy'"),
            says(0, "execute d"),
            says(0, "execute e('3/2/2026')"),
            says(0, "set timezone = 'Asia/Tokyo'"),
            says(0, "execute d"),
            says(0, "set standard_conforming_strings = off"),
            says(0, "execute s"),
            says(0, "begin"),
            says(0, "set local datestyle = 'german'"),
            says(0, "execute d"),
            says(0, "execute e('3.2.2026')"),
            says(0, "show datestyle"),
            says(0, "rollback"),
            says(0, "show datestyle"),
            says(0, "show timezone"),
            says(
                0,
                "prepare n as select 'now'::timestamptz = 'now'::timestamptz",
            ),
            says(0, "execute n"),
            says(0, "reset all"),
            says(0, "execute d; execute s"),
            says(0, "execute e('3/2/2026')"),
        ],
    )
}

fn search_path() -> Scene {
    scene(
        "what SQL prepares and search_path",
        vec![
            says(0, "create schema one; create schema two"),
            says(
                0,
                "create table one.here (i int); insert into one.here values (1)",
            ),
            says(
                0,
                "create table two.here (i int); insert into two.here values (2)",
            ),
            says(0, "create table two.there (i text)"),
            says(0, "set search_path = one"),
            says(0, "prepare h as select * from here"),
            says(0, "execute h"),
            says(0, "set search_path = two"),
            says(0, "execute h"),
            says(0, "set search_path = pg_catalog"),
            says(0, "execute h"),
            says(0, "begin; set local search_path = one; select 'open'"),
            says(0, "execute h"),
            says(0, "rollback"),
            says(0, "set role other"),
            says(0, "reset search_path"),
            says(0, "execute h"),
            says(0, "set search_path = one"),
            says(0, "execute h"),
            says(0, "reset role"),
            says(0, "execute h"),
            says(0, "drop schema one, two cascade"),
        ],
    )
}

fn extended() -> Scene {
    scene(
        "SQL PREPARE by the extended protocol",
        vec![
            (0, extends("prepare x (int) as select $1 + 1 as a")),
            (1, extends("prepare x as select 'rival'")),
            (0, extends("execute x(1)")),
            (1, extends("execute x")),
            (0, extends("execute x('wrong')")),
            (0, extends("execute x")),
            (0, extends("prepare x as select 1")),
            (0, running("x", "5")),
            says(0, "execute x(6)"),
            (0, extends("explain (costs off) execute x(1)")),
            (0, extends("deallocate x")),
            (0, extends("execute x(1)")),
            (0, extends("deallocate x")),
            (0, extends("prepare y as select nope")),
            (0, extends("execute y")),
            (
                0,
                Step::new(
                    "prepared, executed and deallocated in a batch",
                    &[
                        whole("prepare z as select 'z'"),
                        whole("execute z"),
                        whole("deallocate z"),
                        whole("execute z"),
                        whole("select 'skipped'"),
                        sync(),
                    ],
                ),
            ),
            (0, extends("prepare z as select 'second'")),
            (
                0,
                Step::new(
                    "what is prepared stays when its batch fails",
                    &[
                        whole("prepare b as select 'batch'"),
                        whole("select 1 / 0"),
                        sync(),
                    ],
                ),
            ),
            (0, extends("execute b")),
            (
                0,
                Step::new(
                    "what is skipped is not deallocated",
                    &[whole("select 1 / 0"), whole("deallocate b"), sync()],
                ),
            ),
            says(0, "execute b"),
            (
                0,
                Step::new(
                    "bound in one batch, executed in the next",
                    &[
                        query("begin"),
                        parse("", "deallocate b", &[]),
                        bind("later", "", &[]),
                        sync(),
                        execute("later", 0),
                        sync(),
                        query("commit"),
                    ],
                )
                .ready(4),
            ),
            says(0, "execute b"),
            (0, extends("execute z")),
            (
                0,
                Step::new(
                    "a statement that executes, bound twice",
                    &[
                        parse("", "execute z", &[]),
                        sync(),
                        run("", &[]),
                        run("", &[]),
                    ],
                )
                .ready(3),
            ),
            (
                0,
                Step::new(
                    "a PREPARE that is bound twice, and once too much",
                    &[
                        parse("", "prepare z as select 1", &[]),
                        describe_statement(""),
                        sync(),
                    ],
                ),
            ),
            (0, running("", "1")),
            (0, running_bare("")),
            (0, extends("prepare more as select 'more'")),
            (0, parsing("named", "execute z")),
            (0, running_bare("named")),
            says(0, "deallocate z"),
            (0, running_bare("named")),
        ],
    )
}

fn pipelined() -> Scene {
    let texts = |texts: &[&str]| {
        let frames: Vec<Vec<u8>> = texts.iter().copied().map(query).collect();
        Step::new(&texts.join(" | "), &frames).ready(texts.len())
    };
    scene(
        "SQL PREPARE in pipelines",
        vec![
            (
                0,
                texts(&[
                    "prepare p as select 'p'",
                    "execute p",
                    "prepare p as select 2",
                    "deallocate p",
                    "execute p",
                    "prepare p as select 'anew'",
                ]),
            ),
            (1, texts(&["prepare p as select 'rival'", "execute p"])),
            (0, texts(&["select 1", "execute p", "select 2"])),
            (
                0,
                texts(&[
                    "begin",
                    "prepare q as select 'q'",
                    "select 1 / 0",
                    "execute q",
                    "rollback",
                    "execute q",
                ]),
            ),
            (0, texts(&["prepare o as select 'o'", "begin; discard all"])),
            says(0, "rollback"),
            (0, parsing("o", "select 'another'")),
            says(0, "execute o"),
            (0, texts(&["execute q", "deallocate all", "execute q"])),
            (
                0,
                Step::new(
                    "Query, Parse and Bind of one name",
                    &[
                        query("prepare m as select 'sql'"),
                        parse("m", "select 'protocol'", &[]),
                        sync(),
                        run("m", &[]),
                        query("deallocate m"),
                        parse("m", "select 'protocol'", &[]),
                        run("m", &[]),
                        query("execute m"),
                    ],
                )
                .ready(6),
            ),
            (
                0,
                Step::new(
                    "a Query in a batch",
                    &[
                        parse("", "select 'unnamed'", &[]),
                        query("execute m"),
                        bind("", "", &[]),
                        sync(),
                    ],
                )
                .ready(2),
            ),
            (0, texts(&["execute m", "execute m"])),
            (
                0,
                Step::new(
                    "a name that is given when what executes it is bound already",
                    &[
                        parse("", "execute early", &[]),
                        bind("x", "", &[]),
                        parse("early", "select 'early'", &[]),
                        execute("x", 0),
                        execute("x", 0),
                        sync(),
                    ],
                ),
            ),
            says(0, "deallocate early"),
            says(0, "create table pp (n int)"),
            says(1, "begin"),
            (
                0,
                Step::new(
                    "in a block, and what it reads is out of sight behind it",
                    &[
                        query("begin; prepare late as select n from pp"),
                        query("set local search_path to public"),
                        query("select 1"),
                    ],
                )
                .ready(3),
            ),
            says(0, "commit"),
            says(1, "rollback"),
            says(0, "execute late"),
            says(0, "drop table pp; deallocate all"),
            (
                0,
                Step::new(
                    "one of several statements gives a name, and the next wants it",
                    &[
                        query("select 1; prepare twice as select 2"),
                        parse("twice", "select 3", &[]),
                        sync(),
                    ],
                )
                .ready(2),
            ),
            says(0, "execute twice"),
            says(0, "deallocate all"),
        ],
    )
}

fn not_followed() -> Scene {
    scene(
        "what cannot be followed",
        vec![
            says(0, "prepare kept as select '1/2/2026'::date as d"),
            says(1, "prepare kept as select 'rival'"),
            says(0, "create table nf (i int)"),
            says(0, "prepare lost as select * from nf"),
            says(0, "set datestyle = 'sql, dmy'"),
            says(0, "drop table nf"),
            says(0, "prepare a as select 'a'; prepare b as select 'b'"),
            says(1, "execute kept"),
            says(0, "execute a; execute b"),
            says(0, "execute kept"),
            says(0, "execute lost"),
            says(0, "prepare kept as select 1"),
            says(0, "create table nf (i int)"),
            says(0, "execute lost"),
            says(0, "deallocate a"),
            (0, running_bare("b")),
            (0, parsing("kept", "select 1")),
            says(0, "deallocate all"),
            says(0, "execute kept"),
            says(0, "prepare kept as select 'again'"),
            says(0, "execute kept"),
            says(
                1,
                "prepare frozen as select 'today'::date = current_date as t",
            ),
            says(1, "execute frozen; execute kept"),
            says(1, "execute U&\"kept\""),
            says(0, "drop table nf"),
        ],
    )
}

/// What a function or a block executes by name.
fn seen_by_code() -> Scene {
    scene(
        "names in code",
        vec![
            says(0, "create table sc (i int)"),
            says(0, "prepare p as select 1 as one"),
            says(0, "prepare gone as select * from sc"),
            says(0, "drop table sc"),
            says(1, "prepare p as select 'rival'"),
            says(0, "begin"),
            says(0, "do $$ begin execute 'deallocate p'; end $$"),
            says(0, "commit"),
            says(0, "execute p"),
            says(0, "execute gone"),
            says(1, "execute p"),
            says(1, "do $$ begin execute 'prepare made as select 42'; end $$"),
            says(1, "execute made"),
            says(1, "execute p"),
        ],
    )
}

fn shown() -> Scene {
    const VIEW: &str = "select name, statement, parameter_types, from_sql from pg_prepared_statements order by name";
    scene(
        "pg_prepared_statements",
        vec![
            says(0, "prepare p (int) as  select $1 as p"),
            says(1, "prepare p as select 'rival'"),
            says(0, "execute p(1)"),
            (0, parsing("q", "select $1::text as q")),
            says(0, "execute q('x')"),
            says(1, VIEW),
            says(0, VIEW),
            says(0, "deallocate p"),
            says(0, VIEW),
            says(2, VIEW),
        ],
    )
}

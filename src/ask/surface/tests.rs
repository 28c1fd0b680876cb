//! The spellings, as data: one text, and what it must be read as.

use super::{Dialect, Surface, find};

/// Writes a surface on one line: `plain`; `verb(question)`, with `+tail` and `$n` after it; or the rewritten text,
/// its queries shown as `Q1`, `Q2`, and then every question.
fn show(sql: &str, dialect: Dialect) -> String {
    match find(sql, dialect) {
        Surface::Plain => "plain".to_owned(),
        Surface::Whole(whole) => {
            let mut shown = format!("{}({})", whole.verb.as_str(), whole.question);
            if let Some(tail) = whole.tail {
                shown.push_str(&format!(" +{tail}"));
            }
            if whole.parameter_count > 0 {
                shown.push_str(&format!(" ${}", whole.parameter_count));
            }
            shown
        }
        Surface::Embedded(embedded) => {
            let queries: Vec<String> = (1..=embedded.asks.len()).map(|i| format!("Q{i}")).collect();
            let mut shown = embedded.rewrite(sql, &queries).sql;
            for ask in &embedded.asks {
                shown.push_str(&format!(" | {}({})", ask.verb.as_str(), ask.question));
                if ask.parameter_count > 0 {
                    shown.push_str(&format!(" ${}", ask.parameter_count));
                }
                if !ask.arguments.is_empty() {
                    shown.push_str(&format!(" <- {}", ask.arguments.join(", ")));
                }
            }
            shown
        }
        Surface::Malformed(refusal) => format!("{} {}", refusal.sqlstate, refusal.message),
    }
}

fn check(cases: &[(&str, &str)]) {
    let failures: Vec<String> = cases
        .iter()
        .map(|(sql, expect)| (sql, expect, show(sql, Dialect::default())))
        .filter(|(_, expect, got)| got != *expect)
        .map(|(sql, expect, got)| format!("{sql:?}\n   expected {expect:?}\n   got      {got:?}"))
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn whole_asks_in_every_spelling() {
    check(&[
        ("-- ask: how many rooms", "rows(how many rooms)"),
        ("--ask: how many rooms", "rows(how many rooms)"),
        ("--ask:how many rooms", "rows(how many rooms)"),
        ("-- ASK: how many rooms\n", "rows(how many rooms)"),
        ("-- Ask : how many rooms;", "rows(how many rooms;)"),
        ("  \n\t-- ask: how many rooms\n;", "rows(how many rooms)"),
        ("-- ask: how many rooms\n;\n", "rows(how many rooms)"),
        (
            "-- ask: how many\n-- rooms are\n--   free",
            "rows(how many rooms are free)",
        ),
        ("-- ask: how many\r\n-- rooms\r\n", "rows(how many rooms)"),
        ("-- ask:\n-- how many rooms", "rows(how many rooms)"),
        (
            "-- ask: how many rooms\n\n-- a remark",
            "rows(how many rooms)",
        ),
        (
            "-- a remark\n-- ask: how many rooms",
            "rows(how many rooms)",
        ),
        ("/* app */ -- ask: how many rooms", "rows(how many rooms)"),
        (
            "-- ask: rooms of the guest's choice",
            "rows(rooms of the guest's choice)",
        ),
        ("-- ask: rooms \"A\" or 'B", "rows(rooms \"A\" or 'B)"),
        ("-- ask: a; b", "rows(a; b)"),
        ("/* ask: how many rooms */", "rows(how many rooms)"),
        ("/*ask:how many rooms*/", "rows(how many rooms)"),
        ("/* AsK: how many rooms */;", "rows(how many rooms)"),
        (
            "/* ask: how many\n   rooms */ ;",
            "rows(how many\n   rooms)",
        ),
        (
            "/* ask: rooms /* not halls */ */",
            "rows(rooms /* not halls */)",
        ),
        (
            "/* ask: how many rooms */ /* traceparent='00-1' */",
            "rows(how many rooms)",
        ),
        (
            "/* app='x' */ /* ask: how many rooms */",
            "rows(how many rooms)",
        ),
        (
            "/* ask: how many rooms */ -- a remark",
            "rows(how many rooms)",
        ),
        (";; /* ask: how many rooms */ ;;", "rows(how many rooms)"),
        ("ask: how many rooms", "rows(how many rooms)"),
        ("ask:how many rooms;", "rows(how many rooms)"),
        ("ask how many rooms;", "rows(how many rooms)"),
        ("ASK How Many Rooms ;", "rows(How Many Rooms)"),
        ("Ask : how many rooms", "rows(how many rooms)"),
        ("\n  ask\n how many\n rooms ;\n", "rows(how many\n rooms)"),
        ("ask how many rooms; -- thanks", "rows(how many rooms)"),
        ("ask how many rooms;;", "rows(how many rooms)"),
        ("/* app */ ask how many rooms", "rows(how many rooms)"),
        ("-- a remark\nask how many rooms", "rows(how many rooms)"),
        (
            "-- ask: a label\nask how many rooms",
            "rows(how many rooms)",
        ),
        (
            "ask how many rooms /* traceparent='00-1' */",
            "rows(how many rooms)",
        ),
        ("ask how many rooms -- app", "rows(how many rooms)"),
        ("ask the guest's rooms;", "rows(the guest's rooms)"),
        ("ask the guest''s rooms;", "rows(the guest''s rooms)"),
        ("ask the guests' rooms;", "rows(the guests' rooms)"),
        ("ask rooms called 'A;B';", "rows(rooms called 'A;B')"),
        (
            "ask rooms called 'O''Hara; Sons' or 'B';",
            "rows(rooms called 'O''Hara; Sons' or 'B')",
        ),
        ("ask rooms called \"A;B\";", "rows(rooms called \"A;B\")"),
        ("ask rooms called 'A;", "rows(rooms called 'A)"),
        (
            "ask free rooms; newest first;",
            "rows(free rooms; newest first)",
        ),
        ("ask rooms over $500;", "rows(rooms over $500)"),
        ("ask rooms over $9.99", "rows(rooms over $9.99)"),
        (
            "ask rooms of guest $1 since $2",
            "rows(rooms of guest $1 since $2) $2",
        ),
        ("/* ask: rooms of guest $1 */", "rows(rooms of guest $1) $1"),
        (
            "ask 50% of rooms (free ones)?",
            "rows(50% of rooms (free ones)?)",
        ),
        ("ask zimmer für gäste;", "rows(zimmer für gäste)"),
        ("ask 有多少房间;", "rows(有多少房间)"),
        ("ask $$ rooms;", "rows($$ rooms)"),
        (
            "ask rooms with select * in them",
            "rows(rooms with select * in them)",
        ),
        ("select -- ask: how many rooms\n;", "rows(how many rooms)"),
        (
            "SELECT -- ask: how many\n-- rooms\n;",
            "rows(how many rooms)",
        ),
        ("select /* ask: how many rooms */", "rows(how many rooms)"),
        (
            "select\n-- a remark\n-- ask: how many rooms\n;",
            "rows(how many rooms)",
        ),
        ("ask('how many rooms')", "rows(how many rooms)"),
        ("ask('the guest''s rooms');", "rows(the guest's rooms)"),
        ("ask(how many rooms)", "rows((how many rooms))"),
    ]);
}

#[test]
fn verbs_and_empty_questions() {
    check(&[
        ("ask", "help()"),
        ("ask;", "help()"),
        (" ASK ; ", "help()"),
        ("ask:", "help()"),
        ("ask: ;", "help()"),
        ("-- ask:", "help()"),
        ("/* ask: */", "help()"),
        ("/* ask: help */", "help()"),
        ("ask help;", "help()"),
        ("ask: help", "help()"),
        ("ask alternatives;", "alternatives()"),
        ("ask Alternatives", "alternatives()"),
        ("ask sql how many rooms;", "sql(how many rooms)"),
        ("ask sql: how many rooms;", "sql(how many rooms)"),
        ("ask: SQL how many rooms", "sql(how many rooms)"),
        ("-- ask sql: how many rooms", "sql(how many rooms)"),
        ("-- ask: sql how many rooms", "sql(how many rooms)"),
        ("/* ask sql: how many rooms */", "sql(how many rooms)"),
        (
            "/* ask explain: how many rooms */",
            "explain(how many rooms)",
        ),
        ("ask explain how many rooms", "explain(how many rooms)"),
        ("ask rows how many rooms", "rows(how many rooms)"),
        ("ask rows: sql servers", "rows(sql servers)"),
        ("ask sql", "help()"),
    ]);
}

#[test]
fn appended_limits() {
    check(&[
        (
            "/* ask: free rooms */ LIMIT 10",
            "rows(free rooms) +LIMIT 10",
        ),
        (
            "/* ask: free rooms */ limit 10;",
            "rows(free rooms) +limit 10",
        ),
        (
            "-- ask: free rooms\nLIMIT 100 OFFSET 20",
            "rows(free rooms) +LIMIT 100 OFFSET 20",
        ),
        (
            "-- ask: free rooms\nOFFSET 2 ROWS FETCH FIRST 5 ROWS ONLY;",
            "rows(free rooms) +OFFSET 2 ROWS FETCH FIRST 5 ROWS ONLY",
        ),
        (
            "-- ask: free rooms LIMIT 100",
            "rows(free rooms) +LIMIT 100",
        ),
        (
            "-- ask: free rooms\n LIMIT $1",
            "rows(free rooms) +LIMIT $1",
        ),
        ("ask free rooms\nLIMIT 200", "rows(free rooms) +LIMIT 200"),
        ("ask free rooms LIMIT 200;", "rows(free rooms) +LIMIT 200"),
        (
            "ask: free rooms\nfetch first 3 rows only",
            "rows(free rooms) +fetch first 3 rows only",
        ),
        (
            "ask roads with a speed limit 50",
            "rows(roads with a speed limit 50)",
        ),
        (
            "select -- ask: free rooms\nlimit 5\n;",
            "rows(free rooms) +limit 5",
        ),
        ("ask('free rooms') limit 5", "rows(free rooms) +limit 5"),
        ("/* ask: free rooms */ limit (select 1)", "plain"),
        ("/* ask: free rooms */ limit 5 for update", "plain"),
        (
            "/* ask: free rooms */ limit 5; select 1",
            "SELECT * FROM (Q1) AS ask limit 5; select 1 | rows(free rooms)",
        ),
    ]);
}

#[test]
fn asks_inside_statements() {
    check(&[
        (
            "select * from (/* ask: free rooms */) r where x > 1",
            "select * from (Q1) r where x > 1 | rows(free rooms)",
        ),
        (
            "select * from ( -- ask: free rooms\n ) r",
            "select * from ( Q1\n ) r | rows(free rooms)",
        ),
        (
            "select * from (\n-- ask: free\n-- rooms\n) r",
            "select * from (\nQ1\n) r | rows(free rooms)",
        ),
        (
            "select * from (select -- ask: free rooms\n) r",
            "select * from (Q1\n) r | rows(free rooms)",
        ),
        (
            "select * from (/* ask: free rooms */ limit 5) r",
            "select * from (SELECT * FROM (Q1) AS ask limit 5) r | rows(free rooms)",
        ),
        (
            "select * from (ask: the guest's rooms) r",
            "select * from (Q1) r | rows(the guest's rooms)",
        ),
        (
            "select * from (ask: rooms (free) now) r",
            "select * from (Q1) r | rows(rooms (free) now)",
        ),
        (
            "with r as (/* ask: free rooms */) select * from r",
            "with r as (Q1) select * from r | rows(free rooms)",
        ),
        (
            "with r (a, b) as materialized (/* ask: free rooms */), s as (-- ask: halls\n) select 1",
            "with r (a, b) as materialized (Q1), s as (Q2\n) select 1 | rows(free rooms) | rows(halls)",
        ),
        (
            "select a from t where id in (/* ask: free rooms */)",
            "select a from t where id in (Q1) | rows(free rooms)",
        ),
        (
            "select (/* ask: how many rooms */) as n, 1",
            "select (Q1) as n, 1 | rows(how many rooms)",
        ),
        (
            "select a = any (/* ask: free rooms */)",
            "select a = any (Q1) | rows(free rooms)",
        ),
        (
            "select 1 + (/* ask: how many rooms */)",
            "select 1 + (Q1) | rows(how many rooms)",
        ),
        (
            "select array(/* ask: free rooms */)",
            "select array(Q1) | rows(free rooms)",
        ),
        (
            "select * from a, lateral (/* ask: free rooms */) r",
            "select * from a, lateral (Q1) r | rows(free rooms)",
        ),
        (
            "select * from a join (/* ask: free rooms */) r on true",
            "select * from a join (Q1) r on true | rows(free rooms)",
        ),
        ("(/* ask: free rooms */)", "(Q1) | rows(free rooms)"),
        (
            "(/* ask: free rooms */) union (/* ask: halls */)",
            "(Q1) union (Q2) | rows(free rooms) | rows(halls)",
        ),
        (
            "/* ask: free rooms */ union all select 1",
            "(Q1) union all select 1 | rows(free rooms)",
        ),
        (
            "select 1 union all /* ask: free rooms */",
            "select 1 union all (Q1) | rows(free rooms)",
        ),
        (
            "select 1 except -- ask: free rooms\n order by 1",
            "select 1 except (Q1)\n order by 1 | rows(free rooms)",
        ),
        (
            "explain /* ask: free rooms */",
            "explain Q1 | rows(free rooms)",
        ),
        (
            "EXPLAIN ANALYZE VERBOSE -- ask: free rooms",
            "EXPLAIN ANALYZE VERBOSE Q1 | rows(free rooms)",
        ),
        (
            "explain (costs off, format json) /* ask: free rooms */;",
            "explain (costs off, format json) Q1; | rows(free rooms)",
        ),
        (
            "explain ask the guest's rooms;",
            "explain Q1; | rows(the guest's rooms)",
        ),
        (
            "explain (analyze) ask: free rooms",
            "explain (analyze) Q1 | rows(free rooms)",
        ),
        (
            "explain (/* ask: free rooms */)",
            "explain (Q1) | rows(free rooms)",
        ),
        (
            "copy (/* ask: free rooms */) to stdout with csv",
            "copy (Q1) to stdout with csv | rows(free rooms)",
        ),
        (
            "COPY ( -- ask: free rooms\n) TO STDOUT",
            "COPY ( Q1\n) TO STDOUT | rows(free rooms)",
        ),
        (
            "declare c cursor for /* ask: free rooms */",
            "declare c cursor for Q1 | rows(free rooms)",
        ),
        (
            "declare c scroll cursor with hold for ask free rooms",
            "declare c scroll cursor with hold for Q1 | rows(free rooms)",
        ),
        (
            "prepare p as /* ask: free rooms */",
            "prepare p as Q1 | rows(free rooms)",
        ),
        (
            "prepare p (int) as /* ask: rooms of guest $1 */;",
            "prepare p (int) as Q1; | rows(rooms of guest $1) $1",
        ),
        (
            "prepare p as ask free rooms",
            "prepare p as Q1 | rows(free rooms)",
        ),
        (
            "create view v as /* ask: free rooms */",
            "create view v as Q1 | rows(free rooms)",
        ),
        (
            "create or replace view v (a) as -- ask: free rooms\n;",
            "create or replace view v (a) as Q1\n; | rows(free rooms)",
        ),
        (
            "create materialized view if not exists v as /* ask: free rooms */ with no data",
            "create materialized view if not exists v as Q1 with no data | rows(free rooms)",
        ),
        (
            "create temp table t as /* ask: free rooms */",
            "create temp table t as Q1 | rows(free rooms)",
        ),
        (
            "create table t as ask free rooms;",
            "create table t as Q1; | rows(free rooms)",
        ),
        (
            "create table t as (/* ask: free rooms */)",
            "create table t as (Q1) | rows(free rooms)",
        ),
        (
            "explain create table t as /* ask: free rooms */",
            "explain create table t as Q1 | rows(free rooms)",
        ),
        (
            "insert into t /* ask: free rooms */",
            "insert into t Q1 | rows(free rooms)",
        ),
        (
            "insert into s.\"T\" (a, b) -- ask: free rooms\n on conflict do nothing",
            "insert into s.\"T\" (a, b) Q1\n on conflict do nothing | rows(free rooms)",
        ),
        (
            "insert into t as x (a) overriding system value /* ask: free rooms */ returning a",
            "insert into t as x (a) overriding system value Q1 returning a | rows(free rooms)",
        ),
        (
            "insert into t (/* ask: free rooms */)",
            "insert into t (Q1) | rows(free rooms)",
        ),
        (
            "select * from (/* ask: rooms of guest $2 */) r where a > $1",
            "select * from (Q1) r where a > $1 | rows(rooms of guest $2) $2",
        ),
        (
            "select * from (/* ask: rooms over $200 */) r where a > $1",
            "select * from (Q1) r where a > $1 | rows(rooms over $200)",
        ),
        (
            "select * from (/* ask sql: free rooms */) r",
            "select * from (Q1) r | sql(free rooms)",
        ),
    ]);
}

#[test]
fn asks_among_several_statements() {
    check(&[
        (
            "begin; ask free rooms; commit",
            "begin; Q1; commit | rows(free rooms)",
        ),
        (
            "ask free rooms; ask halls;",
            "Q1; Q2; | rows(free rooms) | rows(halls)",
        ),
        (
            "-- ask: free rooms\n; -- ask: halls\n;",
            "Q1\n; Q2\n; | rows(free rooms) | rows(halls)",
        ),
        (
            "select 1; /* ask: free rooms */; select 2",
            "select 1; Q1; select 2 | rows(free rooms)",
        ),
        (
            "set x = 1; select * from (/* ask: free rooms */) r;",
            "set x = 1; select * from (Q1) r; | rows(free rooms)",
        ),
        (
            "ask free rooms; /* ask: halls */",
            "Q1; Q2 | rows(free rooms) | rows(halls)",
        ),
        (
            "ask the guest's rooms; select 'it''s'",
            "Q1; select 'it''s' | rows(the guest's rooms)",
        ),
        ("select 1; ask help", "select 1; Q1 | help()"),
        (
            "/* ask: a label */ select 1; ask free rooms",
            "/* ask: a label */ select 1; Q1 | rows(free rooms)",
        ),
        (
            "/* ask: a */ /* ask: b */",
            "42601 two questions stand where there is room for one query",
        ),
        (
            "-- ask: a\n-- ask: b",
            "42601 two questions stand where there is room for one query",
        ),
    ]);
}

#[test]
fn the_function_form() {
    check(&[
        (
            "select * from ask('free rooms')",
            "select * from (Q1) AS ask | rows(free rooms)",
        ),
        (
            "select * from ASK ( 'free rooms' ) ;",
            "select * from (Q1) AS ask ; | rows(free rooms)",
        ),
        (
            "select * from ask('free rooms') r",
            "select * from (Q1) r | rows(free rooms)",
        ),
        (
            "select * from ask('free rooms') as r (a)",
            "select * from (Q1) as r (a) | rows(free rooms)",
        ),
        (
            "select * from ask('free rooms') where a > 1",
            "select * from (Q1) AS ask where a > 1 | rows(free rooms)",
        ),
        (
            "select * from ask('free rooms') limit 5",
            "select * from (Q1) AS ask limit 5 | rows(free rooms)",
        ),
        (
            "select * from t, ask('free rooms')",
            "select * from t, (Q1) AS ask | rows(free rooms)",
        ),
        (
            "select * from t join ask('free rooms') r on true",
            "select * from t join (Q1) r on true | rows(free rooms)",
        ),
        (
            "select * from t join u on a = b, ask('x y')",
            "select * from t join u on a = b, (Q1) AS ask | rows(x y)",
        ),
        (
            "select * from t cross join lateral ask('x y')",
            "select * from t cross join lateral (Q1) AS ask | rows(x y)",
        ),
        (
            "select * from (ask('x y') cross join t)",
            "select * from ((Q1) AS ask cross join t) | rows(x y)",
        ),
        (
            "select ask('how many rooms')",
            "select (Q1) | rows(how many rooms)",
        ),
        (
            "select ask('how many rooms') as n from t",
            "select (Q1) as n from t | rows(how many rooms)",
        ),
        (
            "select 1, ask('how many rooms')",
            "select 1, (Q1) | rows(how many rooms)",
        ),
        (
            "select (select ask('how many rooms'))",
            "select (select (Q1)) | rows(how many rooms)",
        ),
        (
            "select a from t where a > ask('x y')",
            "select a from t where a > (Q1) | rows(x y)",
        ),
        (
            "select a from t where f(a, ask('x y'))",
            "select a from t where f(a, (Q1)) | rows(x y)",
        ),
        (
            "select extract(year from ask('x y'))",
            "select extract(year from (Q1)) | rows(x y)",
        ),
        (
            "select a is distinct from ask('x y')",
            "select a is distinct from (Q1) | rows(x y)",
        ),
        (
            "select * from (select a from ask('x y')) r",
            "select * from (select a from (Q1) AS ask) r | rows(x y)",
        ),
        (
            "select * from ask(E'it\\'s free')",
            "select * from (Q1) AS ask | rows(it's free)",
        ),
        (
            "select * from ask($$the guest's$$)",
            "select * from (Q1) AS ask | rows(the guest's)",
        ),
        (
            "select * from ask('rooms of guest $1', $1)",
            "select * from (Q1) AS ask | rows(rooms of guest $1) $1 <- $1",
        ),
        (
            "select * from ask('rooms of guest $1', $3::int)",
            "select * from (Q1) AS ask | rows(rooms of guest $1) $1 <- ($3::int)",
        ),
        (
            "select * from ask('rooms of guest ? since ?', $1, $2)",
            "select * from (Q1) AS ask | rows(rooms of guest $1 since $2) $2 <- $1, $2",
        ),
        (
            "select * from ask('rooms of guest ?, now?', -5)",
            "select * from (Q1) AS ask | rows(rooms of guest $1, now?) $1 <- (-5)",
        ),
        (
            "select * from ask('rooms since ?', '2026-01-01'::timestamp(3))",
            "select * from (Q1) AS ask | rows(rooms since $1) $1 <- ('2026-01-01'::timestamp(3))",
        ),
        (
            "select * from ask('rooms of guest $1')",
            "select * from (Q1) AS ask | rows(rooms of guest $1) $1",
        ),
        (
            "ask('rooms of guest ?', 7);",
            "Q1; | rows(rooms of guest $1) $1 <- 7",
        ),
        (
            "select * from ask('sql: free rooms')",
            "select * from (Q1) AS ask | sql(free rooms)",
        ),
        (
            "select * from ask('rooms', $1)",
            "22023 the question has 0 slots and ask() has 1 arguments for them",
        ),
        (
            "select * from ask('rooms of $2', $1)",
            "22023 the question has 2 slots and ask() has 1 arguments for them",
        ),
        (
            "select * from ask('rooms of ?', t.id)",
            "22023 the arguments of ask() must be constants or parameters",
        ),
        (
            "select * from ask('rooms of ?', now())",
            "22023 the arguments of ask() must be constants or parameters",
        ),
        (
            "select * from ask($1)",
            "22023 the question of ask() must be a string literal",
        ),
    ]);
}

#[test]
fn plain_sql_is_never_an_ask() {
    let plain = [
        "",
        ";",
        "select 1",
        "select ask from quotes",
        "select\nask from quotes",
        "select bid, ask from quotes",
        "select bid,\n  ask\nfrom quotes",
        "select ask::text from quotes",
        "select ask :: text from quotes",
        "select q.ask from quotes q",
        "select max(ask) from quotes",
        "select (ask) from quotes",
        "select (ask::text) from quotes",
        "select price as ask from quotes",
        "select price ask from quotes",
        "select * from ask",
        "select * from ask where id = 1",
        "select * from quotes ask",
        "select * from (select 1) ask",
        "select * from (select 1) as ask",
        "select ask(1)",
        "select ask()",
        "select ask(id) from t",
        "select ask(question => 'x')",
        "select s.ask('x y')",
        "select \"ask\"('x y')",
        "create function ask('x')",
        "create table ask (id int)",
        "create table t (ask int, bid int)",
        "create view v as select bid as ask from quotes",
        "create table t as select 1 as ask",
        "prepare p as select 1 as ask",
        "declare c cursor for select 1 as ask",
        "explain select 1 as ask",
        "insert into ask values (1)",
        "insert into ask (a) values (1)",
        "insert into t (ask) values (1)",
        "update t set ask = 1",
        "update t\nset\nask = 1",
        "delete from ask",
        "drop table ask",
        "alter table t add column ask int",
        "set ask.notices = off",
        "show ask.max_rows",
        "reset ask.timeout",
        "asking for rooms",
        "task: rooms",
        "ask_rooms",
        "ask.rooms",
        "ask=1",
        "ask, tell",
        "ask::text",
        "-- ask how many rooms",
        "-- asking: how many rooms",
        "-- please ask: how many rooms",
        "-- task: how many rooms",
        "--- ask: how many rooms",
        "/* ask how many rooms */",
        "/** ask: how many rooms */",
        "/*+ ask: how many rooms */",
        "/* remark /* ask: how many rooms */ */",
        "/* ask: never closed",
        "-- ask: a label\nselect 1",
        "/* ask: a label */ select 1",
        "/* ask: a label */ with r as (select 1) select * from r",
        "/* ask: a label */ values (1)",
        "/* ask: a label */ (select 1)",
        "/* ask: a label */ insert into t values (1)",
        "-- ask: a label\nbegin",
        "-- ask: a label\n/* more */ select 1;",
        "select 1 -- ask: a remark",
        "select 1 /* ask: a remark */",
        "select 1 /* ask: a remark */;",
        "select /* ask: a remark */ 1",
        "select a /* ask: a remark */ from t",
        "select * from t -- ask: a remark\nwhere a = 1",
        "select * from (/* ask: a label */ select 1) r",
        "select * from (select 1 /* ask: a remark */) r",
        "with r as (-- ask: a label\nselect 1) select * from r",
        "explain /* ask: a label */ select 1",
        "explain (/* ask: a label */ analyze) select 1",
        "create view v as /* ask: a label */ select 1",
        "insert into t -- ask: a label\nvalues (1)",
        "insert into t (a) /* ask: a label */ select 1",
        "insert into t (/* ask: a remark */ a) values (1)",
        "insert into t default values /* ask: a remark */",
        "prepare p as -- ask: a label\nselect 1",
        "copy t /* ask: a remark */ to stdout",
        "copy t (/* ask: a remark */ a) to stdout",
        "select now(/* ask: a remark */)",
        "select s.now(/* ask: a remark */)",
        "select \"f\"(/* ask: a remark */)",
        "create table t (/* ask: a remark */)",
        "select count(/* ask: a remark */ *)",
        "select row_number() over (/* ask: a remark */) from t",
        "select 'ask: how many rooms'",
        "select '-- ask: how many rooms'",
        "select '/* ask: how many rooms */'",
        "select '(/* ask: how many rooms */)' from (values (1)) v",
        "select E'\\'; ask: how many rooms'",
        "select $$-- ask: how many rooms$$",
        "select $x$ ; ask how many rooms $x$",
        "select \"-- ask: how many rooms\"",
        "select 1 as \"/* ask: x */\"",
        "select 'a'\n'; ask x'",
        "do $$ begin -- ask: x\n end $$",
        "create function f() returns int language sql as $$ /* ask: x */ select 1 $$",
        "create function f() returns int begin atomic /* ask: x */; select 1; end",
        "create function f() returns int begin atomic select case when true then 1 end; -- ask: x\n select 2; end",
        "select $1, 'ask: x'",
        "comment on table t is 'ask: x'",
        "notify c, 'ask: x'",
        "select 'unterminated -- ask: x",
        "select U&'ask: x'",
        "select ask('a' || 'b')",
        "execute ask('x y'",
    ];
    let cases: Vec<(&str, &str)> = plain.iter().map(|sql| (*sql, "plain")).collect();
    check(&cases);
}

#[test]
fn a_function_of_that_name_is_the_databases_own() {
    let dialect = Dialect {
        has_ask_function: true,
        ..Dialect::default()
    };
    for sql in [
        "select * from ask('x y')",
        "select ask('x y', $1)",
        "select * from ask($1)",
    ] {
        assert_eq!(show(sql, dialect), "plain", "{sql}");
    }
    assert_eq!(show("ask free rooms", dialect), "rows(free rooms)");
}

#[test]
fn backslashes_follow_the_session() {
    let escapes = Dialect {
        standard_conforming_strings: false,
        ..Dialect::default()
    };
    let sql = r"select 'a\' -- ask: x' from (/* ask: free rooms */) r";
    assert_eq!(
        show(sql, escapes),
        r"select 'a\' -- ask: x' from (Q1) r | rows(free rooms)"
    );
    assert_eq!(show(sql, Dialect::default()), "plain");
}

#[test]
fn positions_are_found_again() {
    use super::rewrite::Place;
    let sql = "select é from (/* ask: free rooms */) r where x";
    let Surface::Embedded(embedded) = find(sql, Dialect::default()) else {
        panic!("an ask is in it");
    };
    let rewritten = embedded.rewrite(sql, &["SELECT y"]);
    assert_eq!(rewritten.sql, "select é from (SELECT y) r where x");
    let at = |needle: &str| rewritten.sql.split(needle).next().unwrap().chars().count() + 1;
    assert_eq!(rewritten.locate(sql, at("é")), Place::Original(8));
    assert_eq!(rewritten.locate(sql, at("y)")), Place::Ask(0, 8));
    let x = sql.split("where x").next().unwrap().chars().count() + 7;
    assert_eq!(rewritten.locate(sql, at("where x") + 6), Place::Original(x));
}

#[test]
fn no_text_makes_it_panic() {
    const PIECES: [&str; 34] = [
        "ask",
        "ask:",
        "-- ask: x",
        "/* ask: ",
        "*/",
        "(",
        ")",
        ";",
        "'",
        "\"",
        "$$",
        "$a$",
        "$1",
        "\n",
        " ",
        "select",
        "from",
        "E'",
        "\\",
        "limit 1",
        "union",
        "explain",
        "as",
        "insert into t",
        "begin atomic",
        "end",
        "é",
        "房",
        "ask('q', 1)",
        ",",
        "::",
        "-",
        "/",
        "\r\n",
    ];
    // xorshift64: any seed but 0 will do, and this one is printed by nothing because it never changes.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % bound as u64).unwrap()
    };
    for round in 0..20_000 {
        let mut text = String::new();
        for _ in 0..next(14) {
            text.push_str(PIECES[next(PIECES.len())]);
            if next(3) == 0 {
                text.push(' ');
            }
        }
        let mut bytes = text.into_bytes();
        if round % 2 == 0 && !bytes.is_empty() {
            let at = next(bytes.len());
            bytes[at] = u8::try_from(next(256)).unwrap();
        }
        let text = String::from_utf8_lossy(&bytes);
        for standard_conforming_strings in [true, false] {
            let dialect = Dialect {
                standard_conforming_strings,
                has_ask_function: false,
            };
            if let Surface::Embedded(embedded) = find(&text, dialect) {
                let ends: Vec<usize> = embedded
                    .asks
                    .iter()
                    .flat_map(|ask| [ask.range.start, ask.range.end])
                    .collect();
                assert!(ends.is_sorted(), "overlapping asks in {text:?}");
                let queries = vec!["Q"; embedded.asks.len()];
                let rewritten = embedded.rewrite(&text, &queries);
                for position in 1..=rewritten.sql.chars().count() {
                    let _ = rewritten.locate(&text, position);
                }
            }
        }
    }
}

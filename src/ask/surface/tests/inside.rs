//! Asks inside real SQL.

use super::check;

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
            "select * from (ask('free rooms')) r",
            "select * from (Q1) r | rows(free rooms)",
        ),
        (
            "with r as (\nask('free rooms')\n) select 1, f(ask('halls'))",
            "with r as (\nQ1\n) select 1, f((Q2)) | rows(free rooms) | rows(halls)",
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

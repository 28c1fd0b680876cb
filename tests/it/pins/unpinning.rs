//! A pin ends with its cause, and not before.

use super::{counted, keeps_its_connection, pins, stage};
use crate::support::frames::{Frame, bind, close_statement, execute, parse, sync, terminate};
use crate::support::raw::{self, Raw};
use crate::support::stage::{APP, Stage};

/// What pins, under which cause it is counted, and what ends it; each of them a simple Query of its own.
struct Pin {
    cause: &'static str,
    begun_by: &'static [&'static str],
    ended_by: &'static [&'static str],
}

const fn pin(
    cause: &'static str,
    begun_by: &'static [&'static str],
    ended_by: &'static [&'static str],
) -> Pin {
    Pin {
        cause,
        begun_by,
        ended_by,
    }
}

const PINS: [Pin; 26] = [
    pin("listen", &["listen a"], &["unlisten a"]),
    pin("listen", &["listen a; listen b"], &["unlisten *"]),
    pin("listen", &["listen a"], &["begin", "unlisten a", "commit"]),
    pin(
        "listen",
        &["listen a"],
        &["begin", "unlisten a", "rollback", "unlisten a"],
    ),
    pin("listen", &["listen a"], &["discard all"]),
    pin(
        "temporary_object",
        &["create temp table t (i int)"],
        &["drop table t"],
    ),
    pin(
        "temporary_object",
        &["create temporary table t (i serial)"],
        &["drop table t"],
    ),
    pin(
        "temporary_object",
        &["create table pg_temp.t (i int)"],
        &["drop table t"],
    ),
    pin(
        "temporary_object",
        &["select 1 as i into temp t"],
        &["drop table t"],
    ),
    pin(
        "temporary_object",
        &["create temp view v as select 1"],
        &["drop view v"],
    ),
    pin(
        "temporary_object",
        &["create temp sequence s"],
        &["drop sequence s"],
    ),
    pin(
        "temporary_object",
        &["create type pg_temp.e as enum ('a')"],
        &["drop type pg_temp.e"],
    ),
    pin(
        "temporary_object",
        &["create function pg_temp.f() returns int language sql as 'select 1'"],
        &["drop function pg_temp.f()"],
    ),
    pin(
        "temporary_object",
        &["create temp table t (i int)", "create temp table u (i int)"],
        &["drop table t", "drop table u"],
    ),
    pin(
        "temporary_object",
        &["create temp table t (i int)"],
        &["begin", "drop table t", "commit"],
    ),
    pin(
        "temporary_object",
        &["create temp table t (i int)"],
        &["discard temp"],
    ),
    pin(
        "temporary_object",
        &["create temp table t (i int)"],
        &["discard all"],
    ),
    pin(
        "cursor_with_hold",
        &["declare c cursor with hold for select 1"],
        &["close c"],
    ),
    pin(
        "cursor_with_hold",
        &["begin", "declare c cursor with hold for select 1", "commit"],
        &["fetch all from c", "close all"],
    ),
    pin(
        "advisory_lock",
        &["select pg_advisory_lock(1)"],
        &["select pg_advisory_unlock(1)"],
    ),
    pin(
        "advisory_lock",
        &["select pg_advisory_lock(1, 2)"],
        &["select pg_advisory_unlock(1, 2)"],
    ),
    pin(
        "advisory_lock",
        &["select pg_try_advisory_lock_shared(1)"],
        &["select pg_advisory_unlock_shared(1)"],
    ),
    pin(
        "advisory_lock",
        &["select pg_advisory_lock(1), pg_advisory_lock(1)"],
        &[
            "select pg_advisory_unlock(1)",
            "select pg_advisory_unlock(1)",
        ],
    ),
    pin(
        "advisory_lock",
        &["select pg_advisory_lock(n) from generate_series(1, 9) n"],
        &["select pg_advisory_unlock_all()"],
    ),
    pin(
        "sequence",
        &["select nextval('numbers')"],
        &["discard sequences"],
    ),
    pin(
        "sequence",
        &["select setval('numbers', 5)"],
        &["discard all"],
    ),
];

fn with_sequence(stage: Stage) -> Stage {
    stage.admin().rows("set role app; create sequence numbers");
    stage
}

#[test]
fn a_pin_ends_with_its_cause() {
    let stage = with_sequence(stage());
    for pin in &PINS {
        let what = (pin.begun_by, pin.ended_by);
        let counted_before = pins(&stage.proxy, pin.cause);
        let mut client = stage.client();
        for sql in pin.begun_by {
            client.rows(sql);
        }
        let waiting = keeps_its_connection(&stage).unwrap_or_else(|| panic!("{what:?}: no pin"));
        assert_eq!(
            pins(&stage.proxy, pin.cause),
            counted_before + 1,
            "{what:?}"
        );
        assert_eq!(
            counted(&stage.proxy, "pgask_pinned_connections "),
            1,
            "{what:?}"
        );
        let (last, before) = pin.ended_by.split_last().unwrap();
        for sql in before {
            client.rows(sql);
        }
        assert!(waiting.still_waits(), "{what:?}: too early");
        client.rows(last);
        waiting.must_be_served();
        client.rows("select 1");
        assert_eq!(
            counted(&stage.proxy, "pgask_pinned_connections "),
            0,
            "{what:?}"
        );
    }
    let logs = stage.proxy.logs();
    for pin in &PINS {
        assert!(
            logs.contains(&format!("\"cause\":\"{}\"", pin.cause)),
            "{}",
            pin.cause
        );
    }
}

#[test]
fn a_pin_ends_with_its_cause_over_the_extended_protocol() {
    let stage = stage();
    let run = |client: &mut Raw, sql: &str| {
        let answer = client.exchange(&[
            parse("", sql, &[]),
            bind("", "", &[]),
            execute("", 0),
            sync(),
        ]);
        assert!(
            answer.iter().all(|frame| frame.tag != b'E'),
            "{sql}: {answer:?}"
        );
    };
    for (begin, end) in [
        ("listen a", "unlisten a"),
        ("create temp table t (i int)", "drop table t"),
        ("select pg_advisory_lock(1)", "select pg_advisory_unlock(1)"),
    ] {
        let mut client = stage.client();
        run(&mut client, begin);
        let waiting = keeps_its_connection(&stage).unwrap_or_else(|| panic!("{begin}: no pin"));
        run(&mut client, end);
        waiting.must_be_served();
    }
}

#[test]
fn a_pin_lasts_while_a_second_cause_is_there() {
    let stage = with_sequence(stage());
    let causes = [
        ("listen a", "unlisten a"),
        ("create temp table t (i int)", "drop table t"),
        ("select pg_advisory_lock(1)", "select pg_advisory_unlock(1)"),
        ("declare c cursor with hold for select 1", "close c"),
        ("select nextval('numbers')", "discard sequences"),
    ];
    for (n, (first, end_first)) in causes.iter().enumerate() {
        let (second, end_second) = causes[(n + 1) % causes.len()];
        for is_first_ended_first in [true, false] {
            let mut client = stage.client();
            client.rows(first);
            client.rows(second);
            let waiting = keeps_its_connection(&stage).expect("a pin");
            let (sooner, later) = if is_first_ended_first {
                (*end_first, end_second)
            } else {
                (end_second, *end_first)
            };
            client.rows(sooner);
            assert!(waiting.still_waits(), "{first}, {second}: {sooner}");
            client.rows(later);
            waiting.must_be_served();
        }
    }
}

#[test]
fn what_cannot_be_looked_for_keeps_the_pin() {
    let stage = stage();
    let mut client = stage.client();
    client.rows("do $$ begin execute 'select 1'; end $$");
    client.rows("listen a");
    let waiting = keeps_its_connection(&stage).expect("a pin");
    client.rows("unlisten *");
    assert!(waiting.still_waits());
    drop(client);
    waiting.must_be_served();
}

#[test]
fn a_word_that_stands_for_nothing_does_not_pin() {
    let stage = stage();
    stage
        .admin()
        .rows("set role app; create table orders (status text)");
    let mut client = stage.client();
    for sql in [
        "select * from orders where status = 'hold'",
        "select 'temp', 'temporary' -- temp",
        "begin; create temp table t (i int) on commit drop; commit",
        "begin; create temp table t (i int); rollback",
        "begin; listen a; rollback",
        "begin; declare c cursor with hold for select 1; rollback",
        "begin; declare c cursor with hold for select 1; close c; commit",
        "create temp table t (i int); drop table t",
        "select pg_advisory_lock(1); select pg_advisory_unlock(1)",
        "listen a; unlisten a",
    ] {
        client.rows(sql);
        assert!(keeps_its_connection(&stage).is_none(), "{sql}");
    }
    for sql in [
        "listen a; select 1 / 0",
        "create temp table t (i int); select 1 / 0",
        "select * from pg_temp.nothing",
        "select pg_advisory_lock(1 / 0)",
    ] {
        client.error(sql);
        assert!(keeps_its_connection(&stage).is_none(), "{sql}");
    }
    // A lock that somebody else has is not got.
    let mut owner = stage.admin();
    owner.rows("select pg_advisory_lock(7)");
    assert_eq!(client.value("select pg_try_advisory_lock(7)"), "f");
    assert!(keeps_its_connection(&stage).is_none());
}

#[test]
fn a_session_lock_taken_in_a_transaction_that_fails_is_kept() {
    let stage = stage();
    let mut client = stage.client();
    client.error("begin; select pg_advisory_lock(1); select 1 / 0");
    client.rows("rollback");
    let waiting = keeps_its_connection(&stage).expect("a pin");
    assert_eq!(client.value("select pg_advisory_unlock(1)"), "t");
    waiting.must_be_served();
}

#[test]
fn nothing_of_the_question_is_seen() {
    let stage = stage();
    let script = [
        "set client_min_messages = debug5",
        "set log_statement_stats = off",
        "listen a",
        "notify a, 'one'",
        "begin; notify a, 'two'; unlisten a; commit",
        "create temp table t (i int) on commit delete rows",
        "drop table t",
        "select pg_advisory_lock(1)",
        "select pg_advisory_unlock(1)",
        "select count(*) from pg_prepared_statements",
        "reset client_min_messages",
    ];
    // What the server says of its own inner life has numbers in it; that it says it is the same.
    let plain = |frames: Vec<Frame>| {
        frames
            .iter()
            .map(|frame| match frame.tag {
                b'N' => "N".to_owned(),
                _ => frame.render(),
            })
            .collect::<Vec<_>>()
    };
    let run = |mut client: Raw| {
        let answers: Vec<_> = script.iter().map(|sql| plain(client.query(sql))).collect();
        client.send(&terminate());
        client.until_closed();
        answers
    };
    let direct = run(stage.direct(&APP).expect("a login"));
    let through = run(stage.client());
    for ((direct, through), sql) in direct.iter().zip(&through).zip(script) {
        assert_eq!(through, direct, "{sql}");
    }
}

#[test]
fn an_unnamed_statement_outlives_the_question() {
    let stage = stage();
    let mut client = stage.client();
    client.rows("listen a");
    let answer = client.exchange(&[parse("", "select 'kept'", &[]), sync()]);
    assert!(answer.iter().all(|frame| frame.tag != b'E'));
    // A statement that is named, so that the unnamed one stays.
    client.exchange(&[
        parse("u", "unlisten a", &[]),
        bind("", "u", &[]),
        execute("", 0),
        close_statement("u"),
        sync(),
    ]);
    assert!(keeps_its_connection(&stage).is_none());
    let answer = client.exchange(&[bind("", "", &[]), execute("", 0), sync()]);
    assert_eq!(raw::rows(&answer), [[Some("kept".to_owned())]]);
}

#[test]
fn a_session_that_keeps_hinting_is_not_asked_for_ever() {
    let stage = stage();
    let mut client = stage.client();
    client.rows("select pg_advisory_lock(1)");
    for _ in 0..200 {
        client.rows("select pg_advisory_lock(2)");
        client.rows("select pg_advisory_unlock(2)");
    }
    let asked = counted(&stage.proxy, "pgask_inquiries_total{outcome=\"answered\"} ");
    assert!((5..20).contains(&asked), "{asked}");
    let waiting = keeps_its_connection(&stage).expect("a pin");
    // However often it was passed over, it is let go in the end.
    client.rows("select pg_advisory_unlock(1)");
    for _ in 0..64 {
        client.rows("select pg_advisory_unlock(2)");
    }
    waiting.must_be_served();
}

//! What pins, and what only looks as if it did.

use super::{keeps_its_connection, pins, rendered, stage};
use crate::support::frames::{bind, execute, function_call, parse, sync};
use crate::support::raw::{Raw, sqlstate};
use crate::support::stage::{APP, Stage};

const SCHEMA: &str = "
    set role app;
    create table plain (i int primary key);
    create procedure harmless() language plpgsql as $$ begin update plain set i = 1; end $$;
    create procedure committing() language plpgsql as $$ begin perform 1; commit; end $$;
    create procedure keeping() language plpgsql as $$ begin set my.trace = 'left'; end $$;
    reset role;
    create function in_c(oid) returns void language c as '$libdir/plpgsql', 'plpgsql_validator';
    create function immutable_in_c(oid) returns void language c immutable
        as '$libdir/plpgsql', 'plpgsql_validator'";

fn staged() -> Stage {
    let stage = stage();
    stage.admin().rows(SCHEMA);
    stage
}

#[test]
fn what_ends_with_its_transaction_does_not_pin() {
    let stage = staged();
    let mut client = stage.client();
    client.exchange(&[parse("named", "select 1", &[]), sync()]);
    for sql in [
        "do $$ begin perform 1; end $$",
        "do $$ begin insert into plain values (7) on conflict do nothing; end $$ language plpgsql",
        "do $$ begin set local work_mem = '1MB'; end $$",
        "call harmless()",
        "call committing()",
        "select immutable_in_c(i::oid) from plain where false",
        "begin; set constraints all deferred; commit",
        "begin; select pg_export_snapshot(); commit",
        "begin; select lo_open(lo_create(0), 131072); commit",
        "begin; notify a; select pg_notify('a', 'b'); commit",
        "begin; select pg_advisory_xact_lock(1); lock table plain; commit",
        "begin; declare c cursor for select 1; fetch c; commit",
        "begin; savepoint a; rollback to a; release a; commit",
        "insert into plain values (1) on conflict (i) do update set i = 1",
        "copy (select 1) to stdout",
        "explain analyze select 1",
        "vacuum plain",
    ] {
        client.rows(sql);
        assert!(keeps_its_connection(&stage).is_none(), "{sql}");
    }
    // Whether the server has room for a prepared transaction is its own affair.
    client.query("begin; prepare transaction 'x'");
    client.query("rollback prepared 'x'");
    assert!(keeps_its_connection(&stage).is_none(), "two-phase commit");
    // lo_creat, as libpq calls it.
    client.exchange(&[function_call(957, &["-1"])]);
    assert!(keeps_its_connection(&stage).is_none(), "a large object");
}

#[test]
fn what_cannot_be_seen_pins_until_the_session_ends() {
    let stage = staged();
    stage.admin().rows("alter role app superuser");
    let traces: [(&str, &str); 13] = [
        ("code", "do $$ begin execute 'select 1'; end $$"),
        (
            "code",
            "do $$ begin perform set_config('my.trace', 'left', false); end $$",
        ),
        ("code", "do 'begin set my.trace = ''left''; end'"),
        ("code", "call keeping()"),
        ("code", "select in_c(1) where false"),
        ("random_seed", "select setseed(0.5)"),
        ("random_seed", "set seed = 0.5"),
        ("random_seed", "select set_config('seed', '0.5', false)"),
        ("library", "load 'plpgsql'"),
        ("library", "set plpgsql.extra_warnings = 'all'"),
        ("statistics", "select pg_stat_force_next_flush()"),
        ("sequence", "create sequence s; select nextval('s')"),
        ("sequence", "select setval('s', 7)"),
    ];
    for (cause, sql) in traces {
        let counted = pins(&stage.proxy, cause);
        let mut client = stage.client();
        client.rows(sql);
        let waiting = keeps_its_connection(&stage).unwrap_or_else(|| panic!("{sql}: no pin"));
        assert_eq!(pins(&stage.proxy, cause), counted + 1, "{sql}");
        client.rows("select 1");
        assert!(waiting.still_waits(), "{sql}");
        drop(client);
        waiting.must_be_served();
    }
}

#[test]
fn a_function_called_by_its_number_pins() {
    let stage = staged();
    let mut client = stage.client();
    // pg_advisory_lock(bigint)
    client.exchange(&[function_call(2880, &["1"])]);
    let waiting = keeps_its_connection(&stage).expect("a pin");
    assert_eq!(client.value("select pg_advisory_unlock(1)"), "t");
    drop(client);
    waiting.must_be_served();
    // One that is too short is refused by the server, and by nobody else.
    let mut client = stage.client();
    let answer = client.exchange(&[vec![b'F', 0, 0, 0, 6, 0, 0]]);
    assert_eq!(sqlstate(&answer), "08P01");
    client.rows("select 1");
}

#[test]
fn a_statement_too_long_to_be_looked_at_pins() {
    let stage = stage();
    let mut client = stage.client();
    let long = format!("select length('{}')", "x".repeat(17 * 1024 * 1024));
    assert_eq!(client.value(&long), (17 * 1024 * 1024).to_string());
    let waiting = keeps_its_connection(&stage).expect("a pin");
    assert_eq!(pins(&stage.proxy, "long_statement"), 1);
    drop(client);
    waiting.must_be_served();
}

#[test]
fn every_cause_of_a_pin_is_counted_once_and_logged() {
    let stage = stage();
    let mut client = stage.client();
    client.rows("listen a");
    client.rows("listen b");
    client.rows("create temp table t (i int); listen c");
    client.rows("select pg_advisory_lock(1)");
    for cause in ["listen", "temporary_object", "advisory_lock"] {
        assert_eq!(pins(&stage.proxy, cause), 1, "{cause}");
        let line = format!("\"cause\":\"{cause}\"");
        stage.eventually(|| stage.proxy.logs().contains(&line).then_some(()));
    }
    assert!(!stage.proxy.logs().contains("temp table"), "SQL in the log");
}

#[test]
fn a_literal_read_behind_a_set_pins_only_where_that_may_change_it() {
    let stage = stage();
    let behind = |sql: &str| {
        [
            parse("", sql, &[]),
            bind("", "", &[]),
            execute("", 0),
            parse("s", "select 'a literal'", &[]),
            sync(),
        ]
    };
    for (sql, is_frozen) in [
        ("set work_mem = '1MB'", false),
        ("set local work_mem = '1MB'", false),
        ("set role none", false),
        ("set session authorization default", false),
        ("reset work_mem", false),
        ("reset all", false),
        ("discard all", false),
        ("select set_config('work_mem', '1MB', true)", true),
        ("set timezone = 'Asia/Tokyo'", true),
        ("set local time zone 'Asia/Tokyo'", true),
        ("set local datestyle = 'ISO, DMY'", true),
        ("set datestyle = 'ISO, DMY'", true),
        ("set names 'latin1'", true),
        ("reset intervalstyle", true),
    ] {
        let mut client = stage.client();
        client.exchange(&behind(sql));
        let is_kept = keeps_its_connection(&stage);
        assert_eq!(is_kept.is_some(), is_frozen, "{sql}");
    }
    // What is executed between them changes nothing of that.
    let mut client = stage.client();
    let mut batch = behind("set statement_timeout = '12min'").to_vec();
    let read = [
        parse("", "select 1", &[]),
        bind("", "", &[]),
        execute("", 0),
    ];
    batch.splice(3..3, read);
    client.exchange(&batch);
    assert!(keeps_its_connection(&stage).is_none());
    drop(client);
    // What these do depends on what the session has set.
    for sql in ["discard all", "reset all"] {
        let mut client = stage.client();
        client.rows("set timezone = 'Asia/Tokyo'");
        client.exchange(&behind(sql));
        assert!(keeps_its_connection(&stage).is_some(), "{sql}");
    }
}

#[test]
fn a_seed_is_the_sessions_own_as_long_as_it_lasts() {
    let stage = stage();
    let script = [
        "select setseed(0.25)",
        "select random()",
        "begin; select random(); commit",
        "discard all",
        "select random()",
        "set seed = 0.75",
        "select random()",
    ];
    let run = |mut client: Raw| script.map(|sql| rendered(&client.query(sql)));
    let direct = run(stage.direct(&APP).expect("a login"));
    assert_eq!(run(stage.client()), direct);
    // It is gone with the session: what follows from it is not seen by the next.
    let mut next = stage.client();
    let seen = rendered(&next.query("select random()"));
    let mut other = stage.direct(&APP).expect("a login");
    other.rows("set seed = 0.75");
    other.rows("select random()");
    assert_ne!(seen, rendered(&other.query("select random()")));
}

#[test]
fn a_setting_of_a_library_is_what_it_is_in_a_new_session() {
    let stage = stage();
    let script = [
        "set plpgsql.extra_warnings = 'no_such_warning'",
        "show plpgsql.extra_warnings",
        "do $$ begin null; end $$",
        "show plpgsql.extra_warnings",
        "set plpgsql.extra_warnings = 'no_such_warning'",
    ];
    let run = |mut client: Raw| script.map(|sql| rendered(&client.query(sql)));
    let direct = run(stage.direct(&APP).expect("a login"));
    // The pool's only connection has loaded the library for somebody else.
    stage.client().rows("do $$ begin null; end $$");
    assert_eq!(run(stage.client()), direct);
    // A session that has been here for long has loaded nothing for that.
    let mut client = stage.client();
    client.rows("select 1");
    stage.client().rows("do $$ begin null; end $$");
    assert_eq!(run(client), direct);
}

#[test]
fn statistics_are_handed_in_by_a_backend_that_has_only_ones_own() {
    let stage = stage();
    let mut first = stage.client();
    let backend = first.value("select pg_backend_pid()");
    drop(first);
    let mut client = stage.client();
    client.rows("select pg_stat_force_next_flush()");
    let own = client.value("select pg_backend_pid()");
    assert_ne!(own, backend);
    client.rows("select pg_stat_force_next_flush()");
    assert_eq!(client.value("select pg_backend_pid()"), own);
}

#[test]
fn a_prepared_statement_pins_when_it_runs() {
    let stage = staged();
    let mut client = stage.client();
    client.exchange(&[parse("c", "call keeping()", &[]), sync()]);
    let mut other = stage.client();
    other.rows("select 1");
    client.exchange(&[bind("", "c", &[]), execute("", 0), sync()]);
    let waiting = keeps_its_connection(&stage).expect("a pin");
    assert_eq!(client.value("show my.trace"), "left");
    drop(client);
    waiting.must_be_served();
}

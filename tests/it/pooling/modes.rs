//! `pool.mode` as PgBouncer has it: `session` and `transaction`.

use std::time::Duration;

use crate::support::frames::{bind, execute, parse, query, sync, terminate};
use crate::support::postgres::SUPERUSER_PASSWORD;
use crate::support::proxy::Proxy;
use crate::support::raw::{Endpoint, Raw, rows};
use crate::support::stage::{APP, Stage, prepared};

/// How long somebody is watched who must not be served.
const A_WHILE: Duration = Duration::from_millis(300);

fn session_mode(size: u32) -> Stage {
    Stage::new(&format!(
        "[pool]\nmode = \"session\"\ndefault_pool_size = {size}\n"
    ))
}

fn transaction_mode(size: u32) -> Stage {
    Stage::new(&format!(
        "[pool]\nmode = \"transaction\"\ndefault_pool_size = {size}\n"
    ))
}

#[test]
fn in_session_mode_a_session_has_one_connection_from_its_first_statement_to_its_end() {
    let stage = session_mode(1);
    let mut first = stage.client();
    let own = first.backend();
    let mut second = stage.client();
    second.send(&query("select pg_backend_pid()"));
    assert!(!second.is_answered_within(A_WHILE));
    assert_eq!(first.backend(), own);
    first.rows("discard all");
    assert_eq!(first.backend(), own);
    assert!(!second.is_answered_within(A_WHILE));
    first.send(&terminate());
    first.until_closed();
    assert_eq!(rows(&second.until_ready()), [[Some(own)]]);
}

#[test]
fn in_session_mode_everything_that_a_session_does_lasts_as_long_as_it_does() {
    let stage = session_mode(2);
    let mut client = stage.client();
    let mut other = stage.client();
    client.rows("set work_mem = '5MB'; create temp table t (i int); listen news");
    client.rows("prepare p as select 42; select pg_advisory_lock(7)");
    client.rows("begin; declare c cursor with hold for select 43; commit");
    client.exchange(&[parse("s", "select 44", &[]), sync()]);
    other.rows("select 1");
    assert_eq!(client.value("show work_mem"), "5MB");
    assert_eq!(client.value("select count(*) from t"), "0");
    assert_eq!(client.value("execute p"), "42");
    assert_eq!(client.value("fetch c"), "43");
    let answer = client.exchange(&[bind("", "s", &[]), execute("", 0), sync()]);
    assert_eq!(rows(&answer), [[Some("44".to_owned())]]);
    assert_eq!(other.value("select pg_try_advisory_lock(7)::text"), "false");
    stage.admin().rows("notify news");
    assert_eq!(client.read().tag, b'A');
    assert!(
        stage
            .proxy
            .get("/metrics")
            .1
            .contains("pgask_pins_total{cause=\"session_mode\"} 2")
    );
}

#[test]
fn in_session_mode_the_next_session_finds_nothing_of_the_last() {
    let stage = session_mode(1);
    for is_killed in [false, true] {
        let mut first = stage.client();
        let own = first.backend();
        first.rows("set work_mem = '5MB'; create temp table t (i int); listen news");
        first.rows("prepare p as select 42; select pg_advisory_lock(7)");
        first.rows("begin; declare c cursor with hold for select 43; commit");
        first.exchange(&[parse("s", "select 44", &[]), sync()]);
        if is_killed {
            first.kill();
        } else {
            first.send(&terminate());
            first.until_closed();
        }
        let mut next = stage.client();
        assert_eq!(next.backend(), own, "reset, and not closed");
        assert_eq!(next.value("show work_mem"), "4MB");
        assert_eq!(next.value("select to_regclass('t') is null"), "t");
        let left = "select (select count(*) from pg_prepared_statements) + (select count(*) from pg_cursors) + \
                    (select count(*) from pg_listening_channels()) + \
                    (select count(*) from pg_locks where locktype = 'advisory')";
        assert_eq!(next.value(left), "0");
        next.send(&terminate());
        next.until_closed();
    }
}

#[test]
fn in_session_mode_a_session_in_a_transaction_at_its_end_is_rolled_back() {
    let stage = session_mode(1);
    let mut first = stage.client();
    first.rows("create table kept (i int)");
    first.rows("begin; insert into kept values (1)");
    first.send(&terminate());
    first.until_closed();
    assert_eq!(stage.client().value("select count(*) from kept"), "0");
}

#[test]
fn in_session_mode_a_session_ends_with_its_connection() {
    let stage = session_mode(2);
    let mut client = stage.client();
    client.rows("select 1");
    stage
        .admin()
        .rows("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'app'");
    let seen = client.until_closed();
    let error = seen.iter().find(|frame| frame.tag == b'E').unwrap();
    assert_eq!(error.field(b'C').as_deref(), Some("57P01"));
    assert_eq!(stage.client().value("select 1"), "1");
}

#[test]
fn in_transaction_mode_nothing_keeps_a_connection_beyond_its_transaction() {
    let stage = transaction_mode(1);
    let (mut first, mut second) = (stage.client(), stage.client());
    for statement in [
        "create temp table t (i int)",
        "listen news",
        "select pg_advisory_lock(7)",
        "prepare p as select 42",
        "begin; declare c cursor with hold for select 43; commit",
        "do $$ begin perform 1; end $$",
    ] {
        first.rows(statement);
        assert_eq!(second.value("select 'served'"), "served", "{statement}");
    }
    // As through PgBouncer, what was left on the connection is there for everybody.
    assert_eq!(second.value("select count(*) from t"), "0");
    // What can be followed is its client's own all the same.
    assert_eq!(first.value("execute p"), "42");
    second.error("execute p");
    assert!(!stage.proxy.get("/metrics").1.contains("pgask_pins_total{"));
}

#[test]
fn in_transaction_mode_a_transaction_keeps_its_connection() {
    let stage = transaction_mode(1);
    let (mut first, mut second) = (stage.client(), stage.client());
    first.rows("begin");
    let own = first.backend();
    second.send(&query("select pg_backend_pid()"));
    assert!(!second.is_answered_within(A_WHILE));
    first.error("select 1/0");
    assert!(!second.is_answered_within(A_WHILE));
    first.rows("rollback");
    assert_eq!(rows(&second.until_ready()), [[Some(own)]]);
}

#[test]
fn in_transaction_mode_prepared_statements_of_the_protocol_are_each_clients_own() {
    let stage = transaction_mode(1);
    let mut clients = [stage.client(), stage.client()];
    for (number, client) in clients.iter_mut().enumerate() {
        client.exchange(&[parse("s", format!("select {number}"), &[]), sync()]);
    }
    for _ in 0..3 {
        for (number, client) in clients.iter_mut().enumerate() {
            let answer = client.exchange(&[bind("", "s", &[]), execute("", 0), sync()]);
            assert_eq!(rows(&answer), [[Some(number.to_string())]]);
        }
    }
}

#[test]
fn in_transaction_mode_a_session_that_ends_in_a_transaction_is_rolled_back() {
    let stage = transaction_mode(1);
    let mut first = stage.client();
    first.rows("create table kept (i int)");
    first.rows("begin; insert into kept values (1)");
    first.kill();
    assert_eq!(stage.client().value("select count(*) from kept"), "0");
}

#[test]
fn each_upstream_has_pools_of_its_own() {
    let (one, two) = (prepared(), prepared());
    let mut admin = crate::support::raw::superuser(&two, "postgres");
    admin.rows("alter database app rename to elsewhere");
    let password = SUPERUSER_PASSWORD.replace(' ', "%20");
    let upstream = |name: &str, port: u16, databases: &str| {
        format!(
            "[[upstream]]\nname = \"{name}\"\ndatabases = [\"{databases}\"]\n\
             url = \"postgres://postgres:{password}@127.0.0.1:{port}/postgres\"\n"
        )
    };
    let fragment = format!(
        "[pool]\ndefault_pool_size = 1\n{}{}",
        upstream("one", one.port(), "*"),
        upstream("two", two.port(), "elsewhere")
    );
    let proxy = Proxy::start(&one, &fragment);
    let endpoint = Endpoint::local(proxy.port());
    let elsewhere = crate::support::raw::Login {
        database: "elsewhere",
        ..APP
    };
    let mut here = Raw::login(&endpoint, &APP).expect("a login");
    let mut there = Raw::login(&endpoint, &elsewhere).expect("a login");
    here.rows("begin");
    for _ in 0..3 {
        assert_eq!(there.value("select current_database()"), "elsewhere");
        assert_eq!(here.value("select current_database()"), "app");
    }
    let own = there.backend();
    here.rows("commit");
    assert_eq!(there.backend(), own);
}

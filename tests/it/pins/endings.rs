//! What becomes of a connection when the session that it was pinned to ends: what DISCARD ALL undoes is undone, and a
//! connection that may keep more is closed.

use std::process::Command;

use super::{counted, keeps_its_connection, rendered, stage};
use crate::support::frames::terminate;
use crate::support::raw::Raw;
use crate::support::stage::{APP, Stage};

fn end(stage: &Stage, made_by: &str, is_killed: bool) -> (String, String) {
    let mut client = stage.client();
    let before = client.value("select pg_backend_pid()");
    client.rows(made_by);
    if is_killed {
        client.kill();
    } else {
        client.send(&terminate());
        client.until_closed();
    }
    (before, stage.client().value("select pg_backend_pid()"))
}

fn signal(process: &str, name: &str) {
    let status = Command::new("kill").args(["-s", name, process]).status();
    assert!(status.unwrap().success(), "kill -s {name} {process}");
}

fn ended(stage: &Stage, how: &str) -> u64 {
    let name = format!("pgask_leases_ended_total{{connection=\"{how}\"}} ");
    counted(&stage.proxy, &name)
}

#[test]
fn what_discard_all_undoes_is_undone() {
    let stage = stage();
    stage.admin().rows("set role app; create sequence s");
    for made_by in [
        "listen a",
        "declare c cursor with hold for select 1",
        "select pg_advisory_lock(1)",
        "select nextval('s')",
        "prepare p as select 1; prepare q as select 2",
    ] {
        for is_killed in [false, true] {
            let resets = ended(&stage, "reset");
            let (before, after) = end(&stage, made_by, is_killed);
            assert_eq!(before, after, "{made_by}");
            assert_eq!(ended(&stage, "reset"), resets + 1, "{made_by}");
        }
    }
    assert_eq!(ended(&stage, "closed"), 0);
}

#[test]
fn what_it_does_not_undo_goes_with_the_connection() {
    let stage = stage();
    for made_by in [
        "create temp table t (i int)",
        "select setseed(0.5)",
        "set plpgsql.extra_warnings = 'all'",
        "do $$ begin execute 'select 1'; end $$",
    ] {
        for is_killed in [false, true] {
            let closed = ended(&stage, "closed");
            let (before, after) = end(&stage, made_by, is_killed);
            assert_ne!(before, after, "{made_by}");
            assert_eq!(ended(&stage, "closed"), closed + 1, "{made_by}");
        }
    }
    assert_eq!(ended(&stage, "reset"), 0);
    stage.wait_for_backends(1, "true");
}

#[test]
fn a_connection_that_cannot_be_reset_is_closed() {
    let stage = stage();
    let mut client = stage.client();
    let before = client.value("select pg_backend_pid()");
    client.rows("listen a");
    // It answers nothing any more.
    signal(&before, "STOP");
    drop(client);
    let after = stage.client().value("select pg_backend_pid()");
    signal(&before, "CONT");
    assert_ne!(after, before);
}

#[test]
fn discard_all_lets_go_of_what_it_undoes_and_of_nothing_else() {
    let stage = stage();
    let mut client = stage.client();
    let mut neighbour = stage.client();

    // Nobody knows what a block with dynamic SQL did: the connection is not for others.
    client.rows("do $$ begin execute 'select 1'; end $$");
    let before = client.value("select pg_backend_pid()");
    client.rows("discard all");
    assert_ne!(neighbour.value("select pg_backend_pid()"), before);
    assert_ne!(client.value("select pg_backend_pid()"), before);

    // A seed outlives it, as it does in PostgreSQL.
    client.rows("select setseed(0.5)");
    let before = client.value("select pg_backend_pid()");
    client.rows("discard all");
    let waiting = keeps_its_connection(&stage).expect("a pin");
    assert_eq!(client.value("select pg_backend_pid()"), before);
    drop(client);
    waiting.must_be_served();
    assert_ne!(neighbour.value("select pg_backend_pid()"), before);
}

#[test]
fn a_temporary_schema_is_seen_by_its_own_session_and_by_no_other() {
    let stage = stage();
    let looks = [
        "select pg_my_temp_schema() <> 0",
        "select array_length(current_schemas(true), 1)",
        "drop view pg_temp.nothing",
        "select pg_temp.nothing()",
    ];
    let look = |client: &mut Raw| looks.map(|sql| rendered(&client.query(sql)));
    let had_one = |client: &mut Raw| {
        client.rows("create temp table t (i int)");
        client.rows("drop table t");
    };
    let mut direct = stage.direct(&APP).expect("a login");
    let without = look(&mut direct);
    had_one(&mut direct);
    let with = look(&mut direct);
    assert_ne!(with, without);

    let (mut first, mut second) = (stage.client(), stage.client());
    had_one(&mut first);
    // They take turns on one connection, statement by statement.
    for (n, sql) in looks.iter().enumerate() {
        assert_eq!(rendered(&second.query(sql)), without[n], "{sql}");
        assert_eq!(rendered(&first.query(sql)), with[n], "{sql}");
    }
    first.rows("create temp table t (i int)");
    first.rows("discard all");
    for (n, sql) in looks.iter().enumerate() {
        assert_eq!(rendered(&second.query(sql)), without[n], "{sql}");
        assert_eq!(rendered(&first.query(sql)), with[n], "{sql}");
    }
}

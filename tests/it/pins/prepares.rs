//! `PREPARE` in SQL ties a connection to its session only where it cannot be followed.

use super::{counted, keeps_its_connection, pins, stage};
use crate::support::frames::{bind, cancel_request, execute, parse, query, sync};
use crate::support::raw::{Raw, rows};
use crate::support::stage::Stage;

#[test]
fn what_sql_prepares_leaves_the_connection_to_others() {
    let stage = stage();
    stage
        .admin()
        .rows("set role app; create table kept (i int)");
    for (prepare, execute, answer) in [
        ("prepare p as select 'own'", "execute p", "own"),
        ("PREPARE P (int) AS select $1 + 1;", "execute p(41)", "42"),
        (
            "/* why */ prepare p (text, numeric(4, 1)) as select $1 || $2",
            "execute p('n', 1)",
            "n1",
        ),
        (
            "prepare p as select date '2026-01-02'",
            "execute p",
            "2026-01-02",
        ),
        (
            "prepare p as insert into kept values ($1) returning i",
            "execute p(7)",
            "7",
        ),
    ] {
        let mut client = stage.client();
        client.rows(prepare);
        for _ in 0..2 {
            assert!(keeps_its_connection(&stage).is_none(), "{prepare}");
            let mut rival = stage.client();
            rival.rows("prepare p as select 'rival'");
            assert_eq!(client.value(execute), answer, "{prepare}");
            assert_eq!(rival.value("execute p"), "rival", "{prepare}");
            assert_eq!(client.value(execute), answer, "{prepare}");
        }
    }
    assert_eq!(pins(&stage.proxy, "prepare"), 0);
    assert_eq!(counted(&stage.proxy, "pgask_pinned_connections "), 0);
}

#[test]
fn names_of_either_kind_are_used_and_given_back_without_a_pin() {
    let stage = stage();
    let mut client = stage.client();
    let parsing = |name: &str, sql: &str| [parse(name, sql, &[]), sync()].concat();
    client.exchange(&[parsing("plan", "select $1::int * 2")]);
    let mut rival = stage.client();
    assert_eq!(rival.value("select 'between'"), "between");
    for (sql, is_known_behind_it) in [
        ("execute plan(21)", true),
        ("explain (costs off) execute plan(21)", true),
        ("create table made as execute plan(21)", true),
        ("begin", true),
        ("savepoint x; deallocate \"plan\"; release x", false),
        ("rollback", false),
    ] {
        client.rows(sql);
        if !sql.starts_with("begin") && !sql.starts_with("savepoint") {
            assert!(keeps_its_connection(&stage).is_none(), "{sql}");
        }
        if is_known_behind_it && sql != "begin" {
            let answer = client.exchange(&[bind("", "plan", &[Some("4")]), execute("", 0), sync()]);
            assert_eq!(rows(&answer), [[Some("8".to_owned())]], "{sql}");
        }
    }
    let answer = client.exchange(&[bind("", "plan", &[Some("4")]), sync()]);
    assert_eq!(answer[0].field(b'C').as_deref(), Some("26000"));
    for sql in [
        "prepare e as select 'extended'",
        "execute e",
        "deallocate e",
    ] {
        client.exchange(&[
            parse("", sql, &[]),
            bind("", "", &[]),
            execute("", 0),
            sync(),
        ]);
        assert!(keeps_its_connection(&stage).is_none(), "{sql}");
    }
    assert_eq!(pins(&stage.proxy, "prepare"), 0);
}

#[test]
fn what_cannot_be_followed_pins_until_it_is_deallocated() {
    let stage = stage();
    stage
        .admin()
        .rows("set role app; create sequence numbers; create temp table t ()");
    for (prepare, execute, answer) in [
        (
            "prepare p as select 'a'; prepare q as select 'b'",
            "execute p; execute q",
            "b",
        ),
        (
            "prepare p as select 'now'::timestamptz <= clock_timestamp()",
            "execute p",
            "t",
        ),
        ("prepare größe as select 1", "execute größe", "1"),
        ("prepare p as select 'a\\b'", "execute p", "a\\b"),
        (
            "prepare p as select set_config('app.x', 'set', false)",
            "execute p",
            "set",
        ),
    ] {
        let mut client = stage.client();
        let before = pins(&stage.proxy, "prepare");
        client.rows("prepare kept as select 'kept'");
        assert!(keeps_its_connection(&stage).is_none());
        client.rows(prepare);
        let waiting = keeps_its_connection(&stage).unwrap_or_else(|| panic!("{prepare}: no pin"));
        let answered = client.rows(execute);
        let last = answered.last().and_then(|row| row[0].clone());
        assert_eq!(last.as_deref(), Some(answer), "{prepare}");
        assert_eq!(client.value("execute kept"), "kept", "{prepare}");
        assert!(waiting.still_waits(), "{prepare}");
        client.rows("discard all");
        waiting.must_be_served();
        assert_eq!(pins(&stage.proxy, "prepare"), before + 1, "{prepare}");
    }
}

#[test]
fn nobody_sees_the_names_that_another_client_has_left() {
    const OWN: &str = "select count(*) from pg_prepared_statements where name not like 'pgask%'";
    for mode in ["auto", "transaction"] {
        let stage = Stage::new(&format!(
            "[pool]\nmode = \"{mode}\"\ndefault_pool_size = 1\n"
        ));
        let mut client = stage.client();
        client.rows("prepare p as select 'own'");
        let mut other = stage.client();
        assert_eq!(other.value(OWN), "0", "{mode}");
        other.error("execute p");
        drop(other);
        assert_eq!(client.value("execute p"), "own", "{mode}");
        drop(client);
        assert_eq!(stage.client().value(OWN), "0", "{mode}");
    }
}

#[test]
fn a_statement_that_is_brought_waits_for_a_lock_as_directly_and_can_be_cancelled() {
    let stage = stage();
    let mut admin = stage.admin();
    admin.rows("set role app; create table locked (i int); insert into locked values (1)");
    let mut client = stage.client();
    client.rows("prepare p as select i from locked");
    assert_eq!(stage.client().value("select 'between'"), "between");
    admin.rows("begin; lock table locked");
    // Nothing but what it executes is brought, and nothing before.
    assert_eq!(client.value("select 'free'"), "free");
    client.send(&query("execute p"));
    stage.wait_for_backends(1, "wait_event_type = 'Lock'");
    let mut canceller = Raw::open(&stage.endpoint()).unwrap();
    canceller.send(&cancel_request(&client.key));
    canceller.until_closed();
    let answer = client.until_ready();
    let error = answer.iter().find(|frame| frame.tag == b'E').unwrap();
    assert_eq!(error.field(b'C').as_deref(), Some("57014"));
    client.send(&query("execute p"));
    stage.wait_for_backends(1, "wait_event_type = 'Lock'");
    admin.rows("commit");
    assert_eq!(rows(&client.until_ready()), [[Some("1".to_owned())]]);
    assert_eq!(client.value("execute p"), "1");
}

//! Clients that vanish in the middle of something: the server connection is cleaned or closed, and the next client
//! is served.

use crate::support::frames::{bind, copy_data, execute, flush, parse, query, sync};
use crate::support::raw::Raw;
use crate::support::stage::Stage;

/// Brings a client to some point, kills it there, and asserts that a pool of one serves the next one.
fn check_killed(bring: impl Fn(&Stage, &mut Raw)) {
    let stage = Stage::new("[pool]\ndefault_pool_size = 1\n");
    let mut owner = stage.client();
    owner.rows("create table kept (i int); insert into kept values (1)");
    for round in 0..3 {
        let mut doomed = stage.client();
        bring(&stage, &mut doomed);
        doomed.kill();
        let mut next = stage.client();
        assert_eq!(next.value("select sum(i) from kept"), "1", "round {round}");
        assert_eq!(next.value("show work_mem"), "4MB");
        assert_eq!(owner.value("select 'served'"), "served");
    }
    stage.wait_for_backends(0, "state <> 'idle'");
}

#[test]
fn a_client_killed_in_the_middle_of_a_query_frees_its_connection() {
    check_killed(|stage, client| {
        client.send(&query("select pg_sleep(60)"));
        stage.wait_for_backends(1, "state = 'active' and query like '%pg_sleep(60)'");
    });
}

#[test]
fn a_client_killed_while_it_reads_rows_frees_its_connection() {
    check_killed(|stage, client| {
        client.send(&query(
            "select repeat('x', 1000) from generate_series(1, 1000000)",
        ));
        stage.wait_for_backends(1, "wait_event = 'ClientWrite'");
        client.read();
    });
}

#[test]
fn a_client_killed_in_copy_in_leaves_no_row() {
    check_killed(|_, client| {
        client.send(&query("copy kept from stdin"));
        client.until(b'G');
        client.send(&copy_data("1000\n".repeat(50_000)));
    });
}

#[test]
fn a_client_killed_in_copy_out_frees_its_connection() {
    check_killed(|_, client| {
        client.send(&query(
            "copy (select repeat('x', 1000) from generate_series(1, 1000000)) to stdout",
        ));
        client.until(b'd');
    });
}

#[test]
fn a_client_killed_in_a_transaction_is_rolled_back() {
    check_killed(|_, client| {
        client.rows("begin; insert into kept values (1000); set local work_mem = '1MB'");
    });
}

#[test]
fn a_client_killed_in_a_failed_transaction_frees_its_connection() {
    check_killed(|_, client| {
        client.rows("begin; insert into kept values (1000)");
        client.error("select 1/0");
    });
}

#[test]
fn a_client_killed_before_its_sync_is_rolled_back() {
    check_killed(|_, client| {
        client.send(
            &[
                parse("", "insert into kept values (1000)", &[]),
                bind("", "", &[]),
                execute("", 0),
                flush(),
            ]
            .concat(),
        );
        client.until(b'C');
    });
}

#[test]
fn a_client_killed_with_a_suspended_portal_frees_its_connection() {
    check_killed(|_, client| {
        client.rows("begin");
        client.send(
            &[
                parse("", "select generate_series(1, 100)", &[]),
                bind("p", "", &[]),
                execute("p", 10),
                sync(),
            ]
            .concat(),
        );
        client.until_ready();
    });
}

#[test]
fn a_client_killed_in_the_middle_of_a_pipeline_frees_its_connection() {
    check_killed(|_, client| {
        let one = [
            parse("", "select repeat('x', 10000)", &[]),
            bind("", "", &[]),
            execute("", 0),
            sync(),
        ];
        client.send(&one.concat().repeat(200));
        client.read();
    });
}

#[test]
fn a_client_killed_with_session_state_leaves_none() {
    check_killed(|_, client| {
        client.rows("set work_mem = '1MB'; create temp table t (i int); listen c; select pg_advisory_lock(1)");
    });
}

#[test]
fn a_client_killed_while_it_waits_for_a_connection_takes_none() {
    check_killed(|stage, client| {
        // Two of them: one has the only connection, the other waits for it and goes first.
        client.send(&query("select pg_sleep(60)"));
        stage.wait_for_backends(1, "state = 'active' and query like '%pg_sleep(60)'");
        let mut waiting = stage.client();
        waiting.send(&query("insert into kept values (1000)"));
        waiting.kill();
    });
}

#[test]
fn a_client_that_only_stops_sending_still_gets_its_answer() {
    let stage = Stage::new("");
    let mut client = stage.client();
    client.send(&query("select pg_sleep(0.3), 'late'"));
    client.send(&crate::support::frames::terminate());
    let seen = client.until_closed();
    assert!(
        seen.iter().all(|frame| frame.tag != b'E'),
        "no error for one who says goodbye: {seen:?}"
    );
    assert_eq!(stage.client().value("select 1"), "1");
}

#[test]
fn hundreds_of_clients_come_and_go_over_one_connection() {
    let stage = Stage::new("[pool]\ndefault_pool_size = 1\n");
    for round in 0..100 {
        let mut client = stage.client();
        assert_eq!(client.value(&format!("select {round}")), round.to_string());
        if round % 3 == 0 {
            client.kill();
        }
    }
    stage.wait_for_backends(1, "true");
}

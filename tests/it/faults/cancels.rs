//! CancelRequest: it stops what its own client runs, and nothing else.

use std::time::{Duration, Instant};

use crate::support::frames::{self, bind, execute, parse, query, sync};
use crate::support::raw::{Raw, error, sqlstate};
use crate::support::stage::Stage;

/// A statement that nobody waits for to the end.
const LONG: &str = "select pg_sleep(60)";

/// Sends a CancelRequest, and waits until the proxy has closed its connection.
fn cancel(stage: &Stage, key: &[u8]) {
    let mut canceller = Raw::open(&stage.endpoint()).unwrap();
    canceller.send(&frames::cancel_request(key));
    assert_eq!(canceller.until_closed(), []);
}

#[test]
fn a_cancel_request_stops_its_own_query() {
    let stage = Stage::new("");
    let mut client = stage.client();
    for messages in [
        vec![query(LONG)],
        vec![
            parse("", LONG, &[]),
            bind("", "", &[]),
            execute("", 0),
            sync(),
        ],
    ] {
        let start = Instant::now();
        client.send(&messages.concat());
        stage.wait_for_backends(1, "state = 'active' and query like '%pg_sleep(60)'");
        cancel(&stage, &client.key);
        let answer = client.until_ready();
        assert_eq!(sqlstate(&answer), "57014");
        assert_eq!(
            error(&answer).field(b'M').as_deref(),
            Some("canceling statement due to user request")
        );
        assert!(start.elapsed() < Duration::from_secs(30));
        assert_eq!(client.value("select 'goes on'"), "goes on");
    }
}

#[test]
fn a_cancelled_statement_fails_its_transaction_only() {
    let stage = Stage::new("");
    let mut client = stage.client();
    client.rows("begin");
    client.send(&query(LONG));
    stage.wait_for_backends(1, "state = 'active'");
    cancel(&stage, &client.key);
    let answer = client.until_ready();
    assert_eq!(sqlstate(&answer), "57014");
    assert_eq!(answer.last().unwrap().body, b"E");
    client.rows("rollback");
    assert_eq!(client.value("select 1"), "1");
}

#[test]
fn a_cancel_request_with_a_wrong_key_is_ignored() {
    let stage = Stage::new("");
    let mut client = stage.client();
    client.send(&query("select pg_sleep(1), 'to the end'"));
    stage.wait_for_backends(1, "state = 'active'");
    let mut wrong = client.key.clone();
    *wrong.last_mut().unwrap() ^= 1;
    cancel(&stage, &wrong);
    let mut other_pid = client.key.clone();
    other_pid[3] ^= 1;
    cancel(&stage, &other_pid);
    cancel(&stage, &[0; 8]);
    let answer = client.until_ready();
    assert!(answer.iter().all(|frame| frame.tag != b'E'), "{answer:?}");
}

#[test]
fn every_client_has_a_key_of_its_own() {
    let stage = Stage::new("[pool]\ndefault_pool_size = 1\n");
    let (first, second) = (stage.client(), stage.client());
    assert_ne!(first.key, second.key);
    assert!(first.key.len() >= 8);
}

#[test]
fn an_idle_clients_cancel_request_does_not_stop_who_runs_on_its_last_connection() {
    let stage = Stage::new("[pool]\ndefault_pool_size = 1\n");
    let mut idle = stage.client();
    idle.rows("select 1");
    let mut busy = stage.client();
    busy.send(&query("select pg_sleep(1), 'to the end'"));
    stage.wait_for_backends(1, "state = 'active'");
    for _ in 0..5 {
        cancel(&stage, &idle.key);
    }
    let answer = busy.until_ready();
    assert!(answer.iter().all(|frame| frame.tag != b'E'), "{answer:?}");
    assert_eq!(idle.value("select 2"), "2");
}

#[test]
fn a_late_cancel_request_does_not_stop_the_next_query() {
    let stage = Stage::new("[pool]\ndefault_pool_size = 1\n");
    let mut client = stage.client();
    for round in 0..20 {
        client.send(&query("select 1"));
        cancel(&stage, &client.key);
        client.until_ready();
        let mut other = stage.client();
        assert_eq!(
            other.value(&format!(
                "select count(*) + {round} from generate_series(1, 1000)"
            )),
            (1000 + round).to_string()
        );
    }
}

#[test]
fn a_client_that_waits_for_a_connection_can_be_cancelled() {
    let stage = Stage::new("[pool]\ndefault_pool_size = 1\n");
    let mut holding = stage.client();
    holding.rows("begin");
    let mut waiting = stage.client();
    waiting.send(&query("select 1"));
    assert!(!waiting.is_answered_within(Duration::from_millis(200)));
    cancel(&stage, &waiting.key);
    let answer = waiting.until_ready();
    assert_eq!(sqlstate(&answer), "57014");
    holding.rows("commit");
    assert_eq!(waiting.value("select 2"), "2");
}

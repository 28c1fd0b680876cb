//! CancelRequests by protocol 3.0 and 3.2, right, wrong, short and long; and what they stop without any server.

use std::time::{Duration, Instant};

use crate::support::frames::{self, bind, execute, parse, query, startup_of, sync, untagged};
use crate::support::model::{Mode, Model};
use crate::support::raw::{Raw, sqlstate};
use crate::support::stage::{APP, Stage};

/// How long a cancel may take to be felt where no server is involved, with some room for a loaded machine.
const FELT_WITHIN: Duration = Duration::from_millis(100);

fn client_of(stage: &Stage, minor: u16) -> Raw {
    let mut client = Raw::open(&stage.endpoint()).unwrap();
    let parameters = [("user", APP.user), ("database", APP.database)];
    client
        .authenticate_with(&startup_of(minor, &parameters), APP.password)
        .unwrap();
    client
}

/// Sends a CancelRequest with this behind its code, and waits for the end.
fn cancel(stage: &Stage, key: &[u8]) {
    let mut canceller = Raw::open(&stage.endpoint()).unwrap();
    canceller.send(&frames::cancel_request(key));
    assert_eq!(canceller.until_closed(), []);
}

#[test]
fn the_key_must_be_the_clients_own_to_the_last_byte() {
    let stage = Stage::new("");
    for minor in [0, 2, 9999] {
        let mut client = client_of(&stage, minor);
        let key = client.key.clone();
        client.send(&query("select pg_sleep(60)"));
        stage.wait_for_backends(1, "state = 'active'");
        let mut wrong = vec![
            key[..4].to_vec(),
            key[..5].to_vec(),
            key[..key.len() - 1].to_vec(),
            [&key[..], &[0]].concat(),
            [&key[..], &[0; 300]].concat(),
            [&key[..4], &[0; 4]].concat(),
            [&key[..4], &[0; 32]].concat(),
            [&[0; 4], &key[4..]].concat(),
            vec![0xff; key.len()],
            Vec::new(),
        ];
        if key.len() > 8 {
            wrong.push(key[..8].to_vec());
        }
        for at in 0..key.len() {
            let mut flipped = key.clone();
            flipped[at] ^= 0x80;
            wrong.push(flipped);
        }
        for wrong in &wrong {
            cancel(&stage, wrong);
        }
        assert!(!client.is_answered_within(Duration::from_millis(100)));
        cancel(&stage, &key);
        assert_eq!(sqlstate(&client.until_ready()), "57014");
        assert_eq!(client.value("select 'goes on'"), "goes on");
    }
}

#[test]
fn broken_cancel_requests_and_open_sockets_harm_nobody() {
    let stage = Stage::new("");
    let mut client = stage.client();
    let code = 80_877_102_u32.to_be_bytes();
    let whole = frames::cancel_request(&client.key);
    for broken in [
        untagged(&code),
        untagged(&[&code[..], &[0, 0]].concat()),
        whole[..whole.len() - 1].to_vec(),
        whole[..9].to_vec(),
    ] {
        let mut canceller = Raw::open(&stage.endpoint()).unwrap();
        canceller.send(&broken);
        canceller.shut_down_sending();
        assert_eq!(canceller.until_closed(), []);
    }
    // A canceller that leaves its socket open, or goes at once, is served all the same.
    client.send(&query("select pg_sleep(60)"));
    stage.wait_for_backends(1, "state = 'active'");
    let mut canceller = Raw::open(&stage.endpoint()).unwrap();
    canceller.send(&whole);
    assert_eq!(sqlstate(&client.until_ready()), "57014");
    client.send(&query("select pg_sleep(60)"));
    stage.wait_for_backends(1, "state = 'active' and query like '%60%'");
    let mut hasty = Raw::open(&stage.endpoint()).unwrap();
    hasty.send(&whole);
    hasty.kill();
    // A reset may outrun the request itself; a second one does not.
    if !client.is_answered_within(Duration::from_millis(300)) {
        cancel(&stage, &client.key);
    }
    assert_eq!(sqlstate(&client.until_ready()), "57014");
    assert_eq!(canceller.until_closed(), []);
    // Behind a request for encryption, as libpq sends it where TLS is preferred.
    client.send(&query("select pg_sleep(60)"));
    stage.wait_for_backends(1, "state = 'active' and query like '%60%'");
    let mut polite = Raw::open(&stage.endpoint()).unwrap();
    polite.send(&frames::ssl_request());
    assert_eq!(polite.read_byte(), b'N');
    polite.send(&whole);
    assert_eq!(polite.until_closed(), []);
    assert_eq!(sqlstate(&client.until_ready()), "57014");
}

#[test]
fn a_cancel_between_transactions_or_of_a_client_that_left_stops_nothing() {
    let stage = Stage::new("[pool]\ndefault_pool_size = 1\n");
    let mut client = stage.client();
    client.rows("begin");
    cancel(&stage, &client.key);
    assert_eq!(
        client.value("select 'in a transaction'"),
        "in a transaction"
    );
    client.rows("commit");
    cancel(&stage, &client.key);
    assert_eq!(client.value("select 'after it'"), "after it");
    let key = client.key.clone();
    client.send(&frames::terminate());
    client.until_closed();
    let mut other = stage.client();
    other.send(&query("select pg_sleep(0.5), 'to the end'"));
    stage.wait_for_backends(1, "state = 'active'");
    for _ in 0..20 {
        cancel(&stage, &key);
    }
    let answer = other.until_ready();
    assert!(answer.iter().all(|frame| frame.tag != b'E'), "{answer:?}");
}

#[test]
fn a_client_that_waits_for_a_connection_is_cancelled_at_once() {
    let stage = Stage::new("[pool]\ndefault_pool_size = 1\n");
    let mut holding = stage.client();
    holding.rows("begin");
    let mut waiting = stage.client();
    let mut times = Vec::new();
    for messages in [
        vec![query("select 1")],
        vec![
            parse("", "select 1", &[]),
            bind("", "", &[]),
            execute("", 0),
            sync(),
        ],
    ] {
        for _ in 0..5 {
            waiting.send(&messages.concat());
            assert!(!waiting.is_answered_within(Duration::from_millis(50)));
            let start = Instant::now();
            let mut canceller = Raw::open(&stage.endpoint()).unwrap();
            canceller.send(&frames::cancel_request(&waiting.key));
            let answer = waiting.until_ready();
            times.push(start.elapsed());
            assert_eq!(sqlstate(&answer), "57014");
        }
    }
    times.sort_unstable();
    assert!(times[times.len() / 2] < FELT_WITHIN, "{times:?}");
    // It holds no place in the queue any longer.
    holding.rows("commit");
    assert_eq!(waiting.value("select 2"), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_synthesis_is_cancelled_at_once_also_in_a_transaction() {
    let model = Model::start(Mode::Slow(Duration::from_secs(60))).await;
    let stage = Stage::new(&format!("{}timeout = '60s'\n", model.provider("slow")));
    let mut client = stage.client();
    client.rows("create table things (id int primary key, name text)");
    for in_transaction in [false, true] {
        if in_transaction {
            client.rows("begin");
        }
        let mut times = Vec::new();
        for _ in 0..5 {
            model.take_received();
            client.send(&query(
                "ask how many things weigh more than the sorrow of the sea",
            ));
            stage.eventually(|| (!model.take_received().is_empty()).then_some(()));
            assert!(!client.is_answered_within(Duration::from_millis(20)));
            let start = Instant::now();
            let mut canceller = Raw::open(&stage.endpoint()).unwrap();
            canceller.send(&frames::cancel_request(&client.key));
            let answer = client.until_ready();
            times.push(start.elapsed());
            assert_eq!(sqlstate(&answer), "57014", "{answer:?}");
            if in_transaction {
                client.rows("rollback");
                client.rows("begin");
            }
        }
        times.sort_unstable();
        assert!(times[times.len() / 2] < FELT_WITHIN, "{times:?}");
    }
}

//! Where a transaction block ends, as a prepared ask has to know it: its fence is a savepoint inside one, and none
//! outside.

use super::{LIST_SQL, QUESTION, Scene, check_usable, expected};
use crate::support::frames::{bind, execute, parse, sync};
use crate::support::raw::{Raw, rows};

/// Statements that tie the session to its connection, so that what is known of it is not forgotten with the lease.
const TIES: [&str; 3] = [
    "create temp table kept ()",
    "listen something",
    "select pg_advisory_lock(7)",
];

fn asks(client: &mut Raw) -> Vec<Vec<Option<String>>> {
    let ask = format!("/* ask: {QUESTION} */");
    let answer = client.exchange(&[
        parse("", ask, &[]),
        bind("", "", &[]),
        execute("", 0),
        sync(),
    ]);
    assert!(answer.iter().all(|frame| frame.tag != b'E'), "{answer:?}");
    rows(&answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_keeps_its_connection_asks_behind_a_transaction_block() {
    let scene = Scene::new("").await;
    let gold = expected(&mut scene.client(), LIST_SQL);
    for tie in TIES {
        for end in ["commit", "rollback"] {
            let mut client = scene.client();
            client.rows(tie);
            client.rows("begin");
            client.rows("select 1");
            client.rows(end);
            for _ in 0..2 {
                assert_eq!(asks(&mut client), gold, "{tie}, {end}");
            }
        }
    }
    check_usable(&mut scene.client());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_is_opened_in_the_same_batch_is_known_of() {
    let scene = Scene::new("").await;
    let mut client = scene.client();
    let gold = expected(&mut client, LIST_SQL);
    client.rows("create table written (i int)");
    client.exchange(&[
        parse("asked", format!("/* ask: {QUESTION} */"), &[]),
        sync(),
    ]);
    for tie in ["select 1", TIES[0]] {
        client.rows(tie);
        // The BEGIN is parsed in a batch of its own, and runs in the ask's.
        for apart in [false, true] {
            let mut batch = Vec::new();
            client.send(&parse("", "begin", &[]));
            if apart {
                client.exchange(&[sync()]);
            }
            for frame in [bind("", "", &[]), execute("", 0)] {
                batch.push(frame);
            }
            batch.extend([bind("", "asked", &[]), execute("", 0), sync()]);
            let answer = client.exchange(&batch);
            assert_eq!(rows(&answer), gold, "{tie}, {apart}: {answer:?}");
            assert_eq!(answer.last().unwrap().body, b"T", "{tie}, {apart}");
            // A fence that is no savepoint would leave the block read-only.
            client.rows("insert into written values (1)");
            client.rows("commit");
        }
    }
    assert_eq!(client.value("select count(*) from written"), "4");
    check_usable(&mut client);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_portal_that_an_ask_had_is_fenced_for_nobody_else() {
    let scene = Scene::new("[ask]\nmax_rows = 3\n").await;
    let mut client = scene.client();
    let gold = expected(&mut client, LIST_SQL);
    client.rows("create table written (i int)");
    // Names of statements that stand in SQL are the server's own from here on, and so are those of the protocol.
    client.rows("prepare kept as select 1");
    for (name, sql) in [
        ("many", "select generate_series(1, 5)"),
        ("writes", "insert into written values (1)"),
        ("ends", "commit"),
    ] {
        client.exchange(&[parse(name, sql, &[]), sync()]);
    }
    for opening in ["select 1", "begin"] {
        client.rows(opening);
        assert_eq!(asks(&mut client), gold, "{opening}");
        for (name, row_count) in [("many", 5), ("writes", 0), ("ends", 0)] {
            let answer = client.exchange(&[bind("", name, &[]), execute("", 0), sync()]);
            assert!(
                answer.iter().all(|frame| frame.tag != b'E'),
                "{opening}, {name}: {answer:?}"
            );
            assert_eq!(
                rows(&answer).len(),
                row_count,
                "{opening}, {name}: {answer:?}"
            );
        }
    }
    let ask = format!("/* ask: {QUESTION} */");
    let batch = [
        [parse("", ask, &[]), bind("", "", &[]), execute("", 0)].concat(),
        [bind("", "writes", &[]), execute("", 0), sync()].concat(),
    ];
    let answer = client.exchange(&batch);
    assert!(answer.iter().all(|frame| frame.tag != b'E'), "{answer:?}");
    assert_eq!(client.value("select count(*) from written"), "3");
    check_usable(&mut client);
}

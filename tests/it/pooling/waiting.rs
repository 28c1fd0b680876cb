//! Many sessions over few connections: nobody waits beside a connection that is free, or for ever.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::support::frames::query;
use crate::support::raw::{Raw, rows};
use crate::support::stage::{APP, Stage};

/// Clients at once.
const CLIENT_COUNT: u64 = 50;

/// Transactions of each.
const ROUND_COUNT: u64 = 100;

/// Far above what anybody has to wait here, and far below what a test may take.
const POOL: &str = "[pool]\ndefault_pool_size = 2\nquery_wait_timeout = \"15s\"\n";

#[test]
fn fifty_sessions_over_two_connections_are_all_served_again_and_again() {
    let stage = Stage::new(POOL);
    let endpoint = stage.endpoint();
    let served = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for number in 0..CLIENT_COUNT {
            let (endpoint, served) = (&endpoint, &served);
            scope.spawn(move || {
                let mut client = Raw::login(endpoint, &APP).expect("a login");
                for round in 0..ROUND_COUNT {
                    let sum = match (number + round) % 3 {
                        0 => {
                            client.rows("begin");
                            let sum = client.value(&format!("select {number} + {round}"));
                            client.rows("commit");
                            sum
                        }
                        _ => client.value(&format!("select {number} + {round}")),
                    };
                    assert_eq!(sum, (number + round).to_string());
                    served.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(served.into_inner(), CLIENT_COUNT * ROUND_COUNT);
    stage.wait_for_backends(2, "state = 'idle'");
    let waiting = stage.proxy.metric("pgask_leases_waiting");
    assert!(waiting == 0.0, "{waiting} still wait");
}

#[test]
fn sessions_that_vanish_while_they_wait_or_are_served_hold_nobody_up() {
    let stage = Stage::new(POOL);
    let endpoint = stage.endpoint();
    std::thread::scope(|scope| {
        for number in 0..12_u32 {
            let endpoint = &endpoint;
            scope.spawn(move || {
                for round in 0..15_u32 {
                    let mut client = Raw::login(endpoint, &APP).expect("a login");
                    client.rows("select 1");
                    client.send(&query("select pg_sleep(0.002)"));
                    // Some are killed while they wait, some while they run, some when they are idle.
                    if (number + round).is_multiple_of(3) {
                        client.until_ready();
                    }
                    if !(number + round).is_multiple_of(4) {
                        client.kill();
                    }
                }
            });
        }
    });
    let mut next = [stage.client(), stage.client(), stage.client()];
    for client in &mut next {
        assert_eq!(client.value("select 'served'"), "served");
    }
    stage.wait_for_backends(0, "state <> 'idle'");
}

#[test]
fn who_came_first_is_served_first() {
    let stage = Stage::new("[pool]\ndefault_pool_size = 1\n");
    stage
        .admin()
        .rows("create table served (number int); alter table served owner to app");
    let mut holding = stage.client();
    holding.rows("begin");
    let mut waiting: Vec<Raw> = Vec::new();
    for number in 0..5 {
        let mut client = stage.client();
        client.send(&query(format!("insert into served values ({number})")));
        waiting.push(client);
        stage.wait_for_metric("pgask_leases_waiting", f64::from(number + 1));
    }
    holding.rows("commit");
    for client in &mut waiting {
        client.until_ready();
    }
    let order = holding.rows("select string_agg(number::text, ' ' order by ctid) from served");
    assert_eq!(order, [[Some("0 1 2 3 4".to_owned())]]);
}

#[test]
fn a_waiting_session_gets_a_connection_that_is_closed_and_opened_anew() {
    let stage = Stage::new(POOL);
    let mut holding = [stage.client(), stage.client()];
    for client in &mut holding {
        client.rows("begin");
    }
    let mut waiting: Vec<Raw> = (0..4).map(|_| stage.client()).collect();
    for client in &mut waiting {
        client.send(&query("select 'served'"));
    }
    stage.wait_for_metric("pgask_leases_waiting", 4.0);
    for client in holding {
        client.kill();
    }
    for client in &mut waiting {
        assert_eq!(rows(&client.until_ready()), [[Some("served".to_owned())]]);
    }
}

#[test]
fn a_session_waits_no_longer_than_it_may() {
    let stage = Stage::new("[pool]\ndefault_pool_size = 1\nquery_wait_timeout = \"500ms\"\n");
    let mut holding = stage.client();
    holding.rows("begin");
    let mut waiting = stage.client();
    let start = Instant::now();
    let error = waiting.error("select 1");
    assert_eq!(error.field(b'C').as_deref(), Some("53300"));
    assert!(start.elapsed() >= Duration::from_millis(500));
    assert!(start.elapsed() < Duration::from_secs(10));
    holding.rows("commit");
    assert_eq!(waiting.value("select 'served'"), "served");
}

//! A session keeps the connection that it used last until somebody needs it.

use crate::support::frames::{query, terminate};
use crate::support::raw::{Raw, rows};
use crate::support::stage::Stage;

#[test]
fn with_connections_enough_every_session_has_a_backend_of_its_own_for_ever() {
    let stage = Stage::new("[pool]\ndefault_pool_size = 2\n");
    let (mut first, mut second) = (stage.client(), stage.client());
    let (own_first, own_second) = (first.backend(), second.backend());
    assert_ne!(own_first, own_second);
    for round in 0..100 {
        // In turns, and both at once.
        if round % 2 == 0 {
            second.send(&query("select pg_backend_pid()"));
            assert_eq!(first.backend(), own_first, "round {round}");
            assert_eq!(
                rows(&second.until_ready()),
                [[Some(own_second.clone())]],
                "round {round}"
            );
        } else {
            first.rows("begin; select 1; commit");
            assert_eq!(second.backend(), own_second, "round {round}");
        }
        first.error("select 1/0");
    }
    stage.wait_for_backends(2, "true");
}

#[test]
fn two_sessions_take_turns_on_one_connection() {
    let stage = Stage::new("[pool]\ndefault_pool_size = 1\n");
    let (mut first, mut second) = (stage.client(), stage.client());
    let only = first.backend();
    for _ in 0..50 {
        assert_eq!(second.backend(), only);
        assert_eq!(first.backend(), only);
    }
    stage.wait_for_backends(1, "true");
}

#[test]
fn sessions_that_sit_idle_starve_nobody() {
    let stage = Stage::new("[pool]\ndefault_pool_size = 2\nquery_wait_timeout = \"5s\"\n");
    let mut idle: Vec<Raw> = (0..6).map(|_| stage.client()).collect();
    let backends: Vec<String> = idle.iter_mut().map(Raw::backend).collect();
    let mut newcomer = stage.client();
    assert!(backends.contains(&newcomer.backend()));
    // A whole transaction of one, while the others go on over what is left.
    newcomer.rows("begin");
    for client in &mut idle {
        assert_eq!(client.value("select 'served'"), "served");
    }
    newcomer.rows("commit");
    stage.wait_for_backends(2, "true");
    let stolen = stage.proxy.metric("pgask_leases_stolen_total");
    assert!(stolen >= 4.0, "{stolen} stolen");
}

#[test]
fn what_has_not_been_used_for_longest_is_taken_first() {
    let stage = Stage::new("[pool]\ndefault_pool_size = 3\n");
    let mut clients: Vec<Raw> = (0..3).map(|_| stage.client()).collect();
    let backends: Vec<String> = clients.iter_mut().map(Raw::backend).collect();
    // The first is the only one that has not spoken since.
    clients[2].backend();
    clients[1].backend();
    let mut newcomer = stage.client();
    assert_eq!(newcomer.backend(), backends[0]);
    for index in [1, 2] {
        assert_eq!(clients[index].backend(), backends[index]);
    }
    assert_eq!(newcomer.backend(), backends[0]);
}

#[test]
fn the_connection_of_a_session_that_ends_serves_the_next() {
    let stage = Stage::new("[pool]\ndefault_pool_size = 4\n");
    let mut backends = Vec::new();
    for is_killed in [false, true, false, true, false] {
        let mut client = stage.client();
        backends.push(client.backend());
        if is_killed {
            client.kill();
        } else {
            client.send(&terminate());
            client.until_closed();
        }
        // A reset is noticed when it is noticed; until then the session has its connection.
        stage.wait_for_metric("pgask_clients_connected", 0.0);
    }
    backends.dedup();
    assert_eq!(backends.len(), 1, "{backends:?}");
}

#[test]
fn a_session_whose_parked_connection_is_terminated_goes_on_with_another() {
    let stage = Stage::new("[pool]\ndefault_pool_size = 2\n");
    let (mut first, mut second) = (stage.client(), stage.client());
    let (own_first, own_second) = (first.backend(), second.backend());
    stage
        .admin()
        .rows(&format!("select pg_terminate_backend({own_first})"));
    stage.wait_for_backends(1, "true");
    let next = first.backend();
    assert_ne!(next, own_first);
    assert_eq!(second.backend(), own_second);
    assert_eq!(first.backend(), next);
    // Both at once, and then somebody who finds none of them alive.
    stage
        .admin()
        .rows("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'app'");
    stage.wait_for_backends(0, "true");
    let mut third = stage.client();
    assert_eq!(third.value("select 'served'"), "served");
    assert_eq!(second.value("select 'served'"), "served");
    assert_eq!(first.value("select 'served'"), "served");
}

#[test]
fn a_server_that_takes_no_further_connection_serves_all_over_those_it_has() {
    let stage = Stage::new("[pool]\ndefault_pool_size = 5\nquery_wait_timeout = \"10s\"\n");
    stage.admin().rows("alter role app connection limit 2");
    let mut clients: Vec<Raw> = (0..4).map(|_| stage.client()).collect();
    for _ in 0..3 {
        for client in &mut clients {
            assert_eq!(client.value("select 'served'"), "served");
        }
    }
    stage.wait_for_backends(2, "true");
}

//! `pool.server_idle_timeout` and `pool.server_lifetime` hold for connections that sessions keep as for free ones.

use std::time::{Duration, Instant};

use crate::support::stage::Stage;

#[test]
fn a_connection_that_its_session_does_not_use_is_closed_after_the_idle_timeout() {
    let stage = Stage::new("[pool]\nserver_idle_timeout = \"500ms\"\n");
    let mut client = stage.client();
    let before = client.backend();
    stage.wait_for_backends(0, "true");
    assert_ne!(client.backend(), before);
}

#[test]
fn a_connection_that_is_used_outlives_the_idle_timeout() {
    let stage = Stage::new("[pool]\nserver_idle_timeout = \"2s\"\n");
    let mut client = stage.client();
    let before = client.backend();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(4) {
        assert_eq!(client.backend(), before);
    }
}

#[test]
fn a_connection_is_not_used_beyond_its_lifetime_however_busy_its_session() {
    let stage = Stage::new("[pool]\nserver_lifetime = \"500ms\"\n");
    let mut client = stage.client();
    let first = client.backend();
    let mut backends = vec![first];
    while backends.len() < 4 {
        let age = client.value(
            "select extract(epoch from clock_timestamp() - backend_start)::text from pg_stat_activity \
             where pid = pg_backend_pid()",
        );
        // Looked at when a transaction ends, so that one more may begin.
        assert!(age.parse::<f64>().unwrap() < 5.0, "{age} seconds old");
        backends.push(client.backend());
        backends.dedup();
    }
    stage.wait_for_backends(1, "true");
}

#[test]
fn a_connection_that_its_session_does_not_use_is_closed_at_the_end_of_its_lifetime() {
    let stage = Stage::new("[pool]\nserver_lifetime = \"500ms\"\n");
    let mut client = stage.client();
    client.rows("select 1");
    stage.wait_for_backends(0, "true");
    assert_eq!(client.value("select 'served'"), "served");
}

#[test]
fn an_open_transaction_outlives_both() {
    let stage =
        Stage::new("[pool]\nserver_idle_timeout = \"200ms\"\nserver_lifetime = \"200ms\"\n");
    let mut client = stage.client();
    client.rows("begin");
    let own = client.backend();
    client.rows("select pg_sleep(1)");
    assert_eq!(client.backend(), own);
    client.rows("commit");
    stage.wait_for_backends(0, "true");
    assert_ne!(client.backend(), own);
}

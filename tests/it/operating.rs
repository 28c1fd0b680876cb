//! What an operator sees: metrics, health, and an end in good order.

use crate::support::postgres::Postgres;
use crate::support::proxy::Proxy;

#[tokio::test]
async fn metrics_count_what_went_through() {
    let postgres = Postgres::start();
    postgres.create_role("alice", "wonder").await;
    let proxy = Proxy::start(&postgres, "");
    let alice = proxy.connect("alice", "wonder", "postgres").await;
    let before = proxy.metric("pgask_transactions_total");
    for _ in 0..3 {
        alice.batch_execute("SELECT 1").await.unwrap();
    }
    assert_eq!(proxy.metric("pgask_transactions_total"), before + 3.0);
    assert_eq!(proxy.metric("pgask_clients_connected"), 1.0);
    assert_eq!(proxy.metric("pgask_logins_ok_total"), 1.0);
}

#[test]
fn health_names_each_upstream() {
    let postgres = Postgres::start();
    let proxy = Proxy::start(&postgres, "");
    let (status, body) = proxy.get("/health");
    assert_eq!(status, 200, "{body}");
    let health: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(health["upstreams"][0]["name"], "main");
    let (status, _) = proxy.get("/nothing");
    assert_eq!(status, 404);
}

#[tokio::test]
async fn sigterm_tells_an_idle_driver_57p01_and_ends_with_success() {
    let postgres = Postgres::start();
    postgres.create_role("alice", "wonder").await;
    let mut proxy = Proxy::start(&postgres, "");
    let alice = proxy.connect("alice", "wonder", "postgres").await;
    proxy.signal("TERM");
    let ended = alice.closed().await.unwrap_err();
    assert_eq!(ended.code().map(|c| c.code()), Some("57P01"), "{ended:?}");
    let status = proxy.wait();
    assert!(status.success(), "{status}");
}

//! What an operator sees: metrics, health, and an end in good order.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::support::postgres::Postgres;
use crate::support::proxy::Proxy;

#[tokio::test]
async fn metrics_count_what_went_through() {
    let postgres = Postgres::start();
    postgres.create_role("alice", "wonder").await;
    let proxy = Proxy::start(&postgres, "");
    let alice = proxy.connect("alice", "wonder", "postgres").await;
    let before = metric(&proxy, "pgask_transactions_total");
    for _ in 0..3 {
        alice.batch_execute("SELECT 1").await.unwrap();
    }
    assert_eq!(metric(&proxy, "pgask_transactions_total"), before + 3.0);
    assert_eq!(metric(&proxy, "pgask_clients_connected"), 1.0);
    assert_eq!(metric(&proxy, "pgask_logins_ok_total"), 1.0);
}

#[test]
fn health_names_each_upstream() {
    let postgres = Postgres::start();
    let proxy = Proxy::start(&postgres, "");
    let (status, body) = get(&proxy, "/health");
    assert_eq!(status, 200, "{body}");
    let health: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(health["upstreams"][0]["name"], "main");
    let (status, _) = get(&proxy, "/nothing");
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

/// The value of a metric without labels.
fn metric(proxy: &Proxy, name: &str) -> f64 {
    let (status, body) = get(proxy, "/metrics");
    assert_eq!(status, 200, "{body}");
    let line = body.lines().find(|l| l.split(' ').next() == Some(name));
    let value = line.and_then(|l| l.split(' ').nth(1));
    value
        .unwrap_or_else(|| panic!("no {name} in\n{body}"))
        .parse()
        .unwrap()
}

/// The status and the body of a page.
fn get(proxy: &Proxy, path: &str) -> (u16, String) {
    let url = proxy.http_url();
    let host = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

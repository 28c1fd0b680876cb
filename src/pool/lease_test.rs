//! Leases that end in every way there is, on connections to a server that only knows how to greet.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::endpoint::Endpoint;
use super::lease::Pool;
use super::registry::Pools;
use super::seat::Seat;
use super::settings::{Settings, UpstreamSettings};
use crate::names::Caller;
use crate::observe::metrics::Metrics;
use crate::wire::exchange::{Fate, Sent};

/// AuthenticationOk, and ReadyForQuery outside a transaction.
const GREETING: &[u8] = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I";

/// Connections that the server has open, and how many it has had.
#[derive(Debug, Default)]
struct Open {
    now: AtomicUsize,
    ever: AtomicUsize,
}

async fn pool(size: u32) -> (Arc<Pool>, Arc<Open>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let open = Arc::new(Open::default());
    let counted = open.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let open = counted.clone();
            open.ever.fetch_add(1, Ordering::SeqCst);
            open.now.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut space = [0; 1024];
                let _ = stream.read(&mut space).await;
                let _ = stream.write_all(GREETING).await;
                while matches!(stream.read(&mut space).await, Ok(1..)) {}
                open.now.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    let endpoint = Endpoint::parse(&format!("postgres://service@127.0.0.1:{port}")).unwrap();
    let settings = Settings {
        default_pool_size: size,
        query_wait_timeout: Duration::from_secs(10),
        ..Settings::default()
    };
    let pools = Pools::new(
        vec![UpstreamSettings::new(endpoint)],
        settings,
        Arc::new(Metrics::new()),
    );
    let caller = Caller {
        upstream: "main".into(),
        database: "d".into(),
        role: "r".into(),
    };
    (pools.pool(&caller, &[]).unwrap(), open)
}

async fn until(open: &Open, now: usize) {
    for _ in 0..1000 {
        if open.now.load(Ordering::SeqCst) == now {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{open:?}, and not {now}");
}

#[tokio::test]
async fn a_lease_that_ends_in_a_panic_is_closed() {
    let (pool, open) = pool(1).await;
    let mut seat = Seat::new(pool.clone());
    let panicking = tokio::spawn(async move {
        let lease = seat.lease().await.unwrap();
        assert!(
            lease.process_id() != 0,
            "a panic in the middle of a session"
        );
    });
    assert!(panicking.await.is_err());
    until(&open, 0).await;
    let mut lease = pool.lease().await.unwrap();
    lease.mark_clean();
    drop(lease);
    until(&open, 1).await;
    assert_eq!(open.ever.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_panic_of_a_session_between_transactions_frees_what_it_had_parked() {
    let (pool, open) = pool(1).await;
    let mut seat = Seat::new(pool.clone());
    let panicking = tokio::spawn(async move {
        let mut lease = seat.lease().await.unwrap();
        lease.mark_clean();
        seat.park(lease);
        assert!(seat.unpark().is_none(), "a panic with the lease in hand");
    });
    assert!(panicking.await.is_err());
    until(&open, 0).await;
    let mut seat = Seat::new(pool.clone());
    let panicking = tokio::spawn(async move {
        let mut lease = seat.lease().await.unwrap();
        lease.mark_clean();
        seat.park(lease);
        panic!("a panic with nothing in hand");
    });
    assert!(panicking.await.is_err());
    drop(pool.lease().await.unwrap());
    assert_eq!(open.ever.load(Ordering::SeqCst), 2, "it was found again");
}

#[tokio::test]
async fn a_connection_that_is_owed_something_is_closed_whatever_its_user_says() {
    let (pool, open) = pool(1).await;
    let mut seat = Seat::new(pool.clone());
    let mut lease = seat.lease().await.unwrap();
    lease.exchange.sent(Sent::Query, Fate::Relay);
    lease.mark_clean();
    seat.park(lease);
    assert!(seat.unpark().is_none());
    until(&open, 0).await;
    let mut lease = pool.lease().await.unwrap();
    lease.exchange.sent(Sent::Parse, Fate::Swallow);
    lease.mark_clean();
    pool.give_back(lease);
    until(&open, 0).await;
}

#[tokio::test]
async fn a_lease_that_nobody_marked_clean_is_closed_on_every_way_back() {
    let (pool, open) = pool(1).await;
    let mut seat = Seat::new(pool.clone());
    let lease = seat.lease().await.unwrap();
    seat.park(lease);
    until(&open, 0).await;
    pool.give_back(pool.lease().await.unwrap());
    until(&open, 0).await;
    drop(pool.lease().await.unwrap());
    until(&open, 0).await;
    pool.lease().await.unwrap().close();
    until(&open, 0).await;
    assert_eq!(open.ever.load(Ordering::SeqCst), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_stops_waiting_at_any_moment_takes_nothing_along() {
    let (pool, open) = pool(2).await;
    let mut tasks = Vec::new();
    for number in 0..40_u64 {
        let pool = pool.clone();
        tasks.push(tokio::spawn(async move {
            let mut seat = Seat::new(pool.clone());
            for round in 0..50_u64 {
                let patience = Duration::from_micros((number * 37 + round * 101) % 900);
                let Ok(lease) = tokio::time::timeout(patience, seat.lease()).await else {
                    continue;
                };
                let mut lease = lease.unwrap();
                tokio::task::yield_now().await;
                lease.mark_clean();
                match round % 3 {
                    0 => pool.give_back(lease),
                    1 => drop(lease),
                    _ => seat.park(lease),
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    // Both are there for others, at once, and were never more than two.
    let both = (pool.lease().await.unwrap(), pool.lease().await.unwrap());
    assert_eq!(open.ever.load(Ordering::SeqCst), 2);
    drop(both);
    until(&open, 0).await;
}

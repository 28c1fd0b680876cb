//! The HTTP server: two pages, no state of its own.

use std::io;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::observe::metrics::Metrics;

/// What `/health` tells; `app` keeps it up to date.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Health {
    /// Whether the proxy is shutting down and takes no new clients.
    pub draining: bool,
    /// Each upstream, in the order of the configuration.
    pub upstreams: Vec<UpstreamHealth>,
}

/// What is known of one upstream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UpstreamHealth {
    /// Its name in the configuration.
    pub name: String,
    /// Whether the last attempt to reach it succeeded; `None` before the first one ended.
    pub reachable: Option<bool>,
}

/// Serves `/metrics` and `/health` until `health` has no sender any more.
///
/// An upstream that is down leaves `/health` at 200: the proxy itself works, and restarting it would help nobody.
/// While draining it is 503, so that a load balancer sends no more clients.
///
/// # Errors
/// When the listener fails for good.
pub async fn serve(
    listener: TcpListener,
    metrics: Arc<Metrics>,
    health: watch::Receiver<Health>,
) -> io::Result<()> {
    let mut end = health.clone();
    axum::serve(listener, router(metrics, health))
        .with_graceful_shutdown(async move { while end.changed().await.is_ok() {} })
        .await
}

#[derive(Clone)]
struct Pages {
    metrics: Arc<Metrics>,
    health: watch::Receiver<Health>,
}

fn router(metrics: Arc<Metrics>, health: watch::Receiver<Health>) -> Router {
    Router::new()
        .route("/metrics", get(metrics_page))
        .route("/health", get(health_page))
        .with_state(Pages { metrics, health })
}

async fn metrics_page(State(pages): State<Pages>) -> impl IntoResponse {
    let kind = [(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)];
    (kind, pages.metrics.render())
}

async fn health_page(State(pages): State<Pages>) -> impl IntoResponse {
    let health = pages.health.borrow().clone();
    let status = if health.draining {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::OK
    };
    (status, Json(Page::of(health)))
}

/// The body of `/health`.
#[derive(Serialize)]
struct Page {
    status: &'static str,
    version: &'static str,
    upstreams: Vec<UpstreamHealth>,
}

impl Page {
    fn of(health: Health) -> Self {
        let reachable = |upstream: &UpstreamHealth| upstream.reachable != Some(false);
        Self {
            status: if health.draining {
                "draining"
            } else if health.upstreams.iter().all(reachable) {
                "ok"
            } else {
                "degraded"
            },
            version: env!("CARGO_PKG_VERSION"),
            upstreams: health.upstreams,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn fetch(address: std::net::SocketAddr, path: &str) -> String {
        let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut reply = String::new();
        socket.read_to_string(&mut reply).await.unwrap();
        reply
    }

    #[tokio::test]
    async fn pages_tell_the_present_state_and_end_with_it() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let metrics = Arc::new(Metrics::new());
        metrics.transactions.inc_by(3);
        let (state, health) = watch::channel(Health {
            draining: false,
            upstreams: vec![UpstreamHealth {
                name: "main".to_owned(),
                reachable: Some(false),
            }],
        });
        let server = tokio::spawn(serve(listener, metrics, health));

        let page = fetch(address, "/metrics").await;
        assert!(page.contains("pgask_transactions_total 3"), "{page}");
        let page = fetch(address, "/health").await;
        assert!(page.starts_with("HTTP/1.1 200"), "{page}");
        assert!(page.contains(r#""status":"degraded""#), "{page}");
        assert!(
            page.contains(r#"{"name":"main","reachable":false}"#),
            "{page}"
        );

        state.send_modify(|health| health.draining = true);
        let page = fetch(address, "/health").await;
        assert!(page.starts_with("HTTP/1.1 503"), "{page}");
        assert!(fetch(address, "/").await.starts_with("HTTP/1.1 404"));

        drop(state);
        server.await.unwrap().unwrap();
    }
}

//! `pgask serve`: settings into rooms, and the rooms run until a signal ends them.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use crate::app::failure::Failure;
use crate::app::rooms;
use crate::app::state;
use crate::config::Settings;
use crate::http;
use crate::http::serve::{Health, UpstreamHealth};
use crate::listener::accept::Listener;
use crate::observe::metrics::Metrics;
use crate::pool::control::ControlPools;
use crate::pool::registry::Pools;
use crate::pool::roster::Roster;
use crate::schema::keeper_book::KeeperBooks;
use crate::session::login::Door;
use crate::session::serve::Shared;

/// Time between two looks at whether the upstreams can be reached.
const HEALTH_INTERVAL: Duration = Duration::from_secs(10);

/// Runs the proxy until SIGTERM or SIGINT; a second signal ends it at once.
///
/// # Errors
/// When an address cannot be bound.
pub async fn serve(settings: Settings) -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate()).map_err(no_signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(no_signals)?;
    let ended = async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("terminated: letting transactions end"),
            _ = interrupt.recv() => tracing::info!("interrupted: letting transactions end"),
        }
    };
    run(settings, ended).await
}

/// Runs the proxy until `ended` resolves, and then until its transactions have ended or the grace period has.
///
/// # Errors
/// When an address cannot be bound.
pub async fn run(settings: Settings, ended: impl Future<Output = ()>) -> Result<(), Failure> {
    let metrics = Arc::new(Metrics::new());
    let control = rooms::control(&settings);
    let (asks, directory) = rooms::asking(&settings, &control, &metrics)?;
    let listener = Listener::bind(&settings.listen)
        .await
        .map_err(|error| Failure::new(error.to_string()))?;
    let pages = match &settings.http.address {
        None => None,
        Some(address) => Some(
            TcpListener::bind(address)
                .await
                .map_err(|error| Failure::new(format!("cannot listen on {address}: {error}")))?,
        ),
    };
    let roster = Arc::new(Roster::default());
    let mut mock_secret = [0; 32];
    getrandom::fill(&mut mock_secret)
        .map_err(|error| Failure::new(format!("no random numbers: {error}")))?;
    let door = Arc::new(Door {
        shared: Arc::new(Shared {
            pool_mode: settings.pool.mode,
            metrics: metrics.clone(),
            asks,
            directory,
            keeper_books: KeeperBooks::new(Arc::new(control.clone())),
        }),
        pools: Pools::new(
            settings.upstream.clone(),
            settings.pool.clone(),
            metrics.clone(),
        ),
        control: control.clone(),
        auth: settings.auth.clone(),
        roster: roster.clone(),
        mock_secret,
    });

    let (health, watched) = watch::channel(first_health(&settings));
    let health = Arc::new(health);
    if let Some(pages) = pages {
        tokio::spawn(http::serve::serve(pages, metrics, watched));
    }
    let looking = tokio::spawn(look_after_upstreams(
        settings.clone(),
        control,
        health.clone(),
    ));
    tracing::info!(addresses = ?listener.addresses(), "listening");
    tokio::spawn(look_at_state(settings.clone()));

    tokio::select! {
        () = listener.run(door, &settings.listen) => {}
        () = ended => {}
    }
    drop(listener);
    looking.abort();
    health.send_modify(|health| health.draining = true);
    drain(&roster, settings.listen.shutdown_grace).await;
    Ok(())
}

/// Dismisses every client and waits until they have left; whoever has not by the end of the grace period is told
/// and closed.
async fn drain(roster: &Roster, grace: Duration) {
    roster.dismiss_all();
    until_empty(roster, grace).await;
    if !roster.is_empty() {
        tracing::warn!(
            clients = roster.len(),
            "closing clients in open transactions"
        );
        roster.expel_all();
        until_empty(roster, FAREWELL_MAX).await;
    }
}

/// How long clients that are closed may take to read why.
const FAREWELL_MAX: Duration = Duration::from_secs(2);

async fn until_empty(roster: &Roster, limit: Duration) {
    const LOOK_AGAIN: Duration = Duration::from_millis(20);
    let deadline = Instant::now() + limit;
    while !roster.is_empty() && Instant::now() < deadline {
        sleep_until((Instant::now() + LOOK_AGAIN).min(deadline)).await;
    }
}

fn first_health(settings: &Settings) -> Health {
    Health {
        draining: false,
        upstreams: settings
            .upstream
            .iter()
            .map(|upstream| UpstreamHealth {
                name: upstream.name.clone(),
                reachable: None,
            })
            .collect(),
    }
}

/// Keeps `/health` true, and says in the log when an upstream goes or comes back.
async fn look_after_upstreams(
    settings: Settings,
    control: ControlPools,
    health: Arc<watch::Sender<Health>>,
) {
    loop {
        for (index, upstream) in settings.upstream.iter().enumerate() {
            let reached = reach(&control, &upstream.name, &upstream.endpoint().database).await;
            let reachable = reached.is_ok();
            let before = health.borrow().upstreams[index].reachable;
            if before != Some(reachable) {
                match reached {
                    Ok(()) => tracing::info!(upstream = upstream.name, "upstream reached"),
                    Err(reason) => {
                        tracing::warn!(upstream = upstream.name, reason, "upstream not reached");
                    }
                }
                health.send_modify(|health| health.upstreams[index].reachable = Some(reachable));
            }
        }
        tokio::time::sleep(HEALTH_INTERVAL).await;
    }
}

/// Says in the log when pins cannot be read, before an ask finds out. Nothing else waits for it.
async fn look_at_state(settings: Settings) {
    if let Err(reason) = state::check(&settings).await {
        tracing::warn!(reason, "state store cannot be read");
    }
}

async fn reach(control: &ControlPools, upstream: &str, database: &str) -> Result<(), String> {
    let asking = async {
        let client = control
            .pool(upstream, database)
            .map_err(|refusal| refusal.to_string())?
            .client()
            .await
            .map_err(|refusal| refusal.to_string())?;
        client
            .batch_execute("SELECT")
            .await
            .map_err(|error| error.to_string())
    };
    timeout(HEALTH_INTERVAL, asking)
        .await
        .unwrap_or_else(|_| Err("no answer".to_owned()))
}

fn no_signals(error: std::io::Error) -> Failure {
    Failure::new(format!("cannot receive signals: {error}"))
}

//! `pgask demo`: a throwaway PostgreSQL with the sample shop, and the proxy before it.
//!
//! Nothing outlives it: the server and its directory go away with the process, however that ends (see
//! `throwaway::server`).

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;
use tokio_postgres::{Client, NoTls};

use crate::access::settings::Method;
use crate::app::console;
use crate::app::failure::Failure;
use crate::app::serve;
use crate::app::throwaway::binaries::Binaries;
use crate::app::throwaway::server::{Auth, Plan, SUPERUSER, Server};
use crate::config::{self, Flag, Settings, Sources};
use crate::observe::log;
use crate::observe::settings::Format;
use crate::state::settings::Settings as StateSettings;

/// The sample shop, so that the binary needs no file beside it.
const SHOP: &str = include_str!("../../demo/shop.sql");

/// The database, and the role that may use it without a password.
const DATABASE: &str = "shop";
const ROLE: &str = "demo";

/// A transaction left open in a demo holds up its end no longer than this.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);

/// How often it is looked whether the proxy accepts clients yet.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Runs the demo until Ctrl-C.
///
/// # Errors
/// When a port is taken, before anything is started; when PostgreSQL cannot be found or started; when the proxy
/// cannot run.
pub async fn demo(port: u16, http_port: u16) -> Result<(), Failure> {
    check_free(port, "--port").await?;
    check_free(http_port, "--http-port").await?;
    let server = start_postgres().await?;
    load_shop(&server).await?;

    let mut settings = settings(&server, port, http_port)?;
    // What is pinned in a demo goes with it, however it ends.
    settings.state = StateSettings {
        path: Some(server.socket_dir().join("state.db")),
        ..StateSettings::default()
    };
    log::start(&settings.log).map_err(|error| Failure::new(format!("log.level: {error}")))?;
    let outcome = tokio::select! {
        outcome = serve::serve(settings) => outcome,
        never = announce(port, http_port) => match never {},
    };
    console::say("removing the throwaway server");
    drop(server);
    outcome
}

async fn check_free(port: u16, flag: &str) -> Result<(), Failure> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::new(format!(
            "cannot listen on 127.0.0.1:{port}: {error}; choose another port with {flag}"
        ))),
    }
}

async fn start_postgres() -> Result<Server, Failure> {
    let failed = |error: &dyn std::error::Error| match error.source() {
        Some(source) => Failure::new(format!("{error}: {source}")),
        None => Failure::new(error.to_string()),
    };
    let binaries = Binaries::find().map_err(|e| failed(&e))?;
    let version = binaries.version().map_err(|e| failed(&e))?;
    let dir = binaries.dir().display();
    console::say(&format!(
        "starting a throwaway server: {version}, found in {dir}"
    ));
    let plan = Plan {
        auth: Auth::Trust,
        ..Plan::default()
    };
    // `initdb` and the start take a second or two, which must not stall the thread that watches for signals.
    tokio::task::spawn_blocking(move || Server::start(&plan))
        .await
        .map_err(|e| failed(&e))?
        .map_err(|e| failed(&e))
}

async fn load_shop(server: &Server) -> Result<(), Failure> {
    console::say("loading the sample shop");
    let start = Instant::now();
    let failed = |e: tokio_postgres::Error| Failure::new(format!("cannot load the shop: {e}"));
    let postgres = connect(server, "postgres").await.map_err(failed)?;
    for statement in [
        format!("CREATE ROLE {ROLE} LOGIN"),
        format!("CREATE DATABASE {DATABASE}"),
    ] {
        postgres.batch_execute(&statement).await.map_err(failed)?;
    }
    let shop = connect(server, DATABASE).await.map_err(failed)?;
    shop.batch_execute(SHOP).await.map_err(failed)?;
    let loaded = shop
        .query_one(
            "SELECT pg_catalog.count(*), pg_catalog.sum(c.reltuples)::pg_catalog.int8 \
             FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
             WHERE c.relkind = 'r' AND n.nspname IN ('public', 'hr')",
            &[],
        )
        .await
        .map_err(failed)?;
    let (tables, rows): (i64, i64) = (loaded.get(0), loaded.get(1));
    let seconds = start.elapsed().as_secs_f32();
    console::say(&format!(
        "loaded {rows} rows into {tables} tables in {seconds:.1} s"
    ));
    Ok(())
}

async fn connect(server: &Server, database: &str) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::Config::new()
        .host(Ipv4Addr::LOCALHOST.to_string())
        .port(server.port())
        .user(SUPERUSER)
        .dbname(database)
        .connect(NoTls)
        .await?;
    // It ends when the client is dropped; what ends it earlier is told to the query that waits.
    tokio::spawn(connection);
    Ok(client)
}

/// The environment may add to a demo (a model that answers, a limit), but not move it off the throwaway server or
/// off loopback; a configuration in the working directory belongs to something else.
fn settings(server: &Server, port: u16, http_port: u16) -> Result<Settings, Failure> {
    let upstream = format!(
        "postgres://{SUPERUSER}@127.0.0.1:{}/postgres",
        server.port()
    );
    let mut sources = Sources::of_process(None, vec![Flag::upstream(upstream)]);
    sources.file = None;
    let written_level = sources.environment.contains_key("PGASK_LOG__LEVEL");
    let mut settings = config::load(&sources)?.settings;
    settings.listen.address = SocketAddr::from((Ipv4Addr::LOCALHOST, port)).to_string();
    settings.listen.shutdown_grace = SHUTDOWN_GRACE;
    settings.http.address = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, http_port)).to_string());
    settings.auth.method = Method::Trust;
    settings.log.format = Format::Human;
    if !written_level {
        settings.log.level = "warn".to_owned();
    }
    Ok(settings)
}

/// Says how to connect as soon as that works, and then waits for ever.
async fn announce(port: u16, http_port: u16) -> std::convert::Infallible {
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        .await
        .is_err()
    {
        sleep(POLL_INTERVAL).await;
    }
    // Whoever closed standard output does not want to read it.
    let _ = console::print(&welcome(port, http_port));
    std::future::pending().await
}

fn welcome(port: u16, http_port: u16) -> String {
    format!(
        r#"
The shop is open. Connect, without a password:

    psql "postgres://{ROLE}@127.0.0.1:{port}/{DATABASE}"

and try there:

    \d
    ask top 5 customers by revenue this year;
    ask how many orders were placed last month;
    /* ask: number of customers per country */;
    select * from (/* ask: revenue by month this year */) r where revenue > 1000;

Metrics are at http://127.0.0.1:{http_port}/metrics. Ctrl-C stops and removes everything.
"#
    )
}

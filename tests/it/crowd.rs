//! Many clients over few server connections, and the tools that come with PostgreSQL.

use std::process::{Command, Output};

use pgask::app::throwaway::binaries::Binaries;

use crate::support::postgres::{Fixture, Postgres, SUPERUSER_PASSWORD};
use crate::support::proxy::Proxy;

/// Clients at once.
const CLIENT_COUNT: i32 = 40;

/// Transactions of each.
const ROUND_COUNT: i32 = 25;

#[tokio::test(flavor = "multi_thread")]
async fn many_clients_on_few_connections_never_get_each_others_answers() {
    let postgres = Postgres::start();
    postgres.create_role("crowd", "crowd").await;
    postgres
        .execute("postgres", "create database crowd owner crowd")
        .await;
    let proxy = Proxy::start(&postgres, "[pool]\ndefault_pool_size = 3\n");
    let owner = proxy.connect("crowd", "crowd", "crowd").await;
    owner
        .batch_execute("create table counters (client int primary key, n int not null)")
        .await
        .unwrap();
    let clients = (0..CLIENT_COUNT).map(|client| play(&proxy, client));
    futures_util::future::join_all(clients).await;
    let sum = owner.value("select sum(n) from counters").await.unwrap();
    assert_eq!(sum.unwrap(), (CLIENT_COUNT * ROUND_COUNT).to_string());
    let server_count = postgres
        .superuser("postgres")
        .await
        .value("select count(*) from pg_stat_activity where usename = 'crowd'")
        .await
        .unwrap();
    let server_count: u32 = server_count.unwrap().parse().unwrap();
    assert!(server_count <= 3, "{server_count} server connections");
}

/// One client: a setting and prepared statements of its own, whose text is the same as everybody's or nobody's.
async fn play(proxy: &Proxy, number: i32) {
    let mut client = proxy.connect("crowd", "crowd", "crowd").await;
    let memory = format!("{}kB", 2000 + number);
    client
        .batch_execute(&format!("set work_mem = '{memory}'"))
        .await
        .unwrap();
    client
        .execute("insert into counters values ($1, 0)", &[&number])
        .await
        .unwrap();
    let own = client
        .prepare(&format!("select {number} + $1::int4"))
        .await
        .unwrap();
    let shared = client
        .prepare("update counters set n = n + 1 where client = $1 returning n")
        .await
        .unwrap();
    for round in 0..ROUND_COUNT {
        let sum: i32 = client.query_one(&own, &[&round]).await.unwrap().get(0);
        assert_eq!(sum, number + round);
        let transaction = client.transaction().await.unwrap();
        let n: i32 = transaction
            .query_one(&shared, &[&number])
            .await
            .unwrap()
            .get(0);
        assert_eq!(n, round + 1);
        transaction.commit().await.unwrap();
        let found = client.value("show work_mem").await.unwrap().unwrap();
        assert_eq!(found, memory);
        let error = client.error(&format!("select 'x{number}'::int")).await;
        assert!(error.message().contains(&format!("x{number}")), "{error:?}");
    }
}

#[test]
fn pgbench_runs_in_every_mode_without_an_error() {
    let postgres = Postgres::start_with(Fixture::Shop);
    let proxy = Proxy::start(&postgres, "[pool]\ndefault_pool_size = 4\n");
    let made = tool("pgbench", postgres.port(), &["--initialize", "--quiet"]);
    assert!(made.status.success(), "{}", told(&made));
    for mode in ["simple", "extended", "prepared"] {
        let arguments = [
            "--client=32",
            // A thread for each: pgbench prepares in blocking calls, which would hold up who holds a connection.
            "--jobs=32",
            "--transactions=20",
            "--no-vacuum",
            "--protocol",
            mode,
        ];
        let ran = tool("pgbench", proxy.port(), &arguments);
        assert!(ran.status.success(), "{mode}: {}", told(&ran));
        let printed = String::from_utf8_lossy(&ran.stdout);
        assert!(
            printed.contains("actually processed: 640/640"),
            "{mode}: {printed}"
        );
    }
}

#[test]
fn pg_dump_writes_the_same_as_direct() {
    let postgres = Postgres::start_with(Fixture::Shop);
    let proxy = Proxy::start(&postgres, "");
    let dump = |port| {
        let output = tool("pg_dump", port, &[]);
        assert!(output.status.success(), "{}", told(&output));
        let text = String::from_utf8(output.stdout).unwrap();
        // Newer versions guard their output with a key that is drawn anew each time.
        let lines = text
            .lines()
            .filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let (direct, proxied) = (dump(postgres.port()), dump(proxy.port()));
    assert!(direct.len() > 10_000, "{} lines", direct.len());
    assert!(direct == proxied, "the dumps differ");
}

/// Runs a tool that comes with PostgreSQL, as the superuser in the database `shop`.
fn tool(name: &str, port: u16, arguments: &[&str]) -> Output {
    let beside_server = Binaries::find().unwrap().program(name);
    let program = if beside_server.exists() {
        beside_server
    } else {
        name.into()
    };
    Command::new(program)
        .args(arguments)
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", port.to_string())
        .env("PGUSER", "postgres")
        .env("PGPASSWORD", SUPERUSER_PASSWORD)
        .env("PGDATABASE", "shop")
        .output()
        .unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

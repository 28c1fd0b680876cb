//! The clients that people use, each with plain SQL and with asks in every spelling that it can send.
//!
//! What a client does is in `tests/drivers/`, in the client's own language; a script ends in an error where something
//! is wrong. `scripts/driver-env.sh` makes the environments, once.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::support::postgres::{Fixture, Postgres};
use crate::support::proxy::Proxy;

/// A question that every client asks, and the SQL that answers it.
const COUNT: &str = "how many customers are from Germany";
const COUNT_SQL: &str = "select count(*) from customers where country = 'Germany'";

#[test]
fn psycopg_speaks_plain_sql() {
    python("psycopg_client.py", "plain");
}

#[test]
fn psycopg_asks() {
    python("psycopg_client.py", "asks");
}

#[test]
fn asyncpg_speaks_plain_sql() {
    python("asyncpg_client.py", "plain");
}

#[test]
fn asyncpg_asks() {
    python("asyncpg_client.py", "asks");
}

#[test]
fn sqlalchemy_speaks_plain_sql() {
    python("sqlalchemy_client.py", "plain");
}

#[test]
fn sqlalchemy_asks() {
    python("sqlalchemy_client.py", "asks");
}

#[test]
fn node_postgres_speaks_plain_sql() {
    node("plain");
}

#[test]
fn node_postgres_asks() {
    node("asks");
}

/// The same session direct and through the proxy prints the same, apart from ports and process numbers.
#[test]
fn psql_prints_the_same_as_direct() {
    let shop = Shop::new();
    let script = fs::read_to_string(drivers_dir().join("psql_plain.sql")).unwrap();
    let printed = |port| {
        let folder = tempfile::tempdir().unwrap();
        let output = run(
            psql(&shop, port).current_dir(folder.path()),
            script.as_bytes(),
        );
        let all = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        without_numbers(&all.concat(), port)
    };
    let direct = printed(shop.postgres.port());
    let proxied = printed(shop.proxy.port());
    assert!(direct.contains("after the error") && direct.contains("payload"));
    assert_eq!(direct, proxied);
}

#[test]
fn psql_asks_at_its_prompt() {
    let shop = Shop::new();
    let count = text(&psql_command(&shop, COUNT_SQL));
    let spellings = [
        format!("/* ask: {COUNT} */;"),
        format!("ask: {COUNT};"),
        format!("ask {COUNT};"),
        format!("ASK {COUNT} ;"),
        format!("select * from ask('{COUNT}');"),
        format!("select count from (/* ask: {COUNT} */) as r (count);"),
    ];
    let script = spellings.join("\n");
    let output = run(&mut psql(&shop, shop.proxy.port()), script.as_bytes());
    assert_eq!(text(&output), count.repeat(spellings.len()));
    let told = String::from_utf8(output.stderr).unwrap();
    for word in ["NOTICE:  ask: SELECT", "DETAIL:  ", "HINT:  builtin"] {
        assert!(told.contains(word), "{word} is not in {told}");
    }
}

#[test]
fn psql_15_asks_in_a_comment_behind_select() {
    let shop = Shop::new();
    if psql_version() < 15 {
        return;
    }
    let count = text(&psql_command(&shop, COUNT_SQL));
    let script = format!("select -- ask: {COUNT}\n;\n");
    let output = run(&mut psql(&shop, shop.proxy.port()), script.as_bytes());
    assert_eq!(text(&output), count);
}

#[test]
fn psql_asks_on_its_command_line() {
    let shop = Shop::new();
    let count = text(&psql_command(&shop, COUNT_SQL));
    for sql in [
        format!("-- ask: {COUNT}"),
        format!("-- ask: {COUNT}\n;"),
        format!("/* ask: {COUNT} */"),
        format!("ask: {COUNT}"),
        format!("ask {COUNT};"),
    ] {
        assert_eq!(text(&psql_command(&shop, &sql)), count, "{sql}");
    }
}

#[test]
fn psql_prints_a_refusal_and_goes_on() {
    let shop = Shop::new();
    let script = "\\set VERBOSITY verbose\nask grumble the wibbly flonks;\nselect 'goes on';\n";
    let output = run(&mut psql(&shop, shop.proxy.port()), script.as_bytes());
    assert_eq!(text(&output), "goes on\n");
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("NL002") && told.contains("flonks"), "{told}");
}

#[tokio::test]
async fn tokio_postgres_speaks_plain_sql() {
    let shop = Shop::new();
    let mut client = shop.proxy.connect("demo", "demo", "shop").await;
    let row = client
        .query_one("select $1::int4 + 1, $2::text", &[&41, &"ü"])
        .await
        .unwrap();
    assert_eq!((row.get::<_, i32>(0), row.get::<_, &str>(1)), (42, "ü"));
    client
        .batch_execute("create table tokio_t (i int primary key, t text)")
        .await
        .unwrap();
    let insert = client
        .prepare("insert into tokio_t values ($1, $2)")
        .await
        .unwrap();
    for i in 0..50 {
        client
            .execute(&insert, &[&i, &format!("row {i}")])
            .await
            .unwrap();
    }
    let select = client
        .prepare("select t from tokio_t where i = $1")
        .await
        .unwrap();
    // Pipelined: all are sent before the first answer is read.
    let found = futures_util::future::join_all((0..50).map(|i| {
        let (client, select) = (&client, &select);
        async move {
            client
                .query_one(select, &[&i])
                .await
                .unwrap()
                .get::<_, String>(0)
        }
    }))
    .await;
    assert_eq!(found[49], "row 49");
    let transaction = client.transaction().await.unwrap();
    let portal = transaction
        .bind("select i from tokio_t order by i", &[])
        .await
        .unwrap();
    for expected in [20, 20, 10, 0] {
        assert_eq!(
            transaction.query_portal(&portal, 20).await.unwrap().len(),
            expected
        );
    }
    transaction
        .execute("delete from tokio_t", &[])
        .await
        .unwrap();
    transaction.rollback().await.unwrap();
    assert_eq!(
        client
            .value("select count(*) from tokio_t")
            .await
            .unwrap()
            .unwrap(),
        "50"
    );
    let error = client
        .query("select * from no_such_table", &[])
        .await
        .unwrap_err();
    assert_eq!(error.code().unwrap().code(), "42P01");
    client.batch_execute("drop table tokio_t").await.unwrap();
}

#[tokio::test]
async fn tokio_postgres_asks() {
    let shop = Shop::new();
    let client = shop.proxy.connect("demo", "demo", "shop").await;
    let count: i64 = client.query_one(COUNT_SQL, &[]).await.unwrap().get(0);
    for sql in [
        format!("-- ask: {COUNT}"),
        format!("/* ask: {COUNT} */"),
        format!("ask: {COUNT}"),
        format!("Ask {COUNT};"),
        format!("select -- ask: {COUNT}\n;"),
        format!("select * from ask('{COUNT}')"),
    ] {
        let simple = client.value(&sql).await.unwrap();
        assert_eq!(simple, Some(count.to_string()), "{sql}");
        let statement = client.prepare(&sql).await.unwrap();
        assert_eq!(statement.columns().len(), 1, "{sql}");
        for _ in 0..2 {
            let row = client.query_one(&statement, &[]).await.unwrap();
            assert_eq!(row.get::<_, i64>(0), count, "{sql}");
        }
    }
    let argument = "select * from ask('how many customers in country $1', $1)";
    let row = client.query_one(argument, &[&"Germany"]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), count);
    let nonsense = "/* ask: grumble the wibbly flonks */";
    assert_eq!(client.error(nonsense).await.code().code(), "NL002");
    let error = client.prepare(nonsense).await.unwrap_err();
    assert_eq!(error.code().unwrap().code(), "NL002");
    assert_eq!(client.value("select 1").await.unwrap().unwrap(), "1");
}

/// The sample shop with the proxy in front.
struct Shop {
    proxy: Proxy,
    postgres: Postgres,
}

impl Shop {
    fn new() -> Self {
        let postgres = Postgres::start_with(Fixture::Shop);
        let proxy = Proxy::start(&postgres, "");
        Self { proxy, postgres }
    }

    /// Tells a client through its environment where the server on this port is.
    fn point<'a>(&self, command: &'a mut Command, port: u16) -> &'a mut Command {
        command
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", port.to_string())
            .env("PGUSER", "demo")
            .env("PGPASSWORD", "demo")
            .env("PGDATABASE", "shop")
            .env_remove("PGOPTIONS")
            .env_remove("PGSERVICE")
    }
}

fn python(script: &str, part: &str) {
    let program = environment().join("python/bin/python");
    check_script(
        Command::new(program)
            .arg(drivers_dir().join(script))
            .arg(part),
    );
}

fn node(part: &str) {
    let drivers = environment();
    check_script(
        Command::new("node")
            .arg(drivers_dir().join("node_client.js"))
            .arg(part)
            .env("DRIVERS", drivers),
    );
}

fn check_script(command: &mut Command) {
    let shop = Shop::new();
    shop.point(command, shop.proxy.port());
    let output = run(command, b"");
    assert!(
        output.status.success() && text(&output) == "ok\n",
        "{command:?}\n{}{}",
        text(&output),
        String::from_utf8_lossy(&output.stderr)
    );
}

fn psql(shop: &Shop, port: u16) -> Command {
    let mut command = Command::new("psql");
    shop.point(&mut command, port);
    command.args(["-XqAt"]);
    command
}

fn psql_command(shop: &Shop, sql: &str) -> Output {
    let output = run(psql(shop, shop.proxy.port()).args(["-c", sql]), b"");
    assert!(
        output.status.success(),
        "{sql}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// The major version of the psql that is installed.
fn psql_version() -> u32 {
    let output = run(Command::new("psql").arg("--version"), b"");
    let digits: String = text(&output)
        .chars()
        .skip_while(|c| !c.is_ascii_digit())
        .take_while(char::is_ascii_digit)
        .collect();
    digits.parse().unwrap()
}

fn run(command: &mut Command, input: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{command:?}: {e}"));
    // A client that ends early leaves the rest unread.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The text without this port and without process numbers, which no two sessions share.
fn without_numbers(text: &str, port: u16) -> String {
    let text = text.replace(&port.to_string(), "PORT");
    let mut parts = text.split("PID ");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str("PID N");
        out.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    out
}

fn drivers_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/drivers")
}

/// The folder of the driver environments, which the first test to come here makes.
fn environment() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let lock = File::create(target.join("drivers.lock")).unwrap();
    lock.lock().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/driver-env.sh");
    let output = Command::new("sh")
        .arg(script)
        .env("CARGO_TARGET_DIR", target)
        .env("PGASK_DRIVERS", "required")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "the drivers cannot be installed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    target.join("drivers")
}

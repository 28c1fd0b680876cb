//! The clients that people use, each with plain SQL and with asks in every spelling that it can send.
//!
//! What a client does is in `tests/drivers/`, in the client's own language, feature by feature; what a script sees must
//! be the same direct and through the proxy. `scripts/driver-env.sh` makes the environments, once. The drivers that come
//! from a system's packages are in `packaged`, which `make test-drivers` runs and `make test` leaves out.

mod matrix;
mod packaged;
mod scripts;
mod superset;
mod tokio_client;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::support::postgres::{Fixture, Postgres};
use crate::support::proxy::Proxy;

/// A question that every client asks, and the SQL that answers it.
const COUNT: &str = "how many customers are from Germany";
const COUNT_SQL: &str = "select count(*) from customers where country = 'Germany'";

#[test]
fn psycopg() {
    scripts::check("03-psycopg", || scripts::python("psycopg3_client.py", &[]));
}

#[test]
fn psycopg2() {
    scripts::check("02-psycopg2", || scripts::python("psycopg2_client.py", &[]));
}

#[test]
fn asyncpg() {
    scripts::check("04-asyncpg", || scripts::python("asyncpg_client.py", &[]));
}

#[test]
fn pg8000() {
    scripts::check("05-pg8000", || scripts::python("pg8000_client.py", &[]));
}

#[test]
fn sqlalchemy_over_psycopg() {
    let arguments = ["psycopg"];
    scripts::check("06-sqlalchemy-psycopg", || {
        scripts::python("sqlalchemy_client.py", &arguments)
    });
}

#[test]
fn sqlalchemy_over_asyncpg() {
    let arguments = ["asyncpg"];
    scripts::check("07-sqlalchemy-asyncpg", || {
        scripts::python("sqlalchemy_client.py", &arguments)
    });
}

#[test]
fn django() {
    scripts::check("08-django", || scripts::python("django_client.py", &[]));
}

#[test]
fn node_postgres() {
    scripts::check("09-node-postgres", || {
        scripts::node("node_postgres_client.js")
    });
}

#[test]
fn postgres_js() {
    scripts::check("10-postgres-js", || scripts::node("postgres_js_client.js"));
}

#[test]
fn psql() {
    scripts::check("01-psql", || {
        let mut command = Command::new("bash");
        command.arg(drivers_dir().join("psql_client.sh"));
        command
    });
}

/// The same session direct and through the proxy prints the same, apart from ports and process numbers.
#[test]
fn psql_prints_the_same_as_direct() {
    let shop = Shop::new();
    let script = fs::read_to_string(drivers_dir().join("psql_plain.sql")).unwrap();
    let printed = |port| {
        let folder = tempfile::tempdir().unwrap();
        let output = run(
            psql_prompt(&shop, port).current_dir(folder.path()),
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
    let output = run(
        &mut psql_prompt(&shop, shop.proxy.port()),
        script.as_bytes(),
    );
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
    let output = run(
        &mut psql_prompt(&shop, shop.proxy.port()),
        script.as_bytes(),
    );
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
    let output = run(
        &mut psql_prompt(&shop, shop.proxy.port()),
        script.as_bytes(),
    );
    assert_eq!(text(&output), "goes on\n");
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("NL002") && told.contains("flonks"), "{told}");
}

#[test]
fn tokio_postgres() {
    scripts::compare("18-tokio-postgres", |_, port, part| {
        tokio_client::session(port, part)
    });
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

fn psql_prompt(shop: &Shop, port: u16) -> Command {
    let mut command = Command::new("psql");
    shop.point(&mut command, port);
    command.args(["-XqAt"]);
    command
}

fn psql_command(shop: &Shop, sql: &str) -> Output {
    let output = run(psql_prompt(shop, shop.proxy.port()).args(["-c", sql]), b"");
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

//! Apache Superset with datasets that are asks, charted over its REST API; `make test-superset` runs it.
//!
//! Superset parses a dataset's SQL itself and puts it into `FROM (...) AS virtual_table`, with conditions, groups and a
//! limit around it. Installing it takes minutes and 800 MB, so that `make test` leaves it out.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Shop, drivers_dir, run, scripts, text};
use crate::support::client::Client;
use crate::support::postgres::{Fixture, Postgres};
use crate::support::proxy::{Proxy, free_port};

/// How long Superset may take to listen; a few seconds on a machine that does nothing else.
const START_DEADLINE: Duration = Duration::from_secs(120);

const COUNTRIES_SQL: &str =
    "select country, count(*) from customers group by country order by 2 desc, 1";
const SOME_SQL: &str = "select country, count(*) from customers where country in ('Germany', 'France') group by country order by 1";
const QUARTERS_SQL: &str = "
    select sum(total) from orders where placed_at >= date_trunc('year', now())
    group by date_trunc('quarter', placed_at) order by 1";
const TABLES_SQL: &str = "
    select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'v', 'm') order by 1";

#[tokio::test(flavor = "multi_thread")]
async fn superset_charts_what_is_asked() {
    let postgres = Postgres::start_with(Fixture::Shop);
    let proxy = Proxy::start(&postgres, "");
    let shop = Shop { proxy, postgres };
    let direct = shop.postgres.connect("demo", "demo", "shop").await;
    let superset = Superset::start();

    let seen = superset.seen_by_the_client(&shop);
    let rows = |names: [&str; 2], gold: Vec<Vec<Option<String>>>| -> Value {
        let row = |values: &Vec<Option<String>>| {
            let count: u64 = values[1].as_ref().unwrap().parse().unwrap();
            json!({names[0]: values[0], names[1]: count})
        };
        gold.iter().map(row).collect()
    };
    let countries = direct.rows(COUNTRIES_SQL).await.unwrap();
    assert_eq!(
        sorted(&seen["charts"]),
        sorted(&rows(["country", "total"], countries.clone()))
    );
    assert_eq!(
        sorted(&seen["asks_in_sql_lab"]),
        sorted(&rows(["country", "count"], countries))
    );
    assert_eq!(
        seen["filters"],
        rows(["country", "total"], direct.rows(SOME_SQL).await.unwrap())
    );
    assert_eq!(
        numbers(&seen["charts_over_time"]),
        numbers(&column(&direct, QUARTERS_SQL).await)
    );
    assert_eq!(seen["browses"], column(&direct, TABLES_SQL).await);
    assert_eq!(seen["shows_a_refusal"], json!([true]));
    assert_eq!(seen["refuses_other_spellings"].as_array().unwrap().len(), 4);
}

async fn column(direct: &Client, sql: &str) -> Value {
    let rows = direct.rows(sql).await.unwrap();
    rows.into_iter().map(|mut row| row.remove(0)).collect()
}

fn sorted(rows: &Value) -> Vec<String> {
    let mut rows: Vec<String> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(Value::to_string)
        .collect();
    rows.sort();
    rows
}

/// Amounts come as JSON numbers from the one side and as text from the other.
fn numbers(values: &Value) -> Vec<String> {
    let number = |value: &Value| -> f64 {
        value
            .as_f64()
            .unwrap_or_else(|| value.as_str().unwrap().parse().unwrap())
    };
    values
        .as_array()
        .unwrap()
        .iter()
        .map(|value| format!("{:.2}", number(value)))
        .collect()
}

/// A running Superset with a database of its own; it ends with the value.
struct Superset {
    child: Child,
    port: u16,
    home: tempfile::TempDir,
}

impl Superset {
    fn start() -> Self {
        let environment = environment();
        let home = tempfile::tempdir().unwrap();
        fs::copy(
            environment.join("superset-home/superset.db"),
            home.path().join("superset.db"),
        )
        .unwrap();
        let port = free_port();
        let log = fs::File::create(home.path().join("log")).unwrap();
        let child = Command::new(environment.join("superset/bin/superset"))
            .args(["run", "--with-threads", "-p", &port.to_string()])
            .env("SUPERSET_HOME", home.path())
            .env(
                "SUPERSET_CONFIG_PATH",
                drivers_dir().join("superset/superset_config.py"),
            )
            .env("FLASK_APP", "superset")
            .current_dir(home.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut superset = Self { child, port, home };
        superset.wait_until_it_listens();
        superset
    }

    fn wait_until_it_listens(&mut self) {
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none() && start.elapsed() < START_DEADLINE,
                "Superset does not listen: {}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// What the script printed, by name.
    fn seen_by_the_client(&self, shop: &Shop) -> BTreeMap<String, Value> {
        let mut command = Command::new(environment().join("superset/bin/python"));
        command
            .arg(drivers_dir().join("superset/superset_client.py"))
            .arg(format!("http://127.0.0.1:{}", self.port));
        let output = run(shop.point(&mut command, shop.proxy.port()), b"");
        let printed = text(&output);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{printed}{told}\n{}", self.log());
        let read = |line: &str| {
            let (name, seen) = line.split_once('\t').unwrap();
            (name.to_owned(), serde_json::from_str(seen).unwrap())
        };
        printed.lines().map(read).collect()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.home.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Superset {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The folder of the driver environments, with Superset's in it.
fn environment() -> std::path::PathBuf {
    let target = scripts::target();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/superset-env.sh");
    let output = Command::new("sh")
        .arg(script)
        .env("CARGO_TARGET_DIR", &target)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "Superset cannot be installed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    target.join("drivers")
}

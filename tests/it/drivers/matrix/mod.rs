//! Every spelling of an ask, in every place where it may stand, in both protocols, sent by every driver.
//!
//! `tests/drivers/asks.toml` is the table (`table` reads it): it says what each cell gives. A driver's runner gets its
//! cells as lines of JSON and answers each (`runners`); psql and tokio-postgres are driven from here (`psql`, `tokio`).
//! `page` writes the table as `docs/asks-matrix.md`.

mod page;
mod psql;
mod runners;
mod table;
mod tokio;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use self::table::{Cell, Position, Protocol, Table};
use super::{Shop, psql_version, scripts};
use crate::support::client::Client;
use crate::support::postgres::{Fixture, Postgres};
use crate::support::proxy::Proxy;

/// The drivers that a test below runs.
const DRIVERS: [&str; 8] = [
    "psql",
    "psql -c",
    "psycopg",
    "asyncpg",
    "sqlalchemy",
    "node-postgres",
    "tokio-postgres",
    "jdbc",
];

/// Values as a driver gives them, in text.
type Rows = Vec<Vec<Option<String>>>;

/// What a runner is told to do.
#[derive(Serialize)]
struct Task {
    id: usize,
    protocol: Protocol,
    steps: Vec<Step>,
}

/// One message of a task.
#[derive(Serialize)]
struct Step {
    /// The statement; of a COPY the query inside, because drivers write `COPY (...)` themselves.
    sql: String,
    values: Vec<String>,
    copies: bool,
    /// It holds the ask.
    asks: bool,
}

/// What a runner saw, in the words of the last step.
#[derive(Debug, Deserialize)]
struct Seen {
    id: usize,
    rows: Option<Rows>,
    tag: Option<String>,
    sqlstate: Option<String>,
    /// The driver's own error, which came from no server.
    fails: Option<String>,
}

#[test]
fn psql() {
    // An older one drops every `--` comment, wherever it stands.
    if psql_version() >= 15 {
        check("psql", psql::at_its_prompt);
    }
}

#[test]
fn psql_on_its_command_line() {
    check("psql -c", psql::on_its_command_line);
}

#[test]
fn psycopg() {
    check("psycopg", runners::python("asks_psycopg.py"));
}

#[test]
fn asyncpg() {
    check("asyncpg", runners::python("asks_asyncpg.py"));
}

#[test]
fn sqlalchemy() {
    check("sqlalchemy", runners::python("asks_sqlalchemy.py"));
}

#[test]
fn node_postgres() {
    check("node-postgres", runners::node("asks_node_postgres.js"));
}

#[test]
fn tokio_postgres() {
    check("tokio-postgres", tokio::run);
}

/// `packaged` says when.
pub(super) fn jdbc() {
    check("jdbc", runners::java("AsksJdbc.java"));
}

#[test]
fn the_table_names_only_what_there_is() {
    let table = Table::read();
    let named: Vec<&str> = table.driver.iter().map(|d| d.name.as_str()).collect();
    assert_eq!(named, DRIVERS, "each has a test");
    let unused = table.unused_exceptions();
    assert!(unused.is_empty(), "no cell is one of these: {unused:?}");
}

#[test]
fn the_document_says_what_the_table_says() {
    page::check(&Table::read());
}

/// Has every cell of a driver sent, and compares what came back with what the table says.
fn check(driver: &str, run: impl FnOnce(&Shop, &[Task]) -> Vec<Seen>) {
    let table = Table::read();
    let postgres = Postgres::start_with(Fixture::Shop);
    let proxy = Proxy::start(&postgres, "");
    let shop = Shop { proxy, postgres };
    let gold = Gold::read(&shop, &table);
    let cells = table.cells(driver);
    let sent: Vec<&Cell<'_>> = cells
        .iter()
        .filter(|cell| cell.outcome != "unsent")
        .collect();
    let tasks: Vec<Task> = sent.iter().map(|cell| cell.task()).collect();
    let mut seen: BTreeMap<usize, Seen> = run(&shop, &tasks)
        .into_iter()
        .map(|seen| (seen.id, seen))
        .collect();
    let mut wrong = Vec::new();
    for cell in &sent {
        let Some(seen) = seen.remove(&cell.id) else {
            wrong.push(format!("{}: no answer", cell.name()));
            continue;
        };
        if gold.outcome(cell.position, &seen) != Some(cell.outcome) {
            let (name, statements, outcome) = (cell.name(), cell.statements(), cell.outcome);
            wrong.push(format!(
                "{name}\n    {statements:?}\n    is not {outcome}: {seen:?}"
            ));
        }
    }
    // Shown by the test runner for a test that failed, and on demand.
    eprintln!("{}", page::of_driver(&table, driver));
    assert!(seen.is_empty(), "answers to what nobody sent: {seen:?}");
    assert!(sent.len() * 3 > cells.len(), "hardly a cell was sent");
    assert!(
        wrong.is_empty(),
        "{} of {} cells are wrong:\n{}",
        wrong.len(),
        sent.len(),
        wrong.join("\n")
    );
}

/// What the server itself answers to the gold SQL of each position, statement by statement.
struct Gold(BTreeMap<String, Vec<Rows>>);

impl Gold {
    fn read(shop: &Shop, table: &Table) -> Self {
        let runtime = ::tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        Self(runtime.block_on(async {
            let direct: Client = shop.postgres.connect("demo", "demo", "shop").await;
            let mut gold = BTreeMap::new();
            for position in &table.position {
                let mut of_statements = Vec::new();
                for sql in &position.gold {
                    let rows = direct.rows(sql).await.unwrap();
                    assert!(!rows.is_empty(), "nothing can be told from {sql}");
                    of_statements.push(rows);
                }
                gold.insert(position.name.clone(), of_statements);
            }
            gold
        }))
    }

    /// What a driver saw, in the words of the table; `None` where there are none for it.
    fn outcome<'s>(&self, position: &Position, seen: &'s Seen) -> Option<&'s str> {
        if let Some(sqlstate) = &seen.sqlstate {
            return Some(sqlstate);
        }
        if let Some(tag) = &seen.tag {
            return self.is_tag(position, tag).then_some("tag");
        }
        match seen.rows.as_ref()? {
            rows if rows.is_empty() => Some("nothing"),
            rows if self.are_rows(position, rows) => Some("rows"),
            rows if self.are_others(position, rows) => Some("others"),
            _ => None,
        }
    }

    fn is_tag(&self, position: &Position, tag: &str) -> bool {
        let last = self.0[&position.name].last().map(Vec::len);
        match position.part.or(last) {
            Some(count) => tag == format!("SELECT {count}"),
            None => tag == "EXPLAIN",
        }
    }

    fn are_rows(&self, position: &Position, rows: &Rows) -> bool {
        let (gold, rows) = (
            sorted(self.0[&position.name].concat()),
            sorted(rows.clone()),
        );
        match (&position.mentions, position.part) {
            (Some(word), _) => rows
                .concat()
                .iter()
                .flatten()
                .any(|line| line.contains(word)),
            (None, Some(part)) => {
                let distinct = rows.windows(2).all(|pair| pair[0] != pair[1]);
                rows.len() == part && distinct && rows.iter().all(|row| gold.contains(row))
            }
            (None, None) => rows == gold,
        }
    }

    /// Whether they are what the statements around the ask give, which are the first and the last.
    fn are_others(&self, position: &Position, rows: &Rows) -> bool {
        let [first, _, last] = self.0[&position.name].as_slice() else {
            return false;
        };
        *rows == [first.as_slice(), last.as_slice()].concat()
    }
}

fn sorted(mut rows: Rows) -> Rows {
    rows.sort();
    rows
}

//! Questions over the fixtures' databases, answered by the built-in engine and compared with gold SQL.

use serde::Deserialize;

use crate::support::client::Client;
use crate::support::postgres::{Fixture, Postgres};
use crate::support::proxy::Proxy;

/// Stands for a question's select lists in its SQL.
const PLACEHOLDER: &str = "{columns}";

#[derive(Deserialize)]
struct Suite {
    question: Vec<Question>,
}

#[derive(Deserialize)]
struct Question {
    ask: String,
    sql: String,
    #[serde(default)]
    columns: Vec<String>,
    #[serde(default)]
    ordered: bool,
}

/// Rows with their values in text, as the server prints them.
type Rows = Vec<Vec<Option<String>>>;

#[tokio::test]
async fn every_question_over_the_network_is_answered_right() {
    check(
        Fixture::Network,
        include_str!("fixtures/network.questions.toml"),
    )
    .await;
}

#[tokio::test]
async fn every_question_over_the_shop_is_answered_right() {
    check(Fixture::Shop, include_str!("fixtures/shop.questions.toml")).await;
}

#[tokio::test]
async fn every_gold_query_of_the_network_returns_rows() {
    check_gold(
        Fixture::Network,
        include_str!("fixtures/network.questions.toml"),
    )
    .await;
}

#[tokio::test]
async fn every_gold_query_of_the_shop_returns_rows() {
    check_gold(Fixture::Shop, include_str!("fixtures/shop.questions.toml")).await;
}

/// Asks every question in the role's own session and shows all that went wrong at once.
async fn check(fixture: Fixture, suite: &str) {
    let (database, role, _) = fixture.contents().unwrap();
    let postgres = Postgres::start_with(fixture);
    let proxy = Proxy::start(&postgres, "");
    let direct = postgres.connect(role, role, database).await;
    let through = proxy.connect(role, role, database).await;
    let mut wrong = Vec::new();
    for question in questions(suite) {
        if let Err(reason) = answered_right(&direct, &through, &question).await {
            wrong.push(format!("{}\n    {reason}", question.ask));
        }
    }
    assert!(wrong.is_empty(), "wrong answers:\n{}", wrong.join("\n"));
}

async fn check_gold(fixture: Fixture, suite: &str) {
    let (database, role, _) = fixture.contents().unwrap();
    let postgres = Postgres::start_with(fixture);
    let client = postgres.connect(role, role, database).await;
    for question in questions(suite) {
        for sql in question.gold() {
            let rows = client
                .rows(&sql)
                .await
                .unwrap_or_else(|e| panic!("{sql}: {e:?}"));
            assert!(!rows.is_empty(), "no rows: {sql}");
        }
    }
}

async fn answered_right(
    direct: &Client,
    through: &Client,
    question: &Question,
) -> Result<(), String> {
    through.take_notices();
    let answer = through
        .rows(&format!("ask {}", question.ask))
        .await
        .map_err(|e| format!("{}: {} {:?}", e.code().code(), e.message(), e.detail()))?;
    for sql in question.gold() {
        let gold = direct
            .rows(&sql)
            .await
            .map_err(|e| format!("gold SQL: {e}"))?;
        if same_rows(&gold, &answer, question.ordered) {
            return Ok(());
        }
    }
    let notices: Vec<_> = through.take_notices();
    let ran = notices.iter().map(|n| n.message()).collect::<Vec<_>>();
    let first = answer.first();
    Err(format!(
        "{} rows, first {first:?}; {}",
        answer.len(),
        ran.join("; ")
    ))
}

impl Question {
    /// The queries of which any one is right.
    fn gold(&self) -> Vec<String> {
        if self.columns.is_empty() {
            return vec![self.sql.clone()];
        }
        assert!(self.sql.contains(PLACEHOLDER), "{}", self.ask);
        let fill = |list: &String| self.sql.replace(PLACEHOLDER, list);
        self.columns.iter().map(fill).collect()
    }
}

fn questions(suite: &str) -> Vec<Question> {
    toml::from_str::<Suite>(suite).unwrap().question
}

/// Whether some order of the answer's columns makes its rows equal to the gold rows.
fn same_rows(gold: &Rows, answer: &Rows, ordered: bool) -> bool {
    let width = |rows: &Rows| rows.first().map_or(0, Vec::len);
    if gold.len() != answer.len() || width(gold) != width(answer) {
        return false;
    }
    let (gold, answer) = (normal(gold), normal(answer));
    permutations(width(&gold))
        .into_iter()
        .any(|order| same_in_order(&gold, &answer, &order, ordered))
}

fn same_in_order(gold: &Rows, answer: &Rows, order: &[usize], ordered: bool) -> bool {
    let mut gold = gold.clone();
    let mut answer: Rows = answer
        .iter()
        .map(|row| order.iter().map(|&i| row[i].clone()).collect())
        .collect();
    if !ordered {
        gold.sort();
        answer.sort();
    }
    gold == answer
}

/// Numbers to four decimals, and a midnight as its date: how a value is printed does not make an answer wrong.
fn normal(rows: &Rows) -> Rows {
    let value = |text: &String| {
        let text = text.strip_suffix("+00").unwrap_or(text);
        let text = text.strip_suffix(" 00:00:00").unwrap_or(text);
        match text.parse::<f64>() {
            Ok(number) => format!("{number:.4}"),
            Err(_) => text.to_owned(),
        }
    };
    let row = |row: &Vec<Option<String>>| row.iter().map(|v| v.as_ref().map(value)).collect();
    rows.iter().map(row).collect()
}

/// Every order of `0..n`; a handful of columns, so a handful of factorial.
fn permutations(n: usize) -> Vec<Vec<usize>> {
    if n > 6 {
        return vec![(0..n).collect()];
    }
    let mut all = vec![Vec::new()];
    for _ in 0..n {
        all = all
            .into_iter()
            .flat_map(|head: Vec<usize>| {
                (0..n)
                    .filter(|i| !head.contains(i))
                    .map(|i| [head.as_slice(), &[i]].concat())
                    .collect::<Vec<_>>()
            })
            .collect();
    }
    all
}

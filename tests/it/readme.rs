//! Every question that the README asks, asked: what a reader types or copies must be answered.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::support::client::Client;
use crate::support::postgres::{Fixture, Postgres};
use crate::support::proxy::Proxy;

/// How many questions there are at least: fewer would mean that they are no longer found.
const QUESTION_COUNT_MIN: usize = 30;

/// What stands before a statement that psql shows with its prompt.
const PROMPT: &str = "shop=> ";

/// Calls of drivers whose first argument is SQL.
const CALLS: [&str; 4] = ["execute(", "text(", "query(", "prepareStatement("];

/// An example that asks something.
enum Example {
    /// Statements for psql, in one session.
    Psql(String),
    /// SQL that a tool or a driver sends; a placeholder takes "Germany".
    Sent(String),
}

#[tokio::test]
async fn every_example_is_answered() {
    let postgres = Postgres::start_with(Fixture::Shop);
    let proxy = Proxy::start(&postgres, "");
    let client = proxy.connect("demo", "demo", "shop").await;
    let readme = fs::read_to_string("README.md").unwrap();
    let mut question_count = 0;
    for block in blocks(&readme) {
        for example in examples(&block) {
            let text = match &example {
                Example::Psql(text) | Example::Sent(text) => text,
            };
            question_count += text.split(is_no_letter).filter(|word| is_ask(word)).count();
            match &example {
                Example::Psql(script) => play(&proxy, script),
                Example::Sent(sql) => send(&client, sql).await,
            }
        }
    }
    assert!(
        question_count >= QUESTION_COUNT_MIN,
        "only {question_count}"
    );
}

/// The indented parts between blank lines.
fn blocks(readme: &str) -> Vec<String> {
    let mut blocks = vec![String::new()];
    for line in readme.lines() {
        match line.strip_prefix("    ") {
            Some(code) if !code.trim().is_empty() => {
                let block = blocks.last_mut().unwrap();
                block.push_str(code);
                block.push('\n');
            }
            _ => blocks.push(String::new()),
        }
    }
    blocks.retain(|block| !block.is_empty());
    blocks
}

/// What of a block is run. A block that asks, and that is nothing known, fails the test.
fn examples(block: &str) -> Vec<Example> {
    if !block.split(is_no_letter).any(is_ask) {
        return Vec::new();
    }
    let shown: Vec<&str> = block
        .lines()
        .filter_map(|line| line.strip_prefix(PROMPT))
        .collect();
    if !shown.is_empty() {
        return vec![Example::Psql(shown.join("\n"))];
    }
    let calls: Vec<Example> = block.lines().filter_map(called).collect();
    if !calls.is_empty() {
        return calls;
    }
    if block.trim_end().ends_with(';') {
        return vec![Example::Psql(block.to_owned())];
    }
    let is_query = |line: &str| {
        ["select ", "/* ask: ", "-- ask: "]
            .iter()
            .any(|word| line.starts_with(word))
    };
    assert!(
        block.lines().all(is_query),
        "an example that nobody knows how to run:\n{block}"
    );
    block
        .lines()
        .map(|line| Example::Sent(line.to_owned()))
        .collect()
}

/// The SQL in a line of a program.
fn called(line: &str) -> Option<Example> {
    let behind = CALLS.iter().filter_map(|call| line.split_once(call));
    let mut arguments = behind.map(|(_, argument)| argument);
    let argument = arguments.find(|argument| argument.starts_with(['"', '\'']))?;
    let quote = argument.chars().next()?;
    let sql = argument[1..].split(quote).next()?;
    let numbered = sql.replace("%s", "$1").replace('?', "$1");
    numbered
        .split(is_no_letter)
        .any(is_ask)
        .then_some(Example::Sent(numbered))
}

fn is_no_letter(c: char) -> bool {
    !c.is_alphanumeric()
}

fn is_ask(word: &str) -> bool {
    word.eq_ignore_ascii_case("ask")
}

fn play(proxy: &Proxy, script: &str) {
    let mut child = Command::new("psql")
        .args([
            "-X",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            "127.0.0.1",
            "-U",
            "demo",
            "-d",
            "shop",
        ])
        .args(["-p", &proxy.port().to_string()])
        .env("PGPASSWORD", "demo")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(script.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}\n{told}");
    assert!(!output.stdout.is_empty(), "{script}\n{told}");
}

async fn send(client: &Client, sql: &str) {
    let rows = if sql.contains("$1") {
        client
            .query(sql, &[&"Germany"])
            .await
            .map(|rows| rows.len())
    } else {
        client.query(sql, &[]).await.map(|rows| rows.len())
    };
    match rows {
        Ok(count) => assert!(count > 0, "no rows: {sql}"),
        Err(error) => panic!("{sql}: {error:?}"),
    }
}

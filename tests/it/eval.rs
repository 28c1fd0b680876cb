//! `pgask eval`: what is asked, how it is judged, and what is printed and kept of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

use pgask::app::throwaway::server::SUPERUSER;

use crate::support::postgres::{Postgres, SUPERUSER_PASSWORD};
use crate::support::proxy::command;

const ZOO: &str = "
    CREATE TABLE keeper (id integer PRIMARY KEY, name text NOT NULL);
    CREATE TABLE animal (
        id integer PRIMARY KEY, name text NOT NULL, weight numeric, keeper_id integer REFERENCES keeper
    );
    INSERT INTO keeper VALUES (1, 'Ada'), (2, 'Ben');
    INSERT INTO animal VALUES (1, 'lion', 190.5, 1), (2, 'mouse', 0.02, 2), (3, 'tiger', 220, 1);";

/// A server, and a suite of one database.
struct Stage {
    postgres: Postgres,
    dir: TempDir,
}

impl Stage {
    fn new(questions: &[Value], unanswerable: &[Value]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let stage = Self {
            postgres: Postgres::start(),
            dir,
        };
        fs::create_dir_all(stage.suite().join("sql")).unwrap();
        stage.write("sql/zoo.sql", ZOO);
        stage.write("questions.jsonl", &lines(questions));
        stage.write("unanswerable.jsonl", &lines(unanswerable));
        stage
    }

    fn suite(&self) -> PathBuf {
        self.dir.path().join("made_up")
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.suite().join(file), text).unwrap();
    }

    fn eval(&self, args: &[&str]) -> Output {
        let server = self.postgres.url("postgres");
        command()
            .args(["eval", "--suite"])
            .arg(self.suite())
            .args(["--server", &server])
            .args(args)
            .current_dir(&self.dir)
            .output()
            .unwrap()
    }

    /// The verdicts in a file of outcomes, by id.
    fn verdicts(&self, file: &str) -> BTreeMap<String, String> {
        outcomes(&self.dir.path().join(file))
            .iter()
            .map(|line| (text_of(line, "id"), text_of(line, "verdict")))
            .collect()
    }
}

fn lines(values: &[Value]) -> String {
    values.iter().map(|value| format!("{value}\n")).collect()
}

fn outcomes(path: &Path) -> Vec<Value> {
    fs::read_to_string(path)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn text_of(line: &Value, key: &str) -> String {
    line[key].as_str().unwrap().to_owned()
}

fn question(id: &str, text: &str, gold: &[&str]) -> Value {
    json!({
        "id": id, "suite": "made_up", "db": "zoo", "question": text, "category": "easy", "gold_sql": gold, "scored": true
    })
}

fn printed(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn pairs<'a>(pairs: &[(&'a str, &'a str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(id, verdict)| ((*id).to_owned(), (*verdict).to_owned()))
        .collect()
}

#[test]
fn questions_are_asked_judged_and_not_asked_twice() {
    let stage = Stage::new(
        &[
            question(
                "count",
                "how many animals are there?",
                &["SELECT count(*) FROM animal"],
            ),
            question("wrong", "how many keepers are there?", &["SELECT 17"]),
            question("nonsense", "flurbish the quonk", &["SELECT 1"]),
            json!({"id": "unscored", "db": "zoo", "question": "x", "gold_sql": ["SELECT 1"], "scored": false}),
        ],
        &[question("none", "which planets orbit the sun?", &[])],
    );
    let args = ["--json", "out.jsonl", "--html", "report.html"];
    let first = stage.eval(&args);
    let score = printed(&first);
    assert!(
        told(&first).contains("database made_up_zoo made"),
        "{}",
        told(&first)
    );
    let all = score.lines().find(|line| line.starts_with("all ")).unwrap();
    let words: Vec<_> = all.split_whitespace().collect();
    assert_eq!(words[1..4], ["3", "33.3", "%"], "{score}");
    assert!(
        score.contains("without an answer: 1 questions, 100.0 % refused"),
        "{score}"
    );
    assert!(score.contains("latency: p50 "), "{score}");
    let expected = pairs(&[
        ("count", "exact"),
        ("wrong", "wrong"),
        ("nonsense", "refused"),
        ("none", "refused"),
    ]);
    assert_eq!(stage.verdicts("out.jsonl"), expected);
    let outcomes = outcomes(&stage.dir.path().join("out.jsonl"));
    let count = outcomes.iter().find(|line| line["id"] == "count").unwrap();
    assert_eq!(count["provider"], "builtin");
    assert!(text_of(count, "sql").contains("count(*)"), "{count}");
    assert!(count["confidence"].as_f64().unwrap() > 0.5);
    assert!(count["latency_ms"].as_f64().unwrap() > 0.0);
    let nonsense = outcomes
        .iter()
        .find(|line| line["id"] == "nonsense")
        .unwrap();
    assert!(
        nonsense["sql"].is_null() && text_of(nonsense, "error").contains("NL002"),
        "{nonsense}"
    );
    let report = fs::read_to_string(stage.dir.path().join("report.html")).unwrap();
    assert!(
        report.contains("flurbish the quonk") && report.contains("<svg"),
        "no failures"
    );
    assert!(
        !report.contains("how many animals"),
        "a success among the failures"
    );

    let again = stage.eval(&args);
    assert_eq!(score, printed(&again));
    assert!(
        told(&again).contains("4 questions were answered before"),
        "{}",
        told(&again)
    );
    assert!(!told(&again).contains("made"), "{}", told(&again));

    stage.write(
        "sql/zoo.sql",
        &format!("{ZOO} DELETE FROM animal WHERE id = 1;"),
    );
    let changed = stage.eval(&[]);
    printed(&changed);
    assert!(
        told(&changed).contains("database made_up_zoo made"),
        "{}",
        told(&changed)
    );
}

#[test]
fn given_answers_are_judged_by_their_rows() {
    let gold = "SELECT name, weight FROM animal ORDER BY weight";
    let ids = [
        "exact",
        "turned",
        "unordered",
        "subset",
        "wrong",
        "error",
        "writes",
        "refused",
        "missing",
    ];
    let questions: Vec<_> = ids
        .iter()
        .map(|id| question(id, "animals by weight", &["SELECT 1", gold]))
        .collect();
    let stage = Stage::new(&questions, &[]);
    let answers = [
        ("exact", json!(gold)),
        (
            "turned",
            json!("SELECT weight + 0.00001, name FROM animal ORDER BY weight"),
        ),
        (
            "unordered",
            json!("SELECT name, weight FROM animal ORDER BY weight DESC"),
        ),
        (
            "subset",
            json!("SELECT id, weight, name FROM animal ORDER BY weight"),
        ),
        (
            "wrong",
            json!("SELECT name, id FROM animal ORDER BY weight"),
        ),
        ("error", json!("SELECT nme FROM animal")),
        ("writes", json!("DELETE FROM animal RETURNING name, weight")),
        ("refused", Value::Null),
    ];
    let answers: Vec<_> = answers
        .iter()
        .map(|(id, sql)| json!({"id": id, "sql": sql}))
        .collect();
    stage.write("answers.jsonl", &lines(&answers));
    let path = stage.suite().join("answers.jsonl");
    printed(&stage.eval(&[
        "--predictions",
        path.to_str().unwrap(),
        "--json",
        "out.jsonl",
    ]));
    let expected = pairs(&[
        ("exact", "exact"),
        ("turned", "exact"),
        ("unordered", "wrong"),
        ("subset", "subset"),
        ("wrong", "wrong"),
        ("error", "error"),
        ("writes", "error"),
        ("refused", "refused"),
        ("missing", "refused"),
    ]);
    assert_eq!(stage.verdicts("out.jsonl"), expected);

    stage.write("none.jsonl", "");
    let none = stage.suite().join("none.jsonl");
    printed(&stage.eval(&[
        "--predictions",
        none.to_str().unwrap(),
        "--json",
        "none.jsonl",
    ]));
    let compared = command()
        .args(["eval", "--compare", "none.jsonl", "out.jsonl"])
        .current_dir(&stage.dir)
        .output()
        .unwrap();
    let compared = printed(&compared);
    assert!(compared.contains("9 questions in both"), "{compared}");
    assert!(compared.contains("only in out.jsonl 2"), "{compared}");
    assert!(
        compared.contains("+22.22 points") && compared.contains("p = 0.5000"),
        "{compared}"
    );
}

#[test]
fn what_cannot_be_scored_is_told() {
    let stage = Stage::new(
        &[question(
            "a",
            "how many animals",
            &["SELECT count(*) FROM animal"],
        )],
        &[],
    );
    for (args, expect) in [
        (
            &["--provider", "nobody"][..],
            "--provider nobody: the configuration has builtin",
        ),
        (
            &["--database", "farm"],
            "--database farm: the suite has zoo",
        ),
        (&["--json", "/nowhere/out.jsonl"], "/nowhere/out.jsonl: "),
        (&["--predictions", "nothing.jsonl"], "nothing.jsonl: "),
    ] {
        let output = stage.eval(args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(
            told(&output).contains(expect),
            "{args:?}: {}",
            told(&output)
        );
    }
    stage.write(
        "questions.jsonl",
        &lines(&[question("a", "how many", &["SELECT nme FROM animal"])]),
    );
    let bad_gold = stage.eval(&[
        "--predictions",
        stage.suite().join("questions.jsonl").to_str().unwrap(),
    ]);
    assert!(
        bad_gold.status.success(),
        "nothing was answered, and no gold query run: {}",
        told(&bad_gold)
    );
    stage.write("answers.jsonl", "{\"id\": \"a\", \"sql\": \"SELECT 1\"}\n");
    let answers = stage.suite().join("answers.jsonl");
    let bad_gold = stage.eval(&["--predictions", answers.to_str().unwrap()]);
    assert_eq!(bad_gold.status.code(), Some(1));
    assert!(
        told(&bad_gold).contains("question a: ") && told(&bad_gold).contains("42703"),
        "{}",
        told(&bad_gold)
    );
}

#[test]
fn a_database_of_somebody_else_is_never_dropped() {
    let stage = Stage::new(
        &[question(
            "a",
            "how many animals",
            &["SELECT count(*) FROM animal"],
        )],
        &[],
    );
    let psql = |database: &str, sql: &str| {
        let output = Command::new("psql")
            .args(["-XqAt", &stage.postgres.url(database), "-c", sql])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", told(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    psql("postgres", "CREATE DATABASE made_up_zoo");
    psql("made_up_zoo", "CREATE TABLE animal AS SELECT 1 AS precious");
    let output = stage.eval(&[]);
    assert!(
        told(&output).contains("made_up_zoo was not made by pgask eval"),
        "{}",
        told(&output)
    );
    assert_eq!(
        psql("made_up_zoo", "SELECT precious FROM animal").trim(),
        "1"
    );
}

/// Judges the answers in a file as the referee does, and prints the verdict of each.
const REFEREE: &str = "
import json, sys
sys.path.insert(0, sys.argv[1])
import referee
suite, answers = sys.argv[2], sys.argv[3]
sql = {p['id']: p['sql'] for p in map(json.loads, open(answers))}
connections = {}
for q in map(json.loads, open(suite + '/questions.jsonl')):
    if q['id'] in sql:
        db = referee.suite_name(suite) + '_' + q['db']
        connections[db] = connections.get(db) or referee.connect(db)
        print(q['id'], referee.judge(connections[db], q['gold_sql'], sql[q['id']]))
";

/// Answers to a suite's questions that are right, nearly right, or another's.
fn doubtful_answers(suite: &Path, count: usize) -> Vec<Value> {
    let questions = outcomes(&suite.join("questions.jsonl"));
    let scored: Vec<_> = questions.iter().filter(|q| q["scored"] == true).collect();
    let step = scored.len() / count;
    let gold = |at: usize| scored[at % scored.len()]["gold_sql"][0].as_str().unwrap();
    (0..count)
        .map(|number| {
            let at = number * step;
            let own = gold(at);
            let sql = match number % 6 {
                0 => json!(own),
                1 => json!(format!("SELECT *, 1 AS one FROM ({own}) AS gold")),
                2 => json!(gold(at + 1)),
                3 => json!(format!("SELECT * FROM ({own}) AS gold OFFSET 1")),
                4 => json!(format!("SELECT DISTINCT * FROM ({own}) AS gold")),
                _ => json!(gold(at + 2)),
            };
            json!({"id": scored[at]["id"], "sql": sql})
        })
        .collect()
}

#[test]
fn verdicts_are_the_referees() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let suites = root.join("../shared/eval");
    let python = root.join("target/drivers/python/bin/python");
    if !suites.join("referee.py").exists() || !python.exists() {
        eprintln!(
            "skipped: there are no development suites beside the checkout, or no Python drivers"
        );
        return;
    }
    let postgres = Postgres::start();
    let dir = tempfile::tempdir().unwrap();
    let mut seen = BTreeMap::new();
    for (suite, count) in [("spider_dev", 300), ("defog_dev", 120)] {
        let suite = suites.join(suite);
        let answers = dir.path().join("answers.jsonl");
        let out = dir.path().join(format!("{count}.jsonl"));
        fs::write(&answers, lines(&doubtful_answers(&suite, count))).unwrap();
        let ours = command()
            .args(["eval", "--suite"])
            .arg(&suite)
            .args(["--server", &postgres.url("postgres"), "--predictions"])
            .arg(&answers)
            .arg("--json")
            .arg(&out)
            .output()
            .unwrap();
        printed(&ours);
        let theirs = Command::new(&python)
            .args(["-c", REFEREE])
            .args([&suites, &suite, &answers])
            .env("PGHOST", postgres.socket_dir())
            .env("PGPORT", postgres.port().to_string())
            .env("PGUSER", SUPERUSER)
            .env("PGPASSWORD", SUPERUSER_PASSWORD)
            .output()
            .unwrap();
        let theirs: BTreeMap<String, String> = printed(&theirs)
            .lines()
            .map(|line| line.split_once(' ').unwrap())
            .map(|(id, verdict)| (id.to_owned(), verdict.to_owned()))
            .collect();
        assert_eq!(theirs.len(), count);
        let ours: BTreeMap<String, String> = outcomes(&out)
            .iter()
            .map(|line| (text_of(line, "id"), text_of(line, "verdict")))
            .filter(|(id, _)| theirs.contains_key(id))
            .collect();
        let differ: Vec<_> = theirs
            .iter()
            .filter(|(id, verdict)| ours.get(*id) != Some(*verdict))
            .collect();
        assert!(differ.is_empty(), "the referee says {differ:?}");
        for verdict in theirs.into_values() {
            *seen.entry(verdict).or_insert(0) += 1;
        }
    }
    for verdict in ["exact", "subset", "wrong", "error"] {
        assert!(
            seen.get(verdict).is_some_and(|count| *count >= 5),
            "{seen:?}"
        );
    }
}

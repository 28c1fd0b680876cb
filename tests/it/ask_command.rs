//! `pgask ask`, with a scripted model: what is printed, what is read, and what is not.

use std::process::Output;

use crate::support::model::{Mode, Model};
use crate::support::postgres::{Fixture, Postgres};
use crate::support::proxy::command;

struct Stage {
    postgres: Postgres,
    model: Model,
}

impl Stage {
    async fn start() -> Self {
        Self {
            postgres: Postgres::start_with(Fixture::Network),
            model: Model::start(Mode::Empty).await,
        }
    }

    /// Asks as the role that may only read; whatever the model answers comes from `mode`.
    fn ask(&self, mode: Mode, args: &[&str], env: &[(&str, &str)]) -> Output {
        self.model.set(mode);
        let (database, role, _) = Fixture::Network.contents().unwrap();
        let port = self.postgres.port();
        let upstream = format!("postgres://{role}:{role}@127.0.0.1:{port}/{database}");
        let dir = tempfile::tempdir().unwrap();
        command()
            .args(["ask", "--upstream", &upstream])
            .args(args)
            .current_dir(&dir)
            .env("PGASK_PROVIDER__0__NAME", "model")
            .env("PGASK_PROVIDER__0__KIND", "openai")
            .env("PGASK_PROVIDER__0__BASE_URL", self.model.base_url())
            .env("PGASK_PROVIDER__0__MODEL", "scripted")
            .envs(env.iter().copied())
            .output()
            .unwrap()
    }
}

fn good(sql: &str) -> Mode {
    Mode::Good(sql.to_owned())
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_go_to_standard_output_and_the_reading_to_standard_error() {
    let stage = Stage::start().await;
    let sql = "SELECT name, opened_on > '1900-01-01' AS open, 7 AS seven FROM sites ORDER BY name LIMIT 1";
    let output = stage.ask(good(sql), &["which", "site", "comes", "first"], &[]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    let lines: Vec<_> = printed.lines().collect();
    assert!(
        lines[0].contains("name") && lines[0].contains("| open | seven"),
        "{printed}"
    );
    assert!(lines[2].ends_with("| t    |     7"), "{printed}");
    assert_eq!(lines.last(), Some(&"(1 row)"));
    let told = text(&output.stderr);
    assert!(
        told.contains("NOTICE:  ask: SELECT") && told.contains("HINT:  model"),
        "{told}"
    );
    let requests = stage.model.take_received();
    assert!(requests[0].told().contains("which site comes first"));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_sql_is_printed_when_that_is_asked_for() {
    let stage = Stage::start().await;
    let output = stage.ask(
        good("SELECT count(*) FROM sites"),
        &["--sql", "how many sites"],
        &[],
    );
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let printed = text(&output.stdout).to_lowercase();
    assert!(
        printed.starts_with("select count(*)") && printed.ends_with(";\n"),
        "{printed}"
    );
    assert_eq!(text(&output.stderr), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_cut_at_the_limit_and_that_is_said() {
    let stage = Stage::start().await;
    let env = [("PGASK_ASK__MAX_ROWS", "2"), ("PGASK_ASK__NOTICES", "off")];
    let output = stage.ask(good("SELECT id FROM devices"), &["devices"], &env);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(
        text(&output.stdout).ends_with("(2 rows)\n"),
        "{}",
        text(&output.stdout)
    );
    assert!(
        text(&output.stderr).contains("only the first 2 rows"),
        "{}",
        text(&output.stderr)
    );
    assert!(
        !text(&output.stderr).contains("SELECT"),
        "{}",
        text(&output.stderr)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_exit_code_1_and_prints_no_table() {
    let stage = Stage::start().await;
    for (mode, sqlstate) in [
        (Mode::Harmful, "NL004"),
        (Mode::TwoStatements, "NL004"),
        (Mode::Prose, "NL003"),
        (Mode::Empty, "NL003"),
        (good("SELECT no_such_column FROM sites"), "42703"),
        (good("SELECT * FROM pg_catalog.pg_authid"), "NL004"),
    ] {
        let output = stage.ask(mode.clone(), &["sites"], &[]);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{mode:?}: {told}");
        assert!(
            told.starts_with(&format!("pgask: {sqlstate}: ")),
            "{mode:?}: {told}"
        );
        assert_eq!(text(&output.stdout), "", "{mode:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_takes_too_long_is_stopped() {
    let stage = Stage::start().await;
    let sql =
        "SELECT count(*) FROM devices a, devices b, devices c, devices d, devices e, devices f";
    let output = stage.ask(good(sql), &["count all"], &[("PGASK_ASK__TIMEOUT", "1s")]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    assert!(
        text(&output.stderr).contains("57014"),
        "{}",
        text(&output.stderr)
    );
}

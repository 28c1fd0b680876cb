//! What the guard approves, on a real PostgreSQL: it means what the Draft meant, and it stands in parentheses.

use std::sync::Arc;

use pgask::access::visible::Visible;
use pgask::guard::approve;
use pgask::guard::rules::Rules;
use pgask::names::Draft;
use pgask::pool::control::ControlPools;
use pgask::schema::catalog;
use pgask::schema::control::ControlClients;
use pgask::schema::settings::Settings;

use crate::support::client::{Client, config};
use crate::support::postgres::{Postgres, SUPERUSER_PASSWORD};

/// The Drafts that the guard's own tests let through.
const BENIGN: &str = include_str!("../../src/guard/corpus/benign.txt");

/// The schema that they speak of, with some rows.
const FIXTURE: &str = r#"
CREATE SCHEMA archive;
CREATE SCHEMA "order";
CREATE TYPE genre AS ENUM ('novel', 'poem', 'essay');
CREATE TABLE books (id bigint PRIMARY KEY, title text, genre genre, price numeric(10, 2), tags text[], meta jsonb,
    added date);
CREATE TABLE loans (id bigint PRIMARY KEY, book_id bigint, member_id bigint, lent_at timestamptz,
    returned_at timestamptz, fee numeric);
CREATE TABLE "Members" (id bigint PRIMARY KEY, "fullName" text, touch text);
CREATE TABLE archive.loans_old (id bigint, book_id bigint);
CREATE TABLE "order".items (id bigint);
CREATE FUNCTION overdue_days(bigint) RETURNS bigint STABLE LANGUAGE sql AS 'SELECT $1 % 7';
CREATE FUNCTION overdue_days(loans) RETURNS bigint STABLE LANGUAGE sql AS 'SELECT $1.id % 7';
CREATE FUNCTION initcap(integer) RETURNS integer VOLATILE LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION touch(books) RETURNS bigint VOLATILE LANGUAGE sql AS 'SELECT $1.id';
INSERT INTO books SELECT i, (ARRAY['The Sea', 'O''Brien''s', 'C:\dir', 'it''s', 'Ann'])[1 + i % 5] || repeat('!', i % 3),
    (ARRAY['novel', 'poem', 'essay'])[1 + i % 3]::genre, i % 37, ARRAY['x', 'y' || i % 4],
    jsonb_build_object('isbn', i, 'a', i % 2), date '2023-06-01' + i FROM generate_series(1, 400) i;
INSERT INTO loans SELECT i, 1 + i * 7 % 400, i % 20, timestamptz '2026-01-01 10:00 UTC' + i * interval '9 hours',
    CASE WHEN i % 3 > 0 THEN timestamptz '2026-01-05 10:00 UTC' + i * interval '9 hours' END, i % 5
    FROM generate_series(1, 600) i;
INSERT INTO "Members" SELECT i, (ARRAY['Ann', 'Bob'])[1 + i % 2], 't' || i FROM generate_series(1, 20) i;
INSERT INTO archive.loans_old SELECT i, i FROM generate_series(390, 420) i;
INSERT INTO "order".items SELECT generate_series(1, 3);
ANALYZE;
"#;

/// What a Draft says that no two runs answer alike, or that needs a bound value.
const NOT_COMPARED: &[&str] = &["random()", "TABLESAMPLE SYSTEM", "$1"];

struct Stage {
    postgres: Postgres,
    visible: Visible,
}

impl Stage {
    async fn new() -> Self {
        let postgres = Postgres::start();
        postgres.execute("postgres", FIXTURE).await;
        let pools = ControlPools::new([(
            "main".to_owned(),
            config(postgres.port(), "postgres", SUPERUSER_PASSWORD, "postgres"),
        )]);
        let mut client = pools.client("main", "postgres").await.unwrap();
        let snapshot = catalog::load(&mut client, &Settings::default())
            .await
            .unwrap();
        let path = ["public".to_owned(), "archive".to_owned()];
        Self {
            postgres,
            visible: Visible::new(Arc::new(snapshot), Arc::from(path)),
        }
    }

    fn approved(&self, sql: &str) -> String {
        let draft = Draft {
            sql: sql.to_owned(),
            reading: String::new(),
            confidence: None,
            provider: Arc::from("test"),
            alternatives: Vec::new(),
            evidence: Vec::new(),
        };
        match approve(&draft, &self.visible, &Rules::default()) {
            Ok(approved) => approved.sql().to_owned(),
            Err(refusal) => panic!("{sql}\n  {refusal:?}"),
        }
    }

    /// A client in one READ ONLY transaction, so that `now()` stands still.
    async fn client(&self, setting: &str) -> Client {
        let client = self.postgres.superuser("postgres").await;
        client.rows(setting).await.unwrap();
        client
            .rows("BEGIN READ ONLY ISOLATION LEVEL REPEATABLE READ")
            .await
            .unwrap();
        client
    }
}

async fn rows(client: &Client, sql: &str) -> Vec<Vec<Option<String>>> {
    let mut rows = client
        .rows(sql)
        .await
        .unwrap_or_else(|error| panic!("{sql}\n  {error}"));
    rows.sort();
    rows
}

fn benign() -> impl Iterator<Item = String> {
    BENIGN
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.replace("\\n", "\n"))
}

#[tokio::test]
async fn what_is_approved_answers_like_the_draft_alone_and_in_parentheses() {
    let stage = Stage::new().await;
    let client = stage.client("SET search_path = public, archive").await;
    for sql in benign() {
        let approved = stage.approved(&sql);
        if sql.contains("$1") {
            let plan = format!("PREPARE p AS {approved}; DEALLOCATE p");
            client.rows(&plan).await.unwrap();
            continue;
        }
        let embedded = format!("SELECT count(*) FROM ({approved}) AS embedded");
        let count = client.value(&embedded).await;
        let count = count.unwrap_or_else(|error| panic!("{embedded}\n  {error}"));
        let answer = rows(&client, &approved).await;
        if NOT_COMPARED.iter().any(|mark| sql.contains(mark)) {
            continue;
        }
        let same = answer == rows(&client, &sql).await;
        assert!(same, "{sql}\n  is not\n{approved}");
        assert_eq!(count, Some(answer.len().to_string()), "{approved}");
    }
}

#[tokio::test]
async fn what_is_approved_means_the_same_in_every_session() {
    let stage = Stage::new().await;
    let plain = stage.client("SET search_path = public, archive").await;
    let odd = stage
        .client(
            "SET standard_conforming_strings = off; SET escape_string_warning = off; SET search_path = pg_temp; \
             CREATE TEMP TABLE books AS SELECT 'hidden' AS title, 1 AS id",
        )
        .await;
    for sql in benign() {
        // User-defined functions and types are looked up in the session's path, and its clock is its own.
        let of_session = ["overdue_days", "::genre", "current_schema", "now()"];
        if of_session
            .iter()
            .chain(NOT_COMPARED)
            .any(|mark| sql.contains(mark))
        {
            continue;
        }
        let approved = stage.approved(&sql);
        let same = rows(&odd, &approved).await == rows(&plain, &approved).await;
        assert!(same, "{approved}");
    }
}

//! The catalog snapshot, and what roles see of it, read from a real PostgreSQL.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pgask::access::directory::Directory;
use pgask::access::visible::Visible;
use pgask::names::Caller;
use pgask::pool::control::ControlPools;
use pgask::schema::catalog;
use pgask::schema::control::ControlClients;
use pgask::schema::settings::Settings;
use pgask::schema::snapshot::{Column, Relation, RelationKind, Snapshot, TypeClass, Volatility};

use crate::support::client::config;
use crate::support::postgres::{Postgres, SUPERUSER_PASSWORD};

/// A database with one of everything that a catalog can hold and a question can be about.
const FIXTURE: &str = r#"
CREATE SCHEMA hr;
CREATE SCHEMA "Odd Names";
CREATE TYPE hr.grade AS ENUM ('junior', 'senior', 'lead');
CREATE DOMAIN hr.amount AS numeric(12, 2) NOT NULL;
CREATE DOMAIN hr.salary AS hr.amount CHECK (VALUE > 0);
CREATE TABLE hr.people (
    id integer PRIMARY KEY, name text NOT NULL, grade hr.grade, pay hr.salary, born date,
    gone text, password_hash text, tags text[], badge text UNIQUE);
ALTER TABLE hr.people DROP COLUMN gone;
COMMENT ON TABLE hr.people IS 'who works here';
COMMENT ON COLUMN hr.people.pay IS 'per month, in euros';
CREATE TABLE hr.rooms (building text, number integer, label text, PRIMARY KEY (building, number));
CREATE TABLE hr.bookings (
    id bigint PRIMARY KEY, day date, building text, number integer, person integer REFERENCES hr.people,
    CONSTRAINT booked_room FOREIGN KEY (building, number) REFERENCES hr.rooms);
CREATE UNIQUE INDEX one_a_day ON hr.bookings (day, building, number) INCLUDE (person);
CREATE UNIQUE INDEX some_a_day ON hr.bookings (day) WHERE number = 1;
CREATE VIEW hr.leads AS SELECT id, name FROM hr.people WHERE grade = 'lead';
CREATE MATERIALIZED VIEW hr.head_count AS SELECT grade, count(*) AS n FROM hr.people GROUP BY 1;
CREATE TABLE "Odd Names"."Mixed" ("Id" integer PRIMARY KEY, "Full Name" varchar(40));
CREATE TABLE public.events (at timestamptz NOT NULL, kind text) PARTITION BY RANGE (at);
CREATE TABLE public.events_2025 PARTITION OF public.events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE public.events_2026 PARTITION OF public.events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE public.diary (id integer PRIMARY KEY, owner name, line text);
ALTER TABLE public.diary ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON public.diary USING (owner = current_user);
CREATE TABLE public.fresh (colour text, secret_token text, size integer);
CREATE FUNCTION public.half(integer) RETURNS integer IMMUTABLE LANGUAGE sql AS 'SELECT $1 / 2';
CREATE FUNCTION public.half(bigint) RETURNS bigint VOLATILE SECURITY DEFINER LANGUAGE sql AS 'SELECT $1 / 2';
CREATE FUNCTION public.noisy(integer, integer) RETURNS integer VOLATILE LANGUAGE sql AS 'SELECT $1 + $2';
CREATE AGGREGATE public.noisy_sum(integer) (SFUNC = public.noisy, STYPE = integer, INITCOND = '0');
CREATE PROCEDURE public.run() LANGUAGE sql AS 'SELECT 1';
INSERT INTO hr.people SELECT i, 'person ' || i, (ARRAY['junior', 'senior', 'lead'])[1 + i % 3]::hr.grade, 1000 + i,
    date '1980-01-01' + i, 'hash ' || i, NULL, 'b' || i FROM generate_series(1, 200) i;
INSERT INTO public.events SELECT timestamptz '2025-06-01' + i * interval '1 day',
    (ARRAY['login', 'logout', 'login'])[1 + i % 3] FROM generate_series(1, 400) i;
CREATE TABLE public.logs (at date, level text) PARTITION BY RANGE (at);
CREATE TABLE public.logs_old PARTITION OF public.logs FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE public.logs_new PARTITION OF public.logs FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
INSERT INTO public.logs SELECT date '2024-12-01' + i, (ARRAY['info', 'warn', 'info'])[1 + i % 3]
    FROM generate_series(1, 90) i;
INSERT INTO public.diary VALUES (1, 'alice', 'xyzzy');
ANALYZE hr.people, hr.head_count, public.events, public.diary, public.logs_old, public.logs_new;
INSERT INTO public.fresh SELECT (ARRAY['red', 'green', 'blue'])[1 + i % 3], 'tok' || i, i
    FROM generate_series(1, 60) i;
"#;

/// Grants for the roles of the tests, none of which owns anything.
const ROLES: &str = r#"
CREATE ROLE staff NOLOGIN;
CREATE ROLE alice LOGIN IN ROLE staff;
CREATE ROLE bob LOGIN;
CREATE ROLE carol LOGIN;
CREATE ROLE service LOGIN PASSWORD 'at your service';
GRANT USAGE ON SCHEMA hr, "Odd Names" TO staff;
GRANT SELECT ON hr.rooms, hr.bookings, hr.leads, "Odd Names"."Mixed" TO staff;
GRANT SELECT (id, name, grade) ON hr.people TO staff;
GRANT SELECT ON public.diary, public.events TO staff;
GRANT SELECT ON hr.rooms, public.events TO bob;
ALTER ROLE alice SET search_path = hr, "$user", public;
CREATE SCHEMA carol AUTHORIZATION carol;
"#;

/// A server with the fixture in its database `postgres`, and the control plane's way to it.
struct Stage {
    postgres: Postgres,
    pools: ControlPools,
}

impl Stage {
    async fn new() -> Self {
        let postgres = Postgres::start_configured(
            crate::support::postgres::Fixture::Empty,
            // Nothing may be analysed behind a test's back.
            &[("autovacuum", "off")],
        );
        postgres.execute("postgres", FIXTURE).await;
        postgres.execute("postgres", ROLES).await;
        let pools = pools(&postgres, "postgres", SUPERUSER_PASSWORD);
        Self { postgres, pools }
    }

    async fn snapshot(&self) -> Snapshot {
        let mut client = self.pools.client("main", "postgres").await.unwrap();
        catalog::load(&mut client, &Settings::default())
            .await
            .unwrap()
    }

    fn directory(&self) -> Directory {
        Directory::new(Arc::new(self.pools.clone()), Settings::default())
    }

    async fn execute(&self, sql: &str) {
        self.postgres.execute("postgres", sql).await;
    }
}

fn pools(postgres: &Postgres, role: &str, password: &str) -> ControlPools {
    let config = config(postgres.port(), role, password, "postgres");
    ControlPools::new([("main".to_owned(), config)])
}

fn caller(role: &str) -> Caller {
    Caller {
        upstream: "main".into(),
        database: "postgres".into(),
        role: role.into(),
    }
}

fn relation<'a>(snapshot: &'a Snapshot, schema: &str, name: &str) -> &'a Relation {
    let found = snapshot.find(schema, name);
    snapshot.relation(found.unwrap_or_else(|| panic!("no {schema}.{name}")))
}

fn column<'a>(relation: &'a Relation, name: &str) -> &'a Column {
    let found = relation.columns.iter().find(|c| c.name == name);
    found.unwrap_or_else(|| panic!("no {name} in {}", relation.name))
}

fn names(visible: &Visible) -> Vec<String> {
    let name = |r: &Relation| format!("{}.{}", r.schema, r.name);
    visible.relations.iter().map(name).collect()
}

#[tokio::test]
async fn a_snapshot_holds_relations_columns_and_keys() {
    let snapshot = Stage::new().await.snapshot().await;
    let all: Vec<String> = snapshot
        .relations
        .iter()
        .map(|r| format!("{}.{} {:?}", r.schema, r.name, r.kind))
        .collect();
    let expect = [
        "Odd Names.Mixed Table",
        "hr.bookings Table",
        "hr.head_count MaterializedView",
        "hr.leads View",
        "hr.people Table",
        "hr.rooms Table",
        "public.diary Table",
        "public.events Table",
        "public.fresh Table",
        "public.logs Table",
    ];
    assert_eq!(all, expect);

    let people = relation(&snapshot, "hr", "people");
    assert_eq!(people.comment.as_deref(), Some("who works here"));
    assert_eq!(people.row_estimate, Some(200.0));
    assert_eq!(people.primary_key, [0]);
    let badge = people.columns.iter().position(|c| c.name == "badge");
    assert_eq!(people.unique_keys, [vec![badge.unwrap()]]);
    let pay = column(people, "pay");
    assert_eq!(
        (&*pay.type_name, pay.class),
        ("hr.salary", TypeClass::Decimal)
    );
    assert!(pay.not_null, "through the domain below the domain");
    assert_eq!(pay.comment.as_deref(), Some("per month, in euros"));
    let grade = column(people, "grade");
    assert_eq!(grade.class, TypeClass::Enum);
    assert_eq!(grade.enum_labels, ["junior", "senior", "lead"]);
    assert_eq!(column(people, "tags").class, TypeClass::Array);

    let bookings = relation(&snapshot, "hr", "bookings");
    assert_eq!(
        bookings.unique_keys,
        [vec![1, 2, 3]],
        "neither partial nor included"
    );
    let mixed = relation(&snapshot, "Odd Names", "Mixed");
    assert_eq!(mixed.columns[1].name, "Full Name");
    assert_eq!(mixed.columns[1].type_name, "character varying(40)");

    let keys: Vec<_> = snapshot
        .foreign_keys
        .iter()
        .map(|k| {
            let to = &snapshot.relation(k.to).name;
            (
                &*k.name,
                k.from_columns.clone(),
                &**to,
                k.to_columns.clone(),
            )
        })
        .collect();
    let expect = [
        ("booked_room", vec![2, 3], "rooms", vec![0, 1]),
        ("bookings_person_fkey", vec![4], "people", vec![0]),
    ];
    assert_eq!(keys, expect);
    assert_eq!(relation(&snapshot, "hr", "leads").kind, RelationKind::View);
}

#[tokio::test]
async fn a_snapshot_holds_values_within_bounds() {
    let snapshot = Stage::new().await.snapshot().await;
    let people = relation(&snapshot, "hr", "people");
    let stats = |name| column(people, name).stats.as_ref().unwrap();
    assert_eq!(stats("grade").common_values.len(), 3);
    assert_eq!(stats("name").histogram.len(), 100);
    assert!(stats("name").histogram.contains(&"person 1".to_owned()));
    let born = &stats("born").histogram;
    assert_eq!(born.len(), 12);
    assert_eq!((&*born[0], &*born[11]), ("1980-01-02", "1980-07-19"));
    let hash = stats("password_hash");
    assert!(hash.common_values.is_empty() && hash.histogram.is_empty());

    let events = relation(&snapshot, "public", "events");
    assert_eq!(
        events.row_estimate,
        Some(400.0),
        "the sum over its partitions"
    );
    let kind = column(events, "kind").stats.as_ref().unwrap();
    assert_eq!(kind.common_values, ["login", "logout"]);

    let logs = relation(&snapshot, "public", "logs");
    assert_eq!(logs.row_estimate, Some(90.0));
    let level = column(logs, "level").stats.as_ref().unwrap();
    assert_eq!(level.common_values, ["info", "warn"], "of a partition");

    let diary = relation(&snapshot, "public", "diary");
    assert!(diary.row_security);
    assert!(diary.columns.iter().all(|c| c.stats.is_none()));

    let fresh = relation(&snapshot, "public", "fresh");
    assert_eq!(fresh.row_estimate, None);
    let colour = column(fresh, "colour").stats.as_ref().unwrap();
    assert_eq!(colour.common_values, ["blue", "green", "red"]);
    assert!(column(fresh, "secret_token").stats.is_none());
    let size = column(fresh, "size").stats.as_ref().unwrap();
    assert_eq!(size.distinct, -1.0, "a key that nobody declared");
    assert_eq!(size.histogram.len(), 12);
}

#[tokio::test]
async fn small_tables_tell_the_values_that_statistics_leave_out() {
    let stage = Stage::new().await;
    // A value that stands once among others that repeat is in no statistics, and a diary is nobody's business.
    stage
        .execute(
            "CREATE TABLE public.shops (town text, tax_id text);
             INSERT INTO public.shops SELECT CASE WHEN i = 1 THEN 'Ankh' WHEN i % 2 = 0 THEN 'Lima' ELSE 'Oslo' END,
                 'tax ' || i FROM generate_series(1, 40) i;
             CREATE TABLE public.archive (note text);
             INSERT INTO public.archive SELECT 'note ' || i || repeat('.', 80) FROM generate_series(1, 60000) i;
             ANALYZE public.shops, public.archive",
        )
        .await;
    let snapshot = stage.snapshot().await;
    let values = |schema, relation_name, name| {
        let column = column(relation(&snapshot, schema, relation_name), name);
        let stats = column.stats.as_ref();
        stats.map_or_else(Vec::new, |s| {
            s.values().map(str::to_owned).collect::<Vec<_>>()
        })
    };
    let mut towns = values("public", "shops", "town");
    towns.sort();
    assert_eq!(towns, ["Ankh", "Lima", "Oslo"]);
    assert!(values("public", "shops", "tax_id").is_empty(), "a secret");
    let people = values("hr", "people", "name");
    let all = (1..=200).all(|i| people.contains(&format!("person {i}")));
    assert!(all && people.len() == 200, "each once: {people:?}");
    assert!(values("hr", "people", "password_hash").is_empty());
    assert!(values("public", "diary", "line").is_empty());
    assert_eq!(
        values("public", "archive", "note").len(),
        100,
        "too large a table"
    );

    for settings in [
        Settings {
            values_time: Duration::ZERO,
            ..Settings::default()
        },
        Settings {
            values_bytes: 0,
            ..Settings::default()
        },
    ] {
        let mut client = stage.pools.client("main", "postgres").await.unwrap();
        let snapshot = catalog::load(&mut client, &settings).await.unwrap();
        let towns = column(relation(&snapshot, "public", "shops"), "town");
        assert!(towns.stats.as_ref().unwrap().other_values.is_empty());
        let fresh = relation(&snapshot, "public", "fresh");
        assert!(fresh.columns.iter().all(|c| c.stats.is_none()));
    }
}

#[tokio::test]
async fn reading_the_catalog_runs_no_code_of_a_table_owner() {
    let stage = Stage::new().await;
    // Planning any query over this table would call the function, as whoever plans.
    stage
        .execute(
            "CREATE FUNCTION public.trap() RETURNS integer IMMUTABLE LANGUAGE plpgsql
             AS $$ BEGIN RAISE WARNING 'sprung by %', current_user; RETURN 1; END $$;
             CREATE TABLE public.bait (a integer, word text);
             CREATE INDEX ON public.bait ((a + public.trap()));
             INSERT INTO public.bait SELECT i, 'worm' FROM generate_series(1, 9) i;
             CREATE ROLE tester LOGIN SUPERUSER PASSWORD 'tester'",
        )
        .await;
    let pools = pools(&stage.postgres, "tester", "tester");
    let mut client = pools.client("main", "postgres").await.unwrap();
    let snapshot = catalog::load(&mut client, &Settings::default())
        .await
        .unwrap();
    let bait = relation(&snapshot, "public", "bait");
    let word = column(bait, "word").stats.as_ref().unwrap();
    assert_eq!(word.common_values, ["worm"]);
    let log = stage.postgres.log();
    assert!(!log.contains("sprung by tester"), "{log}");
    client
        .simple_query("SELECT word FROM public.bait")
        .await
        .unwrap();
    assert!(stage.postgres.log().contains("sprung by tester"));
}

#[tokio::test]
async fn overloads_and_aggregates_are_as_dangerous_as_the_worst_in_them() {
    let snapshot = Stage::new().await.snapshot().await;
    let only = |name: &str| match snapshot.functions.named(name) {
        [function] => function.clone(),
        functions => panic!("{name}: {functions:?}"),
    };
    assert_eq!(only("half").volatility, Volatility::Volatile);
    assert!(only("half").security_definer);
    assert_eq!(only("noisy_sum").volatility, Volatility::Volatile);
    assert_eq!(only("sum").volatility, Volatility::Immutable);
    assert_eq!(only("now").volatility, Volatility::Stable);
    assert!(snapshot.functions.named("run").is_empty());
}

#[tokio::test]
async fn the_mark_changes_with_structure_and_with_nothing_else() {
    let stage = Stage::new().await;
    let client = stage.pools.client("main", "postgres").await.unwrap();
    let mut last = catalog::mark(&client).await.unwrap();
    let cases = [
        ("INSERT INTO hr.rooms VALUES ('a', 1, 'x')", false),
        ("ANALYZE hr.rooms", false),
        ("CREATE TEMP TABLE t (a integer)", false),
        ("CREATE TABLE hr.added (a integer)", true),
        ("ALTER TABLE hr.added RENAME COLUMN a TO b", true),
        ("COMMENT ON COLUMN hr.added.b IS 'letter'", true),
        ("ALTER TYPE hr.grade ADD VALUE 'chief'", true),
        ("ALTER TYPE hr.grade RENAME VALUE 'chief' TO 'boss'", true),
        ("ALTER TABLE hr.added ADD UNIQUE (b)", true),
        ("GRANT SELECT ON hr.added TO bob", true),
        ("DROP FUNCTION public.half(integer)", true),
        ("DROP TABLE hr.added", true),
    ];
    for (sql, expect) in cases {
        stage.execute(sql).await;
        let mark = catalog::mark(&client).await.unwrap();
        assert_eq!(mark != last, expect, "{sql}");
        last = mark;
    }
}

#[tokio::test]
async fn a_role_sees_what_it_was_granted_and_nothing_else() {
    let stage = Stage::new().await;
    let directory = stage.directory();
    let alice = directory.visible(&caller("alice")).await.unwrap();
    let expect = [
        "Odd Names.Mixed",
        "hr.bookings",
        "hr.leads",
        "hr.people",
        "hr.rooms",
        "public.diary",
        "public.events",
    ];
    assert_eq!(names(&alice), expect);
    assert_eq!(alice.search_path(), ["hr", "public"]);
    let people = relation(&alice, "hr", "people");
    let columns: Vec<&str> = people.columns.iter().map(|c| &*c.name).collect();
    assert_eq!(columns, ["id", "name", "grade"]);
    assert_eq!(people.primary_key, [0]);
    assert!(people.unique_keys.is_empty());
    assert_eq!(alice.foreign_keys.len(), 2);

    // Without USAGE on the schema a grant on its table is worth nothing.
    let bob = directory.visible(&caller("bob")).await.unwrap();
    assert_eq!(names(&bob), ["public.events"]);
    assert!(bob.foreign_keys.is_empty());
    assert_eq!(bob.search_path(), ["public"]);

    let carol = directory.visible(&caller("carol")).await.unwrap();
    assert!(names(&carol).is_empty());
    assert_eq!(carol.search_path(), ["carol", "public"]);

    let error = directory.visible(&caller("nobody")).await.unwrap_err();
    assert_eq!(error.sqlstate.as_str(), "42704");
}

#[tokio::test]
async fn search_paths_of_role_and_database_come_before_the_servers() {
    let stage = Stage::new().await;
    let path = async |role: &str| {
        let directory = stage.directory();
        let visible = directory.visible(&caller(role)).await.unwrap();
        visible.search_path().to_vec()
    };
    stage
        .execute("ALTER SYSTEM SET search_path = 'carol', 'public'")
        .await;
    stage.execute("SELECT pg_reload_conf()").await;
    stage
        .execute("GRANT USAGE ON SCHEMA carol, hr TO bob")
        .await;
    // A session takes the server's default up a moment after the reload, and a pooled one only then.
    let deadline = Instant::now() + Duration::from_secs(10);
    while path("bob").await != ["carol", "public"] {
        assert!(Instant::now() < deadline, "{:?}", path("bob").await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stage
        .execute("ALTER DATABASE postgres SET search_path = public")
        .await;
    assert_eq!(path("bob").await, ["public"]);
    stage.execute("ALTER ROLE bob SET search_path = hr").await;
    assert_eq!(path("bob").await, ["hr"]);
    stage
        .execute("ALTER ROLE bob IN DATABASE postgres SET search_path = hr, carol")
        .await;
    assert_eq!(path("bob").await, ["hr", "carol"]);
}

#[tokio::test]
async fn what_changes_is_seen_after_an_invalidation_at_once() {
    let stage = Stage::new().await;
    let directory = stage.directory();
    let alice = caller("alice");
    let before = directory.visible(&alice).await.unwrap();
    let again = directory.visible(&alice).await.unwrap();
    assert!(Arc::ptr_eq(before.snapshot(), again.snapshot()));

    stage.execute("REVOKE SELECT ON hr.rooms FROM staff").await;
    stage
        .execute("CREATE TABLE public.later (a integer); GRANT SELECT ON public.later TO alice")
        .await;
    directory.invalidate("main", "postgres");
    let after = directory.visible(&alice).await.unwrap();
    assert!(after.find("hr", "rooms").is_none());
    assert!(after.find("public", "later").is_some());
    assert_ne!(before.fingerprint, after.fingerprint);
    let keys: Vec<&str> = after.foreign_keys.iter().map(|k| &*k.name).collect();
    assert_eq!(keys, ["bookings_person_fkey"]);
}

#[tokio::test]
async fn roles_that_see_the_same_share_one_snapshot() {
    let stage = Stage::new().await;
    stage.execute("CREATE ROLE dave LOGIN IN ROLE staff").await;
    let directory = stage.directory();
    let alice = directory.visible(&caller("alice")).await.unwrap();
    let dave = directory.visible(&caller("dave")).await.unwrap();
    assert!(Arc::ptr_eq(alice.snapshot(), dave.snapshot()));
    assert_ne!(alice.search_path(), dave.search_path());
}

#[tokio::test]
async fn a_service_account_without_rights_reads_structure_and_no_values() {
    let stage = Stage::new().await;
    let service = pools(&stage.postgres, "service", "at your service");
    let mut client = service.client("main", "postgres").await.unwrap();
    let snapshot = catalog::load(&mut client, &Settings::default())
        .await
        .unwrap();
    drop(client);
    assert_eq!(snapshot.relations.len(), 10);
    let known = |r: &Relation| r.columns.iter().any(|c| c.stats.is_some());
    assert!(!snapshot.relations.iter().any(known));
    let directory = Directory::new(Arc::new(service), Settings::default());
    let bob = directory.visible(&caller("bob")).await.unwrap();
    assert_eq!(names(&bob), ["public.events"]);
}

#[tokio::test]
async fn a_server_that_is_down_is_an_error_at_once_and_over_when_it_is_back() {
    let reserved = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = reserved.local_addr().unwrap().port();
    drop(reserved);
    let config = config(port, "postgres", SUPERUSER_PASSWORD, "postgres");
    let pools = ControlPools::new([("main".to_owned(), config)]);
    let started = Instant::now();
    let error = pools.client("main", "postgres").await.err().unwrap();
    assert!(started.elapsed() < Duration::from_secs(2), "no time-out");
    assert_eq!(error.sqlstate.as_str(), "08006");
    assert!(error.detail.unwrap().contains("refused"));

    let postgres = Postgres::start();
    let wrong = self::pools(&postgres, "postgres", "wrong");
    let error = wrong.client("main", "postgres").await.err().unwrap();
    assert_eq!(
        error.sqlstate.as_str(),
        "08006",
        "not the client's password"
    );
    let right = self::pools(&postgres, "postgres", SUPERUSER_PASSWORD);
    let error = right.client("main", "missing").await.err().unwrap();
    assert_eq!(error.sqlstate.as_str(), "3D000");
    postgres
        .execute("postgres", "CREATE DATABASE missing")
        .await;
    right.client("main", "missing").await.unwrap();
}

#[tokio::test]
async fn a_killed_control_connection_is_replaced() {
    let postgres = Postgres::start();
    let pools = pools(&postgres, "postgres", SUPERUSER_PASSWORD);
    drop(pools.client("main", "postgres").await.unwrap());
    let kill = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'pgask control'";
    postgres.execute("postgres", kill).await;
    let client = pools.client("main", "postgres").await.unwrap();
    assert!(client.simple_query("SELECT 1").await.is_ok());
}

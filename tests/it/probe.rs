//! Planning an ask's SQL before it is run, on a real PostgreSQL.

use std::sync::Arc;

use pgask::access::directory::Directory;
use pgask::exec::probe::{Plan, PlanError, Probed, probe};
use pgask::guard::approve;
use pgask::guard::rules::Rules;
use pgask::names::{Caller, Draft};
use pgask::observe::metrics::Metrics;
use pgask::pool::control::ControlPools;
use pgask::pool::endpoint::Endpoint;
use pgask::pool::lease::Pool;
use pgask::pool::registry::Pools;
use pgask::pool::settings::UpstreamSettings;
use pgask::schema::settings::Settings;
use pgask::wire::server::Credentials;

use crate::support::client::config;
use crate::support::postgres::{Postgres, SUPERUSER_PASSWORD};

/// A role with a table of its own, its pool, and what it may see.
struct Stage {
    postgres: Postgres,
    pool: Arc<Pool>,
    directory: Directory,
    caller: Caller,
}

impl Stage {
    async fn new() -> Self {
        let postgres = Postgres::start();
        postgres.create_role("alice", "wonder").await;
        postgres
            .execute(
                "postgres",
                "CREATE SCHEMA land AUTHORIZATION alice; SET ROLE alice;
                 CREATE TABLE land.tea (\"Größe\" integer, kind text);
                 INSERT INTO land.tea SELECT i, 'k' || i % 10 FROM generate_series(1, 1000) i; ANALYZE land.tea",
            )
            .await;
        let caller = Caller {
            upstream: "main".into(),
            database: "postgres".into(),
            role: "alice".into(),
        };
        let endpoint = Endpoint::parse(&postgres.url("postgres")).unwrap();
        let pools = Pools::new(
            vec![UpstreamSettings::new(endpoint)],
            pgask::pool::settings::Settings::default(),
            Arc::new(Metrics::new()),
        );
        let latin = [("client_encoding".to_owned(), "LATIN1".to_owned())];
        let pool = pools.pool(&caller, &latin).unwrap();
        pool.credentials()
            .set(Credentials::Password("wonder".to_owned()));
        let service = config(postgres.port(), "postgres", SUPERUSER_PASSWORD, "postgres");
        let control = ControlPools::new([("main".to_owned(), service)]);
        Self {
            postgres,
            pool,
            directory: Directory::new(Arc::new(control), Settings::default()),
            caller,
        }
    }

    async fn probe(&self, sql: &str) -> Probed {
        let visible = self.directory.visible(&self.caller).await.unwrap();
        let draft = Draft {
            sql: sql.to_owned(),
            reading: String::new(),
            confidence: None,
            provider: "test".into(),
            alternatives: Vec::new(),
            evidence: Vec::new(),
        };
        let approved = approve(&draft, &visible, &Rules::default()).unwrap();
        probe(&self.pool, &approved).await
    }

    async fn plan(&self, sql: &str) -> Plan {
        match self.probe(sql).await {
            Probed::Planned(plan) => plan,
            other => panic!("{sql}: {other:?}"),
        }
    }

    async fn error(&self, sql: &str) -> PlanError {
        match self.probe(sql).await {
            Probed::Refused(error) => error,
            other => panic!("{sql}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_plan_tells_cost_and_rows_whatever_the_parameters() {
    let stage = Stage::new().await;
    let all = stage.plan("SELECT * FROM land.tea").await;
    assert!((all.plan_rows - 1000.0).abs() < 1.0, "{all:?}");
    assert!(all.total_cost > 1.0);
    let some = stage.plan("SELECT * FROM land.tea WHERE kind = $1").await;
    assert!((some.plan_rows - 100.0).abs() < 10.0, "{some:?}");
    let one = stage
        .plan("SELECT * FROM land.tea WHERE \"Größe\" = 7")
        .await;
    assert!((one.plan_rows - 1.0).abs() < 0.1, "{one:?}");
}

#[tokio::test]
async fn an_error_is_the_servers_own_with_its_place() {
    let stage = Stage::new().await;
    let error = stage.error("SELECT tea.colour FROM land.tea").await;
    assert_eq!(error.refusal.sqlstate.as_str(), "42703");
    assert_eq!(error.position, Some("SELECT ".len() + 1));
    let error = stage
        .error("SELECT tea.colour FROM land.tea WHERE kind = $1")
        .await;
    assert_eq!(error.refusal.sqlstate.as_str(), "42703");
    assert_eq!(error.position, Some("SELECT ".len() + 1));
    let error = stage.error("SELECT kind + 1 FROM land.tea").await;
    assert_eq!(error.refusal.sqlstate.as_str(), "42883");
    assert!(error.refusal.hint.is_some());
}

#[tokio::test]
async fn probes_share_one_connection_and_leave_it_as_it_was() {
    let stage = Stage::new().await;
    for sql in [
        "SELECT kind FROM land.tea WHERE kind = $1",
        "SELECT colour FROM land.tea WHERE kind = $1",
        "SELECT colour FROM land.tea",
        "SELECT kind FROM land.tea WHERE kind = $1",
    ] {
        stage.probe(sql).await;
    }
    let postgres = stage.postgres.superuser("postgres").await;
    let count = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'alice'";
    let count = postgres.value(count).await.unwrap();
    assert_eq!(count.as_deref(), Some("1"));
}

#[tokio::test]
async fn code_that_runs_while_planning_has_the_callers_rights_only() {
    let stage = Stage::new().await;
    stage
        .postgres
        .execute(
            "postgres",
            "SET ROLE alice;
             CREATE FUNCTION land.climb() RETURNS integer IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
                 PERFORM set_config('role', 'none', true);
                 RAISE WARNING 'climbed to %', current_user; RETURN 1; END $$;
             CREATE VIEW land.ladder AS SELECT land.climb() AS rung",
        )
        .await;
    stage.plan("SELECT rung FROM land.ladder").await;
    let log = stage.postgres.log();
    assert!(log.contains("climbed to alice"), "{log}");
    assert!(!log.contains("climbed to postgres"), "{log}");
}

//! The harness itself: servers that start fast, log in with SCRAM and leave nothing behind.

use crate::support::postgres::{Fixture, Postgres, SUPERUSER_PASSWORD};

#[tokio::test]
async fn a_role_logs_in_with_its_password_and_not_with_another() {
    let postgres = Postgres::start();
    postgres.create_role("alice", "wonder land").await;
    let alice = postgres.connect("alice", "wonder land", "postgres").await;
    let user = alice.value("SELECT current_user").await.unwrap();
    assert_eq!(user.as_deref(), Some("alice"));
    let verifier = postgres
        .superuser("postgres")
        .await
        .value("SELECT rolpassword FROM pg_catalog.pg_authid WHERE rolname = 'alice'")
        .await
        .unwrap();
    assert!(verifier.unwrap().starts_with("SCRAM-SHA-256$"));

    let wrong = crate::support::client::config(postgres.port(), "alice", "wrong", "postgres");
    let error = crate::support::client::try_connect(&wrong).await.err();
    assert_eq!(error.unwrap().code().unwrap().code(), "28P01");
}

#[tokio::test]
async fn the_superuser_logs_in_over_tcp_with_the_url_of_the_service_account() {
    let postgres = Postgres::start_configured(Fixture::Empty, &[("work_mem", "5MB")]);
    let client = postgres
        .connect("postgres", SUPERUSER_PASSWORD, "postgres")
        .await;
    let shown = client.value("SHOW work_mem").await.unwrap();
    assert_eq!(shown.as_deref(), Some("5MB"));
    assert!(postgres.url("x").contains("super%20secret@127.0.0.1:"));
}

#[tokio::test]
async fn a_server_that_is_dropped_leaves_neither_directory_nor_process() {
    let postgres = Postgres::start();
    let dir = postgres.socket_dir().to_owned();
    assert!(dir.join("data").join("postmaster.pid").exists());
    let port = postgres.port();
    drop(postgres);
    assert!(!dir.exists());
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
}

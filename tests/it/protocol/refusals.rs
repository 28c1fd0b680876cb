//! Logins that the server would refuse are refused in its words, also where the pool has connections already.

use std::process::Command;

use super::upstream_keys::Fake;
use crate::support::frames::{Frame, frame};
use crate::support::postgres::Postgres;
use crate::support::proxy::Proxy;
use crate::support::raw::{self, Endpoint, Login, Raw};
use crate::support::stage::{APP, Stage};

fn refused(login: Result<Raw, Frame>) -> Frame {
    login.err().expect("a login that is refused")
}

/// What a client can tell of a refusal.
fn told(frame: &Frame) -> Vec<Option<String>> {
    b"SVCMDH".iter().map(|code| frame.field(*code)).collect()
}

/// Asserts that a login is refused as by the server.
fn check(stage: &Stage, login: &Login<'_>, sqlstate: &str) {
    let direct = refused(stage.direct(login));
    let proxied = refused(stage.login(login));
    assert_eq!(told(&direct), told(&proxied));
    assert_eq!(proxied.field(b'C').as_deref(), Some(sqlstate));
    if sqlstate != "28P01" {
        assert_eq!(direct.body, proxied.body, "to the last field");
    }
}

#[test]
fn what_changed_since_the_pool_was_filled_counts() {
    let stage = Stage::new("");
    let mut admin = raw::superuser(&stage.postgres, "postgres");
    for (change, back, sqlstate) in [
        ("alter role app nologin", "alter role app login", "28000"),
        (
            "revoke connect on database app from public, app",
            "grant connect on database app to public",
            "42501",
        ),
        (
            "alter database app allow_connections false",
            "alter database app allow_connections true",
            "55000",
        ),
        (
            "alter role app connection limit 0",
            "alter role app connection limit -1",
            "53300",
        ),
        (
            "alter database app connection limit 0",
            "alter database app connection limit -1",
            "53300",
        ),
        (
            "alter role app valid until '2001-01-01'",
            "alter role app valid until 'infinity'",
            "28P01",
        ),
        (
            "alter database app rename to gone",
            "alter database gone rename to app",
            "3D000",
        ),
        (
            "alter role app rename to gone",
            "alter role gone rename to app",
            "28P01",
        ),
    ] {
        let mut early = stage.client();
        assert_eq!(early.value("select 1"), "1");
        if change.contains("rename") {
            let sql = "select pg_terminate_backend(pid) from pg_stat_activity \
                       where datname = 'app' or usename = 'app'";
            admin.rows(sql);
            stage.wait_for_backends(0, "true");
            drop(early);
        }
        admin.rows(change);
        check(&stage, &APP, sqlstate);
        admin.rows(back);
        let mut late = stage.client();
        assert_eq!(late.value("select 2"), "2");
    }
}

#[test]
fn connection_limits_of_the_server_are_told_in_its_words() {
    let postgres = Postgres::start_configured(
        crate::support::postgres::Fixture::Empty,
        &[("max_connections", "8"), ("max_wal_senders", "0")],
    );
    let stage = Stage {
        proxy: Proxy::start(&postgres, ""),
        postgres,
    };
    let mut admin = raw::superuser(&stage.postgres, "postgres");
    for sql in [
        "create role app login password 'app''s own'",
        "create database app owner app",
        "create role one login password 'p' connection limit 1",
    ] {
        admin.rows(sql);
    }
    let one = Login {
        user: "one",
        password: "p",
        ..APP
    };
    let held = stage.direct(&one).unwrap();
    check(&stage, &one, "53300");
    drop(held);
    // Five are left to ordinary roles, one of which the service account holds by now.
    let mut all = Vec::new();
    let full = loop {
        match stage.direct(&APP) {
            Ok(client) => all.push(client),
            Err(error) => break error,
        }
    };
    assert_eq!(full.field(b'C').as_deref(), Some("53300"));
    check(&stage, &APP, "53300");
    drop(all);
    let mut client = stage.eventually(|| stage.login(&APP).ok());
    assert_eq!(client.value("select 1"), "1");
}

#[test]
fn a_server_that_shuts_down_says_so_through_us() {
    let stage = Stage::new("");
    // A direct session keeps the server from going at once; it lets nobody else in.
    let mut staying = stage.admin();
    let directory = staying.value("show data_directory");
    let pid_file = std::fs::read_to_string(format!("{directory}/postmaster.pid")).unwrap();
    let postmaster = pid_file.lines().next().unwrap();
    let status = Command::new("kill").args(["-TERM", postmaster]).status();
    assert!(status.unwrap().success());
    let direct = loop {
        match stage.direct(&APP) {
            Ok(_) => staying.rows("select pg_sleep(0.02)"),
            Err(error) => break error,
        };
    };
    let proxied = refused(stage.login(&APP));
    assert_eq!(told(&direct), told(&proxied));
    assert_eq!(
        proxied.field(b'M').as_deref(),
        Some("the database system is shutting down")
    );
    assert_eq!(proxied.field(b'C').as_deref(), Some("57P03"));
}

#[test]
fn a_server_that_starts_up_says_so_through_us() {
    let body: &[u8] = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\
        DConsistent recovery state has not been yet reached.\0Fpostmaster.c\0L2365\0RProcessStartupPacket\0\0";
    for method in ["trust", "auth_query"] {
        let fake = Fake::start(move |mut connection| connection.send(&frame(b'E', body)));
        let config = format!(
            "[auth]\nmethod = \"{method}\"\n[[upstream]]\nname = \"main\"\n\
             url = \"postgres://postgres@127.0.0.1:{}/postgres\"\n",
            fake.port()
        );
        let proxy = Proxy::start_config(config.parse().unwrap(), &[]);
        for _ in 0..2 {
            let refused = refused(Raw::login(&Endpoint::local(proxy.port()), &APP));
            let expected = Frame {
                tag: b'E',
                body: body.to_vec(),
            };
            assert_eq!(told(&refused), told(&expected), "{method}");
        }
    }
}

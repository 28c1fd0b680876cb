//! Two and more sessions, step by step: what each is told, and who waits for whom, is the same directly and through
//! the proxy, whose pool is hardly large enough and used by others between any two steps.
//!
//! A script is a text file below `scripts/`; `script` tells how one is written. A client counts as blocked when
//! PostgreSQL says that its backend waits for a lock, in every world alike; one that is neither blocked nor answered
//! fails the test. Next: `play`.

mod neighbours;
mod play;
mod script;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::support::postgres::Postgres;
use crate::support::proxy::Proxy;
use crate::support::raw::{self, Endpoint, Login};
use neighbours::Crowd;
use play::{Transcript, World};
use script::Script;

/// The sizes of the proxies' pools.
const POOL_SIZES: [usize; 2] = [2, 3];

/// Where the scripts are.
const SCRIPTS: &str = "tests/it/isolation/scripts";

/// How many lines before and after the first difference are told.
const SHOWN_LINES: usize = 6;

/// The role that plays; it is a member of the role `other`.
const PLAYER: Login<'static> = Login {
    user: "player",
    password: "",
    database: "iso",
    parameters: &[],
};

#[test]
fn cursors_and_prepared_statements_of_several_sessions() {
    compare("cursors");
}

#[test]
fn definitions_beside_open_transactions() {
    compare("definitions");
}

#[test]
fn locks_of_tables_and_numbers() {
    compare("locks");
}

#[test]
fn rows_that_several_sessions_want() {
    compare("rows");
}

#[test]
fn state_of_one_session_is_not_anothers() {
    compare("sessions");
}

#[test]
fn snapshots_and_serializable_transactions() {
    compare("snapshots");
}

#[test]
fn notifications_cancels_and_timeouts() {
    compare("signals");
}

#[test]
fn every_folder_of_scripts_has_a_test() {
    let mut folders: Vec<String> = fs::read_dir(SCRIPTS)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    folders.sort();
    let tested = [
        "cursors",
        "definitions",
        "locks",
        "rows",
        "sessions",
        "signals",
        "snapshots",
    ];
    assert_eq!(folders, tested);
    let count: usize = folders.iter().map(|folder| scripts(folder).len()).sum();
    assert!(count >= 40, "{count} scripts");
}

/// Plays every order of a folder's scripts directly and through proxies of every size that can do.
fn compare(folder: &str) {
    // Thousands of logins: without SCRAM they take a tenth of the time.
    let postgres = Postgres::start_trusting(&[
        ("autovacuum", "off"),
        ("max_prepared_transactions", "10"),
        ("max_connections", "60"),
    ]);
    let mut admin = raw::superuser(&postgres, "postgres");
    for sql in [
        "create role other",
        "create role player login in role other",
        "create database iso",
        "grant create on database iso to player",
        "alter database iso set search_path = iso, public",
        "grant set on parameter deadlock_timeout to player",
    ] {
        admin.rows(sql);
    }
    let mut owner = raw::superuser(&postgres, "iso");
    let far = format!(
        "create server far foreign data wrapper postgres_fdw \
         options (host '127.0.0.1', port '{}', dbname 'iso')",
        postgres.port()
    );
    for sql in [
        "create extension postgres_fdw",
        &far,
        "create user mapping for player server far options (user 'player', password_required 'false')",
        "grant usage on foreign server far to player",
    ] {
        owner.rows(sql);
    }
    let direct = World {
        endpoint: Endpoint::local(postgres.port()),
        login: PLAYER,
        admin: raw::superuser(&postgres, "iso"),
        crowd: None,
    };
    let mut worlds = vec![("directly".to_owned(), usize::MAX, direct)];
    let mut proxies = Vec::new();
    for pool_size in POOL_SIZES {
        let fragment =
            format!("[pool]\ndefault_pool_size = {pool_size}\n[auth]\nmethod = \"trust\"\n");
        let proxy = Proxy::start(&postgres, &fragment);
        let endpoint = Endpoint::local(proxy.port());
        let world = World {
            crowd: Some(Crowd::new(&endpoint, &PLAYER, pool_size)),
            endpoint,
            login: PLAYER,
            admin: raw::superuser(&postgres, "iso"),
        };
        worlds.push((format!("pool of {pool_size}"), pool_size, world));
        proxies.push(proxy);
    }
    let mut report = String::new();
    for script in scripts(folder) {
        for order in &script.orders {
            let mut expected: Option<Transcript> = None;
            for (name, pool_size, world) in &mut worlds {
                if *pool_size < script.pool_size_min {
                    continue;
                }
                let found = world.play(&script, order);
                match &expected {
                    None => expected = Some(found),
                    Some(expected) if *expected == found => {}
                    Some(expected) => tell(&mut report, &script, order, name, expected, &found),
                }
            }
        }
    }
    assert!(report.is_empty(), "\n{report}");
}

/// The scripts of a folder, in the order of their names.
fn scripts(folder: &str) -> Vec<Script> {
    let mut paths: Vec<_> = fs::read_dir(Path::new(SCRIPTS).join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            script::read(&name, &fs::read_to_string(path).unwrap())
        })
        .collect()
}

/// Adds one difference to a report.
fn tell(
    report: &mut String,
    script: &Script,
    order: &[script::Turn],
    world: &str,
    expected: &Transcript,
    found: &Transcript,
) {
    let labels: Vec<&str> = order.iter().map(|turn| &*turn.label).collect();
    let _ = writeln!(report, "{} ({world}): {}", script.name, labels.join(" "));
    let same = expected.iter().zip(found).take_while(|(e, f)| e == f);
    let first = same.count();
    let from = first.saturating_sub(SHOWN_LINES);
    for line in &expected[from..first] {
        let _ = writeln!(report, "    both: {line}");
    }
    for (who, lines) in [("directly", expected), (world, found)] {
        for line in lines.iter().skip(first).take(SHOWN_LINES) {
            let _ = writeln!(report, "    {who}: {line}");
        }
    }
}

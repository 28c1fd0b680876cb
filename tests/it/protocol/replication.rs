//! Replication connections: a server connection of their own, with PostgreSQL's own tools through it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use pgask::app::throwaway::binaries::Binaries;

use crate::support::frames::{self, Frame, copy_data, copy_done, query};
use crate::support::postgres::{Fixture, Postgres};
use crate::support::proxy::Proxy;
use crate::support::raw::{self, Endpoint, Login, Raw, rows, sqlstate};
use crate::support::stage::{APP, Stage};

/// The role that replicates.
const KEEPER: Login<'static> = Login {
    user: "keeper",
    password: "keeper's own",
    database: "app",
    parameters: &[],
};

const PHYSICAL: Login<'static> = Login {
    parameters: &[("replication", "true"), ("application_name", "standby one")],
    database: "",
    ..KEEPER
};

const LOGICAL: Login<'static> = Login {
    parameters: &[("replication", "database")],
    ..KEEPER
};

fn stage(fragment: &str) -> Stage {
    let postgres = Postgres::start_configured(
        Fixture::Empty,
        &[("wal_level", "logical"), ("wal_sender_timeout", "60s")],
    );
    let mut admin = raw::superuser(&postgres, "postgres");
    let hba_file = admin.value("show hba_file");
    for sql in [
        "create role app login password 'app''s own'",
        "create role keeper login replication password 'keeper''s own'",
        "create database app owner app",
        &format!(
            "copy (values ('local all postgres trust'), \
             ('host replication all 127.0.0.1/32 scram-sha-256'), \
             ('host all all 127.0.0.1/32 scram-sha-256')) to '{hba_file}'"
        ),
        "select pg_reload_conf()",
    ] {
        admin.rows(sql);
    }
    let stage = Stage {
        proxy: Proxy::start(&postgres, fragment),
        postgres,
    };
    stage.eventually(|| stage.direct(&PHYSICAL).ok());
    stage
}

/// One of PostgreSQL's programs, told to go through the proxy as [`KEEPER`].
fn tool(stage: &Stage, name: &str) -> Command {
    // Where the server's own program really is, its companions are too.
    let server = Binaries::find().unwrap().dir().join("postgres");
    let server = std::fs::canonicalize(server).unwrap();
    let mut command = Command::new(server.with_file_name(name));
    command
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", stage.proxy.port().to_string())
        .env("PGUSER", KEEPER.user)
        .env("PGPASSWORD", KEEPER.password)
        .env("LC_ALL", "C");
    command
}

fn run(command: &mut Command) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let (stdout, stderr) = (
        String::from_utf8_lossy(&stdout).into_owned(),
        String::from_utf8_lossy(&stderr).into_owned(),
    );
    assert!(status.success(), "{command:?}: {stdout}{stderr}");
    stdout
}

fn walsenders(stage: &Stage, count: usize) {
    let sql = "select count(*) from pg_stat_activity where backend_type = 'walsender'";
    stage.wait_for(sql, &count.to_string());
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn pg_basebackup_copies_a_server_through_us() {
    let stage = stage("");
    stage
        .client()
        .rows("create table kept as select generate_series(1, 50000) as i");
    let folder = tempfile::tempdir().unwrap();
    for (name, method) in [("plain", "stream"), ("tar", "fetch")] {
        let target = folder.path().join(name);
        let mut command = tool(&stage, "pg_basebackup");
        command.args([
            "--format",
            name,
            "--wal-method",
            method,
            "--checkpoint",
            "fast",
        ]);
        run(command.arg("--pgdata").arg(&target));
        if name == "plain" {
            run(tool(&stage, "pg_verifybackup").arg(&target));
        } else {
            assert!(target.join("base.tar").metadata().unwrap().len() > 1_000_000);
        }
    }
    walsenders(&stage, 0);
    assert_eq!(stage.client().value("select count(*) from kept"), "50000");
}

#[test]
fn pg_receivewal_streams_through_us() {
    let stage = stage("");
    let folder = tempfile::tempdir().unwrap();
    run(tool(&stage, "pg_receivewal").args(["--slot", "other", "--create-slot"]));
    let mut admin = stage.admin();
    // The tool's own slot keeps no WAL before somebody streams from it; one that does tells where to begin.
    admin.rows("select pg_create_physical_replication_slot('wal', true)");
    // What is committed is flushed, and counts in the position.
    admin.rows("set synchronous_commit to on");
    admin.rows("create table written as select generate_series(1, 30000) as i");
    admin.rows("select pg_switch_wal()");
    let end = admin.value("select pg_current_wal_lsn()");
    admin.rows("create table more as select 1");
    run(tool(&stage, "pg_receivewal")
        .args([
            "--slot",
            "wal",
            "--no-loop",
            "--endpos",
            &end,
            "--directory",
        ])
        .arg(folder.path()));
    let whole = files(folder.path())
        .iter()
        .filter(|path| path.extension().is_none())
        .count();
    assert!(whole >= 2, "{:?}", files(folder.path()));
    for slot in ["wal", "other"] {
        run(tool(&stage, "pg_receivewal").args(["--slot", slot, "--drop-slot"]));
    }
    walsenders(&stage, 0);
}

#[test]
fn pg_recvlogical_decodes_through_us() {
    let stage = stage("");
    let mut admin = stage.admin();
    admin.rows("set synchronous_commit to on");
    admin.rows("create table seen (i int primary key, t text)");
    let logical = |more: &[&str]| {
        let mut command = tool(&stage, "pg_recvlogical");
        run(command
            .args(["--dbname", "app", "--slot", "decoded"])
            .args(more))
    };
    logical(&["--create-slot", "--plugin", "test_decoding"]);
    admin.rows("insert into seen select i, 'n\u{f6}. ' || i from generate_series(1, 2000) as i");
    let end = admin.value("select pg_current_wal_lsn()");
    let told = logical(&[
        "--start",
        "--file",
        "-",
        "--endpos",
        &end,
        "--no-loop",
        "--option",
        "include-xids=off",
    ]);
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 2002, "BEGIN, the rows, COMMIT");
    assert_eq!(
        lines[7],
        "table public.seen: INSERT: i[integer]:7 t[text]:'n\u{f6}. 7'"
    );
    logical(&["--drop-slot"]);
    walsenders(&stage, 0);
}

#[test]
fn psql_speaks_to_a_walsender_through_us() {
    let stage = stage("");
    let psql = |parameters: &str, sql: &str| {
        let target = format!("dbname=app {parameters}");
        run(tool(&stage, "psql").args(["-XAt", &target, "-c", sql]))
    };
    let identity = psql("replication=database", "IDENTIFY_SYSTEM");
    assert!(identity.trim_end().ends_with("|app"), "{identity}");
    assert_eq!(
        psql(
            "replication=database",
            "select current_user, current_database()"
        ),
        "keeper|app\n"
    );
    let identity = psql("replication=true", "IDENTIFY_SYSTEM");
    assert!(identity.trim_end().ends_with('|'), "{identity}");
}

#[test]
fn a_replication_connection_is_the_servers_own_in_every_word() {
    let stage = stage("");
    let mut pooled = stage.client();
    pooled.rows("select 1");
    for value in ["true", "1", "on", "yes", "T", "database"] {
        let parameters = [("replication", value), ("work_mem", "3MB")];
        let login = Login {
            parameters: &parameters,
            ..KEEPER
        };
        let mut direct = stage.direct(&login).unwrap();
        let mut proxied = stage.login(&login).unwrap();
        let greeting = |client: &Raw| -> Vec<Frame> {
            let frames = client.greeting.iter().filter(|frame| frame.tag != b'K');
            frames.cloned().collect()
        };
        assert_eq!(greeting(&direct), greeting(&proxied), "{value}");
        walsenders(&stage, 2);
        for sql in [
            "IDENTIFY_SYSTEM",
            "SHOW work_mem",
            "SHOW data_directory_mode",
            "select current_user, current_database()",
            "ask how many tables are there",
            "-- ask: how many tables are there",
            "NONSENSE",
            "",
            "CREATE_REPLICATION_SLOT gone TEMPORARY PHYSICAL",
            "DROP_REPLICATION_SLOT no_such_slot",
        ] {
            let expected = direct.query(sql);
            if sql.starts_with("CREATE") {
                direct.query("DROP_REPLICATION_SLOT gone");
            }
            let found = proxied.query(sql);
            if sql != "IDENTIFY_SYSTEM" {
                assert_eq!(expected, found, "{value}: {sql}");
            }
            if sql.starts_with("CREATE") {
                proxied.query("DROP_REPLICATION_SLOT gone");
            }
        }
        let extended = [
            frames::parse("", "select 1", &[]),
            frames::bind("", "", &[]),
            frames::execute("", 0),
            frames::sync(),
        ];
        assert_eq!(direct.exchange(&extended), proxied.exchange(&extended));
        let pid = "select count(*) from pg_stat_activity where backend_type = 'walsender'";
        assert_eq!(stage.admin().value(pid), "2", "it has one of its own");
        proxied.send(&frames::terminate());
        assert_eq!(proxied.until_closed(), []);
        drop(direct);
        walsenders(&stage, 0);
    }
    // What is no replication after all.
    for value in ["false", "off", "no", "0"] {
        let parameters = [("replication", value)];
        let login = Login {
            parameters: &parameters,
            ..KEEPER
        };
        let mut client = stage.login(&login).unwrap();
        assert_eq!(client.value("select 1"), "1");
        assert_eq!(sqlstate(&client.query("IDENTIFY_SYSTEM")), "42601");
    }
    assert_eq!(pooled.value("select 2"), "2");
}

#[test]
fn whoever_may_not_replicate_is_told_so_by_the_server() {
    let stage = stage("");
    let replicating = |user, password, database, value: &'static [(&str, &str)]| Login {
        user,
        password,
        database,
        parameters: value,
    };
    const PHYSICALLY: &[(&str, &str)] = &[("replication", "true")];
    const LOGICALLY: &[(&str, &str)] = &[("replication", "database")];
    for (login, code) in [
        (replicating("app", "app's own", "app", LOGICALLY), "42501"),
        (replicating("app", "app's own", "", PHYSICALLY), "42501"),
        (replicating("keeper", "wrong", "app", LOGICALLY), "28P01"),
        (
            replicating("keeper", KEEPER.password, "nowhere", LOGICALLY),
            "3D000",
        ),
    ] {
        let direct = stage.direct(&login).err().expect("a refusal");
        let proxied = stage.login(&login).err().expect("a refusal");
        assert_eq!(proxied.field(b'C').as_deref(), Some(code), "{proxied:?}");
        for field in *b"SVCMDH" {
            assert_eq!(direct.field(field), proxied.field(field));
        }
    }
    walsenders(&stage, 0);
}

fn start_physical(client: &mut Raw) {
    let identity = rows(&client.query("IDENTIFY_SYSTEM"));
    let position = identity[0][2].clone().unwrap();
    client.send(&query(format!("START_REPLICATION PHYSICAL {position}")));
    assert_eq!(client.read().tag, b'W');
}

/// A standby status update that asks for an answer: written, flushed, applied, the time, and whether to answer.
fn status_update() -> Vec<u8> {
    copy_data([&b"r"[..], &[0; 32], &[1]].concat())
}

#[test]
fn streaming_goes_both_ways_until_copy_done() {
    let stage = stage("");
    let mut client = stage.login(&PHYSICAL).unwrap();
    start_physical(&mut client);
    let shown = "select application_name || ' ' || state from pg_stat_replication";
    stage.wait_for(shown, "standby one streaming");
    let mut admin = stage.admin();
    for round in 0..20 {
        client.send(&status_update());
        loop {
            let frame = client.read();
            assert_eq!(frame.tag, b'd');
            if frame.body[0] == b'k' {
                break;
            }
        }
        admin.rows(&format!("create table made_{round} as select {round}"));
        assert!(
            client.is_answered_within(Duration::from_secs(10)),
            "WAL as it is written"
        );
    }
    client.send(&copy_done());
    let ending = client.until_ready();
    let tags: Vec<u8> = ending
        .iter()
        .map(|frame| frame.tag)
        .filter(|tag| *tag != b'd')
        .collect();
    assert_eq!(tags, b"cCCZ", "{ending:?}");
    assert_eq!(rows(&client.query("IDENTIFY_SYSTEM")).len(), 1);
    client.kill();
    walsenders(&stage, 0);
}

#[test]
fn a_cancel_request_reaches_a_walsender() {
    let stage = stage("");
    let mut client = stage.login(&LOGICAL).unwrap();
    client.send(&query("select pg_sleep(60)"));
    stage.wait_for(
        "select count(*) from pg_stat_activity where query like '%pg_sleep(60)' and state = 'active'",
        "1",
    );
    let mut canceller = Raw::open(&stage.endpoint()).unwrap();
    canceller.send(&frames::cancel_request(&client.key));
    assert_eq!(sqlstate(&client.until_ready()), "57014");
}

#[test]
fn replication_counts_against_the_limit_and_obeys_the_drain() {
    let mut stage = stage("[listen]\nmax_clients = 2\nshutdown_grace = \"1s\"\n");
    let mut idle = stage.login(&LOGICAL).unwrap();
    let mut streaming = stage.login(&PHYSICAL).unwrap();
    start_physical(&mut streaming);
    let full = stage.login(&APP).err().expect("no room");
    assert_eq!(full.field(b'C').as_deref(), Some("53300"));
    stage.proxy.signal("TERM");
    for client in [&mut idle, &mut streaming] {
        let last = client.until_closed().pop().expect("a farewell");
        assert_eq!(last.field(b'C').as_deref(), Some("57P01"), "{last:?}");
        assert_eq!(last.field(b'S').as_deref(), Some("FATAL"));
    }
    assert!(stage.proxy.wait().success());
    walsenders(&stage, 0);
}

#[test]
fn bytes_that_are_no_messages_are_for_the_server_to_refuse() {
    let stage = stage("");
    for bytes in [
        b"y\0\0\0\x04".to_vec(),
        b"Q\0\0\0\0".to_vec(),
        b"Q\x7f\xff\xff\xff".to_vec(),
    ] {
        let [expected, found] =
            [Endpoint::local(stage.postgres.port()), stage.endpoint()].map(|endpoint| {
                let mut client = Raw::login(&endpoint, &LOGICAL).unwrap();
                client.send(&bytes);
                client.until_closed()
            });
        assert_eq!(expected, found);
    }
    walsenders(&stage, 0);
}

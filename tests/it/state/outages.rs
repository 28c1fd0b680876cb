//! The store is locked, damaged or away: plain SQL goes on, pins that are known hold, and nobody guesses at the others.

use std::fs;
use std::time::Duration;

use rusqlite::Connection;

use super::{QUESTION, Scene, all_of, client, refused};

/// Asserts that everything but asks is as ever.
fn check_plain(client: &mut crate::support::raw::Raw) {
    assert_eq!(client.value("select 1 + 1"), "2");
    client.rows("begin");
    client.rows("create table usable (i int)");
    client.rows("rollback");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_file_delays_no_plain_query_and_forgets_no_pin() {
    let scene = Scene::new().await;
    let proxy = scene.proxy("");
    let mut known = client(&proxy);
    known.rows(&format!("ask pin people: {QUESTION}"));
    scene.answers("SELECT 0");
    assert_eq!(known.value(&format!("ask {QUESTION}")), "30");
    let locker = Connection::open(scene.file()).unwrap();
    locker.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let error = known.error("ask pin other: another question");
    assert_eq!(error.field(b'C').as_deref(), Some("58030"), "{error:?}");
    assert!(
        all_of(&error).contains("locked by another process"),
        "{error:?}"
    );
    check_plain(&mut known);
    // The look at the file takes longer than an ask may, and whoever knows the pin does not wait for it.
    known.rows("set ask.timeout = '1s'");
    for _ in 0..5 {
        assert_eq!(known.value(&format!("ask {QUESTION}")), "30");
        std::thread::sleep(Duration::from_millis(400));
    }
    assert_eq!(known.value("ask another question"), "0");
    assert!(proxy.logs().contains("state store is slow"));
    known.rows("reset ask.timeout");

    // Who has never read it does not know what is pinned.
    let stranger = scene.proxy("");
    let mut unknowing = client(&stranger);
    let error = unknowing.error(&format!("ask {QUESTION}"));
    assert_eq!(error.field(b'C').as_deref(), Some("NL003"), "{error:?}");
    let message = error.field(b'M').unwrap();
    assert_eq!(
        message,
        "pins cannot be read, and this question may be pinned"
    );
    check_plain(&mut unknowing);
    locker.execute_batch("ROLLBACK").unwrap();
    super::eventually(|| {
        let answer = unknowing.query(&format!("ask {QUESTION}"));
        let rows = crate::support::raw::rows(&answer);
        (rows.first()?.first()?.as_deref() == Some("30")).then_some(())
    });
    known.rows("ask pin other: another question");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_stops_asks_alone() {
    let scene = Scene::new().await;
    for (garbage, says) in [
        (
            "no database at all, but long enough to be read as one".repeat(50),
            "not an SQLite database",
        ),
        (
            "SQLite format 3\0".to_owned() + &"\x01".repeat(4000),
            "SQLite",
        ),
    ] {
        fs::write(scene.file(), garbage.as_bytes()).unwrap();
        let proxy = scene.proxy("");
        let mut client = client(&proxy);
        check_plain(&mut client);
        let error = client.error(&format!("ask {QUESTION}"));
        assert_eq!(error.field(b'C').as_deref(), Some("NL003"), "{error:?}");
        let told = all_of(&error);
        let folder = scene.folder.path().display().to_string();
        assert!(!told.contains(&folder), "a path is told: {told}");
        for verb in ["ask pin a: question", "ask unpin a", "ask pins"] {
            assert_eq!(refused(&mut client, verb).0, "58030", "{verb}");
        }
        check_plain(&mut client);
        let check = scene.pgask(&["check"]);
        let report = String::from_utf8_lossy(&check.stdout).into_owned();
        assert!(!check.status.success(), "{report}");
        let line = report.lines().find(|line| line.contains("state store"));
        let line = line.unwrap_or_else(|| panic!("no line in {report}"));
        assert!(line.starts_with("failed"), "{line}");
        assert!(
            garbage.starts_with("SQLite") || line.contains(says),
            "{line}"
        );
        let export = scene.pgask(&["state", "export"]);
        assert!(!export.status.success());
        assert!(export.stdout.is_empty());
        // It was left as it is.
        assert_eq!(fs::read(scene.file()).unwrap(), garbage.as_bytes());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_something_else_is_left_alone() {
    let scene = Scene::new().await;
    let other = Connection::open(scene.file()).unwrap();
    other.execute_batch("create table theirs (i int)").unwrap();
    drop(other);
    let proxy = scene.proxy("");
    let mut client = client(&proxy);
    let (sqlstate, message) = refused(&mut client, "ask pin a: question");
    assert_eq!(sqlstate, "58030", "{message}");
    assert!(
        message.contains("a database of something else"),
        "{message}"
    );
    let other = Connection::open(scene.file()).unwrap();
    let tables: i64 = other
        .query_row("select count(*) from sqlite_master", [], |row| row.get(0))
        .unwrap();
    assert_eq!(tables, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_a_later_version_is_left_alone() {
    let scene = Scene::new().await;
    let proxy = scene.proxy("");
    let mut first = client(&proxy);
    first.rows("ask pin a: question");
    drop((first, proxy));
    let later = Connection::open(scene.file()).unwrap();
    later.execute_batch("update meta set format = '2'").unwrap();
    drop(later);
    let proxy = scene.proxy("");
    let mut second = client(&proxy);
    let error = second.error("ask question");
    assert_eq!(error.field(b'C').as_deref(), Some("NL003"), "{error:?}");
    assert!(
        all_of(&error).contains("another version of pgask"),
        "{error:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_made_is_told() {
    let scene = Scene::new().await;
    fs::write(scene.folder.path().join("plain"), "a file").unwrap();
    let path = scene.folder.path().join("plain/state.db");
    let proxy = scene.proxy_with(&format!("path = '{}'", path.display()));
    let mut client = client(&proxy);
    check_plain(&mut client);
    assert_eq!(refused(&mut client, "ask pin a: question").0, "58030");
    let check = scene
        .command(&["check"])
        .env("PGASK_STATE__PATH", &path)
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(report.contains("failed  state store"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let scene = Scene::new().await;
    let path = scene.folder.path().join("new/deep/state.db");
    let proxy = scene.proxy_with(&format!("path = '{}'", path.display()));
    let mut client = client(&proxy);
    client.rows(&format!("ask {QUESTION}"));
    assert!(!path.exists(), "an ask alone makes no file");
    client.rows("ask pin a: question");
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_goes_takes_no_pin_with_it() {
    let scene = Scene::new().await;
    let proxy = scene.proxy("");
    let mut known = client(&proxy);
    known.rows(&format!("ask pin people: {QUESTION}"));
    scene.answers("SELECT 0");
    let away = scene.folder.path().join("away.db");
    fs::rename(scene.file(), &away).unwrap();
    let (sqlstate, message) = refused(&mut known, "ask pin other: another question");
    assert_eq!(sqlstate, "58030", "{message}");
    assert!(message.contains("its file is gone"), "{message}");
    assert!(!scene.file().exists(), "no other file was put in its place");
    assert_eq!(known.value(&format!("ask {QUESTION}")), "30");
    check_plain(&mut known);
    assert!(proxy.metric("pgask_state_failures_total") >= 1.0);
    fs::rename(&away, scene.file()).unwrap();
    super::eventually(|| {
        let answer = known.query("ask pin other: another question");
        (!crate::support::raw::rows(&answer).is_empty()).then_some(())
    });
    assert_eq!(known.value(&format!("ask {QUESTION}")), "30");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_logged_at_the_start() {
    let scene = Scene::new().await;
    fs::write(
        scene.file(),
        "no database, but long enough to be one".repeat(50),
    )
    .unwrap();
    let proxy = scene.proxy("");
    super::eventually(|| {
        let logs = proxy.logs();
        logs.contains("state store cannot be read").then_some(())
    });
}

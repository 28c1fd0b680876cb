//! SIGTERM: transactions end, idle clients are told, nobody new comes in.

use std::time::{Duration, Instant};

use crate::support::frames::{Frame, query};
use crate::support::raw::{Endpoint, Login, Raw};
use crate::support::stage::{APP, Stage};

fn check_told(seen: &[Frame]) {
    let last = seen.last().expect("a farewell");
    assert_eq!(last.field(b'C').as_deref(), Some("57P01"), "{seen:?}");
    assert_eq!(last.field(b'S').as_deref(), Some("FATAL"));
}

#[test]
fn on_sigterm_idle_clients_get_57p01_and_open_transactions_end_in_peace() {
    let mut stage = Stage::new("");
    let mut idle = stage.client();
    idle.rows("create table t (i int)");
    let mut busy = stage.client();
    busy.rows("begin; insert into t values (1)");
    let mut running = stage.client();
    running.send(&query("select pg_sleep(1), 'to the end'"));
    stage.wait_for_backends(1, "state = 'active'");
    stage.proxy.signal("TERM");
    check_told(&idle.until_closed());
    busy.rows("insert into t values (2)");
    // What the running one is sent before its ReadyForQuery is its answer.
    let answer = running.until_ready();
    assert!(answer.iter().any(|frame| frame.tag == b'D'), "{answer:?}");
    check_told(&running.until_closed());
    busy.rows("commit");
    check_told(&busy.until_closed());
    assert!(stage.proxy.wait().success());
    assert_eq!(stage.admin().value("select count(*) from t"), "2");
    stage.wait_for_backends(0, "true");
}

#[test]
fn after_sigterm_nobody_new_comes_in() {
    let mut stage = Stage::new("");
    let mut busy = stage.client();
    busy.rows("begin");
    let mut idle = stage.client();
    stage.proxy.signal("TERM");
    check_told(&idle.until_closed());
    if let Ok(mut late) = Raw::open(&stage.endpoint()) {
        let login = late.authenticate_or_end(&APP);
        assert!(login.is_none_or(|error| {
            error
                .field(b'C')
                .is_some_and(|sqlstate| sqlstate.starts_with("57P0"))
        }));
    }
    busy.rows("commit");
    check_told(&busy.until_closed());
    assert!(stage.proxy.wait().success());
}

#[test]
fn a_transaction_that_outlasts_the_grace_is_closed_with_57p01() {
    let mut stage = Stage::new("[listen]\nshutdown_grace = \"500ms\"\n");
    let mut busy = stage.client();
    busy.rows("create table t (i int)");
    busy.rows("begin; insert into t values (1)");
    let start = Instant::now();
    stage.proxy.signal("TERM");
    check_told(&busy.until_closed());
    stage.proxy.wait();
    assert!(start.elapsed() < Duration::from_secs(10));
    assert_eq!(stage.admin().value("select count(*) from t"), "0");
}

#[test]
fn ctrl_c_ends_the_proxy_as_sigterm_does() {
    let mut stage = Stage::new("");
    let mut idle = stage.client();
    stage.proxy.signal("INT");
    check_told(&idle.until_closed());
    assert!(stage.proxy.wait().success());
}

#[test]
fn the_unix_socket_is_removed_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut stage = Stage::new(&format!(
        "[listen]\nunix_socket_dir = \"{}\"\n",
        folder.path().display()
    ));
    let endpoint = Endpoint::unix(folder.path(), stage.proxy.port());
    let Endpoint::Unix(path) = &endpoint else {
        unreachable!("a Unix endpoint");
    };
    // The proxy is waited for on its TCP port only.
    let mut client = stage.eventually(|| Raw::open(&endpoint).ok());
    client.authenticate(&APP).expect("a login");
    stage.proxy.signal("TERM");
    stage.proxy.wait();
    assert!(!path.exists());
}

impl Raw {
    /// The error that a login ends in, or `None` where the connection just ends. A login that succeeds fails the test.
    fn authenticate_or_end(&mut self, login: &Login<'_>) -> Option<Frame> {
        let startup =
            crate::support::frames::startup(&[("user", login.user), ("database", login.database)]);
        if self.try_send(&startup).is_err() {
            return None;
        }
        let seen = self.until_closed();
        assert!(seen.iter().all(|frame| frame.tag == b'E'), "{seen:?}");
        seen.into_iter().next()
    }
}

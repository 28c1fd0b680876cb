//! PostgreSQL goes away, comes back, or breaks off in the middle.

use std::time::Duration;

use toml::Table;

use crate::support::frames::{Frame, query};
use crate::support::link::Link;
use crate::support::postgres::{Postgres, SUPERUSER_PASSWORD};
use crate::support::proxy::Proxy;
use crate::support::raw::{self, Endpoint, Login, Raw};
use crate::support::stage::{self, APP, Stage};

/// A proxy that reaches PostgreSQL through a link; the link is not plugged in.
struct Linked {
    proxy: Proxy,
    link: Link,
    postgres: Postgres,
}

impl Linked {
    fn new(fragment: &str) -> Self {
        Self::with_link(fragment, |_| {})
    }

    fn plugged_in(fragment: &str) -> Self {
        Self::with_link(fragment, Link::plug_in)
    }

    fn with_link(fragment: &str, prepare: impl Fn(&mut Link)) -> Self {
        let postgres = stage::prepared();
        let mut link = Link::new(postgres.port());
        prepare(&mut link);
        let mut config: Table = fragment.parse().unwrap();
        let password = SUPERUSER_PASSWORD.replace(' ', "%20");
        let url = format!(
            "postgres://postgres:{password}@127.0.0.1:{}/postgres",
            link.port()
        );
        let upstream: Table = format!("name = \"main\"\nurl = \"{url}\"\n")
            .parse()
            .unwrap();
        config.insert(
            "upstream".to_owned(),
            vec![toml::Value::Table(upstream)].into(),
        );
        let proxy = Proxy::start_config(config, &[]);
        Self {
            proxy,
            link,
            postgres,
        }
    }

    fn login(&self) -> Result<Raw, Frame> {
        Raw::login(&Endpoint::local(self.proxy.port()), &APP)
    }

    fn eventually_logged_in(&self) -> Raw {
        let mut admin = raw::superuser(&self.postgres, "postgres");
        for _ in 0..200 {
            if let Ok(client) = self.login() {
                return client;
            }
            admin.rows("select pg_sleep(0.05)");
        }
        panic!("the proxy never recovers:\n{}", self.proxy.logs());
    }
}

fn check_unreachable(error: &Frame) {
    let sqlstate = error.field(b'C').unwrap();
    assert!(
        ["57P03", "08006", "08001"].contains(&&*sqlstate),
        "{error:?}"
    );
    assert_eq!(error.field(b'S').as_deref(), Some("FATAL"));
    let told = error.render();
    assert!(told.contains("refused"), "the reason is named: {told}");
    assert!(!told.contains(SUPERUSER_PASSWORD) && !told.contains("super%20secret"));
}

#[test]
fn with_upstream_down_at_start_clients_are_told_why_until_it_comes_up() {
    let mut scene = Linked::new("");
    for _ in 0..3 {
        check_unreachable(&scene.login().err().expect("no server"));
    }
    scene.link.plug_in();
    assert_eq!(
        scene.eventually_logged_in().value("select current_user"),
        "app"
    );
}

#[test]
fn when_upstream_goes_and_comes_back_so_do_the_clients() {
    let mut scene = Linked::plugged_in("");
    let mut idle = scene.login().expect("a login");
    assert_eq!(idle.value("select 1"), "1");
    scene.link.pull_out();
    let refused = scene.login();
    assert!(refused.is_err());
    scene.link.plug_in();
    assert_eq!(scene.eventually_logged_in().value("select 2"), "2");
    // The one that was idle held nothing there, and may go on; if it was told of the loss, it was told properly.
    let _ = idle.try_send(&query("select 3"));
    let Ok(Some(seen)) = idle.try_read() else {
        panic!("an idle client is not just dropped");
    };
    assert!(seen.tag == b'T' || seen.field(b'C').is_some(), "{seen:?}");
}

#[test]
fn a_server_lost_in_the_middle_of_the_rows_is_an_error_for_that_client_alone() {
    let scene = Linked::plugged_in("");
    let mut reading = scene.login().expect("a login");
    reading.send(&query(
        "select repeat('x', 1000) from generate_series(1, 1000000)",
    ));
    let mut last = reading.until(b'D').pop();
    scene.link.cut();
    // A row that was cut in two leaves no room for an error; between two rows there must be one.
    let is_between_rows = loop {
        match reading.try_read() {
            Ok(Some(frame)) => last = Some(frame),
            Ok(None) => break true,
            Err(e) => {
                assert_ne!(e.kind(), std::io::ErrorKind::WouldBlock, "it stays open");
                break false;
            }
        }
    };
    let last = last.expect("a row at least");
    assert!(!is_between_rows || last.tag == b'E', "{last:?}");
    let mut next = scene.eventually_logged_in();
    assert_eq!(next.value("select 1"), "1");
}

#[test]
fn a_server_lost_in_the_middle_of_a_query_is_an_error_for_that_client_alone() {
    let scene = Linked::plugged_in("");
    let mut waiting = scene.login().expect("a login");
    waiting.send(&query("select pg_sleep(60)"));
    assert!(!waiting.is_answered_within(Duration::from_millis(300)));
    scene.link.cut();
    let seen = waiting.until_closed();
    let [error] = seen.as_slice() else {
        panic!("one error: {seen:?}");
    };
    assert_eq!(error.field(b'C').as_deref(), Some("08006"), "{error:?}");
    let mut next = scene.eventually_logged_in();
    assert_eq!(next.value("select 1"), "1");
}

#[test]
fn a_server_lost_in_a_transaction_is_an_error_and_not_a_commit() {
    let scene = Linked::plugged_in("");
    let mut client = scene.login().expect("a login");
    client.rows("create table t (i int)");
    client.rows("begin; insert into t values (1)");
    scene.link.cut();
    let _ = client.try_send(&query("commit"));
    let seen = client.until_closed();
    assert!(seen.iter().all(|frame| frame.tag != b'C'), "{seen:?}");
    assert!(seen.iter().any(|frame| frame.tag == b'E'), "{seen:?}");
    let mut next = scene.eventually_logged_in();
    assert_eq!(next.value("select count(*) from t"), "0");
}

#[test]
fn a_server_that_never_answers_is_given_up() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let config = format!(
        "[pool]\nserver_connect_timeout = \"500ms\"\n[[upstream]]\nname = \"main\"\n\
         url = \"postgres://postgres:x@127.0.0.1:{port}/postgres\"\n"
    );
    let proxy = Proxy::start_config(config.parse().unwrap(), &[]);
    let error = Raw::login(&Endpoint::local(proxy.port()), &APP)
        .err()
        .expect("a refusal");
    let sqlstate = error.field(b'C').unwrap();
    assert!(
        ["57P03", "08006", "08001"].contains(&&*sqlstate),
        "{error:?}"
    );
}

#[test]
fn a_connection_terminated_in_a_transaction_says_so_in_the_servers_words() {
    let stage = Stage::new("");
    let mut client = stage.client();
    client.rows("begin");
    let pid = client.value("select pg_backend_pid()");
    stage
        .admin()
        .rows(&format!("select pg_terminate_backend({pid})"));
    let _ = client.try_send(&query("select 1"));
    let seen = client.until_closed();
    let error = seen
        .iter()
        .find(|frame| frame.tag == b'E')
        .expect("an error");
    assert_eq!(error.field(b'C').as_deref(), Some("57P01"), "{seen:?}");
    assert_eq!(
        error.field(b'M').as_deref(),
        Some("terminating connection due to administrator command")
    );
    assert_eq!(stage.client().value("select 1"), "1");
}

#[test]
fn a_connection_terminated_in_a_query_says_so_in_the_servers_words() {
    let stage = Stage::new("");
    let mut client = stage.client();
    client.send(&query("select pg_sleep(60)"));
    stage.wait_for_backends(1, "state = 'active'");
    stage
        .admin()
        .rows("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'app'");
    let seen = client.until_closed();
    let error = seen
        .iter()
        .find(|frame| frame.tag == b'E')
        .expect("an error");
    assert_eq!(error.field(b'C').as_deref(), Some("57P01"), "{seen:?}");
}

#[test]
fn connections_terminated_in_the_pool_are_not_handed_out() {
    let stage = Stage::new("");
    let mut client = stage.client();
    client.rows("select 1");
    for _ in 0..5 {
        stage
            .admin()
            .rows("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'app'");
        stage.wait_for_backends(0, "true");
        assert_eq!(client.value("select 'served'"), "served");
    }
}

#[test]
fn a_session_whose_state_was_lost_is_told_so() {
    let stage = Stage::new("");
    let mut client = stage.client();
    client.rows("create temp table t (i int)");
    stage
        .admin()
        .rows("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'app'");
    let _ = client.try_send(&query("select * from t"));
    let seen = client.until_closed();
    let error = seen
        .iter()
        .find(|frame| frame.tag == b'E')
        .expect("an error");
    let sqlstate = error.field(b'C').unwrap();
    assert!(["57P01", "08006"].contains(&&*sqlstate), "{seen:?}");
    assert_eq!(stage.client().value("select 1"), "1");
}

#[test]
fn a_full_pool_makes_clients_wait_and_then_tells_them() {
    let stage = Stage::new("[pool]\ndefault_pool_size = 1\nquery_wait_timeout = \"500ms\"\n");
    let mut holding = stage.client();
    holding.rows("begin");
    let login = Login { ..APP };
    let error = match stage.login(&login) {
        Ok(mut waiting) => {
            waiting.send(&query("select 1"));
            raw::error(&waiting.until_closed_or_ready())
        }
        Err(error) => error,
    };
    let sqlstate = error.field(b'C').unwrap();
    assert!(
        ["57014", "53300", "57P03", "08006"].contains(&&*sqlstate),
        "{error:?}"
    );
    holding.rows("commit");
    assert_eq!(stage.client().value("select 1"), "1");
}

impl Raw {
    fn until_closed_or_ready(&mut self) -> Vec<Frame> {
        let mut seen = Vec::new();
        while let Ok(Some(frame)) = self.try_read() {
            let is_last = frame.tag == b'Z';
            seen.push(frame);
            if is_last {
                break;
            }
        }
        seen
    }
}

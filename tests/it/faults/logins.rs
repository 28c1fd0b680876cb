//! Who gets in, and what the others are told: PostgreSQL's own words.

use crate::support::frames::{self, Frame};
use crate::support::raw::{Endpoint, Login, Raw};
use crate::support::stage::{APP, Stage};

/// Asserts that the proxy refuses a login in the very words of the server.
fn check_refused(stage: &Stage, login: &Login<'_>, sqlstate: &str, message: &str) {
    let direct = refused(stage.direct(login));
    let proxied = refused(stage.login(login));
    for code in *b"SVCMDH" {
        assert_eq!(
            direct.field(code),
            proxied.field(code),
            "field {} for {login:?}: {direct:?} {proxied:?}",
            char::from(code)
        );
    }
    assert_eq!(proxied.field(b'C').as_deref(), Some(sqlstate));
    assert_eq!(proxied.field(b'M').as_deref(), Some(message));
}

fn refused(login: Result<Raw, Frame>) -> Frame {
    login.err().expect("a login that is refused")
}

#[test]
fn refusals_are_worded_as_by_postgresql() {
    let stage = Stage::new("");
    let mut admin = stage.admin();
    for sql in [
        "create role expired login password 'p' valid until '2001-01-01'",
        "create role nologin password 'p'",
        "create role passwordless login",
        "create role outsider login password 'p'",
        "create database closed",
        "revoke connect on database closed from public",
        "create database no_more allow_connections false",
    ] {
        admin.rows(sql);
    }
    let login = |user, password, database| Login {
        user,
        password,
        database,
        parameters: &[],
    };
    for (login, sqlstate, message) in [
        (
            login("app", "wrong", "app"),
            "28P01",
            "password authentication failed for user \"app\"",
        ),
        (
            login("nobody", "p", "app"),
            "28P01",
            "password authentication failed for user \"nobody\"",
        ),
        (
            login("expired", "p", "app"),
            "28P01",
            "password authentication failed for user \"expired\"",
        ),
        (
            login("passwordless", "", "app"),
            "28P01",
            "password authentication failed for user \"passwordless\"",
        ),
        (
            login("nologin", "p", "app"),
            "28000",
            "role \"nologin\" is not permitted to log in",
        ),
        (
            login("app", "app's own", "nowhere"),
            "3D000",
            "database \"nowhere\" does not exist",
        ),
        (
            login("app", "wrong", "nowhere"),
            "28P01",
            "password authentication failed for user \"app\"",
        ),
        (
            login("outsider", "p", "closed"),
            "42501",
            "permission denied for database \"closed\"",
        ),
        (
            login("outsider", "p", "no_more"),
            "55000",
            "database \"no_more\" is not currently accepting connections",
        ),
    ] {
        check_refused(&stage, &login, sqlstate, message);
    }
    assert_eq!(stage.client().value("select 1"), "1");
}

#[test]
fn a_bad_startup_parameter_is_refused_as_by_postgresql() {
    let stage = Stage::new("");
    for (parameters, sqlstate) in [
        (&[("datestyle", "nonsense")][..], "22023"),
        (&[("no_such_setting", "1")][..], "42704"),
        (&[("client_encoding", "nonsense")][..], "22023"),
        (&[("options", "-c work_mem=lots")][..], "22023"),
    ] {
        let login = Login { parameters, ..APP };
        let direct = refused(stage.direct(&login));
        let proxied = refused(stage.login(&login));
        assert_eq!(direct.field(b'M'), proxied.field(b'M'));
        assert_eq!(proxied.field(b'C').as_deref(), Some(sqlstate));
    }
    assert_eq!(stage.client().value("select 1"), "1");
}

#[test]
fn a_role_is_itself_upstream() {
    let stage = Stage::new("");
    let mut client = stage.client();
    assert_eq!(
        client.rows("select current_user, session_user, current_database()"),
        [["app", "app", "app"].map(|name| Some(name.to_owned()))]
    );
    assert_eq!(client.value("show is_superuser"), "off");
}

#[test]
fn a_changed_password_counts_at_once() {
    let stage = Stage::new("");
    let mut early = stage.client();
    early.rows("select 1");
    stage.admin().rows("alter role app password 'new'");
    let error = refused(stage.login(&APP));
    assert_eq!(error.field(b'C').as_deref(), Some("28P01"));
    let login = Login {
        password: "new",
        ..APP
    };
    let mut late = stage.login(&login).expect("the new password");
    assert_eq!(late.value("select 2"), "2");
    // Who is in stays in.
    assert_eq!(early.value("select 3"), "3");
}

#[test]
fn the_database_is_named_as_the_role_where_the_client_names_none() {
    let stage = Stage::new("");
    let login = Login {
        database: "",
        ..APP
    };
    let mut client = stage.login(&login).expect("a login");
    assert_eq!(client.value("select current_database()"), "app");
}

#[test]
fn an_unknown_role_is_challenged_like_any_other() {
    let stage = Stage::new("");
    let challenge = |user| {
        let mut client = Raw::open(&stage.endpoint()).unwrap();
        client.send(&frames::startup(&[("user", user), ("database", "app")]));
        client.read()
    };
    assert_eq!(challenge("nobody"), challenge("app"));
}

#[test]
fn encryption_is_refused_politely_and_the_login_goes_on() {
    let stage = Stage::new("");
    for requests in [
        vec![frames::ssl_request()],
        vec![frames::gssenc_request()],
        vec![frames::gssenc_request(), frames::ssl_request()],
    ] {
        let mut client = Raw::open(&stage.endpoint()).unwrap();
        for request in requests {
            client.send(&request);
            assert_eq!(client.read_byte(), b'N');
        }
        client.authenticate(&APP).expect("a login");
        assert_eq!(client.value("select 1"), "1");
    }
}

#[test]
fn the_unix_socket_serves_as_tcp_does() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::new(&format!(
        "[listen]\nunix_socket_dir = \"{}\"\n",
        folder.path().display()
    ));
    let endpoint = Endpoint::unix(folder.path(), stage.proxy.port());
    // The proxy is waited for on its TCP port only.
    let mut client = stage.eventually(|| Raw::open(&endpoint).ok());
    client.authenticate(&APP).expect("a login");
    assert_eq!(client.value("select current_user"), "app");
    assert_eq!(
        client.value("select count(*) from generate_series(1, 10000)"),
        "10000"
    );
}

#[test]
fn trust_asks_for_no_password() {
    let stage = Stage::new("[auth]\nmethod = \"trust\"\n");
    let mut admin = stage.admin();
    let hba_file = admin.value("show hba_file");
    admin.rows(&format!(
        "copy (values ('local all all trust'), ('host all all 127.0.0.1/32 trust')) to '{hba_file}'"
    ));
    admin.rows("select pg_reload_conf()");
    let mut client = stage.eventually(|| {
        let login = Login {
            password: "not asked for",
            ..APP
        };
        stage.login(&login).ok()
    });
    assert_eq!(client.value("select current_user"), "app");
}

#[test]
fn one_client_too_many_is_told_so() {
    let stage = Stage::new("[listen]\nmax_clients = 2\n");
    let mut first = stage.client();
    let second = stage.client();
    let error = refused(stage.login(&APP));
    assert_eq!(error.field(b'C').as_deref(), Some("53300"));
    assert_eq!(error.field(b'S').as_deref(), Some("FATAL"));
    assert_eq!(first.value("select 1"), "1");
    drop(second);
    let mut third = stage.eventually(|| stage.login(&APP).ok());
    assert_eq!(third.value("select 3"), "3");
}

#[test]
fn a_silent_client_is_dropped_after_the_login_timeout() {
    let stage = Stage::new("[listen]\nlogin_timeout = \"3s\"\n");
    let mut silent = Raw::open(&stage.endpoint()).unwrap();
    silent.until_closed();
    let mut half = Raw::open(&stage.endpoint()).unwrap();
    half.send(&frames::startup(&[("user", "app"), ("database", "app")]));
    half.until_closed();
    assert_eq!(stage.client().value("select 1"), "1");
}

#[test]
fn odd_names_and_passwords_are_taken_as_they_are() {
    let stage = Stage::new("");
    let mut admin = stage.admin();
    for (user, password, database) in [
        ("Odd Röle", "pässwörd ✓ 漢字", "odd \"db\" %20"),
        ("o'brien", "it's", "d'b"),
        ("-- ask: x", "; drop role app", "ask: what"),
        ("a\\b", "c\\d", "e\\f"),
        (&"x".repeat(63), &"long ".repeat(40), &"y".repeat(63)),
        ("nfkc", "\u{2168}\u{a0}\u{fb01}", "nfkc"),
    ] {
        let (quoted_user, quoted_database) =
            (user.replace('"', "\"\""), database.replace('"', "\"\""));
        let quoted_password = password.replace('\'', "''");
        admin.rows(&format!(
            "create role \"{quoted_user}\" login password '{quoted_password}'"
        ));
        admin.rows(&format!("create database \"{quoted_database}\""));
        let login = Login {
            user,
            password,
            database,
            parameters: &[],
        };
        let mut client = stage
            .login(&login)
            .unwrap_or_else(|error| panic!("{user}: {error:?}"));
        assert_eq!(
            client.rows("select current_user, current_database()"),
            [[Some(user.to_owned()), Some(database.to_owned())]]
        );
        let wrong = Login {
            password: "wrong",
            ..login
        };
        let (direct, proxied) = (refused(stage.direct(&wrong)), refused(stage.login(&wrong)));
        assert_eq!(direct.field(b'M'), proxied.field(b'M'));
    }
}

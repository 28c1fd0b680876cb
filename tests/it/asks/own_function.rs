//! A database that has a function `ask` of its own keeps it, whoever may execute it.

use super::{LIST_SQL, QUESTION, Scene, TABLES, check_usable, expected};
use crate::support::frames::{bind, describe_statement, execute, parse, query, sync};
use crate::support::model::{Mode, Model};
use crate::support::proxy::Proxy;
use crate::support::raw::{self, Raw, rows, sqlstate};
use crate::support::stage::{self, APP, Stage};

/// A function that `app` may execute, so may `member` once it has become `app`, and `stranger` may not.
const OWN: &str = "
    create function ask(text) returns text language sql immutable as $$select 'own: ' || $1$$;
    revoke execute on function ask(text) from public;
    grant execute on function ask(text) to app;
    create role member login noinherit password 'm' in role app;
    create role stranger login password 's'";

/// Where the function may be called; `x` is its argument.
const CALLS: [&str; 7] = [
    "select * from ask('x')",
    "select a from ask('x') a",
    "select ask('x')",
    "select upper(ask('x')) where ask('x') is not null",
    "select public.ask('x')",
    "select * from public.ask('x')",
    "select * from (select * from ask('x')) t",
];

/// Asserts that a text does through the proxy what it does directly, in both protocols.
fn check_as_direct(client: &mut Raw, direct: &mut Raw, sql: &str) {
    for exchange in [
        vec![query(sql)],
        vec![
            parse("", sql, &[]),
            describe_statement(""),
            bind("", "", &[]),
            execute("", 0),
            sync(),
        ],
    ] {
        let (got, expected) = (client.exchange(&exchange), direct.exchange(&exchange));
        assert_eq!(got, expected, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_execute_it_calls_it() {
    let scene = Scene::with_tables("", OWN).await;
    let mut client = scene.client();
    let mut direct = scene.stage.direct(&APP).unwrap();
    for sql in CALLS {
        assert!(
            client.value(sql).to_lowercase().starts_with("own: x"),
            "{sql}"
        );
        check_as_direct(&mut client, &mut direct, sql);
    }
    let bound = client.exchange(&[
        parse("", "select * from ask($1)", &[]),
        bind("", "", &[Some("y")]),
        execute("", 0),
        sync(),
    ]);
    assert_eq!(rows(&bound), [[Some("own: y".to_owned())]]);
    assert_eq!(scene.request_count(), 0, "no model is asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_not_execute_it_is_refused_by_the_server() {
    let scene = Scene::with_tables("", OWN).await;
    for (user, password) in [("stranger", "s"), ("member", "m")] {
        let mut client = scene.login(user, password);
        let login = raw::Login {
            user,
            password,
            ..APP
        };
        let mut direct = scene.stage.direct(&login).unwrap();
        for sql in CALLS {
            let refused = client.query(sql);
            assert_eq!(sqlstate(&refused), "42501", "{user}: {sql}: {refused:?}");
            check_as_direct(&mut client, &mut direct, sql);
        }
    }
    assert_eq!(scene.request_count(), 0, "no model is asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_was_set_calls_it() {
    let scene = Scene::with_tables("", OWN).await;
    let mut client = scene.login("member", "m");
    let mut direct = scene.stage.direct(&APP).unwrap();
    client.rows("set role app");
    for sql in CALLS {
        check_as_direct(&mut client, &mut direct, sql);
    }
    client.rows("reset role");
    assert_eq!(sqlstate(&client.query(CALLS[0])), "42501");
    assert_eq!(scene.request_count(), 0, "no model is asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_spellings_ask_there() {
    let scene = Scene::with_tables("", OWN).await;
    let mut client = scene.client();
    let answer = expected(&mut client, LIST_SQL);
    for sql in [
        format!("-- ask: {QUESTION}"),
        format!("/* ask: {QUESTION} */"),
        format!("ask {QUESTION}"),
        format!("select * from (/* ask: {QUESTION} */) r"),
    ] {
        assert_eq!(rows(&client.query(&sql)), answer, "{sql}");
    }
    // Both in one statement: the question is answered, the function called.
    let both = format!("select ask('x'), count(*) from (/* ask: {QUESTION} */) r");
    assert_eq!(
        rows(&client.query(&both)),
        [[Some("own: x".to_owned()), Some("3".to_owned())]]
    );
    check_usable(&mut client);
    // Once it is gone, the form asks as everywhere else.
    let mut owner = scene.stage.admin();
    owner.rows("alter function ask(text) owner to app");
    client.rows("drop function ask(text)");
    let asked = client.query(&format!("select * from ask('{QUESTION}')"));
    assert_eq!(rows(&asked), answer, "{asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_catalog_cannot_be_read_a_call_stays_a_call() {
    let postgres = stage::prepared();
    let mut admin = raw::superuser(&postgres, APP.database);
    admin.rows(TABLES);
    admin.rows(OWN);
    // The service account reads the verifiers of passwords, and may not enter the database that is asked about.
    admin.rows(
        "create role service login password 's';
         revoke connect on database app from public",
    );
    raw::superuser(&postgres, "postgres").rows("grant select on pg_catalog.pg_authid to service");
    let model = Model::start(Mode::Good(LIST_SQL.to_owned())).await;
    let fragment = format!(
        "[[upstream]]\nname = \"main\"\nurl = \"postgres://service:s@127.0.0.1:{}/postgres\"\n{}",
        postgres.port(),
        model.provider("scripted")
    );
    let stage = Stage {
        proxy: Proxy::start(&postgres, &fragment),
        postgres,
    };
    let mut client = stage.client();
    let mut direct = stage.direct(&APP).unwrap();
    for sql in CALLS {
        check_as_direct(&mut client, &mut direct, sql);
    }
    let refused = client.query(&format!("ask {QUESTION}"));
    assert_eq!(sqlstate(&refused), "42501", "{refused:?}");
    check_usable(&mut client);
    assert!(model.take_received().is_empty(), "no model is asked");
}

//! What changes around a session that has set something: roles that go, servers that are configured anew.

use super::{POOL_OF_ONE, pins, stage, stage_set};
use crate::support::frames::{bind, execute, parse, sync};
use crate::support::proxy::Proxy;
use crate::support::raw::{Endpoint, Login, Raw, error, sqlstate};
use crate::support::stage::APP;

/// The ParameterStatus of this name among messages.
fn reported(frames: &[crate::support::frames::Frame], name: &str) -> Vec<String> {
    frames
        .iter()
        .filter(|frame| frame.tag == b'S')
        .filter_map(|frame| {
            let mut fields = frame.body.split(|byte| *byte == 0);
            let is_it = fields.next() == Some(name.as_bytes());
            let value = String::from_utf8_lossy(fields.next()?).into_owned();
            is_it.then_some(value)
        })
        .collect()
}

#[test]
fn a_role_that_is_dropped_meanwhile_fails_the_next_statement_only() {
    let postgres = stage_set();
    let proxy = Proxy::start(&postgres, POOL_OF_ONE);
    let mut admin = crate::support::raw::superuser(&postgres, APP.database);
    admin.rows("create role brief; grant brief to app; create table kept (i int); alter table kept owner to app");
    let login = || Raw::login(&Endpoint::local(proxy.port()), &APP).unwrap();
    let (mut first, mut second) = (login(), login());
    first.rows("set role brief");
    second.rows("select 1");
    admin.rows("drop role brief");
    let refused = first.query("insert into kept values (1)");
    assert_eq!(sqlstate(&refused), "22023");
    assert_eq!(
        error(&refused).field(b'M').as_deref(),
        Some("role \"brief\" does not exist")
    );
    let refused = first.exchange(&[
        parse("", "insert into kept values (1)", &[]),
        bind("", "", &[]),
        execute("", 0),
        sync(),
    ]);
    assert_eq!(sqlstate(&refused), "22023");
    assert_eq!(second.value("select count(*) from kept"), "0");
    assert_eq!(pins(&proxy), "");
}

#[test]
fn the_session_authorization_follows_a_superuser() {
    let stage = stage();
    let superuser = Login {
        user: "postgres",
        password: crate::support::postgres::SUPERUSER_PASSWORD,
        database: "app",
        parameters: &[],
    };
    let who = "select session_user, current_user, current_setting('is_superuser'), current_setting('log_statement')";
    let script = [
        "create role clerk",
        "create role boss",
        "grant boss to clerk",
        "set log_statement = 'ddl'",
        "set session authorization clerk",
        "set role boss",
        "set session_authorization = 'clerk'",
        "set role boss",
        "begin; set local session authorization default; commit",
        "reset role",
        "begin; set session authorization default; commit",
        "set session authorization 'boss'",
        "reset session authorization",
    ];
    let mut direct = stage.direct(&superuser).unwrap();
    let expected: Vec<_> = script
        .iter()
        .map(|sql| {
            let answer: Vec<_> = direct.query(sql).iter().map(|f| f.render()).collect();
            (answer, direct.rows(who))
        })
        .collect();
    direct.rows("drop role clerk, boss");
    let login = || Raw::login(&stage.endpoint(), &superuser).unwrap();
    let (mut client, mut rival) = (login(), login());
    let of_rival = rival.rows(who);
    for (sql, expected) in script.iter().zip(expected) {
        let answer: Vec<_> = client.query(sql).iter().map(|f| f.render()).collect();
        assert_eq!(rival.rows(who), of_rival, "{sql}");
        assert_eq!((answer, client.rows(who)), expected, "{sql}");
    }
    assert_eq!(pins(&stage.proxy), "");
}

#[test]
fn a_right_that_only_the_role_had_ties_the_connection_to_the_session() {
    let postgres = stage_set();
    let proxy = Proxy::start(&postgres, POOL_OF_ONE);
    let mut admin = crate::support::raw::superuser(&postgres, APP.database);
    admin.rows("create role chief superuser; grant chief to app");
    let login = || Raw::login(&Endpoint::local(proxy.port()), &APP).unwrap();
    let mut first = login();
    first.rows("set role chief");
    first.rows("set log_statement = 'ddl'");
    first.rows("reset role");
    assert_eq!(first.value("show log_statement"), "ddl");
    assert!(
        pins(&proxy).contains("cause=\"set\"} 1"),
        "{}",
        pins(&proxy)
    );
    drop(first);
    assert_eq!(login().value("show log_statement"), "none");
}

#[test]
fn what_a_timeout_cuts_short_is_not_the_next_ones_error() {
    let stage = stage();
    let (mut first, mut second) = (stage.client(), stage.client());
    for _ in 0..20 {
        first.rows("set statement_timeout = '1ms'");
        assert_eq!(second.value("show statement_timeout"), "0");
    }
    assert_eq!(pins(&stage.proxy), "");
}

#[test]
fn a_client_is_told_what_a_server_configured_anew_reports() {
    let stage = stage();
    let (mut first, mut second) = (stage.client(), stage.client());
    first.rows("select 1");
    stage
        .admin()
        .rows("alter system set timezone = 'Asia/Tokyo'");
    stage.admin().rows("select pg_reload_conf()");
    stage.eventually(|| (first.value("show timezone") == "Asia/Tokyo").then_some(()));
    let told = second.query("select 1");
    assert_eq!(reported(&told, "TimeZone"), ["Asia/Tokyo"]);
    let told = second.query("select 1");
    assert_eq!(reported(&told, "TimeZone"), [""; 0]);
}

#[test]
fn what_is_set_is_reported_once_and_not_again_when_it_is_replayed() {
    let stage = stage();
    let (mut first, mut second) = (stage.client(), stage.client());
    let told = first.query("set timezone = 'Asia/Tokyo'");
    assert_eq!(reported(&told, "TimeZone"), ["Asia/Tokyo"]);
    for _ in 0..3 {
        for client in [&mut second, &mut first] {
            let told = client.query("select 1");
            assert!(told.iter().all(|frame| frame.tag != b'S'), "{told:?}");
        }
    }
}

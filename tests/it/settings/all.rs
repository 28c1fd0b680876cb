//! Every setting that there is: set on one connection, seen on another, and seen by nobody else.

use super::{POOL_OF_ONE, pins, stage};
use crate::support::postgres::SUPERUSER_PASSWORD;
use crate::support::proxy::Proxy;
use crate::support::raw::{Endpoint, Login, Raw};
use crate::support::stage::{APP, Stage};

/// The superuser, over the proxy.
const SUPERUSER: Login<'static> = Login {
    user: "postgres",
    password: SUPERUSER_PASSWORD,
    database: "app",
    parameters: &[],
};

/// Settings that cannot be set to just anything in a test: what a library or a file must be there for, what ends or
/// blinds the session, what only means the transaction, and what cannot be told.
const UNFIT: [&str; 18] = [
    "backtrace_functions",
    "debug_discard_caches",
    "debug_invalidate_system_caches_always",
    "default_table_access_method",
    "default_tablespace",
    "dynamic_library_path",
    "exit_on_error",
    "ignore_system_indexes",
    "jit_provider",
    "local_preload_libraries",
    "seed",
    "session_preload_libraries",
    "session_replication_role",
    "temp_tablespaces",
    "timezone_abbreviations",
    "transaction_deferrable",
    "transaction_isolation",
    "transaction_read_only",
];

/// Every setting that the superuser may set within a session, with a legal value that it does not have.
fn settings(admin: &mut Raw) -> Vec<(String, String, bool)> {
    let rows = admin.rows(
        "select name, vartype, setting, min_val, max_val, enumvals::text, boot_val from pg_settings \
         where context in ('user', 'superuser') order by name",
    );
    rows.iter()
        .map(|row| {
            row.iter()
                .map(|v| v.clone().unwrap_or_default())
                .collect::<Vec<_>>()
        })
        .filter(|row| !UNFIT.contains(&row[0].to_lowercase().as_str()))
        .map(|row| {
            let value = other_value(&row);
            (row[0].clone(), value, row[1] == "real")
        })
        .collect()
}

fn other_value(row: &[String]) -> String {
    let [name, vartype, setting, min, max, enumerated, _] = row else {
        panic!("seven columns: {row:?}");
    };
    let own = match name.to_lowercase().as_str() {
        "client_encoding" => "LATIN1",
        "datestyle" => "German",
        "timezone" | "log_timezone" => "Asia/Tokyo",
        "search_path" => "pg_catalog, \"A b\", public",
        "lc_messages" | "lc_monetary" | "lc_numeric" | "lc_time" => "POSIX",
        "default_text_search_config" => "pg_catalog.german",
        "application_name" => "by another name",
        "wal_consistency_checking" => "heap",
        "restrict_nonsystem_relation_kind" => "view",
        "createrole_self_grant" => "set",
        _ => "",
    };
    if !own.is_empty() {
        return own.to_owned();
    }
    if name.contains("timeout") {
        return "3600001".to_owned();
    }
    match vartype.as_str() {
        "bool" => if setting == "on" { "off" } else { "on" }.to_owned(),
        "integer" => {
            let (setting, min, max): (i64, i64, i64) = (
                setting.parse().unwrap(),
                min.parse().unwrap(),
                max.parse().unwrap(),
            );
            let near = if setting < max {
                setting + 1
            } else {
                setting - 1
            };
            // Some take no value but certain ones: powers of two, or above one that others need.
            let powers = [256, 512, 1024]
                .into_iter()
                .find(|p| *p >= min && *p <= max && *p != setting);
            match name.as_str() {
                "commit_siblings" | "temp_buffers" => powers.unwrap_or(near),
                _ => near,
            }
            .to_string()
        }
        "real" => {
            let (setting, min, max): (f64, f64, f64) = (
                setting.parse().unwrap(),
                min.parse().unwrap(),
                max.parse().unwrap(),
            );
            let near = if max - setting > 1.0 {
                setting + 0.123_456_789
            } else {
                (setting + min) / 2.0 + 0.001
            };
            near.min(max).to_string()
        }
        "enum" => {
            let values = enumerated.trim_matches(|c| c == '{' || c == '}').split(',');
            let mut values = values.map(|value| value.trim_matches('"'));
            values.find(|value| value != setting).unwrap().to_owned()
        }
        _ => "other".to_owned(),
    }
}

fn literals(name: &str, value: &str) -> String {
    if name.eq_ignore_ascii_case("search_path") {
        return value.to_owned();
    }
    format!("'{value}'")
}

/// How the settings are set.
#[derive(Clone, Copy, Debug)]
enum How {
    Plainly,
    InTransactions,
    ByFunction,
}

#[test]
fn every_setting_follows_its_session_and_leaks_to_nobody() {
    for how in [How::Plainly, How::InTransactions, How::ByFunction] {
        every_setting_follows(how);
    }
}

fn every_setting_follows(how: How) {
    let stage = stage();
    let mut direct = stage.direct(&SUPERUSER).unwrap();
    let settings = settings(&mut stage.admin());
    assert!(settings.len() > 150, "{}", settings.len());
    let endpoint = stage.endpoint();
    let mut wrong = Vec::new();
    let mut count = 0;
    let mut client = Raw::login(&endpoint, &SUPERUSER).unwrap();
    let mut other = Raw::login(&endpoint, &SUPERUSER).unwrap();
    for (name, value, is_real) in &settings {
        let is_real = *is_real && !matches!(how, How::Plainly);
        if is_real {
            // It ties the connection to the session, as another test shows.
            continue;
        }
        let set = format!("set \"{name}\" to {}", literals(name, value));
        match how {
            How::Plainly => drop(client.rows(&set)),
            How::InTransactions => drop(client.rows(&format!("begin; savepoint s; {set}; commit"))),
            How::ByFunction => {
                drop(client.rows(&format!("select set_config('{name}', '{value}', false)")));
            }
        }
        direct.rows(&match how {
            How::ByFunction => format!("select set_config('{name}', '{value}', false)"),
            _ => set,
        });
        let show = format!("show \"{name}\"");
        let of_another = other.value(&show);
        let (expected, found) = (direct.value(&show), client.value(&show));
        direct.rows(&format!("reset \"{name}\""));
        client.rows(&format!("reset \"{name}\""));
        let fresh = direct.value(&show);
        if expected != found || of_another != fresh && name != "application_name" {
            wrong.push(format!("{name}: {expected} directly, {found} here, {of_another} for another and {fresh} for all"));
        }
        count += 1;
    }
    assert!(
        wrong.is_empty(),
        "{how:?}: {} of {count} differ\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert_eq!(pins(&stage.proxy), "", "{how:?}");
}

#[test]
fn who_comes_new_finds_every_setting_as_directly() {
    let stage = stage();
    let settings = settings(&mut stage.admin());
    let mut client = Raw::login(&stage.endpoint(), &SUPERUSER).unwrap();
    for (name, value, _) in &settings {
        // A few exclude one another.
        client.query(&format!("set \"{name}\" to {}", literals(name, value)));
    }
    // Where a connection came from is not a setting of anybody's.
    let dump = "select name, setting, source, reset_val from pg_settings where name not in ('application_name') order by name";
    let mut fresh = Raw::login(&stage.endpoint(), &SUPERUSER).unwrap();
    let found = fresh.rows(dump);
    let expected = stage.direct(&SUPERUSER).unwrap().rows(dump);
    assert_eq!(expected.len(), found.len());
    for (expected, found) in expected.iter().zip(&found) {
        assert_eq!(expected, found);
    }
    assert_eq!(pins(&stage.proxy), "");
}

#[test]
fn what_cannot_be_read_back_exactly_stays_with_its_session() {
    for (sql, show, expected) in [
        (
            "begin; set seq_page_cost = 1.23456789; commit",
            "show seq_page_cost",
            "1.23457",
        ),
        ("set my.accent = 'é'; select 1", "show my.accent", "é"),
        ("set my.accent = 'é'", "show my.accent", "é"),
        (
            "select set_config('my.' || 'hidden', 'x', false)",
            "show my.hidden",
            "x",
        ),
    ] {
        let stage = Stage::new(POOL_OF_ONE);
        let mut first = stage.client();
        first.rows(sql);
        let mut second = stage.client();
        second.send(&crate::support::frames::query("show work_mem"));
        assert_eq!(first.value(show), expected, "{sql}");
        assert!(
            pins(&stage.proxy).contains("cause=\"set\"} 1"),
            "{sql}: {}",
            pins(&stage.proxy)
        );
        first.rows("discard all");
        second.until_ready();
    }
}

#[test]
fn the_transaction_mode_replays_too_and_pins_nothing() {
    let postgres = super::stage_set();
    let proxy = Proxy::start(
        &postgres,
        "[pool]\ndefault_pool_size = 1\nmode = \"transaction\"\n",
    );
    let login = || Raw::login(&Endpoint::local(proxy.port()), &APP).unwrap();
    let (mut first, mut second) = (login(), login());
    first.rows("set work_mem = '3MB'");
    assert_eq!(second.value("show work_mem"), "4MB");
    first.rows("begin; set search_path = pg_catalog; commit");
    assert_eq!(second.value("show search_path"), "\"$user\", public");
    assert_eq!(first.value("show work_mem"), "3MB");
    assert_eq!(first.value("show search_path"), "pg_catalog");
    // What cannot be known does not go on to anybody else.
    first.rows("select set_config('work_' || 'mem', '5MB', false)");
    assert_eq!(second.value("show work_mem"), "4MB");
    assert_eq!(pins(&proxy), "");
}

//! Functions that keep session state, and what calls them: with a pool of one connection, what they leave behind is
//! seen by its own session for as long as it lasts, and by no other.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};

use crate::support::frames::{bind, execute, parse, query, sync, terminate};
use crate::support::proxy::Proxy;
use crate::support::raw::{Raw, rows};
use crate::support::stage::Stage;

/// What is made before anybody connects.
const SCHEMA: &str = "
    set role app;
    create function remember() returns text language sql as $$ select set_config('my.trace', 'left', false) $$;
    create function remember_by_hand() returns void language plpgsql as $$
        begin set my.trace = 'left'; end $$;
    create function outer_one() returns text language plpgsql as $$ begin return Remember(); end $$;
    create function hold_lock() returns void language sql as $$ select pg_advisory_lock(42) $$;
    create function make_table() returns void language plpgsql as $$
        begin execute 'create te' || 'mp table scratch (i int)'; end $$;
    create function listen_in() returns void language plpgsql as $$ begin listen news; end $$;
    create function on_insert() returns trigger language plpgsql as $$
        begin perform remember(); return new; end $$;
    create table noted (i int);
    create trigger noting before insert on noted for each row execute function on_insert();
    create view noted_view as select * from noted;
    create view remembering as select remember() as r;
    create view direct as select set_config('my.trace', 'left', false) as r;
    create table direct_default (i serial, t text default set_config('my.trace', 'left', false));
    create table numbered (i serial);
    create view above as select * from remembering;
    create table filled (i int, t text default remember());
    create domain checked as int check (remember() is not null);
    create table of_checked (i checked);
    create table parent (i int primary key);
    create table child (i int references parent on delete cascade);
    create trigger noting before delete on child for each row execute function on_delete();
    create function insert_one() returns void language sql as $$ insert into noted values (1) $$;
    create function \"Quoted Remember\"() returns text language sql as $$ select remember() $$;
    create table plain (i int);
    create function harmless(n int) returns int language plpgsql as $$
        begin update plain set i = 1; return n + 1; end $$;
    create function harmless_trigger() returns trigger language plpgsql as $$ begin return new; end $$;
    create table watched (i int);
    create trigger watching before insert on watched for each row execute function harmless_trigger();
    create view harmless_view as select harmless(1) as n";

/// What needs to be there first.
const BEFORE: &str = "
    set role app;
    create function on_delete() returns trigger language plpgsql as $$
        begin set my.trace = 'left'; return old; end $$";

const SETTING: &str = "select coalesce(current_setting('my.trace', true), '')";
const LOCK: &str = "select count(*) from pg_locks where locktype = 'advisory'";
const TABLE: &str = "select coalesce(to_regclass('scratch')::text, '')";
const CHANNEL: &str = "select count(*) from pg_listening_channels()";

/// What makes a trace, what sees it, what that gives then, and what it gives where there is none.
const TRACES: [(&str, &str, &str, &str); 17] = [
    ("select remember()", SETTING, "left", ""),
    ("select app.public.REMEMBER()", SETTING, "left", ""),
    ("select remember_by_hand()", SETTING, "left", ""),
    ("select outer_one()", SETTING, "left", ""),
    ("select hold_lock()", LOCK, "1", "0"),
    ("select make_table()", TABLE, "scratch", ""),
    ("select listen_in()", CHANNEL, "1", "0"),
    ("insert into noted values (1)", SETTING, "left", ""),
    ("insert into noted_view values (1)", SETTING, "left", ""),
    ("select * from remembering", SETTING, "left", ""),
    ("select * from direct", SETTING, "left", ""),
    ("insert into direct_default values (1)", SETTING, "left", ""),
    ("select * from above", SETTING, "left", ""),
    ("insert into filled values (1)", SETTING, "left", ""),
    ("insert into of_checked values (1)", SETTING, "left", ""),
    ("select insert_one()", SETTING, "left", ""),
    ("select \"Quoted Remember\"()", SETTING, "left", ""),
];

fn stage() -> Stage {
    let stage = Stage::new("[pool]\ndefault_pool_size = 1\n");
    stage.admin().rows(BEFORE);
    stage.admin().rows(SCHEMA);
    stage
}

#[test]
fn what_a_function_leaves_behind_stays_with_its_session() {
    let stage = stage();
    for (pins, (made_by, seen_by, kept, clean)) in (1..).zip(TRACES) {
        let mut first = stage.client();
        first.rows(made_by);
        let mut second = stage.client();
        // It waits for the connection that the first one keeps.
        second.send(&query(seen_by));
        assert_eq!(first.value(seen_by), kept, "{made_by}");
        leave(first);
        let found = second.until_ready();
        assert_eq!(rows(&found), [[Some(clean.to_owned())]], "{made_by}");
        assert_eq!(pin_count(&stage.proxy), pins, "{made_by}");
    }
}

#[test]
fn what_a_cascade_leaves_behind_stays_with_its_session() {
    let stage = stage();
    stage
        .admin()
        .rows("insert into parent values (1); insert into child values (1)");
    let mut first = stage.client();
    first.rows("delete from parent");
    assert_eq!(first.value(SETTING), "left");
    leave(first);
    assert_eq!(stage.client().value(SETTING), "");
}

#[test]
fn what_a_body_kept_as_a_tree_leaves_behind_stays_with_its_session() {
    let stage = stage();
    let mut admin = stage.admin();
    let version: u32 = admin.value("show server_version_num").parse().unwrap();
    if version < 140_000 {
        return;
    }
    admin.rows("create function atomic() returns text begin atomic select remember(); end");
    let mut first = stage.client();
    first.rows("select atomic()");
    assert_eq!(first.value(SETTING), "left");
    leave(first);
    assert_eq!(stage.client().value(SETTING), "");
}

#[test]
fn what_a_prepared_statement_leaves_behind_stays_with_its_session() {
    let stage = stage();
    let mut first = stage.client();
    first.exchange(&[parse("s", "select remember()", &[]), sync()]);
    first.exchange(&[bind("", "s", &[]), execute("", 0), sync()]);
    assert_eq!(first.value(SETTING), "left");
    leave(first);
    assert_eq!(stage.client().value(SETTING), "");
}

#[test]
fn functions_that_leave_nothing_behind_pin_nothing() {
    let stage = stage();
    let (mut first, mut second) = (stage.client(), stage.client());
    for sql in [
        "select harmless(1)",
        "insert into numbered default values",
        "insert into watched values (1)",
        "select * from harmless_view",
        "update plain set i = 2",
    ] {
        first.rows(sql);
        second.rows(sql);
    }
    assert_eq!(pin_count(&stage.proxy), 0);
}

#[test]
fn a_function_is_known_as_soon_as_it_is_made() {
    let stage = stage();
    let (mut first, mut second) = (stage.client(), stage.client());
    first.rows(
        "create function late() returns void language plpgsql as $$ begin set my.trace = 'left'; end $$",
    );
    assert_eq!(pin_count(&stage.proxy), 0);
    second.rows("select late()");
    assert_eq!(second.value(SETTING), "left");
    leave(second);
    assert_eq!(first.value(SETTING), "");
    first.rows("create function harmless_too() returns int language sql as $$ select 1 $$");
    first.rows("select harmless_too()");
    assert_eq!(pin_count(&stage.proxy), 1);
}

#[test]
fn a_function_that_runs_in_the_transaction_that_made_it_is_not_trusted() {
    let make = "create function early() returns void language plpgsql as $$ begin set my.trace = 'left'; end $$";
    for together in [true, false] {
        let stage = stage();
        let mut first = stage.client();
        if together {
            first.rows(&format!("{make}; select early()"));
        } else {
            for sql in ["begin", make, "select early()", "commit"] {
                first.rows(sql);
            }
        }
        assert_eq!(first.value(SETTING), "left");
        leave(first);
        assert_eq!(stage.client().value(SETTING), "");
    }
}

fn leave(mut client: Raw) {
    client.send(&terminate());
    client.until_closed();
}

/// Server connections pinned so far, whatever for.
fn pin_count(proxy: &Proxy) -> u64 {
    let url = proxy.http_url();
    let port = url.rsplit(':').next().unwrap().parse().unwrap();
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
        .lines()
        .filter(|line| line.starts_with("pgask_pins_total{"))
        .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
        .sum()
}

//! What a role may not see: no answer holds it, and nothing that is said to anybody names it.
//!
//! Whatever the role `reader` may not see bears `zz_` in its name or value. Every byte that goes to the client or to the
//! model is searched for it.

use super::{QUESTION, Scene, check_usable, fresh};
use crate::support::frames::{Frame, bind, describe_portal, execute, parse, sync};
use crate::support::model::Mode;
use crate::support::raw::{Raw, rows, sqlstate};

const HIDDEN: &str = "
    create role clerks;
    create role reader login password 'r' in role clerks;
    create role zz_rival login password 'r' in role clerks;
    create schema zz_vault;
    create table zz_vault.zz_ledger (id int primary key, zz_amount int);
    comment on table zz_vault.zz_ledger is 'zz_told of the ledger';
    create table zz_payroll (id int primary key, zz_wage int);
    comment on column zz_payroll.zz_wage is 'zz_told of the wage';
    create type zz_mood as enum ('zz_grim', 'zz_gay');
    create table zz_moods (mood zz_mood);
    alter table customers add column zz_margin text default 'zz_value';
    alter table customers add column zz_ledger_id int constraint zz_key references zz_vault.zz_ledger;
    alter table customers add column zz_state zz_mood default 'zz_grim';
    comment on column customers.zz_margin is 'zz_told of the margin';
    create view zz_everything as select * from zz_payroll;
    create function zz_secret(int) returns int language sql stable as 'select 42';
    revoke execute on function zz_secret(int) from public;
    create function zz_vault.zz_inner(int) returns int language sql stable as 'select 43';
    create function zz_vault.abs(int) returns int language sql volatile as 'select 44';
    create function for_clerks(int) returns int language sql stable as 'select 45';
    revoke execute on function for_clerks(int) from public;
    grant execute on function for_clerks(int) to clerks;
    create function twice(int) returns int language sql immutable as 'select 2 * $1';
    create function twice(text) returns text language sql volatile as $$select 'zz_' || $1$$;
    revoke execute on function twice(text) from public;
    create table accounts (tenant name, holder text, amount int);
    insert into accounts select 'reader', 'anna', 10 from generate_series(1, 50);
    insert into accounts select 'zz_rival', 'zz_boris', 1000 from generate_series(1, 200);
    alter table accounts enable row level security;
    create policy own on accounts using (tenant = current_user);
    create function zz_ticking() returns int language sql volatile as 'select 1';
    revoke execute on function zz_ticking() from public;
    create view ticking as select zz_ticking() as tick;
    grant select on orders, accounts, ticking to clerks;
    grant select (id, name, country) on customers to clerks;
    analyze";

async fn scene() -> Scene {
    Scene::with_tables("[ask]\nprivacy = \"samples\"\n", HIDDEN).await
}

/// Fails where anything hidden is in what was said.
fn check_silent(what: &str, said: &[u8]) {
    let said = String::from_utf8_lossy(said);
    assert!(!said.contains("zz_"), "{what} names what is hidden: {said}");
}

fn check_frames(what: &str, frames: &[Frame]) {
    for frame in frames {
        check_silent(what, &frame.body);
    }
}

fn check_told(scene: &Scene, what: &str) {
    for request in scene.model.take_received() {
        check_silent(what, request.body.to_string().as_bytes());
    }
}

/// Drafts that come near to something hidden, or ask for all there is.
const NEAR: &[&str] = &[
    "SELECT * FROM z_payroll",
    "SELECT * FROM zpayroll",
    "SELECT * FROM z_vault.z_ledger",
    "SELECT * FROM z_ledger",
    "SELECT * FROM z_moods",
    "SELECT * FROM z_everything",
    "SELECT z_margin FROM customers",
    "SELECT c.z_margin FROM customers c",
    "SELECT zzmargin FROM customers",
    "SELECT z_ledger_id FROM customers",
    "SELECT * FROM customers",
    "SELECT c FROM customers c",
    "SELECT row_to_json(c) FROM customers c",
    "SELECT to_jsonb(c) FROM customers c",
    "SELECT count(c) FROM customers c",
    "SELECT c.* FROM customers c NATURAL JOIN orders o",
    "SELECT * FROM customers JOIN orders USING (z_margin)",
    "SELECT z_secret(1)",
    "SELECT zsecret(1)",
    "SELECT z_inner(1)",
    "SELECT 'x'::z_mood",
    "SELECT 'z_grim'::mood",
    "SELECT name FROM customers WHERE country = 1",
    "SELECT * FROM ticking",
    "SELECT tick FROM ticking",
    "SELECT * FROM pg_class",
    "SELECT holder, count(*) FROM accounts GROUP BY holder",
    "SELECT DISTINCT tenant FROM accounts",
    "SELECT max(amount) FROM accounts",
    "SELECT twice('x')",
    "SELECT nothing FROM customers, orders, accounts",
];

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_said_names_what_is_hidden() {
    let scene = scene().await;
    let mut client = scene.login("reader", "r");
    for (number, draft) in NEAR.iter().enumerate() {
        scene.answers(draft);
        let question = fresh(number);
        for verb in ["", "sql: ", "explain: ", "alternatives: "] {
            let answer = client.query(&format!("ask {verb}{question}"));
            check_frames(&format!("{verb}{draft}"), &answer);
        }
        let answer = client.exchange(&[
            parse("", format!("select * from (/* ask: {question} */) r"), &[]),
            bind("", "", &[]),
            describe_portal(""),
            execute("", 0),
            sync(),
        ]);
        check_frames(draft, &answer);
        check_told(&scene, draft);
    }
    check_frames("help", &client.query("ask help"));
    scene.model.set(Mode::Prose);
    check_frames("prose", &client.query("ask which customers have a margin"));
    check_told(&scene, "prose");
    assert!(
        !scene.stage.proxy.logs().contains("zz_"),
        "the log names it"
    );
    check_usable_reader(&mut client);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_built_in_engine_does_not_know_what_is_hidden() {
    let scene = Scene::with_tables(
        "[ask]\nprivacy = \"samples\"\n[[provider]]\nname = \"builtin\"\nkind = \"builtin\"\n",
        HIDDEN,
    )
    .await;
    let mut client = scene.login("reader", "r");
    client.rows("set ask.provider = builtin");
    for question in [
        "how many customers are there",
        "which customers have a margin",
        "the payroll",
        "total wage",
        "ledger amounts",
        "how many accounts are there",
        "accounts of boris",
        "customers by state",
        "everything",
        "moods",
        "average amount of accounts by holder",
        "customers with the highest margn",
    ] {
        for verb in ["", "sql: ", "alternatives: "] {
            let answer = client.query(&format!("ask {verb}{question}"));
            check_frames(&format!("{verb}{question}"), &answer);
        }
    }
    check_frames("help", &client.query("ask help"));
    assert_eq!(client.value("ask how many accounts are there"), "50");
}

#[tokio::test(flavor = "multi_thread")]
async fn row_security_holds_for_each_of_two_tenants() {
    let scene = scene().await;
    scene.answers("SELECT count(*), max(amount), min(tenant) FROM accounts");
    let told = |client: &mut Raw, ask: &str| rows(&client.query(ask));
    for (tenant, expected) in [
        ("reader", ["50", "10", "reader"]),
        ("zz_rival", ["200", "1000", "zz_rival"]),
    ] {
        let mut client = scene.login(tenant, "r");
        let expected: Vec<_> = expected.iter().map(|v| Some((*v).to_owned())).collect();
        for ask in [
            format!("ask {QUESTION}"),
            format!("select * from (/* ask: {QUESTION} */) r"),
            format!("with r as (/* ask: {QUESTION} */) select * from r"),
        ] {
            assert_eq!(
                told(&mut client, &ask),
                std::slice::from_ref(&expected),
                "{tenant}: {ask}"
            );
        }
    }
    // The memo is nobody else's.
    let mut reader = scene.login("reader", "r");
    assert_eq!(
        told(&mut reader, &format!("ask {QUESTION}"))[0][0].as_deref(),
        Some("50")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_is_there_for_whoever_may_execute_it() {
    let scene = scene().await;
    let mut reader = scene.login("reader", "r");
    let mut owner = scene.client();
    let mut number = 0;
    let mut ask = |client: &mut Raw, draft: &str| {
        number += 1;
        scene.answers(draft);
        client.query(&format!("ask {}", fresh(number)))
    };
    for (draft, value) in [
        ("SELECT for_clerks(1)", "45"),
        ("SELECT twice(4)", "8"),
        ("SELECT abs(-3)", "3"),
    ] {
        let answer = ask(&mut reader, draft);
        assert_eq!(
            rows(&answer),
            [[Some(value.to_owned())]],
            "{draft}: {answer:?}"
        );
    }
    for draft in [
        "SELECT zz_secret(1)",
        "SELECT public.zz_secret(1)",
        "SELECT zz_vault.zz_inner(1)",
    ] {
        let refused = ask(&mut reader, draft);
        assert_eq!(sqlstate(&refused), "NL004", "{draft}: {refused:?}");
    }
    // Neither is of the group.
    for draft in ["SELECT for_clerks(1)", "SELECT zz_secret(1)"] {
        let refused = ask(&mut owner, draft);
        assert_eq!(sqlstate(&refused), "NL004", "{draft}: {refused:?}");
    }
    // What is granted through the proxy is there at once, and gone at once.
    scene
        .stage
        .admin()
        .rows("grant all on function zz_secret(int) to app with grant option");
    owner.rows("grant execute on function zz_secret(int) to reader");
    assert_eq!(
        rows(&ask(&mut reader, "SELECT zz_secret(1)")),
        [[Some("42".to_owned())]]
    );
    owner.rows("revoke execute on function zz_secret(int) from reader");
    assert_eq!(sqlstate(&ask(&mut reader, "SELECT zz_secret(1)")), "NL004");
}

/// As [`check_usable`], for a role that may create nothing.
fn check_usable_reader(client: &mut Raw) {
    assert_eq!(client.value("select 1 + 1"), "2");
    assert_eq!(client.value("show transaction_read_only"), "off");
}

/// Operators and functions of somebody else's in a schema that the session looks into first.
const SHADOWS: &str = "
    create table touched (what text);
    grant select, insert on touched to public;
    create schema shade;
    grant usage on schema shade to public;
    create function shade.abs(numeric) returns numeric language plpgsql volatile as
        $$begin insert into public.touched values ('abs'); return $1; end$$;
    create function shade.lower(text) returns text language plpgsql volatile security definer as
        $$begin insert into public.touched values ('lower'); return $1; end$$;
    create function shade.harmless(text) returns text language sql immutable as 'select $1';
    create function shade.touch(text, text) returns boolean language plpgsql volatile as
        $$begin insert into public.touched values ('operator'); return true; end$$;
    create function shade.times(numeric, integer) returns numeric language plpgsql volatile as
        $$begin insert into public.touched values ('times'); return 0; end$$;
    create function shade.is(numeric, integer) returns boolean language plpgsql volatile as
        $$begin insert into public.touched values ('is'); return true; end$$;
    create operator shade.* (function = shade.times, leftarg = numeric, rightarg = integer);
    create operator shade.= (function = shade.is, leftarg = numeric, rightarg = integer);
    create operator shade.> (function = shade.is, leftarg = numeric, rightarg = integer);
    create function shade.settings(text, text) returns boolean language sql stable as 'select true';
    create operator shade.= (function = shade.touch, leftarg = text, rightarg = text);
    create operator shade.~~ (function = shade.touch, leftarg = text, rightarg = text);
    create operator shade.<-> (function = shade.touch, leftarg = text, rightarg = text);
    create operator shade.^ (function = shade.settings, leftarg = text, rightarg = text)";

#[tokio::test(flavor = "multi_thread")]
async fn names_that_a_search_path_turns_elsewhere_are_refused_or_fenced() {
    let scene = Scene::with_tables("", SHADOWS).await;
    let mut client = scene.client();
    let mut number = 0;
    client.rows("set search_path = shade, pg_catalog, public");
    for (draft, allowed) in [
        ("SELECT abs(total) FROM orders LIMIT 1", false),
        ("SELECT lower(name) FROM customers LIMIT 1", false),
        (
            "SELECT name FROM customers WHERE name = 'customer 1'",
            false,
        ),
        (
            "SELECT name FROM customers WHERE name IN ('customer 1', 'customer 2')",
            false,
        ),
        (
            "SELECT name FROM customers WHERE name IN (SELECT name FROM customers)",
            false,
        ),
        (
            "SELECT name FROM customers WHERE name IS DISTINCT FROM 'x'",
            false,
        ),
        (
            "SELECT name FROM customers WHERE name LIKE 'customer%'",
            false,
        ),
        (
            "SELECT CASE name WHEN 'customer 1' THEN 1 END FROM customers",
            false,
        ),
        ("SELECT NULLIF(name, 'customer 1') FROM customers", false),
        (
            "SELECT name FROM customers WHERE name = ANY (ARRAY['customer 1'])",
            false,
        ),
        (
            "SELECT a.name FROM customers a JOIN customers b USING (name)",
            false,
        ),
        ("SELECT name <-> 'x' FROM customers", false),
        ("SELECT pg_catalog.abs(total) FROM orders LIMIT 1", true),
        ("SELECT pg_catalog.lower(name) FROM customers LIMIT 1", true),
        (
            "SELECT name FROM customers WHERE name OPERATOR(pg_catalog.=) 'customer 1'",
            true,
        ),
        ("SELECT shade.harmless(name) FROM customers LIMIT 1", true),
        ("SELECT total ^ 2 FROM orders LIMIT 1", true),
        ("SELECT total + 1 FROM orders LIMIT 1", true),
    ] {
        number += 1;
        scene.answers(draft);
        let answer = client.query(&format!("ask {}", fresh(number)));
        if allowed {
            assert_eq!(rows(&answer).len(), 1, "{draft}: {answer:?}");
        } else {
            assert_eq!(sqlstate(&answer), "NL004", "{draft}: {answer:?}");
            let refusal = crate::support::raw::error(&answer);
            assert!(
                refusal
                    .field(b'H')
                    .is_some_and(|h| h.contains("pg_catalog"))
                    || !draft.contains('('),
                "{refusal:?}"
            );
        }
    }
    // Without the guard, the fence stops them: the text is the client's own, and its asks are harmless.
    scene.answers("SELECT count(*) FROM orders");
    for sql in [
        "select shade.abs(1.5), * from (/* ask: how many orders */) r",
        "select * from (/* ask: how many orders */) r where 'a' = 'b'::text",
        "select lower('X'), * from (/* ask: how many orders */) r",
    ] {
        for opening in ["", "begin"] {
            client.query(opening);
            assert_eq!(sqlstate(&client.query(sql)), "25006", "{sql}");
            client.query("rollback");
        }
    }
    assert_eq!(client.value("select count(*) from touched"), "0");
    client.rows("reset search_path");
    check_usable(&mut client);
}

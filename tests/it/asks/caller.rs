//! An ask reads what its caller may read, and is shown no more than that.

use super::{QUESTION, Scene, fresh};
use crate::support::raw::{Raw, rows, sqlstate};

/// Two roles beside the owner: each sees its own rows of `notes`, and neither sees `salaries`.
const ROLES: &str = "
    create role ann login password 'ann';
    create role bob login password 'bob';
    create table notes (owner text, line text);
    comment on table notes is 'What people wrote down';
    insert into notes values ('ann', 'a1'), ('ann', 'a2'), ('bob', 'b1');
    alter table notes enable row level security;
    create policy own on notes using (owner = current_user);
    grant select on notes to ann, bob;
    create table salaries (person text, amount numeric);
    insert into salaries values ('ann', 1), ('bob', 2);
    create table half_open (open_column text, closed_column text);
    insert into half_open values ('o', 'c');
    grant select (open_column) on half_open to ann";

#[tokio::test(flavor = "multi_thread")]
async fn row_level_security_is_the_callers_own() {
    let scene = Scene::with_tables("", ROLES).await;
    scene.answers("SELECT line FROM notes ORDER BY line");
    for (role, lines) in [("ann", &["a1", "a2"][..]), ("bob", &["b1"])] {
        let mut client = scene.login(role, role);
        let lines: Vec<_> = lines
            .iter()
            .map(|line| vec![Some((*line).to_owned())])
            .collect();
        for _ in 0..2 {
            assert_eq!(client.rows(&format!("ask {QUESTION}")), lines, "{role}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_the_caller_may_not_read_is_neither_shown_nor_read() {
    let scene = Scene::with_tables("", ROLES).await;
    scene.answers("SELECT sum(amount) FROM salaries");
    let mut client = scene.login("ann", "ann");
    let refused = client.query("ask what everybody earns");
    assert_eq!(sqlstate(&refused), "NL004", "{refused:?}");
    let requests = scene.model.take_received();
    assert!(!requests.is_empty());
    let told = requests[0].told();
    assert!(told.contains("notes"), "{told}");
    for hidden in ["salaries", "customers", "closed_column"] {
        assert!(!told.contains(hidden), "{hidden} is shown: {told}");
    }
    assert_eq!(client.value("select count(*) from notes"), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_the_caller_may_not_read_is_neither_shown_nor_read() {
    let scene = Scene::with_tables("", ROLES).await;
    let mut client = scene.login("ann", "ann");
    scene.answers("SELECT closed_column FROM half_open");
    let refused = sqlstate(&client.query(&format!("ask {}", fresh(1))));
    assert!(
        ["NL004", "42501", "42703"].contains(&&*refused),
        "{refused}"
    );
    scene.answers("SELECT open_column FROM half_open");
    assert_eq!(client.value(&format!("ask {}", fresh(2))), "o");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_remembered_for_one_role_is_not_given_to_another() {
    let scene = Scene::with_tables("", ROLES).await;
    scene.answers("SELECT count(*) FROM customers");
    assert_eq!(scene.client().value(&format!("ask {QUESTION}")), "100");
    let mut client = scene.login("ann", "ann");
    let refused = client.query(&format!("ask {QUESTION}"));
    assert_eq!(sqlstate(&refused), "NL004", "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_taken_by_set_role_decides_what_is_read() {
    let scene = Scene::with_tables("", &format!("{ROLES}; grant ann to app")).await;
    scene.answers("SELECT count(*) FROM customers");
    let mut client = scene.client();
    client.rows("set role ann");
    let refused = sqlstate(&client.query(&format!("ask {QUESTION}")));
    assert!(["NL004", "42501"].contains(&&*refused), "{refused}");
    client.rows("reset role");
    assert_eq!(client.value(&format!("ask {}", fresh(1))), "100");
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_taken_away_count_at_once() {
    let scene = Scene::with_tables("", ROLES).await;
    scene.answers("SELECT line FROM notes");
    let mut client = scene.login("ann", "ann");
    assert_eq!(client.rows(&format!("ask {QUESTION}")).len(), 2);
    scene.stage.admin().rows("revoke select on notes from ann");
    let refused = sqlstate(&client.query(&format!("ask {QUESTION}")));
    assert!(["NL004", "42501"].contains(&&*refused), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_made_through_the_proxy_can_be_asked_about_at_once() {
    let scene = Scene::new("").await;
    scene.answers("SELECT count(*) FROM customers");
    let mut client = scene.client();
    client.rows(&format!("ask {QUESTION}"));
    client.rows("create table parcels (id int); insert into parcels values (1), (2)");
    scene.model.take_received();
    scene.answers("SELECT count(*) FROM parcels");
    assert_eq!(client.value("ask how many parcels are there"), "2");
    let told = scene.model.take_received()[0].told();
    assert!(told.contains("parcels"), "{told}");
}

/// Functions and an operator that the login role may not call, and that are found first once it has become `worker`.
const BEHIND_A_ROLE: &str = "
    create role worker;
    create role setter login noinherit password 's' in role worker;
    create role outsider login password 'o';
    alter role outsider set search_path = shade, half, plain, pg_catalog, public;
    grant select on customers to worker, setter, outsider;
    create schema plain;
    create schema half;
    create schema shade;
    grant usage on schema plain, half to public;
    grant usage on schema shade to worker;
    create function plain.doubled(int) returns int language sql stable as 'select 2 * $1';
    create function shade.doubled(int) returns int language sql volatile as 'select -1';
    create function plain.tripled(int) returns int language sql stable as 'select 3 * $1';
    create function half.tripled(int) returns int language sql volatile as 'select -1';
    revoke execute on function half.tripled(int) from public;
    grant execute on function half.tripled(int) to worker;
    create function shade.touch(text, text) returns boolean language plpgsql volatile as 'begin return true; end';
    create operator shade.~~ (function = shade.touch, leftarg = text, rightarg = text)";

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_may_be_set_counts_for_what_a_name_may_mean() {
    let scene = Scene::with_tables("", BEHIND_A_ROLE).await;
    let drafts = [
        ("SELECT doubled(id) FROM customers WHERE id = 4", "8"),
        ("SELECT tripled(id) FROM customers WHERE id = 4", "12"),
        ("SELECT id FROM customers WHERE name LIKE '%er 4'", "4"),
    ];
    let mut number = 0;
    let mut ask = |client: &mut Raw, draft: &str| {
        number += 1;
        scene.answers(draft);
        client.query(&format!("ask {}", fresh(number)))
    };
    let mut setter = scene.login("setter", "s");
    for set_role in ["reset role", "set role worker"] {
        setter.rows(set_role);
        setter.rows("set search_path = shade, half, plain, pg_catalog, public");
        for (draft, _) in drafts {
            let refused = ask(&mut setter, draft);
            assert_eq!(
                sqlstate(&refused),
                "NL004",
                "{set_role}: {draft}: {refused:?}"
            );
        }
        for (draft, value) in [
            ("SELECT plain.doubled(id) FROM customers WHERE id = 4", "8"),
            ("SELECT plain.tripled(id) FROM customers WHERE id = 4", "12"),
        ] {
            let answer = ask(&mut setter, draft);
            assert_eq!(
                rows(&answer),
                [[Some(value.to_owned())]],
                "{draft}: {answer:?}"
            );
        }
    }
    // For a role that can never call them they are not there.
    let mut outsider = scene.login("outsider", "o");
    for (draft, value) in drafts {
        let answer = ask(&mut outsider, draft);
        if draft.contains("tripled") {
            // The name that is found first is another's: the server says so.
            assert_eq!(sqlstate(&answer), "42501", "{draft}: {answer:?}");
        } else {
            assert_eq!(
                rows(&answer),
                [[Some(value.to_owned())]],
                "{draft}: {answer:?}"
            );
        }
    }
}

//! `ask.*` settings: SET, SHOW and RESET as for any other, and nothing of them reaches the server.

use super::{QUESTION, Scene, check_usable, fresh};
use crate::support::frames::{Frame, bind, describe_portal, execute, parse, sync};
use crate::support::raw::{notices, rows, sqlstate};

fn complete(frames: &[Frame]) -> String {
    let frame = frames.iter().find(|frame| frame.tag == b'C');
    frame.unwrap_or_else(|| panic!("{frames:?}")).render()
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_set_shown_and_reset_in_both_protocols() {
    let scene = Scene::new("").await;
    let mut client = scene.client();
    for (sql, value) in [
        ("show ask.notices", "on"),
        ("show ask.max_rows", "10000"),
        ("show ask.timeout", "30s"),
        ("show ask.provider", "auto"),
        ("show ask.context", "off"),
    ] {
        let simple = client.query(sql);
        assert_eq!(rows(&simple), [[Some(value.to_owned())]], "{sql}");
        let description = simple.iter().find(|frame| frame.tag == b'T').unwrap();
        assert_eq!(
            description.column_names(),
            [sql.trim_start_matches("show ")]
        );
        assert_eq!(complete(&simple), "C SHOW\\x00");
        let extended = client.exchange(&[
            parse("", sql, &[]),
            bind("", "", &[]),
            describe_portal(""),
            execute("", 0),
            sync(),
        ]);
        assert_eq!(
            rows(&extended),
            [[Some(value.to_owned())]],
            "{sql}: {extended:?}"
        );
    }
    for (sql, tag) in [
        ("SET ask.max_rows = 5", "SET"),
        ("set session ask.max_rows to 6", "SET"),
        ("Set Ask.Max_Rows = '7'", "SET"),
        ("reset ask.max_rows", "RESET"),
        ("set ask.max_rows to default", "SET"),
        ("set ask.notices = off;", "SET"),
    ] {
        assert_eq!(
            complete(&client.query(sql)),
            format!("C {tag}\\x00"),
            "{sql}"
        );
        let extended = client.exchange(&[
            parse("", sql, &[]),
            bind("", "", &[]),
            execute("", 0),
            sync(),
        ]);
        assert_eq!(complete(&extended), format!("C {tag}\\x00"), "{sql}");
    }
    check_usable(&mut client);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_is_not_allowed_is_22023_and_an_unknown_name_42704() {
    let scene = Scene::new("").await;
    let mut client = scene.client();
    for (sql, expected) in [
        ("set ask.max_rows = 0", "22023"),
        ("set ask.max_rows = 'all'", "22023"),
        ("set ask.timeout = 'soon'", "22023"),
        ("set ask.notices = maybe", "22023"),
        ("set ask.provider = 'nobody'", "22023"),
        ("set ask.no_such = 1", "42704"),
        ("show ask.no_such", "42704"),
        ("reset ask.no_such", "42704"),
    ] {
        let answer = client.query(sql);
        assert_eq!(sqlstate(&answer), expected, "{sql}: {answer:?}");
        let extended = client.exchange(&[
            parse("", sql, &[]),
            bind("", "", &[]),
            execute("", 0),
            sync(),
        ]);
        assert_eq!(sqlstate(&extended), expected, "{sql}: {extended:?}");
    }
    check_usable(&mut client);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_them_reaches_the_server_or_the_next_client() {
    let scene = Scene::new("[pool]\ndefault_pool_size = 1\n").await;
    let mut first = scene.client();
    first.rows("set ask.max_rows = 2");
    assert_eq!(first.rows(&format!("ask {QUESTION}")).len(), 2);
    let upstream = "select coalesce(current_setting('ask.max_rows', true), 'unheard of')";
    assert_eq!(first.value(upstream), "unheard of");
    let mut second = scene.client();
    assert_eq!(second.value("show ask.max_rows"), "10000");
    assert_eq!(second.rows(&format!("ask {QUESTION}")).len(), 3);
    assert_eq!(first.value("show ask.max_rows"), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn reset_all_discard_all_and_the_end_of_a_transaction_reach_them_too() {
    let scene = Scene::new("").await;
    let mut client = scene.client();
    for reset in ["reset all", "discard all"] {
        client.rows("set ask.max_rows = 2");
        client.rows(reset);
        assert_eq!(client.value("show ask.max_rows"), "10000", "{reset}");
    }
    client.rows("begin");
    client.rows("set local ask.max_rows = 2");
    assert_eq!(client.value("show ask.max_rows"), "2");
    client.rows("commit");
    assert_eq!(client.value("show ask.max_rows"), "10000");
}

#[tokio::test(flavor = "multi_thread")]
async fn notices_can_be_switched_off() {
    let scene = Scene::new("").await;
    let mut client = scene.client();
    assert_eq!(
        notices(&client.query(&format!("ask {}", fresh(1)))).len(),
        1
    );
    client.rows("set ask.notices = off");
    assert_eq!(notices(&client.query(&format!("ask {}", fresh(2)))), []);
    client.rows("reset ask.notices");
    assert_eq!(
        notices(&client.query(&format!("ask {}", fresh(3)))).len(),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn with_asking_off_a_question_is_nl006_and_plain_sql_goes_on() {
    let scene = Scene::new("[ask]\nenabled = false\n").await;
    let mut client = scene.client();
    for sql in [format!("ask {QUESTION}"), format!("/* ask: {QUESTION} */")] {
        assert_eq!(sqlstate(&client.query(&sql)), "NL006");
    }
    assert_eq!(scene.request_count(), 0);
    check_usable(&mut client);
}

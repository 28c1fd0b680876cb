//! `ask.*` settings: SET, SHOW and RESET as for any other, and nothing of them reaches the server.

use super::{QUESTION, Scene, check_usable, fresh};
use crate::support::frames::{Frame, bind, describe_portal, execute, parse, sync};
use crate::support::raw::{Login, Raw, notices, rows, sqlstate};
use crate::support::stage::APP;

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

/// One session through the proxy that sets `ask.max_rows`, and one straight to PostgreSQL that sets `app.max_rows`.
struct Pair {
    proxied: Raw,
    direct: Raw,
}

impl Pair {
    fn new(scene: &Scene) -> Self {
        let mut pair = Self {
            proxied: scene.client(),
            direct: scene.stage.direct(&APP).expect("a login"),
        };
        pair.proxied.rows("set ask.max_rows = 10000");
        pair.direct.rows("set app.max_rows = 10000");
        pair
    }

    /// Runs a statement in both; `@` stands for the setting's prefix. The setting is the same before and after.
    fn step(&mut self, sql: &str, extended: bool, so_far: &str) {
        let run = |client: &mut Raw, prefix: &str| {
            let sql = sql.replace('@', prefix);
            let answer = if extended && !sql.contains(';') {
                client.exchange(&[
                    parse("", sql.as_str(), &[]),
                    bind("", "", &[]),
                    execute("", 0),
                    sync(),
                ])
            } else {
                client.query(&sql)
            };
            let error = answer.iter().find(|frame| frame.tag == b'E');
            let status = answer.last().unwrap().body[0];
            (error.and_then(|e| e.field(b'C')), status, rows(&answer))
        };
        let direct = run(&mut self.direct, "app");
        let proxied = run(&mut self.proxied, "ask");
        assert_eq!(proxied, direct, "{so_far}: {sql}");
    }

    fn play(&mut self, script: &[&str], extended: bool) {
        let mut so_far = String::new();
        for sql in script {
            self.step(sql, extended, &so_far);
            so_far = format!("{so_far} {sql};");
            self.step("show @.max_rows", extended, &so_far);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_undoes_them_as_it_undoes_any_setting() {
    let scene = Scene::new("").await;
    for script in [
        &["begin", "set @.max_rows = 5", "rollback"][..],
        &["begin", "set @.max_rows = 5", "commit"],
        &["begin", "set local @.max_rows = 5", "commit"],
        &[
            "begin",
            "set local @.max_rows = 5",
            "set @.max_rows = 6",
            "commit",
        ],
        &[
            "begin",
            "set @.max_rows = 5",
            "set local @.max_rows = 6",
            "commit",
        ],
        &[
            "begin",
            "set @.max_rows = 5",
            "savepoint a",
            "set @.max_rows = 6",
            "rollback to a",
            "commit",
        ],
        &[
            "begin",
            "savepoint a",
            "set @.max_rows = 5",
            "rollback to a",
            "set @.max_rows = 6",
            "rollback to a",
            "commit",
        ],
        &[
            "begin",
            "savepoint a",
            "set local @.max_rows = 5",
            "release a",
            "commit",
        ],
        &["begin", "set @.max_rows = 5", "select 1 / 0", "rollback"],
        &["begin", "set @.max_rows = 5", "select 1 / 0", "commit"],
        &[
            "begin",
            "set @.max_rows = 5",
            "rollback to nowhere",
            "rollback",
        ],
        &[
            "begin",
            "savepoint a",
            "set @.max_rows = 5",
            "select 1 / 0",
            "rollback to a",
            "commit",
        ],
        &[
            "begin",
            "set @.max_rows = 5",
            "commit and chain",
            "set @.max_rows = 6",
            "rollback",
        ],
        &[
            "begin",
            "set @.max_rows = 5",
            "savepoint a; rollback to a",
            "commit",
        ],
        &[
            "begin",
            "savepoint a",
            "set @.max_rows = 5",
            "rollback to a; commit",
        ],
        &["begin", "set @.max_rows = 5", "commit; begin; rollback"],
        &["begin", "set @.max_rows = 5", "rollback; begin; commit"],
        &[
            "begin",
            "set @.max_rows = 5",
            "set transaction isolation level serializable",
            "commit",
        ],
        &["set local @.max_rows = 5", "set @.max_rows = 6"],
    ] {
        // SHOW of a setting of ours is a query by the extended protocol.
        let is_before_any_query = script.iter().any(|sql| sql.contains("isolation"));
        for extended in [false, true] {
            if extended && is_before_any_query {
                continue;
            }
            Pair::new(&scene).play(script, extended);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn random_transactions_leave_them_as_they_leave_any_setting() {
    const STEPS: [&str; 12] = [
        "begin",
        "commit",
        "rollback",
        "savepoint a",
        "savepoint b",
        "rollback to a",
        "rollback to b",
        "release a",
        "set @.max_rows = 5",
        "set @.max_rows = 6",
        "set local @.max_rows = 7",
        "select 1 / 0",
    ];
    let scene = Scene::new("").await;
    for seed in 1..=30_u64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let script: Vec<&str> = (0..16)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                STEPS[usize::try_from(state % 12).unwrap()]
            })
            .collect();
        Pair::new(&scene).play(&script, seed % 2 == 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_transaction_set_is_known_to_nobody_else() {
    let scene = Scene::new("[pool]\ndefault_pool_size = 1\n").await;
    let (mut first, mut second) = (scene.client(), scene.client());
    for end in ["commit", "rollback"] {
        first.rows("begin");
        first.rows("set ask.max_rows = 2");
        assert_eq!(first.rows(&format!("ask {QUESTION}")).len(), 2);
        first.rows(end);
        assert_eq!(second.value("show ask.max_rows"), "10000");
        let copy =
            "select coalesce(nullif(current_setting('pgask.ask_max_rows', true), ''), 'none')";
        assert_eq!(second.value(copy), "none");
    }
    assert_eq!(first.value("show ask.max_rows"), "2");
    // RESET ALL is undone with its transaction, and DISCARD ALL cannot be.
    first.rows("set ask.max_rows = 2");
    first.rows("begin");
    first.rows("reset all");
    assert_eq!(first.value("show ask.max_rows"), "10000");
    first.rows("rollback");
    assert_eq!(first.value("show ask.max_rows"), "2");
    first.rows("begin");
    first.rows("reset all");
    first.rows("commit");
    assert_eq!(first.value("show ask.max_rows"), "10000");
    check_usable(&mut first);
    check_usable(&mut second);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prepared_set_sets_when_it_runs() {
    let scene = Scene::new("").await;
    let mut client = scene.client();
    client.exchange(&[parse("s", "set ask.max_rows = 2", &[]), sync()]);
    assert_eq!(client.value("show ask.max_rows"), "10000");
    let run = [bind("", "s", &[]), execute("", 0), sync()];
    client.exchange(&run);
    assert_eq!(client.value("show ask.max_rows"), "2");
    client.rows("reset ask.max_rows");
    client.rows("begin");
    client.exchange(&run);
    assert_eq!(client.rows(&format!("ask {QUESTION}")).len(), 2);
    client.rows("rollback");
    assert_eq!(client.value("show ask.max_rows"), "10000");
    // One batch is one transaction.
    let failing = [
        parse("", "select 1 / 0", &[]),
        bind("", "", &[]),
        execute("", 0),
    ]
    .concat();
    client.exchange(&[bind("", "s", &[]), execute("", 0), failing, sync()]);
    assert_eq!(client.value("show ask.max_rows"), "10000");
    check_usable(&mut client);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_may_begin_with_them() {
    let scene = Scene::new("").await;
    let login = |parameters: &[(&str, &str)]| scene.stage.login(&Login { parameters, ..APP });
    let mut client = login(&[
        (
            "options",
            "-c ask.notices=off -c work_mem=1MB --ask.max-rows=7",
        ),
        ("ask.timeout", "5s"),
    ])
    .expect("a login");
    for (name, value) in [
        ("ask.notices", "off"),
        ("ask.max_rows", "7"),
        ("ask.timeout", "5s"),
        ("work_mem", "1MB"),
    ] {
        assert_eq!(client.value(&format!("show {name}")), value);
    }
    assert_eq!(notices(&client.query(&format!("ask {QUESTION}"))), []);
    client.rows("set ask.max_rows = 8");
    client.rows("reset ask.max_rows");
    assert_eq!(client.value("show ask.max_rows"), "7");
    client.rows("set ask.max_rows = 8");
    client.rows("discard all");
    assert_eq!(client.value("show ask.max_rows"), "7");
    assert_eq!(
        client.value("select coalesce(current_setting('ask.max_rows', true), 'none')"),
        "none"
    );
    let all = client.rows("show all");
    assert!(
        !all.iter()
            .any(|row| row[0].as_deref().is_some_and(|n| n.contains("ask")))
    );
    for (parameters, expected) in [
        (&[("options", "-c ask.max_rows=none")][..], "22023"),
        (&[("ask.no_such", "1")][..], "42704"),
    ] {
        let refusal = login(parameters).err().expect("a refusal");
        assert_eq!(refusal.field(b'C').as_deref(), Some(expected));
        assert_eq!(refusal.field(b'S').as_deref(), Some("FATAL"));
    }
    check_usable(&mut client);
}

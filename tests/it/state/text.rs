//! The store as text.

use std::fs;

use super::{QUESTION, Scene, client, login, pins, went_well};
use crate::support::postgres::{Postgres, SUPERUSER_PASSWORD};

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_imported_and_exported_the_same() {
    let scene = Scene::new().await;
    let proxy = scene.proxy("");
    let (mut app, mut ann) = (client(&proxy), login(&proxy, "ann", "ann"));
    app.rows("/* ask: pin \"z 'odd' \"\"name\"\"\": question 'with' \"quotes\"\nand lines */");
    app.rows(&format!("ask pin people: {QUESTION}"));
    ann.rows(&format!("ask pin people: {QUESTION}"));
    ann.rows("ask another question");
    ann.rows("ask correct: select name from customers where name like E'%\\n%'");
    app.rows("ask a third question");
    app.rows("ask good");
    let text = went_well(&scene.pgask(&["state", "export"]));
    assert_eq!(text.matches("[[pin]]").count(), 3, "{text}");
    assert_eq!(text.matches("[[feedback]]").count(), 2, "{text}");
    assert_eq!(text, went_well(&scene.pgask(&["state", "export"])));

    let file = scene.folder.path().join("export.toml");
    went_well(&scene.pgask(&["state", "export", "--file", file.to_str().unwrap()]));
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
    // Into another file, and into PostgreSQL.
    let store = Postgres::start();
    let password = SUPERUSER_PASSWORD.replace(' ', "%20");
    let url = format!(
        "postgres://postgres:{password}@127.0.0.1:{}/postgres",
        store.port()
    );
    let other = scene.folder.path().join("other.db");
    let targets: [&[(&str, &str)]; 2] = [
        &[("PGASK_STATE__PATH", other.to_str().unwrap())],
        &[
            ("PGASK_STATE__STORE", "postgres"),
            ("PGASK_STATE__URL", &url),
        ],
    ];
    for target in targets {
        let run = |arguments: &[&str]| {
            let mut command = scene.command(arguments);
            went_well(&command.envs(target.iter().copied()).output().unwrap())
        };
        for _ in 0..2 {
            run(&["state", "import", "--file", file.to_str().unwrap()]);
            assert_eq!(run(&["state", "export"]), text);
        }
        assert!(run(&["check"]).contains("3 pins, feedback on 2 questions, 1 of them corrected"));
    }
    // What was imported is what is answered.
    drop((app, ann, proxy));
    scene.answers("SELECT 0");
    let proxy = scene.proxy_with(&format!("path = '{}'", other.display()));
    let mut ann = login(&proxy, "ann", "ann");
    assert_eq!(ann.value(&format!("ask {QUESTION}")), "30");
    assert!(ann.rows("ask another question").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_proxy_takes_up_what_is_imported() {
    let scene = Scene::new().await;
    let proxy = scene.proxy("");
    let mut app = client(&proxy);
    assert_eq!(app.value(&format!("ask {QUESTION}")), "30");
    let file = scene.folder.path().join("written.toml");
    // As somebody would write it by hand: for every role, without a reading or a fingerprint.
    fs::write(
        &file,
        format!(
            "format = 1\n[[pin]]\nupstream = 'main'\ndatabase = 'app'\nname = 'people'\nquestion = '{QUESTION}'\n\
             sql = 'SELECT 42 AS n'\npinned_by = 'dba'\n\
             [[pin]]\nupstream = 'main'\ndatabase = 'app'\nname = 'bad'\nquestion = 'harm'\n\
             sql = 'DROP TABLE customers'\npinned_by = 'dba'\n"
        ),
    )
    .unwrap();
    went_well(&scene.pgask(&["state", "import", "--file", file.to_str().unwrap()]));
    super::eventually(|| (app.value(&format!("ask {QUESTION}")) == "42").then_some(()));
    // What was imported is proved like anything else.
    let (sqlstate, message) = super::refused(&mut app, "ask harm");
    assert_eq!(sqlstate, "NL004", "{message}");
    assert_eq!(pins(&mut app, "status").len(), 2);
    assert_eq!(app.value("select count(*) from customers"), "30");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_is_wrong_changes_nothing() {
    let scene = Scene::new().await;
    let proxy = scene.proxy("");
    let mut app = client(&proxy);
    app.rows(&format!("ask pin people: {QUESTION}"));
    let before = went_well(&scene.pgask(&["state", "export"]));
    let file = scene.folder.path().join("wrong.toml");
    let two = before.clone() + before.split_once("\n\n").map_or("", |(_, blocks)| blocks);
    for (text, says) in [
        ("nonsense".to_owned(), "line 1"),
        ("format = 7".to_owned(), "expected 1"),
        (before.replace("people", ""), "name: expected 1 to 63 bytes"),
        (two, "stands twice"),
        (
            before.replace("sql =", "squeal ="),
            "unknown field `squeal`",
        ),
    ] {
        fs::write(&file, text).unwrap();
        let import = scene.pgask(&["state", "import", "--file", file.to_str().unwrap()]);
        let stderr = String::from_utf8_lossy(&import.stderr).into_owned();
        assert_eq!(import.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains(says), "{says}: {stderr}");
    }
    assert_eq!(went_well(&scene.pgask(&["state", "export"])), before);
    let none = scene.pgask(&["state", "import", "--file", "/does/not/exist"]);
    assert_eq!(none.status.code(), Some(1));
}

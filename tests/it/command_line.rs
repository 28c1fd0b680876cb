//! The commands that need no running proxy: what they print, and their exit codes.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::Output;

use tokio_postgres::NoTls;

use crate::support::postgres::Postgres;
use crate::support::proxy::{command, free_port};

/// Runs the binary in an empty directory.
fn pgask(args: &[&str], env: &[(&str, &str)]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let envs = env.iter().copied();
    command()
        .args(args)
        .envs(envs)
        .current_dir(&dir)
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

#[test]
fn a_config_mistake_is_one_line_and_exit_code_2_for_every_command() {
    let env = [("PGASK_POOL__MODE", "fast")];
    for command in ["serve", "check", "config"] {
        let output = pgask(&[command, "--upstream", "postgres://s@localhost"], &env);
        assert_eq!(output.status.code(), Some(2), "{command}");
        let expect = "pgask: PGASK_POOL__MODE: pool.mode = \"fast\": expected one of auto, transaction, session\n";
        assert_eq!(stderr(&output), expect, "{command}");
        assert_eq!(stdout(&output), "", "{command}");
    }
}

#[test]
fn a_command_line_mistake_is_exit_code_2() {
    for args in [&["sreve"][..], &["--port", "1"], &["check", "--config"]] {
        let output = pgask(args, &[]);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert_eq!(stdout(&output), "", "{args:?}");
    }
}

#[test]
fn proxy_toml_in_the_working_directory_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let written = "[[upstream]]\nurl = 'postgres://svc:hunter2@db'\n";
    std::fs::write(dir.path().join("proxy.toml"), written).unwrap();
    let output = command().arg("config").current_dir(&dir).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let printed = stdout(&output);
    assert!(
        printed.contains("postgres://svc:***@db:5432/postgres"),
        "{printed}"
    );
    assert!(printed.contains("# proxy.toml:2"), "{printed}");
    assert!(!printed.contains("hunter2"), "{printed}");
}

#[tokio::test]
async fn check_says_what_it_finds_upstream() {
    let postgres = Postgres::start();
    let output = pgask(&["check", "--upstream", &postgres.url("postgres")], &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let printed = stdout(&output);
    assert!(
        printed.contains("ok      upstream main: postgres://"),
        "{printed}"
    );
    assert!(printed.contains("auth_query possible"), "{printed}");
    assert!(!printed.contains("secret"), "{printed}");
}

#[tokio::test]
async fn check_refuses_a_service_account_that_cannot_read_verifiers() {
    let postgres = Postgres::start();
    postgres.create_role("plain", "pw").await;
    let url = format!("postgres://plain:pw@127.0.0.1:{}/postgres", postgres.port());
    let output = pgask(&["check", "--upstream", &url], &[]);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    assert!(stdout(&output).contains("pg_authid"), "{}", stdout(&output));
    // Where nobody needs a verifier, there is nothing to refuse.
    let output = pgask(
        &["check", "--upstream", &url],
        &[("PGASK_AUTH__METHOD", "trust")],
    );
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));

    // Reading those two columns is all that is needed.
    let superuser: tokio_postgres::Config = postgres.url("postgres").parse().unwrap();
    let (client, connection) = superuser.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    let grant = "GRANT SELECT (rolname, rolpassword) ON pg_catalog.pg_authid TO plain";
    client.batch_execute(grant).await.unwrap();
    let output = pgask(&["check", "--upstream", &url], &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
}

#[tokio::test]
async fn a_glossary_is_checked_against_the_database() {
    let postgres = Postgres::start();
    postgres
        .execute(
            "postgres",
            "CREATE TABLE public.gizmos (id integer, price numeric)",
        )
        .await;
    let upstream = postgres.url("postgres");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("glossary.toml");
    let path = path.to_str().unwrap();
    let check = |text: &str, command: &str| {
        std::fs::write(path, text).unwrap();
        pgask(
            &[command, "--upstream", &upstream],
            &[("PGASK_ASK__GLOSSARY", path)],
        )
    };
    let fine = "[[table]]\nname = 'gizmos'\nsynonyms = ['widgets']\n\
                [[metric]]\nname = 'value'\ntable = 'gizmos'\nexpression = 'sum(price)'\n";
    let output = check(fine, "check");
    assert!(
        stdout(&output).contains("ok      glossary: 2 entries"),
        "{output:?}"
    );

    let stale = "\n[[column]]\nname = 'gizmos.prize'\nsynonyms = ['cost']\n";
    let output = check(stale, "check");
    let expect = format!("failed  glossary: {path}, line 2: no database has a column gizmos.prize");
    assert!(stdout(&output).contains(&expect), "{output:?}");
    assert_eq!(output.status.code(), Some(1));

    // What is no glossary at all stops the proxy before it listens.
    let output = check("[[tabel]]\n", "serve");
    let expect = format!("{path}, line 1: unknown field `tabel`");
    assert!(stderr(&output).contains(&expect), "{output:?}");
    assert_ne!(output.status.code(), Some(0));
}

#[test]
fn check_names_the_upstream_that_it_cannot_reach() {
    let url = format!("postgres://svc:hunter2@127.0.0.1:{}/postgres", free_port());
    let output = pgask(&["check", "--upstream", &url], &[]);
    assert_eq!(output.status.code(), Some(1));
    let printed = stdout(&output);
    assert!(printed.contains("failed  upstream main: "), "{printed}");
    assert!(printed.contains("Connection refused"), "{printed}");
    assert!(!printed.contains("hunter2"), "{printed}");
}

#[test]
fn check_asks_a_model_server_for_its_models() {
    let key = "key-of-the-model";
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let base_url = format!("http://{}/v1", server.local_addr().unwrap());
    let env = [
        ("PGASK_PROVIDER__0__NAME", "model"),
        ("PGASK_PROVIDER__0__KIND", "openai"),
        ("PGASK_PROVIDER__0__BASE_URL", &base_url),
        ("PGASK_PROVIDER__0__MODEL", "small"),
        ("PGASK_PROVIDER__0__API_KEY", "env:KEY"),
        ("KEY", key),
    ];
    let served = std::thread::spawn(move || {
        let mut requests = Vec::new();
        for body in [
            r#"{"data":[{"id":"small"}]}"#,
            r#"{"data":[{"id":"large"}]}"#,
        ] {
            let (mut socket, _) = server.accept().unwrap();
            let lines = BufReader::new(socket.try_clone().unwrap()).lines();
            let head: Vec<_> = lines
                .map(Result::unwrap)
                .take_while(|line| !line.is_empty())
                .collect();
            requests.push(head.join("\n"));
            let length = body.len();
            write!(
                socket,
                "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}"
            )
            .unwrap();
        }
        requests
    });
    let upstream = format!("postgres://svc@127.0.0.1:{}/postgres", free_port());
    for expect in [
        format!("ok      provider model: {base_url}: reached, has the model small"),
        format!("failed  provider model: {base_url}: reached, does not list the model small"),
    ] {
        let output = pgask(&["check", "--upstream", &upstream], &env);
        assert_eq!(output.status.code(), Some(1), "the upstream is not there");
        assert!(stdout(&output).contains(&expect), "{}", stdout(&output));
        assert!(!stdout(&output).contains(key), "{}", stdout(&output));
    }
    for request in served.join().unwrap() {
        assert!(request.starts_with("GET /v1/models HTTP/1.1"), "{request}");
        assert!(
            request.contains(&format!("authorization: Bearer {key}")),
            "{request}"
        );
    }
}

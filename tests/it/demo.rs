//! `pgask demo`: from nothing to a shop that can be asked, and back to nothing.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::client;
use crate::support::proxy::{command, free_port};

#[test]
fn a_taken_port_is_one_line_and_nothing_is_started() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let dir = private_tmp();
    for (flag, other) in [("--port", "--http-port"), ("--http-port", "--port")] {
        let output = command()
            .args([
                "demo",
                flag,
                &port.to_string(),
                other,
                &free_port().to_string(),
            ])
            .env("TMPDIR", dir.path())
            .output()
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(
            stderr.contains(&format!("127.0.0.1:{port}")) && stderr.contains(flag),
            "{stderr}"
        );
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn the_shop_opens_and_ctrl_c_removes_it() {
    let dir = private_tmp();
    let port = free_port();
    let http_port = free_port();
    let mut demo = Demo(
        command()
            .args(["demo", "--port", &port.to_string()])
            .args(["--http-port", &http_port.to_string()])
            .env("TMPDIR", dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let said = read_until(&mut demo.0, "Ctrl-C");
    assert!(
        said.contains(&format!("psql \"postgres://demo@127.0.0.1:{port}/shop\"")),
        "{said}"
    );

    let shop = client::connect(&client::config(port, "demo", "", "shop")).await;
    let orders = shop.value("SELECT count(*) FROM orders").await.unwrap();
    assert_eq!(orders.as_deref(), Some("18000"));
    shop.batch_execute("BEGIN; DELETE FROM reviews; ROLLBACK")
        .await
        .unwrap();
    let reviews = shop
        .value("SELECT count(*) > 0 FROM reviews")
        .await
        .unwrap();
    assert_eq!(reviews.as_deref(), Some("t"));
    let pin = "ask pin crowd: how many customers";
    assert_eq!(shop.value(pin).await.unwrap().as_deref(), Some("crowd"));
    let status = shop
        .value("select status from (/* ask: pins */) p")
        .await
        .unwrap();
    assert_eq!(status.as_deref(), Some("valid"));
    drop(shop);

    let id = demo.0.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-s", "INT", &id])
            .status()
            .unwrap()
            .success()
    );
    let mut progress = String::new();
    demo.0
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut progress)
        .unwrap();
    let status = demo.0.wait().unwrap();
    assert!(status.success(), "{status}: {progress}");
    assert!(
        progress.contains("loaded ") && progress.contains("removing "),
        "{progress}"
    );
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_demo_that_is_killed_leaves_no_server_and_no_directory() {
    let dir = private_tmp();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let mut demo = Demo(
        command()
            .args(["demo", "--port", &free_port().to_string()])
            .args(["--http-port", &free_port().to_string()])
            .env("TMPDIR", dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut progress = BufReader::new(demo.0.stderr.take().unwrap()).lines();
    progress
        .find(|line| line.as_ref().unwrap().starts_with("loading"))
        .unwrap()
        .unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    drop(demo);

    let deadline = Instant::now() + client::DEADLINE;
    while fs::read_dir(dir.path()).unwrap().count() > 0 {
        assert!(Instant::now() < deadline, "the directory is still there");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Killed when a test fails half-way.
struct Demo(Child);

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A directory for temporary files that the server's user can enter too.
fn private_tmp() -> tempfile::TempDir {
    let dir = tempfile::Builder::new().prefix("pgd").tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

/// Reads standard output up to the line that holds `end`; what is there when it ends earlier is shown.
fn read_until(child: &mut Child, end: &str) -> String {
    let mut said = String::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        said.push_str(&line.unwrap());
        said.push('\n');
        if said.contains(end) {
            return said;
        }
    }
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    panic!("the demo ended: {said}{stderr}");
}

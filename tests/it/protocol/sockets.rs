//! The Unix socket's file and its lock: PostgreSQL's rules, so that neither takes the other's socket.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::support::postgres::Postgres;
use crate::support::proxy::{self, Proxy, free_port};
use crate::support::raw::{Endpoint, Raw};
use crate::support::stage::{APP, Stage};

/// A folder, and the names in it of one port's socket and lock.
struct Place {
    folder: TempDir,
    port: u16,
    socket: PathBuf,
    lock: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let socket = folder.path().join(format!(".s.PGSQL.{port}"));
        let lock = folder.path().join(format!(".s.PGSQL.{port}.lock"));
        Self {
            folder,
            port,
            socket,
            lock,
        }
    }

    fn fragment(&self) -> String {
        fragment("127.0.0.1", self.port, self.folder.path())
    }

    /// What a proxy says that cannot start here.
    fn refusal(&self) -> String {
        refusal(&self.fragment())
    }
}

fn fragment(host: &str, port: u16, folder: &Path) -> String {
    format!(
        "[listen]\naddress = \"{host}:{port}\"\nunix_socket_dir = \"{}\"\n",
        folder.display()
    )
}

fn refusal(fragment: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("proxy.toml");
    let config = format!(
        "{fragment}[http]\naddress = \"127.0.0.1:{}\"\n[[upstream]]\nname = \"main\"\nurl = \"postgres://x@127.0.0.1:1/x\"\n",
        free_port()
    );
    fs::write(&file, config).unwrap();
    let output = proxy::command()
        .args(["serve", "--config"])
        .arg(&file)
        .output()
        .unwrap();
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The process id of somebody who has gone.
fn gone() -> u32 {
    let mut child = Command::new("true").stdin(Stdio::null()).spawn().unwrap();
    child.wait().unwrap();
    child.id()
}

#[test]
fn the_lock_is_postgresqls_and_both_files_go_with_the_proxy() {
    let place = Place::new();
    let mut stage = Stage::new(&place.fragment());
    let endpoint = Endpoint::Unix(place.socket.clone());
    let mut client = stage.eventually(|| Raw::open(&endpoint).ok());
    client.authenticate(&APP).unwrap();
    assert_eq!(client.value("select 1"), "1");
    let lock = fs::read_to_string(&place.lock).unwrap();
    let lines: Vec<&str> = lock.lines().collect();
    assert_eq!(lines[0], stage.proxy.pid().to_string());
    assert_eq!(lines[3], place.port.to_string());
    assert_eq!(lines[4], place.folder.path().display().to_string());
    assert_eq!(lines.len(), 5);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&place.socket), 0o777);
    assert_eq!(mode(&place.lock), 0o600);

    // A second one leaves the first one's files alone.
    let other_port = refusal(&fragment("127.0.0.2", place.port, place.folder.path()));
    assert!(other_port.contains("already exists"), "{other_port}");
    assert!(
        other_port.contains(&stage.proxy.pid().to_string()),
        "{other_port}"
    );
    assert_eq!(client.value("select 2"), "2");
    assert!(UnixStream::connect(&place.socket).is_ok());
    drop(client);

    stage.proxy.signal("TERM");
    assert!(stage.proxy.wait().success());
    assert_eq!(fs::read_dir(place.folder.path()).unwrap().count(), 0);
}

#[test]
fn what_a_killed_process_left_behind_is_cleared_away() {
    let place = Place::new();
    drop(UnixListener::bind(&place.socket).unwrap());
    fs::write(
        &place.lock,
        format!("{}\n/\n0\n{}\n/\n", gone(), place.port),
    )
    .unwrap();
    let mut stage = Stage::new(&place.fragment());
    let endpoint = Endpoint::Unix(place.socket.clone());
    let mut client = stage.eventually(|| Raw::open(&endpoint).ok());
    client.authenticate(&APP).unwrap();
    assert_eq!(client.value("select 1"), "1");
    // The proxy itself is killed, and its successor finds all of that.
    stage.proxy.signal("KILL");
    client.until_closed();
    stage.proxy.wait();
    assert!(place.lock.exists() && place.socket.exists());
    let successor = Proxy::start(&stage.postgres, &place.fragment());
    let mut client = stage.eventually(|| Raw::open(&endpoint).ok());
    client.authenticate(&APP).unwrap();
    drop(successor);
}

#[test]
fn a_socket_or_lock_of_somebody_else_is_left_alone() {
    let place = Place::new();
    // Not our own process id: the proxy's parent is a process that it knows.
    let mut other = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let own = other.id();
    for (lock, expected) in [
        (
            format!("{own}\n/\n0\n{}\n/\n", place.port),
            format!("process {own} uses the socket"),
        ),
        (
            format!("-{own}\n"),
            format!("process {own} uses the socket"),
        ),
        (String::new(), "is empty".to_owned()),
        (
            "nonsense\n".to_owned(),
            "bogus data in lock file".to_owned(),
        ),
        ("0\n".to_owned(), "bogus data in lock file".to_owned()),
    ] {
        fs::write(&place.lock, &lock).unwrap();
        let told = place.refusal();
        assert!(told.contains(&expected), "{told}");
        assert_eq!(fs::read_to_string(&place.lock).unwrap(), lock);
    }
    drop(other.stdin.take());
    other.wait().unwrap();
    fs::remove_file(&place.lock).unwrap();
    // Who listens without a lock keeps its socket, and no lock of ours stays behind.
    let listener = UnixListener::bind(&place.socket).unwrap();
    let told = place.refusal();
    assert!(told.contains("another process listens there"), "{told}");
    assert!(UnixStream::connect(&place.socket).is_ok());
    assert!(!place.lock.exists());
    drop(listener);
    fs::remove_file(&place.socket).unwrap();
    // What is no socket is nothing of ours.
    fs::write(&place.socket, "a letter").unwrap();
    place.refusal();
    assert_eq!(fs::read_to_string(&place.socket).unwrap(), "a letter");
}

#[test]
fn the_servers_own_socket_is_left_alone() {
    let postgres = Postgres::start();
    let told = refusal(&fragment(
        "127.0.0.2",
        postgres.port(),
        postgres.socket_dir(),
    ));
    assert!(told.contains(".lock already exists"), "{told}");
    assert!(
        UnixStream::connect(
            postgres
                .socket_dir()
                .join(format!(".s.PGSQL.{}", postgres.port()))
        )
        .is_ok()
    );
}

#[test]
fn a_folder_that_is_not_there_is_told() {
    let place = Place::new();
    let told = refusal(&fragment(
        "127.0.0.1",
        place.port,
        &place.folder.path().join("none"),
    ));
    assert!(told.contains("expected a directory that exists"), "{told}");
}

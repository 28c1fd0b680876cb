//! The real `pgask` in front of a test's PostgreSQL.

use std::fs;
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use toml::{Table, Value};

use crate::support::client::{self, Client, DEADLINE};
use crate::support::postgres::Postgres;

/// How long the harness waits before it looks again whether the proxy accepts.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// A running proxy; it gets SIGTERM when the value is dropped, and SIGKILL if that does not end it.
pub(crate) struct Proxy {
    child: Child,
    exited: Receiver<()>,
    logs: Arc<Mutex<String>>,
    port: u16,
    http_port: u16,
    /// Holds the configuration for as long as the proxy may read it again.
    _dir: TempDir,
}

impl Proxy {
    /// Starts a proxy in front of `postgres` and waits until it accepts.
    ///
    /// `fragment` is any part of a `proxy.toml`. What it leaves out is added: `[listen] address` and
    /// `[http] address` on free ports, and one `[[upstream]]` named `main` with the superuser as service account.
    pub(crate) fn start(postgres: &Postgres, fragment: &str) -> Self {
        Self::start_with_env(postgres, fragment, &[])
    }

    /// The same, with environment variables set for the proxy.
    pub(crate) fn start_with_env(
        postgres: &Postgres,
        fragment: &str,
        env: &[(&str, &str)],
    ) -> Self {
        let mut config: Table = fragment.parse().expect("the fragment is TOML");
        if !config.contains_key("upstream") {
            let mut upstream = Table::new();
            upstream.insert("name".into(), "main".into());
            upstream.insert("url".into(), postgres.url("postgres").into());
            config.insert("upstream".into(), vec![Value::Table(upstream)].into());
        }
        Self::start_config(config, env)
    }

    /// Starts a proxy with exactly this configuration, apart from missing addresses.
    pub(crate) fn start_config(mut config: Table, env: &[(&str, &str)]) -> Self {
        let port = address(&mut config, "listen");
        let http_port = address(&mut config, "http");
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("proxy.toml");
        fs::write(&file, toml::to_string(&config).unwrap()).unwrap();
        let mut child = command()
            .args(["serve", "--config"])
            .arg(&file)
            // What one test pins is no other's.
            .env("XDG_STATE_HOME", dir.path())
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (logs, exited) = collect_logs(&mut child);
        let proxy = Self {
            child,
            exited,
            logs,
            port,
            http_port,
            _dir: dir,
        };
        proxy.wait_until_it_accepts();
        proxy
    }

    /// The TCP port on 127.0.0.1 that clients connect to.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub(crate) fn http_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.http_port)
    }

    /// Connects as `role` through the proxy.
    pub(crate) async fn connect(&self, role: &str, password: &str, database: &str) -> Client {
        client::connect(&client::config(self.port, role, password, database)).await
    }

    /// Everything the proxy has logged so far.
    pub(crate) fn logs(&self) -> String {
        self.logs.lock().unwrap().clone()
    }

    /// The value of a metric without labels.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let (status, body) = self.get("/metrics");
        assert_eq!(status, 200, "{body}");
        let line = body.lines().find(|l| l.split(' ').next() == Some(name));
        let value = line.and_then(|l| l.split(' ').nth(1));
        value
            .unwrap_or_else(|| panic!("no {name} in\n{body}"))
            .parse()
            .unwrap()
    }

    /// The status and the body of a page.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        let url = self.http_url();
        let host = url.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(host).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The highest resident memory so far in bytes; `None` where there is no `/proc`.
    pub(crate) fn rss_bytes_peak(&self) -> Option<u64> {
        self.status_bytes("VmHWM:")
    }

    /// Sends a signal by name, for example `HUP`.
    pub(crate) fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Waits for the process to end by itself, and returns how it ended.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        match self.exited.recv_timeout(DEADLINE) {
            Err(RecvTimeoutError::Timeout) => panic!("pgask does not end:\n{}", self.logs()),
            _ => self.child.wait().unwrap(),
        }
    }

    fn status_bytes(&self, field: &str) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
        let line = status.lines().find_map(|l| l.strip_prefix(field))?;
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
        Some(kilobytes * 1024)
    }

    fn wait_until_it_accepts(&self) {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let start = Instant::now();
        while TcpStream::connect_timeout(&address, DEADLINE).is_err() {
            let ended = self.exited.recv_timeout(POLL_INTERVAL);
            assert!(
                matches!(ended, Err(RecvTimeoutError::Timeout)) && start.elapsed() < DEADLINE,
                "pgask does not accept connections:\n{}",
                self.logs()
            );
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            signal(&self.child, "TERM");
            if let Err(RecvTimeoutError::Timeout) = self.exited.recv_timeout(DEADLINE) {
                let _ = self.child.kill();
            }
            let _ = self.child.wait();
        }
        // Shown by the test runner for a test that failed, and by no other.
        eprint!("{}", self.logs());
    }
}

/// The built binary, in an environment where nothing configures it by accident.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pgask"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("PGASK_") || name.starts_with("PG") || name == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    command.env_remove("STATE_DIRECTORY");
    command.env("XDG_STATE_HOME", env!("CARGO_TARGET_TMPDIR"));
    command
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    // The system may give one twice in a row, and a proxy wants two.
    static GIVEN: Mutex<Vec<u16>> = Mutex::new(Vec::new());
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        if !given.contains(&port) {
            given.push(port);
            return port;
        }
    }
}

/// The port of `[section] address`, which is given a free one when it is missing.
fn address(config: &mut Table, section: &str) -> u16 {
    let table = config
        .entry(section)
        .or_insert_with(|| Value::Table(Table::new()))
        .as_table_mut()
        .expect("the section is a table");
    let address = table
        .entry("address")
        .or_insert_with(|| format!("127.0.0.1:{}", free_port()).into());
    let (_, port) = address.as_str().unwrap().rsplit_once(':').unwrap();
    port.parse().unwrap()
}

/// The log goes to a buffer; the channel closes when the process has closed its standard error, that is, ended.
fn collect_logs(child: &mut Child) -> (Arc<Mutex<String>>, Receiver<()>) {
    let logs = Arc::new(Mutex::new(String::new()));
    let (alive, exited) = channel();
    let stderr = child.stderr.take().unwrap();
    let kept = Arc::clone(&logs);
    std::thread::spawn(move || {
        let _alive = alive;
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let mut logs = kept.lock().unwrap();
            logs.push_str(&line);
            logs.push('\n');
        }
    });
    (logs, exited)
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill")
        .args(["-s", name, &child.id().to_string()])
        .status()
        .unwrap();
    assert!(status.success(), "kill -s {name} failed");
}

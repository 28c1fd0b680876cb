//! What ties a server connection to its session, and what lets it go again. Most tests have a pool of one connection
//! and two clients: the second one waits for as long as the first one is pinned.

mod causes;
mod endings;
mod notify;
mod prepares;
mod sequences;
mod unpinning;

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use crate::support::frames::{Frame, query};
use crate::support::proxy::Proxy;
use crate::support::raw::{Raw, rows};
use crate::support::stage::Stage;

/// How long somebody who must wait is watched for an answer that must not come.
const WATCHED_FOR: Duration = Duration::from_millis(100);

/// A pool of one connection, and a log that tells of pins.
fn stage() -> Stage {
    Stage::new("[pool]\ndefault_pool_size = 1\n[log]\nlevel = \"debug\"\n")
}

/// Whether the client keeps the only connection: a neighbour is not served. It is handed back with its question
/// still open.
fn keeps_its_connection(stage: &Stage) -> Option<Waiting> {
    let mut neighbour = stage.client();
    neighbour.send(&query("select 'served'"));
    if neighbour.is_answered_within(WATCHED_FOR) {
        neighbour.until_ready();
        return None;
    }
    Some(Waiting(neighbour))
}

/// A client that waits for a connection.
struct Waiting(Raw);

impl Waiting {
    fn must_be_served(mut self) {
        let answer = self.0.until_ready();
        assert_eq!(rows(&answer), [[Some("served".to_owned())]]);
    }

    fn still_waits(&self) -> bool {
        !self.0.is_answered_within(WATCHED_FOR)
    }
}

/// One number of a proxy's, by the beginning of its line.
fn counted(proxy: &Proxy, name: &str) -> u64 {
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
        .find_map(|line| line.strip_prefix(name)?.parse().ok())
        .unwrap_or(0)
}

/// How often something was pinned for this cause.
fn pins(proxy: &Proxy, cause: &str) -> u64 {
    counted(proxy, &format!("pgask_pins_total{{cause=\"{cause}\"}} "))
}

/// What two sessions that did the same must agree on.
fn rendered(frames: &[Frame]) -> Vec<String> {
    frames.iter().map(Frame::render).collect()
}

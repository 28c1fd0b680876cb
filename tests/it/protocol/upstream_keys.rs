//! A server that plays by a script: keys of any length, cancels that it takes late or never.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::support::frames::{self, Frame, frame, query};
use crate::support::proxy::Proxy;
use crate::support::raw::{self, Endpoint, Raw};
use crate::support::stage::APP;

const CANCEL_REQUEST: [u8; 4] = 80_877_102_u32.to_be_bytes();

/// A scripted server; its threads end with the connections.
pub(super) struct Fake {
    port: u16,
    /// The body of every CancelRequest behind its code, with its socket still open.
    cancels: Mutex<Receiver<(Vec<u8>, TcpStream)>>,
    /// The SQL of every Query that has arrived.
    queries: Mutex<Receiver<Vec<u8>>>,
}

/// One connection to it.
pub(super) struct Connection {
    stream: TcpStream,
    /// The StartupMessage's body.
    pub(super) startup: Vec<u8>,
    /// How many connections came before it.
    pub(super) number: usize,
    arrived: Sender<Vec<u8>>,
}

/// ReadyForQuery outside of a transaction.
pub(super) fn ready() -> Vec<u8> {
    frame(b'Z', b"I")
}

impl Fake {
    /// Plays `script` for every connection that is no cancel.
    pub(super) fn start(script: impl Fn(Connection) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (cancelled, cancels) = channel();
        let (arrived, queries) = channel();
        let script = Arc::new(script);
        thread::spawn(move || {
            let mut number = 0;
            for stream in listener.incoming().map_while(Result::ok) {
                number += accept(stream, number, (&cancelled, &arrived), &script);
            }
        });
        Self {
            port,
            cancels: Mutex::new(cancels),
            queries: Mutex::new(queries),
        }
    }

    /// A proxy in front of it that asks nobody for a password and reads no catalog.
    pub(super) fn proxy(&self, pool: &str) -> Proxy {
        let config = format!(
            "[auth]\nmethod = \"trust\"\n[pool]\nmode = \"transaction\"\n{pool}\n\
             [[upstream]]\nname = \"main\"\nurl = \"postgres://postgres@127.0.0.1:{}/postgres\"\n",
            self.port
        );
        Proxy::start_config(config.parse().unwrap(), &[])
    }

    /// The port on 127.0.0.1.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn client(&self, proxy: &Proxy) -> Raw {
        Raw::login(&Endpoint::local(proxy.port()), &APP).unwrap()
    }

    /// Waits until this SQL has arrived.
    fn until_query(&self, sql: &str) {
        let queries = self.queries.lock().unwrap();
        loop {
            let found = queries.recv_timeout(Duration::from_secs(30)).expect(sql);
            if found.strip_suffix(b"\0") == Some(sql.as_bytes()) {
                return;
            }
        }
    }

    /// The next CancelRequest.
    fn cancel(&self) -> Cancel {
        let cancels = self.cancels.lock().unwrap();
        cancels
            .recv_timeout(Duration::from_secs(30))
            .expect("a CancelRequest")
    }
}

/// A CancelRequest behind its code, and the connection that it came on.
type Cancel = (Vec<u8>, TcpStream);

/// Reads the first packet; how many sessions have begun.
fn accept(
    mut stream: TcpStream,
    number: usize,
    (cancelled, arrived): (&Sender<Cancel>, &Sender<Vec<u8>>),
    script: &Arc<impl Fn(Connection) + Send + Sync + 'static>,
) -> usize {
    let mut length = [0; 4];
    if stream.read_exact(&mut length).is_err() {
        return 0;
    }
    let mut body = vec![0; u32::from_be_bytes(length) as usize - 4];
    if stream.read_exact(&mut body).is_err() {
        return 0;
    }
    if body.starts_with(&CANCEL_REQUEST) {
        let _ = cancelled.send((body[4..].to_vec(), stream));
        return 0;
    }
    let (script, arrived) = (Arc::clone(script), arrived.clone());
    thread::spawn(move || {
        script(Connection {
            stream,
            startup: body,
            number,
            arrived,
        });
    });
    1
}

impl Connection {
    pub(super) fn send(&mut self, bytes: &[u8]) {
        // The proxy may have gone with its test.
        let _ = self.stream.write_all(bytes);
    }

    /// Lets the client in under this process id and secret.
    pub(super) fn greet(&mut self, process_id: i32, key: &[u8]) {
        let key = [&process_id.to_be_bytes(), key].concat();
        self.send(
            &[
                frame(b'R', &[0; 4]),
                frame(b'S', b"server_version\x0015.0\0"),
                frame(b'S', b"application_name\0\0"),
                frame(b'K', &key),
                ready(),
            ]
            .concat(),
        );
    }

    /// The next message, if there is one.
    pub(super) fn read(&mut self) -> Option<Frame> {
        let mut header = [0; 5];
        self.stream.read_exact(&mut header).ok()?;
        let [tag, length @ ..] = header;
        let mut body = vec![0; u32::from_be_bytes(length) as usize - 4];
        self.stream.read_exact(&mut body).ok()?;
        if tag == b'Q' {
            // The test may have no eye for it.
            let _ = self.arrived.send(body.clone());
        }
        Some(Frame { tag, body })
    }
}

fn row(value: &str) -> Vec<u8> {
    let length = u32::try_from(value.len()).unwrap().to_be_bytes();
    let row = [&[0, 1][..], &length, value.as_bytes()].concat();
    let column = [
        &[0, 1][..],
        b"v\0",
        &[0; 6],
        &[0, 0, 0, 25],
        &[255; 6],
        &[0, 0],
    ]
    .concat();
    [
        frame(b'T', &column),
        frame(b'D', &row),
        frame(b'C', b"SELECT 1\0"),
        ready(),
    ]
    .concat()
}

fn cancelled() -> Vec<u8> {
    let error = frame(
        b'E',
        b"SERROR\0VERROR\0C57014\0Mcanceling statement due to user request\0\0",
    );
    [error, ready()].concat()
}

/// Answers `number` with the connection's number and anything else only when the test says so.
fn numbered(go_on: &Arc<Mutex<Receiver<Vec<u8>>>>) -> impl Fn(Connection) + Send + Sync + use<> {
    let go_on = Arc::clone(go_on);
    move |mut connection: Connection| {
        let number = connection.number;
        connection.greet(100 + i32::try_from(number).unwrap(), b"key");
        while let Some(message) = connection.read() {
            if message.tag != b'Q' {
                continue;
            }
            let answer = if message.body == b"number\0" {
                row(&number.to_string())
            } else if message.body == b"wait\0" {
                go_on.lock().unwrap().recv().unwrap_or_default()
            } else {
                [frame(b'C', b"SET\0"), ready()].concat()
            };
            connection.send(&answer);
        }
    }
}

/// Sends a CancelRequest and leaves its socket open.
fn cancel(proxy: &Proxy, key: &[u8]) -> Raw {
    let mut canceller = Raw::open(&Endpoint::local(proxy.port())).unwrap();
    canceller.send(&frames::cancel_request(key));
    canceller
}

#[test]
fn a_servers_key_of_any_length_comes_back_in_the_cancel() {
    for length in [1, 4, 5, 32, 255, 256] {
        let key: Vec<u8> = (0..length)
            .map(|i| u8::try_from(i % 251).unwrap())
            .collect();
        let given = key.clone();
        let (go, wait) = channel::<()>();
        let wait = Mutex::new(wait);
        let fake = Fake::start(move |mut connection| {
            assert_eq!(connection.startup[..4], [0, 3, 0, 0], "protocol 3.0");
            // A server may find something to negotiate all the same.
            connection.send(&frame(b'v', b"\0\x03\0\0\0\0\0\0"));
            connection.greet(-7, &given);
            while let Some(message) = connection.read() {
                if message.tag == b'Q' {
                    let _ = wait.lock().unwrap().recv();
                    connection.send(&cancelled());
                }
            }
        });
        let proxy = fake.proxy("");
        let mut client = fake.client(&proxy);
        assert_eq!(client.key.len(), 8);
        client.send(&query("select 1"));
        fake.until_query("select 1");
        let mut canceller = cancel(&proxy, &client.key);
        let (body, socket) = fake.cancel();
        assert_eq!(body, [&(-7_i32).to_be_bytes()[..], &key].concat());
        // The canceller learns that the cancel was taken by the end of its connection, not earlier.
        assert!(!canceller.is_answered_within(Duration::from_millis(50)));
        drop(socket);
        assert_eq!(canceller.until_closed(), []);
        go.send(()).unwrap();
        assert_eq!(raw::sqlstate(&client.until_ready()), "57014");
    }
}

#[test]
fn a_key_that_is_too_long_is_no_key() {
    let fake = Fake::start(|mut connection| {
        connection.greet(1, &[7; 257]);
        while connection.read().is_some() {}
    });
    let proxy = fake.proxy("");
    let refused = Raw::login(&Endpoint::local(proxy.port()), &APP);
    assert_eq!(refused.err().unwrap().field(b'C').unwrap(), "08006");
}

#[test]
fn nobody_gets_a_connection_while_a_cancel_is_on_its_way_to_it() {
    let (go, wait) = channel();
    let wait = Arc::new(Mutex::new(wait));
    let fake = Fake::start(numbered(&wait));
    let proxy = fake.proxy("default_pool_size = 2");
    let mut one = fake.client(&proxy);
    one.send(&query("wait"));
    fake.until_query("wait");
    let mut canceller = cancel(&proxy, &one.key);
    let (target, socket) = fake.cancel();
    // The query ends by itself, before the server has taken the cancel.
    go.send(row("done")).unwrap();
    one.until_ready();
    let held = i32::from_be_bytes(target[..4].try_into().unwrap()) - 100;
    // The same client, and others, run on the other connection only, however often they take and leave it.
    let mut two = fake.client(&proxy);
    for _ in 0..20 {
        for client in [&mut one, &mut two] {
            let number: i32 = client.value("number").parse().unwrap();
            assert_ne!(number, held, "the cancel would hit a stranger");
        }
    }
    // A second cancel, for the same client on its next connection, holds that one up as well; not the first instead.
    one.send(&query("wait"));
    fake.until_query("wait");
    let mut second = cancel(&proxy, &one.key);
    let (other, second_socket) = fake.cancel();
    assert_ne!(other[..4], target[..4]);
    go.send(row("done")).unwrap();
    one.until_ready();
    two.send(&query("number"));
    assert!(!two.is_answered_within(Duration::from_millis(200)));
    drop(socket);
    assert_eq!(canceller.until_closed(), []);
    let answer = raw::rows(&two.until_ready());
    assert_eq!(answer, [[Some(held.to_string())]]);
    drop(second_socket);
    assert_eq!(second.until_closed(), []);
}

#[test]
fn a_connection_is_never_used_again_when_nobody_knows_whether_its_cancel_was_taken() {
    let (go, wait) = channel();
    let wait = Arc::new(Mutex::new(wait));
    let fake = Fake::start(numbered(&wait));
    // Where the canceller's own time is up, the cancel is still on its way.
    let proxy = fake.proxy("default_pool_size = 1\n[listen]\nlogin_timeout = \"2s\"");
    let mut one = fake.client(&proxy);
    let first = one.value("number");
    one.send(&query("wait"));
    fake.until_query("wait");
    let mut canceller = cancel(&proxy, &one.key);
    let (_, socket) = fake.cancel();
    assert_eq!(canceller.until_closed(), []);
    go.send(row("done")).unwrap();
    one.until_ready();
    one.send(&query("number"));
    if one.is_answered_within(Duration::from_millis(500)) {
        panic!("who answers? {:?}\n{}", one.until_ready(), proxy.logs());
    }
    // The server never says that it has taken it: the proxy gives up, and the connection with it.
    let answer = raw::rows(&one.until_ready());
    assert_ne!(answer, [[Some(first)]], "a new connection");
    drop(socket);
}

#[test]
fn cancels_of_one_query_travel_together() {
    let (go, wait) = channel();
    let wait = Arc::new(Mutex::new(wait));
    let fake = Fake::start(numbered(&wait));
    let proxy = fake.proxy("");
    let mut client = fake.client(&proxy);
    client.send(&query("wait"));
    fake.until_query("wait");
    let mut cancellers: Vec<Raw> = (0..50).map(|_| cancel(&proxy, &client.key)).collect();
    let (_, first) = fake.cancel();
    assert!(!cancellers[49].is_answered_within(Duration::from_millis(300)));
    drop(first);
    let (_, second) = fake.cancel();
    drop(second);
    for canceller in &mut cancellers {
        assert_eq!(canceller.until_closed(), []);
    }
    let more = fake.cancels.lock().unwrap().try_iter().count();
    assert!(more <= 1, "{more} more");
    go.send(cancelled()).unwrap();
    assert_eq!(raw::sqlstate(&client.until_ready()), "57014");
}

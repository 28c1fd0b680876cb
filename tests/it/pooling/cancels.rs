//! A cancel on its way to a server connection keeps it from everybody else.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use crate::support::frames::{self, query};
use crate::support::postgres::SUPERUSER_PASSWORD;
use crate::support::proxy::{Proxy, free_port};
use crate::support::raw::{Raw, rows, sqlstate};
use crate::support::stage::{APP, Stage, prepared};

/// A wire to PostgreSQL on which a CancelRequest stays until it is let go.
struct SlowCancels {
    port: u16,
    /// Tells that a CancelRequest has come.
    held: Receiver<()>,
    /// Lets one go: on to the server, or nowhere.
    let_go: Sender<bool>,
}

impl SlowCancels {
    fn new(target: u16) -> Self {
        let port = free_port();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        let (tell_held, held) = channel();
        let (let_go, gone) = channel::<bool>();
        let gone = std::sync::Arc::new(std::sync::Mutex::new(gone));
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (tell_held, gone) = (tell_held.clone(), gone.clone());
                std::thread::spawn(move || relay(client, target, &tell_held, &gone));
            }
        });
        Self { port, held, let_go }
    }

    fn until_held(&self) {
        self.held
            .recv_timeout(Duration::from_secs(30))
            .expect("a CancelRequest");
    }
}

/// Relays a connection; one whose first packet is a CancelRequest waits first.
fn relay(
    mut client: TcpStream,
    target: u16,
    tell_held: &Sender<()>,
    gone: &std::sync::Mutex<Receiver<bool>>,
) {
    let mut first = [0; 8];
    if client.read_exact(&mut first).is_err() {
        return;
    }
    let is_cancel = first[4..] == 80_877_102_u32.to_be_bytes();
    if is_cancel {
        let _ = tell_held.send(());
        if gone.lock().unwrap().recv() != Ok(true) {
            return;
        }
    }
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).unwrap();
    server.set_nodelay(true).unwrap();
    client.set_nodelay(true).unwrap();
    server.write_all(&first).unwrap();
    let (mut from_server, mut to_client) =
        (server.try_clone().unwrap(), client.try_clone().unwrap());
    let back = std::thread::spawn(move || {
        let _ = std::io::copy(&mut from_server, &mut to_client);
        let _ = to_client.shutdown(std::net::Shutdown::Both);
    });
    let _ = std::io::copy(&mut client, &mut server);
    let _ = server.shutdown(std::net::Shutdown::Both);
    let _ = back.join();
}

struct Scene {
    stage: Stage,
    wire: SlowCancels,
}

impl Scene {
    fn new(pool_size: u32) -> Self {
        let postgres = prepared();
        let wire = SlowCancels::new(postgres.port());
        let proxy = Proxy::start(
            &postgres,
            &format!(
                "[pool]\ndefault_pool_size = {pool_size}\n[[upstream]]\nname = \"main\"\n\
                 url = \"postgres://postgres:{}@127.0.0.1:{}/postgres\"\n",
                SUPERUSER_PASSWORD.replace(' ', "%20"),
                wire.port
            ),
        );
        Self {
            stage: Stage { proxy, postgres },
            wire,
        }
    }

    fn client(&self) -> Raw {
        self.stage.client()
    }

    /// Has a client run something that ends before the CancelRequest for it has arrived; the backend, and the
    /// connection that the CancelRequest was sent on.
    fn cancel_late(&self, client: &mut Raw) -> (Option<String>, Raw) {
        client.send(&query("select pg_sleep(1), pg_backend_pid()"));
        self.stage.wait_for_backends(1, "state = 'active'");
        let mut canceller = Raw::open(&self.stage.endpoint()).unwrap();
        canceller.send(&frames::cancel_request(&client.key));
        self.wire.until_held();
        (rows(&client.until_ready())[0][1].clone(), canceller)
    }
}

#[test]
fn a_connection_goes_to_nobody_while_a_cancel_is_on_its_way_to_it() {
    let scene = Scene::new(1);
    let mut cancelling = scene.client();
    let (backend, mut canceller) = scene.cancel_late(&mut cancelling);
    let mut other = scene.client();
    other.send(&query("select pg_sleep(0.5), pg_backend_pid()"));
    assert!(!other.is_answered_within(Duration::from_millis(700)));
    scene.wire.let_go.send(true).unwrap();
    canceller.until_closed();
    assert_eq!(rows(&other.until_ready())[0][1], backend);
}

#[test]
fn two_connections_may_wait_for_cancels_of_one_session_at_once() {
    let scene = Scene::new(2);
    let mut cancelling = scene.client();
    let (first, mut first_canceller) = scene.cancel_late(&mut cancelling);
    let (second, mut second_canceller) = scene.cancel_late(&mut cancelling);
    assert_ne!(first, second);
    let mut other = scene.client();
    other.send(&query("select pg_sleep(0.5)"));
    assert!(!other.is_answered_within(Duration::from_millis(700)));
    scene.wire.let_go.send(true).unwrap();
    scene.wire.let_go.send(true).unwrap();
    first_canceller.until_closed();
    second_canceller.until_closed();
    assert_eq!(rows(&other.until_ready()).len(), 1);
}

#[test]
fn a_connection_is_closed_when_nobody_knows_whether_a_cancel_will_reach_it() {
    let scene = Scene::new(1);
    let mut cancelling = scene.client();
    let (backend, canceller) = scene.cancel_late(&mut cancelling);
    // The wire to the server breaks, with the cancel sent and not acknowledged.
    scene.wire.let_go.send(false).unwrap();
    drop(canceller);
    let mut other = scene.client();
    assert_ne!(Some(other.backend()), backend);
}

#[test]
fn a_stranger_is_never_hit_however_the_cancels_fall() {
    let stage = Stage::new("[pool]\ndefault_pool_size = 2\n");
    let endpoint = stage.endpoint();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            let endpoint = &endpoint;
            scope.spawn(move || {
                let mut client = Raw::login(endpoint, &APP).expect("a login");
                for _ in 0..60 {
                    client.send(&query("select pg_sleep(0.001)"));
                    let mut canceller = Raw::open(endpoint).unwrap();
                    canceller.send(&frames::cancel_request(&client.key));
                    let answer = client.until_ready();
                    if answer.iter().any(|frame| frame.tag == b'E') {
                        assert_eq!(sqlstate(&answer), "57014");
                    }
                    canceller.until_closed();
                }
            });
        }
        for _ in 0..3 {
            let endpoint = &endpoint;
            scope.spawn(move || {
                let mut stranger = Raw::login(endpoint, &APP).expect("a login");
                for round in 0..200 {
                    let sum = format!("select count(*) + {round} from generate_series(1, 2000)");
                    assert_eq!(stranger.value(&sum), (2000 + round).to_string());
                }
            });
        }
    });
    assert_eq!(stage.client().value("select 'served'"), "served");
}

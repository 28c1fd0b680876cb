//! A wire to the server that breaks messages into pieces, adds some of its own, and ends where no end should be: nobody
//! is handed a connection of which not everything is known.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use crate::support::frames::query;
use crate::support::postgres::SUPERUSER_PASSWORD;
use crate::support::proxy::{Proxy, free_port};
use crate::support::raw::Raw;
use crate::support::stage::{Stage, prepared};

/// What the wire does to the connections of the role `app`.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Nothing.
    None,
    /// Each byte travels by itself.
    Bytewise,
    /// Half a NoticeResponse comes with each ReadyForQuery, and the rest a while later.
    HalfNotice,
    /// A farewell comes with the next ReadyForQuery, and then the end.
    Farewell,
    /// Half a farewell comes with the next ReadyForQuery, and then the end.
    HalfFarewell,
    /// The next ReadyForQuery breaks off in the middle.
    HalfReady,
}

const FAULTS: [Fault; 6] = [
    Fault::None,
    Fault::Bytewise,
    Fault::HalfNotice,
    Fault::Farewell,
    Fault::HalfFarewell,
    Fault::HalfReady,
];

/// How long after its first half the second comes.
const A_WHILE: Duration = Duration::from_millis(150);

struct Scene {
    stage: Stage,
    fault: Arc<AtomicU8>,
}

impl Scene {
    fn new(pool_size: u32) -> Self {
        let postgres = prepared();
        let port = free_port();
        let fault = Arc::new(AtomicU8::new(Fault::None as u8));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        let (target, chosen) = (postgres.port(), fault.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let chosen = chosen.clone();
                std::thread::spawn(move || relay(client, target, &chosen));
            }
        });
        let fragment = format!(
            "[pool]\ndefault_pool_size = {pool_size}\n[[upstream]]\nname = \"main\"\n\
             url = \"postgres://postgres:{}@127.0.0.1:{port}/postgres\"\n",
            SUPERUSER_PASSWORD.replace(' ', "%20"),
        );
        let proxy = Proxy::start(&postgres, &fragment);
        Self {
            stage: Stage { proxy, postgres },
            fault,
        }
    }

    fn choose(&self, fault: Fault) {
        self.fault.store(fault as u8, Ordering::SeqCst);
    }
}

/// Relays a connection until either side ends it.
fn relay(mut client: TcpStream, target: u16, chosen: &AtomicU8) -> Option<()> {
    let mut startup = [0; 4];
    client.read_exact(&mut startup).ok()?;
    let length = usize::try_from(u32::from_be_bytes(startup)).ok()?;
    let mut startup = [startup.to_vec(), vec![0; length - 4]].concat();
    client.read_exact(&mut startup[4..]).ok()?;
    let is_app = startup.windows(9).any(|bytes| bytes == b"user\0app\0");
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).ok()?;
    server.set_nodelay(true).ok()?;
    client.set_nodelay(true).ok()?;
    server.write_all(&startup).ok()?;
    let (mut from_server, mut to_client) = (server.try_clone().ok()?, client.try_clone().ok()?);
    let fault = if is_app { Some(chosen) } else { None };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _ = backwards(&mut from_server, &mut to_client, fault);
            let _ = to_client.shutdown(Shutdown::Both);
            let _ = from_server.shutdown(Shutdown::Both);
        });
        let _ = io::copy(&mut client, &mut server);
        let _ = server.shutdown(Shutdown::Both);
    });
    Some(())
}

/// Server to client, message by message.
fn backwards(
    from: &mut TcpStream,
    to: &mut TcpStream,
    chosen: Option<&AtomicU8>,
) -> io::Result<()> {
    let mut is_greeted = false;
    loop {
        let mut frame = vec![0; 5];
        from.read_exact(&mut frame)?;
        let length = u32::from_be_bytes([frame[1], frame[2], frame[3], frame[4]]);
        frame.resize(usize::try_from(length).unwrap() + 1, 0);
        from.read_exact(&mut frame[5..])?;
        let fault = match chosen {
            Some(chosen) if is_greeted => FAULTS[usize::from(chosen.load(Ordering::SeqCst))],
            _ => Fault::None,
        };
        let is_end = frame[0] == b'Z' && frame[5] == b'I';
        is_greeted |= is_end;
        match fault {
            Fault::Bytewise => frame.chunks(1).try_for_each(|byte| to.write_all(byte))?,
            Fault::HalfNotice if is_end => {
                let notice = message(b'N', "NOTICE", "00000", "in two halves");
                let (first, rest) = notice.split_at(7);
                to.write_all(&[&frame, first].concat())?;
                std::thread::sleep(A_WHILE);
                to.write_all(rest)?;
            }
            Fault::Farewell | Fault::HalfFarewell if is_end => {
                let farewell = message(b'E', "FATAL", "57P01", "this is the end");
                let until = if fault == Fault::Farewell {
                    farewell.len()
                } else {
                    7
                };
                to.write_all(&[&frame, &farewell[..until]].concat())?;
                return Ok(());
            }
            Fault::HalfReady if is_end => {
                to.write_all(&frame[..3])?;
                return Ok(());
            }
            _ => to.write_all(&frame)?,
        }
    }
}

/// An ErrorResponse or a NoticeResponse.
fn message(tag: u8, severity: &str, sqlstate: &str, text: &str) -> Vec<u8> {
    let body = format!("S{severity}\0V{severity}\0C{sqlstate}\0M{text}\0\0");
    crate::support::frames::frame(tag, body.as_bytes())
}

#[test]
fn messages_that_come_byte_by_byte_are_as_good_as_whole_ones() {
    let scene = Scene::new(1);
    let (mut first, mut second) = (scene.stage.client(), scene.stage.client());
    scene.choose(Fault::Bytewise);
    for round in 0..10 {
        for client in [&mut first, &mut second] {
            let sql = format!("select repeat('x', 100), {round}");
            assert_eq!(client.rows(&sql)[0][1], Some(round.to_string()));
            assert_eq!(client.error("select 1/0").field(b'C').unwrap(), "22012");
        }
    }
}

#[test]
fn a_connection_with_half_a_message_on_it_goes_to_nobody() {
    let scene = Scene::new(1);
    let (mut first, mut second) = (scene.stage.client(), scene.stage.client());
    first.rows("select 1");
    scene.choose(Fault::HalfNotice);
    for round in 0..5 {
        for client in [&mut first, &mut second] {
            client.send(&query(format!("select {round}")));
            let seen = client.until_ready();
            let row = seen.iter().find(|frame| frame.tag == b'D').expect("a row");
            assert_eq!(row.columns(), [Some(round.to_string())]);
            // It is for the session whose transaction it came with.
            let notice = client.read();
            assert_eq!(notice.field(b'M').as_deref(), Some("in two halves"));
        }
    }
}

#[test]
fn a_session_that_ends_with_half_a_message_on_its_connection_leaves_a_good_one() {
    let scene = Scene::new(1);
    for is_killed in [false, true] {
        let mut ending = scene.stage.client();
        scene.choose(Fault::HalfNotice);
        ending.rows("select 1");
        scene.choose(Fault::None);
        if is_killed {
            ending.kill();
        } else {
            ending.send(&crate::support::frames::terminate());
        }
        let mut next = scene.stage.client();
        assert_eq!(next.value("select 'served'"), "served");
    }
}

/// Has the server's side end with the answer to a statement; what the client sees of it, up to its own end.
fn ended_by(fault: Fault) {
    let scene = Scene::new(1);
    let mut doomed = scene.stage.client();
    doomed.rows("select 1");
    scene.choose(fault);
    doomed.send(&query("select 2"));
    let seen = doomed.until_closed();
    scene.choose(Fault::None);
    let row = seen.iter().find(|frame| frame.tag == b'D').expect("a row");
    assert_eq!(row.columns(), [Some("2".to_owned())], "{fault:?}");
    let last = seen.last().unwrap();
    let expected = match fault {
        Fault::Farewell => "57P01",
        _ => "08006",
    };
    assert_eq!(last.field(b'C').as_deref(), Some(expected), "{seen:?}");
    let ends = seen.iter().filter(|frame| frame.tag == b'E').count();
    assert_eq!(ends, 1, "{seen:?}");
    let mut next: Raw = scene.stage.client();
    assert_eq!(next.value("select 'served'"), "served");
}

#[test]
fn a_farewell_behind_an_answer_ends_its_session_and_no_other() {
    ended_by(Fault::Farewell);
}

#[test]
fn half_a_farewell_behind_an_answer_ends_its_session_and_no_other() {
    ended_by(Fault::HalfFarewell);
}

#[test]
fn an_answer_without_its_end_ends_its_session_and_no_other() {
    ended_by(Fault::HalfReady);
}

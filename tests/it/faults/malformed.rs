//! Broken frames: 08P01 for the one who sent them, and nothing for anybody else.

use crate::support::frames::{self, Frame, bind, frame, parse, query, sync};
use crate::support::raw::Raw;
use crate::support::stage::{APP, Stage};

/// Somebody in the middle of a transaction, who must not notice.
struct Bystander(Raw);

impl Bystander {
    fn new(stage: &Stage) -> Self {
        let mut client = stage.client();
        client.rows("create temp table mine (i int)");
        client.rows("begin; insert into mine values (1)");
        Self(client)
    }

    fn check(&mut self) {
        assert_eq!(self.0.value("select count(*) from mine"), "1");
    }
}

fn sent(stage: &Stage, bytes: &[u8]) -> Vec<Frame> {
    let mut client = stage.client();
    client.send(bytes);
    client.until_closed()
}

#[test]
fn a_frame_that_cannot_be_read_ends_its_connection_with_08p01() {
    let stage = Stage::new("");
    let mut bystander = Bystander::new(&stage);
    let with_length = |tag: u8, length: u32| [&[tag][..], &length.to_be_bytes()].concat();
    for (what, bytes) in [
        ("an unknown type", frame(b'y', b"")),
        ("a type that only servers send", frame(b'Z', b"I")),
        ("a zero type", frame(0, b"")),
        ("length 0", with_length(b'Q', 0)),
        ("length 3", with_length(b'Q', 3)),
        ("the longest length", with_length(b'Q', u32::MAX)),
        ("two gigabytes", with_length(b'Q', 0x7fff_ffff)),
        ("a Sync of a gigabyte", with_length(b'S', 0x4000_0000)),
        ("a second startup", frames::startup(&[("user", "app")])),
        ("text", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()),
    ] {
        let answer = sent(&stage, &bytes);
        let [error] = answer.as_slice() else {
            panic!("{what}: {answer:?}");
        };
        assert_eq!(error.field(b'C').as_deref(), Some("08P01"), "{what}");
        assert_eq!(error.field(b'S').as_deref(), Some("FATAL"), "{what}");
        bystander.check();
    }
}

#[test]
fn a_frame_whose_inside_is_broken_is_08p01_and_the_connection_may_go_on() {
    let stage = Stage::new("");
    let mut bystander = Bystander::new(&stage);
    for (what, broken) in [
        ("a Query without its end", frame(b'Q', b"select 1")),
        ("an empty Query body", frame(b'Q', b"")),
        (
            "a Query with two ends",
            frame(b'Q', b"select 1\0select 2\0"),
        ),
        ("a Parse without types", frame(b'P', b"s\0select 1\0")),
        ("a Parse that ends in the name", frame(b'P', b"s")),
        (
            "a Parse with an absurd count",
            frame(b'P', b"s\0select 1\0\x7f\xff"),
        ),
        ("an empty Bind", frame(b'B', b"")),
        ("a Bind that ends in its names", frame(b'B', b"p\0s")),
        (
            "a Bind with an absurd length",
            frame(b'B', b"\0\0\0\0\0\x01\x7f\xff\xff\xff"),
        ),
        ("an empty Describe", frame(b'D', b"")),
        ("an empty Close", frame(b'C', b"")),
        ("an Execute without its limit", frame(b'E', b"\0")),
        ("a Sync with a body", frame(b'S', b"x")),
    ] {
        let mut client = stage.client();
        client.exchange(&[parse("", "select $1::text", &[]), sync()]);
        client.send(&[broken, sync()].concat());
        let mut seen = Vec::new();
        while let Ok(Some(frame)) = client.try_read() {
            let is_last = frame.tag == b'Z';
            seen.push(frame);
            if is_last {
                break;
            }
        }
        let error = seen.iter().find(|frame| frame.tag == b'E');
        let sqlstate = error.and_then(|error| error.field(b'C'));
        assert_eq!(sqlstate.as_deref(), Some("08P01"), "{what}: {seen:?}");
        bystander.check();
    }
}

#[test]
fn a_startup_that_cannot_be_read_closes_the_connection() {
    let stage = Stage::new("");
    let mut bystander = Bystander::new(&stage);
    for bytes in [
        b"\0\0\0\0".to_vec(),
        b"\0\0\0\x07\0\x03\0".to_vec(),
        b"\x7f\xff\xff\xff\0\x03\0\0".to_vec(),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        b"\0\0\0\x08\0\x02\0\0".to_vec(),
        b"\0\0\0\x08\0\x09\0\0".to_vec(),
        b"\0\0\0\x09\0\x03\0\0\0".to_vec(),
        b"\0\0\0\x0c\0\x03\0\0user".to_vec(),
        frames::startup(&[("database", "app")]),
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03".to_vec(),
    ] {
        let mut client = Raw::open(&stage.endpoint()).unwrap();
        client.send(&bytes);
        for frame in client.until_closed() {
            assert_eq!(frame.field(b'S').as_deref(), Some("FATAL"), "{frame:?}");
        }
        bystander.check();
    }
}

#[test]
fn a_login_that_leaves_the_script_is_refused() {
    let stage = Stage::new("");
    let mut bystander = Bystander::new(&stage);
    for message in [
        query("select 1"),
        frame(b'p', b"SCRAM-SHA-1\0\0\0\0\0"),
        frame(b'p', b"SCRAM-SHA-256\0\0\0\0\x03n,,"),
        frame(b'p', b"SCRAM-SHA-256\0\x7f\xff\xff\xffn,,"),
        frame(b'p', b""),
        frame(b'p', &[0xff; 40]),
    ] {
        let mut client = Raw::open(&stage.endpoint()).unwrap();
        client.send(&frames::startup(&[
            ("user", APP.user),
            ("database", APP.database),
        ]));
        assert_eq!(client.read().tag, b'R');
        client.send(&message);
        let answer = client.until_closed();
        let [error] = answer.as_slice() else {
            panic!("{message:?}: {answer:?}");
        };
        let sqlstate = error.field(b'C').unwrap();
        assert!(
            ["08P01", "28P01", "28000"].contains(&&*sqlstate),
            "{error:?}"
        );
        bystander.check();
    }
}

#[test]
fn newer_minor_protocols_and_unknown_options_are_negotiated() {
    let stage = Stage::new("");
    let mut client = Raw::open(&stage.endpoint()).unwrap();
    let mut startup = frames::startup(&[
        ("user", APP.user),
        ("database", APP.database),
        ("_pq_.no_such_option", "1"),
    ]);
    startup[7] = 9;
    client.send(&startup);
    let first = client.read();
    assert_eq!(first.tag, b'v', "NegotiateProtocolVersion: {first:?}");
    assert_eq!(client.read().tag, b'R');
}

#[test]
fn half_a_frame_and_a_farewell_harm_nobody() {
    let stage = Stage::new("[pool]\ndefault_pool_size = 1\n");
    for bytes in [
        &query("select 1")[..7],
        &[parse("", "select 1", &[]), bind("", "", &[])].concat()[..],
        &parse("x", "select 1", &[])[..4],
        &frame(b'd', b"stray")[..],
    ] {
        let mut client = stage.client();
        client.send(bytes);
        client.kill();
        assert_eq!(stage.client().value("select 'served'"), "served");
    }
}

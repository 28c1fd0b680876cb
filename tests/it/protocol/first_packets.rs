//! First packets of every kind get PostgreSQL's own answer: its words, or none.

use crate::support::frames::{self, Frame, gssenc_request, ssl_request, startup_of, untagged};
use crate::support::raw::{Endpoint, Login, Raw};
use crate::support::stage::{APP, Stage};

/// The largest first packet, its length included.
const PACKET_BYTES_MAX: usize = 10_004;

/// What comes back, up to the request for a password or the end: bytes outside of frames as they are.
fn answer(endpoint: &Endpoint, packets: &[Vec<u8>]) -> String {
    let mut client = Raw::open(endpoint).unwrap();
    for packet in packets {
        client.send(packet);
    }
    let mut bytes = Vec::new();
    let mut space = [0; 4096];
    loop {
        let shown = shown(&bytes);
        if shown.ends_with("R;") {
            return shown;
        }
        match client.read_some(&mut space) {
            Ok(0) => return shown,
            Ok(count) => bytes.extend_from_slice(&space[..count]),
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => return shown,
            Err(e) => panic!("{e} after {shown}"),
        }
    }
}

/// Frames by what a client makes of them; source positions are the server's own, and so is the newest version.
fn shown(mut bytes: &[u8]) -> String {
    let mut shown = String::new();
    while let Some((&tag, rest)) = bytes.split_first() {
        let is_frame = |length: usize| (4..=10_000).contains(&length) && length <= rest.len();
        let length = rest
            .first_chunk::<4>()
            .map(|length| u32::from_be_bytes(*length) as usize);
        match (tag, length) {
            (b'N', _) => {
                shown.push_str("N;");
                bytes = rest;
            }
            (b'R', Some(length)) if is_frame(length) => return shown + "R;",
            (_, Some(length)) if is_frame(length) => {
                let frame = Frame {
                    tag,
                    body: rest[4..length].to_vec(),
                };
                shown.push(char::from(tag));
                if tag == b'E' {
                    for code in *b"SVCMDH" {
                        let field = frame.raw_field(code).unwrap_or_default();
                        shown.push_str(&format!(" {}", field.escape_ascii()));
                    }
                } else {
                    shown.push_str(&format!(" {}", frame.body.escape_ascii()));
                }
                shown.push(';');
                bytes = &rest[length..];
            }
            _ => {
                shown.push_str(&bytes.escape_ascii().to_string());
                break;
            }
        }
    }
    shown.replace("server supports 3.0 to 3.0", "server supports 3.0 to 3.2")
}

/// Asserts that the proxy answers as PostgreSQL does, and that it says something with `expected` in it.
fn check(stage: &Stage, what: &str, packets: &[Vec<u8>], expected: &str) {
    // Over its Unix socket the server offers no encryption, whatever it was built with.
    let server = Endpoint::unix(stage.postgres.socket_dir(), stage.postgres.port());
    let direct = answer(&server, packets);
    let proxied = answer(&stage.endpoint(), packets);
    assert_eq!(direct, proxied, "{what}");
    if expected.is_empty() {
        assert_eq!(proxied, "", "{what}");
    } else {
        assert!(proxied.contains(expected), "{what}: {proxied}");
    }
}

fn app(more: &[(&str, &str)]) -> Vec<u8> {
    let mut parameters = vec![("user", "app"), ("database", "app")];
    parameters.extend(more);
    frames::startup(&parameters)
}

#[test]
fn startup_packets_are_answered_as_by_postgresql() {
    let stage = Stage::new("");
    let body = |bytes: &[u8]| untagged(&[b"\0\x03\0\0", bytes].concat());
    let of_size = |bytes: usize| {
        let empty = app(&[("application_name", "")]).len();
        app(&[("application_name", &"x".repeat(bytes - empty))])
    };
    const LAYOUT: &str = "invalid startup packet layout: expected terminator as last byte";
    const NO_USER: &str = "28000 no PostgreSQL user name specified in startup packet";
    for (what, packet, expected) in [
        ("an ordinary one", app(&[]), "R;"),
        ("length 0", b"\0\0\0\0".to_vec(), ""),
        ("length 7", b"\0\0\0\x07\0\x03\0".to_vec(), ""),
        ("length 2^31-1", b"\x7f\xff\xff\xff\0\x03\0\0".to_vec(), ""),
        ("length 2^32-1", b"\xff\xff\xff\xff\0\x03\0\0".to_vec(), ""),
        ("text", b"GET / HTTP/1.1\r\n\r\n".to_vec(), ""),
        (
            "TLS at once",
            b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03".to_vec(),
            "",
        ),
        ("the largest", of_size(PACKET_BYTES_MAX), "R;"),
        ("one byte more", of_size(PACKET_BYTES_MAX + 1), ""),
        ("nothing in it", body(b""), LAYOUT),
        ("nothing but its end", body(b"\0"), NO_USER),
        ("an empty user", body(b"user\0\0\0"), NO_USER),
        (
            "an empty user and a database",
            body(b"user\0\0database\0app\0\0"),
            NO_USER,
        ),
        ("a name alone", body(b"user"), LAYOUT),
        ("a name with its end", body(b"user\0"), LAYOUT),
        ("a value without its end", body(b"user\0app"), LAYOUT),
        ("no end", body(b"user\0app\0"), LAYOUT),
        ("two ends", body(b"user\0app\0\0\0"), LAYOUT),
        (
            "more behind its end",
            body(b"user\0app\0\0database\0app\0\0"),
            LAYOUT,
        ),
        ("an empty name", body(b"\0x\0user\0app\0\0"), LAYOUT),
        ("a user twice", body(b"user\0nobody\0user\0app\0\0"), "R;"),
        (
            "an unknown option",
            body(b"user\0app\0_pq_.x\x001\0\0"),
            "v \\x00\\x03\\x00\\x00\\x00\\x00\\x00\\x01_pq_.x\\x00;",
        ),
        (
            "an unknown option and no user",
            body(b"_pq_.\0\0_pq_.x\x001\0\0"),
            "\\x02_pq_.\\x00_pq_.x\\x00;E FATAL FATAL 28000",
        ),
        (
            "replication, who knows",
            app(&[("replication", "perhaps")]),
            "22023 invalid value for parameter \\\"replication\\\": \\\"perhaps\\\"  Valid values are",
        ),
        (
            "replication, neither on nor off",
            app(&[("replication", "o")]),
            "22023",
        ),
        (
            "replication and no end",
            body(b"replication\0\xff\0user"),
            "22023 invalid value for parameter \\\"replication\\\": \\\"\\xff\\\"",
        ),
        (
            "protocol 1",
            untagged(b"\0\x01\0\0user\0app\0\0"),
            "FATAL:  unsupported frontend protocol 1.0: server supports 3.0 to 3.2\\n\\x00",
        ),
        (
            "protocol 2",
            untagged(b"\0\x02\0\x07user\0app\0\0"),
            "FATAL:  unsupported frontend protocol 2.7",
        ),
        (
            "protocol 4",
            untagged(b"\0\x04\0\0user\0app\0\0"),
            "E FATAL FATAL 0A000 unsupported frontend protocol 4.0: server supports 3.0 to 3.2",
        ),
        (
            "protocol 9.65535",
            untagged(b"\0\x09\xff\xff"),
            "0A000 unsupported frontend protocol 9.65535",
        ),
        (
            "an unknown request",
            untagged(&80_877_110_u32.to_be_bytes()),
            "0A000 unsupported frontend protocol 1234.5686",
        ),
    ] {
        check(&stage, what, &[packet], expected);
    }
    assert_eq!(stage.client().value("select 1"), "1");
}

#[test]
fn encryption_requests_are_answered_in_any_order_postgresql_takes() {
    let stage = Stage::new("");
    let (ssl, gss) = (ssl_request, gssenc_request);
    for (what, packets, expected) in [
        ("SSL", vec![ssl(), app(&[])], "N;R;"),
        ("GSS", vec![gss(), app(&[])], "N;R;"),
        ("SSL, GSS", vec![ssl(), gss(), app(&[])], "N;N;R;"),
        ("GSS, SSL", vec![gss(), ssl(), app(&[])], "N;N;R;"),
        (
            "SSL, GSS, SSL",
            vec![ssl(), gss(), ssl()],
            "N;N;E FATAL FATAL 0A000 unsupported frontend protocol 1234.5679",
        ),
        (
            "GSS, SSL, GSS",
            vec![gss(), ssl(), gss()],
            "N;N;E FATAL FATAL 0A000 unsupported frontend protocol 1234.5680",
        ),
        (
            "SSL twice",
            vec![ssl(), ssl()],
            "N;E FATAL FATAL 0A000 unsupported frontend protocol 1234.5679",
        ),
        (
            "GSS twice",
            vec![gss(), gss()],
            "N;E FATAL FATAL 0A000 unsupported frontend protocol 1234.5680",
        ),
    ] {
        let server = Endpoint::unix(stage.postgres.socket_dir(), stage.postgres.port());
        let told = [server, stage.endpoint()].map(|endpoint| one_by_one(&endpoint, &packets));
        assert_eq!(told[0], told[1], "{what}");
        assert!(told[1].contains(expected), "{what}: {}", told[1]);
    }
}

/// Each packet is sent when the one before it is answered.
fn one_by_one(endpoint: &Endpoint, packets: &[Vec<u8>]) -> String {
    let mut client = Raw::open(endpoint).unwrap();
    let mut told = String::new();
    let (last, requests) = packets.split_last().unwrap();
    for request in requests {
        client.send(request);
        told.push(char::from(client.read_byte()));
        told.push(';');
    }
    client.send(last);
    let frame = client
        .try_read()
        .unwrap_or_else(|e| panic!("{e} at {endpoint:?} after {told}"))
        .unwrap_or_else(|| panic!("closed at {endpoint:?} after {told}"));
    let mut bytes = vec![frame.tag];
    bytes.extend((u32::try_from(frame.body.len()).unwrap() + 4).to_be_bytes());
    bytes.extend(frame.body);
    told + &shown(&bytes)
}

#[test]
fn bytes_behind_an_encryption_request_are_refused() {
    let stage = Stage::new("");
    for (what, packet, expected) in [
        (
            "a startup packet behind SSL",
            [ssl_request(), app(&[])].concat(),
            "N;E FATAL FATAL 08P01 received unencrypted data after SSL request This could be either a client-software bug",
        ),
        (
            "one byte behind SSL",
            [ssl_request(), vec![0]].concat(),
            "08P01 received unencrypted data after SSL request",
        ),
        (
            "a startup packet behind GSS",
            [gssenc_request(), app(&[])].concat(),
            "N;E FATAL FATAL 08P01 received unencrypted data after GSSAPI encryption request",
        ),
        (
            "SSL and GSS at once",
            [ssl_request(), gssenc_request()].concat(),
            "08P01 received unencrypted data after SSL request",
        ),
    ] {
        check(&stage, what, &[packet], expected);
    }
    assert_eq!(stage.client().value("select 1"), "1");
}

#[test]
fn half_a_first_packet_is_waited_for_and_then_dropped_in_silence() {
    let stage = Stage::new("");
    let whole = app(&[]);
    for length in [0, 1, 3, 4, 7, 8, whole.len() - 1] {
        let mut client = Raw::open(&stage.endpoint()).unwrap();
        client.send(&whole[..length]);
        assert!(!client.is_answered_within(std::time::Duration::from_millis(30)));
        client.shut_down_sending();
        assert_eq!(client.until_closed(), [], "{length} bytes");
    }
    let mut slow = Raw::open(&stage.endpoint()).unwrap();
    for byte in &whole[..whole.len() - 1] {
        slow.send(&[*byte]);
    }
    slow.send(&whole[whole.len() - 1..]);
    assert_eq!(slow.read().tag, b'R');
}

/// What PostgreSQL 18 tells a client of each version: NegotiateProtocolVersion, if any, and the length of the key.
#[test]
fn versions_are_negotiated_as_by_postgresql_18() {
    let stage = Stage::new("");
    let options: &[&str] = &["_pq_.no_such_option", "_pq_.test_protocol_negotiation"];
    for (minor, options, told, key_bytes) in [
        (0, &[][..], None, 4),
        (1, &[], None, 4),
        (2, &[], None, 32),
        (3, &[], Some(2_u8), 32),
        (9, &[], Some(2), 32),
        (9999, &[], Some(2), 32),
        (u16::MAX, &[], Some(2), 32),
        (0, options, Some(0), 4),
        (1, options, Some(1), 4),
        (2, options, Some(2), 32),
        (9999, options, Some(2), 32),
    ] {
        let mut parameters = vec![("user", APP.user), ("database", APP.database)];
        parameters.extend(options.iter().map(|option| (*option, "1")));
        let mut client = Raw::open(&stage.endpoint()).unwrap();
        client
            .authenticate_with(&startup_of(minor, &parameters), APP.password)
            .unwrap();
        let negotiated: Vec<_> = client.greeting.iter().filter(|f| f.tag == b'v').collect();
        match told {
            None => assert_eq!(negotiated, Vec::<&Frame>::new(), "3.{minor}"),
            Some(told) => {
                let mut expected = vec![0, 3, 0, told];
                expected.extend(u32::try_from(options.len()).unwrap().to_be_bytes());
                for option in options {
                    expected.extend(option.as_bytes());
                    expected.push(0);
                }
                let [negotiated] = negotiated.as_slice() else {
                    panic!("3.{minor}: {negotiated:?}");
                };
                assert_eq!(negotiated.body, expected, "3.{minor}");
                assert_eq!(client.greeting[0].tag, b'v', "it comes first");
            }
        }
        assert_eq!(client.key.len(), 4 + key_bytes, "3.{minor}");
        assert_eq!(client.value("select 1"), "1");
    }
}

#[test]
fn names_are_cut_at_63_bytes_as_by_postgresql() {
    let stage = Stage::new("");
    let mut admin = stage.admin();
    let plain = "n".repeat(63);
    let wide = format!("{}x", "\u{e4}".repeat(31));
    for name in [&plain, &wide] {
        admin.rows(&format!("create role \"{name}\" login password 'p'"));
        admin.rows(&format!("create database \"{name}\""));
    }
    let too_long = [format!("{plain}more"), format!("{wide}\u{e4}")];
    for name in &too_long {
        let login = Login {
            user: name,
            password: "p",
            database: name,
            parameters: &[],
        };
        let sql = "select current_user, session_user, current_database()";
        let mut direct = stage.direct(&login).unwrap();
        let mut proxied = stage.login(&login).unwrap();
        assert_eq!(direct.rows(sql), proxied.rows(sql));
    }
    // Cut in the middle of a character: such a role is not there, and is named in bytes.
    let halved = "\u{e4}".repeat(40);
    let login = Login {
        user: &halved,
        ..APP
    };
    let refused = [stage.direct(&login), stage.login(&login)].map(|login| login.err().unwrap());
    for code in *b"SVCM" {
        assert_eq!(refused[0].raw_field(code), refused[1].raw_field(code));
    }
    assert!(refused[1].raw_field(b'M').unwrap().ends_with(b"\xc3\""));
}

#[test]
fn the_last_of_equal_parameters_counts_and_each_is_checked() {
    let stage = Stage::new("");
    let play = |endpoint: &Endpoint, parameters: &[(&str, &str)]| {
        let mut all = vec![("user", "nobody"), ("database", "nowhere")];
        all.extend(parameters);
        all.extend([("user", APP.user), ("database", APP.database)]);
        let mut client = Raw::open(endpoint).unwrap();
        match client.authenticate_with(&startup_of(0, &all), APP.password) {
            Ok(()) => client
                .rows(
                    "select current_user, current_database(), current_setting('work_mem'), \
                     current_setting('application_name'), current_setting('search_path')",
                )
                .concat(),
            Err(frame) => b"SCM"
                .iter()
                .map(|code| frame.field(*code))
                .collect::<Vec<_>>(),
        }
    };
    for parameters in [
        &[("work_mem", "1MB"), ("work_mem", "2MB")][..],
        &[("work_mem", "2MB"), ("work_mem", "1MB")],
        &[("work_mem", "lots"), ("work_mem", "1MB")],
        &[("application_name", "a"), ("application_name", "b")],
        &[("options", "-c work_mem=1MB"), ("work_mem", "3MB")],
        &[("work_mem", "3MB"), ("options", "-c work_mem=1MB")],
        &[("options", "-c work_mem=1MB"), ("options", "")],
        &[("options", r"-c search_path=a\ b\\c,d\'e --work-mem=4MB")],
        &[("options", r"-c application_name=from\ options")],
        &[
            ("options", "-c application_name=from"),
            ("application_name", "own"),
        ],
        &[("options", "-c")],
        &[("options", "-c nonsense")],
        &[("options", "-z")],
        &[("options", "-c no.such=1 -c no_such=1")],
        &[("Work_Mem", "5MB")],
        &[("APPLICATION_NAME", "upper")],
        &[("no_such_setting", "1"), ("work_mem", "lots")],
        &[("work_mem", "lots"), ("no_such_setting", "1")],
        &[("port", "1")],
        &[("superuser_reserved_connections", "1")],
        &[("log_statement", "all")],
        &[("session_authorization", "postgres")],
        &[("role", "postgres")],
    ] {
        let direct = play(&Endpoint::local(stage.postgres.port()), parameters);
        let proxied = play(&stage.endpoint(), parameters);
        assert_eq!(direct, proxied, "{parameters:?}");
    }
}

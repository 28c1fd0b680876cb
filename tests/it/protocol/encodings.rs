//! Text in any client_encoding, and bytes in none: the server alone says what they mean.

use crate::support::frames::{
    Frame, bind_formats, describe_portal, execute, flush, frame, parse, query, startup_of, sync,
};
use crate::support::raw::{Endpoint, Login, Raw};
use crate::support::stage::{APP, Stage};

/// The same words in each encoding, by name.
const WORDS: [(&str, &[u8]); 7] = [
    ("UTF8", "na\u{ef}ve \u{65e5}\u{672c} \u{1f40e}".as_bytes()),
    ("LATIN1", b"na\xefve caf\xe9 \xa0\xff"),
    ("WIN1252", b"\x80uro \x93quoted\x94 na\xefve"),
    // The second byte of a character may be a backslash, a quote's neighbour or a brace.
    (
        "SJIS",
        b"\x95\x5c \x83\x5c\x81\x5f \x8e\x7b \x93\xfa\x96\x7b",
    ),
    ("EUC_JP", b"\xc6\xfc\xcb\xdc \xa5\xbd\xa1\xc0"),
    ("GBK", b"\xd6\xd0\xce\xc4 \x81\x5c \x81\x7c"),
    ("SQL_ASCII", b"\xc3\xa4 plain"),
];

/// What comes back up to ReadyForQuery or the end, byte for byte.
fn play(client: &mut Raw, messages: &[Vec<u8>]) -> Vec<(char, String)> {
    if client.try_send(&messages.concat()).is_err() {
        return Vec::new();
    }
    let mut seen = Vec::new();
    while let Ok(Some(Frame { tag, body })) = client.try_read() {
        seen.push((char::from(tag), body.escape_ascii().to_string()));
        if tag == b'Z' {
            break;
        }
    }
    seen
}

fn compare(clients: &mut [Raw; 2], what: &str, messages: &[Vec<u8>]) -> Vec<(char, String)> {
    let [expected, found] = clients.each_mut().map(|client| play(client, messages));
    assert_eq!(expected, found, "{what}");
    found
}

fn both(stage: &Stage, login: &Login<'_>) -> [Raw; 2] {
    [stage.direct(login).unwrap(), stage.login(login).unwrap()]
}

/// SQL around the words, as bytes.
fn around(before: &str, words: &[u8], after: &str) -> Vec<u8> {
    [before.as_bytes(), words, after.as_bytes()].concat()
}

#[test]
fn every_client_encoding_is_the_servers_business() {
    let stage = Stage::new("[pool]\ndefault_pool_size = 2\n");
    for (encoding, words) in WORDS {
        for is_at_startup in [true, false] {
            let at_startup = [("client_encoding", encoding)];
            let login = Login {
                parameters: if is_at_startup { &at_startup } else { &[] },
                ..APP
            };
            let mut clients = both(&stage, &login);
            if !is_at_startup {
                let sql = format!("set client_encoding to '{encoding}'");
                compare(&mut clients, encoding, &[query(sql)]);
            }
            // Somebody in another encoding uses the connections in between.
            let mut other = stage.client();
            for sql in [
                around("select '", words, "' as plain"),
                around("select E'", words, "' as escaped"),
                around("select 1 as \"", words, "\""),
                around("select '", words, "'::bytea"),
                around("select length('", words, "'), 'x'"),
                around("select no_such_column /* ", words, " */"),
                around("select ", words, ""),
                around("do $$ begin raise notice '", words, "'; end $$"),
                around("-- ", words, "\nselect 1"),
                around("/* ask */ select '", words, "'"),
                around("select '", words, "' -- ask me"),
                around("select '\\", words, "\\' '"),
                b"show client_encoding".to_vec(),
            ] {
                let what = format!("{encoding}: {}", sql.escape_ascii());
                compare(&mut clients, &what, &[query(&sql)]);
                let values: [Option<&[u8]>; 1] = [Some(words)];
                compare(
                    &mut clients,
                    &what,
                    &[
                        parse("", &sql, &[]),
                        parse("s", "select $1::text", &[]),
                        bind_formats("p", "s", &[], &values, &[]),
                        describe_portal("p"),
                        execute("p", 0),
                        bind_formats("q", "s", &[1], &values, &[1]),
                        execute("q", 0),
                        flush(),
                        sync(),
                    ],
                );
                compare(&mut clients, &what, &[frame(b'C', b"Ss\0"), sync()]);
                assert_eq!(other.value("select 'n\u{f6}rdlich'"), "n\u{f6}rdlich");
            }
        }
    }
}

#[test]
fn bytes_that_are_no_text_get_the_servers_error() {
    let stage = Stage::new("");
    for (encoding, _) in WORDS {
        let parameters = [("client_encoding", encoding)];
        let login = Login {
            parameters: &parameters,
            ..APP
        };
        let mut clients = both(&stage, &login);
        for bytes in [
            &b"\xff"[..],
            b"\x80\x81\xfe\xff",
            b"\xc3",
            b"\xed\xa0\x80",
            b"\xf4\x90\x80\x80",
            b"\xc0\x80",
            b"\x8e",
            b"\x95",
            b"ask: \xff?",
        ] {
            for sql in [
                bytes.to_vec(),
                around("select '", bytes, "'"),
                around("select \"", bytes, "\""),
                around("select 1 -- ", bytes, ""),
                around("listen \"", bytes, "\""),
            ] {
                let what = format!("{encoding}: {}", sql.escape_ascii());
                if bytes.starts_with(b"ask:") && sql == bytes {
                    // That is a question, if one that cannot be read.
                    continue;
                }
                compare(&mut clients, &what, &[query(&sql)]);
                compare(&mut clients, &what, &[parse("", &sql, &[]), sync()]);
                compare(
                    &mut clients,
                    &what,
                    &[
                        parse("", "select $1::text", &[]),
                        bind_formats("", "", &[], &[Some(bytes)], &[]),
                        execute("", 0),
                        sync(),
                    ],
                );
                compare(&mut clients, &what, &[query("unlisten *")]);
            }
        }
    }
}

#[test]
fn names_of_statements_and_portals_are_bytes() {
    let stage = Stage::new("[pool]\ndefault_pool_size = 1\n");
    let mut clients = both(&stage, &APP);
    let named = |tag: u8, parts: &[&[u8]]| frame(tag, &parts.concat());
    for name in ["n\u{e4}me".as_bytes(), b"a\\b\"c'd", b"\x01\x7f"] {
        for round in 0..2 {
            let what = format!("{} {round}", name.escape_ascii());
            compare(
                &mut clients,
                &what,
                &[
                    named(b'P', &[name, b"\0select 1\0\0\0"]),
                    named(b'D', &[b"S", name, b"\0"]),
                    named(b'B', &[name, b"\0", name, b"\0\0\0\0\0\0\0"]),
                    named(b'D', &[b"P", name, b"\0"]),
                    named(b'E', &[name, b"\0\0\0\0\0"]),
                    sync(),
                ],
            );
            stage.client().rows("select 2");
        }
        let what = name.escape_ascii().to_string();
        compare(
            &mut clients,
            &what,
            &[named(b'C', &[b"S", name, b"\0"]), sync()],
        );
        compare(
            &mut clients,
            &what,
            &[named(b'B', &[b"\0", name, b"\0\0\0\0\0\0\0"]), sync()],
        );
    }
}

#[test]
fn queries_with_a_nul_or_without_an_end_get_the_servers_answer() {
    let stage = Stage::new("");
    for body in [
        &b"select 1"[..],
        b"",
        b"select 1\0select 2\0",
        b"select 1\0\0",
        b"\0\0",
        b"\0select 1\0",
        b"select '\0'\0",
        b"\xff",
    ] {
        let mut clients = both(&stage, &APP);
        let what = body.escape_ascii().to_string();
        let told = compare(&mut clients, &what, &[frame(b'Q', body)]);
        assert!(told.iter().any(|(tag, _)| *tag == 'E'), "{what}: {told:?}");
        compare(&mut clients, &what, &[query("select 'goes on'")]);
    }
}

/// Roles and databases may have been named in a database of another encoding than UTF-8.
#[test]
fn names_and_parameters_that_are_not_utf8_reach_the_server_as_they_are() {
    let stage = Stage::new("");
    let mut admin = stage.admin();
    admin.rows(
        "create database latin encoding 'LATIN1' lc_collate 'C' lc_ctype 'C' template template0",
    );
    let mut latin = Raw::open(&Endpoint::unix(
        stage.postgres.socket_dir(),
        stage.postgres.port(),
    ))
    .unwrap();
    let superuser: [(&[u8], &[u8]); 3] = [
        (b"user", b"postgres"),
        (b"database", b"latin"),
        (b"client_encoding", b"LATIN1"),
    ];
    latin
        .authenticate_with(&startup_of(0, &superuser), "")
        .unwrap();
    for sql in [
        &b"create role \"R\xf6le\\\" login password 'p'"[..],
        b"create database \"caf\xe9\\\" encoding 'LATIN1' lc_collate 'C' lc_ctype 'C' template template0",
        b"grant create on schema public to \"R\xf6le\\\"",
    ] {
        let answer = latin.exchange(&[query(sql)]);
        assert!(answer.iter().all(|f| f.tag != b'E'), "{answer:?}");
    }
    let play = |endpoint: &Endpoint, parameters: &[(&[u8], &[u8])], password: &str| {
        let mut client = Raw::open(endpoint).unwrap();
        if let Err(error) = client.authenticate_with(&startup_of(0, parameters), password) {
            return b"SVCMDH"
                .iter()
                .map(|code| {
                    error
                        .raw_field(*code)
                        .unwrap_or_default()
                        .escape_ascii()
                        .to_string()
                })
                .collect::<Vec<_>>();
        }
        let mut told: Vec<_> = client
            .greeting
            .iter()
            .filter(|f| f.tag == b'S')
            .map(|f| f.body.escape_ascii().to_string())
            .collect();
        for sql in [
            &b"select current_user, session_user, current_database(), current_setting('application_name')"[..],
            b"select 'caf\xe9', current_setting('a.b', true)",
            b"select 1/0",
        ] {
            for frame in client.exchange(&[query(sql)]) {
                told.push(frame.body.escape_ascii().to_string());
            }
        }
        told
    };
    let role = &b"R\xf6le\\"[..];
    let database = &b"caf\xe9\\"[..];
    for (parameters, password) in [
        (vec![(&b"user"[..], role), (b"database", database)], "p"),
        (
            vec![
                (b"user", role),
                (b"database", b"latin"),
                (b"client_encoding", b"UTF8"),
            ],
            "p",
        ),
        (vec![(b"user", role), (b"database", b"app")], "p"),
        (
            vec![
                (b"user", role),
                (b"database", database),
                (b"client_encoding", b"LATIN1"),
                (b"application_name", b"\xe9t\xe9"),
            ],
            "p",
        ),
        (
            vec![
                (b"user", role),
                (b"database", database),
                (b"a.b", b"\xfc\xff"),
            ],
            "p",
        ),
        (vec![(b"user", role), (b"database", database)], "wrong"),
        (vec![(b"user", role), (b"database", b"n\xf6")], "p"),
        (vec![(b"user", b"n\xf6"), (b"database", database)], "p"),
        (
            vec![(b"user", "R\u{f6}le\\".as_bytes()), (b"database", b"latin")],
            "p",
        ),
        (
            vec![(b"user", b"app"), (b"database", b"\xff\xfe")],
            "app's own",
        ),
        (
            vec![
                (b"user", b"app"),
                (b"database", b"app"),
                (b"\xff\xfe", b"x"),
            ],
            "app's own",
        ),
        (
            vec![
                (b"user", b"app"),
                (b"database", b"app"),
                (b"search_path", b"\xff\xfe"),
            ],
            "app's own",
        ),
        (
            vec![
                (b"user", b"app"),
                (b"database", b"app"),
                (b"application_name", b"\xff \x01\x7f\xc3\xa4"),
            ],
            "app's own",
        ),
        (
            vec![
                (b"user", b"app"),
                (b"database", b"app"),
                (b"client_encoding", b"\xff"),
            ],
            "app's own",
        ),
    ] {
        let direct = play(
            &Endpoint::local(stage.postgres.port()),
            &parameters,
            password,
        );
        let proxied = play(&stage.endpoint(), &parameters, password);
        let shown: Vec<_> = parameters
            .iter()
            .map(|(name, value)| format!("{}={}", name.escape_ascii(), value.escape_ascii()))
            .collect();
        assert_eq!(direct, proxied, "{shown:?}");
    }
}

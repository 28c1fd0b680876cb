//! Whatever flows through, the proxy's memory stays where it is.

use std::time::Duration;

use crate::support::frames::{bind, copy_data, copy_done, execute, parse, query, sync};
use crate::support::raw::Raw;
use crate::support::stage::Stage;

/// The ceiling on the proxy's resident memory, at any time.
const RSS_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A million rows make a gigabyte.
const ROW_COUNT: u64 = 1_000_000;
const ROW_BYTES: u64 = 1_000;

/// The longest text that fits a row, which PostgreSQL builds whole in a gigabyte of memory.
const LONGEST: usize = 1_073_741_000;

/// How many gigabytes the large results have: one, or what `make large` asks for.
fn gigabytes() -> u64 {
    let asked = std::env::var("LARGE_RESULT_GIGABYTES").ok();
    asked.map_or(1, |count| count.parse().expect("a number of gigabytes"))
}

/// So many gigabytes in rows.
fn large() -> String {
    let row_count = ROW_COUNT * gigabytes();
    format!("select repeat('x', {ROW_BYTES}) from generate_series(1, {row_count})")
}

fn check_memory(stage: &Stage) {
    let Some(peak) = stage.proxy.rss_bytes_peak() else {
        return;
    };
    assert!(
        peak < RSS_BYTES_MAX,
        "{} MB at the peak",
        peak / (1024 * 1024)
    );
    eprintln!("{} kB resident at the peak", peak / 1024);
}

/// Reads frames without keeping them, up to ReadyForQuery; how many bytes there were between headers.
fn drain(client: &mut Raw) -> u64 {
    client.set_read_timeout(Duration::from_secs(120));
    let mut buffer = vec![0; 1 << 18];
    let mut walker = Walker::default();
    while !walker.is_ready {
        let length = client.read_some(&mut buffer).expect("more rows");
        assert_ne!(length, 0, "the end of the stream");
        walker.walk(&buffer[..length]);
    }
    walker.body_bytes
}

/// Walks over frames that arrive in pieces.
#[derive(Default)]
struct Walker {
    header: Vec<u8>,
    rest: usize,
    body_bytes: u64,
    is_ready: bool,
}

impl Walker {
    fn walk(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.rest > 0 {
                let step = self.rest.min(bytes.len());
                self.rest -= step;
                self.body_bytes += step as u64;
                bytes = &bytes[step..];
            } else {
                let step = (5 - self.header.len()).min(bytes.len());
                self.header.extend(&bytes[..step]);
                bytes = &bytes[step..];
                if self.header.len() < 5 {
                    return;
                }
                let length = u32::from_be_bytes(self.header[1..5].try_into().unwrap());
                self.rest = usize::try_from(length).unwrap() - 4;
                assert_ne!(self.header[0], b'E', "an error among the rows");
            }
            if self.rest == 0 && self.header.len() == 5 {
                self.is_ready = self.header[0] == b'Z';
                self.header.clear();
            }
        }
    }
}

#[test]
fn gigabytes_of_rows_flow_through_64_megabytes() {
    let stage = Stage::new("");
    let mut client = stage.client();
    client.send(&query(large()));
    assert!(drain(&mut client) > gigabytes() * ROW_COUNT * ROW_BYTES);
    check_memory(&stage);
}

#[test]
fn gigabytes_of_copy_out_flow_through_64_megabytes() {
    let stage = Stage::new("");
    let mut client = stage.client();
    client.send(&query(format!("copy ({}) to stdout", large())));
    assert!(drain(&mut client) > gigabytes() * ROW_COUNT * ROW_BYTES);
    check_memory(&stage);
}

#[test]
fn gigabytes_in_the_extended_protocol_flow_through_64_megabytes() {
    let stage = Stage::new("");
    let mut client = stage.client();
    client.send(
        &[
            parse("", large(), &[]),
            bind("", "", &[]),
            execute("", 0),
            sync(),
        ]
        .concat(),
    );
    assert!(drain(&mut client) > gigabytes() * ROW_COUNT * ROW_BYTES);
    check_memory(&stage);
}

#[test]
fn one_row_of_a_gigabyte_flows_through_64_megabytes() {
    let stage = Stage::new("");
    let mut client = stage.client();
    client.send(&query(format!("select repeat('x', {LONGEST})")));
    assert!(drain(&mut client) > LONGEST as u64);
    check_memory(&stage);
}

#[test]
fn one_parameter_of_a_gigabyte_flows_through_64_megabytes() {
    let stage = Stage::new("");
    let mut client = stage.client();
    client.exchange(&[parse("s", "select length($1::text)", &[]), sync()]);
    // A Bind of one parameter in text, its value left to follow.
    let before = [&b"\0s\0\0\0\0\x01"[..], &frame_length(LONGEST - 4)].concat();
    let body_bytes = before.len() + LONGEST + 2;
    client.send(&[&b"B"[..], &frame_length(body_bytes), &before].concat());
    let chunk = vec![b'x'; 1_000_000];
    let mut rest = LONGEST;
    while rest > 0 {
        let step = rest.min(chunk.len());
        client.send(&chunk[..step]);
        rest -= step;
    }
    client.set_read_timeout(Duration::from_secs(120));
    client.send(&[b"\0\0".to_vec(), execute("", 0), sync()].concat());
    let answer = client.until_ready();
    let length = Some(LONGEST.to_string());
    assert_eq!(crate::support::raw::rows(&answer), [[length]], "{answer:?}");
    check_memory(&stage);
}

/// A length as the protocol writes it, its own four bytes included.
fn frame_length(body_bytes: usize) -> [u8; 4] {
    u32::try_from(body_bytes + 4).unwrap().to_be_bytes()
}

/// Distinct statements of one client, and the clients.
const STATEMENT_COUNT: usize = 3_000;
const PREPARING_COUNT: usize = 4;

/// What a prepared statement may cost, its text, names and descriptions included.
const STATEMENT_BYTES_MAX: u64 = 1_500;

#[test]
fn thousands_of_statements_per_client_take_a_kilobyte_each() {
    let stage = Stage::new("[pool]\ndefault_pool_size = 1\nprepared_statements_max = 10\n");
    let mut clients: Vec<Raw> = (0..PREPARING_COUNT).map(|_| stage.client()).collect();
    assert_eq!(clients[0].value("select 'warm'"), "warm");
    let before = stage.proxy.rss_bytes_peak().unwrap_or_default();
    for (who, client) in clients.iter_mut().enumerate() {
        for number in 0..STATEMENT_COUNT {
            let sql = format!("select $1::int + {number} as n, 'of client {who}' as whose");
            let answer = client.exchange(&[parse(&format!("s{number}"), sql, &[]), sync()]);
            assert_eq!(answer.len(), 2, "{answer:?}");
        }
    }
    let after = stage.proxy.rss_bytes_peak().unwrap_or_default();
    let each = (after - before) / (STATEMENT_COUNT * PREPARING_COUNT) as u64;
    eprintln!("{each} bytes for each statement");
    assert!(
        each < STATEMENT_BYTES_MAX,
        "{each} bytes for each statement"
    );
    for (who, client) in clients.iter_mut().enumerate() {
        for number in [0, 1, STATEMENT_COUNT - 1] {
            let name = format!("s{number}");
            let answer = client.exchange(&[bind("", &name, &[Some("1")]), execute("", 0), sync()]);
            let expected = [number + 1, who].map(|part| part.to_string());
            let expected = [expected[0].clone(), format!("of client {}", expected[1])];
            assert_eq!(
                crate::support::raw::rows(&answer),
                [expected.map(Some)],
                "{answer:?}"
            );
        }
    }
    let held = stage.proxy.rss_bytes_peak().unwrap_or_default();
    assert!(held < RSS_BYTES_MAX, "{held}");
}

#[test]
fn a_quarter_gigabyte_of_copy_in_flows_through_64_megabytes() {
    let stage = Stage::new("");
    let mut client = stage.client();
    client.rows("create unlogged table sink (t text)");
    client.send(&query("copy sink from stdin"));
    client.until(b'G');
    let megabyte = copy_data(format!("{}\n", "y".repeat(999)).repeat(1_000));
    for _ in 0..256 {
        client.send(&megabyte);
    }
    client.send(&copy_done());
    client.set_read_timeout(Duration::from_secs(120));
    client.until_ready();
    assert_eq!(client.value("select count(*) from sink"), "256000");
    check_memory(&stage);
}

#[test]
fn a_client_that_does_not_read_holds_the_server_back() {
    let stage = Stage::new("[pool]\ndefault_pool_size = 8\n");
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let mut client = stage.client();
            client.send(&query(large()));
            client
        })
        .collect();
    stage.wait_for_backends(8, "wait_event = 'ClientWrite'");
    check_memory(&stage);
    drop(clients);
    assert_eq!(stage.client().value("select 'served'"), "served");
    check_memory(&stage);
}

#[test]
fn a_large_parameter_arrives_whole() {
    let stage = Stage::new("");
    let mut client = stage.client();
    let value = "0123456789abcdef".repeat(1 << 20);
    let answer = client.exchange(&[
        parse("big", "select length($1::text), right($1::text, 4)", &[]),
        bind("", "big", &[Some(&value)]),
        execute("", 0),
        sync(),
    ]);
    let expected = ["16777216", "cdef"].map(|text| Some(text.to_owned()));
    assert_eq!(crate::support::raw::rows(&answer), [expected]);
    let long = format!("select length('{value}')");
    assert_eq!(client.value(&long), "16777216");
}

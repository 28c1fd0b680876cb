//! Whatever flows through, the proxy's memory stays where it is.

use std::time::Duration;

use crate::support::frames::{bind, copy_data, copy_done, execute, parse, query, sync};
use crate::support::raw::Raw;
use crate::support::stage::Stage;

/// The ceiling on the proxy's resident memory, at any time.
const RSS_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A thousand rows make a megabyte, a thousand megabytes a gigabyte.
const ROW_COUNT: u64 = 1_000_000;
const ROW_BYTES: u64 = 1_000;

/// A gigabyte in rows.
const GIGABYTE: &str = "select repeat('x', 1000) from generate_series(1, 1000000)";

fn check_memory(stage: &Stage) {
    let Some(peak) = stage.proxy.rss_bytes_peak() else {
        return;
    };
    assert!(
        peak < RSS_BYTES_MAX,
        "{} MB at the peak",
        peak / (1024 * 1024)
    );
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
fn a_gigabyte_of_rows_flows_through_64_megabytes() {
    let stage = Stage::new("");
    let mut client = stage.client();
    client.send(&query(GIGABYTE));
    assert!(drain(&mut client) > ROW_COUNT * ROW_BYTES);
    check_memory(&stage);
}

#[test]
fn a_gigabyte_of_copy_out_flows_through_64_megabytes() {
    let stage = Stage::new("");
    let mut client = stage.client();
    client.send(&query(format!("copy ({GIGABYTE}) to stdout")));
    assert!(drain(&mut client) > ROW_COUNT * ROW_BYTES);
    check_memory(&stage);
}

#[test]
fn a_gigabyte_in_the_extended_protocol_flows_through_64_megabytes() {
    let stage = Stage::new("");
    let mut client = stage.client();
    client.send(
        &[
            parse("", GIGABYTE, &[]),
            bind("", "", &[]),
            execute("", 0),
            sync(),
        ]
        .concat(),
    );
    assert!(drain(&mut client) > ROW_COUNT * ROW_BYTES);
    check_memory(&stage);
}

#[test]
fn one_row_of_a_quarter_gigabyte_flows_through_64_megabytes() {
    let stage = Stage::new("");
    let mut client = stage.client();
    client.send(&query("select repeat('x', 268435456)"));
    assert!(drain(&mut client) > 268_435_456);
    check_memory(&stage);
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
            client.send(&query(GIGABYTE));
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

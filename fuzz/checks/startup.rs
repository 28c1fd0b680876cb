//! What comes before a session: the first packet against PostgreSQL's own reading of it, and SCRAM's messages.
//!
//! The first byte of an input says which; the rest is the input.

use std::sync::OnceLock;

use bytes::BytesMut;
use pgask::names::raw;
use pgask::wire::scram::{ClientExchange, Keys, ServerExchange, Verifier};
use pgask::wire::startup::{FirstPacket, StartupMessage, decode, encode, encode_cancel};
use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};

/// The largest first packet, length field included; see `STARTUP_BYTES_MAX` in `wire/startup`.
const PACKET_BYTES_MAX: usize = 10_000;

/// Tries one input.
pub(crate) fn check(data: &[u8]) {
    let Some((&kind, data)) = data.split_first() else {
        return;
    };
    match kind % 3 {
        0 => packet(data),
        1 => scram_server(data),
        _ => scram_client(data),
    }
}

/// A first packet whose length field says how long it is, as `read_first_packet` hands them on.
fn packet(body: &[u8]) {
    let length = body.len() + 4;
    if !(8..=PACKET_BYTES_MAX).contains(&length) {
        return;
    }
    let mut packet = BytesMut::with_capacity(length);
    packet.extend_from_slice(&u32::try_from(length).expect("a short length").to_be_bytes());
    packet.extend_from_slice(body);
    let code = u32::from_be_bytes([body[0], body[1], body[2], body[3]]);
    match decode(packet) {
        Ok(FirstPacket::Startup(startup)) => {
            assert_eq!(code >> 16, 3);
            assert_eq!(u32::from(startup.minor_version), code & 0xffff);
            let expected = as_postgres_reads(&body[4..]).expect("PostgreSQL refuses the layout");
            let (options, parameters): (Vec<_>, Vec<_>) = expected
                .into_iter()
                .partition(|(name, _)| name.starts_with(b"_pq_."));
            assert_eq!(raw_pairs(&startup), parameters);
            assert_eq!(startup.protocol_options.len(), options.len());
            again(&startup);
        }
        Ok(FirstPacket::Cancel {
            process_id,
            secret_key,
        }) => {
            assert_eq!(encode_cancel(process_id, &secret_key)[4..], *body);
        }
        Ok(FirstPacket::Ssl) => assert_eq!(code, 80_877_103),
        Ok(FirstPacket::Gss) => assert_eq!(code, 80_877_104),
        // What PostgreSQL lets in is refused for its `replication` alone.
        Err(_) if code >> 16 == 3 => {
            let read = as_postgres_reads(&body[4..]);
            let named = |(name, _): &(Vec<u8>, Vec<u8>)| name == b"replication";
            assert!(read.is_none_or(|read| read.iter().any(named)));
        }
        Err(_) => {}
    }
}

/// What goes on to a server is what came.
fn again(startup: &StartupMessage) {
    let packet = encode(&startup.parameters);
    match decode(BytesMut::from(&packet[..])) {
        Ok(FirstPacket::Startup(again)) => assert_eq!(again.parameters, startup.parameters),
        other => panic!("{other:?}"),
    }
    let _ = (startup.user(), startup.database());
}

fn raw_pairs(startup: &StartupMessage) -> Vec<(Vec<u8>, Vec<u8>)> {
    let bytes = |text: &String| raw::bytes(text).into_owned();
    startup
        .parameters
        .iter()
        .map(|(name, value)| (bytes(name), bytes(value)))
        .collect()
}

/// The parameters of a StartupMessage; `None` where the layout is wrong.
///
/// # Source
/// `ProcessStartupPacket` in `src/backend/postmaster/postmaster.c`: pairs of strings up to an empty name, which must
/// be the last byte. Behind the packet stands a NUL of the server's own.
fn as_postgres_reads(packet: &[u8]) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let ended = [packet, b"\0"].concat();
    let string = |at: usize| {
        let end = ended[at..]
            .iter()
            .position(|byte| *byte == 0)
            .expect("our own NUL");
        ended[at..at + end].to_vec()
    };
    let mut pairs = Vec::new();
    let mut at = 0;
    while at < packet.len() {
        let name = string(at);
        let value_at = at + name.len() + 1;
        if name.is_empty() || value_at >= packet.len() {
            break;
        }
        let value = string(value_at);
        at = value_at + value.len() + 1;
        pairs.push((name, value));
    }
    (at + 1 == packet.len()).then_some(pairs)
}

/// A server's side of SCRAM against a client that says anything: nobody gets in.
fn scram_server(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = Verifier::parse(text);
    }
    let (first, last) = data.split_at(data.len() / 2);
    let verifier = Verifier::mock("role", &[7; 32]);
    let Ok((exchange, server_first)) = ServerExchange::start(verifier, first) else {
        return;
    };
    assert!(server_first.starts_with("r="));
    assert!(
        exchange.finish(last).is_err(),
        "a mock verifier lets nobody in"
    );
}

/// A client's side of SCRAM against a server that says anything: no server proves itself by chance. The keys come, as
/// they do in a login, from a client that knows the password.
fn scram_client(data: &[u8]) {
    let (first, last) = data.split_at(data.len() / 2);
    let (mut exchange, _) = ClientExchange::start(keys());
    let _ = exchange.proceed(first);
    assert!(exchange.finish(last).is_err(), "a server proves nothing");
}

/// The verifier of "pencil", with a single iteration: what is tried here is reading, not strength.
const VERIFIER: &str = "SCRAM-SHA-256$1:W22ZaJ0SNY7soEsUEjb6gQ==$bzcn5wYzlcMpEXczzDM1iuyLhni5BVbqsm82vjMHWXI=:fg/vS0Y425LcbLGWSqdzrFlRn9451QblzgpwLQYoXCI=";

/// What a login with that password leaves behind.
fn keys() -> Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    let log_in = || {
        let mut client = ScramSha256::new(b"pencil", ChannelBinding::unsupported());
        let verifier = Verifier::parse(VERIFIER).expect("a verifier");
        let (exchange, first) =
            ServerExchange::start(verifier, client.message()).expect("a client's first message");
        client
            .update(first.as_bytes())
            .expect("a server's first message");
        exchange.finish(client.message()).expect("the password").0
    };
    KEYS.get_or_init(log_in).clone()
}

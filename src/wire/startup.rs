//! The first packet of a connection: a startup message, a cancel, or a request for encryption.
//!
//! # Source
//! `ProcessStartupPacket` in `src/backend/tcop/backend_startup.c` (PostgreSQL 18; `postmaster.c` up to 16), which tells
//! which packets are answered in what words, and which by closing the connection without any.

use std::io;

use bytes::BytesMut;
use tokio::io::AsyncReadExt;

use super::stream::Stream;
use crate::error::{Refusal, SqlState};
use crate::names::raw;

/// The largest first packet, its length field not counted.
///
/// # Source
/// `MAX_STARTUP_PACKET_LENGTH` in `src/include/libpq/pqcomm.h`.
const STARTUP_BYTES_MAX: usize = 10_000;

/// The longest secret key in a CancelRequest, and what a server may hand out.
///
/// # Source
/// PostgreSQL manual, "Message Formats", BackendKeyData: at least 4 and at most 256 bytes.
pub const SECRET_KEY_BYTES_MAX: usize = 256;

/// The newest minor version of protocol 3 that is spoken.
pub const MINOR_VERSION_MAX: u16 = 2;

/// Request codes stand where a protocol version would.
const CANCEL_REQUEST: u32 = (1234 << 16) | 5678;
const SSL_REQUEST: u32 = (1234 << 16) | 5679;
const GSSENC_REQUEST: u32 = (1234 << 16) | 5680;

/// The longest name of a role or a database; a longer one is cut off there, be it in the middle of a character.
///
/// # Source
/// `NAMEDATALEN` in `src/include/pg_config_manual.h`, its NUL not counted.
const NAME_BYTES_MAX: usize = 63;

/// What a client opened its connection with.
#[derive(Debug)]
pub enum FirstPacket {
    /// SSLRequest.
    Ssl,
    /// GSSENCRequest.
    Gss,
    /// CancelRequest, with the key as bytes of any length.
    Cancel {
        /// The process id we handed out.
        process_id: i32,
        /// The secret we handed out with it.
        secret_key: Vec<u8>,
    },
    /// StartupMessage.
    Startup(StartupMessage),
}

/// A StartupMessage's contents. Its texts are held as [`raw`] holds them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StartupMessage {
    /// The minor protocol version asked for; the major one is 3.
    pub minor_version: u16,
    /// Protocol options (`_pq_.` names), none of which we know.
    pub protocol_options: Vec<String>,
    /// Every parameter but those, in the order in which they came; a name may come more than once.
    pub parameters: Vec<(String, String)>,
    /// Whether the connection is for replication.
    pub replication: Replication,
}

/// What the parameter `replication` asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Replication {
    /// An ordinary session.
    #[default]
    No,
    /// Physical replication: commands of the walsender, in no database.
    Physical,
    /// Logical replication: commands of the walsender and SQL, in a database.
    Database,
}

impl StartupMessage {
    /// The value of one parameter; the last one counts.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .rfind(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The role to log in as.
    ///
    /// # Errors
    /// 28000 when none is named.
    pub fn user(&self) -> Result<String, Refusal> {
        self.parameter("user")
            .filter(|user| !user.is_empty())
            .map(cut_name)
            .ok_or_else(|| {
                Refusal::new(
                    SqlState::INVALID_AUTHORIZATION,
                    "no PostgreSQL user name specified in startup packet",
                )
            })
    }

    /// The database to connect to, which is named as the role where none is named.
    ///
    /// # Errors
    /// As [`Self::user`].
    pub fn database(&self) -> Result<String, Refusal> {
        match self
            .parameter("database")
            .filter(|database| !database.is_empty())
        {
            Some(database) => Ok(cut_name(database)),
            None => self.user(),
        }
    }

    /// The minor version that is spoken from here on.
    #[must_use]
    pub fn spoken_minor_version(&self) -> u16 {
        self.minor_version.min(MINOR_VERSION_MAX)
    }

    /// Whether the client has to be told that it asked for more than there is.
    #[must_use]
    pub fn must_be_negotiated(&self) -> bool {
        self.minor_version > MINOR_VERSION_MAX || !self.protocol_options.is_empty()
    }
}

/// A name as PostgreSQL looks it up.
fn cut_name(name: &str) -> String {
    let bytes = raw::bytes(name);
    raw::text(&bytes[..bytes.len().min(NAME_BYTES_MAX)])
}

/// Why a first packet was no use.
#[derive(Debug)]
pub enum FirstPacketError {
    /// The client went away, or the socket failed.
    Io(io::Error),
    /// The packet is no packet, and whoever sent it no client: the connection is closed without a word.
    Unreadable,
    /// The packet is malformed or asks for what there is not; the client is told so.
    Refused(Refusal),
    /// The client speaks protocol 2 or 1, and is told in their way of writing that nobody else does.
    TooOld(Refusal),
}

impl From<io::Error> for FirstPacketError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Refusal> for FirstPacketError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Reads one first packet, and not one byte more.
///
/// # Errors
/// An I/O error, the refusal to send (08P01, 0A000, 22023), or that nothing is to be said.
pub async fn read_first_packet(stream: &mut Stream) -> Result<FirstPacket, FirstPacketError> {
    let length = stream.read_u32().await?;
    let body_bytes = (length as usize).wrapping_sub(4);
    if !(4..=STARTUP_BYTES_MAX).contains(&body_bytes) {
        return Err(FirstPacketError::Unreadable);
    }
    let mut packet = BytesMut::zeroed(4 + body_bytes);
    packet[..4].copy_from_slice(&length.to_be_bytes());
    stream.read_exact(&mut packet[4..]).await?;
    decode(packet)
}

/// Reads a first packet that has arrived whole: at least 8 bytes, of which the first four are its length.
///
/// # Errors
/// As [`read_first_packet`].
pub fn decode(packet: BytesMut) -> Result<FirstPacket, FirstPacketError> {
    let (code, body) = packet
        .get(4..)
        .and_then(<[u8]>::split_first_chunk::<4>)
        .ok_or(FirstPacketError::Unreadable)?;
    match u32::from_be_bytes(*code) {
        SSL_REQUEST => return Ok(FirstPacket::Ssl),
        GSSENC_REQUEST => return Ok(FirstPacket::Gss),
        CANCEL_REQUEST => return decode_cancel(body),
        _ => {}
    }
    let [a, b, c, d] = *code;
    let (major, minor) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    match major {
        3 => Ok(FirstPacket::Startup(decode_startup(minor, body)?)),
        0..3 => Err(FirstPacketError::TooOld(unsupported(major, minor))),
        4.. => Err(unsupported(major, minor).into()),
    }
}

/// A StartupMessage of protocol 3.0: the version that every server speaks, and that no pooler in between refuses.
#[must_use]
pub fn encode(parameters: &[(String, String)]) -> Vec<u8> {
    let mut body = (3_u32 << 16).to_be_bytes().to_vec();
    for text in parameters.iter().flat_map(|(name, value)| [name, value]) {
        body.extend_from_slice(&raw::bytes(text));
        body.push(0);
    }
    body.push(0);
    with_length(&body)
}

/// A CancelRequest.
#[must_use]
pub fn encode_cancel(process_id: i32, secret_key: &[u8]) -> Vec<u8> {
    let head = [CANCEL_REQUEST.to_be_bytes(), process_id.to_be_bytes()];
    with_length(&[head.as_flattened(), secret_key].concat())
}

fn with_length(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(4 + body.len()).expect("a first packet is short");
    [&length.to_be_bytes(), body].concat()
}

/// The refusal of a second request for an encryption that was refused before: PostgreSQL then takes the request's code
/// for a version.
#[must_use]
pub fn repeated_request(packet: &FirstPacket) -> Refusal {
    match packet {
        FirstPacket::Gss => unsupported(1234, 5680),
        _ => unsupported(1234, 5679),
    }
}

/// The refusal of bytes that came together with a request for encryption: whoever wrote them, it need not have been the
/// client.
///
/// # Source
/// CVE-2021-23214 and CVE-2021-23222.
#[must_use]
pub fn unencrypted_data(request: &FirstPacket) -> Refusal {
    Refusal::new(
        SqlState::PROTOCOL_VIOLATION,
        match request {
            FirstPacket::Gss => "received unencrypted data after GSSAPI encryption request",
            _ => "received unencrypted data after SSL request",
        },
    )
    .with_detail(
        "This could be either a client-software bug or evidence of an attempted man-in-the-middle attack.",
    )
}

fn decode_cancel(body: &[u8]) -> Result<FirstPacket, FirstPacketError> {
    match body.split_first_chunk::<4>() {
        Some((process_id, key)) if (1..=SECRET_KEY_BYTES_MAX).contains(&key.len()) => {
            Ok(FirstPacket::Cancel {
                process_id: i32::from_be_bytes(*process_id),
                secret_key: key.to_vec(),
            })
        }
        _ => Err(FirstPacketError::Unreadable),
    }
}

fn decode_startup(minor_version: u16, body: &[u8]) -> Result<StartupMessage, Refusal> {
    let mut startup = StartupMessage {
        minor_version,
        ..StartupMessage::default()
    };
    let mut rest = body;
    // PostgreSQL puts a NUL of its own behind the packet; so a string may end with it.
    let string = |rest: &[u8]| memchr::memchr(0, rest).unwrap_or(rest.len());
    while let Some(&first) = rest.first() {
        let name_bytes = string(rest);
        if first == 0 || name_bytes + 1 >= rest.len() {
            break;
        }
        let (name, after) = (&rest[..name_bytes], &rest[name_bytes + 1..]);
        let value_bytes = string(after);
        startup.add(name, &after[..value_bytes])?;
        rest = &after[(value_bytes + 1).min(after.len())..];
        if value_bytes == after.len() {
            return Err(layout());
        }
    }
    // PostgreSQL looks at where the last byte stands, and not at what it is.
    if rest.len() == 1 {
        Ok(startup)
    } else {
        Err(layout())
    }
}

impl StartupMessage {
    fn add(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refusal> {
        if name.starts_with(b"_pq_.") {
            self.protocol_options.push(raw::text(name));
            return Ok(());
        }
        if name == b"replication" {
            self.replication = match value {
                b"database" => Replication::Database,
                _ => match boolean(value) {
                    Some(true) => Replication::Physical,
                    Some(false) => Replication::No,
                    None => return Err(no_replication(value)),
                },
            };
        }
        self.parameters.push((raw::text(name), raw::text(value)));
        Ok(())
    }
}

/// A boolean as the server reads one: any unambiguous beginning of a word for it, in any letter case.
///
/// # Source
/// `parse_bool_with_len` in `src/backend/utils/adt/bool.c`.
fn boolean(value: &[u8]) -> Option<bool> {
    let value = value.to_ascii_lowercase();
    let begins = |word: &str, at_least: usize| {
        value.len() >= at_least && word.as_bytes().starts_with(&value)
    };
    if begins("true", 1) || begins("yes", 1) || begins("on", 2) || value == b"1" {
        Some(true)
    } else if begins("false", 1) || begins("no", 1) || begins("off", 2) || value == b"0" {
        Some(false)
    } else {
        None
    }
}

fn no_replication(value: &[u8]) -> Refusal {
    Refusal::new(
        SqlState::INVALID_PARAMETER_VALUE,
        format!(
            "invalid value for parameter \"replication\": \"{}\"",
            raw::text(value)
        ),
    )
    .with_hint("Valid values are: \"false\", 0, \"true\", 1, \"database\".")
}

fn layout() -> Refusal {
    Refusal::new(
        SqlState::PROTOCOL_VIOLATION,
        "invalid startup packet layout: expected terminator as last byte",
    )
}

fn unsupported(major: u16, minor: u16) -> Refusal {
    Refusal::new(
        SqlState::FEATURE_NOT_SUPPORTED,
        format!(
            "unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.{MINOR_VERSION_MAX}"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(body: &[u8]) -> BytesMut {
        let mut packet = BytesMut::new();
        packet.extend_from_slice(&u32::try_from(body.len() + 4).unwrap().to_be_bytes());
        packet.extend_from_slice(body);
        packet
    }

    fn startup(body: &[u8]) -> Result<StartupMessage, FirstPacketError> {
        match decode(packet(body))? {
            FirstPacket::Startup(startup) => Ok(startup),
            other => panic!("not a startup message: {other:?}"),
        }
    }

    #[test]
    fn a_startup_message_is_read_with_its_options_apart() {
        let startup =
            startup(b"\0\x03\0\x02user\0ann\0_pq_.x\0on\0user\0bob\0database\0sh\xf6p\0\0")
                .unwrap();
        assert_eq!(startup.minor_version, 2);
        assert_eq!(startup.protocol_options, ["_pq_.x"]);
        assert_eq!(startup.parameter("user"), Some("bob"));
        assert_eq!(*raw::bytes(&startup.database().unwrap()), *b"sh\xf6p");
        assert_eq!(startup.parameters.len(), 3);
    }

    #[test]
    fn layouts_are_refused_where_postgresql_refuses_them() {
        for bad in [
            &b"\0\x03\0\0user\0ann"[..],
            b"\0\x03\0\0user\0ann\0",
            b"\0\x03\0\0user\0",
            b"\0\x03\0\0user",
            b"\0\x03\0\0",
            b"\0\x03\0\0user\0ann\0\0\0",
            b"\0\x03\0\0\0user\0ann\0\0",
        ] {
            let Err(FirstPacketError::Refused(refusal)) = startup(bad) else {
                panic!("{bad:?} is taken");
            };
            assert_eq!(refusal, layout(), "{bad:?}");
        }
        assert!(startup(b"\0\x03\0\0\0").unwrap().user().is_err());
        assert!(startup(b"\0\x03\0\0user\0\0\0").unwrap().user().is_err());
    }

    #[test]
    fn other_protocols_are_told_apart_from_what_is_none() {
        let refused = |body: &[u8]| match decode(packet(body)) {
            Err(FirstPacketError::Refused(refusal)) => format!("{refusal}"),
            Err(FirstPacketError::TooOld(refusal)) => format!("old: {refusal}"),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            refused(b"\0\x02\0\0user\0ann\0\0"),
            "old: unsupported frontend protocol 2.0: server supports 3.0 to 3.2 (0A000)"
        );
        assert_eq!(
            refused(b"\0\x04\0\x01"),
            "unsupported frontend protocol 4.1: server supports 3.0 to 3.2 (0A000)"
        );
    }

    #[test]
    fn names_are_cut_where_postgresql_cuts_them() {
        let long = "\u{e4}".repeat(40);
        let body = [b"\0\x03\0\0user\0", long.as_bytes(), b"\0\0"].concat();
        let cut = startup(&body).unwrap();
        assert_eq!(*raw::bytes(&cut.user().unwrap()), long.as_bytes()[..63]);
        assert_eq!(cut.user().unwrap(), cut.database().unwrap());
    }

    #[test]
    fn replication_is_read_as_a_boolean_or_a_word() {
        let asked = |value: &str| {
            let body = [b"\0\x03\0\0replication\0", value.as_bytes(), b"\0\0"].concat();
            startup(&body).map(|startup| startup.replication).ok()
        };
        for on in ["true", "T", "1", "on", "yes", "Y"] {
            assert_eq!(asked(on), Some(Replication::Physical), "{on}");
        }
        for off in ["false", "f", "0", "of", "NO"] {
            assert_eq!(asked(off), Some(Replication::No), "{off}");
        }
        assert_eq!(asked("database"), Some(Replication::Database));
        for bad in ["o", "", "2", "Database", "truee"] {
            assert_eq!(asked(bad), None, "{bad}");
        }
    }

    #[test]
    fn encryption_requests_and_cancels_are_told_apart() {
        let ssl = packet(&SSL_REQUEST.to_be_bytes());
        assert!(matches!(decode(ssl), Ok(FirstPacket::Ssl)));
        let gss = packet(&GSSENC_REQUEST.to_be_bytes());
        assert!(matches!(decode(gss), Ok(FirstPacket::Gss)));
        let cancel = |key: &[u8]| {
            let head = [CANCEL_REQUEST.to_be_bytes(), 7u32.to_be_bytes()].concat();
            decode(packet(&[&head[..], key].concat()))
        };
        for length in [1, 4, 32, 256] {
            let Ok(FirstPacket::Cancel {
                process_id,
                secret_key,
            }) = cancel(&vec![9; length])
            else {
                panic!("not a cancel request");
            };
            assert_eq!((process_id, secret_key), (7, vec![9; length]));
        }
        for length in [0, 257] {
            let none = cancel(&vec![9; length]);
            assert!(
                matches!(none, Err(FirstPacketError::Unreadable)),
                "{none:?}"
            );
        }
    }
}

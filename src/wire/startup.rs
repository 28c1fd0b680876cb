//! The first packet of a connection: a startup message, a cancel, or a request for encryption.

use std::io;

use bytes::BytesMut;
use pgwire::messages::cancel::CancelRequest;
use pgwire::messages::startup::{GssEncRequest, SslRequest, Startup};
use pgwire::messages::{DecodeContext, Message, ProtocolVersion};
use tokio::io::AsyncReadExt;

use super::stream::Stream;
use crate::error::{Refusal, SqlState};

/// The largest first packet.
///
/// # Source
/// `MAX_STARTUP_PACKET_LENGTH` in `src/include/libpq/pqcomm.h`.
const STARTUP_BYTES_MAX: usize = 10_000;

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

/// A StartupMessage's contents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StartupMessage {
    /// The minor protocol version asked for; the major one is 3.
    pub minor_version: u16,
    /// Protocol options (`_pq_.` names), none of which we know.
    pub protocol_options: Vec<String>,
    /// Every parameter but those, in alphabetical order.
    pub parameters: Vec<(String, String)>,
}

impl StartupMessage {
    /// The value of one parameter.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Why a first packet was no use.
#[derive(Debug)]
pub enum FirstPacketError {
    /// The client went away, or the socket failed.
    Io(io::Error),
    /// The packet is malformed or of another protocol; the client may be told so.
    Refused(Refusal),
}

impl From<io::Error> for FirstPacketError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Reads one first packet, and not one byte more.
///
/// # Errors
/// An I/O error, or the refusal to send (08P01, 0A000).
pub async fn read_first_packet(stream: &mut Stream) -> Result<FirstPacket, FirstPacketError> {
    let length = stream.read_u32().await? as usize;
    if !(8..=STARTUP_BYTES_MAX).contains(&length) {
        return Err(FirstPacketError::Refused(malformed(
            "invalid length of startup packet",
        )));
    }
    let mut packet = BytesMut::zeroed(length);
    packet[..4].copy_from_slice(&u32::try_from(length).unwrap_or_default().to_be_bytes());
    stream.read_exact(&mut packet[4..]).await?;
    decode(packet).map_err(FirstPacketError::Refused)
}

fn decode(mut packet: BytesMut) -> Result<FirstPacket, Refusal> {
    let any_key_length = DecodeContext::new(ProtocolVersion::PROTOCOL3_2);
    if SslRequest::is_ssl_request_packet(&packet) {
        return Ok(FirstPacket::Ssl);
    }
    if GssEncRequest::is_gss_enc_request_packet(&packet) {
        return Ok(FirstPacket::Gss);
    }
    if CancelRequest::is_cancel_request_packet(&packet) {
        let cancel = CancelRequest::decode(&mut packet, &any_key_length)
            .ok()
            .flatten()
            .ok_or_else(|| malformed("invalid cancel request"))?;
        return Ok(FirstPacket::Cancel {
            process_id: cancel.pid,
            secret_key: cancel.secret_key.to_bytes().to_vec(),
        });
    }
    let major = u16::from_be_bytes([packet[4], packet[5]]);
    let minor = u16::from_be_bytes([packet[6], packet[7]]);
    if major != 3 {
        return Err(Refusal::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            format!("unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.0"),
        ));
    }
    if packet.last() != Some(&0) {
        return Err(malformed(
            "invalid startup packet layout: expected terminator as last byte",
        ));
    }
    let startup = Startup::decode(&mut packet, &any_key_length)
        .ok()
        .flatten()
        .ok_or_else(|| malformed("invalid startup packet"))?;
    let (options, parameters): (Vec<_>, Vec<_>) = startup
        .parameters
        .into_iter()
        .filter(|(name, _)| !name.is_empty())
        .partition(|(name, _)| name.starts_with("_pq_."));
    Ok(FirstPacket::Startup(StartupMessage {
        minor_version: minor,
        protocol_options: options.into_iter().map(|(name, _)| name).collect(),
        parameters,
    }))
}

fn malformed(message: &'static str) -> Refusal {
    Refusal::new(SqlState::PROTOCOL_VIOLATION, message)
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

    #[test]
    fn a_startup_message_is_read_with_its_options_apart() {
        let body = b"\0\x03\0\x02user\0ann\0_pq_.x\0on\0database\0shop\0\0";
        let FirstPacket::Startup(startup) = decode(packet(body)).unwrap() else {
            panic!("not a startup message");
        };
        assert_eq!(startup.minor_version, 2);
        assert_eq!(startup.protocol_options, ["_pq_.x"]);
        assert_eq!(startup.parameter("user"), Some("ann"));
        assert_eq!(startup.parameter("database"), Some("shop"));
    }

    #[test]
    fn other_protocols_and_layouts_are_refused() {
        let code = |body: &[u8]| decode(packet(body)).unwrap_err().sqlstate;
        assert_eq!(
            code(b"\0\x02\0\0user\0ann\0\0"),
            SqlState::FEATURE_NOT_SUPPORTED
        );
        assert_eq!(code(b"\0\x03\0\0user\0ann"), SqlState::PROTOCOL_VIOLATION);
    }

    #[test]
    fn encryption_requests_and_cancels_are_told_apart() {
        let ssl = packet(&80_877_103u32.to_be_bytes());
        assert!(matches!(decode(ssl), Ok(FirstPacket::Ssl)));
        let gss = packet(&80_877_104u32.to_be_bytes());
        assert!(matches!(decode(gss), Ok(FirstPacket::Gss)));
        let mut cancel = 80_877_102u32.to_be_bytes().to_vec();
        cancel.extend_from_slice(&7u32.to_be_bytes());
        cancel.extend_from_slice(&[1, 2, 3, 4]);
        let Ok(FirstPacket::Cancel {
            process_id,
            secret_key,
        }) = decode(packet(&cancel))
        else {
            panic!("not a cancel request");
        };
        assert_eq!((process_id, secret_key), (7, vec![1, 2, 3, 4]));
    }
}

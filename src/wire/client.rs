//! A client's login, as far as it is bytes: frames before the session begins.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::frame::{HEADER_BYTES, split_cstr, tag};
use super::message::{self, Severity};
use super::scram::{Keys, SCRAM_SHA_256, ScramError, ServerExchange, Verifier};
use super::stream::Stream;
use crate::error::{Refusal, SqlState};

/// The largest message during authentication.
///
/// # Source
/// `PG_MAX_SASL_MESSAGE_LENGTH` and `PG_MAX_AUTH_TOKEN_LENGTH` are both 65,535 or less; SCRAM's are far below 1 kB.
const AUTH_MESSAGE_BYTES_MAX: usize = 2048;

/// How often what a refused client has sent on top is read, 512 bytes at a time; it may well send for ever.
const UNREAD_READS_MAX: usize = 128;

/// Why a login ended early.
#[derive(Debug)]
pub enum LoginError {
    /// The client went away, or the socket failed.
    Io(io::Error),
    /// The client is to be told, and the connection closed.
    Refused(Refusal),
    /// The server has refused, and the client is to be told in its words: a whole ErrorResponse.
    Server(Bytes),
}

impl From<io::Error> for LoginError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Refusal> for LoginError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Writes all of `out` and empties it.
///
/// # Errors
/// What the socket returns.
pub async fn write_all(stream: &mut Stream, out: &mut BytesMut) -> io::Result<()> {
    stream.write_all(out).await?;
    out.clear();
    Ok(())
}

/// Tells the client why, as well as it can still be told; the caller then closes the socket.
pub async fn refuse(stream: &mut Stream, refusal: &Refusal) {
    let mut out = BytesMut::new();
    message::put_error(&mut out, Severity::Fatal, refusal);
    close_with(stream, &out).await;
}

/// Sends last bytes, as well as they can still be sent; the caller then closes the socket.
pub async fn close_with(stream: &mut Stream, bytes: &[u8]) {
    // The client may be gone already; there is nobody left to tell.
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    // Closing a socket with something left to read would reset it, and the last bytes might never be seen.
    let mut unread = [0; 512];
    for _ in 0..UNREAD_READS_MAX {
        if !matches!(stream.try_read(&mut unread), Ok(1..)) {
            return;
        }
    }
}

/// Checks the client's password by SCRAM-SHA-256 and returns the keys that it gave away.
///
/// AuthenticationOk is not sent: the caller sends it with what follows.
///
/// # Errors
/// 28P01 in PostgreSQL's words when the password is wrong or the role unknown, 08P01 when the client does not speak
/// SCRAM.
pub async fn authenticate_scram(
    stream: &mut Stream,
    role: &str,
    verifier: Verifier,
) -> Result<Keys, LoginError> {
    let mut out = BytesMut::new();
    message::put_authentication_sasl(&mut out, &[SCRAM_SHA_256]);
    write_all(stream, &mut out).await?;

    let initial = read_password_message(stream).await?;
    let (mechanism, rest) =
        split_cstr(&initial).ok_or_else(|| protocol("malformed SASL initial response"))?;
    if mechanism != SCRAM_SHA_256.as_bytes() {
        return Err(protocol("client selected an invalid SASL authentication mechanism").into());
    }
    let client_first = rest
        .split_at_checked(4)
        .map(|(_, data)| data)
        .ok_or_else(|| protocol("malformed SASL initial response"))?;
    let (exchange, server_first) =
        ServerExchange::start(verifier, client_first).map_err(|error| scram(error, role))?;
    message::put_authentication_sasl_continue(&mut out, server_first);
    write_all(stream, &mut out).await?;

    let client_final = read_password_message(stream).await?;
    let (keys, server_final) = exchange
        .finish(&client_final)
        .map_err(|error| scram(error, role))?;
    message::put_authentication_sasl_final(&mut out, server_final);
    write_all(stream, &mut out).await?;
    Ok(keys)
}

async fn read_password_message(stream: &mut Stream) -> Result<Vec<u8>, LoginError> {
    let mut header = [0; HEADER_BYTES];
    stream.read_exact(&mut header).await?;
    if header[0] != tag::PASSWORD {
        return Err(protocol("expected SASL response, got another message").into());
    }
    let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]) as usize;
    if !(4..=AUTH_MESSAGE_BYTES_MAX).contains(&length) {
        return Err(protocol("invalid message length").into());
    }
    let mut body = vec![0; length - 4];
    stream.read_exact(&mut body).await?;
    Ok(body)
}

fn protocol(message: &'static str) -> Refusal {
    Refusal::new(SqlState::PROTOCOL_VIOLATION, message)
}

fn scram(error: ScramError, role: &str) -> Refusal {
    match error {
        ScramError::Malformed => protocol("malformed SCRAM message"),
        ScramError::ChannelBinding => {
            protocol("malformed SCRAM message: channel binding needs an encrypted connection")
        }
        ScramError::Mismatch => password_failed(role),
    }
}

/// PostgreSQL's own words for a wrong password, which are also its words for an unknown role.
#[must_use]
pub fn password_failed(role: &str) -> Refusal {
    Refusal::new(
        SqlState::INVALID_PASSWORD,
        format!("password authentication failed for user \"{role}\""),
    )
}

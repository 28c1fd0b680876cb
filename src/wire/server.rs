//! A connection to PostgreSQL, from the first packet to the first ReadyForQuery.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use super::frame::{HEADER_BYTES, Header, split_cstr, tag};
use super::message;
use super::scram::{ClientExchange, Keys, SCRAM_SHA_256};
use super::startup;
use super::stream::Stream;
use crate::names::raw;

/// The largest message that a server sends before its first ReadyForQuery.
///
/// # Source
/// libpq's own bound for messages of this phase is 30,000 bytes (`fe-connect.c`); an ErrorResponse may be longer.
const STARTUP_MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// Where a server listens.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// A host name or address, and a port.
    Tcp(String, u16),
    /// The path of a Unix-domain socket (`.s.PGSQL.5432` included).
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Address {
    /// Connects the socket.
    ///
    /// # Errors
    /// What the operating system says.
    pub async fn connect(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(host, port) => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                let keepalive = socket2::TcpKeepalive::new().with_time(KEEPALIVE_AFTER);
                socket2::SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
                Ok(Stream::Tcp(stream))
            }
            Self::Unix(path) => Ok(Stream::Unix(UnixStream::connect(path).await?)),
        }
    }
}

/// Idle time before the first TCP keepalive probe; a dead peer is noticed within a few minutes, as with PgBouncer's
/// `tcp_keepalive` on Linux defaults shortened.
pub const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);

/// What we can prove who we are with.
#[derive(Clone)]
pub enum Credentials {
    /// Nothing: the server must trust us.
    None,
    /// Keys that a client's own login gave away.
    Keys(Keys),
    /// A password from the configuration.
    Password(String),
}

/// Why no connection came about.
#[derive(Clone, Debug)]
pub enum ConnectError {
    /// The server refused, in its own words: a whole ErrorResponse frame.
    Server(Bytes),
    /// The server could not be reached, or broke off.
    Unreachable(String),
    /// The server wants a proof that we do not have.
    NoCredentials(&'static str),
    /// The connection is of no more use: the server closed it while it was idle, or begins sessions otherwise by now.
    Stale,
}

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> Self {
        Self::Unreachable(error.to_string())
    }
}

/// A connection that has reached its first ReadyForQuery.
#[derive(Debug)]
pub struct ServerStream {
    /// The socket.
    pub stream: Stream,
    /// BackendKeyData's process id.
    pub process_id: i32,
    /// BackendKeyData's secret.
    pub secret_key: Bytes,
    /// Every ParameterStatus, in the order of arrival, as [`read_parameter_status`] reads it.
    pub parameters: Vec<(String, String)>,
    /// Every NoticeResponse of the login, whole.
    pub notices: Vec<Bytes>,
}

/// Connects and logs in.
///
/// # Errors
/// See [`ConnectError`]. No deadline is kept here: the caller wraps this in one.
pub async fn connect(
    address: &Address,
    parameters: &[(String, String)],
    credentials: &Credentials,
) -> Result<ServerStream, ConnectError> {
    let mut stream = address.connect().await?;
    stream.write_all(&startup::encode(parameters)).await?;

    let role = parameters
        .iter()
        .find(|(name, _)| name == "user")
        .map_or("", |(_, value)| value);
    authenticate(&mut stream, role, credentials).await?;
    until_ready(stream).await
}

/// Sends a CancelRequest on a connection of its own and waits until the server has taken it (and closed).
///
/// # Errors
/// What the operating system says; the server may then take it later, or never.
pub async fn send_cancel(mut stream: Stream, process_id: i32, secret_key: &[u8]) -> io::Result<()> {
    let packet = startup::encode_cancel(process_id, secret_key);
    stream.write_all(&packet).await?;
    // The server closes without a word once the signal is sent.
    let mut rest = [0; 64];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

/// A login in progress by SCRAM, by either kind of proof.
enum Sasl {
    Keys(ClientExchange),
    Password(ScramSha256),
}

async fn authenticate(
    stream: &mut Stream,
    role: &str,
    credentials: &Credentials,
) -> Result<(), ConnectError> {
    let mut sasl = None;
    loop {
        let frame = read_frame(stream).await?;
        match frame[0] {
            tag::ERROR_RESPONSE => return Err(ConnectError::Server(frame)),
            tag::AUTHENTICATION => {}
            // NegotiateProtocolVersion and notices need no answer.
            _ => continue,
        }
        let (code, data) = frame[HEADER_BYTES..]
            .split_first_chunk::<4>()
            .ok_or_else(|| unexpected("a short authentication request"))?;
        let answer: Vec<u8> = match u32::from_be_bytes(*code) {
            0 => return Ok(()),
            3 => {
                let mut answer = password(credentials)?.as_bytes().to_vec();
                answer.push(0);
                answer
            }
            5 => {
                let salt = data
                    .first_chunk::<4>()
                    .ok_or_else(|| unexpected("a short MD5 salt"))?;
                let hash = md5_hash(&raw::bytes(role), password(credentials)?.as_bytes(), *salt);
                let mut answer = hash.into_bytes();
                answer.push(0);
                answer
            }
            10 => {
                let (state, first) = start_sasl(data, credentials)?;
                sasl = Some(state);
                let mut answer = SCRAM_SHA_256.as_bytes().to_vec();
                answer.push(0);
                let length = u32::try_from(first.len()).expect("a SCRAM message is short");
                answer.extend_from_slice(&length.to_be_bytes());
                answer.extend_from_slice(&first);
                answer
            }
            11 => match &mut sasl {
                Some(Sasl::Keys(exchange)) => exchange
                    .proceed(data)
                    .map_err(|_| unexpected("a malformed SCRAM message"))?
                    .into_bytes(),
                Some(Sasl::Password(exchange)) => {
                    exchange.update(data)?;
                    exchange.message().to_vec()
                }
                None => return Err(unexpected("SASL data before its beginning")),
            },
            12 => {
                match &mut sasl {
                    Some(Sasl::Keys(exchange)) => exchange
                        .finish(data)
                        .map_err(|_| unexpected("a wrong SCRAM signature"))?,
                    Some(Sasl::Password(exchange)) => exchange.finish(data)?,
                    None => return Err(unexpected("SASL data before its beginning")),
                }
                continue;
            }
            _ => {
                return Err(ConnectError::NoCredentials(
                    "the server demands an authentication method that is not supported",
                ));
            }
        };
        let mut out = BytesMut::new();
        message::put_frame(&mut out, tag::PASSWORD, &[&answer]);
        stream.write_all(&out).await?;
    }
}

fn start_sasl(
    mut mechanisms: &[u8],
    credentials: &Credentials,
) -> Result<(Sasl, Vec<u8>), ConnectError> {
    let mut offered = false;
    while let Some((name, rest)) = split_cstr(mechanisms) {
        offered |= name == SCRAM_SHA_256.as_bytes();
        mechanisms = rest;
    }
    if !offered {
        return Err(ConnectError::NoCredentials(
            "the server offers no SASL mechanism that is supported",
        ));
    }
    if let Credentials::Keys(keys) = credentials {
        let (exchange, first) = ClientExchange::start(keys.clone());
        return Ok((Sasl::Keys(exchange), first.into_bytes()));
    }
    let exchange = ScramSha256::new(
        password(credentials)?.as_bytes(),
        ChannelBinding::unsupported(),
    );
    let first = exchange.message().to_vec();
    Ok((Sasl::Password(exchange), first))
}

fn password(credentials: &Credentials) -> Result<&str, ConnectError> {
    match credentials {
        Credentials::Password(password) => Ok(password),
        Credentials::Keys(_) => Err(ConnectError::NoCredentials(
            "the server demands a password where a SCRAM login was expected",
        )),
        Credentials::None => Err(ConnectError::NoCredentials(
            "the server demands a password and none is known for this role",
        )),
    }
}

async fn until_ready(mut stream: Stream) -> Result<ServerStream, ConnectError> {
    let mut process_id = 0;
    let mut secret_key = Bytes::new();
    let mut parameters = Vec::new();
    let mut notices = Vec::new();
    loop {
        let frame = read_frame(&mut stream).await?;
        let body = frame.slice(HEADER_BYTES..);
        match frame[0] {
            tag::READY_FOR_QUERY => {
                return Ok(ServerStream {
                    stream,
                    process_id,
                    secret_key,
                    parameters,
                    notices,
                });
            }
            tag::ERROR_RESPONSE => return Err(ConnectError::Server(frame)),
            tag::BACKEND_KEY_DATA => {
                let id = body
                    .first_chunk::<4>()
                    .ok_or_else(|| unexpected("a short BackendKeyData"))?;
                process_id = i32::from_be_bytes(*id);
                secret_key = body.slice(4..);
                if secret_key.len() > startup::SECRET_KEY_BYTES_MAX {
                    return Err(unexpected("an oversized secret key"));
                }
            }
            tag::PARAMETER_STATUS => parameters.extend(read_parameter_status(&body)),
            tag::NOTICE_RESPONSE => notices.push(frame),
            _ => {}
        }
    }
}

/// The name and value of a ParameterStatus's body, as [`raw`] holds text: they are in the session's encoding.
#[must_use]
pub fn read_parameter_status(body: &[u8]) -> Option<(String, String)> {
    let (name, rest) = split_cstr(body)?;
    let (value, _) = split_cstr(rest)?;
    Some((raw::text(name), raw::text(value)))
}

async fn read_frame(stream: &mut Stream) -> Result<Bytes, ConnectError> {
    let mut frame = vec![0; HEADER_BYTES];
    stream.read_exact(&mut frame).await?;
    let header = Header::read_backend(&frame).expect("five bytes were read");
    if header.frame_bytes > STARTUP_MESSAGE_BYTES_MAX {
        return Err(unexpected("an oversized message during startup"));
    }
    frame.resize(header.frame_bytes, 0);
    stream.read_exact(&mut frame[HEADER_BYTES..]).await?;
    Ok(frame.into())
}

fn unexpected(what: &str) -> ConnectError {
    ConnectError::Unreachable(format!("the server sent {what}"))
}

//! A client that speaks the protocol byte by byte: blocking, with a timeout on every read, and free to misbehave.

use std::io::{self, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};

use super::frames::{self, Frame};
use super::postgres::Postgres;

/// How long a read waits before the test fails; far above what anything here should take on a loaded machine.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Where a server, or the proxy, listens.
#[derive(Clone, Debug)]
pub(crate) enum Endpoint {
    /// TCP.
    Tcp(SocketAddr),
    /// A Unix socket, by its full path.
    Unix(PathBuf),
}

impl Endpoint {
    /// A port on the loopback address.
    pub(crate) fn local(port: u16) -> Self {
        Self::Tcp(SocketAddr::from(([127, 0, 0, 1], port)))
    }

    /// The socket that PostgreSQL's naming rule gives to this port in this folder.
    pub(crate) fn unix(folder: &Path, port: u16) -> Self {
        Self::Unix(folder.join(format!(".s.PGSQL.{port}")))
    }
}

/// Who logs in, and with what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Login<'a> {
    pub(crate) user: &'a str,
    pub(crate) password: &'a str,
    /// Empty where the client names none.
    pub(crate) database: &'a str,
    /// Further startup parameters.
    pub(crate) parameters: &'a [(&'a str, &'a str)],
}

/// One connection.
pub(crate) struct Raw {
    stream: Stream,
    /// The body of BackendKeyData, once logged in.
    pub(crate) key: Vec<u8>,
    /// Every message of the login after authentication, up to ReadyForQuery.
    pub(crate) greeting: Vec<Frame>,
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Raw {
    /// Opens the socket and says nothing.
    pub(crate) fn open(endpoint: &Endpoint) -> io::Result<Self> {
        let stream = match endpoint {
            Endpoint::Tcp(address) => {
                let stream = TcpStream::connect_timeout(address, READ_TIMEOUT)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(READ_TIMEOUT))?;
                stream.set_write_timeout(Some(READ_TIMEOUT))?;
                Stream::Tcp(stream)
            }
            Endpoint::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(READ_TIMEOUT))?;
                stream.set_write_timeout(Some(READ_TIMEOUT))?;
                Stream::Unix(stream)
            }
        };
        Ok(Self {
            stream,
            key: Vec::new(),
            greeting: Vec::new(),
        })
    }

    /// Opens the socket and logs in, or hands back the ErrorResponse that refused it.
    pub(crate) fn login(endpoint: &Endpoint, login: &Login<'_>) -> Result<Self, Frame> {
        let mut raw = Self::open(endpoint).unwrap_or_else(|e| panic!("connect {endpoint:?}: {e}"));
        raw.authenticate(login)?;
        Ok(raw)
    }

    /// Sends the StartupMessage and goes through authentication up to ReadyForQuery.
    pub(crate) fn authenticate(&mut self, login: &Login<'_>) -> Result<(), Frame> {
        let mut parameters = vec![("user", login.user)];
        if !login.database.is_empty() {
            parameters.push(("database", login.database));
        }
        parameters.extend(login.parameters);
        self.authenticate_with(&frames::startup(&parameters), login.password)
    }

    /// The same with a StartupMessage of any kind.
    pub(crate) fn authenticate_with(
        &mut self,
        startup: &[u8],
        password: &str,
    ) -> Result<(), Frame> {
        self.send(startup);
        let mut scram = None;
        loop {
            let frame = self.read();
            match frame.tag {
                b'R' => self.answer(&frame.body, password, &mut scram),
                b'K' => {
                    self.key = frame.body.clone();
                    self.greeting.push(frame);
                }
                b'E' => return Err(frame),
                b'Z' => {
                    self.greeting.push(frame);
                    return Ok(());
                }
                _ => self.greeting.push(frame),
            }
        }
    }

    /// Answers one authentication request.
    fn answer(&mut self, body: &[u8], password: &str, scram: &mut Option<ScramSha256>) {
        let (code, data) = body.split_at(4);
        match i32::from_be_bytes(code.try_into().unwrap()) {
            0 => {}
            10 => {
                let exchange = scram.insert(ScramSha256::new(
                    password.as_bytes(),
                    ChannelBinding::unsupported(),
                ));
                let mut initial = b"SCRAM-SHA-256\0".to_vec();
                let message = exchange.message();
                initial.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
                initial.extend(message);
                self.send(&frames::frame(b'p', &initial));
            }
            11 => {
                let exchange = scram.as_mut().expect("AuthenticationSASL comes first");
                exchange.update(data).expect("a SCRAM challenge");
                let message = exchange.message().to_vec();
                self.send(&frames::frame(b'p', &message));
            }
            12 => scram
                .as_mut()
                .expect("AuthenticationSASL comes first")
                .finish(data)
                .expect("the server knows the password as well"),
            other => panic!("authentication request {other} is not one of ours"),
        }
    }

    /// Sends bytes, whole.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).expect("the peer takes what is sent");
    }

    /// Sends bytes; a peer that has gone is an answer.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Tcp(stream) => stream.write_all(bytes),
            Stream::Unix(stream) => stream.write_all(bytes),
        }
    }

    /// The next message; the end of the stream fails the test.
    pub(crate) fn read(&mut self) -> Frame {
        self.try_read()
            .expect("a message within the time limit")
            .expect("a message, and not the end of the stream")
    }

    /// The next message, or `None` where the peer closed between two messages.
    pub(crate) fn try_read(&mut self) -> io::Result<Option<Frame>> {
        let mut tag = [0];
        if self.read_some(&mut tag)? == 0 {
            return Ok(None);
        }
        let mut length = [0; 4];
        self.read_exact(&mut length)?;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap();
        let mut body = vec![0; length.checked_sub(4).expect("a length covers itself")];
        self.read_exact(&mut body)?;
        Ok(Some(Frame { tag: tag[0], body }))
    }

    /// One byte that belongs to no frame: the answer to SSLRequest and GSSENCRequest.
    pub(crate) fn read_byte(&mut self) -> u8 {
        let mut byte = [0];
        self.read_exact(&mut byte).expect("one byte");
        byte[0]
    }

    /// Messages up to and with ReadyForQuery.
    pub(crate) fn until_ready(&mut self) -> Vec<Frame> {
        self.until(b'Z')
    }

    /// Messages up to and with the first one of this tag.
    pub(crate) fn until(&mut self, tag: u8) -> Vec<Frame> {
        let mut seen = Vec::new();
        loop {
            let frame = self.read();
            let last = frame.tag == tag;
            seen.push(frame);
            if last {
                return seen;
            }
        }
    }

    /// Messages up to the end of the stream; a reset counts as the end.
    pub(crate) fn until_closed(&mut self) -> Vec<Frame> {
        let mut seen = Vec::new();
        loop {
            match self.try_read() {
                Ok(Some(frame)) => seen.push(frame),
                Ok(None) => return seen,
                Err(e) if e.kind() == io::ErrorKind::ConnectionReset => return seen,
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return seen,
                Err(e) => panic!("the connection stays open: {e}, after {seen:?}"),
            }
        }
    }

    /// Sends these messages and reads up to ReadyForQuery.
    pub(crate) fn exchange(&mut self, messages: &[Vec<u8>]) -> Vec<Frame> {
        self.send(&messages.concat());
        self.until_ready()
    }

    /// A simple query, with everything that answers it.
    pub(crate) fn query(&mut self, sql: &str) -> Vec<Frame> {
        self.exchange(&[frames::query(sql)])
    }

    /// A simple query that must succeed; its rows.
    pub(crate) fn rows(&mut self, sql: &str) -> Vec<Vec<Option<String>>> {
        let answer = self.query(sql);
        if let Some(error) = answer.iter().find(|frame| frame.tag == b'E') {
            panic!("{sql}: {error:?}");
        }
        rows(&answer)
    }

    /// A simple query that must succeed with one value.
    pub(crate) fn value(&mut self, sql: &str) -> String {
        let rows = self.rows(sql);
        let [row] = rows.as_slice() else {
            panic!("{sql}: {} rows", rows.len());
        };
        row[0].clone().unwrap_or_else(|| "NULL".to_owned())
    }

    /// A simple query that must fail; the ErrorResponse.
    pub(crate) fn error(&mut self, sql: &str) -> Frame {
        error(&self.query(sql))
    }

    /// Goes away without Terminate and without reading what is under way: a TCP peer sees a reset.
    pub(crate) fn kill(self) {
        self.socket()
            .set_linger(Some(Duration::ZERO))
            .expect("an open socket");
    }

    /// Says that nothing more will be sent.
    pub(crate) fn shut_down_sending(&self) {
        self.socket()
            .shutdown(std::net::Shutdown::Write)
            .expect("an open socket");
    }

    /// How long a read waits from now on.
    pub(crate) fn set_read_timeout(&self, timeout: Duration) {
        self.socket()
            .set_read_timeout(Some(timeout))
            .expect("a timeout above zero");
    }

    /// Waits until there is something to read, or the end of the stream; takes nothing.
    pub(crate) fn is_answered_within(&self, timeout: Duration) -> bool {
        self.set_read_timeout(timeout);
        let peeked = self.socket().peek(&mut [MaybeUninit::uninit()]);
        self.set_read_timeout(READ_TIMEOUT);
        peeked.is_ok()
    }

    fn socket(&self) -> socket2::SockRef<'_> {
        match &self.stream {
            Stream::Tcp(stream) => socket2::SockRef::from(stream),
            Stream::Unix(stream) => socket2::SockRef::from(stream),
        }
    }

    /// Reads what is there, up to the buffer's length, without looking at frames.
    pub(crate) fn read_some(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.stream {
            Stream::Tcp(stream) => stream.read(buffer),
            Stream::Unix(stream) => stream.read(buffer),
        }
    }

    fn read_exact(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Tcp(stream) => stream.read_exact(buffer),
            Stream::Unix(stream) => stream.read_exact(buffer),
        }
    }
}

/// The superuser of a test's PostgreSQL, on its Unix socket.
pub(crate) fn superuser(postgres: &Postgres, database: &str) -> Raw {
    let login = Login {
        user: "postgres",
        password: "",
        database,
        parameters: &[],
    };
    Raw::login(
        &Endpoint::unix(postgres.socket_dir(), postgres.port()),
        &login,
    )
    .expect("a login")
}

/// The rows among these messages.
pub(crate) fn rows(frames: &[Frame]) -> Vec<Vec<Option<String>>> {
    frames
        .iter()
        .filter(|frame| frame.tag == b'D')
        .map(Frame::columns)
        .collect()
}

/// The ErrorResponse among these messages.
pub(crate) fn error(frames: &[Frame]) -> Frame {
    frames
        .iter()
        .find(|frame| frame.tag == b'E')
        .unwrap_or_else(|| panic!("no error among {frames:?}"))
        .clone()
}

/// The SQLSTATE of the ErrorResponse among these messages.
pub(crate) fn sqlstate(frames: &[Frame]) -> String {
    error(frames).field(b'C').expect("every error has one")
}

/// The NoticeResponses among these messages.
pub(crate) fn notices(frames: &[Frame]) -> Vec<Frame> {
    frames
        .iter()
        .filter(|frame| frame.tag == b'N')
        .cloned()
        .collect()
}

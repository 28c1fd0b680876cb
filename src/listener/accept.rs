//! Accepting clients: one permit and one task for each.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::settings::Settings;
use super::socket_file::SocketFile;
use crate::error::{Refusal, SqlState};
use crate::observe::metrics::Held;
use crate::session::login::Door;
use crate::wire::server::KEEPALIVE_AFTER;
use crate::wire::stream::Stream;

/// How long to rest when the process has run out of file descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// Connections waiting to be accepted.
const BACKLOG: i32 = 1024;

/// The port in the name of the Unix socket when there is no TCP address.
const DEFAULT_PORT: u16 = 6432;

/// Bound sockets, not yet accepting.
#[derive(Debug)]
pub struct Listener {
    tcp: Option<TcpListener>,
    unix: Option<(UnixListener, SocketFile)>,
}

/// A socket that could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {what}: {source}")]
pub struct BindError {
    what: String,
    source: io::Error,
}

impl Listener {
    /// Binds what the settings name.
    ///
    /// # Errors
    /// When an address is taken, not ours, or malformed.
    pub async fn bind(settings: &Settings) -> Result<Self, BindError> {
        let mut port = DEFAULT_PORT;
        let mut tcp = None;
        if !settings.address.is_empty() {
            let listener = bind_tcp(&settings.address)
                .await
                .map_err(|source| BindError {
                    what: settings.address.clone(),
                    source,
                })?;
            port = listener.local_addr().map_or(port, |address| address.port());
            tcp = Some(listener);
        }
        let unix = match &settings.unix_socket_dir {
            None => None,
            Some(directory) => {
                let bound = SocketFile::bind(directory, port).map_err(|source| BindError {
                    what: directory
                        .join(format!(".s.PGSQL.{port}"))
                        .display()
                        .to_string(),
                    source,
                })?;
                Some(bound)
            }
        };
        Ok(Self { tcp, unix })
    }

    /// Where clients can connect, in words.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        let tcp = self.tcp.as_ref().and_then(|tcp| tcp.local_addr().ok());
        let unix = self.unix.as_ref().map(|(_, file)| file.path());
        tcp.map(|address| address.to_string())
            .into_iter()
            .chain(unix.map(|path| path.display().to_string()))
            .collect()
    }

    /// Accepts clients for ever; each is served by a task of its own.
    ///
    /// # Cancel safety
    /// Dropping the future stops accepting and closes the sockets; clients that were accepted go on.
    pub async fn run(&self, door: Arc<Door>, settings: &Settings) {
        let permits = Arc::new(Semaphore::new(settings.max_clients));
        loop {
            let accepted = tokio::select! {
                accepted = accept_tcp(self.tcp.as_ref()) => accepted,
                accepted = accept_unix(self.unix.as_ref()) => accepted,
            };
            match accepted {
                Ok(stream) => {
                    let permit = permits.clone().try_acquire_owned().ok();
                    let door = door.clone();
                    tokio::spawn(serve(door, stream, permit, settings.login_timeout));
                }
                Err(error) => {
                    tracing::warn!(%error, "could not accept a client");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                }
            }
        }
    }
}

async fn serve(
    door: Arc<Door>,
    stream: Stream,
    permit: Option<OwnedSemaphorePermit>,
    login_timeout: Duration,
) {
    let metrics = door.shared.metrics.clone();
    let _connected = Held::new(&metrics.clients_connected);
    let admitted = timeout(login_timeout, async {
        let applicant = door.receive(stream).await?;
        // A cancel is carried out also when the house is full; that is when it is needed most.
        if permit.is_none() {
            metrics.clients_refused.inc();
            let full = Refusal::new(
                SqlState::TOO_MANY_CONNECTIONS,
                "sorry, too many clients already",
            );
            Door::turn_away(applicant, &full).await;
            return None;
        }
        door.admit(applicant).await
    })
    .await;
    drop(door);
    if let Ok(Some(admitted)) = admitted {
        admitted.run().await;
    }
}

async fn bind_tcp(address: &str) -> io::Result<TcpListener> {
    let mut last = io::Error::from(io::ErrorKind::InvalidInput);
    for address in tokio::net::lookup_host(address).await? {
        let bound = || {
            let socket = socket2::Socket::new(
                socket2::Domain::for_address(address),
                socket2::Type::STREAM,
                None,
            )?;
            socket.set_reuse_address(true)?;
            socket.set_nonblocking(true)?;
            socket.bind(&address.into())?;
            socket.listen(BACKLOG)?;
            TcpListener::from_std(socket.into())
        };
        match bound() {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn accept_tcp(listener: Option<&TcpListener>) -> io::Result<Stream> {
    let Some(listener) = listener else {
        return std::future::pending().await;
    };
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    let keepalive = socket2::TcpKeepalive::new().with_time(KEEPALIVE_AFTER);
    socket2::SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
    Ok(Stream::Tcp(stream))
}

async fn accept_unix(listener: Option<&(UnixListener, SocketFile)>) -> io::Result<Stream> {
    let Some((listener, _)) = listener else {
        return std::future::pending().await;
    };
    let (stream, _) = listener.accept().await?;
    Ok(Stream::Unix(stream))
}

//! From a StartupMessage to a session: the proof of identity, and what the client is told. What comes before is in
//! `reception`.

use std::sync::Arc;

use bytes::BytesMut;

use super::keepers::KeeperWatch;
use super::replication::ReplicationSession;
use super::serve::{Session, Shared};
use super::startup_settings;
use crate::access;
use crate::access::settings::Method;
use crate::access::verifier::Standing;
use crate::ask::session_settings::SessionSettings;
use crate::error::{Refusal, SqlState};
use crate::names::{Caller, raw};
use crate::pool::connector::Greeting;
use crate::pool::control::ControlPools;
use crate::pool::dedicated::Dedicated;
use crate::pool::lease::{LeaseError, Pool};
use crate::pool::registry::Pools;
use crate::pool::roster::{Entry, Roster, SecretKey};
use crate::pool::settings::{PoolMode, UpstreamSettings};
use crate::wire::client::{self, LoginError};
use crate::wire::message;
use crate::wire::scram::{Keys, Verifier};
use crate::wire::server::{ConnectError, Credentials};
use crate::wire::startup::{Replication, StartupMessage};
use crate::wire::stream::Stream;

/// Everything that a login needs to know.
pub struct Door {
    /// What the sessions behind it share.
    pub shared: Arc<Shared>,
    /// The pools.
    pub pools: Pools,
    /// The service accounts' connections.
    pub control: ControlPools,
    /// How clients prove who they are.
    pub auth: access::settings::Settings,
    /// Who is connected.
    pub roster: Arc<Roster>,
    /// Makes the salts of roles that do not exist; random, and the same until the process ends.
    pub mock_secret: [u8; 32],
}

/// A client that has asked for a session, not yet let in.
pub struct Applicant {
    pub(super) stream: Stream,
    pub(super) startup: StartupMessage,
}

/// A client that has been let in.
pub enum Admitted {
    /// To an ordinary session.
    Session(Box<Session>),
    /// To a replication connection.
    Replication(Box<ReplicationSession>),
}

impl Admitted {
    /// Serves the client until either side has gone.
    pub async fn run(self) {
        match self {
            Self::Session(session) => session.run().await,
            Self::Replication(session) => session.run().await,
        }
    }
}

impl Door {
    /// Turns an applicant away.
    pub async fn turn_away(mut applicant: Applicant, refusal: &Refusal) {
        client::refuse(&mut applicant.stream, refusal).await;
    }

    /// Lets an applicant in, or tells it why not.
    ///
    /// # Cancel safety
    /// Dropping the future closes the socket.
    pub async fn admit(&self, applicant: Applicant) -> Option<Admitted> {
        let Applicant {
            mut stream,
            mut startup,
        } = applicant;
        let mut settings = SessionSettings::new(self.shared.asks.settings());
        let admitted = match startup.replication {
            Replication::No => {
                let providers = self.shared.asks.providers();
                match startup_settings::take(&mut startup, &mut settings, &providers) {
                    Ok(()) => self
                        .log_in(&mut stream, &startup)
                        .await
                        .map(Entrance::Shared),
                    Err(refusal) => Err(LoginError::Refused(refusal)),
                }
            }
            Replication::Physical | Replication::Database => self
                .log_in_for_replication(&mut stream, &startup)
                .await
                .map(Entrance::Own),
        };
        let error = match admitted {
            Ok(Entrance::Shared(entrance)) => {
                self.shared.metrics.logins_ok.inc();
                let session = Session::new(
                    self.shared.clone(),
                    stream,
                    entrance.entry,
                    entrance.pool,
                    entrance.watch,
                    entrance.application_name,
                    entrance.greeting,
                );
                let session = session.beginning_with(settings);
                return Some(Admitted::Session(Box::new(session)));
            }
            Ok(Entrance::Own((entry, dedicated))) => {
                self.shared.metrics.logins_ok.inc();
                return Some(Admitted::Replication(Box::new(ReplicationSession::new(
                    stream, entry, dedicated,
                ))));
            }
            Err(error) => error,
        };
        let refusal = match &error {
            LoginError::Io(_) => {
                self.shared.metrics.logins_failed.inc("client_gone");
                return None;
            }
            LoginError::Refused(refusal) => refusal.clone(),
            LoginError::Server(frame) => message::read_error(frame),
        };
        let reason = match refusal.sqlstate {
            SqlState::INVALID_PASSWORD => "password",
            SqlState::CONNECTION_FAILURE => "upstream",
            SqlState::PROTOCOL_VIOLATION => "protocol",
            _ => "refused",
        };
        self.shared.metrics.logins_failed.inc(reason);
        let role = startup.user().unwrap_or_default();
        tracing::info!(
            refusal = %raw::printable(&refusal.to_string()),
            role = %raw::printable(&role),
            "login failed"
        );
        match error {
            LoginError::Server(frame) => client::close_with(&mut stream, &frame).await,
            _ => client::refuse(&mut stream, &refusal).await,
        }
        None
    }

    async fn log_in(
        &self,
        stream: &mut Stream,
        startup: &StartupMessage,
    ) -> Result<SharedEntrance, LoginError> {
        let (role, database) = (startup.user()?, startup.database()?);
        let upstream = self.pools.upstream(&database);
        let identity = self.identify(stream, upstream, &role, &database).await?;
        let upstream = upstream.ok_or_else(|| no_database(&database))?;
        let caller = Caller {
            upstream: upstream.name.as_str().into(),
            database: database.as_str().into(),
            role: role.as_str().into(),
        };
        let credentials = credentials(identity.keys, upstream, &role);
        let pool = self
            .pools
            .pool(&caller, &startup.parameters)
            .ok_or_else(|| no_database(&database))?;
        if !identity.is_admissible {
            // The pool may have connections from better days, which prove nothing for this role of today.
            let parameters = own_parameters(startup, &role, &database);
            self.pools
                .dedicated(upstream, &parameters, &credentials)
                .await
                .map_err(login_error)?;
        }
        pool.credentials().set(credentials);
        let greeting = match pool.greeting().await {
            Ok(greeting) => greeting,
            Err(error) => {
                // The next one's parameters may be the same in another order, and so may be the first that is wrong.
                drop(pool);
                self.pools.sweep();
                return Err(login_error(error));
            }
        };

        let watch = match self.shared.pool_mode {
            PoolMode::Auto => {
                let books = &self.shared.keeper_books;
                KeeperWatch::new(books.book(&caller.upstream, &caller.database)).await
            }
            PoolMode::Transaction | PoolMode::Session => KeeperWatch::default(),
        };

        let application_name = startup
            .parameter("application_name")
            .map(|name| shown_application_name(name, &greeting.welcome));
        let entry = self.roster.enter(key_bytes(startup));
        let mut out = BytesMut::new();
        message::put_authentication_ok(&mut out);
        for (name, value) in &*greeting.welcome {
            let value = match (name.as_str(), &application_name) {
                ("application_name", Some(own)) => own,
                _ => value.as_str(),
            };
            message::put_parameter_status(&mut out, name, value);
        }
        put_key(&mut out, &entry);
        message::put_ready_for_query(&mut out, b'I');
        client::write_all(stream, &mut out).await?;
        Ok(SharedEntrance {
            entry,
            pool,
            watch,
            application_name: application_name.map(Into::into),
            greeting,
        })
    }

    /// Logs in on a server connection of the client's own.
    async fn log_in_for_replication(
        &self,
        stream: &mut Stream,
        startup: &StartupMessage,
    ) -> Result<(Entry, Dedicated), LoginError> {
        let (role, database) = (startup.user()?, startup.database()?);
        let upstream = match startup.replication {
            Replication::Physical => self.pools.upstream_for_replication(&database),
            Replication::Database | Replication::No => self.pools.upstream(&database),
        };
        let identity = self.identify(stream, upstream, &role, &database).await?;
        let upstream = upstream.ok_or_else(|| no_database(&database))?;
        let parameters = own_parameters(startup, &role, &database);
        let credentials = credentials(identity.keys, upstream, &role);
        let dedicated = self
            .pools
            .dedicated(upstream, &parameters, &credentials)
            .await
            .map_err(login_error)?;
        let entry = self.roster.enter(key_bytes(startup));
        entry.ticket().runs_on(&dedicated.cancel_point);
        let mut out = BytesMut::new();
        message::put_authentication_ok(&mut out);
        for (name, value) in &dedicated.parameters {
            message::put_parameter_status(&mut out, name, value);
        }
        for notice in &dedicated.notices {
            out.extend_from_slice(notice);
        }
        put_key(&mut out, &entry);
        message::put_ready_for_query(&mut out, b'I');
        client::write_all(stream, &mut out).await?;
        Ok((entry, dedicated))
    }

    /// Has the client prove that it is who it says.
    async fn identify(
        &self,
        stream: &mut Stream,
        upstream: Option<&UpstreamSettings>,
        role: &str,
        database: &str,
    ) -> Result<Identity, LoginError> {
        match self.auth.method_for(database) {
            Method::Trust => Ok(Identity {
                keys: None,
                is_admissible: true,
            }),
            Method::AuthQuery => {
                let upstream = upstream.ok_or_else(|| no_database(database))?;
                let standing = self.standing(upstream, role, database).await?;
                let verifier = standing
                    .verifier
                    .unwrap_or_else(|| Verifier::mock(role, &self.mock_secret));
                let keys = client::authenticate_scram(stream, role, verifier).await?;
                Ok(Identity {
                    keys: Some(keys),
                    is_admissible: standing.is_admissible,
                })
            }
        }
    }

    /// What the upstream's catalog says of a role.
    async fn standing(
        &self,
        upstream: &UpstreamSettings,
        role: &str,
        database: &str,
    ) -> Result<Standing, Refusal> {
        let client = self
            .control
            .pool(&upstream.name, &upstream.endpoint().database)?
            .client()
            .await?;
        access::verifier::load(&client, role, database).await
    }
}

/// What a client has proved.
struct Identity {
    keys: Option<Keys>,
    /// As [`Standing::is_admissible`]; taken as given where nothing was asked.
    is_admissible: bool,
}

enum Entrance {
    Shared(SharedEntrance),
    Own((Entry, Dedicated)),
}

struct SharedEntrance {
    entry: Entry,
    pool: Arc<Pool>,
    watch: KeeperWatch,
    application_name: Option<Arc<str>>,
    greeting: Greeting,
}

/// The parameters of a server connection that is one client's own: the client's, with the names as they are looked up.
fn own_parameters(startup: &StartupMessage, role: &str, database: &str) -> Vec<(String, String)> {
    let mut parameters = vec![
        ("user".to_owned(), role.to_owned()),
        ("database".to_owned(), database.to_owned()),
    ];
    let is_other = |name: &str| !matches!(name, "user" | "database");
    let others = startup.parameters.iter().filter(|(name, _)| is_other(name));
    parameters.extend(others.cloned());
    parameters
}

/// Protocol 3.0 knows no key but of four bytes.
fn key_bytes(startup: &StartupMessage) -> usize {
    if startup.spoken_minor_version() >= 2 {
        SecretKey::BYTES_MAX
    } else {
        SecretKey::BYTES_3_0
    }
}

fn put_key(out: &mut BytesMut, entry: &Entry) {
    let ticket = entry.ticket();
    message::put_backend_key_data(out, ticket.process_id(), ticket.secret_key().as_bytes());
}

fn login_error(error: LeaseError) -> LoginError {
    match error {
        LeaseError::Connect(_, ConnectError::Server(frame)) => LoginError::Server(frame),
        other => LoginError::Refused(other.refusal()),
    }
}

/// What the upstream is shown: the caller's own keys, or for the service account its password.
fn credentials(keys: Option<Keys>, upstream: &UpstreamSettings, role: &str) -> Credentials {
    if let Some(keys) = keys {
        return Credentials::Keys(keys);
    }
    let endpoint = upstream.endpoint();
    match endpoint.password {
        Some(password) if endpoint.user == role => {
            Credentials::Password(password.expose().to_owned())
        }
        _ => Credentials::None,
    }
}

fn no_database(database: &str) -> Refusal {
    Refusal::new(
        SqlState::UNDEFINED_DATABASE,
        format!("database \"{database}\" does not exist"),
    )
    .with_detail("No upstream serves it.")
}

/// An application name as the server will show it.
///
/// # Source
/// `pg_clean_ascii` and `NAMEDATALEN` in PostgreSQL's sources: a name is cut between characters, and what is not ASCII is
/// a question mark up to version 15 and spelled in hexadecimal from 16 on.
fn shown_application_name(name: &str, welcome: &[(String, String)]) -> String {
    const NAME_BYTES_MAX: usize = 63;
    let told = |name: &str| {
        let found = welcome.iter().find(|(told, _)| told == name);
        found.map_or("", |(_, value)| value)
    };
    let version = told("server_version").split(|c: char| !c.is_ascii_digit());
    let version: u32 = version
        .into_iter()
        .next()
        .and_then(|number| number.parse().ok())
        .unwrap_or_default();
    let bytes = raw::bytes(name);
    let mut end = bytes.len().min(NAME_BYTES_MAX);
    if told("server_encoding") == "UTF8" && end < bytes.len() {
        while end > 0 && bytes[end] & 0xc0 == 0x80 {
            end -= 1;
        }
    }
    let mut shown = String::with_capacity(end);
    for &byte in &bytes[..end] {
        match byte {
            b' '..=b'~' => shown.push(char::from(byte)),
            _ if version >= 16 => shown.push_str(&format!("\\x{byte:02x}")),
            _ => shown.push('?'),
        }
    }
    shown
}

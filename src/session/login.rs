//! From an accepted socket to a session: the first packet, the proof of identity, and what the client is told.

use std::sync::Arc;

use bytes::BytesMut;
use tokio::io::AsyncWriteExt;

use super::keepers::KeeperWatch;
use super::serve::{Session, Shared};
use crate::access;
use crate::access::settings::Method;
use crate::error::{Refusal, SqlState};
use crate::names::Caller;
use crate::pool::control::ControlPools;
use crate::pool::lease::Pool;
use crate::pool::registry::Pools;
use crate::pool::roster::{Entry, Roster};
use crate::pool::settings::{PoolMode, UpstreamSettings};
use crate::wire::client::{self, LoginError};
use crate::wire::message;
use crate::wire::scram::{Keys, Verifier};
use crate::wire::server::Credentials;
use crate::wire::startup::{self, FirstPacket, FirstPacketError, StartupMessage};
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
    stream: Stream,
    startup: StartupMessage,
}

impl Door {
    /// Reads first packets until one of them asks for a session; `None` when none does. Cancels are carried out here.
    ///
    /// # Cancel safety
    /// Dropping the future closes the socket.
    pub async fn receive(&self, mut stream: Stream) -> Option<Applicant> {
        // An encryption request may come once of each kind, as in PostgreSQL.
        for _ in 0..3 {
            match startup::read_first_packet(&mut stream).await {
                Ok(FirstPacket::Ssl | FirstPacket::Gss) => {
                    stream.write_all(b"N").await.ok()?;
                }
                Ok(FirstPacket::Cancel {
                    process_id,
                    secret_key,
                }) => {
                    self.shared.metrics.cancels.inc();
                    self.roster.cancel(process_id, &secret_key).await;
                    return None;
                }
                Ok(FirstPacket::Startup(startup)) => return Some(Applicant { stream, startup }),
                Err(FirstPacketError::Io(_)) => return None,
                Err(FirstPacketError::Refused(refusal)) => {
                    client::refuse(&mut stream, &refusal).await;
                    return None;
                }
            }
        }
        let refusal = Refusal::new(
            SqlState::PROTOCOL_VIOLATION,
            "too many encryption requests before the startup packet",
        );
        client::refuse(&mut stream, &refusal).await;
        None
    }

    /// Turns an applicant away.
    pub async fn turn_away(mut applicant: Applicant, refusal: &Refusal) {
        client::refuse(&mut applicant.stream, refusal).await;
    }

    /// Lets an applicant in, or tells it why not.
    ///
    /// # Cancel safety
    /// Dropping the future closes the socket.
    pub async fn admit(&self, applicant: Applicant) -> Option<Session> {
        let Applicant {
            mut stream,
            startup,
        } = applicant;
        match self.log_in(&mut stream, &startup).await {
            Ok(admitted) => {
                self.shared.metrics.logins_ok.inc();
                Some(Session::new(
                    self.shared.clone(),
                    stream,
                    admitted.entry,
                    admitted.pool,
                    admitted.watch,
                    admitted.application_name,
                    &admitted.welcome,
                ))
            }
            Err(LoginError::Io(_)) => {
                self.shared.metrics.logins_failed.inc("client_gone");
                None
            }
            Err(LoginError::Refused(refusal)) => {
                let reason = match refusal.sqlstate {
                    SqlState::INVALID_PASSWORD => "password",
                    SqlState::CONNECTION_FAILURE => "upstream",
                    SqlState::PROTOCOL_VIOLATION => "protocol",
                    _ => "refused",
                };
                self.shared.metrics.logins_failed.inc(reason);
                tracing::info!(%refusal, role = startup.parameter("user"), "login failed");
                client::refuse(&mut stream, &refusal).await;
                None
            }
        }
    }

    async fn log_in(
        &self,
        stream: &mut Stream,
        startup: &StartupMessage,
    ) -> Result<Admitted, LoginError> {
        let mut out = BytesMut::new();
        if startup.minor_version > 0 || !startup.protocol_options.is_empty() {
            message::put_negotiate_protocol_version(&mut out, startup.protocol_options.clone());
            client::write_all(stream, &mut out).await?;
        }
        let caller = self.caller(startup)?;
        let upstream = self
            .pools
            .upstream(&caller.database)
            .ok_or_else(|| no_database(&caller.database))?;
        let keys = match self.auth.method_for(&caller.database) {
            Method::Trust => None,
            Method::AuthQuery => {
                let verifier = self.verifier(upstream, &caller.role).await?;
                Some(client::authenticate_scram(stream, &caller.role, verifier).await?)
            }
        };
        let pool = self
            .pools
            .pool(&caller, &startup.parameters)
            .ok_or_else(|| no_database(&caller.database))?;
        pool.credentials()
            .set(credentials(keys, upstream, &caller.role));
        let welcome = pool.welcome().await.map_err(|error| error.refusal())?;

        let watch = match self.shared.pool_mode {
            PoolMode::Auto => {
                let books = &self.shared.keeper_books;
                KeeperWatch::new(books.book(&caller.upstream, &caller.database)).await
            }
            PoolMode::Transaction | PoolMode::Session => KeeperWatch::default(),
        };

        let application_name = startup.parameter("application_name").map(clean_ascii);
        let entry = self.roster.enter();
        message::put_authentication_ok(&mut out);
        for (name, value) in &*welcome {
            let value = match (name.as_str(), &application_name) {
                ("application_name", Some(own)) => own,
                _ => value.as_str(),
            };
            message::put_parameter_status(&mut out, name, value);
        }
        let ticket = entry.ticket();
        message::put_backend_key_data(&mut out, ticket.process_id(), ticket.secret_key());
        message::put_ready_for_query(&mut out, b'I');
        client::write_all(stream, &mut out).await?;
        Ok(Admitted {
            entry,
            pool,
            watch,
            application_name: application_name.map(Into::into),
            welcome,
        })
    }

    fn caller(&self, startup: &StartupMessage) -> Result<Caller, Refusal> {
        let role = startup
            .parameter("user")
            .filter(|role| !role.is_empty())
            .ok_or_else(|| {
                Refusal::new(
                    SqlState::INVALID_AUTHORIZATION,
                    "no PostgreSQL user name specified in startup packet",
                )
            })?;
        if startup
            .parameter("replication")
            .is_some_and(|value| !matches!(value, "false" | "off" | "no" | "0"))
        {
            return Err(Refusal::new(
                SqlState::FEATURE_NOT_SUPPORTED,
                "replication connections are not supported",
            )
            .with_hint("Connect to PostgreSQL itself for replication."));
        }
        let database = startup
            .parameter("database")
            .filter(|database| !database.is_empty())
            .unwrap_or(role);
        let upstream = self
            .pools
            .upstream(database)
            .ok_or_else(|| no_database(database))?;
        Ok(Caller {
            upstream: upstream.name.as_str().into(),
            database: database.into(),
            role: role.into(),
        })
    }

    /// The role's verifier, or one that nobody can pass.
    async fn verifier(&self, upstream: &UpstreamSettings, role: &str) -> Result<Verifier, Refusal> {
        let client = self
            .control
            .pool(&upstream.name, &upstream.endpoint().database)?
            .client()
            .await?;
        let known = access::verifier::load(&client, role).await?;
        Ok(known.unwrap_or_else(|| Verifier::mock(role, &self.mock_secret)))
    }
}

struct Admitted {
    entry: Entry,
    pool: Arc<Pool>,
    watch: KeeperWatch,
    application_name: Option<Arc<str>>,
    welcome: Arc<[(String, String)]>,
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
/// `pg_clean_ascii` and `NAMEDATALEN` in PostgreSQL's sources, as they were up to version 15.
fn clean_ascii(name: &str) -> String {
    name.bytes()
        .take(63)
        .map(|byte| match byte {
            b' '..=b'~' => char::from(byte),
            _ => '?',
        })
        .collect()
}

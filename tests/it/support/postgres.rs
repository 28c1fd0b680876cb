//! A PostgreSQL for one test, started from a data directory that is prepared once and copied.

use std::collections::hash_map::DefaultHasher;
use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use pgask::app::throwaway::binaries::Binaries;
use pgask::app::throwaway::server::{Auth, Plan, SUPERUSER, Server};
use tokio_postgres::Config;

use crate::support::client::{self, Client};

/// Changes whenever templates must be made anew although neither PostgreSQL nor a fixture changed.
const TEMPLATE_REVISION: u32 = 1;

/// The superuser's password over TCP.
pub(crate) const SUPERUSER_PASSWORD: &str = "super secret";

/// What a fresh server holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Fixture {
    /// Nothing but the database `postgres`.
    Empty,
    /// The sample shop of `pgask demo`: database `shop`, role `demo` with the password `demo`.
    Shop,
    /// The network-management database: database `network`, role `noc` with the password `noc`.
    Network,
}

/// A running PostgreSQL that goes away with the value.
///
/// Roles log in over TCP with SCRAM-SHA-256; the superuser needs no password on the Unix socket.
pub(crate) struct Postgres {
    server: Server,
}

impl Postgres {
    /// Starts an empty server.
    pub(crate) fn start() -> Self {
        Self::start_with(Fixture::Empty)
    }

    /// Starts a server that holds `fixture`.
    pub(crate) fn start_with(fixture: Fixture) -> Self {
        Self::start_configured(fixture, &[])
    }

    /// Starts a server that holds `fixture`, with lines of `postgresql.conf`.
    pub(crate) fn start_configured(fixture: Fixture, settings: &[(&str, &str)]) -> Self {
        Self::start_as(fixture, settings, Auth::Scram)
    }

    /// Starts an empty server that believes everybody, with lines of `postgresql.conf`.
    pub(crate) fn start_trusting(settings: &[(&str, &str)]) -> Self {
        Self::start_as(Fixture::Empty, settings, Auth::Trust)
    }

    fn start_as(fixture: Fixture, settings: &[(&str, &str)], auth: Auth) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
        fs::create_dir_all(dir).unwrap();
        // Readers share the lock while they copy, so that nobody removes a template under them.
        let lock = File::create(dir.join("pgask-templates.lock")).unwrap();
        let template = dir.join(template_name(fixture));
        lock.lock_shared().unwrap();
        if !template.exists() {
            lock.unlock().unwrap();
            lock.lock().unwrap();
            if !template.exists() {
                make_template(fixture, dir, &template);
            }
        }
        let server = Server::start(&Plan {
            port: None,
            auth,
            settings: with_own(settings),
            template: Some(template),
        })
        .unwrap();
        Self { server }
    }

    /// The TCP port on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.server.port()
    }

    /// The directory of the Unix socket.
    pub(crate) fn socket_dir(&self) -> &Path {
        self.server.socket_dir()
    }

    /// Everything the server has logged so far.
    pub(crate) fn log(&self) -> String {
        self.server.log()
    }

    /// The URL of the superuser over TCP, fit for `[[upstream]] url`.
    pub(crate) fn url(&self, database: &str) -> String {
        let password = SUPERUSER_PASSWORD.replace(' ', "%20");
        format!(
            "postgres://{SUPERUSER}:{password}@127.0.0.1:{}/{database}",
            self.port()
        )
    }

    /// Connects as `role` over TCP.
    pub(crate) async fn connect(&self, role: &str, password: &str, database: &str) -> Client {
        client::connect(&client::config(self.port(), role, password, database)).await
    }

    /// Connects as the superuser over the Unix socket.
    pub(crate) async fn superuser(&self, database: &str) -> Client {
        client::connect(&superuser(&self.server, database)).await
    }

    /// Runs statements as the superuser.
    pub(crate) async fn execute(&self, database: &str, sql: &str) {
        self.superuser(database)
            .await
            .batch_execute(sql)
            .await
            .unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    }

    /// Creates a role that may log in with a password.
    pub(crate) async fn create_role(&self, role: &str, password: &str) {
        let sql = format!("CREATE ROLE {role} LOGIN PASSWORD '{password}'");
        self.execute("postgres", &sql).await;
    }
}

impl Fixture {
    /// The database, the role that may use it (its name is its password), and the script that fills it.
    pub(crate) fn contents(self) -> Option<(&'static str, &'static str, &'static str)> {
        match self {
            Self::Empty => None,
            Self::Shop => Some(("shop", "demo", include_str!("../../../demo/shop.sql"))),
            Self::Network => Some(("network", "noc", include_str!("../fixtures/network.sql"))),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Shop => "shop",
            Self::Network => "network",
        }
    }
}

/// The same day on every machine, for the template's key and for the rows in it.
fn with_own(settings: &[(&str, &str)]) -> Vec<(String, String)> {
    [("timezone", "UTC"), ("log_timezone", "UTC")]
        .iter()
        .chain(settings)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn superuser(server: &Server, database: &str) -> Config {
    let mut config = Config::new();
    config
        .host_path(server.socket_dir())
        .port(server.port())
        .user(SUPERUSER)
        .dbname(database);
    config
}

/// The name tells the fixture, and the rest of it everything that the contents depend on: fixtures are filled
/// relative to the current date, so a template lasts a day at most.
fn template_name(fixture: Fixture) -> String {
    let mut hasher = DefaultHasher::new();
    let version = Binaries::find().unwrap().version().unwrap();
    (TEMPLATE_REVISION, version, fixture.contents()).hash(&mut hasher);
    if fixture != Fixture::Empty {
        let now = std::time::SystemTime::now();
        let since = now.duration_since(std::time::UNIX_EPOCH).unwrap();
        (since.as_secs() / 86_400).hash(&mut hasher);
    }
    format!("pgdata-{}-{:016x}", fixture.name(), hasher.finish())
}

fn make_template(fixture: Fixture, dir: &Path, template: &Path) {
    for old in fs::read_dir(dir).unwrap().flatten() {
        let name = old.file_name().into_string().unwrap();
        if name.starts_with(&format!("pgdata-{}-", fixture.name())) {
            fs::remove_dir_all(old.path()).unwrap();
        }
    }
    let server = Server::start(&Plan {
        settings: with_own(&[]),
        ..Plan::default()
    })
    .unwrap();
    // The caller may be inside a runtime of its own, which must not be blocked on from within.
    std::thread::scope(|scope| {
        scope.spawn(|| {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
                .block_on(fill(&server, fixture));
        });
    });
    let half_made = PathBuf::from(format!("{}.part", template.display()));
    if half_made.exists() {
        fs::remove_dir_all(&half_made).unwrap();
    }
    server.save(&half_made).unwrap();
    fs::rename(&half_made, template).unwrap();
}

async fn fill(server: &Server, fixture: Fixture) {
    let postgres = client::connect(&superuser(server, "postgres")).await;
    let sql = format!("ALTER ROLE {SUPERUSER} PASSWORD '{SUPERUSER_PASSWORD}'");
    postgres.batch_execute(&sql).await.unwrap();
    let Some((database, role, script)) = fixture.contents() else {
        return;
    };
    let sql = format!("CREATE ROLE {role} LOGIN PASSWORD '{role}'");
    postgres.batch_execute(&sql).await.unwrap();
    let sql = format!("CREATE DATABASE {database}");
    postgres.batch_execute(&sql).await.unwrap();
    let filler = client::connect(&superuser(server, database)).await;
    if let Err(error) = filler.batch_execute(script).await {
        panic!("{}: {error:?}", fixture.name());
    }
}

//! Holds the current snapshot of each database and has it read again when `freshness` says so.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use moka::sync::Cache;

use crate::error::{Refusal, SqlState};

use super::catalog;
use super::control::ControlClients;
use super::freshness::{Basis, Due, Freshness};
use super::settings::Settings;
use super::snapshot::Snapshot;

/// Databases whose snapshots are held at once; the least used goes first.
pub const DATABASES_MAX: u64 = 64;

/// The current snapshots. Cloning shares them.
#[derive(Clone)]
pub struct SnapshotCache {
    clients: Arc<dyn ControlClients>,
    settings: Arc<Settings>,
    databases: Cache<(Arc<str>, Arc<str>), Arc<Database>>,
}

/// One database of one upstream.
struct Database {
    upstream: Arc<str>,
    name: Arc<str>,
    freshness: Mutex<Freshness>,
    /// Held by whoever refreshes, so that it is done once.
    refreshing: tokio::sync::Mutex<()>,
}

impl SnapshotCache {
    /// An empty cache that reads through `clients`. Nothing is read before it is asked for.
    #[must_use]
    pub fn new(clients: Arc<dyn ControlClients>, settings: Settings) -> Self {
        Self {
            clients,
            settings: Arc::new(settings),
            databases: Cache::new(DATABASES_MAX),
        }
    }

    /// The current snapshot of a database.
    ///
    /// Waits when there is none yet, or when the one held is known to be out of date. One that may be out of date is
    /// returned at once and checked in the background.
    ///
    /// # Errors
    /// Those of [`catalog::load`] and [`ControlClients::client`], only as long as no load has succeeded.
    ///
    /// # Cancel safety
    /// Dropping the future gives up a load that it was doing; the next caller starts anew.
    pub async fn snapshot(&self, upstream: &str, database: &str) -> Result<Arc<Snapshot>, Refusal> {
        let database = self.database(upstream, database);
        match database.due(&self.settings) {
            Due::Nothing(snapshot) => return Ok(snapshot),
            Due::Refused(refusal) => return Err(refusal),
            Due::Soon(snapshot) => {
                self.refresh_in_background(database);
                return Ok(snapshot);
            }
            Due::Now => {}
        }
        let _alone = database.refreshing.lock().await;
        // Whoever held the lock before may have done what is needed, or have failed.
        match database.due(&self.settings) {
            Due::Nothing(snapshot) | Due::Soon(snapshot) => return Ok(snapshot),
            Due::Refused(refusal) => return Err(refusal),
            Due::Now => database.refresh(&*self.clients, &self.settings).await,
        }
        match database.due(&self.settings) {
            Due::Nothing(snapshot) | Due::Soon(snapshot) => Ok(snapshot),
            Due::Refused(refusal) => Err(refusal),
            // It was invalidated again meanwhile: what was read began after the wait did, which is fresh enough.
            Due::Now => database.held().ok_or_else(never_read),
        }
    }

    /// Says that a database has changed: its snapshot is read again before it is used again.
    pub fn invalidate(&self, upstream: &str, database: &str) {
        self.database(upstream, database)
            .with(Freshness::invalidate);
    }

    /// How often a database was invalidated: what was derived under another count is out of date.
    #[must_use]
    pub fn generation(&self, upstream: &str, database: &str) -> u64 {
        self.database(upstream, database)
            .with(|freshness| freshness.generation())
    }

    fn database(&self, upstream: &str, database: &str) -> Arc<Database> {
        let key: (Arc<str>, Arc<str>) = (upstream.into(), database.into());
        self.databases.get_with(key.clone(), || {
            Arc::new(Database {
                upstream: key.0,
                name: key.1,
                freshness: Mutex::default(),
                refreshing: tokio::sync::Mutex::default(),
            })
        })
    }

    fn refresh_in_background(&self, database: Arc<Database>) {
        let this = self.clone();
        tokio::spawn(async move {
            let Ok(_alone) = database.refreshing.try_lock() else {
                return;
            };
            if matches!(database.due(&this.settings), Due::Soon(_) | Due::Now) {
                database.refresh(&*this.clients, &this.settings).await;
            }
        });
    }
}

impl Database {
    fn due(&self, settings: &Settings) -> Due {
        self.with(|freshness| freshness.due(Instant::now(), settings))
    }

    fn held(&self) -> Option<Arc<Snapshot>> {
        self.with(|freshness| freshness.snapshot())
    }

    /// Reads what has changed, and writes down how it went.
    async fn refresh(&self, clients: &dyn ControlClients, settings: &Settings) {
        let basis = self.with(|freshness| freshness.basis(Instant::now(), settings));
        let outcome = self.read(clients, &basis, settings).await;
        let now = Instant::now();
        match outcome {
            Ok(None) => self.with(|freshness| freshness.unchanged(basis.generation, now)),
            Ok(Some((snapshot, mark))) => {
                tracing::debug!(
                    upstream = %self.upstream, database = %self.name,
                    relations = snapshot.relations.len(), "catalog snapshot read"
                );
                self.with(|freshness| freshness.loaded(snapshot, mark, basis.generation, now));
            }
            Err(refusal) => {
                let text = refusal.to_string();
                if self.with(|freshness| freshness.failed(refusal, now)) {
                    tracing::warn!(
                        upstream = %self.upstream, database = %self.name, error = text,
                        "catalog snapshot could not be refreshed"
                    );
                }
            }
        }
    }

    /// The snapshot and its mark; `None` when the mark is that of the basis.
    async fn read(
        &self,
        clients: &dyn ControlClients,
        basis: &Basis,
        settings: &Settings,
    ) -> Result<Option<(Snapshot, String)>, Refusal> {
        let mut client = clients.client(&self.upstream, &self.name).await?;
        // Before the catalog is read, so that a change in between shows at the next check.
        let mark = catalog::mark(&client).await?;
        if basis.mark.as_ref() == Some(&mark) {
            return Ok(None);
        }
        let snapshot = catalog::load(&mut client, settings).await?;
        Ok(Some((snapshot, mark)))
    }

    fn with<T>(&self, decide: impl FnOnce(&mut Freshness) -> T) -> T {
        // Every change is one assignment after the last thing that can fail, so a poisoned lock holds no half change.
        let mut freshness = self
            .freshness
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        decide(&mut freshness)
    }
}

impl fmt::Debug for SnapshotCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotCache")
            .field("databases", &self.databases.entry_count())
            .finish_non_exhaustive()
    }
}

fn never_read() -> Refusal {
    Refusal::new(
        SqlState::INTERNAL_ERROR,
        "the catalog was read, and its snapshot is gone",
    )
}

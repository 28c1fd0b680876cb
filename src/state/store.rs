//! The store: what is known of each database's records, and how it is kept true.
//!
//! What was read is remembered for [`AGE_MAX`]; after that the next reader asks whether anything has changed, so that
//! a change is known to every proxy on the same store within that time. While a store is away, what was last read of it
//! holds: a pin must not come and go with a server.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use moka::sync::Cache;

pub use super::change::Outcome;

use super::change::Change;
use super::postgres::Postgres;
use super::record::{Feedback, Pin, Place, Records};
use super::settings::{Scope, Settings, StoreKind};
use super::sqlite::Sqlite;
use crate::observe::metrics::Metrics;

/// How old what is known of a store may be.
pub const AGE_MAX: Duration = Duration::from_secs(1);

/// How long a store that failed is left alone.
const PAUSE: Duration = Duration::from_secs(1);

/// How long one look at a store, or one change of it, may take: a disk may hang, and a server stay silent.
const TIME_MAX: Duration = Duration::from_secs(5);

/// How long somebody who knows what was last read of a store waits for a look at it. The look goes on behind him, and
/// for [`PAUSE`] nobody waits for another one.
const KNOWN_WAIT_MAX: Duration = Duration::from_millis(250);

/// Databases whose records are remembered at once; the least used goes first.
const PLACES_MAX: u64 = 1024;

/// Keeps pins and feedback.
#[derive(Debug)]
pub struct Store {
    backend: Backend,
    scope: Scope,
    pins_max: usize,
    feedback_max: usize,
    places: Cache<Place, Arc<Known>>,
    /// Whose turn it is to look: one look serves all who wait.
    turn: tokio::sync::Mutex<()>,
    failed: Mutex<Option<(Instant, Failure)>>,
    /// When somebody has last waited in vain.
    slow_at: Mutex<Option<Instant>>,
    metrics: Arc<Metrics>,
}

#[derive(Debug)]
enum Backend {
    Sqlite(Sqlite),
    Postgres(Postgres),
    /// There is none, for this reason.
    None(&'static str),
}

/// What is known of a place.
#[derive(Debug)]
struct Known {
    revision: Revision,
    records: Arc<Records>,
    /// When it was known to be true; `None` when it is known that it may not be.
    checked_at: Option<Instant>,
}

/// Which state of a store something was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Revision {
    /// That without tables.
    Nothing,
    /// That of this name.
    Of(Arc<str>),
}

/// Why a store cannot be read or written, in words that hold no path, address or password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Failure {
    reason: Arc<str>,
}

impl Store {
    /// A store by its settings, whose path has been decided. Nothing is opened before it is needed.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let backend = match (settings.store, &settings.path, settings.endpoint()) {
            (StoreKind::None, ..) => Backend::None("state.store is none"),
            (StoreKind::Sqlite, Some(path), _) => Backend::Sqlite(Sqlite::new(path.clone())),
            (StoreKind::Sqlite, None, _) => Backend::None("there is no state directory"),
            (StoreKind::Postgres, _, Some(endpoint)) => Backend::Postgres(Postgres::new(endpoint)),
            (StoreKind::Postgres, _, None) => Backend::None("state.url is not set"),
        };
        Self {
            backend,
            scope: settings.scope,
            pins_max: settings.pins_max,
            feedback_max: settings.feedback_max,
            places: Cache::new(PLACES_MAX),
            turn: tokio::sync::Mutex::default(),
            failed: Mutex::default(),
            slow_at: Mutex::default(),
            metrics: Arc::default(),
        }
    }

    /// The same store, which counts its failures.
    #[must_use]
    pub fn measured(mut self, metrics: Arc<Metrics>) -> Self {
        self.metrics = metrics;
        self
    }

    /// Whether anything is kept at all; if not, why.
    ///
    /// # Errors
    /// The reason, as a phrase.
    pub fn is_kept(&self) -> Result<(), &'static str> {
        match self.backend {
            Backend::None(reason) => Err(reason),
            Backend::Sqlite(_) | Backend::Postgres(_) => Ok(()),
        }
    }

    /// For whom a new record of this role holds.
    #[must_use]
    pub fn scope_of(&self, role: &Arc<str>) -> Option<Arc<str>> {
        match self.scope {
            Scope::Role => Some(Arc::clone(role)),
            Scope::Database => None,
        }
    }

    /// The records of a place; none where there is no store.
    ///
    /// While the store is away or slow these are the ones last read of it, if any were: those who know them wait for
    /// [`KNOWN_WAIT_MAX`] and no longer.
    ///
    /// # Errors
    /// When the store cannot be read and never was, so that nobody knows what is pinned.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: a look that was begun goes on.
    pub async fn records(self: &Arc<Self>, place: &Place) -> Result<Arc<Records>, Failure> {
        if let Some(known) = self.fresh(place) {
            return Ok(known);
        }
        let known = self.places.get(place);
        if let Some(known) = &known
            && self.is_slow()
        {
            return Ok(Arc::clone(&known.records));
        }
        let (store, of) = (Arc::clone(self), place.clone());
        let looking = tokio::spawn(async move { store.look(&of).await });
        let broken_off = || Err(Failure::new("the look at it was broken off"));
        let Some(known) = known else {
            return looking.await.unwrap_or_else(|_| broken_off());
        };
        match tokio::time::timeout(KNOWN_WAIT_MAX, looking).await {
            Ok(looked) => looked.unwrap_or_else(|_| broken_off()),
            Err(_) => {
                self.note_slow();
                Ok(Arc::clone(&known.records))
            }
        }
    }

    /// Looks at the store when its turn comes, unless somebody else has done so meanwhile.
    async fn look(&self, place: &Place) -> Result<Arc<Records>, Failure> {
        let _turn = self.turn.lock().await;
        if let Some(known) = self.fresh(place) {
            return Ok(known);
        }
        let known = self.places.get(place);
        let looked = match self.recent_failure() {
            Some(failure) => Err(failure),
            None => {
                let revision = known.as_ref().map(|known| known.revision.clone());
                self.note(in_time(self.backend.read(place, revision)).await)
            }
        };
        match (looked, known) {
            (Ok(Some((revision, records))), _) => Ok(self.learn(place, revision, records.into())),
            (Ok(None), Some(known)) => {
                let records = Arc::clone(&known.records);
                Ok(self.learn(place, known.revision.clone(), records))
            }
            (Ok(None), None) => Ok(Arc::default()),
            (Err(_), Some(known)) => Ok(Arc::clone(&known.records)),
            (Err(failure), None) => Err(failure),
        }
    }

    /// Adds a pin, unless its name or its question is pinned already or there are too many.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn add_pin(&self, pin: Pin) -> Result<Outcome, Failure> {
        self.change(Change::AddPin(pin, self.pins_max)).await
    }

    /// Removes a pin.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn remove_pin(&self, pin: &Pin) -> Result<Outcome, Failure> {
        self.change(Change::RemovePin {
            place: pin.place.clone(),
            role: pin.role.clone(),
            name: Arc::clone(&pin.name),
        })
        .await
    }

    /// Takes back what was said of a question.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn remove_feedback(&self, feedback: &Feedback) -> Result<Outcome, Failure> {
        self.change(Change::RemoveFeedback {
            place: feedback.place.clone(),
            role: feedback.role.clone(),
            question: feedback.question.clone(),
        })
        .await
    }

    /// Keeps the last word on a question.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn keep_feedback(&self, feedback: Feedback) -> Result<Outcome, Failure> {
        self.change(Change::KeepFeedback(feedback, self.feedback_max))
            .await
    }

    /// Every record, of every place, in order.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn export(&self) -> Result<Records, Failure> {
        match &self.backend {
            Backend::Sqlite(sqlite) => sqlite.read_all().await,
            Backend::Postgres(postgres) => postgres.read_all().await,
            Backend::None(reason) => Err(Failure::new(*reason)),
        }
    }

    /// Puts records into the store, all or none, in the place of those that have the same name or question.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn import(&self, records: Records) -> Result<(), Failure> {
        match &self.backend {
            Backend::Sqlite(sqlite) => sqlite.import(records).await,
            Backend::Postgres(postgres) => postgres.import(records).await,
            Backend::None(reason) => Err(Failure::new(*reason)),
        }
    }

    /// Where the records are, for the operator; secrets hidden.
    #[must_use]
    pub fn place(&self) -> String {
        match &self.backend {
            Backend::Sqlite(sqlite) => sqlite.path().display().to_string(),
            Backend::Postgres(postgres) => postgres.endpoint().to_string(),
            Backend::None(reason) => (*reason).to_owned(),
        }
    }

    async fn change(&self, change: Change) -> Result<Outcome, Failure> {
        let place = change.place().clone();
        let changed = match &self.backend {
            Backend::Sqlite(sqlite) => in_time(sqlite.change(change)).await,
            Backend::Postgres(postgres) => in_time(postgres.change(change)).await,
            Backend::None(reason) => Err(Failure::new(*reason)),
        };
        if changed.is_err() {
            self.metrics.state_failures.inc();
        }
        // Also after a failure: whether it was made before it failed is for the store to say.
        if let Some(known) = self.places.get(&place) {
            let stale = Known {
                revision: known.revision.clone(),
                records: Arc::clone(&known.records),
                checked_at: None,
            };
            self.places.insert(place, Arc::new(stale));
        }
        changed
    }

    fn fresh(&self, place: &Place) -> Option<Arc<Records>> {
        let known = self.places.get(place)?;
        let age = known.checked_at?.elapsed();
        (age < AGE_MAX).then(|| Arc::clone(&known.records))
    }

    fn learn(&self, place: &Place, revision: Revision, records: Arc<Records>) -> Arc<Records> {
        let known = Known {
            revision,
            records: Arc::clone(&records),
            checked_at: Some(Instant::now()),
        };
        self.places.insert(place.clone(), Arc::new(known));
        records
    }

    fn is_slow(&self) -> bool {
        let slow_at = self.slow_at.lock().unwrap_or_else(PoisonError::into_inner);
        slow_at.is_some_and(|at| at.elapsed() < PAUSE)
    }

    fn note_slow(&self) {
        self.metrics.state_failures.inc();
        let mut slow_at = self.slow_at.lock().unwrap_or_else(PoisonError::into_inner);
        *slow_at = Some(Instant::now());
        tracing::warn!("state store is slow: what was last read of it holds meanwhile");
    }

    fn recent_failure(&self) -> Option<Failure> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, failure) = failed.as_ref()?;
        (at.elapsed() < PAUSE).then(|| failure.clone())
    }

    /// Says in the log when the store goes and when it comes back.
    fn note<T>(&self, looked: Result<T, Failure>) -> Result<T, Failure> {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if looked.is_err() {
            self.metrics.state_failures.inc();
        }
        match (&looked, failed.is_some()) {
            (Ok(_), true) => tracing::info!("state store can be read again"),
            (Err(failure), false) => {
                tracing::warn!(reason = %failure, "state store cannot be read");
            }
            _ => {}
        }
        *failed = looked
            .as_ref()
            .err()
            .map(|failure| (Instant::now(), failure.clone()));
        looked
    }
}

async fn in_time<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::time::timeout(TIME_MAX, work)
        .await
        .unwrap_or_else(|_| Err(Failure::new("it has not answered in time")))
}

impl Backend {
    /// The records of a place, unless they are still those of this revision.
    async fn read(
        &self,
        place: &Place,
        known: Option<Revision>,
    ) -> Result<Option<(Revision, Records)>, Failure> {
        match self {
            Self::Sqlite(sqlite) => sqlite.read(place, known).await,
            Self::Postgres(postgres) => postgres.read(place, known).await,
            Self::None(_) => Ok(None),
        }
    }
}

impl Default for Store {
    /// A store that keeps nothing.
    fn default() -> Self {
        Self::new(&Settings {
            store: StoreKind::None,
            ..Settings::default()
        })
    }
}

impl Failure {
    pub(super) fn new(reason: impl Into<Arc<str>>) -> Self {
        Self {
            reason: reason.into(),
        }
    }

    /// A store that another version of pgask has made.
    pub(super) fn of_format(format: &str) -> Self {
        let format: String = format.chars().take(20).collect();
        Self::new(format!(
            "another version of pgask has made it (format {format})"
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::record::tests::{pin, place};
    use super::*;

    fn sqlite(path: PathBuf) -> Arc<Store> {
        Arc::new(Store::new(&Settings {
            path: Some(path),
            ..Settings::default()
        }))
    }

    #[tokio::test]
    async fn a_file_is_made_with_its_first_record_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/state.db");
        let store = sqlite(path.clone());
        assert!(
            store
                .records(&place("hotel"))
                .await
                .unwrap()
                .pins
                .is_empty()
        );
        assert!(!path.exists());
        let made = pin(Some("ann"), "own", "it's \"rooms\"\nand beds");
        assert_eq!(store.add_pin(made.clone()).await, Ok(Outcome::Done));
        assert_eq!(store.add_pin(made.clone()).await, Ok(Outcome::NameTaken));
        let again = sqlite(path);
        let found = again.records(&place("hotel")).await.unwrap();
        assert_eq!(found.pins, std::slice::from_ref(&made));
        assert!(
            again
                .records(&place("motel"))
                .await
                .unwrap()
                .pins
                .is_empty()
        );
        assert_eq!(store.remove_pin(&made).await, Ok(Outcome::Done));
        assert_eq!(store.remove_pin(&made).await, Ok(Outcome::Missing));
        assert!(
            store
                .records(&place("hotel"))
                .await
                .unwrap()
                .pins
                .is_empty()
        );
    }

    #[tokio::test]
    async fn what_was_read_holds_while_the_file_is_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let store = sqlite(path.clone());
        let made = pin(None, "all", "rooms");
        store.add_pin(made.clone()).await.unwrap();
        assert_eq!(store.records(&place("hotel")).await.unwrap().pins.len(), 1);
        std::fs::write(
            &path,
            "this is no database, and it is long enough to be looked at as one",
        )
        .unwrap();
        let change = store.add_pin(pin(None, "other", "beds")).await;
        assert!(change.is_err(), "{change:?}");
        assert_eq!(store.records(&place("hotel")).await.unwrap().pins, [made]);
        assert!(sqlite(path).records(&place("hotel")).await.is_err());
    }
}

//! Holds the keepers of each database, and has them read again when its schema may have changed.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::error::{Refusal, SqlState};

use super::control::{ControlClients, refusal};
use super::keeper_catalog;
use super::keepers::Keepers;

/// Time between two readings while somebody is connected; changes that pass through the proxy are read at once.
const REFRESH_INTERVAL: Duration = Duration::from_secs(60);

/// How long a session waits for a reading. It goes on with what was known before, rather than that a slow catalog
/// holds it up.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// How long a reading may take.
const READING_MAX: Duration = Duration::from_secs(30);

/// The books of all databases. Cloning shares them.
#[derive(Clone)]
pub struct KeeperBooks {
    clients: Arc<dyn ControlClients>,
    books: Arc<Mutex<HashMap<Key, Arc<KeeperBook>>>>,
}

/// Upstream and database.
type Key = (Arc<str>, Arc<str>);

/// The keepers of one database.
pub struct KeeperBook {
    clients: Arc<dyn ControlClients>,
    key: Key,
    /// Differs whenever a session has to look at the book again.
    version: AtomicU64,
    page: Mutex<Page>,
    /// The last generation of which a reading has ended, well or not.
    settled: watch::Sender<u64>,
}

/// What is known, and what is being done about it.
#[derive(Debug)]
struct Page {
    keepers: Arc<Keepers>,
    /// Counts what made a reading necessary.
    generation: u64,
    is_reading: bool,
    is_failing: bool,
}

impl KeeperBooks {
    /// Books that are read through `clients`. Nothing is read before somebody asks for a book.
    #[must_use]
    pub fn new(clients: Arc<dyn ControlClients>) -> Self {
        Self {
            clients,
            books: Arc::default(),
        }
    }

    /// The book of a database, for a session to hold on to.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    #[must_use]
    pub fn book(&self, upstream: &Arc<str>, database: &Arc<str>) -> Arc<KeeperBook> {
        let key = (Arc::clone(upstream), Arc::clone(database));
        let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(book) = books.get(&key) {
            return Arc::clone(book);
        }
        // One that no session holds is only memory, and will be out of date.
        books.retain(|_, book| Arc::strong_count(book) > 1);
        let book = Arc::new(KeeperBook {
            clients: Arc::clone(&self.clients),
            key: key.clone(),
            version: AtomicU64::new(1),
            page: Mutex::new(Page {
                keepers: Arc::new(Keepers::unknown()),
                generation: 1,
                is_reading: false,
                is_failing: false,
            }),
            settled: watch::Sender::new(0),
        });
        books.insert(key, Arc::clone(&book));
        tokio::spawn(refresh_now_and_then(Arc::downgrade(&book)));
        book
    }
}

impl KeeperBook {
    /// A number that has changed when [`Self::current`] may have. One relaxed load: it is asked for every statement.
    #[inline]
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Relaxed)
    }

    /// The keepers, with the version they belong to; `None` while [`Self::settle`] is worth waiting for.
    #[must_use]
    pub fn current(&self) -> Option<(u64, Option<Arc<Keepers>>)> {
        let settled = *self.settled.borrow();
        let page = self.page();
        (settled >= page.generation).then(|| self.known(&page))
    }

    /// Waits until what changed was read, for some seconds at most. What was known before is returned when it was
    /// not, and when nothing was, that anything may be a keeper.
    ///
    /// # Cancel safety
    /// Dropping the future stops no reading.
    pub async fn settle(self: &Arc<Self>) -> (u64, Option<Arc<Keepers>>) {
        let wanted = self.page().generation;
        self.read_in_background();
        let mut settled = self.settled.subscribe();
        // Without an answer in time it goes on as before; the reading itself goes on too.
        let _ = timeout(WAIT_MAX, settled.wait_for(|settled| *settled >= wanted)).await;
        self.known(&self.page())
    }

    /// Says that the schema has changed: sessions wait for a reading before their next statement.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn invalidate(self: &Arc<Self>) {
        let mut page = self.page();
        page.generation += 1;
        self.version.fetch_add(1, Ordering::Relaxed);
        drop(page);
        self.read_in_background();
    }

    /// Under the lock, so that keepers and version belong together.
    fn known(&self, page: &Page) -> (u64, Option<Arc<Keepers>>) {
        let keepers = (!page.keepers.is_empty()).then(|| Arc::clone(&page.keepers));
        (self.version(), keepers)
    }

    fn read_in_background(self: &Arc<Self>) {
        let mut page = self.page();
        if page.is_reading {
            // It reads again when the generation has moved on.
            return;
        }
        page.is_reading = true;
        drop(page);
        let book = Arc::clone(self);
        tokio::spawn(async move {
            loop {
                let generation = book.page().generation;
                let outcome = book.read().await;
                if book.note(generation, outcome) {
                    return;
                }
            }
        });
    }

    async fn read(&self) -> Result<Keepers, Refusal> {
        let reading = async {
            let mut client = self.clients.client(&self.key.0, &self.key.1).await?;
            keeper_catalog::load(&mut client)
                .await
                .map_err(|error| refusal(&error))
        };
        timeout(READING_MAX, reading).await.unwrap_or_else(|_| {
            Err(Refusal::new(
                SqlState::QUERY_CANCELED,
                "the catalog took too long",
            ))
        })
    }

    /// Writes down how a reading went; whether nothing has changed since it began.
    fn note(&self, generation: u64, outcome: Result<Keepers, Refusal>) -> bool {
        let mut page = self.page();
        let first_failure = !page.is_failing;
        page.is_failing = outcome.is_err();
        match outcome {
            Ok(keepers) if keepers != *page.keepers => {
                tracing::debug!(
                    upstream = %self.key.0, database = %self.key.1, names = keepers.len(),
                    "functions that keep session state were read"
                );
                page.keepers = Arc::new(keepers);
                self.version.fetch_add(1, Ordering::Relaxed);
            }
            Ok(_) => {}
            Err(error) if first_failure => tracing::warn!(
                upstream = %self.key.0, database = %self.key.1, %error,
                "functions that keep session state could not be read"
            ),
            Err(_) => {}
        }
        page.is_reading = page.generation != generation;
        self.settled.send_replace(generation);
        !page.is_reading
    }

    fn page(&self) -> std::sync::MutexGuard<'_, Page> {
        // Every change is complete before anything can fail, so a poisoned lock holds no half change.
        self.page.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Has a book read again and again for as long as there is one, and somebody besides its shelf to read it for.
async fn refresh_now_and_then(book: Weak<KeeperBook>) {
    loop {
        sleep(REFRESH_INTERVAL).await;
        let Some(book) = book.upgrade() else {
            return;
        };
        if Arc::strong_count(&book) > 2 {
            book.read_in_background();
        } else {
            // Whoever comes next is not to believe what nobody kept up to date.
            let mut page = book.page();
            page.generation += 1;
            book.version.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for KeeperBooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeeperBooks").finish_non_exhaustive()
    }
}

impl fmt::Debug for KeeperBook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeeperBook")
            .field("key", &self.key)
            .field("page", &self.page)
            .finish_non_exhaustive()
    }
}

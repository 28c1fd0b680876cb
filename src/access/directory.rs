//! What each caller may see now: the snapshot of its database, narrowed to its role.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::sync::Cache;

use crate::error::Refusal;
use crate::names::Caller;
use crate::schema::cache::SnapshotCache;
use crate::schema::control::ControlClients;
use crate::schema::settings::Settings;
use crate::schema::snapshot::Snapshot;

use super::narrow::narrow;
use super::privileges::{self, Privileges};
use super::visible::Visible;

/// How long a caller's privileges are believed. A REVOKE that did not pass through the proxy hides names after this
/// time; that rows cannot be read any more is the server's own doing, and immediate.
pub const PRIVILEGES_AGE_MAX: Duration = Duration::from_secs(30);

/// Callers remembered at once; the least active goes first.
pub const CALLERS_MAX: u64 = 10_000;

/// Narrowed snapshots kept at once to be shared by roles that see the same.
pub const VIEWS_MAX: u64 = 64;

/// What nobody asked for in this time is forgotten: it keeps a whole snapshot alive.
const IDLE_MAX: Duration = Duration::from_secs(600);

/// Answers what a caller may see. Cloning shares it.
#[derive(Clone)]
pub struct Directory {
    clients: Arc<dyn ControlClients>,
    snapshots: SnapshotCache,
    callers: Cache<Caller, Arc<Known>>,
    views: Cache<ViewKey, Arc<View>>,
}

/// What is known of one caller.
struct Known {
    source: Arc<Snapshot>,
    generation: u64,
    privileges: Privileges,
    visible: Visible,
    checked_at: Instant,
}

/// The address of the snapshot that was narrowed (which [`View::source`] keeps alive, so that no other one gets the
/// same), and the fingerprint of what came of it.
type ViewKey = (usize, u64);

struct View {
    source: Arc<Snapshot>,
    narrowed: Arc<Snapshot>,
}

impl Directory {
    /// A directory that reads through `clients`. Nothing is read before it is asked for.
    #[must_use]
    pub fn new(clients: Arc<dyn ControlClients>, settings: Settings) -> Self {
        Self {
            snapshots: SnapshotCache::new(Arc::clone(&clients), settings),
            clients,
            callers: Cache::builder()
                .max_capacity(CALLERS_MAX)
                .time_to_idle(IDLE_MAX)
                .build(),
            views: Cache::builder()
                .max_capacity(VIEWS_MAX)
                .time_to_idle(IDLE_MAX)
                .build(),
        }
    }

    /// The schema as a caller sees it.
    ///
    /// # Errors
    /// `42704` when the role does not exist, `08006` when the server cannot be reached, the server's own SQLSTATE
    /// otherwise.
    ///
    /// # Cancel safety
    /// Dropping the future loses no more than the work it was doing.
    pub async fn visible(&self, caller: &Caller) -> Result<Visible, Refusal> {
        // Before anything is read: what changes afterwards makes the answer old, never wrongly new.
        let generation = self
            .snapshots
            .generation(&caller.upstream, &caller.database);
        let source = self
            .snapshots
            .snapshot(&caller.upstream, &caller.database)
            .await?;
        let known = self.callers.get(caller);
        if let Some(known) = &known
            && known.holds(&source, generation, Instant::now())
        {
            return Ok(known.visible.clone());
        }
        let checked_at = Instant::now();
        let client = self
            .clients
            .client(&caller.upstream, &caller.database)
            .await?;
        let privileges = privileges::load(&client, &caller.role).await?;
        drop(client);
        let visible = match known {
            Some(known) if known.same(&source, &privileges) => known.visible.clone(),
            _ => self.view(&source, &privileges),
        };
        let known = Known {
            source,
            generation,
            privileges,
            visible: visible.clone(),
            checked_at,
        };
        self.callers.insert(caller.clone(), Arc::new(known));
        Ok(visible)
    }

    /// Whether the caller's database has a function of this (unquoted) name in any schema, whoever may execute it.
    ///
    /// What a role may see decides what it is shown, not what its words mean: a call of a function that it may not
    /// execute, or that another of its roles may, is that call all the same. Nothing that is said to anybody may depend
    /// on the answer but what is done with such a call.
    ///
    /// # Errors
    /// `08006` when the server cannot be reached, the server's own SQLSTATE otherwise.
    pub async fn has_function(&self, caller: &Caller, name: &str) -> Result<bool, Refusal> {
        let (upstream, database) = (&caller.upstream, &caller.database);
        let snapshot = self.snapshots.snapshot(upstream, database).await?;
        Ok(!snapshot.functions.named(name).is_empty())
    }

    /// Whether a caller is a superuser, as the server says now.
    ///
    /// # Errors
    /// `08006` when the server cannot be reached, the server's own SQLSTATE otherwise.
    pub async fn is_superuser(&self, caller: &Caller) -> Result<bool, Refusal> {
        let (upstream, database) = (&caller.upstream, &caller.database);
        let client = self.clients.client(upstream, database).await?;
        privileges::is_superuser(&client, &caller.role).await
    }

    /// Says that a database has changed, by DDL or by GRANT and REVOKE: all that is known of it is read again before
    /// it is used again.
    pub fn invalidate(&self, upstream: &str, database: &str) {
        self.snapshots.invalidate(upstream, database);
    }

    /// Narrows, and shares what comes of it with the roles that see the same.
    fn view(&self, source: &Arc<Snapshot>, privileges: &Privileges) -> Visible {
        let narrowed = narrow(source, privileges);
        let key = (Arc::as_ptr(source) as usize, narrowed.fingerprint);
        let view = self.views.get_with(key, || {
            Arc::new(View {
                source: Arc::clone(source),
                narrowed: Arc::new(narrowed),
            })
        });
        debug_assert!(Arc::ptr_eq(&view.source, source));
        Visible::new(
            Arc::clone(&view.narrowed),
            privileges.search_path.as_slice().into(),
        )
    }
}

impl Known {
    /// Whether it may be used at `now`, for the snapshot that is current.
    fn holds(&self, current: &Arc<Snapshot>, generation: u64, now: Instant) -> bool {
        Arc::ptr_eq(&self.source, current)
            && self.generation == generation
            && now.saturating_duration_since(self.checked_at) < PRIVILEGES_AGE_MAX
    }

    /// Whether narrowing again would give the same.
    fn same(&self, current: &Arc<Snapshot>, privileges: &Privileges) -> bool {
        Arc::ptr_eq(&self.source, current) && self.privileges == *privileges
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory")
            .field("snapshots", &self.snapshots)
            .field("callers", &self.callers.entry_count())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_a_caller_holds_for_its_time_and_its_snapshot() {
        let source = Arc::new(Snapshot::default());
        let now = Instant::now();
        let known = Known {
            source: Arc::clone(&source),
            generation: 3,
            privileges: Privileges::default(),
            visible: Visible::new(Arc::clone(&source), Arc::default()),
            checked_at: now,
        };
        assert!(known.holds(&source, 3, now + PRIVILEGES_AGE_MAX / 2));
        assert!(!known.holds(&source, 3, now + PRIVILEGES_AGE_MAX));
        assert!(!known.holds(&source, 4, now));
        assert!(!known.holds(&Arc::new(Snapshot::default()), 3, now));
    }
}

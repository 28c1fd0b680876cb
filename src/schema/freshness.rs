//! Decides when a database's snapshot is read again: a plain function of what is held and of the time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::Refusal;

use super::settings::Settings;
use super::snapshot::Snapshot;

/// How long after a failure nobody tries again: whoever asks meanwhile gets what there is, or the same refusal.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// What is held of one database.
#[derive(Debug, Default)]
pub(in crate::schema) struct Freshness {
    held: Option<Held>,
    failure: Option<Failure>,
    /// Counts invalidations; a snapshot whose load began under an earlier count is out of date.
    generation: u64,
}

#[derive(Debug)]
struct Held {
    snapshot: Arc<Snapshot>,
    mark: String,
    generation: u64,
    loaded_at: Instant,
    checked_at: Instant,
}

#[derive(Debug)]
struct Failure {
    refusal: Refusal,
    at: Instant,
}

/// What to do for somebody who wants the snapshot.
#[derive(Debug)]
pub(in crate::schema) enum Due {
    /// Take this one.
    Nothing(Arc<Snapshot>),
    /// Take this one, and have somebody check it in the background.
    Soon(Arc<Snapshot>),
    /// Wait until it has been read.
    Now,
    /// There is none, and the last attempt failed a moment ago.
    Refused(Refusal),
}

/// What a refresh starts from.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::schema) struct Basis {
    /// To be handed to [`Freshness::loaded`] or [`Freshness::unchanged`].
    pub(in crate::schema) generation: u64,
    /// If the catalog still bears this mark, nothing need be read; `None` when all must be read in any case.
    pub(in crate::schema) mark: Option<String>,
}

impl Freshness {
    /// Decides for somebody who wants the snapshot at `now`.
    pub(in crate::schema) fn due(&self, now: Instant, settings: &Settings) -> Due {
        let failing = self
            .failure
            .as_ref()
            .filter(|failure| now.saturating_duration_since(failure.at) < RETRY_AFTER);
        match (&self.held, failing) {
            (None, None) => Due::Now,
            (None, Some(failure)) => Due::Refused(failure.refusal.clone()),
            (Some(held), Some(_)) => Due::Nothing(Arc::clone(&held.snapshot)),
            (Some(held), None) if held.generation < self.generation => Due::Now,
            (Some(held), None) => {
                let age = now.saturating_duration_since(held.checked_at);
                if age < settings.refresh {
                    Due::Nothing(Arc::clone(&held.snapshot))
                } else {
                    Due::Soon(Arc::clone(&held.snapshot))
                }
            }
        }
    }

    /// What a refresh that begins at `now` starts from.
    pub(in crate::schema) fn basis(&self, now: Instant, settings: &Settings) -> Basis {
        let recent = |held: &&Held| {
            now.saturating_duration_since(held.loaded_at) < settings.statistics_refresh
        };
        Basis {
            generation: self.generation,
            mark: self.held.as_ref().filter(recent).map(|h| h.mark.clone()),
        }
    }

    /// The snapshot held, however old.
    pub(in crate::schema) fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.held.as_ref().map(|held| Arc::clone(&held.snapshot))
    }

    /// How often it was invalidated.
    pub(in crate::schema) fn generation(&self) -> u64 {
        self.generation
    }

    /// The database has changed: what is held is out of date, and so is a load that is under way.
    pub(in crate::schema) fn invalidate(&mut self) {
        self.generation += 1;
    }

    /// A refresh read everything.
    pub(in crate::schema) fn loaded(
        &mut self,
        snapshot: Snapshot,
        mark: String,
        generation: u64,
        now: Instant,
    ) {
        self.failure = None;
        self.held = Some(Held {
            snapshot: Arc::new(snapshot),
            mark,
            generation,
            loaded_at: now,
            checked_at: now,
        });
    }

    /// A refresh found the mark of its basis.
    pub(in crate::schema) fn unchanged(&mut self, generation: u64, now: Instant) {
        self.failure = None;
        if let Some(held) = &mut self.held {
            held.generation = held.generation.max(generation);
            held.checked_at = now;
        }
    }

    /// A refresh failed. Returns whether it is the first failure in a row, the one worth a warning.
    pub(in crate::schema) fn failed(&mut self, refusal: Refusal, now: Instant) -> bool {
        let first = self.failure.is_none();
        self.failure = Some(Failure { refusal, at: now });
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::SqlState;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn name(due: &Due) -> &'static str {
        match due {
            Due::Nothing(_) => "nothing",
            Due::Soon(_) => "soon",
            Due::Now => "now",
            Due::Refused(_) => "refused",
        }
    }

    fn check(freshness: &Freshness, now: Instant, expect: &str) {
        assert_eq!(name(&freshness.due(now, &Settings::default())), expect);
    }

    fn down() -> Refusal {
        Refusal::new(SqlState::CONNECTION_FAILURE, "down")
    }

    fn loaded(at: Instant) -> Freshness {
        let mut freshness = Freshness::default();
        let basis = freshness.basis(at, &Settings::default());
        assert_eq!(basis.mark, None);
        freshness.loaded(Snapshot::default(), "a".into(), basis.generation, at);
        freshness
    }

    #[test]
    fn a_snapshot_is_read_once_and_then_checked_when_it_is_old() {
        let start = Instant::now();
        check(&Freshness::default(), start, "now");
        let mut freshness = loaded(start);
        check(&freshness, start + seconds(59), "nothing");
        check(&freshness, start + seconds(60), "soon");
        freshness.unchanged(0, start + seconds(60));
        check(&freshness, start + seconds(119), "nothing");
    }

    #[test]
    fn statistics_are_read_again_although_the_mark_is_the_same() {
        let start = Instant::now();
        let freshness = loaded(start);
        let mark = |at| freshness.basis(at, &Settings::default()).mark;
        assert_eq!(mark(start + seconds(599)).as_deref(), Some("a"));
        assert_eq!(mark(start + seconds(600)), None);
    }

    #[test]
    fn an_invalidated_snapshot_is_waited_for_even_if_a_load_was_under_way() {
        let start = Instant::now();
        let mut freshness = loaded(start);
        freshness.invalidate();
        check(&freshness, start, "now");
        let basis = freshness.basis(start, &Settings::default());
        freshness.invalidate();
        freshness.loaded(Snapshot::default(), "b".into(), basis.generation, start);
        check(&freshness, start, "now");
        freshness.unchanged(freshness.generation(), start);
        check(&freshness, start, "nothing");
    }

    #[test]
    fn a_failure_leaves_the_old_snapshot_and_is_told_once() {
        let start = Instant::now();
        let mut freshness = loaded(start);
        let later = start + seconds(100);
        assert!(freshness.failed(down(), later));
        check(&freshness, later + seconds(1), "nothing");
        check(&freshness, later + seconds(2), "soon");
        assert!(!freshness.failed(down(), later + seconds(2)));
        freshness.unchanged(0, later + seconds(5));
        assert!(freshness.failed(down(), later + seconds(70)));
    }

    #[test]
    fn without_a_snapshot_a_failure_is_shared_for_a_moment() {
        let start = Instant::now();
        let mut freshness = Freshness::default();
        freshness.failed(down(), start);
        check(&freshness, start + seconds(1), "refused");
        check(&freshness, start + seconds(2), "now");
    }
}

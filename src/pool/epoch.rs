//! Which connections begin as a session of today would: those opened since the last change to what sessions begin
//! with.
//!
//! `ALTER ROLE ... SET` and its like change what the next session begins with, and no running one. A connection that
//! was opened before goes on serving the session that has it; to another it would show what no longer is. Some of these
//! changes pass through pgask, of others a new connection's ParameterStatus messages tell.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Different reports of one pool's connections that are remembered. A server with several faces (a load balancer
/// before servers of different versions) shows few of them, again and again, and that is no change.
const REPORTS_MAX: usize = 16;

/// A pool's count of such changes.
#[derive(Clone, Debug, Default)]
pub(super) struct Epoch {
    /// Changes of which nobody knows whom they concern.
    everywhere: Arc<AtomicU64>,
    /// Changes that this pool's own connections have told of.
    here: Arc<AtomicU64>,
    greeted: Arc<Mutex<Greeted>>,
}

#[derive(Debug, Default)]
struct Greeted {
    /// The count when the connection was opened whose report new sessions are told.
    at: Option<u64>,
    /// Hashes of the reports seen, the latest last.
    reports: Vec<u64>,
}

/// What a new connection's report means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Greeting {
    /// The count up to which the connection shows what sessions begin with.
    pub(super) opened_at: u64,
    /// New sessions are to be told this report.
    pub(super) is_newest: bool,
}

impl Epoch {
    /// The same for another pool.
    pub(super) fn of_another_pool(&self) -> Self {
        Self {
            everywhere: self.everywhere.clone(),
            ..Self::default()
        }
    }

    /// The count that a connection must have been opened at, or later, to be handed to another session.
    pub(super) fn now(&self) -> u64 {
        self.everywhere.load(Ordering::Acquire) + self.here.load(Ordering::Acquire)
    }

    /// From now on sessions begin otherwise, perhaps.
    pub(super) fn end(&self) {
        self.everywhere.fetch_add(1, Ordering::AcqRel);
    }

    /// Whether the newest report is of today.
    pub(super) fn is_greeted(&self) -> bool {
        self.lock().at.is_some_and(|at| at >= self.now())
    }

    /// Notes the report of a connection whose opening began at this count.
    pub(super) fn greet(&self, begun_at: u64, report: &[(String, String)]) -> Greeting {
        let mut hasher = DefaultHasher::new();
        for setting in report.iter().filter(|(name, _)| name != "application_name") {
            setting.hash(&mut hasher);
        }
        let report = hasher.finish();
        let mut greeted = self.lock();
        let mut opened_at = begun_at;
        let seen = greeted.reports.iter().position(|seen| *seen == report);
        if seen.is_none() && !greeted.reports.is_empty() {
            self.here.fetch_add(1, Ordering::AcqRel);
            opened_at += 1;
        }
        match seen {
            Some(index) => {
                greeted.reports.remove(index);
            }
            None if greeted.reports.len() == REPORTS_MAX => {
                greeted.reports.remove(0);
            }
            None => {}
        }
        greeted.reports.push(report);
        let is_newest = greeted.at.is_none_or(|at| at <= opened_at);
        if is_newest {
            greeted.at = Some(opened_at);
        }
        Greeting {
            opened_at,
            is_newest,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Greeted> {
        self.greeted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(zone: &str, name: &str) -> [(String, String); 2] {
        [("TimeZone", zone), ("application_name", name)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
    }

    #[test]
    fn a_change_counts_for_every_pool_and_a_report_for_its_own() {
        let one = Epoch::default();
        let other = one.of_another_pool();
        assert!(!one.is_greeted() && !other.is_greeted());
        let before = one.now();
        let greeting = one.greet(before, &report("UTC", ""));
        assert_eq!(greeting.opened_at, before);
        assert!(greeting.is_newest && one.is_greeted() && !other.is_greeted());
        other.end();
        assert!(one.now() > before && other.now() > before);
        assert!(!one.is_greeted());
        assert!(one.greet(one.now(), &report("UTC", "")).is_newest);
        assert!(one.is_greeted() && !other.is_greeted());
    }

    #[test]
    fn the_report_of_a_connection_that_was_slower_to_open_than_a_newer_one_is_not_told() {
        let epoch = Epoch::default();
        let before = epoch.now();
        epoch.end();
        assert!(
            epoch
                .greet(epoch.now(), &report("Asia/Tokyo", ""))
                .is_newest
        );
        let late = epoch.greet(before, &report("Asia/Tokyo", ""));
        assert!(!late.is_newest && late.opened_at < epoch.now());
        assert!(epoch.is_greeted());
    }

    #[test]
    fn a_report_never_seen_before_retires_what_was_opened_before() {
        let epoch = Epoch::default();
        let first = epoch.greet(epoch.now(), &report("UTC", "one"));
        let same = epoch.greet(epoch.now(), &report("UTC", "two"));
        assert_eq!(first.opened_at, same.opened_at);
        assert_eq!(same.opened_at, epoch.now());
        let changed = epoch.greet(epoch.now(), &report("Asia/Tokyo", ""));
        assert!(first.opened_at < epoch.now());
        assert!(changed.is_newest && changed.opened_at == epoch.now());
        assert!(epoch.is_greeted());
    }

    #[test]
    fn faces_that_come_again_retire_nothing() {
        let epoch = Epoch::default();
        let faces = ["a", "b", "c"].map(|zone| report(zone, ""));
        for face in &faces {
            epoch.greet(epoch.now(), face);
        }
        let settled = epoch.now();
        for face in faces.iter().cycle().take(30) {
            let greeting = epoch.greet(epoch.now(), face);
            assert!(greeting.is_newest && greeting.opened_at == settled);
        }
        assert_eq!(epoch.now(), settled);
    }

    #[test]
    fn reports_are_remembered_up_to_a_bound() {
        let epoch = Epoch::default();
        for number in 0..10 * REPORTS_MAX {
            epoch.greet(epoch.now(), &report(&number.to_string(), ""));
        }
        assert_eq!(epoch.lock().reports.len(), REPORTS_MAX);
    }
}

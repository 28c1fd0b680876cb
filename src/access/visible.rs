//! The schema as one role sees it: the only schema that a provider, a hint or an error may speak of.

use std::ops::Deref;
use std::sync::Arc;

use crate::schema::snapshot::Snapshot;

/// A snapshot that holds nothing its role may not read.
///
/// Relations without SELECT, columns without SELECT, functions without EXECUTE, schemas without USAGE, and the statistics
/// of relations with row security are left out. What is left of functions is not all harmless: the guard must know also
/// what it refuses. Functions and operators that only another role may call, which the role may become by SET ROLE, are
/// left for the same reason: an unqualified name may mean them.
#[derive(Clone, Debug)]
pub struct Visible {
    snapshot: Arc<Snapshot>,
    search_path: Arc<[String]>,
}

impl Visible {
    /// Wraps a snapshot that has been narrowed already. `search_path` is the role's, unquoted, `pg_catalog` left out.
    #[must_use]
    pub fn new(snapshot: Arc<Snapshot>, search_path: Arc<[String]>) -> Self {
        Self {
            snapshot,
            search_path,
        }
    }

    /// The schemas that an unqualified name is looked up in, in order, unquoted, without `pg_catalog`.
    #[must_use]
    pub fn search_path(&self) -> &[String] {
        &self.search_path
    }

    /// The snapshot, shared.
    #[must_use]
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }
}

impl Deref for Visible {
    type Target = Snapshot;

    fn deref(&self) -> &Snapshot {
        &self.snapshot
    }
}

//! Prepared statements that stand on a connection under names of one client's own, as SQL speaks of them; those that
//! are known by their content have names of ours.

use std::collections::HashMap;

/// What stands on a connection under the names of one session's client.
///
/// A connection that changes hands keeps them until the next session comes, which may be the same again.
#[derive(Debug, Default)]
pub struct OwnNames {
    /// A number above 0 that no other session has.
    session: u64,
    names: HashMap<Box<[u8]>, OwnName>,
}

/// What stands there under one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnName {
    /// The statement of this number, as [`super::statement::Statement::id`] gives it; whether it was prepared by the
    /// client's own `PREPARE`, rather than by a Parse of ours.
    Statement(u64, bool),
    /// One without a text, so that there is something.
    StandIn,
    /// Something else, or nothing: it is to be closed before anybody can see it.
    Other,
}

impl OwnNames {
    /// Whether nothing stands there that is another session's.
    #[inline]
    #[must_use]
    pub fn are_of(&self, session: u64) -> bool {
        self.names.is_empty() || self.session == session
    }

    /// Whether nothing stands there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// What stands there under a name.
    #[must_use]
    pub fn of(&self, name: &[u8]) -> Option<OwnName> {
        self.names.get(name).copied()
    }

    /// Whether this statement stands there under this name.
    #[must_use]
    pub fn is(&self, name: &[u8], statement: u64) -> bool {
        matches!(self.of(name), Some(OwnName::Statement(id, _)) if id == statement)
    }

    /// Notes what stands there under a name of this session's; nothing is another's by then.
    pub fn put(&mut self, session: u64, name: &[u8], what: OwnName) {
        self.session = session;
        self.names.insert(name.into(), what);
    }

    /// What was prepared as one statement turns out to be another, which takes its place.
    pub fn rename(&mut self, name: &[u8], from: u64, to: u64) {
        if let Some(OwnName::Statement(id, _)) = self.names.get_mut(name)
            && *id == from
        {
            *id = to;
        }
    }

    /// Notes that nothing stands there under a name; whether anything may have.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        self.names.remove(name).is_some()
    }

    /// Takes all of them out of the account.
    #[must_use]
    pub fn take(&mut self) -> HashMap<Box<[u8]>, OwnName> {
        std::mem::take(&mut self.names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_one_session_are_not_those_of_the_next() {
        let mut own = OwnNames::default();
        assert!(own.are_of(1) && own.are_of(2));
        own.put(1, b"p", OwnName::Statement(7, true));
        assert!(own.are_of(1) && !own.are_of(2));
        own.rename(b"p", 6, 8);
        assert!(own.is(b"p", 7) && !own.is(b"q", 7));
        own.rename(b"p", 7, 8);
        assert_eq!(own.of(b"p"), Some(OwnName::Statement(8, true)));
        assert_eq!(own.take().len(), 1);
        assert!(own.are_of(2) && !own.remove(b"p"));
    }
}

//! What a session knows of the functions that keep session state, and when it has to learn anew.

use std::sync::Arc;

use super::marks::Marks;
use crate::schema::keeper_book::KeeperBook;
use crate::schema::keepers::Keepers;

/// The keepers as the session last saw them.
#[derive(Debug, Default)]
pub(super) struct KeeperWatch {
    /// `None` where the pool mode makes no difference.
    book: Option<Arc<KeeperBook>>,
    version: u64,
    keepers: Option<Arc<Keepers>>,
}

impl KeeperWatch {
    /// Begins to watch a book, once it has been read.
    pub(super) async fn new(book: Arc<KeeperBook>) -> Self {
        let mut watch = Self {
            book: Some(book),
            ..Self::default()
        };
        if watch.is_out_of_date() {
            watch.settle().await;
        }
        watch
    }

    /// The keepers, where the database has any.
    #[inline]
    pub(super) fn keepers(&self) -> Option<&Keepers> {
        self.keepers.as_deref()
    }

    /// Whether [`Self::settle`] has to be awaited before the next statement is looked at.
    #[inline]
    pub(super) fn is_out_of_date(&mut self) -> bool {
        let Some(book) = &self.book else {
            return false;
        };
        if book.version() == self.version {
            return false;
        }
        let Some((version, keepers)) = book.current() else {
            return true;
        };
        (self.version, self.keepers) = (version, keepers);
        false
    }

    /// Waits, for some seconds at most, until the keepers were read again.
    pub(super) async fn settle(&mut self) {
        if let Some(book) = &self.book {
            (self.version, self.keepers) = book.settle().await;
        }
    }

    fn invalidate(&self) {
        if let Some(book) = &self.book {
            book.invalidate();
        }
    }
}

/// What a transaction made that may keep session state.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Made {
    /// A function whose body nobody has looked at.
    code: bool,
    /// Something that may be, or call, a keeper.
    other: bool,
}

impl Made {
    /// Notes a command of the transaction; what it leaves behind by running what was made before it.
    pub(super) fn command(&mut self, command_tag: &[u8], marks: Marks) -> Marks {
        if is_definition(command_tag) {
            self.code |= CODE_TAGS.contains(&command_tag);
            self.other |= concerns_keepers(command_tag, marks);
        } else if self.code && !is_transaction_control(command_tag) {
            return Marks::CODE;
        }
        Marks::default()
    }

    /// The transaction is over. `is_last` says that nothing was sent behind it, which would not have been looked at
    /// with the new keepers in mind.
    pub(super) fn end(&mut self, is_last: bool, watch: &KeeperWatch) {
        if self.other {
            self.other = false;
            watch.invalidate();
        }
        self.code &= !is_last;
    }
}

/// Commands that make functions.
const CODE_TAGS: [&[u8]; 3] = [b"CREATE FUNCTION", b"CREATE PROCEDURE", b"CREATE EXTENSION"];

fn is_definition(command_tag: &[u8]) -> bool {
    const BEGINNINGS: [&[u8]; 6] = [
        b"CREATE ", b"ALTER ", b"DROP ", b"GRANT", b"REVOKE", b"COMMENT",
    ];
    begins_with_one(command_tag, &BEGINNINGS)
}

fn is_transaction_control(command_tag: &[u8]) -> bool {
    const BEGINNINGS: [&[u8]; 6] = [
        b"BEGIN",
        b"START ",
        b"COMMIT",
        b"ROLLBACK",
        b"SAVEPOINT",
        b"RELEASE",
    ];
    begins_with_one(command_tag, &BEGINNINGS)
}

/// Whether a definition may make or unmake a keeper, or what calls one.
fn concerns_keepers(command_tag: &[u8], marks: Marks) -> bool {
    const DEFINING: [&[u8]; 3] = [b"CREATE ", b"ALTER ", b"DROP "];
    let Some(what) = DEFINING
        .iter()
        .find_map(|beginning| command_tag.strip_prefix(*beginning))
    else {
        return false;
    };
    const INERT: [&[u8]; 8] = [
        b"SEQUENCE",
        b"ROLE",
        b"DATABASE",
        b"SCHEMA",
        b"DEFAULT PRIVILEGES",
        b"STATISTICS",
        b"PUBLICATION",
        b"SUBSCRIPTION",
    ];
    // Temporary tables come and go all day, in sessions that are pinned in any case.
    const TEMPORARY: [&[u8]; 3] = [b"TABLE", b"INDEX", b"VIEW"];
    let is_inert =
        INERT.contains(&what) || marks.contains(Marks::TEMPORARY) && TEMPORARY.contains(&what);
    !is_inert
}

fn begins_with_one(command_tag: &[u8], beginnings: &[&[u8]]) -> bool {
    beginnings
        .iter()
        .any(|beginning| command_tag.starts_with(beginning))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(tags: &[&str]) -> (bool, bool) {
        let mut made = Made::default();
        let mut marks = Marks::default();
        for tag in tags {
            marks.add(made.command(tag.as_bytes(), marks));
        }
        (made.other, marks.keeps_state())
    }

    #[test]
    fn what_runs_behind_a_new_function_may_have_run_it() {
        assert_eq!(made(&["BEGIN", "CREATE FUNCTION", "COMMIT"]), (true, false));
        assert_eq!(made(&["CREATE FUNCTION", "SELECT 1"]), (true, true));
        assert_eq!(made(&["SELECT 1", "CREATE FUNCTION"]), (true, false));
        assert_eq!(made(&["CREATE TABLE", "INSERT 0 1"]), (true, false));
    }

    #[test]
    fn definitions_that_cannot_matter_are_told_from_those_that_can() {
        for tag in [
            "CREATE TRIGGER",
            "ALTER TABLE",
            "CREATE VIEW",
            "DROP FUNCTION",
        ] {
            assert!(concerns_keepers(tag.as_bytes(), Marks::default()), "{tag}");
        }
        for tag in ["CREATE SEQUENCE", "GRANT", "COMMENT", "SELECT 1"] {
            assert!(!concerns_keepers(tag.as_bytes(), Marks::default()), "{tag}");
        }
        assert!(!concerns_keepers(b"CREATE TABLE", Marks::TEMPORARY));
        assert!(concerns_keepers(b"CREATE FUNCTION", Marks::TEMPORARY));
    }
}

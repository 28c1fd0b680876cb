//! What is known of a transaction that matters for where its connection may go next.

/// A set of marks. What was sent and what came back each add to it; a transaction that ends without any leaves a
/// connection that anybody may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks(u32);

impl Marks {
    /// The text holds the word `ask`.
    pub const ASK: Self = Self(1);
    /// The statement opens a transaction block.
    pub(super) const BEGIN: Self = Self(1 << 1);
    /// The statement is the SQL of an ask: it is fenced when it runs.
    pub(super) const ASKED: Self = Self(1 << 2);
    /// The statement stands for a `SET ask.*`, and completes in its name.
    pub(super) const SETTING_SET: Self = Self(1 << 3);

    /// The statement stands for a `RESET ask.*`, and completes in its name.
    pub(super) const SETTING_RESET: Self = Self(1 << 14);

    /// The text speaks of prepared statements.
    pub(super) const NAMES_STATEMENT: Self = Self(1 << 15);

    /// The text holds RESET ALL.
    pub(super) const RESET_ALL: Self = Self(1 << 16);

    /// The text speaks of forgetting prepared statements.
    pub(super) const FORGETS_STATEMENTS: Self = Self(1 << 17);

    /// The statement only reads, and holds the SQL of an ask: it runs behind a fence, without a row limit of ours.
    pub(super) const FENCED: Self = Self(1 << 18);

    /// The text speaks of the view of all prepared statements.
    pub(super) const SHOWS_STATEMENTS: Self = Self(1 << 27);

    /// A setting was set that cannot be set again elsewhere.
    pub(super) const SET: Self = Self(1 << 4);
    /// LISTEN.
    pub(super) const LISTEN: Self = Self(1 << 5);
    /// PREPARE in SQL.
    pub(super) const PREPARE: Self = Self(1 << 6);
    /// A DO block or a function that can keep anything.
    pub(super) const CODE: Self = Self(1 << 7);
    /// A temporary object.
    pub(super) const TEMPORARY: Self = Self(1 << 8);
    /// A cursor WITH HOLD.
    pub(super) const HOLD: Self = Self(1 << 9);
    /// A session's advisory lock.
    pub(super) const ADVISORY_LOCK: Self = Self(1 << 10);
    /// `currval` and `lastval` speak of the session's own past.
    pub(super) const SEQUENCE: Self = Self(1 << 11);
    /// A statement too long to be looked at.
    pub(super) const UNSEEN: Self = Self(1 << 12);
    /// The pool mode ties the connection to the session.
    pub(super) const SESSION_MODE: Self = Self(1 << 13);

    /// The text speaks of unlocking a session's advisory lock.
    pub(super) const UNLOCKS: Self = Self(1 << 19);
    /// The first word is SET or RESET.
    pub(super) const SETS: Self = Self(1 << 20);
    /// A SET may stand in the text, or a function that sets.
    pub(super) const MAY_SET: Self = Self(1 << 21);
    /// The text has to be looked at for what it says of settings.
    pub(super) const SPEAKS_OF_SETTINGS: Self = Self(Self::SETS.0 | Self::MAY_SET.0);

    /// A prepared statement holds a value that it could not be given anywhere else.
    pub(super) const FROZEN: Self = Self(1 << 28);

    /// The text speaks of the temporary schema itself.
    pub(super) const SAYS_TEMPORARY_SCHEMA: Self = Self(1 << 31);

    /// A library, or a setting that one may take for its own when it is loaded.
    pub(super) const LIBRARY: Self = Self(1 << 23);
    /// The text runs code or speaks of a language, and so may have a library loaded.
    pub(super) const RUNS_LIBRARY: Self = Self(1 << 22);
    /// The seed of `random()`.
    pub(super) const SEED: Self = Self(1 << 24);
    /// Statistics that the backend has yet to hand in.
    pub(super) const STATISTICS: Self = Self(1 << 25);
    /// The text speaks of the setting `seed`, or of something else of that name.
    pub(super) const SAYS_SEED: Self = Self(1 << 26);
    /// The text may advance a sequence without naming it.
    pub(super) const INSERTS: Self = Self(1 << 30);
    /// The text asks what a sequence last gave to the session.
    pub(super) const READS_SEQUENCE: Self = Self(1 << 29);

    /// The statement may speak of prepared statements, be it unseen.
    pub(super) const MAY_NAME_STATEMENTS: Self =
        Self(Self::NAMES_STATEMENT.0 | Self::SHOWS_STATEMENTS.0 | Self::CODE.0);

    const STATE: Self =
        Self(0x3ff0 | Self::FROZEN.0 | Self::LIBRARY.0 | Self::SEED.0 | Self::STATISTICS.0);

    /// What DISCARD ALL leaves as it is.
    pub(super) const OUTLIVES_DISCARD: Self = Self(Self::LIBRARY.0 | Self::SEED.0);
    /// What DISCARD ALL may leave as it is: nobody else is to have the connection. A temporary schema stays where its
    /// tables went, and what code has done nobody knows.
    pub(super) const SPOILS: Self =
        Self(Self::OUTLIVES_DISCARD.0 | Self::CODE.0 | Self::UNSEEN.0 | Self::TEMPORARY.0);

    /// Kinds of state that the server can be asked about.
    pub(super) const VISIBLE: Self = Self(
        Self::LISTEN.0 | Self::PREPARE.0 | Self::TEMPORARY.0 | Self::HOLD.0 | Self::ADVISORY_LOCK.0,
    );
    /// Those of them that are marked for a word, which may stand for something else.
    pub(super) const FOUND_BY_WORD: Self =
        Self(Self::TEMPORARY.0 | Self::HOLD.0 | Self::ADVISORY_LOCK.0);
    /// Those of them that a transaction takes with it when it is rolled back.
    pub(super) const TRANSACTIONAL: Self = Self(Self::LISTEN.0 | Self::TEMPORARY.0 | Self::HOLD.0);

    pub(super) const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    pub(super) const fn bits(self) -> u32 {
        self.0
    }

    /// Whether any of `other` is among these.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(super) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(super) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(super) const fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }

    pub(super) const fn remove(&mut self, other: Self) {
        self.0 &= !other.0;
    }

    /// What runs the statement is not quite what the client sent.
    pub(super) const fn runs_in_our_words(self) -> bool {
        self.contains(Self(
            Self::ASKED.0 | Self::FENCED.0 | Self::SETTING_SET.0 | Self::SETTING_RESET.0,
        ))
    }

    /// What a statement's text says before it runs, and leaves nothing yet.
    pub(super) const fn unless_run(self) -> Self {
        self.without(Self::STATE)
    }

    /// Something may be left on the connection that is this session's alone.
    pub(super) const fn keeps_state(self) -> bool {
        self.contains(Self::STATE)
    }

    /// The metric labels of what ties a connection to its session.
    pub(super) fn causes(self) -> impl Iterator<Item = &'static str> {
        const CAUSES: [(Marks, &str); 14] = [
            (Marks::SESSION_MODE, "session_mode"),
            (Marks::SET, "set"),
            (Marks::LISTEN, "listen"),
            (Marks::PREPARE, "prepare"),
            (Marks::CODE, "code"),
            (Marks::TEMPORARY, "temporary_object"),
            (Marks::HOLD, "cursor_with_hold"),
            (Marks::ADVISORY_LOCK, "advisory_lock"),
            (Marks::SEQUENCE, "sequence"),
            (Marks::UNSEEN, "long_statement"),
            (Marks::FROZEN, "frozen_literal"),
            (Marks::LIBRARY, "library"),
            (Marks::SEED, "random_seed"),
            (Marks::STATISTICS, "statistics"),
        ];
        CAUSES
            .into_iter()
            .filter_map(move |(cause, label)| self.contains(cause).then_some(label))
    }

    /// What may be gone behind a command.
    pub(super) fn ended_by_command(command_tag: &[u8]) -> Self {
        match command_tag {
            b"UNLISTEN" => Self::LISTEN,
            b"CLOSE CURSOR" | b"CLOSE CURSOR ALL" => Self::HOLD,
            b"DEALLOCATE" | b"DEALLOCATE ALL" => Self::PREPARE,
            b"DISCARD TEMP" => Self::TEMPORARY,
            b"DISCARD ALL" => Self::VISIBLE,
            _ if command_tag.starts_with(b"DROP ") => Self::TEMPORARY,
            _ => Self::default(),
        }
    }

    /// What a CommandComplete's tag says, where that is all there is to it.
    #[inline]
    pub(super) fn of_command_tag(tag: &[u8]) -> Self {
        match tag {
            b"LISTEN" => Self::LISTEN,
            b"LOAD" => Self::LIBRARY,
            _ => Self::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_that_leave_something_behind_are_told_from_those_that_do_not() {
        for tag in ["LISTEN", "LOAD"] {
            assert!(Marks::of_command_tag(tag.as_bytes()).keeps_state(), "{tag}");
        }
        for tag in [
            "SELECT 1",
            "SET",
            "SET CONSTRAINTS",
            "PREPARE TRANSACTION",
            "COMMIT PREPARED",
            "NOTIFY",
            "DO",
            "CALL",
            "BEGIN",
            "INSERT 0 1",
            "DISCARD ALL",
        ] {
            assert!(
                !Marks::of_command_tag(tag.as_bytes()).keeps_state(),
                "{tag}"
            );
        }
    }

    #[test]
    fn every_kind_of_state_has_a_label() {
        let labels: Vec<_> = Marks::STATE.causes().collect();
        assert_eq!(labels.len(), Marks::STATE.bits().count_ones() as usize);
        assert_eq!(Marks::ASK.with(Marks::BEGIN).causes().count(), 0);
    }

    #[test]
    fn what_an_ask_is_marked_with_is_no_state() {
        let mut marks = Marks::ASK;
        marks.add(Marks::BEGIN);
        marks.add(Marks::ASKED);
        marks.add(Marks::SETTING_SET);
        assert!(!marks.keeps_state());
    }
}

//! The words of SQL that leave something behind on a connection, for whoever looks for them: in a statement that
//! passes, or in the body of a function.

/// What a word may leave behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// A setting.
    Setting,
    /// A temporary object.
    Temporary,
    /// A session's advisory lock.
    AdvisoryLock,
    /// A cursor WITH HOLD.
    Hold,
    /// `currval` and `lastval` speak of the session's own past.
    Sequence,
    /// Whatever code does that is not to be seen.
    Code,
}

/// What is left behind by what a word names; `None` for most words.
///
/// # Source
/// PostgreSQL manual: "System Administration Functions" (set_config, advisory locks), "Sequence Manipulation
/// Functions", "Random Functions" (setseed), "CREATE TABLE" (TEMP), "DECLARE" (WITH HOLD), and dblink's own chapter.
#[must_use]
pub fn kept_by(word: &[u8]) -> Option<Kept> {
    let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
    let begins = |name: &str| {
        word.get(..name.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()))
    };
    match word.first()?.to_ascii_lowercase() {
        b't' if is("temp") || is("temporary") => Some(Kept::Temporary),
        b'p' if begins("pg_temp") => Some(Kept::Temporary),
        b'p' if begins("pg_advisory_lock") || begins("pg_try_advisory_lock") => {
            Some(Kept::AdvisoryLock)
        }
        b'h' if is("hold") => Some(Kept::Hold),
        b's' if is("set_config") || is("setseed") => Some(Kept::Setting),
        b's' if is("setval") => Some(Kept::Sequence),
        b'n' if is("nextval") => Some(Kept::Sequence),
        b'c' if is("currval") => Some(Kept::Sequence),
        b'l' if is("lastval") => Some(Kept::Sequence),
        b'd' if begins("dblink") => Some(Kept::Code),
        _ => None,
    }
}

/// Whether a byte is one that words are made of.
#[must_use]
pub const fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

/// The words of a text, wherever they stand.
pub fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| !is_word_byte(*byte))
        .filter(|word| !word.is_empty())
}

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
    /// What `currval` and `lastval` speak of.
    Sequence,
    /// `currval` or `lastval` itself.
    SequenceRead,
    /// The seed of `random()`, which nothing takes back.
    Seed,
    /// Statistics that the backend has yet to hand in.
    Statistics,
    /// Whatever code does that is not to be seen.
    Code,
}

/// What is left behind by what a word names; `None` for most words.
///
/// Temporary replication slots, a replication origin and a backup belong to the backend that made them, and so do
/// dblink's connections.
///
/// # Source
/// PostgreSQL manual: "System Administration Functions" (set_config, advisory locks, backups, replication), "Sequence
/// Manipulation Functions", "Random Functions" (setseed), "Statistics Functions", "CREATE TABLE" (TEMP), "DECLARE"
/// (WITH HOLD), and the chapters of dblink and pg_trgm (set_limit).
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
        b'p' if is("pg_stat_force_next_flush") => Some(Kept::Statistics),
        b'p' if begins("pg_create_logical_rep")
            || begins("pg_create_physical_rep")
            || begins("pg_copy_logical_rep")
            || begins("pg_copy_physical_rep")
            || begins("pg_replication_origin_session")
            || is("pg_backup_start")
            || is("pg_start_backup") =>
        {
            Some(Kept::Code)
        }
        b's' if is("set_config") || is("set_limit") => Some(Kept::Setting),
        b's' if is("setseed") => Some(Kept::Seed),
        b's' if is("setval") => Some(Kept::Sequence),
        b'n' if is("nextval") => Some(Kept::Sequence),
        b'c' if is("currval") => Some(Kept::SequenceRead),
        b'l' if is("lastval") => Some(Kept::SequenceRead),
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

/// How long the comment is that a text begins with, those within it included; `None` where it does not end.
#[must_use]
pub fn comment_bytes(text: &[u8]) -> Option<usize> {
    let (mut at, mut depth) = (0, 0_usize);
    loop {
        match text.get(at..at + 2)? {
            b"/*" => {
                depth += 1;
                at += 2;
            }
            b"*/" => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => at += 1,
        }
    }
}

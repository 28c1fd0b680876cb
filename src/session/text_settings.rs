//! The settings that a statement's text is read by, once and for all, when it is parsed.
//!
//! PostgreSQL turns literals into values while it analyses a statement, and keeps the values: a session that prepares
//! `SELECT '1/2/2026'::date` and then sets another DateStyle goes on with the date that it has. A statement that is
//! prepared anew on another connection has to be read there as it was read first.
//!
//! # Source
//! `coerce_type` in `src/backend/parser/parse_coerce.c` calls the input functions of literals; `plancache.c` analyses
//! anew for another `search_path`, another role where row security matters, and changed objects, but for no setting.

use crate::pool::statement::TextSettings;

/// The settings of this kind that a server reports.
const NAMES: [&str; 5] = [
    "client_encoding",
    "DateStyle",
    "IntervalStyle",
    "TimeZone",
    "standard_conforming_strings",
];

/// Whether a setting is of this kind, by its name in lower case.
pub(super) fn is_one(name: &str) -> bool {
    NAMES.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// What the server has reported last.
#[derive(Debug, Default)]
pub(super) struct Reported {
    values: [Box<[u8]>; NAMES.len()],
}

impl Reported {
    /// Notes a value that the server reports.
    pub(super) fn note(&mut self, name: &[u8], value: &[u8]) {
        if let Some(at) = NAMES.iter().position(|known| known.as_bytes() == name) {
            self.values[at] = value.into();
        }
    }

    /// The settings that `sql` depends on, where it does.
    pub(super) fn that_matter_to(&self, sql: &[u8]) -> Option<TextSettings> {
        let has_literal = has_literal(sql);
        if !has_literal && sql.is_ascii() {
            return None;
        }
        let names = if has_literal { &NAMES[..] } else { &NAMES[..1] };
        let pairs = names.iter().copied().zip(self.values.iter().cloned());
        Some(pairs.collect())
    }

    /// Name, the value there, and the value now, of each setting that has another value now.
    pub(super) fn differing<'a>(
        &'a self,
        settings: &'a TextSettings,
    ) -> impl Iterator<Item = (&'static str, &'a [u8], &'a [u8])> {
        settings.iter().filter_map(|(name, then)| {
            let at = NAMES.iter().position(|known| known == name)?;
            let now = &*self.values[at];
            (**then != *now).then_some((*name, &**then, now))
        })
    }
}

/// Whether a string constant may stand in the text.
fn has_literal(sql: &[u8]) -> bool {
    memchr::memchr2_iter(b'\'', b'$', sql)
        .any(|at| sql[at] == b'\'' || !sql.get(at + 1).is_some_and(u8::is_ascii_digit))
}

/// Whether the text holds a literal whose value is the time at which it is read.
///
/// # Source
/// PostgreSQL manual, "Date/Time Types", "Special Values".
pub(super) fn freezes_time(sql: &[u8]) -> bool {
    const WORDS: [&[u8]; 4] = [b"now", b"today", b"tomorrow", b"yesterday"];
    let mut literals = sql.split(|byte| *byte == b'\'').skip(1).step_by(2);
    literals.any(|literal| {
        literal
            .split(|byte| !byte.is_ascii_alphabetic())
            .any(|word| WORDS.iter().any(|known| known.eq_ignore_ascii_case(word)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_literals_depend_on_settings() {
        let mut reported = Reported::default();
        reported.note(b"DateStyle", b"ISO, DMY");
        reported.note(b"client_encoding", b"LATIN1");
        reported.note(b"work_mem", b"4MB");
        assert_eq!(reported.that_matter_to(b"select $1, a from t"), None);
        let encoding = reported.that_matter_to(b"select \"\xe9\"").unwrap();
        assert_eq!(*encoding, [("client_encoding", b"LATIN1"[..].into())]);
        for sql in ["select '1/2/2026'::date", "select $$x$$", "select $a$x$a$"] {
            let settings = reported.that_matter_to(sql.as_bytes()).unwrap();
            assert_eq!(settings.len(), NAMES.len(), "{sql}");
        }
    }

    #[test]
    fn what_differs_is_told_with_both_values() {
        let mut reported = Reported::default();
        reported.note(b"TimeZone", b"UTC");
        let settings = reported.that_matter_to(b"select ''").unwrap();
        assert_eq!(reported.differing(&settings).count(), 0);
        reported.note(b"TimeZone", b"Asia/Tokyo");
        let differing: Vec<_> = reported.differing(&settings).collect();
        assert_eq!(differing, [("TimeZone", &b"UTC"[..], &b"Asia/Tokyo"[..])]);
    }

    #[test]
    fn literals_that_mean_the_present_are_found() {
        for sql in [
            "select 'now'::timestamp",
            "select * from t where d > ' Today'",
            "select date '04:05 tomorrow'",
        ] {
            assert!(freezes_time(sql.as_bytes()), "{sql}");
        }
        for sql in [
            "select now() - '1 day'::interval",
            "select today from t where x = 'nowhere'",
            "select 1",
        ] {
            assert!(!freezes_time(sql.as_bytes()), "{sql}");
        }
    }
}

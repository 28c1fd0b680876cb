//! What speaks for a reference that nobody declared: how alike names are, whether values are unique, whether those of one
//! column are among those of another.

use std::collections::HashSet;

use crate::schema::snapshot::{Column, Relation, TypeClass};

use super::text::{key, stem};
use super::thesaurus;

/// Values of a column that are compared with its target's at most.
const VALUES_MAX: usize = 100;

/// Ends of names that only say "this ties rows together".
pub(super) const KEY_WORDS: &[&str] = &[
    "id", "key", "code", "no", "number", "num", "uid", "uuid", "fk", "pk", "ref", "sk",
];

/// Whether a column tells the rows of its relation apart: by declaration, or by what is known of its values.
pub(super) fn is_unique(relation: &Relation, column: usize) -> bool {
    relation.primary_key == [column]
        || relation.unique_keys.iter().any(|key| key[..] == [column])
        || looks_unique(relation, &relation.columns[column])
}

/// Whether all values of a column differ, as far as statistics tell.
fn looks_unique(relation: &Relation, column: &Column) -> bool {
    let Some(stats) = &column.stats else {
        return false;
    };
    let rows = relation.row_estimate.unwrap_or(0.0);
    let all = stats.distinct <= -0.999 || rows >= 2.0 && f64::from(stats.distinct) >= rows;
    all && stats.null_fraction == 0.0
}

/// A name without what only says that it is a key, and whether it said so.
pub(super) fn stripped(name: &[String]) -> (&[String], bool) {
    let mut rest = name;
    while let [start @ .., last] = rest
        && KEY_WORDS.contains(&last.as_str())
    {
        rest = start;
    }
    (rest, rest.len() < name.len())
}

/// How alike two names are: 1 the same, 0 not at all.
pub(super) fn likeness(name: &[String], relation: &[String]) -> f32 {
    if name.is_empty() || relation.is_empty() {
        return 0.0;
    }
    let same = |a: &str, b: &str| {
        let expands = |short: &str, long: &str| {
            thesaurus::expansions(short)
                .iter()
                .any(|words| words.len() == 1 && stem(&words[0]) == stem(long))
        };
        let starts = |short: &str, long: &str| short.len() >= 3 && long.starts_with(short);
        stem(a) == stem(b) || expands(a, b) || expands(b, a) || starts(a, b)
    };
    let all =
        |a: &[String], b: &[String]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b));
    if all(name, relation) || key(name) == stem(&relation.concat()) {
        return 1.0;
    }
    let last = &relation[relation.len() - 1..];
    if all(name, last) || all(&name[name.len() - 1..], last) {
        return 0.8;
    }
    0.0
}

pub(super) fn can_be_key(column: &Column) -> bool {
    matches!(
        column.class,
        TypeClass::Integer | TypeClass::Decimal | TypeClass::Text | TypeClass::Uuid
    )
}

/// What is known of whether all values of one column are among those of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inclusion {
    /// Some value is not.
    Contradicted,
    Unknown,
    /// The least and the greatest are within.
    InRange,
    /// All known ones are.
    Included,
}

pub(super) fn inclusion(from: &Column, to: &Column) -> Inclusion {
    let (Some(one), Some(other)) = (&from.stats, &to.stats) else {
        return Inclusion::Unknown;
    };
    if from.class == TypeClass::Text {
        let complete = other.distinct < 0.0
            || other.values().count() as f32 >= other.distinct
            || !other.other_values.is_empty();
        let known: HashSet<&str> = other.values().collect();
        let mut values = one
            .values()
            .filter(|v| !v.is_empty())
            .take(VALUES_MAX)
            .peekable();
        if known.is_empty() || values.peek().is_none() {
            return Inclusion::Unknown;
        }
        let (mut met, mut missed) = (0_usize, 0_usize);
        for value in values {
            if known.contains(value) || known.contains(value.trim()) {
                met += 1;
            } else {
                missed += 1;
            }
        }
        // Data without declared keys has strays.
        return if missed * 20 <= met {
            Inclusion::Included
        } else if complete && missed > met {
            Inclusion::Contradicted
        } else {
            Inclusion::Unknown
        };
    }
    let numbers = |values: &mut dyn Iterator<Item = &str>| {
        values
            .filter_map(|v| v.parse::<f64>().ok())
            .fold(None, |range: Option<(f64, f64)>, v| {
                Some(range.map_or((v, v), |(low, high)| (low.min(v), high.max(v))))
            })
    };
    match (numbers(&mut one.values()), numbers(&mut other.values())) {
        (Some((low, high)), Some((least, greatest))) => {
            let (slack, width) = (0.05 * (greatest - least).max(1.0), greatest - least);
            if low >= least && high <= greatest {
                Inclusion::InRange
            } else if high < least || low > greatest || high - greatest > width.max(10.0) {
                Inclusion::Contradicted
            } else if low >= least - slack && high <= greatest + slack {
                Inclusion::InRange
            } else {
                Inclusion::Unknown
            }
        }
        _ => Inclusion::Unknown,
    }
}

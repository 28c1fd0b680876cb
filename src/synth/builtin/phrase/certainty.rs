//! How likely a reading is right, from what can be seen of it.
//!
//! A logistic regression over a few features. Its weights stand in `certainty.toml`, fitted on questions whose answers
//! are known and checked on databases that they were not fitted on; nothing in it knows a database.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::synth::builtin::lattice::Lattice;
use crate::synth::builtin::query::{Expr, Predicate, Rows, Select};

use super::Read;

/// What is seen of a reading. The weights have the same fields.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::synth::builtin) struct Evidence {
    /// 1, for the weight of a reading without a flaw.
    base: f32,
    /// What the words lack to being matched in full, by word.
    loss: f32,
    /// Words with content that it does nothing with, up to 3.
    dropped: f32,
    /// The lead over the next reading that gives other SQL, up to 1.
    lead: f32,
    /// 1 where nobody says which rows are meant.
    implied: f32,
    /// Joins.
    joins: f32,
    /// Selects within the select.
    nested: f32,
    /// 1 where rows are grouped.
    grouped: f32,
    /// 1 where only the first rows are wanted.
    limited: f32,
    /// 1 where something is aggregated.
    aggregated: f32,
    /// 1 where more than three columns are shown.
    wide: f32,
    /// The length of the question in tens of words.
    length: f32,
}

/// The fitted weights, and the probability below which nothing is answered.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fitted {
    floor: f32,
    weights: Evidence,
}

fn fitted() -> &'static Fitted {
    static FITTED: LazyLock<Fitted> = LazyLock::new(|| {
        toml::from_str(include_str!("certainty.toml"))
            .expect("the embedded weights are read by a test")
    });
    &FITTED
}

/// The probability below which a reading is no answer, 0 to 1.
pub(in crate::synth::builtin) fn floor() -> f32 {
    fitted().floor
}

impl Evidence {
    /// What is seen of the best of these readings.
    pub(in crate::synth::builtin) fn of(read: &[Read], lattice: &Lattice) -> Option<Self> {
        let best = read.first()?;
        let words = lattice.tokens.len().max(1) as f32;
        let rival = read[1..].iter().find(|r| r.select != best.select);
        let (joins, nested) = size(&best.select);
        let flag = |set: bool| f32::from(u8::from(set));
        Some(Self {
            base: 1.0,
            loss: 5.0 * (super::ideal(lattice) - best.score) / words,
            dropped: best.dropped.len().min(3) as f32,
            lead: rival.map_or(1.0, |r| (best.score - r.score).min(1.0)),
            implied: flag(best.implied),
            joins: joins as f32,
            nested: nested as f32,
            grouped: flag(!best.select.groups.is_empty()),
            limited: flag(best.select.limit.is_some()),
            aggregated: flag(best.select.items.iter().any(|i| is_aggregate(&i.expr))),
            wide: flag(best.select.items.len() > 3),
            length: words / 10.0,
        })
    }

    /// The probability that the reading is right, 0 to 1.
    pub(in crate::synth::builtin) fn certainty(&self) -> f32 {
        let odds: f32 = self
            .values()
            .iter()
            .zip(fitted().weights.values())
            .map(|(value, weight)| value * weight)
            .sum();
        1.0 / (1.0 + (-odds).exp())
    }

    /// The features by name.
    pub(in crate::synth::builtin) fn named(&self) -> Vec<(&'static str, f32)> {
        NAMES.iter().copied().zip(self.values()).collect()
    }

    fn values(&self) -> [f32; 12] {
        [
            self.base,
            self.loss,
            self.dropped,
            self.lead,
            self.implied,
            self.joins,
            self.nested,
            self.grouped,
            self.limited,
            self.aggregated,
            self.wide,
            self.length,
        ]
    }
}

const NAMES: [&str; 12] = [
    "base",
    "loss",
    "dropped",
    "lead",
    "implied",
    "joins",
    "nested",
    "grouped",
    "limited",
    "aggregated",
    "wide",
    "length",
];

fn is_aggregate(expr: &Expr) -> bool {
    matches!(expr, Expr::Aggregate(..) | Expr::CountRows)
}

/// Joins, and selects within, of a whole query.
fn size(select: &Select) -> (usize, usize) {
    let mut total = (select.sources.len().saturating_sub(1), 0);
    let mut add = |inner: &Select| {
        let (joins, nested) = size(inner);
        total.0 += joins;
        total.1 += nested + 1;
    };
    for source in &select.sources {
        if let Rows::Derived(inner) = &source.rows {
            add(inner);
        }
    }
    for predicate in select.filters.iter().chain(&select.having) {
        in_predicate(predicate, &mut add);
    }
    total
}

fn in_predicate(predicate: &Predicate, add: &mut impl FnMut(&Select)) {
    match predicate {
        Predicate::Exists(select, _) | Predicate::In(_, select) => add(select),
        Predicate::Compare(a, _, b) => {
            for side in [a, b] {
                if let Expr::Scalar(select) = side {
                    add(select);
                }
            }
        }
        Predicate::Not(inner) => in_predicate(inner, add),
        Predicate::All(parts) | Predicate::Any(parts) => {
            parts.iter().for_each(|p| in_predicate(p, add));
        }
        Predicate::OneOf(..) | Predicate::Is(..) | Predicate::Null(..) | Predicate::Like(..) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certainty_falls_with_what_is_left_over() {
        let whole = Evidence {
            base: 1.0,
            lead: 1.0,
            ..Evidence::default()
        };
        let loose = Evidence { loss: 3.0, ..whole };
        let tied = Evidence { lead: 0.0, ..whole };
        assert!((0.0..1.0).contains(&floor()));
        assert!(whole.certainty() > loose.certainty());
        assert!(whole.certainty() > tied.certainty());
    }
}

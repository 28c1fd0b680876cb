//! What predicates say of each other: the opposite of one, and those that no row meets together.

use crate::synth::builtin::query::{Comparison, Expr, Predicate};

/// Whether no row can meet all of them: one column cannot be equal to two things, or above the one and below the other.
pub(super) fn is_contradictory(choices: &[Vec<Predicate>]) -> bool {
    let mut all: Vec<&Predicate> = Vec::new();
    for choice in choices {
        match &choice[..] {
            [Predicate::All(parts)] => all.extend(parts),
            [one] => all.push(one),
            _ => {}
        }
    }
    let number = |expr: &Expr| match expr {
        Expr::Number(digits) => digits.parse::<f64>().ok(),
        _ => None,
    };
    all.iter().enumerate().any(|(n, a)| {
        all[n + 1..].iter().any(|b| match (a, b) {
            (
                Predicate::Compare(x, Comparison::Equal, v @ (Expr::Text(_) | Expr::Number(_))),
                Predicate::Compare(y, Comparison::Equal, w @ (Expr::Text(_) | Expr::Number(_))),
            ) => x == y && v != w,
            (Predicate::Compare(x, over, v), Predicate::Compare(y, under, w)) if x == y => {
                let up =
                    |c: &Comparison| matches!(c, Comparison::Greater | Comparison::GreaterOrEqual);
                let down = |c: &Comparison| matches!(c, Comparison::Less | Comparison::LessOrEqual);
                match (number(v), number(w)) {
                    (Some(v), Some(w)) => {
                        up(over) && down(under) && v > w || down(over) && up(under) && v < w
                    }
                    _ => false,
                }
            }
            _ => false,
        })
    })
}

/// Less for greater.
pub(super) fn mirrored(comparison: Comparison) -> Comparison {
    match comparison {
        Comparison::Less => Comparison::Greater,
        Comparison::LessOrEqual => Comparison::GreaterOrEqual,
        Comparison::Greater => Comparison::Less,
        Comparison::GreaterOrEqual => Comparison::LessOrEqual,
        other => other,
    }
}

/// What holds where a predicate does not; a missing value meets neither.
pub(super) fn negation(predicate: Predicate) -> Predicate {
    match predicate {
        Predicate::Null(expr, missing) => Predicate::Null(expr, !missing),
        Predicate::Exists(select, found) => Predicate::Exists(select, !found),
        Predicate::Not(inner) => *inner,
        Predicate::Is(expr, wanted) => Predicate::Is(expr, !wanted),
        Predicate::Compare(a, comparison, b) => Predicate::Compare(a, comparison.negated(), b),
        other => Predicate::Not(Box::new(other)),
    }
}

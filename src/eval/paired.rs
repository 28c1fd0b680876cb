//! Two runs over the same questions: how far apart they are, and whether that is more than chance.

use std::collections::HashMap;

use super::outcome::Outcome;

/// Samples that the interval is taken from.
const SAMPLES: usize = 10_000;

/// The seed of the samples, so that the same runs always give the same interval.
const SEED: u64 = 20_150_125;

/// How two runs compare on the questions that both answered or refused.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Paired {
    /// Questions in both.
    pub count: usize,
    /// Right in both.
    pub both: usize,
    /// Right in the first alone.
    pub only_first: usize,
    /// Right in the second alone.
    pub only_second: usize,
    /// The share of right ones in the second less that in the first, -1 to 1.
    pub difference: f64,
    /// Where that lies in 95 of 100 samples of the questions.
    pub interval: (f64, f64),
    /// How likely a difference so large would be by chance, 0 to 1.
    pub p_value: f64,
}

impl Paired {
    /// Compares.
    #[must_use]
    pub fn of(first: &[Outcome], second: &[Outcome]) -> Self {
        let right: HashMap<&str, bool> = second.iter().map(|o| (&*o.id, o.is_right())).collect();
        let pairs: Vec<(bool, bool)> = first
            .iter()
            .filter_map(|outcome| Some((outcome.is_right(), *right.get(&*outcome.id)?)))
            .collect();
        let count = |pair| pairs.iter().filter(|found| **found == pair).count();
        let (only_first, only_second) = (count((true, false)), count((false, true)));
        Self {
            count: pairs.len(),
            both: count((true, true)),
            only_first,
            only_second,
            difference: mean(pairs.iter().copied().map(gain), pairs.len()),
            interval: interval(&pairs),
            p_value: mcnemar(only_first, only_second),
        }
    }
}

fn gain((first, second): (bool, bool)) -> f64 {
    f64::from(i8::from(second) - i8::from(first))
}

fn mean(values: impl Iterator<Item = f64>, count: usize) -> f64 {
    if count == 0 {
        0.0
    } else {
        values.sum::<f64>() / count as f64
    }
}

/// The percentile bootstrap over questions.
///
/// # Source
/// Efron, Tibshirani, "An Introduction to the Bootstrap", 1993, section 13.3.
fn interval(pairs: &[(bool, bool)]) -> (f64, f64) {
    if pairs.is_empty() {
        return (0.0, 0.0);
    }
    let mut dice = fastrand::Rng::with_seed(SEED);
    let mut means: Vec<f64> = (0..SAMPLES)
        .map(|_| {
            let sample = (0..pairs.len()).map(|_| gain(pairs[dice.usize(..pairs.len())]));
            mean(sample, pairs.len())
        })
        .collect();
    means.sort_by(f64::total_cmp);
    (means[SAMPLES / 40], means[SAMPLES - 1 - SAMPLES / 40])
}

/// McNemar's test, exact and two-sided: each question that only one run got right is a toss of a coin.
///
/// # Source
/// McNemar, "Note on the sampling error of the difference between correlated proportions or percentages",
/// Psychometrika 12, 1947; the exact form is the binomial test of the discordant pairs.
fn mcnemar(only_first: usize, only_second: usize) -> f64 {
    let (count, fewer) = (only_first + only_second, only_first.min(only_second));
    // In logarithms: the coefficients of thousands of pairs are beyond any float.
    let mut term = -(count as f64) * std::f64::consts::LN_2;
    let mut tail = 0.0;
    for k in 0..=fewer {
        tail += term.exp();
        term += ((count - k) as f64).ln() - ((k + 1) as f64).ln();
    }
    (2.0 * tail).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::super::outcome::Verdict;
    use super::super::outcome::tests::outcome;
    use super::*;

    fn run(verdicts: &str) -> Vec<Outcome> {
        verdicts
            .char_indices()
            .map(|(at, c)| {
                let verdict = if c == '1' {
                    Verdict::Exact
                } else {
                    Verdict::Wrong
                };
                outcome(&at.to_string(), verdict)
            })
            .collect()
    }

    #[test]
    fn chance_is_told_from_a_difference() {
        // Values of R's binom.test(fewer, count)$p.value.
        for (first, second, expect) in [
            (0, 0, 1.0),
            (5, 5, 1.0),
            (1, 9, 0.021_484_375),
            (0, 10, 0.001_953_125),
            (40, 60, 0.056_887_933_6),
        ] {
            let p = mcnemar(first, second);
            assert!((p - expect).abs() < 1e-9, "{first} {second}: {p}");
        }
        let far = mcnemar(3000, 4000);
        assert!(far > 0.0 && far < 1e-30, "{far}");
    }

    #[test]
    fn only_questions_of_both_are_compared() {
        let paired = Paired::of(&run("1100"), &run("10110"));
        assert_eq!((paired.count, paired.both), (4, 1));
        assert_eq!((paired.only_first, paired.only_second), (1, 2));
        assert!((paired.difference - 0.25).abs() < 1e-9);
        assert!(paired.interval.0 <= 0.25 && paired.interval.1 >= 0.25);
        let none = Paired::of(&[], &run("1"));
        assert_eq!(none.count, 0);
    }
}

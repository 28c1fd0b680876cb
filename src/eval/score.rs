//! What a run comes to: accuracy, coverage and precision, calibration, latency.

use std::collections::BTreeMap;

use super::outcome::{Outcome, Verdict};

/// How often each verdict was given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// The same rows.
    pub exact: usize,
    /// The same rows with further columns.
    pub subset: usize,
    /// Other rows.
    pub wrong: usize,
    /// Could not be run.
    pub error: usize,
    /// No answer.
    pub refused: usize,
}

/// Answers of about the same confidence.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bin {
    /// How many there are.
    pub count: usize,
    /// How many of them are exact.
    pub exact: usize,
    /// The sum of their confidences.
    pub confidence_sum: f64,
}

/// Everything that is reported of a run.
#[derive(Clone, Debug, Default)]
pub struct Score {
    /// Of the questions that have an answer.
    pub all: Tally,
    /// The same by category.
    pub by_category: BTreeMap<String, Tally>,
    /// The same by database.
    pub by_database: BTreeMap<String, Tally>,
    /// The same by who answered; a refusal is nobody's.
    pub by_provider: BTreeMap<String, Tally>,
    /// Of the questions that have none.
    pub unanswerable: Tally,
    /// Ten bins of confidence: 0 to 0.1, and so on.
    pub calibration: [Bin; BINS],
    /// Milliseconds of each question, in ascending order.
    latencies: Vec<f64>,
}

/// How many bins of confidence there are.
const BINS: usize = 10;

impl Tally {
    fn add(&mut self, verdict: Verdict) {
        *match verdict {
            Verdict::Exact => &mut self.exact,
            Verdict::Subset => &mut self.subset,
            Verdict::Wrong => &mut self.wrong,
            Verdict::Error => &mut self.error,
            Verdict::Refused => &mut self.refused,
        } += 1;
    }

    /// All questions.
    #[must_use]
    pub fn count(&self) -> usize {
        self.answered() + self.refused
    }

    /// Those that were answered.
    #[must_use]
    pub fn answered(&self) -> usize {
        self.exact + self.subset + self.wrong + self.error
    }

    /// The exact ones of all, 0 to 1.
    #[must_use]
    pub fn accuracy(&self) -> f64 {
        share(self.exact, self.count())
    }

    /// The exact ones and those with further columns of all, 0 to 1.
    #[must_use]
    pub fn accuracy_or_subset(&self) -> f64 {
        share(self.exact + self.subset, self.count())
    }

    /// Those that were answered of all, 0 to 1.
    #[must_use]
    pub fn coverage(&self) -> f64 {
        share(self.answered(), self.count())
    }

    /// The exact ones of those that were answered, 0 to 1.
    #[must_use]
    pub fn precision(&self) -> f64 {
        share(self.exact, self.answered())
    }
}

impl Bin {
    /// The mean of what was claimed, 0 to 1.
    #[must_use]
    pub fn claimed(&self) -> f64 {
        if self.count == 0 {
            0.0
        } else {
            self.confidence_sum / self.count as f64
        }
    }

    /// The share of exact answers, 0 to 1.
    #[must_use]
    pub fn held(&self) -> f64 {
        share(self.exact, self.count)
    }
}

impl Score {
    /// Of these outcomes.
    #[must_use]
    pub fn of(outcomes: &[Outcome]) -> Self {
        let mut score = Self::default();
        for outcome in outcomes {
            score.latencies.push(outcome.latency_ms);
            if !outcome.answerable {
                score.unanswerable.add(outcome.verdict);
                continue;
            }
            score.all.add(outcome.verdict);
            for (tallies, key) in [
                (&mut score.by_category, Some(&outcome.category)),
                (&mut score.by_database, Some(&outcome.db)),
                (&mut score.by_provider, outcome.provider.as_ref()),
            ] {
                if let Some(key) = key {
                    tallies.entry(key.clone()).or_default().add(outcome.verdict);
                }
            }
            if let Some(confidence) = outcome.confidence {
                let confidence = f64::from(confidence).clamp(0.0, 1.0);
                let bin = ((confidence * BINS as f64) as usize).min(BINS - 1);
                let bin = &mut score.calibration[bin];
                bin.count += 1;
                bin.exact += usize::from(outcome.verdict == Verdict::Exact);
                bin.confidence_sum += confidence;
            }
        }
        score.latencies.sort_by(f64::total_cmp);
        score
    }

    /// The milliseconds within which this share of the questions was answered or refused.
    #[must_use]
    pub fn latency_ms(&self, share: f64) -> f64 {
        let last = self.latencies.len().saturating_sub(1);
        let rank = (share * self.latencies.len() as f64).ceil() as usize;
        self.latencies
            .get(rank.saturating_sub(1).min(last))
            .copied()
            .unwrap_or_default()
    }

    /// How far claims and what held are apart, over all answers: the expected calibration error, 0 to 1.
    ///
    /// # Source
    /// Naeini, Cooper, Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian Binning", AAAI 2015.
    #[must_use]
    pub fn calibration_error(&self) -> f64 {
        let count: usize = self.calibration.iter().map(|bin| bin.count).sum();
        let apart = |bin: &Bin| bin.count as f64 * (bin.claimed() - bin.held()).abs();
        let sum: f64 = self.calibration.iter().map(apart).sum();
        if count == 0 { 0.0 } else { sum / count as f64 }
    }
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

#[cfg(test)]
mod tests {
    use super::super::outcome::tests::outcome;
    use super::*;

    #[test]
    fn shares_are_taken_of_what_they_should_be() {
        let mut outcomes: Vec<_> = [
            Verdict::Exact,
            Verdict::Exact,
            Verdict::Subset,
            Verdict::Wrong,
            Verdict::Refused,
        ]
        .map(|verdict| outcome("a", verdict))
        .into();
        outcomes.push(Outcome {
            answerable: false,
            ..outcome("b", Verdict::Refused)
        });
        let score = Score::of(&outcomes);
        assert_eq!(score.all.count(), 5);
        assert!((score.all.accuracy() - 0.4).abs() < 1e-9);
        assert!((score.all.accuracy_or_subset() - 0.6).abs() < 1e-9);
        assert!((score.all.coverage() - 0.8).abs() < 1e-9);
        assert!((score.all.precision() - 0.5).abs() < 1e-9);
        assert_eq!(score.unanswerable.refused, 1);
        assert_eq!(score.by_category["easy"], score.all);
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        let outcomes: Vec<_> = (1..=100)
            .rev()
            .map(|ms| Outcome {
                latency_ms: f64::from(ms),
                ..outcome("a", Verdict::Exact)
            })
            .collect();
        let score = Score::of(&outcomes);
        for (share, expect) in [(0.5, 50.0), (0.95, 95.0), (0.99, 99.0), (1.0, 100.0)] {
            assert!((score.latency_ms(share) - expect).abs() < 1e-9, "{share}");
        }
        assert!(Score::of(&[]).latency_ms(0.5).abs() < 1e-9);
    }

    #[test]
    fn claims_are_held_against_what_came_of_them() {
        let confident = |verdict| Outcome {
            confidence: Some(1.0),
            ..outcome("a", verdict)
        };
        let score = Score::of(&[confident(Verdict::Exact), confident(Verdict::Wrong)]);
        assert_eq!(score.calibration[9].count, 2);
        assert!((score.calibration_error() - 0.5).abs() < 1e-9);
    }
}

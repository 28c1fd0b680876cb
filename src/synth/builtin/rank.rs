//! How readings are ranked: a sum of weighted features, and what it says of our certainty.
//!
//! The weights stand in `weights.toml`, so that they can be read, and fitted, without reading code.

use std::sync::LazyLock;

use serde::Deserialize;

/// The weights, by feature. Units: one word of content matched by its very name is worth `content`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Weights {
    /// A word matched by a name, times the quality of the name.
    pub(super) content: f32,
    /// A closed word that does something.
    pub(super) function: f32,
    /// A closed word passed over.
    pub(super) stop: f32,
    /// The same of a word that often does something.
    pub(super) stop_meant: f32,
    /// A word that only a comment knows.
    pub(super) hint: f32,
    /// A word of a date.
    pub(super) date: f32,
    /// A word taken for a proper name.
    pub(super) name: f32,
    /// Every further word of one phrase.
    pub(super) longer: f32,
    /// Every rule applied.
    pub(super) structure_step: f32,
    /// Something announced never came.
    pub(super) unsettled: f32,
    /// A word that nothing covers.
    pub(super) unknown: f32,
    /// A noun that only says whose column comes next.
    pub(super) owner: f32,
    /// A condition after an inner clause that goes on about the outer rows.
    pub(super) outer_scope: f32,
    /// A condition after a verb that is about what was done: "who ordered *last month*".
    pub(super) verb_scope: f32,
    /// A column asked for without "and" after others.
    pub(super) late_column: f32,
    /// "with the highest price" as the end of a scale.
    pub(super) superlative_rows: f32,
    /// A date taken as having happened.
    pub(super) happened: f32,
    /// A step of a join path.
    pub(super) join_step: f32,
    /// A join that multiplies rows and has to be undone.
    pub(super) fan_out: f32,
    /// A column of another relation than the one it is said of.
    pub(super) foreign_column: f32,
    /// A value taken for the rows that have it.
    pub(super) value_rows: f32,
    /// A type that hardly fits.
    pub(super) misfit: f32,
    /// A measure that the question names and the engine had to guess the aggregate of.
    pub(super) guessed_measure: f32,
    /// A name that no statistics hold, taken for one of related rows.
    pub(super) guessed_name: f32,
    /// A kind of date chosen for the question.
    pub(super) implied_date: f32,
    /// Confidence of a reading without a flaw, as a log-odds.
    pub(super) confidence_base: f32,
    /// Log-odds lost for every point below the best possible score.
    pub(super) confidence_slope: f32,
    /// Readings closer than this are equally likely.
    pub(super) ambiguous_margin: f32,
}

/// The fitted weights.
pub(super) fn weights() -> &'static Weights {
    static WEIGHTS: LazyLock<Weights> = LazyLock::new(|| {
        toml::from_str(include_str!("weights.toml"))
            .expect("the embedded weights are read by a test")
    });
    &WEIGHTS
}

impl Weights {
    /// How likely a reading is right, 0 to 1, from what it lost against the best that these words could reach, and
    /// from its lead over the next reading that means something else.
    pub(super) fn confidence(&self, loss: f32, lead: f32) -> f32 {
        let doubt = (0.5 - lead).max(0.0);
        let odds = self.confidence_base - self.confidence_slope * loss.max(0.0) - doubt;
        1.0 / (1.0 + (-odds).exp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confidence_falls_with_loss_and_with_rivals() {
        let weights = weights();
        let sure = weights.confidence(0.0, 5.0);
        assert!((0.9..1.0).contains(&sure));
        assert!(weights.confidence(2.0, 5.0) < sure);
        assert!(weights.confidence(0.0, 0.0) < sure);
    }
}

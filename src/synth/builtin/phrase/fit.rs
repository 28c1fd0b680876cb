//! Whether a column can be what is said of it: compared, aggregated, shown, or taken for a key.

use crate::schema::snapshot::{ColumnId, TypeClass};
use crate::synth::builtin::english::Adjective;
use crate::synth::builtin::query::{Aggregate, Comparison};
use crate::synth::builtin::sketch::Attribute;
use crate::synth::builtin::{roles, text};

use super::compose::Composer;
use super::tree::Operand;

/// A type that hardly fits.
const MISFIT: f32 = -1.0;

impl Composer<'_> {
    /// The penalty for showing a column: "number of cards" counts cards, and is no number that a card has.
    pub(super) fn shown_fit(&self, attribute: Attribute, id: ColumnId) -> f32 {
        let edge = &self.lattice.edges[attribute.edge];
        let first = self.lattice.tokens[edge.start].folded.as_str();
        let counts = edge.end > edge.start + 2
            && matches!(first, "number" | "count")
            && self.lattice.tokens[edge.start + 1].folded == "of";
        let number = roles::is_number(self.snapshot, id) && !roles::is_key(self.snapshot, id);
        if counts && !number { -2.0 } else { 0.0 }
    }

    /// Whether a graded column runs the other way: of dates of birth, the oldest have the first one.
    pub(super) fn runs_down(
        &self,
        adjective: Adjective,
        column: ColumnId,
        descending: bool,
    ) -> bool {
        let time = roles::is_time(self.snapshot, column);
        let year = text::words(&self.snapshot.column(column).name)
            .iter()
            .any(|w| w == "year" || w == "birth" || w == "birthday" || w == "founded");
        let aged = adjective.columns.first() == Some(&"age");
        match time || year && aged {
            true => adjective.late,
            false => descending,
        }
    }

    /// The penalty for comparing a column with this; `None` when their types do not meet.
    pub(super) fn comparable(
        &self,
        id: ColumnId,
        comparison: Comparison,
        operand: &Operand,
    ) -> Option<f32> {
        let number = roles::is_number(self.snapshot, id);
        let time = roles::is_time(self.snapshot, id);
        let ordered = !matches!(comparison, Comparison::Equal | Comparison::NotEqual);
        let fits = match operand {
            Operand::Number(_) => number || (self.is_text(id) && !ordered),
            Operand::Text(_) => self.is_text(id) && !ordered || time,
            Operand::Param(_) | Operand::Column(_) => true,
            Operand::Date(_) => time || number || self.is_text(id),
            Operand::Aggregate(Aggregate::Average | Aggregate::Sum, ..) => number,
            Operand::Aggregate(..) | Operand::Every(..) => number || time || self.is_text(id),
        };
        let wrong = matches!(operand, Operand::Number(_)) && !number
            || matches!(operand, Operand::Date(_)) && !time;
        let key = ordered && roles::is_key(self.snapshot, id);
        let penalty = if wrong { MISFIT } else { 0.0 } + if key { MISFIT } else { 0.0 };
        fits.then_some(penalty)
    }

    pub(super) fn is_text(&self, id: ColumnId) -> bool {
        let column = self.snapshot.column(id);
        column.class == TypeClass::Text || column.type_name == "citext"
    }

    /// The penalty for aggregating a column so.
    pub(super) fn aggregable(&self, id: ColumnId, aggregate: Aggregate) -> Option<f32> {
        let number = roles::is_number(self.snapshot, id);
        let key = if roles::is_key(self.snapshot, id) {
            MISFIT
        } else {
            0.0
        };
        match aggregate {
            Aggregate::Average | Aggregate::Sum => number.then_some(key),
            Aggregate::Max | Aggregate::Min => {
                let time = roles::is_time(self.snapshot, id);
                Some(key + if number || time { 0.0 } else { MISFIT })
            }
            Aggregate::Count | Aggregate::CountDistinct => Some(0.0),
        }
    }

    /// Whether a column tells rows apart.
    pub(super) fn is_unique(&self, id: ColumnId) -> bool {
        let relation = self.snapshot.relation(id.relation);
        relation.primary_key == [id.column]
            || relation.unique_keys.iter().any(|k| *k == [id.column])
            || self.domain.roles[id.relation.0].display == [id.column]
                && self
                    .snapshot
                    .column(id)
                    .stats
                    .as_ref()
                    .is_none_or(|s| s.distinct < -0.9)
    }
}

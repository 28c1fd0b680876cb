//! How the rows of a thing are reached from those joined already.

use crate::schema::snapshot::RelationId;
use crate::synth::builtin::graph::Step;

use super::compose::Composer;
use super::frame::{Frame, Place};
use super::tree::{Noun, Thing};

impl Composer<'_> {
    /// The cheapest way to a place; where several keys tie the same rows, the one that the question speaks of.
    pub(super) fn way(
        &self,
        frame: &Frame,
        place: Place,
        from: Option<&[Step]>,
    ) -> Option<super::frame::Way> {
        let graph = &self.domain.graph;
        let mut way = frame.way(graph, place, from)?;
        let joined = frame.joined(&way.path);
        let asked = if place.role.is_some() {
            way.path.len() - 1
        } else {
            way.path.len()
        };
        for at in joined..asked {
            let step = way.path[at];
            let key = &graph.keys[step.key];
            let others = (0..graph.keys.len())
                .filter(|&k| graph.keys[k].from == key.from && graph.keys[k].to == key.to);
            let best = others
                .map(|k| {
                    (
                        k,
                        self.spoken_of(&graph.keys[k].from_columns, key.from, key.to),
                    )
                })
                .max_by_key(|&(k, spoken)| (spoken, k == step.key));
            if let Some((best, spoken)) = best
                && spoken > self.spoken_of(&key.from_columns, key.from, key.to)
            {
                way.path[at].key = best;
            }
        }
        Some(way)
    }

    /// How many words of a key's column stand in the question, those of the relation that it points to left out.
    fn spoken_of(&self, columns: &[usize], from: RelationId, to: RelationId) -> usize {
        use crate::synth::builtin::text;
        let target: Vec<String> = text::words(&self.snapshot.relation(to).name)
            .iter()
            .chain(&text::words(&self.snapshot.relation(from).name))
            .map(|w| text::stem(w))
            .collect();
        columns
            .iter()
            .flat_map(|&c| text::words(&self.snapshot.relation(from).columns[c].name))
            .map(|w| text::stem(&w))
            .filter(|w| w.len() > 2 && !target.contains(w))
            .filter(|w| self.lattice.tokens.iter().any(|t| t.stem == *w))
            .count()
    }

    /// Where the rows of a thing are; of one that nobody names, where its columns or values are.
    pub(super) fn place(&mut self, thing: &Thing, owner: Option<Place>) -> Option<Place> {
        match thing.noun {
            Noun::Rows(edge) => self.choice.nouns.get(&edge).copied(),
            Noun::Column(attribute) => {
                let owner = owner
                    .or(self.choice.implied)
                    .or_else(|| self.spoken.first().map(|r| Place::plain(*r)))?;
                let before = self.score;
                let found = self
                    .column(attribute, owner, |_, _| Some(0.0))
                    .map(|c| c.place);
                self.score = before;
                found
            }
            Noun::Implied => self.choice.implied.or(owner),
        }
    }
}

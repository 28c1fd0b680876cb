//! What the rows are grouped by: "for each city", "by month".

use crate::synth::builtin::lattice::Kind;
use crate::synth::builtin::query::TimeUnit;

use super::parser::{CONTENT, FUNCTION, Parsed, Parser, pruned};
use super::tree::Key;
use super::words::Word;

impl Parser<'_> {
    /// "for each city", "by month".
    pub(super) fn groups(&self, at: usize) -> Vec<Parsed<Vec<Key>>> {
        let mut all = Vec::new();
        for &(word, end) in self.closed(at) {
            if !matches!(word, Word::Each | Word::GroupBy) {
                continue;
            }
            let score = Self::function(at, end) * 1.2;
            let mut grown: Vec<Parsed<Vec<Key>>> = self.key(end);
            for key in &mut grown {
                key.score += score;
            }
            for _ in 0..2 {
                let mut next = Vec::new();
                for keys in &grown {
                    for start in self.separated(keys.end) {
                        for key in self.key(start) {
                            let mut value = keys.value.clone();
                            value.extend(key.value);
                            next.push(Parsed {
                                value,
                                end: key.end,
                                score: keys.score + key.score + FUNCTION,
                            });
                        }
                    }
                }
                all.append(&mut grown);
                grown = next;
            }
            all.append(&mut grown);
        }
        pruned(all, 24)
    }

    fn key(&self, at: usize) -> Vec<Parsed<Vec<Key>>> {
        let mut all = Vec::new();
        for attribute in self.attributes(at) {
            all.push(Parsed {
                value: vec![Key::Column(attribute.value)],
                end: attribute.end,
                score: attribute.score,
            });
        }
        for dets in self.dets(at) {
            for (id, edge) in self.edges(dets.end) {
                if let Kind::Noun(_) = edge.kind {
                    all.push(Parsed {
                        value: vec![Key::Rows(id)],
                        end: edge.end,
                        score: dets.score + Self::reward(edge),
                    });
                }
            }
            for unit in [
                TimeUnit::Hour,
                TimeUnit::Day,
                TimeUnit::Week,
                TimeUnit::Month,
                TimeUnit::Quarter,
                TimeUnit::Year,
            ] {
                for end in self.ends(dets.end, Word::Unit(unit)) {
                    all.push(Parsed {
                        value: vec![Key::Time(unit)],
                        end,
                        score: dets.score + CONTENT * 0.7,
                    });
                }
            }
        }
        all
    }
}

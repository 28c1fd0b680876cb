//! What a question says without asking for anything: "show me the", "does it have", "are there".

use crate::synth::builtin::lattice::Kind;

use super::parser::{FUNCTION, PASSED, Parser};
use super::words::Word;

impl Parser<'_> {
    /// Where the question proper may begin: behind "show me the".
    pub(super) fn leads(&self, at: usize) -> Vec<(usize, f32)> {
        let mut all = vec![(at, 0.0)];
        let mut next = 0;
        while next < all.len() && all.len() < 12 {
            let (from, score) = all[next];
            next += 1;
            if from > at + 6 {
                continue;
            }
            for &(word, end) in self.closed(from) {
                let each = match word {
                    Word::Lead => FUNCTION * 0.5,
                    Word::Filler | Word::Det => PASSED,
                    _ => continue,
                };
                let score = score + each * (end - from) as f32;
                match all.iter_mut().find(|(known, _)| *known == end) {
                    Some(known) => known.1 = known.1.max(score),
                    None => all.push((end, score)),
                }
            }
            if self.word(from) == "," && !all.iter().any(|(known, _)| *known == from + 1) {
                all.push((from + 1, score));
            }
        }
        all
    }

    /// "does it have", "are there", "times", "such flights are there": says again what was said.
    pub(super) fn echo(&self, at: usize) -> Vec<(usize, f32)> {
        let mut all = vec![(at, 0.0)];
        let mut end = at;
        while matches!(
            self.word(end),
            "does"
                | "do"
                | "did"
                | "it"
                | "they"
                | "have"
                | "has"
                | "are"
                | "is"
                | "there"
                | "times"
                | "of"
                | "them"
                | "that"
                | "those"
                | "were"
                | "was"
                | "such"
                | "each"
                | "in"
                | "the"
        ) {
            end += 1;
            all.push((end, PASSED * (end - at) as f32));
        }
        for (_, edge) in self.edges(end) {
            if let Kind::Noun(_) | Kind::Attribute(_) = edge.kind {
                let mut after = edge.end;
                all.push((after, FUNCTION));
                while matches!(
                    self.word(after),
                    "does"
                        | "do"
                        | "it"
                        | "they"
                        | "have"
                        | "has"
                        | "are"
                        | "is"
                        | "there"
                        | "were"
                        | "did"
                ) {
                    after += 1;
                    all.push((after, FUNCTION + PASSED * (after - edge.end) as f32));
                }
            }
        }
        all
    }
}

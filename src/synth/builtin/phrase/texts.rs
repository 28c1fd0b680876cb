//! Texts and what is searched for in them: "named Alice", "containing 'x'".

use crate::synth::builtin::english::Affix;
use crate::synth::builtin::lattice::Kind;
use crate::synth::builtin::tokens::TokenKind;

use super::parser::{CONTENT, FUNCTION, Parsed, Parser};
use super::tree::{Cond, Test};
use super::words::Word;

impl Parser<'_> {
    /// A quotation, or a name that nothing stores.
    pub(super) fn texts(&self, at: usize) -> Vec<Parsed<String>> {
        let mut all = Vec::new();
        for (_, edge) in self.edges(at) {
            if let Kind::Quoted(text) | Kind::Name(text) = &edge.kind {
                all.push(Parsed {
                    value: text.clone(),
                    end: edge.end,
                    score: CONTENT * edge.quality.max(0.7) * (edge.end - edge.start) as f32,
                });
            }
        }
        all
    }

    /// What a text is searched for.
    pub(super) fn patterns(&self, at: usize) -> Vec<Parsed<String>> {
        let mut all = Vec::new();
        let mut starts = vec![at];
        starts.extend(
            [
                "the",
                "letter",
                "word",
                "substring",
                "string",
                "phrase",
                "character",
                "letters",
                "text",
                "a",
                "words",
                "prefix",
                "keyword",
            ]
            .contains(&self.word(at))
            .then_some(at + 1),
        );
        if starts.len() == 2
            && [
                "letter",
                "word",
                "substring",
                "string",
                "phrase",
                "character",
                "letters",
            ]
            .contains(&self.word(at + 1))
        {
            starts.push(at + 2);
        }
        for start in starts {
            let Some(token) = self.lattice.tokens.get(start) else {
                continue;
            };
            let quoted = token.kind == TokenKind::Quoted;
            let score = match token.kind {
                TokenKind::Quoted => CONTENT * 1.3,
                TokenKind::Word | TokenKind::Number(_) => CONTENT * 0.6,
                _ => continue,
            };
            let passed = FUNCTION * (start - at) as f32;
            if quoted || token.capital || token.raw.chars().count() == 1 || start > at {
                all.push(Parsed {
                    value: token.raw.clone(),
                    end: start + 1,
                    score: score + passed,
                });
            }
        }
        all
    }

    /// "named Alice", "'Alice'", "containing 'x'".
    pub(super) fn by_text(&self, at: usize, all: &mut Vec<Parsed<Cond>>) {
        let put = |all: &mut Vec<Parsed<Cond>>, test, end, score| {
            all.push(Parsed {
                value: Cond::new(test),
                end,
                score,
            });
        };
        for text in self.texts(at) {
            put(
                all,
                Test::Named(None, text.value),
                text.end,
                text.score - 0.2,
            );
        }
        for end in self.ends(at, Word::Named).filter(|e| {
            *e > at + 1 || matches!(self.word(at), "named" | "called" | "titled" | "entitled")
        }) {
            let score = Self::function(at, end) + 0.3;
            for text in self.texts(end) {
                let score = score + text.score;
                put(all, Test::Named(None, text.value), text.end, score);
            }
            for list in self.values(end) {
                let (edges, both) = list.value;
                put(
                    all,
                    Test::Values(edges, None, both),
                    list.end,
                    score + list.score,
                );
            }
        }
        // "have 'Ann' in their name"
        for text in self.patterns(at) {
            if self.word(text.end) != "in"
                || self.lattice.tokens[text.end - 1].kind == TokenKind::Comma
            {
                continue;
            }
            let owned = matches!(
                self.word(text.end + 1),
                "their" | "its" | "the" | "his" | "her"
            );
            for attribute in self.attributes(text.end + 1 + usize::from(owned)) {
                let test = Test::Like(Some(attribute.value), Affix::Inside, text.value.clone());
                let score = text.score + FUNCTION * 2.0 + attribute.score;
                put(all, test, attribute.end, score);
            }
        }
        for affix in [Affix::Prefix, Affix::Suffix, Affix::Inside] {
            for end in self.ends(at, Word::Like(affix)) {
                for text in self.patterns(end) {
                    let score = Self::function(at, end) + text.score - 0.2;
                    put(all, Test::Like(None, affix, text.value), text.end, score);
                }
            }
        }
    }
}

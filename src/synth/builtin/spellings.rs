//! Words that names and values consist of, for those that are mistyped.

use std::collections::{HashMap, HashSet};

/// Words of fewer letters are too easily another word.
const LETTERS_MIN: usize = 5;

/// Words of this many letters may be wrong in two places.
const LETTERS_FOR_TWO: usize = 8;

/// Values are many, so that one of them is near many a word: they need more letters, and one slip at most.
const VALUE_LETTERS_MIN: usize = 6;

/// Near words that are told at most.
const NEAR_MAX: usize = 8;

/// Whose word it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A relation's, a column's, or one of a synonym.
    Name,
    /// A stored value's.
    Value,
}

/// Words by their first letter and their length: a slip seldom strikes the first letter.
#[derive(Debug, Default)]
pub(super) struct Spellings {
    buckets: HashMap<(char, usize), Vec<Spelling>>,
}

#[derive(Debug)]
struct Spelling {
    word: Box<str>,
    /// Which letters it has: words that differ in more letters than slips can change need no closer look.
    letters: u32,
    source: Source,
    /// What the caller knows it by.
    key: u32,
}

/// Spellings that are being collected.
#[derive(Debug, Default)]
pub(super) struct Collector {
    spellings: Spellings,
    seen: HashSet<(Box<str>, u32)>,
}

impl Collector {
    /// Adds a folded word under the key that it is found by.
    pub(super) fn add(&mut self, word: &str, key: u32, source: Source) {
        let word = singular(word);
        let length = word.chars().count();
        let least = match source {
            Source::Name => LETTERS_MIN - 1,
            Source::Value => VALUE_LETTERS_MIN - 1,
        };
        let Some(first) = word.chars().next() else {
            return;
        };
        if length < least || word.bytes().any(|b| b.is_ascii_digit()) {
            return;
        }
        if self.seen.insert((word.into(), key)) {
            self.spellings
                .buckets
                .entry((first, length))
                .or_default()
                .push(Spelling {
                    word: word.into(),
                    letters: letters(word),
                    source,
                    key,
                });
        }
    }

    /// All that was added.
    pub(super) fn finish(self) -> Spellings {
        self.spellings
    }
}

impl Spellings {
    /// The keys of words that differ from a mistyped one by very little, and by how many letters, nearest first.
    pub(super) fn near(&self, word: &str) -> Vec<(u32, f32)> {
        let length = word.chars().count();
        if length < LETTERS_MIN || word.bytes().any(|b| b.is_ascii_digit()) {
            return Vec::new();
        }
        let edits_max = if length >= LETTERS_FOR_TWO { 2 } else { 1 };
        let word = singular(word);
        let (length, letters) = (word.chars().count(), letters(word));
        let Some(first) = word.chars().next() else {
            return Vec::new();
        };
        let mut near: Vec<(usize, &Spelling)> = Vec::new();
        for length in length.saturating_sub(edits_max)..=length + edits_max {
            for one in self.buckets.get(&(first, length)).into_iter().flatten() {
                let edits_max = match one.source {
                    Source::Name => edits_max,
                    Source::Value => 1,
                };
                // A letter in the place of another changes two of them.
                if (one.letters ^ letters).count_ones() as usize > 2 * edits_max {
                    continue;
                }
                let edits = strsim::osa_distance(&one.word, word);
                if edits == 0 {
                    // It is no slip at all.
                    return Vec::new();
                }
                if (1..=edits_max).contains(&edits) {
                    near.push((edits, one));
                }
            }
        }
        near.sort_by(|a, b| (a.0, &a.1.word, a.1.key).cmp(&(b.0, &b.1.word, b.1.key)));
        let mut keys: Vec<(u32, f32)> = Vec::new();
        for (edits, one) in near {
            if keys.len() < NEAR_MAX && !keys.iter().any(|(key, _)| *key == one.key) {
                // Two edits at most.
                keys.push((one.key, edits as f32));
            }
        }
        keys
    }
}

fn singular(word: &str) -> &str {
    word.strip_suffix('s').unwrap_or(word)
}

/// A bit for each letter, and one for all that are none of `a` to `z`.
fn letters(word: &str) -> u32 {
    word.bytes().fold(0, |letters, b| {
        letters | 1 << if b.is_ascii_lowercase() { b - b'a' } else { 26 }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_other_words_are_not() {
        let mut collector = Collector::default();
        for (key, word) in ["customers", "customs", "price", "employees"]
            .iter()
            .enumerate()
        {
            collector.add(word, u32::try_from(key).unwrap(), Source::Name);
        }
        collector.add("hamburg", 9, Source::Value);
        collector.add("oslo", 10, Source::Value);
        let spellings = collector.finish();
        for (word, expect) in [
            ("custmer", Some(0)),
            ("costumers", Some(0)),
            ("customre", Some(0)),
            ("pirce", Some(2)),
            ("emploeyes", Some(3)),
            ("hambrug", Some(9)),
            ("hamborgg", None),
            ("oslp", None),
            ("customers", None),
            ("wug", None),
            ("gremlins", None),
            ("price2", None),
            ("", None),
        ] {
            let near = spellings.near(word);
            assert_eq!(near.first().map(|n| n.0), expect, "{word}: {near:?}");
        }
    }
}

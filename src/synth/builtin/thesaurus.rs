//! Other words for what a name says: general English (`thesaurus.txt`) and what schemas shorten (`abbreviations.txt`).

use std::collections::HashMap;
use std::sync::LazyLock;

use super::english;
use super::text::{key, words};

/// How good a name a synonym is that stands in one group with a word, where one of the two leads the group.
const LED: f32 = 0.8;

/// The same where neither leads.
const BESIDE: f32 = 0.65;

/// Words of a group's member at most.
#[cfg(test)]
const MEMBER_WORDS_MAX: usize = 4;

/// A synonym, as words, and how good a name it is.
pub(super) type Synonym = (Vec<String>, f32);

/// The synonyms of a key (see [`key`]), best first.
pub(super) fn synonyms(key: &str) -> &'static [Synonym] {
    static TABLE: LazyLock<HashMap<String, Vec<Synonym>>> = LazyLock::new(table);
    TABLE.get(key).map_or(&[], Vec::as_slice)
}

fn table() -> HashMap<String, Vec<Synonym>> {
    let mut table: HashMap<String, Vec<Synonym>> = HashMap::new();
    for line in lines(THESAURUS) {
        let members: Vec<Vec<String>> = line.split(',').map(words).collect();
        for (i, member) in members.iter().enumerate() {
            let known = table.entry(key(member)).or_default();
            for (j, other) in members.iter().enumerate() {
                // A word that does something in questions is nobody's name.
                if i == j || !english::functions(&other.join(" ")).is_empty() {
                    continue;
                }
                let quality = if i == 0 || j == 0 { LED } else { BESIDE };
                match known.iter_mut().find(|(words, _)| words == other) {
                    Some((_, best)) => *best = best.max(quality),
                    None => known.push((other.clone(), quality)),
                }
            }
        }
    }
    for synonyms in table.values_mut() {
        synonyms.sort_by(|a, b| b.1.total_cmp(&a.1));
    }
    table
}

/// What a shortened word stands for; nothing when it is not known.
pub(super) fn expansions(word: &str) -> &'static [Vec<String>] {
    static TABLE: LazyLock<HashMap<&str, Vec<Vec<String>>>> = LazyLock::new(|| {
        lines(ABBREVIATIONS)
            .filter_map(|line| line.split_once('='))
            .map(|(short, long)| (short.trim(), long.split('|').map(words).collect()))
            .collect()
    });
    TABLE.get(word).map_or(&[], Vec::as_slice)
}

/// Every word of both lists that stands alone.
pub(super) fn single_words() -> impl Iterator<Item = &'static str> {
    let members = lines(THESAURUS).flat_map(|line| line.split(','));
    let shorts = lines(ABBREVIATIONS).flat_map(|line| line.split(['=', '|']));
    members
        .chain(shorts)
        .flat_map(str::split_whitespace)
        .filter(|word| word.len() >= 3)
}

fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

const THESAURUS: &str = include_str!("thesaurus.txt");
const ABBREVIATIONS: &str = include_str!("abbreviations.txt");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn synonyms_are_found_by_any_form_of_a_word() {
        let of = |word: &str| -> Vec<String> {
            synonyms(&key(&words(word)))
                .iter()
                .map(|(words, _)| words.join(" "))
                .collect()
        };
        assert!(of("countries").contains(&"nation".into()));
        assert!(of("sex").contains(&"gender".into()));
        assert!(of("start date").contains(&"from date".into()));
        assert!(of("wug").is_empty());
        // "show" asks for something.
        assert!(!of("program").contains(&"show".into()));
    }

    #[test]
    fn the_lists_hold_what_they_should() {
        for line in lines(THESAURUS) {
            let members: Vec<Vec<String>> = line.split(',').map(words).collect();
            assert!(members.len() > 1, "{line}");
            for member in &members {
                assert!((1..=MEMBER_WORDS_MAX).contains(&member.len()), "{line}");
            }
        }
        for line in lines(ABBREVIATIONS) {
            let (short, _) = line.split_once('=').unwrap();
            assert!(!expansions(short.trim()).is_empty(), "{line}");
        }
    }
}

//! The words of every relation's and column's name, also of those that run together: `lifeexpectancy`, `custid`.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use crate::schema::snapshot::{ColumnId, Relation, RelationId, Snapshot};

use super::text::{fold, words};
use super::thesaurus;

/// Shorter words are not taken apart.
const GLUED_LETTERS_MIN: usize = 5;

/// Longer words are not taken apart either: the work grows with the square of the length.
const GLUED_LETTERS_MAX: usize = 40;

/// Words that a glued name may consist of at most.
const PARTS_MAX: usize = 4;

/// Words of two letters that names hold; every other pair of letters is no word.
const SHORT_WORDS: &[&str] = &["id", "no", "of", "is", "in", "by", "to", "at", "on", "up"];

/// Columns of a relation that must share a beginning before it is taken for a mark of the relation.
const SHARING_MIN: usize = 3;

/// All names of a snapshot, cut into words.
#[derive(Debug)]
pub(super) struct Names {
    relations: Vec<Name>,
    columns: Vec<Vec<Name>>,
}

/// A name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Name {
    /// Its words, folded; as they are marked, or as they run together.
    pub(super) words: Vec<String>,
    /// The same without what all its neighbours begin with as well (`c_` of `c_name`, `c_city`).
    pub(super) short: Option<Vec<String>>,
}

impl Name {
    /// The words that tell it from its neighbours.
    pub(super) fn own(&self) -> &[String] {
        self.short.as_deref().unwrap_or(&self.words)
    }
}

impl Names {
    /// Cuts every name of a snapshot.
    pub(super) fn new(snapshot: &Snapshot) -> Self {
        let mut splitter = Splitter::new(snapshot);
        let names: Vec<&str> = snapshot.relations.iter().map(|r| r.name.as_str()).collect();
        let relations = splitter.names(&names, names.len().div_ceil(2).max(SHARING_MIN));
        let columns = snapshot
            .relations
            .iter()
            .map(|relation| {
                let names: Vec<&str> = relation.columns.iter().map(|c| c.name.as_str()).collect();
                splitter.names(&names, names.len().max(SHARING_MIN))
            })
            .collect();
        Self { relations, columns }
    }

    /// A relation's name.
    pub(super) fn relation(&self, id: RelationId) -> &Name {
        &self.relations[id.0]
    }

    /// A column's name.
    pub(super) fn column(&self, id: ColumnId) -> &Name {
        &self.columns[id.relation.0][id.column]
    }
}

/// Words of general English that names consist of.
fn vocabulary() -> &'static HashSet<&'static str> {
    static WORDS: LazyLock<HashSet<&str>> = LazyLock::new(|| {
        let lines = include_str!("vocabulary.txt").lines();
        let listed = lines
            .filter(|line| !line.starts_with('#'))
            .flat_map(str::split_whitespace);
        listed.chain(thesaurus::single_words()).collect()
    });
    &WORDS
}

/// Takes words apart that run together.
struct Splitter {
    /// Words that stand alone somewhere in the schema.
    schema: HashSet<String>,
    known: HashMap<String, Option<Vec<String>>>,
}

impl Splitter {
    fn new(snapshot: &Snapshot) -> Self {
        let mut schema = HashSet::new();
        let mut add = |name: &str| {
            for word in words(name) {
                if word.len() >= 3 {
                    schema.insert(singular(&word));
                    schema.insert(word);
                }
            }
        };
        for Relation { name, columns, .. } in &snapshot.relations {
            add(name);
            columns.iter().for_each(|column| add(&column.name));
        }
        Self {
            schema,
            known: HashMap::new(),
        }
    }

    /// Cuts the names of neighbours, of which at least `sharing` must begin alike for that to be a mark.
    fn names(&mut self, names: &[&str], sharing: usize) -> Vec<Name> {
        let folded: Vec<String> = names.iter().map(|name| fold(name)).collect();
        let cut: Vec<Vec<String>> = names.iter().map(|name| self.cut(name)).collect();
        let mark = shared_word(&cut, sharing);
        let prefix = match &mark {
            Some(_) => None,
            None => self.shared_letters(&folded, sharing),
        };
        let short = |at: usize, this: &mut Self| match (&mark, &prefix) {
            (Some(mark), _) if cut[at].first() == Some(mark) => {
                (cut[at].len() > 1).then(|| cut[at][1..].to_vec())
            }
            (_, Some(prefix)) => folded[at]
                .strip_prefix(prefix.as_str())
                .map(|r| this.cut(r)),
            _ => None,
        };
        (0..names.len())
            .map(|at| Name {
                short: short(at, self),
                words: cut[at].clone(),
            })
            .collect()
    }

    fn cut(&mut self, name: &str) -> Vec<String> {
        let mut cut = Vec::new();
        for word in words(name) {
            match self.split(&word) {
                Some(parts) => cut.extend(parts),
                None => cut.push(word),
            }
        }
        cut
    }

    /// The words of a word; `None` when it is one.
    fn split(&mut self, word: &str) -> Option<Vec<String>> {
        let letters = word.trim_end_matches(|c: char| c.is_ascii_digit());
        if letters.len() < word.len() && letters.len() >= 3 && letters.bytes().all(is_letter) {
            // "address1"
            let mut parts = self.split(letters).unwrap_or_else(|| vec![letters.into()]);
            parts.push(word[letters.len()..].into());
            return Some(parts);
        }
        let is_candidate = (GLUED_LETTERS_MIN..=GLUED_LETTERS_MAX).contains(&word.len())
            && word.bytes().all(is_letter)
            && !is_word(word);
        if !is_candidate {
            return None;
        }
        if let Some(known) = self.known.get(word) {
            return known.clone();
        }
        let parts = self.best_split(word);
        self.known.insert(word.to_owned(), parts.clone());
        parts
    }

    /// The fewest and longest words that make up the whole.
    fn best_split(&self, word: &str) -> Option<Vec<String>> {
        // For each end, the cheapest way there: its cost, where its last part begins, and how many parts it has.
        let mut best: Vec<Option<(f32, usize, usize)>> = vec![None; word.len() + 1];
        best[0] = Some((0.0, 0, 0));
        for end in 2..=word.len() {
            for start in 0..end - 1 {
                let Some((cost, _, parts)) = best[start] else {
                    continue;
                };
                let Some(price) = self.price(&word[start..end], word) else {
                    continue;
                };
                let cost = cost + price;
                if parts < PARTS_MAX && best[end].is_none_or(|(known, ..)| cost < known) {
                    best[end] = Some((cost, start, parts + 1));
                }
            }
        }
        let mut parts = Vec::new();
        let mut end = word.len();
        while end > 0 {
            let (_, start, _) = best[end]?;
            parts.push(word[start..end].to_owned());
            end = start;
        }
        parts.reverse();
        (parts.len() > 1).then_some(parts)
    }

    /// What a part costs; `None` when it is no word.
    fn price(&self, part: &str, whole: &str) -> Option<f32> {
        if part.len() == 2 {
            return SHORT_WORDS.contains(&part).then_some(1.6);
        }
        let stranger = || {
            // A name is no part of itself, and its plural is not either.
            part.len() < whole.len() && part != singular(whole) && self.schema.contains(part)
        };
        let known = is_word(part) || stranger();
        known.then_some(if part.len() == 3 { 1.4 } else { 1.0 })
    }

    /// The letters that so many folded names begin with, when what is left of each is made of words.
    fn shared_letters(&mut self, names: &[String], sharing: usize) -> Option<String> {
        if names.len() < sharing || names.iter().any(|n| n.bytes().any(|b| !is_letter(b))) {
            return None;
        }
        let first = names.first()?;
        let mut length = names.iter().fold(first.len(), |length, name| {
            let same = name.bytes().zip(first.bytes()).take_while(|(a, b)| a == b);
            length.min(same.count())
        });
        // "sbcust" of "sbcustid" and "sbcuststatus" may reach too far, and "sb" is a mark as well.
        while length >= 2 {
            let rest = |name: &String| name[length..].to_owned();
            let rests: Vec<String> = names.iter().map(rest).collect();
            let whole = |rest: &String| {
                rest.len() >= 2 && (is_word(rest) || SHORT_WORDS.contains(&rest.as_str()))
            };
            let made = rests
                .iter()
                .filter(|rest| whole(rest) || self.split(rest).is_some())
                .count();
            if made * 5 >= rests.len() * 4 && !is_word(&first[..length]) {
                return Some(first[..length].to_owned());
            }
            length -= 1;
        }
        None
    }
}

/// The word that so many names begin with.
fn shared_word(names: &[Vec<String>], sharing: usize) -> Option<String> {
    if names.len() < SHARING_MIN {
        return None;
    }
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for name in names.iter().filter(|name| name.len() > 1) {
        *counts.entry(&name[0]).or_default() += 1;
    }
    let (word, count) = counts.into_iter().max_by_key(|(word, n)| (*n, *word))?;
    (count >= sharing).then(|| word.to_owned())
}

fn is_letter(b: u8) -> bool {
    b.is_ascii_lowercase()
}

fn is_word(word: &str) -> bool {
    vocabulary().contains(word) || vocabulary().contains(singular(word).as_str())
}

fn singular(word: &str) -> String {
    if let Some(root) = word.strip_suffix("ies") {
        return format!("{root}y");
    }
    for ending in ["ses", "xes", "ches", "shes"] {
        if word.ends_with(ending) {
            return word[..word.len() - 2].to_owned();
        }
    }
    match word.strip_suffix('s') {
        Some(root) if !root.ends_with(['s', 'u']) => root.to_owned(),
        _ => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::builtin::fixture::snapshot;

    #[test]
    fn names_without_marks_are_taken_apart_by_words_of_english_and_of_the_schema() {
        let schema = snapshot(&[
            "wuggles: wuggleid int; surfacearea numeric; headofstate text; isofficial text; hotelcity text; \
             zorp numeric; zorpold numeric; wugglename text; address1 text; menu text; carpet text",
        ]);
        let names = Names::new(&schema);
        for (position, expect) in [
            "wuggle id",
            "surface area",
            "head of state",
            "is official",
            "hotel city",
            "zorp",
            "zorp old",
            "wuggle name",
            "address 1",
            "menu",
        ]
        .iter()
        .enumerate()
        {
            let id = ColumnId {
                relation: RelationId(0),
                column: position,
            };
            assert_eq!(names.column(id).words.join(" "), *expect);
        }
    }

    #[test]
    fn a_mark_that_all_columns_begin_with_says_nothing() {
        let schema = snapshot(&[
            "app_lodgers: l_key int; l_name text; l_city text",
            "app_rooms: zqxnumber int; zqxprice numeric; zqxname text; zqxroomstatus text",
            "app_stays: start_day date; state text; status text",
        ]);
        let names = Names::new(&schema);
        let own = |relation: usize, column: usize| {
            let relation = RelationId(relation);
            names.column(ColumnId { relation, column }).own().join(" ")
        };
        assert_eq!(own(0, 1), "name");
        assert_eq!(own(1, 1), "price");
        assert_eq!(own(1, 3), "room status");
        assert_eq!(own(2, 1), "state");
        assert_eq!(names.relation(RelationId(0)).own(), ["lodgers"]);
    }
}

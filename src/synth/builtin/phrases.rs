//! Everything that a relation or a column can be called, from the words of its name: written out, turned round, in
//! part, and by other words.

use super::english;
use super::names::Name;
use super::text::key;
use super::thesaurus;

/// Phrases for one name at most.
const PHRASES_MAX: usize = 64;

/// Words that a name may hold between those with content.
const SMALL_WORDS: &[&str] = &[
    "of", "the", "in", "for", "per", "by", "at", "on", "to", "a", "an",
];

/// Words at the beginning or the end of a name that make it a number of the rest.
const COUNTS: &[&str] = &["number", "num", "no", "nr", "nbr", "count", "cnt"];

/// Words of one expanded or replaced name at most.
const WORDS_MAX: usize = 6;

/// Something that a name can be called.
#[derive(Clone, Debug)]
pub(super) struct Phrase {
    pub(super) words: Vec<String>,
    /// How good a name it is, 0 to 1.
    pub(super) quality: f32,
    /// It is another word for the name: what bears that very word is rather meant.
    pub(super) synonym: bool,
}

/// All phrases for one name.
#[derive(Debug, Default)]
pub(super) struct Phrases(Vec<Phrase>);

impl Phrases {
    /// Adds a phrase, or makes a known one better.
    fn add(&mut self, phrase: &[String], quality: f32) {
        self.insert(phrase, quality, false);
    }

    fn insert(&mut self, words: &[String], quality: f32, synonym: bool) {
        if words.is_empty() || words.iter().all(|w| SMALL_WORDS.contains(&w.as_str())) {
            return;
        }
        if let Some(known) = self.0.iter_mut().find(|known| known.words == words) {
            known.quality = known.quality.max(quality);
            known.synonym &= synonym;
        } else if self.0.len() < PHRASES_MAX {
            self.0.push(Phrase {
                words: words.to_vec(),
                quality,
                synonym,
            });
        }
    }

    /// All of them, in the order they were added.
    pub(super) fn into_iter(self) -> impl Iterator<Item = Phrase> {
        self.0.into_iter()
    }

    /// The same name with each of its abbreviations written out.
    fn written_out(name: &[String]) -> Vec<Vec<String>> {
        let mut all: Vec<Vec<String>> = vec![Vec::new()];
        let mut any = false;
        for word in name {
            let expansions = thesaurus::expansions(word);
            any |= !expansions.is_empty();
            let own = [vec![word.clone()]];
            let choices = if expansions.is_empty() {
                &own
            } else {
                expansions
            };
            all = all
                .iter()
                .flat_map(|start| choices.iter().map(|choice| [&start[..], choice].concat()))
                .take(4)
                .collect();
        }
        all.retain(|name| name.len() <= WORDS_MAX);
        if any { all } else { Vec::new() }
    }

    /// Other words for a name: for the whole, and for one of its words.
    fn add_synonyms(&mut self, name: &[String], scale: f32) {
        for (other, quality) in thesaurus::synonyms(&key(name)) {
            self.insert(other, quality * scale, true);
        }
        if !(2..=3).contains(&name.len()) {
            return;
        }
        for (at, word) in name.iter().enumerate() {
            for (other, quality) in thesaurus::synonyms(&key(std::slice::from_ref(word))) {
                if *quality > 0.7 && other.len() + name.len() <= WORDS_MAX {
                    let mut replaced = name.to_vec();
                    replaced.splice(at..=at, other.iter().cloned());
                    self.insert(&replaced, quality * scale * 0.95, true);
                }
            }
        }
    }
}

/// What a relation can be called. `scale` is the quality of its very name.
pub(super) fn of_relation(name: &[String], scale: f32) -> Phrases {
    let mut phrases = Phrases::default();
    phrases.add(name, scale);
    let written_out = Phrases::written_out(name);
    for long in &written_out {
        phrases.add(long, scale * 0.95);
    }
    if name.len() > 1 {
        phrases.add(&[name.concat()], scale * 0.9);
        phrases.add(&name[name.len() - 1..], scale * 0.55);
        phrases.add(&name[..1], scale * 0.385);
        if name.len() > 2 {
            phrases.add(&name[1..], scale * 0.7);
            phrases.add(&name[..name.len() - 1], scale * 0.6);
        }
    }
    for one in written_out.iter().map(Vec::as_slice).chain([name]) {
        phrases.add_synonyms(one, scale * 0.95);
    }
    phrases
}

/// What is known of a column beside its name.
#[derive(Clone, Copy, Debug)]
pub(super) struct About<'a> {
    /// Its name without a unit or a particle at the end.
    pub(super) core: &'a [String],
    /// The words of its relation's name.
    pub(super) relation: &'a [String],
    /// It ties rows together.
    pub(super) is_key: bool,
    /// Its first word alone is the row that it points to, and never the column.
    pub(super) points_at_rows: bool,
}

/// What a column can be called.
pub(super) fn of_column(name: &Name, about: About<'_>) -> Phrases {
    let mut phrases = Phrases::default();
    let forms = forms(name, about);
    for (words, quality) in &forms {
        phrases.add(words, *quality);
    }
    for (words, quality) in &forms {
        phrases.add_orders(words, *quality, about.is_key);
    }
    for (words, quality) in &forms {
        phrases.add_parts(words, *quality, about);
    }
    for (words, quality) in &forms {
        if !about.is_key || words.len() > 1 {
            phrases.add_synonyms(&content(words), *quality);
        }
        // The thing itself by another word: "gross" of `worldwide_gross_revenue` is not, "earnings" is.
        if let [.., last] = &words[..]
            && words.len() > 1
            && !about.is_key
        {
            for (other, good) in thesaurus::synonyms(&key(std::slice::from_ref(last))) {
                phrases.insert(other, quality * good * 0.55, true);
            }
        }
    }
    phrases
}

/// The ways to write a column's name: whole, shortened, and with its abbreviations written out.
fn forms(name: &Name, about: About<'_>) -> Vec<(Vec<String>, f32)> {
    let mut forms = vec![(name.words.clone(), 1.0)];
    let form = |forms: &mut Vec<(Vec<String>, f32)>, words: &[String], quality: f32| {
        if !words.is_empty() && !forms.iter().any(|(known, _)| known == words) {
            forms.push((words.to_vec(), quality));
        }
    };
    if let Some(short) = &name.short {
        form(&mut forms, short, 0.97);
    }
    form(&mut forms, about.core, 0.9);
    // The relation's own name before a column's says nothing new: "customer_name" of customers.
    for whole in [name.own(), about.core] {
        if let Some(rest) = without_owner(whole, about.relation) {
            form(&mut forms, rest, 0.95);
        }
    }
    for (words, quality) in forms.clone() {
        for long in Phrases::written_out(&words) {
            form(&mut forms, &long, quality * 0.93);
        }
    }
    forms
}

impl Phrases {
    /// The same words in other orders, as sentences have them: "number of staff", "staff number", "date of birth".
    fn add_orders(&mut self, name: &[String], quality: f32, is_key: bool) {
        let content = content(name);
        if name.len() > 1 {
            self.add(&[name.concat()], quality * 0.9);
        }
        if content.len() < 2 {
            return;
        }
        self.add(&content, quality * 0.92);
        if let Some(counted) = counted(&content) {
            self.add(&joined(&["number", "of"], counted), quality * 0.98);
            self.add(&joined(&["number"], counted), quality * 0.9);
            self.add(&joined(&["count", "of"], counted), quality * 0.9);
            for word in ["number", "count"] {
                let mut turned = counted.to_vec();
                turned.push(word.to_owned());
                self.add(&turned, quality * 0.85);
            }
            self.add(counted, quality * 0.6);
        }
        if is_key {
            return;
        }
        let (first, last) = (&content[..1], &content[content.len() - 1..]);
        if let [a, b] = &content[..] {
            self.add(&[b.clone(), a.clone()], quality * 0.65);
        }
        // "birth_date": the date of birth.
        self.add(
            &of(last, "of", &content[..content.len() - 1]),
            quality * 0.85,
        );
        if content.len() == 2 {
            let the = [&["the".to_owned()], first].concat();
            self.add(&of(last, "of", &the), quality * 0.85);
        } else {
            self.add(&of(&content[1..], "of", first), quality * 0.8);
        }
    }

    /// Some of the words: "price" may be the unit price; "unit" hardly ever is.
    fn add_parts(&mut self, name: &[String], quality: f32, about: About<'_>) {
        let content = content(name);
        let count = content.len();
        if count < 2 {
            return;
        }
        let scale = if about.is_key { 0.5 } else { 1.0 };
        self.add(&content[count - 1..], quality * 0.6 * scale);
        if !(about.is_key && about.points_at_rows) {
            self.add(&content[..1], quality * 0.37 * scale);
        }
        if count > 2 {
            self.add(&content[1..], quality * 0.75 * scale);
            self.add(&content[..count - 1], quality * 0.6 * scale);
            for middle in content[1..count - 1].chunks(1) {
                self.add(middle, quality * 0.35 * scale);
            }
        }
    }
}

/// The rest of a name that begins with its relation's.
fn without_owner<'a>(name: &'a [String], relation: &[String]) -> Option<&'a [String]> {
    let starts = |owner: &[String]| {
        !owner.is_empty() && owner.len() < name.len() && key(owner) == key(&name[..owner.len()])
    };
    let last = &relation[relation.len().saturating_sub(1)..];
    [relation, last]
        .into_iter()
        .find(|owner| starts(owner))
        .map(|owner| &name[owner.len()..])
}

/// What is counted, when a name says that something is.
fn counted(name: &[String]) -> Option<&[String]> {
    let is_count = |word: &String| COUNTS.contains(&word.as_str());
    match name {
        [first, rest @ ..] if is_count(first) && !rest.is_empty() => Some(rest),
        // "phone_number" counts nothing.
        [rest @ .., last] if matches!(last.as_str(), "count" | "cnt") => Some(rest),
        _ => None,
    }
}

fn content(name: &[String]) -> Vec<String> {
    let small = |word: &&String| !SMALL_WORDS.contains(&word.as_str());
    let content: Vec<String> = name.iter().filter(small).cloned().collect();
    if content.is_empty() {
        name.to_vec()
    } else {
        content
    }
}

fn joined(start: &[&str], rest: &[String]) -> Vec<String> {
    let start = start.iter().map(|word| (*word).to_owned());
    start.chain(rest.iter().cloned()).collect()
}

fn of(head: &[String], word: &str, rest: &[String]) -> Vec<String> {
    [head, &[word.to_owned()], rest].concat()
}

/// `placed_at` -> `placed`, `speed_mbps` -> `speed`: without what the type, or the unit, says as well.
pub(super) fn core(name: &[String], particles: &[&str]) -> Vec<String> {
    let mut core = name;
    let superfluous = |word: &str| particles.contains(&word) || english::is_unit(word);
    while let [rest @ .., last] = core
        && !rest.is_empty()
        && superfluous(last)
    {
        core = rest;
    }
    core.to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::builtin::text::words;

    fn quality(name: &str, relation: &str, phrase: &str) -> f32 {
        let name = Name {
            words: words(name),
            short: None,
        };
        let about = About {
            core: &core(&name.words, &[]),
            relation: &words(relation),
            is_key: name.words.last().is_some_and(|w| w == "id"),
            points_at_rows: false,
        };
        let wanted = key(&words(phrase));
        of_column(&name, about)
            .into_iter()
            .filter(|phrase| key(&phrase.words) == wanted)
            .fold(0.0, |best, phrase| phrase.quality.max(best))
    }

    #[test]
    fn a_column_is_called_by_its_words_in_any_order_and_by_other_words() {
        for (name, relation, phrase, least, most) in [
            ("unit_price", "items", "unit price", 1.0, 1.0),
            ("unit_price", "items", "price", 0.5, 0.7),
            ("unit_price", "items", "unit", 0.3, 0.5),
            ("unit_price", "items", "cost", 0.3, 0.6),
            ("num_of_staff", "shops", "number of staff", 0.9, 1.0),
            ("num_of_staff", "shops", "staff number", 0.7, 0.9),
            ("num_of_staff", "shops", "employees", 0.0, 0.6),
            ("staff_cnt", "shops", "number of staff", 0.8, 1.0),
            ("phone_number", "shops", "number of phones", 0.0, 0.9),
            ("open_year", "shops", "opening year", 1.0, 1.0),
            ("birth_date", "people", "date of birth", 0.8, 0.9),
            ("dob", "people", "date of birth", 0.9, 1.0),
            ("fname", "people", "first name", 0.9, 1.0),
            ("hs_grad", "people", "high school graduation", 0.9, 1.0),
            ("stu_id", "people", "student id", 0.9, 1.0),
            ("head_of_state", "lands", "head of state", 1.0, 1.0),
            ("head_of_state", "lands", "state head", 0.6, 0.9),
            ("sex", "people", "gender", 0.7, 0.9),
            ("customer_name", "customers", "name", 0.9, 1.0),
            ("speed_mbps", "ports", "speed", 0.85, 0.95),
            ("average_monthly_price", "plans", "monthly price", 0.7, 0.8),
            ("customer_id", "orders", "customer", 0.0, 0.3),
            ("name", "people", "of", 0.0, 0.0),
        ] {
            let found = quality(name, relation, phrase);
            assert!(
                (least..=most).contains(&found),
                "{name} as {phrase:?}: {found}"
            );
        }
    }

    #[test]
    fn a_relation_is_called_by_its_words_and_by_other_words() {
        let quality = |name: &str, phrase: &str| {
            let wanted = key(&words(phrase));
            of_relation(&words(name), 1.0)
                .into_iter()
                .find(|phrase| key(&phrase.words) == wanted)
                .map_or(0.0, |phrase| phrase.quality)
        };
        assert_eq!(quality("order_items", "order item"), 1.0);
        assert!(quality("order_items", "items") > quality("order_items", "order"));
        assert!(quality("countries", "nation") > 0.7);
        assert!(quality("cust_orders", "customer orders") > 0.9);
        assert!(quality("car_makers", "automobile manufacturers") == 0.0);
        assert!(quality("car_makers", "automobile makers") > 0.5);
    }
}

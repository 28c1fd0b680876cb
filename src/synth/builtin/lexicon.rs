//! The lexicon: every phrase that means something in one schema, and what it means.
//!
//! Built once per snapshot from names, comments, enum labels and stored values; nothing in it was written by hand.

use std::collections::HashMap;
use std::sync::Arc;

use crate::schema::sensitive::{Sensitivity, sensitivity};
use crate::schema::snapshot::{Column, ColumnId, RelationId, RelationKind, Snapshot, TypeClass};

use super::comments;
use super::english;
use super::roles;
use super::text::{key, words};

/// Entries at most; relations and columns come before values.
const ENTRIES_MAX: usize = 400_000;

/// The quality of a name that only a comment gives.
const ALIAS: f32 = 0.8;

/// Words of one value that is looked up at most.
const VALUE_WORDS_MAX: usize = 5;

/// What a phrase can mean.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Meaning {
    /// The rows of a relation.
    Relation(RelationId),
    /// A column.
    Column(ColumnId),
    /// The partner of a row through a foreign key (by its place in the snapshot) that has a name of its own: "manager".
    Role(usize),
    /// A boolean column being true or false.
    Flag(ColumnId, bool),
    /// A column being equal to a stored value.
    Value(ColumnId, Arc<str>),
}

/// One meaning of a phrase, and how good a name the phrase is for it.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) meaning: Meaning,
    /// 0 to 1; 1 is its very name.
    pub(super) quality: f32,
    /// The words without stemming, where the exact spelling tells ("shipped" is the status, "ship" is not).
    pub(super) spelling: Option<Box<str>>,
}

/// Phrases and their meanings.
#[derive(Debug, Default)]
pub(super) struct Lexicon {
    phrases: HashMap<String, Vec<Entry>>,
    /// Words that comments use: weak evidence for what they are about.
    hints: HashMap<String, Vec<Meaning>>,
    /// Names of one word as they are spelled, and their keys: what a mistyped word may have been.
    spellings: HashMap<String, String>,
    /// Words of the longest phrase.
    pub(super) words_max: usize,
    entry_count: usize,
}

impl Lexicon {
    /// Reads a snapshot.
    pub(super) fn new(snapshot: &Snapshot) -> Self {
        let mut lexicon = Self::default();
        for (r, relation) in snapshot.relations.iter().enumerate() {
            let id = RelationId(r);
            lexicon.add_relation(snapshot, id);
            for (c, column) in relation.columns.iter().enumerate() {
                let id = ColumnId {
                    relation: id,
                    column: c,
                };
                lexicon.add_column(snapshot, id, column);
            }
        }
        lexicon.add_roles(snapshot);
        for (r, relation) in snapshot.relations.iter().enumerate() {
            for (c, column) in relation.columns.iter().enumerate() {
                let id = ColumnId {
                    relation: RelationId(r),
                    column: c,
                };
                lexicon.add_values(id, column, relation.kind);
            }
        }
        lexicon.drop_kinds();
        lexicon
    }

    /// What a key (see [`key`]) can mean.
    pub(super) fn get(&self, key: &str) -> &[Entry] {
        self.phrases.get(key).map_or(&[], Vec::as_slice)
    }

    /// What a word of a comment speaks of.
    pub(super) fn hints(&self, stem: &str) -> &[Meaning] {
        self.hints.get(stem).map_or(&[], Vec::as_slice)
    }

    /// Names of relations and columns that differ from a mistyped word by very little, best first.
    pub(super) fn near(&self, word: &str) -> Vec<(&str, f32)> {
        let length = word.chars().count();
        if length < 5 || word.bytes().any(|b| b.is_ascii_digit()) {
            return Vec::new();
        }
        let edits_max = if length >= 8 { 2 } else { 1 };
        let singular = |word: &str| word.strip_suffix('s').unwrap_or(word).to_owned();
        let word = singular(word);
        let mut near: Vec<(&str, f32)> = self
            .spellings
            .iter()
            .filter(|(name, _)| {
                name.len().abs_diff(word.len()) <= edits_max + 1
                    && name.chars().next() == word.chars().next()
            })
            .filter_map(|(name, key)| {
                let edits = strsim::osa_distance(&singular(name), &word);
                (edits > 0 && edits <= edits_max).then_some((key.as_str(), edits as f32))
            })
            .collect();
        near.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(b.0)));
        near.dedup_by(|a, b| a.0 == b.0);
        near
    }

    fn add(&mut self, phrase: &[String], meaning: Meaning, quality: f32) {
        self.insert(phrase, meaning, quality, None);
    }

    fn insert(
        &mut self,
        phrase: &[String],
        meaning: Meaning,
        quality: f32,
        spelling: Option<Box<str>>,
    ) {
        if phrase.is_empty() || phrase.len() > 8 || self.entry_count >= ENTRIES_MAX {
            return;
        }
        self.words_max = self.words_max.max(phrase.len());
        if let ([name], None) = (phrase, &spelling)
            && quality >= 0.7
        {
            self.spellings
                .entry(name.clone())
                .or_insert_with(|| key(phrase));
        }
        let entries = self.phrases.entry(key(phrase)).or_default();
        match entries
            .iter_mut()
            .find(|e| e.meaning == meaning && e.spelling == spelling)
        {
            Some(known) => known.quality = known.quality.max(quality),
            None => {
                entries.push(Entry {
                    meaning,
                    quality,
                    spelling,
                });
                self.entry_count += 1;
            }
        }
    }

    fn add_relation(&mut self, snapshot: &Snapshot, id: RelationId) {
        let relation = snapshot.relation(id);
        let name = strip_affixes(words(&relation.name));
        // A view repeats what tables say: it is meant when it is named in full.
        let is_view = matches!(
            relation.kind,
            RelationKind::View | RelationKind::MaterializedView
        );
        let full = if is_view { 0.9 } else { 1.0 };
        self.add(&name, Meaning::Relation(id), full);
        if name.len() > 1 {
            let joined = name.concat();
            self.add(&[joined], Meaning::Relation(id), full * 0.9);
            let head = if is_view { 0.3 } else { 0.55 };
            self.add(&name[name.len() - 1..], Meaning::Relation(id), head);
            self.add(&name[..1], Meaning::Relation(id), head * 0.7);
        }
        if let Some(comment) = &relation.comment {
            let scale = if is_view { 0.5 } else { 1.0 };
            for alias in comments::aliases(comment) {
                self.add(&alias, Meaning::Relation(id), ALIAS * scale);
            }
            self.add_hints(comment, &Meaning::Relation(id));
        }
    }

    fn add_column(&mut self, snapshot: &Snapshot, id: ColumnId, column: &Column) {
        let name = words(&column.name);
        let meaning = Meaning::Column(id);
        self.add(&name, meaning.clone(), 1.0);
        let core = strip_units(strip_particles(name.clone(), column.class));
        if core.len() < name.len() {
            self.add(&core, meaning.clone(), 0.9);
        }
        if core.len() > 1 {
            self.add(&[core.concat()], meaning.clone(), 0.85);
            // "price" may be the unit price; "unit" hardly ever is.
            let key = roles::is_key(snapshot, id);
            self.add(
                &core[core.len() - 1..],
                meaning.clone(),
                if key { 0.3 } else { 0.6 },
            );
            // "customer" alone is the row that `customer_id` points to, and never the number.
            if !(key && points_at_rows(snapshot, id, &core)) {
                self.add(&core[..1], meaning.clone(), if key { 0.2 } else { 0.35 });
            }
            // The relation's own name before a column's says nothing new: "customer_name" of customers.
            let own: Vec<String> = words(&snapshot.relation(id.relation).name);
            if own.last().is_some_and(|w| key_of(w) == key_of(&core[0])) {
                self.add(&core[1..], meaning.clone(), 0.95);
            }
        }
        if let Some(expanded) = expanded(&core) {
            self.add(&expanded, meaning.clone(), 0.85);
        }
        if column.class == TypeClass::Boolean {
            self.add_flag(id, name);
        }
        if let Some(comment) = &column.comment {
            // The comment of a foreign key speaks of the row that it points to.
            let refers = snapshot
                .foreign_keys
                .iter()
                .any(|k| k.from == id.relation && k.from_columns.contains(&id.column));
            if !refers {
                for alias in comments::aliases(comment) {
                    self.add(&strip_units(alias), meaning.clone(), ALIAS);
                }
            }
            self.add_hints(comment, &meaning);
        }
    }

    /// A boolean column is a property that rows have or have not: `is_up` gives "up" and "down".
    fn add_flag(&mut self, id: ColumnId, mut name: Vec<String>) {
        const OPPOSITES: &[(&str, &str)] = &[
            ("up", "down"),
            ("active", "inactive"),
            ("enabled", "disabled"),
            ("open", "closed"),
            ("online", "offline"),
            ("available", "unavailable"),
            ("paid", "unpaid"),
            ("public", "private"),
            ("visible", "hidden"),
            ("on", "off"),
            ("full", "empty"),
            ("new", "used"),
        ];
        if name.len() > 1 && matches!(name[0].as_str(), "is" | "has" | "was" | "can" | "are") {
            name.remove(0);
            self.add(&name, Meaning::Column(id), 0.95);
        }
        self.add(&name, Meaning::Flag(id, true), 1.0);
        let [word] = &name[..] else { return };
        for (yes, no) in OPPOSITES {
            for (this, other) in [(yes, no), (no, yes)] {
                if word == this {
                    self.add(&[(*other).to_owned()], Meaning::Flag(id, false), 0.9);
                }
            }
        }
    }

    /// A foreign key whose column is not named for the relation it points to names a role: `manager_id`.
    fn add_roles(&mut self, snapshot: &Snapshot) {
        for (position, foreign_key) in snapshot.foreign_keys.iter().enumerate() {
            let [column] = foreign_key.from_columns[..] else {
                continue;
            };
            let column = &snapshot.relation(foreign_key.from).columns[column];
            let mut role = words(&column.name);
            while role.len() > 1
                && matches!(
                    role.last().map(String::as_str),
                    Some("id" | "key" | "code" | "no" | "fk")
                )
            {
                role.pop();
            }
            let target = words(&snapshot.relation(foreign_key.to).name);
            let named_for_target = target
                .last()
                .is_some_and(|t| role.last().is_some_and(|r| key_of(t) == key_of(r)));
            if !named_for_target || role.len() > 1 {
                self.add(&role, Meaning::Role(position), 0.95);
                if let Some(comment) = &column.comment {
                    for alias in comments::aliases(comment) {
                        self.add(&alias, Meaning::Role(position), ALIAS);
                    }
                }
            }
        }
    }

    fn add_values(&mut self, id: ColumnId, column: &Column, kind: RelationKind) {
        let quality = match kind {
            RelationKind::View | RelationKind::MaterializedView => 0.8,
            _ => 1.0,
        };
        for label in &column.enum_labels {
            self.add_value(id, label, quality);
        }
        let is_text = matches!(column.class, TypeClass::Text);
        if !is_text || sensitivity(&column.name) == Sensitivity::Secret {
            return;
        }
        if let Some(stats) = &column.stats {
            for value in stats.values() {
                self.add_value(id, value, quality);
            }
        }
    }

    fn add_value(&mut self, id: ColumnId, value: &str, quality: f32) {
        let parts = words(value);
        let content = parts.iter().any(|w| w.chars().any(char::is_alphabetic));
        if parts.is_empty() || parts.len() > VALUE_WORDS_MAX || !content {
            return;
        }
        // A letter, or "the", is a word of the question more often than a value.
        let quality = if value.len() < 2
            || english::functions(&parts.join(" ")).contains(&english::Word::Stop)
        {
            quality * 0.3
        } else {
            quality
        };
        let spelling = parts.join(" ").into_boxed_str();
        self.insert(
            &parts,
            Meaning::Value(id, value.into()),
            quality,
            Some(spelling),
        );
    }

    /// "Devices: routers and switches" tells kinds of devices, not other names for them: what is a stored value of a
    /// relation is no name of it.
    fn drop_kinds(&mut self) {
        for entries in self.phrases.values_mut() {
            let kinds: Vec<RelationId> = entries
                .iter()
                .filter_map(|e| match e.meaning {
                    Meaning::Value(id, _) => Some(id.relation),
                    _ => None,
                })
                .collect();
            entries.retain(|e| match e.meaning {
                Meaning::Relation(id) => e.quality > ALIAS || !kinds.contains(&id),
                _ => true,
            });
        }
    }

    fn add_hints(&mut self, comment: &str, meaning: &Meaning) {
        for word in words(comment) {
            if word.len() < 2 || english::functions(&word).contains(&english::Word::Stop) {
                continue;
            }
            let meanings = self.hints.entry(key(&[word])).or_default();
            if !meanings.contains(meaning) {
                meanings.push(meaning.clone());
            }
        }
    }
}

/// Whether a key column is declared to reference rows, or named for a relation whose rows it could only reference.
fn points_at_rows(snapshot: &Snapshot, id: ColumnId, name: &[String]) -> bool {
    let declared = snapshot
        .foreign_keys
        .iter()
        .any(|k| k.from == id.relation && k.from_columns.contains(&id.column));
    let thing = key(&name[..name.len() - 1]);
    declared
        || snapshot
            .relations
            .iter()
            .any(|r| key(&words(&r.name)) == thing)
}

fn key_of(word: &str) -> String {
    super::text::stem(word)
}

/// `tbl_orders`, `orders_table` -> `orders`.
fn strip_affixes(mut name: Vec<String>) -> Vec<String> {
    const AFFIXES: &[&str] = &["tbl", "table", "view", "vw", "mv", "dim", "fact"];
    while name.len() > 1 && AFFIXES.contains(&name[0].as_str()) {
        name.remove(0);
    }
    while name.len() > 1 && name.last().is_some_and(|w| AFFIXES.contains(&w.as_str())) {
        name.pop();
    }
    name
}

/// `placed_at` -> `placed`, for dates only: there the particle says no more than the type does.
fn strip_particles(mut name: Vec<String>, class: TypeClass) -> Vec<String> {
    let particles: &[&str] = match class {
        TypeClass::Date | TypeClass::Timestamp | TypeClass::Time => {
            &["at", "on", "date", "time", "timestamp", "day", "datetime"]
        }
        _ => &[],
    };
    while name.len() > 1 && name.last().is_some_and(|w| particles.contains(&w.as_str())) {
        name.pop();
    }
    name
}

/// `speed_mbps` -> `speed`.
fn strip_units(mut name: Vec<String>) -> Vec<String> {
    while name.len() > 1 && name.last().is_some_and(|w| english::is_unit(w)) {
        name.pop();
    }
    name
}

/// Abbreviations that schemas are full of, written out.
fn expanded(name: &[String]) -> Option<Vec<String>> {
    const ABBREVIATIONS: &[(&str, &str)] = &[
        ("qty", "quantity"),
        ("amt", "amount"),
        ("num", "number"),
        ("no", "number"),
        ("nr", "number"),
        ("addr", "address"),
        ("desc", "description"),
        ("dept", "department"),
        ("emp", "employee"),
        ("cust", "customer"),
        ("prod", "product"),
        ("cat", "category"),
        ("mgr", "manager"),
        ("avg", "average"),
        ("dob", "birth date"),
        ("fname", "first name"),
        ("lname", "last name"),
        ("tel", "phone"),
        ("temp", "temperature"),
        ("pct", "percent"),
        ("yr", "year"),
        ("org", "organization"),
        ("acct", "account"),
        ("msg", "message"),
    ];
    let known = |word: &String| ABBREVIATIONS.iter().find(|(short, _)| short == word);
    name.iter().any(|w| known(w).is_some()).then(|| {
        name.iter()
            .flat_map(|word| words(known(word).map_or(word.as_str(), |(_, long)| long)))
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::builtin::fixture;

    #[test]
    fn names_values_and_comments_can_be_looked_up() {
        let shop = fixture::shop();
        let lexicon = Lexicon::new(&shop);
        for phrase in [
            "customer",
            "clients",
            "order items",
            "orderitems",
            "loyalty points",
            "germany",
            "units sold",
            "manager",
            "boss",
        ] {
            assert!(!lexicon.get(&key(&words(phrase))).is_empty(), "{phrase}");
        }
        assert!(lexicon.get("wug").is_empty());
        let shipped = lexicon
            .get("ship")
            .iter()
            .any(|e| matches!(&e.meaning, Meaning::Value(_, v) if &**v == "shipped"));
        assert!(shipped);
    }

    #[test]
    fn a_mistyped_name_is_near_the_right_one() {
        let lexicon = Lexicon::new(&fixture::shop());
        assert_eq!(lexicon.near("custmer").first().map(|n| n.0), Some("custom"));
        assert!(lexicon.near("wug").is_empty());
    }
}

//! The lexicon: every phrase that means something in one schema, and what it means.
//!
//! Built once per snapshot from names (`names`, `phrases`), comments, enum labels and stored values (`stored`); what is
//! general English or general knowledge comes from the lists of `thesaurus` and `world`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::schema::snapshot::{
    Column, ColumnId, Relation, RelationId, RelationKind, Snapshot, TypeClass,
};

use super::comments;
use super::english;
use super::flags;
use super::graph::{Graph, Key};
use super::names::Names;
use super::phrase_index::{Builder, PhraseIndex};
use super::phrases::{self, About, Phrase};
use super::roles;
use super::spellings::{Collector, Source, Spellings};
use super::stored;
use super::terms::Terms;
use super::text::{key, stem, words};

/// The quality of a name that only a comment gives.
const ALIAS: f32 = 0.8;

/// Words of a phrase at most.
pub(super) const PHRASE_WORDS_MAX: usize = 8;

/// Names of a lower quality are no goal for a mistyped word.
const SPELLED_MIN: f32 = 0.7;

/// A name of this quality is the thing's own.
const DIRECT_MIN: f32 = 0.85;

/// What is left of a synonym's quality where something else bears that very name.
const RIVALLED: f32 = 0.7;

/// What a phrase can mean.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Meaning {
    /// The rows of a relation.
    Relation(RelationId),
    /// A column.
    Column(ColumnId),
    /// The partner of a row through a key (by its place in [`Graph::keys`]) that has a name of its own: "manager".
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
    /// Another word for the name, from the thesaurus.
    pub(super) synonym: bool,
}

/// Phrases and their meanings.
#[derive(Debug, Default)]
pub(super) struct Lexicon {
    phrases: PhraseIndex,
    /// Words that comments use: weak evidence for what they are about.
    hints: HashMap<String, Vec<Meaning>>,
    spellings: Spellings,
    /// Words of the longest phrase.
    pub(super) words_max: usize,
}

impl Lexicon {
    /// Reads a snapshot.
    #[cfg(test)]
    pub(super) fn new(snapshot: &Snapshot) -> Self {
        let names = Names::new(snapshot);
        Self::of(snapshot, &names, &Graph::new(snapshot), &Terms::default())
    }

    /// Reads a snapshot whose names were cut and whose keys are known, and what a glossary says of it.
    pub(super) fn of(snapshot: &Snapshot, names: &Names, graph: &Graph, terms: &Terms) -> Self {
        let mut draft = Draft {
            snapshot,
            names,
            keys: &graph.keys,
            referring: referring(&graph.keys),
            relation_keys: relations(snapshot)
                .map(|(id, _)| key(&names.relation(id).words))
                .collect(),
            phrases: Builder::default(),
            spellings: Collector::default(),
            hints: HashMap::new(),
            words_max: 0,
        };
        for (id, _) in relations(snapshot) {
            draft.add_relation(id);
        }
        for (id, relation) in relations(snapshot) {
            for (id, column) in columns(id, relation) {
                draft.add_column(id, column);
            }
        }
        draft.add_roles();
        terms.add(&mut draft, graph);
        for (id, relation) in relations(snapshot) {
            for (id, column) in columns(id, relation) {
                stored::add_values(&mut draft, id, column, relation.kind);
            }
        }
        Self {
            phrases: draft.phrases.finish(judge),
            hints: draft.hints,
            spellings: draft.spellings.finish(),
            words_max: draft.words_max,
        }
    }

    /// What a key (see [`key`]) can mean.
    pub(super) fn get(&self, key: &str) -> &[Entry] {
        self.phrases.get(key)
    }

    /// What a word of a comment speaks of.
    pub(super) fn hints(&self, stem: &str) -> &[Meaning] {
        self.hints.get(stem).map_or(&[], Vec::as_slice)
    }

    /// Keys of names, and of values of one word, that differ from a mistyped word by very little, and by how many
    /// letters; best first.
    pub(super) fn near(&self, word: &str) -> Vec<(&str, f32)> {
        let near = self.spellings.near(word);
        near.into_iter()
            .map(|(id, edits)| (self.phrases.key(id), edits))
            .collect()
    }
}

fn referring(keys: &[Key]) -> HashSet<ColumnId> {
    let columns = |key: &Key| {
        let relation = key.from;
        let of = move |&column: &usize| ColumnId { relation, column };
        key.from_columns.iter().map(of).collect::<Vec<_>>()
    };
    keys.iter().flat_map(columns).collect()
}

fn relations(snapshot: &Snapshot) -> impl Iterator<Item = (RelationId, &Relation)> {
    let numbered = snapshot.relations.iter().enumerate();
    numbered.map(|(position, relation)| (RelationId(position), relation))
}

fn columns(id: RelationId, relation: &Relation) -> impl Iterator<Item = (ColumnId, &Column)> {
    let numbered = relation.columns.iter().enumerate();
    numbered.map(move |(column, c)| {
        let id = ColumnId {
            relation: id,
            column,
        };
        (id, c)
    })
}

/// What is left of an entry's quality beside all others of the same phrase; `None` when it has to go.
fn judge(entry: &Entry, same_phrase: &[Entry]) -> Option<f32> {
    if entry.synonym {
        // Where something bears the very name, other words for other things are rather not meant, and within one
        // relation they are not meant at all.
        let direct = |e: &&Entry| !e.synonym && e.quality >= DIRECT_MIN;
        let mut direct = same_phrase.iter().filter(direct).peekable();
        let scale = if direct.peek().is_some() {
            RIVALLED
        } else {
            1.0
        };
        let own = relation_of(&entry.meaning);
        let beside = direct.any(|e| own.is_some() && relation_of(&e.meaning) == own);
        return (!beside).then_some(entry.quality * scale);
    }
    // "Devices: routers and switches" tells kinds of devices, not other names for them: what is a stored value of a
    // relation is no name of it.
    let is_kind = |id: RelationId| {
        let is_stored =
            |e: &Entry| matches!(e.meaning, Meaning::Value(column, _) if column.relation == id);
        entry.quality <= ALIAS && same_phrase.iter().any(is_stored)
    };
    match entry.meaning {
        Meaning::Relation(id) if is_kind(id) => None,
        _ => Some(entry.quality),
    }
}

/// The relation that a name belongs to.
fn relation_of(meaning: &Meaning) -> Option<RelationId> {
    match meaning {
        Meaning::Relation(id) => Some(*id),
        Meaning::Column(id) | Meaning::Flag(id, _) => Some(id.relation),
        Meaning::Role(_) | Meaning::Value(..) => None,
    }
}

/// A lexicon on its way.
pub(super) struct Draft<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) names: &'a Names,
    keys: &'a [Key],
    /// Columns of references.
    referring: HashSet<ColumnId>,
    /// The keys of all relations' names.
    relation_keys: HashSet<String>,
    phrases: Builder,
    spellings: Collector,
    hints: HashMap<String, Vec<Meaning>>,
    words_max: usize,
}

impl Draft<'_> {
    pub(super) fn add(&mut self, phrase: &[String], meaning: Meaning, quality: f32) {
        let entry = Entry {
            meaning,
            quality,
            spelling: None,
            synonym: false,
        };
        self.insert(phrase, entry);
    }

    fn add_phrase(&mut self, phrase: Phrase, meaning: Meaning) {
        let entry = Entry {
            meaning,
            quality: phrase.quality,
            spelling: None,
            synonym: phrase.synonym,
        };
        self.insert(&phrase.words, entry);
    }

    /// Adds a phrase for a stored value: its exact spelling tells.
    pub(super) fn add_spelled(&mut self, phrase: &[String], meaning: Meaning, quality: f32) {
        let entry = Entry {
            meaning,
            quality,
            spelling: Some(phrase.join(" ").into_boxed_str()),
            synonym: false,
        };
        self.insert(phrase, entry);
    }

    fn insert(&mut self, phrase: &[String], entry: Entry) {
        if phrase.is_empty() || phrase.len() > PHRASE_WORDS_MAX {
            return;
        }
        self.words_max = self.words_max.max(phrase.len());
        let source = match entry.meaning {
            Meaning::Value(..) => Source::Value,
            _ => Source::Name,
        };
        let is_goal = entry.quality >= SPELLED_MIN;
        if let (Some(id), [word]) = (self.phrases.add(&key(phrase), entry), phrase)
            && is_goal
        {
            self.spellings.add(word, id, source);
        }
    }

    fn add_relation(&mut self, id: RelationId) {
        let relation = self.snapshot.relation(id);
        let meaning = Meaning::Relation(id);
        // A view repeats what tables say: it is meant when it is named in full.
        let is_view = matches!(
            relation.kind,
            RelationKind::View | RelationKind::MaterializedView
        );
        let name = self.names.relation(id);
        for words in [Some(&name.words), name.short.as_ref()]
            .into_iter()
            .flatten()
        {
            let words = strip_affixes(words.clone());
            let full = if is_view { 0.9 } else { 1.0 };
            for mut phrase in phrases::of_relation(&words, full).into_iter() {
                if is_view && phrase.quality < 0.85 {
                    phrase.quality *= 0.55;
                }
                self.add_phrase(phrase, meaning.clone());
            }
        }
        if let Some(comment) = &relation.comment {
            let scale = if is_view { 0.5 } else { 1.0 };
            for alias in comments::aliases(comment) {
                self.add(&alias, meaning.clone(), ALIAS * scale);
            }
            self.add_hints(comment, &meaning);
        }
    }

    fn add_column(&mut self, id: ColumnId, column: &Column) {
        let name = self.names.column(id);
        let meaning = Meaning::Column(id);
        let core = phrases::core(name.own(), particles(column.class));
        let relation = self.snapshot.relation(id.relation);
        let is_key = roles::is_named_as_key(column)
            || relation.primary_key.contains(&id.column)
            || self.refers(id);
        let about = About {
            core: &core,
            relation: self.names.relation(id.relation).own(),
            is_key,
            // "customer" alone is the row that `customer_id` points to, and never the number.
            points_at_rows: is_key && self.points_at_rows(id, &core),
        };
        for phrase in phrases::of_column(name, about).into_iter() {
            self.add_phrase(phrase, meaning.clone());
        }
        if column.class == TypeClass::Boolean {
            let own = name.own().to_vec();
            flags::add(self, id, own, |is_so| Meaning::Flag(id, is_so));
        }
        if let Some(comment) = &column.comment {
            // The comment of a foreign key speaks of the row that it points to.
            if !self.refers(id) {
                for alias in comments::aliases(comment) {
                    let alias = phrases::core(&alias, &[]);
                    self.add(&alias, meaning.clone(), ALIAS);
                }
            }
            self.add_hints(comment, &meaning);
        }
    }

    /// Whether a column is (part of) a reference.
    fn refers(&self, id: ColumnId) -> bool {
        self.referring.contains(&id)
    }

    /// Whether a key column references rows, or is named for a relation whose rows it could only reference.
    fn points_at_rows(&self, id: ColumnId, name: &[String]) -> bool {
        let thing = key(&name[..name.len() - 1]);
        self.refers(id) || self.relation_keys.contains(&thing)
    }

    /// A key whose column is not named for the relation it points to names a role: `manager_id`.
    fn add_roles(&mut self) {
        for (position, reference) in self.keys.iter().enumerate() {
            let [column] = reference.from_columns[..] else {
                continue;
            };
            let id = ColumnId {
                relation: reference.from,
                column,
            };
            let mut role = self.names.column(id).own().to_vec();
            while role.len() > 1
                && matches!(
                    role.last().map(String::as_str),
                    Some("id" | "key" | "code" | "no" | "fk")
                )
            {
                role.pop();
            }
            let target = &self.names.relation(reference.to).words;
            let named_for_target = target
                .last()
                .is_some_and(|t| role.last().is_some_and(|r| stem(t) == stem(r)));
            let about_key = role
                .last()
                .is_some_and(|w| matches!(w.as_str(), "id" | "key"));
            if !about_key && (!named_for_target || role.len() > 1) {
                let scale = if reference.declared { 1.0 } else { 0.9 };
                self.add(&role, Meaning::Role(position), 0.95 * scale);
                if let Some(comment) = &self.snapshot.column(id).comment {
                    for alias in comments::aliases(comment) {
                        self.add(&alias, Meaning::Role(position), ALIAS);
                    }
                }
            }
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

/// Words at the end of a name that say no more than its type does: `placed_at`.
fn particles(class: TypeClass) -> &'static [&'static str] {
    match class {
        TypeClass::Date | TypeClass::Timestamp | TypeClass::Time => {
            &["at", "on", "date", "time", "timestamp", "day", "datetime"]
        }
        _ => &[],
    }
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

//! What the glossary says of one schema, as phrases and keys of the engine's.

use std::sync::Arc;

use crate::schema::snapshot::{ColumnId, Snapshot, TypeClass};
use crate::synth::glossary::{self, Entry, Filter, Glossary, Wanted};

use super::graph::Graph;
use super::lexicon::{Draft, Meaning};
use super::text::{stem, words};

/// How good a name the glossary's are: nothing but the very name is better.
const QUALITY: f32 = 0.98;

/// Names, and the joins that go before inferred ones.
#[derive(Debug, Default)]
pub(super) struct Terms {
    phrases: Vec<(Vec<String>, Meaning)>,
    /// Referring and referenced column.
    pub(super) joins: Vec<(ColumnId, ColumnId)>,
    /// What the partner of a row through a join is called.
    roles: Vec<(Vec<String>, ColumnId, ColumnId)>,
}

impl Terms {
    /// What a glossary says of a snapshot. Metrics, and filters that ask for more than one value of one column, are for
    /// models alone.
    pub(super) fn of(glossary: &Glossary, snapshot: &Snapshot) -> Self {
        let mut terms = Self::default();
        for entry in glossary.of(snapshot) {
            terms.take(entry, snapshot);
        }
        terms
    }

    fn take(&mut self, entry: &Entry, snapshot: &Snapshot) {
        match entry {
            Entry::Table(table) => {
                if let Some(id) = glossary::relation(snapshot, &table.name) {
                    self.name(&table.synonyms, &Meaning::Relation(id));
                }
            }
            Entry::Column(column) => {
                if let Some(id) = glossary::column(snapshot, &column.name) {
                    self.name(&column.synonyms, &Meaning::Column(id));
                }
            }
            Entry::Value(value) => {
                if let Some(id) = glossary::column(snapshot, &value.column) {
                    let meaning = Meaning::Value(id, Arc::from(value.value.as_str()));
                    self.name(&value.synonyms, &meaning);
                }
            }
            Entry::Join(join) => {
                let columns = (
                    glossary::column(snapshot, &join.from),
                    glossary::column(snapshot, &join.to),
                );
                if let (Some(from), Some(to)) = columns {
                    self.joins.push((from, to));
                    let phrases = join.phrases.iter().map(|phrase| (words(phrase), from, to));
                    self.roles.extend(phrases);
                }
            }
            Entry::Filter(filter) => self.filter(filter, snapshot),
            Entry::Metric(_) => {}
        }
    }

    fn name(&mut self, synonyms: &[String], meaning: &Meaning) {
        let phrases = synonyms.iter().map(|synonym| words(synonym));
        self.phrases
            .extend(phrases.map(|phrase| (phrase, meaning.clone())));
    }

    /// "active customer" of customers is "active" beside "customers".
    fn filter(&mut self, filter: &Filter, snapshot: &Snapshot) {
        let Some((column, wanted)) = filter.wanted(snapshot) else {
            return;
        };
        let is_boolean = snapshot.column(column).class == TypeClass::Boolean;
        let meaning = match wanted {
            Wanted::Flag(is_so) if is_boolean => Meaning::Flag(column, is_so),
            Wanted::Value(value) if !is_boolean => Meaning::Value(column, Arc::from(value)),
            _ => return,
        };
        let owner = words(&filter.table);
        let of_owner = |word: &str| owner.last().is_some_and(|last| stem(last) == stem(word));
        for name in std::iter::once(&filter.name).chain(&filter.synonyms) {
            let mut phrase = words(name);
            if phrase.len() > 1 && phrase.last().is_some_and(|word| of_owner(word)) {
                phrase.pop();
            }
            self.phrases.push((phrase, meaning.clone()));
        }
    }

    /// Adds all names to a lexicon.
    pub(super) fn add(&self, draft: &mut Draft<'_>, graph: &Graph) {
        for (phrase, meaning) in &self.phrases {
            match meaning {
                Meaning::Value(..) => draft.add_spelled(phrase, meaning.clone(), QUALITY),
                _ => draft.add(phrase, meaning.clone(), QUALITY),
            }
        }
        for (phrase, from, to) in &self.roles {
            if let Some(position) = graph.key_of(*from, *to) {
                draft.add(phrase, Meaning::Role(position), QUALITY);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::brief::SynthError;
    use crate::synth::builtin::{Engine, fixture};

    const GLOSSARY: &str = "
[[table]]
name = 'customers'
synonyms = ['punters']

[[column]]
name = 'customers.loyaltypoints'
synonyms = ['bonus score']

[[value]]
column = 'orders.status'
value = 'shipped'
synonyms = ['on the road']

[[filter]]
name = 'subscribed customer'
table = 'customers'
condition = 'newsletter'

[[filter]]
name = 'domestic customer'
table = 'customers'
condition = \"country = 'Germany'\"

[[join]]
from = 'reviews.customer_id'
to = 'customers.id'
phrases = ['judge']
";

    #[test]
    fn questions_may_use_the_words_of_the_glossary() {
        let glossary = Glossary::parse("g.toml".into(), GLOSSARY).unwrap();
        let visible = fixture::visible(fixture::shop());
        let ask = |engine: &Engine, question: &str| {
            let today = jiff::civil::date(2026, 11, 21);
            engine.draft(
                (question, 0),
                today,
                (&[], false),
                (&Arc::from("builtin"), 0.4),
            )
        };
        let engine = Engine::knowing(&visible, &glossary);
        for (question, part) in [
            (
                "how many punters",
                "count(*) AS count FROM public.customers",
            ),
            (
                "average bonus score of customers",
                "avg(c.\"loyaltyPoints\")",
            ),
            ("how many orders are on the road", "status = 'shipped'"),
            ("how many subscribed customers", "WHERE c.newsletter"),
            ("how many domestic customers", "country = 'Germany'"),
        ] {
            let draft = ask(&engine, question).unwrap();
            assert!(draft.sql.contains(part), "{question}: {}", draft.sql);
        }
        let plain = Engine::new(&visible);
        let refused = ask(&plain, "how many punters").unwrap_err();
        assert!(matches!(refused, SynthError::NotUnderstood { .. }));
    }

    #[test]
    fn joins_and_their_phrases_lead_from_row_to_row() {
        let mut shop = fixture::shop();
        shop.foreign_keys.clear();
        let glossary = Glossary::parse("g.toml".into(), GLOSSARY).unwrap();
        let names = super::super::names::Names::new(&shop);
        let terms = Terms::of(&glossary, &shop);
        let graph = Graph::of(&shop, &names, &terms.joins);
        assert!(graph.keys[0].declared, "before all that is inferred");
        let lexicon = super::super::lexicon::Lexicon::of(&shop, &names, &graph, &terms);
        let judge = &lexicon.get("judg")[0].meaning;
        assert_eq!(*judge, Meaning::Role(0));
    }
}

//! Keys that nobody declared: which columns tell rows apart, and which refer to them.
//!
//! Names propose, types and values decide. A key is inferred where one target stands out; where several are as likely,
//! none is.

use std::collections::HashMap;

use crate::schema::snapshot::{ColumnId, RelationId, RelationKind, Snapshot, TypeClass};

use super::graph::Key;
use super::key_evidence::{
    Inclusion, KEY_WORDS, can_be_key, inclusion, is_unique, likeness, stripped,
};
use super::names::Names;
use super::text::{key, stem};
use super::thesaurus;

/// What names and values together must come to.
const SCORE_MIN: f32 = 1.0;

/// By how much the best target of a column must lead the next one in another relation.
const LEAD_MIN: f32 = 0.15;

/// Relations that may share the name of a key before it says nothing.
const SHARED_MAX: usize = 24;

/// Names that many relations have a column of, whatever they are about.
const GENERAL: &[&str] = &[
    "name",
    "title",
    "first",
    "last",
    "full",
    "description",
    "date",
    "time",
    "year",
    "month",
    "day",
    "status",
    "type",
    "kind",
    "category",
    "email",
    "mail",
    "phone",
    "number",
    "fax",
    "address",
    "street",
    "city",
    "town",
    "country",
    "state",
    "region",
    "location",
    "place",
    "website",
    "homepage",
    "url",
    "comment",
    "note",
    "notes",
    "details",
    "other",
    "text",
    "value",
    "code",
    "id",
    "label",
    "color",
    "size",
    "nationality",
    "gender",
    "abbreviation",
];

/// All inferred keys, for columns that are part of no declared one, by relation and column.
pub(super) fn inferred(snapshot: &Snapshot, names: &Names, declared: &[Key]) -> Vec<Key> {
    let targets = Targets::new(snapshot, names);
    let mut keys = Vec::new();
    for (position, relation) in snapshot.relations.iter().enumerate() {
        let from = RelationId(position);
        for column in 0..relation.columns.len() {
            let id = ColumnId {
                relation: from,
                column,
            };
            let is_declared = |k: &Key| k.from == from && k.from_columns.contains(&column);
            if declared.iter().any(is_declared) {
                continue;
            }
            let Some(to) = targets.target_of(id) else {
                continue;
            };
            // One table of the two would do: what is declared the other way round is known.
            let is_reverse = |k: &Key| {
                k.from == to.relation
                    && k.to == from
                    && k.from_columns == [to.column]
                    && k.to_columns == [column]
            };
            if !declared.iter().any(is_reverse) && !keys.iter().any(is_reverse) {
                keys.push(Key::inferred(snapshot, id, to));
            }
        }
    }
    targets.add_shared_values(declared, &mut keys);
    keys
}

/// Columns that something may refer to.
struct Targets<'a> {
    snapshot: &'a Snapshot,
    names: &'a Names,
    /// Key columns by what a referring column may be called, as a key of words.
    by_name: HashMap<String, Vec<(ColumnId, f32)>>,
    /// Other columns whose values are unique, by their own names.
    beside: HashMap<String, Vec<ColumnId>>,
    /// How many relations' names end with a word.
    endings: HashMap<String, usize>,
    /// The key of each relation, and how well its name says so: 3 best.
    own: Vec<Option<(ColumnId, u8)>>,
}

impl<'a> Targets<'a> {
    fn new(snapshot: &'a Snapshot, names: &'a Names) -> Self {
        let mut endings: HashMap<String, usize> = HashMap::new();
        for position in 0..snapshot.relations.len() {
            let name = names.relation(RelationId(position)).own();
            if let Some(last) = name.last() {
                *endings.entry(stem(last)).or_default() += 1;
            }
        }
        let mut targets = Self {
            snapshot,
            names,
            by_name: HashMap::new(),
            beside: HashMap::new(),
            endings,
            own: Vec::with_capacity(snapshot.relations.len()),
        };
        for (position, relation) in snapshot.relations.iter().enumerate() {
            // A view repeats what its tables say.
            let is_table = !matches!(
                relation.kind,
                RelationKind::View | RelationKind::MaterializedView
            );
            let id = RelationId(position);
            let own = if is_table { targets.own_key(id) } else { None };
            targets.own.push(own);
            if let Some((column, named)) = own {
                targets.add(column, named);
            }
            if is_table {
                targets.add_beside(id, own.map(|own| own.0));
            }
        }
        targets
    }

    /// The column by which others refer to a relation, and how well its name says so.
    fn own_key(&self, id: RelationId) -> Option<(ColumnId, u8)> {
        let relation = self.snapshot.relation(id);
        let at = |column: usize| ColumnId {
            relation: id,
            column,
        };
        let own = self.names.relation(id);
        let named = |column: usize| {
            let (rest, is_key) = stripped(self.names.column(at(column)).own());
            let alike = likeness(rest, own.own());
            match (is_key, rest) {
                // "id", or "customer_id" of customers.
                (true, []) => 3,
                (true, _) if alike >= 0.9 => 3,
                (true, _) if alike > 0.0 => 2,
                (false, _) if alike >= 0.9 => 1,
                (true, _) if column == 0 && relation.columns.len() > 2 => 1,
                _ => 0,
            }
        };
        if let [column] = relation.primary_key[..] {
            return Some((at(column), named(column).max(1)));
        }
        // A key of several columns is referred to as a whole, if at all.
        if !relation.primary_key.is_empty() {
            return None;
        }
        let score =
            |column: usize| {
                let unique = is_unique(relation, column);
                let unknown = relation.columns[column].stats.is_none();
                let named = named(column);
                (named > 0 && can_be_key(&relation.columns[column]) && (unique || unknown))
                    .then_some((named, unique, usize::MAX - column))
            };
        (0..relation.columns.len())
            .filter_map(|column| Some((score(column)?, column)))
            .max()
            .map(|((named, ..), column)| (at(column), named))
    }

    /// Adds columns whose values are unique and whose names are not everybody's: `models.model`.
    fn add_beside(&mut self, id: RelationId, own: Option<ColumnId>) {
        let relation = self.snapshot.relation(id);
        for column in 0..relation.columns.len() {
            let target = ColumnId {
                relation: id,
                column,
            };
            let name = &self.names.column(target).words;
            let is_general = name.iter().all(|w| GENERAL.contains(&w.as_str()));
            if Some(target) != own
                && relation.columns[column].class == TypeClass::Text
                && !is_general
                && is_unique(relation, column)
            {
                self.beside.entry(key(name)).or_default().push(target);
            }
        }
    }

    /// Adds a target under every name by which it may be referred to.
    fn add(&mut self, id: ColumnId, named: u8) {
        // A link's first column is unique by chance more often than by design.
        let scale = if named > 1 { 1.0 } else { 0.8 };
        let relation = self.names.relation(id.relation);
        let column = self.names.column(id);
        let (rest, _) = stripped(column.own());
        let mut put = |words: &[String], quality: f32| {
            if words.is_empty() {
                return;
            }
            let quality = quality * scale;
            let known = self.by_name.entry(key(words)).or_default();
            match known.iter_mut().find(|(target, _)| *target == id) {
                Some((_, best)) => *best = best.max(quality),
                None => known.push((id, quality)),
            }
        };
        // By its own name: `customer.custid` is `orders.custid`. "id" alone is everybody's.
        if !rest.is_empty() {
            put(&column.words, 1.0);
            put(column.own(), 0.95);
        }
        let own = relation.own();
        let mut forms: Vec<(Vec<String>, f32)> =
            vec![(relation.words.clone(), 1.0), (own.to_vec(), 0.97)];
        if let [.., last] = own
            && own.len() > 1
        {
            // "maker" is said of car makers where there are no others.
            let alone = self.endings.get(&stem(last)) == Some(&1);
            forms.push((vec![last.clone()], if alone { 0.87 } else { 0.7 }));
        }
        for (form, quality) in forms {
            put(&form, quality * 0.9);
            for word in KEY_WORDS {
                let named = [&form[..], &[(*word).to_owned()]].concat();
                put(&named, quality);
            }
            if !rest.is_empty() {
                put(&[&form[..], column.own()].concat(), quality);
            }
        }
    }

    /// What a column refers to, when one target stands out.
    fn target_of(&self, from: ColumnId) -> Option<ColumnId> {
        let column = self.snapshot.column(from);
        let name = self.names.column(from).own();
        let is_plural = |word: &String| word.ends_with('s') && stem(word) != *word;
        // "num_semesters" and "home_games" count.
        let counts = column.class == TypeClass::Integer && name.last().is_some_and(is_plural);
        if !can_be_key(column) || counts {
            return None;
        }
        let mut found: Vec<(ColumnId, f32)> = Vec::new();
        for (form, quality) in self.forms(from) {
            let targets = self.by_name.get(&key(&form)).map_or(&[][..], Vec::as_slice);
            if targets.len() > SHARED_MAX {
                continue;
            }
            for &(to, good) in targets {
                let is_same_name = quality * good > 0.99;
                let Some(evidence) = self.evidence(from, to, is_same_name) else {
                    continue;
                };
                let score = quality * good + evidence;
                match found.iter_mut().find(|(target, _)| *target == to) {
                    Some((_, best)) => *best = best.max(score),
                    None => found.push((to, score)),
                }
            }
        }
        found.retain(|(_, score)| *score >= SCORE_MIN);
        found.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        match found[..] {
            [(best, _)] => Some(best),
            [(best, score), (_, next), ..] if score - next >= LEAD_MIN => Some(best),
            _ => None,
        }
    }

    /// Adds keys over equal names of text columns, one of which is unique and holds all the values of the other, between
    /// relations that nothing else ties together.
    fn add_shared_values(&self, declared: &[Key], keys: &mut Vec<Key>) {
        for (position, relation) in self.snapshot.relations.iter().enumerate() {
            for (column, one) in relation.columns.iter().enumerate() {
                let from = ColumnId {
                    relation: RelationId(position),
                    column,
                };
                let name = key(&self.names.column(from).words);
                let targets = self.beside.get(&name).map_or(&[][..], Vec::as_slice);
                let fits = |to: &&ColumnId| {
                    let ties = |k: &Key| {
                        (k.from, k.to) == (from.relation, to.relation)
                            || (k.to, k.from) == (from.relation, to.relation)
                    };
                    to.relation != from.relation
                        && inclusion(one, self.snapshot.column(**to)) == Inclusion::Included
                        && !declared.iter().chain(&*keys).any(ties)
                };
                let found: Vec<&ColumnId> = targets.iter().filter(fits).collect();
                if let [to] = found[..] {
                    keys.push(Key::inferred(self.snapshot, from, *to));
                }
            }
        }
    }

    /// What a referring column's name may say: all of it, without the role before it (`home_team_id`), and with its
    /// abbreviations written out.
    fn forms(&self, id: ColumnId) -> Vec<(Vec<String>, f32)> {
        let name = self.names.column(id);
        let mut forms: Vec<(Vec<String>, f32)> = vec![(name.words.clone(), 1.0)];
        if let Some(short) = &name.short {
            forms.push((short.clone(), 0.97));
        }
        let words = name.own();
        for start in 1..words.len() {
            let rest = &words[start..];
            // "id" and "code" alone are no name.
            if !stripped(rest).0.is_empty() {
                forms.push((rest.to_vec(), 0.88));
            }
        }
        for (form, quality) in forms.clone() {
            for (at, word) in form.iter().enumerate() {
                for long in thesaurus::expansions(word) {
                    let mut written_out = form.clone();
                    written_out.splice(at..=at, long.iter().cloned());
                    forms.push((written_out, quality * 0.95));
                }
            }
        }
        forms
    }

    /// How well types and values bear a reference out, about 0; `None` where they rule it out.
    fn evidence(&self, from: ColumnId, to: ColumnId, is_same_name: bool) -> Option<f32> {
        if from == to || from.relation == to.relation && self.is_own_name(from, to) {
            return None;
        }
        let (one, other) = (self.snapshot.column(from), self.snapshot.column(to));
        if one.class != other.class {
            return None;
        }
        let target = self.snapshot.relation(to.relation);
        let mut evidence = 0.05;
        if target.primary_key == [to.column] {
            evidence += 0.1;
        } else if is_unique(target, to.column) {
            evidence += 0.07;
        } else if other.stats.is_some() {
            evidence -= 0.1;
        }
        // A relation's own key refers to another one's only when it is its extension, which values have to show.
        let source = self.snapshot.relation(from.relation);
        let is_own_key = source.primary_key == [from.column]
            || source.primary_key.is_empty()
                && self.own[from.relation.0].is_some_and(|(own, named)| own == from && named > 1);
        // "employee_id" is the key of hirings, and speaks of employees all the same.
        let (rest, _) = stripped(self.names.column(from).own());
        let speaks_of = |relation| likeness(rest, self.names.relation(relation).own()) >= 0.8;
        let is_own_key = is_own_key && (speaks_of(from.relation) || !speaks_of(to.relation));
        match inclusion(one, other) {
            // Half of the data may be missing, and the name is as plain as can be.
            Inclusion::Contradicted if is_same_name && !is_own_key => evidence -= 0.1,
            Inclusion::Contradicted => return None,
            Inclusion::Unknown if is_own_key => evidence -= 0.35,
            Inclusion::Unknown => {}
            Inclusion::InRange if is_own_key => evidence -= 0.2,
            Inclusion::InRange => evidence += 0.1,
            Inclusion::Included if is_own_key => evidence += 0.0,
            Inclusion::Included => evidence += 0.25,
        }
        // A word alone ("airline") is the thing's name as often as its key.
        let (_, is_key) = stripped(self.names.column(from).own());
        if !is_key
            && !matches!(
                inclusion(one, other),
                Inclusion::Included | Inclusion::InRange
            )
        {
            evidence -= 0.25;
        }
        Some(evidence)
    }

    /// Whether a column of a relation is named for the relation itself: it is another key of the same row.
    fn is_own_name(&self, from: ColumnId, to: ColumnId) -> bool {
        let (rest, _) = stripped(self.names.column(from).own());
        let (target, _) = stripped(self.names.column(to).own());
        likeness(rest, self.names.relation(from.relation).own()) >= 0.9 || key(rest) == key(target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::snapshot::ColumnStats;
    use crate::synth::builtin::fixture::{self, snapshot};

    fn found(snapshot: &Snapshot) -> Vec<String> {
        let name = |relation: RelationId, columns: &[usize]| {
            let relation = snapshot.relation(relation);
            format!("{}.{}", relation.name, relation.columns[columns[0]].name)
        };
        let names = Names::new(snapshot);
        let mut found: Vec<String> = inferred(snapshot, &names, &[])
            .iter()
            .map(|k| {
                let (from, to) = (name(k.from, &k.from_columns), name(k.to, &k.to_columns));
                format!("{from} {to}")
            })
            .collect();
        found.sort();
        found
    }

    /// Gives a column the values of a sample.
    fn values(
        snapshot: &mut Snapshot,
        relation: &str,
        column: &str,
        values: &[&str],
        distinct: f32,
    ) {
        let relation = snapshot
            .relations
            .iter_mut()
            .find(|r| r.name == relation)
            .unwrap();
        let column = relation
            .columns
            .iter_mut()
            .find(|c| c.name == column)
            .unwrap();
        column.stats = Some(ColumnStats {
            distinct,
            histogram: values.iter().map(|&v| v.to_owned()).collect(),
            ..ColumnStats::default()
        });
    }

    #[test]
    fn all_keys_of_a_shop_are_found_without_any_declared() {
        let mut shop = fixture::shop();
        shop.foreign_keys.clear();
        let found = found(&shop);
        for expect in [
            "employees.department_id departments.id",
            "order_items.order_id orders.id",
            "order_items.product_id products.id",
            "orders.customer_id customers.id",
            "orders.employee_id employees.id",
            "products.category_id categories.id",
            "products.supplier_id suppliers.id",
            "reviews.customer_id customers.id",
            "shipments.order_id orders.id",
        ] {
            assert!(found.contains(&expect.to_owned()), "{expect}: {found:?}");
        }
    }

    #[test]
    fn names_are_followed_through_roles_abbreviations_and_glue() {
        let schema = snapshot(&[
            "teams: id int pk; name text",
            "fixtures: id int pk; home_team_id int; away_team_id int; venueid int; held_on date",
            "venues: venueid int; name text",
            "customer: custid int; name text",
            "orders: id int; cust_id int; custname text; lines int",
            "lines: id int; name text",
            "categories: category_id int pk; parent_category_id int; name text",
        ]);
        assert_eq!(
            found(&schema),
            [
                "categories.parent_category_id categories.category_id",
                "fixtures.away_team_id teams.id",
                "fixtures.home_team_id teams.id",
                "fixtures.venueid venues.venueid",
                "orders.cust_id customer.custid",
            ],
            "and \"lines\" counts"
        );
    }

    #[test]
    fn values_decide_where_names_alone_do_not() {
        let mut schema = snapshot(&[
            "carriers: uid int; carrier text",
            "trips: carrier int; tripno int; origin_port text; target_port text; mood text",
            "ports: portcode text; portname text; mood text",
        ]);
        let ten: Vec<String> = (1..=10).map(|n| n.to_string()).collect();
        let ten: Vec<&str> = ten.iter().map(String::as_str).collect();
        values(&mut schema, "carriers", "uid", &ten, -1.0);
        values(&mut schema, "ports", "portcode", &["AA", "BB", "CC"], -1.0);
        values(&mut schema, "ports", "mood", &["x", "y", "z"], -1.0);
        values(&mut schema, "trips", "carrier", &["2", "9"], 5.0);
        values(&mut schema, "trips", "origin_port", &["AA", "CC"], 2.0);
        values(&mut schema, "trips", "target_port", &["QQ", "RR"], 2.0);
        let keys = found(&schema);
        assert_eq!(
            keys,
            [
                "trips.carrier carriers.uid",
                "trips.origin_port ports.portcode"
            ]
        );
        // Ids that are not there refer to something else.
        values(&mut schema, "trips", "carrier", &["2000", "9000"], 5.0);
        assert_eq!(found(&schema).len(), 1);
    }

    #[test]
    fn nothing_is_guessed_between_many() {
        let schema = snapshot(&[
            "apples: id int pk; name text; code text",
            "pears: id int pk; name text; code text; status_id int",
            "plums: id int pk; name text; code text; owner_id int",
            "red_boxes: id int pk; name text",
            "blue_boxes: id int pk; box_id int",
            "green_boxes: id int pk; box_id int",
        ]);
        assert!(found(&schema).is_empty(), "{:?}", found(&schema));
    }
}

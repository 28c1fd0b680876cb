//! What columns are for, judged by the catalog alone: which name a row, which date it, which count or price it.

use crate::schema::snapshot::{Column, ColumnId, Relation, RelationId, Snapshot, TypeClass};

use super::names::Names;
use super::text;

/// The part that a relation's columns play.
#[derive(Clone, Debug, Default)]
pub(super) struct Roles {
    /// Columns that a person would name a row by, at most two (first and last name); empty when there is none.
    pub(super) display: Vec<usize>,
    /// Date and timestamp columns, the one that dates the row itself first.
    pub(super) times: Vec<usize>,
    /// Columns that count pieces ("quantity").
    pub(super) quantity: Option<usize>,
    /// The price of one piece.
    pub(super) unit_price: Option<usize>,
    /// What the whole row came to ("total", "amount").
    pub(super) amount: Option<usize>,
    /// The rows are people, by what is known of them: how old one is follows from a birth alone.
    pub(super) people: bool,
    /// The relation is about buying and selling by its name: what it comes to is revenue.
    pub(super) sells: bool,
}

/// Judges every relation.
#[cfg(test)]
pub(super) fn roles(snapshot: &Snapshot) -> Vec<Roles> {
    of(snapshot, &Names::new(snapshot))
}

/// The same for a snapshot whose names were cut.
pub(super) fn of(snapshot: &Snapshot, names: &Names) -> Vec<Roles> {
    (0..snapshot.relations.len())
        .map(|position| of_relation(snapshot, RelationId(position), names))
        .collect()
}

fn of_relation(snapshot: &Snapshot, id: RelationId, names: &Names) -> Roles {
    let relation = snapshot.relation(id);
    let own = &names.relation(id).words;
    let columns: Vec<Vec<String>> = (0..relation.columns.len())
        .map(|column| {
            let column = ColumnId {
                relation: id,
                column,
            };
            written_out(names.column(column).own())
        })
        .collect();
    let name = text::key(own);
    let sells = [
        "order", "sale", "sell", "invoic", "purchas", "transact", "book", "line", "checkout",
        "receipt",
    ]
    .iter()
    .any(|stem| name.split(' ').any(|word| word == *stem));
    Roles {
        display: display(relation, own, &columns),
        times: times(relation),
        quantity: find(
            relation,
            &columns,
            &[
                "quantity",
                "qty",
                "units",
                "pieces",
                "quantity ordered",
                "order qty",
            ],
        ),
        unit_price: find(
            relation,
            &columns,
            &[
                "unit price",
                "price each",
                "price",
                "item price",
                "price per unit",
                "sale price",
                "list price",
            ],
        ),
        amount: find(
            relation,
            &columns,
            &[
                "total",
                "total amount",
                "amount",
                "grand total",
                "total price",
                "order total",
                "total due",
                "net amount",
                "value",
                "total value",
            ],
        ),
        people: columns.iter().any(|name| {
            const OF_PEOPLE: &[&str] = &[
                "mail", "salary", "birth", "hired", "surname", "gender", "phone",
            ];
            let name = name.join(" ");
            OF_PEOPLE.iter().any(|part| name.contains(part))
                || matches!(name.as_str(), "first name" | "last name" | "job title")
        }),
        sells,
    }
}

/// A column's words with those abbreviations written out that stand for a person's name: `fname`, `stu_lname`.
fn written_out(name: &[String]) -> Vec<String> {
    let long = |word: &String| match word.as_str() {
        "fname" | "firstname" | "forename" => vec!["first".to_owned(), "name".to_owned()],
        "lname" | "lastname" | "surname" => vec!["last".to_owned(), "name".to_owned()],
        _ => vec![word.clone()],
    };
    name.iter().flat_map(long).collect()
}

/// The first numeric column with one of these names, in the order of the names.
fn find(relation: &Relation, columns: &[Vec<String>], names: &[&str]) -> Option<usize> {
    let numeric = |c: &Column| matches!(c.class, TypeClass::Integer | TypeClass::Decimal);
    let keys: Vec<String> = columns.iter().map(|name| text::key(name)).collect();
    names.iter().find_map(|name| {
        let wanted = text::key(&text::words(name));
        (0..keys.len()).find(|&c| numeric(&relation.columns[c]) && keys[c] == wanted)
    })
}

fn display(relation: &Relation, own: &[String], columns: &[Vec<String>]) -> Vec<usize> {
    let names: Vec<String> = columns
        .iter()
        .zip(&relation.columns)
        .map(|(name, column)| match is_text(column) {
            true => name.join(" "),
            false => String::new(),
        })
        .collect();
    let at = |name: &str| names.iter().position(|known| known == name);
    for name in [
        "name",
        "full name",
        "title",
        "display name",
        "label",
        "hostname",
        "username",
        "user name",
    ] {
        if let Some(position) = at(name) {
            return vec![position];
        }
    }
    for (first, last) in [("first name", "last name"), ("given name", "family name")] {
        // "student first name" as well.
        let ending = |wanted: &str| {
            let ends = |name: &String| name.ends_with(wanted);
            at(wanted).or_else(|| names.iter().position(ends))
        };
        if let (Some(first), Some(last)) = (ending(first), ending(last)) {
            return vec![first, last];
        }
    }
    // "customer_name" of customers, then any other name, then a column called like the relation itself, or like what it
    // is a list of.
    let singular = own.last().map(|w| text::stem(w)).unwrap_or_default();
    let ends = |name: &String| name.ends_with(" name") || name.ends_with(" title");
    let about_itself =
        |name: &String| ends(name) && name.split(' ').any(|w| text::stem(w) == singular);
    let like =
        |name: &String, word: &String| !name.is_empty() && text::stem(name) == text::stem(word);
    let like_itself = |name: &String| own.last().is_some_and(|word| like(name, word));
    let like_a_part = |name: &String| own.iter().any(|word| like(name, word));
    [
        &about_itself as &dyn Fn(&String) -> bool,
        &like_itself,
        &ends,
        &like_a_part,
    ]
    .into_iter()
    .find_map(|test| names.iter().position(test))
    .or_else(|| unique_text(relation))
    .into_iter()
    .collect()
}

fn unique_text(relation: &Relation) -> Option<usize> {
    relation
        .unique_keys
        .iter()
        .filter(|key| key.len() == 1)
        .map(|key| key[0])
        .find(|&c| {
            is_text(&relation.columns[c])
                && !relation.columns[c].name.to_lowercase().contains("mail")
        })
}

fn is_text(column: &Column) -> bool {
    column.class == TypeClass::Text || column.type_name == "citext"
}

/// Dates of a row: those that are always there before those that may be missing, in column order, and a column named
/// for bookkeeping ("updated_at") after all others.
fn times(relation: &Relation) -> Vec<usize> {
    let is_time = |c: &Column| matches!(c.class, TypeClass::Date | TypeClass::Timestamp);
    let rank = |&i: &usize| {
        let column = &relation.columns[i];
        let name = text::fold(&column.name);
        let bookkeeping = ["updat", "modif", "delet", "birth", "expir"]
            .iter()
            .any(|part| name.contains(part));
        (bookkeeping, !column.not_null, i)
    };
    let mut times: Vec<usize> = (0..relation.columns.len())
        .filter(|&i| is_time(&relation.columns[i]))
        .collect();
    times.sort_by_key(rank);
    times
}

/// Whether a column only ties rows together: keys are shown and summed only when asked for by name.
pub(super) fn is_key(snapshot: &Snapshot, id: ColumnId) -> bool {
    let relation = snapshot.relation(id.relation);
    relation.primary_key.contains(&id.column)
        || is_named_as_key(&relation.columns[id.column])
        || snapshot
            .foreign_keys_of(id.relation)
            .iter()
            .any(|key| key.from_columns.contains(&id.column))
}

/// Whether a column's name says that it only ties rows together.
pub(super) fn is_named_as_key(column: &Column) -> bool {
    /// English that ends like a key.
    const WORDS: &[&str] = &[
        "paid", "unpaid", "prepaid", "valid", "invalid", "grid", "solid", "fluid", "rapid", "acid",
        "amid", "hybrid", "humid", "liquid", "android", "raid", "maid", "aid", "bid", "kid", "mid",
        "lid", "said", "void", "avoid", "pyramid", "asteroid", "orchid", "steroid", "thyroid",
        "plaid", "braid", "vivid", "rigid", "laid",
    ];
    let name = text::fold(&column.name);
    if name == "id" || name.ends_with("_id") || column.name.ends_with("Id") {
        return true;
    }
    // Words that run together: `customerid`, but not `prepaid`.
    let last = name.rsplit('_').next().unwrap_or_default();
    let can_be = matches!(
        column.class,
        TypeClass::Integer | TypeClass::Text | TypeClass::Uuid
    );
    can_be && last.len() > 3 && last.ends_with("id") && !WORDS.contains(&last)
}

/// Whether sums and averages of it mean something.
pub(super) fn is_number(snapshot: &Snapshot, id: ColumnId) -> bool {
    matches!(
        snapshot.column(id).class,
        TypeClass::Integer | TypeClass::Decimal
    )
}

/// Whether it is a date or a timestamp.
pub(super) fn is_time(snapshot: &Snapshot, id: ColumnId) -> bool {
    matches!(
        snapshot.column(id).class,
        TypeClass::Date | TypeClass::Timestamp
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::builtin::fixture::snapshot;

    #[test]
    fn rows_are_named_by_what_people_would_call_them() {
        for (table, expect) in [
            (
                "guides: id int; fname text; lname text; city text",
                "fname lname",
            ),
            (
                "guides: id int; gd_first_name text; gd_last_name text; gd_city text",
                "gd_first_name gd_last_name",
            ),
            (
                "lands: landcode text; landname text; localname text",
                "landname",
            ),
            ("guide_list: id int; guide text; region text", "guide"),
            ("makers: id int; maker text; fullname text", "fullname"),
            ("visits: id int; note text", ""),
            ("tokens: id int; code text uq", "code"),
        ] {
            let schema = snapshot(&[table]);
            let roles = roles(&schema);
            let columns = &schema.relations[0].columns;
            let names: Vec<&str> = roles[0]
                .display
                .iter()
                .map(|&c| &*columns[c].name)
                .collect();
            assert_eq!(names.join(" "), expect, "{table}");
        }
    }

    #[test]
    fn a_key_is_told_by_its_name_and_no_word_is() {
        let is_key = |name: &str, class: TypeClass| {
            is_named_as_key(&Column {
                name: name.into(),
                class,
                ..Column::default()
            })
        };
        for name in [
            "id", "guide_id", "guideId", "guideid", "GuideID", "teamid", "trackid",
        ] {
            assert!(is_key(name, TypeClass::Integer), "{name}");
        }
        for name in ["paid", "amount_paid", "grid", "valid", "idea", "name"] {
            assert!(!is_key(name, TypeClass::Integer), "{name}");
        }
        assert!(!is_key("wasid", TypeClass::Boolean));
    }
}

//! What columns are for, judged by the catalog alone: which name a row, which date it, which count or price it.

use crate::schema::snapshot::{Column, ColumnId, Relation, Snapshot, TypeClass};

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
pub(super) fn roles(snapshot: &Snapshot) -> Vec<Roles> {
    snapshot.relations.iter().map(of_relation).collect()
}

fn of_relation(relation: &Relation) -> Roles {
    let name = text::key(&text::words(&relation.name));
    let sells = [
        "order", "sale", "sell", "invoic", "purchas", "transact", "book", "line", "checkout",
        "receipt",
    ]
    .iter()
    .any(|stem| name.split(' ').any(|word| word == *stem));
    Roles {
        display: display(relation),
        times: times(relation),
        quantity: find(
            relation,
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
        people: relation.columns.iter().any(|c| {
            const OF_PEOPLE: &[&str] = &[
                "mail", "salary", "birth", "hired", "surname", "gender", "phone",
            ];
            let name = text::words(&c.name).join(" ");
            OF_PEOPLE.iter().any(|part| name.contains(part))
                || matches!(name.as_str(), "first name" | "last name" | "job title")
        }),
        sells,
    }
}

/// The first numeric column with one of these names, in the order of the names.
fn find(relation: &Relation, names: &[&str]) -> Option<usize> {
    let numeric = |c: &Column| matches!(c.class, TypeClass::Integer | TypeClass::Decimal);
    names.iter().find_map(|name| {
        let wanted = text::key(&text::words(name));
        relation
            .columns
            .iter()
            .position(|c| numeric(c) && text::key(&text::words(&c.name)) == wanted)
    })
}

fn display(relation: &Relation) -> Vec<usize> {
    let keys: Vec<String> = relation
        .columns
        .iter()
        .map(|c| {
            if is_text(c) {
                text::words(&c.name).join(" ")
            } else {
                String::new()
            }
        })
        .collect();
    let at = |name: &str| keys.iter().position(|key| key == name);
    let own = text::words(&relation.name);
    let singular = own.last().map(|w| text::stem(w)).unwrap_or_default();
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
    for (first, last) in [
        ("first name", "last name"),
        ("firstname", "lastname"),
        ("given name", "family name"),
        ("forename", "surname"),
        ("fname", "lname"),
    ] {
        if let (Some(first), Some(last)) = (at(first), at(last)) {
            return vec![first, last];
        }
    }
    // "customer_name" of customers, then any other name, then a column called like the relation itself.
    let ends = |key: &String| key.ends_with(" name") || key.ends_with(" title");
    let about_itself =
        |key: &String| ends(key) && key.split(' ').any(|w| text::stem(w) == singular);
    let like_itself = |key: &String| !key.is_empty() && text::stem(key) == singular;
    [
        &about_itself as &dyn Fn(&String) -> bool,
        &like_itself,
        &ends,
    ]
    .into_iter()
    .find_map(|test| keys.iter().position(test))
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
            .foreign_keys
            .iter()
            .any(|key| key.from == id.relation && key.from_columns.contains(&id.column))
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

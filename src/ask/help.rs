//! `ask help`: how to ask, with examples made of what the caller may see.

use super::table::{Cell, ColumnType, Table};
use crate::access::visible::Visible;
use crate::schema::sensitive::{Sensitivity, sensitivity};
use crate::schema::snapshot::{Column, Relation, RelationKind, TypeClass};

/// Relations that examples are made of, at most.
const RELATIONS_MAX: usize = 6;

/// What `ask help` shows: two columns, something to type and what it does.
#[must_use]
pub fn table(visible: &Visible) -> Table {
    let column = |name: &str| (name.to_owned(), ColumnType::Text);
    let mut table = Table::new([column("ask"), column("meaning")]);
    let mut add = |ask: String, meaning: &str| {
        let row = [Cell::Text(ask), Cell::Text(meaning.to_owned())];
        let so_far = std::mem::replace(&mut table, Table::new([]));
        table = so_far.with_row(row);
    };
    for relation in worth_asking(visible) {
        for (question, meaning) in examples(visible, relation) {
            add(format!("ask {question};"), meaning);
        }
    }
    for (ask, meaning) in [
        ("ask sql: question;", "show the SQL, run nothing"),
        ("ask explain: question;", "show the plan"),
        ("ask alternatives;", "other readings of the last question"),
        (
            "ask pin NAME: question;",
            "from now on the question always means the same SQL",
        ),
        ("ask pins;", "what is pinned, and whether it still holds"),
        ("ask unpin NAME;", "forget a pin"),
        ("ask good;", "the last answer was right"),
        ("ask bad;", "the last answer was wrong"),
        (
            "ask correct: SELECT ...;",
            "the SQL that the last answer should have had",
        ),
        (
            "SET ask.context = on;",
            "let a question go on about the last one: and last year? by month instead, top 10, how many?",
        ),
        ("/* ask: question */", "the same from any client"),
        (
            "SELECT * FROM (/* ask: question */) t",
            "a question inside SQL",
        ),
    ] {
        add(ask.to_owned(), meaning);
    }
    table
}

/// The relations that a newcomer would ask about first: on the search path, large, tables before views.
fn worth_asking(visible: &Visible) -> Vec<&Relation> {
    let mut relations: Vec<&Relation> = visible.relations.iter().collect();
    let place = |relation: &Relation| {
        let path = visible.search_path();
        path.iter()
            .position(|schema| *schema == relation.schema)
            .unwrap_or(path.len())
    };
    relations.sort_by(|a, b| {
        let key = |r: &Relation| (place(r), r.kind != RelationKind::Table);
        let rows = |r: &Relation| r.row_estimate.unwrap_or(0.0);
        key(a)
            .cmp(&key(b))
            .then(rows(b).total_cmp(&rows(a)))
            .then_with(|| a.name.cmp(&b.name))
    });
    relations.truncate(RELATIONS_MAX);
    relations
}

/// Up to three questions about a relation.
fn examples(visible: &Visible, relation: &Relation) -> Vec<(String, &'static str)> {
    let name = words(&relation.name);
    let mut examples = vec![(format!("how many {name}"), "a count")];
    let is_key = |position: usize| {
        let referencing = visible.foreign_keys.iter().any(|key| {
            std::ptr::eq(visible.relation(key.from), relation)
                && key.from_columns.contains(&position)
        });
        referencing || relation.primary_key.contains(&position)
    };
    let find = |wanted: &dyn Fn(&Column) -> bool| {
        relation
            .columns
            .iter()
            .enumerate()
            .find(|(position, column)| {
                !is_key(*position)
                    && wanted(column)
                    && sensitivity(&column.name) == Sensitivity::Open
            })
            .map(|(_, column)| column)
    };
    let number = find(&|c| c.class == TypeClass::Decimal);
    if let Some(number) = number.or_else(|| find(&|c| c.class == TypeClass::Integer)) {
        let column = words(&number.name);
        examples.push((format!("top 5 {name} by {column}"), "the highest first"));
    }
    if let Some(label) = find(&|c| !c.enum_labels.is_empty()) {
        let column = words(&label.name);
        examples.push((format!("how many {name} by {column}"), "a count for each"));
    } else if find(&|c| matches!(c.class, TypeClass::Date | TypeClass::Timestamp)).is_some() {
        examples.push((format!("{name} this month"), "a period"));
    }
    examples
}

/// `orderItems` and `order_items` as "order items".
fn words(name: &str) -> String {
    let mut words = String::with_capacity(name.len() + 4);
    let mut after_lower = false;
    for c in name.chars() {
        if c == '_' || c == '-' || c.is_whitespace() {
            words.push(' ');
            after_lower = false;
            continue;
        }
        if c.is_uppercase() && after_lower {
            words.push(' ');
        }
        after_lower = c.is_lowercase();
        words.extend(c.to_lowercase());
    }
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::schema::snapshot::Snapshot;

    #[test]
    fn examples_are_made_of_what_is_visible() {
        let column = |name: &str, class| Column {
            name: name.to_owned(),
            class,
            ..Column::default()
        };
        let snapshot = Snapshot {
            relations: vec![Relation {
                schema: "public".to_owned(),
                name: "guestRooms".to_owned(),
                columns: vec![
                    column("id", TypeClass::Integer),
                    column("floor_area", TypeClass::Decimal),
                    column("built", TypeClass::Date),
                ],
                primary_key: vec![0],
                ..Relation::default()
            }],
            ..Snapshot::default()
        };
        let visible = Visible::new(Arc::new(snapshot), Arc::from(["public".to_owned()]));
        let table = table(&visible);
        let shown: Vec<String> = table
            .rows()
            .iter()
            .filter_map(|row| row[0].as_text())
            .collect();
        assert_eq!(
            &shown[..3],
            [
                "ask how many guest rooms;",
                "ask top 5 guest rooms by floor area;",
                "ask guest rooms this month;",
            ]
        );
        for ask in ["ask alternatives;", "SET ask.context = on;"] {
            assert!(shown.iter().any(|shown| shown == ask), "{ask}");
        }
    }
}

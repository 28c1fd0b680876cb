//! A snapshot as text for a model's prompt: DDL, because models have read more of that than of anything else.
//!
//! What may leave the machine is decided here, by [`Privacy`], whatever the snapshot knows.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use super::quote::{identifier_if_needed, literal};
use super::sensitive::{Sensitivity, sensitivity};
use super::snapshot::{
    Column, ForeignKey, Relation, RelationId, RelationKind, Snapshot, TypeClass,
};

/// Common values shown of a column at most: enough to see how they are spelled.
const VALUES_MAX: usize = 8;

/// Characters of one value shown at most; a column with longer ones shows those that are not.
const VALUE_CHARS_MAX: usize = 40;

/// Characters of a comment shown at most.
const COMMENT_CHARS_MAX: usize = 200;

/// How much of a database may leave the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Privacy {
    /// Names, types, keys and enum labels.
    Schema,
    /// Comments on tables and columns as well.
    #[default]
    Comments,
    /// Common values of text columns as well, but for columns whose name says that they are about a person or secret.
    Samples,
}

/// How much is said, from all to least; the first that fits is taken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Detail {
    Names,
    Keys,
    Comments,
    Values,
}

/// Renders a snapshot in at most `bytes_max` bytes.
///
/// Where it does not fit, values are left out first, then comments, then everything but the names of relations and
/// columns, and at last relations from the end, which a last line says.
#[must_use]
pub fn render(snapshot: &Snapshot, privacy: Privacy, bytes_max: usize) -> String {
    let most = match privacy {
        Privacy::Schema => Detail::Keys,
        Privacy::Comments => Detail::Comments,
        Privacy::Samples => Detail::Values,
    };
    let levels = [
        Detail::Values,
        Detail::Comments,
        Detail::Keys,
        Detail::Names,
    ];
    for detail in levels.into_iter().filter(|&detail| detail <= most) {
        if let Some(text) = whole(snapshot, detail, bytes_max) {
            return text;
        }
    }
    cut(snapshot, bytes_max)
}

/// All relations, or `None` when that takes more than `bytes_max`.
fn whole(snapshot: &Snapshot, detail: Detail, bytes_max: usize) -> Option<String> {
    let mut text = String::new();
    for position in 0..snapshot.relations.len() {
        relation(&mut text, snapshot, RelationId(position), detail);
        if text.len() > bytes_max {
            return None;
        }
    }
    Some(text)
}

/// As many relations as fit, by name alone.
fn cut(snapshot: &Snapshot, bytes_max: usize) -> String {
    let count = snapshot.relations.len();
    let rest = |shown: usize| format!("-- and {} more relations\n", count - shown);
    let room = bytes_max.saturating_sub(rest(0).len());
    let mut text = String::new();
    for position in 0..count {
        let before = text.len();
        relation(&mut text, snapshot, RelationId(position), Detail::Names);
        if text.len() > room {
            text.truncate(before);
            text.push_str(&rest(position));
            break;
        }
    }
    if text.len() > bytes_max {
        text.clear();
    }
    text
}

fn relation(text: &mut String, snapshot: &Snapshot, id: RelationId, detail: Detail) {
    let relation = snapshot.relation(id);
    let name = qualified(relation);
    if detail == Detail::Names {
        let columns: Vec<_> = relation.columns.iter().map(|c| &*c.name).collect();
        line(text, &format!("{name} ({})", list(&columns)));
        return;
    }
    if detail >= Detail::Comments
        && let Some(comment) = &relation.comment
    {
        line(text, &format!("-- {}", one_line(comment)));
    }
    line(text, &format!("CREATE {} {name} (", kind(relation.kind)));
    let foreign_keys = snapshot.foreign_keys.iter().filter(|key| key.from == id);
    let keys: Vec<String> = keys(relation)
        .chain(foreign_keys.map(|key| foreign_key(snapshot, key)))
        .collect();
    for (position, column) in relation.columns.iter().enumerate() {
        let last = position + 1 == relation.columns.len() && keys.is_empty();
        column_line(text, column, last, detail);
    }
    if !keys.is_empty() {
        line(text, &format!("  {}", keys.join(",\n  ")));
    }
    line(text, ");");
}

fn column_line(text: &mut String, column: &Column, last: bool, detail: Detail) {
    let name = identifier_if_needed(&column.name);
    let not_null = if column.not_null { " NOT NULL" } else { "" };
    let comma = if last { "" } else { "," };
    let notes = notes(column, detail);
    let notes = if notes.is_empty() {
        notes
    } else {
        format!(" -- {notes}")
    };
    line(
        text,
        &format!("  {name} {}{not_null}{comma}{notes}", column.type_name),
    );
}

/// What is said behind a column.
fn notes(column: &Column, detail: Detail) -> String {
    let mut notes: Vec<String> = Vec::new();
    if detail >= Detail::Comments
        && let Some(comment) = &column.comment
    {
        notes.push(one_line(comment));
    }
    if !column.enum_labels.is_empty() {
        notes.push(format!(
            "one of {}",
            values(&column.enum_labels, usize::MAX)
        ));
    } else if detail >= Detail::Values {
        let shown = shown_values(column);
        if !shown.is_empty() {
            notes.push(format!("for example {shown}"));
        }
    }
    notes.join("; ")
}

/// The common values that may be shown. Histogram bounds are never: they are picked from all rows, names included.
fn shown_values(column: &Column) -> String {
    let open = sensitivity(&column.name) == Sensitivity::Open;
    match &column.stats {
        Some(stats) if open && column.class == TypeClass::Text => {
            values(&stats.common_values, VALUES_MAX)
        }
        _ => String::new(),
    }
}

fn values(values: &[String], count_max: usize) -> String {
    let shown: Vec<String> = values
        .iter()
        .filter(|value| value.chars().count() <= VALUE_CHARS_MAX)
        .take(count_max)
        .map(|value| literal(&one_line(value)))
        .collect();
    shown.join(", ")
}

fn keys(relation: &Relation) -> impl Iterator<Item = String> {
    let columns = |key: &[usize]| {
        let names: Vec<_> = key.iter().map(|&i| &*relation.columns[i].name).collect();
        list(&names)
    };
    let primary = (!relation.primary_key.is_empty())
        .then(|| format!("PRIMARY KEY ({})", columns(&relation.primary_key)));
    let unique = relation
        .unique_keys
        .iter()
        .map(move |key| format!("UNIQUE ({})", columns(key)));
    primary.into_iter().chain(unique)
}

fn foreign_key(snapshot: &Snapshot, key: &ForeignKey) -> String {
    let columns = |relation: &Relation, positions: &[usize]| {
        let names: Vec<_> = positions
            .iter()
            .map(|&i| &*relation.columns[i].name)
            .collect();
        list(&names)
    };
    let (from, to) = (snapshot.relation(key.from), snapshot.relation(key.to));
    format!(
        "FOREIGN KEY ({}) REFERENCES {} ({})",
        columns(from, &key.from_columns),
        qualified(to),
        columns(to, &key.to_columns)
    )
}

fn kind(kind: RelationKind) -> &'static str {
    match kind {
        RelationKind::Table => "TABLE",
        RelationKind::View => "VIEW",
        RelationKind::MaterializedView => "MATERIALIZED VIEW",
        RelationKind::ForeignTable => "FOREIGN TABLE",
    }
}

fn qualified(relation: &Relation) -> String {
    format!(
        "{}.{}",
        identifier_if_needed(&relation.schema),
        identifier_if_needed(&relation.name)
    )
}

fn list(names: &[&str]) -> String {
    let names: Vec<_> = names
        .iter()
        .map(|name| identifier_if_needed(name))
        .collect();
    names.join(", ")
}

/// A comment must stay on its line: what follows a line break would read as DDL, or as an instruction.
fn one_line(text: &str) -> String {
    let words: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect();
    let line = words.join(" ");
    match line.char_indices().nth(COMMENT_CHARS_MAX) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}

fn line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("a String takes whatever is written to it");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::snapshot::ColumnStats;

    fn column(name: &str, type_name: &str, class: TypeClass, values: &[&str]) -> Column {
        Column {
            name: name.into(),
            type_name: type_name.into(),
            class,
            stats: Some(ColumnStats {
                common_values: values.iter().map(|&v| v.to_owned()).collect(),
                histogram: vec!["never shown".into()],
                ..ColumnStats::default()
            }),
            ..Column::default()
        }
    }

    fn snapshot() -> Snapshot {
        let mut size = column("size", "hr.size", TypeClass::Enum, &["L"]);
        size.enum_labels = vec!["S".into(), "L".into()];
        let mut label = column("label", "text", TypeClass::Text, &["it's", "blue"]);
        label.comment = Some("what it\nis called".into());
        let mut id = column("id", "integer", TypeClass::Integer, &["1"]);
        id.not_null = true;
        let boxes = Relation {
            schema: "hr".into(),
            name: "Boxes".into(),
            comment: Some("things to\n-- DROP them".into()),
            columns: vec![
                id,
                label,
                size,
                column("email", "text", TypeClass::Text, &["a@b.c"]),
            ],
            primary_key: vec![0],
            unique_keys: vec![vec![1, 2]],
            ..Relation::default()
        };
        let lids = Relation {
            schema: "public".into(),
            name: "lids".into(),
            kind: RelationKind::View,
            columns: vec![column("order", "integer", TypeClass::Integer, &[])],
            ..Relation::default()
        };
        Snapshot {
            relations: vec![boxes, lids],
            foreign_keys: vec![ForeignKey {
                name: "k".into(),
                from: RelationId(1),
                from_columns: vec![0],
                to: RelationId(0),
                to_columns: vec![0],
            }],
            ..Snapshot::default()
        }
    }

    const KEYS: &str = r#"CREATE TABLE hr."Boxes" (
  id integer NOT NULL,
  label text,
  size hr.size, -- one of 'S', 'L'
  email text,
  PRIMARY KEY (id),
  UNIQUE (label, size)
);
CREATE VIEW public.lids (
  "order" integer,
  FOREIGN KEY ("order") REFERENCES hr."Boxes" (id)
);
"#;

    #[test]
    fn privacy_decides_what_is_said() {
        assert_eq!(render(&snapshot(), Privacy::Schema, 10_000), KEYS);
        let comments = render(&snapshot(), Privacy::Comments, 10_000);
        assert!(comments.starts_with("-- things to -- DROP them\nCREATE"));
        assert!(comments.contains("label text, -- what it is called\n"));
        let samples = render(&snapshot(), Privacy::Samples, 10_000);
        assert!(samples.contains("-- what it is called; for example 'it''s', 'blue'\n"));
        assert!(!samples.contains("a@b.c"));
        assert!(!samples.contains("never shown"));
    }

    #[test]
    fn less_is_said_where_there_is_less_room() {
        let render = |bytes_max| render(&snapshot(), Privacy::Samples, bytes_max);
        assert!(!render(KEYS.len() + 50).contains("for example"));
        assert_eq!(render(KEYS.len()), KEYS);
        let names = "hr.\"Boxes\" (id, label, size, email)\npublic.lids (\"order\")\n";
        assert_eq!(render(KEYS.len() - 1), names);
        assert_eq!(render(names.len()), names);
        assert_eq!(render(names.len() - 1), "-- and 2 more relations\n");
        assert_eq!(render(10), "");
    }

    #[test]
    fn no_ceiling_is_ever_broken() {
        for bytes_max in 0..700 {
            assert!(render(&snapshot(), Privacy::Samples, bytes_max).len() <= bytes_max);
        }
    }
}

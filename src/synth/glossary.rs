//! The glossary: what an organisation calls things, in a file that it keeps: synonyms, joins, named filters, metrics.
//!
//! Its entries name tables and columns; where a caller does not see one, the entry is not there for it. The built-in
//! engine knows synonyms, joins, and filters that ask for one value; models are told all of it.

use std::fmt::Write as _;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use serde::Deserialize;
use sqlparser::ast::{Expr, Ident, UnaryOperator, Value, visit_expressions};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;
use toml::Spanned;

use crate::schema::snapshot::{ColumnId, RelationId, Snapshot};

/// Bytes that a glossary takes at most.
const BYTES_MAX: u64 = 1024 * 1024;

/// Bytes that it takes in a prompt at most.
const TOLD_BYTES_MAX: usize = 16 * 1024;

/// A glossary; empty where none is configured.
#[derive(Debug, Default)]
pub struct Glossary {
    source: String,
    entries: Vec<(usize, Entry)>,
}

/// One entry, as it is written.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::synth) enum Entry {
    Table(Table),
    Column(ColumnEntry),
    Value(ValueEntry),
    Join(Join),
    Filter(Filter),
    Metric(Metric),
}

/// Other names of a table.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::synth) struct Table {
    /// `table` or `schema.table`, unquoted.
    pub(in crate::synth) name: String,
    pub(in crate::synth) synonyms: Vec<String>,
}

/// Other names of a column.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::synth) struct ColumnEntry {
    /// `table.column` or `schema.table.column`, unquoted.
    pub(in crate::synth) name: String,
    pub(in crate::synth) synonyms: Vec<String>,
}

/// Other names of a stored value.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::synth) struct ValueEntry {
    pub(in crate::synth) column: String,
    /// As it is stored.
    pub(in crate::synth) value: String,
    pub(in crate::synth) synonyms: Vec<String>,
}

/// A column whose values are those of another one, and what the row is called that it leads to.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::synth) struct Join {
    pub(in crate::synth) from: String,
    pub(in crate::synth) to: String,
    #[serde(default)]
    pub(in crate::synth) phrases: Vec<String>,
}

/// A condition that has a name.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::synth) struct Filter {
    pub(in crate::synth) name: String,
    #[serde(default)]
    pub(in crate::synth) synonyms: Vec<String>,
    /// The table whose rows it is about.
    pub(in crate::synth) table: String,
    /// SQL over that table's columns, and those of others as `table.column`.
    pub(in crate::synth) condition: String,
}

/// A figure that has a name.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::synth) struct Metric {
    pub(in crate::synth) name: String,
    #[serde(default)]
    pub(in crate::synth) synonyms: Vec<String>,
    /// The table whose rows are summed up.
    pub(in crate::synth) table: String,
    /// SQL with an aggregate, over columns as in [`Filter::condition`].
    pub(in crate::synth) expression: String,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
struct File {
    table: Vec<Spanned<Table>>,
    column: Vec<Spanned<ColumnEntry>>,
    value: Vec<Spanned<ValueEntry>>,
    join: Vec<Spanned<Join>>,
    filter: Vec<Spanned<Filter>>,
    metric: Vec<Spanned<Metric>>,
}

impl Glossary {
    /// Reads a file.
    ///
    /// # Errors
    /// One line that names the file, the line in it, and what is wrong.
    pub fn read(path: &Path) -> Result<Self, String> {
        let source = path.display().to_string();
        let size = fs::metadata(path).map_err(|error| format!("{source}: {error}"))?;
        if size.len() > BYTES_MAX {
            return Err(format!("{source}: expected a file of 1MB or less"));
        }
        let text = fs::read_to_string(path).map_err(|error| format!("{source}: {error}"))?;
        Self::parse(source, &text)
    }

    /// Reads a glossary's text; `source` names it in errors.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn parse(source: String, text: &str) -> Result<Self, String> {
        let line_at = |byte: usize| text[..byte.min(text.len())].matches('\n').count() + 1;
        let file: File = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| line_at(span.start));
            format!("{source}, line {line}: {}", error.message())
        })?;
        let mut entries = Vec::new();
        add(&mut entries, file.table, line_at, Entry::Table);
        add(&mut entries, file.column, line_at, Entry::Column);
        add(&mut entries, file.value, line_at, Entry::Value);
        add(&mut entries, file.join, line_at, Entry::Join);
        add(&mut entries, file.filter, line_at, Entry::Filter);
        add(&mut entries, file.metric, line_at, Entry::Metric);
        entries.sort_by_key(|(line, _)| *line);
        let glossary = Self { source, entries };
        for (line, entry) in &glossary.entries {
            if let Err(wrong) = entry.check() {
                return Err(format!("{}, line {line}: {wrong}", glossary.source));
            }
        }
        Ok(glossary)
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Entries that name something which none of the snapshots has: a line each, with the file and the line.
    #[must_use]
    pub fn unknown(&self, snapshots: &[&Snapshot]) -> Vec<String> {
        let missing = |entry: &Entry| {
            let mut missing = snapshots.iter().map(|snapshot| entry.missing(snapshot));
            // It is of another database where any has it.
            missing.try_fold(None, |first: Option<String>, one| match one {
                None => ControlFlow::Break(()),
                Some(name) => ControlFlow::Continue(first.or(Some(name))),
            })
        };
        self.entries
            .iter()
            .filter_map(|(line, entry)| match missing(entry) {
                ControlFlow::Continue(Some(name)) => Some(format!(
                    "{}, line {line}: no database has {name}",
                    self.source
                )),
                _ => None,
            })
            .collect()
    }

    /// The entries all of whose tables and columns a snapshot has.
    pub(in crate::synth) fn of<'a>(
        &'a self,
        snapshot: &'a Snapshot,
    ) -> impl Iterator<Item = &'a Entry> {
        let there = |(_, entry): &&(usize, Entry)| entry.missing(snapshot).is_none();
        self.entries.iter().filter(there).map(|(_, entry)| entry)
    }

    /// What a model is told of it; nothing when nothing of it is in the snapshot.
    pub(in crate::synth) fn told(&self, snapshot: &Snapshot) -> String {
        let mut told = String::new();
        for entry in self.of(snapshot) {
            let line = entry.told();
            if told.len() + line.len() > TOLD_BYTES_MAX {
                break;
            }
            let _ = write!(told, "\n- {line}");
        }
        told
    }
}

fn add<T>(
    entries: &mut Vec<(usize, Entry)>,
    found: Vec<Spanned<T>>,
    line_at: impl Fn(usize) -> usize,
    entry: impl Fn(T) -> Entry,
) {
    for one in found {
        let line = line_at(one.span().start);
        entries.push((line, entry(one.into_inner())));
    }
}

impl Entry {
    /// What is wrong with it, whatever the database.
    fn check(&self) -> Result<(), String> {
        let column = |key: &str, name: &str| match name.split('.').count() {
            2 | 3 => Ok(()),
            _ => Err(format!(
                "{key} = {name:?}: expected table.column or schema.table.column"
            )),
        };
        let phrases = |key: &str, phrases: &[String]| {
            let empty = |phrase: &String| phrase.trim().is_empty();
            match phrases.iter().any(empty) {
                true => Err(format!("{key}: expected words")),
                false => Ok(()),
            }
        };
        let some = |found: &[String]| match found.is_empty() {
            true => Err("synonyms: expected one or more".to_owned()),
            false => phrases("synonyms", found),
        };
        match self {
            Self::Table(table) => some(&table.synonyms),
            Self::Column(entry) => {
                column("name", &entry.name)?;
                some(&entry.synonyms)
            }
            Self::Value(entry) => {
                column("column", &entry.column)?;
                some(&entry.synonyms)
            }
            Self::Join(join) => {
                column("from", &join.from)?;
                column("to", &join.to)?;
                phrases("phrases", &join.phrases)
            }
            Self::Filter(filter) => {
                phrases("name", std::slice::from_ref(&filter.name))?;
                phrases("synonyms", &filter.synonyms)?;
                parsed("condition", &filter.condition).map(drop)
            }
            Self::Metric(metric) => {
                phrases("name", std::slice::from_ref(&metric.name))?;
                phrases("synonyms", &metric.synonyms)?;
                parsed("expression", &metric.expression).map(drop)
            }
        }
    }

    /// The first table or column that a snapshot does not have, in words.
    fn missing(&self, snapshot: &Snapshot) -> Option<String> {
        let table = |name: &str| match relation(snapshot, name) {
            None => Some(format!("a table {name}")),
            Some(_) => None,
        };
        let named = |name: &str| match column(snapshot, name) {
            None => Some(format!("a column {name}")),
            Some(_) => None,
        };
        let inside = |owner: &str, sql: &str| {
            table(owner).or_else(|| {
                let expr = parsed("", sql).ok()?;
                columns_of(&expr)
                    .into_iter()
                    .map(|name| {
                        if name.contains('.') {
                            name
                        } else {
                            format!("{owner}.{name}")
                        }
                    })
                    .find_map(|name| named(&name))
            })
        };
        match self {
            Self::Table(entry) => table(&entry.name),
            Self::Column(entry) => named(&entry.name),
            Self::Value(entry) => named(&entry.column),
            Self::Join(join) => named(&join.from).or_else(|| named(&join.to)),
            Self::Filter(filter) => inside(&filter.table, &filter.condition),
            Self::Metric(metric) => inside(&metric.table, &metric.expression),
        }
    }

    fn told(&self) -> String {
        let also = |synonyms: &[String]| match synonyms.is_empty() {
            true => String::new(),
            false => format!(" (also: {})", synonyms.join(", ")),
        };
        let line = match self {
            Self::Table(table) => {
                format!(
                    "{} is also called {}",
                    table.name,
                    table.synonyms.join(", ")
                )
            }
            Self::Column(column) => {
                format!(
                    "{} is also called {}",
                    column.name,
                    column.synonyms.join(", ")
                )
            }
            Self::Value(value) => format!(
                "{} = '{}' is also called {}",
                value.column,
                value.value.replace('\'', "''"),
                value.synonyms.join(", ")
            ),
            Self::Join(join) => {
                let phrases = also(&join.phrases);
                format!("{} refers to {}{phrases}", join.from, join.to)
            }
            Self::Filter(filter) => format!(
                "{}{} means, of {}: {}",
                filter.name,
                also(&filter.synonyms),
                filter.table,
                filter.condition
            ),
            Self::Metric(metric) => format!(
                "{}{} is, over {}: {}",
                metric.name,
                also(&metric.synonyms),
                metric.table,
                metric.expression
            ),
        };
        // One line each, whatever is written.
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

impl Filter {
    /// The column and the value that it asks for, when it asks for no more: `status = 'open'`, `is_active`, `NOT gone`.
    /// A value of `None` stands for true (or false, as told) of a boolean column.
    pub(in crate::synth) fn wanted(&self, snapshot: &Snapshot) -> Option<(ColumnId, Wanted)> {
        let expr = parsed("", &self.condition).ok()?;
        let column = |expr: &Expr| {
            let name = name_of(expr)?;
            let full = if name.contains('.') {
                name
            } else {
                format!("{}.{name}", self.table)
            };
            column(snapshot, &full)
        };
        match &expr {
            Expr::BinaryOp {
                left,
                op: sqlparser::ast::BinaryOperator::Eq,
                right,
            } => {
                let Expr::Value(value) = &**right else {
                    return None;
                };
                let wanted = match &value.value {
                    Value::SingleQuotedString(text) => Wanted::Value(text.clone()),
                    Value::Number(digits, _) => Wanted::Value(digits.clone()),
                    Value::Boolean(is_so) => Wanted::Flag(*is_so),
                    _ => return None,
                };
                Some((column(left)?, wanted))
            }
            Expr::UnaryOp {
                op: UnaryOperator::Not,
                expr,
            } => Some((column(expr)?, Wanted::Flag(false))),
            expr => Some((column(expr)?, Wanted::Flag(true))),
        }
    }
}

/// What a filter wants of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::synth) enum Wanted {
    /// To be this, in text form.
    Value(String),
    /// To be true, or false.
    Flag(bool),
}

/// Looks a table up by `table` or `schema.table`; without a schema, one in `public` comes first.
pub(in crate::synth) fn relation(snapshot: &Snapshot, name: &str) -> Option<RelationId> {
    let (schema, name) = match name.split_once('.') {
        Some((schema, name)) => (Some(schema), name),
        None => (None, name),
    };
    let fits = |position: &usize| {
        let relation = &snapshot.relations[*position];
        relation.name.eq_ignore_ascii_case(name)
            && schema.is_none_or(|schema| relation.schema.eq_ignore_ascii_case(schema))
    };
    let rank = |position: &usize| {
        let relation = &snapshot.relations[*position];
        (
            relation.name != name,
            relation.schema != "public",
            *position,
        )
    };
    (0..snapshot.relations.len())
        .filter(fits)
        .min_by_key(rank)
        .map(RelationId)
}

/// Looks a column up by `table.column` or `schema.table.column`.
pub(in crate::synth) fn column(snapshot: &Snapshot, name: &str) -> Option<ColumnId> {
    let (table, name) = name.rsplit_once('.')?;
    let relation = relation(snapshot, table)?;
    let columns = &snapshot.relation(relation).columns;
    let exact = columns.iter().position(|c| c.name == name);
    let column = exact.or_else(|| {
        columns
            .iter()
            .position(|c| c.name.eq_ignore_ascii_case(name))
    })?;
    Some(ColumnId { relation, column })
}

fn parsed(key: &str, sql: &str) -> Result<Expr, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("{key} is no SQL expression: {error}");
    let mut parser = Parser::new(&PostgreSqlDialect {})
        .try_with_sql(sql)
        .map_err(|error| wrong(&error))?;
    let expr = parser.parse_expr().map_err(|error| wrong(&error))?;
    match parser.peek_token().token {
        sqlparser::tokenizer::Token::EOF => Ok(expr),
        more => Err(wrong(&format!("unexpected {more}"))),
    }
}

/// The names of all columns in an expression, as they are written.
fn columns_of(expr: &Expr) -> Vec<String> {
    let mut names = Vec::new();
    let _ = visit_expressions(expr, |expr| {
        names.extend(name_of(expr));
        ControlFlow::<()>::Continue(())
    });
    names
}

fn name_of(expr: &Expr) -> Option<String> {
    let joined = |parts: &[Ident]| {
        let parts: Vec<&str> = parts.iter().map(|part| part.value.as_str()).collect();
        parts.join(".")
    };
    match expr {
        Expr::Identifier(name) => Some(joined(std::slice::from_ref(name))),
        Expr::CompoundIdentifier(parts) => Some(joined(parts)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::snapshot::{Column, Relation};

    fn snapshot() -> Snapshot {
        let relation = |name: &str, columns: &[&str]| Relation {
            schema: "public".into(),
            name: name.into(),
            columns: columns
                .iter()
                .map(|&name| Column {
                    name: name.into(),
                    ..Column::default()
                })
                .collect(),
            ..Relation::default()
        };
        Snapshot {
            relations: vec![
                relation("gizmos", &["id", "maker", "state", "price"]),
                relation("makers", &["id", "active"]),
            ],
            ..Snapshot::default()
        }
    }

    fn glossary(text: &str) -> Glossary {
        Glossary::parse("g.toml".into(), text).unwrap()
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, expect) in [
            (
                "[[table]]\nname = 'a'",
                "g.toml, line 1: missing field `synonyms`",
            ),
            (
                "\n[[table]]\nname = 'a'\nsynonyms = []",
                "g.toml, line 2: synonyms: expected one or more",
            ),
            (
                "[[column]]\nname = 'a'\nsynonyms = ['b']",
                "g.toml, line 1: name = \"a\": expected table.column or schema.table.column",
            ),
            (
                "[[colum]]\nname = 'a'",
                "g.toml, line 1: unknown field `colum`",
            ),
            ("[[table]\n", "g.toml, line 1:"),
            (
                "[[filter]]\nname = 'f'\ntable = 't'\ncondition = 'a = '",
                "g.toml, line 1: condition is no SQL expression",
            ),
            (
                "[[metric]]\nname = 'm'\ntable = 't'\nexpression = 'sum(a); DROP TABLE t'",
                "g.toml, line 1: expression is no SQL expression",
            ),
        ] {
            let wrong = Glossary::parse("g.toml".into(), text).unwrap_err();
            assert!(wrong.starts_with(expect), "{text}: {wrong}");
        }
        let missing = Glossary::read(Path::new("/no/such/glossary.toml")).unwrap_err();
        assert!(missing.starts_with("/no/such/glossary.toml: "), "{missing}");
    }

    #[test]
    fn what_no_database_has_is_named() {
        let glossary = glossary(
            "[[table]]\nname = 'gadgets'\nsynonyms = ['g']\n\
             [[column]]\nname = 'gizmos.prize'\nsynonyms = ['p']\n\
             [[metric]]\nname = 'turnover'\ntable = 'gizmos'\nexpression = 'sum(price * makers.rate)'\n\
             [[filter]]\nname = 'live'\ntable = 'makers'\ncondition = 'active'\n",
        );
        let snapshot = snapshot();
        assert_eq!(
            glossary.unknown(&[&snapshot]),
            [
                "g.toml, line 1: no database has a table gadgets",
                "g.toml, line 4: no database has a column gizmos.prize",
                "g.toml, line 7: no database has a column makers.rate",
            ]
        );
        assert_eq!(glossary.of(&snapshot).count(), 1);
        assert!(glossary.unknown(&[]).is_empty());
    }

    #[test]
    fn a_model_is_told_what_its_caller_sees() {
        let glossary = glossary(
            "[[table]]\nname = 'public.gizmos'\nsynonyms = ['widgets', 'things']\n\
             [[value]]\ncolumn = 'gizmos.state'\nvalue = \"it's\"\nsynonyms = ['so']\n\
             [[metric]]\nname = 'turnover'\nsynonyms = ['sales']\ntable = 'gizmos'\nexpression = '''sum(\n price)'''\n\
             [[table]]\nname = 'secrets'\nsynonyms = ['hush']\n",
        );
        assert_eq!(
            glossary.told(&snapshot()),
            "\n- public.gizmos is also called widgets, things\n- gizmos.state = 'it''s' is also called so\n\
             - turnover (also: sales) is, over gizmos: sum( price)"
        );
    }

    #[test]
    fn simple_filters_ask_for_a_value() {
        let wanted = |table: &str, condition: &str| {
            let filter = Filter {
                name: "f".into(),
                synonyms: Vec::new(),
                table: table.into(),
                condition: condition.into(),
            };
            filter.wanted(&snapshot()).map(|(_, wanted)| wanted)
        };
        let value = |text: &str| Some(Wanted::Value(text.into()));
        assert_eq!(wanted("gizmos", "state = 'new'"), value("new"));
        assert_eq!(wanted("gizmos", "gizmos.maker = 3"), value("3"));
        assert_eq!(wanted("makers", "active"), Some(Wanted::Flag(true)));
        assert_eq!(wanted("makers", "not active"), Some(Wanted::Flag(false)));
        assert_eq!(
            wanted("makers", "active = false"),
            Some(Wanted::Flag(false))
        );
        assert_eq!(wanted("gizmos", "price > 3"), None);
        assert_eq!(wanted("gizmos", "state = 'a' or state = 'b'"), None);
    }
}

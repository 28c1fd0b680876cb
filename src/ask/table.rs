//! A small result of our own, and its spelling as SQL.

use std::fmt::Write;

use crate::schema::quote::identifier;

/// Rows that come from the proxy itself: what a verb or a SHOW answers.
///
/// [`Table::to_sql`] is how it is meant to be sent: a statement that returns the rows, so that the server answers
/// Describe, converts to binary formats and cuts at row limits as for any other query.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    columns: Vec<(String, ColumnType)>,
    rows: Vec<Vec<Cell>>,
}

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// `text`
    Text,
    /// `integer`
    Integer,
    /// `double precision`
    Decimal,
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// NULL.
    Null,
    /// Any text; a NUL in it is left out, because no text of PostgreSQL can hold one.
    Text(String),
    /// A whole number.
    Integer(i32),
    /// A number; one that is not finite is NULL.
    Decimal(f64),
}

impl ColumnType {
    /// The type's OID.
    #[must_use]
    pub fn oid(self) -> u32 {
        match self {
            Self::Text => 25,
            Self::Integer => 23,
            Self::Decimal => 701,
        }
    }

    fn sql(self) -> &'static str {
        match self {
            Self::Text => "pg_catalog.text",
            Self::Integer => "pg_catalog.int4",
            Self::Decimal => "pg_catalog.float8",
        }
    }
}

impl Cell {
    /// A text, or NULL.
    #[must_use]
    pub fn optional(text: Option<String>) -> Self {
        text.map_or(Self::Null, Self::Text)
    }

    /// The value in PostgreSQL's text format; `None` for NULL.
    #[must_use]
    pub fn as_text(&self) -> Option<String> {
        match self {
            Self::Null => None,
            Self::Text(text) => Some(text.replace('\0', "")),
            Self::Integer(number) => Some(number.to_string()),
            Self::Decimal(number) => number.is_finite().then(|| number.to_string()),
        }
    }
}

impl Table {
    /// A table without rows. There must be a column at least.
    #[must_use]
    pub fn new(columns: impl IntoIterator<Item = (String, ColumnType)>) -> Self {
        Self {
            columns: columns.into_iter().collect(),
            rows: Vec::new(),
        }
    }

    /// The same table with one more row, which must have as many cells as there are columns.
    #[must_use]
    pub fn with_row(mut self, row: impl IntoIterator<Item = Cell>) -> Self {
        let row: Vec<Cell> = row.into_iter().collect();
        debug_assert_eq!(row.len(), self.columns.len());
        self.rows.push(row);
        self
    }

    /// Names and types of the columns.
    #[must_use]
    pub fn columns(&self) -> &[(String, ColumnType)] {
        &self.columns
    }

    /// The rows.
    #[must_use]
    pub fn rows(&self) -> &[Vec<Cell>] {
        &self.rows
    }

    /// A query that returns these rows, under any session settings and without reading any relation. It can stand
    /// alone or in parentheses.
    #[must_use]
    pub fn to_sql(&self) -> String {
        let mut sql = "SELECT * FROM (VALUES ".to_owned();
        let nulls = vec![Cell::Null; self.columns.len()];
        let rows = if self.rows.is_empty() {
            std::slice::from_ref(&nulls)
        } else {
            self.rows.as_slice()
        };
        for (i, row) in rows.iter().enumerate() {
            sql.push_str(if i == 0 { "(" } else { ", (" });
            for (j, (cell, (_, kind))) in row.iter().zip(&self.columns).enumerate() {
                if j > 0 {
                    sql.push_str(", ");
                }
                match cell.as_text() {
                    Some(text) => sql.push_str(&literal(&text)),
                    None => sql.push_str("NULL"),
                }
                write!(sql, "::{}", kind.sql()).expect("a String takes every write");
            }
            sql.push(')');
        }
        let names: Vec<String> = self
            .columns
            .iter()
            .map(|(name, _)| identifier(name))
            .collect();
        write!(sql, ") AS ask ({})", names.join(", ")).expect("a String takes every write");
        if self.rows.is_empty() {
            sql.push_str(" WHERE false");
        }
        sql
    }
}

/// A string constant that means the same whatever `standard_conforming_strings` says.
fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') {
        format!("E'{}'", quoted.replace('\\', "\\\\"))
    } else {
        format!("'{quoted}'")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_a_query() {
        let table = Table::new([
            ("a".to_owned(), ColumnType::Text),
            ("b\"c".to_owned(), ColumnType::Decimal),
        ]);
        assert_eq!(
            table.to_sql(),
            "SELECT * FROM (VALUES (NULL::pg_catalog.text, NULL::pg_catalog.float8)) AS ask (\"a\", \"b\"\"c\") WHERE false"
        );
        let table = table
            .with_row([Cell::Text("it's\0 \\ 1".to_owned()), Cell::Decimal(0.5)])
            .with_row([Cell::Null, Cell::Decimal(f64::NAN)]);
        assert_eq!(
            table.to_sql(),
            "SELECT * FROM (VALUES (E'it''s \\\\ 1'::pg_catalog.text, '0.5'::pg_catalog.float8), \
             (NULL::pg_catalog.text, NULL::pg_catalog.float8)) AS ask (\"a\", \"b\"\"c\")"
        );
    }
}

//! What of a schema an SQL rests on, in one text that outlives the process.
//!
//! Only what the SQL mentions counts: the relations that it reads, and those of their columns whose names stand in it.
//! So a column added beside them changes nothing, and whoever sees the same of them gets the same fingerprint. Who sees
//! less gets another one: where the fingerprints agree, everything that the SQL mentions can be seen.

use std::collections::HashSet;

use sha2::{Digest, Sha256};

use super::surface::lexer::{Kind, Lexer, Token};
use crate::access::visible::Visible;
use crate::guard::approved::Approved;
use crate::schema::snapshot::{Column, Relation};

/// The bytes of the hash that are kept: more than enough to tell schemas apart.
const BYTES: usize = 16;

/// The fingerprint of a proved query over the schema that it was proved over: 32 hexadecimal digits.
pub(super) fn of(approved: &Approved, visible: &Visible) -> String {
    let mentioned = Mentioned::in_sql(approved.sql());
    let read: HashSet<&str> = approved.relations().iter().map(String::as_str).collect();
    let mut relations: Vec<&Relation> = visible
        .relations
        .iter()
        .filter(|relation| read.contains(format!("{}.{}", relation.schema, relation.name).as_str()))
        .collect();
    relations.sort_by(|a, b| (&a.schema, &a.name).cmp(&(&b.schema, &b.name)));
    let mut hasher = Sha256::new();
    for relation in relations {
        let kind = format!("{:?}", relation.kind);
        add(&mut hasher, [&relation.schema, &relation.name, &kind]);
        let mut columns: Vec<&Column> = relation
            .columns
            .iter()
            .filter(|column| mentioned.has(&column.name))
            .collect();
        if !mentioned.all_columns {
            // Their order matters to `*` alone.
            columns.sort_by(|a, b| a.name.cmp(&b.name));
        }
        for column in columns {
            add(&mut hasher, [&column.name, &column.type_name]);
            add(&mut hasher, column.enum_labels.iter());
        }
    }
    let hash = hasher.finalize();
    hash.iter()
        .take(BYTES)
        .map(|b| format!("{b:02x}"))
        .collect()
}

/// A list of texts, none of which can be taken for two.
fn add<'a>(hasher: &mut Sha256, texts: impl IntoIterator<Item = &'a String>) {
    for text in texts {
        hasher.update(text.len().to_be_bytes());
        hasher.update(text.as_bytes());
    }
    hasher.update([0xff; 8]);
}

/// The names in a query.
struct Mentioned {
    names: HashSet<String>,
    /// A `*` stands for every column.
    all_columns: bool,
}

impl Mentioned {
    fn in_sql(sql: &str) -> Self {
        let tokens: Vec<Token> = Lexer::new(sql, 0, true)
            .filter(Token::is_significant)
            .collect();
        let names = tokens.iter().filter_map(|token| match token.kind {
            Kind::Word => Some(token.text(sql).to_lowercase()),
            Kind::Name => {
                let quoted = token.text(sql);
                let inner = quoted.get(1..quoted.len() - 1)?;
                Some(inner.replace("\"\"", "\""))
            }
            _ => None,
        });
        Self {
            names: names.collect(),
            all_columns: (0..tokens.len()).any(|at| is_wildcard(sql, &tokens, at)),
        }
    }

    fn has(&self, column: &str) -> bool {
        self.all_columns || self.names.contains(column)
    }
}

/// Whether a `*` stands for columns: not for a product, nor for the rows of `count(*)`.
fn is_wildcard(sql: &str, tokens: &[Token], at: usize) -> bool {
    if !tokens[at].is_symbol(sql, b'*') {
        return false;
    }
    let after_dot = at > 0 && tokens[at - 1].is_symbol(sql, b'.');
    let in_call = at > 0 && tokens[at - 1].is_symbol(sql, b'(');
    let ends_item = match tokens.get(at + 1) {
        None => true,
        Some(next) => {
            next.is_word(sql, "from") || next.is_symbol(sql, b',') || next.is_symbol(sql, b')')
        }
    };
    after_dot || (ends_item && !in_call)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::guard;
    use crate::guard::rules::Rules;
    use crate::names::Draft;
    use crate::schema::snapshot::{Function, Functions, Snapshot, TypeClass, Volatility};

    fn visible(columns: &[(&str, &str)]) -> Visible {
        let columns = columns.iter().map(|(name, type_name)| Column {
            name: (*name).to_owned(),
            type_name: (*type_name).to_owned(),
            class: TypeClass::Integer,
            ..Column::default()
        });
        let mut functions = Functions::default();
        for name in ["count", "max"] {
            let function = Function {
                schema: "pg_catalog".to_owned(),
                volatility: Volatility::Immutable,
                security_definer: false,
            };
            functions.add(name, function);
        }
        let snapshot = Snapshot {
            functions,
            relations: vec![Relation {
                schema: "public".to_owned(),
                name: "rooms".to_owned(),
                columns: columns.collect(),
                ..Relation::default()
            }],
            ..Snapshot::default()
        };
        Visible::new(Arc::new(snapshot), Arc::from(["public".to_owned()]))
    }

    fn fingerprint(sql: &str, columns: &[(&str, &str)]) -> String {
        let draft = Draft::given(sql, "", "test");
        let visible = visible(columns);
        let approved = guard::approve(&draft, &visible, &Rules::default()).unwrap();
        of(&approved, &visible)
    }

    #[test]
    fn what_is_not_mentioned_does_not_count() {
        let two = [("id", "integer"), ("size", "integer")];
        let three = [("size", "integer"), ("id", "integer"), ("colour", "text")];
        let retyped = [("id", "integer"), ("size", "bigint")];
        let hidden = [("id", "integer")];
        let check = |sql, other: &[(&str, &str)], same| {
            let equal = fingerprint(sql, &two) == fingerprint(sql, other);
            assert_eq!(equal, same, "{sql} over {other:?}");
        };
        for sql in [
            "SELECT id, size FROM rooms",
            "SELECT count(*) FROM rooms",
            "SELECT id * size FROM rooms",
            "SELECT (id * size) FROM rooms",
            "SELECT \"size\" FROM rooms",
        ] {
            check(sql, &three, true);
        }
        for sql in ["SELECT * FROM rooms", "SELECT r.*, 1 FROM rooms r"] {
            check(sql, &three, false);
            check(sql, &hidden, false);
        }
        check("SELECT max(size) FROM rooms", &retyped, false);
        check("SELECT max(size) FROM rooms", &hidden, false);
        check("SELECT max(id) FROM rooms", &retyped, true);
        check("SELECT max(id) FROM rooms", &hidden, true);
        assert_eq!(fingerprint("SELECT id FROM rooms", &two).len(), 2 * BYTES);
    }
}

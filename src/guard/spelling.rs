//! A last look at every name and value of a tree that was walked: only what is printed without doubt is left.
//!
//! It does not trust the walk to have come by all of them. The parser takes a string for a name in some places
//! (`SELECT 1 'x'`, `FROM 'books'`), and a string that is printed as it was read may end elsewhere in a session where
//! a backslash escapes a quote.

use std::ops::ControlFlow;

use sqlparser::ast::{Ident, Query, Value, ValueWithSpan, Visit, Visitor};

use crate::error::Refusal;
use crate::guard::rules::Rule;
use crate::guard::scope::Proved;

/// Refuses names and values whose spelling could be read in another way.
pub(in crate::guard) fn unmistakable(query: &Query) -> Proved {
    match query.visit(&mut Spelling) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(refusal) => Err(*refusal),
    }
}

struct Spelling;

impl Visitor for Spelling {
    type Break = Box<Refusal>;

    fn pre_visit_ident(&mut self, ident: &Ident) -> ControlFlow<Self::Break> {
        let plain = match ident.quote_style {
            None => is_plain(&ident.value),
            Some(quote) => quote == '"' && !ident.value.is_empty(),
        };
        if plain {
            return ControlFlow::Continue(());
        }
        ControlFlow::Break(Box::new(Rule::Literal.refuse(format!(
            "`{}` stands where a name should; names are quoted with double quotes.",
            ident.value
        ))))
    }

    fn pre_visit_value(&mut self, value: &ValueWithSpan) -> ControlFlow<Self::Break> {
        let plain = match &value.value {
            Value::SingleQuotedString(text) => !text.contains('\\'),
            Value::Number(..)
            | Value::EscapedStringLiteral(_)
            | Value::Boolean(_)
            | Value::Null
            | Value::Placeholder(_) => true,
            _ => false,
        };
        if plain {
            return ControlFlow::Continue(());
        }
        ControlFlow::Break(Box::new(
            Rule::Literal.refuse(format!("`{value}` stands where only a plain literal may.")),
        ))
    }
}

/// # Source
/// PostgreSQL manual, "Identifiers and Key Words".
fn is_plain(name: &str) -> bool {
    let mut chars = name.chars();
    chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_' || !c.is_ascii())
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '$' || !c.is_ascii())
}

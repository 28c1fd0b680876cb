//! Literals, rewritten where their spelling depends on the session.

use sqlparser::ast::Value;

use crate::guard::rules::Rule;
use crate::guard::scope::{Proof, Proved};

impl Proof<'_> {
    /// Proves a literal. Strings with a backslash become `E'...'`, which means the same whatever
    /// `standard_conforming_strings` is; dollar-quoted ones become ordinary ones.
    pub(in crate::guard) fn literal(&self, value: &mut Value) -> Proved {
        match value {
            Value::Number(digits, long) => {
                let plain = !*long
                    && digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
                    && digits.bytes().all(|b| {
                        b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'+' | b'-')
                    });
                if plain {
                    Ok(())
                } else {
                    Err(Rule::Literal
                        .refuse(format!("`{digits}` is not a number that PostgreSQL reads.")))
                }
            }
            Value::SingleQuotedString(text) => {
                let text = std::mem::take(text);
                *value = string(text);
                Ok(())
            }
            Value::DollarQuotedString(dollar) => {
                let text = std::mem::take(&mut dollar.value);
                *value = string(text);
                Ok(())
            }
            Value::EscapedStringLiteral(text) if text.contains('\0') => {
                Err(Rule::Literal.refuse("A string holds a NUL character."))
            }
            Value::EscapedStringLiteral(_) | Value::Boolean(_) | Value::Null => Ok(()),
            Value::Placeholder(name) => self.parameter(name),
            other => Err(Rule::Literal.refuse(format!(
                "`{other}` is a kind of literal that a query for a question has no use for."
            ))),
        }
    }

    fn parameter(&self, name: &str) -> Proved {
        let number = name
            .strip_prefix('$')
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|digits| digits.parse::<u16>().ok())
            .filter(|number| *number >= 1);
        let Some(number) = number else {
            return Err(Rule::Parameter.refuse(format!(
                "`{name}` is not a parameter; they are written $1, $2 and so on."
            )));
        };
        match self.rules.parameter_count {
            Some(count) if number > count => Err(Rule::Parameter.refuse(format!(
                "`{name}` has no value: the question has {count} parameters."
            ))),
            _ => Ok(()),
        }
    }
}

/// A string in the spelling that is printed without doubt. The printer leaves a quote alone that follows a backslash or
/// another quote, because it takes it for escaped already.
fn string(text: String) -> Value {
    if text.contains('\\') || text.contains("''") {
        Value::EscapedStringLiteral(text)
    } else {
        Value::SingleQuotedString(text)
    }
}

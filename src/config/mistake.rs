//! The one line that a mistake in the configuration gets.

use std::fmt;

use crate::config::tree::{Origin, Value};

/// A mistake in the configuration, as one line that names the source, the key, what was found and what is allowed:
/// `proxy.toml: pool.mode = "fast": expected one of auto, transaction, session`.
///
/// It never holds a secret.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}")]
pub struct Mistake {
    line: String,
}

impl fmt::Debug for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

impl Mistake {
    /// A mistake that has no key: a file that cannot be read.
    pub(super) fn in_source(source: impl fmt::Display, says: impl fmt::Display) -> Self {
        Self::line(format!("{source}: {says}"))
    }

    /// A value that is not allowed; `shown` is left out where nothing was written.
    pub(super) fn in_value(origin: &Origin, path: &str, shown: Option<&str>, says: &str) -> Self {
        let source = origin.source();
        Self::line(match shown {
            Some(shown) => format!("{source}: {path} = {shown}: {says}"),
            None => format!("{source}: {path}: {says}"),
        })
    }

    /// A file's content may hold any character; a mistake stays one line all the same.
    fn line(text: String) -> Self {
        Self {
            line: text.replace(['\n', '\r'], " "),
        }
    }
}

/// How a value is shown to whoever wrote it; nothing for what is too long to repeat.
pub(super) fn show(value: &Value) -> Option<String> {
    Some(match value {
        Value::Text(text) if text.chars().count() > SHOWN_CHARS_MAX => {
            let start: String = text.chars().take(SHOWN_CHARS_MAX).collect();
            format!("{:?}", start + "...")
        }
        Value::Text(text) => format!("{text:?}"),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Boolean(truth) => truth.to_string(),
        Value::List(_) | Value::Table(_) => return None,
    })
}

/// How a value that may be a secret is shown: where it is to be found, or a URL without its password.
pub(super) fn show_secret(value: &Value) -> Option<String> {
    let Value::Text(text) = value else {
        return Some("***".to_owned());
    };
    if text.starts_with("env:") || text.starts_with("file:") {
        return show(value);
    }
    let masked = text
        .split_once("://")
        .map(|(scheme, rest)| match rest.rsplit_once('@') {
            Some((account, place)) => {
                let user = account.split(':').next().unwrap_or_default();
                let hidden = if account.contains(':') { ":***" } else { "" };
                format!("{scheme}://{user}{hidden}@{place}")
            }
            None => text.clone(),
        });
    Some(masked.map_or_else(|| "***".to_owned(), |url| format!("{url:?}")))
}

/// `expected one of a, b`, with the nearest first as a question when one is near.
pub(super) fn expected_one_of(found: &str, allowed: &[&str]) -> String {
    let list = match allowed {
        [] => "nothing is allowed here".to_owned(),
        [only] => format!("expected {only}"),
        _ => format!("expected one of {}", allowed.join(", ")),
    };
    match nearest(found, allowed) {
        Some(near) => format!("did you mean {near}? {list}"),
        None => list,
    }
}

/// The allowed word that `found` is most likely a slip of.
fn nearest<'a>(found: &str, allowed: &[&'a str]) -> Option<&'a str> {
    let found = found.to_ascii_lowercase();
    allowed
        .iter()
        .map(|&word| (strsim::damerau_levenshtein(&found, word), word))
        .filter(|&(slips, word)| slips <= word.len().div_ceil(3))
        .min()
        .map(|(_, word)| word)
}

/// Longer values are cut: they would fill the line with what its writer already has.
const SHOWN_CHARS_MAX: usize = 80;

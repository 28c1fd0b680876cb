//! Puts approved SQL where the asks stood, and finds positions of the new text again in the old one.

use std::ops::Range;

use super::lexer::{Kind, Lexer};
use super::{Embedded, Frame};

/// A text whose asks have been replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewritten {
    /// The new text; outside of the asks it is the old one, byte for byte.
    pub sql: String,
    asks: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Piece {
    /// The bytes of the new text that replaced an ask, its frame included.
    framed: Range<usize>,
    /// The bytes of the query in it.
    query: Range<usize>,
    /// The bytes of the old text that were replaced.
    original: Range<usize>,
}

/// Where a position of the new text belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the client's own text: the position there, in characters, from 1.
    Original(usize),
    /// In the SQL of the ask with this index: the position there, in characters, from 1.
    Ask(usize, usize),
}

impl Embedded {
    /// Replaces every ask of `sql` by its query; `queries` are in the order of [`Embedded::asks`].
    ///
    /// # Panics
    /// When there are fewer queries than asks, or `sql` is not the text that the asks were found in.
    #[must_use]
    pub fn rewrite<S: AsRef<str>>(&self, sql: &str, queries: &[S]) -> Rewritten {
        assert!(queries.len() >= self.asks.len(), "every ask has a query");
        let mut text = String::with_capacity(sql.len() + 64 * self.asks.len());
        let mut asks = Vec::with_capacity(self.asks.len());
        let mut copied = 0;
        for (ask, query) in self.asks.iter().zip(queries) {
            text.push_str(&sql[copied..ask.range.start]);
            let query = with_arguments(query.as_ref(), &ask.arguments);
            let (before, after) = match &ask.frame {
                Frame::None => ("", String::new()),
                Frame::Parentheses => ("(", ")".to_owned()),
                Frame::FromItem => ("(", ") AS ask".to_owned()),
                Frame::Derived => ("SELECT * FROM (", ") AS ask".to_owned()),
                Frame::Tailed(tail) => ("SELECT * FROM (", format!(") AS ask {tail}")),
            };
            let framed = text.len();
            text.push_str(before);
            let start = text.len();
            text.push_str(&query);
            let end = text.len();
            text.push_str(&after);
            asks.push(Piece {
                framed: framed..text.len(),
                query: start..end,
                original: ask.range.clone(),
            });
            copied = ask.range.end;
        }
        text.push_str(&sql[copied..]);
        Rewritten { sql: text, asks }
    }
}

impl Rewritten {
    /// Finds out what a position in [`Self::sql`] (in characters, from 1, as the server reports it) points at.
    /// `original` is the text before the rewriting. What points at a frame points at the ask as a whole.
    #[must_use]
    pub fn locate(&self, original: &str, position: usize) -> Place {
        let byte = self
            .sql
            .char_indices()
            .nth(position.saturating_sub(1))
            .map_or(self.sql.len(), |(byte, _)| byte);
        let mut shift = 0_isize;
        for (i, piece) in self.asks.iter().enumerate() {
            if byte < piece.framed.start {
                break;
            }
            if piece.query.contains(&byte) {
                let characters = self.sql[piece.query.start..byte].chars().count();
                return Place::Ask(i, characters + 1);
            }
            if byte < piece.framed.end {
                return Place::Original(original[..piece.original.start].chars().count() + 1);
            }
            shift = piece.original.end.cast_signed() - piece.framed.end.cast_signed();
        }
        let byte = byte.saturating_add_signed(shift).min(original.len());
        Place::Original(original[..byte].chars().count() + 1)
    }
}

/// The query with its `$n` replaced by the arguments of the function form.
fn with_arguments(query: &str, arguments: &[String]) -> String {
    if arguments.is_empty() {
        return query.to_owned();
    }
    Lexer::new(query, 0, true)
        .map(|token| {
            let text = token.text(query);
            (token.kind == Kind::Parameter)
                .then(|| text[1..].parse::<usize>().ok())
                .flatten()
                .and_then(|n| arguments.get(n.checked_sub(1)?))
                .map_or(text, String::as_str)
        })
        .collect()
}

//! How a text is cut into literals, names and comments, and that nothing inside of one is ever an ask.
//!
//! The first byte of an input is the dialect; the rest is the text.

use pgask::ask::surface::lexer::{Kind, Lexer, Token, string_value};
use pgask::ask::surface::{self, Dialect, Surface};

/// Tries one input.
pub(crate) fn check(data: &[u8]) {
    let Some((&kind, text)) = data.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let dialect = Dialect {
        standard_conforming_strings: kind & 1 == 0,
        has_ask_function: kind & 2 != 0,
    };
    tokens(text, dialect.standard_conforming_strings);
    wrapped(text, dialect);
}

/// Every byte belongs to one token, and what follows a token does not depend on what came before it.
fn tokens(text: &str, standard: bool) {
    let tokens: Vec<Token> = Lexer::new(text, 0, standard).collect();
    let mut at = 0;
    for (index, token) in tokens.iter().enumerate() {
        assert_eq!(token.start, at, "no byte is left out");
        assert!(token.end > token.start, "a token is never empty");
        at = token.end;
        let is_last = index + 1 == tokens.len();
        assert!(
            token.kind != Kind::Unterminated || is_last,
            "it reaches to the end"
        );
        // Its text is cut at characters, or this panics.
        let own = token.text(text);
        if token.kind == Kind::Text {
            let _ = string_value(own, standard);
        }
    }
    assert_eq!(at, text.len());
    let middle = tokens.len() / 2;
    if let Some(token) = tokens.get(middle) {
        let again: Vec<Token> = Lexer::new(text, token.start, standard).collect();
        assert_eq!(again, tokens[middle..]);
    }
}

/// What stands in a literal, in a quoted name, or above a complete statement is not for us to answer, whatever it says.
fn wrapped(text: &str, dialect: Dialect) {
    let quoted = text.replace('\'', "''");
    let quoted = if dialect.standard_conforming_strings {
        quoted
    } else {
        quoted.replace('\\', "\\\\")
    };
    let mut plain = vec![
        format!("SELECT '{quoted}'"),
        format!(
            "SELECT E'{}'",
            text.replace('\\', "\\\\").replace('\'', "''")
        ),
        format!("SELECT 1 AS \"{}\"", text.replace('"', "\"\"")),
        format!("INSERT INTO t VALUES (1, '{quoted}', 'ask: 2'); SELECT 3"),
        format!("/* ask: who is it */ SELECT '{quoted}'"),
        format!("-- ask: who is it\nSELECT '{quoted}'"),
    ];
    if !text.contains("$fuzz$") && !text.ends_with("$fuzz") {
        plain.push(format!("SELECT $fuzz${text}$fuzz$"));
    }
    if !text.contains(['\n', '\r']) {
        plain.push(format!("SELECT 1 -- {text}"));
        plain.push(format!("SELECT 1, -- {text}\n 2"));
    }
    for sql in plain {
        if sql.contains('\0') {
            continue;
        }
        let surface = surface::find(&sql, dialect);
        assert_eq!(surface, Surface::Plain, "{sql:?}");
    }
}

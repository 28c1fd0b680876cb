//! PostgreSQL's lexical rules, as far as they decide where a literal, a name or a comment ends.
//!
//! Operators come out one character at a time: nothing here needs them whole, and `--` and `/*` end an operator
//! in PostgreSQL as well.
//!
//! # Source
//! PostgreSQL manual, "Lexical Structure", and the behaviour of the server's own scanner where the manual is
//! silent (string continuation, comments between the parts of a continued string).

use crate::schema::state_words::comment_bytes;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// White space.
    Space,
    /// `--` up to the end of the line, the line end left out.
    LineComment,
    /// `/* */`, nested ones included.
    BlockComment,
    /// A string constant in any spelling, prefix and continuation lines included.
    Text,
    /// A quoted identifier.
    Name,
    /// A key word or a plain identifier.
    Word,
    /// Digits and dots.
    Number,
    /// `$1`.
    Parameter,
    /// One character of anything else.
    Symbol,
    /// A literal or comment that nothing closes; it reaches to the end of the text.
    Unterminated,
}

/// One token: a kind, and the bytes it covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// Its first byte.
    pub start: usize,
    /// One past its last byte.
    pub end: usize,
}

impl Token {
    /// The token's text.
    #[must_use]
    pub fn text<'a>(&self, sql: &'a str) -> &'a str {
        &sql[self.start..self.end]
    }

    /// Whether this is the plain word `word`, in any letter case.
    #[must_use]
    pub fn is_word(&self, sql: &str, word: &str) -> bool {
        self.kind == Kind::Word && self.text(sql).eq_ignore_ascii_case(word)
    }

    /// Whether this is one of these plain words, in any letter case.
    #[must_use]
    pub fn is_any_word(&self, sql: &str, words: &[&str]) -> bool {
        words.iter().any(|word| self.is_word(sql, word))
    }

    /// Whether this is the one-character symbol `symbol`.
    #[must_use]
    pub fn is_symbol(&self, sql: &str, symbol: u8) -> bool {
        self.kind == Kind::Symbol && sql.as_bytes()[self.start] == symbol
    }

    /// Whether a parser sees it: neither white space nor a comment.
    #[must_use]
    pub fn is_significant(&self) -> bool {
        !matches!(
            self.kind,
            Kind::Space | Kind::LineComment | Kind::BlockComment
        )
    }
}

/// Cuts a text into [`Token`]s without allocating; every byte belongs to exactly one of them.
#[derive(Clone, Debug)]
pub struct Lexer<'a> {
    sql: &'a str,
    at: usize,
    backslash_escapes: bool,
}

impl<'a> Lexer<'a> {
    /// Starts at byte `at`, which must not lie inside a literal or a comment.
    #[must_use]
    pub fn new(sql: &'a str, at: usize, standard_conforming_strings: bool) -> Self {
        Self {
            sql,
            at,
            backslash_escapes: !standard_conforming_strings,
        }
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.sql.as_bytes().get(at).copied()
    }

    fn skip_while(&self, mut at: usize, keep: impl Fn(u8) -> bool) -> usize {
        while self.byte(at).is_some_and(&keep) {
            at += 1;
        }
        at
    }

    /// Kind and end of the token that starts at `start`.
    fn measure(&self, start: usize, first: u8) -> (Kind, usize) {
        let next = self.byte(start + 1);
        match first {
            _ if is_space(first) => (Kind::Space, self.skip_while(start, is_space)),
            b'-' if next == Some(b'-') => {
                let end = self.skip_while(start, |b| b != b'\n' && b != b'\r');
                (Kind::LineComment, end)
            }
            b'/' if next == Some(b'*') => {
                self.closed(Kind::BlockComment, block_comment_end(self.sql, start))
            }
            b'\'' => self.string(start, self.backslash_escapes),
            b'"' => self.closed(Kind::Name, self.quoted_end(start + 1, b'"', false)),
            b'e' | b'E' if next == Some(b'\'') => self.string(start + 1, true),
            b'b' | b'B' | b'x' | b'X' if next == Some(b'\'') => self.string(start + 1, false),
            b'u' | b'U' if next == Some(b'&') && self.byte(start + 2) == Some(b'\'') => {
                self.string(start + 2, false)
            }
            b'u' | b'U' if next == Some(b'&') && self.byte(start + 2) == Some(b'"') => {
                self.closed(Kind::Name, self.quoted_end(start + 3, b'"', false))
            }
            b'$' => self.dollar(start),
            b'0'..=b'9' => {
                let end = self.skip_while(start, |b| b.is_ascii_digit() || b == b'.' || b == b'_');
                (Kind::Number, end)
            }
            _ if is_identifier_start(first) => {
                (Kind::Word, self.skip_while(start, is_identifier_part))
            }
            _ => (Kind::Symbol, start + 1),
        }
    }

    fn closed(&self, kind: Kind, end: Option<usize>) -> (Kind, usize) {
        end.map_or((Kind::Unterminated, self.sql.len()), |end| (kind, end))
    }

    /// A string constant whose opening quote is at `quote`, with the lines that continue it.
    fn string(&self, quote: usize, escapes: bool) -> (Kind, usize) {
        let mut open = quote;
        loop {
            let Some(end) = self.quoted_end(open + 1, b'\'', escapes) else {
                return (Kind::Unterminated, self.sql.len());
            };
            match self.continuation(end) {
                Some(next) => open = next,
                None => return (Kind::Text, end),
            }
        }
    }

    /// The end of a quoted text that opened before `at`; a doubled quote stands for one.
    fn quoted_end(&self, mut at: usize, quote: u8, escapes: bool) -> Option<usize> {
        loop {
            match self.byte(at)? {
                b'\\' if escapes => at += 2,
                b if b == quote && self.byte(at + 1) == Some(quote) => at += 2,
                b if b == quote => return Some(at + 1),
                _ => at += 1,
            }
        }
    }

    /// Where the next part of a string that closed at `end` opens, when white space with a line end (and nothing
    /// else but comments) stands between.
    fn continuation(&self, end: usize) -> Option<usize> {
        let mut at = end;
        let mut line_ended = false;
        loop {
            match self.byte(at)? {
                b'\n' | b'\r' => {
                    line_ended = true;
                    at += 1;
                }
                b if is_space(b) => at += 1,
                b'-' if self.byte(at + 1) == Some(b'-') => {
                    at = self.skip_while(at, |b| b != b'\n' && b != b'\r');
                }
                b'\'' if line_ended => return Some(at),
                _ => return None,
            }
        }
    }

    /// `$1`, a dollar quote, or a lone dollar sign.
    fn dollar(&self, start: usize) -> (Kind, usize) {
        let digits = self.skip_while(start + 1, |b| b.is_ascii_digit());
        if digits > start + 1 {
            return (Kind::Parameter, digits);
        }
        let tag_end = match self.byte(start + 1) {
            Some(b) if is_identifier_start(b) => {
                self.skip_while(start + 1, |b| is_identifier_part(b) && b != b'$')
            }
            _ => start + 1,
        };
        if self.byte(tag_end) != Some(b'$') {
            return (Kind::Symbol, start + 1);
        }
        let tag = &self.sql[start..=tag_end];
        let body = tag_end + 1;
        let end = self.sql[body..]
            .find(tag)
            .map(|found| body + found + tag.len());
        self.closed(Kind::Text, end)
    }
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let start = self.at;
        let (kind, end) = self.measure(start, self.byte(start)?);
        // A backslash before the last byte may have stepped over the end.
        self.at = end.min(self.sql.len());
        Some(Token {
            kind,
            start,
            end: self.at,
        })
    }
}

/// The end of the block comment that opens at `start`, nested ones counted; `None` when nothing closes it.
pub(in crate::ask) fn block_comment_end(sql: &str, start: usize) -> Option<usize> {
    comment_bytes(&sql.as_bytes()[start..]).map(|bytes| start + bytes)
}

/// White space in the server's eyes.
pub(in crate::ask) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'\x0b' | b'\x0c')
}

/// A byte that can begin a plain identifier; every byte beyond ASCII can.
pub(in crate::ask) fn is_identifier_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

/// A byte that can continue a plain identifier.
pub(in crate::ask) fn is_identifier_part(byte: u8) -> bool {
    is_identifier_start(byte) || byte.is_ascii_digit() || byte == b'$'
}

/// The characters that a string constant stands for; `None` for the spellings that hold no plain text (`B''`,
/// `X''`, `U&''`).
#[must_use]
pub fn string_value(token: &str, standard_conforming_strings: bool) -> Option<String> {
    if let Some(rest) = token.strip_prefix('$') {
        let tag = rest.find('$')? + 2;
        return token
            .get(tag..token.len().checked_sub(tag)?)
            .map(str::to_owned);
    }
    let (body, escapes) = match token.as_bytes().first()? {
        b'\'' => (token, !standard_conforming_strings),
        b'e' | b'E' => (&token[1..], true),
        _ => return None,
    };
    let body = body.strip_prefix('\'')?.strip_suffix('\'')?;
    let mut value = String::with_capacity(body.len());
    let mut chars = body.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' => {
                // Only the first of a doubled quote gets here alone; anything else is a continued string.
                if chars.next() != Some('\'') {
                    return None;
                }
                value.push('\'');
            }
            '\\' if escapes => match chars.next()? {
                'n' => value.push('\n'),
                't' => value.push('\t'),
                'r' => value.push('\r'),
                'b' => value.push('\u{8}'),
                'f' => value.push('\u{c}'),
                // Octal and hexadecimal escapes have no place in a question.
                '0'..='7' | 'x' | 'u' | 'U' => return None,
                other => value.push(other),
            },
            _ => value.push(c),
        }
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(sql: &str, standard: bool) -> Vec<(Kind, &str)> {
        Lexer::new(sql, 0, standard)
            .filter(|t| t.kind != Kind::Space)
            .map(|t| (t.kind, t.text(sql)))
            .collect()
    }

    #[test]
    fn literals_names_and_comments_end_where_the_server_ends_them() {
        use Kind::*;
        let cases: &[(&str, &[(Kind, &str)])] = &[
            ("'a''b' c", &[(Text, "'a''b'"), (Word, "c")]),
            (r"'a\' c", &[(Text, r"'a\'"), (Word, "c")]),
            (r"E'a\'b' c", &[(Text, r"E'a\'b'"), (Word, "c")]),
            ("E'a'\n 'b\\'c' d", &[(Text, "E'a'\n 'b\\'c'"), (Word, "d")]),
            ("'a' -- x\n'b'", &[(Text, "'a' -- x\n'b'")]),
            ("'a' 'b'", &[(Text, "'a'"), (Text, "'b'")]),
            ("$$a'b$$ c", &[(Text, "$$a'b$$"), (Word, "c")]),
            ("$x$ $$ $x$ c", &[(Text, "$x$ $$ $x$"), (Word, "c")]),
            ("a$1$b", &[(Word, "a$1$b")]),
            ("$1 $23", &[(Parameter, "$1"), (Parameter, "$23")]),
            ("$ 1", &[(Symbol, "$"), (Number, "1")]),
            ("\"a\"\"--b\" c", &[(Name, "\"a\"\"--b\""), (Word, "c")]),
            ("a--b\nc", &[(Word, "a"), (LineComment, "--b"), (Word, "c")]),
            (
                "/* a /* b */ c */ d",
                &[(BlockComment, "/* a /* b */ c */"), (Word, "d")],
            ),
            (
                "1+-- x",
                &[(Number, "1"), (Symbol, "+"), (LineComment, "-- x")],
            ),
            ("'open", &[(Unterminated, "'open")]),
            ("/* open /* */", &[(Unterminated, "/* open /* */")]),
            ("$a$ open", &[(Unterminated, "$a$ open")]),
            (
                "U&'d!0061' x'1f' u&\"x\"",
                &[(Text, "U&'d!0061'"), (Text, "x'1f'"), (Name, "u&\"x\"")],
            ),
            ("été 'é'", &[(Word, "été"), (Text, "'é'")]),
        ];
        for (sql, expect) in cases {
            assert_eq!(&kinds(sql, true), expect, "{sql}");
        }
    }

    #[test]
    fn backslashes_escape_when_strings_do_not_conform() {
        assert_eq!(kinds(r"'a\'b' c", false)[0], (Kind::Text, r"'a\'b'"));
        assert_eq!(kinds("'a\\", false)[0].0, Kind::Unterminated);
    }

    #[test]
    fn string_values_are_decoded() {
        let cases = [
            ("'it''s'", true, Some("it's")),
            (r"E'it\'s'", true, Some("it's")),
            (r"'it\'s'", false, Some("it's")),
            ("$$it's$$", true, Some("it's")),
            ("$q$it's$q$", true, Some("it's")),
            ("X'00'", true, None),
            (r"E'\x41'", true, None),
        ];
        for (token, standard, value) in cases {
            assert_eq!(string_value(token, standard).as_deref(), value, "{token}");
        }
    }
}

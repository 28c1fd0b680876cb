//! Asks in comments: `-- ask: question` with the lines that continue it, and `/* ask: question */`.

use super::lexer::{Kind, Token, is_identifier_part};
use super::verb::Verb;

/// An ask comment, or a run of line comments that the first of them makes an ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AskComment {
    /// The first byte of the comment.
    pub(super) start: usize,
    /// One past its last byte.
    pub(super) end: usize,
    /// What follows `ask:`, or the verb with what follows it.
    pub(super) text: String,
    /// How many significant tokens of the statement stand before it.
    pub(super) after: usize,
    /// It is made of line comments, and a further one continues it.
    pub(super) in_lines: bool,
}

impl AskComment {
    /// Reads a comment token; `None` when it is an ordinary comment.
    pub(super) fn read(sql: &str, token: Token, after: usize) -> Option<Self> {
        let comment = token.text(sql);
        let (body, in_lines) = match token.kind {
            Kind::LineComment => (&comment[2..], true),
            Kind::BlockComment => (&comment[2..comment.len() - 2], false),
            _ => return None,
        };
        Some(Self {
            start: token.start,
            end: token.end,
            text: ask_text(body)?.trim().to_owned(),
            after,
            in_lines,
        })
    }

    /// Takes up the line comment `token`, when nothing but one line end stands between.
    pub(super) fn continue_with(&mut self, sql: &str, token: Token) -> bool {
        let gap = sql[self.end..token.start].replace("\r\n", "\n");
        let adjacent = gap.bytes().filter(|b| matches!(b, b'\n' | b'\r')).count() <= 1;
        if !self.in_lines || token.kind != Kind::LineComment || !adjacent {
            return false;
        }
        let more = token.text(sql)[2..].trim();
        if !more.is_empty() {
            self.text.push(' ');
            self.text.push_str(more);
        }
        self.end = token.end;
        true
    }
}

/// What follows `ask:` in a comment's body. Without the colon (`-- ask Ann first`) it is a remark.
fn ask_text(body: &str) -> Option<&str> {
    let body = body.trim_start();
    if !body.get(..3)?.eq_ignore_ascii_case("ask") {
        return None;
    }
    let rest = &body[3..];
    if rest.bytes().next().is_some_and(is_identifier_part) {
        return None;
    }
    let rest = rest.trim_start();
    if let Some(question) = rest.strip_prefix(':') {
        return Some(question);
    }
    let (verb, after) = rest.split_at(rest.find(|c: char| !c.is_alphanumeric())?);
    let is_verb = Verb::parse(verb).is_some();
    (is_verb && after.trim_start().starts_with(':')).then_some(rest)
}

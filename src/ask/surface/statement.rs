//! One statement after the other: collects what of it matters, then decides what its asks are.

use super::bare::{self, Until};
use super::comment::AskComment;
use super::function_form;
use super::lexer::{Kind, Lexer, Token};
use super::position::{self, Follower, Place};
use super::slots;
use super::tail;
use super::verb;
use super::{CANDIDATES_MAX, Dialect, Embedded, EmbeddedAsk, Frame, Surface, Whole};
use crate::ask::setting_statement;
use crate::error::{Refusal, SqlState};

/// Reads a whole message.
///
/// # Errors
/// The refusal of an ask that cannot be one: see [`Surface::Malformed`].
pub(super) fn read_all(sql: &str, dialect: Dialect) -> Result<Surface, Refusal> {
    let mut reader = Reader {
        sql,
        dialect,
        asks: Vec::new(),
        parameters: Vec::new(),
        other_statements: false,
        candidates: 0,
        holds_setting: false,
    };
    let mut at = 0;
    while at < sql.len() {
        at = reader.statement(at)?;
    }
    if reader.candidates > CANDIDATES_MAX && !reader.asks.is_empty() {
        return Err(too_many());
    }
    if reader.holds_setting && setting_statement::parse(sql).is_none() {
        return Err(setting_among_others());
    }
    Ok(reader.finish())
}

struct Reader<'a> {
    sql: &'a str,
    dialect: Dialect,
    asks: Vec<EmbeddedAsk>,
    /// The numbers of the parameters that stand outside of questions.
    parameters: Vec<u16>,
    /// Some statement is not, as a whole, an ask.
    other_statements: bool,
    /// How many places were tried, or would have been.
    candidates: usize,
    /// Some statement is about an `ask.*` setting.
    holds_setting: bool,
}

/// What one statement is made of.
#[derive(Default)]
struct Statement {
    tokens: Vec<Token>,
    comments: Vec<AskComment>,
    /// A semicolon ends it, not the text.
    ended: bool,
}

impl<'a> Reader<'a> {
    /// Reads the statement that begins at `start`; returns where the next one begins.
    fn statement(&mut self, start: usize) -> Result<usize, Refusal> {
        let sql = self.sql;
        let mut statement = Statement::default();
        let mut lexer = self.lexer(start);
        let mut depth = 0_usize;
        let mut blocks = AtomicBlocks::default();
        let mut continues = false;
        let mut next = sql.len();
        while let Some(token) = lexer.next() {
            match token.kind {
                Kind::Space => continue,
                Kind::LineComment | Kind::BlockComment => {
                    let after = statement.tokens.len();
                    if let Some(ask) = AskComment::read(sql, token, after) {
                        statement.comments.push(ask);
                        continues = true;
                    } else {
                        continues = continues
                            && statement
                                .comments
                                .last_mut()
                                .is_some_and(|ask| ask.continue_with(sql, token));
                    }
                    continue;
                }
                _ => continues = false,
            }
            blocks.see(sql, &statement.tokens, token);
            if token.is_symbol(sql, b';') && depth == 0 && blocks.depth == 0 {
                next = token.end;
                statement.ended = true;
                break;
            }
            if token.is_symbol(sql, b'(') {
                depth += 1;
            } else if token.is_symbol(sql, b')') {
                depth = depth.saturating_sub(1);
            } else if token.is_word(sql, "ask")
                && !blocks.seen
                && let Some(end) = self.bare(&statement, token)?
            {
                if depth == 0 {
                    // Its words are no SQL: they take up everything to the semicolon.
                    return Ok(self.after_semicolon(end));
                }
                // Its word stands for the query, so that the parentheses are not empty.
                lexer = self.lexer(end);
            }
            statement.tokens.push(token);
        }
        if let [first, .., last] = statement.tokens.as_slice()
            && first.is_any_word(sql, &["set", "show", "reset"])
        {
            let text = &sql[first.start..last.end];
            self.holds_setting |= setting_statement::parse(text).is_some();
        }
        if !blocks.seen {
            self.functions(&statement)?;
            self.comments(&statement)?;
        }
        self.parameters.extend(
            statement
                .tokens
                .iter()
                .filter(|t| t.kind == Kind::Parameter)
                .filter_map(|t| t.text(sql)[1..].parse::<u16>().ok()),
        );
        Ok(next)
    }

    /// Counts a place; says whether it may still be tried.
    fn try_one(&mut self) -> bool {
        self.candidates += 1;
        self.candidates <= CANDIDATES_MAX
    }

    fn lexer(&self, at: usize) -> Lexer<'a> {
        Lexer::new(self.sql, at, self.dialect.standard_conforming_strings)
    }

    fn after_semicolon(&self, end: usize) -> usize {
        self.lexer(end)
            .find(Token::is_significant)
            .map_or(self.sql.len(), |semicolon| semicolon.end)
    }

    /// A bare ask whose word is `word`; returns where it ends.
    fn bare(&mut self, statement: &Statement, word: Token) -> Result<Option<usize>, Refusal> {
        let sql = self.sql;
        let Some(place) = position::expected(sql, &statement.tokens) else {
            return Ok(None);
        };
        if !self.try_one() {
            return Ok(None);
        }
        let Some(start) = bare::question_start(sql, word.end) else {
            return Ok(None);
        };
        let colon = sql[word.end..start].ends_with(':');
        let until = match place {
            Place::Start | Place::Introduced => Until::Semicolon,
            Place::Parenthesised if colon => Until::Parenthesis,
            Place::Parenthesised | Place::Arm => return Ok(None),
        };
        if let Some(end) = self.called(place, word)? {
            return Ok(Some(end));
        }
        let takes_sql = until == Until::Semicolon && verb::takes_sql(&sql[start..]);
        let read = if takes_sql {
            let strings = self.dialect.standard_conforming_strings;
            Some(bare::read_sql(sql, start, strings))
        } else {
            bare::read(sql, start, until)
        };
        let Some(found) = read else {
            return Ok(None);
        };
        let (text, tail) = match until {
            Until::Semicolon if !takes_sql => tail::cut(&found.text),
            Until::Semicolon => (found.text.as_str(), None),
            Until::Parenthesis => (found.text.as_str(), None),
        };
        let (verb, question) = verb::split(text);
        self.other_statements |= place != Place::Start;
        self.asks.push(EmbeddedAsk {
            range: word.start..found.end.max(word.end),
            verb,
            question: question.to_owned(),
            parameter_count: 0,
            arguments: Vec::new(),
            frame: tail.map_or(Frame::None, |tail| Frame::Tailed(tail.to_owned())),
        });
        Ok(Some(found.end.max(word.end)))
    }

    /// The function form as a statement: `ask('question', 42);`.
    fn called(&mut self, place: Place, word: Token) -> Result<Option<usize>, Refusal> {
        let sql = self.sql;
        let mut following = self.lexer(word.end).filter(Token::is_significant);
        if !following.next().is_some_and(|t| t.is_symbol(sql, b'(')) {
            return Ok(None);
        }
        let tokens: Vec<Token> = self
            .lexer(word.start)
            .filter(Token::is_significant)
            .take_while(|t| !t.is_symbol(sql, b';'))
            .collect();
        let Some(call) = function_form::read(sql, &tokens, 0, self.dialect)? else {
            return Ok(None);
        };
        let rest = &tokens[call.length..];
        if tail::length(sql, rest) != rest.len() {
            return Ok(None);
        }
        let call_end = tokens[call.length - 1].end;
        let end = tokens.last().map_or(call_end, |t| t.end);
        let frame = rest.first().map_or(Frame::None, |first| {
            Frame::Tailed(sql[first.start..end].to_owned())
        });
        self.other_statements |= place != Place::Start;
        self.asks.push(EmbeddedAsk {
            range: word.start..end,
            verb: call.verb,
            question: call.question,
            parameter_count: 0,
            arguments: call.arguments,
            frame,
        });
        Ok(Some(end))
    }

    /// The function form inside a statement.
    fn functions(&mut self, statement: &Statement) -> Result<(), Refusal> {
        let (sql, tokens) = (self.sql, &statement.tokens);
        if self.dialect.has_ask_function {
            return Ok(());
        }
        for (at, token) in tokens.iter().enumerate() {
            if !token.is_word(sql, "ask") || self.covers(token.start) {
                continue;
            }
            let Some(call) = function_form::read(sql, tokens, at, self.dialect)? else {
                continue;
            };
            if !self.try_one() {
                break;
            }
            let after = &tokens[at + call.length..];
            // Alone in parentheses that may hold a query it is the query: a tool has put them around all it was given.
            let alone = at
                .checked_sub(1)
                .is_some_and(|i| tokens[i].is_symbol(sql, b'('))
                && after.first().is_some_and(|t| t.is_symbol(sql, b')'))
                && position::expected(sql, &tokens[..at]) == Some(Place::Parenthesised);
            let needs_alias =
                position::is_from_item(sql, tokens, at) && !position::begins_with_alias(sql, after);
            self.asks.push(EmbeddedAsk {
                range: token.start..tokens[at + call.length - 1].end,
                verb: call.verb,
                question: call.question,
                parameter_count: 0,
                arguments: call.arguments,
                frame: if alone {
                    Frame::None
                } else if needs_alias {
                    Frame::FromItem
                } else {
                    Frame::Parentheses
                },
            });
        }
        Ok(())
    }

    fn covers(&self, at: usize) -> bool {
        self.asks.iter().any(|ask| ask.range.contains(&at))
    }

    /// The comment forms, and whether anything but one of them is in the statement.
    fn comments(&mut self, statement: &Statement) -> Result<(), Refusal> {
        let (sql, tokens) = (self.sql, &statement.tokens);
        let mut last_place = None;
        let mut whole = false;
        for ask in &statement.comments {
            if !self.try_one() {
                break;
            }
            if self.is_remark(statement, ask) {
                continue;
            }
            let (before, after) = tokens.split_at(ask.after);
            // psql 15 sends a leading comment only when a word stands before it: `select -- ask: question`.
            let (before, start) = match before.split_last() {
                Some((last, earlier)) if last.is_word(sql, "select") => (earlier, last.start),
                _ => (before, ask.start),
            };
            let Some(place) = position::expected(sql, before) else {
                continue;
            };
            let Some(follower) = position::follower(sql, place, after) else {
                continue;
            };
            if last_place.replace(ask.after) == Some(ask.after) {
                return Err(two_questions());
            }
            whole |= place == Place::Start && follower != Follower::SetOperation;
            let found = self.comment(ask, start, place, follower, after);
            self.asks.push(found);
        }
        self.other_statements |= !tokens.is_empty() && !whole;
        Ok(())
    }

    /// Whether a line comment is about the statement that ends on its line: `SELECT 1; -- ask: Ann whether`.
    fn is_remark(&self, statement: &Statement, ask: &AskComment) -> bool {
        let line = self.sql[..ask.start].rsplit(['\n', '\r']).next();
        ask.in_lines
            && statement.tokens.is_empty()
            && !statement.ended
            && (self.other_statements || !self.asks.is_empty())
            && line.is_some_and(|line| !line.trim().is_empty())
    }

    fn comment(
        &self,
        ask: &AskComment,
        start: usize,
        place: Place,
        follower: Follower,
        after: &[Token],
    ) -> EmbeddedAsk {
        let sql = self.sql;
        let (text, cut) = match follower {
            Follower::Nothing if ask.in_lines && !verb::takes_sql(&ask.text) => {
                tail::cut(&ask.text)
            }
            _ => (ask.text.as_str(), None),
        };
        let mut end = ask.end;
        let frame = match (follower, place) {
            (Follower::Tail(length), Place::Start) => {
                let last = after[length - 1].end;
                end = last;
                Frame::Tailed(sql[after[0].start..last].to_owned())
            }
            (Follower::Tail(_), _) => Frame::Derived,
            (Follower::SetOperation, _) | (_, Place::Arm) => Frame::Parentheses,
            (Follower::Nothing, _) => {
                cut.map_or(Frame::None, |tail| Frame::Tailed(tail.to_owned()))
            }
        };
        let (verb, question) = verb::split(text);
        EmbeddedAsk {
            range: start..end,
            verb,
            question: question.to_owned(),
            parameter_count: 0,
            arguments: Vec::new(),
            frame,
        }
    }

    fn finish(mut self) -> Surface {
        self.asks.sort_by_key(|ask| ask.range.start);
        let mut all = self.parameters.clone();
        for ask in self.asks.iter().filter(|ask| ask.arguments.is_empty()) {
            all.extend(slots::mentioned(&ask.question));
        }
        for ask in &mut self.asks {
            let mentioned = slots::mentioned(&ask.question);
            ask.parameter_count = if ask.arguments.is_empty() {
                slots::highest(&mentioned, &all)
            } else {
                mentioned.into_iter().max().unwrap_or(0)
            };
        }
        if self.asks.is_empty() {
            return Surface::Plain;
        }
        let alone = !self.other_statements && self.asks.len() == 1;
        match self.asks.pop() {
            Some(ask) if alone && ask.arguments.is_empty() => Surface::Whole(Whole {
                verb: ask.verb,
                question: ask.question,
                parameter_count: ask.parameter_count,
                tail: match ask.frame {
                    Frame::Tailed(tail) => Some(tail),
                    _ => None,
                },
            }),
            Some(ask) => {
                self.asks.push(ask);
                Surface::Embedded(Embedded { asks: self.asks })
            }
            None => Surface::Plain,
        }
    }
}

/// The server would take it for a setting of its own, and nothing would come of it.
fn setting_among_others() -> Refusal {
    Refusal::new(
        SqlState::FEATURE_NOT_SUPPORTED,
        "a statement about an ask.* setting cannot share a message with others",
    )
    .with_hint("Send it in a message of its own; psql does so for each line.")
}

fn too_many() -> Refusal {
    Refusal::new(
        SqlState::PROGRAM_LIMIT_EXCEEDED,
        format!("more than {CANDIDATES_MAX} asks in one text"),
    )
    .with_hint("Send them in several messages.")
}

fn two_questions() -> Refusal {
    Refusal::new(
        SqlState::SYNTAX_ERROR,
        "two questions stand where there is room for one query",
    )
    .with_hint("End each question with a semicolon, or continue one with further -- lines.")
}

/// `BEGIN ATOMIC ... END`: a function body in SQL, whose semicolons end nothing and whose comments are its own.
#[derive(Default)]
struct AtomicBlocks {
    depth: usize,
    seen: bool,
}

impl AtomicBlocks {
    fn see(&mut self, sql: &str, before: &[Token], token: Token) {
        let follows_begin = || before.last().is_some_and(|t| t.is_word(sql, "begin"));
        if self.depth == 0 {
            if token.is_word(sql, "atomic") && follows_begin() {
                self.depth = 1;
                self.seen = true;
            }
        } else if token.is_any_word(sql, &["case", "begin"]) {
            self.depth += 1;
        } else if token.is_word(sql, "end") {
            self.depth -= 1;
        }
    }
}

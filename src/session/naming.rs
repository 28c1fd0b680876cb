//! What a text does with prepared statements by name: `PREPARE`, `EXECUTE` and `DEALLOCATE`, wherever PostgreSQL takes
//! them.
//!
//! The reader knows how SQL is cut into words, comments and literals, and nothing else of it. What it is not sure of it
//! does not read at all.

use crate::schema::state_words::{comment_bytes, is_word_byte};

/// What a text does with statements by name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Namings {
    /// In the order of the text.
    pub(super) all: Vec<Naming>,
    /// How many statements there are in the text, of whatever kind.
    pub(super) statement_count: usize,
}

/// What one statement does.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Naming {
    /// It gives a statement this name; what it prepares stands behind so many bytes of the text.
    Prepare(Box<[u8]>, usize),
    /// It executes, or explains, the statement of this name.
    Execute(Box<[u8]>),
    /// It deallocates the statement of this name.
    Deallocate(Box<[u8]>),
    /// It deallocates every statement.
    DeallocateAll,
}

/// A longer name is cut by the server.
///
/// # Source
/// `NAMEDATALEN` in `src/include/pg_config_manual.h`.
const NAME_BYTES_MAX: usize = 63;

/// Reads a text in which ASCII bytes stand for nothing but themselves; `None` where it takes a closer look.
///
/// # Source
/// `PrepareStmt`, `ExecuteStmt`, `DeallocateStmt` and `ExplainableStmt` in `src/backend/parser/gram.y`.
pub(super) fn read(sql: &[u8]) -> Option<Namings> {
    let mut tokens = Tokens { sql, at: 0 };
    let mut namings = Namings::default();
    loop {
        match tokens.next()? {
            Token::End => return Some(namings),
            Token::Semicolon => continue,
            Token::Word(first) => {
                namings.statement_count += 1;
                statement(first, &mut tokens, &mut namings.all)?;
            }
            Token::Open => {
                namings.statement_count += 1;
                tokens.skip_parenthesis()?;
            }
            _ => namings.statement_count += 1,
        }
        tokens.skip_statement()?;
    }
}

/// Reads the statement that begins with this word, and may leave its end unread.
fn statement(first: &[u8], tokens: &mut Tokens, found: &mut Vec<Naming>) -> Option<()> {
    let is = |word: &str| first.eq_ignore_ascii_case(word.as_bytes());
    if is("prepare") {
        prepare(tokens, found)
    } else if is("execute") {
        execute(tokens, found)
    } else if is("deallocate") {
        deallocate(tokens, found)
    } else if is("explain") {
        explain(tokens, found)
    } else if is("create") {
        create(tokens, found)
    } else {
        Some(())
    }
}

fn prepare(tokens: &mut Tokens, found: &mut Vec<Naming>) -> Option<()> {
    let name = tokens.next()?;
    if name.is("transaction") && matches!(tokens.peek()?, Token::Other) {
        return Some(());
    }
    let name = name.name()?;
    tokens.skip_arguments()?;
    if !tokens.next()?.is("as") {
        return None;
    }
    found.push(Naming::Prepare(name, tokens.at));
    Some(())
}

fn execute(tokens: &mut Tokens, found: &mut Vec<Naming>) -> Option<()> {
    let name = tokens.next()?.name()?;
    tokens.skip_arguments()?;
    found.push(Naming::Execute(name));
    Some(())
}

fn deallocate(tokens: &mut Tokens, found: &mut Vec<Naming>) -> Option<()> {
    let mut name = tokens.next()?;
    if name.is("prepare") {
        name = tokens.next()?;
    }
    found.push(if name.is("all") {
        Naming::DeallocateAll
    } else {
        Naming::Deallocate(name.name()?)
    });
    matches!(tokens.peek()?, Token::End | Token::Semicolon).then_some(())
}

fn explain(tokens: &mut Tokens, found: &mut Vec<Naming>) -> Option<()> {
    tokens.skip_arguments()?;
    while let Token::Word(word) = tokens.peek()? {
        tokens.next()?;
        let is = |known: &str| word.eq_ignore_ascii_case(known.as_bytes());
        if is("execute") {
            return execute(tokens, found);
        }
        if is("create") {
            return create(tokens, found);
        }
        if !is("analyze") && !is("analyse") && !is("verbose") {
            break;
        }
    }
    Some(())
}

/// `CREATE TABLE ... AS EXECUTE`, or anything else that is created.
fn create(tokens: &mut Tokens, found: &mut Vec<Naming>) -> Option<()> {
    const KINDS: [&str; 5] = ["global", "local", "temp", "temporary", "unlogged"];
    while KINDS
        .iter()
        .any(|kind| tokens.peek().is_some_and(|word| word.is(kind)))
    {
        tokens.next()?;
    }
    if !tokens.peek()?.is("table") {
        return Some(());
    }
    loop {
        match tokens.peek()? {
            Token::End | Token::Semicolon => return Some(()),
            Token::Open => tokens.skip_arguments()?,
            token => {
                tokens.next()?;
                if token.is("as") {
                    break;
                }
            }
        }
    }
    if !tokens.peek()?.is("execute") {
        return Some(());
    }
    tokens.next()?;
    execute(tokens, found)
}

#[derive(Debug)]
enum Token<'a> {
    /// A bare word.
    Word(&'a [u8]),
    /// An identifier in double quotes, and what stands between them.
    Quoted(&'a [u8]),
    Open,
    Close,
    Semicolon,
    /// A literal, a parameter, or a symbol.
    Other,
    End,
}

impl Token<'_> {
    fn is(&self, word: &str) -> bool {
        matches!(self, Token::Word(found) if found.eq_ignore_ascii_case(word.as_bytes()))
    }

    /// The name that an identifier stands for.
    fn name(&self) -> Option<Box<[u8]>> {
        let name: Box<[u8]> = match self {
            Token::Word(word) => word.to_ascii_lowercase().into(),
            Token::Quoted(inner) => (*inner).into(),
            _ => return None,
        };
        let is_sound = name.is_ascii() && !name.contains(&b'"');
        (is_sound && (1..=NAME_BYTES_MAX).contains(&name.len())).then_some(name)
    }
}

#[derive(Clone)]
struct Tokens<'a> {
    sql: &'a [u8],
    at: usize,
}

impl<'a> Tokens<'a> {
    fn peek(&self) -> Option<Token<'a>> {
        self.clone().next()
    }

    /// The next token; `None` where it is not certain where it ends.
    fn next(&mut self) -> Option<Token<'a>> {
        self.skip_space()?;
        let rest = &self.sql[self.at..];
        let Some(&first) = rest.first() else {
            return Some(Token::End);
        };
        let (token, length) = match first {
            b'\'' => (Token::Other, quoted_bytes(rest)?),
            b'"' => {
                let length = quoted_bytes(rest)?;
                (Token::Quoted(&rest[1..length - 1]), length)
            }
            b'(' => (Token::Open, 1),
            b')' => (Token::Close, 1),
            b';' => (Token::Semicolon, 1),
            b'$' => (Token::Other, dollar_bytes(rest)?),
            _ => {
                let length = rest.iter().take_while(|byte| is_word_byte(**byte)).count();
                if length == 0 || first.is_ascii_digit() {
                    (Token::Other, length.max(1))
                } else {
                    (Token::Word(&rest[..length]), length)
                }
            }
        };
        self.at += length;
        Some(token)
    }

    /// Goes past white space and comments.
    fn skip_space(&mut self) -> Option<()> {
        loop {
            let rest = &self.sql[self.at..];
            let space = |byte: &u8| byte.is_ascii_whitespace() || *byte == b'\x0b';
            let blank = rest.iter().take_while(|byte| space(byte)).count();
            let comment = &rest[blank..];
            let length = if comment.starts_with(b"--") {
                memchr::memchr2(b'\n', b'\r', comment).unwrap_or(comment.len())
            } else if comment.starts_with(b"/*") {
                comment_bytes(comment)?
            } else {
                self.at += blank;
                return Some(());
            };
            self.at += blank + length;
        }
    }

    /// Goes past what stands in parentheses here, if anything does.
    fn skip_arguments(&mut self) -> Option<()> {
        if let Token::Open = self.peek()? {
            self.next()?;
            self.skip_parenthesis()?;
        }
        Some(())
    }

    /// Goes to the end of the parenthesis that has been opened.
    fn skip_parenthesis(&mut self) -> Option<()> {
        let mut depth = 1_usize;
        while depth > 0 {
            match self.next()? {
                Token::Open => depth += 1,
                Token::Close => depth -= 1,
                Token::End => return None,
                _ => {}
            }
        }
        Some(())
    }

    /// Goes to where the next statement begins.
    fn skip_statement(&mut self) -> Option<()> {
        loop {
            match self.next()? {
                Token::Open => self.skip_parenthesis()?,
                Token::Close => return None,
                Token::Semicolon | Token::End => return Some(()),
                _ => {}
            }
        }
    }
}

/// The length of a literal or an identifier in quotes. With a backslash in it, its end depends on more than its text.
fn quoted_bytes(text: &[u8]) -> Option<usize> {
    let quote = *text.first()?;
    let mut at = 1;
    loop {
        let length = memchr::memchr(quote, &text[at..])?;
        if quote == b'\'' && memchr::memchr(b'\\', &text[at..at + length]).is_some() {
            return None;
        }
        at += length + 1;
        if text.get(at) != Some(&quote) {
            return Some(at);
        }
        at += 1;
    }
}

/// The length of what a dollar begins: a literal, or nothing but itself.
fn dollar_bytes(text: &[u8]) -> Option<usize> {
    let is_part = |byte: &u8| is_word_byte(*byte) && *byte != b'$';
    let tag = 1 + text[1..].iter().take_while(|byte| is_part(byte)).count();
    if text.get(1).is_some_and(u8::is_ascii_digit) || text.get(tag) != Some(&b'$') {
        return Some(tag);
    }
    let quote = &text[..=tag];
    let length = memchr::memmem::find(&text[quote.len()..], quote)?;
    Some(length + 2 * quote.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(sql: &str) -> Option<String> {
        let namings = read(sql.as_bytes())?;
        let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
        let mut shown = vec![namings.statement_count.to_string()];
        shown.extend(namings.all.iter().map(|naming| match naming {
            Naming::Prepare(name, at) => format!("prepare {}:{}", text(name), &sql[*at..]),
            Naming::Execute(name) => format!("execute {}", text(name)),
            Naming::Deallocate(name) => format!("deallocate {}", text(name)),
            Naming::DeallocateAll => "deallocate all".to_owned(),
        }));
        Some(shown.join(", "))
    }

    #[test]
    fn statements_that_name_others_are_read() {
        for (sql, expected) in [
            ("", "0"),
            ("select 1", "1"),
            ("PREPARE P AS select 1;", "1, prepare p: select 1;"),
            (
                "prepare \"P p\" (int, numeric(3, 1)) as/**/select $1;;",
                "1, prepare P p:/**/select $1;;",
            ),
            ("prepare transaction 'x'", "1"),
            (
                "prepare transaction as select 1",
                "1, prepare transaction: select 1",
            ),
            ("execute p", "1, execute p"),
            (
                "execute p ('a;b', $$;$$, $x$ $$ $x$, (1), $1)",
                "1, execute p",
            ),
            ("-- remark\n/* a /* b */ */ Execute P", "1, execute p"),
            ("explain execute p(1)", "1, execute p"),
            (
                "explain (costs off, analyze) execute \"q\"; table t",
                "2, execute q",
            ),
            ("explain analyze verbose execute p", "1, execute p"),
            ("explain select 1", "1"),
            ("explain (costs off) (select 1)", "1"),
            (
                "create table t as execute p(1) with no data",
                "1, execute p",
            ),
            (
                "create local temp table if not exists t (a, b) with (fillfactor=7) as execute p",
                "1, execute p",
            ),
            (
                "explain analyze create unlogged table t as execute p",
                "1, execute p",
            ),
            ("create table t as select 1 as execute", "1"),
            ("create table execute (prepare int)", "1"),
            (
                "create trigger t after insert on t execute function f()",
                "1",
            ),
            ("grant execute on function f() to r", "1"),
            (
                "select execute, 'prepare p' as prepare from deallocate",
                "1",
            ),
            ("DEALLOCATE ALL", "1, deallocate all"),
            (" deallocate prepare all ;", "1, deallocate all"),
            (
                "deallocate pdo_stmt_00000001",
                "1, deallocate pdo_stmt_00000001",
            ),
            ("DEALLOCATE Mixed_Case;", "1, deallocate mixed_case"),
            (
                "deallocate prepare \"Quoted name\"",
                "1, deallocate Quoted name",
            ),
            ("deallocate \"all\"", "1, deallocate all"),
            (
                "SAVEPOINT x;DEALLOCATE \"plan0x5\";RELEASE x",
                "3, deallocate plan0x5",
            ),
            (
                "execute a; execute b(';'); deallocate a -- c",
                "3, execute a, execute b, deallocate a",
            ),
            ("(select 1); execute p", "2, execute p"),
            ("select 1-- execute\r;execute p", "2, execute p"),
        ] {
            assert_eq!(show(sql).as_deref(), Some(expected), "{sql}");
        }
    }

    #[test]
    fn what_is_not_certain_is_not_read() {
        let long = format!("deallocate {}", "x".repeat(64));
        for sql in [
            "execute",
            "execute $1",
            "execute größe",
            "execute \"a\"\"b\"",
            "execute \"\"",
            "execute p(",
            "execute p('\\')",
            "execute p)",
            "prepare p",
            "prepare p (int select",
            "deallocate",
            "deallocate prepare",
            "deallocate \"\"",
            "deallocate a b",
            "deallocate U&\"a\"",
            "select 'open",
            "select $a$ open",
            "/* open",
            "select \"open",
            &long,
        ] {
            assert_eq!(show(sql), None, "{sql}");
        }
    }
}

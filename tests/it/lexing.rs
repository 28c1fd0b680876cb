//! Where a literal, a name or a comment ends is the server's to say: random ones, as pgask cuts them and as it does.

use pgask::ask::surface::lexer::{Kind, Lexer, Token, string_value};

use crate::fuzz_diff::dice::Dice;
use crate::support::postgres::Postgres;
use crate::support::raw;

/// How many texts are tried with `standard_conforming_strings` on, and how many with it off.
const TEXT_COUNT: usize = 2_500;

/// How many of them the server must read, so that there is something to compare.
const READ_COUNT_MIN: usize = 500;

const SEED: u64 = 7;

/// What a literal may be made of, the ends of all others among it.
const PIECES: [&str; 24] = [
    "a", "b c", "''", "\\\\", "\\", "\\'", "\\n", "\n", "--", "/*", "*/", "$", "$$", "$t$", "$T$",
    "\"", "\"\"", ";", "ask: who", ",", "E'", "1", "--\n", " ",
];

/// What stands around literals.
const GAPS: [&str; 8] = [
    " ",
    "\n",
    " -- '\n",
    " /* ' */ ",
    "/* /* $$ */ \" */",
    " --\n ",
    "\t",
    "",
];

fn literal(dice: &mut Dice) -> String {
    let (open, close) = [
        ("'", "'"),
        ("'", "'"),
        ("E'", "'"),
        ("e'", "'"),
        ("$$", "$$"),
        ("$t$", "$t$"),
        ("$T$", "$T$"),
        ("U&'", "'"),
        ("'a'\n'", "'"),
    ][dice.below(9)];
    let mut text = open.to_owned();
    for _ in 0..dice.below(5) {
        text.push_str(dice.one_of(&PIECES));
    }
    text + close
}

fn text(dice: &mut Dice) -> String {
    let mut sql = "SELECT ".to_owned();
    for column in 0..=dice.below(3) {
        if column > 0 {
            sql.push(',');
        }
        sql.push_str(dice.one_of(&GAPS));
        sql.push_str(&literal(dice));
        sql.push_str(dice.one_of(&GAPS));
    }
    sql
}

/// The columns as we see them: for each its first token, and nothing where there is more than literals and commas.
fn columns(sql: &str, tokens: &[Token]) -> Option<Vec<Token>> {
    let significant: Vec<&Token> = tokens.iter().filter(|t| t.is_significant()).collect();
    let (select, rest) = significant.split_first()?;
    assert!(select.is_word(sql, "select"));
    rest.split(|token| token.is_symbol(sql, b','))
        .map(|column| match column {
            [only] if only.kind == Kind::Text => Some(**only),
            _ => None,
        })
        .collect()
}

#[test]
fn literals_and_comments_end_where_the_server_ends_them() {
    let postgres = Postgres::start();
    let mut server = raw::superuser(&postgres, "postgres");
    server.rows("set escape_string_warning = off; set backslash_quote = on");
    let mut dice = Dice::new(SEED);
    for standard in [true, false] {
        let setting = if standard { "on" } else { "off" };
        server.rows(&format!("set standard_conforming_strings = {setting}"));
        let mut read = 0;
        for _ in 0..TEXT_COUNT {
            let sql = text(&mut dice);
            let tokens: Vec<Token> = Lexer::new(&sql, 0, standard).collect();
            let is_unterminated = tokens.iter().any(|t| t.kind == Kind::Unterminated);
            let answer = server.query(&sql);
            let error = answer.iter().find(|frame| frame.tag == b'E');
            if let Some(error) = error {
                let message = error.field(b'M').unwrap_or_default();
                let is_open = message.starts_with("unterminated");
                assert!(
                    !is_open || is_unterminated,
                    "{message}: {sql:?} is {tokens:?}"
                );
                continue;
            }
            assert!(
                !is_unterminated,
                "the server reads {sql:?}, which is {tokens:?}"
            );
            let Some(columns) = columns(&sql, &tokens) else {
                continue;
            };
            let values = raw::rows(&answer).remove(0);
            assert_eq!(values.len(), columns.len(), "{sql:?} is {tokens:?}");
            for (value, column) in values.into_iter().zip(columns) {
                if let Some(ours) = string_value(column.text(&sql), standard) {
                    assert_eq!(value, Some(ours), "{sql:?}");
                }
            }
            read += 1;
        }
        assert!(read >= READ_COUNT_MIN, "only {read} with {setting}");
    }
}

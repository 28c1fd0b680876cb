//! From text to one query: everything that is decided before the tree is walked.

use sqlparser::ast::{Query, Statement};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::keywords::Keyword;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, Word};

use crate::error::Refusal;
use crate::guard::rules::Rule;

/// The longest Draft that is read, in bytes. The longest question answered by hand is well under a tenth of it.
const SQL_BYTES_MAX: usize = 64 * 1024;

/// How deep parentheses, calls and subqueries may nest, in the parser's own count (about three a level).
const DEPTH_MAX: usize = 60;

/// How many operators may follow one another, in one item of a list and in what it is nested in. The parser reads
/// `1+1+1+...` in a loop and builds a tree as deep as the chain is long, which its own limit does not see and which
/// would overflow the stack of whoever walks, prints or drops it. A debug build fits over 250 on 2 MiB.
const CHAIN_MAX: usize = 120;

/// How many set operations a Draft may hold; they nest like a chain, across lists.
const SET_OPERATIONS_MAX: usize = 100;

/// The longest name, in bytes. PostgreSQL cuts a longer one off, so that it would mean another than was proved.
///
/// # Source
/// PostgreSQL manual, "Identifiers and Key Words": `NAMEDATALEN` - 1.
const NAME_BYTES_MAX: usize = 63;

/// Reads a text that must hold exactly one query.
pub(in crate::guard) fn one_query(sql: &str) -> Result<Box<Query>, Refusal> {
    if sql.contains('\0') {
        return Err(Rule::Text.refuse("The SQL holds a NUL byte."));
    }
    if sql.len() > SQL_BYTES_MAX {
        return Err(Rule::Text.refuse(format!(
            "The SQL is {} bytes long; the limit is {SQL_BYTES_MAX}.",
            sql.len()
        )));
    }
    let tokens = tokens(sql)?;
    let first = first_word(&tokens);
    let mut statements = Parser::new(&PostgreSqlDialect {})
        .with_recursion_limit(DEPTH_MAX)
        .with_tokens_with_locations(tokens)
        .parse_statements()
        .map_err(|error| unparsed(&error.to_string()))?;
    match (statements.pop(), statements.len()) {
        (None, _) => Err(Rule::OneStatement.refuse("The SQL holds no statement.")),
        (Some(Statement::Query(query)), 0) => Ok(query),
        (Some(_), 0) => Err(Rule::NotAQuery.refuse(format!(
            "Only a query may be run for a question; this is {first}."
        ))),
        (Some(_), others) => Err(Rule::OneStatement.refuse(format!(
            "The SQL holds {} statements; exactly one query is allowed.",
            others + 1
        ))),
    }
}

fn tokens(sql: &str) -> Result<Vec<TokenWithSpan>, Refusal> {
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, sql)
        .tokenize_with_location()
        .map_err(|error| unparsed(&error.to_string()))?;
    if longest_chain(&tokens) > CHAIN_MAX {
        return Err(Rule::Text.refuse(format!("The SQL chains more than {CHAIN_MAX} operators.")));
    }
    if tokens.iter().filter(|t| is_set_operation(&t.token)).count() > SET_OPERATIONS_MAX {
        return Err(Rule::Text.refuse(format!(
            "The SQL holds more than {SET_OPERATIONS_MAX} set operations."
        )));
    }
    for token in &tokens {
        if let Token::Word(word) = &token.token
            && word.value.len() > NAME_BYTES_MAX
        {
            return Err(Rule::Text.refuse(format!(
                "The name \"{}\" is longer than {NAME_BYTES_MAX} bytes.",
                word.value
            )));
        }
    }
    Ok(tokens)
}

/// The most operators on the way from the root of the tree to a leaf: a comma begins anew, a parenthesis adds to what
/// it stands in.
fn longest_chain(tokens: &[TokenWithSpan]) -> usize {
    let mut open = vec![0];
    let mut total = 0;
    let mut longest = 0;
    for token in tokens {
        match &token.token {
            Token::LParen => open.push(0),
            Token::RParen if open.len() > 1 => total -= open.pop().unwrap_or(0),
            Token::Comma => total -= open.last_mut().map_or(0, std::mem::take),
            token if chains(token) => {
                if let Some(level) = open.last_mut() {
                    *level += 1;
                }
                total += 1;
                longest = longest.max(total);
            }
            _ => {}
        }
    }
    longest
}

/// Whether a token can make the tree one level deeper without nesting.
fn chains(token: &Token) -> bool {
    match token {
        Token::Whitespace(_)
        | Token::RParen
        | Token::RBracket
        | Token::Period
        | Token::SemiColon
        | Token::EOF
        | Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::DollarQuotedString(_)
        | Token::EscapedStringLiteral(_)
        | Token::Placeholder(_) => false,
        Token::Word(word) => matches!(
            word.keyword,
            Keyword::AND
                | Keyword::AT
                | Keyword::BETWEEN
                | Keyword::COLLATE
                | Keyword::DIV
                | Keyword::GLOB
                | Keyword::ILIKE
                | Keyword::IN
                | Keyword::IS
                | Keyword::JOIN
                | Keyword::LIKE
                | Keyword::MATCH
                | Keyword::MEMBER
                | Keyword::NOT
                | Keyword::NOTNULL
                | Keyword::OPERATOR
                | Keyword::OR
                | Keyword::OVERLAPS
                | Keyword::REGEXP
                | Keyword::RLIKE
                | Keyword::SIMILAR
                | Keyword::XOR
        ),
        _ => true,
    }
}

fn is_set_operation(token: &Token) -> bool {
    matches!(
        token,
        Token::Word(Word {
            keyword: Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT | Keyword::MINUS,
            ..
        })
    )
}

fn first_word(tokens: &[TokenWithSpan]) -> String {
    tokens
        .iter()
        .find_map(|t| match &t.token {
            Token::Word(word) => Some(word.value.to_uppercase()),
            _ => None,
        })
        .unwrap_or_else(|| "something else".to_owned())
}

fn unparsed(error: &str) -> Refusal {
    Rule::Unparsed.refuse(format!(
        "The SQL could not be read: {}.",
        error
            .trim_start_matches("sql parser error: ")
            .trim_end_matches('.')
    ))
}

//! The question, cut into tokens.

use super::text;

/// Tokens of one question at most; what is longer is prose, and its answer would be a guess.
pub(super) const TOKENS_MAX: usize = 64;

/// One piece of a question.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    /// As spelled in the question.
    pub(super) raw: String,
    /// Lower case, without accents.
    pub(super) folded: String,
    /// The key that its word, or words, are looked up by in the lexicon.
    pub(super) stem: String,
    /// What it is.
    pub(super) kind: TokenKind,
    /// Written with a capital letter, though it does not begin the question.
    pub(super) capital: bool,
}

impl Token {
    /// A mark between two questions of a conversation.
    pub(super) fn mark() -> Self {
        token(",".to_owned(), TokenKind::Comma, false)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum TokenKind {
    Word,
    /// A number, in SQL's spelling.
    Number(String),
    /// Text between quotation marks.
    Quoted,
    /// `$n`
    Param(u16),
    /// A comma, and other marks between clauses.
    Comma,
}

/// Cuts a question. Marks that mean nothing (`?`, `!`, `.` at the end) are dropped; a `$n` above `parameter_count`, for
/// which nobody has a value, is an amount of money.
pub(super) fn tokens(question: &str, parameter_count: u16) -> Vec<Token> {
    let chars: Vec<char> = question.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < chars.len() && tokens.len() < TOKENS_MAX {
        let c = chars[at];
        let next = chars.get(at + 1).copied();
        if c.is_whitespace() {
            at += 1;
        } else if let Some((end, inner)) = quoted(&chars, at) {
            tokens.push(token(inner, TokenKind::Quoted, false));
            at = end;
        } else if let Some((end, number)) = parameter(&chars, at, parameter_count) {
            let raw: String = chars[at..end].iter().collect();
            tokens.push(token(raw, TokenKind::Param(number), false));
            at = end;
        } else if c.is_ascii_digit()
            || (matches!(c, '-' | '$' | '€' | '£') && next.is_some_and(|n| n.is_ascii_digit()))
        {
            at = number(&chars, at, &mut tokens);
        } else if c.is_alphanumeric() {
            let end = end_of_word(&chars, at);
            let raw: String = chars[at..end].iter().collect();
            let capital = !tokens.is_empty() && c.is_uppercase();
            tokens.push(token(raw, TokenKind::Word, capital));
            at = end;
        } else {
            if matches!(c, '<' | '>' | '=') {
                let end = end_of(&chars, at, |c| matches!(c, '<' | '>' | '='));
                tokens.push(token(
                    chars[at..end].iter().collect(),
                    TokenKind::Word,
                    false,
                ));
                at = end;
                continue;
            }
            if matches!(c, ',' | ';' | ':' | '&') {
                tokens.push(token(c.to_string(), TokenKind::Comma, false));
            }
            at += 1;
        }
    }
    tokens
}

/// The end of `$1`, and its number; "$1,000" and "$2.50" are money.
fn parameter(chars: &[char], at: usize, parameter_count: u16) -> Option<(usize, u16)> {
    let end = end_of(chars, at + 1, |c| c.is_ascii_digit());
    let goes_on = |i: usize| chars.get(i).is_some_and(char::is_ascii_digit);
    let money = matches!(chars.get(end), Some(',' | '.')) && goes_on(end + 1);
    if chars[at] != '$' || end == at + 1 || money {
        return None;
    }
    let digits: String = chars[at + 1..end].iter().collect();
    let number = digits.parse().ok()?;
    (1..=parameter_count)
        .contains(&number)
        .then_some((end, number))
}

fn token(raw: String, kind: TokenKind, capital: bool) -> Token {
    let mut folded = text::fold(&raw).replace('’', "'");
    if kind == TokenKind::Word
        && let Some(owner) = folded.strip_suffix("'s")
    {
        folded = owner.to_owned();
    }
    let stem = match kind {
        TokenKind::Word | TokenKind::Number(_) => text::key(&text::words(&folded)),
        _ => folded.clone(),
    };
    Token {
        raw,
        folded,
        stem,
        kind,
        capital,
    }
}

/// Text between quotation marks that open before a word and close after one.
fn quoted(chars: &[char], at: usize) -> Option<(usize, String)> {
    let close = match chars[at] {
        '"' => '"',
        '\'' => '\'',
        '“' => '”',
        '‘' => '’',
        '«' => '»',
        _ => return None,
    };
    let mut end = at + 1;
    while end < chars.len() {
        let after_is_word = chars.get(end + 1).is_some_and(|c| c.is_alphanumeric());
        if chars[end] == close && !after_is_word {
            let inner: String = chars[at + 1..end].iter().collect();
            return (!inner.trim().is_empty()).then_some((end + 1, inner));
        }
        end += 1;
    }
    None
}

fn end_of(chars: &[char], from: usize, part: impl Fn(char) -> bool) -> usize {
    (from..chars.len())
        .find(|&i| !part(chars[i]))
        .unwrap_or(chars.len())
}

/// A word may hold an apostrophe, an underscore, or a hyphen before a digit ("AP-535", "ber-rtr-01").
fn end_of_word(chars: &[char], from: usize) -> usize {
    let mut end = from;
    while end < chars.len() {
        let c = chars[end];
        let joins = matches!(c, '\'' | '’' | '_' | '@' | '.')
            && chars.get(end + 1).is_some_and(|n| n.is_alphanumeric());
        if !c.is_alphanumeric() && !joins {
            break;
        }
        end += 1;
    }
    end
}

/// A number with thousands marks and a magnitude ("1,000", "2.5k", "3 million"), an ISO date, or a word like "2nd".
fn number(chars: &[char], at: usize, tokens: &mut Vec<Token>) -> usize {
    let start = if matches!(chars[at], '$' | '€' | '£') {
        at + 1
    } else {
        at
    };
    let mut end = start + usize::from(chars[start] == '-');
    let mut digits = String::from(if chars[start] == '-' { "-" } else { "" });
    while end < chars.len() {
        let c = chars[end];
        let digit_after = |n: usize| chars.get(end + n).is_some_and(char::is_ascii_digit);
        let thousands =
            c == ',' && digit_after(1) && digit_after(2) && digit_after(3) && !digit_after(4);
        if c.is_ascii_digit() || (c == '.' && digit_after(1) && !digits.contains('.')) {
            digits.push(c);
        } else if !thousands {
            break;
        }
        end += 1;
    }
    // A date, a version or a code: one token, read elsewhere.
    let joins = |i: usize| {
        matches!(chars.get(i), Some('-' | '/' | '.' | ':'))
            && chars.get(i + 1).is_some_and(|c| c.is_alphanumeric())
    };
    if joins(end) {
        let mut stop = end;
        while stop < chars.len() && (chars[stop].is_alphanumeric() || joins(stop)) {
            stop += 1;
        }
        tokens.push(token(
            chars[start..stop].iter().collect(),
            TokenKind::Word,
            false,
        ));
        return stop;
    }
    let letters = end_of(chars, end, char::is_alphanumeric);
    let suffix: String = chars[end..letters]
        .iter()
        .collect::<String>()
        .to_lowercase();
    let scale = match suffix.as_str() {
        "" => Some(0),
        "k" => Some(3),
        "m" | "mio" | "mn" => Some(6),
        "bn" => Some(9),
        _ => None,
    };
    let raw: String = chars[at..letters].iter().collect();
    match scale.and_then(|zeros| scaled(&digits, zeros)) {
        Some(number) => tokens.push(token(raw, TokenKind::Number(number), false)),
        None => tokens.push(token(raw, TokenKind::Word, false)),
    }
    letters
}

/// A decimal number with its point moved to the right.
pub(super) fn scaled(digits: &str, zeros: usize) -> Option<String> {
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if zeros == 0 {
        return Some(digits.to_owned());
    }
    let moved: String = fraction
        .chars()
        .chain(std::iter::repeat('0'))
        .take(zeros)
        .collect();
    let rest: String = fraction.chars().skip(zeros).collect();
    let number = if rest.is_empty() {
        format!("{whole}{moved}")
    } else {
        format!("{whole}{moved}.{rest}")
    };
    (number.len() <= 30).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_cut_into_words_numbers_quotes_and_parameters() {
        let kinds: Vec<(String, TokenKind)> = tokens(
            "Orders of 'Anna O'Neil' over $1,000.50 or 2.5k since $2, before 2026-03-01?",
            2,
        )
        .into_iter()
        .map(|t| (t.folded, t.kind))
        .collect();
        let expect = [
            ("orders", TokenKind::Word),
            ("of", TokenKind::Word),
            ("anna o'neil", TokenKind::Quoted),
            ("over", TokenKind::Word),
        ];
        for (found, (text, kind)) in kinds.iter().zip(expect) {
            assert_eq!((found.0.as_str(), &found.1), (text, &kind));
        }
        let rest: Vec<_> = kinds[4..].iter().map(|(_, k)| k.clone()).collect();
        assert_eq!(rest[2], TokenKind::Number("2500".into()));
        assert!(rest.contains(&TokenKind::Param(2)));
        assert_eq!(kinds.last().map(|k| k.0.as_str()), Some("2026-03-01"));
    }

    #[test]
    fn what_has_no_value_is_money() {
        for (parameter_count, kind) in [
            (0, TokenKind::Number("2".into())),
            (1, TokenKind::Number("2".into())),
            (2, TokenKind::Param(2)),
        ] {
            assert_eq!(tokens("over $2", parameter_count)[1].kind, kind);
        }
    }
}

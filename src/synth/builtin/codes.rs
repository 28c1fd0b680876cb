//! What a comment says of codes: "A = active, I = inactive", "1: open; 2: closed", "M (male), F (female)".

use super::text::words;

/// Letters of a code at most.
const CODE_CHARS_MAX: usize = 12;

/// Words of what a code means at most; more is a description.
const MEANING_WORDS_MAX: usize = 4;

/// Signs between a code and what it means.
const SIGNS: &[&str] = &[
    "=>", "->", "=", ":", " - ", " – ", " means ", " is ", " for ",
];

/// Codes and what each means, as folded words. One alone is no list of codes.
pub(super) fn codes(comment: &str) -> Vec<(String, Vec<String>)> {
    let found: Vec<(String, Vec<String>)> = comment
        .split([',', ';', '\n', '/', '|'])
        .flat_map(|part| part.split(" and ").flat_map(|part| part.split(" or ")))
        .filter_map(code)
        .collect();
    if found.len() > 1 { found } else { Vec::new() }
}

fn code(part: &str) -> Option<(String, Vec<String>)> {
    let part = part.trim().trim_end_matches('.');
    let (left, right) = match part.split_once('(') {
        // "M (male)"
        Some((left, right)) if right.ends_with(')') && !left.contains(['=', ':']) => {
            (left, right.trim_end_matches(')'))
        }
        _ => SIGNS
            .iter()
            .filter_map(|sign| {
                let at = part.rfind(sign)?;
                Some((&part[..at], &part[at + sign.len()..]))
            })
            .next()?,
    };
    // "Status: A = active"
    let quotes: &[char] = &['\'', '"', '`', '(', ')', '[', ']', ' '];
    let code = left.split_whitespace().next_back()?.trim_matches(quotes);
    let meaning = words(right.trim_matches(quotes));
    let good = !code.is_empty()
        && code.chars().count() <= CODE_CHARS_MAX
        && code.chars().any(char::is_alphanumeric)
        && (1..=MEANING_WORDS_MAX).contains(&meaning.len())
        && meaning.iter().any(|word| word.len() > 1);
    good.then(|| (code.to_owned(), meaning))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_codes_are_read_and_prose_is_not() {
        let cases: &[(&str, &str)] = &[
            ("A = active, I = inactive", "A active|I inactive"),
            (
                "Status: A=active; X=no longer sold.",
                "A active|X no longer sold",
            ),
            (
                "1: open, 2: closed, 3: on hold",
                "1 open|2 closed|3 on hold",
            ),
            ("'M' (male) or 'F' (female)", "M male|F female"),
            ("S - small\nL - large", "S small|L large"),
            ("N means never used, D means done", "N never used|D done"),
            ("The day on which the order was placed", ""),
            ("Currency: always euros", ""),
            ("Customers (clients, buyers) of the shop", ""),
            ("", ""),
        ];
        for (comment, expect) in cases {
            let found: Vec<String> = codes(comment)
                .iter()
                .map(|(code, meaning)| format!("{code} {}", meaning.join(" ")))
                .collect();
            assert_eq!(found.join("|"), *expect, "{comment}");
        }
    }
}

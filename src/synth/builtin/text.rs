//! Words: how names, values and questions are cut into comparable pieces.

use std::cell::RefCell;
use std::collections::HashMap;

use rust_stemmers::{Algorithm, Stemmer};

/// Stems remembered by one thread. A question has a score of words, and a lexicon repeats the same few thousand.
const STEMS_MAX: usize = 20_000;

/// Splits a name or a text into lower-case words without accents: `snake_case`, `camelCase`, `HTTPPort`, `two words`.
pub(super) fn words(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let mut words: Vec<String> = Vec::new();
    let mut open = false;
    for (i, &c) in chars.iter().enumerate() {
        if !c.is_alphanumeric() {
            // An apostrophe inside a word is not a gap: "customer's", "don't".
            let inside = matches!(c, '\'' | '’')
                && open
                && chars.get(i + 1).is_some_and(|n| n.is_alphanumeric());
            open = inside;
            continue;
        }
        let before = i.checked_sub(1).map(|j| chars[j]);
        let after = chars.get(i + 1).copied();
        let humps = c.is_uppercase()
            && (before.is_some_and(char::is_lowercase)
                || before.is_some_and(char::is_uppercase) && after.is_some_and(char::is_lowercase));
        if !open || humps {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            fold_into(c, word);
        }
        open = true;
    }
    words
}

/// Lower case, and the letters of western Europe without their accents.
pub(super) fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for c in text.chars() {
        fold_into(c, &mut folded);
    }
    folded
}

fn fold_into(c: char, out: &mut String) {
    if c.is_ascii() {
        out.push(c.to_ascii_lowercase());
        return;
    }
    for c in c.to_lowercase() {
        match c {
            'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' | 'ą' | 'ă' | 'ā' => out.push('a'),
            'ç' | 'ć' | 'č' => out.push('c'),
            'è' | 'é' | 'ê' | 'ë' | 'ę' | 'ė' | 'ē' | 'ě' => out.push('e'),
            'ì' | 'í' | 'î' | 'ï' | 'ı' | 'ī' => out.push('i'),
            'ł' => out.push('l'),
            'ñ' | 'ń' | 'ň' => out.push('n'),
            'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' | 'ő' | 'ō' => out.push('o'),
            'ř' => out.push('r'),
            'ś' | 'š' | 'ş' | 'ș' => out.push('s'),
            'ß' => out.push_str("ss"),
            'ť' | 'ţ' | 'ț' => out.push('t'),
            'ù' | 'ú' | 'û' | 'ü' | 'ů' | 'ű' | 'ū' => out.push('u'),
            'ý' | 'ÿ' => out.push('y'),
            'ż' | 'ź' | 'ž' => out.push('z'),
            'æ' => out.push_str("ae"),
            'œ' => out.push_str("oe"),
            // A combining accent.
            '\u{300}'..='\u{36f}' => {}
            other => out.push(other),
        }
    }
}

/// Plurals and participles that no stemmer knows.
const IRREGULAR: &[(&str, &str)] = &[
    ("people", "person"),
    ("persons", "person"),
    ("men", "man"),
    ("women", "woman"),
    ("children", "child"),
    ("feet", "foot"),
    ("mice", "mouse"),
    ("data", "data"),
    ("media", "media"),
    ("indices", "index"),
    ("criteria", "criterion"),
    ("sold", "sell"),
    ("bought", "buy"),
    ("paid", "pay"),
    ("payment", "pay"),
    ("payments", "pay"),
    ("payed", "pay"),
    ("sent", "send"),
    ("spent", "spend"),
    ("written", "write"),
    ("wrote", "write"),
    ("won", "win"),
    ("taken", "take"),
    ("took", "take"),
    ("made", "make"),
    ("shipment", "ship"),
    ("shipments", "ship"),
    ("delivery", "deliver"),
    ("deliveries", "deliver"),
    ("news", "news"),
    ("status", "status"),
    ("statuses", "status"),
];

/// The stem of a folded word.
///
/// # Source
/// The English Snowball stemmer ("Porter2"), and a short list of what it gets wrong.
pub(super) fn stem(word: &str) -> String {
    thread_local! {
        static STEMS: RefCell<HashMap<String, String>> = RefCell::new(HashMap::new());
    }
    STEMS.with_borrow_mut(|stems| {
        if let Some(known) = stems.get(word) {
            return known.clone();
        }
        let stemmed = stem_anew(word);
        if stems.len() < STEMS_MAX {
            stems.insert(word.to_owned(), stemmed.clone());
        }
        stemmed
    })
}

fn stem_anew(word: &str) -> String {
    let word = word
        .strip_suffix("'s")
        .or_else(|| word.strip_suffix("’s"))
        .unwrap_or(word);
    if let Some((_, base)) = IRREGULAR.iter().find(|(form, _)| *form == word) {
        return (*base).to_owned();
    }
    if word.len() <= 3 || word.bytes().any(|b| b.is_ascii_digit()) {
        // "ids" is the one short plural that schemas are full of.
        return if word == "ids" { "id" } else { word }.to_owned();
    }
    Stemmer::create(Algorithm::English).stem(word).into_owned()
}

/// The key under which a phrase is looked up: its stems, one space between.
pub(super) fn key<S: AsRef<str>>(words: &[S]) -> String {
    let mut key = String::new();
    for word in words {
        if !key.is_empty() {
            key.push(' ');
        }
        key.push_str(&stem(word.as_ref()));
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_at_humps_and_underscores() {
        let cases: &[(&str, &[&str])] = &[
            ("order_items", &["order", "items"]),
            ("loyaltyPoints", &["loyalty", "points"]),
            ("HTTPPort", &["http", "port"]),
            ("Möbel Łódź", &["mobel", "lodz"]),
            ("customer's", &["customers"]),
            ("ge-0/0/1", &["ge", "0", "0", "1"]),
            ("", &[]),
        ];
        for (text, expect) in cases {
            assert_eq!(&words(text), expect, "{text}");
        }
    }

    #[test]
    fn forms_of_one_word_share_a_stem() {
        for (a, b) in [
            ("customers", "customer"),
            ("categories", "category"),
            ("people", "person"),
            ("shipments", "shipped"),
            ("payments", "paid"),
            ("ordered", "orders"),
            ("countries", "country"),
        ] {
            assert_eq!(stem(a), stem(b), "{a} {b}");
        }
    }
}

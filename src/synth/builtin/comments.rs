//! Names that a comment gives to the thing it describes.
//!
//! "Customers (clients, buyers) of the shop" names three; "Empty while the parcel is on its way" names none.

use super::english;
use super::text::words;

/// Words of a name at most; more is a description.
const ALIAS_WORDS_MAX: usize = 3;

/// Where a name ends: what follows describes it.
const ENDS: &[&str] = &[
    "of", "that", "which", "who", "for", "from", "to", "in", "with", "when", "where", "since",
    "while", "before", "after", "by", "at", "on", "is", "are", "was", "has", "as", "per", "one",
    "between", "if", "what", "how", "why", "not", "no", "empty", "whether", "does", "did", "can",
    "every", "each", "all", "used", "written", "received",
];

/// The names in a comment, each as folded words.
pub(super) fn aliases(comment: &str) -> Vec<Vec<String>> {
    // Only the beginning of a comment names; later sentences explain.
    comment
        .split([',', '(', ')', ':', ';', '/', '.'])
        .flat_map(|part| part.split(" or "))
        .filter_map(alias)
        .collect()
}

fn alias(part: &str) -> Option<Vec<String>> {
    let mut name = Vec::new();
    for word in words(part) {
        if matches!(word.as_str(), "the" | "a" | "an" | "or" | "and") && name.is_empty() {
            continue;
        }
        if ENDS.contains(&word.as_str()) || word == "and" {
            break;
        }
        name.push(word);
    }
    let good =
        !name.is_empty() && name.len() <= ALIAS_WORDS_MAX && name.iter().any(|w| w.len() > 2);
    // "The number of the line": "number" does something in questions and is nobody's name.
    let closed = !english::functions(&name.join(" ")).is_empty();
    (good && !closed).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_names_what_it_describes() {
        let cases: &[(&str, &[&str])] = &[
            (
                "Customers (clients, buyers) of the shop",
                &["customers", "clients", "buyers"],
            ),
            ("CPU usage in percent", &["cpu usage"]),
            ("Empty while the parcel is on its way", &[]),
            (
                "Order total in euros: the revenue, sales or turnover of the order",
                &["order total", "revenue", "sales", "turnover"],
            ),
            ("Whether the link is up", &[]),
            ("The number of the line within its order", &[]),
        ];
        for (comment, expect) in cases {
            let found: Vec<String> = aliases(comment).iter().map(|a| a.join(" ")).collect();
            assert_eq!(&found, expect, "{comment}");
        }
    }
}

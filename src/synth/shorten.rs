//! One line of what somebody else wrote, for a message to a client.

/// The longest piece of a reply that an error repeats, in characters.
const CHARS_MAX: usize = 200;

/// A text as one line without control characters, cut to [`CHARS_MAX`] characters.
pub(in crate::synth) fn shorten(text: &str) -> String {
    one_line(text, CHARS_MAX)
}

/// A text as one line without control characters, cut to so many characters.
pub(in crate::synth) fn one_line(text: &str, chars_max: usize) -> String {
    let mut line = String::new();
    for (count, c) in text
        .split_whitespace()
        .flat_map(|word| word.chars().chain([' ']))
        .filter(|c| !c.is_control())
        .enumerate()
    {
        if count == chars_max {
            return format!("{}...", line.trim_end());
        }
        line.push(c);
    }
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_becomes_one_short_line() {
        assert_eq!(shorten(" a\n\tb\u{1b}[0m  c "), "a b[0m c");
        assert_eq!(shorten(&"é".repeat(300)), format!("{}...", "é".repeat(200)));
    }
}

//! `ask.*` settings in a StartupMessage: as parameters of their own, and in `options`.
//!
//! They are taken out before the server sees the message: it would not know them, and a session with other settings of
//! ours is no reason for another pool.

use crate::ask::session_settings::SessionSettings;
use crate::error::Refusal;
use crate::wire::startup::StartupMessage;

/// Takes the settings of ours out of a StartupMessage, and makes them what the session begins with.
///
/// # Errors
/// 42704 and 22023, as SET has them; what would be allowed is not told to whoever has yet to prove who it is.
pub(super) fn take(
    startup: &mut StartupMessage,
    settings: &mut SessionSettings,
    providers: &[&str],
) -> Result<(), Refusal> {
    let mut ours = Vec::new();
    startup.parameters.retain_mut(|(name, value)| {
        if let Some(own) = own_name(name) {
            ours.push((own, std::mem::take(value)));
            return false;
        }
        if name == "options" {
            let (rest, found) = split(value);
            if !found.is_empty() {
                ours.splice(0..0, found);
                *value = rest;
                return !value.is_empty();
            }
        }
        true
    });
    for (name, value) in ours {
        settings
            .begin_with(&name, &value, providers)
            .map_err(|refusal| Refusal {
                hint: None,
                ..refusal
            })?;
    }
    Ok(())
}

/// The name after `ask.`, in lower case.
fn own_name(name: &str) -> Option<String> {
    let (prefix, own) = name.split_once('.')?;
    prefix
        .eq_ignore_ascii_case("ask")
        .then(|| own.to_lowercase())
}

/// `options` without the settings of ours, as it was written otherwise, and those settings.
///
/// # Source
/// `pg_split_opts` and `process_postgres_switches` in PostgreSQL's sources: words stand between white space, which a
/// backslash makes part of a word; `-c name=value`, `-cname=value` and `--name=value` set, and `-` in a name that follows
/// `--` stands for `_`.
fn split(options: &str) -> (String, Vec<(String, String)>) {
    let words = words(options);
    let mut rest = Vec::new();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let plain = unescaped(word);
        let (assignment, length) = if plain == "-c" {
            (words.get(at + 1).map(|next| unescaped(next)), 2)
        } else if let Some(assignment) = plain.strip_prefix("--") {
            (Some(assignment.to_owned()), 1)
        } else {
            (plain.strip_prefix("-c").map(str::to_owned), 1)
        };
        let ours = assignment.as_deref().and_then(|assignment| {
            let (name, value) = assignment.split_once('=')?;
            Some((own_name(&name.replace('-', "_"))?, value.to_owned()))
        });
        let end = (at + length).min(words.len());
        match ours {
            Some(ours) => found.push(ours),
            None => rest.extend_from_slice(&words[at..end]),
        }
        at = end;
    }
    (rest.join(" "), found)
}

/// The words as they were written.
fn words(options: &str) -> Vec<&str> {
    let bytes = options.as_bytes();
    let mut words = Vec::new();
    let mut start = None;
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at].is_ascii_whitespace() {
            words.extend(start.take().map(|start| &options[start..at]));
        } else {
            start.get_or_insert(at);
            at += usize::from(bytes[at] == b'\\');
        }
        at += 1;
    }
    words.extend(start.map(|start| &options[start..]));
    words
}

fn unescaped(word: &str) -> String {
    let mut chars = word.chars();
    let mut plain = String::with_capacity(word.len());
    while let Some(c) = chars.next() {
        plain.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_ours_are_taken_out_of_options() {
        let ours = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let cases = [
            ("-c ask.notices=off", "", vec![ours("notices", "off")]),
            ("-cask.max_rows=5", "", vec![ours("max_rows", "5")]),
            ("--ask.max-rows=5", "", vec![ours("max_rows", "5")]),
            (
                "-c work_mem=1MB  -c ASK.Timeout=1\\ min -c geqo=off",
                "-c work_mem=1MB -c geqo=off",
                vec![ours("timeout", "1 min")],
            ),
            ("-c mask.x=1 -e", "-c mask.x=1 -e", vec![]),
            ("-c", "-c", vec![]),
            ("-c ask.notices", "-c ask.notices", vec![]),
            ("-c a=\\", "-c a=\\", vec![]),
            ("", "", vec![]),
        ];
        for (options, rest, found) in cases {
            assert_eq!(split(options), (rest.to_owned(), found), "{options}");
        }
    }
}

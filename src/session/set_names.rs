//! What a text that cannot be read as a plain SET says of settings all the same: names that only the server knows
//! whether they were set, and whether `set_config` sets for longer than the transaction.
//!
//! Words are found wherever they stand. A false alarm costs a question to the server.

use crate::schema::state_words::is_word_byte;

/// What a text says of settings.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// Names with a prefix, in lower case: nobody but who made them up knows them.
    pub(super) custom: Vec<Box<str>>,
    /// Something is set whose name the text does not tell, or whose value the server would not tell.
    pub(super) is_secret: bool,
    /// There is a `set_config` that may set for longer than the transaction.
    pub(super) sets_by_function: bool,
}

/// How far a name is looked for behind the word that introduces it.
const NAME_BYTES_MAX: usize = 1024;
/// How far the end of a call of `set_config` is looked for.
const CALL_BYTES_MAX: usize = 1024 * 1024;
/// More calls in one text are not looked at: one that is never closed costs a look at all that follows.
const CALLS_MAX: usize = 64;

/// Reads a text.
pub(super) fn read(sql: &[u8]) -> Said {
    let mut said = Said::default();
    let mut calls = 0;
    let mut at = 0;
    while at < sql.len() {
        if !is_word_byte(sql[at]) {
            at += 1;
            continue;
        }
        let length = sql[at..]
            .iter()
            .take_while(|byte| is_word_byte(**byte))
            .count();
        let (word, rest) = sql[at..].split_at(length);
        at += length;
        if word.eq_ignore_ascii_case(b"set") || word.eq_ignore_ascii_case(b"reset") {
            said.statement(&rest[..rest.len().min(NAME_BYTES_MAX)]);
        } else if word.eq_ignore_ascii_case(b"set_config") {
            calls += 1;
            let sight = if calls > CALLS_MAX { 0 } else { CALL_BYTES_MAX };
            said.function(&rest[..rest.len().min(sight)]);
        }
    }
    said
}

impl Said {
    /// What follows a word SET or RESET.
    fn statement(&mut self, rest: &[u8]) {
        let mut rest = rest;
        loop {
            let Some((name, tail)) = name(rest) else {
                self.is_secret |= hides_name(rest);
                return;
            };
            let is_scope = ["session", "local"].contains(&name.as_str());
            if !is_scope || hides_nothing(tail) {
                self.named(&name);
                return;
            }
            rest = tail;
        }
    }

    /// What follows a word `set_config`.
    fn function(&mut self, rest: &[u8]) {
        let Some((name, rest)) = first_argument(rest) else {
            self.sets_by_function = true;
            self.is_secret = true;
            return;
        };
        if !is_local(rest) {
            self.sets_by_function = true;
            self.named(&name.to_ascii_lowercase());
        }
    }

    fn named(&mut self, name: &str) {
        // The first is gone when it is set, and the others are shown to few.
        const SECRET: [&str; 3] = ["seed", "dynamic_library_path", "session_preload_libraries"];
        self.is_secret |= SECRET.contains(&name);
        if name.contains('.') {
            self.custom.push(name.into());
        }
    }
}

/// Whether what stands here, and is no name that could be read, may be one: a comment or a letter of any alphabet.
fn hides_name(text: &[u8]) -> bool {
    let text = trimmed(text);
    let word = text.iter().take_while(|byte| is_word_byte(**byte));
    matches!(text.first(), Some(b'/' | b'-' | b'"')) || !word.copied().all(|byte| byte.is_ascii())
}

/// Whether a word that looked like a scope is the name itself.
fn hides_nothing(text: &[u8]) -> bool {
    let text = trimmed(text);
    text.first() == Some(&b'=') || name(text).is_some_and(|(next, _)| next == "to")
}

/// What stands behind white space and comments; a comment within a comment ends it.
fn trimmed(text: &[u8]) -> &[u8] {
    let mut rest = text.trim_ascii_start();
    loop {
        let end = if rest.starts_with(b"--") {
            memchr::memchr(b'\n', rest)
        } else if let Some(comment) = rest.strip_prefix(b"/*") {
            let end = memchr::memmem::find(comment, b"*/");
            end.filter(|end| memchr::memmem::find(&comment[..*end], b"/*").is_none())
                .map(|end| end + 4)
        } else {
            return rest;
        };
        let Some(end) = end else {
            return rest;
        };
        rest = rest[end..].trim_ascii_start();
    }
}

/// A name with its prefixes, in lower case, and what follows it.
fn name(text: &[u8]) -> Option<(String, &[u8])> {
    let mut full = String::new();
    let mut rest = text;
    loop {
        rest = trimmed(rest);
        let (part, tail) = if let Some(quoted) = rest.strip_prefix(b"\"") {
            let end = memchr::memchr(b'"', quoted)?;
            (&quoted[..end], &quoted[end + 1..])
        } else {
            rest.split_at(rest.iter().take_while(|byte| is_word_byte(**byte)).count())
        };
        if part.is_empty()
            || !part
                .iter()
                .all(|byte| is_word_byte(*byte) && byte.is_ascii())
        {
            return None;
        }
        full.push_str(&std::str::from_utf8(part).ok()?.to_ascii_lowercase());
        rest = tail;
        let Some(tail) = trimmed(rest).strip_prefix(b".") else {
            return Some((full, rest));
        };
        full.push('.');
        rest = tail;
    }
}

/// The text of a first argument that is a plain literal, and what follows its comma.
fn first_argument(text: &[u8]) -> Option<(&str, &[u8])> {
    let text = text.trim_ascii_start().strip_prefix(b"(")?;
    let text = text.trim_ascii_start().strip_prefix(b"'")?;
    let end = memchr::memchr(b'\'', text)?;
    let (name, rest) = (&text[..end], &text[end + 1..]);
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'$');
    if name.is_empty() || !name.iter().all(is_plain) {
        return None;
    }
    let rest = rest.trim_ascii_start().strip_prefix(b",")?;
    Some((std::str::from_utf8(name).ok()?, rest))
}

/// Whether the third argument, behind the second, is the word `true`.
fn is_local(text: &[u8]) -> bool {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'\'' | b'"' => {
                let quote = text[at];
                let Some(length) = memchr::memchr(quote, &text[at + 1..]) else {
                    return false;
                };
                if memchr::memchr(b'\\', &text[at..at + 1 + length]).is_some() {
                    return false;
                }
                at += 1 + length;
            }
            b'(' | b'[' => depth += 1,
            b')' | b']' => match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return false,
            },
            b',' if depth == 0 => {
                let third = text[at + 1..].trim_ascii_start();
                return third.split_at_checked(4).is_some_and(|(word, rest)| {
                    word.eq_ignore_ascii_case(b"true") && rest.trim_ascii_start().starts_with(b")")
                });
            }
            // Dollar quotes, comments and statements' ends: who knows what follows.
            b'$' if !text.get(at + 1).is_some_and(u8::is_ascii_digit) => return false,
            b'-' if text.get(at + 1) == Some(&b'-') => return false,
            b'/' if text.get(at + 1) == Some(&b'*') => return false,
            b';' | b'\\' => return false,
            _ => {}
        }
        at += 1;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sql: &str, custom: &[&str], is_secret: bool, sets_by_function: bool) {
        let expect = Said {
            custom: custom.iter().map(|name| Box::from(*name)).collect(),
            is_secret,
            sets_by_function,
        };
        assert_eq!(read(sql.as_bytes()), expect, "{sql}");
    }

    #[test]
    fn what_a_text_says_of_settings_is_found() {
        check(
            "begin; set App.Tenant = 1; commit",
            &["app.tenant"],
            false,
            false,
        );
        check("/* c */ set session a.\"B\" to 'x'", &["a.b"], false, false);
        check("select 1; set local a . b = 1", &["a.b"], false, false);
        check("select 1; set work_mem = 1", &[], false, false);
        check("set local to 1; reset x.y", &["x.y"], false, false);
        check("set seed = 0.5", &[], true, false);
        check("set /* c */ a -- d\n.b = 1", &["a.b"], false, false);
        check("set /* /* c */ */ a.b = 1", &[], true, false);
        check("set \"a b\".c = 1", &[], true, false);
        check("set größe.x = 1", &[], true, false);
        check("update t set (a, b) = (1, 2)", &[], false, false);
        check(
            "select set_config('App.x', $1, false)",
            &["app.x"],
            false,
            true,
        );
        check("select set_config('work_mem', $1, $2)", &[], false, true);
        check("select set_config($1, $2, false)", &[], true, true);
        check("select set_config('a'||'b.c', '1', false)", &[], true, true);
        check("select set_config(E'a.b', '1', false)", &[], true, true);
        check("select \"set_config\"('a.b', '1', false)", &[], true, true);
    }

    #[test]
    fn what_lies_too_far_is_taken_for_the_worst() {
        let padding = " ".repeat(NAME_BYTES_MAX);
        check(&format!("set {padding}work_mem = 1"), &[], false, false);
        check(
            &format!("set /* {padding} */ work_mem = 1"),
            &[],
            true,
            false,
        );
        let calls = "set_config('a', ".repeat(CALLS_MAX + 1);
        check(&calls, &[], true, true);
        let local = "select set_config('a', '1', true);".repeat(CALLS_MAX);
        check(&local, &[], false, false);
    }

    #[test]
    fn what_ends_with_the_transaction_is_told_from_what_does_not() {
        for fading in [
            "select set_config('a.b', $1, true)",
            "select pg_catalog.set_config('role', 'x', TRUE), set_config('a.b', f(1, ')'), true )",
            "select set_config('a.b', '{\"a\": [1, 2]}', true)",
        ] {
            check(fading, &[], false, false);
        }
        for lasting in [
            "select set_config('a.b', $$,true)$$, false)",
            "select set_config('a.b', '\\', true), ', false)",
            "select set_config('a.b', 'x', true and false)",
            "select set_config('a.b', 'x', truely())",
            "select set_config('a.b', 'x' /* , true) */, false)",
            "select set_config('a.b', 'x', $1)",
            "select set_config('a.b', 'x'",
        ] {
            check(lasting, &["a.b"], false, true);
        }
    }
}

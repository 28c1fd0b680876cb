//! Whether the body of a function, or a DO block, may leave something behind on the connection that runs it.

use super::state_words::{comment_bytes, is_word_byte, kept_by, words};

/// Whether a body in SQL or PL/pgSQL, in comments and literals too, names something that keeps state. Calls of other
/// functions are not followed here.
#[must_use]
pub fn keeps_state(source: &[u8]) -> bool {
    words(source).any(|word| kept_by(word).is_some() || is_command(word)) || sets(source)
}

/// Commands that leave something behind, and EXECUTE, which may run any of them.
fn is_command(word: &[u8]) -> bool {
    const COMMANDS: [&[u8]; 4] = [b"execute", b"listen", b"load", b"prepare"];
    COMMANDS
        .iter()
        .any(|command| word.eq_ignore_ascii_case(command))
}

/// Whether the word behind a DO can be that of a block, rather than of an INSERT's conflict or of a rule.
#[must_use]
pub fn begins_block(word: &[u8]) -> bool {
    const OTHERS: [&[u8]; 4] = [b"nothing", b"update", b"instead", b"also"];
    !OTHERS.iter().any(|other| word.eq_ignore_ascii_case(other))
}

/// Whether a DO block in this text may leave something behind: by its body, as that of a function, or because the body
/// is not to be seen as such.
#[must_use]
pub fn block_keeps_state(sql: &[u8]) -> bool {
    let mut words_of_sql = words(sql);
    while let Some(word) = words_of_sql.next() {
        let in_other_language = |word: Option<&[u8]>| {
            word.is_none_or(|language| !language.eq_ignore_ascii_case(b"plpgsql"))
        };
        if word.eq_ignore_ascii_case(b"language") && in_other_language(words_of_sql.next()) {
            return true;
        }
        if !word.eq_ignore_ascii_case(b"do") {
            continue;
        }
        let mut body = words_of_sql.next();
        if body.is_some_and(|word| word.eq_ignore_ascii_case(b"language")) {
            if in_other_language(words_of_sql.next()) {
                return true;
            }
            body = words_of_sql.next();
        }
        // In a literal that is not dollar-quoted, no SET would be found.
        if body.is_some_and(|body| begins_block(body) && !body.starts_with(b"$")) {
            return true;
        }
    }
    keeps_state(sql)
}

/// Whether there is a SET that is not an UPDATE's, nor one whose effect ends with the transaction.
fn sets(source: &[u8]) -> bool {
    let mut tokens = Tokens(source).peekable();
    let mut updating = false;
    while let Some(token) = tokens.next() {
        let is = |name: &str| token.eq_ignore_ascii_case(name.as_bytes());
        if is("set") {
            let fades = tokens.peek().is_some_and(|next| {
                [&b"local"[..], b"constraints", b"transaction"]
                    .iter()
                    .any(|word| next.eq_ignore_ascii_case(word))
            });
            if !updating && !fades {
                return true;
            }
            updating = false;
        } else if is("update") {
            updating = true;
        } else if !matches!(token, b"." | b"*") && !is_word_byte(token[0])
            || ["begin", "then", "else", "loop"]
                .iter()
                .any(|word| is(word))
        {
            // Between UPDATE and its SET stands nothing but a name.
            updating = false;
        }
    }
    false
}

/// Words, single symbols and quoted identifiers (as a `*`, which may stand where they do); comments and string
/// literals are left out.
struct Tokens<'a>(&'a [u8]);

impl<'a> Iterator for Tokens<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            let text = self.0;
            let first = *text.first()?;
            if first.is_ascii_whitespace() {
                self.0 = &text[1..];
            } else if text.starts_with(b"--") {
                self.0 = &text[memchr::memchr(b'\n', text).unwrap_or(text.len())..];
            } else if text.starts_with(b"/*") {
                self.0 = &text[comment_bytes(text).unwrap_or(text.len())..];
            } else if first == b'\'' {
                self.0 = &text[quoted_bytes(text, false)..];
            } else if matches!(first, b'e' | b'E') && text.get(1) == Some(&b'\'') {
                self.0 = &text[1 + quoted_bytes(&text[1..], true)..];
            } else if first == b'"' {
                self.0 = &text[quoted_bytes(text, false)..];
                return Some(b"*");
            } else {
                let word = text.iter().take_while(|byte| is_word_byte(**byte)).count();
                let (token, rest) = text.split_at(word.max(1));
                self.0 = rest;
                return Some(token);
            }
        }
    }
}

fn quoted_bytes(text: &[u8], has_escapes: bool) -> usize {
    let quote = text[0];
    let mut at = 1;
    while at < text.len() {
        if has_escapes && text[at] == b'\\' {
            at += 2;
        } else if text[at] == quote {
            return at + 1;
        } else {
            at += 1;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_that_may_leave_something_behind_are_told_from_those_that_do_not() {
        for source in [
            "select set_config('a.b', $1, false)",
            "BEGIN PERFORM pg_advisory_lock(1); END",
            "begin execute 'create ' || 'table x ()'; end",
            "begin create temp table t (); end",
            "begin set work_mem = '1MB'; end",
            "begin -- update\n set role other; end",
            "begin /* update /* t */ */ set role other; end",
            "begin update t set a = 1; set role other; end",
            "begin if tg_op = 'UPDATE' then set role other; end if; end",
            "begin for r in select 1 for update loop set role other; end loop; end",
            "begin x := E'\\'update '; set role other; end",
            "begin x := $q$update$q$; set role other; end",
            "set session characteristics as transaction read only",
            "begin listen c; end",
            "begin load 'x'; end",
            "begin prepare p as select 1; end",
            "declare c cursor with hold for select 1",
            "select nextval('s')",
            "select dblink_connect('')",
            // False alarms, which only cost sharing.
            "select 1 -- set_config",
            "select 'listen'",
            "alter table t set (fillfactor = 50)",
        ] {
            assert!(keeps_state(source.as_bytes()), "{source}");
        }
        for source in [
            "",
            "select 1",
            "begin return new; end",
            "update t set a = 1",
            "update only public.t * as x set a = 1 where true",
            "update \"My T\" set a = 1",
            "insert into t values (1) on conflict (i) do update set a = 1",
            "begin if x then update t set a = 1; end if; end",
            "select pg_advisory_xact_lock(1)",
            "begin set local work_mem = '1MB'; set constraints all deferred; end",
            "select 'set role other'",
            "select settings from reset_set",
            "select 'it''s', \"set\" from t",
        ] {
            assert!(!keeps_state(source.as_bytes()), "{source}");
        }
    }

    #[test]
    fn a_block_is_known_by_its_body() {
        for harmless in [
            "do $$ begin perform 1; end $$",
            "DO LANGUAGE plpgsql $body$ begin update t set a = 1; end $body$",
            "do $$ begin insert into t values (1) on conflict do nothing; end $$ language plpgsql",
            "do $$ declare x int; begin set local work_mem = '1MB'; end $$",
        ] {
            assert!(!block_keeps_state(harmless.as_bytes()), "{harmless}");
        }
        for keeping in [
            "do $$ begin set work_mem = '1MB'; end $$",
            "do $$ begin execute 'x'; end $$",
            "do $$ begin perform set_config('a.b', 'c', false); end $$",
            "do 'begin set work_mem = ''1MB''; end'",
            "do E'begin set role x; end'",
            "do language plpgsql 'begin set role x; end'",
            "do language plperl $$ 1 $$",
            "do $$ 1 $$ language plpython3u",
            "do $$ begin perform 1; end $$; do 'begin set role x; end'",
            "do language",
        ] {
            assert!(block_keeps_state(keeping.as_bytes()), "{keeping}");
        }
        assert!(begins_block(b"language") && begins_block(b"$$"));
        assert!(!begins_block(b"NOTHING") && !begins_block(b"update"));
    }

    #[test]
    fn any_text_comes_to_an_end() {
        for source in ["'", "\"", "/*", "--", "E'\\", "e'", "/* /* */", "set", "$"] {
            let _ = keeps_state(source.as_bytes());
        }
    }
}

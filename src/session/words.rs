//! The one scan over a statement's text: which words are in it that could matter.
//!
//! This is not a parser. It finds words wherever they stand, in literals and comments too, because a false alarm
//! costs a little sharing (or, for `ask`, a closer look) and a miss would be a defect.

use super::marks::Marks;
use crate::schema::keeper_source::{begins_block, block_keeps_state};
use crate::schema::keepers::Keepers;
use crate::schema::state_words::{Kept, is_word_byte, kept_by, words};

/// Marks of the words in `sql`, in any encoding that keeps ASCII letters where they are; the keepers' names are among
/// the words looked for, where the database has any.
#[must_use]
pub fn scan(sql: &[u8], keepers: Option<&Keepers>) -> Marks {
    let mut marks = Marks::default();
    if keepers.is_some_and(|keepers| keepers.behind_every_statement) {
        marks.add(Marks::CODE);
    }
    let mut first = true;
    let mut last: &[u8] = b"";
    let mut holds_block = false;
    // A statement may begin anywhere behind a semicolon, and behind the end of a comment.
    let mut is_separated = false;
    let mut at = 0;
    while at < sql.len() {
        let class = CLASS[sql[at] as usize];
        if class & WORD == 0 {
            is_separated |= class & SEPARATOR != 0 && separates(&sql[at..]);
            at += 1;
            continue;
        }
        let start = at;
        while at < sql.len() && CLASS[sql[at] as usize] & WORD != 0 {
            at += 1;
        }
        if last.len() == 7
            && last.eq_ignore_ascii_case(b"prepare")
            && !sql[start..at].eq_ignore_ascii_case(b"transaction")
        {
            marks.add(Marks::NAMES_STATEMENT);
        }
        if sql.get(at) == Some(&b'.') && is_library_setting(last, &sql[start..at]) {
            marks.add(Marks::LIBRARY);
        }
        holds_block |=
            last.len() == 2 && last.eq_ignore_ascii_case(b"do") && begins_block(&sql[start..at]);
        if class & CANDIDATE != 0 {
            let found = word(&sql[start..at]);
            let stands = if found.contains(Marks::RESET_ALL) {
                last.eq_ignore_ascii_case(b"reset")
            } else {
                !found.contains(Marks::SETS) || first || is_separated
            };
            if stands {
                marks.add(found);
            }
        }
        last = &sql[start..at];
        if let Some(keepers) = keepers
            && keepers.has(last)
        {
            marks.add(Marks::CODE);
        }
        if first {
            first = false;
            marks.add(first_word(last));
        }
    }
    if holds_block && block_keeps_state(sql) {
        marks.add(Marks::CODE);
    }
    if marks.contains(Marks::SAYS_SEED)
        && words(sql).any(|word| word.eq_ignore_ascii_case(b"set_config"))
    {
        marks.add(Marks::SEED);
    }
    marks
}

/// Whether a name behind this word, with a dot behind it, is that of settings that a library claims when it is loaded:
/// what SET does with one depends on what the backend has run before.
fn is_library_setting(before: &[u8], prefix: &[u8]) -> bool {
    const LIBRARIES: [&[u8]; 4] = [b"auto_explain", b"plperl", b"plpgsql", b"pltcl"];
    let is_one_of =
        |words: &[&[u8]], word: &[u8]| words.iter().any(|known| word.eq_ignore_ascii_case(known));
    is_one_of(&[b"set", b"session", b"local"], before) && is_one_of(&LIBRARIES, prefix)
}

/// What the first word says that would say nothing elsewhere.
fn first_word(word: &[u8]) -> Marks {
    let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
    match word.len() {
        5 if is("begin") || is("start") => Marks::BEGIN,
        5 if is("reset") => Marks::SETS,
        _ => Marks::default(),
    }
}

/// Whether a statement may begin somewhere behind what this text begins with.
fn separates(sql: &[u8]) -> bool {
    matches!(sql, [b';', ..] | [b'-', b'-', ..] | [b'/', b'*', ..])
}

/// A byte that words are made of.
const WORD: u8 = 1;
/// A byte that one of the words below begins with.
const CANDIDATE: u8 = 2;
/// A byte that [`separates`] looks for.
const SEPARATOR: u8 = 4;

static CLASS: [u8; 256] = {
    let mut class = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let c = byte as u8;
        if is_word_byte(c) {
            class[byte] = WORD;
        }
        if matches!(
            c.to_ascii_lowercase(),
            b'a' | b't' | b'p' | b'h' | b's' | b'n' | b'c' | b'l' | b'd' | b'e' | b'i' | b'm'
        ) {
            class[byte] |= CANDIDATE;
        }
        if matches!(c, b';' | b'-' | b'/') {
            class[byte] |= SEPARATOR;
        }
        byte += 1;
    }
    class
};

/// What a word says of the statement it stands in.
fn word(word: &[u8]) -> Marks {
    let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
    match word[0].to_ascii_lowercase() {
        b'a' if is("ask") => Marks::ASK,
        b'a' if is("all") => Marks::RESET_ALL,
        b'd' if is("deallocate") => Marks::NAMES_STATEMENT.with(Marks::FORGETS_STATEMENTS),
        b'd' if is("discard") => Marks::FORGETS_STATEMENTS,
        b'e' if is("execute") => Marks::NAMES_STATEMENT,
        b'd' if is("do") => Marks::RUNS_LIBRARY,
        b'c' if is("call") => Marks::RUNS_LIBRARY,
        b'p' if begins_with(word, "plp") || begins_with(word, "pltcl") => Marks::RUNS_LIBRARY,
        b'i' if is("insert") => Marks::INSERTS,
        b'm' if is("merge") => Marks::INSERTS,
        b'c' if is("copy") => Marks::INSERTS,
        b's' if is("seed") => Marks::SAYS_SEED,
        b'i' | b'm' => Marks::default(),
        b'p' if begins_with(word, "pg_advisory_unlock") => Marks::UNLOCKS,
        b'p' if begins_with(word, "pg_temp") => Marks::TEMPORARY.with(Marks::SAYS_TEMPORARY_SCHEMA),
        b'p' if is("pg_my_temp_schema") || is("pg_is_other_temp_schema") => {
            Marks::SAYS_TEMPORARY_SCHEMA
        }
        b'c' if is("current_schemas") => Marks::SAYS_TEMPORARY_SCHEMA,
        b'p' if is("pg_prepared_statements") || is("pg_prepared_statement") => {
            Marks::SHOWS_STATEMENTS
        }
        b's' if word.len() == 3 && is("set") => Marks::SETS.with(Marks::MAY_SET),
        _ => match kept_by(word) {
            None => Marks::default(),
            Some(Kept::Setting) if is("set_config") => Marks::MAY_SET,
            Some(Kept::Setting) => Marks::SET,
            Some(Kept::Temporary) => Marks::TEMPORARY,
            Some(Kept::AdvisoryLock) => Marks::ADVISORY_LOCK,
            Some(Kept::Hold) => Marks::HOLD,
            Some(Kept::Sequence) => Marks::SEQUENCE.with(Marks::INSERTS),
            Some(Kept::SequenceRead) => Marks::SEQUENCE.with(Marks::READS_SEQUENCE),
            Some(Kept::Seed) => Marks::SEED,
            Some(Kept::Statistics) => Marks::STATISTICS,
            Some(Kept::Code) => Marks::CODE,
        },
    }
}

fn begins_with(word: &[u8], beginning: &str) -> bool {
    word.get(..beginning.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(beginning.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sql: &str, expect: Marks) {
        assert_eq!(scan(sql.as_bytes(), None), expect, "{sql}");
    }

    #[test]
    fn words_are_found_in_any_case_and_place() {
        check("-- ask: x", Marks::ASK);
        check("ASK me", Marks::ASK);
        check("/*Ask: x*/", Marks::ASK);
        check("select ask", Marks::ASK);
        check("create TEMP table t()", Marks::TEMPORARY);
        check("select into temporary t", Marks::TEMPORARY);
        check(
            "create table pg_temp.t()",
            Marks::TEMPORARY.with(Marks::SAYS_TEMPORARY_SCHEMA),
        );
        check("select current_schemas(true)", Marks::SAYS_TEMPORARY_SCHEMA);
        check("select pg_advisory_lock(1)", Marks::ADVISORY_LOCK);
        check(
            "select pg_try_advisory_lock_shared(1)",
            Marks::ADVISORY_LOCK,
        );
        check("select pg_Advisory_unlock_all()", Marks::UNLOCKS);

        check("select nextval('s')", Marks::SEQUENCE.with(Marks::INSERTS));
        check(
            "select LASTVAL()",
            Marks::SEQUENCE.with(Marks::READS_SEQUENCE),
        );
        check("Insert into t values (1)", Marks::INSERTS);
        check("select setseed(0.5)", Marks::SEED);
        check("select pg_stat_force_next_flush()", Marks::STATISTICS);
        check("do $$ begin perform 1; end $$", Marks::RUNS_LIBRARY);
        check(
            "do $$ begin execute 'x'; end $$",
            Marks::CODE
                .with(Marks::NAMES_STATEMENT)
                .with(Marks::RUNS_LIBRARY),
        );
        check(
            "do 'begin set role x; end'",
            Marks::CODE.with(Marks::RUNS_LIBRARY),
        );
        check("on conflict do update set role = 1", Marks::RUNS_LIBRARY);
        check("select Set_Config('a','b',false)", Marks::MAY_SET);
        let sets = Marks::SETS.with(Marks::MAY_SET);
        check(" Set x = 1", sets);
        check("/* c */ set x = 1", sets);
        check("-- c\nset x = 1", sets);
        check("select 1; set x = 1", sets);
        check("select 1 - 2 / 3, set", Marks::default());
        check("reset x", Marks::SETS);
        check("declare c cursor with hold for select 1", Marks::HOLD);
        check("reset  ALL", Marks::RESET_ALL.with(Marks::SETS));
        check("select all x", Marks::default());
        check("EXECUTE p", Marks::NAMES_STATEMENT);
        check("table pg_prepared_statements", Marks::SHOWS_STATEMENTS);
        check("Prepare p as select 1", Marks::NAMES_STATEMENT);
        check("PREPARE TRANSACTION 'x'", Marks::default());
        check(
            "set PLpgsql.extra_errors = 'all'",
            Marks::LIBRARY.with(Marks::RUNS_LIBRARY).with(sets),
        );
        check(
            "set session auto_explain.log_nested_statements = on",
            Marks::LIBRARY.with(sets),
        );
        check("select plpgsql.x from plpgsql", Marks::RUNS_LIBRARY);
        check(
            "select set_config('seed', '0.5', false)",
            Marks::MAY_SET.with(Marks::SAYS_SEED).with(Marks::SEED),
        );
        check("discard all", Marks::FORGETS_STATEMENTS);
        check(
            "deallocate prepare p",
            Marks::NAMES_STATEMENT.with(Marks::FORGETS_STATEMENTS),
        );
        check(" begin", Marks::BEGIN);
        check("START transaction", Marks::BEGIN);
    }

    #[test]
    fn parts_of_other_words_are_not() {
        for sql in [
            "",
            "select task from tasks",
            "select asking, ask_x, ask1, mask",
            "select pg_advisory_xact_lock(1)",
            "update t set x = 1",
            "select temperature, template",
            "select 'x' as beginning",
            "commit; begin",
        ] {
            check(sql, Marks::default());
        }
    }

    #[test]
    fn any_bytes_are_scanned() {
        assert_eq!(scan(b"\xff\xfe ask \x80", None), Marks::ASK);
        assert_eq!(scan(b"\xe4sk ask\xe4", None), Marks::default());
    }

    #[test]
    fn names_of_keepers_are_found_in_any_case_and_place() {
        let keepers = Keepers::of_names(["Remember_Me"]);
        for (sql, expect) in [
            ("select REMEMBER_me(1)", Marks::CODE),
            ("select * from app.\"Remember_Me\"", Marks::CODE),
            ("select remember_me2()", Marks::default()),
        ] {
            assert_eq!(scan(sql.as_bytes(), Some(&keepers)), expect, "{sql}");
        }
    }
}

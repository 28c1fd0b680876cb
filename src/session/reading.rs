//! Whether a text only reads: then what it runs can stand behind a fence that makes it read-only.
//!
//! This is no parser either, but unlike the scan in [`words`](super::words) it runs only where an ask is near, and
//! tells literals, quoted names and comments from words. A statement reads when it begins with a word that only reads,
//! unless one of the few places in it where PostgreSQL has room for writing says otherwise. The server has the last
//! word: what a function writes is not to be seen here, and fails behind the fence.
//!
//! # Source
//! PostgreSQL manual, "SELECT", "WITH Queries", "COPY", "EXPLAIN"; `src/backend/tcop/utility.c`
//! (`ClassifyUtilityCommandAsReadOnly`) and `src/backend/executor/execMain.c` (`ExecCheckXactReadOnly`) on what a
//! read-only transaction refuses.

use crate::ask::surface::lexer::{Kind, Lexer, Token};

/// What statements begin with that a read-only transaction runs, and that neither steer transactions nor change
/// settings.
const READING: [&str; 13] = [
    "select", "with", "table", "values", "explain", "declare", "copy", "show", "fetch", "move",
    "close", "analyze", "analyse",
];

/// What a statement does instead, behind the `WITH` or the `EXPLAIN` that it may begin with.
const WRITING: [&str; 7] = [
    "insert", "update", "delete", "merge", "create", "execute", "refresh",
];

/// The words behind which, before the main word of a statement with `WITH`, a word can only be a name.
const BEFORE_NAME: [&str; 7] = ["with", "recursive", "by", "set", "to", "default", "using"];

/// Whether nothing in `sql`, which may hold several statements, is kept from running in a read-only transaction.
/// `standard_strings` is the session's `standard_conforming_strings`.
pub(super) fn only_reads(sql: &str, standard_strings: bool) -> bool {
    let mut reader = Reader::new(sql);
    Lexer::new(sql, 0, standard_strings)
        .filter(Token::is_significant)
        .all(|token| reader.reads(token))
}

/// What is known at one place of a text.
struct Reader<'a> {
    sql: &'a str,
    /// What is open there: the statement, and every parenthesis in it.
    levels: Vec<Level>,
    /// The token before, and the one before that, of the same statement.
    last: [Option<Token>; 2],
    kind: StatementKind,
}

/// What decides how the rest of a statement is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum StatementKind {
    Plain,
    /// `EXPLAIN` without `ANALYZE` runs nothing, whatever it explains.
    Explain,
    ExplainAnalyze,
    Copy,
}

/// A statement, or what stands between two parentheses.
#[derive(Clone, Copy, Default)]
struct Level {
    has_begun: bool,
    /// `WITH` or `EXPLAIN` stands in it, and the word that says what is done is still to come.
    awaits_verb: bool,
    /// It is a place for a statement that may write and return rows.
    takes_statement: bool,
    /// It holds the arguments of a function, where `FOR` is a part of the call.
    has_for_argument: bool,
}

impl<'a> Reader<'a> {
    fn new(sql: &'a str) -> Self {
        Self {
            sql,
            levels: vec![Level::default()],
            last: [None; 2],
            kind: StatementKind::Plain,
        }
    }

    /// Goes past the next token; `false` when it writes.
    fn reads(&mut self, token: Token) -> bool {
        if token.is_symbol(self.sql, b';') {
            *self = Self::new(self.sql);
            return true;
        }
        let depth = self.levels.len() - 1;
        let level = self.levels[depth];
        self.levels[depth].has_begun = true;
        let reads = if !level.has_begun && depth == 0 {
            self.begin_statement(token)
        } else if token.is_symbol(self.sql, b'(') {
            self.open(level);
            true
        } else if token.is_symbol(self.sql, b')') {
            self.levels.truncate(depth.max(1));
            true
        } else if token.kind == Kind::Word {
            self.word(token, level, depth)
        } else {
            true
        };
        self.last = [Some(token), self.last[0]];
        reads || self.kind == StatementKind::Explain
    }

    fn begin_statement(&mut self, token: Token) -> bool {
        let sql = self.sql;
        if token.is_symbol(sql, b'(') {
            self.open(Level::default());
            return true;
        }
        self.levels[0].awaits_verb = token.is_any_word(sql, &["with", "explain"]);
        if token.is_word(sql, "explain") {
            self.kind = StatementKind::Explain;
        } else if token.is_word(sql, "copy") {
            self.kind = StatementKind::Copy;
        }
        token.is_any_word(sql, &READING)
    }

    fn open(&mut self, outer: Level) {
        let is_behind = |words: &[&str]| self.is_last(words);
        let is_copied = self.kind == StatementKind::Copy && is_behind(&["copy"]);
        self.levels.push(Level {
            takes_statement: is_copied || outer.awaits_verb && is_behind(&["as", "materialized"]),
            has_for_argument: is_behind(&["substring", "overlay"]),
            ..Level::default()
        });
    }

    fn word(&mut self, token: Token, level: Level, depth: usize) -> bool {
        let sql = self.sql;
        let is_one_of = |words: &[&str]| token.is_any_word(sql, words);
        if self.is_label(0) {
            return true;
        }
        if self.kind == StatementKind::Explain && is_one_of(&["analyze", "analyse"]) {
            self.kind = StatementKind::ExplainAnalyze;
            return true;
        }
        if is_one_of(&WRITING) {
            let is_verb = level.awaits_verb && !self.is_behind_name_word();
            if is_verb || level.takes_statement && !level.has_begun {
                return false;
            }
        }
        if is_one_of(&["with"]) && !level.has_begun {
            self.levels[depth].awaits_verb = true;
        } else if is_one_of(&["select", "values", "table"]) && level.awaits_verb {
            self.levels[depth].awaits_verb = self.is_behind_name_word();
        }
        if is_one_of(&["update", "share", "no", "key"]) && !level.has_for_argument {
            return !self.is_last(&["for"]) || self.is_label(1);
        }
        if is_one_of(&["from"]) {
            return self.kind != StatementKind::Copy || depth > 0;
        }
        !is_one_of(&["into"])
    }

    /// Whether the token before is one of these words.
    fn is_last(&self, words: &[&str]) -> bool {
        self.last[0].is_some_and(|last| last.is_any_word(self.sql, words))
    }

    /// Whether what follows the last token but `skipped` can only be a name, be it spelled like a key word.
    fn is_label(&self, skipped: usize) -> bool {
        self.last[skipped]
            .is_some_and(|last| last.is_symbol(self.sql, b'.') || last.is_word(self.sql, "as"))
    }

    fn is_behind_name_word(&self) -> bool {
        let is_listed = |last: Token| {
            last.is_symbol(self.sql, b',') || last.is_any_word(self.sql, &BEFORE_NAME)
        };
        self.last[0].is_some_and(is_listed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reads_is_fenced() {
        for sql in [
            "",
            " ; ; ",
            "select * from (select 1) r where x > 1",
            "(select 1) union (select 2)",
            "with r as (select 1) select * from r",
            "with recursive r (a, b) as not materialized (values (1, 2)) table r",
            "copy (select 1) to stdout",
            "copy (select x from t) to stdout with (format csv)",
            "explain analyze select 1",
            "explain (analyze, costs off) with r as (select 1) select 1",
            "explain delete from t",
            "explain verbose insert into t select 1",
            "declare c cursor with hold for select 1; fetch all from c; move 1 in c; close c",
            "show work_mem; values (1); table t",
            "analyze t",
            "select offset_x, updated_at from (select 1) t",
            "select case when r.n > 3 then 'big' else 'small' end from (select 1) r",
            "select * from (select 1) r where status = 'update' or status = E'\\'; delete' or $$ for update $$ = ''",
            "select r.set, r.comment, comment, \"into\", \"set\", update from (select 1) r",
            "select 1 as into, 2 as update, r.into, r.for from (select 1) \"delete\"",
            "select 1 -- ; delete from t\n /* insert into t; */ ; select 2",
            "select count(*) delete, sum(update), (insert), start, load, call, lock from t",
            "with r as (select 1) select count(*) update, max(delete) merge from r",
            "with delete as (select 1), update (insert) as (select 2), select_ as (select 3) select 1",
            "with recursive r as (select 1) search depth first by update set delete select 1 from r",
            "select substring(x from 2 for share), substring(x for key), overlay(x placing y from 1 for no) from t",
            "select 'a' from t where x in (update, delete) limit all for read only",
        ] {
            assert!(only_reads(sql, true), "{sql}");
        }
        assert!(only_reads("select '\\'; delete from t; --'", false));
    }

    #[test]
    fn what_writes_locks_or_steers_is_not() {
        for sql in [
            "insert into t select 1",
            "create view v as select 1",
            "with r as (select 1) DELETE from t",
            "with d as (delete from t returning *) select * from d",
            "with a as (select 1), d as materialized (/* x */ Update t set a = 1 returning *) select * from d",
            "(with d as (insert into t values (1) returning *) select * from d)",
            "with a as (with b as (select 1) delete from t returning *) select 1",
            "with recursive r as (select 1) search depth first by a set b insert into t select 1",
            "with values as (select 1), b as (select 2) merge into t using values on true when matched then delete",
            "select * into t from (select 1) r",
            "select 1 as a into temp t",
            "(select 1) union select 2 into t",
            "begin; select 1",
            "select 1; commit",
            "select 1; set x = 1",
            "copy t from stdin; select 1",
            "copy t (a, b) from '/x'; select 1",
            "copy (insert into t values (1) returning *) to stdout",
            "copy (with d as (delete from t returning *) select * from d) to stdout",
            "select * from (select 1) r for update",
            "select 1 from t for no key update; select 1",
            "select substring(x for 2) from t for share of t",
            "select * from (select 1 from t for key share) r",
            "table t for update",
            "declare c cursor for select 1 from t for update",
            "explain analyze insert into t select 1",
            "explain (analyze) delete from t",
            "explain analyze verbose with d as (delete from t returning *) select 1",
            "explain analyse create table t as select 1",
            "execute p; select 1",
            "call f(); select 1",
            "do $$ begin end $$; select 1",
            "select 'a\\'; delete from t; --'",
        ] {
            assert!(!only_reads(sql, true), "{sql}");
        }
    }
}

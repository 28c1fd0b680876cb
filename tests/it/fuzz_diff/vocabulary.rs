//! What the random clients say, by theme. A sequence draws a few themes, so that those it has meet one another often.
//!
//! In a text `%c` is the client's number, `%n` a small number, `%x` and `%p` one of a few names. Nothing here makes one
//! client wait for another's lock, and no answer depends on the clock or on the order of rows in a table.
//!
//! Not asked about: whether a setting of a made-up name is NULL or empty (it is empty in every backend in which anybody
//! has ever set it), and `application_name` among the settings of the session (pgask sets it for its clients).

/// Texts that belong together.
pub(super) struct Theme {
    /// How the coverage count calls it.
    pub(super) name: &'static str,
    /// Statements for Query and Parse.
    pub(super) statements: &'static [&'static str],
}

/// Drawn for every sequence.
pub(super) const BASIC: Theme = Theme {
    name: "basic",
    statements: &[
        "select 1",
        "select %n, 'text', null",
        "select g from generate_series(1, 5) g",
        "select g, repeat('r', 300) from generate_series(1, 12) g",
        "select current_user, session_user",
        "select t from log where c = %c order by t",
        "select count(*) from log",
        "values (1, 'a'), (2, 'b')",
        "",
        ";",
        "-- only a remark",
        "select '-- ask: not asked', $$ /* ask: this neither */ $$",
        "table counted order by c",
    ],
};

pub(super) const THEMES: [Theme; 21] = [
    Theme {
        name: "parameters",
        statements: &[
            "select $1::int",
            "select $1::text, $2::int",
            "select g, repeat('r', 300) from generate_series(1, $1::int) g",
            "select 10 / $1::int",
            "select t from log where c = $1 order by t",
            "select $1",
            "select $2::int",
            "insert into log values (%c, $1)",
            "select n, d, b, j, a, f from typed where c = $1::int",
            "select $1::mood",
        ],
    },
    Theme {
        name: "errors",
        statements: &[
            "select 1 / 0",
            "select nope",
            "selec",
            "select fail('on purpose')",
            "select 'x'::int",
            "select * from nowhere",
            "insert into uniq values (%c0)",
            "insert into uniq values (%c5, 'bad')",
            "insert into late values (%c), (%c)",
            "select 1; select 1 / 0; select 2",
            "insert into log values (%c, 'lost'); select 1 / 0",
            "select 'open",
            "create table log (c int)",
            "select fail('%n') from log where c = %c",
        ],
    },
    Theme {
        name: "writes",
        statements: &[
            "insert into log values (%c, 'new %n')",
            "insert into log values (%c, 'a'), (%c, 'b') returning t",
            "update log set t = t || '%n' where c = %c",
            "delete from log where c = %c and t like '%%%n'",
            "insert into uniq values (%c%n)",
            "delete from uniq where k = %c%n",
            "update uniq set v = 'u%n' where k between %c0 and %c9",
            "insert into late values (%c%n)",
            "insert into typed (c, n) values (%c, %n.5)",
            "with d as (delete from log where c = %c returning t) select count(*) from d",
            "insert into log select %c, 'many' from generate_series(1, %n)",
            "merge into uniq u using (select %c1 as k) s on u.k = s.k when matched then update set v = 'm' \
             when not matched then insert values (s.k, 'i')",
        ],
    },
    Theme {
        name: "transactions",
        statements: &[
            "begin",
            "begin",
            "start transaction isolation level repeatable read",
            "begin read only",
            "commit",
            "commit",
            "end",
            "rollback",
            "abort",
            "begin; select 1",
            "begin; select 1; commit",
            "select 1; commit",
            "begin; insert into log values (%c, 'block'); commit; select 1 / 0",
            "commit and chain",
            "rollback and chain",
            "set transaction isolation level repeatable read",
            "show transaction_isolation",
        ],
    },
    Theme {
        name: "savepoints",
        statements: &[
            "begin; savepoint %x",
            "savepoint %x",
            "savepoint %x",
            "rollback to %x",
            "rollback to %x",
            "release %x",
            "release %x",
            "begin",
            "select 1 / 0",
            "commit",
        ],
    },
    Theme {
        name: "settings",
        statements: &[
            "set work_mem = '%n00kB'",
            "set work_mem to default",
            "show work_mem",
            "reset work_mem",
            "set search_path to fuzz, pg_catalog",
            "set search_path to ''",
            "set search_path = \"$user\", public, fuzz",
            "show search_path",
            "select count(*) from uniq",
            "set timezone to 'Asia/Tokyo'",
            "set time zone 'America/New_York'",
            "set time zone interval '-08:00' hour to minute",
            "set time zone local",
            "show timezone",
            "select timestamptz '2026-01-01 00:00+00', date '2026-02-03', interval '1 day 2:03'",
            "set datestyle to german",
            "set datestyle = 'SQL, DMY'",
            "set intervalstyle to iso_8601",
            "set extra_float_digits to %n",
            "select 0.1::float8 / 3",
            "set bytea_output = 'escape'",
            "select '\\x00ff41'::bytea",
            "set application_name = 'app %n'",
            "set application_name to 'it''s'",
            "show application_name",
            "set standard_conforming_strings to off",
            "set standard_conforming_strings = on",
            "select 'a\\b'",
            "set client_min_messages to warning",
            "set client_min_messages to debug1",
            "select note('n%n')",
            "set statement_timeout = '1%nmin'",
            "set lock_timeout = 4500",
            "set enable_seqscan = off",
            "set default_transaction_isolation = 'repeatable read'",
            "set default_transaction_read_only = on",
            "set session characteristics as transaction isolation level repeatable read",
            "set my.var = 'v%n'",
            "set my.var to 'it''s \"quoted\"'",
            "set \"my\".\"Odd Name\" = 'x'",
            "select nullif(current_setting('my.var', true), '')",
            "reset my.var",
            "reset all",
            "set xmloption to document",
            "set geqo_selection_bias = 1.7",
            "show geqo_selection_bias",
            "set random_page_cost = 1.123456789",
            "show random_page_cost",
            "select name, setting from pg_settings where source = 'session' and name not in ('transaction_isolation', 'application_name') order by 1",
            "set nothing.like.it = 1",
            "set no_such_setting = 1",
            "set work_mem = 'much'",
            "set work_mem = '100kB'; set timezone = 'UTC'",
            "set work_mem = '100kB'; select 1 / 0",
            "set /* c */ work_mem -- r\n = '128kB'",
        ],
    },
    Theme {
        name: "local settings",
        statements: &[
            "begin; set local work_mem = '%n00kB'",
            "set local work_mem = '%n00kB'",
            "set local search_path to public",
            "set local timezone to 'Asia/Tokyo'",
            "begin; set work_mem = '77kB'; rollback",
            "begin; set work_mem = '78kB'; savepoint a; set work_mem = '79kB'; rollback to a; commit",
            "begin; set timezone = 'Europe/Paris'",
            "begin; set my.var = 'tx'",
            "show work_mem",
            "show timezone",
            "commit",
            "rollback",
            "select set_config('work_mem', '%n00kB', true)",
            "select set_config('work_mem', '%n00kB', false)",
            "select set_config('my.' || 'var', 'computed', false)",
            "select set_config('timezone', 'Asia/Tokyo', false), current_setting('timezone')",
            "select nullif(current_setting('my.var', true), '')",
            "set constraints all immediate",
            "begin; set constraints late_k_key immediate",
        ],
    },
    Theme {
        name: "encodings",
        statements: &[
            "set client_encoding to latin1",
            "set client_encoding to utf8",
            "set names 'latin1'",
            "reset client_encoding",
            "show client_encoding",
            "select 'gr\u{fc}n'",
            "select chr(252), chr(8364)",
            "select length('\u{fc}')",
            "set client_encoding to sql_ascii",
            "set my.var = 'gr\u{fc}n'",
            "select nullif(current_setting('my.var', true), '')",
            "insert into log values (%c, '\u{fc}')",
        ],
    },
    Theme {
        name: "roles",
        statements: &[
            "set role other",
            "set role none",
            "set role to 'player'",
            "set role nobody_at_all",
            "reset role",
            "set local role other",
            "begin; set local role other",
            "select current_user, session_user",
            "show role",
            "insert into log values (%c, 'by other')",
            "set session authorization player",
            "set session authorization other",
            "set session authorization default",
            "reset session authorization",
            "select count(*) from log",
            "commit",
        ],
    },
    Theme {
        name: "sql prepare",
        statements: &[
            "prepare %p as select %n",
            "prepare %p (int) as select $1 + %n",
            "prepare %p as select t from log where c = $1 order by t",
            "execute %p",
            "execute %p(%n)",
            "execute %p(%n)",
            "deallocate %p",
            "deallocate all",
            "prepare %p as insert into log values (%c, 'prepared')",
            "explain (costs off) execute %p",
            // Names that the protocol's statements have, too.
            "prepare %x as select %n",
            "execute %x",
            "execute %x(%n)",
            "deallocate %x",
        ],
    },
    Theme {
        name: "cursors",
        statements: &[
            "begin; declare %x cursor for select g from generate_series(1, 7) g",
            "declare %x cursor for select g from generate_series(1, 7) g",
            "declare %x scroll cursor for select g from generate_series(1, 7) g",
            "fetch %n from %x",
            "fetch all from %x",
            "fetch backward 1 from %x",
            "move 2 in %x",
            "close %x",
            "close all",
            "select name, is_holdable from pg_cursors where name <> '' order by 1",
            "commit",
        ],
    },
    Theme {
        name: "held cursors",
        statements: &[
            "declare %x cursor with hold for select g from generate_series(1, 7) g",
            "begin; declare %x cursor with hold for select 10 / (3 - g) from generate_series(1, 7) g; commit",
            "declare %x scroll cursor with hold for select t from log where c = %c order by t",
            "fetch %n from %x",
            "fetch %n from %x",
            "fetch last from %x",
            "close %x",
            "close all",
            "rollback",
        ],
    },
    Theme {
        name: "temporary tables",
        statements: &[
            "create temp table tmp (i int)",
            "create temporary table if not exists tmp as select 1 as i",
            "create temp table gone (i int) on commit drop",
            "begin; create temp table gone (i int) on commit delete rows",
            "insert into tmp values (%n)",
            "select count(*) from tmp",
            "select i into temp tmp2 from generate_series(1, 3) i",
            "table tmp2",
            "drop table tmp",
            "drop table if exists tmp, tmp2",
            "discard temp",
            "create table pg_temp.tmp3 (i int)",
            "create temp view log as select %c as c, 'shadow' as t",
            "select t from log where c = %c order by t",
            "create temp sequence tseq",
            "select nextval('tseq')",
        ],
    },
    Theme {
        name: "notifications",
        statements: &[
            "listen ch",
            "listen other_ch",
            "notify ch",
            "notify ch, 'payload %n'",
            "select pg_notify('ch', 'from %c')",
            "unlisten ch",
            "unlisten *",
            "begin; notify ch, 'late'",
            "begin; listen ch; rollback",
            "commit",
            "rollback",
            "select pg_listening_channels()",
        ],
    },
    Theme {
        name: "advisory locks",
        statements: &[
            "select pg_advisory_lock(%c)",
            "select pg_try_advisory_lock(%c)",
            "select pg_try_advisory_lock(%n)",
            "select pg_try_advisory_lock_shared(%n)",
            "select pg_advisory_unlock(%c)",
            "select pg_advisory_unlock(%n)",
            "select pg_advisory_unlock_all()",
            "select pg_try_advisory_xact_lock(%n)",
            "begin; select pg_try_advisory_xact_lock(%n)",
            "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()",
            "commit",
        ],
    },
    Theme {
        name: "discards",
        statements: &[
            "discard all",
            "discard all",
            "discard plans",
            "discard sequences",
            "discard temp",
            "begin; discard all",
            "deallocate all",
            "reset all",
        ],
    },
    Theme {
        name: "sequences",
        statements: &[
            "select nextval('seq')",
            "select currval('seq')",
            "select lastval()",
            "select setval('seq', %n)",
            "select nextval('seq'), currval('seq'), lastval()",
        ],
    },
    Theme {
        name: "code",
        statements: &[
            "do $$ begin raise notice 'done'; end $$",
            "do $$ begin perform fail('in a block'); end $$",
            "call proc('called')",
            "select note('noted')",
            "do $$ begin perform set_config('my.var', 'from code', false); end $$",
            "select nullif(current_setting('my.var', true), '')",
        ],
    },
    Theme {
        name: "definitions",
        statements: &[
            "create table made_%c (i int)",
            "drop table if exists made_%c",
            "create table if not exists made_%c as select %n as i",
            "alter table made_%c add column j int",
            "select * from made_%c",
            "create or replace function f_%c() returns int language sql as 'select %n'",
            "select f_%c()",
            "drop function if exists f_%c()",
            "create view v_%c as select %n as n",
            "create or replace view v_%c as select 2 as n",
            "select * from v_%c",
            "drop view if exists v_%c",
            "comment on table made_%c is 'made'",
        ],
    },
    Theme {
        name: "explain and show",
        statements: &[
            "explain (costs off) select 1",
            "explain (costs off) select * from uniq where k = $1",
            "show server_version_num",
            "show transaction_read_only",
            "select name, statement from pg_prepared_statements where from_sql order by 1",
            "select count(*) from pg_cursors where is_holdable",
            "lock table made_%c",
        ],
    },
    // Messages rather than statements: the generator looks for it by name.
    Theme {
        name: "copy",
        statements: &[
            "copy (select g, 'x' from generate_series(1, 4) g) to stdout",
            "copy (select 1, null) to stdout (format csv, header)",
            "copy (select 1::int, 'b'::text) to stdout (format binary)",
            "copy (select 1 / (3 - g) from generate_series(1, 5) g) to stdout",
            "copy nowhere to stdout",
            "copy (select * from log order by 1, 2) to stdout; select 1 / 0",
        ],
    },
];

/// Statements that begin a COPY FROM STDIN. Tables are named in full: over a view of the same name PostgreSQL first asks
/// for the rows and fails behind that, which a client may notice or not before it goes on.
pub(super) const COPIES_IN: [&str; 6] = [
    "copy fuzz.log from stdin",
    "copy fuzz.log from stdin (format csv)",
    "copy fuzz.log (c, t) from stdin; select 'behind'",
    "select 'before'; copy fuzz.log from stdin",
    "copy fuzz.uniq from stdin",
    "copy fuzz.log from stdin (format binary)",
];

/// Rows for them; not all fit.
pub(super) const COPY_ROWS: [&[u8]; 7] = [
    b"7\tseven\n",
    b"7,eight\n",
    b"8\tin pie",
    b"ces\n",
    b"\\.\n",
    b"x\ty\n",
    b"9\t\xff\n",
];

/// Names of statements and portals.
pub(super) const NAMES: [&str; 3] = ["", "a", "b"];

/// Names of cursors and savepoints.
pub(super) const SQL_NAMES: [&str; 3] = ["a", "b", "c"];

/// Names for PREPARE.
pub(super) const PREPARED_NAMES: [&str; 2] = ["p", "q"];

/// Values for parameters.
pub(super) const VALUES: [&[u8]; 8] = [
    b"0",
    b"1",
    b"3",
    b"x",
    b"happy",
    b"\xff",
    b"gr\xc3\xbcn",
    b"\0\0\0\x02",
];

/// Types that a Parse may prescribe: unspecified, int4, text, bool, unknown, and none that there is.
pub(super) const TYPES: [u32; 6] = [0, 23, 25, 16, 705, 999_999];

/// Functions for FunctionCall: int4pl, upper, and none that there is.
pub(super) const FUNCTIONS: [(u32, &[&str]); 3] =
    [(177, &["1", "2"]), (871, &["up"]), (999_999, &[])];

/// Words that may tie a session to its connection until it is discarded.
///
/// Only these: whoever waits for a connection although no other client said one of them, or has a transaction open,
/// waits for ever, and that is a defect.
pub(super) const TYING_WORDS: [&str; 29] = [
    // A setting that the server would not tell exactly when it was asked for.
    "computed",
    "geqo_selection_bias",
    "odd",
    "random_page_cost",
    "setseed",
    "listen",
    "temp",
    "temporary",
    "pg_temp",
    "tmp",
    "gone",
    "tseq",
    "hold",
    "pg_advisory_lock",
    "pg_try_advisory_lock",
    "pg_try_advisory_lock_shared",
    "nextval",
    "currval",
    "lastval",
    "setval",
    "do",
    "call",
    "load",
    "create",
    "pg_prepared_statements",
    // Once anybody with this role has asked for `lastval`, whoever may have advanced a sequence.
    "insert",
    "merge",
    "copy",
    "fail",
];

/// Words that may change how literals are read: a statement with a name and a literal, prepared in the same batch as
/// what says one of them, ties its session to its connection.
pub(super) const READING_WORDS: [&str; 11] = [
    "all",
    "client_encoding",
    "code",
    "datestyle",
    "from_current",
    "intervalstyle",
    "names",
    "set_config",
    "standard_conforming_strings",
    "timezone",
    "zone",
];

/// Words that tie a session to its connection where the text is not a plain one, or has a name itself.
pub(super) const NAMING_WORDS: [&str; 3] = ["prepare", "execute", "deallocate"];

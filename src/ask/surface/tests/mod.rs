//! The spellings, as data: one text, and what it must be read as.

mod inside;
mod plain;

use super::{Dialect, Surface, find};

/// Writes a surface on one line: `plain`; `verb(question)`, with `+tail` and `$n` after it; or the rewritten text,
/// its queries shown as `Q1`, `Q2`, and then every question.
fn show(sql: &str, dialect: Dialect) -> String {
    match find(sql, dialect) {
        Surface::Plain => "plain".to_owned(),
        Surface::Whole(whole) => {
            let mut shown = format!("{}({})", whole.verb.as_str(), whole.question);
            if let Some(tail) = whole.tail {
                shown.push_str(&format!(" +{tail}"));
            }
            if whole.parameter_count > 0 {
                shown.push_str(&format!(" ${}", whole.parameter_count));
            }
            shown
        }
        Surface::Embedded(embedded) => {
            let queries: Vec<String> = (1..=embedded.asks.len()).map(|i| format!("Q{i}")).collect();
            let mut shown = embedded.rewrite(sql, &queries).sql;
            for ask in &embedded.asks {
                shown.push_str(&format!(" | {}({})", ask.verb.as_str(), ask.question));
                if ask.parameter_count > 0 {
                    shown.push_str(&format!(" ${}", ask.parameter_count));
                }
                if !ask.arguments.is_empty() {
                    shown.push_str(&format!(" <- {}", ask.arguments.join(", ")));
                }
            }
            shown
        }
        Surface::Malformed(refusal) => format!("{} {}", refusal.sqlstate, refusal.message),
    }
}

fn check(cases: &[(&str, &str)]) {
    let failures: Vec<String> = cases
        .iter()
        .map(|(sql, expect)| (sql, expect, show(sql, Dialect::default())))
        .filter(|(_, expect, got)| got != *expect)
        .map(|(sql, expect, got)| format!("{sql:?}\n   expected {expect:?}\n   got      {got:?}"))
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn whole_asks_in_every_spelling() {
    check(&[
        ("-- ask: how many rooms", "rows(how many rooms)"),
        ("--ask: how many rooms", "rows(how many rooms)"),
        ("--ask:how many rooms", "rows(how many rooms)"),
        ("-- ASK: how many rooms\n", "rows(how many rooms)"),
        ("-- Ask : how many rooms;", "rows(how many rooms;)"),
        ("  \n\t-- ask: how many rooms\n;", "rows(how many rooms)"),
        ("-- ask: how many rooms\n;\n", "rows(how many rooms)"),
        (
            "-- ask: how many\n-- rooms are\n--   free",
            "rows(how many rooms are free)",
        ),
        ("-- ask: how many\r\n-- rooms\r\n", "rows(how many rooms)"),
        ("-- ask:\n-- how many rooms", "rows(how many rooms)"),
        (
            "-- ask: how many rooms\n\n-- a remark",
            "rows(how many rooms)",
        ),
        (
            "-- a remark\n-- ask: how many rooms",
            "rows(how many rooms)",
        ),
        ("/* app */ -- ask: how many rooms", "rows(how many rooms)"),
        (
            "-- ask: rooms of the guest's choice",
            "rows(rooms of the guest's choice)",
        ),
        ("-- ask: rooms \"A\" or 'B", "rows(rooms \"A\" or 'B)"),
        ("-- ask: a; b", "rows(a; b)"),
        ("/* ask: how many rooms */", "rows(how many rooms)"),
        ("/*ask:how many rooms*/", "rows(how many rooms)"),
        ("/* AsK: how many rooms */;", "rows(how many rooms)"),
        (
            "/* ask: how many\n   rooms */ ;",
            "rows(how many\n   rooms)",
        ),
        (
            "/* ask: rooms /* not halls */ */",
            "rows(rooms /* not halls */)",
        ),
        (
            "/* ask: how many rooms */ /* traceparent='00-1' */",
            "rows(how many rooms)",
        ),
        (
            "/* app='x' */ /* ask: how many rooms */",
            "rows(how many rooms)",
        ),
        (
            "/* ask: how many rooms */ -- a remark",
            "rows(how many rooms)",
        ),
        (";; /* ask: how many rooms */ ;;", "rows(how many rooms)"),
        ("ask: how many rooms", "rows(how many rooms)"),
        ("ask:how many rooms;", "rows(how many rooms)"),
        ("ask how many rooms;", "rows(how many rooms)"),
        ("ASK How Many Rooms ;", "rows(How Many Rooms)"),
        ("Ask : how many rooms", "rows(how many rooms)"),
        ("\n  ask\n how many\n rooms ;\n", "rows(how many\n rooms)"),
        ("ask how many rooms; -- thanks", "rows(how many rooms)"),
        ("ask how many rooms;;", "rows(how many rooms)"),
        ("/* app */ ask how many rooms", "rows(how many rooms)"),
        ("-- a remark\nask how many rooms", "rows(how many rooms)"),
        (
            "-- ask: a label\nask how many rooms",
            "rows(how many rooms)",
        ),
        (
            "ask how many rooms /* traceparent='00-1' */",
            "rows(how many rooms)",
        ),
        ("ask how many rooms -- app", "rows(how many rooms)"),
        ("ask the guest's rooms;", "rows(the guest's rooms)"),
        ("ask the guest''s rooms;", "rows(the guest''s rooms)"),
        ("ask the guests' rooms;", "rows(the guests' rooms)"),
        ("ask rooms called 'A;B';", "rows(rooms called 'A;B')"),
        (
            "ask rooms called 'O''Hara; Sons' or 'B';",
            "rows(rooms called 'O''Hara; Sons' or 'B')",
        ),
        ("ask rooms called \"A;B\";", "rows(rooms called \"A;B\")"),
        ("ask rooms called 'A;", "rows(rooms called 'A)"),
        (
            "ask free rooms; newest first;",
            "rows(free rooms; newest first)",
        ),
        ("ask rooms over $500;", "rows(rooms over $500)"),
        ("ask rooms over $9.99", "rows(rooms over $9.99)"),
        (
            "ask rooms of guest $1 since $2",
            "rows(rooms of guest $1 since $2) $2",
        ),
        ("/* ask: rooms of guest $1 */", "rows(rooms of guest $1) $1"),
        (
            "ask 50% of rooms (free ones)?",
            "rows(50% of rooms (free ones)?)",
        ),
        ("ask zimmer für gäste;", "rows(zimmer für gäste)"),
        ("ask 有多少房间;", "rows(有多少房间)"),
        ("ask $$ rooms;", "rows($$ rooms)"),
        (
            "ask rooms with select * in them",
            "rows(rooms with select * in them)",
        ),
        ("select -- ask: how many rooms\n;", "rows(how many rooms)"),
        (
            "SELECT -- ask: how many\n-- rooms\n;",
            "rows(how many rooms)",
        ),
        ("select /* ask: how many rooms */", "rows(how many rooms)"),
        (
            "select\n-- a remark\n-- ask: how many rooms\n;",
            "rows(how many rooms)",
        ),
        ("ask('how many rooms')", "rows(how many rooms)"),
        ("ask('the guest''s rooms');", "rows(the guest's rooms)"),
        ("ask(how many rooms)", "rows((how many rooms))"),
    ]);
}

#[test]
fn verbs_and_empty_questions() {
    check(&[
        ("ask", "help()"),
        ("ask;", "help()"),
        (" ASK ; ", "help()"),
        ("ask:", "help()"),
        ("ask: ;", "help()"),
        ("-- ask:", "help()"),
        ("/* ask: */", "help()"),
        ("/* ask: help */", "help()"),
        ("ask help;", "help()"),
        ("ask: help", "help()"),
        ("ask alternatives;", "alternatives()"),
        ("ask Alternatives", "alternatives()"),
        ("ask pin top: rooms LIMIT 5;", "pin(top: rooms) +LIMIT 5"),
        ("ask pins", "pins()"),
        ("/* ask: unpin top */;", "unpin(top)"),
        ("-- ask: good", "good()"),
        (
            "ask correct: select 'a;b', \"c;d\" from rooms -- e;f\n limit 5 ; ",
            "correct(select 'a;b', \"c;d\" from rooms -- e;f\n limit 5)",
        ),
        (
            "-- ask: correct: select 1 LIMIT 5",
            "correct(select 1 LIMIT 5)",
        ),
        ("ask sql how many rooms;", "sql(how many rooms)"),
        ("ask sql: how many rooms;", "sql(how many rooms)"),
        ("ask: SQL how many rooms", "sql(how many rooms)"),
        ("-- ask sql: how many rooms", "sql(how many rooms)"),
        ("-- ask: sql how many rooms", "sql(how many rooms)"),
        ("/* ask sql: how many rooms */", "sql(how many rooms)"),
        (
            "/* ask explain: how many rooms */",
            "explain(how many rooms)",
        ),
        ("ask explain how many rooms", "explain(how many rooms)"),
        ("ask rows how many rooms", "rows(how many rooms)"),
        ("ask rows: sql servers", "rows(sql servers)"),
        ("ask sql", "help()"),
    ]);
}

#[test]
fn appended_limits() {
    check(&[
        (
            "/* ask: free rooms */ LIMIT 10",
            "rows(free rooms) +LIMIT 10",
        ),
        (
            "/* ask: free rooms */ limit 10;",
            "rows(free rooms) +limit 10",
        ),
        (
            "-- ask: free rooms\nLIMIT 100 OFFSET 20",
            "rows(free rooms) +LIMIT 100 OFFSET 20",
        ),
        (
            "-- ask: free rooms\nOFFSET 2 ROWS FETCH FIRST 5 ROWS ONLY;",
            "rows(free rooms) +OFFSET 2 ROWS FETCH FIRST 5 ROWS ONLY",
        ),
        (
            "-- ask: free rooms LIMIT 100",
            "rows(free rooms) +LIMIT 100",
        ),
        (
            "-- ask: free rooms\n LIMIT $1",
            "rows(free rooms) +LIMIT $1",
        ),
        ("ask free rooms\nLIMIT 200", "rows(free rooms) +LIMIT 200"),
        ("ask free rooms LIMIT 200;", "rows(free rooms) +LIMIT 200"),
        (
            "ask: free rooms\nfetch first 3 rows only",
            "rows(free rooms) +fetch first 3 rows only",
        ),
        (
            "ask roads with a speed limit 50",
            "rows(roads with a speed limit 50)",
        ),
        (
            "select -- ask: free rooms\nlimit 5\n;",
            "rows(free rooms) +limit 5",
        ),
        ("ask('free rooms') limit 5", "rows(free rooms) +limit 5"),
        ("/* ask: free rooms */ limit (select 1)", "plain"),
        ("/* ask: free rooms */ limit 5 for update", "plain"),
        (
            "/* ask: free rooms */ limit 5; select 1",
            "SELECT * FROM (Q1) AS ask limit 5; select 1 | rows(free rooms)",
        ),
    ]);
}

#[test]
fn asks_among_several_statements() {
    check(&[
        (
            "set ask.notices = off; ask free rooms",
            "0A000 a statement about an ask.* setting cannot share a message with others",
        ),
        (
            "begin; set local ask.max_rows = 5",
            "0A000 a statement about an ask.* setting cannot share a message with others",
        ),
        (
            "select 1; show ask.timeout;",
            "0A000 a statement about an ask.* setting cannot share a message with others",
        ),
        ("ask free rooms; -- ask: halls", "rows(free rooms)"),
        (
            "select 1;\n-- ask: free rooms",
            "select 1;\nQ1 | rows(free rooms)",
        ),
        (
            "select 1; -- ask: free rooms\n;",
            "select 1; Q1\n; | rows(free rooms)",
        ),
        (
            "begin; ask free rooms; commit",
            "begin; Q1; commit | rows(free rooms)",
        ),
        (
            "ask free rooms; ask halls;",
            "Q1; Q2; | rows(free rooms) | rows(halls)",
        ),
        (
            "-- ask: free rooms\n; -- ask: halls\n;",
            "Q1\n; Q2\n; | rows(free rooms) | rows(halls)",
        ),
        (
            "select 1; /* ask: free rooms */; select 2",
            "select 1; Q1; select 2 | rows(free rooms)",
        ),
        (
            "set x = 1; select * from (/* ask: free rooms */) r;",
            "set x = 1; select * from (Q1) r; | rows(free rooms)",
        ),
        (
            "ask free rooms; /* ask: halls */",
            "Q1; Q2 | rows(free rooms) | rows(halls)",
        ),
        (
            "ask the guest's rooms; select 'it''s'",
            "Q1; select 'it''s' | rows(the guest's rooms)",
        ),
        ("select 1; ask help", "select 1; Q1 | help()"),
        (
            "/* ask: a label */ select 1; ask free rooms",
            "/* ask: a label */ select 1; Q1 | rows(free rooms)",
        ),
        (
            "/* ask: a */ /* ask: b */",
            "42601 two questions stand where there is room for one query",
        ),
        (
            "-- ask: a\n-- ask: b",
            "42601 two questions stand where there is room for one query",
        ),
    ]);
}

#[test]
fn the_function_form() {
    check(&[
        (
            "select * from ask('free rooms')",
            "select * from (Q1) AS ask | rows(free rooms)",
        ),
        (
            "select * from ASK ( 'free rooms' ) ;",
            "select * from (Q1) AS ask ; | rows(free rooms)",
        ),
        (
            "select * from ask('free rooms') r",
            "select * from (Q1) r | rows(free rooms)",
        ),
        (
            "select * from ask('free rooms') as r (a)",
            "select * from (Q1) as r (a) | rows(free rooms)",
        ),
        (
            "select * from ask('free rooms') where a > 1",
            "select * from (Q1) AS ask where a > 1 | rows(free rooms)",
        ),
        (
            "select * from ask('free rooms') limit 5",
            "select * from (Q1) AS ask limit 5 | rows(free rooms)",
        ),
        (
            "select * from t, ask('free rooms')",
            "select * from t, (Q1) AS ask | rows(free rooms)",
        ),
        (
            "select * from t join ask('free rooms') r on true",
            "select * from t join (Q1) r on true | rows(free rooms)",
        ),
        (
            "select * from t join u on a = b, ask('x y')",
            "select * from t join u on a = b, (Q1) AS ask | rows(x y)",
        ),
        (
            "select * from t cross join lateral ask('x y')",
            "select * from t cross join lateral (Q1) AS ask | rows(x y)",
        ),
        (
            "select * from (ask('x y') cross join t)",
            "select * from ((Q1) AS ask cross join t) | rows(x y)",
        ),
        (
            "select ask('how many rooms')",
            "select (Q1) | rows(how many rooms)",
        ),
        (
            "select ask('how many rooms') as n from t",
            "select (Q1) as n from t | rows(how many rooms)",
        ),
        (
            "select 1, ask('how many rooms')",
            "select 1, (Q1) | rows(how many rooms)",
        ),
        (
            "select (select ask('how many rooms'))",
            "select (select (Q1)) | rows(how many rooms)",
        ),
        (
            "select a from t where a > ask('x y')",
            "select a from t where a > (Q1) | rows(x y)",
        ),
        (
            "select a from t where f(a, ask('x y'))",
            "select a from t where f(a, (Q1)) | rows(x y)",
        ),
        (
            "select extract(year from ask('x y'))",
            "select extract(year from (Q1)) | rows(x y)",
        ),
        (
            "select a is distinct from ask('x y')",
            "select a is distinct from (Q1) | rows(x y)",
        ),
        (
            "select * from (select a from ask('x y')) r",
            "select * from (select a from (Q1) AS ask) r | rows(x y)",
        ),
        (
            "select * from ask(E'it\\'s free')",
            "select * from (Q1) AS ask | rows(it's free)",
        ),
        (
            "select * from ask($$the guest's$$)",
            "select * from (Q1) AS ask | rows(the guest's)",
        ),
        (
            "select * from ask('rooms of guest $1', $1)",
            "select * from (Q1) AS ask | rows(rooms of guest $1) $1 <- $1",
        ),
        (
            "select * from ask('rooms of guest $1', $3::int)",
            "select * from (Q1) AS ask | rows(rooms of guest $1) $1 <- ($3::int)",
        ),
        (
            "select * from ask('rooms of guest ? since ?', $1, $2)",
            "select * from (Q1) AS ask | rows(rooms of guest $1 since $2) $2 <- $1, $2",
        ),
        (
            "select * from ask('rooms of guest ?, now?', -5)",
            "select * from (Q1) AS ask | rows(rooms of guest $1, now?) $1 <- (-5)",
        ),
        (
            "select * from ask('rooms since ?', '2026-01-01'::timestamp(3))",
            "select * from (Q1) AS ask | rows(rooms since $1) $1 <- ('2026-01-01'::timestamp(3))",
        ),
        (
            "ask('rooms of ? since ? above ?', ('Ann'), ('2026-01-01'::date), (-5)::numeric(4, 1))",
            "Q1 | rows(rooms of $1 since $2 above $3) $3 <- (('Ann')), (('2026-01-01'::date)), ((-5)::numeric(4, 1))",
        ),
        (
            "select * from ask('rooms of guest $1')",
            "select * from (Q1) AS ask | rows(rooms of guest $1) $1",
        ),
        (
            "ask('rooms of guest ?', 7);",
            "Q1; | rows(rooms of guest $1) $1 <- 7",
        ),
        (
            "select * from ask('sql: free rooms')",
            "select * from (Q1) AS ask | sql(free rooms)",
        ),
        (
            "select * from ask('rooms', $1)",
            "22023 the question has 0 slots and ask() has 1 arguments for them",
        ),
        (
            "select * from ask('rooms of $2', $1)",
            "22023 the question has 2 slots and ask() has 1 arguments for them",
        ),
        (
            "select * from ask('rooms of ?', t.id)",
            "22023 the arguments of ask() must be constants or parameters",
        ),
        (
            "select * from ask('rooms of ?', now())",
            "22023 the arguments of ask() must be constants or parameters",
        ),
        (
            "select * from ask('rooms of ?', (('Ann')))",
            "22023 the arguments of ask() must be constants or parameters",
        ),
        (
            "select * from ask('rooms of ?', (select 1))",
            "22023 the arguments of ask() must be constants or parameters",
        ),
        (
            "select * from ask($1)",
            "22023 the question of ask() must be a string literal",
        ),
    ]);
}

#[test]
fn a_function_of_that_name_is_the_databases_own() {
    let dialect = Dialect {
        has_ask_function: true,
        ..Dialect::default()
    };
    for sql in [
        "select * from ask('x y')",
        "select ask('x y', $1)",
        "select * from ask($1)",
    ] {
        assert_eq!(show(sql, dialect), "plain", "{sql}");
    }
    assert_eq!(show("ask free rooms", dialect), "rows(free rooms)");
}

#[test]
fn backslashes_follow_the_session() {
    let escapes = Dialect {
        standard_conforming_strings: false,
        ..Dialect::default()
    };
    let sql = r"select 'a\' -- ask: x' from (/* ask: free rooms */) r";
    assert_eq!(
        show(sql, escapes),
        r"select 'a\' -- ask: x' from (Q1) r | rows(free rooms)"
    );
    assert_eq!(show(sql, Dialect::default()), "plain");
}

#[test]
fn texts_that_would_take_for_ever_are_cut_short() {
    let unclosed = "(ask: ".repeat(10_000);
    assert_eq!(show(&unclosed, Dialect::default()), "plain");
    let labels = "-- ask: a label\nselect 1;\n".repeat(1_000);
    assert_eq!(show(&labels, Dialect::default()), "plain");
    let asks = "ask rooms;".repeat(1_000);
    assert_eq!(
        show(&asks, Dialect::default()),
        "54000 more than 100 asks in one text"
    );
    let long = format!("ask {}", "rooms ".repeat(200_000));
    assert_eq!(show(&long, Dialect::default()), "plain");
}

#[test]
fn positions_are_found_again() {
    use super::rewrite::Place;
    let sql = "select é from (/* ask: free rooms */) r where x";
    let Surface::Embedded(embedded) = find(sql, Dialect::default()) else {
        panic!("an ask is in it");
    };
    let rewritten = embedded.rewrite(sql, &["SELECT y"]);
    assert_eq!(rewritten.sql, "select é from (SELECT y) r where x");
    let at = |needle: &str| rewritten.sql.split(needle).next().unwrap().chars().count() + 1;
    assert_eq!(rewritten.locate(sql, at("é")), Place::Original(8));
    assert_eq!(rewritten.locate(sql, at("y)")), Place::Ask(0, 8));
    let x = sql.split("where x").next().unwrap().chars().count() + 7;
    assert_eq!(rewritten.locate(sql, at("where x") + 6), Place::Original(x));
}

#[test]
fn no_text_makes_it_panic() {
    const PIECES: [&str; 34] = [
        "ask",
        "ask:",
        "-- ask: x",
        "/* ask: ",
        "*/",
        "(",
        ")",
        ";",
        "'",
        "\"",
        "$$",
        "$a$",
        "$1",
        "\n",
        " ",
        "select",
        "from",
        "E'",
        "\\",
        "limit 1",
        "union",
        "explain",
        "as",
        "insert into t",
        "begin atomic",
        "end",
        "é",
        "房",
        "ask('q', 1)",
        ",",
        "::",
        "-",
        "/",
        "\r\n",
    ];
    // xorshift64: any seed but 0 will do, and this one is printed by nothing because it never changes.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % bound as u64).unwrap()
    };
    for round in 0..20_000 {
        let mut text = String::new();
        for _ in 0..next(14) {
            text.push_str(PIECES[next(PIECES.len())]);
            if next(3) == 0 {
                text.push(' ');
            }
        }
        let mut bytes = text.into_bytes();
        if round % 2 == 0 && !bytes.is_empty() {
            let at = next(bytes.len());
            bytes[at] = u8::try_from(next(256)).unwrap();
        }
        let text = String::from_utf8_lossy(&bytes);
        for standard_conforming_strings in [true, false] {
            let dialect = Dialect {
                standard_conforming_strings,
                has_ask_function: false,
            };
            if let Surface::Embedded(embedded) = find(&text, dialect) {
                let ends: Vec<usize> = embedded
                    .asks
                    .iter()
                    .flat_map(|ask| [ask.range.start, ask.range.end])
                    .collect();
                assert!(ends.is_sorted(), "overlapping asks in {text:?}");
                let queries = vec!["Q"; embedded.asks.len()];
                let rewritten = embedded.rewrite(&text, &queries);
                for position in 1..=rewritten.sql.chars().count() {
                    let _ = rewritten.locate(&text, position);
                }
            }
        }
    }
}

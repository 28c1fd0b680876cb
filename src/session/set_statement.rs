//! Statements that set: the few that can be read with certainty, by a strict lexer of an easy alphabet.
//!
//! What this reads, PostgreSQL reads in the same way, whatever `standard_conforming_strings` and `client_encoding` say;
//! anything else it leaves alone, and the server is asked instead what has come of it.

use crate::pool::set_values::{SetChange, Value};

/// Bytes of an identifier that PostgreSQL looks at (`NAMEDATALEN` less one); it cuts off the rest.
const NAME_BYTES_MAX: usize = 63;

/// A statement longer than this is not read.
const SQL_BYTES_MAX: usize = 4096;

/// What a text does to the settings, where it is one single statement that can be read; nothing for `SET TRANSACTION`.
///
/// Whether the server accepts it is not known here.
pub(super) fn parse(sql: &[u8]) -> Option<Vec<SetChange>> {
    let mut reader = Reader { rest: sql };
    let verb = reader.word()?;
    if verb.eq_ignore_ascii_case("set")
        && let Some(passing) = passing(reader.rest)
    {
        return Some(passing);
    }
    if sql.len() > SQL_BYTES_MAX {
        return None;
    }
    let tokens = reader.tokens()?;
    let mut tokens = tokens.as_slice();
    while let [before @ .., Token::Symbol(b';')] = tokens {
        tokens = before;
    }
    match verb.to_ascii_lowercase().as_str() {
        "set" => set(tokens),
        "reset" => reset(tokens),
        _ => None,
    }
}

/// What follows SET, where it is the whole of a statement whose effect ends with the transaction. Its values may be
/// anything: without a semicolon there is only one statement.
fn passing(text: &[u8]) -> Option<Vec<SetChange>> {
    let end = text
        .iter()
        .rposition(|byte| !byte.is_ascii_whitespace() && *byte != b';')
        .map_or(0, |at| at + 1);
    if memchr::memchr(b';', &text[..end]).is_some() {
        return None;
    }
    let mut reader = Reader { rest: text };
    let (first, second) = (reader.word()?, reader.word()?);
    let second = second.to_ascii_lowercase();
    if first.eq_ignore_ascii_case("local") {
        let name = match second.as_str() {
            // `local` may be the name of a setting itself.
            "to" => return None,
            "time" => "timezone",
            "names" => "client_encoding",
            name => name,
        };
        return Some(vec![SetChange::Passing(name.into())]);
    }
    let is_mode = ["isolation", "read", "not", "deferrable", "snapshot"].contains(&&*second);
    (first.eq_ignore_ascii_case("transaction") && is_mode).then(Vec::new)
}

/// `SET`, without what passes with the transaction.
fn set(tokens: &[Token]) -> Option<Vec<SetChange>> {
    use Token::{Quoted, Symbol, Text, Word};
    let one = |change| Some(vec![change]);
    let text =
        |name: &str, value: &str| Some(vec![SetChange::Set(name.into(), Value::of([value]))]);
    match tokens {
        [Word(session), Word(next), rest @ ..]
            if *session == "session" && !matches!(rest, [Symbol(b'.'), ..]) && *next != "to" =>
        {
            match (next.as_str(), rest) {
                ("characteristics", [Word(as_), Word(transaction), modes @ ..])
                    if *as_ == "as" && *transaction == "transaction" =>
                {
                    characteristics(modes)
                }
                ("authorization", [Word(default)]) if *default == "default" => {
                    one(SetChange::Authorization(None))
                }
                ("authorization", [Word(name) | Quoted(name) | Text(name)]) => {
                    one(SetChange::Authorization(Some(Value::of([name.as_str()]))))
                }
                ("characteristics" | "authorization" | "session" | "local" | "transaction", _) => {
                    None
                }
                _ => set(&tokens[1..]),
            }
        }
        [Word(local), Symbol(b'.'), ..] if *local == "local" || *local == "transaction" => {
            generic(tokens)
        }
        [Word(special), ..]
            if matches!(special.as_str(), "local" | "transaction" | "constraints") =>
        {
            None
        }
        [Word(time), Word(zone), value] if *time == "time" && *zone == "zone" => match value {
            Word(word) if *word == "local" || *word == "default" => {
                one(SetChange::Reset("timezone".into()))
            }
            Word(word) if *word == "interval" => None,
            Word(name) | Quoted(name) | Text(name) => text("timezone", name),
            _ => None,
        },
        [Word(names)] if *names == "names" => one(SetChange::Reset("client_encoding".into())),
        [Word(names), Word(default)] if *names == "names" && *default == "default" => {
            one(SetChange::Reset("client_encoding".into()))
        }
        [Word(names), Text(value)] if *names == "names" => text("client_encoding", value),
        [Word(schema), Text(value)] if *schema == "schema" => text("search_path", value),
        [Word(role), Word(name) | Quoted(name) | Text(name)] if *role == "role" => {
            one(SetChange::Role(Some(Value::of([name.as_str()]))))
        }
        _ => generic(tokens),
    }
}

/// `name = value, ...`.
fn generic(tokens: &[Token]) -> Option<Vec<SetChange>> {
    let (name, rest) = name(tokens)?;
    let values = match rest {
        [Token::Symbol(b'='), values @ ..] => values,
        [Token::Word(to), values @ ..] if *to == "to" => values,
        _ => return None,
    };
    if let [Token::Word(default)] = values
        && *default == "default"
    {
        return reset_name(name);
    }
    let value = value(values)?;
    Some(vec![match name.as_str() {
        // What these set is not theirs to keep.
        "seed" | "transaction_isolation" | "transaction_read_only" | "transaction_deferrable" => {
            return None;
        }
        // A value names only what it changes, the style or the order of the fields.
        "datestyle" => return None,
        "role" => SetChange::Role(Some(value)),
        "session_authorization" => SetChange::Authorization(Some(value)),
        _ => SetChange::Set(name.into(), value),
    }])
}

fn reset(tokens: &[Token]) -> Option<Vec<SetChange>> {
    use Token::Word;
    match tokens {
        [Word(all)] if *all == "all" => Some(vec![SetChange::ResetAll]),
        [Word(time), Word(zone)] if *time == "time" && *zone == "zone" => {
            Some(vec![SetChange::Reset("timezone".into())])
        }
        [Word(session), Word(authorization)]
            if *session == "session" && *authorization == "authorization" =>
        {
            Some(vec![SetChange::Authorization(None)])
        }
        _ => match name(tokens)? {
            (name, []) => reset_name(name),
            _ => None,
        },
    }
}

fn reset_name(name: String) -> Option<Vec<SetChange>> {
    Some(vec![match name.as_str() {
        "role" => SetChange::Role(None),
        "session_authorization" => SetChange::Authorization(None),
        // What somebody made up stays behind, as an empty string; what a library defined does not.
        _ if name.contains('.') => return None,
        _ => SetChange::Reset(name.into()),
    }])
}

/// The settings behind `SET SESSION CHARACTERISTICS AS TRANSACTION`.
fn characteristics(tokens: &[Token]) -> Option<Vec<SetChange>> {
    let mut changes = Vec::new();
    let mut rest: Vec<&str> = Vec::new();
    for token in tokens {
        match token {
            Token::Word(word) => rest.push(word.as_str()),
            Token::Symbol(b',') => {}
            _ => return None,
        }
    }
    let mut rest = rest.as_slice();
    while !rest.is_empty() {
        let (name, value, tail) = match rest {
            ["isolation", "level", "serializable", tail @ ..] => {
                ("isolation", "serializable", tail)
            }
            ["isolation", "level", "repeatable", "read", tail @ ..] => {
                ("isolation", "repeatable read", tail)
            }
            ["isolation", "level", "read", "committed", tail @ ..] => {
                ("isolation", "read committed", tail)
            }
            ["isolation", "level", "read", "uncommitted", tail @ ..] => {
                ("isolation", "read uncommitted", tail)
            }
            ["read", "only", tail @ ..] => ("read_only", "on", tail),
            ["read", "write", tail @ ..] => ("read_only", "off", tail),
            ["not", "deferrable", tail @ ..] => ("deferrable", "off", tail),
            ["deferrable", tail @ ..] => ("deferrable", "on", tail),
            _ => return None,
        };
        let name = format!("default_transaction_{name}");
        changes.push(SetChange::Set(name.into(), Value::of([value])));
        rest = tail;
    }
    (!changes.is_empty()).then_some(changes)
}

/// A name, with its prefixes, in lower case; and what follows it.
fn name<'t>(tokens: &'t [Token]) -> Option<(String, &'t [Token<'t>])> {
    let mut full = String::new();
    let mut rest = tokens;
    loop {
        let [Token::Word(part) | Token::Quoted(part), tail @ ..] = rest else {
            return None;
        };
        full.push_str(&part.to_ascii_lowercase());
        rest = tail;
        let [Token::Symbol(b'.'), tail @ ..] = rest else {
            break;
        };
        full.push('.');
        rest = tail;
    }
    // The old names that PostgreSQL still knows (`map_old_guc_names`).
    match full.as_str() {
        "sort_mem" => full = "work_mem".to_owned(),
        "vacuum_mem" => full = "maintenance_work_mem".to_owned(),
        _ => {}
    }
    Some((full, rest))
}

/// A list of values.
fn value(mut tokens: &[Token]) -> Option<Value> {
    let mut elements = Vec::new();
    loop {
        let (element, tail) = match tokens {
            [
                Token::Word(text) | Token::Quoted(text) | Token::Text(text),
                tail @ ..,
            ] => (text.clone(), tail),
            [Token::Number(text), tail @ ..] => ((*text).to_owned(), tail),
            [Token::Symbol(b'-'), Token::Number(text), tail @ ..] => (format!("-{text}"), tail),
            _ => return None,
        };
        elements.push(element);
        match tail {
            [] => return Some(Value::of(elements.iter().map(String::as_str))),
            [Token::Symbol(b','), tail @ ..] => tokens = tail,
            _ => return None,
        }
    }
}

/// A token of the easy alphabet.
#[derive(Debug)]
enum Token<'a> {
    /// A bare word, in lower case.
    Word(String),
    /// An identifier in double quotes.
    Quoted(String),
    /// A string literal.
    Text(String),
    /// Digits, or digits with a point in them; no zero stands in front.
    Number(&'a str),
    /// One of `= , - . ;`.
    Symbol(u8),
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn skip_space(&mut self) {
        let space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'\x0c');
        self.rest = &self.rest[self.rest.iter().take_while(|byte| space(byte)).count()..];
    }

    /// A bare word, where one stands at the front.
    fn word(&mut self) -> Option<&'a str> {
        self.skip_space();
        if !self.rest.first()?.is_ascii_alphabetic() && self.rest[0] != b'_' {
            return None;
        }
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let length = self.rest.iter().take_while(|byte| is_part(byte)).count();
        let (word, rest) = self.rest.split_at(length);
        self.rest = rest;
        // Prefixes of literals (`E'`, `U&'`), dollars and other letters make something else of it.
        let is_whole = rest
            .first()
            .is_none_or(|next| next.is_ascii() && !matches!(next, b'\'' | b'"' | b'&' | b'$'));
        let word = std::str::from_utf8(word).ok()?;
        (is_whole && length <= NAME_BYTES_MAX).then_some(word)
    }

    /// All that is left, if all of it can be read.
    fn tokens(&mut self) -> Option<Vec<Token<'a>>> {
        let mut tokens = Vec::new();
        loop {
            self.skip_space();
            let Some(&first) = self.rest.first() else {
                return Some(tokens);
            };
            tokens.push(match first {
                b'a'..=b'z' | b'A'..=b'Z' | b'_' => Token::Word(self.word()?.to_ascii_lowercase()),
                b'0'..=b'9' => Token::Number(self.number()?),
                b'\'' => Token::Text(self.quoted()?),
                b'"' => {
                    let name = self.quoted()?;
                    if name.is_empty() || name.len() > NAME_BYTES_MAX {
                        return None;
                    }
                    Token::Quoted(name)
                }
                b'-' if self.rest.get(1) == Some(&b'-') => return None,
                b'=' | b',' | b'-' | b'.' | b';' => {
                    self.rest = &self.rest[1..];
                    // Two operator characters side by side may be one operator.
                    if matches!(first, b'=') && matches!(self.rest.first(), Some(b'=' | b'-')) {
                        return None;
                    }
                    Token::Symbol(first)
                }
                _ => return None,
            });
        }
    }

    fn number(&mut self) -> Option<&'a str> {
        let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let mut length = digits(self.rest);
        // A zero in front makes it octal for some who read it, and not for others.
        if length > 1 && self.rest[0] == b'0' {
            return None;
        }
        if self.rest.get(length) == Some(&b'.') {
            let fraction = digits(&self.rest[length + 1..]);
            if fraction == 0 {
                return None;
            }
            length += 1 + fraction;
        }
        let (number, rest) = self.rest.split_at(length);
        let ends = rest
            .first()
            .is_none_or(|next| next.is_ascii_whitespace() || matches!(next, b',' | b';'));
        self.rest = rest;
        std::str::from_utf8(number).ok().filter(|_| ends)
    }

    /// What stands between quotes of the kind at the front, doubled ones made single.
    fn quoted(&mut self) -> Option<String> {
        let quote = self.rest[0];
        let mut text = String::new();
        let mut at = 1;
        loop {
            let byte = *self.rest.get(at)?;
            if byte == quote {
                if self.rest.get(at + 1) != Some(&quote) {
                    break;
                }
                at += 1;
            }
            if !byte.is_ascii() || byte == b'\\' || byte == 0 {
                return None;
            }
            text.push(char::from(byte));
            at += 1;
        }
        self.rest = &self.rest[at + 1..];
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(sql: &str) -> Option<String> {
        let changes = parse(sql.as_bytes())?;
        let shown = changes.iter().map(|change| match change {
            SetChange::Set(name, value) => format!("{name}={}", value.sql()),
            SetChange::Reset(name) => format!("-{name}"),
            SetChange::ResetAll => "-all".to_owned(),
            SetChange::Authorization(who) => format!("auth {}", sql_of(who.as_ref())),
            SetChange::Role(who) => format!("role {}", sql_of(who.as_ref())),
            SetChange::Passing(name) => format!("passing {name}"),
        });
        Some(shown.collect::<Vec<_>>().join("; "))
    }

    fn sql_of(value: Option<&Value>) -> &str {
        value.map_or("-", Value::sql)
    }

    #[test]
    fn plain_statements_are_read() {
        for (sql, expect) in [
            ("SET work_mem TO '4MB'", "work_mem='4MB'"),
            ("set session Work_Mem = 4096;", "work_mem='4096'"),
            ("set sort_mem = 1", "work_mem='1'"),
            ("set x = -1.50 ; ;", "x='-1.50'"),
            ("set x = 0", "x='0'"),
            ("set enable_seqscan = OFF", "enable_seqscan='off'"),
            (
                "set search_path to App, \"My Schema\", 'it''s', \"$user\"",
                "search_path='app', 'My Schema', 'it''s', '$user'",
            ),
            ("set app.tenant = '42'", "app.tenant='42'"),
            ("set session.tenant = 1", "session.tenant='1'"),
            ("set local.x = 1", "local.x='1'"),
            ("set \"App\".\"X\" = 1", "app.x='1'"),
            ("set listen_to = ISO, DMY", "listen_to='iso', 'dmy'"),
            ("set x to default", "-x"),
            ("set x to \"default\"", "x='default'"),
            ("set time zone 'Europe/Vienna'", "timezone='Europe/Vienna'"),
            ("set time zone UTC", "timezone='utc'"),
            ("set session time zone local", "-timezone"),
            ("set time = 1", "time='1'"),
            ("set names 'latin1'", "client_encoding='latin1'"),
            ("set names", "-client_encoding"),
            ("set schema 'x'", "search_path='x'"),
            ("set role admin", "role 'admin'"),
            ("set role 'Admin'", "role 'Admin'"),
            ("set role none", "role 'none'"),
            ("set role = \"A b\"", "role 'A b'"),
            ("set role to default", "role -"),
            ("reset role", "role -"),
            ("set session authorization joe", "auth 'joe'"),
            ("set session authorization default", "auth -"),
            ("set session_authorization = 'joe'", "auth 'joe'"),
            ("reset session authorization", "auth -"),
            ("reset all", "-all"),
            ("RESET Work_Mem;", "-work_mem"),
            ("reset time zone", "-timezone"),
            (
                "set session characteristics as transaction isolation level repeatable read, read only not deferrable",
                "default_transaction_isolation='repeatable read'; default_transaction_read_only='on'; default_transaction_deferrable='off'",
            ),
            ("set local x = 'é'", "passing x"),
            ("set local app.user = E'a\\'b';", "passing app"),
            ("set transaction isolation level serializable", ""),
            ("set transaction read only", ""),
            ("set\n\tx\r\n=\x0c1", "x='1'"),
        ] {
            assert_eq!(show(sql).as_deref(), Some(expect), "{sql}");
        }
    }

    #[test]
    fn what_is_not_certain_is_not_read() {
        let long = format!("set x = '{}'", "x".repeat(SQL_BYTES_MAX));
        let long_name = format!("set {} = 1", "x".repeat(NAME_BYTES_MAX + 1));
        for sql in [
            "",
            ";",
            "set",
            "set x",
            "set x =",
            "set x = ,",
            "set x = 1,",
            "set x = 1; select 1",
            "set x = 1; set local y = 1",
            "set local x = 1; set y = 1",
            "set local x = ';'; set y = 1",
            "set local = 1",
            "set local to 1",
            "set \"local\" x = 1",
            "set transaction = 1",
            "set constraints all deferred",
            "set session local x = 1",
            "set session session authorization x",
            "set session authorization.x = 1",
            "set x = 'a\\b'",
            "set x = E'a'",
            "set x = U&'a'",
            "set x = $1",
            "set x = $$a$$",
            "set x = 'é'",
            "set é = 1",
            "set x -- c\n= 1",
            "set x = /* c */ 1",
            "set x = --1",
            "set x = 'a' 'b'",
            "set x = 'a'\n'b'",
            "set x = 010",
            "set x = 1e3",
            "set x = 1.",
            "set x = .5",
            "set x = 0x10",
            "set x = 1_000",
            "set x = +1",
            "set x = 'unfinished",
            "set x to'a'",
            "set \"\" = 1",
            "set x from current",
            "set seed = 0.5",
            "set DateStyle = ymd",
            "set datestyle = ISO, DMY",
            "set transaction_isolation = 'serializable'",
            "set time zone interval '1' hour",
            "set time zone -8",
            "set xml option document",
            "set names utf8",
            "reset",
            "reset a b",
            "reset app.x",
            "set app.x to default",
            "reset transaction isolation level",
            "select set_config('a', 'b', false)",
            "update t set x = 1",
            "alter role x set y = 1",
            long.as_str(),
            long_name.as_str(),
        ] {
            assert_eq!(show(sql), None, "{sql}");
        }
    }

    /// Whatever is read from a text that was changed at random has to be read from its SQL again.
    #[test]
    fn what_is_read_reads_back_whatever_the_text() {
        const SEED: u64 = 0x5e77_1e55;
        println!("seed {SEED}");
        let mut state = SEED;
        let mut random = move |below: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap() % below
        };
        let texts = [
            "set search_path to a, \"B\", 'c''d';",
            "SET SESSION work_mem = -4096",
            "set app.x to 'y'",
            "reset all",
            "set role none",
            "set time zone 'UTC'",
        ];
        const BYTES: &[u8] = b"aZ_09'\"=,.;- \n\\$/*\xe9\0()";
        let mut read_count = 0;
        for _ in 0..200_000 {
            let mut sql = texts[random(texts.len())].as_bytes().to_vec();
            for _ in 0..=random(3) {
                let at = random(sql.len());
                match random(3) {
                    0 => sql[at] = BYTES[random(BYTES.len())],
                    1 => sql.insert(at, BYTES[random(BYTES.len())]),
                    _ => drop(sql.drain(at..=at)),
                }
            }
            let Some(changes) = parse(&sql) else { continue };
            read_count += 1;
            for change in changes {
                if let SetChange::Set(name, value) = &change {
                    let again = format!(
                        "set {} to {}",
                        crate::pool::replay::quoted_name(name),
                        value.sql()
                    );
                    let read = parse(again.as_bytes());
                    assert_eq!(read, Some(vec![change]), "{}", sql.escape_ascii());
                }
            }
        }
        assert!(read_count > 10_000, "{read_count}");
    }
}

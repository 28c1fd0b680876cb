//! Which functions of a database may leave something behind on a connection, and which relations call them: a plain
//! function of what the catalog says.
//!
//! What is looked at is text and dependencies, never what a function does. A false alarm costs a little sharing.

use std::collections::{HashMap, HashSet};

use super::keeper_source::keeps_state;
use super::state_words::{kept_by, words};

/// Bytes of an identifier that PostgreSQL looks at; it cuts off the rest.
///
/// # Source
/// `NAMEDATALEN` less one, PostgreSQL manual, "Identifiers and Key Words".
const NAME_BYTES_MAX: usize = 63;

/// What may run behind an event trigger.
const DEFINING_WORDS: [&str; 10] = [
    "alter", "comment", "create", "drop", "grant", "import", "refresh", "reindex", "revoke",
    "security",
];

/// The names whose mention in a statement may leave something behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keepers {
    /// In lower case, no longer than [`NAME_BYTES_MAX`].
    names: HashSet<Box<[u8]>>,
    /// Bit n: one of the names is n bytes long.
    lengths: u64,
    /// A keeper can be called without any name: by an operator or a cast.
    pub behind_every_statement: bool,
}

impl Keepers {
    /// Keepers of these names.
    pub fn of_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut keepers = Self::default();
        for name in names {
            if let Some(name) = word_of(name) {
                keepers.lengths |= 1 << name.len();
                keepers.names.insert(name);
            }
        }
        keepers
    }

    /// Anything may be a keeper, as long as nobody has looked.
    #[must_use]
    pub fn unknown() -> Self {
        Self {
            behind_every_statement: true,
            ..Self::default()
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && !self.behind_every_statement
    }

    /// How many names there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether a word, in any case, is the name of a keeper.
    #[must_use]
    pub fn has(&self, word: &[u8]) -> bool {
        let word = &word[..word.len().min(NAME_BYTES_MAX)];
        if self.lengths & (1 << word.len()) == 0 {
            return false;
        }
        let mut lower = [0; NAME_BYTES_MAX];
        let lower = &mut lower[..word.len()];
        lower.copy_from_slice(word);
        lower.make_ascii_lowercase();
        self.names.contains(&*lower)
    }
}

/// The word by which a name is looked for: the longest of a name that has several.
fn word_of(name: &str) -> Option<Box<[u8]>> {
    let word = words(name.as_bytes()).max_by_key(|word| word.len())?;
    let word = &word[..word.len().min(NAME_BYTES_MAX)];
    Some(word.to_ascii_lowercase().into())
}

/// What something in the catalog is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::schema) enum Kind {
    Function,
    Relation,
    Domain,
    /// An operator or a cast, which a statement need not name by a word.
    Nameless,
    EventTrigger,
    /// The functions of the server's own that keep state, all as one.
    Server,
}

/// Something in the catalog.
pub(in crate::schema) type Object = (Kind, u32);

/// A function that a user or an extension made.
#[derive(Debug)]
pub(in crate::schema) struct Code {
    pub(in crate::schema) oid: u32,
    pub(in crate::schema) name: String,
    pub(in crate::schema) language: String,
    /// `None` when it is too long to be looked at.
    pub(in crate::schema) source: Option<String>,
    /// What is not volatile promises to change nothing.
    pub(in crate::schema) is_volatile: bool,
    /// The extension that it belongs to.
    pub(in crate::schema) extension: Option<String>,
}

/// Extensions whose functions in C keep something of their own for a session: variables, roles, buffers, handles,
/// hypothetical indexes, what a profiler collects.
///
/// # Source
/// The extensions' own manuals.
const KEEPING_EXTENSIONS: [&str; 9] = [
    "dblink",
    "hypopg",
    "orafce",
    "pg_background",
    "pg_variables",
    "pldbgapi",
    "plprofiler",
    "session_variable",
    "set_user",
];

impl Code {
    /// Whether it keeps something by itself. C is trusted where it comes with an extension: what those do in it they
    /// do for the transaction, some apart.
    pub(in crate::schema) fn is_keeper(&self) -> bool {
        if kept_by(self.name.as_bytes()).is_some() {
            return true;
        }
        match (self.language.as_str(), &self.source) {
            ("internal", _) => false,
            ("c", _) => self.is_volatile && !self.is_trusted(),
            ("sql" | "plpgsql", Some(source)) => keeps_state(source.as_bytes()),
            _ => true,
        }
    }

    fn is_trusted(&self) -> bool {
        self.extension
            .as_deref()
            .is_some_and(|name| !KEEPING_EXTENSIONS.contains(&name))
    }

    /// A keeper for nothing but its language. An operator or a cast is trusted even so: what it is made of computes,
    /// and looking for it in every statement would keep everybody apart.
    fn is_machine_code(&self) -> bool {
        self.language == "c" && kept_by(self.name.as_bytes()).is_none()
    }
}

/// That running one thing may run another.
#[derive(Debug)]
pub(in crate::schema) struct Call {
    pub(in crate::schema) caller: Object,
    /// Empty where the caller has none, and for functions, which are known by themselves.
    pub(in crate::schema) caller_name: String,
    pub(in crate::schema) called: Object,
}

/// Finds the keepers: functions that keep something by themselves, and all that calls one, by the catalog's
/// dependencies or by a mention of its name in a function's body.
pub(in crate::schema) fn find(codes: &[Code], calls: &[Call]) -> Keepers {
    let mut names: HashMap<Object, &str> = HashMap::new();
    let mut callers: HashMap<Object, Vec<Object>> = HashMap::new();
    for code in codes {
        names.insert((Kind::Function, code.oid), &code.name);
    }
    for call in calls {
        names.entry(call.caller).or_insert(&call.caller_name);
        callers.entry(call.called).or_default().push(call.caller);
    }
    let mentions = mentions(codes, &names);
    let machine_codes: HashSet<Object> = codes
        .iter()
        .filter(|code| code.is_machine_code())
        .map(|code| (Kind::Function, code.oid))
        .collect();

    let mut pending: Vec<Object> = codes
        .iter()
        .filter(|code| code.is_keeper())
        .map(|code| (Kind::Function, code.oid))
        .chain([(Kind::Server, 0)])
        .collect();
    let mut found: HashSet<Object> = pending.iter().copied().collect();
    while let Some(object) = pending.pop() {
        let mentioned_in = names
            .get(&object)
            .and_then(|name| mentions.get(&word_of(name)?));
        let called_by = callers.get(&object);
        for caller in mentioned_in.into_iter().chain(called_by).flatten() {
            let is_trusted = caller.0 == Kind::Nameless && machine_codes.contains(&object);
            if !is_trusted && found.insert(*caller) {
                pending.push(*caller);
            }
        }
    }

    let defining = found.iter().any(|object| object.0 == Kind::EventTrigger);
    let mut keepers = Keepers::of_names(
        found
            .iter()
            .filter_map(|object| names.get(object).copied())
            .chain(DEFINING_WORDS.into_iter().filter(|_| defining)),
    );
    keepers.behind_every_statement = found.iter().any(|object| object.0 == Kind::Nameless);
    keepers
}

/// By the name of anything in the catalog, the functions whose bodies mention it.
fn mentions(codes: &[Code], names: &HashMap<Object, &str>) -> HashMap<Box<[u8]>, Vec<Object>> {
    let mut mentions: HashMap<Box<[u8]>, Vec<Object>> = names
        .values()
        .filter_map(|name| Some((word_of(name)?, Vec::new())))
        .collect();
    for code in codes {
        let function = (Kind::Function, code.oid);
        for word in words(code.source.as_deref().unwrap_or_default().as_bytes()) {
            let word = word[..word.len().min(NAME_BYTES_MAX)].to_ascii_lowercase();
            if let Some(functions) = mentions.get_mut(word.as_slice())
                && functions.last() != Some(&function)
            {
                functions.push(function);
            }
        }
    }
    mentions
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(oid: u32, name: &str, source: &str) -> Code {
        Code {
            oid,
            name: name.to_owned(),
            language: "plpgsql".to_owned(),
            source: Some(source.to_owned()),
            is_volatile: true,
            extension: None,
        }
    }

    fn call(caller: Object, caller_name: &str, called: Object) -> Call {
        Call {
            caller,
            caller_name: caller_name.to_owned(),
            called,
        }
    }

    fn check(codes: &[Code], calls: &[Call], expect: &[&str]) {
        assert_eq!(
            find(codes, calls),
            Keepers::of_names(expect.iter().copied())
        );
    }

    #[test]
    fn who_mentions_a_keeper_is_one() {
        let codes = [
            code(1, "low", "perform set_config('a', 'b', false)"),
            code(2, "middle", "perform App.LOW()"),
            code(3, "high", "perform middle()"),
            code(4, "beside", "perform lower(x), highest()"),
            code(5, "round_a", "perform round_b()"),
            code(6, "round_b", "perform round_a()"),
        ];
        check(&codes, &[], &["low", "middle", "high"]);
    }

    #[test]
    fn who_calls_a_keeper_by_the_catalog_is_one() {
        let codes = [
            code(1, "keep", "set role other"),
            code(2, "insert_orders", "insert into orders values (1)"),
            code(3, "harmless", "select 1"),
        ];
        let calls = [
            call((Kind::Relation, 10), "Orders", (Kind::Function, 1)),
            call((Kind::Relation, 11), "orders_view", (Kind::Relation, 10)),
            call((Kind::Relation, 12), "other", (Kind::Function, 3)),
            call((Kind::Relation, 15), "direct", (Kind::Server, 0)),
            call((Kind::Domain, 13), "checked", (Kind::Function, 1)),
            call((Kind::Relation, 14), "with domain", (Kind::Domain, 13)),
        ];
        check(
            &codes,
            &calls,
            &[
                "keep",
                "orders",
                "orders_view",
                "direct",
                "insert_orders",
                "checked",
                "domain",
            ],
        );
    }

    #[test]
    fn what_is_called_without_a_name_is_behind_every_statement() {
        let codes = [code(1, "keep", "set role other")];
        let calls = [call((Kind::Nameless, 10), "", (Kind::Function, 1))];
        assert!(find(&codes, &calls).behind_every_statement);
        let calls = [call((Kind::EventTrigger, 10), "", (Kind::Function, 1))];
        let keepers = find(&codes, &calls);
        assert!(keepers.has(b"CREATE") && !keepers.behind_every_statement);
    }

    #[test]
    fn c_is_trusted_where_it_comes_with_an_extension_that_keeps_nothing() {
        let in_c = |is_volatile: bool, extension: Option<&str>| {
            let mut code = code(1, "f", "f");
            code.language = "c".to_owned();
            code.is_volatile = is_volatile;
            code.extension = extension.map(str::to_owned);
            code
        };
        assert!(in_c(true, None).is_keeper());
        assert!(in_c(true, Some("pg_variables")).is_keeper());
        assert!(!in_c(true, Some("pgcrypto")).is_keeper());
        assert!(!in_c(false, None).is_keeper());

        let calls = [
            call((Kind::Nameless, 10), "", (Kind::Function, 1)),
            call((Kind::Relation, 11), "t", (Kind::Function, 1)),
        ];
        check(&[in_c(true, None)], &calls, &["f", "t"]);
    }

    #[test]
    fn a_language_that_cannot_be_read_keeps() {
        let language = |name: &str, language: &str, source: Option<&str>| {
            let mut code = code(1, name, "");
            code.language = language.to_owned();
            code.source = source.map(str::to_owned);
            code.is_keeper()
        };
        assert!(language("f", "plpython3u", Some("pass")));
        assert!(language("f", "sql", None));
        assert!(language("f", "plperl", Some("return 1")));
        assert!(language("dblink_exec", "c", None));
        assert!(!language("f", "internal", None));
        assert!(!language("f", "sql", Some("select 1")));
    }

    #[test]
    fn names_are_cut_off_where_the_server_cuts_them_off() {
        let long = "n".repeat(80);
        let keepers = Keepers::of_names([&long[..63]]);
        assert!(keepers.has(long.as_bytes()));
        assert!(!keepers.has(&long.as_bytes()[..62]));
        assert!(!keepers.has(b""));
        assert!(Keepers::of_names(["+", ""]).is_empty());
    }
}

//! `SET ask.x`, `SHOW ask.x` and `RESET ask.x` as statements of their own.

use super::surface::lexer::{Kind, Lexer, Token, string_value};

/// A statement about an `ask.*` setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingCommand {
    /// `SET [SESSION | LOCAL] ask.name = value`.
    Set {
        /// The name after `ask.`, in lower case.
        name: String,
        /// The value as text, unquoted; `None` for DEFAULT.
        value: Option<String>,
        /// Until the end of the transaction only.
        local: bool,
    },
    /// `SHOW ask.name`; the name `all` shows every one.
    Show {
        /// The name after `ask.`, in lower case.
        name: String,
    },
    /// `RESET ask.name`; the name `all` resets every one.
    Reset {
        /// The name after `ask.`, in lower case.
        name: String,
    },
}

/// Reads a statement text; `None` when it is anything but one single statement about an `ask.*` setting.
///
/// Whether there is a setting of that name, and whether the value suits it, is decided when it is applied.
#[must_use]
pub fn parse(sql: &str) -> Option<SettingCommand> {
    if !may_be_setting(sql) {
        return None;
    }
    let mut tokens: Vec<Token> = Lexer::new(sql, 0, true)
        .filter(Token::is_significant)
        .collect();
    while tokens.last()?.is_symbol(sql, b';') {
        tokens.pop();
    }
    if tokens.iter().any(|t| t.is_symbol(sql, b';')) {
        return None;
    }
    let (verb, rest) = tokens.split_first()?;
    if verb.is_word(sql, "show") {
        let (name, rest) = setting_name(sql, rest)?;
        rest.is_empty().then_some(SettingCommand::Show { name })
    } else if verb.is_word(sql, "reset") {
        let (name, rest) = setting_name(sql, rest)?;
        rest.is_empty().then_some(SettingCommand::Reset { name })
    } else if verb.is_word(sql, "set") {
        let local = rest.first()?.is_word(sql, "local");
        let scoped = local || rest[0].is_word(sql, "session");
        let (name, rest) = setting_name(sql, &rest[usize::from(scoped)..])?;
        let (equals, value) = rest.split_first()?;
        if !(equals.is_symbol(sql, b'=') || equals.is_word(sql, "to")) {
            return None;
        }
        Some(SettingCommand::Set {
            name,
            value: setting_value(sql, value)?,
            local,
        })
    } else {
        None
    }
}

/// Most statements that hold the word "ask" are none of these; their first letter tells.
fn may_be_setting(sql: &str) -> bool {
    let first = Lexer::new(sql, 0, true).find(Token::is_significant);
    first.is_some_and(|t| t.is_any_word(sql, &["set", "show", "reset"]))
}

/// `ask.name`, and what follows it.
fn setting_name<'t>(sql: &str, tokens: &'t [Token]) -> Option<(String, &'t [Token])> {
    let [prefix, dot, name, rest @ ..] = tokens else {
        return None;
    };
    let is_ask = prefix.is_word(sql, "ask") || prefix.text(sql) == "\"ask\"";
    if !is_ask || !dot.is_symbol(sql, b'.') || !matches!(name.kind, Kind::Word | Kind::Name) {
        return None;
    }
    let name = name.text(sql).trim_matches('"').to_lowercase();
    Some((name, rest))
}

/// The value's text; `Some(None)` for DEFAULT, `None` when there is no value.
#[expect(
    clippy::option_option,
    reason = "the outer one says whether this can be read at all"
)]
fn setting_value(sql: &str, tokens: &[Token]) -> Option<Option<String>> {
    let (first, last) = (tokens.first()?, tokens.last()?);
    if tokens.len() == 1 {
        if first.is_word(sql, "default") {
            return Some(None);
        }
        if first.kind == Kind::Text {
            return string_value(first.text(sql), true).map(Some);
        }
    }
    Some(Some(sql[first.start..last.end].to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str, value: Option<&str>, local: bool) -> Option<SettingCommand> {
        Some(SettingCommand::Set {
            name: name.to_owned(),
            value: value.map(str::to_owned),
            local,
        })
    }

    #[test]
    fn statements_about_our_settings_are_told_from_all_others() {
        let show = |name: &str| {
            Some(SettingCommand::Show {
                name: name.to_owned(),
            })
        };
        let reset = |name: &str| {
            Some(SettingCommand::Reset {
                name: name.to_owned(),
            })
        };
        let cases = [
            ("SET ask.notices = off", set("notices", Some("off"), false)),
            (
                "set ask.notices to 'off';",
                set("notices", Some("off"), false),
            ),
            (
                "SET SESSION ask.max_rows TO 5",
                set("max_rows", Some("5"), false),
            ),
            (
                "SET LOCAL ask.timeout = '5s' ;;",
                set("timeout", Some("5s"), true),
            ),
            ("set ASK.Max_Rows = -1", set("max_rows", Some("-1"), false)),
            ("set ask.timeout = 5s", set("timeout", Some("5s"), false)),
            ("set ask.provider = DEFAULT", set("provider", None, false)),
            (
                "set \"ask\".\"notices\"=on",
                set("notices", Some("on"), false),
            ),
            ("/* app */ set ask.x = 1 -- why", set("x", Some("1"), false)),
            ("SHOW ask.max_rows;", show("max_rows")),
            ("show ask.all", show("all")),
            ("RESET ask.notices", reset("notices")),
            ("set ask.notices", None),
            ("set ask.notices =", None),
            ("set ask = 1", None),
            ("set mask.notices = on", None),
            ("set ask.notices = on; select 1", None),
            ("show ask.notices, ask.timeout", None),
            ("show ask", None),
            ("reset all", None),
            ("select 'set ask.notices = on'", None),
            ("ask set ask.notices", None),
            ("", None),
            (";", None),
        ];
        for (sql, expect) in cases {
            assert_eq!(parse(sql), expect, "{sql}");
        }
    }
}

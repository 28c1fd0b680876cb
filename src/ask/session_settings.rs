//! The `ask.*` settings of one session: their values, their scopes, and what a mistake is told.

use std::time::Duration;

use super::setting_statement::SettingCommand;
use super::settings::{BYTES_RANGE, Settings};
use super::table::{Cell, ColumnType, Table};
use crate::error::{Refusal, SqlState};
use crate::names::{bytes, duration};

/// What holds for a session.
///
/// As in PostgreSQL, the configuration gives defaults that a session may change within each setting's own bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionSettings {
    defaults: Values,
    session: Values,
    /// What `SET LOCAL` changed; ends with the transaction.
    local: Option<Values>,
}

/// The value of every setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Values {
    /// `ask.notices`: whether an answer comes with its NOTICE.
    pub notices: bool,
    /// `ask.max_rows`: rows that an ask returns, at most. 1 to 2,147,483,647.
    pub max_rows: u32,
    /// `ask.max_bytes`: bytes of rows that an ask returns, at most. 1 kB to 1 TB.
    pub max_bytes: u64,
    /// `ask.timeout`: how long an ask may take. 1 ms to 24 h.
    pub timeout: Duration,
    /// `ask.provider`: the only provider that is asked; `None` (shown as `auto`) for the whole chain.
    pub provider: Option<String>,
    /// `ask.context`: whether a question may refer to those before it.
    pub context: bool,
}

/// The highest `ask.timeout`: a day.
const TIMEOUT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Every setting's name, what may be written, and what it is for.
const KNOWN: [(&str, &str, &str); 6] = [
    (
        "context",
        "on or off",
        "Whether a question may refer to those before it.",
    ),
    (
        "max_bytes",
        "an amount of data from 1kB to 1TB, such as '64MB' (a bare number is bytes)",
        "Bytes of rows that an ask returns, at most.",
    ),
    (
        "max_rows",
        "a whole number from 1 to 2147483647",
        "Rows that an ask returns, at most.",
    ),
    (
        "notices",
        "on or off",
        "Whether an answer comes with a NOTICE that tells its SQL and its reading.",
    ),
    (
        "provider",
        "auto, or the name of a provider",
        "The only provider that is asked.",
    ),
    (
        "timeout",
        "a time span from 1ms to 24h, such as '30s' (a bare number is milliseconds)",
        "How long an ask may take.",
    ),
];

/// The names of all, without `ask.`, in the order of the alphabet.
pub const NAMES: [&str; KNOWN.len()] = {
    let mut names = [""; KNOWN.len()];
    let mut i = 0;
    while i < KNOWN.len() {
        names[i] = KNOWN[i].0;
        i += 1;
    }
    names
};

impl SessionSettings {
    /// The settings of a new session.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let defaults = Values {
            notices: settings.notices,
            max_rows: settings.max_rows,
            max_bytes: settings.max_bytes,
            timeout: settings.timeout,
            provider: None,
            context: settings.context,
        };
        Self {
            session: defaults.clone(),
            defaults,
            local: None,
        }
    }

    /// What holds now.
    #[must_use]
    pub fn current(&self) -> &Values {
        self.local.as_ref().unwrap_or(&self.session)
    }

    /// Carries a statement out; SHOW gives a table. `providers` are the names that `ask.provider` may take. A
    /// `SET LOCAL` outside of a transaction changes nothing, if [`Self::end_transaction`] is called after it.
    ///
    /// # Errors
    /// 42704 when there is no such setting, 22023 when the value is not allowed.
    pub fn apply(
        &mut self,
        command: &SettingCommand,
        providers: &[&str],
    ) -> Result<Option<Table>, Refusal> {
        match command {
            SettingCommand::Set { name, value, local } => {
                let mut changed = self.current().clone();
                match value {
                    Some(value) => changed.set(name, value, providers)?,
                    None => changed.copy(name, &self.defaults)?,
                }
                if *local {
                    self.local = Some(changed);
                } else {
                    self.session.copy(name, &changed)?;
                    if let Some(values) = &mut self.local {
                        values.copy(name, &changed)?;
                    }
                }
                Ok(None)
            }
            SettingCommand::Reset { name } if name == "all" => {
                self.reset_all();
                Ok(None)
            }
            SettingCommand::Reset { name } => {
                self.session.copy(name, &self.defaults)?;
                if let Some(values) = &mut self.local {
                    values.copy(name, &self.defaults)?;
                }
                Ok(None)
            }
            SettingCommand::Show { name } if name == "all" => Ok(Some(self.show_all())),
            SettingCommand::Show { name } => {
                let value = self.current().show(name)?;
                let column = format!("ask.{name}");
                Ok(Some(
                    Table::new([(column, ColumnType::Text)]).with_row([Cell::Text(value)]),
                ))
            }
        }
    }

    /// What RESET goes back to.
    #[must_use]
    pub fn defaults(&self) -> &Values {
        &self.defaults
    }

    /// The value of one as SHOW shows it, and SET takes it.
    #[must_use]
    pub fn shown(&self, name: &str) -> Option<String> {
        self.current().show(name).ok()
    }

    /// Makes `values` hold for the session, but for the settings that are named with a value of their own. What is not
    /// allowed is passed over.
    pub fn recall<'a>(
        &mut self,
        mut values: Values,
        others: impl Iterator<Item = (&'a str, &'a str)>,
        providers: &[&str],
    ) {
        for (name, value) in others {
            let _ = values.set(name, value, providers);
        }
        self.session = values;
        self.local = None;
    }

    /// Makes a value what the session begins with, and what RESET goes back to.
    ///
    /// # Errors
    /// As of [`Self::apply`].
    pub fn begin_with(
        &mut self,
        name: &str,
        value: &str,
        providers: &[&str],
    ) -> Result<(), Refusal> {
        self.defaults.set(name, value, providers)?;
        self.session = self.defaults.clone();
        Ok(())
    }

    /// Forgets what `SET LOCAL` changed.
    pub fn end_transaction(&mut self) {
        self.local = None;
    }

    /// Makes everything as in a new session, as RESET ALL and DISCARD ALL do.
    pub fn reset_all(&mut self) {
        self.local = None;
        self.session = self.defaults.clone();
    }

    fn show_all(&self) -> Table {
        let columns = ["name", "setting", "description"];
        let mut table = Table::new(columns.map(|name| (name.to_owned(), ColumnType::Text)));
        for (name, _, description) in KNOWN {
            let value = self.current().show(name).unwrap_or_default();
            table = table.with_row([
                Cell::Text(format!("ask.{name}")),
                Cell::Text(value),
                Cell::Text(description.to_owned()),
            ]);
        }
        table
    }
}

impl Values {
    fn set(&mut self, name: &str, value: &str, providers: &[&str]) -> Result<(), Refusal> {
        let wrong = || invalid(name, value, providers);
        match name {
            "notices" => self.notices = boolean(value).ok_or_else(wrong)?,
            "max_rows" => {
                let rows = value.trim().parse::<i32>().ok().filter(|rows| *rows > 0);
                self.max_rows = rows.ok_or_else(wrong)?.unsigned_abs();
            }
            "max_bytes" => {
                let bytes = bytes::parse(value).filter(|bytes| BYTES_RANGE.contains(bytes));
                self.max_bytes = bytes.ok_or_else(wrong)?;
            }
            "timeout" => {
                let timeout = time_span(value).ok_or_else(wrong)?;
                if timeout < Duration::from_millis(1) || timeout > TIMEOUT_MAX {
                    return Err(wrong());
                }
                self.timeout = timeout;
            }
            "provider" if value.eq_ignore_ascii_case("auto") || value.is_empty() => {
                self.provider = None;
            }
            "provider" => {
                let named = providers.iter().find(|p| p.eq_ignore_ascii_case(value));
                self.provider = Some((*named.ok_or_else(wrong)?).to_owned());
            }
            "context" => self.context = boolean(value).ok_or_else(wrong)?,
            _ => return Err(unknown(name)),
        }
        Ok(())
    }

    fn copy(&mut self, name: &str, from: &Self) -> Result<(), Refusal> {
        match name {
            "notices" => self.notices = from.notices,
            "max_rows" => self.max_rows = from.max_rows,
            "max_bytes" => self.max_bytes = from.max_bytes,
            "timeout" => self.timeout = from.timeout,
            "provider" => self.provider.clone_from(&from.provider),
            "context" => self.context = from.context,
            _ => return Err(unknown(name)),
        }
        Ok(())
    }

    fn show(&self, name: &str) -> Result<String, Refusal> {
        Ok(match name {
            "notices" => on_off(self.notices).to_owned(),
            "max_rows" => self.max_rows.to_string(),
            "max_bytes" => bytes::spell(self.max_bytes),
            "timeout" => duration::spell(&self.timeout),
            "provider" => self.provider.clone().unwrap_or_else(|| "auto".to_owned()),
            "context" => on_off(self.context).to_owned(),
            _ => return Err(unknown(name)),
        })
    }
}

fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

/// PostgreSQL's spellings of a boolean setting.
fn boolean(value: &str) -> Option<bool> {
    match value.trim().to_ascii_lowercase().as_str() {
        "on" | "true" | "yes" | "1" | "t" | "y" => Some(true),
        "off" | "false" | "no" | "0" | "f" | "n" => Some(false),
        _ => None,
    }
}

fn time_span(value: &str) -> Option<Duration> {
    let value = value.trim();
    value
        .parse()
        .ok()
        .map(Duration::from_millis)
        .or_else(|| duration::parse(value))
}

fn invalid(name: &str, value: &str, providers: &[&str]) -> Refusal {
    let allowed = match name {
        "provider" => format!("auto, {}", providers.join(", ")),
        _ => KNOWN
            .iter()
            .find(|(known, _, _)| *known == name)
            .map_or_else(String::new, |(_, allowed, _)| (*allowed).to_owned()),
    };
    Refusal::new(
        SqlState::INVALID_PARAMETER_VALUE,
        format!("invalid value for parameter \"ask.{name}\": \"{value}\""),
    )
    .with_hint(format!("Allowed: {allowed}."))
}

fn unknown(name: &str) -> Refusal {
    let names: Vec<String> = KNOWN
        .iter()
        .map(|(known, _, _)| format!("ask.{known}"))
        .collect();
    Refusal::new(
        SqlState::UNDEFINED_OBJECT,
        format!("unrecognized configuration parameter \"ask.{name}\""),
    )
    .with_hint(format!("There are {}.", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::super::setting_statement::parse;
    use super::*;

    const PROVIDERS: [&str; 2] = ["builtin", "local"];

    fn run(settings: &mut SessionSettings, sql: &str) -> Result<Option<String>, String> {
        let command = parse(sql).expect("a statement about a setting");
        match settings.apply(&command, &PROVIDERS) {
            Ok(table) => Ok(table.map(|t| t.rows()[0][0].as_text().unwrap_or_default())),
            Err(refusal) => Err(format!("{} {}", refusal.sqlstate, refusal.message)),
        }
    }

    #[test]
    fn values_are_set_shown_and_reset() {
        let mut settings = SessionSettings::new(&Settings::default());
        let cases = [
            ("show ask.notices", Some("on")),
            ("set ask.notices = off", None),
            ("show ask.notices", Some("off")),
            ("set ask.notices to default", None),
            ("show ask.notices", Some("on")),
            ("show ask.max_rows", Some("10000")),
            ("set ask.max_rows = 7", None),
            ("show ask.max_rows", Some("7")),
            ("show ask.max_bytes", Some("64MB")),
            ("set ask.max_bytes = 10000", None),
            ("show ask.max_bytes", Some("10000B")),
            ("set ask.max_bytes = '1 gb'", None),
            ("show ask.max_bytes", Some("1GB")),
            ("show ask.timeout", Some("30s")),
            ("set ask.timeout = 1500", None),
            ("show ask.timeout", Some("1s 500ms")),
            ("set ask.timeout = '2min'", None),
            ("show ask.timeout", Some("2m")),
            ("show ask.provider", Some("auto")),
            ("set ask.provider = Local", None),
            ("show ask.provider", Some("local")),
            ("reset ask.provider", None),
            ("show ask.provider", Some("auto")),
            ("set ask.context = on", None),
            ("show ask.context", Some("on")),
            ("set ask.context = off", None),
            ("show ask.context", Some("off")),
            ("reset ask.all", None),
            ("show ask.max_rows", Some("10000")),
            ("show ask.all", Some("ask.context")),
        ];
        for (sql, expect) in cases {
            assert_eq!(
                run(&mut settings, sql),
                Ok(expect.map(str::to_owned)),
                "{sql}"
            );
        }
    }

    #[test]
    fn a_local_value_ends_with_its_transaction() {
        let mut settings = SessionSettings::new(&Settings::default());
        run(&mut settings, "set local ask.max_rows = 3").unwrap();
        run(&mut settings, "set ask.notices = off").unwrap();
        assert_eq!(settings.current().max_rows, 3);
        assert!(!settings.current().notices);
        settings.end_transaction();
        assert_eq!(settings.current().max_rows, 10_000);
        assert!(!settings.current().notices);
    }

    #[test]
    fn mistakes_are_told_what_is_allowed() {
        let mut settings = SessionSettings::new(&Settings::default());
        let cases = [
            (
                "set ask.notices = maybe",
                "22023 invalid value for parameter \"ask.notices\": \"maybe\"",
            ),
            (
                "set ask.max_rows = 0",
                "22023 invalid value for parameter \"ask.max_rows\": \"0\"",
            ),
            (
                "set ask.max_rows = many",
                "22023 invalid value for parameter \"ask.max_rows\": \"many\"",
            ),
            (
                "set ask.max_bytes = 1000",
                "22023 invalid value for parameter \"ask.max_bytes\": \"1000\"",
            ),
            (
                "set ask.max_bytes = '2TB'",
                "22023 invalid value for parameter \"ask.max_bytes\": \"2TB\"",
            ),
            (
                "set ask.timeout = 0",
                "22023 invalid value for parameter \"ask.timeout\": \"0\"",
            ),
            (
                "set ask.timeout = '2d'",
                "22023 invalid value for parameter \"ask.timeout\": \"2d\"",
            ),
            (
                "set ask.provider = other",
                "22023 invalid value for parameter \"ask.provider\": \"other\"",
            ),
            (
                "set ask.context = both",
                "22023 invalid value for parameter \"ask.context\": \"both\"",
            ),
            (
                "set ask.colour = red",
                "42704 unrecognized configuration parameter \"ask.colour\"",
            ),
            (
                "show ask.colour",
                "42704 unrecognized configuration parameter \"ask.colour\"",
            ),
            (
                "reset ask.colour",
                "42704 unrecognized configuration parameter \"ask.colour\"",
            ),
        ];
        for (sql, expect) in cases {
            assert_eq!(run(&mut settings, sql), Err(expect.to_owned()), "{sql}");
        }
        assert_eq!(settings, SessionSettings::new(&Settings::default()));
        let refusal = settings.apply(&parse("set ask.provider = x").unwrap(), &PROVIDERS);
        let hint = refusal.unwrap_err().hint;
        assert_eq!(hint.as_deref(), Some("Allowed: auto, builtin, local."));
    }
}

//! Asking the server what has become of a session's settings, where their text does not tell.

use std::fmt::Write as _;

use super::inquiry::Rows;
use super::marks::Marks;
use super::serve::Session;
use crate::pool::set_values::{SetChange, SetValues, Value};
use crate::pool::settings::PoolMode;

/// Lists whose elements are quoted as identifiers where they have to be.
///
/// # Source
/// `GUC_LIST_QUOTE` in PostgreSQL's sources, and `variable_is_guc_list_quote` in pg_dump's.
const QUOTED_LISTS: [&str; 6] = [
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];

/// Steered by the transaction, and of no meaning beyond it.
const TRANSACTION_OWN: [&str; 3] = [
    "transaction_deferrable",
    "transaction_isolation",
    "transaction_read_only",
];

impl Session {
    /// Finds out what is set where that is in doubt. What cannot be found out ties the connection to the session.
    pub(super) async fn settle_settings(&mut self) {
        let stays = self.marks.keeps_state() && self.shared.pool_mode != PoolMode::Transaction;
        if stays && !self.settings.must_look_at_base() {
            return;
        }
        // How the role's name is written in the session's encoding is not known.
        let is_secret = self.settings.is_secret() || !self.pool.caller().role.is_ascii();
        if is_secret {
            self.marks.add(Marks::SET);
            if !self.settings.must_look_at_base() {
                return;
            }
        }
        let sql = question(&self.pool.caller().role, self.settings.custom());
        let answer = self.inquire(&sql).await;
        let known = self.settings.wanted.clone().unwrap_or_default();
        let values = match answer {
            Ok(rows) => read(&rows, &self.pool.caller().role, &known),
            Err(unknown) => {
                tracing::debug!(?unknown, "settings stay unknown");
                None
            }
        };
        match (values, &mut self.server) {
            (Some(values), Some(lease)) if is_secret => {
                self.settings
                    .is_in_force_in_part(values, &mut lease.in_force);
            }
            (Some(values), Some(lease)) => {
                self.settings.is_in_force(values, &mut lease.in_force);
            }
            _ => self.marks.add(Marks::SET),
        }
    }
}

/// The question: every setting of the session's, who it is, and what became of the names that it spoke of.
fn question<'a>(login: &str, custom: impl Iterator<Item = &'a str>) -> String {
    let login = Value::of([login]);
    let login = login.sql();
    let mut sql = format!(
        "SELECT 'set', name, setting, vartype, context FROM pg_catalog.pg_settings \
         WHERE source OPERATOR(pg_catalog.=) 'session' \
         UNION ALL SELECT 'is', 'role', pg_catalog.current_setting('role'), '', '' \
         UNION ALL SELECT 'is', 'session_authorization', session_user::pg_catalog.text, '', '' \
         UNION ALL SELECT 'is', 'superuser', rolsuper::pg_catalog.text, '', '' FROM pg_catalog.pg_roles \
         WHERE rolname OPERATOR(pg_catalog.=) {login}"
    );
    for name in custom {
        let name = name.replace('\'', "''").replace('\\', "");
        let _ = write!(
            sql,
            " UNION ALL SELECT 'custom', '{name}', pg_catalog.current_setting('{name}', true), '', '' \
             WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_settings \
             WHERE pg_catalog.lower(name) OPERATOR(pg_catalog.=) '{name}')"
        );
    }
    sql
}

/// What an answer says is set; `None` when it cannot be set again exactly.
fn read(rows: &Rows, login: &str, known: &SetValues) -> Option<SetValues> {
    let mut values = SetValues::default();
    let mut is_superuser = false;
    let mut needs_superuser = false;
    for row in rows {
        let [kind, name, value, vartype, context] = row.as_slice() else {
            return None;
        };
        let name = text(name.as_deref()?)?;
        let Some(value) = value else {
            // A name that somebody spoke of and nobody has set.
            continue;
        };
        if (&**kind.as_ref()?, name) == (b"is", "superuser") {
            is_superuser = **value == *b"true";
            continue;
        }
        let value = text(value)?;
        match (&**kind.as_ref()?, name) {
            (b"is", "role") if value == "none" => {}
            (b"is", "role") => values.apply(&SetChange::Role(Some(Value::of([value])))),
            (b"is", _) if value == login => {}
            (b"is", _) => {
                let role = values.role().cloned();
                values.apply(&SetChange::Authorization(Some(Value::of([value]))));
                values.apply(&SetChange::Role(role));
            }
            (b"custom", _) => values.set(name, Value::of([value])),
            _ if TRANSACTION_OWN.contains(&name) => {}
            _ => {
                let name = name.to_ascii_lowercase();
                needs_superuser |= context.as_deref() == Some(b"superuser");
                let value = match known.setting(&name) {
                    _ if QUOTED_LISTS.contains(&name.as_str()) => {
                        Value::of(elements(value)?.iter().map(String::as_str))
                    }
                    // It is shown with six digits only.
                    known if vartype.as_deref() == Some(b"real") => {
                        known.filter(|known| is_shown_as(known, value))?.clone()
                    }
                    _ => Value::of([value]),
                };
                values.set(&name, value);
            }
        }
    }
    // A role that the session acted as may have had the right to set it; who logs in may not.
    (is_superuser || !needs_superuser).then_some(values)
}

/// Text in ASCII: what is not could mean another character in another encoding.
fn text(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    text.is_ascii().then_some(text)
}

/// Whether a number that was set is what is shown, as far as that goes.
fn is_shown_as(set: &Value, shown: &str) -> bool {
    let set = set.sql().trim_matches('\'').parse::<f64>();
    let (Ok(set), Ok(shown)) = (set, shown.parse::<f64>()) else {
        return false;
    };
    (set - shown).abs() <= set.abs() * 5e-6
}

/// The elements of a list as the server shows it, in quotes where they have to be.
fn elements(list: &str) -> Option<Vec<String>> {
    let mut elements = Vec::new();
    let mut rest = list.trim_ascii();
    while !rest.is_empty() {
        let mut element = String::new();
        if let Some(quoted) = rest.strip_prefix('"') {
            rest = quoted;
            loop {
                let (part, tail) = rest.split_once('"')?;
                element.push_str(part);
                rest = tail;
                let Some(tail) = rest.strip_prefix('"') else {
                    break;
                };
                element.push('"');
                rest = tail;
            }
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            element.push_str(rest[..end].trim_ascii());
            rest = &rest[end..];
            if element.is_empty() || element.contains(|c: char| c == '"' || c.is_ascii_uppercase())
            {
                return None;
            }
        }
        elements.push(element);
        rest = rest.trim_ascii_start();
        if rest.is_empty() {
            break;
        }
        rest = rest.strip_prefix(',')?.trim_ascii_start();
        if rest.is_empty() {
            return None;
        }
    }
    Some(elements)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(columns: [&str; 5]) -> Vec<Option<Box<[u8]>>> {
        columns
            .iter()
            .map(|column| Some(column.as_bytes().into()))
            .collect()
    }

    fn shown(rows: &[[&str; 5]], known: &SetValues) -> Option<String> {
        let rows: Rows = rows.iter().map(|columns| row(*columns)).collect();
        let values = read(&rows, "app", known)?;
        let mut shown: Vec<String> = values
            .settings()
            .map(|(name, value)| format!("{name}={}", value.sql()))
            .collect();
        shown.extend(
            values
                .authorization()
                .map(|who| format!("auth {}", who.sql())),
        );
        shown.extend(values.role().map(|who| format!("role {}", who.sql())));
        Some(shown.join("; "))
    }

    #[test]
    fn an_answer_is_read_as_what_is_to_be_set_again() {
        let nothing = SetValues::default();
        let mut known = SetValues::default();
        known.set("seq_page_cost", Value::of(["1.23456789"]));
        for (rows, known, expect) in [
            (&[][..], &nothing, Some("")),
            (
                &[
                    ["set", "DateStyle", "ISO, DMY", "string", "user"],
                    [
                        "set",
                        "search_path",
                        "a, \"B c\", \"d\"\"e\"",
                        "string",
                        "user",
                    ],
                    [
                        "set",
                        "transaction_isolation",
                        "serializable",
                        "enum",
                        "user",
                    ],
                    ["is", "role", "r", "", ""],
                    ["is", "session_authorization", "u", "", ""],
                    ["custom", "app.x", "it's", "", ""],
                ],
                &nothing,
                Some(
                    "app.x='it''s'; datestyle='ISO, DMY'; search_path='a', 'B c', 'd\"e'; auth 'u'; role 'r'",
                ),
            ),
            (
                &[
                    ["is", "role", "none", "", ""],
                    ["is", "session_authorization", "app", "", ""],
                    ["set", "search_path", "", "string", "user"],
                ],
                &nothing,
                Some("search_path="),
            ),
            (&[["set", "x", "1.5", "real", "user"]], &nothing, None),
            (
                &[["set", "seq_page_cost", "1.23457", "real", "user"]],
                &known,
                Some("seq_page_cost='1.23456789'"),
            ),
            (
                &[["set", "seq_page_cost", "1.23", "real", "user"]],
                &known,
                None,
            ),
            (
                &[["set", "log_statement", "all", "enum", "superuser"]],
                &nothing,
                None,
            ),
            (
                &[
                    ["is", "superuser", "true", "", ""],
                    ["set", "log_statement", "all", "enum", "superuser"],
                ],
                &nothing,
                Some("log_statement='all'"),
            ),
            (&[["custom", "app.x", "é", "", ""]], &nothing, None),
            (
                &[["set", "search_path", "a,, b", "string", "user"]],
                &nothing,
                None,
            ),
            (
                &[["set", "search_path", "\"a", "string", "user"]],
                &nothing,
                None,
            ),
        ] {
            assert_eq!(shown(rows, known).as_deref(), expect, "{rows:?}");
        }
    }
}

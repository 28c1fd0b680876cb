//! What is set on a connection beyond what its startup gave: settings, the session authorization and the role.
//!
//! A session holds what it wants to be in force, and a connection what is; both share one immutable value, so that
//! comparing pointers tells nearly always that nothing need be done. Next: [`super::replay`].

use std::collections::BTreeMap;
use std::sync::Arc;

/// Settings, by name in lower case, and who the session acts as.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetValues {
    settings: BTreeMap<Box<str>, Value>,
    authorization: Option<Value>,
    role: Option<Value>,
}

/// What somebody has set; `None` is nothing.
pub type InForce = Option<Arc<SetValues>>;

/// A value as SQL that means the same whatever `standard_conforming_strings` says: string literals with commas
/// between them, or nothing for a list that is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value(Box<str>);

/// What a statement does to the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetChange {
    /// `SET name TO value`.
    Set(Box<str>, Value),
    /// `RESET name`.
    Reset(Box<str>),
    /// `RESET ALL`: authorization and role stay.
    ResetAll,
    /// `SET SESSION AUTHORIZATION`, or its `RESET`; the role goes with it.
    Authorization(Option<Value>),
    /// `SET ROLE`, or its `RESET`.
    Role(Option<Value>),
    /// `SET LOCAL name`, which does not outlive the transaction.
    Passing(Box<str>),
}

impl Value {
    /// A value of these elements. Only lists have more than one.
    pub fn of<'a>(elements: impl IntoIterator<Item = &'a str>) -> Self {
        let mut sql = String::new();
        for element in elements {
            if !sql.is_empty() {
                sql.push_str(", ");
            }
            let escaped = element.contains('\\');
            sql.push_str(if escaped { "E'" } else { "'" });
            for c in element.chars() {
                if c == '\'' || c == '\\' {
                    sql.push(c);
                }
                sql.push(c);
            }
            sql.push('\'');
        }
        Self(sql.into())
    }

    /// The list of values as it stands behind `TO`; empty for an empty list, which no `SET` can write.
    #[must_use]
    pub fn sql(&self) -> &str {
        &self.0
    }
}

impl SetValues {
    /// Only an application name.
    #[must_use]
    pub fn of_application_name(name: &str) -> Self {
        let mut values = Self::default();
        values.set("application_name", Value::of([name]));
        values
    }

    /// The settings in alphabetical order.
    pub fn settings(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.settings.iter().map(|(name, value)| (&**name, value))
    }

    /// The value of one setting, by its name in lower case.
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<&Value> {
        self.settings.get(name)
    }

    /// Who the session is, where it is not who logged in.
    #[must_use]
    pub fn authorization(&self) -> Option<&Value> {
        self.authorization.as_ref()
    }

    /// Whom the session acts as.
    #[must_use]
    pub fn role(&self) -> Option<&Value> {
        self.role.as_ref()
    }

    /// Whether nothing is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.settings.is_empty() && !self.acts_as_another()
    }

    /// Whether somebody else than who logged in would be found to have set something.
    #[must_use]
    pub fn acts_as_another(&self) -> bool {
        self.authorization.is_some() || self.role.is_some()
    }

    /// Sets one setting.
    pub fn set(&mut self, name: &str, value: Value) {
        self.settings.insert(name.into(), value);
    }

    /// Carries out a change.
    pub fn apply(&mut self, change: &SetChange) {
        match change {
            SetChange::Set(name, value) => self.set(name, value.clone()),
            SetChange::Reset(name) => {
                self.settings.remove(name);
            }
            SetChange::ResetAll => self.settings.clear(),
            SetChange::Authorization(name) => {
                self.authorization.clone_from(name);
                self.role = None;
            }
            SetChange::Role(name) => self.role.clone_from(name),
            SetChange::Passing(_) => {}
        }
    }

    /// Shares the value; nothing set is `None`.
    #[must_use]
    pub fn share(self) -> InForce {
        (!self.is_empty()).then(|| Arc::new(self))
    }
}

/// Whether two are the same. Those of one session are one value; those of two, each of which has set what the other
/// has (an application name, most of the time), are compared.
#[inline]
#[must_use]
pub fn is_same(one: &InForce, other: &InForce) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => Arc::ptr_eq(one, other) || one == other,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_quoted_for_either_kind_of_strings() {
        for (elements, expect) in [
            (&["a"][..], "'a'"),
            (&["it's", "B c"], "'it''s', 'B c'"),
            (&["a\\b'"], r"E'a\\b'''"),
            (&[""], "''"),
            (&[], ""),
        ] {
            assert_eq!(Value::of(elements.iter().copied()).sql(), expect);
        }
    }

    #[test]
    fn what_two_have_set_alike_is_the_same() {
        let named = |name: &str| SetValues::of_application_name(name).share();
        assert!(is_same(&named("a"), &named("a")));
        assert!(!is_same(&named("a"), &named("b")));
        assert!(!is_same(&named("a"), &None));
        assert!(is_same(&None, &SetValues::default().share()));
    }

    #[test]
    fn changes_are_carried_out_as_postgresql_does() {
        let value = |text: &str| Value::of([text]);
        let mut values = SetValues::default();
        for change in [
            SetChange::Set("a".into(), value("1")),
            SetChange::Set("b".into(), value("2")),
            SetChange::Role(Some(value("r"))),
            SetChange::Reset("a".into()),
        ] {
            values.apply(&change);
        }
        assert_eq!(values.settings().count(), 1);
        values.apply(&SetChange::ResetAll);
        assert!(values.settings().next().is_none() && values.role().is_some());
        values.apply(&SetChange::Authorization(Some(value("s"))));
        assert!(values.role().is_none() && values.authorization().is_some());
        values.apply(&SetChange::Authorization(None));
        assert!(values.share().is_none());
    }
}

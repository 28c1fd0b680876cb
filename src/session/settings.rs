//! What a session has set: noted from plain statements, and in doubt where only the server can tell.
//!
//! A change counts once its transaction has ended well. Savepoints, and whatever else could undo a part of a
//! transaction, are not modelled: they leave doubt, and [`super::read_back`] asks the server.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::set_names::Said;
use crate::pool::connector::Welcome;
use crate::pool::set_values::{InForce, SetChange, SetValues, Value};

/// More names of its own than this a session may not have; the server would be asked for each.
const CUSTOM_NAMES_MAX: usize = 256;

/// Settings that everybody may set. Whoever acts as another sets others with rights that may not be there when they
/// are set again.
const EVERYBODYS: [&str; 18] = [
    "application_name",
    "client_encoding",
    "client_min_messages",
    "datestyle",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "extra_float_digits",
    "idle_in_transaction_session_timeout",
    "intervalstyle",
    "jit",
    "lock_timeout",
    "row_security",
    "search_path",
    "standard_conforming_strings",
    "statement_timeout",
    "synchronous_commit",
    "timezone",
    "work_mem",
];

/// A session's settings.
#[derive(Debug)]
pub(super) struct Settings {
    /// What the startup gave that connections of the pool do not have by themselves: the application name.
    base: InForce,
    /// What is to be in force whenever the session's SQL runs.
    pub(super) wanted: InForce,
    /// What the client was last told of the settings that are reported, application name apart.
    pub(super) told: Welcome,
    /// Changes of the open transaction, in order.
    pending: Vec<SetChange>,
    /// Statements that set have completed in the open transaction.
    is_touched: bool,
    /// How the open transaction has ended, if it has.
    end: End,
    /// The open transaction has failed somewhere.
    has_failed: bool,
    /// The session's text has told what the server is to be asked about.
    has_said: bool,
    /// What is set is known to the server alone.
    in_doubt: bool,
    /// What was set cannot be asked for.
    is_secret: bool,
    /// What the startup gave was, or may have been, reset on the connection to something else.
    is_base_reset: bool,
    /// Names with a prefix that the session has spoken of.
    custom: BTreeSet<Box<str>>,
}

/// Who a session acts as, where it is not who logged in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Identity {
    authorization: Option<Value>,
    role: Option<Value>,
}

/// How a transaction ended, before ReadyForQuery says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum End {
    #[default]
    Open,
    Committed,
    RolledBack,
    /// In more than one way, or not in full.
    Unclear,
}

impl Settings {
    /// Of a session that was told this, and brought an application name of its own as `base`.
    pub(super) fn new(base: InForce, told: Welcome) -> Self {
        Self {
            wanted: base.clone(),
            base,
            told,
            pending: Vec::new(),
            is_touched: false,
            end: End::default(),
            has_failed: false,
            has_said: false,
            in_doubt: false,
            is_secret: false,
            is_base_reset: false,
            custom: BTreeSet::new(),
        }
    }

    /// Whether the server has to be asked before the connection may go.
    #[inline]
    pub(super) fn is_in_doubt(&self) -> bool {
        self.in_doubt
    }

    /// The session authorization and the role, as far as the statements so far have told.
    pub(super) fn acts_as(&self) -> Identity {
        let wanted = self.wanted.as_deref();
        let mut identity = Identity {
            authorization: wanted.and_then(SetValues::authorization).cloned(),
            role: wanted.and_then(SetValues::role).cloned(),
        };
        for change in &self.pending {
            match change {
                SetChange::Authorization(who) => {
                    identity = Identity {
                        authorization: who.clone(),
                        role: None,
                    };
                }
                SetChange::Role(who) => identity.role.clone_from(who),
                SetChange::Set(..)
                | SetChange::Reset(_)
                | SetChange::ResetAll
                | SetChange::Passing(_) => {}
            }
        }
        identity
    }

    /// Whether one of these settings may have another value than a new session's.
    pub(super) fn may_have_set(&self, is_one: impl Fn(&str) -> bool) -> bool {
        let mut wanted = self.wanted.as_deref().into_iter();
        self.in_doubt
            || wanted.any(|values| values.settings().any(|(name, _)| is_one(name)))
            || self.pending.iter().any(|change| match change {
                SetChange::Set(name, _) | SetChange::Reset(name) => is_one(name),
                _ => false,
            })
    }

    /// Whether the answer would not tell all.
    pub(super) fn is_secret(&self) -> bool {
        self.is_secret
    }

    /// The names that the server is to be asked about one by one.
    pub(super) fn custom(&self) -> impl Iterator<Item = &str> {
        self.custom.iter().map(|name| &**name)
    }

    /// Notes what a text said that could not be read as a plain statement.
    pub(super) fn said(&mut self, said: Said) {
        self.has_said = true;
        self.is_secret |= said.is_secret;
        self.in_doubt |= said.sets_by_function;
        self.custom.extend(said.custom);
        self.is_secret |= self.custom.len() > CUSTOM_NAMES_MAX;
    }

    /// Whether a text of this transaction's may set something, and is no plain statement.
    pub(super) fn has_said(&self) -> bool {
        self.has_said
    }

    /// Notes that a SET or RESET has completed; what it does, where its text told.
    pub(super) fn completed(&mut self, is_set: bool, changes: Option<Box<[SetChange]>>) {
        let Some(changes) = changes else {
            self.in_doubt = true;
            self.is_base_reset |= !is_set && self.base.is_some();
            // Nobody has seen this one coming.
            self.is_secret |= is_set && !self.has_said;
            return;
        };
        if changes.iter().all(is_passing) {
            return;
        }
        for change in &changes {
            if let SetChange::Set(name, _) = change
                && name.contains('.')
            {
                self.custom.insert(name.clone());
            }
        }
        let resets = |change: &SetChange| match change {
            SetChange::ResetAll => true,
            SetChange::Reset(name) => **name == *"application_name",
            _ => false,
        };
        self.is_base_reset |= self.base.is_some() && changes.iter().any(resets);
        self.is_touched = true;
        self.in_doubt |= self.end != End::Open || self.leaves_doubt(&changes);
        self.pending.extend(changes);
    }

    /// Whether what a text says is not all there is to it.
    fn leaves_doubt(&self, changes: &[SetChange]) -> bool {
        let wanted = self.wanted.as_deref();
        let acts =
            wanted.is_some_and(SetValues::acts_as_another) || self.pending.iter().any(is_identity);
        let mut known = wanted.into_iter().flat_map(SetValues::settings);
        changes.iter().any(|change| match change {
            SetChange::Set(name, _) | SetChange::Reset(name) => {
                acts && !EVERYBODYS.contains(&&**name) && !name.contains('.')
            }
            // What somebody made up stays behind as an empty string.
            SetChange::ResetAll => {
                acts || !self.custom.is_empty()
                    || known.any(|(name, _)| name.contains('.'))
                    || self.pending.iter().any(is_custom)
            }
            SetChange::Authorization(_) | SetChange::Role(_) | SetChange::Passing(_) => false,
        })
    }

    /// Notes a command that steers transactions.
    #[inline]
    pub(super) fn steered(&mut self, command_tag: &[u8]) {
        if !self.is_touched {
            return;
        }
        let end = match command_tag {
            b"COMMIT" => End::Committed,
            b"ROLLBACK" => End::RolledBack,
            b"PREPARE TRANSACTION" | b"ROLLBACK PREPARED" | b"COMMIT PREPARED" => End::Unclear,
            _ => return,
        };
        self.end = if self.end == End::Open {
            end
        } else {
            End::Unclear
        };
    }

    /// Notes an ErrorResponse.
    #[inline]
    pub(super) fn failed(&mut self) {
        self.has_failed |= self.is_touched;
    }

    /// Notes a ReadyForQuery outside a transaction; the changes that have come to stay. `is_last` says that nothing
    /// was sent behind it.
    #[inline]
    pub(super) fn ready(&mut self, is_last: bool) -> Vec<SetChange> {
        let changes = if self.is_touched {
            self.end_transaction()
        } else {
            Vec::new()
        };
        if is_last && !self.in_doubt {
            self.has_said = false;
            self.is_secret = false;
        }
        changes
    }

    fn end_transaction(&mut self) -> Vec<SetChange> {
        self.is_touched = false;
        let changes = std::mem::take(&mut self.pending);
        let has_failed = std::mem::take(&mut self.has_failed);
        match std::mem::take(&mut self.end) {
            End::RolledBack => return Vec::new(),
            End::Open | End::Committed if !has_failed => {}
            End::Open | End::Committed | End::Unclear => self.in_doubt = true,
        }
        if self.in_doubt { Vec::new() } else { changes }
    }

    /// Notes a ReadyForQuery inside a transaction.
    #[inline]
    pub(super) fn still_open(&mut self) {
        if self.end != End::Open {
            // ROLLBACK TO a savepoint, or a COMMIT AND CHAIN.
            self.end = End::Unclear;
        }
    }

    /// Carries changes out, on what is wanted as on what is in force.
    pub(super) fn apply(&mut self, changes: &[SetChange], in_force: &mut InForce) {
        let mut values = in_force.as_deref().cloned().unwrap_or_default();
        for change in changes {
            values.apply(change);
        }
        self.take_over(values, in_force);
    }

    /// The server was asked, and this is in force.
    pub(super) fn is_in_force(&mut self, values: SetValues, in_force: &mut InForce) {
        self.take_over(values, in_force);
        self.give_up();
    }

    /// Takes over what is in force as what is wanted; what the startup gave comes back where it was reset.
    fn take_over(&mut self, values: SetValues, in_force: &mut InForce) {
        const NAME: &str = "application_name";
        self.is_base_reset = false;
        let base = self.base.as_ref().and_then(|base| base.setting(NAME));
        *in_force = values.share();
        self.wanted = match base {
            Some(own) if in_force.as_ref().is_none_or(|v| v.setting(NAME).is_none()) => {
                if in_force.is_none() {
                    self.base.clone()
                } else {
                    let mut wanted = in_force.as_deref().cloned().unwrap_or_default();
                    wanted.set(NAME, own.clone());
                    wanted.share()
                }
            }
            _ => in_force.clone(),
        };
    }

    /// The server was asked although not all of what was set can be asked for.
    pub(super) fn is_in_force_in_part(&mut self, values: SetValues, in_force: &mut InForce) {
        self.is_in_force(values, in_force);
        self.in_doubt = true;
        self.is_secret = true;
    }

    /// Whether what the startup gave may have to be set again, and only the server can tell.
    #[inline]
    pub(super) fn must_look_at_base(&self) -> bool {
        self.in_doubt && self.is_base_reset
    }

    /// Whether there was something to look at; there no longer is.
    pub(super) fn base_is_looked_at(&mut self) -> bool {
        let must_look = self.must_look_at_base();
        self.is_base_reset = false;
        must_look
    }

    /// DISCARD ALL was carried out; `alone` says that nothing was sent behind it.
    pub(super) fn discarded(&mut self, in_force: &mut InForce, alone: bool) {
        *in_force = None;
        self.wanted.clone_from(&self.base);
        self.pending.clear();
        self.is_touched = false;
        self.has_failed = false;
        self.end = End::Open;
        if alone {
            self.in_doubt = false;
            self.is_secret = false;
            self.has_said = false;
        }
    }

    /// Nothing is in doubt any more: it is known, or lost.
    pub(super) fn give_up(&mut self) {
        self.is_base_reset = false;
        self.in_doubt = false;
        self.is_secret = false;
        self.has_said = false;
    }

    /// Whether the client was told what this connection reports.
    #[inline]
    pub(super) fn was_told(&self, reports: &Welcome) -> bool {
        Arc::ptr_eq(&self.told, reports)
    }
}

fn is_identity(change: &SetChange) -> bool {
    matches!(change, SetChange::Authorization(_) | SetChange::Role(_))
}

fn is_passing(change: &SetChange) -> bool {
    matches!(change, SetChange::Passing(_))
}

fn is_custom(change: &SetChange) -> bool {
    matches!(change, SetChange::Set(name, _) if name.contains('.'))
}

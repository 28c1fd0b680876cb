//! Two other clients that take turns in holding a server connection, so that the client under test cannot keep the
//! one it just used unless the proxy pins it.

use std::time::Duration;

use crate::support::raw::{Endpoint, Login, Raw};

/// How many server connections the pool must have: one that a neighbour holds, and one for the client under test.
pub(super) const POOL_SIZE: usize = 2;

/// How long the waiting neighbour may take to be served before the holding one gives way: it is served at once
/// unless the client under test is pinned.
const TURN: Duration = Duration::from_millis(15);

/// The two of them.
pub(super) struct Neighbours {
    holding: Raw,
    waiting: Raw,
}

impl Neighbours {
    /// Logs both in; one opens a transaction.
    pub(super) fn new(endpoint: &Endpoint, login: &Login<'_>) -> Self {
        let mut holding = Raw::login(endpoint, login).expect("a login");
        let waiting = Raw::login(endpoint, login).expect("a login");
        holding.rows("begin");
        Self { holding, waiting }
    }

    /// The waiting one opens a transaction on the connection that the client under test has left, if it has, and the
    /// holding one ends its own.
    pub(super) fn swap(&mut self) {
        self.waiting.send(&crate::support::frames::query("begin"));
        self.waiting.is_answered_within(TURN);
        self.holding.rows("commit");
        self.waiting.until_ready();
        std::mem::swap(&mut self.holding, &mut self.waiting);
    }
}

//! Other clients of the same pool, which take every server connection that is free between any two steps: a session
//! keeps one only when it must.

use std::time::{Duration, Instant};

use crate::support::frames;
use crate::support::raw::{Endpoint, Login, Raw};

/// How long a neighbour waits for its connection before it gives up its turn: it gets one at once unless none is free.
const TURN: Duration = Duration::from_millis(8);

/// How long it takes to see whether something has come.
const GLANCE: Duration = Duration::from_micros(200);

/// As many neighbours as the pool has connections.
pub(super) struct Crowd(Vec<Neighbour>);

struct Neighbour {
    client: Raw,
    /// ReadyForQuery that have not come yet.
    owed: usize,
    /// The server said that a transaction is open.
    is_open: bool,
    /// The COMMIT was sent behind the BEGIN.
    is_ended: bool,
}

impl Crowd {
    /// Logs them in.
    pub(super) fn new(endpoint: &Endpoint, login: &Login<'_>, count: usize) -> Self {
        let login = Login {
            parameters: &[("application_name", "neighbour")],
            ..*login
        };
        let enter = |_| Neighbour {
            client: Raw::login(endpoint, &login).expect("a login"),
            owed: 0,
            is_open: false,
            is_ended: false,
        };
        Self((0..count).map(enter).collect())
    }

    /// Each opens a transaction on a connection of its own, if one is free, and ends it.
    pub(super) fn jostle(&mut self) {
        for neighbour in &mut self.0 {
            neighbour.hear(Instant::now());
            if neighbour.owed == 0 {
                neighbour.client.send(&frames::query("begin"));
                neighbour.owed = 1;
                neighbour.is_ended = false;
            }
        }
        let patience = Instant::now() + TURN;
        for neighbour in &mut self.0 {
            neighbour.hear(patience);
        }
        for neighbour in &mut self.0 {
            if neighbour.is_ended {
                continue;
            }
            if neighbour.is_open {
                neighbour.client.rows("commit");
                neighbour.is_open = false;
            } else {
                // One that still waits is not to keep what it gets.
                neighbour.client.send(&frames::query("commit"));
                neighbour.owed += 1;
                neighbour.is_ended = true;
            }
        }
    }
}

impl Neighbour {
    /// Reads what comes until then.
    fn hear(&mut self, until: Instant) {
        let patience = || (until.saturating_duration_since(Instant::now())).max(GLANCE);
        while self.owed > 0 && self.client.is_answered_within(patience()) {
            let frame = self.client.read();
            assert_ne!(frame.tag, b'E', "{frame:?}");
            if frame.tag == b'Z' {
                self.owed -= 1;
                self.is_open = frame.body == b"T";
            }
        }
    }
}

//! Which messages a server has yet to answer: tells when an answer is whole, and whether a client holds a connection.
//!
//! Kept from what PostgreSQL itself answers, by the protocol's rules alone.

use std::collections::VecDeque;

/// A message as far as its answer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Query and FunctionCall.
    Query,
    Parse,
    Bind,
    Describe,
    Execute,
    Close,
    Sync,
    Flush,
    CopyData,
    CopyEnd,
}

/// One connection's account.
#[derive(Debug)]
pub(super) struct Ledger {
    /// Sent and not yet answered.
    owed: VecDeque<Kind>,
    /// The message at the front has begun a COPY FROM STDIN.
    copying: bool,
    /// After an error in a batch: the server ignores everything up to the next Sync.
    skipping: bool,
    /// Messages of the extended protocol were sent that no Sync or Query has followed.
    in_batch: bool,
    /// What the last ReadyForQuery said.
    status: u8,
    /// The server will close the connection.
    dying: bool,
}

impl Ledger {
    pub(super) fn new() -> Self {
        Self {
            owed: VecDeque::new(),
            copying: false,
            skipping: false,
            in_batch: false,
            status: b'I',
            dying: false,
        }
    }

    /// Whether the last transaction has failed and is still open.
    pub(super) fn has_failed(&self) -> bool {
        self.status == b'E'
    }

    pub(super) fn sent(&mut self, kind: Kind) {
        match kind {
            Kind::Query => self.in_batch = false,
            Kind::Sync => self.in_batch &= self.copying,
            Kind::Flush | Kind::CopyData | Kind::CopyEnd => {}
            _ => self.in_batch = true,
        }
        self.owed.push_back(kind);
        self.drop_unanswered();
    }

    pub(super) fn received(&mut self, tag: u8, body: &[u8]) {
        let front = self.owed.front().copied();
        match (tag, front) {
            (b'Z', _) => {
                self.status = body[0];
                self.skipping = false;
                self.copying = false;
                self.owed.pop_front();
            }
            (b'G', _) => self.copying = true,
            // Not copy data, and not the end of it: PostgreSQL cannot tell where the message ends.
            (b'E', _) if self.copying && self.owed.len() > 1 => self.dying = true,
            (b'E', _) if is_fatal(body) => self.dying = true,
            (b'E', Some(Kind::Query | Kind::Sync)) => self.copying = false,
            (b'E', _) => {
                self.copying = false;
                self.skipping = true;
                self.owed.pop_front();
            }
            (b'1', Some(Kind::Parse))
            | (b'2', Some(Kind::Bind))
            | (b'3', Some(Kind::Close))
            | (b'T' | b'n', Some(Kind::Describe))
            | (b'C' | b'I' | b's', Some(Kind::Execute)) => {
                self.owed.pop_front();
            }
            _ => {}
        }
        self.drop_unanswered();
    }

    /// Everything that will be answered was, for now.
    pub(super) fn is_settled(&self) -> bool {
        !self.dying && (self.owed.is_empty() || (self.copying && self.owed.len() == 1))
    }

    /// A COPY FROM STDIN waits for data.
    pub(super) fn is_copying(&self) -> bool {
        self.copying
    }

    /// A batch or a COPY is open: not every message may follow.
    pub(super) fn is_mid_batch(&self) -> bool {
        self.in_batch || self.skipping || !self.owed.is_empty()
    }

    /// A transaction, a batch or a COPY is open.
    pub(super) fn is_open(&self) -> bool {
        self.status != b'I' || self.is_mid_batch()
    }

    /// Takes out what no message of the server answers.
    fn drop_unanswered(&mut self) {
        loop {
            let at = usize::from(self.copying);
            match self.owed.get(at) {
                Some(Kind::CopyData | Kind::Flush) => {}
                Some(Kind::Sync) if self.copying => {}
                Some(Kind::CopyEnd) => self.copying = false,
                Some(Kind::Sync) | None => return,
                Some(_) if self.skipping && !self.copying => {}
                Some(_) => return,
            }
            self.owed.remove(at);
        }
    }
}

/// Whether the connection is closed behind this ErrorResponse.
fn is_fatal(body: &[u8]) -> bool {
    body.split(|byte| *byte == 0)
        .any(|field| matches!(field, b"VFATAL" | b"VPANIC"))
}

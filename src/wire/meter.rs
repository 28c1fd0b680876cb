//! How many bytes of rows an answer may still bring.

use std::sync::atomic::{AtomicU64, Ordering};

/// What is left of an answer's allowance. It is shared by the messages that fetch the same portal.
///
/// One session alone uses it, and atomically only because the session may move between threads.
#[derive(Debug)]
pub struct Meter(AtomicU64);

impl Meter {
    /// An allowance of so many bytes.
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        Self(AtomicU64::new(bytes))
    }

    /// Takes a message of so many bytes from the allowance; `false` when that is more than is left, and then nothing
    /// is left.
    #[must_use]
    pub fn take(&self, bytes: usize) -> bool {
        let left = self.0.load(Ordering::Relaxed);
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.0.store(left.saturating_sub(bytes), Ordering::Relaxed);
        bytes <= left
    }
}

impl PartialEq for Meter {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Meter {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allowance_ends_with_the_first_message_that_is_too_much() {
        let meter = Meter::new(10);
        assert!(meter.take(4));
        assert!(meter.take(6));
        assert!(!meter.take(1));
        let meter = Meter::new(10);
        assert!(!meter.take(11));
        assert!(!meter.take(1), "a smaller one behind it is not let through");
    }
}

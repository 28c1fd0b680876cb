//! A session's place at its pool: the connection that it used last stays its own for as long as nobody needs it more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::lease::{Lease, LeaseError, Pool};
use super::parking::Place;

/// A number that no other seat has had.
static NEXT_NUMBER: AtomicU64 = AtomicU64::new(0);

/// One session's claim on its pool. When it is dropped, what it has parked goes to somebody else.
#[derive(Debug)]
pub struct Seat {
    pool: Arc<Pool>,
    number: u64,
    parked: Option<Place>,
}

impl Seat {
    /// A seat at this pool.
    #[must_use]
    pub fn new(pool: Arc<Pool>) -> Self {
        Self {
            pool,
            number: NEXT_NUMBER.fetch_add(1, Ordering::Relaxed),
            parked: None,
        }
    }

    /// The connection that the session parked, if nobody has taken it and its server has not closed it.
    #[inline]
    pub fn unpark(&mut self) -> Option<Lease> {
        let place = self.parked.take()?;
        let lease = self.pool.parking.unpark(self.number, place)?.taken();
        // Else it is closed, being no longer clean.
        lease.is_quiet().then_some(lease)
    }

    /// Waits for a connection: the session's own if it is still there, else any.
    ///
    /// # Errors
    /// As [`Pool::lease`].
    ///
    /// # Cancel safety
    /// A connection that was found but not returned goes back to the pool.
    pub async fn lease(&mut self) -> Result<Lease, LeaseError> {
        match self.unpark() {
            Some(lease) => Ok(lease),
            None => self.pool.lease().await,
        }
    }

    /// Leaves a connection that was marked clean, to be found again unless somebody else has more need of it. One that
    /// is not clean, or has become too old, is closed.
    #[inline]
    pub fn park(&mut self, lease: Lease) {
        let now = Instant::now();
        if !lease.is_clean() || self.pool.is_outlived(&lease, now) {
            lease.close();
            return;
        }
        self.leave();
        self.parked = self.pool.parking.park(self.number, lease, now);
    }

    /// Gives up what the session has parked.
    fn leave(&mut self) {
        if let Some(place) = self.parked.take()
            && let Some(lease) = self.pool.parking.unpark(self.number, place)
        {
            self.pool.give_back(lease);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.leave();
    }
}

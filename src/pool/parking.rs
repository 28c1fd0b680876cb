//! Who gets a connection that somebody leaves: it waits for its last owner, until somebody else has more need of it.
//!
//! A session that ends a transaction *parks* its connection here and finds it again with its next statement, as the
//! session left it. Whoever finds no connection free *steals* the one that has been parked longest. Whoever finds
//! nothing to steal either *waits*, and a connection that is left while somebody waits goes to the one who has waited
//! longest, hand to hand.
//!
//! [`Lot`] decides, and knows neither connections nor tasks; [`Parking`] keeps one behind a lock and carries out what
//! it decides. Whether a connection may be left at all is decided elsewhere.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::oneshot;

/// The things that are parked, and the queue of those who wait for one.
pub(super) struct Parking<T> {
    lot: Mutex<Lot<T, oneshot::Sender<T>>>,
}

/// Where an owner finds its thing again; only a hint, for it may have been stolen meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(usize);

/// What becomes of somebody who comes and finds nothing free.
pub(super) enum Arrival<'a, T> {
    /// It takes what had been parked longest.
    Stole(T),
    /// It waits.
    Waits(Waiter<'a, T>),
}

/// A place in the queue; dropping it leaves the queue, and passes on what was handed over too late.
pub(super) struct Waiter<'a, T> {
    parking: &'a Parking<T>,
    number: u64,
    hand: oneshot::Receiver<T>,
}

impl<T> Default for Parking<T> {
    fn default() -> Self {
        Self {
            lot: Mutex::new(Lot::default()),
        }
    }
}

impl<T> Parking<T> {
    /// Leaves a thing for its owner to find again, unless somebody waits: then it goes there, and nothing is parked.
    #[inline]
    pub(super) fn park(&self, owner: u64, thing: T, now: Instant) -> Option<Place> {
        let mut thing = thing;
        loop {
            let hand = match self.lock().leave(owner, thing, now) {
                Left::Parked(place) => return Some(place),
                Left::Owed(hand, owed) => {
                    thing = owed;
                    hand
                }
            };
            // The lock is free again: whoever wakes up by this may want it at once.
            match hand.send(thing) {
                Ok(()) => return None,
                Err(refused) => thing = refused,
            }
        }
    }

    /// The owner's own thing, if it is still there.
    #[inline]
    pub(super) fn unpark(&self, owner: u64, place: Place) -> Option<T> {
        self.lock().unpark(owner, place)
    }

    /// Hands a thing to whoever has waited longest; it comes back when nobody waits.
    pub(super) fn hand_over(&self, mut thing: T) -> Option<T> {
        loop {
            let Some(hand) = self.lock().next_in_queue() else {
                return Some(thing);
            };
            match hand.send(thing) {
                Ok(()) => return None,
                Err(refused) => thing = refused,
            }
        }
    }

    /// Takes what has been parked longest.
    pub(super) fn steal(&self) -> Option<T> {
        self.lock().steal()
    }

    /// Takes what has been parked longest, if anything may be taken, and else joins the queue. Nothing can be parked
    /// between the one and the other.
    pub(super) fn arrive(&self, may_steal: bool) -> Arrival<'_, T> {
        let (hand, receiver) = oneshot::channel();
        match self.lock().arrive(may_steal, hand) {
            Arrived::Stole(thing) => Arrival::Stole(thing),
            Arrived::Queued(number) => Arrival::Waits(Waiter {
                parking: self,
                number,
                hand: receiver,
            }),
        }
    }

    /// Whether somebody waits.
    pub(super) fn somebody_waits(&self) -> bool {
        !self.lock().queue.is_empty()
    }

    /// Takes whatever has been parked since, or is, something for which this holds.
    pub(super) fn take_where(&self, is_due: impl FnMut(Instant, &T) -> bool) -> Vec<T> {
        self.lock().take_where(is_due)
    }

    fn lock(&self) -> MutexGuard<'_, Lot<T, oneshot::Sender<T>>> {
        self.lot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for Parking<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lot = self.lock();
        f.debug_struct("Parking")
            .field("parked", &(lot.places.len() - lot.free.len()))
            .field("waiting", &lot.queue.len())
            .finish()
    }
}

impl<T> Waiter<'_, T> {
    /// Resolves when somebody has handed something over.
    ///
    /// # Cancel safety
    /// What was handed over stays with the waiter.
    pub(super) async fn handed(&mut self) -> T {
        match (&mut self.hand).await {
            Ok(thing) => thing,
            // The queue, and with it the other end, lives as long as what `self` borrows.
            Err(_) => std::future::pending().await,
        }
    }
}

impl<T> Drop for Waiter<'_, T> {
    fn drop(&mut self) {
        self.parking.lock().leave_queue(self.number);
        self.hand.close();
        if let Ok(thing) = self.hand.try_recv() {
            // With nobody else waiting, it goes where such things go by themselves.
            drop(self.parking.hand_over(thing));
        }
    }
}

/// The state that [`Parking`] guards, and every decision about it. `H` is how a thing reaches somebody who waits.
struct Lot<T, H> {
    places: Vec<Option<Parked<T>>>,
    /// The places that are empty.
    free: Vec<usize>,
    /// Who waits, first come first served.
    queue: VecDeque<(u64, H)>,
    next_number: u64,
}

struct Parked<T> {
    owner: u64,
    since: Instant,
    thing: T,
}

/// What becomes of a thing that is left.
enum Left<T, H> {
    Parked(Place),
    /// It is due to somebody who waits.
    Owed(H, T),
}

/// What becomes of somebody who comes.
enum Arrived<T> {
    Stole(T),
    Queued(u64),
}

impl<T, H> Default for Lot<T, H> {
    fn default() -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
            queue: VecDeque::new(),
            next_number: 0,
        }
    }
}

impl<T, H> Lot<T, H> {
    fn leave(&mut self, owner: u64, thing: T, since: Instant) -> Left<T, H> {
        if let Some(hand) = self.next_in_queue() {
            return Left::Owed(hand, thing);
        }
        let parked = Some(Parked {
            owner,
            since,
            thing,
        });
        let index = match self.free.pop() {
            Some(index) => {
                self.places[index] = parked;
                index
            }
            None => {
                self.places.push(parked);
                self.places.len() - 1
            }
        };
        Left::Parked(Place(index))
    }

    fn unpark(&mut self, owner: u64, Place(index): Place) -> Option<T> {
        let own = |parked: &&mut Option<Parked<T>>| {
            parked.as_ref().is_some_and(|parked| parked.owner == owner)
        };
        let parked = self.places.get_mut(index).filter(own)?.take()?;
        self.free.push(index);
        Some(parked.thing)
    }

    fn steal(&mut self) -> Option<T> {
        let occupied = self.places.iter().enumerate();
        let (_, index) = occupied
            .filter_map(|(index, parked)| Some((parked.as_ref()?.since, index)))
            .min()?;
        let parked = self.places[index].take()?;
        self.free.push(index);
        Some(parked.thing)
    }

    fn arrive(&mut self, may_steal: bool, hand: H) -> Arrived<T> {
        if may_steal && let Some(thing) = self.steal() {
            return Arrived::Stole(thing);
        }
        let number = self.next_number;
        self.next_number += 1;
        self.queue.push_back((number, hand));
        Arrived::Queued(number)
    }

    fn next_in_queue(&mut self) -> Option<H> {
        self.queue.pop_front().map(|(_, hand)| hand)
    }

    fn leave_queue(&mut self, number: u64) {
        // Numbers rise along the queue.
        if let Ok(index) = self
            .queue
            .binary_search_by_key(&number, |(other, _)| *other)
        {
            self.queue.remove(index);
        }
    }

    fn take_where(&mut self, mut is_due: impl FnMut(Instant, &T) -> bool) -> Vec<T> {
        let mut taken = Vec::new();
        for (index, place) in self.places.iter_mut().enumerate() {
            if let Some(parked) = place.take_if(|parked| is_due(parked.since, &parked.thing)) {
                self.free.push(index);
                taken.push(parked.thing);
            }
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;

    use super::*;

    fn at(seconds: u64) -> Instant {
        // Any instant will do: only the order counts.
        *START + Duration::from_secs(seconds)
    }

    static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);

    fn waits<'a>(parking: &'a Parking<&'static str>, may_steal: bool) -> Waiter<'a, &'static str> {
        match parking.arrive(may_steal) {
            Arrival::Waits(waiter) => waiter,
            Arrival::Stole(thing) => panic!("stole {thing}"),
        }
    }

    fn stole(parking: &Parking<&'static str>) -> &'static str {
        match parking.arrive(true) {
            Arrival::Stole(thing) => thing,
            Arrival::Waits(_) => panic!("nothing was parked"),
        }
    }

    #[test]
    fn everybody_finds_its_own_again_and_nobody_elses() {
        let parking = Parking::default();
        let first = parking.park(1, "first", at(0)).unwrap();
        let second = parking.park(2, "second", at(1)).unwrap();
        assert_eq!(parking.unpark(2, first), None);
        assert_eq!(parking.unpark(1, first), Some("first"));
        assert_eq!(parking.unpark(1, first), None);
        let third = parking.park(3, "third", at(2)).unwrap();
        assert_eq!(third, first, "a place is used again");
        assert_eq!(parking.unpark(1, first), None);
        assert_eq!(parking.unpark(2, second), Some("second"));
        assert_eq!(parking.unpark(3, third), Some("third"));
    }

    #[test]
    fn the_one_parked_longest_is_stolen() {
        let parking = Parking::default();
        parking.park(1, "first", at(3));
        parking.park(2, "second", at(1));
        let third = parking.park(3, "third", at(2)).unwrap();
        assert_eq!(stole(&parking), "second");
        assert_eq!(stole(&parking), "third");
        assert_eq!(parking.unpark(3, third), None);
        assert_eq!(stole(&parking), "first");
        assert_eq!(parking.steal(), None);
    }

    #[test]
    fn who_may_not_steal_waits_beside_what_is_parked() {
        let parking = Parking::default();
        parking.park(1, "first", at(0));
        let mut waiter = waits(&parking, false);
        assert_eq!(
            parking.steal().and_then(|thing| parking.hand_over(thing)),
            None
        );
        assert_eq!(waiter.handed().now_or_never(), Some("first"));
    }

    #[test]
    fn what_is_left_goes_to_whoever_has_waited_longest() {
        let parking = Parking::default();
        let mut first = waits(&parking, true);
        let mut second = waits(&parking, true);
        assert_eq!(parking.park(1, "a", at(0)), None);
        assert_eq!(second.handed().now_or_never(), None);
        assert_eq!(first.handed().now_or_never(), Some("a"));
        assert_eq!(parking.hand_over("b"), None);
        assert_eq!(second.handed().now_or_never(), Some("b"));
        assert!(!parking.somebody_waits());
        assert_eq!(parking.hand_over("c"), Some("c"));
    }

    #[test]
    fn who_leaves_the_queue_is_passed_over() {
        let parking = Parking::default();
        let first = waits(&parking, true);
        let second = waits(&parking, true);
        let mut third = waits(&parking, true);
        drop(second);
        drop(first);
        assert_eq!(parking.park(1, "a", at(0)), None);
        assert_eq!(third.handed().now_or_never(), Some("a"));
        drop(third);
        assert!(parking.park(1, "b", at(0)).is_some());
    }

    #[test]
    fn what_reaches_somebody_who_is_leaving_is_passed_on() {
        let parking = Parking::default();
        let leaving = waits(&parking, true);
        let mut next = waits(&parking, true);
        assert_eq!(parking.park(1, "a", at(0)), None);
        drop(leaving);
        assert_eq!(next.handed().now_or_never(), Some("a"));
    }

    #[test]
    fn what_is_due_is_taken_and_its_place_is_free() {
        let parking = Parking::default();
        let old = parking.park(1, "old", at(0)).unwrap();
        let new = parking.park(2, "new", at(10)).unwrap();
        assert_eq!(parking.take_where(|since, _| since < at(5)), ["old"]);
        assert_eq!(parking.unpark(1, old), None);
        assert_eq!(parking.park(3, "next", at(11)), Some(old));
        assert_eq!(parking.unpark(2, new), Some("new"));
        assert_eq!(parking.take_where(|_, thing| *thing == "next"), ["next"]);
    }

    /// One step of somebody who takes part; steps that hold the lock are whole.
    #[derive(Clone, Copy, Debug)]
    enum Act {
        /// Comes for a thing, and may steal one.
        Arrive(usize),
        /// Parks the thing it has, up to where the thing is on its way to somebody who waits.
        Leave(u64),
        /// The thing arrives there, or is refused and left again.
        Send(u64),
        /// A waiter gives up: it leaves the queue ...
        GiveUp(usize),
        /// ... and looks whether something came too late.
        Close(usize),
        /// Comes back for its own.
        Unpark(u64),
    }

    /// One run: two things, given to sessions 1 and 2, and two more who come for one.
    struct Run {
        lot: Lot<u32, usize>,
        places: [Option<Place>; 3],
        on_its_way: [Option<(usize, u32)>; 3],
        held: Vec<u32>,
        waiting: [Option<u64>; 2],
        /// Closed ends refuse what is sent.
        closed: [bool; 2],
        received: [Option<u32>; 2],
    }

    impl Run {
        fn new() -> Self {
            Self {
                lot: Lot::default(),
                places: [None; 3],
                on_its_way: [None; 3],
                held: Vec::new(),
                waiting: [None; 2],
                closed: [false; 2],
                received: [None; 2],
            }
        }

        fn leave(&mut self, owner: u64, thing: u32) {
            let slot = usize::try_from(owner).unwrap();
            match self.lot.leave(owner, thing, at(owner)) {
                Left::Parked(place) => self.places[slot] = Some(place),
                Left::Owed(waiter, thing) => self.on_its_way[slot] = Some((waiter, thing)),
            }
        }

        fn act(&mut self, act: Act) {
            match act {
                Act::Arrive(waiter) => match self.lot.arrive(true, waiter) {
                    Arrived::Stole(thing) => self.held.push(thing),
                    Arrived::Queued(number) => self.waiting[waiter] = Some(number),
                },
                Act::Leave(owner) => self.leave(owner, u32::try_from(owner).unwrap()),
                Act::Send(owner) => {
                    let slot = usize::try_from(owner).unwrap();
                    while let Some((waiter, thing)) = self.on_its_way[slot].take() {
                        if self.closed[waiter] {
                            self.leave(owner, thing);
                        } else {
                            self.received[waiter] = Some(thing);
                        }
                    }
                }
                Act::GiveUp(waiter) => {
                    if let Some(number) = self.waiting[waiter] {
                        self.lot.leave_queue(number);
                    }
                }
                Act::Close(waiter) => {
                    self.closed[waiter] = true;
                    if let Some(thing) = self.received[waiter].take() {
                        // As `hand_over`, the rest of which is a `Send`.
                        match self.lot.next_in_queue() {
                            Some(next) => self.on_its_way[0] = Some((next, thing)),
                            None => self.held.push(thing),
                        }
                    }
                }
                Act::Unpark(owner) => {
                    let slot = usize::try_from(owner).unwrap();
                    if let Some(thing) =
                        self.places[slot].and_then(|place| self.lot.unpark(owner, place))
                    {
                        self.held.push(thing);
                    }
                }
            }
        }
    }

    /// Every order of these steps that keeps each one's own order.
    fn interleavings(scripts: &[&[Act]], run: &mut Vec<Act>, check: &mut impl FnMut(&[Act])) {
        let mut is_over = true;
        for (index, script) in scripts.iter().enumerate() {
            let Some((&first, rest)) = script.split_first() else {
                continue;
            };
            is_over = false;
            let mut scripts = scripts.to_vec();
            scripts[index] = rest;
            run.push(first);
            interleavings(&scripts, run, check);
            run.pop();
        }
        if is_over {
            check(run);
        }
    }

    #[test]
    fn in_no_order_of_events_is_a_thing_lost_or_somebody_left_waiting_beside_one() {
        let scripts: [&[Act]; 4] = [
            &[Act::Leave(1), Act::Send(1), Act::Unpark(1)],
            &[Act::Leave(2), Act::Send(2)],
            &[Act::Arrive(0), Act::GiveUp(0), Act::Close(0), Act::Send(0)],
            &[Act::Arrive(1)],
        ];
        let mut count = 0;
        interleavings(&scripts, &mut Vec::new(), &mut |acts| {
            count += 1;
            let mut run = Run::new();
            for &act in acts {
                run.act(act);
            }
            // What was sent on behalf of one who gave up may still be under way.
            for owner in [0, 1, 2] {
                run.act(Act::Send(owner));
            }
            let parked = run.lot.places.iter().flatten().map(|parked| parked.thing);
            let mut all: Vec<u32> = parked.chain(run.held.iter().copied()).collect();
            all.extend(run.received.iter().flatten());
            all.sort_unstable();
            assert_eq!(all, [1, 2], "{acts:?}");
            let is_parked = run.lot.places.iter().any(Option::is_some);
            assert!(run.lot.queue.is_empty() || !is_parked, "{acts:?}");
        });
        assert_eq!(count, 12_600);
    }
}

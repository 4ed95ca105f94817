//! A bounded number of connections. Where all places are taken, the oldest client that has not signed in loses its place to the
//! newcomer, so that strangers who connect and do nothing keep nobody out.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// A bounded number of places.
pub(crate) struct Slots {
    most: usize,
    taken: Mutex<Taken>,
    /// Somebody has left.
    left: Notify,
}

#[derive(Default)]
struct Taken {
    next: u64,
    /// By age: the oldest first.
    by_age: BTreeMap<u64, Holder>,
}

#[derive(Clone, Default)]
struct Holder {
    evicted: Arc<Notify>,
    signed_in: Arc<AtomicBool>,
}

/// A place, held until it is dropped.
pub(crate) struct Slot {
    slots: Arc<Slots>,
    id: u64,
    holder: Holder,
}

impl Slots {
    pub(crate) fn new(most: usize) -> Arc<Slots> {
        Arc::new(Slots { most, taken: Mutex::default(), left: Notify::new() })
    }

    /// Takes a place. It waits only where all are held by clients that have signed in.
    pub(crate) async fn enter(self: &Arc<Self>) -> Slot {
        loop {
            // Whoever leaves between the two is remembered: `notify_one` keeps one notice.
            match self.try_enter() {
                Some(slot) => return slot,
                None => self.left.notified().await,
            }
        }
    }

    fn try_enter(self: &Arc<Self>) -> Option<Slot> {
        let mut taken = self.taken();
        if taken.by_age.len() >= self.most {
            let stranger = |(_, holder): &(&u64, &Holder)| !holder.signed_in.load(Ordering::Relaxed);
            let oldest = taken.by_age.iter().find(stranger).map(|(id, _)| *id)?;
            if let Some(holder) = taken.by_age.remove(&oldest) {
                holder.evicted.notify_one();
            }
        }
        let (id, holder) = (taken.next, Holder::default());
        taken.next += 1;
        taken.by_age.insert(id, holder.clone());
        Some(Slot { slots: self.clone(), id, holder })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// Returns once the place was given to somebody else.
    pub(crate) async fn evicted(&self) {
        self.holder.evicted.notified().await;
    }

    /// Set once its holder has signed in; then it keeps its place.
    pub(crate) fn signed_in(&self) -> Arc<AtomicBool> {
        self.holder.signed_in.clone()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if self.slots.taken().by_age.remove(&self.id).is_some() {
            self.slots.left.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_stranger_makes_room() {
        let slots = Slots::new(2);
        let owner = slots.try_enter().unwrap();
        owner.signed_in().store(true, Ordering::Relaxed);
        let stranger = slots.try_enter().unwrap();
        let next = slots.try_enter().unwrap();
        assert_eq!(slots.taken().by_age.keys().copied().collect::<Vec<_>>(), [owner.id, next.id]);
        drop(stranger);
        assert_eq!(slots.taken().by_age.len(), 2, "its place is another's now");
        next.signed_in().store(true, Ordering::Relaxed);
        assert!(slots.try_enter().is_none(), "both have signed in");
        drop(owner);
        assert!(slots.try_enter().is_some());
    }
}

//! Slows down who guesses passwords, source by source: one verification at a time each, and a growing delay after failures. Nobody
//! waits for a guesser at another address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;

/// Failures without a delay: people mistype.
const FREE: u32 = 2;

/// The longest delay after a failure.
const LONGEST: Duration = Duration::from_secs(30);

/// Failures are forgotten when none was added for so long.
const MEMORY: Duration = Duration::from_secs(15 * 60);

/// Sources that are remembered.
const SOURCES: usize = 1024;

/// Requests of one source that wait for their turn; more are told to come back.
const WAITING: usize = 4;

/// The failures of every source.
#[derive(Default)]
pub(crate) struct Throttle {
    sources: Mutex<HashMap<IpAddr, Source>>,
}

struct Source {
    turn: Arc<tokio::sync::Mutex<()>>,
    waiting: usize,
    failures: u32,
    /// Nothing is verified before.
    until: Instant,
}

/// The right to verify one password of a source. It must be held until the outcome is recorded, also where the client has gone:
/// otherwise whoever hangs up at once would guess without delay.
pub(crate) struct Turn {
    throttle: Arc<Throttle>,
    source: IpAddr,
    _held: Option<OwnedMutexGuard<()>>,
}

impl Throttle {
    /// Waits for the turn of a source. The error is how long to stay away.
    pub(crate) async fn turn(self: &Arc<Self>, from: IpAddr) -> Result<Turn, Duration> {
        let source = source_of(from);
        let line = self.join(source)?;
        // Leaves the line also where the client hangs up while it waits.
        let mut turn = Turn { throttle: self.clone(), source, _held: None };
        turn._held = Some(line.lock_owned().await);
        if let Some(until) = self.until(source) {
            tokio::time::sleep_until(until).await;
        }
        Ok(turn)
    }

    fn join(&self, source: IpAddr) -> Result<Arc<tokio::sync::Mutex<()>>, Duration> {
        let now = Instant::now();
        let mut sources = self.sources();
        if !sources.contains_key(&source) && sources.len() >= SOURCES {
            sources.retain(|_, known| known.waiting > 0 || known.until + MEMORY > now);
            // The one that failed longest ago; none where all of them wait.
            let idle = sources.iter().filter(|(_, known)| known.waiting == 0);
            let oldest = idle.min_by_key(|(_, known)| known.until).map(|(source, _)| *source);
            if sources.len() >= SOURCES {
                sources.remove(&oldest.ok_or(LONGEST)?);
            }
        }
        let known = sources.entry(source).or_insert_with(|| Source {
            turn: Arc::default(),
            waiting: 0,
            failures: 0,
            until: now,
        });
        if known.waiting >= WAITING {
            return Err(known.until.saturating_duration_since(now).max(Duration::from_secs(1)));
        }
        known.waiting += 1;
        Ok(known.turn.clone())
    }

    fn until(&self, source: IpAddr) -> Option<Instant> {
        self.sources().get(&source).map(|known| known.until)
    }

    fn sources(&self) -> MutexGuard<'_, HashMap<IpAddr, Source>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// The password was right: what failed before is forgotten.
    pub(crate) fn right(&self) {
        if let Some(known) = self.throttle.sources().get_mut(&self.source) {
            (known.failures, known.until) = (0, Instant::now());
        }
    }

    /// The password was wrong. Returns how many were in a row, and until when nothing more of this source is verified.
    pub(crate) fn wrong(&self) -> (u32, Instant) {
        let now = Instant::now();
        let mut sources = self.throttle.sources();
        let Some(known) = sources.get_mut(&self.source) else { return (1, now) };
        let failures = if known.until + MEMORY < now { 1 } else { known.failures.saturating_add(1) };
        (known.failures, known.until) = (failures, now + delay(failures));
        (failures, known.until)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut sources = self.throttle.sources();
        if let Some(known) = sources.get_mut(&self.source) {
            known.waiting -= 1;
            // Who has signed in leaves nothing behind.
            if known.waiting == 0 && known.failures == 0 {
                sources.remove(&self.source);
            }
        }
    }
}

/// 0, 0, then 1 s, 2 s, 4 s … up to the longest.
fn delay(failures: u32) -> Duration {
    match failures.checked_sub(FREE + 1) {
        None => Duration::ZERO,
        Some(more) => Duration::from_secs(1 << more.min(10)).min(LONGEST),
    }
}

/// Whom an address belongs to: a machine has one IPv4 address, but a whole /64 of IPv6.
fn source_of(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now<T>(work: impl Future<Output = T>) -> Option<T> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async { tokio::time::timeout(Duration::from_millis(100), work).await.ok() })
    }

    #[test]
    fn delays_grow_up_to_a_bound() {
        let seconds: Vec<u64> = (1..=9).map(|failures| delay(failures).as_secs()).collect();
        assert_eq!(seconds, [0, 0, 1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(delay(u32::MAX), LONGEST);
    }

    #[test]
    fn a_source_is_delayed_and_no_other() {
        let throttle = Arc::new(Throttle::default());
        let (guesser, owner) = ("192.0.2.7".parse().unwrap(), "192.0.2.8".parse().unwrap());
        for failures in 1..=FREE + 1 {
            let turn = now(throttle.turn(guesser)).expect("no delay yet").unwrap();
            assert_eq!(turn.wrong().0, failures);
        }
        assert!(now(throttle.turn(guesser)).is_none(), "it waits");
        assert!(now(throttle.turn("::ffff:192.0.2.7".parse().unwrap())).is_none(), "the same machine");
        now(throttle.turn(owner)).expect("another address").unwrap().right();
        assert_eq!(throttle.sources().len(), 1, "who signs in is not remembered");
        let known = throttle.sources().get(&guesser).map(|known| (known.waiting, known.failures));
        assert_eq!(known, Some((0, FREE + 1)), "who hangs up leaves the line, not the record");
    }

    #[test]
    fn one_password_of_a_source_is_verified_at_a_time() {
        let throttle = Arc::new(Throttle::default());
        let from = "2001:db8::1".parse().unwrap();
        let held = now(throttle.turn(from)).unwrap().unwrap();
        assert!(now(throttle.turn("2001:db8::2".parse().unwrap())).is_none(), "the same /64");
        let kept: Vec<_> = (1..WAITING).map(|_| throttle.join(source_of(from)).unwrap()).collect();
        assert!(now(throttle.turn(from)).unwrap().is_err(), "the line is full");
        drop((held, kept));
    }

    #[test]
    fn a_right_password_clears_what_failed() {
        let throttle = Arc::new(Throttle::default());
        let from = "192.0.2.7".parse().unwrap();
        now(throttle.turn(from)).unwrap().unwrap().wrong();
        now(throttle.turn(from)).unwrap().unwrap().right();
        assert!(throttle.sources().is_empty());
    }

    #[test]
    fn the_table_is_bounded() {
        let throttle = Arc::new(Throttle::default());
        for n in 0..SOURCES as u32 + 10 {
            let turn = now(throttle.turn(std::net::Ipv4Addr::from_bits(n).into())).unwrap().unwrap();
            turn.wrong();
        }
        assert_eq!(throttle.sources().len(), SOURCES);
    }
}

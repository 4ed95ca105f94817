//! The thread that owns the [`Backend`].
//!
//! Actions go in through a bounded channel, results come back through an [`Outbox`]; every result wakes the window. When
//! there is nothing to do the thread asks [`Backend::changed`] four times a second and wakes the window only if so: an
//! idle window paints nothing. The invariant: whatever happens to the thread, the window hears of it.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::others::{Others, Stood};
use super::snapshot::Snapshot;
use super::view::{Action, Backend, Done, Failure};
use crate::sync::Progress;

/// How long to wait for work before asking whether another program has written.
pub const POLL: Duration = Duration::from_millis(250);
/// Actions that may wait; the window disables its buttons long before.
const QUEUE: usize = 8;

/// What an action came to.
#[derive(Debug)]
pub struct Finished {
    /// What was asked for.
    pub action: Action,
    /// What it did, or why it did nothing.
    pub result: Result<Done, Failure>,
    /// How long it took.
    pub took: Duration,
    /// Another program wrote meanwhile, or shortly before: what was found may be so no longer.
    pub overtaken: bool,
}

/// What the worker has for the window since it last looked.
#[derive(Debug, Default)]
pub struct Outbox {
    /// The newest view; older ones that nobody saw are dropped.
    pub view: Option<Snapshot>,
    /// The view shows what another program has written.
    pub elsewhere: bool,
    /// What that was, in order.
    pub others: Vec<Others>,
    /// Actions that ended, in order.
    pub finished: Vec<Finished>,
    /// Reading a view failed; once, until it succeeds or fails otherwise.
    pub failure: Option<Failure>,
    /// The thread has ended; nothing more will come. Said once.
    pub stopped: bool,
}

/// The window's end.
pub struct Worker {
    jobs: Option<SyncSender<Action>>,
    outbox: Arc<Mutex<Outbox>>,
    thread: Option<JoinHandle<()>>,
    /// How far the action is that runs.
    pub progress: Progress,
}

impl Worker {
    /// Starts the thread; `wake` is called whenever the outbox has something.
    pub fn start(backend: Box<dyn Backend>, wake: impl Fn() + Send + 'static) -> Worker {
        let (jobs, inbox) = sync_channel(QUEUE);
        let outbox = Arc::new(Mutex::new(Outbox::default()));
        let progress = backend.progress();
        let (wake, progress_of_desk) = (Box::new(wake), progress.clone());
        let desk = Desk { outbox: outbox.clone(), wake, last_failure: None, progress: progress_of_desk, stood: None };
        let thread = std::thread::Builder::new().name("worker".into()).spawn(move || desk.work(backend, inbox));
        if thread.is_err() {
            lock(&outbox).stopped = true;
        }
        Worker { jobs: Some(jobs), outbox, thread: thread.ok(), progress }
    }

    /// Hands an action over; gives it back when the queue is full or the thread has ended.
    pub fn send(&self, action: Action) -> Result<(), Action> {
        match &self.jobs {
            Some(jobs) => jobs.try_send(action).map_err(|e| match e {
                TrySendError::Full(action) | TrySendError::Disconnected(action) => action,
            }),
            None => Err(action),
        }
    }

    /// Takes what has come since the last call.
    pub fn take(&self) -> Outbox {
        std::mem::take(&mut *lock(&self.outbox))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Closing the channel ends the thread; wait, so that no action is cut off half way.
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn lock(outbox: &Mutex<Outbox>) -> MutexGuard<'_, Outbox> {
    // A panicking worker leaves plain data behind; it is good to read.
    outbox.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whose work a view shows that the one before did not.
#[derive(Clone, Copy, PartialEq)]
enum Whose {
    Ours,
    Others,
    Both,
}

/// The thread's end.
struct Desk {
    outbox: Arc<Mutex<Outbox>>,
    wake: Box<dyn Fn() + Send>,
    last_failure: Option<Failure>,
    progress: Progress,
    /// Where the sides stood in the last view.
    stood: Option<Stood>,
}

impl Desk {
    fn work(mut self, mut backend: Box<dyn Backend>, inbox: Receiver<Action>) {
        self.read(&mut *backend, Whose::Ours);
        loop {
            match inbox.recv_timeout(POLL) {
                Ok(action) => {
                    // What others have done before is not what the action does.
                    if backend.changed() {
                        self.read(&mut *backend, Whose::Others);
                    }
                    let start = Instant::now();
                    self.progress.begin();
                    let result = backend.run(action.clone());
                    let took = start.elapsed();
                    // What is read from now on is not what was to be stopped.
                    self.progress.begin();
                    let overtaken = backend.changed();
                    // The view first: when the window hears that it is done, it can already show what was done.
                    self.read(&mut *backend, if overtaken { Whose::Both } else { Whose::Ours });
                    self.post(|outbox| outbox.finished.push(Finished { action, result, took, overtaken }));
                }
                Err(RecvTimeoutError::Timeout) => {
                    // What could not be read may be readable again: a folder mounted, a lock released.
                    if self.last_failure.is_some() || backend.changed() {
                        self.read(&mut *backend, Whose::Others);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn read(&mut self, backend: &mut dyn Backend, whose: Whose) {
        match backend.view() {
            Ok(view) => {
                self.last_failure = None;
                let before = self.stood.replace(Stood::of(&view));
                let others = before.filter(|_| whose == Whose::Others).and_then(|before| before.since(&view));
                // Counting a million lines would hold the window up.
                let snapshot = Snapshot::new(Arc::new(view));
                self.post(|outbox| {
                    outbox.view = Some(snapshot);
                    outbox.elsewhere |= whose != Whose::Ours;
                    outbox.others.extend(others);
                });
            }
            // A file that stays unreadable is reported once, not four times a second.
            Err(failure) if self.last_failure.as_ref() == Some(&failure) => {}
            Err(failure) => {
                self.last_failure = Some(failure.clone());
                self.post(|outbox| outbox.failure = Some(failure));
            }
        }
    }

    fn post(&self, put: impl FnOnce(&mut Outbox)) {
        put(&mut lock(&self.outbox));
        (self.wake)();
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        // Also runs when the backend panics, so the window never waits for nothing.
        self.post(|outbox| outbox.stopped = true);
    }
}

//! Following what goes on, and stopping it. One handle serves a node or a whole environment: a shell keeps a clone, shows what
//! [`Progress::now`] says, and calls [`Progress::cancel`]. What is stopped leaves everything as it was.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::sync::error::{Error, ErrorKind, Result};

/// What is being done, and how far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// `applying`, `reading the set`.
    pub what: &'static str,
    /// How many are done …
    pub done: usize,
    /// … of how many, where that is known.
    pub total: Option<usize>,
}

type Watch = dyn Fn(&Progress, Step) + Send + Sync;

/// The handle.
#[derive(Clone, Default)]
pub struct Progress {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    cancelled: AtomicBool,
    now: Mutex<Option<Step>>,
    watch: Option<Box<Watch>>,
}

impl Progress {
    /// A handle that calls `watch` at every step, on the thread that works.
    pub fn watched(watch: impl Fn(&Progress, Step) + Send + Sync + 'static) -> Progress {
        Progress { inner: Arc::new(Inner { watch: Some(Box::new(watch)), ..Inner::default() }) }
    }

    /// Forgets what was, and that it was stopped.
    pub fn begin(&self) {
        self.inner.cancelled.store(false, Ordering::SeqCst);
        *self.inner.now.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// What is being done now, if anything has been told since [`Progress::begin`].
    pub fn now(&self) -> Option<Step> {
        *self.inner.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops what is being done, soon.
    pub fn cancel(&self) {
        self.inner.cancelled.store(true, Ordering::SeqCst);
    }

    /// Whether it was asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.inner.cancelled.load(Ordering::SeqCst)
    }

    pub(crate) fn step(&self, step: Step) -> Result<()> {
        *self.inner.now.lock().unwrap_or_else(PoisonError::into_inner) = Some(step);
        if let Some(watch) = &self.inner.watch {
            watch(self, step);
        }
        if self.is_cancelled() { Err(cancelled()) } else { Ok(()) }
    }
}

pub(crate) fn cancelled() -> Error {
    Error::new(ErrorKind::Cancelled, "cancelled; nothing was changed")
}

//! The thread that sorts and filters where there are so many orders that the window would stand still meanwhile.
//!
//! Only the newest question is worth an answer: one that was asked before it and not begun is dropped.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::rows::{Query, Rows, rows};
use super::snapshot::Snapshot;
use super::view::View;

/// Which lines each pane shows, by which question, of which view.
pub struct Sorted {
    /// The view.
    pub view: Arc<View>,
    /// The question.
    pub query: Query,
    /// The answer.
    pub rows: [Rows; 2],
}

type Question = (Snapshot, Query);

/// The window's end.
pub struct Sorter {
    wake: Option<SyncSender<()>>,
    next: Arc<Mutex<Option<Question>>>,
    done: Arc<Mutex<Option<Sorted>>>,
    thread: Option<JoinHandle<()>>,
}

impl Sorter {
    /// Starts the thread; `woken` is called whenever there is an answer.
    pub fn start(woken: impl Fn() + Send + 'static) -> Sorter {
        let (wake, asked) = sync_channel(1);
        let (next, done) = (Arc::new(Mutex::new(None)), Arc::new(Mutex::new(None)));
        let (questions, answers) = (next.clone(), done.clone());
        let work = move || sort(&asked, &questions, &answers, &woken);
        // Without the thread the rows stay as they are; the worker, which nothing works without, says what is wrong.
        let thread = std::thread::Builder::new().name("sorter".into()).spawn(work).ok();
        Sorter { wake: Some(wake), next, done, thread }
    }

    /// Asks.
    pub fn ask(&self, snapshot: Snapshot, query: Query) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some((snapshot, query));
        if let Some(Err(TrySendError::Disconnected(()))) = self.wake.as_ref().map(|wake| wake.try_send(())) {
            self.next.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
    }

    /// The newest answer, once.
    pub fn take(&self) -> Option<Sorted> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for Sorter {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn sort(asked: &Receiver<()>, next: &Mutex<Option<Question>>, done: &Mutex<Option<Sorted>>, woken: &impl Fn()) {
    while asked.recv().is_ok() {
        let question = next.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((snapshot, query)) = question else { continue };
        let rows = rows(&snapshot, &query);
        let sorted = Sorted { view: snapshot.view, query, rows };
        *done.lock().unwrap_or_else(PoisonError::into_inner) = Some(sorted);
        woken();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_question_is_answered() {
        let (tell, heard) = sync_channel(100);
        let sorter = Sorter::start(move || tell.send(()).unwrap());
        let view = Arc::new(View::default());
        for n in 0..50 {
            let query = Query { filters: [n.to_string(), String::new()], ..Query::default() };
            sorter.ask(Snapshot::new(view.clone()), query);
        }
        let mut last = None;
        while last.as_ref().is_none_or(|sorted: &Sorted| sorted.query.filters[0] != "49") {
            heard.recv().unwrap();
            last = sorter.take().or(last);
        }
        assert!(Arc::ptr_eq(&last.unwrap().view, &view));
    }
}

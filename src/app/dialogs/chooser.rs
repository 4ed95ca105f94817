//! The machine's file chooser, off the window's thread.
//!
//! rfd answers `None` both when the user cancelled and when there is no chooser. Nobody cancels what has not come up yet, so the
//! time tells the two apart. Neither is an error, and the typed path stays as it is.

use std::future::Future;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use eframe::egui;

use super::Dialog;

/// What came of a chooser.
#[derive(Clone, Debug, PartialEq)]
pub enum Chosen {
    /// A path.
    Path(PathBuf),
    /// The user chose none.
    Cancelled,
    /// None came up.
    Missing,
}

/// A chooser that answers sooner did not come up.
const AT_ONCE: Duration = Duration::from_millis(700);

/// A chooser that is open.
pub struct Chooser {
    answer: Receiver<Option<PathBuf>>,
    since: Instant,
}

impl Chooser {
    /// Opens the chooser that fits a dialog; `None` if it has no path, or no thread can be started.
    pub fn open(dialog: &Dialog, dir: PathBuf, ctx: egui::Context) -> Option<Chooser> {
        let ask = rfd::AsyncFileDialog::new().set_directory(dir);
        let set_file = |ask: rfd::AsyncFileDialog| ask.add_filter("Sync sets", &["syncset"]);
        let (send, answer) = sync_channel(1);
        // The request is made here (some systems insist on the main thread) and waited for elsewhere.
        let wait: std::pin::Pin<Box<dyn Future<Output = Option<rfd::FileHandle>> + Send>> = match dialog {
            Dialog::Prepare { .. } => Box::pin(set_file(ask).set_title("Prepare set").save_file()),
            Dialog::SaveAs { file, .. } => {
                let name = file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
                Box::pin(set_file(ask).set_title("Save set as").set_file_name(name).save_file())
            }
            Dialog::OpenSet { .. } => Box::pin(set_file(ask).set_title("Open set file").pick_file()),
            Dialog::OpenEnvironment { .. } => Box::pin(ask.set_title("Open environment").pick_folder()),
            Dialog::NewEnvironment { .. } => Box::pin(ask.set_title("Make environment in").pick_folder()),
            Dialog::SaveText { what, name, .. } => {
                Box::pin(ask.set_title(format!("Save {what} as")).set_file_name(name).save_file())
            }
            Dialog::NewOrder(_) | Dialog::Preview(_) | Dialog::History(_) | Dialog::Confirm { .. } => return None,
            Dialog::Palette(_) | Dialog::Shortcuts | Dialog::Rules | Dialog::Rest(_) => return None,
        };
        let waiter = std::thread::Builder::new().name("file chooser".into()).spawn(move || {
            let _ = send.send(block_on(wait).map(|handle| handle.path().to_owned()));
            ctx.request_repaint();
        });
        waiter.ok().map(|_| Chooser { answer, since: Instant::now() })
    }

    /// The answer, once.
    pub fn take(&self) -> Option<Chosen> {
        match self.answer.try_recv() {
            Ok(Some(path)) => Some(Chosen::Path(path)),
            Ok(None) if self.since.elapsed() > AT_ONCE => Some(Chosen::Cancelled),
            Ok(None) | Err(TryRecvError::Disconnected) => Some(Chosen::Missing),
            Err(TryRecvError::Empty) => None,
        }
    }
}

struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}

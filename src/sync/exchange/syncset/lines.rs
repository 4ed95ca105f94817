//! The lines of a set on their way into its file: put into words, packed and hashed by a thread of their own, while the next ones
//! are read from the database. A set of few lines is not worth a thread.

use std::mem::{replace, take};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{JoinHandle, spawn};

use crate::sync::error::{Error, Result};
use crate::sync::exchange::syncset::{SetObject, Tie, Writer};

/// Lines handed over at once; at most three times as many are on their way.
const AT_ONCE: usize = 500;

/// Takes lines and gives them to a writer.
pub(crate) struct Lines {
    waiting: Vec<Line>,
    to: To,
}

enum Line {
    Object(SetObject),
    Tie(Tie),
}

enum To {
    Writer(Box<Writer>),
    Thread(SyncSender<Vec<Line>>, JoinHandle<Result<Writer>>),
    /// It was given back, or has failed.
    Nobody,
}

impl Lines {
    pub(crate) fn new(writer: Writer) -> Lines {
        Lines { waiting: Vec::new(), to: To::Writer(Box::new(writer)) }
    }

    pub(crate) fn object(&mut self, object: SetObject) -> Result<()> {
        self.push(Line::Object(object))
    }

    pub(crate) fn tie(&mut self, tie: Tie) -> Result<()> {
        self.push(Line::Tie(tie))
    }

    /// The writer, with all lines written.
    pub(crate) fn finish(mut self) -> Result<Writer> {
        let lines = take(&mut self.waiting);
        match replace(&mut self.to, To::Nobody) {
            To::Writer(mut writer) => {
                write(&mut writer, &lines)?;
                Ok(*writer)
            }
            To::Thread(sender, thread) => {
                // Where nobody takes them, the thread says why.
                let _ = sender.send(lines);
                drop(sender);
                joined(thread)
            }
            To::Nobody => Err(gone()),
        }
    }

    fn push(&mut self, line: Line) -> Result<()> {
        self.waiting.push(line);
        if self.waiting.len() < AT_ONCE {
            return Ok(());
        }
        let lines = take(&mut self.waiting);
        let (sender, thread) = match replace(&mut self.to, To::Nobody) {
            To::Writer(mut writer) => {
                let (sender, receiver) = sync_channel::<Vec<Line>>(1);
                let thread = spawn(move || {
                    for lines in receiver {
                        write(&mut writer, &lines)?;
                    }
                    Ok(*writer)
                });
                (sender, thread)
            }
            To::Thread(sender, thread) => (sender, thread),
            To::Nobody => return Err(gone()),
        };
        if sender.send(lines).is_err() {
            return joined(thread).and(Err(gone()));
        }
        self.to = To::Thread(sender, thread);
        Ok(())
    }
}

/// Where it is given up, the unfinished file is gone when this is.
impl Drop for Lines {
    fn drop(&mut self) {
        if let To::Thread(sender, thread) = replace(&mut self.to, To::Nobody) {
            drop(sender);
            let _ = thread.join();
        }
    }
}

fn write(writer: &mut Writer, lines: &[Line]) -> Result<()> {
    lines.iter().try_for_each(|line| match line {
        Line::Object(object) => writer.object(object),
        Line::Tie(tie) => writer.tie(tie),
    })
}

fn joined(thread: JoinHandle<Result<Writer>>) -> Result<Writer> {
    thread.join().unwrap_or_else(|_| Err(gone()))
}

fn gone() -> Error {
    Error::storage("the set could not be written, and nothing counts as sent")
}

//! The one error type of the engine: what happened, what was left unchanged, and what to do next.

use std::fmt;

use crate::sync::data::guid::NodeId;

/// Result of the engine's calls.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something was not done. Nothing was changed unless the message says so.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    hint: String,
    about: Option<NodeId>,
    lacks: Option<String>,
}

/// Who can act on an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request itself is wrong: an unknown name, a value out of range.
    Usage,
    /// The folder or file holds no environment or node.
    NotFound,
    /// A set was refused as SYNC-MODEL.md's "Applying a set" demands; see [`Error::refusal`].
    Refused(Refusal),
    /// A constraint of the database refuses the change.
    Constraint,
    /// Somebody else holds the database; trying again may succeed.
    Busy,
    /// Somebody stopped it, and everything is as before.
    Cancelled,
    /// SQLite or the file system failed.
    Storage,
}

/// Why a whole set was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Incomplete, changed, or no set at all.
    Damaged,
    /// Written by a later version.
    NewerFormat,
    /// The nodes do not agree on classes or their schema.
    Schema,
    /// Addressed to another node.
    WrongNode,
    /// An earlier set is missing.
    Gap,
    /// The sender has nothing in common with this node, and both have rows.
    Strangers,
    /// This node, or the sender, was restored from a backup or is a copy.
    Restored,
    /// It says of this node what this node does not know, without a proof: this node was restored, or somebody is wrong.
    Unproven,
    /// The journal needed is purged.
    Purged,
    /// The other node was given up here.
    Retired,
    /// Not signed by the key of a known node, or a repeated set where none is taken twice.
    Signature,
    /// Larger than usual, and nobody said that it may be.
    TooLarge,
    /// The node's file lies elsewhere than before, or is another one: perhaps a copy.
    Moved,
}

impl Error {
    /// An error with what happened and what was not changed.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error { kind, message: message.into(), hint: String::new(), about: None, lacks: None }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Usage, message)
    }

    pub(crate) fn refused(why: Refusal, message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Refused(why), message)
    }

    pub(crate) fn storage(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Storage, message)
    }

    /// Adds what to do next.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// Says at which node something is to be done.
    pub(crate) fn about(mut self, node: NodeId) -> Self {
        self.about = Some(node);
        self
    }

    /// The node whose file was put back from a backup, or moved or copied, if that is what happened: names may be shared.
    pub fn node(&self) -> Option<NodeId> {
        self.about
    }

    /// What only the application has that made a table, and that SQLite lacks here, if that is what happened: the file is sound.
    pub(crate) fn lacks(&self) -> Option<&str> {
        self.lacks.as_deref()
    }

    /// Who can act.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Why a set was refused, if that is what happened.
    pub fn refusal(&self) -> Option<Refusal> {
        match self.kind {
            ErrorKind::Refused(why) => Some(why),
            _ => None,
        }
    }

    /// What happened, without the hint.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do next; may be empty.
    pub fn what_next(&self) -> &str {
        &self.hint
    }

    /// Names the file that another program has locked, if that is what happened.
    pub(crate) fn of_file(mut self, file: &std::path::Path) -> Self {
        if self.kind == ErrorKind::Busy {
            self.message = format!("{} is locked by another program; nothing was changed", file.display());
        }
        self
    }

    /// Says that nothing was changed, where it does not yet.
    pub(crate) fn and_nothing_changed(mut self) -> Self {
        if !self.message.contains("nothing was changed") {
            self.message += "; nothing was changed";
        }
        self
    }

    /// Says what was finished before and stays, where what was asked for is several transactions.
    pub(crate) fn after(mut self, done: impl fmt::Display) -> Self {
        let nothing = ["nothing was changed", "nothing else was changed"];
        self.message = match nothing.into_iter().find(|nothing| self.message.contains(nothing)) {
            Some(nothing) => self.message.replacen(nothing, &format!("{done}, nothing else was changed"), 1),
            None => format!("{}; {done}", self.message),
        };
        self
    }

    /// Says what was being done.
    pub(crate) fn while_doing(mut self, what: impl fmt::Display) -> Self {
        // Whoever stopped it knows.
        if self.kind == ErrorKind::Cancelled {
            return self;
        }
        self.message = format!("{what}: {}", self.message);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if !self.hint.is_empty() {
            write!(f, "\nhint: {}", self.hint)?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::*;
        let text = match &error {
            rusqlite::Error::SqliteFailure(_, Some(text)) => text.clone(),
            other => other.to_string(),
        };
        if let Some(what) = of_application(&text) {
            let message = format!("it needs {what}, which only the application has that made the table");
            return Error { lacks: Some(what), ..Error::new(ErrorKind::Constraint, message) };
        }
        match error.sqlite_error_code() {
            Some(OperationInterrupted) => crate::sync::progress::cancelled(),
            Some(DatabaseBusy | DatabaseLocked) => {
                Error::new(ErrorKind::Busy, "the database is locked by another program; nothing was changed")
                    .hint("let the other program finish its transaction, then try again")
            }
            Some(ConstraintViolation | TypeMismatch) => Error::new(ErrorKind::Constraint, text),
            Some(NotADatabase) => Error::storage("the file is not a database; nothing was changed")
                .hint("put a backup in its place, or name another file"),
            Some(DatabaseCorrupt) => Error::storage(format!("the database file is damaged ({text})"))
                .hint("check it with the sqlite3 command `.recover`, or put a backup in its place"),
            Some(ReadOnly | PermissionDenied) => Error::storage("the database cannot be written; nothing was changed")
                .hint("check the permissions of the file and of its folder"),
            Some(DiskFull) => {
                Error::storage("the disk is full; nothing was changed").hint("free some space, then try again")
            }
            Some(SystemIoFailure) => {
                Error::storage(format!("the disk cannot be read or written ({text}); nothing was changed"))
                    .hint("see whether the disk is full or fails, then try again")
            }
            Some(CannotOpen) => Error::storage("the database file cannot be opened"),
            _ => Error::storage(format!("SQLite: {text}")),
        }
    }
}

/// What an application brings to SQLite and is missing here, by what SQLite says.
fn of_application(text: &str) -> Option<String> {
    let kinds = [
        ("no such collation sequence: ", "the collation"),
        ("no such function: ", "the function"),
        ("unknown function: ", "the function"),
        ("no such module: ", "the module"),
        ("no such tokenizer: ", "the tokenizer"),
    ];
    let found = kinds.into_iter().find_map(|(says, kind)| Some((text.split_once(says)?.1, kind)));
    // After the name may stand in which statement.
    let name = |text: &str| text.split([' ', '(']).next().unwrap_or_default().to_owned();
    found.map(|(text, kind)| format!("{kind} {}", name(text)))
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Error::storage(error.to_string())
    }
}

//! The engine: keeps the objects of occasionally connected SQLite databases in step. It knows tables, keys and references;
//! nothing of what they mean.
//!
//! 1. Each file is a [`Node`]. Triggers note every change, whatever program makes it, in a journal (`store.rs` has its
//!    tables, `triggers.rs` fills them).
//! 2. A node [prepares](Node::prepare) a sync set for a peer: the net state of everything filed since the last one
//!    ([`syncset`] describes the file).
//! 3. The peer [applies](Node::apply) it, all or nothing: what is newer is taken, what was changed on both sides is a conflict,
//!    which a [`Rule`] decides and a record keeps; what cannot be applied yet waits in the requeue.
//! 4. Whether one state was made with another in sight is told by version vectors alone ([`Vector`], [`decide`]).
//!
//! The one invariant: nothing is ever overwritten by somebody who had not seen it, unless a record keeps it.
//!
//! ```
//! use objsync::sync::*;
//! # let dir = tempfile::tempdir()?;
//! # let (north, south) = (dir.path().join("north.db"), dir.path().join("south.db"));
//! rusqlite::Connection::open(&north)?.execute_batch("CREATE TABLE notes (id INTEGER PRIMARY KEY, text)")?;
//! let info = NodeInfo { guid: NodeId::random(), name: "NORTH".into(), role: Role::Master };
//! let notes = ClassSpec { name: "Note".into(), table: "notes".into(), journaled: true };
//! let mut north = Node::create(&north, info, &[notes])?;
//! let mut south = north.fresh_copy(&south, "SOUTH", Role::Client)?;
//!
//! north.connection().execute("INSERT INTO notes (text) VALUES ('hello')", [])?;
//! let file = dir.path().join("syncFromNORTH-1000.syncset");
//! let options = PrepareOptions { id: 1000, file: file.clone(), since: Since::Sent, upto: None, overwrite: false, update_sync_time: true };
//! north.prepare(south.info().guid, &options)?;
//! let report = south.apply(&file, ApplyOptions::default())?;
//! assert_eq!(report.inserted, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod apply;
mod classes;
mod conflict;
mod copy;
mod decide;
mod edit;
mod environment;
mod error;
mod filing;
mod guid;
mod history;
mod inspect;
mod merge;
mod node;
mod prepare;
mod purge;
mod registry;
mod report;
mod requeue;
mod resolve;
mod rule;
mod rules;
mod schema;
mod set_record;
mod settle;
mod stamp;
mod store;
mod sync_times;
pub mod syncset;
mod take_back;
mod telling;
mod trial;
mod triggers;
mod unit;
mod value;
mod vector;
mod verify;
mod whereabouts;

pub use apply::{ApplyOptions, Hold, Preview};
pub use classes::Switched;
pub use conflict::{ConflictKind, ConflictRecord, ConflictSide, DecidedAgain, RecordState, TakenProperty};
pub use decide::{Because, Chosen, Decision, Finding, Taken, Version, decide};
pub use edit::{Edit, Wanted};
pub use environment::{ClassStatus, Environment, NodeStatus, PeerStatus, SETS, Status};
pub use error::{Error, ErrorKind, Refusal, Result};

pub use guid::{Guid, NodeId};
pub use history::{Content, Filed, State};
pub use inspect::{EventKind, HistoryEntry, JournalEntry, JournalQuery, Through};
pub use node::{Identity, Node, NodeInfo, Role};
pub use prepare::{PrepareOptions, Prepared, ToSend};
pub use purge::{Confirmed, Purged};
pub use report::{ObjectReport, Outcome, Report};
pub use requeue::{Cause, Waiting};
pub use resolve::{Choice, Resolution};
pub use rule::{Conflict, OwnRule, Pick, Rule, Verdict};
pub use rules::Rules;
pub use schema::{Class, ClassSpec, Property};
pub use set_record::SetRecord;
pub use stamp::{Clock, DOUBTFUL_AHEAD, Stamp, system_clock};
pub use sync_times::{Since, SyncTimes};
pub use take_back::Reverted;
pub use value::Value;
pub use vector::Vector;
pub use verify::{ClassVerification, Contents, ObjectDifference, Verification, verify};

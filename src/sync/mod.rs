//! The engine: keeps the objects of occasionally connected SQLite databases in step. It knows tables, keys and references;
//! nothing of what they mean.
//!
//! 1. Each file is a [`Node`]. Triggers note every change, whatever program makes it, in a journal (`node/store.rs` has its
//!    tables, `node/triggers.rs` fills them).
//! 2. A node [prepares](Node::prepare) a sync set for a peer: the net state of everything filed since the last one
//!    ([`syncset`] describes the file).
//! 3. The peer [applies](Node::apply) it, all or nothing: what is newer is taken, what was changed on both sides is a conflict,
//!    which a [`Rule`] decides and a record keeps; what cannot be applied yet waits in the requeue.
//! 4. Whether one state was made with another in sight is told by version vectors alone ([`Vector`], [`decide`]).
//!
//! 5. A record can be decided again, what waits given up, an applied set [taken back](Node::take_back) or
//!    [reverted](Node::revert), and an apply [previewed](Node::preview).
//!
//! `data/` has the words all this is said in, `node/` the file and its journal, `exchange/` sets on their way, `decisions/` who
//! wins and what is kept about it; `environment.rs` is a folder of several nodes, `status.rs` says how they stand.
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
//! let options = PrepareOptions { id: 1000, file: file.clone(), since: Since::Sent, upto: None, overwrite: false, compress: false, update_sync_time: true };
//! north.prepare(south.info().guid, &options)?;
//! let report = south.apply(&file, ApplyOptions::default())?;
//! assert_eq!(report.inserted, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod data;
mod decisions;
mod environment;
mod error;
mod exchange;
mod node;
pub(crate) mod part_file;
pub(crate) mod private_file;
mod progress;
mod retired;
mod status;

pub use data::guid::{Guid, NodeId};
pub use data::schema::{Class, ClassSpec, Key, Property};
pub use data::stamp::{Clock, DOUBTFUL_AHEAD, Stamp, system_clock};
pub use data::value::Value;
pub use data::vector::{Dot, Vector};
pub use decisions::conflict::{ConflictKind, ConflictRecord, ConflictSide, DecidedAgain, RecordState, TakenProperty};
pub use decisions::decide::{Because, Chosen, Decision, Finding, Taken, Version, decide};
pub use decisions::resolve::{Choice, Resolution};
pub use decisions::rule::{Conflict, OwnRule, Pick, Rule, Verdict};
pub use decisions::rules::Rules;
pub use decisions::take_back::Reverted;
pub(crate) use environment::missing;
pub use environment::{Environment, SETS};
pub use error::{Error, ErrorKind, Refusal, Result};
pub use exchange::apply::{ApplyOptions, Hold, Preview};
pub use exchange::prepare::{PrepareOptions, Prepared, ToSend};
pub use exchange::report::{ObjectReport, Outcome, Report};
pub use exchange::requeue::{Cause, Waiting};
pub use exchange::set_record::SetRecord;
pub use exchange::signature::{PublicKey, Signature};
pub use exchange::sync_times::{Since, SyncTimes};
pub use exchange::syncset;
pub use exchange::trust::KnownKey;
pub use node::changes::Looked;
pub use node::check::{CheckReport, Checked, Flaw, FlawKind, Flaws, LookedAt, Unchecked, check};
pub(crate) use node::check::{files_of, nodes_among};
pub use node::classes::Switched;
pub use node::edit::{Edit, Wanted};
pub use node::history::{Content, Filed, State};
pub use node::inspect::{EventKind, HistoryEntry, JournalEntry, JournalQuery, Through};
pub use node::likely_references::LikelyReference;
pub use node::moment::{Moment, MomentObject};
pub use node::peek::{Peeked, PeekedClass, peek};
pub use node::purge::{Confirmed, Purged};
pub use node::track::Tracked;
pub use node::unseen::UnseenRow;
pub use node::untrack::{Untracked, untrack};
pub use node::verify::{ClassVerification, Contents, ObjectDifference, PropertyDifference, Verification, verify};
pub use node::{Identity, Node, NodeInfo, Role};
pub use private_file::readable_by_others;
pub use progress::{Progress, Step};
pub use retired::Unsent;
pub use status::{ClassStatus, NodeStatus, PeerStatus, Status};

//! The rules that decide a conflict: those that come with the engine, and an application's own.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::sync::data::guid::Guid;
use crate::sync::data::schema::Class;
use crate::sync::data::value::Value;
use crate::sync::decisions::decide::Version;
use crate::sync::error::Error;
use crate::sync::node::history::Content;

/// Decides a conflict: what becomes of an object that was changed on both sides. SYNC-MODEL.md, "Rules".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// What was made at a client beats what was made at the master; between two of the same, the later stamp, then the
    /// node. The default, and the rule of the original, which asks where the change was made.
    #[default]
    ClientWins,
    /// What was made at the master beats what was made at a client; else as above.
    MasterWins,
    /// The later stamp wins; between equal ones, master before client, then the node.
    LatestWins,
    /// Property by property: what one side changed is combined; for what both changed, the later. A combination that the
    /// table refuses gives way to the later whole. A deletion against a change is never combined: the later stands.
    MergeProperties,
    /// What is here stays.
    KeepOurs,
    /// What comes is taken.
    AcceptTheirs,
    /// What is here stays until somebody decides: the record is open.
    Ask,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Rule; 7] = [
        Rule::ClientWins,
        Rule::MasterWins,
        Rule::LatestWins,
        Rule::MergeProperties,
        Rule::KeepOurs,
        Rule::AcceptTheirs,
        Rule::Ask,
    ];

    /// `client-wins`, as on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Rule::ClientWins => "client-wins",
            Rule::MasterWins => "master-wins",
            Rule::LatestWins => "latest-wins",
            Rule::MergeProperties => "merge-properties",
            Rule::KeepOurs => "keep-ours",
            Rule::AcceptTheirs => "accept-theirs",
            Rule::Ask => "ask",
        }
    }

    /// `Client wins`, for people.
    pub fn label(self) -> &'static str {
        match self {
            Rule::ClientWins => "Client wins",
            Rule::MasterWins => "Master wins",
            Rule::LatestWins => "Latest wins",
            Rule::MergeProperties => "Merge properties",
            Rule::KeepOurs => "Keep ours",
            Rule::AcceptTheirs => "Accept theirs",
            Rule::Ask => "Ask",
        }
    }

    /// What it does, in one sentence.
    pub fn sentence(self) -> &'static str {
        match self {
            Rule::ClientWins => "What was changed at a client beats what was changed at the master.",
            Rule::MasterWins => "What was changed at the master beats what was changed at a client.",
            Rule::LatestWins => "The change that was made later wins, wherever it was made.",
            Rule::MergeProperties => {
                "Changes of different properties are combined; where both changed the same one, the later wins."
            }
            Rule::KeepOurs => "What is here stays, and the other side is told so.",
            Rule::AcceptTheirs => "What comes is taken.",
            Rule::Ask => "What is here stays until somebody decides; the record is open.",
        }
    }

    /// Whether it gives the same answer at both ends, so that sets that cross on their way still lead to the same.
    pub fn same_at_both_ends(self) -> bool {
        matches!(self, Rule::ClientWins | Rule::MasterWins | Rule::LatestWins | Rule::MergeProperties)
    }

    /// What to know before choosing it; empty where there is nothing.
    pub fn caution(self) -> &'static str {
        match self {
            Rule::MergeProperties => {
                "The result may be a row that nobody wrote; the report and the record say whose each value was."
            }
            Rule::Ask => {
                "The sides answer for themselves: with Sync both ways, the side that applies last takes the other's until somebody decides."
            }
            Rule::KeepOurs | Rule::AcceptTheirs => {
                "The two ends answer differently, so let sets go one direction after the other, as Sync does: sets that cross undo each other."
            }
            _ => "",
        }
    }
}

impl FromStr for Rule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Rule::ALL.into_iter().find(|r| r.name() == text).ok_or_else(|| {
            let names: Vec<_> = Rule::ALL.iter().map(|r| r.name()).collect();
            Error::usage(format!("there is no rule `{text}`; there are {}", names.join(", ")))
        })
    }
}

/// An application's own rule. It is asked about every conflict first; where it has no opinion, the built-in rule decides.
///
/// Nodes converge when sets cross if every node asks the same rule and it answers the same with ours and theirs exchanged.
///
/// ```
/// use objsync::sync::*;
/// /// Of two quantities on stock, the smaller one is the safer promise.
/// struct SmallerStock;
/// impl OwnRule for SmallerStock {
///     fn name(&self) -> &str {
///         "smaller stock"
///     }
///     fn verdict(&self, conflict: &Conflict<'_>) -> Option<Verdict> {
///         let (Value::Integer(ours), Value::Integer(theirs)) = (conflict.ours("stock")?, conflict.theirs("stock")?) else {
///             return None;
///         };
///         let pick = if ours < theirs { Pick::Ours } else { Pick::Theirs };
///         Some(Verdict { pick, why: format!("{} is the smaller stock", ours.min(theirs)) })
///     }
/// }
/// # let dir = tempfile::tempdir()?;
/// # let north = dir.path().join("north.db");
/// # rusqlite::Connection::open(&north)?.execute_batch("CREATE TABLE items (id INTEGER PRIMARY KEY, stock INTEGER); INSERT INTO items VALUES (1, 10)")?;
/// # let info = NodeInfo { guid: NodeId::random(), name: "NORTH".into(), role: Role::Master };
/// # let mut north = Node::create(&north, info, &[ClassSpec { name: "Item".into(), table: "items".into(), journaled: true }])?;
/// # let mut south = north.fresh_copy(&dir.path().join("south.db"), "SOUTH", Role::Client)?;
/// # let file = dir.path().join("1.syncset");
/// # let options = PrepareOptions { id: 1, file: file.clone(), since: Since::Sent, upto: None, overwrite: false, compress: false, update_sync_time: true };
/// north.connection().execute("UPDATE items SET stock = 7", [])?;
/// south.connection().execute("UPDATE items SET stock = 9", [])?;
/// north.prepare(south.info().guid, &options)?;
/// // Client wins would keep 9.
/// let report = south.apply(&file, ApplyOptions { own_rule: Some(&SmallerStock), ..ApplyOptions::default() })?;
/// assert_eq!(report.conflicts, 1);
/// assert!(report.objects[0].reason.ends_with("NORTH's is taken: 7 is the smaller stock"));
/// let stock: i64 = south.connection().query_row("SELECT stock FROM items", [], |r| r.get(0))?;
/// assert_eq!(stock, 7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait OwnRule {
    /// What records call it.
    fn name(&self) -> &str;
    /// Decides, or has no opinion.
    fn verdict(&self, conflict: &Conflict<'_>) -> Option<Verdict>;
}

/// What an [`OwnRule`] may look at.
#[derive(Clone, Copy, Debug)]
pub struct Conflict<'a> {
    /// The object's class.
    pub class: &'a Class,
    /// The object.
    pub guid: Guid,
    /// The contents of the common ancestors; none where these are not all known here, or do not tell what has changed since.
    pub ancestors: &'a [&'a Content],
    /// What is here.
    pub ours: Version<'a>,
    /// What came.
    pub theirs: Version<'a>,
}

impl<'a> Conflict<'a> {
    /// The value of a property here; `None` where it is deleted, or there is no such property.
    pub fn ours(&self, property: &str) -> Option<&'a Value> {
        self.value(self.ours.content, property)
    }

    /// The value of a property that came.
    pub fn theirs(&self, property: &str) -> Option<&'a Value> {
        self.value(self.theirs.content, property)
    }

    fn value(&self, content: &'a Content, property: &str) -> Option<&'a Value> {
        content.as_ref()?.get(self.class.property(property)?)
    }
}

/// What an [`OwnRule`] decides, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// What becomes of the object.
    pub pick: Pick,
    /// Why, for people: goes into report and record.
    pub why: String,
}

/// What is to become of an object in conflict.
#[derive(Clone, Debug, PartialEq)]
pub enum Pick {
    /// What is here.
    Ours,
    /// What came.
    Theirs,
    /// These values, in the order of the class's properties. Values that the table refuses give way to the later whole.
    Values(Vec<Value>),
    /// What is here, until somebody decides.
    Ask,
}

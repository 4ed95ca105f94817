//! The decision about two concurrent states: a pure function of the common ancestors, ours, theirs and the rule.

use std::cmp::Ordering;

use crate::sync::guid::NodeId;
use crate::sync::history::Content;
use crate::sync::node::Role;
use crate::sync::rule::Rule;
use crate::sync::stamp::Stamp;
use crate::sync::value::Value;

/// One of the two states, with what a rule may look at.
#[derive(Clone, Copy, Debug)]
pub struct Version<'a> {
    /// Its properties, or `None`: deleted.
    pub content: &'a Content,
    /// When and by whom it was made.
    pub stamp: Stamp,
    /// The role of its author.
    pub role: Role,
}

/// Whose content stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Chosen {
    /// The content here.
    Ours,
    /// The content that came.
    Theirs,
}

/// Why it stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Because {
    /// The other side equals every common ancestor: it changed nothing. No conflict.
    OtherUnchanged,
    /// The rule prefers the role of its author.
    Role,
    /// The rule found its stamp later.
    Later,
    /// Equal times: by author's role, node and content, so that both ends answer alike.
    TieBreak,
}

/// What is to become of two concurrent states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whose content stays.
    pub chosen: Chosen,
    /// Why.
    pub because: Because,
}

impl Decision {
    /// Whether this was a conflict, so that a record is kept.
    pub fn is_conflict(self) -> bool {
        self.because != Because::OtherUnchanged
    }
}

/// Decides. `ancestors` are the contents of the common ancestors; none known (after a purge) counts as changed on both
/// sides. The two contents differ. Follows SYNC-MODEL.md, "Applying a set", step 4, and "Rules".
///
/// ```
/// use objsync::sync::{Because, Chosen, NodeId, Role, Rule, Stamp, Value, Version, decide};
/// let (base, ours, theirs) = (Some(vec![Value::Integer(1)]), Some(vec![Value::Integer(2)]), Some(vec![Value::Integer(3)]));
/// let at = |content, time, role| Version { content, stamp: Stamp { time, author: NodeId(1) }, role };
/// let decision = decide(&[&base], at(&ours, 20, Role::Master), at(&theirs, 10, Role::Client), Rule::ClientWins);
/// assert_eq!((decision.chosen, decision.because), (Chosen::Theirs, Because::Role));
/// ```
pub fn decide(ancestors: &[&Content], ours: Version<'_>, theirs: Version<'_>, rule: Rule) -> Decision {
    // A side is unchanged only where it equals every common ancestor.
    let unchanged = |side: &Content| !ancestors.is_empty() && ancestors.iter().all(|a| *a == side);
    if unchanged(ours.content) {
        return Decision { chosen: Chosen::Theirs, because: Because::OtherUnchanged };
    }
    if unchanged(theirs.content) {
        return Decision { chosen: Chosen::Ours, because: Because::OtherUnchanged };
    }
    let preferred = match rule {
        Rule::ClientWins => Some(Role::Client),
        Rule::LatestWins => None,
    };
    let by_role = preferred.map_or(Ordering::Equal, |role| (ours.role == role).cmp(&(theirs.role == role)));
    let (order, because) = if by_role != Ordering::Equal {
        (by_role, Because::Role)
    } else if ours.stamp.time != theirs.stamp.time {
        (ours.stamp.time.cmp(&theirs.stamp.time), Because::Later)
    } else {
        let key = |v: Version<'_>| (v.role, v.stamp.author, canonical(v.content));
        (key(ours).cmp(&key(theirs)), Because::TieBreak)
    };
    Decision { chosen: if order == Ordering::Less { Chosen::Theirs } else { Chosen::Ours }, because }
}

/// The later of two stamps, as `latest wins` has it.
pub(crate) fn later(a: (Stamp, Role), b: (Stamp, Role)) -> Stamp {
    let key = |(stamp, role): (Stamp, Role)| -> (i64, Role, NodeId) { (stamp.time, role, stamp.author) };
    if key(a) >= key(b) { a.0 } else { b.0 }
}

/// Bytes by which contents are ordered and hashed, the same at every node. A deletion stands below any content.
pub(crate) fn canonical(content: &Content) -> Vec<u8> {
    content.as_ref().map_or_else(Vec::new, |values| {
        let values = values.iter().map(Value::to_stored_json).collect();
        serde_json::Value::Array(values).to_string().into_bytes()
    })
}

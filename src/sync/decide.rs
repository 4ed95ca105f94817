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

#[cfg(test)]
mod tests {
    use super::*;

    /// The rules in other words: a list of what the winner must be better at, the first that tells counts.
    fn oracle(ancestors: &[&Content], ours: Version<'_>, theirs: Version<'_>, rule: Rule) -> (Chosen, Because) {
        let changed = |side: Version<'_>| ancestors.is_empty() || ancestors.iter().any(|a| *a != side.content);
        match (changed(ours), changed(theirs)) {
            (false, _) => return (Chosen::Theirs, Because::OtherUnchanged),
            (true, false) => return (Chosen::Ours, Because::OtherUnchanged),
            (true, true) => {}
        }
        let client = |v: Version<'_>| v.role == Role::Client;
        if rule == Rule::ClientWins && client(ours) != client(theirs) {
            return (if client(ours) { Chosen::Ours } else { Chosen::Theirs }, Because::Role);
        }
        let (a, b) = (ours.stamp, theirs.stamp);
        if a.time != b.time {
            return (if a.time > b.time { Chosen::Ours } else { Chosen::Theirs }, Because::Later);
        }
        // Equal times: master before client, then the higher node, then a content before a deletion.
        let ours_first = match (client(ours), client(theirs)) {
            (false, true) => true,
            (true, false) => false,
            _ if a.author != b.author => a.author.0 > b.author.0,
            _ => match (ours.content, theirs.content) {
                (None, _) => false,
                (_, None) => true,
                (Some(x), Some(y)) => format!("{x:?}") > format!("{y:?}"),
            },
        };
        (if ours_first { Chosen::Ours } else { Chosen::Theirs }, Because::TieBreak)
    }

    #[test]
    fn every_case_is_decided_as_the_rules_say_and_alike_at_both_ends() {
        // The deletion, and values that differ in one digit, so that every order of them is the same.
        let content = |n: Option<i64>| n.map(|n| vec![Value::Integer(n), Value::Text("same".into())]);
        let contents = [content(None), content(Some(1)), content(Some(2)), content(Some(3))];
        let mut ancestor_lists: Vec<Vec<&Content>> = vec![vec![]];
        ancestor_lists.extend(contents.iter().map(|a| vec![a]));
        ancestor_lists.extend(contents.iter().flat_map(|a| contents.iter().map(move |b| vec![a, b])));
        let mut versions = Vec::new();
        for content in &contents {
            for role in [Role::Client, Role::Master] {
                for time in [i64::MIN, 10, 20, i64::MAX] {
                    for author in [NodeId(1), NodeId(u64::MAX)] {
                        versions.push(Version { content, stamp: Stamp { time, author }, role });
                    }
                }
            }
        }
        let mut reasons = std::collections::HashMap::<String, usize>::new();
        for ancestors in &ancestor_lists {
            for (ours, theirs) in versions.iter().flat_map(|a| versions.iter().map(move |b| (*a, *b))) {
                if ours.content == theirs.content {
                    continue; // is never asked
                }
                for rule in Rule::ALL {
                    let decision = decide(ancestors, ours, theirs, rule);
                    let case = format!("{ancestors:?} {ours:?} {theirs:?} {rule:?}");
                    assert_eq!((decision.chosen, decision.because), oracle(ancestors, ours, theirs, rule), "{case}");
                    *reasons.entry(format!("{:?}", decision.because)).or_default() += 1;
                    let unchanged = decision.because == Because::OtherUnchanged;
                    assert_eq!(decision.is_conflict(), !unchanged, "{case}");
                    // The other end sees the two the other way round, and takes the same content.
                    let mirrored = decide(ancestors, theirs, ours, rule);
                    assert_ne!(mirrored.chosen, decision.chosen, "{case}");
                    assert_eq!(mirrored.because, decision.because, "{case}");
                    let turned: Vec<&Content> = ancestors.iter().rev().copied().collect();
                    assert_eq!(decide(&turned, ours, theirs, rule), decision, "{case}");
                }
            }
        }
        assert_eq!(reasons.len(), 4, "{reasons:?}");
    }

    #[test]
    fn the_later_stamp_is_the_same_from_both_ends() {
        let mut stamps = Vec::new();
        for time in [-1, 0, 1] {
            for author in [NodeId(1), NodeId(2)] {
                stamps.extend([Role::Client, Role::Master].map(|role| (Stamp { time, author }, role)));
            }
        }
        for a in &stamps {
            for b in &stamps {
                let chosen = later(*a, *b);
                assert_eq!(chosen, later(*b, *a));
                assert!(chosen.time >= a.0.time && chosen.time >= b.0.time);
                assert!(chosen == a.0 || chosen == b.0);
            }
        }
    }
}

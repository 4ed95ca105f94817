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

    const STATES: [Option<i64>; 3] = [None, Some(1), Some(2)];

    fn content(state: Option<i64>) -> Content {
        state.map(|n| vec![Value::Integer(n)])
    }

    /// The rules once more, in other words: scores are compared member by member.
    fn oracle(
        ancestors: &[Option<i64>],
        ours: (Option<i64>, Stamp, Role),
        theirs: (Option<i64>, Stamp, Role),
        rule: Rule,
    ) -> (Option<i64>, bool) {
        let same = |state| !ancestors.is_empty() && !ancestors.iter().any(|a| *a != state);
        if same(ours.0) {
            return (theirs.0, false);
        }
        if same(theirs.0) {
            return (ours.0, false);
        }
        let score = |(state, stamp, role): (Option<i64>, Stamp, Role)| {
            let preferred = u8::from(rule == Rule::ClientWins && role == Role::Client);
            (preferred, stamp.time, u8::from(role == Role::Master), stamp.author.0, state)
        };
        (if score(ours) > score(theirs) { ours.0 } else { theirs.0 }, true)
    }

    /// All ancestors, contents, times, authors, roles and rules: as the oracle says, and the same seen from either end.
    #[test]
    fn every_case_is_decided_as_the_rules_say_and_alike_at_both_ends() {
        let mut ancestries: Vec<Vec<Option<i64>>> = vec![vec![]];
        ancestries.extend(STATES.map(|s| vec![s]));
        ancestries.extend(STATES.iter().flat_map(|a| STATES.map(|b| vec![*a, b])));
        let mut versions = Vec::new();
        for state in STATES {
            for time in [10, 20] {
                for (author, role) in [(1, Role::Master), (2, Role::Client), (3, Role::Client)] {
                    versions.push((state, Stamp { time, author: NodeId(author) }, role));
                }
            }
        }
        let mut cases = 0;
        for rule in Rule::ALL {
            for ancestors in &ancestries {
                let known: Vec<Content> = ancestors.iter().map(|a| content(*a)).collect();
                let known: Vec<&Content> = known.iter().collect();
                for a in &versions {
                    for b in versions.iter().filter(|b| b.0 != a.0) {
                        let (x, y) = (content(a.0), content(b.0));
                        let (x, y) = (
                            Version { content: &x, stamp: a.1, role: a.2 },
                            Version { content: &y, stamp: b.1, role: b.2 },
                        );
                        let here = decide(&known, x, y, rule);
                        let there = decide(&known, y, x, rule);
                        let chosen = if here.chosen == Chosen::Ours { a.0 } else { b.0 };
                        let chosen_there = if there.chosen == Chosen::Ours { b.0 } else { a.0 };
                        assert_eq!(
                            (chosen, here.is_conflict()),
                            oracle(ancestors, *a, *b, rule),
                            "{ancestors:?} {a:?} {b:?} {rule:?}"
                        );
                        assert_eq!(chosen, chosen_there, "{ancestors:?} {a:?} {b:?} {rule:?}");
                        assert_eq!(here.because, there.because);
                        cases += 1;
                    }
                }
            }
        }
        assert_eq!(cases, 2 * 13 * 18 * 12);
    }

    #[test]
    fn the_reason_names_what_told_them_apart() {
        let (base, one, two) = (content(None), content(Some(1)), content(Some(2)));
        let at = |content, time, author, role| Version { content, stamp: Stamp { time, author: NodeId(author) }, role };
        let because = |a, b, rule| decide(&[&base], a, b, rule).because;
        let (master, client) = (at(&one, 20, 1, Role::Master), at(&two, 10, 2, Role::Client));
        assert_eq!(because(master, client, Rule::ClientWins), Because::Role);
        assert_eq!(because(master, client, Rule::LatestWins), Because::Later);
        assert_eq!(because(client, at(&one, 9, 3, Role::Client), Rule::ClientWins), Because::Later);
        assert_eq!(because(client, at(&one, 10, 3, Role::Client), Rule::ClientWins), Because::TieBreak);
        assert_eq!(decide(&[&one], master, client, Rule::LatestWins).because, Because::OtherUnchanged);
    }

    #[test]
    fn the_later_stamp_is_told_by_time_then_role_then_node() {
        let stamp = |time, author| Stamp { time, author: NodeId(author) };
        assert_eq!(later((stamp(1, 9), Role::Master), (stamp(2, 1), Role::Client)), stamp(2, 1));
        assert_eq!(later((stamp(2, 1), Role::Master), (stamp(2, 9), Role::Client)), stamp(2, 1));
        assert_eq!(later((stamp(2, 1), Role::Client), (stamp(2, 9), Role::Client)), stamp(2, 9));
    }
}

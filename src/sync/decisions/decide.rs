//! The decision about two concurrent states: a pure function of the common ancestors, ours, theirs and the rule.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::sync::data::guid::NodeId;
use crate::sync::data::stamp::Stamp;
use crate::sync::data::value::Value;
use crate::sync::data::vector::Vector;
use crate::sync::decisions::rule::{Pick, Rule, Verdict};
use crate::sync::node::Role;
use crate::sync::node::history::{Content, State};

/// One of the two states, with what a rule may look at.
#[derive(Clone, Copy, Debug)]
pub struct Version<'a> {
    /// Its properties, or `None`: deleted.
    pub content: &'a Content,
    /// When and by whom it was made.
    pub stamp: Stamp,
    /// The role of its author.
    pub role: Role,
    /// Of each property, whether this side has written it and the other has not seen that; `None`: not known, so contents are
    /// compared with the common ancestors.
    pub written: Option<&'a [bool]>,
    /// Its time is more than a day ahead of this machine's clock, so it counts as earlier than any that is not.
    pub doubtful: bool,
}

impl Version<'_> {
    /// What the rules that go by time compare.
    fn time(&self) -> (bool, i64) {
        (!self.doubtful, self.stamp.time)
    }
}

/// Whose content stays, or whose value of a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Chosen {
    /// What is here.
    Ours,
    /// What came.
    Theirs,
    /// Some of both, or neither.
    Merged,
}

/// Why it stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Because {
    /// The other side is what every common ancestor is: it changed nothing. No conflict.
    OtherUnchanged,
    /// The rule prefers the role of its author.
    Role,
    /// The rule found its stamp later.
    Later,
    /// The other one's time is doubtful.
    Undoubted,
    /// Equal times: by author's role, node and content, so that both ends answer alike.
    TieBreak,
    /// The rule keeps what is here.
    Kept,
    /// The rule takes what comes.
    Accepted,
    /// Ours stays until somebody decides.
    Asked,
    /// Property by property, those that differ.
    ByProperty(Vec<Taken>),
    /// An application's own rule says so, with these words.
    Own(String),
}

/// Whose value of one property was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Place of the property in its class.
    pub property: usize,
    /// [`Chosen::Ours`] or [`Chosen::Theirs`].
    pub from: Chosen,
    /// Both changed it, so the later stands; else only that side did.
    pub both: bool,
}

/// What is to become of two concurrent states.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The content that stays.
    pub content: Content,
    /// Its stamp: that of the content that won; for a combination the later of the two.
    pub stamp: Stamp,
    /// Whose it is.
    pub chosen: Chosen,
    /// Why.
    pub because: Because,
}

/// What a decision has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// One side changed nothing.
    NoConflict,
    /// The sides changed different properties, which were combined: nobody is overruled, but nobody wrote this row.
    Combined,
    /// Both changed the same.
    Conflict,
    /// The same, and somebody is to decide.
    Open,
}

impl Decision {
    /// What it has found.
    pub fn finding(&self) -> Finding {
        match &self.because {
            Because::OtherUnchanged => Finding::NoConflict,
            Because::ByProperty(taken) if !taken.iter().any(|t| t.both) => Finding::Combined,
            Because::Asked => Finding::Open,
            _ => Finding::Conflict,
        }
    }

    fn whole(chosen: Chosen, ours: Version<'_>, theirs: Version<'_>, because: Because) -> Decision {
        let winner = if chosen == Chosen::Theirs { theirs } else { ours };
        Decision { content: winner.content.clone(), stamp: winner.stamp, chosen, because }
    }
}

/// Decides. `ancestors` are the contents of the common ancestors; none, where these are not all known, counts as changed on both
/// sides. The two contents differ. Follows SYNC-MODEL.md, "Applying a set", step 4, and "Rules".
///
/// ```
/// use objsync::sync::{Because, Chosen, NodeId, Role, Rule, Stamp, Value, Version, decide};
/// let (base, ours, theirs) = (Some(vec![Value::Integer(1)]), Some(vec![Value::Integer(2)]), Some(vec![Value::Integer(3)]));
/// let at = |content, time, role| Version { content, stamp: Stamp { time, author: NodeId(1) }, role, doubtful: false, written: None };
/// let decision = decide(&[&base], at(&ours, 20, Role::Master), at(&theirs, 10, Role::Client), Rule::ClientWins);
/// assert_eq!((decision.chosen, decision.because), (Chosen::Theirs, Because::Role));
/// ```
pub fn decide(ancestors: &[&Content], ours: Version<'_>, theirs: Version<'_>, rule: Rule) -> Decision {
    if let Some(decision) = one_unchanged(ancestors, ours, theirs) {
        return decision;
    }
    match rule {
        Rule::MergeProperties => merge_properties(ancestors, ours, theirs),
        Rule::KeepOurs => Decision::whole(Chosen::Ours, ours, theirs, Because::Kept),
        Rule::AcceptTheirs => Decision::whole(Chosen::Theirs, ours, theirs, Because::Accepted),
        Rule::Ask => Decision::whole(Chosen::Ours, ours, theirs, Because::Asked),
        Rule::ClientWins => better(ours, theirs, Some(Role::Client)),
        Rule::MasterWins => better(ours, theirs, Some(Role::Master)),
        Rule::LatestWins => better(ours, theirs, None),
    }
}

/// Whether the known common ancestors are all that both sides have seen. Where they are not, a state that both have seen never came
/// here, and a side that equals the ancestors may have come back to that content by a decision.
pub(crate) fn are_complete(ancestors: &[State], ours: &State, theirs: &State) -> bool {
    let known = ancestors.iter().fold(Vector::default(), |all, a| all.join(&a.vector));
    ours.vector.meet(&theirs.vector).leq(&known)
}

/// Whether the known common ancestors suffice to tell which side has changed nothing: they are complete, and no side repeats their
/// content under a new stamp, which means that it changed and changed back.
pub(crate) fn are_conclusive(ancestors: &[State], ours: &State, theirs: &State) -> bool {
    let repeats = |side: &State| {
        ancestors.iter().all(|a| a.content == side.content) && ancestors.iter().any(|a| a.stamp != side.stamp)
    };
    are_complete(ancestors, ours, theirs) && !repeats(ours) && !repeats(theirs)
}

/// A side is unchanged only where it equals every common ancestor; then the other one stands, and this is no conflict.
pub(crate) fn one_unchanged(ancestors: &[&Content], ours: Version<'_>, theirs: Version<'_>) -> Option<Decision> {
    let unchanged = |side: &Content| !ancestors.is_empty() && ancestors.iter().all(|a| *a == side);
    let chosen = match (unchanged(ours.content), unchanged(theirs.content)) {
        (true, _) => Chosen::Theirs,
        (_, true) => Chosen::Ours,
        _ => return None,
    };
    Some(Decision::whole(chosen, ours, theirs, Because::OtherUnchanged))
}

/// What an application's own rule says, in the form of the others.
pub(crate) fn own_verdict(verdict: Verdict, ours: Version<'_>, theirs: Version<'_>) -> Decision {
    let because = Because::Own(verdict.why);
    match verdict.pick {
        Pick::Ours => Decision::whole(Chosen::Ours, ours, theirs, because),
        Pick::Theirs => Decision::whole(Chosen::Theirs, ours, theirs, because),
        Pick::Ask => Decision::whole(Chosen::Ours, ours, theirs, Because::Asked),
        Pick::Values(values) => {
            Decision { content: Some(values), stamp: better(ours, theirs, None).stamp, chosen: Chosen::Merged, because }
        }
    }
}

/// By author's role where one is preferred, else by time; between equals by role, node and content.
fn better(ours: Version<'_>, theirs: Version<'_>, preferred: Option<Role>) -> Decision {
    let by_role = preferred.map_or(Ordering::Equal, |role| (ours.role == role).cmp(&(theirs.role == role)));
    let (order, because) = if by_role != Ordering::Equal {
        (by_role, Because::Role)
    } else if ours.time() != theirs.time() {
        let because = if ours.doubtful == theirs.doubtful { Because::Later } else { Because::Undoubted };
        (ours.time().cmp(&theirs.time()), because)
    } else {
        let key = |v: Version<'_>| (v.role, v.stamp.author, canonical(v.content));
        (key(ours).cmp(&key(theirs)), Because::TieBreak)
    };
    let chosen = if order == Ordering::Less { Chosen::Theirs } else { Chosen::Ours };
    Decision::whole(chosen, ours, theirs, because)
}

/// Property by property: what only one side has written is that side's, what both have written is the later's. Where it is not known
/// who has written what, each property is compared with every common ancestor. Delete against change is never merged.
fn merge_properties(ancestors: &[&Content], ours: Version<'_>, theirs: Version<'_>) -> Decision {
    let latest = better(ours, theirs, None);
    let (Some(a), Some(b)) = (ours.content, theirs.content) else { return latest };
    // What a deleted ancestor says of a property: nothing.
    let was = |i: usize, value: &Value| {
        !ancestors.is_empty() && ancestors.iter().all(|x| x.as_ref().map_or(&Value::Null, |values| &values[i]) == value)
    };
    let mut values = a.clone();
    let mut taken = Vec::new();
    for i in (0..values.len()).filter(|&i| a[i] != b[i]) {
        let has_written = |side: Version<'_>, value: &Value| match side.written {
            Some(written) => written.get(i).copied().unwrap_or(true),
            None => !was(i, value),
        };
        let (from, both) = match (has_written(ours, &a[i]), has_written(theirs, &b[i])) {
            (true, false) => (Chosen::Ours, false),
            (false, true) => (Chosen::Theirs, false),
            _ => (latest.chosen, true),
        };
        if from == Chosen::Theirs {
            values[i] = b[i].clone();
        }
        taken.push(Taken { property: i, from, both });
    }
    Decision { content: Some(values), stamp: latest.stamp, chosen: Chosen::Merged, because: Because::ByProperty(taken) }
}

/// The later of two stamps, as `latest wins` has it where neither is doubtful. Where both sides say the same, both ends must give
/// that one version the same stamp, whatever their clocks say.
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
            let preferred = match rule {
                Rule::ClientWins => u8::from(role == Role::Client),
                Rule::MasterWins => u8::from(role == Role::Master),
                _ => 0,
            };
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
        for rule in [Rule::ClientWins, Rule::MasterWins, Rule::LatestWins] {
            for ancestors in &ancestries {
                let known: Vec<Content> = ancestors.iter().map(|a| content(*a)).collect();
                let known: Vec<&Content> = known.iter().collect();
                for a in &versions {
                    for b in versions.iter().filter(|b| b.0 != a.0) {
                        let (x, y) = (content(a.0), content(b.0));
                        let (x, y) = (
                            Version { content: &x, stamp: a.1, role: a.2, doubtful: false, written: None },
                            Version { content: &y, stamp: b.1, role: b.2, doubtful: false, written: None },
                        );
                        let here = decide(&known, x, y, rule);
                        let there = decide(&known, y, x, rule);
                        let chosen = if here.chosen == Chosen::Ours { a.0 } else { b.0 };
                        let chosen_there = if there.chosen == Chosen::Ours { b.0 } else { a.0 };
                        assert_eq!(
                            (chosen, here.finding() == Finding::Conflict),
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
        assert_eq!(cases, 3 * 13 * 18 * 12);
    }

    /// Two properties of three values each, none to two ancestors, deletions too: property by property as the rule says.
    #[test]
    fn properties_are_merged_against_every_ancestor() {
        let mut contents: Vec<Content> = vec![None];
        for a in 0..3 {
            contents.extend((0..3).map(|b| Some(vec![Value::Integer(a), Value::Integer(b)])));
        }
        let mut ancestries: Vec<Vec<&Content>> = vec![vec![]];
        ancestries.extend(contents.iter().map(|a| vec![a]));
        ancestries.extend(contents.iter().flat_map(|a| contents.iter().map(move |b| vec![a, b])));
        let (mut combined, mut overlapping) = (0, 0);
        for ancestors in &ancestries {
            for a in &contents {
                for b in contents.iter().filter(|b| *b != a) {
                    let at = |content, time| Version {
                        content,
                        stamp: Stamp { time, author: NodeId(time as u64) },
                        role: Role::Client,
                        doubtful: false,
                        written: None,
                    };
                    let (x, y) = (at(a, 10), at(b, 20));
                    let here = decide(ancestors, x, y, Rule::MergeProperties);
                    let there = decide(ancestors, y, x, Rule::MergeProperties);
                    assert_eq!((&here.content, here.stamp), (&there.content, there.stamp), "{ancestors:?} {a:?} {b:?}");
                    assert_eq!(here.finding(), there.finding());
                    let same = |side: &Content| !ancestors.is_empty() && !ancestors.iter().any(|s| *s != side);
                    if same(a) || same(b) {
                        assert_eq!(here.content, if same(a) { b.clone() } else { a.clone() });
                        assert_eq!(here.finding(), Finding::NoConflict);
                        continue;
                    }
                    let (Some(va), Some(vb)) = (a, b) else {
                        assert_eq!((&here.content, here.finding()), (b, Finding::Conflict), "the later whole");
                        continue;
                    };
                    assert_eq!(here.stamp.time, 20);
                    let mut overlap = false;
                    for i in 0..2 {
                        let bases: Vec<Value> =
                            ancestors.iter().map(|s| s.as_ref().map_or(Value::Null, |v| v[i].clone())).collect();
                        let moved = |v: &Value| bases.is_empty() || bases.iter().any(|base| base != v);
                        let wanted = match (moved(&va[i]), moved(&vb[i])) {
                            (_, false) => &va[i],
                            (false, true) => &vb[i],
                            (true, true) => {
                                overlap |= va[i] != vb[i];
                                &vb[i]
                            }
                        };
                        assert_eq!(&here.content.as_ref().unwrap()[i], wanted, "{ancestors:?} {a:?} {b:?} {i}");
                    }
                    let finding = if overlap { Finding::Conflict } else { Finding::Combined };
                    assert_eq!(here.finding(), finding, "{ancestors:?} {a:?} {b:?}");
                    (combined, overlapping) = (combined + usize::from(!overlap), overlapping + usize::from(overlap));
                }
            }
        }
        assert!(combined > 300 && overlapping > 1000, "{combined} {overlapping}");
    }

    #[test]
    fn rules_that_look_at_the_place_keep_or_take_and_only_ask_leaves_the_record_open() {
        let (base, one, two) = (content(None), content(Some(1)), content(Some(2)));
        let at = |content, time| Version {
            content,
            stamp: Stamp { time, author: NodeId(1) },
            role: Role::Client,
            doubtful: false,
            written: None,
        };
        for (rule, chosen, finding) in [
            (Rule::KeepOurs, Chosen::Ours, Finding::Conflict),
            (Rule::AcceptTheirs, Chosen::Theirs, Finding::Conflict),
            (Rule::Ask, Chosen::Ours, Finding::Open),
        ] {
            for times in [(1, 2), (2, 1)] {
                let decision = decide(&[&base], at(&one, times.0), at(&two, times.1), rule);
                assert_eq!((decision.chosen, decision.finding()), (chosen, finding), "{rule:?}");
                let stands = if chosen == Chosen::Ours { (&one, times.0) } else { (&two, times.1) };
                assert_eq!((&decision.content, decision.stamp.time), stands);
                assert_eq!(decide(&[&two], at(&one, 1), at(&two, 2), rule).finding(), Finding::NoConflict);
            }
        }
        assert!(Rule::ALL.iter().filter(|r| !r.same_at_both_ends()).count() == 3);
    }

    #[test]
    fn the_reason_names_what_told_them_apart() {
        let (base, one, two) = (content(None), content(Some(1)), content(Some(2)));
        let at = |content, time, author, role| Version {
            content,
            stamp: Stamp { time, author: NodeId(author) },
            role,
            doubtful: false,
            written: None,
        };
        let because = |a, b, rule| decide(&[&base], a, b, rule).because;
        let (master, client) = (at(&one, 20, 1, Role::Master), at(&two, 10, 2, Role::Client));
        assert_eq!(because(master, client, Rule::ClientWins), Because::Role);
        assert_eq!(because(master, client, Rule::LatestWins), Because::Later);
        assert_eq!(because(client, at(&one, 9, 3, Role::Client), Rule::ClientWins), Because::Later);
        assert_eq!(because(client, at(&one, 10, 3, Role::Client), Rule::ClientWins), Because::TieBreak);
        assert_eq!(decide(&[&one], master, client, Rule::LatestWins).because, Because::OtherUnchanged);
    }

    #[test]
    fn a_doubtful_time_is_later_than_no_other_by_any_rule_and_alike_at_both_ends() {
        let (base, far, near) = (Some(vec![0, 0]), Some(vec![1, 5]), Some(vec![2, 0]));
        let of = |values: Option<Vec<i64>>| -> Content { values.map(|v| v.into_iter().map(Value::Integer).collect()) };
        let (base, far, near) = (of(base), of(far), of(near));
        let at = |content, time, author, doubtful| Version {
            content,
            stamp: Stamp { time, author: NodeId(author) },
            role: Role::Client,
            doubtful,
            written: None,
        };
        for rule in [Rule::ClientWins, Rule::MasterWins, Rule::LatestWins, Rule::MergeProperties] {
            let (doubted, right) = (at(&far, 99, 1, true), at(&near, 10, 2, false));
            for decision in [decide(&[&base], doubted, right, rule), decide(&[&base], right, doubted, rule)] {
                assert_eq!(decision.stamp.time, 10, "{rule:?}");
                let whole = rule != Rule::MergeProperties;
                // The second property only the doubtful side has changed.
                assert_eq!(decision.content, of(Some(vec![2, if whole { 0 } else { 5 }])), "{rule:?}");
                assert_eq!(decision.because == Because::Undoubted, whole, "{rule:?}");
            }
            // Of two doubtful ones the later; and a role that a rule prefers is no matter of time.
            let both = decide(&[&base], doubted, at(&near, 10, 2, true), rule);
            assert_eq!(both.content.unwrap()[0], Value::Integer(1), "{rule:?}");
        }
        let master = Version { role: Role::Master, ..at(&near, 10, 2, false) };
        assert_eq!(decide(&[&base], at(&far, 99, 1, true), master, Rule::ClientWins).because, Because::Role);
        let gone = None;
        let deleted = at(&gone, 99, 1, true);
        assert_eq!(decide(&[&base], deleted, at(&near, 10, 2, false), Rule::MergeProperties).content, near);
    }

    fn seen(entries: &[(u64, u64)]) -> Vector {
        entries.iter().map(|(node, number)| (NodeId(*node), *number)).collect()
    }

    #[test]
    fn who_says_the_same_with_another_stamp_says_it_anew_who_deletes_too() {
        let state = |n, stamp: (i64, u64), vector| State {
            content: content(n),
            vector: seen(vector),
            stamp: Stamp { time: stamp.0, author: NodeId(stamp.1) },
        };
        for n in STATES {
            // Both come from what node 1 made first; somebody has changed it at each of two nodes.
            let (ours, theirs) = (state(n, (1, 1), &[(1, 1), (2, 1)]), state(Some(9), (8, 3), &[(1, 1), (3, 1)]));
            let base = |n, stamp| state(n, stamp, &[(1, 1)]);
            let both_ways = |ancestors: &[State]| {
                let told = are_conclusive(ancestors, &ours, &theirs);
                assert_eq!(told, are_conclusive(ancestors, &theirs, &ours));
                told
            };
            assert!(both_ways(&[base(n, (1, 1))]), "{n:?}");
            for anew in [(2, 1), (1, 2)] {
                assert!(!both_ways(&[base(n, anew)]), "{n:?}");
                assert!(!both_ways(&[base(n, (1, 1)), base(n, anew)]), "one of them is enough: {n:?}");
                assert!(both_ways(&[base(n, anew), base(Some(3), (1, 1))]), "it has changed something: {n:?}");
            }
        }
    }

    #[test]
    fn ancestors_are_conclusive_only_where_they_are_all_that_both_have_seen() {
        let state =
            |vector: &[_]| State { content: None, vector: seen(vector), stamp: Stamp { time: 1, author: NodeId(1) } };
        let (ours, theirs) = (state(&[(1, 9), (2, 4)]), state(&[(1, 6), (2, 4), (3, 1)]));
        let suffice = |ancestors: &[&[(u64, u64)]]| {
            let ancestors: Vec<State> = ancestors.iter().map(|vector| state(vector)).collect();
            are_conclusive(&ancestors, &ours, &theirs)
        };
        assert!(suffice(&[&[(1, 6), (2, 4)]]));
        assert!(suffice(&[&[(1, 6)], &[(1, 2), (2, 4)]]), "each has seen a part, together they have seen all");
        assert!(!suffice(&[&[(1, 5), (2, 4)]]), "what node 1 did sixth is in both, and not known here");
        assert!(!suffice(&[&[(1, 6)]]) && !suffice(&[]));
    }

    #[test]
    fn the_later_stamp_is_told_by_time_then_role_then_node() {
        let stamp = |time, author| Stamp { time, author: NodeId(author) };
        assert_eq!(later((stamp(1, 9), Role::Master), (stamp(2, 1), Role::Client)), stamp(2, 1));
        assert_eq!(later((stamp(2, 1), Role::Master), (stamp(2, 9), Role::Client)), stamp(2, 1));
        assert_eq!(later((stamp(2, 1), Role::Client), (stamp(2, 9), Role::Client)), stamp(2, 9));
    }
}

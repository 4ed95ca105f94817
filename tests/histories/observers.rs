//! What is held against every step, as the executable model's observers do: they remember every state that a node was in and
//! every value that somebody wrote, which no node can.

use std::collections::{BTreeMap, BTreeSet};

use objsync::sync::*;
use serde_json::Value as Json;

/// The states of all objects at a node.
pub type Versions = BTreeMap<Guid, State>;

/// A value that was written once and nowhere else: object, place of the property, the value.
type Token = (Guid, usize, String);

/// The states of each object that a node has seen.
#[derive(Clone, Default)]
pub struct Seen {
    /// In which it was.
    been: BTreeMap<Guid, Vec<State>>,
    /// That came in sets, too, perhaps late, so that nothing was noted of them.
    all: BTreeMap<Guid, Vec<State>>,
}

fn add(to: &mut BTreeMap<Guid, Vec<State>>, guid: Guid, state: &State) {
    let states = to.entry(guid).or_default();
    if !states.contains(state) {
        states.push(state.clone());
    }
}

#[derive(Default)]
pub struct Observers {
    /// Per node.
    seen: Vec<Seen>,
    written: BTreeSet<Token>,
    /// Overwritten by somebody who had it in sight, or kept by a record.
    covered: BTreeSet<Token>,
    /// What was given up at a node. Where nothing else was known of an object, the model keeps no ancestor of it.
    discarded: BTreeSet<(usize, Guid)>,
    /// Nodes that have forgotten old states: there a record may be made that an ancestor would have spared.
    purged: BTreeSet<usize>,
    /// Commits that changed several objects.
    transactions: Vec<(NodeId, u64, Vec<Guid>)>,
}

impl Observers {
    /// Of one node; the others are its copies.
    pub fn new() -> Self {
        Observers { seen: vec![Seen::default()], ..Observers::default() }
    }

    /// A further node was made as a copy of one.
    pub fn copied(&mut self, from: usize) {
        let copy = self.seen.len();
        self.seen.push(self.seen[from].clone());
        let discarded: Vec<Guid> = self.discarded.iter().filter(|(at, _)| *at == from).map(|(_, guid)| *guid).collect();
        self.discarded.extend(discarded.into_iter().map(|guid| (copy, guid)));
        if self.purged.contains(&from) {
            self.purged.insert(copy);
        }
    }

    /// A node is in these states now.
    pub fn note(&mut self, at: usize, versions: &Versions) {
        for (guid, state) in versions {
            self.came(at, *guid, state);
            add(&mut self.seen[at].been, *guid, &whole(state.clone()));
        }
    }

    /// A state came to a node, whether or not it could be applied.
    pub fn came(&mut self, at: usize, guid: Guid, state: &State) {
        add(&mut self.seen[at].all, guid, &whole(state.clone()));
    }

    /// Somebody changed things at a node, with what was there in sight.
    pub fn edited(&mut self, (at, node): (usize, NodeId), before: &Versions, after: &Versions) {
        let mut commits: BTreeMap<u64, Vec<Guid>> = BTreeMap::new();
        for (guid, new) in after.iter().filter(|(guid, new)| before.get(guid) != Some(new)) {
            commits.entry(new.vector.get(node)).or_default().push(*guid);
        }
        let several = commits.into_iter().filter(|(_, guids)| guids.len() > 1);
        self.transactions.extend(several.map(|(number, guids)| (node, number, guids)));
        for (guid, new) in after {
            let old = before.get(guid).map_or_else(BTreeSet::new, |s| tokens(*guid, &s.content));
            let now = tokens(*guid, &new.content);
            self.covered.extend(old.difference(&now).cloned());
            self.written.extend(now.difference(&old).cloned());
        }
        self.note(at, after);
    }

    /// A node applied something. `records`: those made now; `twice`: objects of which two states came at once, so that
    /// there was a state in between that nobody saw.
    pub fn applied(
        &mut self,
        at: usize,
        (before, after): (&Versions, &Versions),
        records: &[ConflictRecord],
        twice: &BTreeSet<Guid>,
    ) {
        let told: BTreeSet<String> = records.iter().map(|r| r.guid.clone()).collect();
        for (guid, old) in before {
            let new = after.get(guid).unwrap_or_else(|| panic!("{guid} vanished"));
            assert!(old.vector.leq(&new.vector), "silent: {guid} went back");
            if old.content != new.content && !told.contains(&guid.to_string()) && !twice.contains(guid) {
                let here = self.seen[at].all.get(guid).map(Vec::as_slice).unwrap_or_default();
                let all = self.anywhere(guid);
                let came = here.iter().filter(|s| s.content == new.content && s.vector.leq(&new.vector));
                let knowing = came.into_iter().any(|theirs| {
                    let ancestors = ancestors(&all, &old.vector, &theirs.vector);
                    let unchanged = |a: &&State| a.content == old.content && a.stamp == old.stamp;
                    old.vector.leq(&theirs.vector) || (!ancestors.is_empty() && ancestors.iter().all(unchanged))
                });
                assert!(
                    knowing,
                    "silent: {guid} was overwritten by somebody who had not seen it: {old:?} {new:?} of {all:?}"
                );
            }
        }
        for record in records {
            self.recorded(at, record, after);
        }
        self.note(at, after);
    }

    /// Every state of an object that any node has seen. A node may not know all of them; what happened, happened.
    fn anywhere(&self, guid: &Guid) -> Vec<State> {
        self.seen.iter().filter_map(|seen| seen.all.get(guid)).flatten().cloned().collect()
    }

    /// A transaction is shown whole, or not at all.
    pub fn look(&self, at: usize, versions: &Versions) {
        for (node, number, guids) in &self.transactions {
            let shows = |guid: &Guid| match versions.get(guid) {
                Some(state) => Some(state.vector.get(*node) >= *number),
                // What was purged cannot be told from what has not come.
                None => (!self.purged.contains(&at)).then_some(false),
            };
            let shown: BTreeSet<bool> = guids.iter().filter_map(shows).collect();
            assert!(shown.len() < 2, "half: {node} {number}: {guids:?} at {at}: {versions:?}");
        }
    }

    fn recorded(&mut self, at: usize, record: &ConflictRecord, after: &Versions) {
        let record = &in_full(record.clone());
        let guid: Guid = record.guid.parse().unwrap();
        for side in [&record.ours, &record.theirs] {
            self.covered.extend(tokens_of_json(guid, &record.class, &side.content));
            for (node, number) in &side.vector {
                assert!(
                    after[&guid].vector.get(node.parse().unwrap()) >= *number,
                    "a decision has seen both: {record:?}"
                );
            }
        }
        if record.kind == ConflictKind::Discarded {
            self.discarded.insert((at, guid));
            return;
        }
        assert_ne!(record.ours.content, record.theirs.content, "needless, both say the same: {record:?}");
        let [ours, theirs] = [&record.ours, &record.theirs].map(vector);
        assert!(!ours.leq(&theirs) && !theirs.leq(&ours), "needless: {record:?}");
        let contents =
            |states: &[&State]| -> Vec<Json> { states.iter().map(|s| json_of(&record.class, &s.content)).collect() };
        let been = self.seen[at].been.get(&guid).map(Vec::as_slice).unwrap_or_default();
        let here = ancestors(been, &ours, &theirs);
        let known = contents(&here);
        for side in [&record.ours, &record.theirs] {
            // What says the same as before, and says it anew, has changed; so has what was deleted anew.
            let same = |(a, said): (&&State, &Json)| *said == side.content && a.stamp.time == side.time;
            // Of what both have seen and this node has not, it cannot know that it is the same.
            let reached = here.iter().fold(Vector::default(), |all, a| all.join(&a.vector));
            let complete = ours.meet(&theirs).leq(&reached);
            let unchanged = !known.is_empty() && complete && here.iter().zip(&known).all(same);
            let unchanged = unchanged && !self.discarded.contains(&(at, guid)) && !self.purged.contains(&at);
            assert!(!unchanged, "needless, one side changed nothing: {record:?} {known:?}");
        }
        // Property by property: what one side changed is its; nothing is combined without a word.
        // Values return, so the newest states that both have seen do not tell who has changed what; the model knows (`tests/model`).
        let all = self.anywhere(&guid);
        let seen: Vec<&State> = all.iter().filter(|s| s.vector.leq(&ours) && s.vector.leq(&theirs)).collect();
        let known = contents(&seen);
        for taken in &record.taken {
            let p = &taken.property;
            let (from, other) = match taken.from {
                Chosen::Ours => (&record.ours, &record.theirs),
                _ => (&record.theirs, &record.ours),
            };
            assert_eq!(record.result[p], from.content[p], "{record:?}");
            if !taken.both && !self.purged.contains(&at) {
                assert!(known.iter().any(|a| a[p] == other.content[p]), "{p}: both changed it: {record:?} {known:?}");
            }
        }
        let overlap = record.taken.iter().any(|t| t.both);
        assert_eq!(record.state == RecordState::Combined, !record.taken.is_empty() && !overlap, "{record:?}");
        if record.chosen == Chosen::Merged {
            let named: Vec<&String> = record.taken.iter().map(|t| &t.property).collect();
            assert_eq!(
                named,
                record.properties.iter().collect::<Vec<_>>(),
                "every property that differs is accounted for"
            );
        }
    }

    /// A node has forgotten old states and what was deleted.
    pub fn purged(&mut self, at: usize) {
        self.purged.insert(at);
    }

    /// A node took a set back: what only that set had brought is not known there any more.
    pub fn forget(&mut self, at: usize, seen: Seen) {
        self.seen[at] = seen;
    }

    pub fn seen(&self, at: usize) -> Seen {
        self.seen[at].clone()
    }

    /// Every value ever written was overwritten knowingly, stands in a record, waits, or is here in the end.
    pub fn check_nothing_lost(&self, end: &Versions, waiting: &BTreeSet<Guid>) {
        let here: BTreeSet<Token> = end.iter().flat_map(|(guid, s)| tokens(*guid, &s.content)).collect();
        let lost: Vec<&Token> = self
            .written
            .iter()
            .filter(|t| !self.covered.contains(*t) && !here.contains(*t) && !waiting.contains(&t.0))
            .collect();
        assert!(lost.is_empty(), "lost: {lost:?}");
    }

    pub fn written(&self) -> usize {
        self.written.len()
    }
}

/// A state from before orders had their fourth column, or of a node that has not heard of it, has its default there. No other
/// class has an identified object as its second property.
pub fn whole(mut state: State) -> State {
    if let Some(values) = &mut state.content
        && values.len() == 3
        && matches!(values[2], Value::Integer(_))
    {
        values.push(Value::Integer(1));
    }
    state
}

/// The same of what a record says.
fn in_full(mut record: ConflictRecord) -> ConflictRecord {
    if record.class == "Order" {
        let ConflictRecord { ours, theirs, result, .. } = &mut record;
        for content in [&mut ours.content, &mut theirs.content, result] {
            if let Some(values) = content.as_object_mut() {
                values.entry("more").or_insert(1.into());
            }
        }
    }
    record
}

/// The newest states that both have seen, none of them below another.
fn ancestors<'a>(all: &'a [State], a: &Vector, b: &Vector) -> Vec<&'a State> {
    let both: Vec<&State> = all.iter().filter(|s| s.vector.leq(a) && s.vector.leq(b)).collect();
    let below = |s: &State| both.iter().any(|o| s.vector != o.vector && s.vector.leq(&o.vector));
    both.iter().copied().filter(|s| !below(s)).collect()
}

fn vector(side: &ConflictSide) -> Vector {
    side.vector.iter().map(|(node, n)| (node.parse().unwrap(), *n)).collect()
}

/// The classes of `world.rs`, with their properties.
fn properties(class: &str) -> &'static [&'static str] {
    match class {
        "Order" => &["customer", "kind", "amount", "more"],
        "Customer" => &["code", "note", "best"],
        "Word" => &["word", "note"],
        _ => &["customer", "word", "note"],
    }
}

fn json_of(class: &str, content: &Content) -> Json {
    content.as_ref().map_or(Json::Null, |values| {
        properties(class).iter().zip(values).map(|(p, v)| ((*p).to_owned(), v.to_stored_json())).collect()
    })
}

/// Amounts from 2 up and notes are written once each.
fn tokens(guid: Guid, content: &Content) -> BTreeSet<Token> {
    let unique = |v: &Value| match v {
        Value::Integer(n) if *n > 1 => Some(n.to_string()),
        Value::Text(text) if text.len() > 1 => Some(text.clone()),
        _ => None,
    };
    let values = content.iter().flatten().enumerate();
    values.filter_map(|(i, v)| Some((guid, i, unique(v)?))).collect()
}

fn tokens_of_json(guid: Guid, class: &str, content: &Json) -> BTreeSet<Token> {
    let values = properties(class).iter().map(|p| Value::from_stored_json(&content[*p]).unwrap_or(Value::Null));
    tokens(guid, &(!content.is_null()).then(|| values.collect()))
}

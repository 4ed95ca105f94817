//! What other programs have done to the two databases between one view and the next, in words.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::view::{Detail, JournalLine, SetView, Side, SideIndex, View};
use super::widgets::mark_meaning;
use crate::sync::Guid;
use crate::words::count;

/// How far both sides had come when they were read last.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stood([SideStood; 2]);

#[derive(Clone, Debug, Default, PartialEq)]
struct SideStood {
    /// The node.
    guid: String,
    /// Its last transaction.
    transaction: u64,
    /// Its last set.
    set: i64,
    /// Hashes of what orders refer to. That is not always synchronized, and then in no journal.
    named: [(&'static str, u64); 3],
}

/// What was done meanwhile.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Others {
    /// `Another program: Order 1004 at MASTER, quantity 401 → 402`.
    pub text: String,
    /// The same where the lines say the rest; empty: the same.
    pub title: String,
    /// Line by line.
    pub details: Vec<Detail>,
    /// Objects whose row changed, per side.
    pub changed: Vec<(SideIndex, Guid)>,
}

impl Stood {
    /// Where the sides of a view stand.
    pub fn of(view: &View) -> Stood {
        let last = |side: SideIndex| view.sets.iter().filter(|set| set.side == side).map(|set| set.seq).max();
        let stands = |side: SideIndex| {
            let s: &Side = &view.sides[side];
            let named = [("employees", &s.employees), ("customers", &s.customers), ("items", &s.items)];
            SideStood {
                guid: s.guid.clone(),
                transaction: s.transaction,
                set: last(side).unwrap_or_default(),
                named: named.map(|(what, choices)| {
                    let mut hasher = DefaultHasher::new();
                    choices.iter().for_each(|c| (c.key, &c.name).hash(&mut hasher));
                    (what, hasher.finish())
                }),
            }
        };
        Stood([stands(0), stands(1)])
    }

    /// What a later view shows that this one did not; `None` where that is nothing, or other databases.
    pub fn since(&self, view: &View) -> Option<Others> {
        let now = Stood::of(view);
        if (0..2).any(|side| self.0[side].guid != now.0[side].guid) {
            return None;
        }
        let (mut others, mut told, mut filed) = (Others::default(), Vec::new(), 0);
        for (side, stood) in self.0.iter().enumerate() {
            let name = &view.sides[side].name;
            let sets = view.sets.iter().filter(|set| set.side == side && set.seq > stood.set);
            told.extend(sets.map(|set| (set_in_words(set, name), None)));
            // The journal of a view is newest first.
            let lines: Vec<&JournalLine> =
                view.sides[side].journal.iter().filter(|l| l.transaction > stood.transaction).collect();
            filed += lines.len();
            let renamed = stood.named.iter().zip(&now.0[side].named).filter(|(was, is)| was != is);
            told.extend(renamed.map(|((what, _), _)| (format!("{what} at {name} were changed"), None)));
            for line in lines.into_iter().rev() {
                told.push((line_in_words(line, name), Some((side, line.guid))));
                others.changed.push((side, line.guid));
            }
        }
        others.text = match told.as_slice() {
            [] => return None,
            [(one, _)] => format!("Another program: {one}"),
            [(first, None), ..] => format!("Another program: {first}, and {}", count(filed, "change")),
            _ => format!("Another program filed {}", count(filed, "change")),
        };
        if told.len() == 1 {
            others.title = "Another program filed 1 change".into();
        }
        others.details = told.into_iter().map(|(text, object)| Detail { text, object }).collect();
        Some(others)
    }
}

fn set_in_words(set: &SetView, name: &str) -> String {
    match set.sent {
        true => format!("set {} was prepared at {name} for {}", set.id, set.peer),
        false => format!("set {} from {} was applied at {name}", set.id, set.peer),
    }
}

fn line_in_words(line: &JournalLine, name: &str) -> String {
    let title = &line.title;
    match line.changes.as_str() {
        "" => format!("{title} at {name} {}", mark_meaning(line.mark)),
        changes => format!("{title} at {name}, {changes}"),
    }
}

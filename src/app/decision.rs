//! What somebody is about to decide about a conflict, before it is filed.
//!
//! Pure: picked and typed values become the result column and a [`Choose`].

use super::view::{Choose, ConflictView, PickValue, SideIndex};
use crate::sync::RecordState;

/// The result column of one record as picked and typed so far.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// The record as it was when the first value was picked.
    pub record: ConflictView,
    /// One a property, in the record's order; `None`: as it stands by the record.
    picks: Vec<Option<PickValue>>,
}

/// A property's place in the result column.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// The value.
    pub text: String,
    /// Whose it is; `None` where it was typed, or both have the same.
    pub from: Option<SideIndex>,
    /// It differs from what stands.
    pub changed: bool,
}

impl Draft {
    /// Nothing picked yet: everything as it stands.
    pub fn new(record: &ConflictView) -> Self {
        Draft { record: record.clone(), picks: vec![None; record.properties.len()] }
    }

    /// Whether it is about this record as it is now. What became of the order since does not matter.
    pub fn is_about(&self, record: &ConflictView) -> bool {
        let of = |r: &ConflictView| (r.side, r.record, r.state, r.again.clone(), r.properties.clone());
        of(&self.record) == of(record)
    }

    /// Takes a value for one property. Where a side has deleted the object there are no single values to take: the one
    /// picked then stands for all.
    pub fn pick(&mut self, property: usize, value: PickValue) {
        match value {
            PickValue::Side(side) if (0..2).any(|s| gone(&self.record, s)) => self.take(side),
            PickValue::Text(_) if self.deletes() => {}
            value => {
                if let (Some(pick), Some(row)) = (self.picks.get_mut(property), self.record.properties.get(property)) {
                    // What is typed as a side has it is that side's: the name of a reference could not be looked up.
                    let typed_as = |text: &str| (0..2).find(|side| row.values[*side] == text).map(PickValue::Side);
                    *pick = Some(match value {
                        PickValue::Text(text) => typed_as(&text).unwrap_or(PickValue::Text(text)),
                        side => side,
                    });
                }
            }
        }
    }

    /// Takes all of a side's values; those of a side that has deleted the object delete it.
    pub fn take(&mut self, side: SideIndex) {
        self.picks.fill(Some(PickValue::Side(side)));
    }

    /// Whether values of both sides can be put together, or why not.
    pub fn mergeable(&self) -> Result<(), String> {
        if self.record.state == RecordState::TakenBack {
            return Err("The set was taken back, and this conflict with it.".into());
        }
        if (0..2).any(|side| gone(&self.record, side)) {
            return Err("A deletion is never merged: take one of the two whole.".into());
        }
        match (0..2).all(|side| self.record.properties.iter().any(|p| p.changed[side] && !p.changed[1 - side])) {
            true => Ok(()),
            false => Err("There is no property that each side alone has changed.".into()),
        }
    }

    /// Takes what each side alone has changed; what both changed stays as it stands.
    pub fn merge(&mut self) {
        for (property, pick) in self.record.properties.iter().zip(&mut self.picks) {
            let alone = (0..2).find(|side| property.changed[*side] && !property.changed[1 - side]);
            *pick = alone.map(PickValue::Side);
        }
    }

    /// The result column.
    pub fn planned(&self, property: usize) -> Planned {
        let row = &self.record.properties[property];
        let same = row.values[0] == row.values[1];
        let (text, from) = match &self.picks[property] {
            None => (row.result.clone(), row.from),
            Some(PickValue::Side(side)) => (row.values[*side].clone(), Some(*side)),
            Some(PickValue::Text(text)) => (text.clone(), None),
        };
        Planned { changed: text != row.result, from: from.filter(|_| !same), text }
    }

    /// What is typed for a property, if it is.
    pub fn typed(&self, property: usize) -> Option<&str> {
        match self.picks.get(property)? {
            Some(PickValue::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The result would be that the object is deleted.
    pub fn deletes(&self) -> bool {
        let deleted = |i: usize| self.planned(i).text == DELETED;
        !self.picks.is_empty() && (0..self.picks.len()).all(deleted)
    }

    /// It says something else than what stands.
    pub fn differs(&self) -> bool {
        (0..self.picks.len()).any(|i| self.planned(i).changed)
    }

    /// Whether there is anything to file, or why not.
    pub fn fileable(&self) -> Result<(), String> {
        match self.record.state {
            RecordState::TakenBack => Err("The set was taken back, and this conflict with it.".into()),
            RecordState::Open => Ok(()),
            _ if self.differs() => Ok(()),
            _ => Err("This is what stands already. Pick or type another value first.".into()),
        }
    }

    /// What is to be filed.
    pub fn choose(&self) -> Choose {
        let is_sides = |side: SideIndex| {
            (0..self.picks.len()).all(|i| self.planned(i).text == self.record.properties[i].values[side])
        };
        if let Some(side) = (0..2).find(|side| is_sides(*side)) {
            return Choose::Side(side);
        }
        let changed = self.picks.iter().enumerate().filter(|(i, _)| self.planned(*i).changed);
        let named = changed.filter_map(|(i, pick)| Some((self.record.properties[i].name.clone(), pick.clone()?)));
        Choose::Properties(named.collect())
    }
}

/// What the value of an object that a side has deleted says.
const DELETED: &str = "deleted";

/// Whether a side has deleted the object.
pub fn gone(record: &ConflictView, side: SideIndex) -> bool {
    !record.properties.is_empty() && record.properties.iter().all(|p| p.values[side] == DELETED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::view::ConflictProperty;
    use crate::sync::{Guid, NodeId};

    /// CLIENT's stands.
    fn record(values: &[[&str; 2]]) -> ConflictView {
        let properties = values.iter().zip(["quantity", "price", "item"]).map(|(v, name)| ConflictProperty {
            name: name.into(),
            ancestor: "0".into(),
            values: v.map(str::to_owned),
            changed: [true; 2],
            result: v[1].to_owned(),
            from: Some(1),
        });
        ConflictView {
            side: 1,
            made: Default::default(),
            record: 3,
            state: RecordState::Decided,
            title: "Order 4".into(),
            guid: Guid { node: NodeId(1), serial: 4 },
            kind: String::new(),
            set: String::new(),
            properties: properties.collect(),
            chosen_side: Some(1),
            chosen: "CLIENT".into(),
            why: String::new(),
            ruled: String::new(),
            rule: String::new(),
            again: Vec::new(),
            unseen: false,
            moved_on: Vec::new(),
            decided_at: String::new(),
        }
    }

    #[test]
    fn a_side_picked_value_by_value_is_that_side_whole() {
        let mut draft = Draft::new(&record(&[["401", "460"], ["512.00", "446.00"], ["Nut", "Nut"]]));
        assert!(draft.fileable().is_err());
        draft.pick(0, PickValue::Side(0));
        let quantity = ("quantity".to_owned(), PickValue::Side(0));
        assert_eq!(draft.choose(), Choose::Properties(vec![quantity.clone()]));
        draft.pick(1, PickValue::Text("500".into()));
        let price = ("price".to_owned(), PickValue::Text("500".into()));
        assert_eq!(draft.choose(), Choose::Properties(vec![quantity, price]));
        draft.pick(1, PickValue::Side(0));
        assert_eq!(draft.choose(), Choose::Side(0));
        assert_eq!(draft.planned(2).from, None, "both have the same item");
    }

    #[test]
    fn what_is_typed_as_it_stands_is_no_decision() {
        let mut draft = Draft::new(&record(&[["Nut", "Bolt"], ["1", "2"]]));
        draft.pick(0, PickValue::Text("Bolt".into()));
        assert!(!draft.differs() && draft.fileable().is_err());
        draft.pick(0, PickValue::Text("Nut".into()));
        assert_eq!(draft.choose(), Choose::Properties(vec![("quantity".into(), PickValue::Side(0))]));
    }

    #[test]
    fn a_deleted_side_is_taken_whole_or_not_at_all() {
        let mut draft = Draft::new(&record(&[["deleted", "460"], ["deleted", "446.00"]]));
        draft.pick(1, PickValue::Side(0));
        assert!(draft.deletes());
        assert_eq!(draft.choose(), Choose::Side(0));
        draft.pick(1, PickValue::Text("5".into()));
        assert!(draft.deletes(), "a value was typed into an order that is to be deleted");
        draft.pick(0, PickValue::Side(1));
        draft.pick(1, PickValue::Text("5".into()));
        assert_eq!(draft.choose(), Choose::Properties(vec![("price".into(), PickValue::Text("5".into()))]));
    }

    #[test]
    fn an_open_record_can_be_filed_as_it_stands() {
        let open = ConflictView { state: RecordState::Open, ..record(&[["1", "2"]]) };
        assert_eq!(Draft::new(&open).fileable(), Ok(()));
        assert_eq!(Draft::new(&open).choose(), Choose::Side(1));
        let undone = ConflictView { state: RecordState::TakenBack, ..open };
        assert!(Draft::new(&undone).fileable().is_err());
    }
}

//! The inline editor: one cell, its text, and whether the text may be filed.
//!
//! Pure: what is typed becomes an [`OrderDraft`] or a reason, so validation while typing, the new order form and the
//! tests all use the same functions.

use super::snapshot::{Column, Snapshot};
use super::view::{Choice, SideIndex};
use crate::demo::model::{Order, OrderDraft, parse_date, parse_price, parse_quantity};
use crate::sync::Guid;

/// How many names are offered at once.
pub const OFFERED: usize = 12;

/// A cell being edited.
#[derive(Clone, Debug, PartialEq)]
pub struct Editor {
    /// At which side.
    pub side: SideIndex,
    /// Which object.
    pub guid: Guid,
    /// Its number there.
    pub number: i64,
    /// Which property.
    pub column: Column,
    /// What is typed.
    pub text: String,
    /// Which of the names offered.
    pub pick: usize,
    /// What it was.
    pub before: String,
    /// Which of the names offered it was.
    pub was: usize,
    /// The field has had the focus; before that it asks for it.
    pub focused: bool,
}

impl Editor {
    /// Starts with what the cell holds, written as it may be typed.
    pub fn new(snapshot: &Snapshot, side: SideIndex, guid: Guid, order: &Order, column: Column) -> Self {
        let text = match column {
            Column::Quantity => order.quantity.to_string(),
            Column::Price => order.price.to_string(),
            _ => snapshot.text(side, order, column),
        };
        let mut editor = Editor {
            side,
            guid,
            number: order.order_num,
            column,
            before: text.clone(),
            text,
            pick: 0,
            was: 0,
            focused: false,
        };
        let offered = editor.offered(snapshot);
        editor.was = offered.iter().position(|c| c.name == editor.before).unwrap_or(0);
        editor.pick = editor.was;
        editor
    }

    /// Whether anything was typed.
    pub fn is_changed(&self) -> bool {
        self.text != self.before
    }

    /// Whether there may be something to file.
    pub fn is_touched(&self) -> bool {
        self.is_changed() || self.pick != self.was
    }

    /// The names that match what is typed; before anything is typed all of them, with the present one.
    pub fn offered<'a>(&self, snapshot: &'a Snapshot) -> Vec<&'a Choice> {
        let Some(kind) = self.column.choice() else { return Vec::new() };
        let choices = snapshot.choices(self.side, kind);
        if !self.is_changed() {
            let present = choices.iter().position(|c| c.name == self.before).unwrap_or(0);
            return choices.iter().skip((present + 1).saturating_sub(OFFERED)).take(OFFERED).collect();
        }
        let needle = self.text.trim().to_lowercase();
        choices.iter().filter(|c| c.name.to_lowercase().contains(&needle)).take(OFFERED).collect()
    }

    /// The change to file, or why the text is none.
    pub fn draft(&self, snapshot: &Snapshot) -> Result<OrderDraft, String> {
        match self.column.choice() {
            None => draft(self.column, &self.text),
            Some(kind) => {
                let choices = snapshot.choices(self.side, kind);
                // Before anything is typed the field holds the present name, and the arrow keys choose.
                let exact = choices.iter().find(|c| self.is_changed() && c.name.eq_ignore_ascii_case(self.text.trim()));
                let chosen = exact.or_else(|| self.offered(snapshot).get(self.pick).copied());
                match chosen {
                    Some(choice) => Ok(choice_draft(self.column, choice.key)),
                    None => Err(format!("no {} is named “{}”", self.column.title().to_lowercase(), self.text.trim())),
                }
            }
        }
    }
}

/// What is typed for a property that is not chosen among names.
pub fn draft(column: Column, text: &str) -> Result<OrderDraft, String> {
    let none = OrderDraft::default();
    let plain = ungrouped(text);
    match column {
        Column::Quantity => Ok(OrderDraft { quantity: Some(parse_quantity(&plain)?), ..none }),
        Column::Price => Ok(OrderDraft { price: Some(parse_price(&plain)?), ..none }),
        Column::Date => Ok(OrderDraft { date_order: Some(parse_date(text)?), ..none }),
        Column::Employee | Column::Customer | Column::Item => Err("choose a name".into()),
    }
}

/// Numbers may be typed as they are shown, `4,533.28`. A comma anywhere else stays and is refused: somebody may mean a
/// decimal comma, and `12,5` must not become 125.
fn ungrouped(text: &str) -> String {
    let whole = text.trim().split('.').next().unwrap_or_default();
    let mut groups = whole.split(',');
    let head = groups.next().is_some_and(|g| (1..=3).contains(&g.len()));
    if head && groups.all(|g| g.len() == 3) { text.replace(',', "") } else { text.to_owned() }
}

/// A chosen name.
pub fn choice_draft(column: Column, key: i64) -> OrderDraft {
    let none = OrderDraft::default();
    match column {
        Column::Employee => OrderDraft { employee: Some(key), ..none },
        Column::Customer => OrderDraft { customer: Some(key), ..none },
        Column::Item => OrderDraft { item: Some(key), ..none },
        _ => none,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_text_becomes_a_draft_or_a_reason() {
        assert!(draft(Column::Quantity, "many").is_err());
        assert!(draft(Column::Quantity, "1001").unwrap_err().contains("out of range"));
        assert!(draft(Column::Quantity, "12,5").is_err());
        assert!(draft(Column::Date, "2026-13-01 00:00:00").is_err());
        assert_eq!(draft(Column::Price, "4,533.28").unwrap().price, Some("4533.28".parse().unwrap()));
    }
}

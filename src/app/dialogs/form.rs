//! The form for a new order.

use crate::app::edit::{choice_draft, draft};
use crate::app::snapshot::{COLUMNS, Column};
use crate::app::state::State;
use crate::app::view::{Action, SideIndex};
use crate::demo::model::OrderDraft;

/// The fields as typed or chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct OrderForm {
    /// At which side.
    pub side: SideIndex,
    /// Names of employee, customer and item, or enough of them.
    pub names: [String; 3],
    /// `date_order`.
    pub date: String,
    /// Pieces.
    pub quantity: String,
    /// Currency units.
    pub price: String,
}

impl OrderForm {
    /// An empty form, dated now.
    pub fn new(side: SideIndex) -> Self {
        let date = crate::words::now().format(crate::demo::model::DATE_FORMAT).to_string();
        OrderForm { side, names: Default::default(), date, quantity: String::new(), price: String::new() }
    }

    /// The field of a column that is typed.
    pub fn text_mut(&mut self, column: Column) -> Option<&mut String> {
        match column {
            Column::Date => Some(&mut self.date),
            Column::Quantity => Some(&mut self.quantity),
            Column::Price => Some(&mut self.price),
            _ => None,
        }
    }

    /// What a field says, or why nothing yet.
    pub fn field(&self, state: &State, column: Column) -> Result<OrderDraft, String> {
        match (column.choice(), column) {
            (Some(kind), _) => {
                let what = column.title().to_lowercase();
                let choices = state.snapshot.as_ref().map(|s| s.choices(self.side, kind)).unwrap_or_default();
                let text = self.names[kind].trim().to_lowercase();
                if text.is_empty() {
                    return Err(format!("choose the {what}"));
                }
                let exact = choices.iter().find(|c| c.name.to_lowercase() == text);
                // Letters that only one name has are enough.
                let mut alike = choices.iter().filter(|c| c.name.to_lowercase().contains(&text));
                match (exact, alike.next(), alike.next()) {
                    (Some(choice), ..) | (None, Some(choice), None) => Ok(choice_draft(column, choice.key)),
                    (None, Some(_), Some(_)) => Err(format!("more than one {what} has “{}”", self.names[kind].trim())),
                    (None, None, _) => Err(format!("no {what} is named “{}”", self.names[kind].trim())),
                }
            }
            (_, Column::Date) => draft(column, &self.date),
            (_, Column::Price) => draft(column, &self.price),
            _ => draft(column, &self.quantity),
        }
    }

    /// The whole order, or the first field that is not right.
    pub fn action(&self, state: &State) -> Result<Action, String> {
        let mut order = OrderDraft::default();
        for column in COLUMNS {
            let part = self.field(state, column).map_err(|reason| format!("{}: {reason}", column.title()))?;
            order.employee = order.employee.or(part.employee);
            order.customer = order.customer.or(part.customer);
            order.date_order = order.date_order.or(part.date_order);
            order.item = order.item.or(part.item);
            order.quantity = order.quantity.or(part.quantity);
            order.price = order.price.or(part.price);
        }
        Ok(Action::NewOrder { side: self.side, order })
    }
}

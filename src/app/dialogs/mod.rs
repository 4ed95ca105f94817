//! Questions the window asks before it acts.
//!
//! A dialog is data: fields as typed and a pure [`Dialog::action`] that says what they ask for, or why not yet. Nothing
//! is written until its button is pressed, and an existing file only after that button says so.

mod chooser;
mod form;
mod path;
mod show;

use std::path::PathBuf;

pub use chooser::Chooser;
pub use form::OrderForm;
pub use path::PathField;
pub use show::show;

use super::state::State;
use super::view::{Action, SideIndex};

/// An open dialog.
#[derive(Clone, Debug, PartialEq)]
pub enum Dialog {
    /// Where to write a set.
    Prepare {
        /// From which side.
        side: SideIndex,
        /// The set's id as typed.
        id: String,
        /// The file; empty: the default.
        path: PathField,
    },
    /// Where to copy a prepared set.
    SaveAs {
        /// The set's id.
        id: i64,
        /// Its file.
        file: PathBuf,
        /// The copy.
        path: PathField,
    },
    /// Which set to apply.
    OpenSet {
        /// The file.
        path: PathField,
    },
    /// Which environment to show.
    OpenEnvironment {
        /// The folder.
        path: PathField,
    },
    /// A new order.
    NewOrder(OrderForm),
    /// Something that cannot be taken back.
    Confirm {
        /// The question.
        title: String,
        /// What will be lost.
        text: String,
        /// What the button says.
        yes: String,
        /// What is done then.
        action: Action,
    },
}

impl Dialog {
    /// The heading.
    pub fn title(&self, state: &State) -> String {
        match self {
            Dialog::Prepare { side, .. } => {
                format!("Prepare a set from {} for {}", state.side_name(*side), state.side_name(1 - side))
            }
            Dialog::SaveAs { id, .. } => format!("Save set {id} as"),
            Dialog::OpenSet { .. } => "Apply a set file".into(),
            Dialog::OpenEnvironment { .. } => "Open an environment".into(),
            Dialog::NewOrder(form) => format!("New order at {}", state.side_name(form.side)),
            Dialog::Confirm { title, .. } => title.clone(),
        }
    }

    /// What the button that acts says.
    pub fn yes(&self) -> String {
        match self {
            Dialog::Prepare { path, .. } | Dialog::SaveAs { path, .. } if path.exists => "Replace the file".into(),
            Dialog::Prepare { .. } => "Prepare".into(),
            Dialog::SaveAs { .. } => "Save".into(),
            Dialog::OpenSet { .. } => "Apply".into(),
            Dialog::OpenEnvironment { .. } => "Open".into(),
            Dialog::NewOrder(_) => "Insert".into(),
            Dialog::Confirm { yes, .. } => yes.clone(),
        }
    }

    /// What the fields ask for, or why they do not yet.
    pub fn action(&self, state: &State) -> Result<Action, String> {
        let needed = |path: &PathField, what: &str| match path.is_empty() {
            true => Err(format!("Type {what}, or browse for it.")),
            false => path.target(state),
        };
        match self {
            Dialog::Prepare { side, id, path } => {
                let id = id.trim().parse().map_err(|_| format!("The id is a whole number; “{id}” is not."))?;
                let file = if path.is_empty() { None } else { Some(path.target(state)?) };
                Ok(Action::Prepare { side: *side, id, file, overwrite: path.exists })
            }
            Dialog::SaveAs { file, path, .. } => {
                let to = needed(path, "where to save the copy")?;
                Ok(Action::SaveSetAs { file: file.clone(), to, overwrite: path.exists })
            }
            Dialog::OpenSet { path } => {
                let file = needed(path, "the path of a set file")?;
                Ok(Action::ApplyWhereAddressed { file, rule: state.rule })
            }
            Dialog::OpenEnvironment { path } => Ok(Action::Open { dir: path.resolve(state, "the path of a folder")? }),
            Dialog::NewOrder(form) => form.action(),
            Dialog::Confirm { action, .. } => Ok(action.clone()),
        }
    }

    /// Its path, if it has one.
    pub fn path_mut(&mut self) -> Option<&mut PathField> {
        match self {
            Dialog::Prepare { path, .. }
            | Dialog::SaveAs { path, .. }
            | Dialog::OpenSet { path }
            | Dialog::OpenEnvironment { path } => Some(path),
            Dialog::NewOrder(_) | Dialog::Confirm { .. } => None,
        }
    }
}

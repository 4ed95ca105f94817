//! Questions the window asks before it acts.
//!
//! A dialog is data: fields as typed and a pure [`Dialog::action`] that says what they ask for, or why not yet. Nothing
//! is written until its button is pressed, and an existing file only after that button says so.

mod chooser;
mod form;
mod history;
mod palette;
mod path;
mod preview;
mod rest;
mod sheets;
mod show;

use std::path::PathBuf;

pub use chooser::{Chooser, Chosen};
pub use form::OrderForm;
pub use history::History;
pub use palette::Palette;
pub use path::PathField;
pub use preview::{Fresh, Preview};
pub use rest::RestForm;
pub use show::show;

use super::state::State;
use super::view::{Action, SideIndex, Text};

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
    /// Where to make a new environment.
    NewEnvironment {
        /// The folder.
        path: PathField,
    },
    /// Where to write some text.
    SaveText {
        /// What it is, in words.
        what: String,
        /// The usual name of the file.
        name: String,
        /// The text.
        text: Text,
        /// The file.
        path: PathField,
        /// The preview it was asked for from, which comes back.
        back: Option<Box<Preview>>,
    },
    /// All commands, to be searched.
    Palette(Palette),
    /// Every key.
    Shortcuts,
    /// What each rule does.
    Rules,
    /// Whether and where REST is served.
    Rest(RestForm),
    /// A new order.
    NewOrder(OrderForm),
    /// What applying a set would do.
    Preview(Preview),
    /// Every state of an object.
    History(History),
    /// Something to be sure of.
    Confirm {
        /// The question.
        title: String,
        /// What will be done, and what is lost.
        text: String,
        /// What would be done, a line an object.
        lines: Vec<String>,
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
            Dialog::NewEnvironment { .. } => "Make an environment".into(),
            Dialog::SaveText { what, .. } => format!("Save {what} as"),
            Dialog::Palette(_) => "Commands".into(),
            Dialog::Shortcuts => "All keys".into(),
            Dialog::Rules => "Who wins".into(),
            Dialog::Rest(_) => "REST interface".into(),
            Dialog::NewOrder(form) => format!("New order at {}", state.side_name(form.side)),
            Dialog::Preview(preview) => preview.title(state),
            Dialog::History(history) => format!("History of {}", history.view.title),
            Dialog::Confirm { title, .. } => title.clone(),
        }
    }

    /// What the button that acts says.
    pub fn yes(&self) -> String {
        match self {
            _ if self.replaces() => "Replace the file".into(),
            Dialog::Prepare { .. } => "Prepare".into(),
            Dialog::SaveAs { .. } | Dialog::SaveText { .. } => "Save".into(),
            Dialog::OpenSet { .. } => "Preview…".into(),
            Dialog::Preview(_) => "Apply".into(),
            Dialog::History(_) | Dialog::Palette(_) | Dialog::Shortcuts | Dialog::Rules => "Close".into(),
            Dialog::NewEnvironment { .. } => "Make".into(),
            Dialog::OpenEnvironment { .. } => "Open".into(),
            Dialog::NewOrder(_) => "Insert".into(),
            Dialog::Rest(_) => "Apply".into(),
            Dialog::Confirm { yes, .. } => yes.clone(),
        }
    }

    /// What the fields ask for, or why they do not yet.
    pub fn action(&self, state: &State) -> Result<Action, String> {
        match self {
            Dialog::Prepare { side, id, path } => {
                let id = id.trim().parse().map_err(|_| format!("The id is a whole number; “{id}” is not."))?;
                let file = if path.is_empty() { None } else { Some(path.target(state)?) };
                Ok(Action::Prepare { side: *side, id, file, overwrite: path.exists })
            }
            Dialog::SaveAs { file, path, .. } => {
                let to = needed(state, path, "where to save the copy")?;
                Ok(Action::SaveSetAs { file: file.clone(), to, overwrite: path.exists })
            }
            Dialog::OpenSet { path } => {
                let file = needed(state, path, "the path of a set file")?;
                Ok(Action::Preview { file, rule: None })
            }
            Dialog::OpenEnvironment { path } => Ok(Action::Open { dir: path.resolve(state, "the path of a folder")? }),
            Dialog::NewEnvironment { path } => {
                Ok(Action::NewEnvironment { dir: path.resolve(state, "the path of a folder")? })
            }
            Dialog::SaveText { what, text, path, .. } => {
                let to = needed(state, path, "where to save it")?;
                Ok(Action::Write { what: what.clone(), text: text.clone(), to, overwrite: path.exists })
            }
            Dialog::NewOrder(form) => form.action(state),
            Dialog::Rest(form) => form.action(),
            Dialog::Preview(preview) => preview.action(),
            Dialog::History(_) | Dialog::Palette(_) | Dialog::Shortcuts | Dialog::Rules => {
                Err("There is nothing to do.".into())
            }
            Dialog::Confirm { action, .. } => Ok(action.clone()),
        }
    }

    /// Another thing that the fields can be used for, and what its button says.
    pub fn second(&self, state: &State) -> Option<(&'static str, Result<Action, String>)> {
        let Dialog::OpenSet { path } = self else { return None };
        let file = needed(state, path, "the path of a set file");
        Some(("Apply", file.map(|file| Action::ApplyWhereAddressed { file, rule: None })))
    }

    /// Its button replaces a file that is there.
    pub fn replaces(&self) -> bool {
        match self {
            Dialog::Prepare { path, .. } | Dialog::SaveAs { path, .. } | Dialog::SaveText { path, .. } => {
                path.exists && !path.is_dir
            }
            _ => false,
        }
    }

    /// Its button destroys something that no other brings back.
    pub fn is_dangerous(&self) -> bool {
        let Dialog::Confirm { action, .. } = self else { return false };
        // Deleted orders come back by undo.
        let comes_back = matches!(action, Action::DeleteOrders { .. } | Action::Undo { .. });
        !comes_back && !matches!(action, Action::Resolve { .. } | Action::Revert { .. } | Action::TakeBack { .. })
    }

    /// Fills in the usual name of the file to be written.
    pub fn name_file(&mut self, state: &State) {
        let (name, path) = match self {
            Dialog::SaveAs { file, path, .. } => (file.file_name().map(PathBuf::from), path),
            Dialog::SaveText { name, path, .. } => (Some(PathBuf::from(&*name)), path),
            _ => return,
        };
        if let Some(name) = name.filter(|_| path.is_empty()) {
            *path = PathField::filled(name, state);
        }
    }

    /// What comes back when this one is done with.
    pub fn back(self) -> Option<Dialog> {
        let Dialog::SaveText { back: Some(mut preview), .. } = self else { return None };
        // Nobody has watched the databases for it meanwhile.
        preview.fresh = Fresh::Due;
        Some(Dialog::Preview(*preview))
    }

    /// Its path, if it has one.
    pub fn path_mut(&mut self) -> Option<&mut PathField> {
        match self {
            Dialog::Prepare { path, .. }
            | Dialog::SaveAs { path, .. }
            | Dialog::SaveText { path, .. }
            | Dialog::NewEnvironment { path }
            | Dialog::OpenSet { path }
            | Dialog::OpenEnvironment { path } => Some(path),
            Dialog::NewOrder(_) | Dialog::Preview(_) | Dialog::History(_) | Dialog::Confirm { .. } => None,
            Dialog::Rest(_) => None,
            Dialog::Palette(_) | Dialog::Shortcuts | Dialog::Rules => None,
        }
    }
}

fn needed(state: &State, path: &PathField, what: &str) -> Result<PathBuf, String> {
    match path.is_empty() {
        true => Err(format!("Type {what}, or browse for it.")),
        false => path.target(state),
    }
}

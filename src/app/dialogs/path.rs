//! A typed path. The file chooser only fills it in, since a machine may have none.

use std::path::PathBuf;

use crate::app::state::State;

/// A path as typed, and what is there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PathField {
    /// The text.
    pub text: String,
    /// Something is there already. Looked up when the text changes, not every frame.
    pub exists: bool,
    /// A folder is there.
    pub is_dir: bool,
    /// What the file chooser came to, if that needs saying.
    pub note: Option<String>,
}

impl PathField {
    /// A field that already holds a path.
    pub fn filled(path: PathBuf, state: &State) -> Self {
        let mut field = PathField { text: path.display().to_string(), ..PathField::default() };
        field.look(state);
        field
    }

    /// Nothing is typed.
    pub fn is_empty(&self) -> bool {
        self.text.trim().is_empty()
    }

    /// Looks what is there; call after the text has changed.
    pub fn look(&mut self, state: &State) {
        let path = self.resolved(state);
        self.exists = !self.is_empty() && path.exists();
        self.is_dir = self.exists && path.is_dir();
    }

    /// The file meant, or why there can be none.
    pub fn target(&self, state: &State) -> Result<PathBuf, String> {
        if self.is_dir {
            return Err("That is a folder; add a file name.".into());
        }
        Ok(self.resolved(state))
    }

    /// The path meant, file or folder.
    pub fn resolve(&self, state: &State, what: &str) -> Result<PathBuf, String> {
        match self.is_empty() {
            true => Err(format!("Type {what}, or browse for it.")),
            false => Ok(self.resolved(state)),
        }
    }

    /// `~/` is the home folder; a relative path starts at the environment's folder, where people look for it.
    fn resolved(&self, state: &State) -> PathBuf {
        let text = self.text.trim();
        if let Some(rest) = text.strip_prefix("~/")
            && let Some(home) = std::env::home_dir()
        {
            return home.join(rest);
        }
        state.snapshot.as_ref().map(|s| s.view.dir.join(text)).unwrap_or_else(|| text.into())
    }
}

//! Whether and where REST is served, as typed.

use std::path::PathBuf;

use crate::app::settings::RestSettings;
use crate::app::view::Action;

/// The fields.
#[derive(Clone, Debug, PartialEq)]
pub struct RestForm {
    /// Whether it is served.
    pub on: bool,
    /// The port.
    pub port: String,
    /// Folders, one a line.
    pub allow: String,
}

impl RestForm {
    /// As it is set now.
    pub fn new(rest: &RestSettings) -> RestForm {
        let folders: Vec<String> = rest.allow.iter().map(|folder| folder.display().to_string()).collect();
        RestForm { on: rest.on, port: rest.port.to_string(), allow: folders.join("\n") }
    }

    /// What the fields ask for, or why they do not yet.
    pub fn action(&self) -> Result<Action, String> {
        let wrong = || format!("A port is a whole number from 1 to 65535; “{}” is not.", self.port.trim());
        let port = self.port.trim().parse().ok().filter(|port| *port > 0).ok_or_else(wrong)?;
        let allow: Vec<PathBuf> =
            self.allow.lines().map(str::trim).filter(|line| !line.is_empty()).map(PathBuf::from).collect();
        if let Some(missing) = allow.iter().find(|folder| !folder.is_dir()) {
            return Err(format!("There is no folder {}.", missing.display()));
        }
        Ok(Action::Serve { rest: RestSettings { on: self.on, port, allow } })
    }
}

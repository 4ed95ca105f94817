//! The keys.

use eframe::egui::{Key, KeyboardShortcut, Modifiers};

use super::{Command, Zoom};
use crate::app::view::SideIndex;

/// Commands with keys. One with more modifiers stands before one with fewer, since `Ctrl R` also matches `Ctrl Shift R`.
pub fn with_shortcuts() -> Vec<Command> {
    let mut all = Vec::new();
    for side in [1, 0] {
        all.extend([Command::RandomOrders(side), Command::NewOrder(side), Command::Prepare(side)]);
        all.extend([Command::ApplyNext(side), Command::FocusFilter(side), Command::Export(side)]);
        all.push(Command::TimeTravel(side));
    }
    all.extend([Command::Redo, Command::Undo, Command::OpenEnvironment, Command::OpenSetFile, Command::ToggleTheme]);
    all.extend([Command::HighContrast, Command::SyncBoth, Command::ToggleDock, Command::Verify, Command::Palette]);
    all.extend([
        Command::TourBack,
        Command::TourNext,
        Command::Shortcuts,
        Command::Presentation,
        Command::SelectAll,
        Command::CopyOrders(0),
    ]);
    all.extend([Zoom::In, Zoom::Out, Zoom::Reset].map(Command::Zoom));
    all.extend([Command::NextToDecide, Command::EditOrder(0), Command::DeleteOrders(0), Command::History(0)]);
    all
}

impl Command {
    /// The keys.
    pub fn shortcut(&self) -> Option<KeyboardShortcut> {
        let ctrl = |key| Some(KeyboardShortcut::new(Modifiers::COMMAND, key));
        let ctrl_shift = |key| Some(KeyboardShortcut::new(Modifiers::COMMAND | Modifiers::SHIFT, key));
        let plain = |key| Some(KeyboardShortcut::new(Modifiers::NONE, key));
        // What there is at both sides: with Shift at the second one.
        let of = |side: SideIndex, key| if side == 0 { ctrl(key) } else { ctrl_shift(key) };
        match self {
            Command::RandomOrders(side) => of(*side, Key::R),
            Command::NewOrder(side) => of(*side, Key::N),
            Command::Prepare(side) => of(*side, Key::P),
            Command::ApplyNext(side) => of(*side, Key::Enter),
            Command::FocusFilter(side) => of(*side, Key::F),
            Command::Export(side) => of(*side, Key::E),
            Command::TimeTravel(side) => of(*side, Key::T),
            Command::OpenSetFile => ctrl(Key::O),
            Command::OpenEnvironment => ctrl_shift(Key::O),
            Command::Undo => ctrl(Key::Z),
            Command::Redo => ctrl_shift(Key::Z),
            Command::SyncBoth => ctrl(Key::B),
            Command::ToggleDock => ctrl(Key::J),
            Command::ToggleTheme => ctrl_shift(Key::L),
            Command::HighContrast => ctrl_shift(Key::H),
            Command::Palette => ctrl(Key::K),
            Command::SelectAll => ctrl(Key::A),
            Command::CopyOrders(_) => ctrl(Key::C),
            Command::Zoom(Zoom::In) => ctrl(Key::Plus),
            Command::Zoom(Zoom::Out) => ctrl(Key::Minus),
            Command::Zoom(Zoom::Reset) => ctrl(Key::Num0),
            Command::Shortcuts => plain(Key::F1),
            Command::TourNext => plain(Key::F6),
            Command::TourBack => Some(KeyboardShortcut::new(Modifiers::SHIFT, Key::F6)),
            Command::NextToDecide => plain(Key::F8),
            Command::Verify => plain(Key::F9),
            Command::Presentation => plain(Key::F11),
            Command::EditOrder(_) => plain(Key::F2),
            Command::DeleteOrders(_) => plain(Key::Delete),
            Command::History(_) => plain(Key::H),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::command::everything;
    use crate::app::state::State;

    #[test]
    fn shortcuts_do_not_clash_and_reach_their_command() {
        let mut seen: Vec<KeyboardShortcut> = Vec::new();
        for command in with_shortcuts() {
            let keys = command.shortcut().unwrap_or_else(|| panic!("{command:?} has no shortcut"));
            assert!(!seen.contains(&keys), "{command:?} shares its keys");
            let taken = |s: &KeyboardShortcut| {
                s.logical_key == keys.logical_key
                    && keys.modifiers.contains(s.modifiers)
                    && keys.modifiers != s.modifiers
            };
            assert!(!seen.iter().any(taken), "{command:?} comes after one that would swallow its keys");
            seen.push(keys);
        }
    }

    #[test]
    fn every_key_is_listened_for_and_every_command_has_words() {
        let (state, listened) = (State::default(), with_shortcuts());
        for command in everything(&state) {
            let keys = command.shortcut();
            let heard = keys.is_none() || listened.iter().any(|c| c.shortcut() == keys);
            assert!(heard, "nobody listens for the keys of {command:?}");
            assert!(!command.label(&state).is_empty(), "{command:?} has no name");
        }
    }
}

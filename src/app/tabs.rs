//! What the panes and the dock can list.

use super::view::SideIndex;

/// What a pane lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PaneTab {
    /// The order table.
    #[default]
    Orders,
    /// Names of customers.
    Customers,
    /// Names of employees.
    Employees,
    /// Names of items.
    Items,
    /// What was filed, newest first.
    Journal,
    /// How far the sides have heard of each other.
    Times,
    /// What waits.
    Requeued,
}

impl PaneTab {
    /// All, left to right.
    pub const ALL: [PaneTab; 7] = [
        PaneTab::Orders,
        PaneTab::Customers,
        PaneTab::Employees,
        PaneTab::Items,
        PaneTab::Journal,
        PaneTab::Times,
        PaneTab::Requeued,
    ];

    /// What it is called.
    pub fn title(self) -> &'static str {
        ["Orders", "Customers", "Employees", "Items", "Journal", "Sync times", "Requeued"][self as usize]
    }
}

/// What the dock shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DockTab {
    /// Conflict records, and conflicts ahead.
    #[default]
    Conflicts,
    /// Sets sent and received.
    Sets,
    /// Every step in words.
    Activity,
    /// The last comparison.
    Verify,
}

impl DockTab {
    /// All, left to right.
    pub const ALL: [DockTab; 4] = [DockTab::Conflicts, DockTab::Sets, DockTab::Activity, DockTab::Verify];

    /// What it is called.
    pub fn title(self) -> &'static str {
        ["Conflicts", "Sync sets", "Activity", "Verify"][self as usize]
    }
}

/// A list with a filter of its own. The orders have theirs in the [`Query`](super::rows::Query).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ListId {
    /// Of a pane.
    Pane(SideIndex, PaneTab),
    /// Of the dock.
    Dock(DockTab),
}

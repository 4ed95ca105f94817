//! The guided tour: where it stands in its script, and which widget each step is about.
//!
//! The script is the demo's ([`crate::demo::scenario`]), the one that `objsync tour` tells in the terminal. A step is done
//! by the bubble's button, or by doing in the window what it says.

use std::path::PathBuf;

use super::tabs::DockTab;
use super::view::{Action, SideIndex};
use crate::demo::scenario::{Act, Part, SCENARIOS, Scenario, Step};
use crate::sync::syncset;

/// A tour on its way.
#[derive(Clone, Debug, PartialEq)]
pub struct Tour {
    /// Which scenario.
    pub scenario: usize,
    /// The step that is shown.
    pub at: usize,
    /// What came of each step that is done.
    pub outcomes: Vec<Vec<String>>,
    /// The environment to return to.
    pub home: PathBuf,
    /// What the dock showed before, and whether it was unfolded.
    pub dock: (DockTab, Option<bool>),
}

/// A widget that a step can be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Spot {
    /// What the window says about both sides as a whole.
    Verdict,
    /// The button for random orders.
    Random(SideIndex),
    /// The order table.
    Table(SideIndex),
    /// The button that prepares a set.
    Prepare(SideIndex),
    /// The first card of a side's sets.
    Cards(SideIndex),
    /// The card of the set with that id.
    Card(SideIndex, i64),
    /// The tab of what waits.
    Requeued(SideIndex),
    /// The rule.
    Rule,
    /// Both ways at once.
    Sync,
    /// The dock.
    Dock,
    /// The comparison.
    Verify,
    /// A pane's head and tools. No step is about this and what follows; a bubble keeps off them.
    Head(SideIndex),
    /// The rows in sight that differ.
    Marked(SideIndex),
    /// What waits.
    Listed(SideIndex),
    /// The marks with their meaning.
    Legend,
    /// What the dock tells, where it tells anything.
    Told,
}

impl Tour {
    /// The script.
    pub fn script(&self) -> &'static Scenario {
        SCENARIOS.get(self.scenario).copied().unwrap_or(SCENARIOS[0])
    }

    /// How many steps it has.
    pub fn steps(&self) -> usize {
        self.script().steps().count()
    }

    /// The step shown, with its part; `None` after the last one.
    pub fn step(&self) -> Option<(&'static Part, &'static Step)> {
        self.script().steps().nth(self.at)
    }

    /// A step that is done already is shown once more.
    pub fn is_read_again(&self) -> bool {
        self.at < self.outcomes.len()
    }

    /// There is a step to show.
    pub fn has_next(&self) -> bool {
        self.at < self.steps()
    }

    /// What came of the step before the one shown.
    pub fn before(&self) -> &[String] {
        self.at.checked_sub(1).and_then(|i| self.outcomes.get(i)).map_or(&[], Vec::as_slice)
    }

    fn act_before(&self) -> Option<&'static Act> {
        self.at.checked_sub(1).and_then(|i| self.script().steps().nth(i)).map(|(_, step)| &step.act)
    }

    /// What came of the step before is the reason why a set was refused.
    pub fn was_refused(&self) -> bool {
        matches!(self.act_before(), Some(Act::Refused(..)))
    }

    /// What came of the step before is a record, which the dock shows.
    pub fn has_just_told_a_record(&self) -> bool {
        matches!(self.act_before(), Some(Act::Conflict(_) | Act::DecideAgain(..)))
    }

    /// The order that the step shown is about: its side and number there.
    pub fn order(&self) -> Option<(SideIndex, i64)> {
        match self.step()?.1.act {
            Act::Change { side, number, .. } | Act::Delete(side, number) => Some((side, number)),
            Act::WithoutVersions(number) => Some((0, number)),
            _ => None,
        }
    }

    /// At which side the newest record is what the step shown is about.
    pub fn newest_record_at(&self) -> Option<SideIndex> {
        match self.step()?.1.act {
            Act::Conflict(side) | Act::DecideAgain(side, _) => Some(side),
            _ => None,
        }
    }

    /// The step shown is about the dock.
    pub fn is_about_dock(&self) -> bool {
        self.step().is_some_and(|(_, step)| spot(&step.act) == Spot::Dock)
    }

    /// Notes what came of the next step, and shows the one after it.
    pub fn done(&mut self, outcome: Vec<String>) {
        self.outcomes.push(outcome);
        self.at = self.outcomes.len();
    }

    /// Whether an action that somebody asked for is what the next step does.
    pub fn is_next(&self, action: &Action) -> bool {
        let next = self.script().steps().nth(self.outcomes.len());
        next.is_some_and(|(_, step)| does(action, &step.act))
    }
}

fn does(action: &Action, act: &Act) -> bool {
    let named = |file: &std::path::Path, source: usize, id: i64| {
        let name = syncset::file_name(["MASTER", "CLIENT"][source], id);
        file.file_name().is_some_and(|file| file.to_string_lossy() == name)
    };
    match (action, act) {
        (Action::RandomOrders { side, count }, Act::RandomOrders(at, wanted)) => side == at && count == wanted,
        (Action::EditOrder { side, number, changes }, Act::Change { side: at, number: wanted, quantity, price }) => {
            (side, number) == (at, wanted) && (changes.quantity, changes.price) == (*quantity, *price)
        }
        (Action::DeleteOrders { side, numbers }, Act::Delete(at, number)) => side == at && numbers == &[*number],
        (Action::Prepare { side, id, file: None, .. }, Act::Prepare(at, wanted)) => (side, id) == (at, wanted),
        (Action::Apply { file, .. } | Action::ApplyWhereAddressed { file, .. }, Act::Apply(source, id)) => {
            named(file, *source, *id)
        }
        (Action::SyncBoth, Act::Sync) | (Action::Verify, Act::Verify) => true,
        _ => false,
    }
}

/// What a step's button says after `Next: `.
pub fn verb(act: &Act) -> String {
    let at = |side: &usize| ["MASTER", "CLIENT"][*side];
    match act {
        Act::Look => "begin".into(),
        Act::RandomOrders(side, n) => format!("{} at {}", crate::words::count(*n, "order"), at(side)),
        Act::Change { side, number, .. } => format!("change order {number} at {}", at(side)),
        Act::Delete(side, number) => format!("delete order {number} at {}", at(side)),
        Act::Prepare(side, _) => format!("prepare a set at {}", at(side)),
        Act::PrepareAgain(..) => "prepare it again".into(),
        Act::Lose(..) => "lose the file".into(),
        Act::Apply(..) | Act::ApplyBy(..) => "apply it".into(),
        Act::Refused(..) => "try to apply it".into(),
        Act::OrderOfNewCustomer(..) => "take the order".into(),
        Act::Waiting(_) => "see what waits".into(),
        Act::Journal(_) => "synchronize customers, too".into(),
        Act::Conflict(_) => "read the record".into(),
        Act::WithoutVersions(_) => "see what is lost".into(),
        Act::EachRule(..) => "preview every rule".into(),
        Act::DecideAgain(..) => "decide again".into(),
        Act::Sync => "sync both ways".into(),
        Act::Verify => "compare both".into(),
    }
}

/// The widget that a step is about.
pub fn spot(act: &Act) -> Spot {
    match act {
        Act::Look | Act::Journal(_) => Spot::Verdict,
        Act::RandomOrders(side, _) => Spot::Random(*side),
        Act::Change { side, .. } | Act::Delete(side, _) | Act::OrderOfNewCustomer(side, _) => Spot::Table(*side),
        Act::Prepare(side, _) | Act::PrepareAgain(side, _) => Spot::Prepare(*side),
        Act::Apply(side, id) | Act::ApplyBy(side, id, _) | Act::Refused(side, id) | Act::Lose(side, id) => {
            Spot::Card(*side, *id)
        }
        Act::Waiting(side) => Spot::Requeued(*side),
        Act::EachRule(..) => Spot::Rule,
        Act::Conflict(_) | Act::DecideAgain(..) | Act::WithoutVersions(_) => Spot::Dock,
        Act::Sync => Spot::Sync,
        Act::Verify => Spot::Verify,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_done_by_the_button_or_by_hand_and_can_be_read_again() {
        let mut tour =
            Tour { scenario: 0, at: 0, outcomes: Vec::new(), home: PathBuf::new(), dock: Default::default() };
        tour.done(vec!["level".into()]);
        assert_eq!(tour.before(), ["level"]);
        let by_hand = |side, count| Action::RandomOrders { side, count };
        assert!(tour.is_next(&by_hand(0, 3)) && !tour.is_next(&by_hand(0, 1)) && !tour.is_next(&by_hand(1, 3)));
        tour.at = 0;
        assert!(tour.is_read_again(), "the first step is done");
        assert!(tour.is_next(&by_hand(0, 3)), "reading again does not change what comes next");
        while tour.outcomes.len() < tour.steps() {
            tour.done(Vec::new());
        }
        assert!(!tour.has_next() && tour.step().is_none());
    }
}

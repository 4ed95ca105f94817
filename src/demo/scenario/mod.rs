//! Scenarios: what a presenter shows, as data. The window's tour, the tests and `objsync tour` run the same script.
//!
//! A [`Step`] says what it shows and what is done; [`Act::run`] does it on an environment and tells in words what came of
//! it. Steps make a [`Part`], one situation; a [`Scenario`] is one part or several. Every part can be played on a fresh
//! environment, and after any other one: orders up to 1000 are there, and no two parts use the same order or number for
//! a set.

mod act;
mod contrast;
mod last_writer;
mod told;
mod tour;

use rand::rngs::StdRng;

use crate::sync::{Environment, Result};

pub use act::Act;
pub use told::{conflict_lines, report_lines};

use contrast::CONTRAST;
use tour::{CONFLICT, DELETION, HOW_TO_TEST, LOST_SET, UNKNOWN_REFERENCE};

/// A side of the demo: the place of the node in its environment.
pub const MASTER: usize = 0;
/// The other side.
pub const CLIENT: usize = 1;

/// What is told on a fresh demo environment.
pub struct Scenario {
    /// What to call it on the command line.
    pub name: &'static str,
    /// What it is about.
    pub title: &'static str,
    /// The situations, in order.
    pub parts: &'static [&'static Part],
}

/// One situation, from how it comes about to how it is settled.
pub struct Part {
    /// What it is about.
    pub title: &'static str,
    /// The situation is there before this step: a presenter can begin with it.
    pub ready: usize,
    /// The steps, in order.
    pub steps: &'static [Step],
}

/// One step.
pub struct Step {
    /// What it shows, in a sentence or two.
    pub text: &'static str,
    /// What is done.
    pub act: Act,
}

/// All of it: the original's "How to test", then a conflict, a deletion against a change, a lost set, an unknown reference.
pub const TOUR: Scenario = Scenario {
    name: "tour",
    title: "Two databases drift apart and are synchronized",
    parts: &[&HOW_TO_TEST, &CONFLICT, &DELETION, &LOST_SET, &UNKNOWN_REFERENCE],
};

const fn single(name: &'static str, part: &'static [&'static Part; 1]) -> Scenario {
    Scenario { name, title: part[0].title, parts: part }
}

/// Every scenario: the whole tour, and each situation by itself.
pub const SCENARIOS: [&Scenario; 7] = [
    &TOUR,
    &single("how-to-test", &[&HOW_TO_TEST]),
    &single("conflict", &[&CONFLICT]),
    &single("deletion", &[&DELETION]),
    &single("lost-set", &[&LOST_SET]),
    &single("unknown-reference", &[&UNKNOWN_REFERENCE]),
    &single("contrast", &[&CONTRAST]),
];

impl Scenario {
    /// All steps, each with its part.
    pub fn steps(&self) -> impl Iterator<Item = (&'static Part, &'static Step)> + use<> {
        self.parts.iter().flat_map(|part| part.steps.iter().map(move |step| (*part, step)))
    }

    /// How many steps are played before a presenter begins with the situation; a tour of several begins at the beginning.
    pub fn ready(&self) -> usize {
        match self.parts {
            [part] => part.ready,
            _ => 0,
        }
    }

    /// Plays all steps; `tell` is given each step with its part, and then, in words, what came of it.
    pub fn play(
        &self,
        env: &mut Environment,
        rng: &mut StdRng,
        mut tell: impl FnMut(&Part, &Step, Vec<String>),
    ) -> Result<()> {
        for (part, step) in self.steps() {
            let outcome = step.act.run(env, rng)?;
            tell(part, step, outcome);
        }
        Ok(())
    }
}

//! The tour's own environment, on which its script is played.

use std::path::Path;

use rand::rngs::StdRng;

use super::opening::bring_to_front;
use super::{Engine, in_windows_words};
use crate::app::view::{Detail, Done, SideIndex};
use crate::demo::install::{Installation, install};
use crate::demo::populate::rng;
use crate::demo::scenario::{Act, SCENARIOS, Scenario};
use crate::demo::tables::ORDER;
use crate::sync::{Error, ErrorKind, Looked, Result};

/// A tour that was started. Its folder goes with it.
pub(super) struct Touring {
    dir: tempfile::TempDir,
    scenario: &'static Scenario,
    rng: StdRng,
}

impl Touring {
    /// Whether that is its environment.
    pub(super) fn is_at(&self, dir: &Path) -> bool {
        self.dir.path().canonicalize().is_ok_and(|own| dir.starts_with(own))
    }
}

impl Engine {
    pub(super) fn start_tour(&mut self, scenario: usize, ready: bool) -> Result<Done> {
        let wrong = || Error::new(ErrorKind::Usage, "there is no such scenario");
        let scenario = SCENARIOS.get(scenario).copied().ok_or_else(wrong)?;
        let failed =
            |e: std::io::Error| Error::new(ErrorKind::Storage, format!("no temporary folder could be made: {e}"));
        let temp = tempfile::Builder::new().prefix("objsync-").tempdir().map_err(failed)?;
        let dir = temp.path().join("tour");
        // The same as `objsync tour` in the terminal, data and all.
        let mut env = install(&dir, &Installation { seed: Some(1), ..Installation::default() }, &self.progress)?;
        let mut dice = rng(Some(2));
        let steps = scenario.steps().take(if ready { scenario.ready() } else { 0 });
        let told = steps.map(|(_, step)| step.act.run(&mut env, &mut dice)).collect::<Result<Vec<_>>>()?;
        drop(env);
        self.reopen(&dir)?;
        self.sets.clear();
        self.tour = Some(Touring { dir: temp, scenario, rng: dice });
        Ok(Done { text: format!("The tour: {}", scenario.title), tour: Some(told), ..Done::default() })
    }

    pub(super) fn play_step(&mut self, step: usize) -> Result<Done> {
        let left = || Error::new(ErrorKind::Usage, "the tour's environment is not open any more; nothing was changed");
        let mut tour = self.tour.take().filter(|tour| tour.is_at(self.env.dir())).ok_or_else(left)?;
        let played = self.play(&mut tour, step);
        self.tour = Some(tour);
        played
    }

    fn play(&mut self, tour: &mut Touring, step: usize) -> Result<Done> {
        let wrong = || Error::new(ErrorKind::Usage, "the tour has no such step; nothing was changed");
        let (_, step) = tour.scenario.steps().nth(step).ok_or_else(wrong)?;
        // Somebody may have changed the places of the nodes; the script knows the master first.
        self.shown = ["MASTER", "CLIENT"].map(str::to_owned);
        bring_to_front(&mut self.env, &self.shown)?;
        let stood = |engine: &Engine, side: SideIndex| -> Result<(Looked, usize)> {
            Ok((engine.env.nodes[side].look()?, engine.env.nodes[side].conflict_count()?))
        };
        let before = [stood(self, 0)?, stood(self, 1)?];
        let told = step.act.run(&mut self.env, &mut tour.rng)?;
        let told: Vec<String> = told.iter().map(|line| in_windows_words(line)).collect();
        let (mut changed, mut conflict) = (Vec::new(), None);
        for side in [0, 1] {
            let node = &self.env.nodes[side];
            let filed = node.filed_since(node.class(ORDER)?, &before[side].0)?.unwrap_or_default();
            changed.extend(filed.into_iter().map(|guid| (side, guid)));
            if node.conflict_count()? > before[side].1 {
                conflict = conflict.or(node.conflicts(1)?.into_iter().map(|r| (side, r.id)).next());
            }
        }
        let text = told.first().cloned().unwrap_or_else(|| step.text.to_owned());
        let details = told.into_iter().map(Detail::from).collect();
        let compared = matches!(step.act, Act::Verify).then(|| self.compare()).transpose()?.map(|(classes, _)| classes);
        Ok(Done { text, details, changed, conflict, compared, ..Done::default() })
    }
}

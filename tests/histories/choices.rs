//! What a history is made of: choices, step by step. They are drawn from a seed and recorded, so that the same history can be
//! played again, with steps left out or choices lowered, and kept as a text.

use std::fmt::{Debug, Write};
use std::ops::Range;

use rand::distr::uniform::SampleUniform;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// A step's choices, and in words what was done by them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    pub chosen: Vec<u64>,
    pub said: Vec<String>,
}

/// A whole history: how the world is made, then what happens in it.
pub type Steps = Vec<Step>;

enum Source {
    Seed(u64, Box<StdRng>),
    /// What a step lacks is 0, and what is too much for a choice the largest: a history of which something was left out is one, too.
    Given(Steps),
}

pub struct Choices {
    source: Source,
    /// What was chosen so far; the first of it makes the world.
    pub played: Steps,
    /// How everything stood after each step.
    trace: Option<blake3::Hasher>,
}

impl Choices {
    pub fn seeded(seed: u64) -> Choices {
        Choices::of(Source::Seed(seed, Box::new(StdRng::seed_from_u64(seed))))
    }

    pub fn given(steps: &[Step]) -> Choices {
        Choices::of(Source::Given(steps.to_vec()))
    }

    fn of(source: Source) -> Choices {
        Choices { source, played: vec![Step::default()], trace: None }
    }

    /// The same, and it is noted how everything stands after each step.
    pub fn traced(mut self) -> Choices {
        self.trace = Some(blake3::Hasher::new());
        self
    }

    /// Goes on to the next step, if there is one; at most `most` are drawn.
    pub fn next_step(&mut self, most: usize) -> bool {
        let at = self.played.len();
        let more = match &self.source {
            Source::Seed(..) => at <= most,
            Source::Given(steps) => at < steps.len(),
        };
        if more {
            self.played.push(Step::default());
        }
        more
    }

    /// What the seed says by itself.
    pub fn of_seed(&mut self, of: impl FnOnce(u64) -> u64) -> u64 {
        let value = match &self.source {
            Source::Seed(seed, _) => of(*seed),
            Source::Given(_) => self.next_given(),
        };
        self.note(value)
    }

    pub fn random_range<T>(&mut self, range: Range<T>) -> T
    where
        T: SampleUniform + PartialOrd + Copy + TryFrom<u64, Error: Debug> + TryInto<u64, Error: Debug>,
    {
        let (first, end): (u64, u64) = (range.start.try_into().unwrap(), range.end.try_into().unwrap());
        let value = match &mut self.source {
            Source::Seed(_, rng) => rng.random_range(range).try_into().unwrap(),
            Source::Given(_) => (first + self.next_given()).min(end - 1),
        };
        self.note(value - first);
        T::try_from(value).unwrap()
    }

    /// One of two.
    pub fn random(&mut self) -> bool {
        let value = match &mut self.source {
            Source::Seed(_, rng) => rng.random(),
            Source::Given(_) => self.next_given() > 0,
        };
        self.note(value.into()) > 0
    }

    fn next_given(&self) -> u64 {
        let (Source::Given(steps), Some(step)) = (&self.source, self.played.last()) else { return 0 };
        let given = steps.get(self.played.len() - 1).and_then(|given| given.chosen.get(step.chosen.len()));
        given.copied().unwrap_or(0)
    }

    fn note(&mut self, value: u64) -> u64 {
        self.played.last_mut().unwrap().chosen.push(value);
        value
    }

    /// Says what this step does.
    pub fn say(&mut self, what: impl Into<String>) {
        self.played.last_mut().unwrap().said.push(what.into());
    }

    /// Notes how everything stands, where that is wanted.
    pub fn stands(&mut self, how: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            let step = self.played.last().unwrap();
            trace.update(format!("{:?} {:?} {}\n", step.chosen, step.said, how()).as_bytes());
        }
    }

    /// The digest of all that was chosen and of how everything stood.
    pub fn digest(&self) -> String {
        self.trace.as_ref().expect("it is traced").finalize().to_hex().to_string()
    }
}

/// One line a step: the choices, and what was done by them.
pub fn to_text(steps: &[Step]) -> String {
    let mut text = String::new();
    for Step { chosen, said } in steps {
        let chosen: Vec<String> = chosen.iter().map(u64::to_string).collect();
        let said = said.join("; ").replace('\n', " ");
        let line = if said.is_empty() { chosen.join(" ") } else { format!("{}    # {said}", chosen.join(" ")) };
        writeln!(text, "{}", line.trim_end()).unwrap();
    }
    text
}

/// Reads what [`to_text`] wrote. Lines that begin with `#` tell people something.
pub fn from_text(text: &str) -> Steps {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let numbers = |line: &str| {
        let numbers = line.split('#').next().unwrap().split_whitespace();
        numbers.map(|n| n.parse().unwrap_or_else(|e| panic!("{n}: {e}"))).collect()
    };
    lines.map(|line| Step { chosen: numbers(line), said: Vec::new() }).collect()
}

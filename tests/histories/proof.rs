//! That the histories themselves are to be relied on: a seed gives the same trace, a history that is kept is the one that was played,
//! and one that fails is shrunk to what matters.

use crate::choices::{Choices, from_text, to_text};
use crate::environments::FILES;
use crate::play::{Kind, Tally, attempt, shrink};
use crate::random::NODES;

/// The digest of the whole trace, and what was played as a text.
fn traced(kind: Kind, choices: Choices) -> (String, String) {
    let played = attempt(kind, choices.traced(), &mut Tally::default());
    let played = played.unwrap_or_else(|failure| panic!("{}", failure.words));
    (played.digest(), to_text(&played.played))
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for (kind, seeds) in [(NODES, 0..3), (FILES, 0..4)] {
        let mut digests = Vec::new();
        for seed in seeds {
            let (digest, text) = traced(kind, Choices::seeded(seed));
            assert_eq!(traced(kind, Choices::seeded(seed)), (digest.clone(), text.clone()), "{} {seed}", kind.name);
            assert_eq!(traced(kind, Choices::given(&from_text(&text))), (digest.clone(), text), "{} {seed}", kind.name);
            assert!(!digests.contains(&digest), "another seed is another history");
            digests.push(digest);
        }
    }
}

/// An observer that is wrong: it takes every conflict for a fault.
fn no_conflicts(rng: &mut Choices, tally: &mut Tally) {
    (NODES.play)(rng, tally);
    assert_eq!(tally.of("conflicts"), 0, "a conflict");
}

#[test]
fn a_history_that_fails_is_shrunk_to_what_matters() {
    let broken = Kind { name: "broken", play: no_conflicts };
    let failure = (0..20).find_map(|seed| attempt(broken, Choices::seeded(seed), &mut Tally::default()).err()).unwrap();
    assert!(failure.steps.len() > 20 && failure.words.contains("a conflict"), "{}", failure.words);
    let least = shrink(broken, &failure, 200);
    let text = to_text(&least.steps);
    assert!(
        least.same(&failure) && least.steps.len() <= 4,
        "how the world is made, and a change at two nodes:\n{text}"
    );
    let again = attempt(broken, Choices::given(&from_text(&text)), &mut Tally::default()).err().unwrap();
    assert!(again.same(&failure), "what was printed fails, too: {}", again.words);
}

/// `tests/broken/run` takes hours; that it can take every rule out is seen at once.
#[test]
fn what_is_taken_out_of_the_sources_stands_there_once() {
    let project = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut rule, mut file, mut tried) = ("", "", 0);
    let variants = std::fs::read_to_string(project.join("tests/broken/variants.txt")).unwrap();
    for line in variants.lines().filter(|line| !line.is_empty() && !line.starts_with(['#', '+'])) {
        match (line.strip_prefix("== "), line.strip_prefix("- ")) {
            (Some(name), _) => rule = name,
            (_, Some(text)) => {
                let source = std::fs::read_to_string(project.join(file)).unwrap();
                assert_eq!(source.matches(text).count(), 1, "{rule}: in {file}: {text}");
                tried += 1;
            }
            _ => file = line,
        }
    }
    assert!(tried > 40, "{tried}");
}

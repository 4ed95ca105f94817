//! The scripts that tour, window and terminal share: each situation by itself and all one after the other.

use objsync::demo::install::{Installation, install};
use objsync::demo::populate::{Amounts, rng};
use objsync::demo::scenario::{Act, CLIENT, MASTER, SCENARIOS, Scenario};
use objsync::sync::{Environment, Progress};

fn environment(dir: &std::path::Path) -> Environment {
    let amounts = Amounts { items: 5, customers: 5, employees: 5, orders: 1000 };
    install(dir, &Installation { seed: Some(1), amounts, ..Installation::default() }, &Progress::default()).unwrap()
}

fn played(scenario: &Scenario) -> (Environment, Vec<Vec<String>>, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let mut env = environment(dir.path());
    let mut told = Vec::new();
    scenario.play(&mut env, &mut rng(Some(2)), |_, _, outcome| told.push(outcome)).unwrap();
    (env, told, dir)
}

#[test]
fn every_scenario_ends_level_and_tells_every_step() {
    for scenario in SCENARIOS {
        let (mut env, told, _dir) = played(scenario);
        assert!(env.verify().unwrap().equal && env.status().unwrap().equal, "{} does not end level", scenario.name);
        for (said, (_, step)) in told.iter().zip(scenario.steps()) {
            assert!(!said.is_empty(), "{}: nothing came of “{}”", scenario.name, step.text);
        }
        assert!(scenario.ready() < scenario.steps().count());
    }
}

#[test]
fn each_situation_is_there_when_it_is_ready() {
    let said = |name: &str, of: fn(&mut Environment) -> bool| {
        let scenario = SCENARIOS.iter().find(|s| s.name == name).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let (mut env, mut dice) = (environment(dir.path()), rng(Some(2)));
        for (_, step) in scenario.steps().take(scenario.ready()) {
            step.act.run(&mut env, &mut dice).unwrap();
        }
        assert!(of(&mut env), "{name} is not there");
    };
    said("how-to-test", |env| env.status().unwrap().nodes.iter().all(|n| n.peers[0].to_send.objects > 0));
    said("conflict", |env| {
        let quantity = |env: &Environment, side: usize| -> i64 {
            let sql = "SELECT quantity FROM orders WHERE order_num = 1000";
            env.nodes[side].connection().query_row(sql, [], |r| r.get(0)).unwrap()
        };
        (quantity(env, MASTER), quantity(env, CLIENT)) == (401, 460)
    });
    said("deletion", |env| {
        let there = |env: &Environment, side: usize| -> bool {
            let sql = "SELECT count(*) FROM orders WHERE order_num = 998";
            env.nodes[side].connection().query_row(sql, [], |r| r.get(0)).unwrap()
        };
        there(env, MASTER) && !there(env, CLIENT)
    });
    said("lost-set", |env| {
        let file = |id| env.sets().join(format!("syncFromMASTER-{id}.syncset"));
        !file(1030).exists() && file(1031).is_file()
    });
    said("unknown-reference", |env| env.sets().join("syncFromMASTER-1040.syncset").is_file());
}

#[test]
fn what_the_tour_promises_does_happen() {
    let (env, told, _dir) = played(SCENARIOS[0]);
    let came_of = |what: fn(&Act) -> bool| -> String {
        let steps = SCENARIOS[0].steps().zip(&told);
        let found: Vec<String> =
            steps.filter(|((_, step), _)| what(&step.act)).flat_map(|(_, said)| said.clone()).collect();
        found.join("\n")
    };
    assert!(came_of(|act| matches!(act, Act::Refused(..))).contains("are missing"), "no gap is found");
    assert!(came_of(|act| matches!(act, Act::Waiting(_))).contains("customer is unknown"), "nothing waits");
    assert!(came_of(|act| matches!(act, Act::DecideAgain(..))).contains("brought back"));
    assert!(came_of(|act| matches!(act, Act::Conflict(_))).contains("wins over"));
    // The order that was deleted against a change lives, and Nova Textiles is known at both sides.
    for node in &env.nodes {
        let count = |sql: &str| node.connection().query_row(sql, [], |r| r.get::<_, i64>(0)).unwrap();
        assert_eq!(count("SELECT quantity FROM orders WHERE order_num = 998"), 12);
        assert_eq!(count("SELECT count(*) FROM customers WHERE cust_name = 'Nova Textiles'"), 1);
    }
}

//! Single situations, told one by one.

use std::collections::BTreeSet;

use objsync::sync::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::world::{Sent, World};

#[test]
fn unique_values_that_change_places_in_one_commit_are_applied() {
    let mut world = World::new(2);
    world.write(0, "UPDATE customers SET code = NULL WHERE id = 1; UPDATE customers SET code = 'a' WHERE id = 2; UPDATE customers SET code = 'b' WHERE id = 1");
    world.sync();
    assert!(world.check_level().is_empty());
    assert_eq!(world.rows(1, "SELECT code FROM customers ORDER BY id"), ["Text(\"b\")", "Text(\"a\")"]);
    // In two commits, by way of a value in between; and a value that passes from a deleted object to a new one.
    world.write(1, "UPDATE customers SET code = 'x' WHERE id = 1");
    world.write(1, "UPDATE customers SET code = 'b' WHERE id = 2");
    world.write(1, "UPDATE customers SET code = 'a' WHERE id = 1");
    world.write(1, "UPDATE orders SET customer = 1; DELETE FROM customers WHERE id = 2; INSERT INTO customers (id, code) VALUES (9, 'b')");
    world.sync();
    assert!(world.check_level().is_empty());
    assert_eq!(
        world.rows(0, "SELECT id, code FROM customers ORDER BY id"),
        ["Integer(1) Text(\"a\")", "Integer(9) Text(\"b\")"]
    );
}

#[test]
fn objects_of_one_transaction_that_refer_to_each_other_are_applied() {
    let mut world = World::new(2);
    // Both keys are taken at the other side by other objects.
    world.write(1, "INSERT INTO customers (id, code) VALUES (3, 'z'); INSERT INTO orders VALUES (4, 3, 1, 4)");
    world.write(0, "INSERT INTO customers (id, code) VALUES (3, 'm'); INSERT INTO orders VALUES (4, 3, 1, 7); UPDATE customers SET best = 4 WHERE id = 3");
    world.sync();
    assert!(world.check_level().is_empty());
    for at in 0..2 {
        let pairs = "SELECT o.amount, c.code, b.amount FROM orders o JOIN customers c ON c.id = o.customer LEFT JOIN orders b ON b.id = c.best WHERE o.amount > 0 ORDER BY 1";
        assert_eq!(world.rows(at, pairs), ["Integer(4) Text(\"z\") Null", "Integer(7) Text(\"m\") Integer(7)"]);
    }
}

#[test]
fn what_cannot_fit_waits_at_both_and_says_how_it_ends() {
    let mut world = World::new(2);
    world.write(0, "UPDATE orders SET customer = NULL WHERE customer = 2; DELETE FROM customers WHERE id = 2");
    world.write(1, "INSERT INTO orders VALUES (9, 2, 1, 99)");
    world.sync();
    assert!(!world.check_level().is_empty());
    let reasons = |world: &World, at: usize| -> Vec<String> {
        world.nodes[at].requeue().unwrap().into_iter().map(|w| w.reason).collect()
    };
    assert!(reasons(&world, 0).iter().any(|r| r.contains("customer is unknown at HUB")), "{:?}", reasons(&world, 0));
    let at_client = reasons(&world, 1);
    assert!(
        at_client.iter().any(|r| r.contains("Order 9 here refers to it") && r.contains("change or delete")),
        "{at_client:?}"
    );
    // A whole transaction waits: the order that lost its customer in the same commit still has it.
    assert_eq!(world.rows(1, "SELECT customer FROM orders WHERE id = 2"), ["Integer(2)"]);
    // The way out that was named.
    world.write(1, "UPDATE orders SET customer = 1 WHERE id = 9");
    world.sync();
    assert!(world.check_level().is_empty());
    assert_eq!(world.rows(1, "SELECT id FROM customers"), ["Integer(1)"]);
    assert_eq!(world.rows(0, "SELECT customer FROM orders WHERE amount = 99"), ["Integer(1)"]);
}

#[test]
fn what_refers_to_an_object_that_a_decision_leaves_deleted_waits() {
    let mut world = World::new(2);
    world.write(0, "UPDATE orders SET customer = NULL");
    world.sync();
    // Its number is another one's by now, so it would get a new one if it came back.
    world.write(1, "DELETE FROM customers WHERE id = 1");
    world.write(1, "INSERT INTO customers (id, code) VALUES (1, 'other')");
    world.write(0, "UPDATE customers SET note = 'wanted' WHERE id = 1");
    world.write(0, "UPDATE orders SET customer = 1 WHERE id = 1");
    let set = world.prepare(0, 1, Since::Sent, None).unwrap();
    assert!(world.apply(1, &set, Rule::ClientWins).is_some());
    let waiting = world.nodes[1].requeue().unwrap();
    assert_eq!(waiting.len(), 1, "{waiting:?}");
    assert!(waiting[0].reason.contains("customer is unknown at C1"), "{waiting:?}");
    assert_eq!(world.rows(1, "SELECT customer FROM orders WHERE id = 1"), ["Null"]);
}

#[test]
fn a_reference_to_a_deleted_object_does_not_become_one_to_its_successor() {
    let mut world = World::new(2);
    world.write(0, "UPDATE orders SET customer = NULL WHERE customer = 2");
    world.sync();
    world.write(1, "INSERT INTO orders VALUES (9, 2, 1, 99)");
    world.write(0, "DELETE FROM customers WHERE id = 2");
    world.write(0, "INSERT INTO customers (code) VALUES ('new')"); // takes number 2 again
    assert_eq!(world.rows(0, "SELECT id FROM customers WHERE code = 'new'"), ["Integer(2)"]);
    world.sync();
    let of_order = "SELECT c.code FROM orders o JOIN customers c ON c.id = o.customer WHERE o.amount = 99";
    assert_eq!(world.rows(1, of_order), ["Text(\"b\")"], "it referred to the one that was deleted elsewhere");
    assert!(!world.check_level().is_empty(), "the deletion waits here, the order waits there");
    world.write(1, "UPDATE orders SET customer = (SELECT id FROM customers WHERE code = 'new') WHERE id = 9");
    world.sync();
    assert!(world.check_level().is_empty());
    assert_eq!(world.rows(0, of_order), ["Text(\"new\")"]);
}

#[test]
fn no_node_ever_shows_half_of_a_transaction() {
    // Every commit writes one number into all the rows it touches, and touches both orders; so the two always agree.
    for (seed, rule) in Rule::ALL.into_iter().enumerate() {
        let mut rng = StdRng::seed_from_u64(seed as u64);
        let mut world = World::new(3);
        world.write(0, "UPDATE orders SET amount = 0");
        world.sync();
        let mut number = 0;
        let mut sets = Vec::new();
        for _ in 0..40 {
            let i = rng.random_range(0..3);
            match rng.random_range(0..4) {
                0 => {
                    number += 1;
                    let also = ["1", "2"][rng.random_range(0..2)];
                    world.write(
                        i,
                        &format!("UPDATE orders SET amount = {number}, customer = {also} WHERE id IN (1, 2)"),
                    );
                }
                1 => {
                    let other = if i == 0 { rng.random_range(1..3) } else { 0 };
                    sets.extend(world.prepare(i, other, Since::Acknowledged, None));
                }
                _ if !sets.is_empty() => {
                    let set: Sent = sets[rng.random_range(0..sets.len())].clone();
                    world.apply(set.target, &set, rule);
                }
                _ => {}
            }
            for at in 0..3 {
                let seen = world.rows(at, "SELECT amount, customer FROM orders WHERE id IN (1, 2)");
                let two = seen.iter().map(|s| s.split(' ').next()).collect::<BTreeSet<_>>();
                assert_eq!(two.len(), 1, "seed {seed}: {seen:?}");
            }
        }
        world.quiet(rule, false);
        assert!(world.check_level().is_empty());
    }
}

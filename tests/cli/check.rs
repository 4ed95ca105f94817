//! `check`: what it answers, and its exit codes.

use rusqlite::Connection;
use serde_json::Value as Json;

use crate::demo::{Demo, keys};

fn damage(demo: &Demo, file: &str, sql: &str) {
    Connection::open(demo.dir().join(file)).unwrap().execute_batch(sql).unwrap();
}

/// What kinds of flaws are listed: at nodes, and between them.
fn kinds(answer: &Json) -> Vec<&str> {
    let nodes = answer["nodes"].as_array().unwrap().iter().map(|node| &node["flaws"]);
    let all = nodes.chain([&answer["between"]]).flat_map(|flaws| flaws["listed"].as_array().unwrap());
    all.map(|flaw| flaw["kind"].as_str().unwrap()).collect()
}

#[test]
fn nothing_is_wrong_after_a_walk_and_0() {
    let demo = Demo::new();
    demo.json(&["random-order", "--node", "CLIENT", "--count", "3"]);
    demo.json(&["order", "put", "3", "--node", "CLIENT", "--quantity", "3"]);
    demo.json(&["order", "put", "3", "--node", "MASTER", "--quantity", "4"]);
    demo.json(&["sync"]);
    let before = std::fs::read(demo.dir().join("master.db")).unwrap();
    let answer = demo.json(&["check"]);
    keys(&answer, &["sound", "nodes", "between", "notes", "unchecked"]);
    assert_eq!((&answer["sound"], kinds(&answer).len()), (&true.into(), 0));
    let nodes = answer["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), 2);
    for node in nodes {
        keys(node, &["node", "guid", "file", "looked_at", "flaws", "notes"]);
        keys(&node["looked_at"], &["classes", "objects", "deleted", "events", "records", "waiting", "sets", "peers"]);
        assert_eq!((&node["looked_at"]["classes"], &node["looked_at"]["objects"]), (&4.into(), &38.into()));
    }
    assert_eq!(std::fs::read(demo.dir().join("master.db")).unwrap(), before, "it only reads");
    // One node, by its name or its file.
    assert_eq!(demo.json(&["check", "--node", "client"])["nodes"][0]["node"], "CLIENT");
    let file = demo.dir().join("client.db");
    let text = demo.bare(&["check", "--db", file.to_str().unwrap()]);
    assert!(
        text.code == 0 && text.stdout.contains("CLIENT") && text.stdout.contains("nothing is wrong"),
        "{}",
        text.stdout
    );
}

#[test]
fn what_is_wrong_is_told_with_what_to_do_and_1() {
    let demo = Demo::new();
    damage(
        &demo,
        "client.db",
        "DELETE FROM objsync_journal WHERE pos = (SELECT last FROM objsync_object_orders WHERE key = 5)",
    );
    let answer = demo.run(&["check"]);
    assert_eq!((answer.code, answer.stderr.as_str()), (1, ""));
    let found = answer.value();
    assert_eq!((&found["sound"], kinds(&found)), (&false.into(), vec!["chain"]));
    let flaw = found["nodes"].as_array().unwrap().iter().find_map(|node| node["flaws"]["listed"].get(0)).unwrap();
    keys(flaw, &["kind", "class", "guid", "number", "what", "todo"]);
    assert_eq!((&flaw["class"], &flaw["number"]), (&"Order".into(), &5.into()));
    let dir = demo.dir();
    let text = demo.bare(&["check", "--dir", dir.to_str().unwrap()]);
    assert_eq!(text.code, 1);
    for field in ["what", "todo"] {
        let said = flaw[field].as_str().unwrap().split('(').next().unwrap();
        assert!(text.stdout.contains(said), "{said}: {}", text.stdout);
    }
    // The other node is sound by itself.
    assert_eq!(demo.run(&["check", "--node", "MASTER"]).code, 0);
}

#[test]
fn what_the_engine_refuses_to_open_is_checked_all_the_same() {
    let demo = Demo::new();
    damage(&demo, "client.db", "DROP TRIGGER objsync_orders_insert");
    assert_eq!(demo.run(&["status"]).code, 3);
    let answer = demo.run(&["check"]);
    assert_eq!((answer.code, kinds(&answer.value())), (1, vec!["triggers"]));
}

#[test]
fn what_cannot_be_checked_is_told_and_3() {
    let demo = Demo::new();
    let other = demo.dir().join("other.db");
    Connection::open(&other).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
    assert_eq!(demo.run(&["check"]).code, 0, "somebody's other database may lie in the folder");
    let other = other.to_str().unwrap();
    demo.bare(&["check", "--db", other]).fails(3, &["cannot be checked", "not a node", "objsync track"]);
    demo.bare(&["check", "--db", demo.dir().to_str().unwrap()]).fails(3, &["is a folder", "--dir"]);
    demo.run(&["check", "--node", "NOBODY"]).fails(2, &["NOBODY"]);
    // A program is told in the answer.
    let answer = demo.bare(&["check", "--db", other, "--json"]);
    let found = answer.value();
    assert_eq!((answer.code, &found["sound"], answer.stderr.as_str()), (3, &false.into(), ""));
    assert!(found["unchecked"][0]["todo"].as_str().unwrap().contains("objsync track"), "{found}");
    demo.bare(&["check", "--dir", demo.home.path().to_str().unwrap()]).fails(2, &["no environment"]);
    // The others are checked.
    damage(&demo, "client.db", "UPDATE objsync_state SET format = 99");
    let answer = demo.run(&["check"]);
    assert_eq!((answer.code, answer.stderr.as_str()), (3, ""));
    let found = answer.value();
    assert_eq!((&found["nodes"][0]["node"], found["nodes"].as_array().unwrap().len()), (&"MASTER".into(), 1));
    keys(&found["unchecked"][0], &["file", "why", "todo"]);
    assert_eq!(found["sound"], false, "not all of it was looked at");
    demo.run(&["check", "--node", "CLIENT"]).fails(2, &["CLIENT", "may be one of these", "client.db", "format 99"]);
}

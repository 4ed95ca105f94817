//! Rules, records, previews, what waits, undoing a set, and looking inside.

use serde_json::{Value as Json, json};

use crate::demo::{Demo, keys};

/// Order 1 is changed on both sides; CLIENT's set 1000 is prepared.
fn conflict() -> (Demo, String) {
    let demo = Demo::new();
    demo.json(&["order", "put", "1", "--node", "MASTER", "--quantity", "2"]);
    demo.json(&["order", "put", "1", "--node", "CLIENT", "--quantity", "3", "--price", "5"]);
    demo.json(&["prepare", "--node", "CLIENT", "--to", "MASTER", "--id", "1000"]);
    let set = demo.set("syncFromCLIENT-1000.syncset");
    (demo, set)
}

fn quantity(demo: &Demo, node: &str) -> Json {
    demo.order(node, "1")["quantity"].clone()
}

#[test]
fn rules_are_listed_chosen_and_forgotten() {
    let demo = Demo::new();
    let rules = demo.json(&["rules"]);
    keys(&rules, &["rules", "nodes"]);
    let names: Vec<&str> = rules["rules"].as_array().unwrap().iter().map(|r| r["name"].as_str().unwrap()).collect();
    let all = ["client-wins", "master-wins", "latest-wins", "merge-properties", "keep-ours", "accept-theirs", "ask"];
    assert_eq!(names, all);
    for rule in rules["rules"].as_array().unwrap() {
        keys(rule, &["name", "label", "does", "caution", "same_at_both_ends"]);
        assert_eq!(rule["same_at_both_ends"] == false, rule["caution"].as_str().unwrap().contains("Sync"), "{rule}");
    }
    demo.json(&["rules", "set", "master-wins"]);
    demo.json(&["rules", "set", "ask", "--class", "Order", "--node", "CLIENT"]);
    let nodes = &demo.json(&["rules"])["nodes"];
    assert_eq!(nodes[0], json!({"name": "MASTER", "default": "master-wins", "classes": {}}));
    assert_eq!(nodes[1], json!({"name": "CLIENT", "default": "master-wins", "classes": {"Order": "ask"}}));
    demo.run(&["rules", "set", "coin"]).fails(2, &["there is no rule `coin`", "merge-properties"]);
    demo.run(&["rules", "set", "ask", "--class", "Nothing"]).fails(2, &["no class Nothing"]);
    demo.json(&["rules", "unset", "--class", "Order"]);
    demo.json(&["rules", "unset"]);
    assert_eq!(demo.json(&["rules"])["nodes"][1], json!({"name": "CLIENT", "default": "client-wins", "classes": {}}));
    // What is chosen decides; --rule is for once.
    let (demo, set) = conflict();
    demo.json(&["rules", "set", "keep-ours"]);
    let foretold = |more: &[&str]| {
        demo.json(&[&["preview", &set, "--node", "MASTER"], more].concat())["records"][0]["rule"].clone()
    };
    assert_eq!((foretold(&[]), foretold(&["--rule", "latest-wins"])), (json!("keep-ours"), json!("latest-wins")));
    demo.json(&["apply", &set, "--node", "MASTER"]);
    assert_eq!(quantity(&demo, "MASTER"), 2);
}

#[test]
fn a_preview_is_what_apply_does_and_changes_nothing() {
    let (demo, set) = conflict();
    let before = demo.status();
    let preview = demo.json(&["preview", &set, "--node", "MASTER", "--rule", "merge-properties"]);
    keys(&preview, &["report", "records", "has", "digest", "bytes"]);
    assert_eq!(demo.status(), before);
    let report = demo.json(&["apply", &set, "--node", "MASTER", "--rule", "merge-properties"]);
    assert_eq!(preview["report"], report);
    let record = &demo.json(&["conflicts", "--node", "MASTER"])[0];
    let foretold = &preview["records"][0];
    for key in
        ["id", "class", "guid", "kind", "ours", "theirs", "ancestors", "chosen", "result", "taken", "rule", "why"]
    {
        assert_eq!(foretold[key], record[key], "{key}");
    }
    // For people: object by object, and that nothing was changed.
    let dir = demo.dir();
    let (demo, set) = (demo, set);
    let text = demo.bare(&["preview", &set, "--node", "MASTER", "--dir", dir.to_str().unwrap()]).stdout;
    assert!(text.contains("nothing was changed") && text.contains("received before"), "{text}");
    demo.run(&["preview", &set, "--node", "CLIENT"]).fails(3, &["addressed to MASTER", "nothing was changed"]);
    demo.run(&["preview", "nothing.syncset", "--node", "MASTER"]).fails(3, &["cannot be read"]);
}

#[test]
fn a_record_is_decided_and_decided_again() {
    let (demo, set) = conflict();
    demo.json(&["apply", &set, "--node", "MASTER", "--rule", "ask"]);
    assert_eq!(demo.status()["nodes"][0]["open_conflicts"], 1);
    let resolve = |more: &[&str]| demo.run(&[&["resolve", "1", "--node", "MASTER"], more].concat());
    resolve(&[]).fails(2, &["--ours", "--theirs", "--set"]);
    resolve(&["--ours", "--theirs"]).fails(2, &["cannot be used with"]);
    resolve(&["--set", "quantity"]).fails(2, &["no PROPERTY=VALUE"]);
    resolve(&["--set", "colour=red"]).fails(2, &["no property `colour`", "quantity"]);
    resolve(&["--set", "quantity=1001"]).fails(3, &["quantity is a number from 0 to 1000", "nothing was changed"]);
    resolve(&["--set", "customer=99"]).fails(3, &["no Customer 99", "nothing was changed"]);
    demo.run(&["resolve", "7", "--node", "MASTER", "--ours"]).fails(2, &["no conflict record 7"]);
    assert_eq!((quantity(&demo, "MASTER"), &demo.status()["nodes"][0]["open_conflicts"]), (json!(2), &json!(1)));

    let done = resolve(&["--theirs"]).ok();
    keys(&done, &["record", "changes"]);
    assert_eq!(
        (&done["record"]["state"], &done["record"]["again"][0]["chosen"]),
        (&json!("decided"), &json!("theirs"))
    );
    assert_eq!((quantity(&demo, "MASTER"), demo.order("MASTER", "1")["price"].clone()), (json!(3), json!(5)));
    demo.json(&["order", "put", "1", "--node", "MASTER", "--price", "44"]);
    resolve(&["--ours"])
        .fails(3, &["is not what record 1 says any more", "price 5 → 44", "nothing was changed", "--confirm"]);
    resolve(&["--set", "quantity=7", "customer=2", "--confirm"]).ok();
    let order = demo.order("MASTER", "1");
    assert_eq!((&order["quantity"], &order["customer"], &order["price"]), (&json!(7), &json!(2), &json!(44)));
    let record = &demo.json(&["conflicts", "--node", "MASTER"])[0];
    assert_eq!((record["again"].as_array().unwrap().len(), &record["rule"]), (2, &json!("ask")));
    demo.json(&["sync"]);
    assert_eq!((quantity(&demo, "CLIENT"), &demo.status()["equal"]), (json!(7), &json!(true)));
}

#[test]
fn what_waits_is_tried_again_or_given_up() {
    let demo = Demo::new();
    let conn = rusqlite::Connection::open(demo.dir().join("client.db")).unwrap();
    conn.execute_batch("INSERT INTO customers (id, code, cust_name) VALUES (9, 'c9', 'New')").unwrap();
    let args = ["--employee", "1", "--customer", "9", "--item", "1", "--date", "2026-11-20 16:44:42", "--price", "2"];
    for _ in 0..2 {
        demo.json(&[&["order", "new", "--node", "CLIENT", "--quantity", "1"], &args[..]].concat());
    }
    demo.json(&["sync"]);
    let waiting = demo.json(&["requeue", "--node", "MASTER"]);
    assert_eq!(waiting[0]["cause"], "unknown-reference");
    demo.run(&["requeue"]).fails(2, &["--node"]);
    demo.run(&["requeue", "discard", "--node", "MASTER"]).fails(2, &["--all"]);
    demo.run(&["requeue", "discard", "77", "--node", "MASTER"]).fails(2, &["nothing waits under number 77"]);
    assert_eq!(demo.json(&["requeue", "retry", "--node", "MASTER"])["requeued"], 2, "--node after or before the word");
    let id = waiting[0]["id"].to_string();
    let report = demo.json(&["requeue", "discard", &id, "--node", "MASTER"]);
    assert_eq!((&report["discarded"], &report["objects"][0]["outcome"]), (&json!(1), &json!("discarded")));
    let record = &demo.json(&["conflicts", "--node", "MASTER"])[0];
    assert_eq!(
        (&record["kind"], &record["chosen"], &record["rule"]),
        (&json!("discarded"), &json!("ours"), &json!("discard"))
    );
    demo.json(&["requeue", "--node", "MASTER", "discard", "--all"]);
    assert_eq!(demo.json(&["requeue", "--node", "MASTER"]), json!([]));
    demo.json(&["sync"]);
    assert_eq!(
        (&demo.status()["equal"], demo.status()["nodes"][1]["classes"][3]["count"].clone()),
        (&json!(true), json!(20))
    );
}

#[test]
fn a_set_is_taken_back_or_reverted() {
    let (demo, set) = conflict();
    let before = quantity(&demo, "MASTER");
    demo.run(&["take-back", "1000", "--node", "MASTER"]).fails(2, &["has applied no set 1000"]);
    let first = demo.json(&["apply", &set, "--node", "MASTER"]);
    demo.json(&["take-back", "1000", "--node", "MASTER", "--from", "client"]);
    assert_eq!(quantity(&demo, "MASTER"), before);
    assert_eq!(demo.json(&["conflicts", "--node", "MASTER"])[0]["state"], "taken-back");
    demo.run(&["take-back", "1000", "--node", "MASTER"]).fails(3, &["taken back already", "nothing was changed"]);
    let again = demo.json(&["apply", &set, "--node", "MASTER"]);
    assert_eq!(
        (&again["conflicts"], &again["objects"][0]["reason"]),
        (&first["conflicts"], &first["objects"][0]["reason"])
    );
    demo.json(&["prepare", "--node", "MASTER", "--to", "CLIENT", "--id", "5"]);
    demo.run(&["take-back", "1000", "--node", "MASTER"]).fails(
        3,
        &["set 5 was prepared here for CLIENT since", "nothing was changed", "demo revert 1000 --node MASTER)"],
    );
    let sets = demo.json(&["sets", "--node", "MASTER"]);
    let states: Vec<(bool, bool)> =
        sets.as_array().unwrap().iter().map(|s| (s["sent"] == true, s["taken_back"] == true)).collect();
    assert_eq!(states, [(true, false), (false, false), (false, true)], "newest first");
    assert!(sets[1]["take_back"].as_str().unwrap().contains("was prepared") && sets[1]["revert"] == "possible");

    let planned = demo.json(&["revert", "1000", "--node", "MASTER", "--dry-run"]);
    keys(&planned, &["number", "objects", "kept"]);
    assert_eq!(quantity(&demo, "MASTER"), 3);
    let done = demo.json(&["revert", "1000", "--node", "MASTER"]);
    assert_eq!((&done["objects"], quantity(&demo, "MASTER")), (&planned["objects"], before));
    demo.json(&["sync"]);
    assert_eq!((quantity(&demo, "CLIENT"), &demo.status()["equal"]), (json!(2), &json!(true)));
    demo.run(&["revert", "5", "--node", "MASTER"]).fails(2, &["has applied no set 5"]);
}

#[test]
fn journal_history_and_sets_can_be_looked_into() {
    let (demo, set) = conflict();
    demo.json(&["apply", &set, "--node", "MASTER"]);
    demo.json(&["order", "delete", "2", "--node", "MASTER"]);
    let journal = demo.json(&["journal", "--node", "MASTER", "--limit", "3"]);
    let kinds: Vec<&str> = journal.as_array().unwrap().iter().map(|e| e["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["delete", "update", "update"]);
    assert_eq!((&journal[1]["before"]["quantity"], &journal[1]["after"]["quantity"]), (&json!(2), &json!(3)));
    assert_eq!(journal[1]["through"], "decided here (record 1), applying set 1000 from CLIENT");
    let one = demo.json(&["journal", "--node", "MASTER", "--object", "2"]);
    assert_eq!(one.as_array().unwrap().len(), 2, "made and deleted, found by the number it had: {one}");

    let history = demo.json(&["history", "1", "--node", "MASTER"]);
    keys(&history, &["class", "guid", "states"]);
    let states = history["states"].as_array().unwrap();
    assert_eq!(states.len(), 3);
    for state in states {
        keys(state, &["transaction", "replaced", "number", "changes", "through", "stamp", "vector", "content"]);
    }
    assert_eq!(
        (&states[0]["stamp"]["author"], &states[1]["changes"].as_str().unwrap()[..8]),
        (&json!("CLIENT"), "quantity")
    );
    let guid = history["guid"].as_str().unwrap();
    assert_eq!(demo.json(&["history", guid, "--node", "MASTER"]), history, "by its GUID, too");
    demo.run(&["history", "999", "--node", "MASTER"]).fails(2, &["knows no Order 999"]);
    demo.run(&["history", "1", "--node", "MASTER", "--class", "Nothing"]).fails(2, &["no class Nothing"]);

    // A set by its file, anywhere; by its number where it was prepared, and where it was applied.
    let by_file = demo.bare(&["show", &set, "--json"]).ok();
    let prepared = demo.json(&["show", "--id", "1000", "--node", "CLIENT"]);
    let applied = demo.json(&["show", "--id", "1000", "--node", "MASTER", "--from", "CLIENT"]);
    for shown in [&by_file, &prepared, &applied] {
        assert_eq!((&shown["source"]["name"], &shown["target"]["name"]), (&json!("CLIENT"), &json!("MASTER")));
        assert_eq!(shown["objects"], by_file["objects"]);
    }
    assert_eq!((&prepared["record"]["sent"], &applied["record"]["sent"]), (&json!(true), &json!(false)));
    let object = demo.bare(&["show", &set, "--object", "1", "--json"]).ok();
    assert_eq!((&object["content"]["quantity"], &object["change"]), (&json!(3), &json!("~")));
    assert_eq!(object["was"].as_object().unwrap().keys().collect::<Vec<_>>(), ["quantity", "price"]);
    demo.run(&["show", &set, "--object", "77"]).fails(2, &["carries no object 77"]);
    demo.run(&["show"]).fails(2, &["--id"]);
    demo.run(&["show", "--id", "77", "--node", "CLIENT"]).fails(2, &["prepared no set 77"]);
    // Where the file is gone, the record is left.
    std::fs::remove_file(&set).unwrap();
    let left = demo.json(&["show", "--id", "1000", "--node", "CLIENT"]);
    keys(&left, &["record", "file_missing"]);

    let times = demo.json(&["sync-times", "--node", "MASTER"]);
    assert_eq!((&times["peers"][0]["peer"], &times["peers"][0]["received"]), (&json!("CLIENT"), &json!(21)));
}

#[test]
fn every_scenario_is_told_to_its_end() {
    let demo = Demo::empty();
    let told = demo.bare(&["tour", "contrast", "--json"]).ok();
    let outcome = |part: &str| -> Vec<String> {
        let steps = told["steps"].as_array().unwrap();
        let step = steps.iter().find(|s| s["text"].as_str().unwrap().contains(part));
        let lines = step.unwrap_or_else(|| panic!("no step says {part}"))["outcome"].as_array().unwrap().clone();
        lines.iter().map(|l| l.as_str().unwrap().to_owned()).collect()
    };
    // The row that nobody wrote, and the one that is gone.
    let naive = outcome("keeps the last write");
    assert!(
        naive
            .iter()
            .any(|l| l.starts_with("last writer wins, by column: quantity 3 (from CLIENT), price 10 (from MASTER)")),
        "{naive:?}"
    );
    assert!(
        naive.iter().any(|l| l.contains("by row: quantity 2, price 10") && l.contains("gone without a trace")),
        "{naive:?}"
    );
    // Each rule takes one of the two rows that somebody wrote, and records it.
    let rules = outcome("each rule would make of it");
    assert_eq!(rules.len(), 7);
    for line in &rules {
        assert!(line.contains("quantity 2, price 10;") || line.contains("quantity 3, price 5;"), "{line}");
        assert!(line.contains("recorded"), "{line}");
    }
    assert!(outcome("and MASTER combines").iter().any(|l| l.contains("quantity 7 from MASTER, price 70 from CLIENT")));
    assert!(outcome("Row by row").contains(&"0 objects differ".to_owned()));
    demo.bare(&["tour", "nothing"]).fails(2, &["contrast"]);
}

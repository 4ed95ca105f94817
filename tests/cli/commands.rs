//! The environment, orders, sets, and what is said of them.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use crate::demo::{Demo, keys};

fn number(value: &Json) -> String {
    value.as_i64().unwrap().to_string()
}

fn reports_have_their_keys(report: &Json) {
    keys(
        report,
        &[
            "file",
            "node",
            "source",
            "id",
            "inserted",
            "updated",
            "deleted",
            "conflicts",
            "combined",
            "requeued",
            "discarded",
            "skipped",
            "objects",
            "warnings",
        ],
    );
}

#[test]
fn status_says_how_every_node_stands() {
    let demo = Demo::new();
    let status = demo.status();
    keys(&status, &["dir", "equal", "nodes"]);
    assert_eq!(status["equal"], true);
    assert!(Path::new(status["dir"].as_str().unwrap()).is_absolute());
    let nodes = status["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), 2);
    for (node, (name, role)) in nodes.iter().zip([("MASTER", "master"), ("CLIENT", "client")]) {
        keys(node, &["name", "guid", "role", "file", "transaction", "classes", "peers", "open_conflicts", "requeued"]);
        assert_eq!((node["name"].as_str(), node["role"].as_str()), (Some(name), Some(role)));
        assert_eq!(node["guid"].as_str().unwrap().len(), 16);
        assert!(Path::new(node["file"].as_str().unwrap()).is_file());
        assert_eq!((node["open_conflicts"].as_i64(), node["requeued"].as_i64()), (Some(0), Some(0)));
        let classes: Vec<(&str, &str, bool, i64)> = node["classes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| {
                keys(c, &["name", "table", "journaled", "count"]);
                (
                    c["name"].as_str().unwrap(),
                    c["table"].as_str().unwrap(),
                    c["journaled"].as_bool().unwrap(),
                    c["count"].as_i64().unwrap(),
                )
            })
            .collect();
        let expected = [
            ("Item", "items", false, 5),
            ("Customer", "customers", false, 5),
            ("Employee", "employees", false, 5),
            ("Order", "orders", true, 20),
        ];
        assert_eq!(classes, expected);
        let peers = node["peers"].as_array().unwrap();
        assert_eq!(peers.len(), 1);
        keys(&peers[0], &["name", "guid", "sent", "acknowledged", "received", "to_send", "retired", "elsewhere"]);
        keys(&peers[0]["to_send"], &["objects", "transactions"]);
        assert_eq!(
            (peers[0]["to_send"]["objects"].as_i64(), peers[0]["to_send"]["transactions"].as_i64()),
            (Some(0), Some(0))
        );
    }
    assert_ne!(nodes[0]["guid"], nodes[1]["guid"]);
    assert_eq!(nodes[0]["peers"][0]["guid"], nodes[1]["guid"]);
    demo.json(&["random-order", "--node", "CLIENT", "--count", "3"]);
    let status = demo.status();
    assert_eq!(status["equal"], false);
    assert_eq!(status["nodes"][1]["peers"][0]["to_send"], serde_json::json!({"objects": 3, "transactions": 3}));
    assert_eq!(status["nodes"][0]["peers"][0]["to_send"]["objects"], 0);
}

#[test]
fn dir_and_json_stand_before_or_after_the_words() {
    let demo = Demo::new();
    let dir = demo.dir();
    let dir = dir.to_str().unwrap();
    for args in [
        ["--dir", dir, "--json", "order", "list", "--node", "MASTER"],
        ["order", "--dir", dir, "--json", "list", "--node", "MASTER"],
        ["order", "list", "--dir", dir, "--node", "MASTER", "--json"],
        ["--json", "order", "list", "--node", "master", "--dir", dir],
    ] {
        assert_eq!(demo.bare(&args).ok()["orders"].as_array().unwrap().len(), 20);
    }
    // Without --dir, OBJSYNC_DIR is meant.
    demo.bare(&["status"]).fails(2, &["there is no environment in", "default", "objsync install"]);
    demo.bare(&["install", "--orders", "1", "--json"]).ok();
    assert!(demo.home.path().join("default/master.db").is_file());
    // For people, lines instead of JSON.
    let lines = demo.bare(&["status", "--dir", dir]);
    assert_eq!((lines.code, lines.stderr.as_str()), (0, ""));
    assert!(lines.stdout.contains("MASTER") && lines.stdout.contains("in sync"), "{}", lines.stdout);
}

#[test]
fn wrong_use_is_2_and_changes_nothing() {
    let demo = Demo::empty();
    for command in [
        vec!["status"],
        vec!["sync"],
        vec!["verify"],
        vec!["check"],
        vec!["check", "--node", "MASTER"],
        vec!["random-order", "--node", "MASTER"],
        vec!["conflicts", "--node", "MASTER"],
        vec!["requeue", "--node", "MASTER"],
        vec!["rejoin", "--node", "MASTER"],
        vec!["prepare", "--node", "MASTER", "--to", "CLIENT", "--id", "1"],
    ] {
        demo.run(&command).fails(2, &["there is no environment in", "objsync install --dir"]);
    }
    assert!(!demo.dir().exists(), "asking makes nothing");
    demo.install(&["--seed", "1"]).ok();
    let before = demo.status();
    let wrong: &[(&[&str], &str)] = &[
        (&["random-order", "--node", "NOBODY"], "there are MASTER and CLIENT"),
        (&["prepare", "--node", "MASTER", "--to", "NOBODY", "--id", "1"], "NOBODY"),
        (&["prepare", "--node", "MASTER", "--to", "MASTER", "--id", "1"], "itself"),
        (&["prepare", "--node", "MASTER", "--to", "CLIENT", "--id", "0"], "id"),
        (&["prepare", "--node", "MASTER", "--to", "CLIENT", "--id", "-5"], ""),
        (&["prepare", "--node", "MASTER", "--to", "CLIENT", "--id", "x"], "x"),
        (&["prepare", "--node", "MASTER", "--to", "CLIENT", "--id", "1", "--since", "yesterday"], "acknowledged"),
        (&["sync", "--rule", "loudest-wins"], "client-wins"),
        (&["order", "put", "1", "--node", "MASTER", "--quantity", "1001"], "between 0 and 1000"),
        (&["order", "put", "1", "--node", "MASTER", "--quantity", "-1"], "between 0 and 1000"),
        (&["order", "put", "1", "--node", "MASTER", "--quantity", "1.234"], "two decimals"),
        (&["order", "put", "1", "--node", "MASTER", "--quantity", "many"], "not a number"),
        (&["order", "put", "1", "--node", "MASTER", "--price", "0.99"], "between 1 and 9999"),
        (&["order", "put", "1", "--node", "MASTER", "--date", "2026-02-30 00:00:00"], "date"),
        (&["order", "put", "1", "--node", "MASTER", "--date", "yesterday"], "date"),
        (&["order", "put", "1", "--node", "MASTER"], "nothing to change"),
        (&["order", "delete", "--node", "MASTER"], ""),
        (&["populate", "--node", "MASTER"], "--orders"),
        (&["populate", "--node", "MASTER", "--orders", "-1"], ""),
        (&["frobnicate"], "frobnicate"),
        (&["apply", "--node", "MASTER"], ""),
    ];
    for (args, word) in wrong {
        demo.run(args).fails(2, &[word]);
    }
    demo.new_order("MASTER", &[]).fails(2, &["quantity"]);
    assert_eq!(demo.status(), before);
}

#[test]
fn what_the_database_refuses_is_3_and_changes_nothing() {
    let demo = Demo::new();
    let before = demo.status();
    demo.run(&["order", "get", "4711", "--node", "MASTER"]).fails(3, &["no order 4711 at MASTER"]);
    demo.run(&["order", "put", "4711", "--node", "MASTER", "--quantity", "1"]).fails(3, &["no order 4711"]);
    demo.run(&["order", "put", "1", "--node", "MASTER", "--customer", "99"]).fails(3, &["no customer 99 at MASTER"]);
    demo.run(&["order", "put", "1", "--node", "MASTER", "--employee", "99"]).fails(3, &["no employee 99"]);
    demo.run(&["order", "put", "1", "--node", "MASTER", "--item", "-1"]).fails(2, &[]);
    demo.new_order("MASTER", &["--quantity", "5", "--item", "1"]).fails(2, &["--item"]);
    // All or none.
    demo.run(&["order", "delete", "1", "4711", "--node", "MASTER"]).fails(3, &["no order 4711"]);
    demo.order("MASTER", "1");
    assert_eq!(demo.status(), before);
}

#[test]
fn amounts_beyond_counting_are_no_crash() {
    let demo = Demo::new();
    // Refused for the unknown node, after the amounts were looked at.
    demo.run(&["populate", "--node", "NOBODY", "--orders", "4294967295", "--items", "1"]).fails(2, &["NOBODY"]);
    demo.run(&["order", "list", "--node", "MASTER", "--limit", "18446744073709551615"]).ok();
    demo.run(&["conflicts", "--node", "MASTER", "--limit", "18446744073709551615"]).ok();
    demo.run(&["order", "get", "9223372036854775808", "--node", "MASTER"]).fails(2, &[]);
}

#[test]
fn install_validates_names_and_never_replaces_silently() {
    let demo = Demo::empty();
    let long = "x".repeat(65);
    for name in ["", "two words", "a/b", "naïve!", long.as_str()] {
        demo.install(&["--master", name]).fails(2, &["letters, digits"]);
    }
    demo.install(&["--master=-x"]).fails(2, &["no - at the beginning"]);
    demo.install(&["--master", "ÄHNLICH", "--client", "ähnlich"]).fails(2, &["two names"]);
    demo.install(&["--master", "SAME", "--client", "same"]).fails(2, &["two names"]);
    demo.bare(&["install", "--db", "some.db", "--overwrite"]).fails(2, &["in a folder", "nothing was changed"]);
    assert!(!demo.dir().join("master.db").exists());
    let made = demo.install(&["--master", "North-1", "--client", "south_2"]).ok();
    assert_eq!(
        (&made["nodes"][0]["name"], &made["nodes"][1]["name"]),
        (&Json::from("North-1"), &Json::from("south_2"))
    );
    demo.json(&["random-order", "--node", "NORTH-1"]);
    demo.json(&["prepare", "--node", "North-1", "--to", "South_2", "--id", "7"]);
    let before = demo.status();
    demo.install(&[]).fails(3, &["--overwrite", "nothing was changed"]);
    assert_eq!(demo.status(), before);
    let after = demo.install(&["--overwrite"]).ok();
    assert_eq!(after["nodes"][0]["name"], "MASTER");
    assert_ne!(after["nodes"][0]["guid"], before["nodes"][0]["guid"]);
    assert_eq!(after["nodes"][0]["classes"][3]["count"], 20);
    assert!(!Path::new(&demo.set("syncFromNorth-1-7.syncset")).exists(), "its sets go with it");
}

#[test]
fn a_seed_makes_the_same_data_again() {
    let (one, two, other) = (Demo::new(), Demo::new(), Demo::empty());
    other.install(&["--seed", "2"]).ok();
    let rows = |demo: &Demo| {
        let conn = rusqlite::Connection::open(demo.dir().join("master.db")).unwrap();
        ["items", "customers", "employees", "orders"].map(|table| {
            let mut statement = conn.prepare(&format!("SELECT * FROM {table} ORDER BY 1")).unwrap();
            let columns = statement.column_count();
            let rows = statement.query_map([], |r| {
                (0..columns).map(|i| r.get::<_, rusqlite::types::Value>(i)).collect::<rusqlite::Result<Vec<_>>>()
            });
            rows.unwrap().map(|r| r.unwrap()).collect::<Vec<_>>()
        })
    };
    // The dates of orders are told from today, so two installs around midnight would differ: tried once more then.
    let same = rows(&one) == rows(&two) || {
        one.install(&["--seed", "1", "--overwrite"]).ok();
        two.install(&["--seed", "1", "--overwrite"]).ok();
        rows(&one) == rows(&two)
    };
    assert!(same);
    assert_ne!(rows(&one), rows(&other));
}

#[test]
fn orders_are_made_shown_changed_and_deleted() {
    let demo = Demo::new();
    let made = demo.json(&["random-order", "--node", "MASTER", "--count", "3"]);
    keys(&made, &["orders"]);
    assert_eq!(made["orders"], serde_json::json!([21, 22, 23]));
    let new = demo.new_order("MASTER", &["--quantity", "446"]).ok();
    keys(&new, &["guid", "order_num", "employee", "customer", "date_order", "item", "quantity", "price"]);
    assert_eq!(new["order_num"], 24);
    assert_eq!((&new["quantity"], &new["price"]), (&Json::from(446), &Json::from(12.34)));
    assert_eq!(demo.order("MASTER", "24"), new);
    let put = demo.json(&["order", "put", "24", "--node", "MASTER", "--quantity", "0", "--price", "9999"]);
    assert_eq!((&put["quantity"], &put["price"], &put["guid"]), (&Json::from(0), &Json::from(9999), &new["guid"]));
    assert_eq!((&put["customer"], &put["date_order"]), (&new["customer"], &new["date_order"]));
    let list = demo.json(&["order", "list", "--node", "MASTER", "--limit", "2"]);
    let numbers: Vec<i64> =
        list["orders"].as_array().unwrap().iter().map(|o| o["order_num"].as_i64().unwrap()).collect();
    assert_eq!(numbers, [24, 23]);
    let before = demo.status()["nodes"][0]["transaction"].as_i64().unwrap();
    assert_eq!(
        demo.json(&["order", "delete", "21", "24", "--node", "MASTER"]),
        serde_json::json!({"deleted": [21, 24]})
    );
    assert_eq!(demo.status()["nodes"][0]["transaction"].as_i64().unwrap(), before + 1, "one transaction");
    demo.run(&["order", "get", "24", "--node", "MASTER"]).fails(3, &["no order 24"]);
    assert_eq!(demo.status()["nodes"][0]["classes"][3]["count"], 22);
    assert_eq!(demo.status()["nodes"][1]["classes"][3]["count"], 20, "CLIENT knows nothing of it yet");
}

#[test]
fn prepare_says_what_it_wrote_and_where() {
    let demo = Demo::new();
    demo.json(&["random-order", "--node", "MASTER", "--count", "2"]);
    let prepare = |id: &str, more: &[&str]| {
        demo.run(&[&["prepare", "--node", "MASTER", "--to", "CLIENT", "--id", id], more].concat())
    };
    let first = prepare("1000", &[]).ok();
    keys(
        &first,
        &[
            "id",
            "file",
            "source",
            "target",
            "first_transaction",
            "last_transaction",
            "objects",
            "transactions",
            "bytes",
        ],
    );
    let file = PathBuf::from(first["file"].as_str().unwrap());
    assert!(file.is_absolute());
    assert!(file.ends_with("sets/syncFromMASTER-1000.syncset"));
    assert_eq!(file.metadata().unwrap().len(), first["bytes"].as_u64().unwrap());
    assert_eq!((&first["id"], &first["source"], &first["target"]), (&1000.into(), &"MASTER".into(), &"CLIENT".into()));
    assert_eq!((&first["objects"], &first["transactions"]), (&Json::from(2), &Json::from(2)));
    let last = demo.status()["nodes"][0]["transaction"].as_i64().unwrap();
    assert_eq!((&first["first_transaction"], &first["last_transaction"]), (&Json::from(last - 1), &Json::from(last)));
    // Nothing new: still a set, for the acknowledgement.
    let empty = prepare("1001", &[]).ok();
    assert_eq!((&empty["objects"], &empty["first_transaction"]), (&Json::from(0), &Json::from(last + 1)));
    assert!(Path::new(empty["file"].as_str().unwrap()).is_file());
    // What was sent and may be lost.
    assert_eq!(prepare("1002", &["--since", "acknowledged"]).ok()["objects"], 2);
    // A used id.
    prepare("1000", &[]).fails(3, &["1000", "--overwrite", "nothing was changed"]);
    let again = prepare("1000", &["--overwrite", "--since", "acknowledged"]).ok();
    assert_eq!(again["objects"], 2);
    // --out: a file, a folder, a folder named by its last character, none such.
    let out = demo.home.path().join("out");
    std::fs::create_dir(&out).unwrap();
    let (file, folder) = (out.join("my.set"), format!("{}/", out.display()));
    let prepared = prepare("2000", &["--out", file.to_str().unwrap()]).ok();
    assert!(Path::new(prepared["file"].as_str().unwrap()).ends_with("out/my.set"));
    let prepared = prepare("2001", &["--out", out.to_str().unwrap()]).ok();
    assert!(Path::new(prepared["file"].as_str().unwrap()).ends_with("out/syncFromMASTER-2001.syncset"));
    let prepared = prepare("2002", &["--out", &folder]).ok();
    assert!(Path::new(prepared["file"].as_str().unwrap()).ends_with("out/syncFromMASTER-2002.syncset"));
    // A relative path is answered absolute, where the caller stands.
    let prepared = prepare("2003", &["--out", "here.set"]).ok();
    assert!(Path::new(prepared["file"].as_str().unwrap()).is_absolute());
    assert!(demo.home.path().join("here.set").is_file());
    let missing = out.join("missing");
    prepare("2004", &["--out", &format!("{}/", missing.display())]).fails(3, &["no folder", "nothing was changed"]);
    prepare("2004", &["--out", missing.join("a.set").to_str().unwrap()]).fails(3, &["nothing counts as sent"]);
    // A file that exists stays what it is.
    let mine = out.join("mine.txt");
    std::fs::write(&mine, "mine").unwrap();
    let before = demo.status();
    prepare("2005", &["--out", mine.to_str().unwrap()]).fails(3, &["exists already", "--overwrite"]);
    assert_eq!(std::fs::read_to_string(&mine).unwrap(), "mine");
    assert_eq!(demo.status(), before);
    prepare("2005", &["--out", mine.to_str().unwrap(), "--overwrite"]).ok();
    assert_ne!(std::fs::read_to_string(&mine).unwrap(), "mine");
    let leftovers: Vec<_> = std::fs::read_dir(&out).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(leftovers.len(), 4, "no unfinished files are left: {leftovers:?}");
}

#[test]
fn apply_reports_and_refuses() {
    let demo = Demo::new();
    demo.json(&["random-order", "--node", "MASTER", "--count", "2"]);
    demo.json(&["order", "put", "1", "--node", "MASTER", "--quantity", "7"]);
    demo.json(&["order", "delete", "2", "--node", "MASTER"]);
    demo.json(&["prepare", "--node", "MASTER", "--to", "CLIENT", "--id", "1"]);
    let set = demo.set("syncFromMASTER-1.syncset");
    let before = demo.status();
    demo.run(&["apply", &demo.set("none.syncset"), "--node", "CLIENT"])
        .fails(3, &["nothing was changed", "none.syncset"]);
    demo.run(&["apply", demo.dir().join("sets").to_str().unwrap(), "--node", "CLIENT"]).fails(3, &["folder"]);
    let damaged = demo.dir().join("damaged.syncset");
    let mut bytes = std::fs::read(&set).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&damaged, &bytes).unwrap();
    demo.run(&["apply", damaged.to_str().unwrap(), "--node", "CLIENT"])
        .fails(3, &["damaged", "nothing was changed", "hint"]);
    std::fs::write(&damaged, "not a set at all").unwrap();
    demo.run(&["apply", damaged.to_str().unwrap(), "--node", "CLIENT"]).fails(3, &["not a sync set"]);
    demo.run(&["apply", &set, "--node", "MASTER"]).fails(3, &["addressed to CLIENT", "nothing was changed"]);
    demo.run(&["apply", &set, "--node", "NOBODY"]).fails(2, &["NOBODY"]);
    assert_eq!(demo.status(), before);
    let report = demo.json(&["apply", &set, "--node", "CLIENT"]);
    reports_have_their_keys(&report);
    assert_eq!((&report["node"], &report["source"], &report["id"]), (&"CLIENT".into(), &"MASTER".into(), &1.into()));
    assert!(Path::new(report["file"].as_str().unwrap()).is_absolute());
    let counts = ["inserted", "updated", "deleted", "conflicts", "combined", "requeued", "discarded", "skipped"]
        .map(|c| report[c].as_i64().unwrap());
    assert_eq!(counts, [2, 1, 1, 0, 0, 0, 0, 0]);
    let objects = report["objects"].as_array().unwrap();
    assert_eq!(objects.len(), 4);
    for object in objects {
        keys(object, &["class", "guid", "number", "source_number", "outcome", "reason", "row_changed"]);
        assert_eq!((&object["class"], &object["row_changed"]), (&"Order".into(), &true.into()));
        assert!(!object["reason"].as_str().unwrap().is_empty());
    }
    let verified = demo.json(&["verify"]);
    assert_eq!(verified["equal"], true);
    // Once more: nothing new.
    let again = demo.json(&["apply", &set, "--node", "CLIENT"]);
    let counts = ["inserted", "updated", "deleted", "conflicts", "combined", "requeued", "discarded", "skipped"]
        .map(|c| again[c].as_i64().unwrap());
    assert_eq!(counts, [0, 0, 0, 0, 0, 0, 0, 4]);
    assert_eq!(demo.json(&["verify"]), verified);
}

#[test]
fn verify_tells_what_differs_and_1() {
    let demo = Demo::new();
    let equal = demo.json(&["verify"]);
    keys(&equal, &["equal", "classes"]);
    for class in equal["classes"].as_array().unwrap() {
        keys(class, &["name", "journaled", "digests", "differences"]);
        keys(&class["digests"], &["MASTER", "CLIENT"]);
        assert_eq!(class["digests"]["MASTER"], class["digests"]["CLIENT"]);
        assert_eq!(class["differences"], Json::Array(vec![]));
    }
    // What is not journaled may differ.
    demo.json(&["populate", "--node", "CLIENT", "--customers", "1", "--seed", "3"]);
    let found = demo.json(&["verify"]);
    assert_eq!(found["equal"], true);
    assert_eq!(found["classes"][1]["differences"].as_array().unwrap().len(), 1);
    demo.json(&["order", "put", "3", "--node", "CLIENT", "--quantity", "3.33"]);
    demo.json(&["order", "delete", "4", "--node", "CLIENT"]);
    let answer = demo.run(&["verify"]);
    assert_eq!((answer.code, answer.stderr.as_str()), (1, ""));
    let found = answer.value();
    assert_eq!(found["equal"], false);
    let orders = &found["classes"][3];
    assert_ne!(orders["digests"]["MASTER"], orders["digests"]["CLIENT"]);
    let numbers: Vec<&Json> = orders["differences"].as_array().unwrap().iter().map(|d| &d["numbers"]).collect();
    assert_eq!(numbers, [&serde_json::json!([3, 3]), &serde_json::json!([4, null])]);
}

#[test]
fn a_walk_with_a_conflict_ends_level() {
    let demo = Demo::new();
    let at_master = demo.json(&["random-order", "--node", "MASTER", "--count", "2"]);
    let at_client = demo.json(&["random-order", "--node", "CLIENT", "--count", "3"]);
    assert_eq!((&at_master["orders"][0], &at_client["orders"][0]), (&21.into(), &21.into()), "one number, two objects");
    assert_eq!(demo.run(&["verify"]).code, 1);
    let reports = demo.json(&["sync"]);
    let reports = reports.as_array().unwrap();
    assert_eq!(reports.len(), 2);
    reports.iter().for_each(reports_have_their_keys);
    assert_eq!((&reports[0]["source"], &reports[0]["node"]), (&"CLIENT".into(), &"MASTER".into()), "clients first");
    assert_eq!((&reports[0]["inserted"], &reports[1]["inserted"]), (&3.into(), &2.into()));
    let renumbered = &reports[0]["objects"][0];
    assert_eq!(renumbered["source_number"], 21);
    assert_ne!(renumbered["number"], 21);
    assert!(renumbered["reason"].as_str().unwrap().contains("another order"), "{renumbered}");
    assert_eq!(demo.json(&["verify"])["equal"], true);
    assert_eq!(demo.status()["equal"], true);

    demo.json(&["order", "put", "5", "--node", "MASTER", "--quantity", "100", "--price", "50"]);
    demo.json(&["order", "put", "5", "--node", "CLIENT", "--quantity", "200"]);
    demo.json(&["prepare", "--node", "CLIENT", "--to", "MASTER", "--id", "5000"]);
    let report = demo.json(&["apply", &demo.set("syncFromCLIENT-5000.syncset"), "--node", "MASTER"]);
    assert_eq!(report["conflicts"], 1);
    assert_eq!(report["objects"][0]["outcome"], "conflict");
    let records = demo.json(&["conflicts", "--node", "MASTER"]);
    let records = records.as_array().unwrap();
    assert_eq!(records.len(), 1);
    let record = &records[0];
    assert_eq!(report["objects"][0]["conflict"], record["id"]);
    assert_eq!(
        (&record["kind"], &record["chosen"], &record["rule"]),
        (&"changed/changed".into(), &"theirs".into(), &"client-wins".into())
    );
    assert_eq!(record["properties"], serde_json::json!(["quantity", "price"]));
    assert_eq!(
        (&record["ours"]["content"]["quantity"], &record["theirs"]["content"]["quantity"]),
        (&100.into(), &200.into())
    );
    assert_eq!((&record["ours"]["author"], &record["theirs"]["author"]), (&"MASTER".into(), &"CLIENT".into()));
    assert_eq!(demo.order("MASTER", "5")["quantity"], 200);
    demo.json(&["prepare", "--node", "MASTER", "--to", "CLIENT", "--id", "5000"]);
    let report = demo.json(&["apply", &demo.set("syncFromMASTER-5000.syncset"), "--node", "CLIENT"]);
    assert_eq!(report["conflicts"], 0, "decided once");
    assert_eq!(demo.json(&["conflicts", "--node", "CLIENT"]), serde_json::json!([]));
    assert_eq!((&demo.json(&["verify"])["equal"], &demo.status()["equal"]), (&true.into(), &true.into()));

    // The other rule decides otherwise.
    demo.json(&["order", "put", "6", "--node", "CLIENT", "--quantity", "1"]);
    demo.json(&["order", "put", "6", "--node", "MASTER", "--quantity", "2"]);
    let reports = demo.json(&["sync", "--rule", "latest-wins"]);
    assert_eq!(reports[0]["conflicts"], 1);
    assert_eq!(demo.order("MASTER", "6")["quantity"], 2);
    assert_eq!(demo.order("CLIENT", "6")["quantity"], 2);
    assert_eq!(demo.json(&["conflicts", "--node", "MASTER", "--limit", "1"])[0]["chosen"], "ours");
}

#[test]
fn a_lost_set_is_named_and_sync_heals_it() {
    let demo = Demo::new();
    demo.json(&["random-order", "--node", "MASTER"]);
    demo.json(&["prepare", "--node", "MASTER", "--to", "CLIENT", "--id", "1"]);
    std::fs::remove_file(demo.set("syncFromMASTER-1.syncset")).unwrap();
    demo.json(&["random-order", "--node", "MASTER"]);
    demo.json(&["prepare", "--node", "MASTER", "--to", "CLIENT", "--id", "2"]);
    let before = demo.status();
    let refused = demo.run(&["apply", &demo.set("syncFromMASTER-2.syncset"), "--node", "CLIENT"]);
    refused
        .fails(3, &["transaction 21, which set 1 carried, is missing", "nothing was changed", "--since acknowledged"]);
    assert_eq!(demo.status(), before);
    let reports = demo.json(&["sync"]);
    assert_eq!(reports.as_array().unwrap().len(), 1, "CLIENT has nothing new");
    assert_eq!(reports[0]["inserted"], 2);
    assert_eq!((&demo.json(&["verify"])["equal"], &demo.status()["equal"]), (&true.into(), &true.into()));
}

#[test]
fn an_order_for_an_unknown_customer_waits_with_its_whole_transaction() {
    let demo = Demo::new();
    demo.json(&["populate", "--node", "MASTER", "--customers", "1", "--seed", "3"]);
    let employee =
        ["--employee", "1", "--item", "1", "--date", "2026-11-20 16:44:42", "--price", "2", "--quantity", "1"];
    let made = demo.json(&[&["order", "new", "--node", "MASTER", "--customer", "6"], &employee[..]].concat());
    // Another order in one transaction with it.
    let conn = rusqlite::Connection::open(demo.dir().join("master.db")).unwrap();
    conn.execute_batch("DELETE FROM orders WHERE order_num = 20").unwrap();
    drop(conn);
    let guid = made["guid"].clone();
    let reports = demo.json(&["sync"]);
    assert_eq!((&reports[0]["requeued"], &reports[0]["deleted"]), (&1.into(), &1.into()));
    let status = demo.status();
    assert_eq!((&status["equal"], &status["nodes"][1]["requeued"]), (&false.into(), &1.into()));
    let waiting = demo.json(&["requeue", "--node", "CLIENT"]);
    let waiting = waiting.as_array().unwrap();
    assert_eq!(waiting.len(), 1);
    keys(
        &waiting[0],
        &["id", "class", "guid", "source_number", "source", "set", "transaction", "deletion", "cause", "reason"],
    );
    assert_eq!((&waiting[0]["guid"], &waiting[0]["source"]), (&guid, &"MASTER".into()));
    let reason = waiting[0]["reason"].as_str().unwrap();
    assert!(reason.contains("customer is unknown at CLIENT") && reason.contains("not journaled"), "{reason}");
    assert_eq!(demo.json(&["requeue", "--node", "MASTER"]), serde_json::json!([]));
    let retried = demo.json(&["requeue", "--node", "CLIENT", "retry"]);
    reports_have_their_keys(&retried);
    assert_eq!((&retried["requeued"], &retried["inserted"]), (&1.into(), &0.into()));
    // The reason is gone where the order names another customer.
    demo.json(&["order", "put", &number(&made["order_num"]), "--node", "MASTER", "--customer", "1"]);
    demo.json(&["sync"]);
    assert_eq!(demo.json(&["requeue", "--node", "CLIENT"]), serde_json::json!([]));
    assert_eq!((&demo.json(&["verify"])["equal"], &demo.status()["equal"]), (&true.into(), &true.into()));
}

#[test]
fn a_whole_transaction_waits() {
    let demo = Demo::new();
    demo.json(&["populate", "--node", "MASTER", "--customers", "1", "--seed", "3"]);
    let mut env = objsync::sync::Environment::open(&demo.dir()).unwrap();
    let master = env.node("MASTER").unwrap();
    master
        .edit(|edit| {
            edit.connection().execute("UPDATE orders SET customer = 6 WHERE order_num = 1", [])?;
            edit.connection().execute("UPDATE orders SET quantity = 1 WHERE order_num = 2", [])?;
            edit.connection().execute("DELETE FROM orders WHERE order_num = 3", [])?;
            Ok(())
        })
        .unwrap();
    drop(env);
    let before = demo.order("CLIENT", "2");
    let reports = demo.json(&["sync"]);
    assert_eq!(reports[0]["requeued"], 3);
    let waiting = demo.json(&["requeue", "--node", "CLIENT"]);
    let waiting = waiting.as_array().unwrap();
    let reasons: Vec<&str> = waiting.iter().map(|w| w["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons.iter().filter(|r| r.contains("of the same transaction")).count(), 2, "{reasons:?}");
    assert_eq!(waiting.iter().filter(|w| w["deletion"] == true).count(), 1);
    assert_eq!(demo.order("CLIENT", "2"), before);
    demo.order("CLIENT", "3");
    assert_eq!(demo.status()["nodes"][1]["requeued"], 3);
}

#[test]
fn a_restored_file_is_refused_and_rejoin_is_the_way_out() {
    let demo = Demo::new();
    let backup = demo.home.path().join("backup.db");
    std::fs::copy(demo.dir().join("client.db"), &backup).unwrap();
    demo.json(&["random-order", "--node", "CLIENT", "--count", "2"]);
    demo.json(&["sync"]);
    for ending in ["db-wal", "db-shm"] {
        let _ = std::fs::remove_file(demo.dir().join("client").with_extension(ending));
    }
    std::fs::copy(&backup, demo.dir().join("client.db")).unwrap();
    demo.json(&["order", "put", "2", "--node", "MASTER", "--quantity", "2"]);
    demo.run(&["sync"]).fails(3, &["restored", "rejoin --node CLIENT)"]);
    let info = demo.json(&["rejoin", "--node", "CLIENT"]);
    keys(&info, &["guid", "name", "role"]);
    assert_eq!(info["name"], "CLIENT");
    demo.json(&["order", "put", "1", "--node", "CLIENT", "--quantity", "1"]);
    demo.json(&["sync"]);
    assert_eq!((&demo.json(&["verify"])["equal"], &demo.status()["equal"]), (&true.into(), &true.into()));
    assert_eq!(demo.order("MASTER", "1")["quantity"], 1);
    assert_eq!(demo.order("CLIENT", "2")["quantity"], 2);
    assert_eq!(demo.status()["nodes"][1]["classes"][3]["count"], 22, "what was made after the backup came back");
}

#[test]
fn licences_are_printed_without_an_environment() {
    let demo = Demo::empty();
    let file =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/third-party-licences.txt")).unwrap();
    let printed = demo.bare(&["licences"]);
    assert_eq!((printed.code, printed.stderr.as_str()), (0, ""));
    assert!(printed.stdout == file, "the file is printed as it is");
    assert_eq!(demo.bare(&["licences", "--json"]).ok()["text"], *file);
}

#[test]
fn the_tour_is_told_without_an_environment() {
    let demo = Demo::empty();
    let tour = demo.bare(&["tour"]);
    assert_eq!((tour.code, tour.stderr.as_str()), (0, ""), "{}", tour.stdout);
    assert!(tour.stdout.contains(" 1. "), "{}", tour.stdout);
    let told = demo.bare(&["tour", "--json"]).ok();
    assert!(told["steps"].as_array().unwrap().len() > 10, "{told}");
    assert_eq!(std::fs::read_dir(demo.home.path()).unwrap().count(), 0, "it leaves nothing behind");
    let help = demo.bare(&["--help"]);
    assert_eq!(help.code, 0);
    assert!(help.stdout.contains("Exit codes"));
}

#[test]
fn a_node_alone_is_not_called_equal() {
    let demo = Demo::new();
    for ending in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(demo.dir().join(format!("client.db{ending}")));
    }
    assert_eq!(demo.status()["equal"], false);
    demo.run(&["verify"]).fails(3, &["one node only"]);
    demo.run(&["sync"]).fails(3, &["one node only", "nothing was changed"]);
}

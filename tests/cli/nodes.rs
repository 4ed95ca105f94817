//! More nodes, classes, ranges, purge, and files that were copied.

use serde_json::json;

use crate::demo::{Demo, keys};

#[test]
fn clients_are_added_given_up_and_come_back() {
    let demo = Demo::new();
    let added = demo.json(&["add-client", "NORTH"]);
    keys(&added, &["name", "guid", "file", "from"]);
    assert_eq!(added["from"], "MASTER");
    demo.run(&["add-client", "north"]).fails(2, &["there is a node NORTH already", "nothing was changed"]);
    demo.run(&["add-client", "../x"]).fails(2, &["letters, digits"]);
    demo.run(&["add-client", "SOUTH", "--from", "NOBODY"]).fails(2, &["no node `NOBODY`"]);
    demo.json(&["add-client", "SOUTH", "--from", "NORTH"]);
    assert_eq!(demo.status()["equal"], true, "level at once");
    demo.json(&["random-order", "--node", "NORTH", "--seed", "1"]);
    demo.json(&["sync"]);
    let counts: Vec<i64> = (0..4).map(|i| demo.status()["nodes"][i]["classes"][3]["count"].as_i64().unwrap()).collect();
    assert_eq!(counts, [21; 4]);

    // NORTH and SOUTH hold what MASTER could forget, until they confirm.
    let purged = demo.json(&["purge", "--node", "MASTER"]);
    keys(&purged["purged"], &["upto", "events", "tombstones", "notes", "confirmed"]);
    demo.json(&["order", "delete", "3", "--node", "MASTER"]);
    demo.json(&["retire", "SOUTH"]);
    demo.run(&["prepare", "--node", "MASTER", "--to", "SOUTH", "--id", "77"])
        .fails(3, &["SOUTH", "was retired at MASTER", "nothing was changed", "add-client"]);
    demo.run(&["retire", "NOBODY"]).fails(2, &["knows no peer `NOBODY`"]);
    demo.json(&["sync"]);
    demo.json(&["sync"]);
    let purged = demo.json(&["purge", "--node", "MASTER", "--keep", "0"]);
    assert_eq!(purged["purged"]["tombstones"], 1, "SOUTH is not waited for: {purged}");
    demo.run(&["purge", "--node", "MASTER", "--upto", "9999"]).fails(2, &["last transaction"]);
    assert_eq!(demo.json(&["purge", "--node", "CLIENT", "--upto", "0"])["purged"]["events"], 0);
}

#[test]
fn classes_are_journaled_and_an_order_that_waited_goes_through() {
    let demo = Demo::new();
    let conn = rusqlite::Connection::open(demo.dir().join("client.db")).unwrap();
    conn.execute_batch("INSERT INTO customers (id, code, cust_name) VALUES (9, 'c9', 'New')").unwrap();
    demo.json(&["order", "put", "1", "--node", "CLIENT", "--customer", "9"]);
    demo.json(&["sync"]);
    assert_eq!(demo.status()["nodes"][0]["requeued"], 1);
    demo.json(&["classes", "journal", "Customer", "--node", "CLIENT"]);
    demo.run(&["sync"])
        .fails(3, &["Customer is not journaled here", "classes journal Customer --node MASTER", "nothing was changed"]);
    let done = demo.json(&["classes", "journal", "customer"]);
    assert_eq!((&done[0]["switched"]["baseline"], &done[1]["switched"]["baseline"]), (&json!(5), &json!(0)));
    demo.json(&["sync"]);
    let status = demo.status();
    assert_eq!((&status["equal"], &status["nodes"][0]["requeued"]), (&json!(true), &json!(0)));
    assert_eq!(demo.order("MASTER", "1")["customer"], 9);
    let classes = demo.json(&["classes"]);
    assert_eq!(
        classes[0]["classes"][1],
        json!({"name": "Customer", "table": "customers", "journaled": true, "count": 6})
    );
    demo.json(&["classes", "stop", "Customer"]);
    assert_eq!(demo.json(&["classes"])[1]["classes"][1]["journaled"], false);
    demo.run(&["classes", "journal", "Nothing"]).fails(2, &["no class Nothing"]);
}

#[test]
fn ranges_are_prepared_as_asked() {
    let demo = Demo::new();
    demo.json(&["random-order", "--node", "MASTER", "--count", "3", "--seed", "1"]);
    let prepare = |id: &str, more: &[&str]| {
        demo.run(&[&["prepare", "--node", "MASTER", "--to", "CLIENT", "--id", id], more].concat())
    };
    let range = |answer: &serde_json::Value| (answer["first_transaction"].clone(), answer["last_transaction"].clone());
    assert_eq!(range(&prepare("1", &["--no-update"]).ok()), (json!(21), json!(23)));
    assert_eq!(range(&prepare("2", &["--upto", "22"]).ok()), (json!(21), json!(22)), "the first did not count");
    assert_eq!(range(&prepare("3", &[]).ok()), (json!(23), json!(23)));
    assert_eq!(range(&prepare("4", &["--from", "22", "--upto", "22"]).ok()), (json!(22), json!(22)));
    prepare("5", &["--from", "3", "--since", "sent"]).fails(2, &["cannot be used with"]);
    prepare("5", &["--upto", "99"]).fails(2, &["no range", "nothing was changed"]);
    let third = demo.set("syncFromMASTER-3.syncset");
    demo.run(&["apply", &third, "--node", "CLIENT"])
        .fails(3, &["transactions 21 to 22, which the sets 2, 1 carried, are missing", "nothing was changed"]);
}

#[test]
fn a_copied_environment_asks_before_it_writes() {
    let demo = Demo::new();
    let copy = demo.home.path().join("copy");
    std::fs::create_dir(&copy).unwrap();
    for file in ["master.db", "client.db"] {
        std::fs::copy(demo.dir().join(file), copy.join(file)).unwrap();
    }
    let run = |args: &[&str]| demo.bare(&[args, &["--json", "--dir", copy.to_str().unwrap()]].concat());
    let status = run(&["status"]).ok();
    assert!(status["nodes"][0]["was_at"].as_str().unwrap().ends_with("demo/master.db"), "{status}");
    run(&["sync"]).fails(3, &["was moved or copied", "nothing was changed", "rejoin --node", "moved --node"]);
    run(&["random-order", "--node", "MASTER"]).fails(3, &["was moved or copied"]);
    // Both are copies: it cannot be said of one that it was only moved.
    run(&["rejoin", "--node", "MASTER"]).ok();
    run(&["moved", "--node", "CLIENT"])
        .fails(3, &["was copied, not moved", "nothing was changed", "put it aside first"]);
    run(&["rejoin", "--node", "CLIENT"]).ok();
    run(&["random-order", "--node", "MASTER", "--seed", "1"]).ok();
    run(&["sync"]).ok();
    assert_eq!(run(&["status"]).ok()["equal"], true);
    assert_eq!(demo.status()["equal"], true, "the original goes on");
}

#[test]
fn a_file_copied_beside_the_original_becomes_a_node_with_a_name_of_its_own() {
    let demo = Demo::new();
    std::fs::copy(demo.dir().join("master.db"), demo.dir().join("another.db")).unwrap();
    let guids = |status: &serde_json::Value| -> Vec<String> {
        let nodes = status["nodes"].as_array().unwrap().iter();
        nodes.map(|node| node["guid"].as_str().unwrap().to_owned()).collect()
    };
    let status = demo.status();
    let original = status["nodes"].as_array().unwrap().iter().find(|n| n["was_at"].is_null()).unwrap();
    assert!(original["file"].as_str().unwrap().ends_with("master.db"), "{status}");
    // Both are called MASTER; the one in doubt is meant.
    demo.run(&["order", "list", "--node", "MASTER"]).fails(2, &["go on as one node", "rejoin --db", "another.db\n"]);
    demo.run(&["rejoin", "--node", "MASTER", "--name", "client"]).fails(2, &["there is a node client already"]);
    let joined = demo.json(&["rejoin", "--node", "MASTER"]);
    assert_eq!((&joined["name"], &joined["role"]), (&json!("MASTER-2"), &json!("client")), "{joined}");
    let status = demo.status();
    assert!(guids(&status).contains(&original["guid"].as_str().unwrap().to_owned()), "the original is who it was");
    demo.json(&["random-order", "--node", "MASTER-2", "--seed", "1"]);
    demo.json(&["random-order", "--node", "MASTER", "--seed", "2"]);
    demo.json(&["sync"]);
    assert_eq!((&demo.status()["equal"], &demo.json(&["verify"])["equal"]), (&json!(true), &json!(true)));
}

#[test]
fn two_files_that_both_say_to_be_one_node_are_told_apart_by_path() {
    let demo = Demo::new();
    let copy = demo.dir().join("another.db");
    std::fs::copy(demo.dir().join("client.db"), &copy).unwrap();
    // Somebody says so, wrongly, and puts the original back.
    let (original, aside) = (demo.dir().join("client.db"), demo.dir().join("client.aside"));
    std::fs::rename(&original, &aside).unwrap();
    demo.json(&["moved", "--node", "CLIENT"]);
    std::fs::rename(&aside, &original).unwrap();
    demo.run(&["order", "list", "--node", "CLIENT"]).fails(2, &["go on as one node", "rejoin --db"]);
    let copy = copy.to_str().unwrap();
    demo.bare(&["rejoin", "--db", copy, "--name", "OTHER", "--json"]).ok();
    demo.json(&["random-order", "--node", "OTHER", "--seed", "1"]);
    demo.json(&["sync"]);
    assert_eq!(demo.json(&["verify"])["equal"], true);
}

#[test]
fn keys_are_listed_and_only_known_ones_taken() {
    let demo = Demo::new();
    let keys = demo.json(&["keys"]);
    assert_eq!((&keys[0]["takes_each_once"], &keys[0]["known"].as_array().unwrap().len()), (&json!(false), &2));
    assert_eq!(keys[0]["known"][1]["key"], keys[1]["known"][1]["key"], "each is known to the other by its own key");
    assert_eq!(demo.json(&["keys", "require"])[1]["takes_each_once"], true);
    demo.json(&["random-order", "--node", "MASTER", "--seed", "1"]);
    demo.json(&["sync"]);
    assert_eq!(demo.status()["equal"], true);
    let (client, key) = (keys[1]["known"][1]["node"]["guid"].as_str().unwrap(), "11".repeat(32));
    demo.run(&["keys", "trust", client, "zz", "--node", "MASTER"]).fails(2, &["no public key"]);
    demo.run(&["keys", "trust", "NOBODY", &key, "--node", "MASTER"]).fails(2, &["knows no peer"]);
    demo.json(&["keys", "trust", "CLIENT", keys[0]["known"][0]["key"].as_str().unwrap(), "--node", "MASTER"]);
    demo.json(&["random-order", "--node", "CLIENT", "--seed", "2"]);
    // By its GUID: a name may be anybody's.
    let way_out = format!("keys trust {client} ");
    demo.run(&["sync"])
        .fails(3, &["MASTER knows CLIENT by", "somebody else made it", "is prepared and not applied", &way_out]);
    demo.json(&["keys", "allow-repeats"]);
    demo.run(&["sync"]).fails(3, &["somebody else made it"]);
    demo.json(&["keys", "trust", "CLIENT", keys[1]["known"][1]["key"].as_str().unwrap(), "--node", "MASTER"]);
    demo.json(&["sync"]);
    assert_eq!(demo.status()["equal"], true);
    for (command, taken) in [("accept-unsigned", true), ("refuse-unsigned", false)] {
        let keys = demo.json(&["keys", command, "CLIENT"]);
        assert_eq!((keys.as_array().unwrap().len(), &keys[0]["known"][1]["unsigned"]), (2, &json!(taken)));
    }
}

/// Two collections that never were one, on two machines: only files go between them.
#[test]
fn two_nodes_that_have_never_met_exchange_after_invitations() {
    let demo = Demo::empty();
    let path = |name: &str| demo.home.path().join(name).to_str().unwrap().to_owned();
    let run = |args: &[&str]| demo.bare(&[args, &["--json"]].concat());
    for (file, name, text) in [("a.db", "ATTIC", "from the attic"), ("b.db", "BARN", "from the barn")] {
        let sql =
            format!("CREATE TABLE notes (id INTEGER PRIMARY KEY, text); INSERT INTO notes (text) VALUES ('{text}')");
        rusqlite::Connection::open(path(file)).unwrap().execute_batch(&sql).unwrap();
        run(&["track", &path(file), "--name", name]).ok();
    }
    let (a, b) = (path("a.db"), path("b.db"));
    let (from_a, from_b) = (path("ATTIC.invitation"), path("BARN.invitation"));
    run(&["keys", "invite", "--db", &a, "--out", &from_a]).ok();
    run(&["keys", "invite", "--db", &a, "--out", &from_a]).fails(3, &["exists already", "name another file"]);
    run(&["keys", "invite", "--db", &b, "--out", &from_b]).ok();
    run(&["keys", "accept", &from_b, "--db", &a]).ok();
    let set = path("a.syncset");
    run(&["prepare", "--db", &a, "--to", "BARN", "--out", &set]).ok();
    run(&["apply", &set, "--db", &b, "--join"]).fails(3, &["does not know yet", "keys accept FILE --node BARN"]);
    run(&["keys", "accept", &from_b, "--db", &b]).fails(2, &["BARN's own", "nothing was changed"]);
    run(&["keys", "accept", &from_a, "--db", &b]).ok();
    run(&["apply", &set, "--db", &b]).fails(3, &["never been in touch", "--join"]);
    run(&["apply", &set, "--db", &b, "--join"]).ok();
    let back = path("b.syncset");
    run(&["prepare", "--db", &b, "--to", "ATTIC", "--out", &back]).ok();
    run(&["apply", &back, "--db", &a]).ok();
    run(&["verify", "--db", &a, "--db", &b]).ok();
}

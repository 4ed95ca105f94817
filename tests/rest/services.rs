//! Every service, what it answers, and how it refuses.

use serde_json::{Value, json};

use crate::served::Served;

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn orders_are_made_read_changed_and_deleted() {
    let served = Served::new();
    let id = served.done(served.master("POST", "/randomorder", ""));
    assert_eq!(id, json!({"id": 26}));
    let body =
        r#"{"employee":1,"customer":5,"dateOrder":"2000-07-11 06:14:11","item":23,"quantity":401,"price":12.34}"#;
    assert_eq!(served.done(served.master("POST", "/order", body)), json!({"status": 1, "id": 27}));
    let order = served.done(served.master("GET", "/order/27", ""));
    assert_eq!(keys(&order), ["orderNum", "employee", "customer", "dateOrder", "item", "quantity", "price"]);
    assert_eq!((&order["dateOrder"], &order["price"]), (&json!("2000-07-11 06:14:11"), &json!(12.34)));
    assert_eq!(order["customer"].as_str().unwrap().len(), 36, "a GUID: {order}");
    // What was read can be written, and what is left out stays.
    let change = json!({"orderNum": 26, "customer": order["customer"], "quantity": 7});
    assert_eq!(served.done(served.master("PUT", "/order", &change.to_string())), json!({"status": 1, "id": 26}));
    served.done(served.master("PUT", "/order/26", r#"{"price": 446}"#));
    let listed = served.done(served.master("GET", "/orders/2", ""));
    let [last, changed] = [0, 1].map(|i| listed["orders"][i].clone());
    assert_eq!(keys(&last), ["id", "orderNum", "employee", "dateOrder", "customer", "item", "price", "quantity"]);
    assert_eq!((&last["id"], &last["customer"], &last["item"]), (&json!(27), &json!(5), &json!(23)));
    assert_eq!((&changed["customer"], &changed["quantity"], &changed["price"]), (&json!(5), &json!(7), &json!(446)));
    assert_eq!(served.done(served.master("DELETE", "/order/27", "")), json!({"status": 1, "id": 27}));
    served.refused(served.master("GET", "/order/27", ""), 404, &["no order 27 at MASTER"]);
    served.refused(served.master("DELETE", "/order/27", ""), 404, &["nothing was changed"]);
    assert_eq!(served.done(served.client("GET", "/orders", ""))["orders"].as_array().unwrap().len(), 10);
    served.refused(served.client("GET", "/order/26", ""), 404, &["CLIENT"]);
}

#[test]
fn lists_are_as_long_as_asked() {
    let served = Served::new();
    for (list, all) in [("orders", 25), ("items", 30), ("customers", 12), ("employees", 20)] {
        let length = |path: &str| served.done(served.master("GET", path, ""))[list].as_array().unwrap().len();
        assert_eq!(length(&format!("/{list}")), 10);
        assert_eq!((length(&format!("/{list}/3")), length(&format!("/{list}/10000"))), (3, all));
        for (wrong, status) in
            [("0", 422), ("10001", 422), ("-1", 422), ("x", 400), ("1.5", 400), ("99999999999999999999", 400)]
        {
            served.refused(served.master("GET", &format!("/{list}/{wrong}"), ""), status, &["topMax"]);
        }
    }
    let customer = served.done(served.master("GET", "/customers/1", ""))["customers"][0].clone();
    assert_eq!(keys(&customer), ["id", "code", "custName", "HQAddress"]);
    assert_eq!(keys(&customer["HQAddress"]), ["street", "number", "city", "ZIP", "country"]);
    let item = served.done(served.master("GET", "/items/1", ""))["items"][0].clone();
    assert_eq!(keys(&item), ["id", "code", "description", "minStock"]);
    let employee = served.done(served.master("GET", "/employees/1", ""))["employees"][0].clone();
    assert_eq!(keys(&employee), ["id", "empCode", "name"]);
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    let served = Served::new();
    let before = served.done(served.master("GET", "/status", ""));
    let order = |change: &str| served.master("PUT", "/order/5", change);
    for (body, status, words) in [
        (r#"{"quantity": 1001}"#, 422, ["quantity", "between 0 and 1000"]),
        (r#"{"price": 0.5}"#, 422, ["price", "between 1 and 9999"]),
        (r#"{"price": 1.234}"#, 422, ["price", "two decimals"]),
        (r#"{"quantity": "many"}"#, 422, ["quantity", "not a number"]),
        (r#"{"dateOrder": "2026-02-30 00:00:00"}"#, 422, ["dateOrder", "not a date"]),
        (r#"{"employee": 99}"#, 422, ["employee", "no employee 99"]),
        (r#"{"item": "no-guid"}"#, 422, ["item", "no item no-guid"]),
        (r#"{"customer": 1.5}"#, 422, ["customer", "nothing was changed"]),
        (r#"{"colour": "red"}"#, 422, ["colour", "unknown field"]),
        (r#"{"orderNum": 6, "price": 2}"#, 422, ["orderNum", "order 5"]),
        ("{}", 422, ["nothing to change", "order 5"]),
        ("[]", 422, ["nothing was changed", "detail"]),
        (r#"{"price": 2"#, 400, ["no JSON", "nothing was changed"]),
        ("price=2", 400, ["no JSON", "nothing was changed"]),
        (r#"{"price": 2} x"#, 400, ["no JSON", "nothing was changed"]),
        ("\u{feff}{}", 400, ["no JSON", "nothing was changed"]),
    ] {
        served.refused(order(body), status, &words);
    }
    served.refused(served.master("PUT", "/order", r#"{"price": 2}"#), 422, &["orderNum", "say which"]);
    served.refused(served.master("POST", "/order", r#"{"orderNum": 9}"#), 422, &["orderNum", "by itself"]);
    served.refused(served.master("POST", "/order", r#"{"quantity": 9}"#), 422, &["needs", "employee"]);
    served.refused(served.master("PUT", "/order/x", "{}"), 400, &["orderID"]);
    served.refused(served.master("GET", "/order/1%2F..%2F2", ""), 400, &["percent-encoded"]);
    served.refused(served.master("PATCH", "/order/5", "{}"), 405, &["method"]);
    served.refused(served.master("GET", "/nothing", ""), 404, &["no such service"]);
    served.refused(served.ask("GET", "synch/NOBODY", "/orders", ""), 404, &["no node `NOBODY`"]);
    served.refused(served.ask("GET", "synchnobody", "/orders", ""), 404, &["base URLs"]);
    assert_eq!(served.done(served.ask("GET", "synch/%63lient", "/orders/1", ""))["orders"][0]["id"], 25);
    let large = format!(r#"{{"dateOrder": "{}"}}"#, "x".repeat(100_000));
    served.refused(order(&large), 413, &["larger than"]);
    assert_eq!(served.done(served.master("GET", "/status", "")), before, "nothing was changed");
}

#[test]
fn sets_are_prepared_previewed_and_applied_as_in_the_original() {
    let served = Served::new();
    served.done(served.master("POST", "/randomorder", ""));
    served.done(served.master("PUT", "/order/3", r#"{"quantity": 401}"#));
    served.done(served.client("PUT", "/order/3", r#"{"quantity": 460}"#));
    let asked = r#"{"syncID":1000,"dir":".","excludeNS":"CLIENT"}"#;
    let prepared = served.done(served.master("POST", "/admin/prepsynch", asked));
    let file = served.home().canonicalize().unwrap().join("syncFromMASTER-1000.syncset");
    assert_eq!(
        (&prepared["status"], &prepared["gblSyncSet"], &prepared["file"], &prepared["errors"]),
        (&json!(1), &json!("^OBJ.SYNC.1000"), &json!(file.to_str().unwrap()), &json!(0))
    );
    assert_eq!((&prepared["firstTransac"], &prepared["lastTransac"]), (&json!(26), &json!(27)));
    served.refused(served.master("POST", "/admin/prepsynch", asked), 409, &["already", "1001 is free"]);
    let apply = r#"{"syncID":1000,"dir":".","srcNS":"MASTER"}"#;
    let foretold = served.done(served.client("POST", "/admin/preview", apply));
    assert_eq!((&foretold["inserted"], &foretold["conflicts"]), (&json!(1), &json!(1)));
    assert!(foretold["objects"].as_array().unwrap().iter().any(|o| o["reason"].as_str().unwrap().contains("conflict")));
    let applied = served.done(served.client("POST", "/admin/synchronize", apply));
    assert_eq!(
        (&applied["status"], &applied["importFile"], &applied["inserted"], &applied["conflicts"]),
        (&json!(1), &json!(file.to_str().unwrap()), &json!(1), &json!(1))
    );
    let conflict = served.done(served.client("GET", "/admin/conflicts", ""))["conflicts"][0].clone();
    assert_eq!(
        (&conflict["syncSRC"], &conflict["syncID"], &conflict["chosen"]),
        (&json!("MASTER"), &json!(1000), &json!("local"))
    );
    let side = |name: &str| -> Value { serde_json::from_str(conflict[name].as_str().unwrap()).unwrap() };
    assert_eq!((&side("srcObjectSTR")["quantity"], &side("tgtObjectSTR")["quantity"]), (&json!(401), &json!(460)));
    // Back again, and both are level.
    served.done(served.client(
        "POST",
        "/admin/prepsynch",
        r#"{"syncID":7,"excludeNS":"MASTER","file":"back.syncset"}"#,
    ));
    served.done(served.master("POST", "/admin/synchronize", r#"{"file":"back.syncset"}"#));
    assert_eq!(served.done(served.master("GET", "/status", ""))["equal"], true);
    assert_eq!(served.done(served.master("GET", "/verify", ""))["equal"], true);
    // By the other's GUID instead of its name.
    let client = served.done(served.master("GET", "/status", ""))["nodes"][1]["guid"].clone();
    let asked = json!({"syncID": 1001, "GUID": client, "file": "by guid.syncset"}).to_string();
    assert_eq!(served.done(served.master("POST", "/admin/prepsynch", &asked))["status"], 1);
    let sets = served.done(served.client("GET", "/admin/sets", ""));
    assert_eq!(sets["sets"].as_array().unwrap().iter().map(|s| &s["syncID"]).collect::<Vec<_>>(), [7, 1000]);
    let events = served.done(served.master("GET", "/journal?after=25&limit=3", ""));
    assert_eq!(events["journal"].as_array().unwrap().len(), 3);
}

#[test]
fn sets_are_refused_with_what_to_do() {
    let served = Served::new();
    let prepare = |body: &str| served.master("POST", "/admin/prepsynch", body);
    for (body, status, words) in [
        ("", 422, ["syncID", "missing"]),
        (r#"{"syncID":0,"excludeNS":"CLIENT"}"#, 422, ["syncID", "above 0"]),
        (r#"{"syncID":1}"#, 422, ["excludeNS", "which node"]),
        (r#"{"syncID":1,"excludeNS":"NOBODY"}"#, 404, ["excludeNS", "NOBODY"]),
        (r#"{"syncID":1,"excludeNS":"MASTER"}"#, 422, ["excludeNS", "itself"]),
        (r#"{"syncID":1,"excludeNS":"CLIENT","GUID":"1"}"#, 422, ["GUID", "say one"]),
        (r#"{"syncID":1,"GUID":"0000000000000001"}"#, 404, ["GUID", "0000000000000001"]),
        (r#"{"syncID":1,"excludeNS":"CLIENT","firstTrans":0}"#, 422, ["firstTrans", "begin with 1"]),
        (r#"{"syncID":1,"excludeNS":"CLIENT","lastTrans":999}"#, 422, ["no range", "999"]),
        (r#"{"syncID":1,"excludeNS":"CLIENT","dir":"nowhere"}"#, 404, ["no folder", "nowhere"]),
        (r#"{"syncID":1,"excludeNS":"CLIENT","dir":".."}"#, 403, ["outside", "--allow"]),
        (r#"{"syncID":1,"excludeNS":"CLIENT","dir":"/etc"}"#, 403, ["outside", "--allow"]),
        (r#"{"syncID":1,"excludeNS":"CLIENT","file":"../../x"}"#, 403, ["outside", "file"]),
        (
            r#"{"syncID":1,"excludeNS":"CLIENT","dir":".","file":"master.db"}"#,
            422,
            ["ends in .syncset", "nothing was changed"],
        ),
        (r#"{"syncID":1,"excludeNS":"CLIENT","dir":".","file":"credentials.json"}"#, 422, ["ends in .syncset", "file"]),
    ] {
        served.refused(prepare(body), status, &words);
    }
    let apply = |body: &str| served.client("POST", "/admin/synchronize", body);
    served.refused(apply(r#"{"syncID":5,"srcNS":"MASTER"}"#), 404, &["no set file syncFromMASTER-5.syncset"]);
    served.refused(apply(r#"{"file":"../master.db"}"#), 422, &["ends in .syncset"]);
    served.refused(apply(r#"{"file":"../../../etc/passwd"}"#), 403, &["outside"]);
    served.done(served.master("POST", "/randomorder", ""));
    served.done(prepare(r#"{"syncID":1,"excludeNS":"CLIENT","lastTrans":25}"#));
    let first = served.done(prepare(r#"{"syncID":2,"excludeNS":"CLIENT","updateSyncTime":0}"#));
    assert_eq!(first["firstTransac"], 26);
    let again = served.done(prepare(r#"{"syncID":3,"excludeNS":"CLIENT"}"#));
    assert_eq!(again["firstTransac"], 26, "the one before was an extra copy");
    served.done(served.master("POST", "/randomorder", ""));
    served.done(prepare(r#"{"syncID":4,"excludeNS":"CLIENT"}"#));
    served.refused(apply(r#"{"syncID":4,"srcNS":"MASTER"}"#), 409, &["missing", "nothing was changed", "acknowledged"]);
    served.refused(
        apply(r#"{"syncID":9,"srcNS":"MASTER","file":"syncFromMASTER-3.syncset"}"#),
        409,
        &["set 3 from MASTER"],
    );
    served.refused(
        served.master("POST", "/admin/synchronize", r#"{"syncID":3,"srcNS":"MASTER"}"#),
        409,
        &["addressed to CLIENT"],
    );
    let file = served.home().join("sets/syncFromMASTER-3.syncset");
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    served.refused(apply(r#"{"syncID":3,"srcNS":"MASTER"}"#), 422, &["damaged", "nothing was changed"]);
    assert_eq!(served.done(served.client("GET", "/orders/1", ""))["orders"][0]["id"], 25);
}

#[test]
fn two_machines_exchange_sets_by_down_and_upload() {
    // Two environments: the client's file is at another machine.
    let (here, there) = (Served::new(), Served::new());
    let there = {
        let home = there.home();
        let (dir, agent) = (there.dir, there.agent);
        there.server.stop();
        std::fs::remove_file(home.join("master.db")).unwrap();
        std::fs::copy(here.home().join("client.db"), home.join("client.db")).unwrap();
        std::fs::remove_file(here.home().join("client.db")).unwrap();
        // It was moved, not copied.
        let mut env = objsync::sync::Environment::open(&home).unwrap();
        env.nodes[0].moved().unwrap();
        drop(env);
        let options = objsync::rest::Options { port: 0, ..Default::default() };
        Served { server: objsync::rest::Server::start(&home, &options).unwrap(), dir, agent }
    };
    here.done(here.master("POST", "/randomorder", ""));
    here.done(here.master("POST", "/admin/prepsynch", r#"{"syncID":1,"excludeNS":"CLIENT"}"#));
    let download = |id: &str| {
        let url = here.url("synchmaster", &format!("/admin/sets/{id}"));
        let mut got = here.agent.get(url).header("Authorization", crate::served::BASIC).call().unwrap();
        (got.status().as_u16(), got.body_mut().read_to_vec().unwrap())
    };
    let (status, set) = download("1");
    assert_eq!(status, 200);
    assert_eq!((download("2").0, download("x").0), (404, 400));
    let upload = |bytes: &[u8]| {
        let url = there.url("synchclient", "/admin/sets");
        let mut got = there.agent.post(url).header("Authorization", crate::served::BASIC).send(bytes).unwrap();
        (got.status().as_u16(), got.body_mut().read_json::<Value>().unwrap())
    };
    there.refused(upload(&set[..set.len() - 5]), 422, &["nothing was changed"]);
    there.refused(upload(b""), 422, &["nothing was changed"]);
    let applied = there.done(upload(&set));
    assert_eq!(applied["inserted"], 1);
    assert_eq!(there.done(upload(&set))["inserted"], 0, "repeated, it does nothing new");
    assert_eq!(there.done(there.client("GET", "/orders/1", ""))["orders"][0]["id"], 26);
    there.refused(there.master("GET", "/orders", ""), 404, &["no master"]);
    let left: Vec<_> = std::fs::read_dir(there.home()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("upload")), "{left:?}");
}

#[test]
fn what_a_killed_program_left_goes_when_a_server_starts() {
    let served = Served::new();
    let home = served.home();
    drop(served.server);
    let sets = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(home.join("sets")).unwrap();
    let file = |folder: &std::path::Path, name: &str, minutes: u64| {
        let file = folder.join(name);
        let made = std::fs::File::create(&file).unwrap();
        made.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(60 * minutes)).unwrap();
        file
    };
    let left = [
        file(&home, ".objsync-upload-x1", 0),
        file(&home, ".objsync-credentials-x1", 90),
        file(&home.join("sets"), ".objsync-x1.part", 90),
        file(sets.path(), ".objsync-x2.part", 90),
    ];
    // Another program may be writing these, or they are not ours.
    let kept = [
        file(&home.join("sets"), ".objsync-x3.part", 5),
        file(sets.path(), ".objsync-x4.part", 5),
        file(sets.path(), "x5.part", 90),
        file(&home, "objsync-upload-mine", 90),
    ];
    let options = objsync::rest::Options { port: 0, allow: vec![sets.path().to_owned()], ..Default::default() };
    let server = objsync::rest::Server::start(&home, &options).unwrap();
    assert!(left.iter().all(|file| !file.exists()), "{left:?}");
    assert!(kept.iter().all(|file| file.exists()), "{kept:?}");
    // One that runs is not cleared away by one that may not start.
    let upload = file(&home, ".objsync-upload-x2", 0);
    assert!(objsync::rest::Server::start(&home, &options).is_err() && upload.exists());
    drop(server);
}

/// What was prepared by the command line may lie anywhere; links lead anywhere, too.
#[cfg(unix)]
#[test]
fn a_download_stays_in_the_folders_of_sets() {
    use objsync::sync::{Environment, PrepareOptions, Since};
    let served = Served::new();
    let (home, outside) = (served.home(), tempfile::tempdir().unwrap());
    let sets = home.join("sets");
    std::fs::create_dir_all(&sets).unwrap();
    let mut env = Environment::open(&home).unwrap();
    let master = env.index("MASTER").unwrap();
    let client = env.nodes[env.index("CLIENT").unwrap()].info().guid;
    let mut prepare = |id: i64, file: std::path::PathBuf| {
        let options = PrepareOptions {
            id,
            file: file.clone(),
            since: Since::Sent,
            upto: None,
            overwrite: false,
            compress: false,
            update_sync_time: true,
        };
        env.prepare_for(master, client, &options).unwrap();
        file
    };
    prepare(1, sets.join("a.syncset"));
    prepare(2, outside.path().join("b.syncset"));
    let linked = prepare(3, sets.join("c.syncset"));
    std::fs::rename(&linked, outside.path().join("c.syncset")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("c.syncset"), &linked).unwrap();
    let piped = prepare(4, sets.join("d.syncset"));
    std::fs::remove_file(&piped).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&piped).status().unwrap().success());
    let other = prepare(5, sets.join("e.syncset"));
    std::fs::copy(sets.join("a.syncset"), other).unwrap();
    std::fs::remove_file(prepare(6, sets.join("f.syncset"))).unwrap();
    drop(env);
    let url = served.url("synchmaster", "/admin/sets/1");
    let got = served.agent.get(url).header("Authorization", crate::served::BASIC).call().unwrap();
    assert_eq!(got.status().as_u16(), 200);
    for (id, words) in [
        (2, "not served"),
        (3, "not served"),
        (4, "not where it was"),
        (5, "not where it was"),
        (6, "not where it was"),
    ] {
        let refused = served.refused(served.master("GET", &format!("/admin/sets/{id}"), ""), 404, &[words]);
        assert!(!refused.to_string().contains(outside.path().to_str().unwrap()), "{refused}");
    }
}

#[test]
fn what_waits_is_shown_and_tried_again() {
    let served = Served::new();
    let conn = rusqlite::Connection::open(served.home().join("master.db")).unwrap();
    conn.execute_batch("INSERT INTO customers (id, code, cust_name) VALUES (99, 'c', 'New')").unwrap();
    served.done(served.master("PUT", "/order/1", r#"{"customer": 99}"#));
    served.done(served.master("POST", "/admin/prepsynch", r#"{"syncID":1,"excludeNS":"CLIENT"}"#));
    let applied = served.done(served.client("POST", "/admin/synchronize", r#"{"syncID":1,"srcNS":"MASTER"}"#));
    assert_eq!(applied["requeued"], 1);
    let waiting = served.done(served.client("GET", "/admin/requeue", ""));
    assert!(waiting["requeue"][0]["reason"].as_str().unwrap().contains("unknown at CLIENT"), "{waiting}");
    assert_eq!(served.done(served.client("POST", "/admin/requeue/retry", ""))["requeued"], 1);
}

#[test]
fn the_interface_describes_itself() {
    let served = Served::new();
    let url = format!("http://{}/openapi.json", served.server.address());
    let description: Value = served.agent.get(url).call().unwrap().body_mut().read_json().unwrap();
    let paths = description["paths"].as_object().unwrap();
    for path in [
        "/randomorder",
        "/order/{orderID}",
        "/orders/{topMax}",
        "/admin/prepsynch",
        "/admin/synchronize",
        "/admin/conflicts",
        "/echo",
    ] {
        assert!(paths.contains_key(path), "{path}");
    }
    let page = served
        .agent
        .get(format!("http://{}/", served.server.address()))
        .call()
        .unwrap()
        .body_mut()
        .read_to_string()
        .unwrap();
    for path in paths.keys() {
        assert!(page.contains(&format!("<code>{path}</code>")), "{path} is on the page");
    }
    for method in ["GET", "POST", "PUT", "DELETE"] {
        let body = if method == "GET" || method == "DELETE" { "" } else { "hello" };
        assert_eq!(served.done(served.master(method, "/echo", body)), json!({"method": method, "body": body}));
    }
}

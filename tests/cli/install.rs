//! Making the demo where something is already: an old demo goes aside whole, other databases stay as they are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::demo::Demo;

/// Every file below a folder, and its bytes; folders end in `/`.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                found.insert(name + "/", Vec::new());
                folders.push(path);
            } else {
                found.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

fn names(dir: &Path) -> Vec<String> {
    files(dir).into_keys().collect()
}

fn count(file: &Path, table: &str) -> i64 {
    let conn = rusqlite::Connection::open(file).unwrap();
    conn.query_row(&format!("SELECT count(*) FROM {table}"), [], |r| r.get(0)).unwrap()
}

/// A database with these tables.
fn database(file: &Path, sql: &str) {
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    rusqlite::Connection::open(file).unwrap().execute_batch(sql).unwrap();
}

fn tracked(demo: &Demo, file: &Path, sql: &str) {
    database(file, sql);
    assert_eq!(demo.bare(&["track", "--yes", file.to_str().unwrap()]).code, 0);
}

#[test]
fn an_old_demo_goes_aside_whole_with_its_sets() {
    let demo = Demo::new();
    demo.json(&["random-order", "--node", "MASTER", "--count", "3"]);
    demo.json(&["prepare", "--node", "MASTER", "--to", "CLIENT", "--id", "7"]);
    std::fs::write(demo.dir().join("sets/notes.txt"), "mine").unwrap();
    // A program that was killed: what it wrote last is in the log alone.
    let conn = rusqlite::Connection::open(demo.dir().join("client.db")).unwrap();
    conn.execute_batch("PRAGMA wal_autocheckpoint = 0; UPDATE orders SET quantity = 77 WHERE order_num = 1").unwrap();
    for ending in ["", "-wal"] {
        let file = demo.dir().join(format!("client.db{ending}"));
        std::fs::copy(&file, demo.home.path().join(format!("killed{ending}"))).unwrap();
    }
    drop(conn);
    for ending in ["", "-wal"] {
        let file = demo.dir().join(format!("client.db{ending}"));
        std::fs::write(&file, std::fs::read(demo.home.path().join(format!("killed{ending}"))).unwrap()).unwrap();
    }

    let made = demo.install(&["--overwrite"]).ok();
    let aside = PathBuf::from(made["aside"].as_str().unwrap());
    assert_eq!(aside.parent().unwrap().canonicalize().unwrap(), demo.dir().canonicalize().unwrap());
    assert!(aside.file_name().unwrap().to_str().unwrap().starts_with("before-restart-2"));
    assert_eq!(names(&aside), ["client.db", "master.db", "sets/", "sets/syncFromMASTER-7.syncset"]);
    assert_eq!((count(&aside.join("master.db"), "orders"), count(&aside.join("client.db"), "orders")), (23, 20));
    assert_eq!(count(&aside.join("client.db"), "orders WHERE order_num = 1 AND quantity = 77"), 1);
    // The new one begins from the beginning; what is no set stays where it is.
    assert_eq!(count(&demo.dir().join("master.db"), "orders"), 20);
    assert_eq!(std::fs::read(demo.dir().join("sets/notes.txt")).unwrap(), b"mine");
    // Another one within the same second has a folder of its own, and people are told where it is.
    let again = demo.bare(&["install", "--orders", "1", "--overwrite", "--dir", demo.dir().to_str().unwrap()]);
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert!(again.stdout.contains("the files that were there are in") && again.stdout.contains("before-restart-"));
    let kept = std::fs::read_dir(demo.dir())
        .unwrap()
        .filter(|e| e.as_ref().unwrap().file_name().to_str().unwrap().starts_with("before-restart-"));
    assert_eq!(kept.count(), 2);
    // Where nothing was, nothing is put aside.
    assert_eq!(Demo::empty().install(&["--overwrite"]).ok().get("aside"), None);
}

#[test]
fn no_other_database_is_taken_away() {
    let shop = "CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 'mine')";
    // Names that the demo has, too.
    let namesakes = "CREATE TABLE items (code INTEGER PRIMARY KEY, description, min_stock); CREATE TABLE customers (id INTEGER PRIMARY KEY, code, cust_name);
        CREATE TABLE employees (emp_code INTEGER PRIMARY KEY, name);
        CREATE TABLE orders (order_num INTEGER PRIMARY KEY, employee, customer, date_order, item, quantity, price); INSERT INTO orders (order_num) VALUES (1)";
    type Put<'a> = &'a dyn Fn(&Demo);
    let at = |demo: &Demo, name: &str| demo.dir().join(name);
    let cases: [(&str, Put<'_>); 7] = [
        ("shop.db is no node", &|demo| database(&at(demo, "shop.db"), shop)),
        ("shop.db is a node with other tables (t)", &|demo| tracked(demo, &at(demo, "shop.db"), shop)),
        ("shop.db is a node with other tables (customers, employees, items, orders)", &|demo| {
            tracked(demo, &at(demo, "shop.db"), namesakes);
        }),
        ("master.db is no node", &|demo| database(&at(demo, "master.db"), shop)),
        ("client.db is a node with other tables (t)", &|demo| tracked(demo, &at(demo, "client.db"), shop)),
        ("shop.db cannot be read", &|demo| {
            std::fs::create_dir_all(demo.dir()).unwrap();
            std::fs::write(at(demo, "shop.db"), "this is no database, but somebody's file all the same").unwrap();
        }),
        ("shop.db is no node", &|demo| {
            demo.install(&[]).ok();
            database(&at(demo, "shop.db"), shop);
        }),
    ];
    for (said, put) in cases {
        let demo = Demo::empty();
        put(&demo);
        let before = files(&demo.dir());
        for more in [&[][..], &["--overwrite"][..]] {
            let answer = demo.install(more);
            answer.fails(3, &[said, "nothing was changed", "another folder"]);
            assert!(!answer.stderr.contains("--overwrite"), "advises what is refused: {}", answer.stderr);
            assert_eq!(files(&demo.dir()), before, "{said} {more:?}");
        }
    }
}

#[test]
fn what_fails_half_way_is_put_back() {
    let demo = Demo::new();
    demo.json(&["prepare", "--node", "MASTER", "--to", "CLIENT", "--id", "7"]);
    // Its place is taken by something else, which is found when most is moved already.
    std::fs::rename(demo.dir().join("client.db"), demo.dir().join("van.db")).unwrap();
    std::fs::create_dir(demo.dir().join("client.db")).unwrap();
    let (before, status) = (names(&demo.dir()), demo.status());
    demo.install(&["--overwrite"]).fails(3, &["client.db", "something is there already", "nothing was changed"]);
    assert_eq!((names(&demo.dir()), demo.status()), (before, status));
    assert_eq!(demo.json(&["verify"])["equal"], true);
    // The same where nothing was there: no folder is left behind.
    let demo = Demo::empty();
    std::fs::create_dir_all(demo.dir().join("master.db")).unwrap();
    demo.install(&[]).fails(3, &["master.db", "something is there already", "nothing was changed"]);
    assert_eq!(names(&demo.dir()), ["master.db/"]);
}

#[test]
fn a_demo_that_is_open_elsewhere_stays() {
    let demo = Demo::new();
    let open = rusqlite::Connection::open(demo.dir().join("master.db")).unwrap();
    let orders = || open.query_row("SELECT count(*) FROM orders", [], |r| r.get::<_, i64>(0)).unwrap();
    assert_eq!(orders(), 20);
    let status = demo.status();
    // client.db comes first, and nobody has it open.
    demo.install(&["--overwrite"]).fails(3, &["master.db is open in another program", "nothing was changed"]);
    assert_eq!((orders(), demo.status()), (20, status));
    assert!(!names(&demo.dir()).iter().any(|name| name.contains("before-restart")));
    drop(open);
    demo.install(&["--overwrite"]).ok();
}

#[test]
fn a_folder_is_named_and_no_file() {
    let demo = Demo::empty();
    let file = demo.home.path().join("shop.db");
    database(&file, "CREATE TABLE t (id INTEGER PRIMARY KEY)");
    let named = demo.bare(&["install", "--dir", file.to_str().unwrap(), "--overwrite"]);
    named.fails(2, &["is a file and no folder", "nothing was changed"]);
    demo.bare(&["--db", file.to_str().unwrap()])
        .fails(2, &["the window shows the demo", "shop.db status", "conflicts"]);
}

/// The window never comes up over databases that it cannot show; a display is not even asked for.
#[cfg(feature = "app")]
#[test]
fn the_window_is_not_started_on_other_databases() {
    let demo = Demo::empty();
    let shop = demo.dir().join("shop.db");
    tracked(&demo, &shop, "CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 'mine')");
    assert_eq!(demo.bare(&["copy", shop.to_str().unwrap(), demo.dir().join("van.db").to_str().unwrap()]).code, 0);
    let start = |dir: &Path| demo.bare(&["--dir", dir.to_str().unwrap()]);
    let before = files(&demo.dir());
    let said = start(&demo.dir());
    said.fails(3, &["cannot be shown", "shop.db is a node with other tables (t)", "van.db", "nothing was changed"]);
    said.fails(3, &[&format!("objsync status --db {}", shop.display()), "sync, conflicts, verify and check"]);
    assert_eq!(files(&demo.dir()), before);

    let plain = demo.home.path().join("plain");
    database(&plain.join("notes.db"), "CREATE TABLE t (id INTEGER PRIMARY KEY)");
    let before = files(&plain);
    start(&plain).fails(3, &["notes.db is no node", "objsync track", "nothing was changed"]);
    assert_eq!(files(&plain), before, "a demo was made among other databases, or they were touched");
}

//! Opening other folders, and a new demo in place of the old one: whole, or everything stays as it was.

use std::path::{Path, PathBuf};

use objsync::app::Engine;
use objsync::app::view::{Action, Backend};
use objsync::demo::install::{Installation, install};
use objsync::demo::populate::Amounts;
use objsync::sync::{Node, NodeId, NodeInfo, Progress, Role};

use super::Demo;

/// Two nodes with a table of their own, as `objsync track` and `copy` make them.
fn shop(dir: &Path) -> [PathBuf; 2] {
    let [shop, van] = ["shop.db", "van.db"].map(|name| dir.join(name));
    let sql = "CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 'mine')";
    rusqlite::Connection::open(&shop).unwrap().execute_batch(sql).unwrap();
    let info = NodeInfo { guid: NodeId::random(), name: "SHOP".into(), role: Role::Master };
    let (mut node, _) = Node::track(&shop, info, &[], &Progress::default()).unwrap();
    node.fresh_copy(&van, "VAN", Role::Client).unwrap();
    [shop, van]
}

fn bytes(files: &[PathBuf]) -> Vec<Vec<u8>> {
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn quantity(file: &Path, number: i64) -> i64 {
    let conn = rusqlite::Connection::open(file).unwrap();
    conn.query_row("SELECT quantity FROM orders WHERE order_num = ?1", [number], |r| r.get(0)).unwrap()
}

/// What is shown, what is changed and what a restart would put aside are the demo's still.
#[track_caller]
fn still_shows_the_demo(demo: &mut Demo) {
    let home = demo.dir.path().canonicalize().unwrap();
    let view = demo.view();
    assert_eq!((&view.dir, view.sides[0].name.as_str(), view.sides[0].orders), (&home, "MASTER", 20));
    assert_eq!(view.restart.files, ["client.db", "master.db"].map(|name| home.join(name)));
    demo.quantity(1, 1, 5);
    demo.run(Action::SyncBoth);
    assert_eq!(quantity(&home.join("master.db"), 1), 5, "what is done goes elsewhere");
    demo.quantity(1, 1, 6);
    demo.run(Action::SyncBoth);
}

#[test]
fn a_folder_of_other_tables_is_not_opened_and_nothing_changes() {
    let mut demo = Demo::new();
    demo.view();
    let own = tempfile::tempdir().unwrap();
    let files = shop(own.path());
    let (before, listed) = (bytes(&files), names(own.path()));
    let refused = demo.engine.run(Action::Open { dir: own.path().to_owned() }).unwrap_err();
    for words in ["the demo's tables only", "shop.db", "van.db", "(t)", "nothing was changed"] {
        assert!(refused.message.contains(words), "{words}: {refused:?}");
    }
    let commands = format!("objsync status --db {} --db {}", files[0].display(), files[1].display());
    assert!(refused.hint.contains(&commands), "{refused:?}");
    assert!(!format!("{refused:?}").to_lowercase().contains("restart"), "{refused:?}");
    still_shows_the_demo(&mut demo);
    assert!(Engine::open(own.path()).is_err());
    let refused = demo.engine.run(Action::NewEnvironment { dir: own.path().to_owned() }).unwrap_err();
    assert!(refused.message.contains("shop.db") && !refused.hint.contains("overwrite"), "{refused:?}");
    assert_eq!((bytes(&files), names(own.path())), (before, listed));

    // A demo among them makes no difference.
    let amounts = Amounts { items: 1, customers: 1, employees: 1, orders: 1 };
    let mixed = tempfile::tempdir().unwrap();
    drop(install(mixed.path(), &Installation { amounts, ..Installation::default() }, &Progress::default()).unwrap());
    let files = shop(mixed.path());
    let before = bytes(&files);
    let refused = demo.engine.run(Action::Open { dir: mixed.path().to_owned() }).unwrap_err();
    assert!(refused.message.contains("shop.db") && !refused.message.contains("master.db"), "{refused:?}");
    assert_eq!(bytes(&files), before);
    still_shows_the_demo(&mut demo);
}

#[test]
fn a_folder_that_cannot_be_read_to_the_end_is_not_opened() {
    let mut demo = Demo::new();
    demo.view();
    let other = Demo::new();
    // The schema is the demo's; a value that no program of the demo writes is found only when the rows are read.
    other.sql("client.db", "PRAGMA foreign_keys = OFF; UPDATE orders SET employee = 'nobody' WHERE order_num = 7");
    let refused = demo.engine.run(Action::Open { dir: other.dir.path().to_owned() }).unwrap_err();
    assert!(refused.message.contains(other.dir.path().to_str().unwrap()), "{refused:?}");
    still_shows_the_demo(&mut demo);
    // Nor one with less than two nodes, or with none.
    std::fs::remove_file(other.dir.path().join("client.db")).unwrap();
    let refused = demo.engine.run(Action::Open { dir: other.dir.path().to_owned() }).unwrap_err();
    assert!(refused.message.contains("one node only"), "{refused:?}");
    let file = demo.dir.path().join("master.db");
    let refused = demo.engine.run(Action::Open { dir: file }).unwrap_err();
    assert!(refused.message.contains("is a file"), "{refused:?}");
    still_shows_the_demo(&mut demo);
}

#[test]
fn a_tour_that_cannot_go_home_stays() {
    let mut demo = Demo::new();
    demo.run(Action::StartTour { scenario: 0, ready: false });
    let tour = demo.view().dir;
    let nowhere = demo.dir.path().join("nowhere");
    demo.engine.run(Action::Open { dir: nowhere }).unwrap_err();
    assert_eq!(demo.view().dir, tour);
    demo.run(Action::PlayStep { step: 0 });
}

#[test]
fn a_database_beside_the_demo_is_left_alone() {
    let mut demo = Demo::new();
    let notes = demo.dir.path().join("notes.db");
    let sql = "CREATE TABLE notes (text); INSERT INTO notes VALUES ('mine')";
    rusqlite::Connection::open(&notes).unwrap().execute_batch(sql).unwrap();
    let (before, listed) = (std::fs::read(&notes).unwrap(), names(demo.dir.path()));
    assert!(demo.engine.changed());
    let why = demo.view().restart.why_not.unwrap();
    assert!(why.contains("notes.db is no node"), "{why}");
    let text = demo.run(Action::Open { dir: demo.dir.path().to_owned() }).text;
    assert!(text.contains("notes.db is no node") && text.contains("left alone"), "{text}");
    let files = demo.view().restart.files;
    assert_eq!(files.len(), 3);
    let refused = demo.engine.run(Action::RestartDemo { files }).unwrap_err();
    assert!(refused.message.contains("notes.db") && refused.message.contains("nothing was changed"), "{refused:?}");
    assert_eq!((std::fs::read(&notes).unwrap(), names(demo.dir.path())), (before, listed));
    demo.run(Action::RandomOrders { side: 0, count: 1 });
    // Taken away, and a new demo can be made.
    std::fs::remove_file(&notes).unwrap();
    assert_eq!(demo.view().restart.why_not, None);
    demo.restart();
}

#[test]
fn a_restart_puts_aside_what_was_named_and_nothing_else() {
    let mut demo = Demo::new();
    demo.quantity(0, 1, 77);
    demo.run(Action::Prepare { side: 0, id: 5, file: None, overwrite: false });
    let named = demo.view().restart.files;
    let mut env = objsync::sync::Environment::open(demo.dir.path()).unwrap();
    env.add_client("NORTH", 0).unwrap();
    drop(env);
    let refused = demo.engine.run(Action::RestartDemo { files: named }).unwrap_err();
    assert!(refused.message.contains("not those that were named"), "{refused:?}");
    assert!(!names(demo.dir.path()).iter().any(|name| name.starts_with("before-restart-")));

    let text = demo.restart().text;
    let aside = names(demo.dir.path()).into_iter().find(|name| name.starts_with("before-restart-")).unwrap();
    assert!(text.contains(&aside), "{text}");
    let aside = demo.dir.path().join(aside);
    assert_eq!(names(&aside), ["client.db", "master.db", "north.db", "sets"]);
    assert_eq!(
        (quantity(&aside.join("master.db"), 1), names(&aside.join("sets"))),
        (77, vec!["syncFromMASTER-5.syncset".to_owned()])
    );
    assert_eq!(
        (demo.view().nodes, demo.view().sides[0].orders),
        (vec!["CLIENT".to_owned(), "MASTER".to_owned()], 1000)
    );
}

#[test]
fn a_restart_that_fails_leaves_the_demo_open() {
    let mut demo = Demo::new();
    let files = demo.view().restart.files;
    let open = rusqlite::Connection::open(demo.dir.path().join("master.db")).unwrap();
    open.query_row("SELECT count(*) FROM orders", [], |_| Ok(())).unwrap();
    let refused = demo.engine.run(Action::RestartDemo { files }).unwrap_err();
    assert!(refused.message.contains("master.db is open in another program"), "{refused:?}");
    drop(open);
    still_shows_the_demo(&mut demo);
}

//! Two nodes of tables that nobody made for objsync.
#![allow(dead_code, reason = "each test program uses its own part")]

use std::path::PathBuf;

use objsync::sync::*;

/// Two level nodes of the same tables.
pub struct Pair {
    pub dir: tempfile::TempDir,
    pub nodes: [Node; 2],
    sets: i64,
}

pub const WORKSHOP: [&str; 6] = ["country", "mechanic", "part", "stock", "job", "job_part"];

impl Pair {
    pub fn new(sql: &str, tables: &[&str]) -> Pair {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("workshop.db");
        rusqlite::Connection::open(&file).unwrap().execute_batch(sql).unwrap();
        let specs: Vec<ClassSpec> = tables
            .iter()
            .map(|t| ClassSpec { name: (*t).to_owned(), table: (*t).to_owned(), journaled: true })
            .collect();
        let info = NodeInfo { guid: NodeId::random(), name: "WORKSHOP".into(), role: Role::Master };
        let mut workshop = Node::create(&file, info, &specs).unwrap();
        let van = workshop.fresh_copy(&dir.path().join("van.db"), "VAN", Role::Client).unwrap();
        Pair { dir, nodes: [workshop, van], sets: 0 }
    }

    /// Two nodes that are there already.
    pub fn of(dir: tempfile::TempDir, nodes: [Node; 2]) -> Pair {
        Pair { dir, nodes, sets: 0 }
    }

    pub fn workshop() -> Pair {
        Pair::new(include_str!("../../assets/workshop.sql"), &WORKSHOP)
    }

    pub fn sql(&self, node: usize, sql: &str) {
        self.nodes[node].connection().execute_batch(sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
    }

    pub fn set(&mut self, from: usize) -> PathBuf {
        self.sets += 1;
        let file = self.dir.path().join(format!("{}.syncset", self.sets));
        let peer = self.nodes[1 - from].identity().unwrap();
        self.nodes[from].meet(&peer).unwrap();
        let options = PrepareOptions {
            id: self.sets,
            file: file.clone(),
            since: Since::Sent,
            upto: None,
            overwrite: false,
            compress: false,
            update_sync_time: true,
        };
        self.nodes[from].prepare(peer.info.guid, &options).unwrap();
        file
    }

    pub fn send(&mut self, from: usize) -> Report {
        let file = self.set(from);
        let preview = self.nodes[1 - from].preview(&file, ApplyOptions::default()).unwrap();
        let report = self.nodes[1 - from].apply(&file, ApplyOptions::default()).unwrap();
        assert_eq!(preview.report, report, "the preview is the apply");
        report
    }

    /// Both ways until nothing is left to send; then the two are the same and whole.
    pub fn level(&mut self) {
        for _ in 0..4 {
            for from in [1, 0] {
                self.send(from);
            }
        }
        assert!(self.send(0).objects.is_empty() && self.send(1).objects.is_empty(), "something is left to send");
        self.same();
    }

    pub fn same(&mut self) {
        for class in self.nodes[0].classes().to_vec() {
            let [a, b] = self.nodes.each_mut().map(|n| n.contents(&class.name).unwrap());
            let differ = Contents::differences(&[a, b]);
            assert!(differ.is_empty(), "{} differs: {differ:?}", class.name);
        }
        for node in &self.nodes {
            whole(node);
        }
    }

    pub fn text(&self, node: usize, sql: &str) -> String {
        let value = |r: &rusqlite::Row<'_>| Ok(format!("{:?}", r.get_ref(0)?));
        let conn = self.nodes[node].connection();
        let rows = conn.prepare(sql).unwrap().query_map([], value).unwrap().map(|r| r.unwrap()).collect::<Vec<_>>();
        rows.join("|")
    }

    pub fn both(&self, sql: &str) -> String {
        let [a, b] = [0, 1].map(|node| self.text(node, sql));
        assert_eq!(a, b, "{sql}");
        a
    }
}

/// All that the node keeps agrees, nothing dangles, indexes are right, and every row is exactly one object.
pub fn whole(node: &Node) {
    let flaws = node.check().unwrap().flaws;
    assert!(flaws.is_empty(), "{flaws:#?}");
    let conn = node.connection();
    let check: String = conn.query_row("PRAGMA integrity_check", [], |r| r.get(0)).unwrap();
    assert_eq!(check, "ok");
    let dangling = conn.prepare("PRAGMA foreign_key_check").unwrap().query_map([], |_| Ok(())).unwrap().count();
    assert_eq!(dangling, 0, "foreign keys dangle at {}", node.info().name);
    for class in node.classes() {
        let count = |table: &str| -> i64 {
            conn.query_row(&format!("SELECT count(*) FROM \"{table}\""), [], |r| r.get(0)).unwrap()
        };
        let table = &class.table;
        assert_eq!(count(table), count(&format!("objsync_object_{table}")), "{table} at {}", node.info().name);
    }
}

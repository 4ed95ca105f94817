//! Set files: what a set says is not believed until it is checked, and what its file may replace.

mod common;

use std::path::{Path, PathBuf};

use objsync::sync::*;

struct Pair {
    dir: tempfile::TempDir,
    master: Node,
    client: Node,
}

impl Pair {
    fn new() -> Pair {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("master.db");
        rusqlite::Connection::open(&file)
            .unwrap()
            .execute_batch(
                "CREATE TABLE kinds (id INTEGER PRIMARY KEY, name TEXT);
                 CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT, kind INTEGER REFERENCES kinds (id), size);",
            )
            .unwrap();
        let classes = [("Kind", "kinds"), ("Note", "notes")].map(|(name, table)| ClassSpec {
            name: name.into(),
            table: table.into(),
            journaled: true,
        });
        let info = NodeInfo { guid: NodeId(0x1111_1111_1111_1111), name: "MASTER".into(), role: Role::Master };
        let mut master = Node::create(&file, info, &classes).unwrap();
        let mut client = master.fresh_copy(&dir.path().join("client.db"), "CLIENT", Role::Client).unwrap();
        // Who signs is asked elsewhere; here it is what unsigned sets say.
        common::accept_unsigned(&mut client, &master);
        Pair { dir, master, client }
    }

    /// A pair of which MASTER has three changes to send, one of them of two objects.
    fn with_news() -> (Pair, PathBuf) {
        let mut pair = Pair::new();
        pair.master
            .edit(|edit| {
                edit.connection()
                    .execute_batch("INSERT INTO kinds VALUES (1, 'memo'); INSERT INTO notes VALUES (1, 'a', 1, 1.5)")?;
                Ok(())
            })
            .unwrap();
        pair.write("INSERT INTO notes VALUES (2, 'b', 1, x'00ff')");
        pair.write("INSERT INTO notes VALUES (3, 'c', NULL, NULL)");
        let file = pair.prepare(1, Since::Sent).unwrap().file;
        (pair, file)
    }

    fn write(&self, sql: &str) {
        self.master.connection().execute_batch(sql).unwrap();
    }

    fn prepare(&mut self, id: i64, since: Since) -> Result<Prepared> {
        let file = self.dir.path().join(format!("{id}.syncset"));
        let options =
            PrepareOptions { id, file, since, upto: None, overwrite: false, compress: false, update_sync_time: true };
        self.master.prepare(self.client.info().guid, &options)
    }

    fn apply(&mut self, file: &Path) -> Result<Report> {
        self.client.apply(file, ApplyOptions::default())
    }

    /// Everything in CLIENT's file.
    fn client_holds(&self) -> String {
        let conn = self.client.connection();
        let mut names = conn.prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").unwrap();
        let names: Vec<String> = names.query_map([], |r| r.get(0)).unwrap().map(|n| n.unwrap()).collect();
        let mut all = String::new();
        for name in names {
            let mut statement = conn.prepare(&format!("SELECT * FROM \"{name}\"")).unwrap();
            let columns = statement.column_count();
            let mut rows = statement.query([]).unwrap();
            while let Some(row) = rows.next().unwrap() {
                all += &(0..columns).map(|i| format!("{:?}|", row.get_ref(i).unwrap())).collect::<String>();
            }
        }
        all
    }

    fn refused(&mut self, file: &Path) -> Error {
        let before = self.client_holds();
        let error = self.apply(file).expect_err("it should be refused");
        assert_eq!(self.client_holds(), before, "a refusal changed something: {error}");
        assert!(!error.what_next().is_empty(), "no way out is named: {error}");
        assert!(error.message().contains("nothing was changed"), "{error}");
        error
    }
}

/// Writes a set whose header and lines were changed, with its digest put right, so that the inner checks are reached.
fn forge(original: &Path, to: &Path, change: impl FnOnce(&mut Vec<String>)) {
    std::fs::write(to, common::forge(&std::fs::read_to_string(original).unwrap(), change)).unwrap();
}

#[test]
fn a_forged_but_sound_set_is_applied_so_that_forging_tests_something() {
    let (mut pair, file) = Pair::with_news();
    let forged = pair.dir.path().join("forged");
    forge(&file, &forged, |_| {});
    let lines =
        |file: &Path| std::fs::read_to_string(file).unwrap().lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    let (signed, unsigned) = (lines(&file), lines(&forged));
    assert_eq!(signed[..signed.len() - 1], unsigned[..unsigned.len() - 1]);
    assert_eq!(pair.apply(&forged).unwrap().inserted, 4);
    let again = pair.apply(&file).unwrap();
    assert_eq!((again.inserted, again.skipped), (0, 4), "once more is nothing new");
}

#[test]
fn what_a_set_says_is_not_believed() {
    let (mut pair, file) = Pair::with_news();
    let bad = pair.dir.path().join("bad");
    let swap = |line: usize, from: &'static str, to: &'static str| {
        move |lines: &mut Vec<String>| {
            assert!(lines[line].contains(from), "{from} is not in {}", lines[line]);
            lines[line] = lines[line].replacen(from, to, 1);
        }
    };
    type Change = Box<dyn FnOnce(&mut Vec<String>)>;
    let cases: Vec<(&str, Change)> = vec![
        ("an object twice", Box::new(|l| l[2] = l[1].clone())),
        ("a class out of range", Box::new(swap(1, "\"c\":0", "\"c\":9"))),
        ("a node out of range", Box::new(swap(1, "\"o\":[0,", "\"o\":[7,"))),
        ("serial 0", Box::new(swap(1, "\"o\":[0,1]", "\"o\":[0,0]"))),
        ("a huge serial", Box::new(swap(1, "\"o\":[0,1]", "\"o\":[0,18446744073709551615]"))),
        ("a huge commit in the vector", Box::new(swap(1, "\"v\":[[0,1]]", "\"v\":[[0,18446744073709551615]]"))),
        ("an empty vector", Box::new(swap(1, "\"v\":[[0,1]]", "\"v\":[]"))),
        ("a node twice in the vector", Box::new(swap(1, "\"v\":[[0,1]]", "\"v\":[[0,1],[0,2]]"))),
        ("a commit out of range", Box::new(swap(1, "\"n\":[1]", "\"n\":[99]"))),
        ("a commit twice", Box::new(swap(1, "\"n\":[1]", "\"n\":[1,1]"))),
        ("no commit", Box::new(swap(1, "\"n\":[1]", "\"n\":[]"))),
        ("too few values", Box::new(swap(1, "\"p\":[\"memo\"]", "\"p\":[]"))),
        ("a reference where none is", Box::new(swap(1, "\"p\":[\"memo\"]", "\"p\":[[0,1]]"))),
        ("values of a deleted object", Box::new(swap(1, "\"e\":\"+\"", "\"e\":\"-\""))),
        ("an unknown key", Box::new(swap(1, "\"k\":1", "\"k\":1,\"z\":1"))),
        ("a range that ends before it starts", Box::new(swap(0, "\"start\":0", "\"start\":50"))),
        ("an end beyond the last commit", Box::new(swap(0, "\"number\":3", "\"number\":2"))),
        ("id 0", Box::new(swap(0, "\"id\":1,", "\"id\":0,"))),
        ("itself as the target", Box::new(swap(0, "\"target\":1", "\"target\":0"))),
        ("a class twice", Box::new(swap(0, "\"name\":\"Note\"", "\"name\":\"Kind\""))),
        ("no such role", Box::new(swap(0, "\"role\":\"client\"", "\"role\":\"king\""))),
    ];
    for (what, change) in cases {
        forge(&file, &bad, change);
        assert_eq!(pair.refused(&bad).refusal(), Some(Refusal::Damaged), "{what}");
    }
    let [known, newer] = [0, 1].map(|more| format!("\"format\":{}", syncset::FORMAT + more));
    forge(&file, &bad, move |lines: &mut Vec<String>| lines[0] = lines[0].replacen(&known, &newer, 1));
    assert_eq!(pair.refused(&bad).refusal(), Some(Refusal::NewerFormat));
    forge(&file, &bad, swap(0, "\"type\":\"TEXT\"", "\"type\":\"BLOB\""));
    let schema = pair.refused(&bad);
    assert_eq!(schema.refusal(), Some(Refusal::Schema));
    assert!(schema.message().contains("Kind.name is TEXT here and BLOB at the sender"), "{schema}");

    // Extreme, but sound: applied whole, and the node goes on working.
    forge(&file, &bad, |l| {
        swap(1, "\"k\":1", "\"k\":9223372036854775807")(l);
        let at = l[1].find("\"t\":").unwrap();
        let end = at + l[1][at..].find(',').unwrap();
        l[1].replace_range(at..end, "\"t\":9223372036854775807");
    });
    let report = pair.apply(&bad).unwrap();
    assert_eq!((report.inserted, report.warnings.len()), (4, 1), "{report:?}");
    assert!(report.warnings[0].contains("24 hours ahead"), "{report:?}");
    let before: i64 = pair.client.connection().query_row("SELECT clock FROM objsync_state", [], |r| r.get(0)).unwrap();
    assert!(before < i64::MAX / 2, "a doubtful time does not move the clock");
    pair.client.connection().execute("UPDATE notes SET text = 'z' WHERE id = 1", []).unwrap();
}

#[test]
fn a_set_is_never_overwritten_silently() {
    let (mut pair, file) = Pair::with_news();
    let before = std::fs::read(&file).unwrap();
    let again = pair.prepare(1, Since::Acknowledged).unwrap_err();
    assert!(again.message().contains("set 1 already"), "{again}");
    assert!(pair.prepare(0, Since::Sent).is_err());
    let options = PrepareOptions {
        id: 2,
        file: file.clone(),
        since: Since::Acknowledged,
        upto: None,
        overwrite: false,
        compress: false,
        update_sync_time: true,
    };
    let exists = pair.master.prepare(pair.client.info().guid, &options).unwrap_err();
    assert!(exists.message().contains("exists already"), "{exists}");
    let nowhere = PrepareOptions { file: pair.dir.path().join("no/such/folder/x"), ..options.clone() };
    let error = pair.master.prepare(pair.client.info().guid, &nowhere).unwrap_err();
    assert!(error.message().contains("nothing counts as sent"), "{error}");
    assert_eq!(std::fs::read(&file).unwrap(), before);
    assert_eq!(pair.master.set_records(10).unwrap().len(), 1);
    pair.master.prepare(pair.client.info().guid, &PrepareOptions { overwrite: true, ..options }).unwrap();
    assert_eq!(pair.apply(&file).unwrap().inserted, 4);
}

#[test]
fn a_database_is_never_replaced_by_a_set() {
    let (mut pair, file) = Pair::with_news();
    let peer = pair.client.info().guid;
    let wal = PathBuf::from(format!("{}-wal", pair.client.path().display()));
    for precious in [pair.client.path().to_owned(), pair.master.path().to_owned(), wal] {
        let options = PrepareOptions {
            id: 7,
            file: precious,
            since: Since::Acknowledged,
            upto: None,
            overwrite: true,
            compress: false,
            update_sync_time: true,
        };
        let error = pair.master.prepare(peer, &options).unwrap_err();
        assert!(error.message().contains("is a database"), "{error}");
    }
    assert_eq!(pair.apply(&file).unwrap().inserted, 4, "the databases are whole");
}

#[test]
fn a_replaced_set_carries_what_the_one_before_did() {
    let (mut pair, file) = Pair::with_news();
    pair.write("INSERT INTO notes VALUES (4, 'd', NULL, NULL)");
    let options = PrepareOptions {
        id: 1,
        file: file.clone(),
        since: Since::Sent,
        upto: None,
        overwrite: true,
        compress: false,
        update_sync_time: true,
    };
    pair.master.prepare(pair.client.info().guid, &options).unwrap();
    assert_eq!(pair.apply(&file).unwrap().inserted, 5);
}

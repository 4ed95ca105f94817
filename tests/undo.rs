//! Undoing commits, and a node as it was: on any tables, against what the rows really were.

mod common;

use std::collections::BTreeMap;

use common::pair::Pair;
use objsync::sync::*;

fn rows(node: &Node, sql: &str) -> Vec<String> {
    let mut statement = node.connection().prepare(sql).unwrap();
    let columns = statement.column_count();
    let row = |r: &rusqlite::Row<'_>| {
        let values = (0..columns).map(|i| format!("{:?}", r.get::<_, rusqlite::types::Value>(i).unwrap()));
        Ok(values.collect::<Vec<_>>().join("|"))
    };
    statement.query_map([], row).unwrap().map(|r| r.unwrap()).collect()
}

const TABLES: &str = "
CREATE TABLE shelf (code TEXT PRIMARY KEY, place TEXT) WITHOUT ROWID;
CREATE TABLE book (id INTEGER PRIMARY KEY, title TEXT UNIQUE, shelf TEXT REFERENCES shelf (code), copies INTEGER);
INSERT INTO shelf VALUES ('A', 'left'), ('B', 'right');
INSERT INTO book VALUES (1, 'one', 'A', 1), (2, 'two', 'A', 2), (3, 'three', 'B', 3);
";

fn library() -> Pair {
    Pair::new(TABLES, &["shelf", "book"])
}

const ALL: &str =
    "SELECT b.id, b.title, b.shelf, b.copies, s.place FROM book b JOIN shelf s ON s.code = b.shelf ORDER BY b.id";

/// One commit of several statements; its number.
fn commit(node: &mut Node, sql: &str) -> u64 {
    node.edit(|edit| Ok(edit.connection().execute_batch(sql)?)).unwrap();
    node.number().unwrap()
}

#[test]
fn a_commit_is_undone_whole_and_done_again() {
    let mut pair = library();
    let node = &mut pair.nodes[0];
    let before = rows(node, ALL);
    let number = commit(
        node,
        "INSERT INTO shelf VALUES ('C', 'cellar');
         UPDATE book SET shelf = 'C', copies = 9 WHERE id = 2;
         DELETE FROM book WHERE id = 3;
         INSERT INTO book VALUES (4, 'four', 'C', 4);",
    );
    let after = rows(node, ALL);
    assert_ne!(before, after);
    let would = node.preview_undo(number, number).unwrap();
    assert_eq!(rows(node, ALL), after, "a preview changes nothing");
    let undone = node.undo(number, number).unwrap();
    assert_eq!(would.objects, undone.objects);
    assert_eq!((rows(node, ALL), undone.kept.len()), (before.clone(), 0));
    // Undoing what undid it does it again, the same objects under the same numbers.
    let undoing = undone.number.unwrap();
    let again = node.undo(undoing, undoing).unwrap();
    assert_eq!((rows(node, ALL), again.kept.len()), (after.clone(), 0));
    // All of it travels as ordinary changes.
    pair.level();
    assert_eq!(rows(&pair.nodes[1], ALL), after);
}

#[test]
fn what_has_moved_on_stays_and_is_said() {
    let mut pair = library();
    let node = &mut pair.nodes[0];
    let number =
        commit(node, "UPDATE book SET copies = 10, title = 'first' WHERE id = 1; DELETE FROM book WHERE id = 2;");
    commit(node, "UPDATE book SET copies = 11 WHERE id = 1");
    let undone = node.undo(number, number).unwrap();
    // The title goes back, the copies that somebody changed since do not, and the deleted one comes back.
    assert_eq!(rows(node, "SELECT title, copies FROM book WHERE id = 1"), ["Text(\"one\")|Integer(11)"]);
    assert_eq!(rows(node, "SELECT count(*) FROM book WHERE title = 'two'"), ["Integer(1)"]);
    assert_eq!(undone.kept.len(), 1, "{:?}", undone.kept);
    assert!(undone.kept[0].contains("copies 11 was changed since"), "{:?}", undone.kept);
    // Nothing of it is left to be undone.
    let number_now = node.number().unwrap();
    let nothing = node.undo(number, number).unwrap();
    assert_eq!((nothing.number, node.number().unwrap()), (None, number_now));
}

#[test]
fn an_undo_that_does_not_fit_changes_nothing() {
    let mut pair = library();
    let node = &mut pair.nodes[0];
    let number = commit(node, "UPDATE book SET title = 'uno' WHERE id = 1");
    commit(node, "INSERT INTO book VALUES (5, 'one', 'A', 5)");
    let before = rows(node, ALL);
    let refused = node.undo(number, number).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Constraint, "{refused}");
    assert_eq!(rows(node, ALL), before);
}

/// The rows of a moment, by title: copies and shelf.
fn moment(node: &mut Node, number: u64, limit: usize) -> (BTreeMap<String, String>, bool) {
    let class = node.class("book").unwrap().clone();
    let at = |name: &str| class.property(name).unwrap();
    let moment = node.moment("book", number, limit).unwrap();
    let row = |o: &MomentObject| {
        let shelf = match &o.values[at("shelf")] {
            Value::Text(code) => code.clone(),
            other => format!("{other:?}"),
        };
        (o.values[at("title")].shown(), format!("{} {} {shelf}", o.key.unwrap(), o.values[at("copies")].shown()))
    };
    (moment.objects.iter().map(row).collect(), moment.more)
}

#[test]
fn a_class_is_shown_as_it_was_after_every_commit() {
    let mut pair = library();
    let node = &mut pair.nodes[0];
    let mut known = Vec::new();
    let steps = [
        "UPDATE book SET copies = 10 WHERE id = 1",
        "DELETE FROM book WHERE id = 2",
        "INSERT INTO book VALUES (7, 'seven', 'B', 7)",
        "UPDATE book SET copies = 11 WHERE id = 1; UPDATE book SET shelf = 'A' WHERE id = 3",
        "INSERT INTO book VALUES (2, 'another two', 'A', 22)",
        "UPDATE book SET id = 9 WHERE id = 7",
        "DELETE FROM book WHERE id = 1; UPDATE book SET copies = 0",
    ];
    let now = |node: &Node| -> Vec<String> { rows(node, "SELECT title, copies, shelf FROM book ORDER BY title") };
    let shown = |all: &BTreeMap<String, String>| -> Vec<String> {
        let row = |(title, rest): (&String, &String)| {
            let mut words = rest.split(' ').skip(1);
            let (copies, shelf) = (words.next().unwrap(), words.next().unwrap());
            format!("Text(\"{title}\")|Integer({copies})|Text(\"{shelf}\")")
        };
        all.iter().map(row).collect()
    };
    known.push((node.number().unwrap(), now(node)));
    for step in steps {
        let number = commit(node, step);
        known.push((number, now(node)));
    }
    for (number, rows) in &known {
        let (found, more) = moment(node, *number, 100);
        assert_eq!((shown(&found), more), (rows.clone(), false), "after commit {number}");
    }
    // No more than asked for, and it says so.
    let (found, more) = moment(node, known[3].0, 2);
    assert_eq!((found.len(), more), (2, true));
    assert!(found.contains_key("seven"), "not those with the highest keys: {found:?}");
}

#[test]
fn what_is_purged_cannot_be_told_any_more() {
    let mut pair = library();
    let first = commit(&mut pair.nodes[0], "UPDATE book SET copies = 10 WHERE id = 1");
    commit(&mut pair.nodes[0], "UPDATE book SET copies = 11 WHERE id = 1");
    pair.level();
    let node = &mut pair.nodes[0];
    let number = node.number().unwrap();
    node.purge(number).unwrap();
    let floor = node.floor().unwrap();
    assert!(floor > first, "nothing was purged, so there is nothing to see");
    let error = node.moment("book", first, 10).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Constraint);
    assert!(node.undo(first, first).is_err());
    let (found, _) = moment(node, number, 10);
    assert_eq!(found.len(), 3);
}

/// The cost is that of what has changed and what is shown: with a limit, a large table is not read.
#[test]
fn a_moment_of_a_large_table_reads_a_few_rows() {
    let mut pair = Pair::new("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER);", &["t"]);
    let node = &mut pair.nodes[0];
    let sql = "WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 50000) INSERT INTO t SELECT n, n FROM c";
    commit(node, sql);
    let before = node.number().unwrap();
    commit(node, "UPDATE t SET n = 0 WHERE id = 49999");
    let found = node.moment("t", before, 20).unwrap();
    assert_eq!(found.objects.iter().filter(|o| o.key == Some(49999)).count(), 1);
    assert_eq!(found.objects.len(), 20);
    // As `moment.rs` asks for what has not changed.
    let plan = rows(
        node,
        "EXPLAIN QUERY PLAN SELECT o.object FROM objsync_object_t o JOIN t ON t.id = o.key WHERE o.last IS NULL OR o.last < 5 ORDER BY o.key DESC LIMIT 20",
    );
    assert!(!plan.iter().any(|p| p.contains("TEMP B-TREE")), "the order needs no sorting: {plan:?}");
}

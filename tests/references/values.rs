//! What stands in a reference and names nothing, or names by another type; numbers that are hard to give.

use objsync::sync::*;

use crate::common::pair::Pair;

const BOOKS: &str = "CREATE TABLE book (id INTEGER PRIMARY KEY, title TEXT);
    CREATE TABLE page (id INTEGER PRIMARY KEY, book INTEGER REFERENCES book (id), text TEXT);
    CREATE TABLE loan (id INTEGER PRIMARY KEY, book TEXT REFERENCES book (id), who TEXT);
    CREATE TABLE mark (id INTEGER PRIMARY KEY, book REFERENCES book (id), text TEXT);
    INSERT INTO book VALUES (1, 'one');";
const TABLES: [&str; 4] = ["book", "page", "loan", "mark"];

#[test]
fn what_names_no_row_at_its_source_waits_and_is_never_bound_to_another_row() {
    for odd in ["'abc'", "x'31'", "1.5", "-9e999", "77", "0", "''", "'1x'", "x'01'"] {
        let mut pair = Pair::new(BOOKS, &TABLES);
        // The one that receives has rows with such numbers.
        pair.sql(0, "INSERT INTO book VALUES (0, 'zero'), (77, 'another')");
        pair.sql(1, &format!("PRAGMA foreign_keys = OFF; INSERT INTO page VALUES (5, {odd}, 'odd'); INSERT INTO page VALUES (6, 1, 'even')"));
        let report = pair.send(1);
        assert_eq!((report.inserted, report.requeued), (1, 1), "{odd}: {:?}", report.objects);
        let waiting = pair.nodes[0].requeue().unwrap();
        assert_eq!(waiting[0].cause, Cause::UnknownReference, "{odd}");
        assert!(waiting[0].reason.contains("named no book at the sender either"), "{odd}: {}", waiting[0].reason);
        assert_eq!(pair.text(0, "PRAGMA foreign_key_check"), "", "{odd}");
        assert_eq!(pair.text(0, "SELECT text FROM page"), pair.text(1, "SELECT text FROM page WHERE id = 6"), "{odd}");
        // What is broken at its source is found there.
        let flaws = pair.nodes[1].check().unwrap().flaws;
        assert!(flaws.listed.iter().any(|f| f.kind == FlawKind::DanglingReference), "{odd}: {flaws:#?}");
        // Corrected, it comes.
        pair.sql(1, "UPDATE page SET book = 1 WHERE id = 5");
        pair.level();
        assert_eq!(pair.both("SELECT count(*) FROM page WHERE book = 1"), "Integer(2)", "{odd}");
    }
}

#[test]
fn a_change_of_a_row_that_names_nothing_at_both_sides_alike_goes_through() {
    let sql = format!("PRAGMA foreign_keys = OFF; {BOOKS} INSERT INTO page VALUES (1, 0, 'a'), (2, 'none', 'b')");
    let mut pair = Pair::new(&sql, &TABLES);
    pair.sql(1, "PRAGMA foreign_keys = OFF; UPDATE page SET text = text || '!'");
    let report = pair.send(1);
    assert_eq!((report.updated, report.requeued), (2, 0), "{:?}", report.objects);
    pair.both("SELECT book || text FROM page ORDER BY id");
    // To name something else that is nothing is news, and waits.
    pair.sql(1, "UPDATE page SET book = 'no' WHERE id = 2");
    assert_eq!(pair.send(1).requeued, 1);
}

#[test]
fn a_text_or_a_real_that_is_a_number_names_the_row_with_that_number() {
    let mut pair = Pair::new(BOOKS, &TABLES);
    for (node, title) in [(0, "w"), (1, "v")] {
        pair.sql(
            node,
            &format!(
                "INSERT INTO book VALUES (2, '{title}'); INSERT INTO loan VALUES (1, 2, '{title}');
                      INSERT INTO mark VALUES (1, '2', '{title}'), (2, 2.0, '{title}'), (3, 2, '{title}')"
            ),
        );
    }
    pair.level();
    for node in [0, 1] {
        assert_eq!(
            pair.text(node, "SELECT count(*) FROM loan l JOIN book b ON b.id = l.book AND b.title = l.who"),
            "Integer(2)"
        );
        assert_eq!(
            pair.text(
                node,
                "SELECT count(*) FROM mark m JOIN book b ON b.id = CAST(m.book AS INTEGER) AND b.title = m.text"
            ),
            "Integer(6)"
        );
    }
}

#[test]
fn a_decision_for_what_names_nothing_binds_to_no_other_row() {
    let sql = format!("{BOOKS} INSERT INTO book VALUES (2, 'two'); INSERT INTO page VALUES (1, 1, 'a')");
    let mut pair = Pair::new(&sql, &TABLES);
    pair.sql(0, "INSERT INTO book VALUES (77, 'another'); UPDATE page SET book = 2");
    pair.sql(1, "PRAGMA foreign_keys = OFF; UPDATE page SET book = 77");
    let file = pair.set(1);
    let options = ApplyOptions { rule: Some(Rule::KeepOurs), ..ApplyOptions::default() };
    let report = pair.nodes[0].apply(&file, options).unwrap();
    let record = report.objects[0].conflict.unwrap();
    let error = pair.nodes[0].resolve(record, &Choice::Theirs, false).unwrap_err();
    assert!(error.message().contains("nothing was changed"), "{error}");
    assert_eq!(pair.text(0, "SELECT book FROM page"), "Integer(2)");
}

#[test]
fn the_greatest_number_leaves_room_for_others() {
    let sql = "CREATE TABLE t (id INTEGER PRIMARY KEY, v);
               INSERT INTO t VALUES (9223372036854775807, 'greatest'), (9223372036854775806, 'next'), (101, 'x'), (102, 'y'), (1, 'one')";
    let mut pair = Pair::new(sql, &["t"]);
    for node in [0, 1] {
        pair.sql(node, &format!("INSERT INTO t VALUES (100, 'a{node}'), (2, 'b{node}'), (3, 'c{node}'), (9223372036854775805, 'd{node}')"));
    }
    let report = pair.send(1);
    assert_eq!((report.inserted, report.requeued), (4, 0), "{:?}", report.objects);
    pair.level();
    assert_eq!(pair.text(0, "SELECT id FROM t WHERE v LIKE 'a%' ORDER BY id"), "Integer(100)|Integer(103)");
    assert_eq!(pair.text(0, "SELECT count(*) FROM t"), "Integer(13)");
    assert_eq!(
        pair.text(1, "SELECT group_concat(v) FROM (SELECT v FROM t ORDER BY v)"),
        pair.text(0, "SELECT group_concat(v) FROM (SELECT v FROM t ORDER BY v)")
    );
}

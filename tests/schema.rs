//! Tables that are altered while they are synchronized, by whatever program: columns added at one side first, in either order,
//! or renamed; and what cannot be followed is refused with what differs.

mod common;

use common::pair::{Pair, whole};
use common::{assert_same, dump};
use objsync::sync::*;

const NOTES: &str = "CREATE TABLE kind (id INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL, kind INTEGER REFERENCES kind (id));
    INSERT INTO kind VALUES (1, 'plain'); INSERT INTO notes VALUES (1, 'one', 1), (2, 'two', NULL), (3, 'three', 1);";

fn notes() -> Pair {
    Pair::new(NOTES, &["kind", "notes"])
}

fn property(node: &Node, name: &str) -> Property {
    let class = node.class("notes").unwrap();
    class.properties[class.property(name).unwrap()].clone()
}

/// Opens both anew, as programs do that come later.
fn reopen(pair: &mut Pair) {
    for node in &mut pair.nodes {
        let file = node.path().to_owned();
        *node = Node::open(&file).unwrap();
    }
}

#[test]
fn a_column_added_at_the_sender_first_loses_nothing() {
    for add in ["more TEXT", "more TEXT DEFAULT 'x'", "more INTEGER NOT NULL DEFAULT 5", "more DEFAULT 1.5"] {
        let mut pair = notes();
        pair.sql(0, &format!("ALTER TABLE notes ADD COLUMN {add}"));
        // Written before anybody could notice the column.
        pair.sql(
            0,
            "UPDATE notes SET more = '7' WHERE id = 1; INSERT INTO notes (id, text, more) VALUES (4, 'four', 8)",
        );
        let report = pair.send(0);
        assert_eq!((report.inserted, report.requeued, report.conflicts), (1, 0, 0), "{add}: {:?}", report.objects);
        assert!(property(&pair.nodes[1], "more").elsewhere, "kept beside the table");
        let columns = "SELECT group_concat(name) FROM pragma_table_info('notes')";
        assert_ne!(pair.text(0, columns), pair.text(1, columns), "nobody alters the user's table");
        pair.same();
        // Edited here, it goes back with what it had.
        pair.sql(1, "UPDATE notes SET text = 'uno' WHERE id = 1; INSERT INTO notes (id, text) VALUES (9, 'nine')");
        pair.sql(1, "DELETE FROM notes WHERE id = 4");
        let report = pair.send(1);
        assert_eq!((report.updated, report.inserted, report.deleted), (1, 1, 1), "{add}: {:?}", report.objects);
        assert_eq!(pair.text(0, "SELECT text, more = '7' FROM notes WHERE id = 1"), "Text([117, 110, 111])");
        assert_eq!(pair.text(0, "SELECT CAST(more AS INTEGER) FROM notes WHERE id = 1"), "Integer(7)");
        pair.level();
        reopen(&mut pair);
        // The table here has it, too, from now on, and what was kept is in it.
        pair.sql(1, &format!("ALTER TABLE notes ADD COLUMN {add}"));
        pair.sql(1, "UPDATE notes SET more = '99' WHERE id = 2");
        pair.level();
        assert!(!property(&pair.nodes[1], "more").elsewhere);
        assert_eq!(
            pair.both("SELECT CAST(more AS INTEGER) FROM notes WHERE id < 3 ORDER BY id"),
            "Integer(7)|Integer(99)"
        );
        pair.both("SELECT quote(more) FROM notes ORDER BY id");
        reopen(&mut pair);
        pair.level();
    }
}

#[test]
fn a_column_added_at_the_receiver_first_loses_nothing() {
    let mut pair = notes();
    pair.sql(1, "ALTER TABLE notes ADD COLUMN more TEXT DEFAULT 'x'");
    pair.sql(1, "UPDATE notes SET more = 'mine' WHERE id = 1");
    pair.sql(0, "UPDATE notes SET text = 'zwei' WHERE id = 2; INSERT INTO notes VALUES (5, 'five', NULL)");
    let report = pair.send(0);
    assert_eq!((report.updated, report.inserted, report.conflicts), (1, 1, 0), "{:?}", report.objects);
    assert_eq!(pair.text(1, "SELECT more FROM notes WHERE id <> 1 ORDER BY id"), ["Text([120])"; 3].join("|"));
    // A conflict about a row in which only the one side has the column: what that side wrote is in the record.
    pair.sql(0, "UPDATE notes SET text = 'eins' WHERE id = 1");
    let rule = Some(Rule::MergeProperties);
    let file = pair.set(0);
    let report = pair.nodes[1].apply(&file, ApplyOptions { rule, ..Default::default() }).unwrap();
    assert_eq!(report.combined, 1, "each side changed another property: {:?}", report.objects);
    assert_eq!(pair.text(1, "SELECT text || more FROM notes WHERE id = 1"), format!("Text({:?})", b"einsmine"));
    pair.level();
    pair.sql(0, "ALTER TABLE notes ADD COLUMN more TEXT DEFAULT 'x'");
    pair.level();
    assert_eq!(pair.both("SELECT more FROM notes WHERE id = 1"), format!("Text({:?})", b"mine"));
}

#[test]
fn what_was_before_a_column_is_read_with_its_default() {
    let mut pair = notes();
    pair.sql(0, "UPDATE notes SET text = 'zwei' WHERE id = 2");
    pair.sql(0, "ALTER TABLE notes ADD COLUMN more TEXT DEFAULT 'x'");
    let guid = pair.nodes[0].guid_of(pair.nodes[0].class("notes").unwrap(), 2).unwrap().unwrap();
    let history = pair.nodes[0].history("notes", guid).unwrap();
    let more = property(&pair.nodes[0], "more");
    assert_eq!(more.added, Some(Value::Text("x".into())));
    for state in &history {
        assert_eq!(state.filed.state.content.as_ref().unwrap()[2], Value::Text("x".into()), "{}", state.changes);
    }
    // So a change made elsewhere before the column is no conflict with having it.
    pair.sql(1, "UPDATE notes SET text = 'due' WHERE id = 1");
    pair.send(0);
    let report = pair.send(1);
    assert_eq!((report.updated, report.conflicts), (1, 0), "{:?}", report.objects);
    // Taken back, reverted, switched off and on, waiting: with the column aside, too.
    pair.sql(0, "UPDATE notes SET more = 'y', text = 'drei' WHERE id = 3; INSERT INTO notes VALUES (6, 'six', 1, 'z')");
    let before = pair.nodes[1].contents("notes").unwrap().digest();
    let file = pair.set(0);
    pair.nodes[1].apply(&file, ApplyOptions::default()).unwrap();
    let seq = pair.nodes[1].set_records(1).unwrap()[0].seq;
    pair.nodes[1].take_back(seq).unwrap();
    assert_eq!(pair.nodes[1].contents("notes").unwrap().digest(), before);
    pair.nodes[1].apply(&file, ApplyOptions::default()).unwrap();
    pair.same();
    let seq = pair.nodes[1].set_records(1).unwrap()[0].seq;
    pair.nodes[1].revert(seq).unwrap();
    pair.level();
    assert_eq!(pair.text(0, "SELECT more FROM notes WHERE id = 3"), "Text([120])", "reverted there as well");
    for node in &mut pair.nodes {
        node.journal_class("notes", false).unwrap();
    }
    pair.sql(0, "UPDATE notes SET more = 'off' WHERE id = 1");
    for node in &mut pair.nodes {
        node.journal_class("notes", true).unwrap();
    }
    pair.level();
    let copy = pair.dir.path().join("third.db");
    let mut third = pair.nodes[1].fresh_copy(&copy, "THIRD", Role::Client).unwrap();
    assert_eq!(third.contents("notes").unwrap().digest(), pair.nodes[0].contents("notes").unwrap().digest());
    whole(&third);
}

#[test]
fn a_column_that_refers_is_added_at_one_side_first() {
    let mut pair = notes();
    pair.sql(0, "ALTER TABLE notes ADD COLUMN other INTEGER REFERENCES notes (id)");
    pair.sql(1, "INSERT INTO notes VALUES (4, 'theirs', 1)");
    pair.sql(0, "INSERT INTO notes VALUES (4, 'ours', 1, 2); UPDATE notes SET other = 4 WHERE id = 1");
    pair.level();
    // The same object has another number there.
    assert_eq!(
        pair.text(0, "SELECT o.text FROM notes n JOIN notes o ON o.id = n.other WHERE n.id = 1"),
        format!("Text({:?})", b"ours")
    );
    pair.sql(1, "ALTER TABLE notes ADD COLUMN other INTEGER REFERENCES notes (id)");
    pair.level();
    assert_eq!(
        pair.both("SELECT o.text FROM notes n JOIN notes o ON o.id = n.other WHERE n.id = 1"),
        format!("Text({:?})", b"ours")
    );
}

#[test]
fn a_renamed_column_is_followed_here_and_refused_between_nodes_until_both_have_it() {
    let mut pair = notes();
    pair.sql(0, "UPDATE notes SET text = 'eins' WHERE id = 1; ALTER TABLE notes RENAME COLUMN text TO words");
    pair.sql(0, "UPDATE notes SET words = 'zwei' WHERE id = 2");
    let words = property(&pair.nodes[1], "text");
    assert!(words.formerly.is_empty());
    let file = pair.set(0);
    assert_eq!(property(&pair.nodes[0], "words").formerly, ["text"]);
    let before = dump(&pair.nodes[1]);
    let error = pair.nodes[1].apply(&file, ApplyOptions::default()).unwrap_err();
    assert_eq!(error.refusal(), Some(Refusal::Schema));
    assert!(error.message().contains("notes.text was renamed to words at the sender"), "{error}");
    assert!(error.what_next().contains("ALTER TABLE notes RENAME COLUMN text TO words"), "{error}");
    assert_same(&dump(&pair.nodes[1]), &before, "refused");
    pair.sql(1, "ALTER TABLE notes RENAME COLUMN text TO words");
    assert_eq!(pair.nodes[1].apply(&file, ApplyOptions::default()).unwrap().updated, 2);
    pair.level();
    // A key, too: of numbers that matters to nobody else.
    pair.sql(1, "ALTER TABLE notes RENAME COLUMN id TO number; UPDATE notes SET number = 30 WHERE number = 3");
    pair.sql(1, "UPDATE notes SET words = 'drei' WHERE number = 30");
    pair.level();
    assert_eq!(pair.text(0, "SELECT words FROM notes WHERE id = 3"), format!("Text({:?})", b"drei"));
}

#[test]
fn what_cannot_be_followed_is_refused_with_what_differs() {
    let rebuilt = |columns: &str, select: &str| {
        format!(
            "CREATE TABLE n2 ({columns}); INSERT INTO n2 SELECT {select} FROM notes; DROP TABLE notes; ALTER TABLE n2 RENAME TO notes;"
        )
    };
    for (sql, said) in [
        (rebuilt("id INTEGER PRIMARY KEY, kind INTEGER", "id, kind"), "the column notes.text is gone"),
        (
            rebuilt("id INTEGER PRIMARY KEY, text BLOB, kind INTEGER", "id, text, kind"),
            "the column notes.text was TEXT NOT NULL and is BLOB now",
        ),
        (
            rebuilt("id INTEGER PRIMARY KEY, text TEXT NOT NULL, kind INTEGER", "id, text, kind"),
            "is missing or another one",
        ),
        (
            rebuilt("id TEXT PRIMARY KEY, text TEXT NOT NULL, kind INTEGER", "id, text, kind"),
            "the primary key of notes is another one now",
        ),
        ("DROP TABLE notes".to_owned(), "there is no table `notes`"),
    ] {
        let pair = notes();
        let file = pair.nodes[0].path().to_owned();
        pair.sql(0, &format!("PRAGMA foreign_keys = OFF; {sql}"));
        let error = Node::open(&file).err().unwrap_or_else(|| panic!("{sql} was followed"));
        assert!(error.message().contains(said) && error.message().contains("nothing was changed"), "{sql}: {error}");
        assert!(!error.what_next().is_empty());
    }
    // SQLite lets nobody drop a column that the journal reads.
    let pair = notes();
    let error = pair.nodes[0].connection().execute_batch("ALTER TABLE notes DROP COLUMN kind").unwrap_err();
    assert!(error.to_string().contains("objsync_notes"), "{error}");
    // Two nodes that added it differently do not exchange.
    let mut pair = notes();
    pair.sql(0, "ALTER TABLE notes ADD COLUMN more TEXT DEFAULT 'x'; UPDATE notes SET more = 'y'");
    pair.sql(1, "ALTER TABLE notes ADD COLUMN more TEXT DEFAULT 'z'");
    let file = pair.set(0);
    let error = pair.nodes[1].apply(&file, ApplyOptions::default()).unwrap_err();
    assert!(
        error.message().contains("notes.more was added as \"x\" at the sender")
            || error.message().contains("notes.more was added as \"z\" here and as \"x\" at the sender"),
        "{error}"
    );
    let mut pair = notes();
    pair.sql(0, "ALTER TABLE notes ADD COLUMN more TEXT; UPDATE notes SET more = 'y'");
    pair.sql(1, "ALTER TABLE notes ADD COLUMN more INTEGER");
    let file = pair.set(0);
    let error = pair.nodes[1].apply(&file, ApplyOptions::default()).unwrap_err();
    assert!(error.message().contains("notes.more is INTEGER here and TEXT at the sender"), "{error}");
}

/// Rows of which values of one such column are kept beside the table have the default of the next one, too.
#[test]
fn columns_added_one_after_the_other_at_one_side_lose_nothing() {
    for second in ["most INTEGER DEFAULT 3", "most INTEGER NOT NULL DEFAULT 3"] {
        let mut pair = notes();
        pair.sql(0, "ALTER TABLE notes ADD COLUMN more TEXT; UPDATE notes SET more = 'x'");
        pair.sql(0, "INSERT INTO notes (id, text) VALUES (4, 'four')");
        pair.level();
        pair.sql(0, &format!("ALTER TABLE notes ADD COLUMN {second}"));
        pair.sql(0, "UPDATE notes SET most = 9 WHERE id = 2");
        pair.send(0);
        for (side, id) in [(1, 1), (1, 2), (1, 4)] {
            pair.sql(side, &format!("UPDATE notes SET text = 'z' WHERE id = {id}"));
        }
        let report = pair.send(1);
        assert_eq!((report.updated, report.conflicts, report.requeued), (3, 0, 0), "{:?}", report.objects);
        assert!(report.objects.iter().all(|o| !o.reason.contains("most")), "{:?}", report.objects);
        let kept = "SELECT most FROM notes ORDER BY id";
        assert_eq!(pair.text(0, kept), "Integer(3)|Integer(9)|Integer(3)|Integer(3)");
        pair.sql(1, "ALTER TABLE notes ADD COLUMN more TEXT");
        pair.sql(1, &format!("ALTER TABLE notes ADD COLUMN {second}"));
        pair.level();
        assert_eq!(pair.both(kept), "Integer(3)|Integer(9)|Integer(3)|Integer(3)");
    }
}

#[test]
fn a_column_added_with_another_default_at_each_side_is_no_equality() {
    let mut pair = notes();
    pair.sql(0, "ALTER TABLE notes ADD COLUMN more INTEGER DEFAULT 5");
    pair.sql(1, "ALTER TABLE notes ADD COLUMN more INTEGER DEFAULT 7");
    let found = verify(&mut pair.nodes).unwrap();
    assert!(!found.equal);
    assert!(
        found.disagree[0].contains("notes.more was added as 5 at") && found.disagree[0].contains("as 7 at"),
        "{found:?}"
    );
}

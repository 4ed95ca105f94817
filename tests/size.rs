//! Sets of many objects: judged in batches, packed or not; and what goes on can be followed and stopped at any step.

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{assert_same, assert_sound, dump, dump_but_points};
use objsync::sync::*;

const TABLES: &str = "CREATE TABLE box (id INTEGER PRIMARY KEY, name TEXT UNIQUE, next INTEGER REFERENCES thing (id));
    CREATE TABLE thing (id INTEGER PRIMARY KEY, box INTEGER NOT NULL REFERENCES box (id), note TEXT);";

struct Pair {
    dir: tempfile::TempDir,
    here: Node,
    there: Node,
    sets: i64,
}

impl Pair {
    fn new() -> Pair {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("here.db");
        rusqlite::Connection::open(&file).unwrap().execute_batch(TABLES).unwrap();
        let spec = |t: &str| ClassSpec { name: t.to_owned(), table: t.to_owned(), journaled: true };
        let info = NodeInfo { guid: NodeId(0x0b5c), name: "HERE".into(), role: Role::Master };
        let mut here = Node::create(&file, info, &[spec("box"), spec("thing")]).unwrap();
        let there = here.fresh_copy(&dir.path().join("there.db"), "THERE", Role::Client).unwrap();
        Pair { dir, here, there, sets: 0 }
    }

    /// One commit.
    fn write(node: &mut Node, sql: &str) {
        node.edit(|edit| Ok(edit.connection().execute_batch(sql)?)).unwrap();
    }

    fn options(&mut self, compress: bool) -> PrepareOptions {
        self.sets += 1;
        let file = self.dir.path().join(format!("{}.syncset", self.sets));
        PrepareOptions {
            id: self.sets,
            file,
            since: Since::Sent,
            upto: None,
            overwrite: false,
            compress,
            update_sync_time: true,
        }
    }

    fn set(&mut self, compress: bool) -> PathBuf {
        let options = self.options(compress);
        self.here.prepare(self.there.info().guid, &options).unwrap().file
    }

    fn same(&mut self) {
        for class in ["box", "thing"] {
            assert_eq!(
                self.here.contents(class).unwrap().digest(),
                self.there.contents(class).unwrap().digest(),
                "{class}"
            );
        }
        let dangling = self
            .there
            .connection()
            .prepare("PRAGMA foreign_key_check")
            .unwrap()
            .query_map([], |_| Ok(()))
            .unwrap()
            .count();
        assert_eq!(dangling, 0);
    }
}

fn in_batches(of: usize) -> ApplyOptions<'static> {
    ApplyOptions { batch: Some(of), ..ApplyOptions::default() }
}

#[test]
fn what_needs_each_other_across_batches_goes_through() {
    for batch in [1, 2, 3, 7] {
        let mut pair = Pair::new();
        // Filed last what is referred to first: the boxes come after the things in them.
        Pair::write(&mut pair.here, "INSERT INTO box (id, name) VALUES (1, 'a'), (2, 'b')");
        for n in 1..9 {
            Pair::write(&mut pair.here, &format!("INSERT INTO thing VALUES ({n}, {}, 'n')", 1 + n % 2));
        }
        Pair::write(&mut pair.here, "UPDATE box SET name = 'c' WHERE id = 1");
        Pair::write(&mut pair.here, "UPDATE box SET name = 'd' WHERE id = 2");
        // Round and round: each of two commits needs the other.
        Pair::write(&mut pair.here, "INSERT INTO box (id, name) VALUES (3, 'x')");
        Pair::write(&mut pair.here, "INSERT INTO thing VALUES (20, 3, 'y')");
        Pair::write(&mut pair.here, "UPDATE box SET next = 20 WHERE id = 3");
        let file = pair.set(false);
        let report = pair.there.apply(&file, in_batches(batch)).unwrap();
        assert_eq!((report.inserted, report.requeued), (12, 0), "batches of {batch}: {:?}", report.objects);
        pair.same();
        // Unique values change places between commits.
        Pair::write(&mut pair.here, "UPDATE box SET name = 'z' WHERE id = 1");
        Pair::write(&mut pair.here, "UPDATE box SET name = 'c' WHERE id = 2");
        Pair::write(&mut pair.here, "UPDATE box SET name = 'd' WHERE id = 1");
        Pair::write(&mut pair.here, "DELETE FROM thing WHERE id = 5");
        let file = pair.set(true);
        let report = pair.there.apply(&file, in_batches(batch)).unwrap();
        assert_eq!(
            (report.updated, report.deleted, report.requeued),
            (2, 1, 0),
            "batches of {batch}: {:?}",
            report.objects
        );
        pair.same();
        // What fits only together was filed as commits of their own all the same.
        assert_sound(std::slice::from_ref(&pair.there));
    }
}

/// Commits that touch each other's objects are one unit, and a unit larger than a batch goes in parts, as one commit.
#[test]
fn a_unit_larger_than_a_batch_is_applied_in_parts_and_comes_to_the_same() {
    let mut pair = Pair::new();
    Pair::write(&mut pair.here, "INSERT INTO box (id, name) VALUES (1, 'a'), (2, 'b')");
    Pair::write(&mut pair.here, "INSERT INTO thing VALUES (1, 1, 'x'), (2, 2, 'y'), (3, 1, 'z')");
    let file = pair.set(false);
    pair.there.apply(&file, ApplyOptions::default()).unwrap();
    // The deletion comes first, and a thing refers to a box that comes last.
    Pair::write(&mut pair.here, "DELETE FROM thing WHERE id = 1; INSERT INTO box (id, name) VALUES (3, 'c')");
    Pair::write(&mut pair.here, "INSERT INTO thing VALUES (4, 3, 'w'); UPDATE thing SET note = 'Y' WHERE id = 2");
    Pair::write(&mut pair.here, "UPDATE thing SET box = 3 WHERE id = 2; UPDATE box SET name = 'A' WHERE id = 1");
    Pair::write(
        &mut pair.here,
        "UPDATE box SET name = 'C', next = 4 WHERE id = 3; UPDATE box SET name = 'AA' WHERE id = 1",
    );
    // The other side, too, has changed one of them.
    Pair::write(&mut pair.there, "UPDATE thing SET note = 'mine' WHERE id = 2");
    let file = pair.set(false);
    let what =
        |report: &Report| -> Vec<(Guid, Outcome)> { report.objects.iter().map(|o| (o.guid, o.outcome)).collect() };
    let at_once = pair.there.preview(&file, ApplyOptions::default()).unwrap().report;
    assert_eq!((at_once.inserted, at_once.updated, at_once.deleted, at_once.conflicts), (2, 1, 1, 1));
    for batch in 1..5 {
        let in_parts = pair.there.preview(&file, in_batches(batch)).unwrap().report;
        assert_eq!(what(&in_parts), what(&at_once), "parts of {batch}");
    }
    let before = pair.there.number().unwrap();
    assert_eq!(what(&pair.there.apply(&file, in_batches(2)).unwrap()), what(&at_once));
    assert_eq!(pair.there.number().unwrap(), before + 1, "one commit");
    let query = "SELECT kind FROM objsync_journal WHERE number > ?1 ORDER BY pos";
    let kinds: Vec<i64> = {
        let mut kinds = pair.there.connection().prepare(query).unwrap();
        kinds.query_map([before], |r| r.get(0)).unwrap().map(Result::unwrap).collect()
    };
    assert_eq!((kinds.len(), kinds.last()), (5, Some(&3)), "in parts deletions come last: {kinds:?}");
    assert!(pair.there.check().unwrap().flaws.is_empty());
    let back = {
        let peer = pair.here.info().guid;
        let options = pair.options(true);
        pair.there.prepare(peer, &options).unwrap().file
    };
    assert_eq!(pair.here.apply(&back, in_batches(1)).unwrap().requeued, 0);
    pair.same();
}

/// Where not all of a large unit fits, nothing of it is applied in parts either.
#[test]
fn a_unit_larger_than_a_batch_waits_as_a_whole() {
    let mut pair = Pair::new();
    Pair::write(&mut pair.here, "INSERT INTO box (id, name) VALUES (1, 'a')");
    let file = pair.set(false);
    pair.there.apply(&file, ApplyOptions::default()).unwrap();
    Pair::write(&mut pair.there, "INSERT INTO box (id, name) VALUES (7, 'taken')");
    Pair::write(
        &mut pair.here,
        "INSERT INTO thing VALUES (1, 1, 'x'), (2, 1, 'y'); INSERT INTO box (id, name) VALUES (2, 'taken')",
    );
    let file = pair.set(false);
    let held = dump_but_points(&pair.there);
    for batch in [1, 2] {
        let report = pair.there.preview(&file, in_batches(batch)).unwrap().report;
        assert_eq!((report.requeued, report.total()), (3, 3), "parts of {batch}: {:?}", report.objects);
        assert!(report.objects.iter().any(|o| o.reason.contains("taken") || o.reason.contains("unique")), "{report:?}");
    }
    assert_same(&dump_but_points(&pair.there), &held, "a preview changed something");
    assert_eq!(pair.there.apply(&file, in_batches(2)).unwrap().requeued, 3);
    Pair::write(&mut pair.there, "UPDATE box SET name = 'free' WHERE id = 7");
    assert_eq!(pair.there.retry(in_batches(2)).unwrap().inserted, 3);
}

#[test]
fn many_objects_go_both_ways_packed_or_not_and_the_report_stays_short() {
    let mut pair = Pair::new();
    Pair::write(&mut pair.here, "INSERT INTO box (id, name) VALUES (1, 'a')");
    let many = Report::LINES + 500;
    Pair::write(&mut pair.here, "UPDATE box SET name = 'b'");
    pair.here
        .connection()
        .execute_batch(&format!(
            "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < {many}) INSERT INTO thing SELECT i, 1, 'note ' || i FROM n"
        ))
        .unwrap();
    // One that has to wait, filed last.
    pair.here
        .connection()
        .execute_batch(
            "PRAGMA foreign_keys = OFF; INSERT INTO thing VALUES (99999, 777, 'lost'); PRAGMA foreign_keys = ON",
        )
        .unwrap();
    let plain = pair.set(false);
    let options = PrepareOptions { since: Since::Number(0), ..pair.options(true) };
    let packed = pair.here.prepare(pair.there.info().guid, &options).unwrap().file;
    let [large, small] = [&plain, &packed].map(|f| f.metadata().unwrap().len());
    assert!(small * 3 < large, "{small} of {large} bytes");
    let [a, b] = [&plain, &packed].map(|f| syncset::read(f, syncset::Size::Usual).unwrap());
    assert_eq!(a.objects, b.objects, "packed is the same");
    let report = pair.there.apply(&packed, in_batches(300)).unwrap();
    assert_eq!((report.inserted, report.requeued), (many + 1, 1));
    assert_eq!((report.objects.len(), report.left_out), (Report::LINES, many + 2 - Report::LINES));
    assert!(report.objects.iter().any(|o| o.outcome == Outcome::Requeued), "what waits is listed before what is plain");
    assert!(report.warnings[0].contains("more are only counted"), "{:?}", report.warnings);
    assert_eq!(pair.there.set_records(1).unwrap()[0].report["objects"].as_array().unwrap().len(), Report::LINES);
    pair.here.connection().execute_batch("UPDATE thing SET box = 1 WHERE id = 99999").unwrap();
    let file = pair.set(true);
    assert_eq!(pair.there.apply(&file, ApplyOptions::default()).unwrap().inserted, 1);
    pair.same();
}

#[test]
fn a_damaged_packed_set_is_refused() {
    let mut pair = Pair::new();
    Pair::write(&mut pair.here, "INSERT INTO box (id, name) VALUES (1, 'a'), (2, 'b')");
    let file = pair.set(true);
    let good = std::fs::read(&file).unwrap();
    let (before, whole) = (dump(&pair.there), syncset::read(&file, syncset::Size::Usual).unwrap());
    let bad = pair.dir.path().join("bad");
    let refused = |node: &mut Node, bytes: &[u8], what: &str| {
        std::fs::write(&bad, bytes).unwrap();
        let error = node.apply(&bad, ApplyOptions::default()).err().unwrap_or_else(|| panic!("{what} was applied"));
        // A bit of the frame may change what the first line says, which is asked first: the format, from whom to whom, the key.
        let first_line = [Refusal::NewerFormat, Refusal::WrongNode, Refusal::Signature];
        let in_header = what == "a changed byte" && error.refusal().is_some_and(|why| first_line.contains(&why));
        assert!(in_header || error.refusal() == Some(Refusal::Damaged), "{what}: {error}");
    };
    for at in 0..good.len() {
        refused(&mut pair.there, &good[..at], "what is cut short");
        let mut changed = good.clone();
        changed[at] ^= 0x10;
        // Some bits of a frame only say how it was packed; what it unpacks to is what counts.
        std::fs::write(&bad, &changed).unwrap();
        if syncset::read(&bad, syncset::Size::Usual)
            .ok()
            .is_none_or(|set| set.digest != whole.digest || set.objects != whole.objects)
        {
            refused(&mut pair.there, &changed, "a changed byte");
        }
    }
    refused(&mut pair.there, &[good.as_slice(), b"x"].concat(), "what goes on after its end");
    refused(&mut pair.there, &[good.as_slice(), good.as_slice()].concat(), "a set twice");
    // Ever so much of nothing, on one line: read as far as a line may be long.
    let bomb = zstd_of_zeros();
    refused(&mut pair.there, &bomb, "a bomb");
    assert_same(&dump(&pair.there), &before, "a refusal changed something");
    pair.there.apply(&file, ApplyOptions::default()).unwrap();
    pair.same();
}

/// 64 MB of zero bytes, packed into a few kilobytes.
fn zstd_of_zeros() -> Vec<u8> {
    zstd::encode_all(&vec![0; 1 << 26][..], 1).unwrap()
}

/// Stops at the n-th step; tells how many there were.
fn stopping_at(n: usize) -> (Progress, Arc<AtomicUsize>) {
    let steps = Arc::new(AtomicUsize::new(0));
    let counted = steps.clone();
    let progress = Progress::watched(move |progress, _| {
        if counted.fetch_add(1, Ordering::SeqCst) + 1 == n {
            progress.cancel();
        }
    });
    (progress, steps)
}

/// Does something again and again, stopped at every step it has; each time everything is as before, until it is not stopped.
fn stopped_everywhere(node: &mut Node, folder: &Path, what: &str, mut work: impl FnMut(&mut Node) -> Result<()>) {
    let files = |folder: &Path| {
        let mut names: Vec<String> =
            std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.retain(|n| !n.ends_with("-wal") && !n.ends_with("-shm"));
        names.sort();
        names
    };
    let (before, there) = (dump_but_points(node), files(folder));
    for n in 1.. {
        let (progress, steps) = stopping_at(n);
        node.set_progress(progress).unwrap();
        let done = work(node);
        node.set_progress(Progress::default()).unwrap();
        let Err(error) = done else {
            assert!(
                steps.load(Ordering::SeqCst) < n && n > 2,
                "{what} went on after it was stopped, or tells no steps: {n}"
            );
            return;
        };
        assert_eq!(error.kind(), ErrorKind::Cancelled, "{what}: {error}");
        assert!(error.message().contains("nothing was changed"), "{error}");
        assert_same(&dump_but_points(node), &before, what);
        assert_eq!(files(folder), there, "{what} left files behind");
    }
}

#[test]
fn what_is_stopped_changes_nothing() {
    let mut pair = Pair::new();
    Pair::write(&mut pair.here, "INSERT INTO box (id, name) VALUES (1, 'a')");
    for n in 1..6 {
        Pair::write(&mut pair.here, &format!("INSERT INTO thing VALUES ({n}, 1, 'n')"));
    }
    Pair::write(&mut pair.there, "INSERT INTO box (id, name) VALUES (1, 'theirs')");
    let folder = pair.dir.path().to_owned();
    let (peer, options) = (pair.there.info().guid, pair.options(true));
    stopped_everywhere(&mut pair.here, &folder, "prepare", |node| node.prepare(peer, &options).map(drop));
    let file = options.file;
    stopped_everywhere(&mut pair.there, &folder, "preview", |node| node.preview(&file, in_batches(2)).map(drop));
    stopped_everywhere(&mut pair.there, &folder, "apply", |node| node.apply(&file, in_batches(2)).map(drop));
    stopped_everywhere(&mut pair.there, &folder, "verify", |node| node.contents("thing").map(drop));
    let copy = folder.join("copy.db");
    let pages = "CREATE TABLE ballast (b BLOB); INSERT INTO ballast VALUES (zeroblob(20000000))";
    pair.here.connection().execute_batch(pages).unwrap();
    stopped_everywhere(&mut pair.here, &folder, "copy", |node| node.fresh_copy(&copy, "COPY", Role::Client).map(drop));
    assert!(Node::open(&copy).is_ok());
    // Within one long statement, too.
    let progress = Progress::default();
    pair.here.set_progress(progress.clone()).unwrap();
    progress.cancel();
    let error = pair.here.edit(|edit| {
        let endless = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";
        Ok(edit.connection().query_row(endless, [], |r| r.get::<_, i64>(0))?)
    });
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Cancelled);
    progress.begin();
    assert_eq!(progress.now(), None);
}

#[test]
fn what_waits_is_the_same_in_any_batches_and_goes_through_when_it_can() {
    let mut said: Vec<Vec<String>> = Vec::new();
    for batch in [None, Some(1), Some(2), Some(3)] {
        let options = ApplyOptions { batch, ..ApplyOptions::default() };
        let mut pair = Pair::new();
        Pair::write(&mut pair.here, "INSERT INTO box (id, name) VALUES (1, 'a')");
        let file = pair.set(false);
        pair.there.apply(&file, options).unwrap();
        Pair::write(&mut pair.there, "INSERT INTO box (id, name) VALUES (7, 'taken')");
        Pair::write(
            &mut pair.here,
            "INSERT INTO box (id, name) VALUES (2, 'taken'); INSERT INTO thing VALUES (1, 1, 'with it')",
        );
        Pair::write(&mut pair.here, "INSERT INTO thing VALUES (2, 2, 'refers to what waits')");
        Pair::write(&mut pair.here, "INSERT INTO thing VALUES (3, 1, 'fits')");
        Pair::write(&mut pair.here, "INSERT INTO box VALUES (4, 'd', 2)");
        Pair::write(&mut pair.here, "INSERT INTO thing VALUES (4, 4, 'refers to one that refers to what waits')");
        let file = pair.set(true);
        let report = pair.there.apply(&file, options).unwrap();
        assert_eq!((report.inserted, report.requeued), (1, 5), "{batch:?}: {report:?}");
        said.push(report.objects.iter().map(|o| format!("{} {}: {}", o.class, o.name(), o.reason)).collect());
        let report = pair.there.retry(options).unwrap();
        assert_eq!((report.inserted, report.requeued), (0, 5), "{batch:?}: nothing is otherwise yet: {report:?}");
        // The way out that it names.
        Pair::write(&mut pair.there, "UPDATE box SET name = 'free' WHERE id = 7");
        let report = pair.there.retry(options).unwrap();
        assert_eq!((report.inserted, report.requeued), (5, 0), "{batch:?}: {report:?}");
    }
    said[1..].iter().for_each(|one| assert_eq!(*one, said[0], "said otherwise, or in another order, in small batches"));
}

/// What waits before a set is applied is remembered, so that the set can be taken back; but not without end.
#[test]
fn a_set_before_which_too_much_waited_is_not_taken_back() {
    let mut pair = Pair::new();
    let boxes = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 10000)
        INSERT INTO box (id, name) SELECT n, 'box ' || n FROM n";
    let hold = |_: &str, _: Guid| Some("held back".to_owned());
    let mut asked = Vec::new();
    for sql in [boxes, "INSERT INTO box (name) VALUES ('one')", "INSERT INTO box (name) VALUES ('more')"] {
        Pair::write(&mut pair.here, sql);
        let file = pair.set(true);
        pair.there.apply(&file, ApplyOptions { hold: Some(&hold), ..ApplyOptions::default() }).unwrap();
        let set = pair.there.set_records(1).unwrap().pop().unwrap();
        asked.push((set.seq, pair.there.can_take_back(&set).unwrap()));
    }
    let [(_, Ok(())), (_, Ok(())), (last, Err(why))] = &asked[..] else { panic!("{asked:?}") };
    assert!(why.contains("too much waited before it"), "{why}");
    let before = dump(&pair.there);
    let error = pair.there.take_back(*last).unwrap_err();
    assert!(error.message().contains(why) && error.message().contains("nothing was changed"), "{error}");
    assert_same(&dump(&pair.there), &before, "refused");
    assert_eq!(pair.there.requeue().unwrap().len(), 10_002);
}

#[test]
fn what_asks_for_more_memory_than_a_set_needs_is_refused() {
    use std::io::Write;
    let mut pair = Pair::new();
    Pair::write(&mut pair.here, "INSERT INTO box (id, name) VALUES (1, 'a')");
    let text = std::fs::read(pair.set(false)).unwrap();
    let before = dump(&pair.there);
    let bad = pair.dir.path().join("bad");
    let mut refused = |write: &dyn Fn(&mut zstd::Encoder<'_, std::fs::File>)| {
        let mut packed = zstd::Encoder::new(std::fs::File::create(&bad).unwrap(), 1).unwrap();
        write(&mut packed);
        packed.finish().unwrap();
        let error = pair.there.apply(&bad, ApplyOptions::default()).unwrap_err();
        assert_eq!(error.refusal(), Some(Refusal::Damaged), "{error}");
    };
    // A header, then one line without an end.
    refused(&|packed| {
        packed.write_all(&text[..=text.iter().position(|b| *b == b'\n').unwrap()]).unwrap();
        (0..300).for_each(|_| packed.write_all(&[b'['; 1 << 20]).unwrap());
    });
    // A window of 128 MB.
    refused(&|packed| {
        packed.window_log(27).unwrap();
        packed.write_all(&text).unwrap();
    });
    assert_same(&dump(&pair.there), &before, "a refusal changed something");
}

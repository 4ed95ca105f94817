//! What a damaged database is asked, and how it comes to be damaged.

use std::path::Path;

use objsync::sync::*;
use rusqlite::Connection;

use crate::worlds::{folder, prepare};

/// Opens a file so that nothing keeps its tables from taking anything.
pub fn unguarded(file: &Path) -> Connection {
    let conn = Connection::open(file).unwrap();
    let lenient = "PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON; PRAGMA writable_schema = ON;
                   UPDATE sqlite_master SET sql = replace(sql, ' NOT NULL', '') WHERE name GLOB 'objsync_*' AND type = 'table';";
    conn.execute_batch(lenient).unwrap();
    drop(conn);
    let conn = Connection::open(file).unwrap();
    conn.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON").unwrap();
    conn
}

/// A question's name, and how it is asked.
pub type Asked<'a> = (&'static str, Box<dyn Fn(&mut Node) -> Result<()> + 'a>);

/// What reaches most of the engine: a node is asked for all that it shows, and to do most of what it does.
pub fn questions<'a>(set: &'a Path, peer: &'a Path) -> Vec<Asked<'a>> {
    fn objects(node: &Node) -> Vec<(String, Guid)> {
        let of = |class: &Class| Some((class.name.clone(), node.keys(class).ok()?.last()?.1));
        node.classes().iter().filter_map(of).collect()
    }
    vec![
        ("check", Box::new(|n| n.check().map(drop))),
        ("status", Box::new(|n| Environment::open_files(&[n.path().to_owned()])?.status().map(drop))),
        ("journal", Box::new(|n| n.journal(&JournalQuery::default()).map(drop))),
        ("history", Box::new(|n| objects(n).iter().try_for_each(|(class, guid)| n.history(class, *guid).map(drop)))),
        ("conflicts", Box::new(|n| n.conflicts(100)?.iter().try_for_each(|r| n.conflict(r.id).map(drop)))),
        ("requeue", Box::new(|n| n.requeue().map(drop))),
        ("sets", Box::new(|n| n.set_records(10).map(drop))),
        ("contents", Box::new(|n| ["Note", "Pair"].iter().try_for_each(|class| n.contents(class).map(drop)))),
        ("moment", Box::new(|n| n.moment("Note", n.number()? / 2, 10).map(drop))),
        ("keys", Box::new(|n| n.known_keys().map(drop))),
        ("rules", Box::new(|n| n.rules().map(drop))),
        ("to send", Box::new(|n| n.peers()?.iter().try_for_each(|p| n.to_send(*p, 0).map(drop)))),
        ("verify", Box::new(|n| verify(&mut [Node::open(n.path())?, Node::open(peer)?]).map(drop))),
        ("prepare", Box::new(|n| prepare(n, &mut Node::open(peer)?, &folder().path().join("set"), None).map(drop))),
        ("preview", Box::new(|n| n.preview(set, ApplyOptions::default()).map(drop))),
        ("apply", Box::new(|n| n.apply(set, ApplyOptions::default()).map(drop))),
        ("preview a revert", Box::new(|n| n.preview_revert(n.set_records(1)?.first().map_or(1, |s| s.seq)).map(drop))),
        ("take back", Box::new(|n| n.take_back(n.set_records(1)?.first().map_or(1, |s| s.seq)).map(drop))),
        ("undo", Box::new(|n| n.preview_undo(1, n.number()?).map(drop))),
        ("resolve", Box::new(|n| n.resolve(1, &Choice::Theirs, true).map(drop))),
        ("retry", Box::new(|n| n.retry(ApplyOptions::default()).map(drop))),
        (
            "edit",
            Box::new(|n| {
                n.edit(|e| Ok(e.connection().execute_batch("UPDATE notes SET amount = 'e'; DELETE FROM words")?))
            }),
        ),
        (
            "journal a class",
            Box::new(|n| n.journal_class("Note", false).and_then(|_| n.journal_class("Note", true)).map(drop)),
        ),
        ("discard", Box::new(|n| n.discard(None).map(drop))),
        ("purge", Box::new(|n| n.purge(n.number()?).map(drop))),
        ("copy", Box::new(|n| n.fresh_copy(&folder().path().join("copy.db"), "COPY", Role::Client).map(drop))),
        ("rejoin", Box::new(|n| n.rejoin().map(drop))),
        ("moved", Box::new(|n| n.moved())),
    ]
}

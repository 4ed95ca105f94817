//! Signed sets: a node that is told to takes only sets that known nodes have signed, each once.

mod common;

use std::path::Path;

use common::pair::Pair;
use common::{assert_same, dump, forge};
use objsync::sync::*;

const NOTES: &str =
    "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT); INSERT INTO notes VALUES (1, 'one'), (2, 'two');";

fn strict() -> Pair {
    let mut pair = Pair::new(NOTES, &["notes"]);
    for node in &mut pair.nodes {
        node.require_signed(true).unwrap();
    }
    pair
}

/// Refused, with a way out, and nothing was changed.
fn refused(node: &mut Node, file: &Path, why: Refusal) -> Error {
    let before = dump(node);
    let error = node.apply(file, ApplyOptions::default()).map(|r| panic!("it was applied: {r:?}")).unwrap_err();
    assert_eq!(error.refusal(), Some(why), "{error}");
    assert!(error.message().contains("nothing was changed") && !error.what_next().is_empty(), "{error}");
    assert_same(&dump(node), &before, "a refusal changed something");
    error
}

#[test]
fn copies_know_each_other_by_key_and_sets_go_both_ways() {
    let mut pair = strict();
    let [a, b] = pair.nodes.each_ref().map(|n| n.public_key(n.info().guid).unwrap().unwrap());
    assert_ne!(a, b, "a copy has a key of its own");
    assert_eq!(pair.nodes[0].public_key(pair.nodes[1].info().guid).unwrap(), Some(b));
    assert_eq!(pair.nodes[1].public_key(pair.nodes[0].info().guid).unwrap(), Some(a));
    pair.sql(0, "UPDATE notes SET text = 'uno' WHERE id = 1");
    pair.sql(1, "UPDATE notes SET text = 'due' WHERE id = 2");
    pair.level();
    // The secret of the one is nowhere in the file of the other.
    let secret: Vec<u8> =
        pair.nodes[0].connection().query_row("SELECT secret FROM objsync_state", [], |r| r.get(0)).unwrap();
    let copy = pair.nodes[0].fresh_copy(&pair.dir.path().join("third.db"), "THIRD", Role::Client).unwrap();
    let holds = |file: &Path| std::fs::read(file).unwrap().windows(32).any(|w| w == secret);
    pair.nodes[0].connection().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    assert!(holds(pair.nodes[0].path()), "or this test tests nothing");
    assert!(!holds(copy.path()) && !holds(pair.nodes[1].path()));
}

#[test]
fn what_nobody_known_has_signed_is_refused() {
    let mut pair = strict();
    pair.sql(0, "UPDATE notes SET text = 'uno' WHERE id = 1");
    let file = pair.set(0);
    let text = std::fs::read_to_string(&file).unwrap();
    let bad = pair.dir.path().join("bad.syncset");
    // Changed, with the digest put right, and with no signature.
    std::fs::write(&bad, forge(&text, |lines| lines[1] = lines[1].replace("uno", "eins"))).unwrap();
    let error = refused(&mut pair.nodes[1], &bad, Refusal::Signature);
    assert!(error.message().contains("not signed"), "{error}");
    // The same with the old signature; and any changed byte of the closing line.
    let (body, closing) = text.trim_end().rsplit_once('\n').unwrap();
    let forged = forge(&text, |lines| lines[0] = text.lines().next().unwrap().replace("WORKSHOP", "WORKSHOQ"));
    let (forged_body, forged_closing) = forged.trim_end().rsplit_once('\n').unwrap();
    let signature = &closing[closing.find(",\"signature\"").unwrap()..];
    std::fs::write(&bad, format!("{forged_body}\n{}{signature}\n", forged_closing.trim_end_matches('}'))).unwrap();
    let error = refused(&mut pair.nodes[1], &bad, Refusal::Damaged);
    assert!(error.message().contains("its signature is not its sender's"), "{error}");
    for at in 0..closing.len() {
        let mut changed = closing.as_bytes().to_vec();
        changed[at] ^= 1;
        std::fs::write(&bad, [body.as_bytes(), b"\n", &changed, b"\n"].concat()).unwrap();
        refused(&mut pair.nodes[1], &bad, Refusal::Damaged);
    }
    // Made and signed by somebody who says to be WORKSHOP: a copy of its file that got a key of its own.
    let guid = pair.nodes[0].info().guid;
    let peer = pair.nodes[1].identity().unwrap();
    let path = pair.dir.path().join("impostor.db");
    let mut impostor = pair.nodes[0].fresh_copy(&path, "X", Role::Master).unwrap();
    let own = impostor.public_key(impostor.info().guid).unwrap().unwrap();
    impostor.meet(&peer).unwrap();
    let n: i64 = impostor
        .connection()
        .query_row("SELECT n FROM objsync_node WHERE guid = ?1", [guid.0 as i64], |r| r.get(0))
        .unwrap();
    impostor
        .connection()
        .execute_batch(&format!(
            "UPDATE objsync_state SET node = {n};
         UPDATE objsync_node SET public = (SELECT public FROM objsync_node WHERE name = 'X') WHERE n = {n};
         UPDATE notes SET text = 'evil'"
        ))
        .unwrap();
    drop(impostor);
    let mut impostor = Node::open(&path).unwrap();
    assert_eq!(impostor.info().guid, guid);
    let options = PrepareOptions {
        id: 666,
        file: bad.with_extension("2"),
        since: Since::Number(0),
        upto: None,
        overwrite: true,
        compress: false,
        update_sync_time: true,
    };
    impostor.prepare(peer.info.guid, &options).unwrap();
    let error = refused(&mut pair.nodes[1], &options.file, Refusal::Signature);
    assert!(error.message().contains(&own.to_string()) && error.message().contains("somebody else made it"), "{error}");
    // Also where signatures are not demanded: a key that is known is the only one.
    pair.nodes[1].require_signed(false).unwrap();
    refused(&mut pair.nodes[1], &options.file, Refusal::Signature);
    pair.nodes[1].require_signed(true).unwrap();
    pair.nodes[1].apply(&file, ApplyOptions::default()).unwrap();
    pair.level();
}

#[test]
fn a_set_is_taken_once_and_never_after_a_newer_one() {
    let mut pair = strict();
    pair.sql(0, "UPDATE notes SET text = 'uno' WHERE id = 1");
    let first = pair.set(0);
    pair.sql(0, "UPDATE notes SET text = 'due' WHERE id = 2");
    let second = pair.set(0);
    pair.nodes[1].apply(&first, ApplyOptions::default()).unwrap();
    let error = refused(&mut pair.nodes[1], &first, Refusal::Signature);
    assert!(error.message().contains("takes none twice"), "{error}");
    pair.nodes[1].apply(&second, ApplyOptions::default()).unwrap();
    refused(&mut pair.nodes[1], &first, Refusal::Signature);
    // Taken back, it may come again.
    let seq = pair.nodes[1].set_records(1).unwrap()[0].seq;
    pair.nodes[1].take_back(seq).unwrap();
    pair.nodes[1].apply(&second, ApplyOptions::default()).unwrap();
    pair.level();
}

#[test]
fn what_a_stranger_says_of_keys_is_not_believed() {
    let mut pair = Pair::new(NOTES, &["notes"]);
    pair.nodes[1].rejoin().unwrap();
    let third = pair.nodes[1].fresh_copy(&pair.dir.path().join("third.db"), "THIRD", Role::Client).unwrap();
    let strangers = [pair.nodes[1].info().guid, third.info().guid];
    pair.sql(1, "UPDATE notes SET text = 'uno' WHERE id = 1");
    let file = pair.set(1);
    let said = syncset::read_header(&file).unwrap().keys;
    assert!(strangers.iter().all(|guid| said.iter().any(|(node, _)| node == guid)), "it says both: {said:?}");
    assert_eq!(pair.nodes[0].apply(&file, ApplyOptions::default()).unwrap().updated, 1, "nobody demands signatures");
    assert_eq!(strangers.map(|guid| pair.nodes[0].public_key(guid).unwrap()), [None, None]);
}

#[test]
fn an_unknown_key_is_refused_until_it_is_trusted_and_known_nodes_vouch() {
    let mut pair = strict();
    pair.sql(1, "UPDATE notes SET text = 'uno' WHERE id = 1");
    pair.level();
    // A file that rejoins has a new name and a new key.
    pair.sql(1, "UPDATE notes SET text = 'due' WHERE id = 2");
    pair.nodes[1].rejoin().unwrap();
    let guid = pair.nodes[1].info().guid;
    let key = pair.nodes[1].public_key(guid).unwrap().unwrap();
    let peer = pair.nodes[0].info().guid;
    let file = pair.dir.path().join("rejoined.syncset");
    let options = PrepareOptions {
        id: 1,
        file: file.clone(),
        since: Since::Acknowledged,
        upto: None,
        overwrite: true,
        compress: false,
        update_sync_time: true,
    };
    pair.nodes[1].prepare(peer, &options).unwrap();
    let error = refused(&mut pair.nodes[0], &file, Refusal::Signature);
    assert!(
        error.message().contains("knows no key") && error.what_next().contains(&format!("keys trust {guid} {key}")),
        "{error}"
    );
    pair.nodes[0].trust(guid, key).unwrap();
    pair.nodes[0].apply(&file, ApplyOptions::default()).unwrap();
    // A third, known to the first, is known to the second by the first one's next set.
    let third = pair.nodes[0].fresh_copy(&pair.dir.path().join("third.db"), "THIRD", Role::Client).unwrap();
    assert_eq!(pair.nodes[1].public_key(third.info().guid).unwrap(), None);
    pair.send(0);
    assert_eq!(pair.nodes[1].public_key(third.info().guid).unwrap(), third.public_key(third.info().guid).unwrap());
    assert!("zz".parse::<PublicKey>().is_err());
    assert_eq!(key.to_string().parse::<PublicKey>().unwrap(), key);
    assert!(pair.nodes[0].trust(peer, key).is_err(), "its own is its own");
}

//! Whose sets a node takes: those that are signed by a node that it knows; and what it believes of what they say.

mod common;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::pair::Pair;
use common::{assert_same, dump, forge, lie, secret};
use objsync::sync::syncset::Size;
use objsync::sync::*;
use serde_json::{Value as Json, json};

const NOTES: &str =
    "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT); INSERT INTO notes VALUES (1, 'one'), (2, 'two');";

fn pair() -> Pair {
    Pair::new(NOTES, &["notes"])
}

/// A node that has never been in touch with the two, and a set of it for one of them.
fn stranger(pair: &Pair, target: usize) -> (Node, PathBuf) {
    let file = pair.dir.path().join("stranger.db");
    rusqlite::Connection::open(&file).unwrap().execute_batch(NOTES).unwrap();
    let info = NodeInfo { guid: NodeId::random(), name: "STRANGER".into(), role: Role::Client };
    let notes = ClassSpec { name: "notes".into(), table: "notes".into(), journaled: true };
    let mut node = Node::create(&file, info, &[notes]).unwrap();
    let set = prepare(&mut node, &pair.nodes[target], Since::Number(0), &pair.dir.path().join("strange.syncset"));
    (node, set)
}

/// A set from one for the other, which learns nothing of the one.
fn prepare(from: &mut Node, to: &Node, since: Since, file: &Path) -> PathBuf {
    from.meet(&to.identity().unwrap()).unwrap();
    prepare_unseen(from, to.info().guid, since, file)
}

/// The same, where the other's file is not at hand.
fn prepare_unseen(from: &mut Node, to: NodeId, since: Since, file: &Path) -> PathBuf {
    let options = PrepareOptions {
        id: from.next_set_id().unwrap(),
        file: file.to_owned(),
        since,
        upto: None,
        overwrite: true,
        compress: false,
        update_sync_time: true,
    };
    from.prepare(to, &options).unwrap().file
}

/// The same set with another header, signed by its sender.
fn with_header(file: &Path, sender: &Node, change: impl FnOnce(&mut Json)) -> PathBuf {
    let lied = lie(&std::fs::read_to_string(file).unwrap(), &secret(sender), |lines| {
        let mut header: Json = serde_json::from_str(&lines[0]).unwrap();
        change(&mut header);
        lines[0] = header.to_string();
    });
    let to = file.with_extension("lied");
    std::fs::write(&to, lied).unwrap();
    to
}

fn joining() -> ApplyOptions<'static> {
    ApplyOptions { join: true, ..Default::default() }
}

/// Refused, with a way out, and nothing was changed.
fn refused(node: &mut Node, file: &Path, why: Refusal) -> Error {
    let before = dump(node);
    let error = node.apply(file, joining()).map(|r| panic!("it was applied: {r:?}")).unwrap_err();
    assert_eq!(error.refusal(), Some(why), "{error}");
    assert!(error.message().contains("nothing was changed") && !error.what_next().is_empty(), "{error}");
    assert_same(&dump(node), &before, "a refusal changed something");
    error
}

#[test]
fn copies_know_each_other_by_key_and_sets_go_both_ways() {
    let mut pair = pair();
    let [a, b] = pair.nodes.each_ref().map(|n| n.public_key(n.info().guid).unwrap().unwrap());
    assert_ne!(a, b, "a copy has a key of its own");
    assert_eq!(pair.nodes[0].public_key(pair.nodes[1].info().guid).unwrap(), Some(b));
    assert_eq!(pair.nodes[1].public_key(pair.nodes[0].info().guid).unwrap(), Some(a));
    pair.sql(0, "UPDATE notes SET text = 'uno' WHERE id = 1");
    pair.sql(1, "UPDATE notes SET text = 'due' WHERE id = 2");
    pair.level();
    // The secret of the one is nowhere in the file of the other.
    let secret = secret(&pair.nodes[0]);
    let copy = pair.nodes[0].fresh_copy(&pair.dir.path().join("third.db"), "THIRD", Role::Client).unwrap();
    let holds = |file: &Path| std::fs::read(file).unwrap().windows(32).any(|w| w == secret);
    pair.nodes[0].connection().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    assert!(holds(pair.nodes[0].path()), "or this test tests nothing");
    assert!(!holds(copy.path()) && !holds(pair.nodes[1].path()));
}

#[test]
fn what_nobody_known_has_signed_is_refused() {
    let mut pair = pair();
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
    // Also where unsigned sets are taken: a key that is known is the only one.
    pair.nodes[1].accept_unsigned(guid, true).unwrap();
    refused(&mut pair.nodes[1], &options.file, Refusal::Signature);
    pair.nodes[1].apply(&file, ApplyOptions::default()).unwrap();
    pair.level();
}

#[test]
fn a_set_is_taken_once_and_never_after_a_newer_one() {
    let mut pair = pair();
    pair.nodes[1].take_each_once(true).unwrap();
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
fn an_unsigned_set_is_taken_only_of_whom_that_was_said() {
    let mut pair = pair();
    let source = pair.nodes[0].info().guid;
    pair.sql(0, "UPDATE notes SET text = 'uno' WHERE id = 1");
    let file = pair.set(0);
    let unsigned = pair.dir.path().join("unsigned.syncset");
    std::fs::write(&unsigned, forge(&std::fs::read_to_string(&file).unwrap(), |_| {})).unwrap();
    let error = refused(&mut pair.nodes[1], &unsigned, Refusal::Signature);
    assert!(error.what_next().contains(&format!("keys accept-unsigned {source}")), "{error}");
    let van = &mut pair.nodes[1];
    van.accept_unsigned(source, true).unwrap();
    assert!(van.known_keys().unwrap().iter().any(|known| known.node.guid == source && known.unsigned));
    van.take_each_once(true).unwrap();
    refused(van, &unsigned, Refusal::Signature);
    van.take_each_once(false).unwrap();
    assert_eq!(van.apply(&unsigned, ApplyOptions::default()).unwrap().updated, 1);
    van.accept_unsigned(source, false).unwrap();
    refused(van, &unsigned, Refusal::Signature);
    van.accept_unsigned(van.info().guid, true).unwrap_err();
}

#[test]
fn an_unknown_node_is_refused_until_it_is_introduced() {
    type Introduce = fn(&mut Node, &Node, &Path);
    let ways: [(&str, Introduce); 3] = [
        ("at hand", |here, stranger, _| here.meet(&stranger.identity().unwrap()).unwrap()),
        ("by hand", |here, stranger, _| {
            let guid = stranger.info().guid;
            here.trust(guid, stranger.public_key(guid).unwrap().unwrap()).unwrap();
        }),
        ("by an invitation", |here, stranger, folder| {
            let file = folder.join("STRANGER.invitation");
            stranger.write_invitation(&file).unwrap();
            let invited = here.accept_invitation(&file).unwrap();
            assert_eq!(invited, stranger.identity().unwrap());
            assert_eq!(here.accept_invitation(&file).unwrap(), invited, "once more is nothing new");
        }),
    ];
    for (way, introduce) in ways {
        let mut pair = pair();
        let (stranger, file) = stranger(&pair, 0);
        let (guid, own) = (stranger.info().guid, stranger.public_key(stranger.info().guid).unwrap().unwrap());
        let error = refused(&mut pair.nodes[0], &file, Refusal::Signature);
        assert!(error.message().contains("does not know yet"), "{error}");
        assert!(error.what_next().contains(&format!("keys trust {guid} {own}")), "{error}");
        introduce(&mut pair.nodes[0], &stranger, pair.dir.path());
        assert_eq!(pair.nodes[0].public_key(guid).unwrap(), Some(own), "{way}");
        pair.nodes[0].apply(&file, joining()).unwrap_or_else(|e| panic!("{way}: {e}"));
        let known = pair.nodes[0].known_keys().unwrap().into_iter().find(|known| known.node.guid == guid).unwrap();
        assert_eq!((known.node.name.as_str(), known.vouched_by), ("STRANGER", None), "{way}");
    }
}

#[test]
fn who_is_made_of_the_file_of_a_known_node_is_introduced_by_its_key() {
    let mut pair = pair();
    pair.sql(1, "UPDATE notes SET text = 'uno' WHERE id = 1");
    pair.level();
    // Twice: nobody has ever heard of the one between.
    for text in ["due", "tre"] {
        pair.sql(1, &format!("UPDATE notes SET text = '{text}' WHERE id = 2"));
        pair.nodes[1].rejoin().unwrap();
    }
    let [workshop, van_now] = &mut pair.nodes;
    let guid = van_now.info().guid;
    let own = van_now.public_key(guid).unwrap().unwrap();
    let file = prepare(van_now, workshop, Since::Acknowledged, &pair.dir.path().join("rejoined.syncset"));
    // A certificate that was changed is none.
    let changed = with_header(&file, van_now, |header| {
        let nodes = header["nodes"].as_array_mut().unwrap();
        let node = nodes.iter_mut().find(|node| node["guid"] == guid.to_string()).unwrap();
        let was = node["introduction"].as_str().unwrap().to_owned();
        let first = if was.starts_with('0') { "1" } else { "0" };
        node["introduction"] = format!("{first}{}", &was[1..]).into();
    });
    let error = refused(workshop, &changed, Refusal::Signature);
    assert!(error.message().contains("does not know yet"), "{error}");
    let ring = with_header(&file, van_now, |header| {
        let nodes = header["nodes"].as_array_mut().unwrap();
        let place = nodes.iter().position(|node| node["guid"] == guid.to_string()).unwrap();
        nodes[place]["by"] = place.into();
    });
    refused(workshop, &ring, Refusal::Signature);
    assert_eq!(workshop.apply(&file, ApplyOptions::default()).unwrap().updated, 1);
    assert_eq!(workshop.public_key(guid).unwrap(), Some(own));
    let known = workshop.known_keys().unwrap().into_iter().find(|known| known.node.guid == guid).unwrap();
    assert!(known.introduced_by.is_some() && known.vouched_by.is_none(), "{known:?}");
}

#[test]
fn nobody_is_introduced_by_a_node_that_was_given_up() {
    let mut pair = pair();
    let van = pair.nodes[1].info().guid;
    pair.nodes[1].rejoin().unwrap();
    pair.nodes[0].retire(van).unwrap();
    let [workshop, rejoined] = &mut pair.nodes;
    let file = prepare(rejoined, workshop, Since::Number(0), &pair.dir.path().join("rejoined.syncset"));
    refused(workshop, &file, Refusal::Signature);
}

#[test]
fn known_nodes_vouch_for_others_but_replace_no_key() {
    let mut pair = pair();
    // A third, known to the first, is known to the second by the first one's next set.
    let third = pair.nodes[0].fresh_copy(&pair.dir.path().join("third.db"), "THIRD", Role::Client).unwrap();
    let guid = third.info().guid;
    let own = third.public_key(guid).unwrap();
    assert_eq!(pair.nodes[1].public_key(guid).unwrap(), None);
    pair.send(0);
    assert_eq!(pair.nodes[1].public_key(guid).unwrap(), own);
    let known = pair.nodes[1].known_keys().unwrap().into_iter().find(|known| known.node.guid == guid).unwrap();
    assert_eq!(known.vouched_by.unwrap().guid, pair.nodes[0].info().guid);
    // Now it says that it has another.
    let (_, of_a_stranger) = stranger(&pair, 0);
    let other = syncset::read_header(&of_a_stranger, Size::Usual).unwrap().key.unwrap();
    let file = pair.set(0);
    let lied = with_header(&file, &pair.nodes[0], |header| {
        let nodes = header["nodes"].as_array_mut().unwrap();
        let node = nodes.iter_mut().find(|node| node["guid"] == guid.to_string()).unwrap();
        node["key"] = other.to_string().into();
    });
    pair.nodes[1].apply(&lied, ApplyOptions::default()).unwrap();
    assert_eq!(pair.nodes[1].public_key(guid).unwrap(), own);
    // By hand it can be.
    pair.nodes[1].trust(guid, other).unwrap();
    assert_eq!(pair.nodes[1].public_key(guid).unwrap(), Some(other));
    let own = pair.nodes[0].info().guid;
    assert!(pair.nodes[0].trust(own, other).is_err(), "its own is its own");
    assert!("zz".parse::<PublicKey>().is_err());
    assert_eq!(other.to_string().parse::<PublicKey>().unwrap(), other);
}

/// Whose word is not taken, says nothing of keys either.
#[test]
fn what_an_unsigned_set_says_of_keys_is_not_believed() {
    let mut pair = pair();
    let third = pair.nodes[0].fresh_copy(&pair.dir.path().join("third.db"), "THIRD", Role::Client).unwrap();
    let (source, guid) = (pair.nodes[0].info().guid, third.info().guid);
    pair.nodes[1].accept_unsigned(source, true).unwrap();
    pair.sql(0, "UPDATE notes SET text = 'uno' WHERE id = 1");
    let file = pair.set(0);
    let text = std::fs::read_to_string(&file).unwrap();
    let key = third.public_key(guid).unwrap().unwrap().to_string();
    let unsigned = forge(&text, |lines| {
        let mut header: Json = serde_json::from_str(&lines[0]).unwrap();
        let nodes = header["nodes"].as_array_mut().unwrap();
        nodes.iter_mut().find(|node| node["guid"] == guid.to_string()).unwrap()["key"] = key.clone().into();
        lines[0] = header.to_string();
    });
    assert!(unsigned.contains(&key));
    std::fs::write(&file, unsigned).unwrap();
    assert_eq!(pair.nodes[1].apply(&file, ApplyOptions::default()).unwrap().updated, 1);
    assert_eq!(pair.nodes[1].public_key(guid).unwrap(), None);
}

/// The number by which the header names a node.
fn place(header: &Json, node: NodeId) -> usize {
    header["nodes"].as_array().unwrap().iter().position(|n| n["guid"] == node.to_string()).unwrap()
}

#[test]
fn what_a_peer_says_of_others_counts_only_with_their_signature() {
    let mut pair = pair();
    let mut third = pair.nodes[0].fresh_copy(&pair.dir.path().join("third.db"), "THIRD", Role::Client).unwrap();
    let guid = third.info().guid;
    let set = pair.dir.path().join("third.syncset");
    third.edit(|e| Ok(e.connection().execute_batch("UPDATE notes SET text = 'terzo' WHERE id = 2")?)).unwrap();
    let [workshop, van] = &mut pair.nodes;
    let from_third = prepare(&mut third, van, Since::Sent, &set);
    van.meet(&third.identity().unwrap()).unwrap();
    van.apply(&from_third, ApplyOptions::default()).unwrap();
    let seen = |node: &Node| -> (i64, i64) {
        let sql = "SELECT seen_number, seen_clock FROM objsync_node WHERE guid = ?1";
        node.connection().query_row(sql, [guid.0 as i64], |r| Ok((r.get(0)?, r.get(1)?))).unwrap()
    };
    // The van passes on what the third signed, and lies: it adds to it.
    let before = seen(workshop);
    let file = prepare(van, workshop, Since::Sent, &pair.dir.path().join("van.syncset"));
    let lied = with_header(&file, van, |header| {
        let third = place(header, guid);
        let point = header["seen"].as_array_mut().unwrap().iter_mut().find(|point| point[0] == third).unwrap();
        *point = json!([third, 1_000_000, i64::MAX / 2]);
    });
    workshop.apply(&lied, ApplyOptions::default()).unwrap();
    assert_eq!(seen(workshop), before, "nobody has signed that");
    // So the third is not told that it was put back from a backup.
    let to_third = prepare(workshop, &third, Since::Sent, &set);
    third.apply(&to_third, ApplyOptions::default()).unwrap();
    // The truth is believed, and `check` finds nothing odd.
    workshop.apply(&file, ApplyOptions::default()).unwrap();
    assert_eq!(seen(workshop), seen(van));
    common::assert_sound(&pair.nodes);
}

/// The van vouches for a key of its own in the third's name, and signs with it what the third never did.
#[test]
fn a_false_key_makes_nobody_restored_and_is_replaced_at_hand() {
    use ed25519_dalek::{Signer, SigningKey};
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut pair = pair();
    let mut third = pair.nodes[1].fresh_copy(&pair.dir.path().join("third.db"), "THIRD", Role::Client).unwrap();
    let guid = third.info().guid;
    let own = third.public_key(guid).unwrap().unwrap();
    let [workshop, van] = &mut pair.nodes;
    third.edit(|e| Ok(e.connection().execute_batch("UPDATE notes SET text = 'tre' WHERE id = 1")?)).unwrap();
    let from_third = prepare(&mut third, van, Since::Sent, &pair.dir.path().join("third.syncset"));
    van.apply(&from_third, ApplyOptions::default()).unwrap();
    let file = prepare(van, workshop, Since::Sent, &pair.dir.path().join("van.syncset"));
    let key = SigningKey::from_bytes(&[9; 32]);
    let (number, clock) = (1_000_000_u64, i64::MAX / 2);
    let said = [&b"objsync point\0"[..], &guid.0.to_be_bytes(), &number.to_be_bytes(), &clock.to_be_bytes()].concat();
    let lied = with_header(&file, van, |header| {
        let third = place(header, guid);
        let node = header["nodes"][third].as_object_mut().unwrap();
        node["key"] = hex(key.verifying_key().as_bytes()).into();
        for certificate in ["by", "introduction"] {
            node.remove(certificate);
        }
        for (list, of_third) in
            [("seen", json!([third, number, clock])), ("proofs", json!([third, hex(&key.sign(&said).to_bytes())]))]
        {
            let list = header[list].as_array_mut().unwrap();
            list.retain(|entry| entry[0] != third);
            list.push(of_third);
        }
    });
    workshop.apply(&lied, ApplyOptions::default()).unwrap();
    let false_key = workshop.public_key(guid).unwrap().unwrap();
    assert_eq!(false_key.to_string(), hex(key.verifying_key().as_bytes()), "or this test tests nothing");
    // By files alone: the third believes nothing of it, and is not believed before its key is trusted by hand.
    let to_third = prepare_unseen(workshop, guid, Since::Sent, &pair.dir.path().join("workshop.syncset"));
    refused(&mut third, &to_third, Refusal::Unproven);
    let again = prepare(&mut third, workshop, Since::Number(0), &pair.dir.path().join("third.syncset"));
    refused(workshop, &again, Refusal::Signature);
    // With both at hand all goes on, and the false key and what it signed are gone.
    let files = [workshop.path().to_owned(), third.path().to_owned()];
    drop((pair.nodes, third));
    let mut env = Environment::open_files(&files).unwrap();
    env.sync(None).unwrap();
    assert_eq!(env.nodes[0].public_key(guid).unwrap(), Some(own));
    let texts = env.nodes.iter_mut().map(|node| node.contents("notes").unwrap().digest()).collect::<Vec<_>>();
    assert_eq!(texts[0], texts[1]);
    assert!(env.check(&Progress::default()).unwrap().is_sound());
}

#[test]
fn a_lie_about_this_node_is_refused_and_does_not_make_it_restored() {
    let mut pair = pair();
    let workshop = pair.nodes[0].info().guid;
    pair.sql(1, "UPDATE notes SET text = 'uno' WHERE id = 1");
    let file = pair.set(1);
    type Lie = fn(&mut Json, usize);
    let lies: [(&str, Lie); 2] = [
        ("a point that it never was at", |header, us| {
            let points = header["seen"].as_array_mut().unwrap();
            *points.iter_mut().find(|point| point[0] == us).unwrap() = json!([us, 1_000, i64::MAX / 2]);
        }),
        ("commits that it never made", |header, us| {
            let received = header["received"].as_array_mut().unwrap();
            received.retain(|has| has[0] != us);
            received.push(json!([us, 1_000]));
        }),
    ];
    for (what, lie) in lies {
        let lied = with_header(&file, &pair.nodes[1], |header| lie(header, place(header, workshop)));
        let error = refused(&mut pair.nodes[0], &lied, Refusal::Unproven);
        assert!(error.message().contains("no proof"), "{what}: {error}");
    }
    pair.nodes[0].apply(&file, ApplyOptions::default()).unwrap();
    pair.level();
}

#[test]
fn who_sends_to_whom_is_asked_before_anything_is_read() {
    let mut pair = pair();
    let (_, strange) = stranger(&pair, 0);
    pair.sql(0, "UPDATE notes SET text = 'uno' WHERE id = 1");
    let for_van = pair.set(0);
    pair.sql(1, "UPDATE notes SET text = 'due' WHERE id = 2");
    let text = std::fs::read_to_string(pair.set(1)).unwrap();
    let unsigned = pair.dir.path().join("unsigned.syncset");
    std::fs::write(&unsigned, forge(&text, |_| {})).unwrap();
    for (file, why) in [(&strange, Refusal::Signature), (&unsigned, Refusal::Signature), (&for_van, Refusal::WrongNode)]
    {
        // After the first line nothing makes sense.
        let text = std::fs::read_to_string(file).unwrap();
        let (header, _) = text.split_once('\n').unwrap();
        std::fs::write(file, format!("{header}\n{}", "x".repeat(1 << 20))).unwrap();
        refused(&mut pair.nodes[0], file, why);
    }
}

#[test]
fn a_set_that_is_larger_than_usual_is_taken_where_that_is_said() {
    let any = || ApplyOptions { size: Size::Any, ..Default::default() };
    let mut pair = pair();
    // It unpacks to much more than it is.
    pair.sql(
        0,
        "WITH RECURSIVE n (i) AS (VALUES (10) UNION ALL SELECT i + 1 FROM n WHERE i < 90)
         INSERT INTO notes SELECT i, printf('%.*c', 1000000, 'x') FROM n",
    );
    let [workshop, van] = &mut pair.nodes;
    let options = PrepareOptions {
        id: workshop.next_set_id().unwrap(),
        file: pair.dir.path().join("packed.syncset"),
        since: Since::Sent,
        upto: None,
        overwrite: false,
        compress: true,
        update_sync_time: true,
    };
    workshop.prepare(van.info().guid, &options).unwrap();
    let error = refused(van, &options.file, Refusal::TooLarge);
    assert!(error.what_next().contains("--any-size"), "{error}");
    assert_eq!(van.apply(&options.file, any()).unwrap().inserted, 81);
    pair.level();
    // It names many nodes.
    pair.sql(0, "UPDATE notes SET text = 'uno' WHERE id = 1");
    let file = pair.set(0);
    let many = with_header(&file, &pair.nodes[0], |header| {
        let nodes = header["nodes"].as_array_mut().unwrap();
        (0..6_000).for_each(|n| {
            nodes.push(
                json!({"guid": format!("{:016x}", 0xabc0_0000_u64 + n), "name": format!("N{n}"), "role": "client"}),
            );
        });
    });
    let error = refused(&mut pair.nodes[1], &many, Refusal::TooLarge);
    assert!(error.message().contains("6,002 nodes") && error.what_next().contains("--any-size"), "{error}");
    // As many as a set may name, and too many with those that are known.
    let together = with_header(&file, &pair.nodes[0], |header| {
        let nodes = header["nodes"].as_array_mut().unwrap();
        (nodes.len()..4_096).for_each(|n| {
            nodes.push(json!({"guid": format!("{:016x}", 0xdef0_0000_u64 + n as u64), "name": "N", "role": "client"}));
        });
    });
    pair.nodes[1].fresh_copy(&pair.dir.path().join("more.db"), "MORE", Role::Client).unwrap();
    let error = refused(&mut pair.nodes[1], &together, Refusal::TooLarge);
    assert!(error.message().contains("would then know 4,097 nodes"), "{error}");
    let began = Instant::now();
    assert_eq!(pair.nodes[1].apply(&many, any()).unwrap().updated, 1);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[test]
fn names_that_are_none_are_damage() {
    let mut pair = pair();
    pair.sql(0, "UPDATE notes SET text = 'uno' WHERE id = 1");
    let file = pair.set(0);
    for name in ["", "-x", "a b", "a\u{1b}[2J", "a\u{202e}b", "\n", "a/b", &"x".repeat(65), &"好".repeat(61)] {
        let odd = with_header(&file, &pair.nodes[0], |header| header["nodes"][0]["name"] = name.into());
        let error = refused(&mut pair.nodes[1], &odd, Refusal::Damaged);
        assert!(!error.message().contains('\u{1b}') || name.contains('\u{1b}'), "{error}");
    }
    for name in ["Łódź-2", "好_x", &"x".repeat(64)] {
        let named = with_header(&file, &pair.nodes[0], |header| header["nodes"][0]["name"] = name.into());
        pair.nodes[1].apply(&named, ApplyOptions::default()).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
}

#[test]
fn an_invitation_is_taken_as_it_was_written_or_not_at_all() {
    let mut pair = pair();
    let (stranger, _) = stranger(&pair, 0);
    let file = pair.dir.path().join("x.invitation");
    stranger.write_invitation(&file).unwrap();
    let written = std::fs::read(&file).unwrap();
    assert!(stranger.write_invitation(&file).unwrap_err().message().contains("exists already"));
    assert_eq!(std::fs::read(&file).unwrap(), written);
    let refused = |node: &mut Node| {
        let before = dump(node);
        let error = node.accept_invitation(&file).map(|i| panic!("it was accepted: {i:?}")).unwrap_err();
        assert!(error.message().contains("nothing was changed") && !error.what_next().is_empty(), "{error}");
        assert_same(&dump(node), &before, "a refusal changed something");
        error
    };
    for at in 0..written.len() {
        let mut changed = written.clone();
        changed[at] ^= 1;
        std::fs::write(&file, changed).unwrap();
        refused(&mut pair.nodes[0]);
    }
    for text in [&b""[..], b"\n", b"{}\n\n", &written[..written.len() - 1], &[&written[..], b"x"].concat()] {
        std::fs::write(&file, text).unwrap();
        refused(&mut pair.nodes[0]);
    }
    std::fs::remove_file(&file).unwrap();
    refused(&mut pair.nodes[0]);
    std::fs::create_dir(&file).unwrap();
    refused(&mut pair.nodes[0]);
    std::fs::remove_dir(&file).unwrap();
    // Its own.
    pair.nodes[0].write_invitation(&file).unwrap();
    refused(&mut pair.nodes[0]);
    // Of a node that is known by another key.
    std::fs::write(&file, &written).unwrap();
    let own = pair.nodes[0].public_key(pair.nodes[0].info().guid).unwrap().unwrap();
    pair.nodes[1].trust(stranger.info().guid, own).unwrap();
    let error = refused(&mut pair.nodes[1]);
    assert_eq!(error.refusal(), Some(Refusal::Signature));
    assert!(error.what_next().contains("keys trust"), "{error}");
    pair.nodes[0].accept_invitation(&file).unwrap();
}

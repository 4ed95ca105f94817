//! The engine decides as the executable model of the synchronization rules does: histories written by the model are played
//! on real nodes, and after every step number, objects with vector and stamp, what waits, records and sync times agree.
//!
//! The model is `model/sync_model.py`: the rules as they were first given, and as its histories have mended them (`as-given` plays the
//! former). Values return in its histories, and objects are deleted and made again.
//!
//! `tests/traces/*.jsonl` are such histories, kept as data. With python3 and the script that writes them at hand
//! (`../shared/model/trace.py`) they are written anew and compared, and many more are played; OBJSYNC_REQUIRE=model makes their absence a failure.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use common::{TestClock, required, skip};
use objsync::sync::*;
use serde_json::{Value as Json, json};

/// The histories kept as data: seed, nodes, rule, what goes wrong.
const KEPT: &[(u64, u64, &str, &[&str])] = &[
    (1, 2, "client wins", &[]),
    (2, 3, "latest wins", &[]),
    (3, 2, "client wins", &["requeue"]),
    (7, 3, "latest wins", &["requeue"]),
    (5, 2, "client wins", &["copies"]),
    (8, 2, "latest wins", &["copies", "requeue"]),
    (9, 3, "master wins", &["requeue"]),
    (4, 2, "merge properties", &[]),
    (10, 3, "merge properties", &["copies", "requeue"]),
    (11, 2, "keep ours", &["requeue"]),
    (12, 3, "accept theirs", &["copies"]),
    (13, 3, "merge properties", &["requeue", "discard"]),
    (14, 2, "client wins", &["requeue", "discard"]),
    (15, 3, "client wins", &["purge"]),
    (16, 3, "merge properties", &["purge", "copies", "requeue"]),
    // A copy names MASTER as what it is a copy of before anybody says that MASTER is one.
    (1391, 3, "master wins", &["copies"]),
];

/// The rules that the model knows; `ask` decides as `keep ours` does.
const RULES: [&str; 6] =
    ["client wins", "master wins", "latest wins", "merge properties", "keep ours", "accept theirs"];

struct Player {
    dir: tempfile::TempDir,
    clock: TestClock,
    nodes: BTreeMap<String, Node>,
    blocked: BTreeMap<String, BTreeSet<u64>>,
}

/// The node's name as 8 bytes, so that nodes stand in the order of their names, as in the model.
fn node_id(name: &str) -> NodeId {
    let mut bytes = [0; 8];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    NodeId(u64::from_be_bytes(bytes))
}

fn own_key(node: &Node) -> (NodeId, PublicKey) {
    let guid = node.info().guid;
    (guid, node.public_key(guid).unwrap().unwrap())
}

/// The model's objects exist everywhere under one name, whoever makes them.
fn guid(object: u64) -> Guid {
    Guid { node: NodeId(u64::MAX), serial: object + 1 }
}

fn values(content: &Json) -> Vec<Value> {
    ["a", "b"].iter().map(|p| content[p].as_str().map_or(Value::Null, |t| Value::Text(t.to_owned()))).collect()
}

impl Player {
    fn new(count: u64) -> Player {
        let dir = common::folder();
        let clock = TestClock::new();
        let mut nodes = BTreeMap::new();
        for i in 0..count {
            let (name, file) = (format!("N{i}"), dir.path().join(format!("N{i}.db")));
            let conn = rusqlite::Connection::open(&file).unwrap();
            conn.execute_batch("CREATE TABLE things (id INTEGER PRIMARY KEY, a TEXT, b TEXT)").unwrap();
            drop(conn);
            let role = if i == 0 { Role::Master } else { Role::Client };
            let info = NodeInfo { guid: node_id(&name), name: name.clone(), role };
            let class = ClassSpec { name: "Thing".into(), table: "things".into(), journaled: true };
            let node = Node::create(&file, info, &[class]).unwrap().with_clock(clock.clock());
            node.connection().execute_batch("PRAGMA synchronous = OFF").unwrap();
            nodes.insert(name, node);
        }
        // In the model everybody knows everybody from the beginning, though not as a peer.
        let keys: Vec<(NodeId, PublicKey)> = nodes.values().map(|node: &Node| own_key(node)).collect();
        for node in nodes.values_mut() {
            let own = node.info().guid;
            keys.iter().filter(|(guid, _)| *guid != own).for_each(|(guid, key)| node.trust(*guid, *key).unwrap());
        }
        Player { dir, clock, nodes, blocked: BTreeMap::new() }
    }

    fn set_file(&self, set: &Json) -> PathBuf {
        self.dir.path().join(format!("{set}.syncset"))
    }

    /// Plays a step; returns whether it was refused.
    fn step(&mut self, step: &Json) -> bool {
        let name = step["node"].as_str().unwrap().to_owned();
        let rule = step["rule"].as_str().map_or(Rule::default(), |name| name.replace(' ', "-").parse().unwrap());
        match step["do"].as_str().unwrap() {
            "edit" => {
                self.clock.set(step["clock"].as_i64().unwrap() * 1_000_000);
                self.edit(&name, step["changes"].as_object().unwrap());
            }
            "prepare" => {
                if step.get("refused").is_some() {
                    return true; // the model does not say for whom
                }
                let peer = self.nodes[step["peer"].as_str().unwrap()].identity().unwrap();
                let options = PrepareOptions {
                    id: step["set"].as_i64().unwrap(),
                    file: self.set_file(&step["set"]),
                    since: if step["since"] == "sent" { Since::Sent } else { Since::Acknowledged },
                    upto: step["upto"].as_u64(),
                    overwrite: false,
                    compress: false,
                    update_sync_time: true,
                };
                let node = self.nodes.get_mut(&name).unwrap();
                node.meet(&peer).unwrap();
                let prepared = node.prepare(peer.info.guid, &options).unwrap();
                let set = syncset::read(&prepared.file, syncset::Size::Usual).unwrap();
                assert_eq!(
                    (set.header.start, set.header.end),
                    (step["start"].as_u64().unwrap(), step["end"].as_u64().unwrap())
                );
                let objects: BTreeMap<String, Json> = set
                    .objects
                    .iter()
                    .map(|o| {
                        (
                            (o.guid.serial - 1).to_string(),
                            json!({"content": content(&o.state.content), "vector": vector(&o.state.vector)}),
                        )
                    })
                    .collect();
                assert_eq!(json!(objects), step["objects"], "what the set carries");
            }
            "apply" => {
                let file = self.set_file(&step["set"]);
                return !self.settle(&name, rule, Some(&file));
            }
            "settle" => {
                let blocked = step["blocked"].as_array().unwrap().iter().map(|b| b.as_u64().unwrap()).collect();
                self.blocked.insert(name.clone(), blocked);
                self.settle(&name, rule, None);
            }
            "purge" => {
                for peer in step["peers"].as_array().unwrap() {
                    let peer = self.nodes[peer.as_str().unwrap()].identity().unwrap();
                    self.nodes.get_mut(&name).unwrap().meet(&peer).unwrap();
                }
                self.nodes.get_mut(&name).unwrap().purge(u64::MAX).unwrap();
            }
            "discard" => {
                self.nodes.get_mut(&name).unwrap().discard(None).unwrap();
            }
            "fresh_copy" => {
                let copy = step["copy"].as_str().unwrap();
                let file = self.dir.path().join(format!("{copy}.db"));
                let info = NodeInfo { guid: node_id(copy), name: copy.to_owned(), role: Role::Client };
                let twin = self.nodes.get_mut(&name).unwrap().fresh_copy_as(&file, info).unwrap();
                self.nodes.insert(copy.to_owned(), twin);
            }
            other => panic!("unknown step {other}"),
        }
        false
    }

    fn edit(&mut self, name: &str, changes: &serde_json::Map<String, Json>) {
        let node = self.nodes.get_mut(name).unwrap();
        node.edit(|edit| {
            for (object, change) in changes {
                let guid = guid(object.parse().unwrap());
                let class = edit.node().class("Thing")?.clone();
                match (edit.node().key_of(&class, guid)?, change) {
                    (Some(key), Json::Null) => {
                        edit.connection().execute("DELETE FROM things WHERE id = ?1", [key])?;
                    }
                    (Some(key), change) => {
                        for (column, value) in change.as_object().unwrap() {
                            let sql = format!("UPDATE things SET {column} = ?1 WHERE id = ?2");
                            edit.connection().execute(&sql, (value.as_str(), key))?;
                        }
                    }
                    (None, change) => {
                        edit.insert_as("Thing", guid, &values(change))?;
                    }
                }
            }
            Ok(())
        })
        .unwrap();
    }

    fn settle(&mut self, name: &str, rule: Rule, file: Option<&Path>) -> bool {
        let blocked = self.blocked.get(name).cloned().unwrap_or_default();
        let hold = |_: &str, guid: Guid| blocked.contains(&(guid.serial - 1)).then(|| "held back".to_owned());
        let options = ApplyOptions { rule: Some(rule), hold: Some(&hold), join: true, ..ApplyOptions::default() };
        let node = self.nodes.get_mut(name).unwrap();
        match file {
            None => node.retry(options).map(drop).is_ok(),
            Some(file) => match node.apply(file, options) {
                Ok(_) => true,
                Err(e) => {
                    assert!(matches!(e.kind(), ErrorKind::Refused(_)), "{e}");
                    false
                }
            },
        }
    }

    /// How a node stands, in the model's words.
    fn standing(&self, name: &str) -> Json {
        let node = &self.nodes[name];
        let class = node.class("Thing").unwrap();
        let mut objects = BTreeMap::new();
        for object in 0..8 {
            if let Some(filed) = node.current(class, guid(object)).unwrap() {
                let stamp = filed.state.stamp;
                let author = self.name(stamp.author);
                let role = if author == "N0" { "master" } else { "client" };
                objects.insert(
                    object.to_string(),
                    json!({"content": content(&filed.state.content), "vector": vector(&filed.state.vector),
                           "stamp": [stamp.time / 1_000_000, role, author]}),
                );
            }
        }
        let mut times = [BTreeMap::new(), BTreeMap::new(), BTreeMap::new()];
        for peer in node.peers().unwrap() {
            let t = node.sync_times(peer).unwrap();
            for (map, n) in times.iter_mut().zip([t.sent, t.acknowledged, t.received]) {
                map.insert(self.name(peer), n);
            }
        }
        let [sent, acked, received] = times.map(|map| known(&json!(map)));
        let waiting: BTreeSet<String> =
            node.requeue().unwrap().iter().map(|w| json!([w.guid.serial - 1, vector(&w.vector)]).to_string()).collect();
        json!({"number": node.number().unwrap(), "records": node.conflicts(usize::MAX).unwrap().len(), "objects": objects,
               "sent": sent, "acked": acked, "received": received, "waiting": waiting})
    }

    fn name(&self, id: NodeId) -> String {
        String::from_utf8(id.0.to_be_bytes().into_iter().filter(|b| *b > 0).collect()).unwrap()
    }
}

fn content(content: &Content) -> Json {
    content.as_ref().map_or(Json::Null, |values| {
        let of = |v: &Value| if let Value::Text(text) = v { json!(text) } else { Json::Null };
        json!({"a": of(&values[0]), "b": of(&values[1])})
    })
}

fn vector(vector: &Vector) -> Json {
    let entries: BTreeMap<String, u64> = vector
        .entries()
        .iter()
        .map(|(node, n)| {
            (String::from_utf8(node.0.to_be_bytes().into_iter().filter(|b| *b > 0).collect()).unwrap(), *n)
        })
        .collect();
    json!(entries)
}

/// Sync times of 0 say no more than none at all.
fn known(times: &Json) -> Json {
    Json::Object(
        times
            .as_object()
            .unwrap()
            .iter()
            .filter(|(_, n)| **n != json!(0))
            .map(|(k, n)| (k.clone(), n.clone()))
            .collect(),
    )
}

/// The model's standing with its lists in the order used here.
fn expected(after: &Json) -> Json {
    let mut after = after.clone();
    for times in ["sent", "acked", "received"] {
        after[times] = known(&after[times]);
    }
    let waiting: BTreeSet<String> =
        after["waiting"].as_array().unwrap().iter().map(|w| json!([w[0], sorted(&w[1])]).to_string()).collect();
    after["waiting"] = json!(waiting);
    after
}

fn sorted(object: &Json) -> Json {
    let members: BTreeMap<&String, &Json> = object.as_object().unwrap().iter().collect();
    json!(members)
}

/// Plays a history; returns how many steps.
fn play(what: &str, nodes: u64, trace: &str) -> usize {
    let mut player = Player::new(nodes);
    let mut steps = 0;
    for (i, line) in trace.lines().enumerate() {
        let step: Json = serde_json::from_str(line).unwrap();
        if step.get("verdict").is_some() {
            assert_eq!(step["verdict"], "fine", "{what}: the model found its own rules wanting");
            continue;
        }
        let name = step["node"].as_str().unwrap();
        let refused = player.step(&step);
        assert_eq!(refused, step.get("refused").is_some(), "{what}, line {}: refused? {}", i + 1, step["refused"]);
        let (mut standing, expected) = (player.standing(name), expected(&step["after"]));
        // Of what the model knows nothing: a deleted object that a record can bring back is kept through a purge. What is made
        // of it afterwards has seen the deletion here, and there it is made anew: they part.
        let records = player.nodes[name].conflicts(usize::MAX).unwrap();
        let recorded = |object: &str| records.iter().any(|r| r.guid == guid(object.parse().unwrap()).to_string());
        let objects = standing["objects"].as_object_mut().unwrap();
        let before = objects.len();
        objects.retain(|object, state| {
            !state["content"].is_null() || expected["objects"].get(object).is_some() || !recorded(object)
        });
        let parted = objects.len() < before;
        assert_eq!(standing, expected, "{what}, line {}: {} at {name}", i + 1, step["do"]);
        if parted {
            return steps;
        }
        steps += 1;
    }
    assert!(steps > 30, "{what}: a history of {steps} steps tests nothing");
    steps
}

fn file_of(seed: u64, nodes: u64, rule: &str, failures: &[&str]) -> PathBuf {
    let name = format!(
        "{seed}-{nodes}-{}{}.jsonl",
        rule.replace(' ', "-"),
        failures.iter().map(|f| format!("-{f}")).collect::<String>()
    );
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/traces").join(name)
}

#[test]
fn kept_histories_are_decided_alike() {
    for (seed, nodes, rule, failures) in KEPT {
        let file = file_of(*seed, *nodes, rule, failures);
        let trace = std::fs::read_to_string(&file).unwrap();
        play(&file.display().to_string(), *nodes, &trace);
    }
}

/// The model, ready to write histories: python starts once, and each history gets a copy of that process.
struct Model {
    process: Child,
    said: BufReader<ChildStdout>,
}

/// Reads arguments of `trace.py`, a JSON list a line; after each history stands `end`. The script sorts what waits; two waiting states
/// of one object have no order of their own, so text decides. The model is the mended one.
const WRITER: &str = r#"
import importlib.util, json, os, sys
sys.path.insert(0, sys.argv[1])
spec = importlib.util.spec_from_file_location("sync_model", sys.argv[2])
sys.modules["sync_model"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["sync_model"])
import trace
def in_order(items):
    items = list(items)
    try:
        return sorted(items)
    except TypeError:
        return sorted(items, key=lambda item: json.dumps(item, sort_keys=True))
trace.sorted = in_order
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        sys.argv[1:] = json.loads(line)
        trace.main()
        print("end", flush=True)
        os._exit(0)
    if os.waitpid(child, 0)[1] != 0:
        sys.exit("the model could not write " + line)
"#;

fn mended_model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/model/sync_model.py")
}

impl Model {
    /// `None`: the model or python3 is not here.
    fn start() -> Option<Model> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/model");
        if !folder.join("trace.py").is_file() {
            return None;
        }
        let mut process = Command::new("python3")
            .args(["-c", WRITER])
            .arg(folder)
            .arg(mended_model())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let said = BufReader::new(process.stdout.take().unwrap());
        Some(Model { process, said })
    }

    /// A history.
    fn writes(&mut self, seed: u64, nodes: u64, rule: &str, failures: &[&str]) -> String {
        let mut asked = vec![seed.to_string(), nodes.to_string(), rule.to_owned()];
        asked.extend(failures.iter().map(|f| (*f).to_owned()));
        writeln!(self.process.stdin.as_mut().unwrap(), "{}", json!(asked)).unwrap();
        let mut trace = String::new();
        loop {
            let start = trace.len();
            assert!(self.said.read_line(&mut trace).unwrap() > 0, "the model stopped at {asked:?}");
            if trace[start..].trim_end() == "end" {
                trace.truncate(start);
                return trace;
            }
        }
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        // At the end of its input it stops by itself.
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

#[test]
fn kept_histories_are_the_models() {
    let Some(mut model) = Model::start() else {
        return skip(
            "model",
            "python3 or the model (../shared/model) is not here, so kept histories were not compared",
        );
    };
    for (seed, nodes, rule, failures) in KEPT {
        let now = model.writes(*seed, *nodes, rule, failures);
        let file = file_of(*seed, *nodes, rule, failures);
        if std::env::var_os("OBJSYNC_WRITE_TRACES").is_some() {
            std::fs::write(&file, &now).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&file).unwrap(), now, "{} is not what the model writes", file.display());
    }
}

#[test]
fn fresh_histories_are_decided_alike() {
    let mixes: [&[&str]; 7] = [
        &[],
        &["requeue"],
        &["copies"],
        &["copies", "requeue"],
        &["requeue", "discard"],
        &["purge"],
        &["purge", "copies", "requeue"],
    ];
    let number = |variable| std::env::var(variable).ok().map(|n| n.parse::<u64>().unwrap());
    // Half of as many as of others, so that a CI run stays under an hour.
    let otherwise = if required("model") { 84 } else { 6 };
    let histories = number("OBJSYNC_HISTORIES").map_or(otherwise, |n| n / 2);
    let start = number("OBJSYNC_SEED").unwrap_or(0);
    let one = |model: &mut Model, seed: u64| {
        let rule = RULES[seed as usize % 6];
        let (nodes, failures) = (2 + seed % 3, mixes[seed as usize / 6 % 7]);
        let trace = model.writes(1000 + seed, nodes, rule, failures);
        play(&format!("seed {}, {nodes} nodes, {rule}, {failures:?}", 1000 + seed), nodes, &trace);
    };
    // Each half of the seeds by a thread of its own; `None`: there is no model.
    let half = |first| {
        let mut model = Model::start()?;
        Some((start + first..start + histories).step_by(2).map(|seed| one(&mut model, seed)).count() as u64)
    };
    let halves =
        std::thread::scope(|scope| [0, 1].map(|first| scope.spawn(move || half(first))).map(|h| h.join().unwrap()));
    let [Some(a), Some(b)] = halves else {
        return skip("model", "python3 or the model (../shared/model) is not here, so no fresh histories were played");
    };
    println!("{histories} histories of the model from seed {start}, all decided alike");
    assert_eq!(a + b, histories);
}

/// The hole and its mending, shown in the model; the engine's are in `histories` (`kept/nodes-1853.steps`, `nodes-3647.steps`).
#[test]
fn where_values_return_the_mended_model_loses_none() {
    let played = |rules: &[&str]| {
        let output = Command::new("python3").arg(mended_model()).arg("20").args(rules).output().ok()?;
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        Some((output.status.success(), String::from_utf8(output.stdout).unwrap()))
    };
    let (Some((sound, said)), Some((sound_as_given, lost))) = (played(&[]), played(&["as-given"])) else {
        return skip("model", "there is no python3, so the mended model was not tried");
    };
    assert!(sound && said.lines().count() == 80, "{said}");
    assert!(!sound_as_given && lost.contains("'lost'") && lost.lines().count() == 80, "{lost}");
}

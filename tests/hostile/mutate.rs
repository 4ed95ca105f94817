//! Changes to real sets, each drawn from a number of its own: a case can be told, drawn again, and made simpler by leaving some out.

use ed25519_dalek::Signer;
use rand::rngs::StdRng;
use rand::seq::{IndexedMutRandom, IndexedRandom};
use rand::{RngExt, SeedableRng};
use serde_json::{Value as Json, json};

use crate::worlds::{Seed, Target};

/// A mutated set: a real one, what is done to it, how it is closed and packed.
#[derive(Clone, Debug)]
pub struct Case {
    pub target: usize,
    pub set: usize,
    /// What is done to the lines, one after the other.
    pub steps: Vec<u64>,
    pub closing: Closing,
    pub packing: Packing,
    /// What is done to the bytes of the file in the end.
    pub last: Vec<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Closing {
    /// Counts and digest as they were.
    Kept,
    /// With the right counts and digest, unsigned.
    Repaired,
    /// The same, signed by the real sender.
    Signed,
    /// The same, by a node that nobody knows, with a key of its own.
    Strange,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Packing {
    None,
    Zstd,
    /// As two frames, one after the other.
    TwoFrames,
}

impl Case {
    pub fn draw(seed: u64, targets: &[Target]) -> Case {
        let mut dice = StdRng::seed_from_u64(seed);
        let target = dice.random_range(0..targets.len());
        let closing = match dice.random_range(0..20) {
            0 => Closing::Kept,
            1 | 2 => Closing::Repaired,
            3 => Closing::Strange,
            _ => Closing::Signed,
        };
        let packing = match dice.random_range(0..10) {
            0 => Packing::Zstd,
            1 => Packing::TwoFrames,
            _ => Packing::None,
        };
        let (steps, last) = match dice.random_range(0..20) {
            0 => (0, dice.random_range(1..4)),
            _ => (dice.random_range(1..4), usize::from(dice.random_ratio(1, 50))),
        };
        let mut numbers = |n| (0..n).map(|_| dice.random()).collect::<Vec<u64>>();
        let (steps, last) = (numbers(steps), numbers(last));
        Case { target, set: dice.random_range(0..targets[target].sets.len()), steps, closing, packing, last }
    }

    /// The bytes of its file.
    pub fn bytes(&self, targets: &[Target]) -> Vec<u8> {
        let seed = &targets[self.target].sets[self.set];
        let others: Vec<&Seed> = targets.iter().flat_map(|t| &t.sets).collect();
        let mut lines: Vec<Vec<u8>> = seed.text.lines().map(|line| line.as_bytes().to_vec()).collect();
        let closing = lines.pop().unwrap();
        let mut secret = seed.secret;
        match self.closing {
            Closing::Repaired => lines[0] = unsigned(&lines[0]),
            Closing::Strange => {
                secret = [7; 32];
                lines[0] = strange(&lines[0], &secret);
            }
            Closing::Kept | Closing::Signed => {}
        }
        for step in &self.steps {
            change(&mut lines, &others, &mut StdRng::seed_from_u64(*step));
        }
        let mut file = close(&lines, &closing, self.closing, &secret);
        let pack = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
        file = match self.packing {
            Packing::None => file,
            Packing::Zstd => pack(&file),
            Packing::TwoFrames => {
                let (a, b) = file.split_at(file.len() / 2);
                [pack(a), pack(b)].concat()
            }
        };
        for step in &self.last {
            change_bytes(&mut file, &mut StdRng::seed_from_u64(*step));
        }
        file
    }

    /// Cases with something less, the simplest first.
    pub fn simpler(&self) -> Vec<Case> {
        let mut found = Vec::new();
        if self.packing != Packing::None {
            found.push(Case { packing: Packing::None, ..self.clone() });
        }
        for i in 0..self.steps.len() {
            let mut case = self.clone();
            case.steps.remove(i);
            found.push(case);
        }
        for i in 0..self.last.len() {
            let mut case = self.clone();
            case.last.remove(i);
            found.push(case);
        }
        found
    }
}

/// A header without keys, as whoever has not the sender's would write it.
fn unsigned(header: &[u8]) -> Vec<u8> {
    let mut header: Json = serde_json::from_slice(header).unwrap();
    header.as_object_mut().unwrap().remove("proofs");
    for node in header["nodes"].as_array_mut().unwrap() {
        ["key", "by", "introduction"].iter().for_each(|signed| drop(node.as_object_mut().unwrap().remove(*signed)));
    }
    header.to_string().into_bytes()
}

/// The header of a set from a node that nobody knows. All that it says of others is as it was.
fn strange(header: &[u8], secret: &[u8; 32]) -> Vec<u8> {
    let mut header: Json = serde_json::from_slice(header).unwrap();
    let source = header["source"].as_u64().unwrap() as usize;
    let key = ed25519_dalek::SigningKey::from_bytes(secret).verifying_key().to_bytes();
    header["nodes"][source]["guid"] = "0000000000000bad".into();
    header["nodes"][source]["key"] = key.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into();
    header.to_string().into_bytes()
}

fn close(lines: &[Vec<u8>], closing: &[u8], how: Closing, secret: &[u8; 32]) -> Vec<u8> {
    let mut file = lines.iter().flat_map(|line| [line, &b"\n"[..]].concat()).collect::<Vec<u8>>();
    if how == Closing::Kept {
        return [&file, closing, b"\n"].concat();
    }
    let parsed: Vec<Json> = lines.iter().skip(1).filter_map(|line| serde_json::from_slice(line).ok()).collect();
    let ties = parsed.iter().filter(|line| line.get("v").is_none()).count();
    let objects = parsed.iter().filter(|line| line.get("v").is_some());
    let commits: std::collections::BTreeSet<u64> =
        objects.filter_map(|l| l["n"].as_array()).flatten().filter_map(Json::as_u64).collect();
    let digest = blake3::hash(&file);
    let mut closing = json!({"objects": parsed.len() - ties, "ties": ties, "transactions": commits.len(),
                             "blake3": digest.to_hex().to_string()});
    if matches!(how, Closing::Signed | Closing::Strange) {
        let key = ed25519_dalek::SigningKey::from_bytes(secret);
        let signature = key.sign(&[b"objsync syncset\0", digest.as_bytes().as_slice()].concat()).to_bytes();
        closing["signature"] = signature.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into();
    }
    file.extend(closing.to_string().bytes().chain([b'\n']));
    file
}

/// Numbers that stand at an edge, or are as many as there are of something.
fn odd_number(dice: &mut StdRng) -> Json {
    let small = dice.random_range(-2..60_i64);
    [
        json!(small),
        json!(small),
        json!(small),
        json!(i64::MAX),
        json!(i64::MAX - 1),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(1_u64 << 40),
        json!((1_u64 << 40) - 1),
        json!(1e300),
        json!(-0.0),
        json!(small as f64 + 0.5),
    ]
    .choose(dice)
    .unwrap()
    .clone()
}

fn odd_value(dice: &mut StdRng) -> Json {
    let (a, b) = (odd_number(dice), odd_number(dice));
    match dice.random_range(0..20) {
        0 => json!(null),
        1 => json!(true),
        2 => json!(""),
        3 => json!("\u{0}a\u{feff}\u{202e}"),
        4 => json!("x".repeat(dice.random_range(1..100_000))),
        5 => json!([]),
        6 => json!({}),
        7 => json!([a, b]),
        8 => json!([[a, b]]),
        9 => json!([0, dice.random_range(1..20)]),
        10 => json!([dice.random_range(0..5), dice.random_range(0..20)]),
        11 => json!({"dangling": a}),
        12 => json!({"real": (["inf", "-inf", "nan"].choose(dice).unwrap())}),
        13 => json!({"text": (["ff", "00", "61", "f"].choose(dice).unwrap())}),
        14 => json!({"blob": (["", "00ff", "0", "ZZ"].choose(dice).unwrap())}),
        15 => json!({"ref": "00000000-0000-1111-0000-000000000001"}),
        16 => json!(["+", "~", "-"].choose(dice).unwrap()),
        _ => a,
    }
}

fn paths(json: &Json, at: &str, found: &mut Vec<String>) {
    if !at.is_empty() && !at.starts_with("/keys/") {
        found.push(at.to_owned());
    }
    match json {
        Json::Object(members) => members.iter().for_each(|(key, value)| paths(value, &format!("{at}/{key}"), found)),
        Json::Array(values) => {
            values.iter().enumerate().for_each(|(i, value)| paths(value, &format!("{at}/{i}"), found));
        }
        _ => {}
    }
}

fn path(json: &Json, dice: &mut StdRng) -> Option<String> {
    let mut found = Vec::new();
    paths(json, "", &mut found);
    found.choose(dice).cloned()
}

/// Does one thing to the lines of a set.
fn change(lines: &mut Vec<Vec<u8>>, others: &[&Seed], dice: &mut StdRng) {
    let Some(at) = (0..lines.len()).collect::<Vec<_>>().choose(dice).copied() else { return };
    // Each line is as good as another, the header a little better.
    let at = if dice.random_ratio(1, 8) { 0 } else { at };
    let other = others.choose(dice).unwrap();
    let foreign: Vec<&str> = other.text.lines().collect();
    match dice.random_range(0..40) {
        0 => {
            let to = dice.random_range(0..lines.len());
            lines.swap(at, to);
        }
        1 => lines.insert(dice.random_range(0..=lines.len()), lines[at].clone()),
        2 => drop(lines.remove(at)),
        3 => {
            let line = foreign[dice.random_range(1..foreign.len() - 1)];
            lines.insert(dice.random_range(1..=lines.len().max(1)).min(lines.len()), line.as_bytes().to_vec());
        }
        4 | 5 => change_bytes(&mut lines[at], dice),
        6 => {
            // Deep or wide.
            let (open, close) =
                *[("[", "]"), ("{\"a\":", "}"), ("[[],", "]"), ("{\"p\":[", "]}")].choose(dice).unwrap();
            let depth = *[100, 127, 128, 129, 100_000].choose(dice).unwrap();
            let nested = format!("{}0{}", open.repeat(depth), close.repeat(depth)).into_bytes();
            match dice.random_bool(0.5) {
                true => lines[at] = nested,
                false => replace_number(&mut lines[at], &nested, dice),
            }
        }
        7 => {
            // A key once more, with the same value or another.
            let line = String::from_utf8_lossy(&lines[at]).into_owned();
            if let Ok(Json::Object(members)) = serde_json::from_str(&line)
                && let Some((key, value)) = members.iter().collect::<Vec<_>>().choose(dice)
            {
                let value = if dice.random_bool(0.5) { (*value).clone() } else { odd_value(dice) };
                lines[at] = format!("{{{}:{value},{}", json!(key), &line[1..]).into_bytes();
            }
        }
        _ => {
            if let Ok(mut json) = serde_json::from_slice::<Json>(&lines[at]) {
                change_json(&mut json, at, &foreign, dice);
                lines[at] = json.to_string().into_bytes();
            }
        }
    }
}

/// Puts something in the place of a number in the text.
fn replace_number(line: &mut Vec<u8>, by: &[u8], dice: &mut StdRng) {
    let digits: Vec<usize> = (0..line.len()).filter(|i| line[*i].is_ascii_digit()).collect();
    if let Some(at) = digits.choose(dice) {
        let end = (*at..line.len()).find(|i| !line[*i].is_ascii_digit()).unwrap_or(line.len());
        line.splice(*at..end, by.iter().copied());
    }
}

/// Does one thing to what a line says.
fn change_json(json: &mut Json, line: usize, foreign: &[&str], dice: &mut StdRng) {
    let Some(at) = path(json, dice) else { return };
    let (parent, last) = at.rsplit_once('/').map(|(parent, last)| (parent.to_owned(), last.to_owned())).unwrap();
    match dice.random_range(0..13) {
        0 => match json.pointer_mut(&parent) {
            Some(Json::Object(members)) => drop(members.remove(&last)),
            Some(Json::Array(values)) => drop(values.remove(last.parse().unwrap())),
            _ => {}
        },
        1 => match json.pointer_mut(&parent) {
            Some(Json::Object(members)) => drop(members.insert("z".to_owned(), odd_value(dice))),
            Some(Json::Array(values)) => {
                let again = if dice.random_bool(0.5) { values[0].clone() } else { odd_value(dice) };
                values.insert(dice.random_range(0..=values.len()), again);
            }
            _ => {}
        },
        // The same place of another set's line of the kind.
        2 | 3 => {
            let from = if line == 0 { 0 } else { dice.random_range(1..foreign.len() - 1) };
            let other: Json = serde_json::from_str(foreign[from]).unwrap();
            if let (Some(here), Some(there)) = (json.pointer_mut(&at), other.pointer(&at)) {
                *here = there.clone();
            }
        }
        // What only a liar says, or nobody: the right kind of thing, and another one.
        4..9 if line > 0 && json.is_object() => {
            let (node, n) = (dice.random_range(0..4), dice.random_range(1..40));
            let (key, value) = match dice.random_range(0..9) {
                0 => ("c", json!(dice.random_range(0..6))),
                1 => ("o", json!([node, n])),
                2 => ("v", json!([[node, n], [(node + 1) % 4, odd_number(dice)]])),
                3 => ("v", json!([[node, n]])),
                4 => ("k", json!(dice.random_range(0..12))),
                5 => ("n", json!([n])),
                6 => ("e", json!(["+", "~", "-"].choose(dice).unwrap())),
                7 => ("a", json!(node)),
                _ => ("t", odd_number(dice)),
            };
            json[key] = value;
        }
        // Nodes: names that are none, and nodes that nobody has heard of.
        4 | 5 if line == 0 && json["nodes"].is_array() => {
            let nodes = json["nodes"].as_array_mut().unwrap();
            let long = "x".repeat(dice.random_range(60..70));
            let name = *["", "-x", "a b", "\u{1b}[2J", "\u{202e}x", "MASTER", "好", &long].choose(dice).unwrap();
            match nodes.choose_mut(dice).filter(|node| node.is_object() && dice.random_bool(0.5)) {
                Some(node) => node["name"] = name.into(),
                None => (0..dice.random_range(1..5_000_u64)).for_each(|n| {
                    nodes.push(json!({"guid": format!("{:016x}", 0xabcd_0000 + n), "name": "N", "role": "client"}));
                }),
            }
        }
        // References: to itself, to what may be there, to what is not.
        9 | 10 if line > 0 => {
            let own = json["o"].clone();
            if let Some(values) = json.get_mut("p").and_then(Json::as_array_mut)
                && let Some(value) = values.iter_mut().filter(|v| v.is_array()).collect::<Vec<_>>().choose_mut(dice)
            {
                **value = if dice.random_bool(0.5) {
                    own
                } else {
                    json!([dice.random_range(0..4), dice.random_range(1..20)])
                };
            }
        }
        11 if line > 0 && json.is_object() => {
            for key in ["e", "v", "t", "a", "k", "p", "w"] {
                json.as_object_mut().unwrap().remove(key);
            }
        }
        10 if line == 0 && json.is_object() => {
            json["format"] = json!(dice.random_range(0..8));
            if dice.random_bool(0.5) {
                ["told", "earlier"].iter().for_each(|key| drop(json.as_object_mut().unwrap().remove(*key)));
            }
        }
        _ => *json.pointer_mut(&at).unwrap() = odd_value(dice),
    }
}

/// Does one thing to any value.
#[cfg(feature = "rest")]
pub fn change_value(json: &mut Json, dice: &mut StdRng) {
    let Some(at) = path(json, dice) else { return };
    let (parent, last) = at.rsplit_once('/').unwrap();
    match json.pointer_mut(parent) {
        Some(Json::Object(members)) if dice.random_ratio(1, 4) => drop(members.remove(last)),
        Some(Json::Object(members)) if dice.random_ratio(1, 8) => drop(members.insert("z".to_owned(), odd_value(dice))),
        _ => *json.pointer_mut(&at).unwrap() = odd_value(dice),
    }
}

/// Does one thing to bytes.
pub fn change_bytes(bytes: &mut Vec<u8>, dice: &mut StdRng) {
    if bytes.is_empty() {
        return bytes.push(dice.random());
    }
    let length = bytes.len();
    let at = dice.random_range(0..length);
    let end = (at + dice.random_range(1..=64)).min(length);
    match dice.random_range(0..10) {
        0 => bytes[at] ^= 1 << dice.random_range(0..8),
        1 => bytes[at] = dice.random(),
        2 => bytes.truncate(at),
        3 => drop(bytes.drain(at..end)),
        4 => {
            let again = bytes[at..end].to_vec();
            bytes.splice(end..end, again);
        }
        5 => bytes[at..end].reverse(),
        6 => {
            let more: [&[u8]; 5] = [b"\n", b"\0", b"{}\n", b"\r", b"\x28\xb5\x2f\xfd"];
            bytes.extend_from_slice(more.choose(dice).unwrap());
        }
        7 => bytes[at..end].fill(0),
        8 => {
            let odd: [&[u8]; 6] = [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\\ud800", b"-", b"9"];
            drop(bytes.splice(at..at, odd.choose(dice).unwrap().iter().copied()));
        }
        _ => replace_number(bytes, odd_number(dice).to_string().as_bytes(), dice),
    }
}

//! Hostile requests: mutated bodies at every service that takes one, over a socket. Each is answered with what was done or why not,
//! never with a failure of the server's own, and the databases stay sound.

use objsync::rest::description;
use objsync::sync::Environment;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::Value as Json;

use crate::mutate::{change_bytes, change_value};
use crate::served::{BASIC, Served};
use crate::services::{BASES, ORDERS, services};
use crate::{Watchdog, common, seed, times};

/// Requests where nobody asks for another number.
const REQUESTS: u64 = 6_000;

fn described() -> Vec<(String, String)> {
    let described = serde_json::to_value(description()).unwrap();
    let mut found = Vec::new();
    for (path, item) in described["paths"].as_object().unwrap() {
        let of = |method: &&&str| item.get(**method).is_some();
        found.extend(["post", "put"].iter().filter(of).map(|method| (method.to_uppercase(), path.clone())));
    }
    found.sort();
    found
}

/// A body, mutated by what it means or byte by byte; some are left as they are.
fn body(valid: &Json, set: &[u8], dice: &mut StdRng) -> Vec<u8> {
    let mut json = valid.clone();
    let by_meaning = if json.is_object() { dice.random_range(0..4) } else { 0 };
    (0..by_meaning).for_each(|_| change_value(&mut json, dice));
    let mut bytes = if json == "a set" { set.to_vec() } else { json.to_string().into_bytes() };
    match dice.random_range(0..10) {
        0 => bytes = (0..dice.random_range(0..200)).map(|_| dice.random()).collect(),
        1 => bytes = "[".repeat(*[100, 200, 60_000].choose(dice).unwrap()).into_bytes(),
        2 => bytes = format!("{{\"a\":\"{}\"}}", "x".repeat(dice.random_range(0..100_000))).into_bytes(),
        3..6 => (0..dice.random_range(1..4)).for_each(|_| change_bytes(&mut bytes, dice)),
        _ => {}
    }
    bytes
}

#[test]
fn a_hostile_request_is_answered_and_does_no_harm() {
    let all = services();
    let mut named: Vec<(String, String)> = all.iter().map(|(m, p, _)| ((*m).to_owned(), (*p).to_owned())).collect();
    named.sort();
    assert_eq!(named, described(), "every service with a body is asked");
    let (served, dog, seed, many) = (Served::new(), Watchdog::new(), seed(), times(REQUESTS));
    served.done(served.master("POST", "/randomorder", ""));
    served.done(served.master("POST", "/admin/prepsynch", r#"{"syncID":1000,"excludeNS":"CLIENT"}"#));
    let set = std::fs::read(served.home().join("sets/syncFromMASTER-1000.syncset")).unwrap();
    let mut statuses = std::collections::BTreeMap::<u16, usize>::new();
    for n in 0..many {
        let dice = &mut StdRng::seed_from_u64(seed << 32 | n);
        let (method, path, valid) = all.choose(dice).unwrap();
        let order = ORDERS.choose(dice).unwrap();
        let path = path.replace("{orderID}", order);
        let base = BASES.choose(dice).unwrap();
        let body = body(valid, &set, dice);
        let what = format!(
            "seed {seed}, request {n}: {method} {base}{path} {}",
            String::from_utf8_lossy(&body[..body.len().min(300)])
        );
        let request = ureq::http::Request::builder()
            .method(*method)
            .uri(served.url(base, &path))
            .header("Authorization", BASIC)
            .body(body)
            .unwrap();
        let answered = dog.watch(&what, || served.agent.run(request)).unwrap();
        // A body that is too large may be broken off.
        let Ok(mut answered) = answered else { continue };
        let status = answered.status().as_u16();
        let said = answered.body_mut().read_to_string().unwrap();
        *statuses.entry(status).or_default() += 1;
        assert!(status < 500 || status == 503, "{what}: {status} {said}");
        assert!(serde_json::from_str::<Json>(&said).is_ok(), "{what}: {status} {said}");
    }
    println!("{many} requests, seed {seed}: {statuses:?}");
    assert!(statuses[&200] > 10 && statuses[&422] > 10 && statuses[&400] > 10, "{statuses:?}");
    assert_eq!(served.master("GET", "/status", "").0, 200, "it still serves");
    served.server.release();
    common::assert_sound(&Environment::open(&served.home()).unwrap().nodes);
}

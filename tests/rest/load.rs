//! Many clients at once: no error but "busy", and nothing lost that was acknowledged. `OBJSYNC_LOAD=60` goes on for that many seconds
//! with 64 clients and says how much was done.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::served::{BASIC, Served, agent};

#[derive(Default)]
struct Done {
    reads: usize,
    writes: usize,
    syncs: usize,
    busy: usize,
    made: BTreeSet<(&'static str, i64)>,
}

#[test]
fn many_clients_at_once_lose_nothing() {
    let seconds: Option<u64> = std::env::var("OBJSYNC_LOAD").ok().map(|n| n.parse().unwrap());
    let clients = if seconds.is_some() { 64 } else { 12 };
    let rounds = if seconds.is_some() { usize::MAX } else { 30 };
    let served = Served::new();
    let (stop, set) = (AtomicBool::new(false), AtomicI64::new(1));
    let since = Instant::now();
    let work = |client: usize| {
        let agent = agent();
        let mut done = Done::default();
        let ask = |method: &str, base: &str, path: &str, body: &Value, busy: &mut usize| -> Option<Value> {
            let request = ureq::http::Request::builder()
                .method(method)
                .uri(served.url(base, path))
                .header("Authorization", BASIC);
            let answer = match body {
                Value::Null => agent.run(request.body(()).unwrap()),
                body => agent.run(request.body(body.to_string()).unwrap()),
            };
            let mut answer = answer.unwrap();
            let status = answer.status().as_u16();
            let value: Value = answer.body_mut().read_json().unwrap();
            // Another client's set may have been applied before the one before it.
            let gap = path == "/admin/synchronize" && status == 409;
            assert!(status == 200 || status == 503 || gap, "{method} {path}: {value}");
            *busy += usize::from(status == 503);
            (status == 200).then_some(value)
        };
        for round in 0..rounds {
            if stop.load(Ordering::SeqCst) {
                break;
            }
            let base = ["synchmaster", "synchclient"][(client + round) % 2];
            let busy = &mut done.busy;
            match (client + round * 7) % 10 {
                0..5 => {
                    let paths = ["/orders/100", "/customers", "/status", "/admin/conflicts", "/journal?limit=20"];
                    done.reads += usize::from(ask("GET", base, paths[round % 5], &Value::Null, busy).is_some());
                }
                5..8 => {
                    if let Some(made) = ask("POST", base, "/randomorder", &Value::Null, busy) {
                        done.writes += 1;
                        done.made.insert((base, made["id"].as_i64().unwrap()));
                    }
                }
                8 => {
                    let order = json!({"orderNum": 1 + round % 20, "quantity": round % 1000});
                    done.writes += usize::from(ask("PUT", base, "/order", &order, busy).is_some());
                }
                _ => {
                    let id = set.fetch_add(1, Ordering::SeqCst);
                    let (other, from, to) = match base {
                        "synchmaster" => ("synchclient", "MASTER", "CLIENT"),
                        _ => ("synchmaster", "CLIENT", "MASTER"),
                    };
                    let prepare = json!({"syncID": id, "excludeNS": to});
                    if ask("POST", base, "/admin/prepsynch", &prepare, busy).is_some() {
                        let apply = json!({"syncID": id, "srcNS": from});
                        done.syncs += usize::from(ask("POST", other, "/admin/synchronize", &apply, busy).is_some());
                    }
                }
            }
        }
        done
    };
    let all: Vec<Done> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..clients)
            .map(|client| {
                let work = &work;
                scope.spawn(move || work(client))
            })
            .collect();
        if let Some(seconds) = seconds {
            std::thread::sleep(Duration::from_secs(seconds));
            stop.store(true, Ordering::SeqCst);
        }
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let sum = |of: fn(&Done) -> usize| all.iter().map(of).sum::<usize>();
    let [reads, writes, syncs, busy] = [sum(|d| d.reads), sum(|d| d.writes), sum(|d| d.syncs), sum(|d| d.busy)];
    if seconds.is_some() {
        let took = since.elapsed().as_secs_f64();
        eprintln!(
            "{clients} clients, {took:.0} s: {:.0} reads, {:.0} writes, {:.1} synchronizations a second; {busy} answers were \"busy\"",
            reads as f64 / took,
            writes as f64 / took,
            syncs as f64 / took
        );
    }
    assert!(reads > 50 && writes > 50 && syncs > 3, "{reads} {writes} {syncs}");
    // What was acknowledged is there, and both can be brought level.
    for (base, file) in [("synchmaster", "master.db"), ("synchclient", "client.db")] {
        let conn = rusqlite::Connection::open(served.home().join(file)).unwrap();
        let mut statement = conn.prepare("SELECT order_num FROM orders").unwrap();
        let there: BTreeSet<i64> = statement.query_map([], |r| r.get(0)).unwrap().map(|r| r.unwrap()).collect();
        let lost: Vec<i64> = all
            .iter()
            .flat_map(|d| &d.made)
            .filter(|(b, id)| *b == base && !there.contains(id))
            .map(|(_, id)| *id)
            .collect();
        assert!(lost.is_empty(), "{base}: {lost:?}");
    }
    let mut env = objsync::sync::Environment::open(&served.home()).unwrap();
    env.sync(None).unwrap();
    assert!(env.verify().unwrap().equal && env.status().unwrap().equal);
}

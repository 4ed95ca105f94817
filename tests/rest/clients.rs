//! Clients that break off, dawdle or listen; environments that change while they are served.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use objsync::demo::install::{Installation, install};
use objsync::demo::populate::Amounts;
use objsync::sync::{Environment, ErrorKind, Progress};

use crate::served::{BASIC, Served};

fn connect(served: &Served) -> TcpStream {
    let stream = TcpStream::connect(served.server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

fn head(served: &Served, method: &str, path: &str, more: &str) -> String {
    let address = served.server.address();
    format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: {BASIC}\r\n{more}\r\n")
}

#[test]
fn broken_and_slow_clients_hold_nobody_up() {
    let served = Served::new();
    // Garbage, half a request, half a body, a length that is none.
    let put = "/synchmaster/rest/v1/order/1";
    let mut kept = Vec::new();
    for text in [
        "\0\0\0\0".to_owned(),
        "GET / HTTP/1.1\r\nHo".to_owned(),
        head(&served, "PUT", put, "Content-Length: 100\r\n") + "{\"quantity\": 1",
        head(&served, "PUT", put, "Content-Length: x\r\n"),
        head(&served, "PUT", put, "Transfer-Encoding: chunked\r\n") + "zz\r\n",
        format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(1 << 20)),
    ] {
        let mut stream = connect(&served);
        // It may hang up in the middle of too much.
        let _ = stream.write_all(text.as_bytes());
        kept.push(stream);
    }
    for _ in 0..100 {
        kept.push(connect(&served));
    }
    let before = served.done(served.master("GET", "/order/1", ""));
    // Half of them go away, half are hung up on by the server in its own time.
    let silent = kept.swap_remove(1);
    let half_body = kept.swap_remove(1);
    drop(kept);
    for mut stream in [silent, half_body] {
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        assert!(!answer.contains("200 OK"), "{answer}");
    }
    assert_eq!(served.done(served.master("GET", "/order/1", "")), before);
}

#[test]
fn what_is_filed_is_streamed() {
    let served = Served::new();
    let mut stream = connect(&served);
    stream.write_all(head(&served, "GET", "/synchclient/rest/v1/events", "").as_bytes()).unwrap();
    let mut lines = BufReader::new(stream).lines().map(|line| line.unwrap());
    assert!(lines.next().unwrap().contains("200"));
    lines.by_ref().find(|line| line.is_empty()).unwrap();
    // By another program, by a set, at another node.
    served.done(served.master("POST", "/randomorder", ""));
    let conn = rusqlite::Connection::open(served.home().join("client.db")).unwrap();
    conn.execute_batch("UPDATE orders SET quantity = 77 WHERE order_num = 2").unwrap();
    let data = |line: &String| line.starts_with("data: ");
    let event: serde_json::Value = serde_json::from_str(&lines.by_ref().find(data).unwrap()[6..]).unwrap();
    assert_eq!((&event["number"], &event["kind"]), (&2.into(), &"update".into()), "not MASTER's: {event}");
    assert!(event["changes"].as_str().unwrap().contains("→ 77"), "{event}");
    served.done(served.master("POST", "/admin/prepsynch", r#"{"syncID":1,"excludeNS":"CLIENT"}"#));
    served.done(served.client("POST", "/admin/synchronize", r#"{"syncID":1,"srcNS":"MASTER"}"#));
    let event: serde_json::Value = serde_json::from_str(&lines.by_ref().find(data).unwrap()[6..]).unwrap();
    assert_eq!(event["through"], "set 1 from MASTER");
    // Who listens keeps nobody from stopping.
    let since = Instant::now();
    served.server.stop();
    assert!(lines.find(data).is_none());
    assert!(since.elapsed() < Duration::from_secs(15), "a stream that is told to end, ends");
}

#[test]
fn a_server_that_stops_finishes_what_runs() {
    let served = Served::new();
    let (url, home) = (served.url("synchmaster", "/randomorder"), served.home());
    let asking: Vec<_> = (0..8)
        .map(|_| {
            let url = url.clone();
            std::thread::spawn(move || {
                let agent = crate::served::agent();
                let mut made = Vec::new();
                // Until the server is gone.
                while let Ok(mut answer) = agent.post(&url).header("Authorization", BASIC).send_empty() {
                    match answer.status().as_u16() {
                        200 => made
                            .push(answer.body_mut().read_json::<serde_json::Value>().unwrap()["id"].as_i64().unwrap()),
                        status => assert_eq!(status, 503),
                    }
                }
                made
            })
        })
        .collect();
    std::thread::sleep(Duration::from_millis(500));
    let Served { server, dir, .. } = served;
    server.stop();
    let mut made: Vec<i64> = asking.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    made.sort_unstable();
    let env = Environment::open(&home).unwrap();
    let sql = "SELECT order_num FROM orders WHERE order_num > 25 ORDER BY order_num";
    let mut statement = env.nodes[0].connection().prepare(sql).unwrap();
    let there: Vec<i64> = statement.query_map([], |r| r.get(0)).unwrap().map(|r| r.unwrap()).collect();
    assert!(!made.is_empty() && made.iter().all(|id| there.contains(id)), "what was answered is there");
    drop(statement);
    drop((env, dir));
}

#[test]
fn an_environment_made_anew_is_served_at_once() {
    let served = Served::new();
    served.done(served.master("POST", "/randomorder", ""));
    let amounts = Amounts { items: 3, customers: 3, employees: 3, orders: 4 };
    let anew = Installation { amounts, seed: Some(2), overwrite: true, ..Installation::default() };
    // What was opened for requests is closed again, soon or at once.
    served.server.release();
    install(&served.home(), &anew, &Progress::default()).unwrap();
    assert_eq!(served.done(served.master("GET", "/orders/1", ""))["orders"][0]["id"], 4);
    while let Err(error) = install(&served.home(), &anew, &Progress::default()) {
        assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
        std::thread::sleep(Duration::from_millis(100));
    }
    let mut env = Environment::open(&served.home()).unwrap();
    env.add_client("NORTH", 0).unwrap();
    assert_eq!(served.done(served.ask("POST", "synch/north", "/randomorder", ""))["id"], 5);
}

#[test]
fn a_locked_database_is_busy_and_says_when_to_come_back() {
    let served = Served::new();
    let conn = rusqlite::Connection::open(served.home().join("master.db")).unwrap();
    conn.execute_batch("BEGIN IMMEDIATE").unwrap();
    let url = served.url("synchmaster", "/randomorder");
    let mut answer = served.agent.post(url).header("Authorization", BASIC).send_empty().unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].to_str().unwrap()), (503, "1"));
    let problem: serde_json::Value = answer.body_mut().read_json().unwrap();
    assert!(problem["detail"].as_str().unwrap().contains("nothing was changed"), "{problem}");
    // Reading goes on beside it, and so does writing afterwards.
    assert_eq!(served.done(served.master("GET", "/orders/1", ""))["orders"][0]["id"], 25);
    conn.execute_batch("ROLLBACK").unwrap();
    assert_eq!(served.done(served.master("POST", "/randomorder", ""))["id"], 26);
}

//! Clients that have not signed in, and some that never will: they keep nobody out.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use objsync::rest::{FailedSignIn, Options, set_credentials};

use crate::raw;
use crate::served::{BASIC, Served};

/// me:long enough
const OWN: &str = "Basic bWU6bG9uZyBlbm91Z2g=";

fn with_own_credentials(options: &Options) -> (Served, SocketAddr) {
    let served = Served::new();
    let home = served.home();
    let (dir, agent) = (served.dir, served.agent);
    served.server.stop();
    set_credentials(&home, "me", "long enough").unwrap();
    let server = objsync::rest::Server::start(&home, options).unwrap();
    let address = SocketAddr::new("127.0.0.1".parse().unwrap(), server.address().port());
    (Served { server, dir, agent }, address)
}

fn orders(address: SocketAddr, authorization: &str) -> String {
    format!(
        "GET /synchmaster/rest/v1/orders/1 HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nAuthorization: {authorization}\r\n\r\n"
    )
}

/// The base64 of a login.
fn basic(login: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = login.as_bytes().chunks(3).flat_map(|three| {
        let bits = three.iter().fold(0, |bits, b| bits << 8 | u32::from(*b)) << (8 * (3 - three.len()));
        (0..4).map(move |i| if i > three.len() { '=' } else { DIGITS[(bits >> (18 - 6 * i)) as usize & 63].into() })
    });
    format!("Basic {}", digits.collect::<String>())
}

/// More of them than there are connections, each with many requests of which none of the answers is read.
#[test]
fn who_never_reads_blocks_nobody() {
    let served = Served::new();
    let address = served.server.address();
    let asked = format!("GET /openapi.json HTTP/1.1\r\nHost: {address}\r\n\r\n").repeat(200);
    let mut held = Vec::new();
    for _ in 0..600 {
        // Handles are scarce on some machines: as many as there are.
        let Ok(mut stream) = TcpStream::connect(address) else { break };
        stream.set_nonblocking(true).unwrap();
        let _ = stream.write(asked.as_bytes());
        held.push(stream);
        let now = held.len();
        if now == 100 || now == 550 {
            std::thread::sleep(Duration::from_millis(200));
        }
    }
    let since = Instant::now();
    assert_eq!(served.done(served.master("GET", "/orders/1", ""))["orders"][0]["id"], 25);
    assert!(since.elapsed() < Duration::from_secs(5), "{:?} beside {} others", since.elapsed(), held.len());
    assert!(held.len() > 512 || crate::common::required("handles").eq(&false), "only {} connections", held.len());
}

/// The server keeps little for who does not read, and hangs up in time: also on one that has signed in.
#[test]
fn who_never_reads_is_hung_up_on() {
    let served = Served::new();
    let address = served.server.address();
    let mut stream = raw::connect_small(address);
    let first = orders(address, BASIC).replace("Connection: close\r\n", "");
    let many = format!("GET /openapi.json HTTP/1.1\r\nHost: {address}\r\n\r\n").repeat(100);
    stream.write_all((first + &many).as_bytes()).unwrap();
    std::thread::sleep(Duration::from_secs(33));
    // What was on its way comes, then the end.
    let mut unread = Vec::new();
    let _ = stream.read_to_end(&mut unread);
    assert!(String::from_utf8_lossy(&unread).starts_with("HTTP/1.1 200"), "it was answered");
    assert!(unread.len() < 1_000_000, "{} bytes were kept", unread.len());
}

/// Who has signed in keeps the connection, however many strangers come.
#[test]
fn strangers_push_out_strangers_only() {
    let served = Served::new();
    let address = served.server.address();
    let mut owner = raw::connect(address);
    let request = orders(address, BASIC).replace("Connection: close\r\n", "");
    let mut first = [0; 4096];
    owner.write_all(request.as_bytes()).unwrap();
    assert!(owner.read(&mut first).unwrap() > 0);
    let strangers: Vec<_> = (0..560).map_while(|_| TcpStream::connect(address).ok()).collect();
    if strangers.len() < 560 {
        return crate::common::skip("handles", "this machine gives too few file handles");
    }
    std::thread::sleep(Duration::from_millis(300));
    owner.write_all(orders(address, BASIC).as_bytes()).unwrap();
    assert_eq!(raw::read(owner).status, 200);
    // The first stranger had to make room.
    let mut out = &strangers[0];
    out.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    assert!(
        matches!(out.read(&mut first), Ok(0))
            || out.read(&mut first).is_err_and(|e| e.kind() != std::io::ErrorKind::WouldBlock)
    );
}

#[test]
fn guessing_does_not_hold_up_the_owner() {
    let (served, address) = with_own_credentials(&Options { port: 0, ..Options::default() });
    let since = Instant::now();
    assert_eq!(raw::ask(address, &orders(address, OWN)).status, 200);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for guesser in 0..50 {
            let over = &over;
            scope.spawn(move || {
                for guess in 0.. {
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                    let Ok(mut stream) = TcpStream::connect(address) else { continue };
                    let _ = stream.set_read_timeout(Some(Duration::from_millis(500)));
                    let _ =
                        stream.write_all(orders(address, &basic(&format!("me:wrong {guesser} {guess}"))).as_bytes());
                    let _ = stream.read(&mut [0; 1024]);
                }
            });
        }
        std::thread::sleep(Duration::from_secs(1));
        for _ in 0..5 {
            let since = Instant::now();
            let status = raw::ask(address, &orders(address, OWN)).status;
            let took = since.elapsed();
            over.store(status != 200 || took > Duration::from_secs(2), Ordering::Relaxed);
            assert!(status == 200 && took < Duration::from_secs(2), "{status} after {took:?}");
        }
        over.store(true, Ordering::Relaxed);
    });
    // One that waits for its delay keeps nobody from stopping.
    drop(served);
    assert!(since.elapsed() < Duration::from_secs(30), "{:?}", since.elapsed());
}

/// Two wrong ones are mistyped; from the third on the source waits, and no other does.
#[cfg(target_os = "linux")]
#[test]
fn a_source_that_guesses_is_delayed_and_another_signs_in_at_once() {
    static SEEN: Mutex<Vec<FailedSignIn>> = Mutex::new(Vec::new());
    let watched = Options {
        port: 0,
        on_failed_sign_in: Some(|failed| SEEN.lock().unwrap().push(failed.clone())),
        ..Options::default()
    };
    let (served, address) = with_own_credentials(&watched);
    let (guesser, other): (IpAddr, IpAddr) = ("127.0.0.2".parse().unwrap(), "127.0.0.3".parse().unwrap());
    let ask = |from: IpAddr, authorization: &str| {
        let mut stream = raw::connect_from(from, address);
        stream.write_all(orders(address, authorization).as_bytes()).unwrap();
        stream
    };
    let guess = |login: &str| {
        let since = Instant::now();
        (raw::read(ask(guesser, &basic(login))).status, since.elapsed())
    };
    for n in 0..2 {
        let (status, took) = guess(&format!("me:wrong {n}"));
        assert!(status == 401 && took < Duration::from_secs(1), "{status} after {took:?}");
    }
    let (status, took) = guess("me\n\u{1b}[2J:wrong 3");
    assert!(status == 401 && took >= Duration::from_secs(1), "{status} after {took:?}");
    // Who hangs up is counted all the same.
    let hasty = ask(guesser, &basic("me:wrong 4"));
    std::thread::sleep(Duration::from_millis(100));
    drop(hasty);
    let late = ask(guesser, OWN);
    let late = std::thread::spawn(move || {
        let since = Instant::now();
        (raw::read(late).status, since.elapsed())
    });
    std::thread::sleep(Duration::from_millis(200));
    // Never signed in before, so this one is verified: beside the other's delay.
    let since = Instant::now();
    assert_eq!(raw::read(ask(other, OWN)).status, 200);
    assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
    let (status, took) = late.join().unwrap();
    assert!(status == 200 && took > Duration::from_secs(1), "the right one after the delay: {status} after {took:?}");
    let (status, took) = guess("me:wrong again");
    assert!(status == 401 && took < Duration::from_secs(1), "it was cleared: {took:?}");
    let seen = SEEN.lock().unwrap();
    assert_eq!(seen.iter().map(|failed| failed.failures).collect::<Vec<_>>(), [1, 2, 3, 4, 1]);
    assert!(seen.iter().all(|failed| failed.from == guesser && !failed.user.contains("wrong")), "{seen:?}");
    drop(served);
}

#[test]
fn a_source_has_few_guesses_at_once() {
    let (_served, address) = with_own_credentials(&Options { port: 0, ..Options::default() });
    for n in 0..3 {
        assert_eq!(raw::ask(address, &orders(address, &basic(&format!("me:wrong {n}")))).status, 401);
    }
    let mut asked: Vec<TcpStream> = (0..20)
        .map(|n| {
            let mut stream = raw::connect(address);
            stream.write_all(orders(address, &basic(&format!("me:more {n}"))).as_bytes()).unwrap();
            stream
        })
        .collect();
    let refused = asked.pop().map(raw::read).unwrap();
    assert_eq!(refused.status, 429, "{}", refused.body);
    let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=30).contains(&seconds), "{seconds}");
    assert!(refused.body.contains("nothing was changed"), "{}", refused.body);
}

#[test]
fn streams_are_bounded_apart_from_requests() {
    let served = Served::new();
    let address = served.server.address();
    let listen = || {
        let mut stream = raw::connect(address);
        let head = "GET /synchmaster/rest/v1/events HTTP/1.1\r\nConnection: close\r\n";
        stream.write_all(format!("{head}Host: {address}\r\nAuthorization: {BASIC}\r\n\r\n").as_bytes()).unwrap();
        let mut begun = [0; 12];
        stream.read_exact(&mut begun).unwrap();
        (String::from_utf8_lossy(&begun).into_owned(), stream)
    };
    let mut listening: Vec<_> = (0..64).map(|_| listen()).collect();
    assert!(listening.iter().all(|(begun, _)| begun == "HTTP/1.1 200"));
    let (begun, rest) = listen();
    assert_ne!(begun, "HTTP/1.1 200", "one more");
    let refused = raw::parse(&(begun + &std::io::read_to_string(rest).unwrap()));
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("10")), "{}", refused.body);
    // Requests go on.
    let since = Instant::now();
    served.done(served.master("POST", "/randomorder", ""));
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    // Who goes away makes room.
    listening.truncate(32);
    let since = Instant::now();
    while listen().0 != "HTTP/1.1 200" {
        assert!(since.elapsed() < Duration::from_secs(20), "nobody made room");
        std::thread::sleep(Duration::from_millis(200));
    }
}

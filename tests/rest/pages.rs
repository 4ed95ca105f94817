//! What pages of a browser may do here, and what every answer says to browsers.

use objsync::rest::{Options, set_credentials};

use crate::raw;
use crate::served::{BASIC, Served};

fn request(served: &Served, method: &str, path: &str, headers: &[(&str, &str)]) -> String {
    let mut text = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    if !headers.iter().any(|(name, _)| *name == "Host") {
        text += &format!("Host: {}\r\n", served.server.address());
    }
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    text + "\r\n"
}

fn status(served: &Served, method: &str, path: &str, headers: &[(&str, &str)]) -> u16 {
    let headers = [headers, &[("Authorization", BASIC)]].concat();
    raw::ask(served.server.address(), &request(served, method, path, &headers)).status
}

const ORDERS: &str = "/synchmaster/rest/v1/orders/1";
const MAKE: &str = "/synchmaster/rest/v1/randomorder";

#[test]
fn two_headers_that_say_who_asks_are_malformed() {
    let served = Served::new();
    let address = served.server.address().to_string();
    let (evil, own) = (("Host", "evil.example"), ("Host", address.as_str()));
    assert_eq!(status(&served, "GET", ORDERS, &[own]), 200);
    for two in [[own, own], [own, evil], [evil, own]] {
        assert_eq!(status(&served, "GET", ORDERS, &two), 400, "{two:?}");
    }
    let page = format!("http://{address}");
    let (evil, own) = (("Origin", "http://evil.example"), ("Origin", page.as_str()));
    assert_eq!(status(&served, "POST", MAKE, &[own]), 200);
    for two in [[own, own], [own, evil], [evil, own]] {
        assert_eq!(status(&served, "POST", MAKE, &two), 400, "{two:?}");
    }
    let sites = [("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "cross-site")];
    assert_eq!(status(&served, "POST", MAKE, &sites), 400);
    assert_eq!(status(&served, "GET", ORDERS, &[("Authorization", BASIC)]), 400, "two sign-ins");
    // The target may be absolute (RFC 9112, 3.2.2), but not another.
    assert_eq!(status(&served, "GET", &format!("{page}{ORDERS}"), &[]), 200);
    assert_eq!(status(&served, "GET", &format!("http://evil.example{ORDERS}"), &[]), 400);
}

#[test]
fn a_page_of_another_server_neither_reads_nor_writes() {
    let served = Served::new();
    for site in ["cross-site", "same-site", "new-kind"] {
        for (method, path) in [("GET", ORDERS), ("POST", MAKE), ("GET", "/synchmaster/rest/v1/events"), ("GET", "/")] {
            assert_eq!(status(&served, method, path, &[("Sec-Fetch-Site", site)]), 403, "{site} {method} {path}");
        }
    }
    assert_eq!(status(&served, "GET", ORDERS, &[("Sec-Fetch-Site", "same-origin")]), 200);
    assert_eq!(served.done(served.master("GET", "/orders/1", ""))["orders"][0]["id"], 25, "nothing was made");
}

/// A browser sends the login that it keeps with whatever a page asks: the page's own address must be the one that it asks.
#[test]
fn a_page_at_another_address_may_not_write_where_all_addresses_are_bound() {
    let other = Served::new();
    let home = other.home();
    other.server.stop();
    set_credentials(&home, "me", "long enough").unwrap();
    let everywhere = Options { port: 0, bind: "0.0.0.0".parse().unwrap(), insecure: true, ..Options::default() };
    let server = objsync::rest::Server::start(&home, &everywhere).unwrap();
    let port = server.address().port();
    let ask = |headers: &str| {
        // me:long enough
        let head =
            format!("POST {MAKE} HTTP/1.1\r\nConnection: close\r\nAuthorization: Basic bWU6bG9uZyBlbm91Z2g=\r\n");
        raw::ask(([127, 0, 0, 1], port).into(), &format!("{head}{headers}\r\n")).status
    };
    for page in ["http://6.6.6.6", "http://[2001:db8::1]", "http://192.168.7.7"] {
        for origin in [page.to_owned(), format!("{page}:{port}")] {
            assert_eq!(ask(&format!("Host: 127.0.0.1:{port}\r\nOrigin: {origin}\r\n")), 403, "{origin}");
        }
    }
    assert_eq!(ask(&format!("Host: evil.example:{port}\r\n")), 403);
    assert_eq!(ask(&format!("Host: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\n")), 200);
}

#[test]
fn every_answer_is_safe_in_a_browser() {
    let served = Served::new();
    let signed_in = ("Authorization", BASIC);
    let service = |path: &str| format!("/synchmaster/rest/v1{path}");
    for (method, path, headers, status) in [
        ("GET", "/".to_owned(), vec![], 200),
        ("GET", "/openapi.json".to_owned(), vec![], 200),
        ("GET", ORDERS.to_owned(), vec![signed_in], 200),
        ("HEAD", ORDERS.to_owned(), vec![signed_in], 200),
        ("GET", service("/admin/sets/x"), vec![signed_in], 400),
        ("GET", service("/%6frders"), vec![signed_in], 400),
        ("GET", ORDERS.to_owned(), vec![], 401),
        ("GET", ORDERS.to_owned(), vec![signed_in, ("Host", "evil.example")], 403),
        ("GET", ORDERS.to_owned(), vec![signed_in, ("Origin", "null")], 403),
        ("GET", service("/nothing"), vec![signed_in], 404),
        ("GET", "/nothing".to_owned(), vec![], 404),
        ("PATCH", ORDERS.to_owned(), vec![signed_in], 405),
        ("POST", "/".to_owned(), vec![], 405),
        ("POST", service("/order"), vec![signed_in], 422),
    ] {
        let answer = raw::ask(served.server.address(), &request(&served, method, &path, &headers));
        assert_eq!(answer.status, status, "{method} {path} {headers:?}: {}", answer.body);
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{method} {path}");
        assert_eq!(answer.header("cross-origin-resource-policy"), Some("same-origin"), "{method} {path}");
        let policy = answer.header("content-security-policy").unwrap_or_default();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert!(!policy.contains("script-src"), "nothing runs: {policy}");
    }
}

#[test]
fn the_page_names_the_credentials_of_the_demo_only_while_they_are_good() {
    let served = Served::new();
    let page = |address| raw::ask(address, &format!("GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"));
    let shown = page(served.server.address());
    let port = served.server.address().port();
    assert!(shown.body.contains("curl -u superuser:sys") && shown.body.contains(&format!("http://localhost:{port}/")));
    assert!(!shown.body.contains("{{"), "{}", shown.body);
    let home = served.home();
    served.server.stop();
    set_credentials(&home, "me", "long enough").unwrap();
    let server = objsync::rest::Server::start(&home, &Options { port: 0, ..Options::default() }).unwrap();
    let shown = page(server.address());
    assert!(shown.body.contains("USER:PASSWORD") && !shown.body.contains("superuser:sys"), "{}", shown.body);
}

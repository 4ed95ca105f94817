//! Who may ask, and in whose name.

use std::net::IpAddr;

use objsync::rest::{Options, Server, Warning, set_credentials};
use objsync::sync::ErrorKind;

use crate::served::{BASIC, Served};

/// The status of a request with these headers.
fn status(served: &Served, headers: &[(&str, &str)]) -> u16 {
    let mut request = served.agent.get(served.url("synchmaster", "/orders/1"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.call().unwrap().status().as_u16()
}

#[test]
fn nobody_is_let_in_without_the_right_credentials() {
    let served = Served::new();
    assert_eq!(status(&served, &[("Authorization", BASIC)]), 200);
    assert_eq!(status(&served, &[("Authorization", &BASIC.replace("Basic", "basic"))]), 200);
    let response = served.agent.get(served.url("synchmaster", "/orders/1")).call().unwrap();
    assert_eq!(response.status().as_u16(), 401);
    assert!(response.headers()["www-authenticate"].to_str().unwrap().starts_with("Basic"));
    // superuser:wrong, superuser, empty, no base64, another scheme
    for wrong in [
        "Basic c3VwZXJ1c2VyOndyb25n",
        "Basic c3VwZXJ1c2Vy",
        "Basic ",
        "Basic !!!",
        "Bearer c3VwZXJ1c2VyOnN5cw==",
        "c3VwZXJ1c2VyOnN5cw==",
    ] {
        assert_eq!(status(&served, &[("Authorization", wrong)]), 401, "{wrong}");
    }
    let (status, refused) = {
        let mut response = served.agent.post(served.url("synchmaster", "/randomorder")).send_empty().unwrap();
        (response.status().as_u16(), response.body_mut().read_json::<serde_json::Value>().unwrap())
    };
    served.refused((status, refused), 401, &["not signed in", "superuser:sys"]);
    assert_eq!(served.done(served.master("GET", "/orders/1", ""))["orders"][0]["id"], 25, "nothing was made");
}

#[test]
fn a_page_of_another_site_is_refused() {
    let served = Served::new();
    let address = served.server.address();
    let signed_in = ("Authorization", BASIC);
    let port = address.port();
    for host in [format!("localhost:{port}"), format!("127.0.0.1:{port}"), format!("[::1]:{port}")] {
        assert_eq!(status(&served, &[signed_in, ("Host", &host)]), 200, "{host}");
        let own = [signed_in, ("Host", host.as_str()), ("Origin", &format!("http://{host}"))];
        assert_eq!(status(&served, &own), 200, "{host}");
    }
    // A page of this server asks it by the name by which it was asked for.
    let other = [signed_in, ("Host", &*format!("localhost:{port}")), ("Origin", &format!("http://127.0.0.1:{port}"))];
    assert_eq!(status(&served, &other), 403);
    for (site, expected) in [("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200)] {
        assert_eq!(status(&served, &[signed_in, ("Sec-Fetch-Site", site)]), expected, "{site}");
    }
    for host in [
        "localhost",
        "evil.example",
        "localhost:1",
        &format!("evil.example:{port}"),
        &format!("127.0.0.1.evil.example:{port}"),
    ] {
        assert_eq!(status(&served, &[signed_in, ("Host", host)]), 403, "{host}");
        assert_eq!(status(&served, &[signed_in, ("Origin", &format!("http://{host}"))]), 403, "{host}");
    }
    assert_eq!(status(&served, &[signed_in, ("Origin", "null")]), 403);
    assert_eq!(status(&served, &[signed_in, ("Origin", &format!("https://localhost:{port}"))]), 403);
}

#[test]
fn other_machines_may_ask_only_with_credentials_of_ones_own() {
    let served = Served::new();
    let home = served.home();
    served.server.stop();
    let everywhere = Options { port: 0, bind: "0.0.0.0".parse::<IpAddr>().unwrap(), ..Options::default() };
    let error = Server::start(&home, &everywhere).err().expect("refused");
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(
        error.message().contains("nothing is served") && error.what_next().contains("objsync credentials"),
        "{error}"
    );
    for (user, password) in [("", "long enough"), ("a:b", "long enough"), ("me", "short")] {
        assert!(set_credentials(&home, user, password).unwrap_err().message().contains("nothing was changed"));
    }
    set_credentials(&home, "me", "päss:wörd").unwrap();
    let file = std::fs::read_to_string(home.join(objsync::rest::CREDENTIALS)).unwrap();
    assert!(file.contains("$argon2id$") && !file.contains("wörd"), "hashed: {file}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = home.join(objsync::rest::CREDENTIALS).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "its owner's alone: {mode:o}");
    }
    let error = Server::start(&home, &everywhere).err().expect("without TLS");
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.message().contains("TLS") && error.what_next().contains("--insecure"), "{error}");
    let everywhere = Options { insecure: true, ..everywhere };
    let server = Server::start(&home, &everywhere).unwrap();
    assert_eq!(server.warnings(), [Warning::NotEncrypted(everywhere.bind)]);
    let port = server.address().port();
    let ask = |authorization: &str| {
        let url = format!("http://127.0.0.1:{port}/synchmaster/rest/v1/orders/1");
        crate::served::agent().get(url).header("Authorization", authorization).call().unwrap().status().as_u16()
    };
    // me:päss:wörd
    let right = "Basic bWU6cMOkc3M6d8O2cmQ=";
    assert_eq!((ask(right), ask(right), ask(BASIC), ask("Basic bWU6d3Jvbmc=")), (200, 200, 401, 401));
    drop(server);
    std::fs::write(home.join(objsync::rest::CREDENTIALS), "{").unwrap();
    let error = Server::start(&home, &Options { port: 0, ..Options::default() }).err().expect("damaged");
    assert!(error.to_string().contains("credentials cannot be read"), "{error}");
}

#[test]
fn an_environment_is_served_once() {
    let served = Served::new();
    let error = Server::start(&served.home(), &Options { port: 0, ..Options::default() }).err().expect("a second one");
    assert!(error.message().contains("serves") && !error.what_next().is_empty(), "{error}");
    let other = Served::new();
    let home = other.home();
    other.server.stop();
    let taken = Options { port: served.server.address().port(), ..Options::default() };
    let error = Server::start(&home, &taken).err().expect("a port that is taken");
    assert!(error.message().contains("cannot be listened at") && error.what_next().contains("--port"), "{error}");
    assert!(Server::start(&home, &Options { port: 0, ..Options::default() }).is_ok(), "neither was locked for good");
    let missing = Options { port: 0, allow: vec!["/no/such/folder".into()], ..Options::default() };
    assert_eq!(Server::start(&home, &missing).err().unwrap().kind(), ErrorKind::Usage);
}

#[test]
fn an_allowed_folder_may_hold_sets() {
    let outside = tempfile::tempdir().unwrap();
    let served = Served::with(&Options { port: 0, allow: vec![outside.path().to_owned()], ..Options::default() });
    let dir = serde_json::json!(outside.path());
    let body = format!(r#"{{"syncID":1,"excludeNS":"CLIENT","dir":{dir}}}"#);
    served.done(served.master("POST", "/admin/prepsynch", &body));
    assert!(outside.path().join("syncFromMASTER-1.syncset").is_file());
    served.done(served.client(
        "POST",
        "/admin/synchronize",
        &format!(r#"{{"syncID":1,"srcNS":"MASTER","dir":{dir}}}"#),
    ));
}

//! What errors tell, and what in a path is no number.

use crate::raw;
use crate::served::{BASIC, Served};

fn status(served: &Served, method: &str, path: &str) -> u16 {
    let address = served.server.address();
    let head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nHost: {address}\r\n");
    let answer = raw::ask(address, &format!("{head}Authorization: {BASIC}\r\n\r\n"));
    let kind = if answer.status < 400 { "application/json" } else { "application/problem+json" };
    assert_eq!(answer.header("content-type"), Some(kind), "{}", answer.body);
    answer.status
}

#[test]
fn odd_numbers_in_paths_are_refused() {
    let served = Served::new();
    for odd in ["+1", "01", "-01", "-0", "%31", "1%20", "%201", "1.0", "0x1", "1e0", "99999999999999999999", "%2B1"] {
        for path in [format!("/order/{odd}"), format!("/orders/{odd}"), format!("/admin/sets/{odd}")] {
            let path = format!("/synchmaster/rest/v1{path}");
            assert_eq!(status(&served, "GET", &path), 400, "{path}");
        }
        assert_eq!(status(&served, "DELETE", &format!("/synchmaster/rest/v1/order/{odd}")), 400, "{odd}");
    }
    for missing in ["0", "-1", "99"] {
        assert_eq!(status(&served, "GET", &format!("/synchmaster/rest/v1/order/{missing}")), 404, "{missing}");
    }
    assert_eq!(status(&served, "GET", "/synchmaster/rest/v1/order/1"), 200);
}

#[test]
fn errors_tell_no_absolute_path() {
    let served = Served::new();
    let home = served.home().canonicalize().unwrap();
    let secret = home.parent().unwrap().to_str().unwrap().to_owned();
    let told = |(status, value): crate::served::Answer| {
        assert!(status >= 400, "{value}");
        let text = value.to_string();
        assert!(!text.contains(&secret), "{text}");
        text
    };
    std::fs::create_dir_all(home.join("sets")).unwrap();
    std::fs::write(home.join("sets/bad.syncset"), "no set").unwrap();
    told(served.client("POST", "/admin/synchronize", r#"{"file":"bad.syncset"}"#));
    told(served.client("POST", "/admin/sets", "no set"));
    std::fs::create_dir(home.join("sets/folder.syncset")).unwrap();
    told(served.client("POST", "/admin/synchronize", r#"{"file":"folder.syncset"}"#));
    std::fs::create_dir(home.join("sets/full")).unwrap();
    #[cfg(unix)]
    {
        let long = "x".repeat(250);
        told(served.master(
            "POST",
            "/admin/prepsynch",
            &format!(r#"{{"syncID":1,"excludeNS":"CLIENT","file":"{long}.syncset"}}"#),
        ));
    }
    std::fs::write(home.join("zzz.db"), "no database").unwrap();
    std::fs::write(home.join("client.db"), "no database").unwrap();
    served.server.release();
    told(served.client("GET", "/orders", ""));
}

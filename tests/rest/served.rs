//! A demo environment that is served, and what can be asked of it.

use std::path::PathBuf;

use objsync::demo::install::{Installation, install};
use objsync::demo::populate::Amounts;
use objsync::rest::{Options, Server};
use objsync::sync::Progress;
use serde_json::Value;
use ureq::Agent;

pub struct Served {
    pub dir: tempfile::TempDir,
    pub server: Server,
    pub agent: Agent,
}

/// A status and what came with it.
pub type Answer = (u16, Value);

pub fn agent() -> Agent {
    Agent::config_builder().http_status_as_error(false).build().into()
}

/// The demo's credentials.
pub const BASIC: &str = "Basic c3VwZXJ1c2VyOnN5cw==";

impl Served {
    pub fn new() -> Served {
        Served::with(&Options { port: 0, ..Options::default() })
    }

    pub fn with(options: &Options) -> Served {
        let dir = tempfile::tempdir().unwrap();
        let amounts = Amounts { items: 30, customers: 12, employees: 20, orders: 25 };
        let what = Installation { amounts, seed: Some(1), ..Installation::default() };
        install(&dir.path().join("demo"), &what, &Progress::default()).unwrap();
        let server = Server::start(&dir.path().join("demo"), options).unwrap();
        Served { dir, server, agent: agent() }
    }

    pub fn home(&self) -> PathBuf {
        self.dir.path().join("demo")
    }

    pub fn url(&self, base: &str, path: &str) -> String {
        format!("http://{}/{base}/rest/v1{path}", self.server.address())
    }

    /// Asks; the body goes as curl sends one, as a form.
    pub fn ask(&self, method: &str, base: &str, path: &str, body: &str) -> Answer {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(self.url(base, path))
            .header("Authorization", BASIC)
            .header("Content-Type", "application/x-www-form-urlencoded");
        let answered = match body {
            "" => self.agent.run(request.body(()).unwrap()),
            body => self.agent.run(request.body(body.to_owned()).unwrap()),
        };
        let mut response = answered.unwrap();
        let status = response.status().as_u16();
        let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
        let expected = if status < 400 { "application/json" } else { "application/problem+json" };
        assert_eq!(kind, expected, "{method} {path}");
        let value: Value = response.body_mut().read_json().unwrap();
        if status >= 400 {
            assert_eq!(value["status"], status);
            assert!(!value["detail"].as_str().unwrap().is_empty());
        }
        (status, value)
    }

    pub fn master(&self, method: &str, path: &str, body: &str) -> Answer {
        self.ask(method, "synchmaster", path, body)
    }

    pub fn client(&self, method: &str, path: &str, body: &str) -> Answer {
        self.ask(method, "synchclient", path, body)
    }

    /// It was done.
    #[track_caller]
    pub fn done(&self, (status, value): Answer) -> Value {
        assert_eq!(status, 200, "{value}");
        value
    }

    /// It was refused with that status, and says these words.
    #[track_caller]
    pub fn refused(&self, (status, value): Answer, expected: u16, words: &[&str]) -> Value {
        assert_eq!(status, expected, "{value}");
        let said = value.to_string();
        assert!(words.iter().all(|word| said.contains(word)), "{words:?}: {said}");
        value
    }
}

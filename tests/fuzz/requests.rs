//! Bodies of requests that libFuzzer makes out of real ones, for it sees which of them reach new code. Each goes over a socket to a
//! real server, as in `tests/hostile`: it is answered with what was done or why not.
//!
//! The first byte says which service is asked, and at which node; the second about which order. With OBJSYNC_FUZZ_SEEDS=FOLDER real
//! requests are written there first.

#![no_main]

#[path = "../common/mod.rs"]
mod common;
#[path = "../rest/served.rs"]
#[allow(dead_code, reason = "part of it is for tests/rest")]
mod served;
#[path = "../hostile/services.rs"]
mod services;

use std::cell::{OnceCell, RefCell};
use std::path::{Path, PathBuf};

use libfuzzer_sys::fuzz_target;
use objsync::sync::Environment;

use served::{BASIC, Served};
use services::{BASES, ORDERS, services};

/// After so many requests the databases are held against themselves, and put back, so that they do not grow without end. Harm that
/// one did to them is found then, and the last one is blamed for it.
const REQUESTS: usize = 500;

struct Subject {
    served: Served,
    /// A real set for CLIENT.
    set: Vec<u8>,
    /// The nodes' files as they were.
    files: Vec<(PathBuf, Vec<u8>)>,
    asked: RefCell<usize>,
}

thread_local! {
    static SUBJECT: OnceCell<Subject> = const { OnceCell::new() };
}

impl Subject {
    fn new() -> Subject {
        let served = Served::new();
        served.done(served.master("POST", "/randomorder", ""));
        served.done(served.master("POST", "/admin/prepsynch", r#"{"syncID":1000,"excludeNS":"CLIENT"}"#));
        let set = std::fs::read(served.home().join("sets/syncFromMASTER-1000.syncset")).unwrap();
        served.server.release();
        let nodes = Environment::open(&served.home()).unwrap().nodes;
        let files: Vec<PathBuf> = nodes.iter().map(|node| node.path().to_owned()).collect();
        drop(nodes);
        let files = files.into_iter().map(|file| (file.clone(), std::fs::read(file).unwrap())).collect();
        Subject { served, set, files, asked: RefCell::new(0) }
    }

    /// Holds what there is by now against itself, and puts the databases back as they were; sets that were made go.
    fn begin_anew(&self) {
        self.served.server.release();
        common::assert_sound(&Environment::open(&self.served.home()).unwrap().nodes);
        for (file, bytes) in &self.files {
            for ending in ["db-wal", "db-shm"] {
                let _ = std::fs::remove_file(file.with_extension(ending));
            }
            std::fs::write(file, bytes).unwrap();
        }
        for set in std::fs::read_dir(self.served.home().join("sets")).unwrap() {
            let _ = std::fs::remove_file(set.unwrap().path());
        }
    }

    fn ask(&self, [which, order]: [u8; 2], body: &[u8]) {
        let mut asked = self.asked.borrow_mut();
        *asked += 1;
        if asked.is_multiple_of(REQUESTS) {
            self.begin_anew();
        }
        let services = services();
        let which = usize::from(which);
        let (method, path, _) = &services[which % services.len()];
        let base = BASES[which / services.len() % BASES.len()];
        let path = path.replace("{orderID}", ORDERS[usize::from(order) % ORDERS.len()]);
        let request = ureq::http::Request::builder()
            .method(*method)
            .uri(self.served.url(base, &path))
            .header("Authorization", BASIC)
            .body(body)
            .unwrap();
        // None is so large that it may be broken off.
        let mut answered = self.served.agent.run(request).unwrap();
        let (status, said) = (answered.status().as_u16(), answered.body_mut().read_to_string().unwrap());
        assert!(status < 500 || status == 503, "{method} {base}{path}: {status} {said}");
        assert!(serde_json::from_str::<serde_json::Value>(&said).is_ok(), "{method} {base}{path}: {status} {said}");
    }

    fn write_seeds(&self, folder: &Path) {
        for (n, (_, _, valid)) in services().iter().enumerate() {
            let body = if valid == "a set" { self.set.clone() } else { valid.to_string().into_bytes() };
            std::fs::write(folder.join(format!("real-{n}")), [&[n as u8, 1], &body[..]].concat()).unwrap();
        }
    }
}

fuzz_target!(
    init: {
        SUBJECT.with(|subject| {
            let subject = subject.get_or_init(Subject::new);
            if let Some(folder) = std::env::var_os("OBJSYNC_FUZZ_SEEDS") {
                subject.write_seeds(Path::new(&folder));
            }
        });
    },
    |data: &[u8]| {
        let [which, order, body @ ..] = data else { return };
        SUBJECT.with(|subject| subject.get_or_init(Subject::new).ask([*which, *order], body));
    }
);

//! The program in a folder of its own, and what it answered.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value as Json;

/// A folder of the test's own; the user's data folder is never looked at.
pub struct Demo {
    pub home: tempfile::TempDir,
}

pub struct Answer {
    pub args: String,
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Demo {
    /// An empty folder.
    pub fn empty() -> Demo {
        Demo { home: tempfile::tempdir().unwrap() }
    }

    /// A small environment.
    pub fn new() -> Demo {
        let demo = Demo::empty();
        demo.install(&["--seed", "1"]).ok();
        demo
    }

    pub fn dir(&self) -> PathBuf {
        self.home.path().join("demo")
    }

    pub fn install(&self, more: &[&str]) -> Answer {
        let small = ["install", "--items", "5", "--customers", "5", "--employees", "5", "--orders", "20"];
        self.run(&[&small, more].concat())
    }

    /// Runs without `--dir` and `--json`; OBJSYNC_DIR names a folder where nothing is.
    pub fn bare(&self, args: &[&str]) -> Answer {
        let output = Command::new(env!("CARGO_BIN_EXE_objsync"))
            .args(args)
            .env("OBJSYNC_DIR", self.home.path().join("default"))
            .current_dir(self.home.path())
            .output()
            .unwrap();
        Answer {
            args: args.join(" "),
            code: output.status.code().expect("it ended by itself"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    pub fn run(&self, args: &[&str]) -> Answer {
        let dir = self.dir();
        self.bare(&[args, &["--json", "--dir", dir.to_str().unwrap()]].concat())
    }

    pub fn json(&self, args: &[&str]) -> Json {
        self.run(args).ok()
    }

    pub fn status(&self) -> Json {
        self.json(&["status"])
    }

    pub fn order(&self, node: &str, number: &str) -> Json {
        self.json(&["order", "get", number, "--node", node])
    }

    /// A new order from the first keys of everything, with this quantity.
    pub fn new_order(&self, node: &str, more: &[&str]) -> Answer {
        let all =
            ["--employee", "1", "--customer", "1", "--item", "1", "--date", "2026-11-20 16:44:42", "--price", "12.34"];
        self.run(&[&["order", "new", "--node", node], more, &all[..]].concat())
    }

    pub fn set(&self, name: &str) -> String {
        self.dir().join("sets").join(name).to_str().unwrap().to_owned()
    }
}

impl Answer {
    /// It succeeded and said one JSON value on standard output, nothing on standard error.
    #[track_caller]
    pub fn ok(&self) -> Json {
        assert_eq!(self.code, 0, "{}\n{}", self.args, self.stderr);
        assert_eq!(self.stderr, "", "{}", self.args);
        self.value()
    }

    #[track_caller]
    pub fn value(&self) -> Json {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{}: {e}\n{}", self.args, self.stdout))
    }

    /// It failed with this code, said nothing on standard output, and these words on standard error.
    #[track_caller]
    pub fn fails(&self, code: i32, words: &[&str]) {
        assert_eq!((self.code, self.stdout.as_str()), (code, ""), "{}\n{}", self.args, self.stderr);
        for word in words {
            assert!(self.stderr.contains(word), "`{}` does not say `{word}`:\n{}", self.args, self.stderr);
        }
    }
}

#[track_caller]
pub fn keys(value: &Json, expected: &[&str]) {
    let found: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(found, expected);
}

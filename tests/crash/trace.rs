//! What a command asked of the file system, as strace saw it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One change, or a sync. Files are told apart by a number of their own: a name may come to mean another file.
#[derive(Clone, Debug)]
pub enum Event {
    /// A name for a new file.
    Create {
        file: usize,
        name: PathBuf,
    },
    /// An old file was opened; from here on it has this number.
    Open {
        file: usize,
        name: PathBuf,
    },
    Write {
        file: usize,
        at: usize,
        bytes: Vec<u8>,
    },
    Truncate {
        file: usize,
        length: usize,
    },
    Sync {
        file: usize,
    },
    /// The names in a folder are on disk.
    SyncFolder {
        folder: PathBuf,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Remove {
        name: PathBuf,
    },
}

const CALLS: &str = "openat,open,creat,close,read,write,pwrite64,writev,pwritev,lseek,fsync,fdatasync,ftruncate,truncate,rename,\
                     renameat,renameat2,unlink,unlinkat,link,linkat,copy_file_range,sendfile,dup,dup2,dup3,mkdir,mkdirat,fallocate";

/// Runs the program under strace; it must succeed. What it did to files in the folder, in order.
pub fn run(dir: &Path, words: &[&str]) -> Vec<Event> {
    let log = tempfile::NamedTempFile::new().unwrap();
    let output = Command::new("strace")
        .args(["-f", "-y", "-xx", "-s", "100000000", "-e", &format!("trace={CALLS}"), "-o"])
        .arg(log.path())
        .arg(env!("CARGO_BIN_EXE_objsync"))
        .args(words)
        .arg("--dir")
        .arg(dir)
        .current_dir(dir)
        .output()
        .unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    events(&std::fs::read_to_string(log.path()).unwrap(), dir)
}

/// A file that is open.
struct Open {
    file: usize,
    at: usize,
    folder: Option<PathBuf>,
    append: bool,
}

fn events(log: &str, dir: &Path) -> Vec<Event> {
    let (mut events, mut open, mut halves) = (Vec::new(), HashMap::<i32, Open>::new(), HashMap::<&str, String>::new());
    let (mut names, mut sizes, mut next) = (HashMap::<PathBuf, usize>::new(), HashMap::<usize, usize>::new(), 0);
    for line in log.lines() {
        let (thread, line) = line.split_once(' ').unwrap();
        let line = line.trim_start();
        // Another thread came between the call and its return: it counts where it returned.
        if let Some(half) = line.strip_suffix(" <unfinished ...>") {
            halves.insert(thread, half.to_owned());
            continue;
        }
        let joined = line.strip_prefix("<... ").and_then(|rest| rest.split_once(" resumed>")).map(|(_, rest)| {
            let half = halves.remove(thread).unwrap();
            format!("{half}{rest}")
        });
        let Some(call) = Call::read(joined.as_deref().unwrap_or(line)) else { continue };
        if call.returned < 0 {
            continue;
        }
        let inside = |path: &Path| path.starts_with(dir) && path.extension().is_none_or(|e| e != "db-shm");
        match call.name {
            "openat" | "open" | "creat" => {
                let Some(path) = call.returned_path() else { continue };
                if !path.starts_with(dir) {
                    open.remove(&(call.returned as i32));
                    continue;
                }
                let flags = call.arguments.join(",");
                let has = |flag: &str| flags.contains(flag);
                let folder = (has("O_DIRECTORY") || path.is_dir()).then(|| path.clone());
                let mut file = usize::MAX;
                if folder.is_none() && inside(&path) {
                    // A new file of that name has been noted as soon as it was made, whoever opens it later.
                    let known = names.get(&path).copied();
                    file = known.unwrap_or_else(|| {
                        next += 1;
                        next
                    });
                    if known.is_none() {
                        names.insert(path.clone(), file);
                        let name = path.clone();
                        events.push(match has("O_CREAT") {
                            true => Event::Create { file, name },
                            false => Event::Open { file, name },
                        });
                    }
                    if has("O_TRUNC") {
                        events.push(Event::Truncate { file, length: 0 });
                        sizes.insert(file, 0);
                    }
                }
                open.insert(call.returned as i32, Open { file, at: 0, folder, append: has("O_APPEND") });
            }
            "close" => {
                open.remove(&call.fd());
            }
            "dup" | "dup2" | "dup3" => {
                assert!(open.get(&call.fd()).is_none_or(|o| o.file == usize::MAX), "dup of a file in the folder");
            }
            "read" => {
                if let Some(file) = open.get_mut(&call.fd()) {
                    file.at += call.returned as usize;
                }
            }
            "lseek" => {
                if let Some(file) = open.get_mut(&call.fd()) {
                    file.at = call.returned as usize;
                }
            }
            "write" | "pwrite64" => {
                let Some(to) = open.get_mut(&call.fd()).filter(|o| o.file != usize::MAX) else { continue };
                let mut bytes = unquoted(&call.arguments[1]);
                assert!(bytes.len() >= call.returned as usize, "strace cut what was written");
                bytes.truncate(call.returned as usize);
                let size = sizes.entry(to.file).or_default();
                let at = match call.name {
                    "pwrite64" => call.arguments[3].parse().unwrap(),
                    _ if to.append => *size,
                    _ => to.at,
                };
                if call.name == "write" {
                    to.at = at + bytes.len();
                }
                *size = (*size).max(at + bytes.len());
                events.push(Event::Write { file: to.file, at, bytes });
            }
            "ftruncate" => {
                if let Some(to) = open.get(&call.fd()).filter(|o| o.file != usize::MAX) {
                    let length = call.arguments[1].parse().unwrap();
                    sizes.insert(to.file, length);
                    events.push(Event::Truncate { file: to.file, length });
                }
            }
            "fsync" | "fdatasync" => match open.get(&call.fd()) {
                Some(Open { folder: Some(folder), .. }) => events.push(Event::SyncFolder { folder: folder.clone() }),
                Some(of) if of.file != usize::MAX => events.push(Event::Sync { file: of.file }),
                _ => {}
            },
            "rename" | "renameat" | "renameat2" => {
                let paths = call.paths(dir);
                let [from, to] = paths.as_slice() else { panic!("{call:?}") };
                if let Some(file) = names.remove(from) {
                    names.insert(to.clone(), file);
                }
                if inside(from) || inside(to) {
                    events.push(Event::Rename { from: from.clone(), to: to.clone() });
                }
            }
            "unlink" | "unlinkat" => {
                let paths = call.paths(dir);
                let name = paths.last().unwrap_or_else(|| panic!("{call:?}")).clone();
                names.remove(&name);
                if inside(&name) {
                    events.push(Event::Remove { name });
                }
            }
            "mkdir" | "mkdirat" => {
                assert!(!call.paths(dir).iter().any(|p| inside(p)), "a folder in the folder: {call:?}")
            }
            // Not that it may not do these; this test would not see what they write.
            other => assert!(
                !call.arguments.iter().any(|a| a.contains(&hex(dir))),
                "{other} in the folder: {}",
                call.arguments.join(", ")
            ),
        }
    }
    events
}

fn hex(path: &Path) -> String {
    path.to_str().unwrap().bytes().map(|b| format!("\\x{b:02x}")).collect()
}

/// A call with its arguments as strace writes them.
#[derive(Debug)]
struct Call<'a> {
    name: &'a str,
    arguments: Vec<String>,
    returned: i64,
    result: String,
}

impl Call<'_> {
    fn read(line: &str) -> Option<Call<'_>> {
        let (name, rest) = line.split_once('(')?;
        let end = rest.rfind(") = ")?;
        let result = rest[end + 4..].to_owned();
        let digits: String = result.chars().take_while(|c| c.is_ascii_digit() || *c == '-').collect();
        // Texts are in hexadecimal digits, so a comma is always one between arguments.
        let arguments = rest[..end].split(", ").map(|a| a.trim().to_owned()).collect();
        Some(Call { name, arguments, returned: digits.parse().ok()?, result })
    }

    fn fd(&self) -> i32 {
        self.arguments[0].split('<').next().unwrap().parse().unwrap_or(-1)
    }

    fn returned_path(&self) -> Option<PathBuf> {
        let (_, rest) = self.result.split_once('<')?;
        Some(path(&unescaped(rest.split('>').next()?)))
    }

    /// The paths among the arguments; a relative one begins where the program was started.
    fn paths(&self, dir: &Path) -> Vec<PathBuf> {
        let quoted = self.arguments.iter().filter(|a| a.starts_with('"'));
        quoted.map(|a| dir.join(path(&unquoted(a)))).collect()
    }
}

fn path(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}

fn unquoted(text: &str) -> Vec<u8> {
    let inner = text.strip_prefix('"').and_then(|t| t.strip_suffix('"'));
    unescaped(inner.unwrap_or_else(|| panic!("strace cut {text}")))
}

fn unescaped(text: &str) -> Vec<u8> {
    text.split("\\x").skip(1).map(|two| u8::from_str_radix(&two[..2], 16).unwrap()).collect()
}

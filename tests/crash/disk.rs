//! A folder on a disk that knows what was synced: what a killed program leaves, and what a power loss does.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::trace::Event;

/// What becomes of what was not synced.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fate {
    /// The program was killed: the system still writes it.
    Kept,
    /// The power went: all of it is gone.
    Lost,
    /// The power went: some of it is gone, drawn from this.
    Torn(u64),
}

#[derive(Clone, Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

#[derive(Clone, Debug, Default)]
struct File {
    synced: Vec<u8>,
    since: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Naming {
    Create(PathBuf, usize),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

#[derive(Clone, Debug, Default)]
pub struct Disk {
    files: Vec<File>,
    names: BTreeMap<PathBuf, usize>,
    /// Names as they are on disk for sure, and what was done to them since.
    synced_names: BTreeMap<PathBuf, usize>,
    since: Vec<Naming>,
    /// The numbers that the trace gives to files.
    numbers: BTreeMap<usize, usize>,
}

impl Disk {
    /// A folder as it is, all of it synced. What only helps programs to share a database is left out.
    pub fn of(dir: &Path) -> Disk {
        let mut disk = Disk::default();
        let mut folders = vec![dir.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_none_or(|e| e != "db-shm") {
                    disk.names.insert(path.clone(), disk.files.len());
                    disk.files.push(File { synced: std::fs::read(&path).unwrap(), since: Vec::new() });
                }
            }
        }
        disk.synced_names = disk.names.clone();
        disk
    }

    pub fn names(&self) -> impl Iterator<Item = &PathBuf> {
        self.names.keys()
    }

    pub fn has(&self, name: &Path) -> bool {
        self.names.contains_key(name)
    }

    pub fn event(&mut self, event: &Event) {
        match event {
            Event::Create { file, name } | Event::Open { file, name } => {
                let place = match self.names.get(name) {
                    Some(place) => *place,
                    None => {
                        self.files.push(File::default());
                        self.name(Naming::Create(name.clone(), self.files.len() - 1));
                        self.files.len() - 1
                    }
                };
                self.numbers.insert(*file, place);
            }
            Event::Write { file, at, bytes } => self.change(*file, Change::Write(*at, bytes.clone())),
            Event::Truncate { file, length } => self.change(*file, Change::Truncate(*length)),
            Event::Sync { file } => {
                let file = &mut self.files[self.numbers[file]];
                let since = std::mem::take(&mut file.since);
                since.iter().for_each(|change| apply(&mut file.synced, change));
            }
            Event::SyncFolder { folder } => {
                let (here, elsewhere) = std::mem::take(&mut self.since).into_iter().partition(|naming| {
                    let (Naming::Create(path, _) | Naming::Rename(_, path) | Naming::Remove(path)) = naming;
                    path.parent() == Some(folder)
                });
                let here: Vec<Naming> = here;
                here.iter().for_each(|naming| named(&mut self.synced_names, naming));
                self.since = elsewhere;
            }
            Event::Rename { from, to } => self.name(Naming::Rename(from.clone(), to.clone())),
            Event::Remove { name } => self.name(Naming::Remove(name.clone())),
        }
    }

    fn change(&mut self, file: usize, change: Change) {
        self.files[self.numbers[&file]].since.push(change);
    }

    fn name(&mut self, naming: Naming) {
        named(&mut self.names, &naming);
        self.since.push(naming);
    }

    /// From here on it is what is found afterwards.
    pub fn crash(&mut self, fate: Fate, salt: u64) {
        let mut dice = match fate {
            Fate::Torn(seed) => (seed << 32 | salt) | 1,
            _ => 0,
        };
        let mut kept = move || match fate {
            Fate::Kept => true,
            Fate::Lost => false,
            // xorshift64: the same crash is torn the same way every time.
            Fate::Torn(_) => {
                dice ^= dice << 13;
                dice ^= dice >> 7;
                dice ^= dice << 17;
                dice % 2 == 0
            }
        };
        for file in &mut self.files {
            for change in std::mem::take(&mut file.since) {
                if kept() {
                    apply(&mut file.synced, &change);
                }
            }
        }
        // A file system that keeps a journal does not swap what was done to names, but may have come less far.
        let mut names = self.synced_names.clone();
        self.since.iter().take_while(|_| kept()).for_each(|naming| named(&mut names, naming));
        self.names = names;
    }

    /// Puts it in place of the folder's files. Those that stay keep their place on the disk, by which nodes are known.
    pub fn write_to(&self, dir: &Path) {
        let there: BTreeSet<PathBuf> = Disk::of(dir).names.into_keys().collect();
        for name in there.iter().filter(|name| !self.names.contains_key(*name)) {
            std::fs::remove_file(name).unwrap();
        }
        for (name, place) in &self.names {
            let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).open(name).unwrap();
            file.write_all(&self.files[*place].synced).unwrap();
            let helper = PathBuf::from(format!("{}-shm", name.display()));
            let _ = std::fs::remove_file(helper);
        }
    }
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Truncate(length) => bytes.resize(*length, 0),
        Change::Write(at, new) => {
            let end = at + new.len();
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            bytes[*at..end].copy_from_slice(new);
        }
    }
}

fn named(names: &mut BTreeMap<PathBuf, usize>, naming: &Naming) {
    match naming {
        Naming::Create(name, file) => {
            names.insert(name.clone(), *file);
        }
        Naming::Rename(from, to) => {
            if let Some(file) = names.remove(from) {
                names.insert(to.clone(), file);
            }
        }
        Naming::Remove(name) => {
            names.remove(name);
        }
    }
}

//! The licences of what others wrote and objsync ships. `assets/third-party-licences.txt` is made of cargo's list of crates and of
//! the texts in their folders; `objsync licences` prints it. A dependency that is added, removed or updated fails the
//! test until the file is written again:
//!
//! ```text
//! cargo fetch --locked && OBJSYNC_LICENCES=update cargo test --test licences
//! ```
//!
//! A build downloads only the crates of its own platform. Where the others are missing, names and versions are compared and the
//! texts are not; OBJSYNC_REQUIRE=crates makes that a failure. Why not cargo-about: it takes minutes to install, and it
//! knows neither the fonts nor the C code.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

const FILE: &str = "assets/third-party-licences.txt";
const UPDATE: &str = "cargo fetch --locked && OBJSYNC_LICENCES=update cargo test --test licences";

/// What the program may be built for; each links crates of its own.
const TARGETS: [&str; 7] = [
    "aarch64-apple-darwin",
    "aarch64-pc-windows-msvc",
    "aarch64-unknown-linux-gnu",
    "x86_64-apple-darwin",
    "x86_64-pc-windows-gnu",
    "x86_64-pc-windows-msvc",
    "x86_64-unknown-linux-gnu",
];

/// Texts in crates' folders that do not concern the program.
const LEFT_OUT: [(&str, &str, &str); 5] = [
    ("petgraph", "assets/images/LICENSE.md", "pictures of its documentation"),
    ("self_cell", "LICENSE-GPLv2", "objsync takes Apache-2.0"),
    ("typenum", "LICENSE", "only names the other two"),
    ("wayland-protocols-plasma", "plasma-wayland-protocols/COPYING.LIB", "the same as in its LICENSES"),
    ("zstd-sys", "zstd/COPYING", "the GPL; objsync takes BSD-3-Clause"),
];

/// Where a crate has no text, the text of its licence is taken from a crate that adds no name of its own to it.
const STANDARD_TEXTS: [(&str, &str, &str); 3] =
    [("MIT", "serde", "LICENSE-MIT"), ("Apache-2.0", "serde", "LICENSE-APACHE"), ("BSL-1.0", "error-code", "LICENSE")];

/// A work that is no crate: C code, protocols and fonts.
struct Work {
    name: &'static str,
    licence: &'static str,
    /// The crate that brings it; none: objsync itself.
    brought_by: Option<&'static str>,
    /// It is in the program only with this feature of that crate.
    feature: Option<&'static str>,
    /// Its texts, in that crate's folder, or in `assets/` of objsync.
    texts: &'static [&'static str],
    /// Its copyright notice, where the texts are those of another work.
    notice: &'static str,
}

const FONTS: Option<&str> = Some("epaint_default_fonts");

const WORKS: [Work; 10] = [
    Work {
        name: "SQLite",
        licence: "public domain, no licence needed",
        brought_by: Some("libsqlite3-sys"),
        feature: None,
        texts: &[],
        notice: "",
    },
    Work {
        name: "Zstandard",
        licence: "BSD-3-Clause OR GPL-2.0-only; objsync takes BSD-3-Clause",
        brought_by: Some("zstd-sys"),
        feature: None,
        texts: &["zstd/LICENSE"],
        notice: "",
    },
    Work {
        name: "the Wayland protocol org_kde_kwin_blur",
        licence: "LGPL-2.1-or-later; the names and numbers of its interface, unmodified",
        brought_by: Some("wayland-protocols-plasma"),
        feature: None,
        texts: &["plasma-wayland-protocols/LICENSES/LGPL-2.1-or-later.txt"],
        notice: "",
    },
    Work {
        name: "the font Inter (Regular, Medium, SemiBold)",
        licence: "OFL-1.1",
        brought_by: None,
        feature: None,
        texts: &["assets/fonts/OFL.txt"],
        notice: "",
    },
    Work {
        name: "the font Cantarell",
        licence: "OFL-1.1",
        brought_by: Some("sctk-adwaita"),
        feature: Some("ab_glyph"),
        texts: &["assets/fonts/OFL.txt"],
        notice: "Copyright (c) 2009-2011, Understanding Limited (dave@understandinglimited.com),\nCopyright (c) 2010-2011, \
                 Jakub Steiner (jimmac@gmail.com).",
    },
    Work {
        name: "the font Hack",
        licence: "MIT AND Bitstream-Vera",
        brought_by: FONTS,
        feature: None,
        texts: &["fonts/Hack-Regular.txt"],
        notice: "",
    },
    Work {
        name: "the font Ubuntu Light",
        licence: "Ubuntu-font-1.0",
        brought_by: FONTS,
        feature: None,
        texts: &["fonts/UFL.txt"],
        notice: "",
    },
    Work {
        name: "the font egui-icons, a part of emoji-icon-font",
        licence: "MIT",
        brought_by: FONTS,
        feature: None,
        texts: &["fonts/emoji-icon-font-mit-license.txt"],
        notice: "",
    },
    Work {
        name: "the font Noto Emoji",
        licence: "OFL-1.1",
        brought_by: FONTS,
        feature: Some("monochrome_emoji_fonts"),
        texts: &["fonts/OFL.txt"],
        notice: "",
    },
    Work {
        name: "the font emoji-icon-font",
        licence: "MIT",
        brought_by: FONTS,
        feature: Some("monochrome_emoji_fonts"),
        texts: &["fonts/emoji-icon-font-mit-license.txt"],
        notice: "",
    },
];

#[test]
fn the_file_names_every_crate_that_ships_and_gives_its_licence() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    let is_update = std::env::var("OBJSYNC_LICENCES").is_ok_and(|what| what == "update");
    let found = fs::read_to_string(&file).unwrap_or_default().replace("\r\n", "\n");
    let packages = match packages() {
        Ok(packages) => packages,
        Err(why) if is_update => panic!("some crates are not downloaded; run: {UPDATE}\n{why}"),
        Err(_) => {
            common::skip("crates", "crates of other platforms are missing; texts not compared (cargo fetch --locked)");
            return assert_names(&found);
        }
    };
    let mut linked: Linked = BTreeMap::new();
    for target in TARGETS {
        for (id, features) in linked_for(Some(target)).unwrap() {
            linked.entry(id).or_default().extend(features);
        }
    }
    let wanted = document(&linked, &packages);
    if is_update {
        fs::write(&file, wanted).unwrap();
        return;
    }
    assert_ids(&listed(&found), &linked.into_keys().collect());
    let differs = found.lines().zip(wanted.lines()).position(|(found, wanted)| found != wanted);
    assert!(found == wanted, "{FILE} has other texts, first in line {:?}; run: {UPDATE}", differs.map(|at| at + 1));
}

/// What can be known without the crates of other platforms: each crate of this one is listed, and nothing else than what is locked.
fn assert_names(file: &str) {
    let listed = listed(file);
    let lock =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock")).unwrap().replace("\r\n", "\n");
    let is_locked = |id: &&CrateId| lock.contains(&format!("\nname = \"{}\"\nversion = \"{}\"\n", id.name, id.version));
    let linked = linked_for(None).unwrap().into_keys();
    let wanted = listed.iter().filter(is_locked).cloned().chain(linked).collect();
    assert_ids(&listed, &wanted);
}

fn assert_ids(found: &BTreeSet<CrateId>, wanted: &BTreeSet<CrateId>) {
    let show = |ids: Vec<&CrateId>| ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let (missing, extra) = (show(wanted.difference(found).collect()), show(found.difference(wanted).collect()));
    assert!(
        missing.is_empty() && extra.is_empty(),
        "{FILE} is not up to date. Missing: [{missing}]. Not shipped: [{extra}].\nRead the new licences, then run: {UPDATE}"
    );
}

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct CrateId {
    name: String,
    version: String,
}

impl fmt::Display for CrateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

/// The crates of the program and their features.
type Linked = BTreeMap<CrateId, BTreeSet<String>>;

/// What cargo knows of a crate.
#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    #[serde(default)]
    authors: Vec<String>,
    repository: Option<String>,
    manifest_path: PathBuf,
}

impl Package {
    fn folder(&self) -> &Path {
        self.manifest_path.parent().unwrap()
    }

    /// The SPDX expression; older crates write `/` for OR.
    fn licence(&self) -> String {
        let licence = self.license.as_deref().unwrap_or("see its text");
        licence.split('/').map(str::trim).collect::<Vec<_>>().join(" OR ")
    }

    fn read(&self, path: impl AsRef<Path>) -> String {
        let path = self.folder().join(path);
        let bytes = fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        String::from_utf8_lossy(&bytes).replace(['\r', '\u{c}'], "").trim_start_matches('\u{feff}').to_owned()
    }
}

fn cargo(args: &[&str]) -> Result<String, String> {
    let mut command = Command::new(env!("CARGO"));
    let out =
        command.args(args).args(["--locked", "--offline"]).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    match out.status.success() {
        true => Ok(String::from_utf8(out.stdout).unwrap()),
        false => Err(String::from_utf8_lossy(&out.stderr).into_owned()),
    }
}

/// Every crate that is locked; an error where one is not downloaded.
fn packages() -> Result<BTreeMap<CrateId, Package>, String> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Package>,
    }
    let metadata: Metadata = serde_json::from_str(&cargo(&["metadata", "--format-version", "1"])?).unwrap();
    let id = |p: &Package| CrateId { name: p.name.clone(), version: p.version.clone() };
    Ok(metadata.packages.into_iter().map(|package| (id(&package), package)).collect())
}

/// The crates that the program for a target links, by default for this machine. Procedural macros and what serves the build alone are not
/// part of it.
fn linked_for(target: Option<&str>) -> Result<Linked, String> {
    let mut args =
        vec!["tree", "--edges", "normal,no-proc-macro", "--prefix", "none", "--no-dedupe", "--format", "{p}|{f}"];
    args.extend(target.iter().flat_map(|target| ["--target", target]));
    let tree = cargo(&args)?;
    let mut linked = Linked::new();
    for line in tree.lines().filter(|line| !line.starts_with(concat!(env!("CARGO_PKG_NAME"), " "))) {
        let (package, features) = line.split_once('|').unwrap();
        let mut words = package.split(' ');
        let (name, version) = (words.next().unwrap().to_owned(), words.next().unwrap()[1..].to_owned());
        linked.entry(CrateId { name, version }).or_default().extend(features.split(',').map(str::to_owned));
    }
    Ok(linked)
}

/// The crates that the file lists.
fn listed(file: &str) -> BTreeSet<CrateId> {
    let section = file.split_once("\nCrates\n======\n\n").map_or("", |(_, rest)| rest);
    let names = section.lines().take_while(|line| !line.is_empty()).map(|line| line.split_once(": ").unwrap().0);
    let ids = names.map(|id| id.split_once(' ').unwrap());
    ids.map(|(name, version)| CrateId { name: name.to_owned(), version: version.to_owned() }).collect()
}

/// The whole file.
fn document(linked: &Linked, packages: &BTreeMap<CrateId, Package>) -> String {
    let mut out = INTRODUCTION.to_owned();
    let mut texts = Texts::default();
    out.push_str("\nCrates\n======\n\n");
    for id in linked.keys() {
        let package = &packages[id];
        let licence = package.licence();
        // The MPL obliges to say where the source can be had.
        let source = package.repository.as_deref().filter(|_| licence.contains("MPL-"));
        let source = source.map(|url| format!("; unmodified, its source code: {url}")).unwrap_or_default();
        writeln!(out, "{id}: {licence}{source}").unwrap();
        add_texts_of(id, packages, &mut texts);
    }
    out.push_str("\nOther works\n===========\n\n");
    out.push_str("the Rust standard library: MIT OR Apache-2.0, Copyright (c) The Rust Project Contributors\n");
    for work in &WORKS {
        let has_feature = |features: &BTreeSet<String>| work.feature.is_none_or(|feature| features.contains(feature));
        let bringer = linked.iter().find(|(id, _)| Some(id.name.as_str()) == work.brought_by);
        let own = packages.values().find(|p| p.name == env!("CARGO_PKG_NAME")).unwrap();
        let package = match (bringer, work.brought_by) {
            (Some((id, features)), _) if has_feature(features) => &packages[id],
            (None, None) => own,
            _ => continue,
        };
        let place = work.brought_by.map(|name| format!(" (in {name})")).unwrap_or_default();
        writeln!(out, "{}{place}: {}", work.name, work.licence).unwrap();
        for path in work.texts {
            let package = if path.starts_with("assets/") { own } else { package };
            texts.add_with_notice(work.name.to_owned(), work.notice, &package.read(path));
        }
    }
    texts.add("the Rust standard library".to_owned(), &standard_text("MIT", packages).unwrap());
    texts.add("the Rust standard library".to_owned(), &standard_text("Apache-2.0", packages).unwrap());
    out.push_str("\nTexts\n=====\n\n");
    texts.write(&mut out);
    out.trim_end().to_owned() + "\n"
}

const INTRODUCTION: &str = "\
Third parties' licences
=======================

objsync has the MIT licence. It contains the works of others that are listed here, each under its own licence. The texts follow the
lists, each once, under the names of the works that it belongs to and their copyright notices. Where a work offers a
choice (OR), the texts of all choices are given, but for the GPL, which objsync does not choose.

The lists are those of the whole program for Linux, Windows and macOS; a program for one of them contains less.
tests/licences.rs writes this file.
";

fn standard_text(licence: &str, packages: &BTreeMap<CrateId, Package>) -> Option<String> {
    let (_, donor, path) = STANDARD_TEXTS.iter().find(|(name, ..)| *name == licence)?;
    Some(packages.values().find(|p| p.name == *donor).unwrap().read(path))
}

/// The texts in a crate's folder, or else those that its expression names.
fn add_texts_of(id: &CrateId, packages: &BTreeMap<CrateId, Package>, texts: &mut Texts) {
    let package = &packages[id];
    let mut paths = Vec::new();
    find_texts(package.folder(), package, &mut paths);
    for path in &paths {
        texts.add(id.to_string(), &package.read(path));
    }
    // The folder of egui's fonts has texts, but none for the crate itself.
    if paths.is_empty() || Some(id.name.as_str()) == FONTS {
        let expression = package.licence();
        let names = expression.split([' ', '(', ')']).filter_map(|name| standard_text(name, packages));
        let names: Vec<String> = names.collect();
        assert!(!names.is_empty(), "{id} has no licence text, and {expression} none in STANDARD_TEXTS");
        let authors = package.authors.join(", ");
        let notice = if authors.is_empty() { authors } else { format!("Copyright (c) {authors}") };
        for text in names {
            texts.add_with_notice(id.to_string(), &notice, &text);
        }
    }
}

/// The files that by their name hold a licence, sorted. Fonts' texts belong to the works.
fn find_texts(folder: &Path, package: &Package, paths: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap().to_string_lossy().to_lowercase();
        let inside = path.strip_prefix(package.folder()).unwrap();
        let shown = inside.to_string_lossy().replace('\\', "/");
        if path.is_dir() {
            if name != "tests" && !(Some(package.name.as_str()) == FONTS && name == "fonts") {
                find_texts(&path, package, paths);
            }
            continue;
        }
        // sctk-adwaita has a font among its sources and no licence for it.
        let is_font = [".ttf", ".otf"].iter().any(|end| name.ends_with(end));
        let is_known = || WORKS.iter().any(|work| work.brought_by == Some(&package.name));
        assert!(!is_font || is_known(), "{} brings a font, {shown}; name it in WORKS", package.name);
        let is_text = !name.contains('.')
            || [".txt", ".md", ".lib"].iter().any(|end| name.ends_with(end))
            || name.starts_with("licen");
        let is_licence = ["licens", "licenc", "copying", "copyright", "notice"].iter().any(|word| name.contains(word))
            || folder.file_name().is_some_and(|folder| folder.eq_ignore_ascii_case("licenses"));
        let is_left_out = LEFT_OUT.iter().any(|(name, path, _)| package.name == *name && shown == *path);
        if is_text && !name.ends_with(".rs") && is_licence && !is_left_out {
            paths.push(inside.to_owned());
        }
    }
}

/// Texts that differ in more than copyright notices and layout, in the order they came.
#[derive(Default)]
struct Texts(Vec<Text>);

struct Text {
    /// Letters and digits alone: what makes two texts the same.
    key: String,
    body: String,
    /// Copyright notices, and whose they are.
    notices: BTreeMap<String, BTreeSet<String>>,
}

impl Texts {
    fn add(&mut self, owner: String, text: &str) {
        self.add_with_notice(owner, "", text);
    }

    /// A notice replaces that of the text, which is somebody else's then.
    fn add_with_notice(&mut self, owner: String, notice: &str, text: &str) {
        let (own, body) = split(text);
        let notice = if notice.is_empty() { own } else { notice.to_owned() };
        let key: String = body.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
        let key = key.replace("https", "http");
        let at = self.0.iter().position(|text| text.key == key).unwrap_or_else(|| {
            let body = body.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
            self.0.push(Text { key, body, notices: BTreeMap::new() });
            self.0.len() - 1
        });
        self.0[at].notices.entry(notice).or_default().insert(owner);
    }

    fn write(&self, out: &mut String) {
        for text in &self.0 {
            let mut notices: Vec<_> = text.notices.iter().collect();
            notices.sort_by_key(|(_, owners)| owners.first());
            writeln!(out, "{}", "-".repeat(80)).unwrap();
            for (notice, owners) in notices {
                wrap(owners, out);
                notice.lines().for_each(|line| writeln!(out, "    {line}").unwrap());
            }
            writeln!(out, "{}\n{}\n", "-".repeat(80), text.body.trim_matches('\n')).unwrap();
        }
    }
}

/// Names in lines of up to 100 characters.
fn wrap(names: &BTreeSet<String>, out: &mut String) {
    let mut width = 0;
    for (at, name) in names.iter().enumerate() {
        if at > 0 {
            let breaks = width + name.len() > 100;
            out.push_str(if breaks { ",\n" } else { ", " });
            width = if breaks { 0 } else { width + 2 };
        }
        out.push_str(name);
        width += name.len();
    }
    out.push('\n');
}

/// A text's copyright notices and the rest. Hundreds of crates have the same licence under other names; it is given once.
fn split(text: &str) -> (String, String) {
    const TITLES: [&str; 8] = [
        "mit license",
        "the mit license (mit)",
        "the mit license",
        "bsd 3-clause license",
        "bsd license",
        "isc license",
        "zlib license",
        "# mit license",
    ];
    const STARTS: [&str; 5] = [
        "Permission is hereby granted",
        "Redistribution and use in source",
        "This software is provided 'as-is'",
        "Permission to use, copy, modify",
        "SIL OPEN FONT LICENSE Version 1.1",
    ];
    const END_OF_APACHE: &str = "additional liability.";
    let tidy = |lines: &str, keep: &dyn Fn(&str) -> bool| {
        let lines = lines.lines().map(str::trim).filter(|line| !line.trim_matches('-').is_empty() && keep(line));
        lines.collect::<Vec<_>>().join("\n")
    };
    let is_apache = text.trim_start().starts_with("Apache License") && !text.contains("LLVM Exception");
    if let Some(end) = text.rfind(END_OF_APACHE).filter(|_| is_apache) {
        let (body, appendix) = text.split_at(end + END_OF_APACHE.len());
        let is_notice = |line: &str| line.starts_with("Copyright") && !line.contains("yyyy");
        return (tidy(appendix, &is_notice), body.to_owned());
    }
    let start = STARTS.iter().filter_map(|start| text.find(start)).min();
    match start.filter(|start| *start < 300) {
        Some(start) => {
            let is_notice = |line: &str| !TITLES.contains(&line.to_lowercase().as_str());
            (tidy(&text[..start], &is_notice), text[start..].to_owned())
        }
        None => (String::new(), text.to_owned()),
    }
}

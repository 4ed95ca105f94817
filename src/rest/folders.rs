//! Where set files may lie: in the environment's folder, or in folders that were allowed. Nothing else of the file system can be
//! reached by a request.

use std::path::{Path, PathBuf};

use axum::http::StatusCode;

use crate::rest::problem::Problem;
use crate::sync::syncset::EXTENSION;

/// The folders that requests may name, with everything below them.
#[derive(Clone, Debug)]
pub(crate) struct Folders {
    /// The environment's folder, absolute; what a request names is relative to it.
    home: PathBuf,
    /// All of them, links resolved.
    allowed: Vec<PathBuf>,
}

impl Folders {
    pub(crate) fn new(home: &Path, allowed: &[PathBuf]) -> std::io::Result<Folders> {
        let home = home.canonicalize()?;
        let mut all = vec![home.clone()];
        for folder in allowed {
            all.push(folder.canonicalize()?);
        }
        Ok(Folders { home, allowed: all })
    }

    /// The folder that a request names; it must be there.
    pub(crate) fn folder(&self, dir: &str) -> Result<PathBuf, Problem> {
        let named = self.home.join(dir);
        self.check(&named, "dir")?;
        let found = named.canonicalize().ok().filter(|folder| folder.is_dir());
        found.ok_or_else(|| {
            Problem::not_found(format!("there is no folder {dir}; nothing was changed"))
                .hint("make it first, or name another one; `.` is the environment's folder")
        })
    }

    /// A set's file in a folder that a request may name; it need not be there. It is named as sets are: under another name it could
    /// be taken for a database, or for the file of the credentials.
    pub(crate) fn file(&self, folder: &Path, name: &str) -> Result<PathBuf, Problem> {
        let named = folder.join(name);
        let is_name = named.file_name().is_some() && !name.ends_with(std::path::is_separator);
        if name.is_empty() || name.contains('\0') || !is_name {
            return Err(Problem::unusable("file", format!("`{name}` is no file's name; nothing was changed")));
        }
        self.check(&named, "file")?;
        if named.extension().is_none_or(|e| e != EXTENSION) {
            let what = format!("a set's file ends in .{EXTENSION}, and `{name}` does not; nothing was changed");
            return Err(Problem::unusable("file", what));
        }
        Ok(named)
    }

    /// The path of a file, links resolved, if it lies in a folder that requests may name.
    pub(crate) fn holds(&self, file: &Path) -> Option<PathBuf> {
        let found = file.canonicalize().ok()?;
        self.allowed.iter().any(|folder| found.starts_with(folder)).then_some(found)
    }

    /// The folders that were allowed beside the environment's.
    pub(crate) fn allowed(&self) -> impl Iterator<Item = &Path> {
        self.allowed.iter().skip(1).map(PathBuf::as_path)
    }

    /// Links are followed as far as the path exists; no `..` after that.
    fn check(&self, path: &Path, property: &str) -> Result<(), Problem> {
        let mut real = path.to_owned();
        let mut rest = PathBuf::new();
        let inside = loop {
            if let Ok(found) = real.canonicalize() {
                let found = if rest.as_os_str().is_empty() { found } else { found.join(&rest) };
                break self.allowed.iter().any(|folder| found.starts_with(folder));
            }
            // A link that leads nowhere could lead anywhere later.
            let is_link = real.symlink_metadata().is_ok();
            match (real.file_name().map(ToOwned::to_owned), real.pop()) {
                (Some(name), true) if !is_link => rest = Path::new(&name).join(rest),
                _ => break false,
            }
        };
        if inside {
            return Ok(());
        }
        let problem = Problem::new(
            StatusCode::FORBIDDEN,
            "that lies outside the environment's folder and of what was allowed; nothing was changed",
        );
        let problem = Problem { property: Some(property.to_owned()), ..problem };
        Err(problem.hint(
            "name a path below the environment's folder (`.`), or allow the folder: objsync serve --allow FOLDER, or REST… in the window's menu",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outside_is_reached() {
        let dir = tempfile::tempdir().unwrap();
        let (home, other) = (dir.path().join("home"), dir.path().join("other"));
        for folder in [&home.join("sets"), &other] {
            std::fs::create_dir_all(folder).unwrap();
        }
        let folders = Folders::new(&home, &[]).unwrap();
        for inside in [".", "", "sets", "./sets/", "sets/../sets", home.to_str().unwrap()] {
            assert!(folders.folder(inside).is_ok(), "{inside}");
        }
        for outside in ["..", "../other", "sets/../..", "/", "/etc", other.to_str().unwrap(), "nowhere/../../other"] {
            assert_eq!(folders.folder(outside).unwrap_err().status, 403, "{outside}");
        }
        assert_eq!(folders.folder("nowhere").unwrap_err().status, 404);
        let sets = folders.folder("sets").unwrap();
        for (name, status) in
            [("../../x", 403), ("/etc/passwd", 403), ("", 422), ("a/", 422), ("..", 422), ("x\0y", 422)]
        {
            assert_eq!(folders.file(&sets, name).unwrap_err().status, status, "{name:?}");
        }
        assert!(folders.file(&sets, "a.syncset").is_ok());
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(&other, home.join("link")).unwrap();
            std::os::unix::fs::symlink(dir.path().join("later"), home.join("sets/later")).unwrap();
            assert_eq!(folders.folder("link").unwrap_err().status, 403);
            assert_eq!(folders.file(&sets, "../link/x").unwrap_err().status, 403);
            assert_eq!(folders.file(&sets, "later").unwrap_err().status, 403);
        }
        let folders = Folders::new(&home, std::slice::from_ref(&other)).unwrap();
        assert!(folders.folder("../other").is_ok());
    }
}

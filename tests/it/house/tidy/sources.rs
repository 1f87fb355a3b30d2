//! The crate's source files, and what of them counts as code.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// One file below `src`.
pub struct Source {
    /// Where it is, from `src` on.
    pub path: PathBuf,
    /// All of it.
    pub text: String,
}

impl Source {
    /// The first part of its path: the module at the crate's root that it belongs to.
    pub fn room(&self) -> String {
        let first = self.path.components().next().expect("a file").as_os_str().to_string_lossy();
        first.trim_end_matches(".rs").to_owned()
    }

    /// The file without its tests, comments and documentation.
    pub fn code(&self) -> String {
        let lines = self.before_tests().lines().map(|line| line.split("//").next().unwrap_or_default());
        lines.collect::<Vec<_>>().join("\n")
    }

    /// The file up to its tests, which are the last thing in it. What only tests use stands before them, and counts.
    pub fn before_tests(&self) -> &str {
        self.text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default()
    }
}

/// All files of the crate but those that are tests as a whole.
pub fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = files_below(&root).into_iter().filter(|path| !path.ends_with("tests.rs"));
    files
        .map(|path| Source {
            text: fs::read_to_string(&path).expect("a source file"),
            path: path.strip_prefix(&root).expect("below src").to_owned(),
        })
        .collect()
}

/// All files of Rust below a folder.
pub fn files_below(root: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of ours") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

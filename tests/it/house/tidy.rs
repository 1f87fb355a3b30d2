//! The structure keeps what it promises: which layer may use which, and what files look like.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The layers from the bottom up, with their modules. A module may use those of lower layers; within a layer, only those
/// below it in DESIGN's sense: domain modules may use each other, mechanisms may not.
const LAYERS: [(&str, &[&str]); 5] = [
    (
        "domain",
        &[
            "assurance",
            "clock",
            "denied",
            "device",
            "event",
            "id",
            "location",
            "policy",
            "privacy",
            "session",
            "succession",
            "text",
        ],
    ),
    ("mechanisms", &["activity", "address", "bus", "cache", "client_ip", "credentials", "geoip", "store", "token"]),
    ("use cases", &["error", "logging", "manager", "metrics"]),
    ("tower", &["middleware", "transport"]),
    ("axum", &["answer", "extract", "pages", "routes"]),
];

/// Uses that the table forbids and that have a reason.
const EXCEPTIONS: [(&str, &str); 8] = [
    // Logging is the crate's only way to the log, from everywhere.
    ("event", "logging"),
    ("activity", "logging"),
    ("bus", "logging"),
    ("store", "logging"),
    // A server's URL says the same to a store and to a bus.
    ("bus", "address"),
    ("store", "address"),
    // `ConfigError` is what a key ring that could not work is.
    ("token", "error"),
    // The error of a use case is an error of the store, and of the policy.
    ("error", "store"),
];

fn sources() -> Vec<(PathBuf, String)> {
    let files = files_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).into_iter();
    files
        .filter(|path| !path.ends_with("tests.rs"))
        .map(|path| {
            let text = fs::read_to_string(&path).expect("a source file");
            (path, text)
        })
        .collect()
}

fn files_below(root: &Path) -> Vec<PathBuf> {
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
    files
}

fn module_of(path: &Path) -> String {
    let relative = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).expect("below src");
    let first = relative.components().next().expect("a file").as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|(_, modules)| modules.contains(&module))
}

/// The part of a file before its tests, without comments and documentation.
fn code(text: &str) -> String {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// The modules that a file names after `crate::`, in paths and in braced imports.
fn uses(code: &str) -> Vec<String> {
    let mut used = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(braced) = rest.strip_prefix('{') {
            let mut depth = 1;
            let mut name = String::new();
            for c in braced.chars() {
                match c {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    _ => {}
                }
                if depth == 1 && (c.is_alphanumeric() || c == '_') {
                    name.push(c);
                } else if depth == 1 && c == ':' && !name.is_empty() {
                    used.push(std::mem::take(&mut name));
                } else if depth == 1 && c == ',' || depth == 0 {
                    name.clear();
                }
                if depth == 0 {
                    break;
                }
            }
        } else {
            used.push(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    used
}

#[test]
fn dependencies_point_down_only() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let module = module_of(&path);
        if matches!(module.as_str(), "lib" | "guide") {
            continue;
        }
        let layer = layer_of(&module).unwrap_or_else(|| panic!("{module} is in no layer: add it to the table"));
        for used in uses(&code(&text)) {
            let Some(below) = layer_of(&used) else { continue };
            let allowed = below < layer || used == module || (below == layer && layer != 1);
            let excepted = EXCEPTIONS.contains(&(module.as_str(), used.as_str()));
            if !allowed && !excepted {
                wrong.push(format!("{}: {} uses {used}", path.display(), LAYERS[layer].0));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_below_transport_mentions_http() {
    for (path, text) in sources() {
        if layer_of(&module_of(&path)).is_some_and(|layer| layer < 3) {
            let code = code(&text);
            for word in ["http::", "axum", "tonic::"] {
                assert!(!code.contains(word), "{} mentions {word}", path.display());
            }
        }
    }
}

#[test]
fn the_domain_neither_awaits_nor_does_io() {
    for (path, text) in sources() {
        if layer_of(&module_of(&path)) == Some(0) {
            let code = code(&text);
            for word in [".await", "async fn", "async move", "std::fs", "std::net::Tcp", "tokio"] {
                assert!(!code.contains(word), "{} mentions {word}", path.display());
            }
        }
    }
}

#[test]
fn only_the_clock_reads_the_time() {
    for (path, text) in sources() {
        if module_of(&path) != "clock" {
            let code = code(&text);
            for word in ["SystemTime::now", "Instant::now", "Utc::now", "now_v7"] {
                assert!(!code.contains(word), "{} reads the time", path.display());
            }
        }
    }
}

#[test]
fn a_file_answers_one_question() {
    for (path, text) in sources() {
        let lines = text.split("#[cfg(test)]").next().unwrap_or_default().lines().count();
        assert!(lines <= 400, "{} has {lines} lines before its tests", path.display());
    }
}

#[test]
fn nothing_can_panic_on_purpose() {
    for (path, text) in sources() {
        // The testing kit panics where a test has asked it to.
        if path.ends_with("failing.rs") {
            continue;
        }
        let code = code(&text);
        for word in [".unwrap()", ".expect(", "unsafe ", "todo!(", "unimplemented!(", "dbg!("] {
            assert!(!code.contains(word), "{} has {word}", path.display());
        }
    }
}

#[test]
fn the_tests_that_the_security_guide_names_are_there() {
    let guide = include_str!("../../../src/guide/security.md");
    let named = guide.split('`').skip(1).step_by(2).filter_map(|code| code.split_once("::"));
    let tests = files_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it"));
    let mut found = 0;
    for (module, test) in
        named.filter(|(module, _)| !module.contains(['(', ' ']) && module.starts_with(char::is_lowercase))
    {
        let file = tests.iter().find(|path| path.file_stem().is_some_and(|stem| stem == module));
        if let Some(text) = file.and_then(|path| fs::read_to_string(path).ok()) {
            assert!(text.contains(&format!("fn {test}(")), "{module}::{test} is no test");
            found += 1;
        }
    }
    assert!(found >= 18, "only {found} tests are named");
}

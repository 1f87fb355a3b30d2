//! The structure keeps what it promises: which layer may use which, and what files look like.

mod circles;
mod imports;
mod requirements;
mod sources;

use std::{collections::BTreeSet, fs, path::Path};

use self::{
    circles::circles,
    imports::Imports,
    sources::{files_below, sources},
};

/// The layers from the bottom up, with their modules. A module may use those of lower layers. Modules of one layer may
/// use each other, except mechanisms.
const LAYERS: [(&str, &[&str]); 5] = [
    (
        "domain",
        &[
            "admission",
            "adopting",
            "joining",
            "assurance",
            "clock",
            "denied",
            "device",
            "event",
            "host",
            "id",
            "limit",
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

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|(_, modules)| modules.contains(&module))
}

#[test]
fn dependencies_point_down_only() {
    let sources = sources();
    let imports = Imports::of(&sources);
    let mut wrong = BTreeSet::new();
    for (user, used) in imports.arrows() {
        let (Some(room), Some(used_room)) = (user.first(), used.first()) else {
            continue;
        };
        if room == "guide" || room == used_room {
            continue;
        }
        let layer = layer_of(room).unwrap_or_else(|| panic!("{room} is in no layer: add it to the table"));
        let Some(below) = layer_of(used_room) else { continue };
        let allowed = below < layer || (below == layer && layer != 1);
        if !allowed && !EXCEPTIONS.contains(&(room.as_str(), used_room.as_str())) {
            wrong.insert(format!("{}: {} uses {}", user.join("::"), LAYERS[layer].0, used.join("::")));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The root exports what users need. In here each name is taken from where it is defined.
#[test]
fn nobody_takes_a_name_from_the_crates_root() {
    let sources = sources();
    let imports = Imports::of(&sources);
    let taken: Vec<_> = imports.taken_from_the_root().collect();
    assert!(taken.is_empty(), "{taken:#?}");
}

/// Of two files that use each other neither can be read, or changed, without the other. What a folder and what is in it
/// say to each other does not count: the folder names what it holds.
#[test]
fn no_modules_use_each_other_in_a_circle() {
    let sources = sources();
    let imports = Imports::of(&sources);
    let circles = circles(&imports);
    assert!(circles.is_empty(), "{circles:#?}");
}

#[test]
fn each_file_of_the_manager_says_what_it_is_for() {
    for source in sources().iter().filter(|source| source.room() == "manager") {
        assert!(source.text.starts_with("//! "), "{} does not begin with a sentence", source.path.display());
    }
}

#[test]
fn nothing_below_transport_mentions_http() {
    for source in sources() {
        if layer_of(&source.room()).is_some_and(|layer| layer < 3) {
            let code = source.code();
            for word in ["http::", "axum", "tonic::"] {
                assert!(!code.contains(word), "{} mentions {word}", source.path.display());
            }
        }
    }
}

#[test]
fn the_domain_neither_awaits_nor_does_io() {
    for source in sources() {
        if layer_of(&source.room()) == Some(0) {
            let code = source.code();
            for word in [".await", "async fn", "async move", "std::fs", "std::net::Tcp", "tokio"] {
                assert!(!code.contains(word), "{} mentions {word}", source.path.display());
            }
        }
    }
}

#[test]
fn only_the_clock_reads_the_time() {
    for source in sources() {
        if source.room() != "clock" {
            let code = source.code();
            for word in ["SystemTime::now", "Instant::now", "Utc::now", "now_v7"] {
                assert!(!code.contains(word), "{} reads the time", source.path.display());
            }
        }
    }
}

#[test]
fn a_file_answers_one_question() {
    for source in sources() {
        let lines = source.before_tests().lines().count();
        assert!(lines <= 400, "{} has {lines} lines before its tests", source.path.display());
    }
}

#[test]
fn nothing_can_panic_on_purpose() {
    for source in sources() {
        // The testing kit panics where a test has asked it to.
        if source.path.ends_with("failing.rs") {
            continue;
        }
        let code = source.code();
        for word in [".unwrap()", ".expect(", "unsafe ", "todo!(", "unimplemented!(", "dbg!("] {
            assert!(!code.contains(word), "{} has {word}", source.path.display());
        }
    }
}

#[test]
fn the_tests_that_the_security_guide_names_are_there() {
    let guide = include_str!("../../../../src/guide/security.md");
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

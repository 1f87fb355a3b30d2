//! Names of devices: every client of the corpus by the name it must have.

use tower_device_sessions::device::naming::{ClientHints, describe};

const CORPUS: &str = include_str!("../../user_agents.tsv");

#[test]
fn every_client_of_the_corpus_has_its_name() {
    let mut count = 0;
    let mut wrong = Vec::new();
    for line in CORPUS.lines().filter(|line| !line.starts_with('#')) {
        let [name, browser, os, kind, hints, user_agent] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("six columns: {line}");
        };
        let hints = if hints == "-" { ClientHints::default() } else { ClientHints::from_compact(hints) };
        let described = describe(Some(user_agent), &hints);
        let found = [
            described.name(),
            described.browser.as_deref().unwrap_or("-").to_owned(),
            described.os.as_deref().unwrap_or("-").to_owned(),
            described.kind.as_str().to_owned(),
        ];
        count += 1;
        if found != [name, browser, os, kind] {
            wrong.push(format!("{found:?} for {line}"));
        }
    }
    assert!(count >= 250, "{count} clients");
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
}

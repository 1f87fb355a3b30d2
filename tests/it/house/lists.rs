//! Pages that list things: complete, and of nothing that is not there.

use std::collections::BTreeSet;

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(start).expect("where it starts");
    rest.split_once(end).expect("where it ends").0
}

#[test]
fn the_page_of_events_has_every_event() {
    let source = between(include_str!("../../../src/event.rs"), "pub enum SessionEvent {", "\n}");
    let is_variant =
        |line: &&str| line.starts_with("    ") && line.as_bytes().get(4).is_some_and(u8::is_ascii_uppercase);
    let name = |line: &'static str| line.trim().split([' ', ',']).next();
    let events: BTreeSet<_> = source.lines().filter(is_variant).filter_map(name).collect();
    let page = include_str!("../../../src/guide/events.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| [`"));
    let listed: BTreeSet<_> = rows.filter_map(|row| row.split('`').next()).collect();
    assert_eq!(listed, events);
    assert!(events.len() > 20);
}

#[test]
fn the_page_of_metrics_has_every_series_and_no_other() {
    fn names(text: &'static str) -> BTreeSet<&'static str> {
        let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
        let start = text.match_indices("device_sessions_").map(|(at, _)| &text[at..]);
        let names = start.map(|rest| rest.split(|c| !is_name(c)).next().unwrap_or_default());
        names.map(|name| name.strip_suffix("_bucket").unwrap_or(name)).collect()
    }
    let series =
        names(include_str!("../../../src/metrics/recorded.rs").split("#[cfg(test)]").next().unwrap_or_default());
    assert_eq!(names(include_str!("../../../src/guide/metrics.md")), series);
    assert_eq!(series.len(), 15);
}

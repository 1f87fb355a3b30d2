//! How the tables of clients are made: a product, how much it tells, and the name that people know.

use std::cmp::Ordering;

/// How much a product tells about the client that sent it; the greatest wins, and the first of equals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// A language or a network stack under a program: Python, Java, okhttp.
    Runtime,
    /// A program or a library: curl, axios, grpc-go.
    Library,
    /// A browser that many others are built on: Chrome, Firefox, Safari.
    Engine,
    /// A browser that some others are built on: Edge, Opera.
    Base,
    /// An app's view of a page, when the app does not name itself.
    WebView,
    /// A browser that stands for itself: Brave, Samsung Internet.
    Browser,
    /// An app by its own name: Instagram, Slack.
    App,
    /// A machine that says so.
    Bot,
}

/// A product in lower case (a brand as it is spelled), its rank, and the name that people know.
pub(super) type Row = (&'static str, Rank, &'static str);

/// Finds a row by its lower-case key, in a table in byte order.
pub(super) fn lookup<'t, T>(table: &'t [T], word: &str, key: impl Fn(&T) -> &'static str) -> Option<&'t T> {
    let at = table.binary_search_by(|row| compare_in_lower_case(key(row), word)).ok()?;
    table.get(at)
}

fn compare_in_lower_case(key: &str, word: &str) -> Ordering {
    for (key, word) in key.bytes().zip(word.bytes()) {
        match key.cmp(&word.to_ascii_lowercase()) {
            Ordering::Equal => {}
            unequal => return unequal,
        }
    }
    key.len().cmp(&word.len())
}

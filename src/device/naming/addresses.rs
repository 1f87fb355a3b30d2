//! Addresses at which whoever runs a machine can be reached.

/// Says whether a User-Agent may hold an address, by the marks of which each has one.
pub(super) fn may_hold_address(user_agent: &str) -> bool {
    let bytes = user_agent.as_bytes();
    memchr::memchr3_iter(b'@', b':', b'w', bytes).any(|at| match bytes.get(at..).unwrap_or_default() {
        [b'w', b'w', b'w', b'.', ..] | [b':', b'/', ..] | [b'@', ..] => true,
        [b':', ..] => bytes.get(..at).is_some_and(|before| before.ends_with(b"mailto")),
        _ => false,
    })
}

/// Says whether a word is an address at which somebody can be reached: of a page, or of a mailbox.
pub(super) fn is_address(word: &str) -> bool {
    let word = word.trim_start_matches(['+', '<', '(', '\'']);
    let is_page = word.starts_with("http://") || word.starts_with("https://") || word.starts_with("www.");
    let is_mailbox = word.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'));
    is_page || word.starts_with("mailto:") || is_mailbox
}

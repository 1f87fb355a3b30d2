//! Text from outside, made fit to keep and to show.

/// `bytes` as text of at most `limit` bytes, without characters that could harm a log, a page or a reader.
///
/// What is not UTF-8 becomes U+FFFD. Control characters, line separators and the characters that turn the reading
/// direction are dropped; the text is cut at a character's edge and trimmed.
pub(crate) fn clean(bytes: &[u8], limit: usize) -> Box<str> {
    // A replacement character takes three bytes, so nothing past this prefix can be part of the result's first bytes
    // unless much was dropped; the bound keeps a hostile header from costing more than its share.
    let prefix = &bytes[..bytes.len().min(limit.saturating_mul(4))];
    let text: String = String::from_utf8_lossy(prefix).chars().filter(|&c| is_harmless(c)).collect();
    cut(text.trim(), limit).trim_end().into()
}

/// The longest prefix of `text` that is at most `limit` bytes long.
pub(crate) fn cut(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

/// Whether a character may be kept: no control, no line or paragraph separator, no bidirectional or invisible format
/// character (Unicode categories Cc, Zl, Zp and the Cf characters that matter here).
pub(crate) fn is_harmless(c: char) -> bool {
    !c.is_control()
        && !matches!(c,
            '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
            | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S89.
    #[test]
    fn text_is_cut_at_a_characters_edge() {
        assert_eq!(&*clean("aäöü".as_bytes(), 4), "aä");
        assert_eq!(cut("abc", 10), "abc");
    }

    /// S89, S92.
    #[test]
    fn control_and_direction_characters_are_dropped() {
        assert_eq!(&*clean("a\r\nb\0c\u{202E}d\u{200B}e\u{85}f".as_bytes(), 100), "abcdef");
    }

    /// S89.
    #[test]
    fn bytes_that_are_no_utf_8_become_replacement_characters() {
        assert_eq!(&*clean(b"Chrome \xFF\xFE", 100), "Chrome \u{FFFD}\u{FFFD}");
    }

    /// S89.
    #[test]
    fn a_huge_header_is_cut_to_the_limit() {
        let huge = vec![b'x'; 64 * 1024];
        assert_eq!(clean(&huge, 512).len(), 512);
        assert_eq!(&*clean(&vec![0; 64 * 1024], 512), "");
    }
}

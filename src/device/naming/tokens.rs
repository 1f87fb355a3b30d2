//! Which pieces a User-Agent is made of.
//!
//! A User-Agent is a row of products, `name/version`, and of comments in parentheses (RFC 9110 §10.1.5). Real ones
//! also put products in square brackets, separate them with semicolons and nest parentheses. The pieces come out in
//! one pass, each byte is looked at once, and nothing is copied.

/// One piece of a User-Agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// `name/version`, or a bare word with an empty version.
    Product { name: &'a str, version: &'a str },
    /// One part of a comment, as semicolons divide it; `first` is true for the part behind the opening parenthesis.
    Part { text: &'a str, first: bool },
}

/// The pieces of one User-Agent, in order.
#[derive(Clone, Debug)]
pub(super) struct Tokens<'a> {
    rest: &'a str,
    depth: u32,
    first: bool,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(user_agent: &'a str) -> Self {
        Self { rest: user_agent, depth: 0, first: false }
    }

    /// Cuts the piece that ends before byte `end` and steps over the separator behind it.
    ///
    /// Every separator is ASCII, so both places are character boundaries.
    fn take(&mut self, end: usize) -> &'a str {
        let text = self.rest.get(..end).unwrap_or_default();
        self.rest = self.rest.get(end + 1..).unwrap_or_default();
        text
    }

    fn product(&mut self) -> Option<Token<'a>> {
        let bytes = self.rest.as_bytes();
        let end = bytes.iter().position(|byte| is_separator(*byte)).unwrap_or(bytes.len());
        if bytes.get(end) == Some(&b'(') {
            self.depth = 1;
            self.first = true;
        }
        let text = self.take(end);
        let (name, version) = text.split_once('/').unwrap_or((text, ""));
        (!name.is_empty()).then_some(Token::Product { name, version })
    }

    fn part(&mut self) -> Option<Token<'a>> {
        let bytes = self.rest.as_bytes();
        let mut end = bytes.len();
        for at in memchr::memchr3_iter(b'(', b')', b';', bytes) {
            let byte = bytes.get(at).copied().unwrap_or_default();
            match byte {
                b'(' => self.depth = self.depth.saturating_add(1),
                b')' => self.depth -= 1,
                _ => {}
            }
            // A semicolon divides at any depth; a parenthesis inside a part, as in "moto g(60)", belongs to the part.
            if byte == b';' || self.depth == 0 {
                end = at;
                break;
            }
        }
        let text = self.take(end).trim_ascii();
        (!text.is_empty()).then(|| Token::Part { text, first: std::mem::replace(&mut self.first, false) })
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        while !self.rest.is_empty() {
            let token = if self.depth == 0 { self.product() } else { self.part() };
            if token.is_some() {
                return token;
            }
        }
        None
    }
}

fn is_separator(byte: u8) -> bool {
    // Most bytes are letters, digits and dots.
    !matches!(byte, b'-'..=b':' | b'A'..=b'Z' | b'a'..=b'z')
        && (byte.is_ascii_whitespace() || matches!(byte, b'(' | b')' | b'[' | b']' | b';' | b','))
}

#[cfg(test)]
mod tests {
    use super::{Token, Tokens};

    fn pieces(user_agent: &str) -> Vec<String> {
        Tokens::new(user_agent)
            .map(|token| match token {
                Token::Product { name, version } => format!("{name}={version}"),
                Token::Part { text, first: true } => format!("({text}"),
                Token::Part { text, first: false } => format!(";{text}"),
            })
            .collect()
    }

    #[test]
    fn products_and_comments_come_in_order() {
        let user_agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126";
        assert_eq!(
            pieces(user_agent),
            ["Mozilla=5.0", "(X11", ";Linux x86_64", "AppleWebKit=537.36", "(KHTML, like Gecko", "Chrome=126"]
        );
    }

    #[test]
    fn brackets_and_semicolons_divide_products() {
        assert_eq!(pieces("[FBAN/FBIOS;FBAV/460.0]"), ["FBAN=FBIOS", "FBAV=460.0"]);
        assert_eq!(pieces("[LinkedInApp]/9.29"), ["LinkedInApp="]);
    }

    #[test]
    fn parentheses_inside_a_part_belong_to_it() {
        assert_eq!(pieces("(Android 12; moto g(60) Build/X) next"), ["(Android 12", ";moto g(60) Build/X", "next="]);
    }

    #[test]
    fn unbalanced_parentheses_end_with_the_text() {
        assert_eq!(pieces("a/1 (b; c"), ["a=1", "(b", ";c"]);
        assert_eq!(pieces("a) b"), ["a=", "b="]);
        assert_eq!(pieces("((("), ["((("]);
    }
}

//! Strict JSON: one object, read in one pass, borrowed from the text.
//!
//! 1. The grammar of RFC 8259, nothing around it: no byte order mark, no trailing text.
//! 2. A member name occurs once per object, at every level, however it is written (`"sub"` and `"s\u0075b"` are one
//!    name).
//! 3. No string holds NUL or half of a surrogate pair; no number is beyond the range of a double.
//! 4. Nothing is nested deeper than [`MAX_DEPTH`].
//!
//! This is a scanner of our own because a general JSON library decides by itself about repeated names, and about
//! numbers once another crate of the build switches on one of its features. The tests compare it with such a library.

#[cfg(test)]
mod tests;

use std::{borrow::Cow, str};

/// How deep arrays and objects may be nested; the outermost object is the first level.
pub(in crate::token) const MAX_DEPTH: usize = 16;

/// The text is not the JSON that this crate accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::token) struct Invalid;

/// A value. What is nested has been checked and is kept as text.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::token) enum Item<'a> {
    Null,
    Bool(bool),
    /// As written, in the grammar of JSON.
    Number(&'a str),
    String(Cow<'a, str>),
    Array(&'a str),
    Object(&'a str),
}

/// Reads one object and shows each of its own members to `member`.
///
/// A repeated name is noticed at the end of its object, after its members were shown: what `member` learned counts only
/// when this function returns `Ok`.
pub(in crate::token) fn object<'a>(
    text: &'a str,
    mut member: impl FnMut(&str, Item<'a>) -> Result<(), Invalid>,
) -> Result<(), Invalid> {
    let mut scanner = Scanner::new(text);
    scanner.white_space();
    scanner.object(1, &mut member)?;
    scanner.end()
}

/// Reads one array and shows each of its own elements to `element`.
pub(in crate::token) fn array<'a>(
    text: &'a str,
    mut element: impl FnMut(Item<'a>) -> Result<(), Invalid>,
) -> Result<(), Invalid> {
    let mut scanner = Scanner::new(text);
    scanner.white_space();
    scanner.array(1, &mut element)?;
    scanner.end()
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    /// The names of all objects that are open, outermost first.
    names: Vec<Cow<'a, str>>,
}

impl<'a> Scanner<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, at: 0, names: Vec::with_capacity(16) }
    }

    fn end(&self) -> Result<(), Invalid> {
        if self.at == self.text.len() { Ok(()) } else { Err(Invalid) }
    }

    fn value(&mut self, depth: usize) -> Result<Item<'a>, Invalid> {
        let start = self.at;
        match self.peek().ok_or(Invalid)? {
            b'"' => self.string().map(Item::String),
            b'{' => {
                self.object(depth + 1, &mut |_, _| Ok(()))?;
                Ok(Item::Object(self.since(start)?))
            }
            b'[' => {
                self.array(depth + 1, &mut |_| Ok(()))?;
                Ok(Item::Array(self.since(start)?))
            }
            b't' => self.word("true", Item::Bool(true)),
            b'f' => self.word("false", Item::Bool(false)),
            b'n' => self.word("null", Item::Null),
            _ => self.number().map(Item::Number),
        }
    }

    /// Reads an object and the white space after it.
    fn object(
        &mut self,
        depth: usize,
        member: &mut dyn FnMut(&str, Item<'a>) -> Result<(), Invalid>,
    ) -> Result<(), Invalid> {
        if depth > MAX_DEPTH {
            return Err(Invalid);
        }
        let outer_names = self.names.len();
        self.require(b'{')?;
        self.white_space();
        if !self.take(b'}') {
            loop {
                let name = self.string()?;
                self.white_space();
                self.require(b':')?;
                self.white_space();
                let value = self.value(depth)?;
                member(&name, value)?;
                self.names.push(name);
                self.white_space();
                if self.take(b'}') {
                    break;
                }
                self.require(b',')?;
                self.white_space();
            }
        }
        self.names_are_unique(outer_names)?;
        self.names.truncate(outer_names);
        self.white_space_at_top(depth);
        Ok(())
    }

    fn names_are_unique(&mut self, outer_names: usize) -> Result<(), Invalid> {
        let names = self.names.get_mut(outer_names..).ok_or(Invalid)?;
        names.sort_unstable();
        let repeated = names.iter().zip(names.iter().skip(1)).any(|(name, next)| name == next);
        if repeated { Err(Invalid) } else { Ok(()) }
    }

    fn array(&mut self, depth: usize, element: &mut dyn FnMut(Item<'a>) -> Result<(), Invalid>) -> Result<(), Invalid> {
        if depth > MAX_DEPTH {
            return Err(Invalid);
        }
        self.require(b'[')?;
        self.white_space();
        if !self.take(b']') {
            loop {
                let value = self.value(depth)?;
                element(value)?;
                self.white_space();
                if self.take(b']') {
                    break;
                }
                self.require(b',')?;
                self.white_space();
            }
        }
        self.white_space_at_top(depth);
        Ok(())
    }

    /// Reads a string. The bytes `"`, `\` and control characters are never part of another character in UTF-8.
    fn string(&mut self) -> Result<Cow<'a, str>, Invalid> {
        self.require(b'"')?;
        let start = self.at;
        let special = |byte: &u8| *byte == b'"' || *byte == b'\\' || *byte < 0x20;
        let length = self.rest().iter().position(special).ok_or(Invalid)?;
        self.at += length;
        let plain = self.since(start)?;
        if self.take(b'"') {
            return Ok(Cow::Borrowed(plain));
        }

        let mut unescaped = plain.to_owned();
        loop {
            match self.next()? {
                b'"' => return Ok(Cow::Owned(unescaped)),
                b'\\' => unescaped.push(self.escaped()?),
                _ => return Err(Invalid),
            }
            let start = self.at;
            let length = self.rest().iter().position(special).ok_or(Invalid)?;
            self.at += length;
            unescaped.push_str(self.since(start)?);
        }
    }

    fn escaped(&mut self) -> Result<char, Invalid> {
        match self.next()? {
            b'"' => Ok('"'),
            b'\\' => Ok('\\'),
            b'/' => Ok('/'),
            b'b' => Ok('\u{8}'),
            b'f' => Ok('\u{c}'),
            b'n' => Ok('\n'),
            b'r' => Ok('\r'),
            b't' => Ok('\t'),
            b'u' => self.escaped_unit(),
            _ => Err(Invalid),
        }
    }

    fn escaped_unit(&mut self) -> Result<char, Invalid> {
        let first = self.hexadecimal()?;
        let code = match first {
            0 => return Err(Invalid),
            0xD800..=0xDBFF => {
                self.require(b'\\')?;
                self.require(b'u')?;
                let second = self.hexadecimal()?;
                if !(0xDC00..=0xDFFF).contains(&second) {
                    return Err(Invalid);
                }
                0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00)
            }
            _ => first,
        };
        char::from_u32(code).ok_or(Invalid)
    }

    fn hexadecimal(&mut self) -> Result<u32, Invalid> {
        (0..4).try_fold(0, |code, _| {
            let digit = char::from(self.next()?).to_digit(16).ok_or(Invalid)?;
            Ok(code << 4 | digit)
        })
    }

    fn number(&mut self) -> Result<&'a str, Invalid> {
        let start = self.at;
        self.take(b'-');
        let leading_zero = self.peek() == Some(b'0');
        let digits = self.digits()?;
        if leading_zero && digits > 1 {
            return Err(Invalid);
        }
        let mut integral = true;
        if self.take(b'.') {
            integral = false;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            integral = false;
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        let number = self.since(start)?;
        let surely_in_range = integral && digits < LARGEST_DOUBLE_DIGITS;
        let in_range = surely_in_range || number.parse().is_ok_and(f64::is_finite);
        if in_range { Ok(number) } else { Err(Invalid) }
    }

    fn digits(&mut self) -> Result<usize, Invalid> {
        let count = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        if count > 0 { Ok(count) } else { Err(Invalid) }
    }

    fn word(&mut self, word: &str, item: Item<'a>) -> Result<Item<'a>, Invalid> {
        if !self.rest().starts_with(word.as_bytes()) {
            return Err(Invalid);
        }
        self.at += word.len();
        Ok(item)
    }

    /// A nested value is kept as text that ends with its last bracket; only the outermost one may have space after it.
    fn white_space_at_top(&mut self, depth: usize) {
        if depth == 1 {
            self.white_space();
        }
    }

    fn white_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn require(&mut self, byte: u8) -> Result<(), Invalid> {
        if self.take(byte) { Ok(()) } else { Err(Invalid) }
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn next(&mut self) -> Result<u8, Invalid> {
        let byte = self.peek().ok_or(Invalid)?;
        self.at += 1;
        Ok(byte)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    fn since(&self, start: usize) -> Result<&'a str, Invalid> {
        self.text.get(start..self.at).ok_or(Invalid)
    }
}

/// The largest double has 309 digits before the point: any integer of fewer digits is in range.
const LARGEST_DOUBLE_DIGITS: usize = 309;

//! What the Client Hints say, and how they are kept.
//!
//! The values are structured fields (RFC 8941): strings in double quotes in which `\"` and `\\` are escapes,
//! booleans as `?1`, lists with commas, parameters with semicolons. A list that breaks off is read as far as it
//! goes; a string that forgot its quotes is read as if it had them.

use std::borrow::Cow;

use super::{
    browsers::brand,
    clean::cut,
    facts::Product,
    platforms::{System, platform},
    rank::Rank,
};
use crate::device::DeviceKind;

/// Raw Client Hints, as the request carried them.
///
/// Each value is expected to be cut to 256 bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientHints {
    /// `Sec-CH-UA`: the brands with their major versions.
    pub brands: Option<Box<str>>,
    /// `Sec-CH-UA-Full-Version-List`: the brands with their full versions.
    pub full_version_list: Option<Box<str>>,
    /// `Sec-CH-UA-Mobile`.
    pub mobile: Option<Box<str>>,
    /// `Sec-CH-UA-Platform`.
    pub platform: Option<Box<str>>,
    /// `Sec-CH-UA-Platform-Version`.
    pub platform_version: Option<Box<str>>,
    /// `Sec-CH-UA-Model`.
    pub model: Option<Box<str>>,
    /// `Sec-CH-UA-Form-Factors`.
    pub form_factors: Option<Box<str>>,
}

impl ClientHints {
    /// Of a client that sends none.
    pub(crate) const NONE: Self = Self {
        brands: None,
        full_version_list: None,
        mobile: None,
        platform: None,
        platform_version: None,
        model: None,
        form_factors: None,
    };

    /// Says whether the request carried no hint at all.
    pub fn is_empty(&self) -> bool {
        self.fields().iter().all(|(_, value)| value.is_none())
    }

    /// How many bytes the values have together.
    pub(crate) fn text_bytes(&self) -> usize {
        self.fields().iter().filter_map(|(_, value)| value.as_ref()).map(|value| value.len()).sum()
    }

    /// Writes the hints on one line, for a database column.
    ///
    /// The line has at most 1 KiB, is ASCII and reads `mobile=?1|platform="Android"`; `%`, `|` and all that is not
    /// visible ASCII or a space is written as `%` and two digits. A value longer than 256 bytes is cut. Should the
    /// whole not fit, which takes twice what a browser sends, the values that say least are left out, each as a
    /// whole.
    pub fn to_compact(&self) -> String {
        let mut line = String::new();
        for (key, value) in self.fields() {
            let Some(value) = value else { continue };
            let before = line.len();
            if !line.is_empty() {
                line.push('|');
            }
            line.push_str(key);
            line.push('=');
            escape(cut(value, VALUE_BYTES), &mut line);
            if line.len() > LINE_BYTES {
                line.truncate(before);
            }
        }
        line
    }

    /// Reads what [`to_compact`](Self::to_compact) has written.
    ///
    /// It never fails: an unknown key is skipped, the first of equal keys counts, and a broken escape stands for
    /// itself.
    pub fn from_compact(line: &str) -> Self {
        let mut hints = Self::default();
        for (key, value) in line.split('|').filter_map(|pair| pair.split_once('=')) {
            let field = match key {
                "brands" => &mut hints.brands,
                "mobile" => &mut hints.mobile,
                "platform" => &mut hints.platform,
                "model" => &mut hints.model,
                "version" => &mut hints.platform_version,
                "form" => &mut hints.form_factors,
                "full" => &mut hints.full_version_list,
                _ => continue,
            };
            field.get_or_insert_with(|| cut(&super::clean::percent_decoded(value), VALUE_BYTES).into());
        }
        hints
    }

    /// The values with their keys, the one that says most first.
    fn fields(&self) -> [(&'static str, Option<&str>); 7] {
        [
            ("brands", self.brands.as_deref()),
            ("mobile", self.mobile.as_deref()),
            ("platform", self.platform.as_deref()),
            ("model", self.model.as_deref()),
            ("version", self.platform_version.as_deref()),
            ("form", self.form_factors.as_deref()),
            ("full", self.full_version_list.as_deref()),
        ]
    }
}

/// The hints of one request, read.
#[derive(Clone, Debug, Default)]
pub(super) struct Said<'h> {
    /// The most specific brand that the table knows.
    pub(super) brand: Option<(Rank, &'static str, &'h str)>,
    /// A brand that no table knows, and that is not GREASE: the last in the alphabet, in any order.
    pub(super) own_brand: Option<Product<'h>>,
    pub(super) system: Option<System>,
    pub(super) system_version: Option<Cow<'h, str>>,
    pub(super) model: Option<Cow<'h, str>>,
    pub(super) is_phone: bool,
    pub(super) kind: Option<DeviceKind>,
}

impl<'h> Said<'h> {
    pub(super) fn read(hints: &'h ClientHints) -> Self {
        let lists = [hints.full_version_list.as_deref(), hints.brands.as_deref()];
        let mut said = Self {
            system: hints.platform.as_deref().and_then(|value| platform(&string(value)?)),
            system_version: hints.platform_version.as_deref().and_then(string),
            model: hints.model.as_deref().and_then(string),
            is_phone: hints.mobile.as_deref().is_some_and(|value| value.trim() == "?1"),
            kind: hints.form_factors.as_deref().and_then(kind),
            ..Self::default()
        };
        for member in lists.into_iter().flatten().flat_map(Members) {
            let Some((rank, name)) = brand(member.text) else {
                let is_next =
                    said.own_brand.is_none_or(|best| (best.name, best.version) < (member.text, member.version));
                if is_next && !is_grease(member.text) {
                    said.own_brand = Some(Product { name: member.text, version: member.version });
                }
                continue;
            };
            let found = (rank, name, member.version);
            if said.brand.is_none_or(|best| place(best) < place(found)) {
                said.brand = Some(found);
            }
        }
        said
    }
}

/// Orders brands without regard to their order in the list: by rank, then Chrome before the Chromium it is made
/// of, then by name, then the longer of two versions that begin alike.
fn place<'h>((rank, name, version): (Rank, &'static str, &'h str)) -> (Rank, bool, &'static str, &'h str) {
    (rank, name != "Chromium", name, version)
}

/// Says whether a brand is one that browsers make up: "Not A Brand", with marks that change between its letters.
fn is_grease(brand: &str) -> bool {
    let letters = brand.bytes().filter(u8::is_ascii_alphabetic).map(|byte| byte.to_ascii_lowercase());
    letters.eq(b"notabrand".iter().copied()) || !brand.is_ascii() || brand.contains(['"', '\\', '<', '>'])
}

fn kind(form_factors: &str) -> Option<DeviceKind> {
    let known = [
        ("XR", DeviceKind::Headset),
        ("Watch", DeviceKind::Watch),
        ("TV", DeviceKind::Tv),
        ("Automotive", DeviceKind::Car),
        ("Tablet", DeviceKind::Tablet),
        ("EInk", DeviceKind::Tablet),
        ("Mobile", DeviceKind::Mobile),
        ("Desktop", DeviceKind::Desktop),
    ];
    known.iter().find(|(word, _)| Members(form_factors).any(|member| member.text == *word)).map(|(_, kind)| *kind)
}

/// One string of a list, still escaped, and its parameter `v`.
struct Member<'h> {
    text: &'h str,
    version: &'h str,
}

/// The strings of a list, up to the first that is not whole.
///
/// They stay escaped: an escape stands for a quote or a backslash, and no word of ours has one.
struct Members<'h>(&'h str);

impl<'h> Iterator for Members<'h> {
    type Item = Member<'h>;

    fn next(&mut self) -> Option<Member<'h>> {
        let (text, rest) = quoted(self.0)?;
        let mut version = "";
        let mut rest = rest;
        while let Some(parameter) = rest.trim_ascii_start().strip_prefix(';') {
            let (key, value) = parameter.split_once('=')?;
            let (value, tail) = if value.starts_with('"') {
                quoted(value)?
            } else {
                value.split_at(value.find([';', ',']).unwrap_or(value.len()))
            };
            if key.trim() == "v" {
                version = value;
            }
            rest = tail;
        }
        self.0 = rest.trim_ascii_start().strip_prefix(',').unwrap_or_default();
        Some(Member { text, version })
    }
}

/// Splits a string in quotes from what follows it.
fn quoted(value: &str) -> Option<(&str, &str)> {
    let inner = value.trim_ascii_start().strip_prefix('"')?;
    let mut is_escaped = false;
    let end = inner.bytes().position(|byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    })?;
    Some((inner.get(..end)?, inner.get(end + 1..)?))
}

/// Reads a value that is one string; without quotes it is taken as it is.
fn string(value: &str) -> Option<Cow<'_, str>> {
    let value = value.trim_ascii();
    let text = if value.starts_with('"') { quoted(value)?.0 } else { value };
    if !text.contains('\\') {
        return (!text.is_empty()).then_some(Cow::Borrowed(text));
    }
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => out.extend(characters.next()),
            _ => out.push(character),
        }
    }
    Some(Cow::Owned(out))
}

fn escape(value: &str, out: &mut String) {
    for byte in value.bytes() {
        if matches!(byte, b' '..=b'~') && !matches!(byte, b'%' | b'|') {
            out.push(char::from(byte));
            continue;
        }
        let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or_default();
        out.extend(['%', digit(byte >> 4), digit(byte & 15)]);
    }
}

const VALUE_BYTES: usize = 256;
const LINE_BYTES: usize = 1024;

#[cfg(test)]
mod tests;

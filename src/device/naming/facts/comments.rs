//! What the parts of comments say.

use super::{Comment, Facts, Product};
use crate::device::naming::{
    addresses::is_address,
    clients::find,
    machines::{agent, bot},
    platforms::System,
    rank::Rank,
    words::{Sign, sign},
};

impl<'a> Facts<'a> {
    pub(super) fn part(&mut self, text: &'a str, first: bool) {
        if first {
            self.expects_model = false;
            self.expects_client = false;
            self.comment = match self.comment {
                _ if text.starts_with("KHTML") => Comment::Engine,
                Comment::None => Comment::First,
                _ => Comment::Later,
            };
        }
        if self.may_hold_address && self.has_address_of(text) {
            return;
        }
        let Some(text) = before_like(text) else {
            return;
        };
        self.last_part = if first || !text.contains(' ') { text } else { "" };
        self.has_gx |= text.starts_with("Edition") && text.to_ascii_uppercase().contains("GX");
        let end = text.bytes().position(|byte| matches!(byte, b' ' | b'/' | b',' | b':' | b'@')).unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        if self.is_client(text, word, first) || self.is_bot(text, word) {
            return;
        }
        match sign(word) {
            // In front of a model such a word is its maker's, even if that maker also makes something else.
            Some(Sign::Television(Some(_)) | Sign::Headset | Sign::Is(System::Tesla)) if self.expects_model => {
                self.android_model(text);
            }
            Some(sign) => self.sign(sign, text, rest.trim_start_matches([' ', '/'])),
            None if word == "Ecosia" => self.claim(Rank::Browser, "Ecosia", ""),
            None if self.expects_model => self.android_model(text),
            None if self.system == Some(System::Linux) && text.contains(" Build/") => {
                self.system(System::Android, "");
                self.android_model(text);
            }
            None => self.is_television |= text.ends_with("TV"),
        }
    }

    /// Notes an address. Whose it is stands right before it: "FlipboardProxy/1.2; +http://…".
    fn has_address_of(&mut self, text: &'a str) -> bool {
        let mut words = text.split(' ').filter(|word| !word.is_empty());
        if !words.any(is_address) {
            return false;
        }
        self.has_address = true;
        self.has_crawler_address |= text.contains("+http") || text.contains("+mailto");
        let is_alone = !text.contains(' ');
        let (name, version) = self.last_part.split_once('/').unwrap_or((self.last_part, ""));
        if is_alone && !name.is_empty() && sign(name).is_none() {
            self.unknown.get_or_insert(Product { name, version });
        }
        is_alone
    }

    /// Reads a client that a comment names: behind "compatible", or beside the engine, where no browser names itself.
    fn is_client(&mut self, text: &'a str, word: &'a str, first: bool) -> bool {
        let is_expected = std::mem::take(&mut self.expects_client) && !first;
        let is_beside = self.comment == Comment::Engine && !first;
        if !is_expected && !is_beside {
            return false;
        }
        let (name, version) = text.split_once('/').unwrap_or((text, ""));
        if let Some((rank, client)) = find(word).or_else(|| find(name)) {
            self.claim(rank, client, version);
            return true;
        }
        if sign(word).is_some() || self.is_bot(text, word) {
            return false;
        }
        if is_beside || self.comment == Comment::Later {
            self.bot.get_or_insert(Product { name, version });
        } else {
            self.is_compatible = true;
            self.unknown.get_or_insert(Product { name: word, version });
        }
        // What is compatible in the first comment may still be a model or a system.
        is_beside
    }

    fn is_bot(&mut self, text: &'a str, word: &'a str) -> bool {
        // A phone may be called "M bot 60".
        let is_model = self.expects_model && !before(text, " Build/").contains('/');
        if is_model {
            return false;
        }
        let Some(name) = bot(text).or_else(|| agent(word)) else {
            return false;
        };
        let version = text.split_once('/').map_or("", |(_, version)| version);
        if let Some((rank, client)) = find(word) {
            self.claim(rank, client, version);
        } else {
            self.bot.get_or_insert(Product { name, version });
        }
        true
    }
}

/// Cuts a text before a mark that ends in a slash.
pub(super) fn before<'a>(text: &'a str, mark: &str) -> &'a str {
    let ends = |at: &usize| text.get(..=*at).is_some_and(|start| start.ends_with(mark));
    let at = memchr::memchr_iter(b'/', text.as_bytes()).find(ends);
    at.and_then(|at| text.get(..at + 1 - mark.len())).unwrap_or(text)
}

/// Cuts "PICO 4 like Quest", which is no Quest, before the word.
fn before_like(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let is_word = |at: usize| {
        let is_start = at.checked_sub(1).is_none_or(|before| bytes.get(before) == Some(&b' '));
        is_start && bytes.get(at..).is_some_and(|rest| rest.starts_with(b"like "))
    };
    let Some(at) = memchr::memchr_iter(b'l', bytes).find(|at| is_word(*at)) else {
        return Some(text);
    };
    text.get(..at).map(str::trim_end).filter(|text| !text.is_empty())
}

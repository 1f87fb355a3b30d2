//! What a User-Agent says, before anything is concluded from it.
//!
//! One walk over the [`Tokens`] notes the products and the parts of comments that the tables know, and keeps
//! the few unknown ones that may be an app's own name.

mod comments;
mod products;
mod signs;

use super::{
    addresses::may_hold_address,
    clean,
    platforms::System,
    rank::Rank,
    tokens::{Token, Tokens},
};

/// A client that the User-Agent names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim<'a> {
    pub(super) rank: Rank,
    pub(super) name: &'static str,
    pub(super) version: &'a str,
}

/// A product that no table knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Product<'a> {
    pub(super) name: &'a str,
    pub(super) version: &'a str,
}

/// Everything noted on the walk.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts<'a> {
    /// The client with the greatest rank.
    pub(super) claim: Option<Claim<'a>>,
    /// A bot that no table knows, by its own name.
    pub(super) bot: Option<Product<'a>>,
    /// What is called after a machine's work; apps are, too.
    pub(super) worker: Option<Product<'a>>,
    /// What stands before the first slash of a User-Agent that does not begin with `Mozilla/`.
    pub(super) leading: Option<Product<'a>>,
    /// The first unknown product of one that does.
    pub(super) unknown: Option<Product<'a>>,
    /// An unknown product whose name ends in `Browser`.
    pub(super) browser: Option<Product<'a>>,
    pub(super) is_mozilla: bool,
    /// `Chrome/` is there, under any name: the client may send hints.
    pub(super) is_chromium: bool,
    pub(super) has_webkit: bool,
    pub(super) has_gecko: bool,
    pub(super) has_safari: bool,
    pub(super) has_electron: bool,
    pub(super) has_web_view: bool,
    /// Apple's network stack, which tells neither the device nor the system.
    pub(super) has_apple_stack: bool,
    /// `okhttp` or `Dalvik`, which run on Android.
    pub(super) has_android_stack: bool,
    /// A processor's name is the only word of a comment, as Apple's network stack writes it only on a Mac.
    pub(super) has_architecture: bool,
    pub(super) has_gx: bool,
    /// It holds an address: of a page, or of a mailbox. With a plus in front it is the address of a page about a
    /// crawler.
    pub(super) has_address: bool,
    pub(super) has_crawler_address: bool,
    /// A comment begins with `compatible` and a product that no table knows.
    pub(super) is_compatible: bool,
    /// The product `Version/`: Safari's own version.
    pub(super) version: Option<&'a str>,
    pub(super) system: Option<System>,
    pub(super) system_version: &'a str,
    /// The model in an Android User-Agent, as it stands there.
    pub(super) model: Option<&'a str>,
    pub(super) is_phone: bool,
    pub(super) is_tablet: bool,
    pub(super) is_computer: bool,
    pub(super) is_headset: bool,
    pub(super) is_television: bool,
    pub(super) is_watch: bool,
    /// The maker of a television or the name of a console, by a word of its own.
    pub(super) maker: Option<&'static str>,
    /// Only iPhone and iPad, even if the comment says otherwise.
    pub(super) is_ios_only: bool,
    may_hold_address: bool,
    expects_model: bool,
    expects_client: bool,
    /// The word before was "like": what follows is somebody else.
    likes: Likes,
    comment: Comment,
    last_part: &'a str,
}

/// How far a sentence such as "like iPhone OS 7_0_3 Mac OS X" has been read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Likes {
    #[default]
    No,
    /// The next word is the one that is liked, in any case.
    Next,
    /// Words without a version still belong to it.
    Words,
}

/// Which comment the walk is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Comment {
    #[default]
    None,
    /// The first one, which tells the system.
    First,
    /// The one that all browsers have behind their engine.
    Engine,
    Later,
}

impl<'a> Facts<'a> {
    pub(super) fn read(user_agent: &'a str) -> Self {
        let mut facts = Self { may_hold_address: may_hold_address(user_agent), ..Self::default() };
        let mut is_first = true;
        for token in Tokens::new(user_agent) {
            match token {
                Token::Product { name, version } => facts.product(name, version, is_first),
                Token::Part { text, first } => facts.part(text, first),
            }
            is_first = false;
        }
        // A name in front may have spaces in it, which the walk has taken for the ends of products.
        if !facts.is_mozilla
            && facts.leading.is_some()
            && let Some((name, version)) = user_agent.split_once('/')
            && !name.contains(['(', ';'])
        {
            facts.leading = Some(Product { name, version });
        }
        if facts.system.is_none() {
            facts.loose_system(user_agent);
        }
        facts
    }

    fn claim(&mut self, rank: Rank, name: &'static str, version: &'a str) {
        if self.claim.is_none_or(|claim| claim.rank < rank) {
            self.claim = Some(Claim { rank, name, version });
        }
    }

    /// Notes a system unless a more specific one is known; its version may come in a later part.
    fn system(&mut self, system: System, version: &'a str) {
        let is_number = version.starts_with(|c: char| c.is_ascii_digit());
        if self.system < Some(system) {
            self.system = Some(system);
            self.system_version = "";
        }
        if self.system == Some(system) && is_number && self.system_version.is_empty() {
            self.system_version = version;
        }
    }

    /// Finds a system outside of comments, as in "Reddit/Version 2024.20/Build 6/iOS Version 17.5".
    fn loose_system(&mut self, user_agent: &'a str) {
        let words = user_agent.split(|c: char| !c.is_ascii_alphanumeric());
        for word in words {
            match word {
                "iOS" | "iPhone" => self.system(System::Iphone, ""),
                "iPad" | "iPadOS" => self.system(System::Ipad, ""),
                "Android" => self.system(System::Android, ""),
                "macOS" => self.system(System::MacOs, ""),
                _ => {}
            }
        }
    }
}

/// Reads the number of a version out of a part, with dots and without the places that are zero.
pub(super) fn number(version: &str) -> Option<String> {
    let digits = version.split([' ', ';', '-', '/', ')']).next().unwrap_or_default();
    let mut number = clean::version(&digits.replace('_', "."))?.to_owned();
    while let Some(shorter) = number.strip_suffix(".0") {
        number.truncate(shorter.len());
    }
    Some(number)
}

//! What a User-Agent says, before anything is concluded from it.
//!
//! One walk over the [`Tokens`] notes the products and the parts of comments that the tables know, and keeps
//! the few unknown ones that may be an app's own name.

mod signs;

use super::{
    browsers::is_ios_only,
    clean,
    clients::{bot, find},
    platforms::{Sign, System, sign},
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
    /// What stands before the first slash of a User-Agent that does not begin with `Mozilla/`.
    pub(super) leading: Option<Product<'a>>,
    /// The first unknown product of one that does.
    pub(super) unknown: Option<Product<'a>>,
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
    /// A processor's name stands alone in a comment, as Apple's network stack writes it on a Mac only.
    pub(super) has_architecture: bool,
    pub(super) has_gx: bool,
    /// A comment holds an address; with a plus in front it is the address of a page about a crawler.
    pub(super) has_url: bool,
    pub(super) has_crawler_url: bool,
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
    pub(super) maker: Option<&'static str>,
    /// iPhone and iPad only, whatever the comment says.
    pub(super) is_ios_only: bool,
    expects_model: bool,
    expects_client: bool,
    last_part: &'a str,
}

impl<'a> Facts<'a> {
    pub(super) fn read(user_agent: &'a str) -> Self {
        let mut facts = Self::default();
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

    fn product(&mut self, name: &'a str, version: &'a str, is_first: bool) {
        match canonical(name) {
            "Mozilla" => self.is_mozilla |= is_first,
            "AppleWebKit" => self.has_webkit = true,
            "Gecko" => self.has_gecko = true,
            "KHTML" | "like" | "Presto" | "NetType" | "Language" | "Build" => {}
            "Chrome" => {
                self.is_chromium = true;
                self.claim(Rank::Engine, "Chrome", version);
            }
            "Safari" => {
                self.has_safari = true;
                if is_first {
                    self.claim(Rank::Engine, "Safari", "");
                }
            }
            "Version" => self.version = (!version.is_empty()).then_some(version),
            "Mobile" => {
                self.is_phone = true;
                // Chrome writes the bare word; only Apple writes a build behind it.
                self.is_ios_only |= !version.is_empty() && !self.is_chromium;
            }
            "Electron" => self.has_electron = true,
            // Amazon's programs write "os/linux#6.5.0".
            "os" => {
                let system = version.split('#').next().unwrap_or_default();
                if let Some(sign) = sign(system) {
                    self.sign(sign, system, "");
                }
            }
            "Darwin" if !version.is_empty() => self.has_apple_stack = true,
            _ => self.other_product(name, version, is_first),
        }
    }

    fn other_product(&mut self, name: &'a str, version: &'a str, is_first: bool) {
        self.is_chromium |= name.ends_with("Chrome") && !version.is_empty();
        self.has_apple_stack |= name == "CFNetwork";
        self.has_android_stack |= name == "okhttp" || name == "Dalvik";
        self.is_ios_only |= is_ios_only(name) || is_ios_only(version);
        if matches!(name, "FBDV" | "model") && version.starts_with("iPad") {
            self.system(System::Ipad, "");
        }
        if let Some((rank, client)) = find(name) {
            return self.known_product(rank, client, name, version, is_first);
        }
        if let Some(name) = bot(name) {
            self.bot.get_or_insert(Product { name, version });
            return;
        }
        // "Microsoft" alone is a maker of apps; only in a comment does it begin the name of a system.
        if let Some(sign) = sign(name).filter(|_| name != "Microsoft") {
            return self.sign(sign, name, version);
        }
        // "Telegram-Android/10.14" is an app and a system in one word.
        if let Some((stem, suffix)) = name.rsplit_once('-')
            && let Some(Sign::Is(system)) = sign(suffix)
        {
            self.system(system, "");
            if let Some((rank, client)) = find(stem) {
                return self.claim(rank, client, version);
            }
            if is_first {
                self.leading = Some(Product { name: stem, version });
                return;
            }
        }
        let product = Product { name, version };
        if is_first {
            self.leading = Some(product);
        } else if self.is_mozilla && version.starts_with(|c: char| c.is_ascii_digit()) {
            self.unknown.get_or_insert(product);
        }
    }

    fn known_product(&mut self, rank: Rank, client: &'static str, name: &str, version: &'a str, is_first: bool) {
        // Programs are also words of plain language; in the middle of a text only `name/version` means one.
        if rank <= Rank::Library && version.is_empty() && !is_first {
            return;
        }
        let is_messenger = client == "Facebook" && (version.contains("Messenger") || version.contains("Orca"));
        let client = if is_messenger { "Messenger" } else { client };
        // "XiaoMi/MiuiBrowser/14.5" has its version at the end.
        let version = version.rsplit('/').next().unwrap_or(version);
        match name {
            "OculusBrowser" => self.system(System::Quest, ""),
            "PicoBrowser" => self.system(System::Pico, ""),
            "NintendoBrowser" => self.system(System::Nintendo, ""),
            _ => {}
        }
        self.claim(rank, client, version);
    }

    fn part(&mut self, text: &'a str, first: bool) {
        if first {
            self.expects_model = false;
            self.expects_client = false;
        }
        if text.starts_with("+http") || text.starts_with("+mailto") || text.starts_with("http") {
            self.has_url = true;
            self.has_crawler_url |= text.starts_with('+');
            // "FlipboardProxy/1.2; +http://…": whose page it is stands right before it.
            let (name, version) = self.last_part.split_once('/').unwrap_or((self.last_part, ""));
            if !name.is_empty() {
                self.unknown.get_or_insert(Product { name, version });
            }
            return;
        }
        self.last_part = if first || !text.contains(' ') { text } else { "" };
        self.has_gx |= text.starts_with("Edition") && text.to_ascii_uppercase().contains("GX");
        let end = text.bytes().position(|byte| matches!(byte, b' ' | b'/' | b',' | b':' | b'@')).unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        if self.expects_client && !first {
            self.expects_client = false;
            if let Some((rank, client)) = find(word) {
                return self.claim(rank, client, rest.trim_start_matches('/'));
            }
            self.unknown.get_or_insert(Product { name: word, version: rest.trim_start_matches('/') });
        }
        if let Some(name) = bot(text) {
            let version = text.get(name.len()..).unwrap_or_default();
            let version = version.trim_start_matches('/');
            if let Some((rank, client)) = find(word) {
                return self.claim(rank, client, version);
            }
            self.bot.get_or_insert(Product { name, version });
            return;
        }
        match sign(word) {
            Some(sign) => self.sign(sign, text, rest.trim_start_matches([' ', '/'])),
            None if word == "Ecosia" => self.claim(Rank::Browser, "Ecosia", ""),
            None if self.expects_model => self.android_model(text),
            None => {}
        }
        self.is_television |= text.ends_with("TV");
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

/// Undoes the lower case into which some proxies put a User-Agent, for the products that every browser has.
fn canonical(name: &str) -> &str {
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        return name;
    }
    let engine = ["Mozilla", "AppleWebKit", "Gecko", "Chrome", "Safari", "Version", "Mobile"];
    engine.into_iter().find(|known| known.eq_ignore_ascii_case(name)).unwrap_or(name)
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

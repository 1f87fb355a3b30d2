//! What the products outside of comments say.

use super::{Facts, Likes, Product};
use crate::device::naming::{
    addresses::is_address,
    browsers::is_ios_only,
    clients::find,
    machines::{agent, bot, is_worker},
    platforms::System,
    rank::Rank,
    unknown::{is_browser, is_library},
    words::{Sign, sign},
};

impl<'a> Facts<'a> {
    pub(super) fn product(&mut self, name: &'a str, version: &'a str, is_first: bool) {
        if self.is_liked(name, version) {
            return;
        }
        match canonical(name) {
            "Mozilla" => self.is_mozilla |= is_first,
            "AppleWebKit" => self.has_webkit = true,
            "Gecko" => self.has_gecko = true,
            "like" => self.likes = Likes::Next,
            "KHTML" | "Presto" | "NetType" | "Language" | "Build" => {}
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

    /// Skips what follows "like", so that nobody is taken for the one that he is like.
    fn is_liked(&mut self, name: &str, version: &str) -> bool {
        let likes = std::mem::take(&mut self.likes);
        match likes {
            Likes::No => false,
            // Gecko is what all of them are like.
            Likes::Next if name == "Gecko" => false,
            Likes::Next => {
                self.is_chromium |= name == "Chrome";
                self.likes = if version.is_empty() { Likes::Words } else { Likes::No };
                true
            }
            Likes::Words if version.is_empty() => {
                self.likes = Likes::Words;
                true
            }
            Likes::Words => false,
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
        // Elsewhere it is a library, or the app of the car.
        if name == "Tesla" && self.is_mozilla {
            return self.system(System::Tesla, "");
        }
        if let Some((rank, client)) = find(name) {
            return self.known_product(rank, client, name, version, is_first);
        }
        if self.is_address(name, version) || self.is_machine(name, version) {
            return;
        }
        // "Microsoft" on its own is a maker of apps; only in a comment does it begin the name of a system.
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
        if is_worker(name) {
            self.worker.get_or_insert(product);
        }
        if is_first {
            self.leading = Some(product);
        } else if is_browser(name) {
            self.browser.get_or_insert(product);
        } else if self.is_mozilla && version.starts_with(|c: char| c.is_ascii_digit()) && !is_library(name) {
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
            "Kindle" => self.is_tablet = true,
            "IEMobile" => self.is_phone = true,
            _ => {}
        }
        self.claim(rank, client, version);
    }

    /// Notes an address, which the walk has cut at its first slash.
    fn is_address(&mut self, name: &str, version: &str) -> bool {
        if !self.may_hold_address {
            return false;
        }
        let is_page = name.ends_with(':') && version.starts_with('/') && name.contains("http");
        if !is_page && !is_address(name) && !is_address(version) {
            return false;
        }
        self.has_address = true;
        self.has_crawler_address |= name.starts_with('+');
        true
    }

    fn is_machine(&mut self, name: &'a str, version: &'a str) -> bool {
        let Some(name) = bot(name).or_else(|| agent(name)) else {
            return false;
        };
        self.bot.get_or_insert(Product { name, version });
        true
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

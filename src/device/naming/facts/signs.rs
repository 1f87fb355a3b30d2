//! What the known words of a comment say, and which model an Android comment has.

use super::{Facts, comments::before};
use crate::device::naming::{platforms::System, rank::Rank, words::Sign};

impl<'a> Facts<'a> {
    pub(super) fn sign(&mut self, sign: Sign, text: &'a str, rest: &'a str) {
        match sign {
            // A phone may be called "Quest 506".
            Sign::Is(System::Quest) if !is_quest(text) => self.android_model(text),
            Sign::Is(system) => {
                self.system(system, rest);
                self.expects_model |= matches!(system, System::Android | System::Tizen);
                self.is_television |= rest.starts_with("SmartTV");
                // Before LG's televisions, webOS ran on Palm's phones.
                self.is_phone |= system == System::WebOs && rest.starts_with(['1', '2']);
                if matches!(system, System::Quest | System::Pico) {
                    self.model = self.model.or(text.split(" OS").next());
                }
            }
            Sign::Apple => self.apple(text),
            Sign::Windows if rest.starts_with("Phone") => self.system(System::WindowsPhone, ""),
            Sign::Windows if text.starts_with("Microsoft") && !rest.starts_with("Windows") => {}
            Sign::Windows => {
                let version = rest.strip_prefix("NT").unwrap_or_default();
                self.is_phone |= rest.starts_with("CE");
                self.system(System::Windows, version.trim_start());
            }
            Sign::PlayStation => {
                self.system(System::PlayStation, "");
                self.maker = playstation(text, rest).or(self.maker);
            }
            Sign::Nintendo if text.contains("Nintendo") => {
                self.system(System::Nintendo, "");
                self.maker = nintendo(text).or(self.maker);
            }
            Sign::Television(maker) => {
                self.is_television = true;
                self.maker = self.maker.or(maker);
            }
            Sign::Phone => {
                self.is_phone = true;
                self.is_headset |= rest == "VR";
            }
            Sign::OldPhone => self.is_phone = true,
            Sign::Tablet => self.is_tablet = true,
            Sign::Headset => self.is_headset = true,
            Sign::Watch => self.is_watch = true,
            Sign::Mac => {
                self.system(System::MacOs, "");
                self.is_computer = true;
            }
            Sign::Model if text.starts_with("Cloud") => {
                self.expects_model = rest.starts_with("Phone");
                self.is_phone |= self.expects_model;
            }
            Sign::Model => self.expects_model = true,
            Sign::Computer => self.is_computer = true,
            Sign::Architecture => self.has_architecture = true,
            Sign::WebView => self.has_web_view = true,
            Sign::Steam if rest.contains("Deck") || text.contains("SteamDeck") => self.system(System::SteamDeck, ""),
            Sign::Steam => self.claim(Rank::App, "Steam", ""),
            Sign::OperaMini if rest.starts_with("Mini") => {
                self.is_phone = true;
                self.claim(Rank::Browser, "Opera Mini", rest.trim_start_matches("Mini/"));
            }
            Sign::OperaMini => self.is_television |= rest.starts_with("TV"),
            Sign::InternetExplorer => self.claim(Rank::Engine, "Internet Explorer", rest),
            Sign::Compatible => self.expects_client = true,
            Sign::Nintendo | Sign::Nothing => {}
        }
    }

    /// Reads a part that begins with `CPU`, `Intel`, `Mac`, `OS` or `Apple`.
    fn apple(&mut self, text: &'a str) {
        let version_behind = |word: &str| text.split_once(word).map(|(_, rest)| rest.trim_start());
        let until_space = |rest: &'a str| rest.split(' ').next().unwrap_or_default();
        if text.starts_with("Apple TV") {
            return self.system(System::AppleTv, "");
        }
        if text.contains("/iPad") {
            return self.system(System::Ipad, "");
        }
        if text.starts_with("Apple Watch") {
            return self.system(System::AppleWatch, "");
        }
        if text.starts_with("Apple Vision") {
            return self.system(System::VisionOs, "");
        }
        if let Some(version) = version_behind("iPhone OS ").or_else(|| version_behind("CPU iOS ")) {
            return self.system(System::Iphone, until_space(version));
        }
        if let Some(version) = text.strip_prefix("CPU OS ") {
            // An iPhone or a television that says so is not an iPad for its "CPU OS".
            let system = self.system.filter(|system| *system >= System::Iphone);
            return self.system(system.unwrap_or(System::Ipad), until_space(version));
        }
        if let Some(version) = version_behind("Mac OS X").or_else(|| version_behind("OS X/")) {
            return self.system(System::MacOs, until_space(version));
        }
        if text.starts_with("Mac") {
            self.system(System::MacOs, "");
        }
    }

    pub(super) fn android_model(&mut self, text: &'a str) {
        let is_locale = matches!(text.as_bytes(), [_, _] | [_, _, b'-' | b'_', _, _]);
        let is_engine = text.starts_with("rv:") || text.starts_with("Build/");
        if is_locale || is_engine {
            return;
        }
        self.expects_model = false;
        if self.model.is_some() {
            return;
        }
        let model = before(before(text, " Build/"), " MIUI/");
        self.model = Some(model);
        let begins = |prefix: &str| model.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
        let is_capital = !model.bytes().any(|byte| byte.is_ascii_lowercase());
        // Amazon's system is in cars, too.
        if begins("AFTLBT") || begins("AFTLFT") {
        } else if model.starts_with("AFT") {
            self.system(System::FireTv, "");
        } else if model.starts_with("AEO") && is_capital {
            self.system(System::Echo, "");
        } else if model.starts_with("KF") && model.len() <= 7 && is_capital {
            self.system(System::FireTablet, "");
        } else if is_quest(model) || model.starts_with("Oculus") || model == "Standalone HMD" {
            self.system(System::Quest, "");
        } else if begins("PICO ") {
            self.system(System::Pico, "");
        } else if begins("CHROMECAST") {
            self.system(System::Chromecast, "");
        } else if begins("GOOGLE TV") || begins("GOOGLETV") {
            self.is_television = true;
            self.maker = Some("Google");
        }
    }
}

fn is_quest(model: &str) -> bool {
    matches!(model, "Quest" | "Quest 2" | "Quest 3" | "Quest 3S" | "Quest Pro")
}

fn playstation(text: &str, rest: &str) -> Option<&'static str> {
    let known = [("5", "PlayStation 5"), ("4", "PlayStation 4"), ("3", "PlayStation 3"), ("Vita", "PlayStation Vita")];
    let rest = if text == "PS3" { "3" } else { rest };
    known.iter().find(|(word, _)| rest.starts_with(word)).map(|(_, name)| *name)
}

fn nintendo(rest: &str) -> Option<&'static str> {
    let known = [
        ("Switch 2", "Nintendo Switch 2"),
        ("Switch", "Nintendo Switch"),
        ("WiiU", "Nintendo Wii U"),
        ("3DS", "Nintendo 3DS"),
    ];
    known.iter().find(|(word, _)| rest.contains(word)).map(|(_, name)| *name)
}

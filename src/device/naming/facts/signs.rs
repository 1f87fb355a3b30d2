//! What the known words of a comment say, and which model an Android comment has.

use super::Facts;
use crate::device::naming::{
    platforms::{Sign, System},
    rank::Rank,
};

impl<'a> Facts<'a> {
    pub(super) fn sign(&mut self, sign: Sign, text: &'a str, rest: &'a str) {
        match sign {
            Sign::Is(system) => {
                self.system(system, rest);
                self.expects_model |= system == System::Android;
                self.is_television |= rest.starts_with("SmartTV");
                if matches!(system, System::Quest | System::Pico) {
                    self.model = self.model.or(text.split(" OS").next());
                }
            }
            Sign::Apple => self.apple(text),
            Sign::Windows if rest.starts_with("Phone") => self.system(System::WindowsPhone, ""),
            Sign::Windows if text.starts_with("Microsoft") && !rest.starts_with("Windows") => {}
            Sign::Windows => {
                let version = rest.strip_prefix("NT").unwrap_or_default();
                self.system(System::Windows, version.trim_start());
            }
            Sign::PlayStation => {
                self.system(System::PlayStation, "");
                self.maker = playstation(rest).or(self.maker);
            }
            Sign::Nintendo => {
                self.system(System::Nintendo, "");
                self.maker = nintendo(rest).or(self.maker);
            }
            Sign::Television(maker) => {
                self.is_television = true;
                self.maker = self.maker.or(maker);
            }
            Sign::Maker(maker) => {
                self.maker = self.maker.or(Some(maker));
                if self.expects_model {
                    self.android_model(text);
                }
            }
            Sign::Phone => {
                self.is_phone = true;
                self.is_headset |= rest == "VR";
            }
            Sign::Tablet => self.is_tablet = true,
            Sign::Headset => self.is_headset = true,
            Sign::AmazonTv => self.expects_model = true,
            Sign::Computer => self.is_computer = true,
            Sign::Architecture => self.has_architecture = true,
            Sign::WebView => self.has_web_view = true,
            Sign::Steam if rest.contains("Deck") || text.contains("SteamDeck") => self.system(System::SteamDeck, ""),
            Sign::Steam => self.claim(Rank::App, "Steam", ""),
            Sign::OperaMini if rest.starts_with("Mini") => {
                self.is_phone = true;
                self.claim(Rank::Browser, "Opera Mini", rest.trim_start_matches("Mini/"));
            }
            Sign::InternetExplorer => self.claim(Rank::Engine, "Internet Explorer", rest),
            Sign::Compatible => self.expects_client = true,
            Sign::OperaMini | Sign::Nothing => {}
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
        let model = text.split(" Build/").next().unwrap_or(text);
        let model = model.split(" MIUI/").next().unwrap_or(model);
        self.model = Some(model);
        let upper = model.to_ascii_uppercase();
        if model.starts_with("AFT") {
            self.system(System::FireTv, "");
        } else if model.starts_with("KF") && model.len() <= 7 && model == upper {
            self.system(System::FireTablet, "");
        } else if model.starts_with("Quest ") || model.starts_with("Oculus") {
            self.system(System::Quest, "");
        } else if upper.starts_with("PICO ") {
            self.system(System::Pico, "");
        } else if upper.starts_with("CHROMECAST") {
            self.system(System::Chromecast, "");
        } else if upper.starts_with("BRAVIA") {
            self.is_television = true;
            self.maker = Some("Sony TV");
        } else if upper.starts_with("GOOGLE TV") || upper.starts_with("GOOGLETV") {
            self.is_television = true;
            self.maker = Some("Google TV");
        } else if is_television(&upper) {
            self.is_television = true;
        }
    }
}

fn is_television(model: &str) -> bool {
    let is_word = model.split([' ', '-', '_']).any(|word| word.ends_with("TV"));
    is_word || model.starts_with("MITV") || model.starts_with("MIBOX")
}

fn playstation(rest: &str) -> Option<&'static str> {
    let known = [("5", "PlayStation 5"), ("4", "PlayStation 4"), ("3", "PlayStation 3"), ("Vita", "PlayStation Vita")];
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

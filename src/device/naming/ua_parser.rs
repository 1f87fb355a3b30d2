//! Names for the long tail of clients, by the rules of the *ua-parser* project.

use std::{error::Error, fmt};

use serde::{Deserialize, Deserializer};
use ua_parser::{Extractor, Regexes};

use crate::device::{
    ClientHints, DescribeDevice, Described,
    naming::{clean, describe},
};

/// The built-in tables, and for the long tail of clients that they do not know the rules of the *ua-parser* project
/// (feature `ua-parser`).
///
/// The rules are data that the application brings, and updates: `regexes.yaml` of
/// <https://github.com/ua-parser/uap-core>, or a conversion of it to JSON. The tables are never overruled:
/// rules only fill in a browser or a system that is unknown.
///
/// # Costs
///
/// Reading the whole file takes part of a second and some 100 MB at its peak: do it once, before the server listens.
/// Clients that the tables know cost what they did; others several microseconds more. The regular expressions run in
/// time linear in their input.
///
/// # Examples
///
/// ```
/// use tower_device_sessions::device::{ClientHints, DescribeDevice, UaParser};
///
/// let rules = r#"{"user_agent_parsers": [{"regex": "(Konqueror)/(\\d+)"}], "os_parsers": [], "device_parsers": []}"#;
/// let describes = UaParser::from_rules(&mut serde_json::Deserializer::from_str(rules))?;
///
/// let described = describes.describe(Some("Mozilla/5.0 (X11; Linux x86_64) Konqueror/5"), &ClientHints::default());
/// assert_eq!(described.name(), "Konqueror on Linux");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Give it to [`SessionManagerBuilder::describe_devices`](crate::manager::SessionManagerBuilder::describe_devices).
pub struct UaParser {
    rules: Extractor<'static>,
}

impl UaParser {
    /// Reads rules from any format that *serde* has a deserializer for.
    ///
    /// # Errors
    ///
    /// [`InvalidRules`] when they are not such rules, or contain an invalid expression.
    pub fn from_rules<'de, D>(rules: D) -> Result<Self, InvalidRules>
    where
        D: Deserializer<'de, Error: Error + Send + Sync + 'static>,
    {
        let rules = Regexes::deserialize(rules).map_err(|error| InvalidRules(error.into()))?;
        // Devices are known by models, which the tables have; the rules know codes.
        let rules = Regexes { device_parsers: Vec::new(), ..rules };
        let rules = Extractor::try_from(rules).map_err(|error| InvalidRules(error.into()))?;
        Ok(Self { rules })
    }
}

impl DescribeDevice for UaParser {
    fn describe(&self, user_agent: Option<&str>, hints: &ClientHints) -> Described {
        let mut described = describe(user_agent, hints);
        let Some(user_agent) = user_agent else {
            return described;
        };
        if described.browser.is_none()
            && let Some(found) = self.rules.ua.extract(user_agent)
            && let Some(name) = known(&found.family)
        {
            described.browser = Some(name.into());
            described.browser_version = found.major.and_then(clean::version).map(Box::from);
        }
        if described.os.is_none()
            && let Some(found) = self.rules.os.extract(user_agent)
            && let Some(name) = known(&found.os)
        {
            described.os = Some(name.into());
            described.os_version = found.major.as_deref().and_then(clean::version).map(Box::from);
        }
        described
    }
}

/// What may be shown of a name, if it is one: the rules say *Other* for what they do not know.
fn known(name: &str) -> Option<String> {
    let mut shown = String::new();
    clean::push(&mut shown, name, 32);
    (!shown.is_empty() && shown != "Other").then_some(shown)
}

impl fmt::Debug for UaParser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UaParser").finish_non_exhaustive()
    }
}

/// Rules that are invalid.
#[derive(Debug)]
pub struct InvalidRules(Box<dyn Error + Send + Sync>);

impl fmt::Display for InvalidRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not rules for user agents in the format of ua-parser")
    }
}

impl Error for InvalidRules {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::device::naming;

    fn parser(rules: Value) -> Result<UaParser, InvalidRules> {
        UaParser::from_rules(rules)
    }

    fn rules() -> Value {
        json!({
            "user_agent_parsers": [
                { "regex": "(Chrome)/(\\d+)", "family_replacement": "Not Chrome" },
                { "regex": "(NetSurf)/(\\d+)\\.(\\d+)" },
                { "regex": "^Evil/(.*)" },
                { "regex": "^Nothing", "family_replacement": "Other" },
            ],
            "os_parsers": [{ "regex": "(Haiku|RISC OS)" }],
            "device_parsers": [{ "regex": "NetSurf", "device_replacement": "Toaster" }],
        })
    }

    #[test]
    fn rules_fill_in_what_the_tables_do_not_know() -> Result<(), InvalidRules> {
        let parser = parser(rules())?;
        let named = |user_agent| parser.describe(Some(user_agent), &ClientHints::default()).name();
        assert_eq!(named("Mozilla/5.0 (Haiku x86_64) NetSurf/3.11"), "NetSurf on Haiku");
        assert_eq!(named("Nothing/1.0"), naming::describe(Some("Nothing/1.0"), &ClientHints::default()).name());
        let chrome =
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";
        assert_eq!(named(chrome), "Chrome on Linux");
        assert_eq!(parser.describe(None, &ClientHints::default()).name(), "Unknown device");
        Ok(())
    }

    #[test]
    fn what_rules_make_of_a_hostile_client_is_safe_to_show() -> Result<(), InvalidRules> {
        let parser = parser(rules())?;
        let described = parser.describe(
            Some("Evil/<b>\u{202E}x\"y</b> 0123456789012345678901234567890123456789"),
            &ClientHints::default(),
        );
        let name = described.name();
        assert!(name.chars().count() <= 80 && !name.contains(['<', '>', '"', '\u{202E}']), "{name}");
        Ok(())
    }

    #[test]
    fn what_are_no_rules_is_refused() {
        for bad in [
            json!(null),
            json!({}),
            json!({ "user_agent_parsers": [{ "regex": "(" }], "os_parsers": [], "device_parsers": [] }),
        ] {
            assert!(parser(bad.clone()).is_err(), "{bad}");
        }
    }
}

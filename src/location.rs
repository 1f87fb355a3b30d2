//! Places: where a sign-in came from, as far as an address can tell.

use serde::{Deserialize, Serialize};

/// An approximate place. Every part may be unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Location {
    /// The city's name.
    pub city: Option<Box<str>>,
    /// The region's or state's name.
    pub region: Option<Box<str>>,
    /// The country's ISO 3166-1 code of two letters.
    pub country_code: Option<Box<str>>,
}

impl Location {
    /// A place with these parts; each is cleaned of control characters and cut to 100 bytes.
    pub fn new(city: Option<&str>, region: Option<&str>, country_code: Option<&str>) -> Self {
        let clean = |part: Option<&str>| {
            let text = crate::text::clean(part?.as_bytes(), 100);
            (!text.is_empty()).then_some(text)
        };
        Self { city: clean(city), region: clean(region), country_code: clean(country_code) }
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.city.is_none() && self.region.is_none() && self.country_code.is_none()
    }
}

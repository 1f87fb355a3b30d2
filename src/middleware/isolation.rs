//! Headers that isolate responses about sessions from other origins.

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Keeps responses about sessions from pages of other origins.
///
/// - No window of another origin can reach one that shows it, and no page of another origin can embed it. Pages that
///   CORS allows to read it still may.
/// - The address of a page is only sent to its own origin. So is the origin of a form, which `no-referrer` would make
///   `null`.
pub(crate) fn isolate(headers: &mut HeaderMap) {
    for (name, value) in
        [(OPENER_POLICY, "same-origin"), (RESOURCE_POLICY, "same-origin"), (header::REFERRER_POLICY, "same-origin")]
    {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

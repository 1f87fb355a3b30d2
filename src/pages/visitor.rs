//! The visitor of the page, and the redirect to the sign-in form.

use std::borrow::Cow;

use axum::{
    extract::FromRequestParts,
    response::{IntoResponse, Redirect, Response},
};
use http::request::Parts;

use crate::{
    manager::CurrentSession,
    middleware::{Seen, missing_layer},
    pages::{DevicesPage, PageTexts},
    policy::Denied,
    session::EndReason,
};

/// The session of the page's visitor; visitors without one are redirected to the sign-in form.
pub(super) struct Visitor(pub(super) CurrentSession);

impl FromRequestParts<DevicesPage> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, page: &DevicesPage) -> Result<Self, Response> {
        match Seen::by(&page.manager, &parts.extensions) {
            Some(Seen::Session(current)) => Ok(Self(current.clone())),
            Some(Seen::Anonymous(anonymous)) => Err(to_sign_in(page, &anonymous.denied())),
            None => Err(missing_layer().into_response()),
        }
    }
}

/// The redirect to the sign-in form, with the reason. It clears the cookie of a session that was ended.
///
/// Other cookies stay: a token that cannot be verified may be another program's, or valid on a node that has its key,
/// and a token that has expired by this node's clock may be valid by the right one. None of them prevents a sign-in.
pub(super) fn to_sign_in(page: &DevicesPage, denied: &Denied) -> Response {
    let hint = match denied {
        Denied::Ended(ending) => Some(SignInHint::Ended(ending.reason)),
        Denied::TokenExpired => Some(SignInHint::Ended(EndReason::Expired)),
        Denied::StepUp(_) => Some(SignInHint::ConfirmFirst),
        _ => None,
    };
    let form = Redirect::to(&sign_in_address(page, hint));
    match denied.end_reason() {
        None | Some(EndReason::Expired | EndReason::Idle) => form.into_response(),
        Some(_) => (page.manager.signed_out(), form).into_response(),
    }
}

/// Where the sign-in form is, with the hint in its query.
pub(super) fn sign_in_address(page: &DevicesPage, hint: Option<SignInHint>) -> String {
    let path = &page.settings.sign_in_path;
    match hint {
        None => path.clone(),
        Some(hint) => format!("{path}{}why={}", if path.contains('?') { '&' } else { '?' }, hint.as_str()),
    }
}

/// Why a visitor of the page is redirected to the sign-in form, from the query of the form's address:
/// `/sign-in?why=revoked_by_user`.
///
/// Anyone who makes up an address can only choose among these.
///
/// # Examples
///
/// ```
/// use tower_device_sessions::pages::{EnglishTexts, SignInHint};
///
/// let hint = SignInHint::from_query(Some("why=revoked_by_user"));
/// let text = hint.map(|hint| hint.text(&EnglishTexts::default()).into_owned());
/// assert_eq!(text.as_deref(), Some("You were signed out from another device."));
/// assert_eq!(SignInHint::from_query(Some("why=<b>")), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignInHint {
    /// Their session has ended.
    Ended(EndReason),
    /// They have a session, and must authenticate again before they end others.
    ConfirmFirst,
}

impl SignInHint {
    /// Reads the hint from the query of the sign-in form's address. Returns `None` when it holds no known hint.
    pub fn from_query(query: Option<&str>) -> Option<Self> {
        let why = query?.split('&').find_map(|pair| pair.strip_prefix("why="))?;
        let ended = EndReason::ALL.iter().copied().map(Self::Ended);
        ended.chain([Self::ConfirmFirst]).find(|hint| hint.as_str() == why)
    }

    /// What to tell the visitor.
    pub fn text(self, texts: &dyn PageTexts) -> Cow<'_, str> {
        match self {
            Self::Ended(reason) => texts.sign_in_again(reason),
            Self::ConfirmFirst => texts.confirm_first(),
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Ended(reason) => reason.as_str(),
            Self::ConfirmFirst => "confirm",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::EnglishTexts;

    #[test]
    fn every_hint_reads_back_and_has_a_text() {
        let texts = EnglishTexts::default();
        for hint in EndReason::ALL.iter().copied().map(SignInHint::Ended).chain([SignInHint::ConfirmFirst]) {
            let query = format!("a=b&why={}", hint.as_str());
            assert_eq!(SignInHint::from_query(Some(&query)), Some(hint));
            assert!(hint.text(&texts).ends_with('.'), "{query}");
        }
        for query in [None, Some(""), Some("why"), Some("why="), Some("why=no"), Some("notwhy=idle")] {
            assert_eq!(SignInHint::from_query(query), None, "{query:?}");
        }
    }
}

//! The claims of a token of another issuer, once its signature is valid.
//!
//! 1. Strict JSON: no name twice at any level.
//! 2. The claims that are used have their one type; the others are ignored.
//! 3. A token that names a session is refused, or the session is ignored; under a key of ours it is always refused.
//! 4. Issuer, audience, lifetime and times are judged as those of our tokens are.

use serde_json::{Map, Value};

use super::{Circumstances, ForeignClaims, ForeignTokens, Relaxed};
use crate::{
    clock::Timestamp,
    id::UserId,
    token::{
        TokenRejection, VerifiedToken,
        claims::{Audience, numeric_date, whole_seconds},
        json::{self, Invalid, Item},
    },
};

/// Reads and judges the claims in `text`, except whether they have expired.
pub(super) fn read(
    tokens: &ForeignTokens,
    text: &[u8],
    under: &Circumstances<'_>,
    our_session_claim: Option<&str>,
) -> Result<VerifiedToken, TokenRejection> {
    let claims = Claims::decode(tokens, text, our_session_claim)?;
    let options = &tokens.options;
    if claims.names_our_session || claims.names_session && tokens.session_ids == Relaxed::No {
        return Err(TokenRejection::SessionIdClaim);
    }
    if options.issuer.is_some() && claims.issuer.as_deref() != options.issuer.as_deref() {
        return Err(TokenRejection::Issuer);
    }
    if !claims.audience.fits(options.audience.as_deref()) {
        return Err(TokenRejection::Audience);
    }

    let read = claims.read(tokens)?;
    let issued_at = match read.issued_at.or(claims.issued_at) {
        Some(at) => Some(at),
        None if tokens.without_issue_time == Relaxed::Yes => None,
        None => return Err(TokenRejection::Claims),
    };
    let said = read.expires_at.into_iter().chain(claims.expires_at).min();
    let expires_at = match said {
        Some(at) => at,
        None if tokens.without_end == Relaxed::Yes => under.ends_at,
        None => return Err(TokenRejection::Claims),
    };

    let begins_at = issued_at.unwrap_or(under.now);
    let longest = whole_seconds(options.max_lifetime);
    let lasts_too_long = said.is_some() && expires_at.duration_since(begins_at) > longest;
    if issued_at.is_some_and(|at| expires_at < at) || lasts_too_long {
        return Err(TokenRejection::Lifetime);
    }
    let latest_start = under.now.saturating_add(options.leeway);
    if claims.not_before.is_some_and(|start| start > latest_start) {
        return Err(TokenRejection::NotYetValid);
    }
    if begins_at > latest_start {
        return Err(TokenRejection::IssuedInFuture);
    }
    // Without a time of issue a token counts as the oldest: anything that ends the sessions of its user reaches it.
    let issued_at = issued_at.unwrap_or(Timestamp::UNIX_EPOCH);
    Ok(VerifiedToken::new(read.user_id, under.session_id, issued_at, expires_at))
}

struct Claims<'a> {
    text: &'a str,
    user: Option<Item<'a>>,
    issuer: Option<String>,
    audience: Audience<'a>,
    names_session: bool,
    /// Under a key of ours, by either name.
    names_our_session: bool,
    issued_at: Option<Timestamp>,
    not_before: Option<Timestamp>,
    expires_at: Option<Timestamp>,
}

impl<'a> Claims<'a> {
    fn decode(tokens: &ForeignTokens, text: &'a [u8], our_session_claim: Option<&str>) -> Result<Self, TokenRejection> {
        let text = str::from_utf8(text).map_err(|_| TokenRejection::Claims)?;
        let mut claims = Self {
            text,
            user: None,
            issuer: None,
            audience: Audience::default(),
            names_session: false,
            names_our_session: false,
            issued_at: None,
            not_before: None,
            expires_at: None,
        };
        let mut member = |name: &str, item: Item<'a>| {
            match name {
                "iss" => {
                    if let Item::String(issuer) = &item {
                        claims.issuer = Some(issuer.clone().into_owned());
                    }
                }
                // An audience of nobody is none.
                "aud" if item == Item::Null => {}
                "aud" => claims.audience = Audience::decode(item.clone())?,
                "exp" => claims.expires_at = Some(numeric_date(&item)?),
                "nbf" => claims.not_before = Some(numeric_date(&item)?),
                "iat" => claims.issued_at = Some(numeric_date(&item)?),
                _ => {}
            }
            let names_session = name == tokens.options.session_id_claim;
            claims.names_session |= names_session;
            claims.names_our_session |= our_session_claim.is_some_and(|ours| names_session || name == ours);
            if name == tokens.user_claim {
                claims.user = Some(item);
            }
            Ok(())
        };
        json::object(text, &mut member).map_err(|Invalid| TokenRejection::Claims)?;
        Ok(claims)
    }

    /// Whose token it is, and what else the application reads from it.
    fn read(&self, tokens: &ForeignTokens) -> Result<ForeignClaims, TokenRejection> {
        if let Some(read) = &tokens.read {
            let claims: Map<String, Value> = serde_json::from_str(self.text).map_err(|_| TokenRejection::Claims)?;
            return read(&claims).ok_or(TokenRejection::Claims);
        }
        let user = match &self.user {
            Some(Item::String(text)) => Some(&**text),
            Some(Item::Number(digits)) if tokens.numeric_users == Relaxed::Yes && is_whole(digits) => Some(*digits),
            _ => None,
        };
        let user_id = user.and_then(|user| UserId::try_from(user).ok()).ok_or(TokenRejection::Claims)?;
        Ok(ForeignClaims::new(user_id))
    }
}

/// Whether a number is written in the one way of writing a whole number.
fn is_whole(number: &str) -> bool {
    number != "-0" && number.strip_prefix('-').unwrap_or(number).bytes().all(|byte| byte.is_ascii_digit())
}

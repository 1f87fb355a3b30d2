//! The claims of a token whose signature is valid: what they say, and whether that is acceptable.
//!
//! 1. Strict JSON: no name twice at any level, also not in the application's own claims (S18, S20).
//! 2. Every claim that this crate knows has its one type, wherever it is read: a number is a number, a string a string.
//! 3. `sub`, the session id, `exp` and `iat` are there (S05, S10); `iss` and `aud` when they are configured (S07, S08).
//! 4. `nbf` and `iat` are not in the future, and the lifetime is within the policy (S06, S15).
//! 5. Last of all, `exp` is not past. So "expired" means that nothing else is wrong.

#[cfg(test)]
mod tests;

use std::{borrow::Cow, time::Duration};

use crate::{
    clock::Timestamp,
    id::{SessionId, UserId},
    token::{
        TokenOptions, TokenRejection, VerifiedToken,
        json::{self, Invalid, Item},
    },
};

/// Reads and judges the claims in `text`.
pub(in crate::token) fn verify(
    text: &[u8],
    options: &TokenOptions,
    now: Timestamp,
) -> Result<VerifiedToken, TokenRejection> {
    let verified = read(text, options, now, None)?;
    if has_run_out(&verified, options, now) { Err(TokenRejection::Expired) } else { Ok(verified) }
}

/// Whether a token is past its `exp`, the leeway included.
pub(in crate::token) fn has_run_out(verified: &VerifiedToken, options: &TokenOptions, now: Timestamp) -> bool {
    now >= verified.expires_at.saturating_add(options.leeway)
}

/// Reads and judges the claims, except for rule 5. A token without a session belongs to the session `unnamed`.
pub(in crate::token) fn read(
    text: &[u8],
    options: &TokenOptions,
    now: Timestamp,
    unnamed: Option<SessionId>,
) -> Result<VerifiedToken, TokenRejection> {
    let claims = Claims::decode(text, &options.session_id_claim)?;
    let user_id = claims.subject.as_deref().and_then(|subject| UserId::try_from(subject).ok());
    let user_id = user_id.ok_or(TokenRejection::Claims)?;
    let session_id = match claims.session_id.as_ref() {
        Some(Item::String(id)) => SessionId::from_canonical(id),
        Some(_) => None,
        None => unnamed,
    };
    let session_id = session_id.ok_or(TokenRejection::SessionIdClaim)?;
    let issued_at = claims.issued_at.ok_or(TokenRejection::Claims)?;
    let expires_at = claims.expires_at.ok_or(TokenRejection::Claims)?;

    if options.issuer.is_some() && claims.issuer.as_deref() != options.issuer.as_deref() {
        return Err(TokenRejection::Issuer);
    }
    if !claims.audience.fits(options.audience.as_deref()) {
        return Err(TokenRejection::Audience);
    }
    if expires_at < issued_at || expires_at.duration_since(issued_at) > whole_seconds(options.max_lifetime) {
        return Err(TokenRejection::Lifetime);
    }
    let latest_start = now.saturating_add(options.leeway);
    if claims.not_before.is_some_and(|start| start > latest_start) {
        return Err(TokenRejection::NotYetValid);
    }
    if issued_at > latest_start {
        return Err(TokenRejection::IssuedInFuture);
    }
    Ok(VerifiedToken { user_id, session_id, issued_at, expires_at, generation: claims.generation })
}

/// The times of a token are whole seconds, and what is compared with them must be too.
pub(in crate::token) fn whole_seconds(duration: Duration) -> Duration {
    let started = u64::from(duration.subsec_nanos() > 0);
    Duration::from_secs(duration.as_secs().saturating_add(started))
}

#[derive(Default)]
struct Claims<'a> {
    issuer: Option<Cow<'a, str>>,
    subject: Option<Cow<'a, str>>,
    audience: Audience<'a>,
    session_id: Option<Item<'a>>,
    issued_at: Option<Timestamp>,
    not_before: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    generation: Option<u32>,
}

#[derive(Default)]
pub(in crate::token) enum Audience<'a> {
    #[default]
    Absent,
    One(Cow<'a, str>),
    /// The text of an array of strings.
    Several(&'a str),
}

impl<'a> Claims<'a> {
    fn decode(text: &'a [u8], session_id_claim: &str) -> Result<Self, TokenRejection> {
        let text = str::from_utf8(text).map_err(|_| TokenRejection::Claims)?;
        let mut claims = Self::default();
        let mut member = |name: &str, item: Item<'a>| {
            match name {
                "iss" => claims.issuer = Some(string(item)?),
                "sub" => claims.subject = Some(string(item)?),
                "aud" => claims.audience = Audience::decode(item)?,
                "exp" => claims.expires_at = Some(numeric_date(&item)?),
                "nbf" => claims.not_before = Some(numeric_date(&item)?),
                "iat" => claims.issued_at = Some(numeric_date(&item)?),
                "gen" => claims.generation = Some(generation(&item)?),
                "jti" | "acr" => drop(string(item)?),
                "auth_time" => drop(numeric_date(&item)?),
                "amr" => drop(strings(&item)?),
                _ if name == session_id_claim => claims.session_id = Some(item),
                _ => {}
            }
            Ok(())
        };
        json::object(text, &mut member).map_err(|Invalid| TokenRejection::Claims)?;
        Ok(claims)
    }
}

impl<'a> Audience<'a> {
    pub(in crate::token) fn decode(item: Item<'a>) -> Result<Self, Invalid> {
        match item {
            Item::String(one) => Ok(Self::One(one)),
            item => strings(&item).map(Self::Several),
        }
    }

    /// A token with an audience is refused where none is configured (RFC 7519 §4.1.3).
    pub(in crate::token) fn fits(&self, us: Option<&str>) -> bool {
        let Some(us) = us else { return matches!(self, Self::Absent) };
        match self {
            Self::Absent => false,
            Self::One(one) => one == us,
            Self::Several(texts) => {
                let mut found = false;
                let mut compare = |item| {
                    found |= matches!(item, Item::String(text) if text == us);
                    Ok(())
                };
                json::array(texts, &mut compare).is_ok() && found
            }
        }
    }
}

fn string<'a>(item: Item<'a>) -> Result<Cow<'a, str>, Invalid> {
    match item {
        Item::String(text) => Ok(text),
        _ => Err(Invalid),
    }
}

/// The text of an array that holds only strings.
fn strings<'a>(item: &Item<'a>) -> Result<&'a str, Invalid> {
    let Item::Array(text) = item else { return Err(Invalid) };
    json::array(text, |element| string(element).map(drop))?;
    Ok(text)
}

fn generation(item: &Item<'_>) -> Result<u32, Invalid> {
    match item {
        Item::Number(digits) => digits.parse().map_err(|_| Invalid),
        _ => Err(Invalid),
    }
}

/// A NumericDate (RFC 7519 §2): a number of seconds since the epoch, perhaps with a fraction, which is rounded down.
pub(in crate::token) fn numeric_date(item: &Item<'_>) -> Result<Timestamp, Invalid> {
    let Item::Number(number) = item else { return Err(Invalid) };
    if number.starts_with('-') {
        return Err(Invalid);
    }
    let seconds = match number.parse::<i64>() {
        Ok(seconds) => seconds,
        // A number that is too large becomes the largest integer, and is refused with the next line.
        Err(_) => number.parse::<f64>().map_err(|_| Invalid)?.floor() as i64,
    };
    if seconds <= LAST_SECOND { Ok(Timestamp::from_seconds(seconds)) } else { Err(Invalid) }
}

/// The last second of the year 9999.
const LAST_SECOND: i64 = 253_402_300_799;

//! The session cookie: reading it from requests, and setting and clearing it in responses.
//!
//! Reading has its own rules, in `reader`. For responses these hold:
//!
//! 1. Options that a browser would refuse, or that would void what the name's prefix promises, are
//!    refused when the application starts, never on a response (`CookieOptions`).
//! 2. A value is set only if it can be read back: a `token68`, and together with the name at most
//!    4,096 bytes. Browsers drop a larger cookie without a word, so issuing one is an error.
//! 3. The value goes out byte for byte, marked as sensitive: HTTP/2 does not put it into its
//!    compression tables, and `Debug` does not show it.
//! 4. Clearing repeats the name and all attributes, because a browser deletes only the cookie that
//!    has the same name, `Path` and `Domain`, and refuses a `__Host-` line without `Secure`.
//! 5. A response has at most one `Set-Cookie` of our name. The last one put wins over those that a
//!    handler or an earlier step left; lines of other names stay as they are, in their order.
//!
//! The rules of names, prefixes and sizes are those of the layered-cookies draft that obsoletes
//! RFC 6265.

use std::fmt::Write as _;

use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue, Response};

pub(crate) use self::reader::{candidate, read, tokens};
use crate::credentials::{CookieError, CookieLifetime, Credentials, SessionCookie};

mod reader;

impl SessionCookie {
    /// Builds the `Set-Cookie` line that stores `value`.
    ///
    /// # Errors
    ///
    /// As [`SessionCookie::check`].
    pub(crate) fn set(&self, value: &str, lifetime: CookieLifetime) -> Result<HeaderValue, CookieError> {
        self.check(value)?;
        let mut line = format!("{}={}{}", self.name, value, self.attributes);
        if let CookieLifetime::MaxAge(age) = lifetime {
            // Writing to a `String` cannot fail.
            let _ = write!(line, "; Max-Age={}", age.as_secs());
        }
        let mut line = HeaderValue::try_from(line).map_err(|_| CookieError::ValueSyntax)?;
        line.set_sensitive(true);
        Ok(line)
    }

    /// The `Set-Cookie` line that makes the browser forget this cookie.
    ///
    /// # Errors
    ///
    /// None for a cookie that was built: its name and attributes are visible ASCII.
    pub(crate) fn clear(&self) -> Result<HeaderValue, CookieError> {
        let line = format!("{}={}; Max-Age=0", self.name, self.attributes);
        HeaderValue::try_from(line).map_err(|_| CookieError::Name(self.name.clone()))
    }
}

/// Puts a `Set-Cookie` line into a response, in place of all others of the same name.
///
/// The names are compared as a browser reads them: up to the first `=`, without the spaces and tabs
/// around them, by case. Calling it again with the same line changes nothing.
pub(crate) fn put(headers: &mut HeaderMap, line: HeaderValue) {
    let name = name_of(&line);
    let others: Vec<HeaderValue> =
        headers.get_all(SET_COOKIE).iter().filter(|other| name_of(other) != name).cloned().collect();
    headers.remove(SET_COOKIE);
    for other in others {
        headers.append(SET_COOKIE, other);
    }
    headers.append(SET_COOKIE, line);
}

/// The cookie lines that this crate has put into a response, kept beside them.
#[derive(Clone)]
pub(crate) struct OurLines(pub(crate) Vec<HeaderValue>);

/// Puts our lines into a response, and remembers them for [`settle`].
#[cfg_attr(not(feature = "axum"), expect(dead_code, reason = "responses of Axum ask for it"))]
pub(crate) fn put_ours<B>(response: &mut Response<B>, lines: impl IntoIterator<Item = HeaderValue>) {
    let lines: Vec<HeaderValue> = lines.into_iter().collect();
    for line in &lines {
        put(response.headers_mut(), line.clone());
    }
    response.extensions_mut().insert(OurLines(lines));
}

/// Rule 5, when the handlers are done: one line of each of our names, and ours if we have put one.
pub(crate) fn settle<B>(accepted: &Credentials, response: &mut Response<B>) {
    if let Some(OurLines(lines)) = response.extensions_mut().remove() {
        lines.into_iter().for_each(|line| put(response.headers_mut(), line));
    }
    if !response.headers().contains_key(SET_COOKIE) {
        return;
    }
    for cookie in [&accepted.cookie, &accepted.refresh_cookie].into_iter().flatten() {
        let named = |line: &&HeaderValue| name_of(line) == Some(cookie.name.as_bytes());
        let lines: Vec<&HeaderValue> = response.headers().get_all(SET_COOKIE).iter().filter(named).collect();
        if let [.., _, last] = lines[..] {
            let last = last.clone();
            put(response.headers_mut(), last);
        }
    }
}

/// Takes all lines of our names out again: the request was answered where cookies are not used.
pub(crate) fn withhold<B>(accepted: &Credentials, response: &mut Response<B>) {
    response.extensions_mut().remove::<OurLines>();
    let ours = [&accepted.cookie, &accepted.refresh_cookie].into_iter().flatten();
    let names: Vec<&[u8]> = ours.map(|cookie| cookie.name.as_bytes()).collect();
    let lines = response.headers().get_all(SET_COOKIE).iter();
    let kept: Vec<HeaderValue> =
        lines.filter(|line| !name_of(line).is_some_and(|name| names.contains(&name))).cloned().collect();
    response.headers_mut().remove(SET_COOKIE);
    for line in kept {
        response.headers_mut().append(SET_COOKIE, line);
    }
}

/// The name in a `Set-Cookie` line, or `None` if it has none.
fn name_of(line: &HeaderValue) -> Option<&[u8]> {
    let pair = line.as_bytes().split(|&byte| byte == b';').next()?;
    let equals = pair.iter().position(|&byte| byte == b'=')?;
    Some(pair[..equals].trim_ascii())
}

#[cfg(test)]
mod tests;

//! The session cookie: reading it from requests, and setting and clearing it in responses.
//!
//! Reading has its own rules, in `reader`. For responses these hold:
//!
//! 1. Options that a browser would refuse, or that would void what the name's prefix promises, are
//!    refused when the application starts, never on a response (`options`).
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
use std::time::Duration;

use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue};

pub use self::options::{CookieError, CookieOptions, SameSite};
pub(crate) use self::reader::CookieReader;
use super::is_token68;

mod options;
mod reader;

/// A cookie whose name and attributes fit together; made by [`CookieOptions::build`].
#[derive(Clone, Debug)]
pub(crate) struct SessionCookie {
    name: String,
    /// Everything behind the value but the lifetime, with the leading `; `.
    attributes: String,
    cleared: HeaderValue,
}

impl SessionCookie {
    /// The whole name, prefix included.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Reads this cookie from requests.
    pub(crate) fn reader(&self) -> CookieReader {
        CookieReader::new(&self.name)
    }

    /// Builds the `Set-Cookie` line that stores `value`.
    ///
    /// # Errors
    ///
    /// [`CookieError::ValueSyntax`] if the value could not be read back, and
    /// [`CookieError::TooLarge`] if name and value have more than 4,096 bytes.
    pub(crate) fn set(&self, value: &str, lifetime: CookieLifetime) -> Result<HeaderValue, CookieError> {
        if !is_token68(value.as_bytes()) {
            return Err(CookieError::ValueSyntax);
        }
        let size = self.name.len() + value.len();
        if size > MAX_COOKIE_BYTES {
            return Err(CookieError::TooLarge { size });
        }

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
    pub(crate) fn clear(&self) -> HeaderValue {
        self.cleared.clone()
    }
}

/// How long a browser keeps a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CookieLifetime {
    /// Until the browser is closed: no `Max-Age`.
    BrowserSession,
    /// For this long, in whole seconds, rounded down so that no cookie outlives its session.
    MaxAge(Duration),
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

/// The name in a `Set-Cookie` line, or `None` if it has none.
fn name_of(line: &HeaderValue) -> Option<&[u8]> {
    let pair = line.as_bytes().split(|&byte| byte == b';').next()?;
    let equals = pair.iter().position(|&byte| byte == b'=')?;
    Some(pair[..equals].trim_ascii())
}

/// What browsers accept of name and value together.
const MAX_COOKIE_BYTES: usize = 4_096;

#[cfg(test)]
mod tests;

//! The cookies that sign-ins and sign-outs put into a response.

use http::{HeaderMap, HeaderValue};

use super::cookie;
use crate::{
    credentials::{CookieLifetime, SiteData},
    manager::{DEVICE_COOKIE_LIFETIME, FormDevice, SignedOut, StartedSession, TrustedDevice},
};

impl StartedSession {
    /// Puts the cookies into the headers of a response, in place of others of their names; none where tokens travel in
    /// the `Authorization` field.
    ///
    /// In Axum the session is a response itself. This is for those who build theirs by hand.
    pub fn put_cookies(&self, headers: &mut HeaderMap) {
        for line in self.cookie_lines() {
            cookie::put(headers, line);
        }
    }

    /// A token that is too large for a cookie was refused when it was issued.
    pub(crate) fn cookie_lines(&self) -> Vec<HeaderValue> {
        self.cookies().filter_map(|(cookie, value, lifetime)| cookie.set(value, lifetime).ok()).collect()
    }
}

impl TrustedDevice {
    /// Puts the device cookie into the headers of a response; none where there are no device cookies.
    ///
    /// In Axum the value is the first part of a response itself. This is for those who build theirs by hand.
    pub fn put_cookie(&self, headers: &mut HeaderMap) {
        if let Some(line) = self.cookie_line() {
            cookie::put(headers, line);
        }
    }

    pub(crate) fn cookie_line(&self) -> Option<HeaderValue> {
        self.cookie().zip(self.token()).and_then(|(cookie, token)| cookie.set(&token, DEVICE_COOKIE_LIFETIME).ok())
    }
}

impl FormDevice {
    /// Puts the device cookie into the headers of a response, where one is needed.
    ///
    /// In Axum the value is the first part of a response itself. This is for those who build theirs by hand.
    pub fn put_cookie(&self, headers: &mut HeaderMap) {
        if let Some(line) = self.cookie_line() {
            cookie::put(headers, line);
        }
    }

    pub(crate) fn cookie_line(&self) -> Option<HeaderValue> {
        let (cookie, value) = self.cookie()?;
        cookie.set(&value, CookieLifetime::BrowserSession).ok()
    }
}

impl SignedOut {
    /// Clears the cookies in the headers of a response; there are none where tokens travel in the `Authorization`
    /// field.
    ///
    /// In Axum the value is a response itself. This is for those who build theirs by hand.
    pub fn put_cookies(&self, headers: &mut HeaderMap) {
        for line in self.cookie_lines() {
            cookie::put(headers, line);
        }
        self.put_site_data(headers);
    }

    pub(crate) fn cookie_lines(&self) -> Vec<HeaderValue> {
        self.cookies().filter_map(|cookie| cookie.clear().ok()).collect()
    }

    pub(crate) fn put_site_data(&self, headers: &mut HeaderMap) {
        if self.site_data() == SiteData::Cleared {
            let everything = HeaderValue::from_static("\"cache\", \"cookies\", \"storage\"");
            headers.insert("clear-site-data", everything);
        }
    }
}

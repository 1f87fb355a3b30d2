//! Signed-in users for an application's own tests.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::{
    device::ClientInfo,
    error::{Error, ErrorKind},
    id::{InvalidUserId, UserId},
    manager::{SessionManager, StartedSession},
};

/// # Tests
///
/// Users who are signed in without a request, for an application's own tests (feature `testing`).
impl SessionManager {
    /// The access token of a user who has just signed in with a client of which nothing is known.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    ///
    /// # Examples
    ///
    /// ```
    /// # use tower_device_sessions::{KeyRing, SessionManager, store::MemoryStore};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sessions = SessionManager::builder(MemoryStore::new()).keys(KeyRing::random()?).build()?;
    /// let token = sessions.test_token("ann").await?;
    /// assert_eq!(sessions.authenticate(&token).await?.user_id().as_str(), "ann");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn test_token<U>(&self, user: U) -> Result<String, Error>
    where
        U: TryInto<UserId>,
        InvalidUserId: From<U::Error>,
    {
        Ok(self.start(user, ClientInfo::new()).await?.token().to_owned())
    }

    /// The fields with which such a user's requests come, by the [transport](crate::credentials::Transport) of this
    /// manager: `Authorization`, or `Cookie` and what a browser says of a page of the application's own.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    ///
    /// # Examples
    ///
    /// ```
    /// # use tower_device_sessions::{KeyRing, SessionManager, store::MemoryStore};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sessions = SessionManager::builder(MemoryStore::new()).keys(KeyRing::random()?).build()?;
    /// let mut request = http::Request::post("/orders").body("{}")?;
    /// request.headers_mut().extend(sessions.test_headers("ann").await?);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn test_headers<U>(&self, user: U) -> Result<HeaderMap, Error>
    where
        U: TryInto<UserId>,
        InvalidUserId: From<U::Error>,
    {
        self.start(user, ClientInfo::new()).await?.test_headers()
    }
}

/// # Tests
impl StartedSession {
    /// The fields with which the client's requests come from now on, for an application's own tests (feature
    /// `testing`): see [`SessionManager::test_headers`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidClaims`] when a cookie has a value that no header field may have.
    pub fn test_headers(&self) -> Result<HeaderMap, Error> {
        let value = |text: &str| {
            HeaderValue::try_from(text).map_err(|error| Error::with_source(ErrorKind::InvalidClaims, error))
        };
        let cookies: Vec<_> = self.cookies().map(|(cookie, token, _)| format!("{}={token}", cookie.name)).collect();
        let mut headers = HeaderMap::new();
        if cookies.is_empty() {
            headers.insert(header::AUTHORIZATION, value(&format!("Bearer {}", self.token()))?);
        } else {
            headers.insert(header::COOKIE, value(&cookies.join("; "))?);
            headers.insert(HeaderName::from_static("sec-fetch-site"), HeaderValue::from_static("same-origin"));
        }
        Ok(headers)
    }
}

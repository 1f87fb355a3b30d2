//! What a request says about its client, for a sign-in.

#[cfg(feature = "axum")]
use http::request::Parts;
use http::{Extensions, HeaderMap, Method, Uri, header};

use crate::{
    credentials::CredentialSource,
    device::{ClientHints, ClientInfo, DeviceProof},
    event::SessionEvent,
    manager::{DeviceCookie, SessionManager},
    middleware::{
        Held, Only, Seen,
        peer::{client_ip, location},
    },
    policy::Denied,
    transport,
};

/// # Clients
impl SessionManager {
    /// Returns what is known about the client of a request, for a sign-in outside of Axum; in Axum, [`ClientInfo`] is
    /// an extractor. It holds the `User-Agent` and Client Hints, the address by the rules of
    /// [`client_ip`](crate::client_ip), the place that a trusted proxy reports, the device that the cookie proves, and
    /// the session that the sign-in will replace.
    ///
    /// The extensions are the request's. They hold the socket's peer ([`PeerAddress`](crate::middleware::PeerAddress)),
    /// without which there is no address, and what a [`SessionLayer`](crate::SessionLayer) has put there.
    ///
    /// # Errors
    ///
    /// [`Denied::Forged`] where tokens travel in cookies and another site has caused the request, so that nobody is
    /// signed in to a stranger's account. The request counts as unsafe.
    ///
    /// # Examples
    ///
    /// ```
    /// # use tower_device_sessions::{Error, SessionManager, StartedSession};
    /// async fn sign_in(sessions: &SessionManager, request: &http::Request<String>) -> Result<StartedSession, Error> {
    ///     let client = sessions.client_info(request.headers(), request.extensions())?;
    ///     // Once the password is checked:
    ///     sessions.start("ann", client).await
    /// }
    /// ```
    pub fn client_info(&self, headers: &HeaderMap, extensions: &Extensions) -> Result<ClientInfo, Denied> {
        self.check_sign_in(&Method::POST, &Uri::default(), headers, extensions)?;
        Ok(self.client(headers, extensions))
    }

    /// The same of a request in Axum.
    #[cfg(feature = "axum")]
    pub(crate) fn client_of(&self, parts: &Parts) -> Result<ClientInfo, Denied> {
        self.check_sign_in(&parts.method, &parts.uri, &parts.headers, &parts.extensions)?;
        Ok(self.client(&parts.headers, &parts.extensions))
    }

    fn client(&self, headers: &HeaderMap, extensions: &Extensions) -> ClientInfo {
        let place = location(self, headers, extensions);
        let mut client = client_info(self, headers, extensions).location_by_proxy(place);
        if let Some(cookie) = self.device_cookie() {
            client = client.device_proof(device_proof(cookie, headers));
        }
        if let Some(Seen::Session(current)) = Seen::of(extensions)
            && current.is_of(self)
        {
            return client.held(current.user_id().clone(), current.id());
        }
        let held = extensions.get::<Held>().filter(|held| held.manager.is(self));
        held.map(|held| held.sessions.as_slice())
            .unwrap_or_default()
            .iter()
            .fold(client, |client, (user, id)| client.held(user.clone(), *id))
    }

    /// S74: a sign-in brings no cookie, and yet gets one.
    fn check_sign_in(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        extensions: &Extensions,
    ) -> Result<(), Denied> {
        let accepted = self.credentials();
        if let Some(Only(CredentialSource::Bearer)) = extensions.get() {
            return Ok(());
        }
        let (Some(_), Some(csrf)) = (&accepted.cookie, &accepted.csrf) else {
            return Ok(());
        };
        csrf.check(CredentialSource::Cookie, method, uri, headers).map_err(|why| {
            self.tell(&SessionEvent::CsrfDenied { why });
            Denied::Forged(why)
        })
    }
}

/// The device that the cookie proves; `None` for no cookie of ours, or several.
pub(crate) fn device_proof(cookie: &DeviceCookie, headers: &HeaderMap) -> Option<DeviceProof> {
    let mut known =
        transport::cookie::tokens(&cookie.cookie, headers).into_iter().filter_map(|token| cookie.open(token));
    match (known.next(), known.next()) {
        (Some(proof), None) => Some(proof),
        _ => None,
    }
}

/// What a request says about its client.
pub(super) fn client_info(manager: &SessionManager, headers: &HeaderMap, extensions: &Extensions) -> ClientInfo {
    if let Some(Ok(host)) = headers.get(header::HOST).map(http::HeaderValue::to_str) {
        manager.note_host(host);
    }
    let client = ClientInfo::new().hints(client_hints(headers)).ip(client_ip(manager, headers, extensions));
    match headers.get(header::USER_AGENT) {
        Some(user_agent) => client.user_agent(user_agent.as_bytes()),
        None => client,
    }
}

fn client_hints(headers: &HeaderMap) -> ClientHints {
    let hint = |name: &str| {
        let text = crate::text::clean(headers.get(name)?.as_bytes(), LONGEST_HINT);
        (!text.is_empty()).then_some(text)
    };
    ClientHints {
        brands: hint("sec-ch-ua"),
        full_version_list: hint("sec-ch-ua-full-version-list"),
        mobile: hint("sec-ch-ua-mobile"),
        platform: hint("sec-ch-ua-platform"),
        platform_version: hint("sec-ch-ua-platform-version"),
        model: hint("sec-ch-ua-model"),
        form_factors: hint("sec-ch-ua-form-factors"),
    }
}

/// The longest client hint that is kept, in bytes.
const LONGEST_HINT: usize = 256;

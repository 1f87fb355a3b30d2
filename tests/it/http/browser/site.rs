//! The page over a manager that the test holds, served to a real browser.

use std::{net::SocketAddr, time::Duration};

use axum::{
    Router,
    extract::Request,
    http::HeaderValue,
    middleware::{map_request, map_response},
    response::{Html, Response},
    routing::get,
};
use serde_json::json;
use tokio::runtime::Runtime;
use tower_device_sessions::{
    ClientInfo, DevicesPage, StartedSession,
    credentials::{CookieOptions, Transport},
    device::DeviceName,
    location::Location,
    manager::Revocation,
};

use super::chromium::Tab;
use crate::support::{CHROME, IPHONE, Kit};

/// A server for browsers. It ends when it is dropped.
pub struct Site {
    pub kit: Kit,
    pub address: String,
    runtime: Runtime,
}

impl Site {
    pub fn new() -> Self {
        Self::with(|app| app)
    }

    /// Behind a proxy that adds a referrer policy, over a scheme over which browsers do not tell a request's site.
    pub fn behind_a_proxy_without_referrers() -> Self {
        let strip = async |mut request: Request| {
            request.headers_mut().remove("sec-fetch-site");
            request
        };
        let add = async |mut response: Response| {
            response.headers_mut().append("referrer-policy", HeaderValue::from_static("no-referrer"));
            response
        };
        Self::with(|app| app.layer(map_request(strip)).layer(map_response(add)))
    }

    fn with(proxy: impl FnOnce(Router) -> Router) -> Self {
        let cookie = CookieOptions::new().insecure_localhost();
        let kit = Kit::with(|builder| builder.transport(Transport::Cookie(cookie)));
        let page = DevicesPage::new(&kit.sessions, "/").attribution("Places are approximate. Data by Example GeoIP.");
        let app = proxy(page.into_router().route("/sign-in", get(async || Html("<title>Sign in</title>"))));
        let runtime = Runtime::new().expect("a runtime");
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let service = app.into_make_service_with_connect_info::<SocketAddr>();
        runtime.spawn(async move { axum::serve(listener, service).await });
        Self { kit, address, runtime }
    }

    pub fn sign_in(&self, client: ClientInfo) -> StartedSession {
        self.runtime.block_on(async { self.kit.sessions.start("ann", client).await }).expect("a working store")
    }

    pub fn rename(&self, started: &StartedSession, name: &str) {
        let session = started.session();
        let name = DeviceName::try_from(name).expect("a good name");
        let renamed = self.runtime.block_on(self.kit.sessions.rename(&session.user_id, session.id, Some(name)));
        assert!(renamed.expect("a working store"));
    }

    pub fn revoke(&self, started: &StartedSession, revocation: Revocation) {
        let session = started.session();
        self.runtime
            .block_on(async { self.kit.sessions.revoke(&session.user_id, session.id, revocation).await })
            .expect("a working store");
    }

    /// Signs in on a laptop, and gives its cookie to the browser.
    pub fn enter(&self, tab: &Tab) -> StartedSession {
        let place = Location::new(Some("Berlin"), None, Some("DE"));
        let client = ClientInfo::new().user_agent(CHROME).location(Some(place)).ip("203.0.113.24".parse().ok());
        let started = self.sign_in(client);
        let cookie = json!({ "name": "session", "value": started.token(), "url": self.address, "httpOnly": true });
        tab.call("Network.setCookie", cookie);
        started
    }

    /// A household: devices of several kinds, active at several times, and some that were signed out.
    pub fn furnish(&self) {
        let place = |city, country| Some(Location::new(Some(city), None, Some(country)));
        let address = |text: &str| text.parse().ok();
        let old_phone = self.sign_in(ClientInfo::new().user_agent(OLD_PHONE).location(place("Hamburg", "DE")));
        let stranger = self.sign_in(ClientInfo::new().user_agent(FIREFOX).location(place("Lagos", "NG")));
        let television = ClientInfo::new().user_agent(TELEVISION).location(place("Berlin", "DE"));
        let television = self.sign_in(television.ip(address("203.0.113.24")));
        self.rename(&television, "Living room");
        self.kit.clock.advance(Duration::from_secs(3 * 86_400 + 60));
        self.revoke(&old_phone, Revocation::by_administrator("eve"));
        let client = ClientInfo::new().user_agent(IPAD).location(place("Berlin", "DE"));
        drop(self.sign_in(client.ip(address("2001:db8:1:2:3:4:5:6"))));
        self.kit.clock.advance(Duration::from_secs(22 * 3_600));
        let first = self.sign_in(ClientInfo::new().user_agent(CHROME));
        let session = self.runtime.block_on(self.kit.sessions.authenticate(first.token())).expect("a session");
        self.revoke(&stranger, Revocation::from(&session));
        self.runtime.block_on(self.kit.sessions.sign_out(&session)).expect("a working store");
        drop(self.sign_in(ClientInfo::new().user_agent("curl/8.5.0").ip(address("198.51.100.7"))));
        self.kit.clock.advance(Duration::from_secs(2 * 3_600 + 300));
        let client = ClientInfo::new().user_agent(IPHONE).location(place("Potsdam", "DE"));
        drop(self.sign_in(client.ip(address("198.51.100.130"))));
        self.kit.clock.advance(Duration::from_secs(70));
    }
}

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const IPAD: &str = "Mozilla/5.0 (iPad; CPU OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                    Version/18.5 Mobile/15E148 Safari/604.1";
const OLD_PHONE: &str = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) \
                         Chrome/131.0.0.0 Mobile Safari/537.36";
const TELEVISION: &str = "Mozilla/5.0 (SMART-TV; Linux; Tizen 7.0) AppleWebKit/537.36 (KHTML, like Gecko) \
                          Version/7.0 TV Safari/537.36";

//! The socket's peer, and the client's address and place that follow from it.

use std::net::{IpAddr, SocketAddr};

use http::{Extensions, HeaderMap};

use crate::{
    client_ip::{Header, Unlisted},
    location::Location,
    logging,
    manager::SessionManager,
};

/// The address of the socket's peer, for servers that do not leave it in the request's extensions in a form known here.
///
/// In Axum applications `axum::extract::ConnectInfo<SocketAddr>` is read, which
/// `into_make_service_with_connect_info::<SocketAddr>()` puts there, and with the feature `tonic` what a Tonic server
/// puts there, unless it does TLS itself. Others insert this type. Without any of them there is no address, and nothing
/// that needs one; the log says so once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a wrapper around one value, to be built by servers")]
pub struct PeerAddress(pub SocketAddr);

/// The client's address: the peer's, or what a trusted proxy says.
pub(super) fn client_ip(manager: &SessionManager, headers: &HeaderMap, extensions: &Extensions) -> Option<IpAddr> {
    let proxies = manager.trusted_proxies();
    if proxies.is_none() {
        notice_proxy(headers, extensions);
    }
    let lines = headers.get_all(proxies.header_name()).iter().map(http::HeaderValue::as_bytes);
    let peer = peer(extensions);
    if peer.is_none() {
        manager.note_missing_peer();
    }
    proxies.client_ip(peer, lines)
}

/// The client's place, as a trusted proxy reports it.
pub(super) fn location(manager: &SessionManager, headers: &HeaderMap, extensions: &Extensions) -> Option<Location> {
    manager.trusted_proxies().location(peer(extensions), |name| {
        headers.get_all(name).iter().map(http::HeaderValue::as_bytes).collect::<Vec<_>>()
    })
}

/// Warns once that there seems to be a proxy in front that is not configured.
fn notice_proxy(headers: &HeaderMap, extensions: &Extensions) {
    static UNLISTED: Unlisted = Unlisted::new();

    let header = match FORWARDED.iter().any(|name| headers.contains_key(*name)) {
        true => Header::Present,
        false => Header::Absent,
    };
    if let Some(peer) = peer(extensions)
        && UNLISTED.shows(peer, header)
    {
        logging::proxy_unlisted(peer);
    }
}

/// The headers by which proxies tell where a request came from.
const FORWARDED: [&str; 3] = ["x-forwarded-for", "forwarded", "x-real-ip"];

fn peer(extensions: &Extensions) -> Option<IpAddr> {
    let told = extensions.get::<PeerAddress>().map(|peer| peer.0.ip());
    #[cfg(feature = "axum")]
    let told = told.or_else(|| {
        extensions.get::<axum::extract::ConnectInfo<SocketAddr>>().map(|axum::extract::ConnectInfo(peer)| peer.ip())
    });
    #[cfg(feature = "tonic")]
    let told = told
        .or_else(|| extensions.get::<tonic::transport::server::TcpConnectInfo>()?.remote_addr().map(|peer| peer.ip()));
    told
}

use http::{Extensions, HeaderMap, header};

use crate::{
    device::{ClientHints, ClientInfo},
    manager::SessionManager,
    middleware::peer::client_ip,
};

/// What a request says of the client that sent it.
pub(crate) fn client_info(manager: &SessionManager, headers: &HeaderMap, extensions: &Extensions) -> ClientInfo {
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

//! Listing sessions.

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    response::Response,
};
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    error::Error,
    extract::json,
    manager::{CurrentSession, Cursor, ListOptions, SessionManager},
    policy::Denied,
    routes::{SessionView, bad_request},
    store::SessionState,
};

#[derive(Debug, Deserialize)]
pub(super) struct ListParameters {
    limit: Option<u32>,
    cursor: Option<String>,
    state: Option<String>,
}

/// `GET /sessions`.
pub(super) async fn list(
    State(manager): State<SessionManager>,
    current: CurrentSession,
    parameters: Result<Query<ListParameters>, QueryRejection>,
) -> Result<Response, Error> {
    let Some(asked) = parameters.ok().and_then(|Query(parameters)| Asked::parse(parameters)) else {
        return Ok(bad_request("invalid_query", QUERY_RULE));
    };
    let options = asked.options(ListOptions::new().first(current.id()));
    let page = manager.list(current.user_id(), &options).await?;
    let views: Vec<SessionView<'_>> =
        page.sessions.iter().map(|session| SessionView::new(&manager, session, Some(current.id()))).collect();
    let mut response = json(StatusCode::OK, &views);
    if let Some(link) = page.next.and_then(|next| asked.link_to(next)) {
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

/// `GET /sessions/current`.
pub(super) async fn current(State(manager): State<SessionManager>, current: CurrentSession) -> Result<Response, Error> {
    let session = manager.find(current.user_id(), current.id()).await?.ok_or(Denied::Invalid)?;
    let view = CurrentView {
        session: SessionView::new(&manager, &session, Some(session.id)),
        idle_expires_at: session.idle_expires_at().min(session.expires_at),
        fresh_until: session.authenticated_at.saturating_add(manager.policy().fresh_for).min(session.expires_at),
    };
    Ok(json(StatusCode::OK, &view))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CurrentView<'a> {
    #[serde(flatten)]
    session: SessionView<'a>,
    idle_expires_at: Timestamp,
    fresh_until: Timestamp,
}

/// The parameters, as far as they make sense.
pub(super) struct Asked {
    limit: Option<u32>,
    cursor: Option<Cursor>,
    state: SessionState,
}

impl Asked {
    pub(super) fn parse(parameters: ListParameters) -> Option<Self> {
        let state = match parameters.state.as_deref() {
            None | Some("active") => SessionState::Active,
            Some("ended") => SessionState::Ended,
            Some("all") => SessionState::All,
            Some(_) => return None,
        };
        let cursor = match parameters.cursor {
            Some(text) => Some(text.parse().ok()?),
            None => None,
        };
        let limit = parameters.limit;
        let fits = limit.is_none_or(|limit| (1..=ListOptions::MAX_LIMIT).contains(&limit));
        fits.then_some(Self { limit, cursor, state })
    }

    /// The same as options for the manager.
    pub(super) fn options(&self, options: ListOptions) -> ListOptions {
        let options = options.state(self.state).cursor(self.cursor);
        match self.limit {
            Some(limit) => options.limit(limit),
            None => options,
        }
    }

    /// A link relative to this request's own address, wherever the router is nested.
    pub(super) fn link_to(&self, next: Cursor) -> Option<HeaderValue> {
        let state = match self.state {
            SessionState::Active => "active",
            SessionState::Ended => "ended",
            SessionState::All => "all",
        };
        let limit = self.limit.map(|limit| format!("&limit={limit}")).unwrap_or_default();
        HeaderValue::try_from(format!("<?state={state}{limit}&cursor={next}>; rel=\"next\"")).ok()
    }
}

pub(super) const QUERY_RULE: &str = "Use limit=1..100, state=active|ended|all, and a cursor of this list";

//! The page's handlers.

use askama::Template;
use axum::{
    Form,
    body::Body,
    extract::{
        Path, Query, Request, State,
        rejection::{FormRejection, PathRejection, QueryRejection},
    },
    response::{IntoResponse, Redirect, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;

use crate::{
    device::DeviceName,
    error::ErrorKind,
    id::SessionId,
    manager::{CurrentSession, Cursor, ListOptions, Revoked, SignedOut},
    middleware::{Seen, isolate},
    pages::{
        DevicesPage,
        view::{ConfirmTemplate, DeviceItem, DevicesTemplate, EndedItem, Frame, MessageTemplate},
        visitor::{SignInHint, Visitor, sign_in_address, to_sign_in},
    },
    policy::Denied,
    routes::{SigningOut, Strictness, may_end_others},
    session::EndReason,
    store::SessionState,
};

#[derive(Debug, Default, Deserialize)]
pub(super) struct PageParameters {
    cursor: Option<String>,
    done: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct RenameForm {
    name: String,
}

/// `GET /`.
pub(super) async fn page(
    State(page): State<DevicesPage>,
    Visitor(current): Visitor,
    parameters: Result<Query<PageParameters>, QueryRejection>,
) -> Response {
    // A query that makes no sense shows the first page: it is somebody's stale bookmark.
    let parameters = parameters.map(|Query(parameters)| parameters).unwrap_or_default();
    let texts = &*page.settings.texts;
    let notice = match parameters.done.as_deref() {
        Some("signed-out") => Some(texts.was_signed_out()),
        Some("others-signed-out") => Some(texts.others_were_signed_out()),
        Some("renamed") => Some(texts.was_renamed()),
        _ => None,
    };
    let cursor = parameters.cursor.and_then(|text| text.parse::<Cursor>().ok());
    show(&page, &current, StatusCode::OK, notice.map(Into::into), None, cursor).await
}

/// `GET /sign-out-others`.
pub(super) async fn ask(State(page): State<DevicesPage>, _: Visitor) -> Response {
    html(StatusCode::OK, &ConfirmTemplate { frame: Frame::of(&page) })
}

/// `POST /sign-out-others`.
pub(super) async fn sign_out_others(State(page): State<DevicesPage>, Visitor(current): Visitor) -> Response {
    if let Err(denied) = may_end_others(&page.manager, &current) {
        return to_sign_in(&page, &denied);
    }
    match page.manager.revoke_others(&current).await {
        Ok(_) => back(&page, "others-signed-out"),
        Err(_) => unavailable(&page, &current).await,
    }
}

/// `POST /{id}/sign-out`.
pub(super) async fn sign_out(
    State(page): State<DevicesPage>,
    visitor: Result<Visitor, Response>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    let id = session_id(id);
    let current = match (visitor, id) {
        (Ok(Visitor(current)), _) => current,
        (Err(to_form), None) => return to_form,
        (Err(to_form), Some(id)) => return sign_out_run_out(&page, id, request, to_form).await,
    };
    let Some(id) = id else {
        return absent(&page, &current).await;
    };
    if id == current.id() {
        return match page.manager.sign_out(&current).await {
            Ok(signed_out) => left(&page, signed_out),
            Err(_) => unavailable(&page, &current).await,
        };
    }
    if let Err(denied) = may_end_others(&page.manager, &current) {
        return to_sign_in(&page, &denied);
    }
    match page.manager.revoke(current.user_id(), id, &current).await {
        Ok(Revoked::Now | Revoked::Before) => back(&page, "signed-out"),
        Ok(Revoked::NotFound) => absent(&page, &current).await,
        Err(_) => unavailable(&page, &current).await,
    }
}

/// A visitor whose access token has expired while the page was open can still sign out their own session.
async fn sign_out_run_out(page: &DevicesPage, id: SessionId, request: Request, to_form: Response) -> Response {
    match Seen::by(&page.manager, request.extensions()) {
        Some(Seen::Anonymous(anonymous)) if anonymous.denied() == Denied::TokenExpired => {}
        _ => return to_form,
    }
    let Ok(client) = SigningOut::from(request, &(), Strictness::Declared).await else {
        return to_form;
    };
    match client.only_of(id).sign_out().await {
        Ok(signed_out) => left(page, signed_out),
        Err(error) if error.kind() == ErrorKind::Unavailable => {
            message(page, StatusCode::SERVICE_UNAVAILABLE, &page.settings.texts.unavailable())
        }
        Err(_) => to_form,
    }
}

fn left(page: &DevicesPage, signed_out: SignedOut) -> Response {
    let form = sign_in_address(page, Some(SignInHint::Ended(EndReason::SignedOut)));
    (signed_out, Redirect::to(&form)).into_response()
}

/// `POST /{id}/rename`.
pub(super) async fn rename(
    State(page): State<DevicesPage>,
    Visitor(current): Visitor,
    id: Result<Path<String>, PathRejection>,
    form: Result<Form<RenameForm>, FormRejection>,
) -> Response {
    let Some(id) = session_id(id) else {
        return absent(&page, &current).await;
    };
    let asked = form.map(|Form(form)| form.name).ok();
    // An empty field clears the name.
    let name = match asked.as_deref().map(str::trim) {
        Some("") => Some(None),
        Some(text) => DeviceName::try_from(text).ok().map(Some),
        None => None,
    };
    let Some(name) = name else {
        let problem = page.settings.texts.bad_name().into_owned();
        return show(&page, &current, StatusCode::BAD_REQUEST, None, Some(problem), None).await;
    };
    match page.manager.rename(current.user_id(), id, name).await {
        Ok(true) => back(&page, "renamed"),
        Ok(false) => absent(&page, &current).await,
        Err(_) => unavailable(&page, &current).await,
    }
}

/// `GET` of what only takes forms: somebody has opened the address of an answer to one.
pub(super) async fn go_home(State(page): State<DevicesPage>) -> Response {
    Redirect::to(page.settings.home()).into_response()
}

/// Another method than those of the page.
pub(super) async fn no_such_method(State(page): State<DevicesPage>) -> Response {
    message(&page, StatusCode::METHOD_NOT_ALLOWED, &page.settings.texts.not_possible())
}

/// Every response of the page is of this moment and of this visitor, redirects included.
pub(super) async fn fresh(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    isolate(headers);
    response
}

/// `GET /assets/devices.css`.
pub(super) async fn style() -> Response {
    asset("text/css; charset=utf-8", include_str!("devices.css"))
}

/// `GET /assets/devices.js`.
pub(super) async fn script() -> Response {
    asset("text/javascript; charset=utf-8", include_str!("devices.js"))
}

fn asset(content_type: &'static str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "public, max-age=3600"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, text).into_response()
}

fn session_id(path: Result<Path<String>, PathRejection>) -> Option<SessionId> {
    path.ok().and_then(|Path(text)| text.parse().ok())
}

/// Back to the page by a GET, so that reloading it repeats nothing.
fn back(page: &DevicesPage, done: &str) -> Response {
    Redirect::to(&format!("{}?done={done}", page.settings.home())).into_response()
}

async fn absent(page: &DevicesPage, current: &CurrentSession) -> Response {
    let problem = page.settings.texts.no_such_device().into_owned();
    show(page, current, StatusCode::NOT_FOUND, None, Some(problem), None).await
}

async fn unavailable(page: &DevicesPage, current: &CurrentSession) -> Response {
    let problem = page.settings.texts.unavailable().into_owned();
    show(page, current, StatusCode::SERVICE_UNAVAILABLE, None, Some(problem), None).await
}

/// The page, as far as the store can be asked.
async fn show(
    page: &DevicesPage,
    current: &CurrentSession,
    status: StatusCode,
    notice: Option<String>,
    problem: Option<String>,
    cursor: Option<Cursor>,
) -> Response {
    let settings = &*page.settings;
    let (manager, texts) = (&page.manager, &*settings.texts);
    let active = ListOptions::new().first(current.id()).cursor(cursor);
    let ended = ListOptions::new().state(SessionState::Ended).limit(ListOptions::MAX_LIMIT);
    let lists = tokio::try_join!(manager.list(current.user_id(), &active), manager.list(current.user_id(), &ended),);
    let mut template = DevicesTemplate {
        frame: Frame::of(page),
        attribution: settings.attribution.as_deref(),
        notice,
        problem,
        current: None,
        others: Vec::new(),
        is_continued: cursor.is_some(),
        more: None,
        ended: Vec::new(),
    };
    let Ok((active, ended)) = lists else {
        template.problem = Some(texts.unavailable().into_owned());
        return html(StatusCode::SERVICE_UNAVAILABLE, &template);
    };
    let now = manager.now();
    let is_current = |id: SessionId| id == current.id();
    template.current = Some(DeviceItem::new(texts, current.session(), now, true));
    let (this, others): (Vec<_>, Vec<_>) = active.sessions.iter().partition(|session| is_current(session.id));
    if let Some(session) = this.first() {
        template.current = Some(DeviceItem::new(texts, session, now, true));
    }
    template.others = others.into_iter().map(|session| DeviceItem::new(texts, session, now, false)).collect();
    template.more = active.next.map(|cursor| cursor.to_string());
    template.ended = EndedItem::newest(texts, manager, &ended.sessions, now, RECENTLY_ENDED);
    html(status, &template)
}

/// A page that says one thing.
pub(super) fn message(page: &DevicesPage, status: StatusCode, text: &str) -> Response {
    html(status, &MessageTemplate { frame: Frame::of(page), text })
}

fn html(status: StatusCode, template: &impl Template) -> Response {
    let Ok(text) = template.render() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    isolate(response.headers_mut());
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
                                       form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// How many of the sessions that ended are shown.
const RECENTLY_ENDED: usize = 10;

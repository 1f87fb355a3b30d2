//! The operations of [`SessionRoutes`](crate::SessionRoutes).

use utoipa::openapi::{
    Paths, PathsBuilder, Required,
    path::{HttpMethod, Operation, ParameterBuilder, PathItem},
    security::SecurityRequirement,
};

use super::{
    DEVICES, SESSIONS,
    answers::{
        body, done, in_path, json, list, of_session, operation, page, problem, query, signing_in, signing_out,
        unauthorized,
    },
    shapes,
};
use crate::manager::ListOptions;

pub(super) fn paths(prefix: &str) -> Paths {
    let path = |path: &str| format!("{prefix}{path}");
    let mut sessions = PathItem::new(HttpMethod::Get, list_sessions());
    sessions.merge_operations(PathItem::new(HttpMethod::Delete, revoke_all()));
    let mut session = PathItem::new(HttpMethod::Delete, revoke());
    session.merge_operations(PathItem::new(HttpMethod::Patch, rename()));
    let mut device = PathItem::new(HttpMethod::Delete, forget_device());
    device.merge_operations(PathItem::new(HttpMethod::Patch, change_device()));
    PathsBuilder::new()
        .path(path("/sessions"), sessions)
        .path(path("/sessions/current"), PathItem::new(HttpMethod::Get, current()))
        .path(path("/sessions/others"), PathItem::new(HttpMethod::Delete, revoke_others()))
        .path(path("/sessions/{id}"), session)
        .path(path("/logout"), PathItem::new(HttpMethod::Post, logout()))
        .path(path("/devices"), PathItem::new(HttpMethod::Get, list_devices()))
        .path(path("/devices/{id}"), device)
        .path(path("/refresh"), PathItem::new(HttpMethod::Post, refresh()))
        .build()
}

fn list_sessions() -> Operation {
    let description = "The current session first, then by newest activity, page by page.";
    let operation = of_session("listSessions", SESSIONS, "Lists the user's sessions", description);
    list_parameters()
        .into_iter()
        .fold(operation, |operation, parameter| operation.parameter(parameter))
        .response("200", page("A page of the user's sessions.", "DeviceSession"))
        .build()
}

/// Which part of a list is asked for.
pub(super) fn list_parameters() -> [ParameterBuilder; 3] {
    [
        query("limit", "How many sessions there are on a page.", shapes::limit(ListOptions::MAX_LIMIT)),
        query("cursor", "Where the page before has ended, as its Link says.", shapes::cursor()),
        query(
            "state",
            "Which sessions are listed. Default: the active ones.",
            shapes::one_of(&["active", "ended", "all"]),
        ),
    ]
}

fn current() -> Operation {
    let description = "The session of this request, with what is only of interest to its own client: until when the user has not \
                       to authenticate again, and when it ends if nothing happens.";
    of_session("currentSession", SESSIONS, "Shows the current session", description)
        .response("200", json("The session of this request.", "DeviceSessionCurrent"))
        .build()
}

fn revoke() -> Operation {
    let description = "Ends one session, this one or another. Once it is answered, no request of that session is accepted. Where the \
                       application asks for it, ending another one needs a recent authentication.";
    let ended = done("The session has ended, now or before.");
    of_session("revokeSession", SESSIONS, "Signs one device out", description)
        .parameter(session_id())
        .response("204", signing_out(ended))
        .response("404", problem("The user has no such session."))
        .build()
}

fn rename() -> Operation {
    let description =
        "Gives the device of a session a name of the user's own, or takes it away. The name is on all its sessions.";
    of_session("renameDevice", SESSIONS, "Names the device of a session", description)
        .parameter(session_id())
        .request_body(Some(body("DeviceSessionRename", "The name.", Required::True)))
        .response("200", json("The session, with its new name.", "DeviceSession"))
        .response("404", problem("The user has no such session."))
        .build()
}

fn revoke_others() -> Operation {
    let description = "Ends all of the user's sessions but the one of this request.";
    of_session("revokeOtherSessions", SESSIONS, "Signs all other devices out", description)
        .response("200", json("How many sessions were active.", "DeviceSessionRevoked"))
        .build()
}

fn revoke_all() -> Operation {
    let description = "Ends all of the user's sessions, the one of this request included.";
    let revoked = json("How many sessions were active, the current one included.", "DeviceSessionRevoked");
    of_session("revokeAllSessions", SESSIONS, "Signs all devices out", description)
        .response("200", signing_out(revoked))
        .build()
}

fn logout() -> Operation {
    let description = "Ends the session of this request; with a scope the others, or all of them.";
    let scope = shapes::one_of(&["local", "others", "global"]);
    of_session("logOut", SESSIONS, "Signs out", description)
        .parameter(query("scope", "Which devices: this one, the others, or all. Default: this one.", scope))
        .response("204", signing_out(done("They are signed out.")))
        .build()
}

fn list_devices() -> Operation {
    let description = "The devices on which the user has signed in, the one that was seen last first.";
    of_session("listDevices", DEVICES, "Lists the user's devices", description)
        .response("200", list("The user's devices.", "DeviceSessionKnownDevice"))
        .build()
}

fn change_device() -> Operation {
    let description = "Names a device, or trusts it. Only the device of this request can be trusted, by a session with a second \
                       factor; for 30 days no second factor is asked for on it.";
    let change = body("DeviceSessionDeviceChange", "The name, whether it is trusted, or both.", Required::True);
    of_session("changeDevice", DEVICES, "Names a device, or trusts it", description)
        .parameter(device_id())
        .request_body(Some(change))
        .response("200", json("The device, as it is now.", "DeviceSessionKnownDevice"))
        .response("404", problem("The user has no such device."))
        .build()
}

fn forget_device() -> Operation {
    let description = "Ends the sessions on a device, and forgets it: the next sign-in there is one from a new device.";
    let forgotten = done("The device is forgotten, and its sessions have ended.");
    of_session("forgetDevice", DEVICES, "Signs a device out and forgets it", description)
        .parameter(device_id())
        .response("204", signing_out(forgotten))
        .response("404", problem("The user has no such device."))
        .build()
}

/// It asks for no access token: that may well have expired.
fn refresh() -> Operation {
    let description = "Only where the application has switched refresh tokens on. The token comes in the body, or in the refresh cookie \
                       where tokens travel in cookies; then the body is left out, and the next tokens are cookies, too.";
    let token = body("DeviceSessionRefresh", "The refresh token, unless it comes in a cookie.", Required::False);
    operation("refreshTokens", SESSIONS, "Exchanges a refresh token for the next tokens", description)
        .security(SecurityRequirement::default())
        .request_body(Some(token))
        .response("200", signing_in(json("The next tokens.", "DeviceSessionTokens")))
        .response("401", unauthorized())
        .response("403", problem("The request may be forged."))
        .build()
}

fn session_id() -> ParameterBuilder {
    in_path("id", "The session's id, as the list shows it.", shapes::uuid())
}

fn device_id() -> ParameterBuilder {
    in_path("id", "The device's id, as the list shows it.", shapes::uuid())
}

//! The operations of [`AdminRoutes`](crate::AdminRoutes).

use utoipa::openapi::{
    Paths, PathsBuilder, Required, ResponseBuilder,
    path::{HttpMethod, Operation, OperationBuilder, ParameterBuilder, PathItem},
    security::SecurityRequirement,
};

use super::{
    ADMIN, ADMINISTRATION,
    answers::{body, done, in_path, json, operation, page, problem},
    operations::list_parameters,
    shapes,
};

pub(super) fn paths(prefix: &str) -> Paths {
    let path = |path: &str| format!("{prefix}{path}");
    let mut sessions = PathItem::new(HttpMethod::Get, list_sessions());
    sessions.merge_operations(PathItem::new(HttpMethod::Delete, revoke_all()));
    PathsBuilder::new()
        .path(path("/users/{user}/sessions"), sessions)
        .path(path("/users/{user}/sessions/{id}"), PathItem::new(HttpMethod::Delete, revoke()))
        .path(path("/sessions/revoke"), PathItem::new(HttpMethod::Post, revoke_matching()))
        .build()
}

fn list_sessions() -> Operation {
    let operation =
        of_administrator("listUserSessions", "Lists a user's sessions", "By newest activity, page by page.")
            .parameter(user());
    list_parameters()
        .into_iter()
        .fold(operation, |operation, parameter| operation.parameter(parameter))
        .response("200", page("A page of the user's sessions.", "DeviceSession"))
        .build()
}

fn revoke_all() -> Operation {
    of_administrator("revokeUserSessions", "Signs a user out everywhere", "Ends all of the user's sessions.")
        .parameter(user())
        .response("200", json("How many sessions were active.", "DeviceSessionRevoked"))
        .build()
}

fn revoke() -> Operation {
    of_administrator("revokeUserSession", "Signs one device of a user out", "Ends one of the user's sessions.")
        .parameter(user())
        .parameter(in_path("id", "The session's id, as the list shows it.", shapes::uuid()))
        .response("204", done("The session has ended, now or before."))
        .response("404", problem("The user has no such session."))
        .build()
}

fn revoke_matching() -> Operation {
    let description = "Counts the active sessions of all users that meet every condition, and ends them when dryRun is false. One request \
                       looks at about 10,000 sessions; next is the cursor for the rest.";
    of_administrator("revokeMatchingSessions", "Signs out whatever matches", description)
        .request_body(Some(body("DeviceSessionMatch", "At least one condition.", Required::True)))
        .response("200", json("How many there were.", "DeviceSessionSweep"))
        .build()
}

/// The guard in front is the application's: it chooses its own responses.
fn of_administrator(id: &str, summary: &str, description: &str) -> OperationBuilder {
    operation(id, ADMINISTRATION, summary, description)
        .security(SecurityRequirement::new(ADMIN, [""; 0]))
        .response("401", ResponseBuilder::new().description("The application's guard does not know who asks."))
        .response("403", ResponseBuilder::new().description("The application's guard does not let them."))
}

fn user() -> ParameterBuilder {
    in_path("user", "The user's id: 1 to 128 bytes without control characters.", shapes::user_id())
}

//! The endpoints as an OpenAPI document.
//!
//! It says what the server does, no less and no more: tests compare it with the router and with answers, and
//! `schemathesis` with requests that nobody has thought of.

mod schemas;

use utoipa::openapi::{
    Components, ComponentsBuilder, Content, Header, Info, OpenApi, OpenApiBuilder, Paths, PathsBuilder, Ref, RefOr,
    Required, Response, ResponseBuilder, Schema,
    path::{HttpMethod, Operation, OperationBuilder, ParameterBuilder, ParameterIn, PathItem},
    request_body::{RequestBody, RequestBodyBuilder},
    security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
};

use crate::{manager::ListOptions, routes::SessionRoutes};

impl SessionRoutes {
    /// The document of the endpoints under `prefix`, which is where the router is nested: `/api`, or nothing.
    ///
    /// Requests are secured by the scheme `sessionToken`. Names of schemas begin with `DeviceSession`, so that an
    /// application can merge the document into its own.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_device_sessions::SessionRoutes;
    /// use utoipa::openapi::{Info, OpenApiBuilder};
    ///
    /// let mut document = OpenApiBuilder::new().info(Info::new("Our API", "1")).build();
    /// document.merge(SessionRoutes::openapi("/api"));
    /// assert!(document.paths.get_path_item("/api/sessions/{id}").is_some());
    /// ```
    pub fn openapi(prefix: &str) -> OpenApi {
        OpenApiBuilder::new()
            .info(Info::new("Device sessions", env!("CARGO_PKG_VERSION")))
            .paths(paths(prefix.trim_end_matches('/')))
            .components(Some(components()))
            .build()
    }
}

fn components() -> Components {
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some("The token that signing in has answered."))
        .build();
    let schemas = schemas::all();
    let builder = ComponentsBuilder::new().security_scheme(SECURITY, SecurityScheme::Http(bearer));
    schemas.into_iter().fold(builder, |builder, (name, schema)| builder.schema(name, schema)).build()
}

fn paths(prefix: &str) -> Paths {
    let path = |path: &str| format!("{prefix}{path}");
    let mut sessions = PathItem::new(HttpMethod::Get, list());
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

fn list() -> Operation {
    let link = Header::new(schemas::text(Some("Of the next page, with rel=\"next\". Absent on the last one.")));
    let page = ResponseBuilder::new()
        .description("A page of the user's sessions: the current one first, then by newest activity.")
        .content("application/json", Content::new(Some(schemas::array_of("DeviceSession"))))
        .header("Link", link)
        .build();
    operation("listSessions", "Lists the user's sessions.")
        .parameter(query("limit", "How many sessions there are on a page.", schemas::limit(ListOptions::MAX_LIMIT)))
        .parameter(query("cursor", "Where the page before has ended.", schemas::cursor()))
        .parameter(query("state", "Which sessions are listed.", schemas::one_of(&["active", "ended", "all"])))
        .response("200", page)
        .build()
}

fn current() -> Operation {
    let response = json("The session of this request.", "DeviceSessionCurrent");
    operation("currentSession", "Shows the current session.").response("200", response).build()
}

fn revoke() -> Operation {
    operation("revokeSession", "Signs one device out.")
        .parameter(id("The session's id, as the list shows it."))
        .response("204", Response::new("The session has ended, now or before."))
        .response("404", problem("The user has no such session."))
        .build()
}

fn rename() -> Operation {
    operation("renameDevice", "Names the device of a session.")
        .parameter(id("The session's id, as the list shows it."))
        .request_body(Some(body("DeviceSessionRename")))
        .response("200", json("The session, with its new name.", "DeviceSession"))
        .response("404", problem("The user has no such session."))
        .build()
}

fn revoke_others() -> Operation {
    let response = json("How many sessions were active.", "DeviceSessionRevoked");
    operation("revokeOtherSessions", "Signs all other devices out.").response("200", response).build()
}

fn revoke_all() -> Operation {
    let response = json("How many sessions were active, the current one included.", "DeviceSessionRevoked");
    operation("revokeAllSessions", "Signs all devices out.").response("200", response).build()
}

fn logout() -> Operation {
    let scope = schemas::one_of(&["local", "others", "global"]);
    operation("logOut", "Signs out.")
        .parameter(query("scope", "Which devices: this one, the others, or all. Default: this one.", scope))
        .response("204", Response::new("They are signed out."))
        .build()
}

fn list_devices() -> Operation {
    let devices = Content::new(Some(schemas::array_of("DeviceSessionKnownDevice")));
    let response = ResponseBuilder::new()
        .description("The devices on which the user has signed in, the newest first.")
        .content("application/json", devices)
        .build();
    operation("listDevices", "Lists the user's devices.").response("200", response).build()
}

fn change_device() -> Operation {
    operation("changeDevice", "Names a device, or trusts it.")
        .parameter(id("The device's id, as the list shows it."))
        .request_body(Some(body("DeviceSessionDeviceChange")))
        .response("200", json("The device, as it is now.", "DeviceSessionKnownDevice"))
        .response("404", problem("The user has no such device."))
        .build()
}

fn forget_device() -> Operation {
    operation("forgetDevice", "Signs a device out and forgets it.")
        .parameter(id("The device's id, as the list shows it."))
        .response("204", Response::new("The device is forgotten, and its sessions have ended."))
        .response("404", problem("The user has no such device."))
        .build()
}

fn refresh() -> Operation {
    let operation = OperationBuilder::new()
        .description(Some("Only where the application has switched refresh tokens on. Where tokens travel in cookies, so does this one."))
        .request_body(Some(body("DeviceSessionRefresh")))
        .response("200", json("The next tokens.", "DeviceSessionTokens"));
    answers(operation, "refreshTokens", "Exchanges a refresh token for the next tokens.").build()
}

/// An operation with the answers that all of them may give.
fn operation(id: &str, summary: &str) -> OperationBuilder {
    answers(OperationBuilder::new().security(SecurityRequirement::new(SECURITY, [""; 0])), id, summary)
}

fn answers(operation: OperationBuilder, id: &str, summary: &str) -> OperationBuilder {
    operation
        .operation_id(Some(id))
        .summary(Some(summary))
        .tag("sessions")
        .response("400", problem("The request cannot be read, or carries several credentials."))
        .response("401", problem("There is no session, or it has ended, or the user has to authenticate again. With the code token_expired only the access token has run out: refresh it."))
        .response("403", problem("The request may be forged, or is not allowed to this session."))
        .response("503", problem("The store does not answer. Try again after a moment."))
}

fn query(name: &str, description: &str, schema: impl Into<RefOr<Schema>>) -> ParameterBuilder {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(schema))
}

fn id(description: &str) -> ParameterBuilder {
    ParameterBuilder::new()
        .name("id")
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some(description))
        .schema(Some(schemas::uuid()))
}

fn body(schema: &str) -> RequestBody {
    let content = Content::new(Some(Ref::from_schema_name(schema)));
    RequestBodyBuilder::new().content("application/json", content).required(Some(Required::True)).build()
}

fn json(description: &str, schema: &str) -> Response {
    let content = Content::new(Some(Ref::from_schema_name(schema)));
    ResponseBuilder::new().description(description).content("application/json", content).build()
}

fn problem(description: &str) -> Response {
    let content = Content::new(Some(Ref::from_schema_name("DeviceSessionProblem")));
    ResponseBuilder::new().description(description).content("application/problem+json", content).build()
}

const SECURITY: &str = "sessionToken";

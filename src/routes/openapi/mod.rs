//! The endpoints as an OpenAPI document.
//!
//! It says exactly what the server does: tests compare it with the router and with responses, `schemathesis` sends
//! unusual requests, and generated clients walk through a sign-in and a sign-out.

mod admin;
mod answers;
mod operations;
mod problems;
mod schemas;
mod shapes;

use utoipa::openapi::{
    ComponentsBuilder, Contact, Info, InfoBuilder, License, OpenApi, OpenApiBuilder, Paths, RefOr, Schema, Server,
    security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    tag::{Tag, TagBuilder},
};

use crate::routes::{AdminRoutes, SessionRoutes};

impl SessionRoutes {
    /// The document of the endpoints under `prefix`, which is where the router is nested: `/api`, or nothing.
    ///
    /// It describes each transport: a request is secured by the scheme `sessionToken` or `sessionCookie`, and what is
    /// only in bodies where tokens travel in bodies is optional. The cookie has its default name. The names of schemas
    /// begin with `DeviceSession`, so that an application can merge the document into its own.
    ///
    /// Applications on another version of `utoipa` take [`openapi_json`](Self::openapi_json).
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
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some(
                "The access token that signing in has returned, where tokens travel in the Authorization field.",
            ))
            .build();
        let cookie = ApiKeyValue::with_description(
            "__Host-session",
            "The session's cookie, where tokens travel in cookies; the application may have given it another name. \
             A request that changes something says where it comes from, by Sec-Fetch-Site or Origin, as browsers do.",
        );
        let schemes = [(TOKEN, SecurityScheme::Http(bearer)), (COOKIE, SecurityScheme::ApiKey(ApiKey::Cookie(cookie)))];
        let info = info("Device sessions", "Where a user is signed in, and how to sign any device out.");
        let tags = [
            tag(SESSIONS, "Where the user is signed in, and signing out."),
            tag(DEVICES, "The devices on which the user has signed in."),
        ];
        document(info, &tags, schemes, schemas::of_users(), operations::paths(prefix.trim_end_matches('/')))
    }

    /// [`openapi`](Self::openapi) as JSON, for applications on another version of `utoipa`, or on none.
    ///
    /// # Examples
    ///
    /// ```
    /// let document = tower_device_sessions::SessionRoutes::openapi_json("/api");
    /// assert_eq!(document["openapi"], "3.1.0");
    /// ```
    pub fn openapi_json(prefix: &str) -> serde_json::Value {
        as_json(&Self::openapi(prefix))
    }
}

impl AdminRoutes {
    /// The document of the endpoints under `prefix`, which is where the router is nested: `/admin`, or nothing.
    ///
    /// Requests are secured by the scheme `sessionAdmin`, a bearer token: it stands for the guard in front, which is
    /// the application's own. If it works differently, put its own scheme under that name before merging the document.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_device_sessions::{AdminRoutes, SessionRoutes};
    ///
    /// let document = SessionRoutes::openapi("/api").merge_from(AdminRoutes::openapi("/admin"));
    /// assert!(document.paths.get_path_item("/admin/sessions/revoke").is_some());
    /// ```
    pub fn openapi(prefix: &str) -> OpenApi {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("Whatever the application's guard in front of these routes asks for."))
            .build();
        let info =
            info("Administration of device sessions", "The sessions of any user, and what to do in an emergency.");
        let tags = [tag(ADMINISTRATION, "The sessions of any user, for administrators.")];
        let schemes = [(ADMIN, SecurityScheme::Http(bearer))];
        document(info, &tags, schemes, schemas::of_administrators(), admin::paths(prefix.trim_end_matches('/')))
    }

    /// [`openapi`](Self::openapi) as JSON, for applications on another version of `utoipa`, or on none.
    pub fn openapi_json(prefix: &str) -> serde_json::Value {
        as_json(&Self::openapi(prefix))
    }
}

fn document<const N: usize>(
    info: Info,
    tags: &[Tag],
    schemes: [(&str, SecurityScheme); N],
    schemas: Vec<(&'static str, RefOr<Schema>)>,
    paths: Paths,
) -> OpenApi {
    let components = schemas.into_iter().fold(ComponentsBuilder::new(), |all, (name, schema)| all.schema(name, schema));
    let components = schemes.into_iter().fold(components, |all, (name, scheme)| all.security_scheme(name, scheme));
    OpenApiBuilder::new()
        .info(info)
        .servers(Some([Server::new("/")]))
        .paths(paths)
        .components(Some(components.build()))
        .tags(Some(tags.to_vec()))
        .build()
}

fn info(title: &str, description: &str) -> Info {
    let mut contact = Contact::new();
    contact.name = Some("tower-device-sessions".to_owned());
    contact.url = Some("https://docs.rs/tower-device-sessions".to_owned());
    let mut license = License::new("MIT OR Apache-2.0");
    license.identifier = Some("MIT OR Apache-2.0".to_owned());
    InfoBuilder::new()
        .title(title)
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(description))
        .contact(Some(contact))
        .license(Some(license))
        .build()
}

fn tag(name: &str, description: &str) -> Tag {
    TagBuilder::new().name(name).description(Some(description)).build()
}

/// A document is made of texts and numbers; it cannot fail to be JSON.
fn as_json(document: &OpenApi) -> serde_json::Value {
    serde_json::to_value(document).unwrap_or_default()
}

/// Either of the two ways in which a session's token travels.
fn by_session() -> [SecurityRequirement; 2] {
    [TOKEN, COOKIE].map(|scheme| SecurityRequirement::new(scheme, [""; 0]))
}

const TOKEN: &str = "sessionToken";
const COOKIE: &str = "sessionCookie";
const ADMIN: &str = "sessionAdmin";

const SESSIONS: &str = "device-sessions";
const DEVICES: &str = "known-devices";
const ADMINISTRATION: &str = "device-sessions-administration";

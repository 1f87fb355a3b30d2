//! An application that serves the OpenAPI document of its routes, those of this crate among them.
//!
//! ```text
//! cargo run --example openapi --features openapi
//! curl localhost:3000/openapi.json
//! ```
//!
//! With `ADMIN_TOKEN` in the environment the routes for administrators take that bearer token.

use std::{env, error::Error, net::SocketAddr};

use axum::{
    Json, Router,
    extract::{Query, Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::Response,
    routing::{get, post},
};
use serde::Deserialize;
use tower_device_sessions::{
    AdminRoutes, ClientInfo, KeyRing, SessionLayer, SessionManager, SessionRoutes, StartedSession,
    manager::RefreshPolicy, routes::AdminName, store::MemoryStore,
};
use utoipa::openapi::{
    Contact, Content, InfoBuilder, License, ObjectBuilder, OpenApi, OpenApiBuilder, PathsBuilder, Ref, Required,
    ResponseBuilder, Type,
    path::{HttpMethod, Operation, OperationBuilder, ParameterBuilder, ParameterIn, PathItem},
    security::SecurityRequirement,
    tag::TagBuilder,
};
use uuid::Uuid;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // No token outlives this process: an application keeps its secret.
    let secret = format!("{}{}", Uuid::new_v4(), Uuid::new_v4());
    let sessions = SessionManager::builder(MemoryStore::new())
        .keys(KeyRing::hs256(secret)?)
        .refresh(RefreshPolicy::new())
        .build()?;

    let app = Router::new()
        .route("/openapi.json", get(async || Json(document())))
        .route("/login", post(login))
        .nest("/api", SessionRoutes::new(&sessions).into_router())
        .layer(SessionLayer::new(&sessions))
        // Outside of the layer: their token is no session's.
        .nest("/admin", AdminRoutes::new(&sessions).into_router().layer(middleware::from_fn(guard)))
        .with_state(sessions);

    let address = env::var("ADDR").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    eprintln!("openapi: listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}

/// The application's own document, with ours merged into it.
fn document() -> OpenApi {
    let mut contact = Contact::new();
    contact.url = Some("https://example.com/support".to_owned());
    let mut license = License::new("MIT OR Apache-2.0");
    license.identifier = Some("MIT OR Apache-2.0".to_owned());
    let info = InfoBuilder::new()
        .title("An application with sessions")
        .version("1")
        .description(Some("One operation of its own, and those of the crate."))
        .contact(Some(contact))
        .license(Some(license));
    let tag = TagBuilder::new().name("sign-in").description(Some("The application's own part."));
    let own = OpenApiBuilder::new()
        .info(info)
        .tags(Some([tag.build()]))
        .paths(PathsBuilder::new().path("/login", PathItem::new(HttpMethod::Post, sign_in())))
        .build();
    own.merge_from(SessionRoutes::openapi("/api")).merge_from(AdminRoutes::openapi("/admin"))
}

/// What a sign-in returns is described by the crate.
fn sign_in() -> Operation {
    let user = ParameterBuilder::new()
        .name("user")
        .parameter_in(ParameterIn::Query)
        .required(Required::True)
        .description(Some("Who is there."))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[a-z]{1,20}$"))));
    let tokens = Content::new(Some(Ref::from_schema_name("DeviceSessionTokens")));
    let problem = Content::new(Some(Ref::from_schema_name("DeviceSessionProblem")));
    OperationBuilder::new()
        .operation_id(Some("signIn"))
        .tag("sign-in")
        .summary(Some("Signs in"))
        .description(Some("Signs anybody in who says who they are."))
        .security(SecurityRequirement::default())
        .parameter(user)
        .response("200", ResponseBuilder::new().description("The tokens.").content("application/json", tokens))
        .response("400", ResponseBuilder::new().description("Nobody has said who is there."))
        .response("503", ResponseBuilder::new().description("Later.").content("application/problem+json", problem))
        .build()
}

/// Accepts anyone who has the administrators' token.
async fn guard(mut request: Request, next: Next) -> Result<Response, StatusCode> {
    let expected = env::var("ADMIN_TOKEN").map(|token| format!("Bearer {token}")).map_err(|_| StatusCode::FORBIDDEN)?;
    let sent = request.headers().get(header::AUTHORIZATION);
    if sent.is_none_or(|sent| sent.as_bytes() != expected.as_bytes()) {
        return Err(StatusCode::UNAUTHORIZED);
    }
    request.extensions_mut().insert(AdminName::new("administrator"));
    Ok(next.run(request).await)
}

#[derive(Deserialize)]
struct Login {
    user: String,
}

/// Signs in anyone who gives a name. An application checks more.
async fn login(
    State(sessions): State<SessionManager>,
    client: ClientInfo,
    Query(Login { user }): Query<Login>,
) -> Result<StartedSession, tower_device_sessions::Error> {
    sessions.start(user, client).await
}

//! The requests and responses of operations.

use utoipa::openapi::{
    Content, Header, HeaderBuilder, Ref, RefOr, Required, ResponseBuilder, Schema,
    path::{OperationBuilder, ParameterBuilder, ParameterIn},
    request_body::{RequestBody, RequestBodyBuilder},
};

use super::shapes;

/// An operation with the responses that all of them share.
pub(super) fn operation(id: &str, tag: &str, summary: &str, description: &str) -> OperationBuilder {
    OperationBuilder::new()
        .operation_id(Some(id))
        .tag(tag)
        .summary(Some(summary))
        .description(Some(description))
        .response("400", unreadable())
        .response("503", unavailable())
}

/// The same for an operation that asks who is there.
pub(super) fn of_session(id: &str, tag: &str, summary: &str, description: &str) -> OperationBuilder {
    operation(id, tag, summary, description)
        .securities(Some(super::by_session()))
        .response("401", unauthorized())
        .response("403", problem("The request may be forged, or is not allowed to this session."))
}

fn unreadable() -> ResponseBuilder {
    problem("The request cannot be read, or carries several credentials.")
        .header("WWW-Authenticate", header("That the credential cannot be read, if that is what is wrong (RFC 6750)."))
}

pub(super) fn unauthorized() -> ResponseBuilder {
    let challenge =
        header("What is wrong with the credential (RFC 6750), or which authentication is asked for (RFC 9470).");
    problem(
        "There is no session, or it has ended, or the user has to authenticate again. With the code token_expired only \
         the access token has run out, and can be refreshed.",
    )
    .header("WWW-Authenticate", challenge)
}

fn unavailable() -> ResponseBuilder {
    let seconds = HeaderBuilder::new().schema(Some(shapes::number())).description(Some("In so many seconds."));
    problem("The store does not answer. Try again after a moment; the session is as good as ever.")
        .header("Retry-After", seconds.build())
}

pub(super) fn problem(description: &str) -> ResponseBuilder {
    answer(description).content("application/problem+json", content("DeviceSessionProblem"))
}

pub(super) fn json(description: &str, schema: &str) -> ResponseBuilder {
    answer(description).content("application/json", content(schema))
}

pub(super) fn list(description: &str, schema: &str) -> ResponseBuilder {
    answer(description).content("application/json", Content::new(Some(shapes::array_of(schema))))
}

/// A page of a list that goes on.
pub(super) fn page(description: &str, schema: &str) -> ResponseBuilder {
    let link = header("The next page, with rel=\"next\", relative to this one. Absent on the last one.");
    list(description, schema).header("Link", link)
}

/// 204.
pub(super) fn done(description: &str) -> ResponseBuilder {
    answer(description)
}

/// What the answer has as well when it has ended the current session.
pub(super) fn signing_out(answer: ResponseBuilder) -> ResponseBuilder {
    answer
        .header("Set-Cookie", header("Clears the session's cookies, where the session has ended and travels in one."))
        .header("Clear-Site-Data", header("If the application has asked for it."))
}

/// What the answer has as well when it issues tokens.
pub(super) fn signing_in(answer: ResponseBuilder) -> ResponseBuilder {
    answer.header("Set-Cookie", header("The next tokens, where tokens travel in cookies."))
}

/// Nothing here may be kept by a cache.
fn answer(description: &str) -> ResponseBuilder {
    let uncached = HeaderBuilder::new().schema(Some(shapes::one_of(&["no-store"]))).build();
    ResponseBuilder::new().description(description).header("Cache-Control", uncached)
}

fn header(description: &str) -> Header {
    HeaderBuilder::new().schema(Some(shapes::text(None))).description(Some(description)).build()
}

fn content(schema: &str) -> Content {
    Content::new(Some(Ref::from_schema_name(schema)))
}

pub(super) fn body(schema: &str, description: &str, required: Required) -> RequestBody {
    RequestBodyBuilder::new()
        .description(Some(description))
        .content("application/json", content(schema))
        .required(Some(required))
        .build()
}

pub(super) fn query(name: &str, description: &str, schema: impl Into<RefOr<Schema>>) -> ParameterBuilder {
    parameter(name, description, schema).parameter_in(ParameterIn::Query).required(Required::False)
}

pub(super) fn in_path(name: &str, description: &str, schema: impl Into<RefOr<Schema>>) -> ParameterBuilder {
    parameter(name, description, schema).parameter_in(ParameterIn::Path).required(Required::True)
}

fn parameter(name: &str, description: &str, schema: impl Into<RefOr<Schema>>) -> ParameterBuilder {
    ParameterBuilder::new().name(name).description(Some(description)).schema(Some(schema))
}

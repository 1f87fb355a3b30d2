//! What went wrong, and the list of names for it.

use utoipa::openapi::{ObjectBuilder, Ref, Type};

use super::shapes::{number, object, text};
use crate::session::EndReason;

pub(super) fn problem() -> ObjectBuilder {
    object([
        ("type", text(None).into()),
        ("title", text(None).into()),
        ("status", number().into()),
        ("code", Ref::from_schema_name("DeviceSessionProblemCode").into()),
        ("error", text(Some("What happened, for people.")).into()),
    ])
    .property("reason", Ref::from_schema_name("DeviceSessionEndReason"))
    .property("maxAge", max_age())
    .property(
        "acrValues",
        text(Some("With reauthentication_required: the assurance level that is asked for (RFC 9470).")),
    )
    .description(Some("Problem details (RFC 9457)."))
}

fn max_age() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)).description(Some(
        "With reauthentication_required: how long ago the user may have authenticated at most, in seconds (RFC 9470).",
    ))
}

/// The reason why a session has ended.
pub(super) fn end_reason() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some("Why a session has ended."))
        .enum_values(Some(EndReason::ALL.iter().map(|reason| reason.as_str())))
}

/// The list of codes.
pub(super) fn code() -> ObjectBuilder {
    let meanings: String = CODES.iter().map(|(code, meaning)| format!("\n- `{code}`: {meaning}")).collect();
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(format!(
            "The stable name of a problem, for programs. A newer server may have more of them.\n{meanings}"
        )))
        .enum_values(Some(CODES.iter().map(|(code, _)| *code)))
}

/// Every code that a problem of this crate has. `tests/it/http/openapi.rs` looks for others in the source.
const CODES: [(&str, &str); 26] = [
    ("invalid_request", "several credentials, or a malformed one"),
    ("invalid_query", "a parameter cannot be read"),
    ("invalid_body", "the body cannot be read"),
    ("invalid_device_name", "no name that a device can have"),
    ("invalid_user_id", "no id that a user can have"),
    ("credentials_missing", "not signed in"),
    ("token_invalid", "no token of the application, or of no session that is known"),
    ("token_expired", "the access token has run out, and the session has not: refresh it"),
    ("session_expired", "the session has reached its end"),
    ("session_idle", "the session has rested for too long"),
    ("session_revoked", "the session was ended on purpose; the reason says by whom"),
    ("session_evicted", "the session has made room for newer ones"),
    ("session_replaced", "the session has made room for a newer one on the same device"),
    ("credentials_changed", "the password, or another credential, was changed"),
    ("refresh_reused", "a refresh token was used twice"),
    ("reauthentication_required", "signed in, and to be asked again who it is"),
    ("csrf_denied", "another site has caused the request, or may have"),
    ("trust_refused", "only the device itself can be trusted, after a second factor"),
    ("session_not_found", "the user has no such session"),
    ("device_not_found", "the user has no such device"),
    ("too_many_sessions", "a sign-in was refused because of a limit"),
    ("clocks_disagree", "the token was issued in the future, as this node's clock has it; try again"),
    ("store_unavailable", "the store does not answer; try again after a moment"),
    ("internal", "something went wrong in the server"),
    ("session_layer_missing", "a mistake of the application's developers"),
    ("admin_guard_missing", "a mistake of the application's developers"),
];

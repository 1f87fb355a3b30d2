use serde_json::Value;
use utoipa::openapi::{
    AllOfBuilder, Array, ArrayBuilder, KnownFormat, Object, ObjectBuilder, Ref, RefOr, Schema, SchemaFormat, Type,
    schema::{AnyOfBuilder, SchemaType},
};

use crate::{device::DeviceKind, session::EndReason};

/// The named schemas.
pub(super) fn all() -> Vec<(&'static str, RefOr<Schema>)> {
    vec![
        ("DeviceSession", session().into()),
        ("DeviceSessionCurrent", current()),
        ("DeviceSessionDevice", device().into()),
        ("DeviceSessionDeviceChange", device_change()),
        ("DeviceSessionKnownDevice", known_device().into()),
        ("DeviceSessionLocation", location().into()),
        ("DeviceSessionProblem", problem().into()),
        ("DeviceSessionRefresh", refresh().into()),
        ("DeviceSessionRename", rename().into()),
        ("DeviceSessionRevoked", revoked().into()),
        ("DeviceSessionTokens", tokens().into()),
    ]
}

fn session() -> ObjectBuilder {
    let reasons = EndReason::ALL.map(|reason| Value::from(reason.as_str()));
    let end_reason = nullable(Type::String)
        .description(Some("Why it has ended."))
        .enum_values(Some(reasons.into_iter().chain([Value::Null])));
    object([
        ("id", uuid().into()),
        ("deviceName", text(Some("What the device is called, for people to recognise it.")).into()),
        ("device", Ref::from_schema_name("DeviceSessionDevice").into()),
        ("ipAddress", nullable(Type::String).description(Some("The newest address that is known.")).into()),
        ("location", or_null("DeviceSessionLocation")),
        ("createdAt", time(Some("When the user signed in.")).into()),
        ("lastActivityAt", time(Some("The newest activity on record.")).into()),
        ("expiresAt", time(Some("When it ends at the latest.")).into()),
        ("isCurrent", flag().description(Some("Whether it is the session of this request.")).into()),
        ("state", one_of(&["active", "ended"]).into()),
        ("endedAt", nullable(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))).into()),
        ("endReason", end_reason.into()),
    ])
}

fn current() -> RefOr<Schema> {
    let more = object([
        ("idleExpiresAt", time(Some("When it ends if nothing happens until then.")).into()),
        ("freshUntil", time(Some("Until when the user has not to authenticate again.")).into()),
    ]);
    AllOfBuilder::new().item(Ref::from_schema_name("DeviceSession")).item(more).into()
}

fn device() -> ObjectBuilder {
    let kinds: Vec<&str> = DeviceKind::ALL.iter().map(|kind| kind.as_str()).collect();
    object([
        ("kind", one_of(&kinds).into()),
        ("browser", nullable(Type::String).into()),
        ("browserVersion", nullable(Type::String).into()),
        ("os", nullable(Type::String).into()),
        ("osVersion", nullable(Type::String).into()),
        ("model", nullable(Type::String).into()),
        ("customName", nullable(Type::String).description(Some("The name that the user has given it.")).into()),
    ])
}

fn location() -> ObjectBuilder {
    object([
        ("city", nullable(Type::String).into()),
        ("region", nullable(Type::String).into()),
        ("countryCode", nullable(Type::String).description(Some("By ISO 3166-1, two letters.")).into()),
    ])
    .description(Some("Where the sign-in came from, approximately."))
}

fn problem() -> ObjectBuilder {
    let status = ObjectBuilder::new().schema_type(Type::Integer);
    object([
        ("type", text(None).into()),
        ("title", text(None).into()),
        ("status", status.into()),
        ("code", text(Some("The stable name of the problem, for programs: token_expired when the access token has run out, session_expired when the session has.")).into()),
        ("error", text(Some("What happened, for people.")).into()),
    ])
    .property("reason", text(Some("Why the session has ended.")))
    .description(Some("Problem details (RFC 9457)."))
}

fn known_device() -> ObjectBuilder {
    let until = nullable(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)));
    object([
        ("id", uuid().into()),
        ("deviceName", text(Some("What the device is called, for people to recognise it.")).into()),
        ("device", Ref::from_schema_name("DeviceSessionDevice").into()),
        ("firstSeenAt", time(Some("The first sign-in on it.")).into()),
        ("lastSeenAt", time(Some("The newest sign-in on it.")).into()),
        ("trustedUntil", until.description(Some("Until when the second factor may be skipped on it.")).into()),
        ("isCurrent", flag().description(Some("Whether the session of this request is on it.")).into()),
    ])
}

/// At least one of the two.
fn device_change() -> RefOr<Schema> {
    let trusted = || flag().description(Some("Whether the second factor may be skipped on it."));
    let named = object([("deviceName", device_name().into())]).property("trusted", trusted());
    let trusting = object([("trusted", trusted().into())]).property("deviceName", device_name());
    AnyOfBuilder::new().item(named).item(trusting).into()
}

fn rename() -> ObjectBuilder {
    object([("deviceName", device_name().into())])
}

fn device_name() -> ObjectBuilder {
    nullable(Type::String)
        .description(Some("1 to 80 visible characters, not counting the space around them; null takes the name away."))
        .pattern(Some(name_pattern()))
}

fn refresh() -> ObjectBuilder {
    object([("refreshToken", text(Some("The newest refresh token.")).into())])
}

fn tokens() -> ObjectBuilder {
    object([
        ("token", text(Some("The access token.")).into()),
        ("refreshToken", text(Some("The next refresh token, in place of the one that was sent.")).into()),
        ("tokenType", one_of(&["Bearer"]).into()),
        ("sessionId", uuid().into()),
        ("expiresAt", time(Some("When the access token expires.")).into()),
    ])
}

fn revoked() -> ObjectBuilder {
    object([("revoked", ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)).into())])
}

pub(super) fn uuid() -> Object {
    let format = SchemaFormat::Custom("uuid".to_owned());
    ObjectBuilder::new().schema_type(Type::String).format(Some(format)).build()
}

pub(super) fn text(description: Option<&str>) -> Object {
    ObjectBuilder::new().schema_type(Type::String).description(description).build()
}

pub(super) fn one_of(names: &[&str]) -> Object {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names.iter().copied())).build()
}

pub(super) fn array_of(name: &str) -> Array {
    ArrayBuilder::new().items(Ref::from_schema_name(name)).build()
}

pub(super) fn limit(most: u32) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1))
        .maximum(Some(most))
        .default(Some(Value::from(50)))
        .build()
}

pub(super) fn cursor() -> Object {
    ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[A-Za-z0-9_-]{32}$")).build()
}

fn time(description: Option<&str>) -> Object {
    let format = SchemaFormat::KnownFormat(KnownFormat::DateTime);
    ObjectBuilder::new().schema_type(Type::String).format(Some(format)).description(description).build()
}

fn flag() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Boolean)
}

fn nullable(kind: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::from_iter([kind, Type::Null]))
}

fn or_null(name: &str) -> RefOr<Schema> {
    let null = ObjectBuilder::new().schema_type(Type::Null);
    AnyOfBuilder::new().item(Ref::from_schema_name(name)).item(null).into()
}

/// An object that always has all of these properties.
fn object<const N: usize>(properties: [(&str, RefOr<Schema>); N]) -> ObjectBuilder {
    properties.into_iter().fold(ObjectBuilder::new().schema_type(Type::Object), |object, (name, schema)| {
        object.property(name, schema).required(name)
    })
}

/// What `DeviceName` accepts, as a pattern: the two say the same of white space and of characters that cannot be seen.
fn name_pattern() -> String {
    const SPACE: &str = r"\u0009-\u000d \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000";
    const HARMFUL: &str = concat!(
        r"\u0000-\u001f\u007f-\u009f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb",
        "\u{E0000}-\u{E007F}"
    );
    const JOINERS: &str = r"\u200c\u200d";
    format!("^[{SPACE}]*[^{SPACE}{HARMFUL}{JOINERS}]([^{HARMFUL}]{{0,78}}[^{SPACE}{HARMFUL}])?[{SPACE}]*$")
}

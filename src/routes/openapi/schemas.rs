//! The named schemas, and what they are made of.

use serde_json::Value;
use utoipa::openapi::{
    AllOfBuilder, Array, ArrayBuilder, KnownFormat, Object, ObjectBuilder, Ref, RefOr, Schema, SchemaFormat, Type,
    schema::{AdditionalProperties, AnyOfBuilder, SchemaType},
};

use super::problems;
use crate::device::DeviceKind;

/// What users' operations refer to.
pub(super) fn of_users() -> Vec<(&'static str, RefOr<Schema>)> {
    let mut schemas = of_both();
    schemas.extend([
        ("DeviceSessionCurrent", current()),
        ("DeviceSessionDeviceChange", device_change()),
        ("DeviceSessionKnownDevice", known_device().into()),
        ("DeviceSessionRefresh", refresh().into()),
        ("DeviceSessionRename", rename().into()),
        ("DeviceSessionTokens", tokens().into()),
    ]);
    schemas
}

/// What administrators' operations refer to.
pub(super) fn of_administrators() -> Vec<(&'static str, RefOr<Schema>)> {
    let mut schemas = of_both();
    schemas.extend([("DeviceSessionMatch", matching()), ("DeviceSessionSweep", sweep().into())]);
    schemas
}

fn of_both() -> Vec<(&'static str, RefOr<Schema>)> {
    vec![
        ("DeviceSession", session().into()),
        ("DeviceSessionDevice", device().into()),
        ("DeviceSessionDeviceKind", device_kind().into()),
        ("DeviceSessionEndReason", problems::end_reason().into()),
        ("DeviceSessionLocation", location().into()),
        ("DeviceSessionProblem", problems::problem().into()),
        ("DeviceSessionProblemCode", problems::code().into()),
        ("DeviceSessionRevoked", revoked().into()),
    ]
}

fn session() -> ObjectBuilder {
    object([
        ("id", uuid().into()),
        ("deviceName", text(Some("What the device is called, for people to recognise it.")).into()),
        ("device", Ref::from_schema_name("DeviceSessionDevice").into()),
        ("ipAddress", nullable(Type::String).description(Some("The newest address that is known.")).into()),
        ("location", or_null("DeviceSessionLocation", "Where the sign-in came from, approximately.")),
        ("createdAt", time(Some("When the user signed in.")).into()),
        ("lastActivityAt", time(Some("The newest activity on record.")).into()),
        ("expiresAt", time(Some("When it ends at the latest.")).into()),
        ("isCurrent", flag().description(Some("Whether it is the session of this request.")).into()),
        ("state", one_of(&["active", "ended"]).into()),
        ("endedAt", time_or_null("When it has ended.").into()),
        ("endReason", or_null("DeviceSessionEndReason", "Why it has ended.")),
    ])
    .description(Some("One sign-in on one device."))
}

fn current() -> RefOr<Schema> {
    let more = object([
        ("idleExpiresAt", time(Some("When it ends if nothing happens until then.")).into()),
        ("freshUntil", time(Some("Until when the user has not to authenticate again.")).into()),
    ]);
    AllOfBuilder::new().item(Ref::from_schema_name("DeviceSession")).item(more).into()
}

fn device() -> ObjectBuilder {
    object([
        ("kind", Ref::from_schema_name("DeviceSessionDeviceKind").into()),
        ("browser", nullable(Type::String).into()),
        ("browserVersion", nullable(Type::String).into()),
        ("os", nullable(Type::String).into()),
        ("osVersion", nullable(Type::String).into()),
        ("model", nullable(Type::String).into()),
        ("customName", nullable(Type::String).description(Some("The name that the user has given it.")).into()),
    ])
    .description(Some("What is known of a device."))
}

fn device_kind() -> Object {
    let kinds: Vec<&str> = DeviceKind::ALL.iter().map(|kind| kind.as_str()).collect();
    one_of(&kinds)
}

fn location() -> ObjectBuilder {
    object([
        ("city", nullable(Type::String).into()),
        ("region", nullable(Type::String).into()),
        ("countryCode", nullable(Type::String).description(Some("By ISO 3166-1, two letters.")).into()),
    ])
    .description(Some("Where a sign-in came from, approximately."))
}

fn known_device() -> ObjectBuilder {
    object([
        ("id", uuid().into()),
        ("deviceName", text(Some("What the device is called, for people to recognise it.")).into()),
        ("device", Ref::from_schema_name("DeviceSessionDevice").into()),
        ("firstSeenAt", time(Some("The first sign-in on it.")).into()),
        ("lastSeenAt", time(Some("The newest sign-in on it.")).into()),
        ("trustedUntil", time_or_null("Until when the second factor may be skipped on it.").into()),
        ("isCurrent", flag().description(Some("Whether the session of this request is on it.")).into()),
    ])
    .property(
        "deviceToken",
        text(Some("What a client that has sent one is recognised as trusted by: the next to send.")),
    )
    .description(Some("A device on which the user has signed in."))
}

/// At least one of the two.
fn device_change() -> RefOr<Schema> {
    let trusted = || flag().description(Some("Whether the second factor may be skipped on it."));
    let token = || text(Some("The device's token, from clients that have no device cookie; needed to trust it."));
    let named = object([("deviceName", device_name().into())]);
    let named = named.property("trusted", trusted()).property("deviceToken", token());
    let trusting = object([("trusted", trusted().into())]);
    let trusting = trusting.property("deviceName", device_name()).property("deviceToken", token());
    AnyOfBuilder::new().item(named).item(trusting).description(Some("A name, whether it is trusted, or both.")).into()
}

fn rename() -> ObjectBuilder {
    object([("deviceName", device_name().into())]).description(Some("A name for a device."))
}

/// Which characters can be seen, no pattern says in a way that every language reads.
fn device_name() -> ObjectBuilder {
    nullable(Type::String)
        .description(Some(
            "1 to 80 characters that can be seen, on one line, not counting the space around them; null takes the name away.",
        ))
        .min_length(Some(1))
        .pattern(Some(r"\S"))
}

fn refresh() -> ObjectBuilder {
    object([("refreshToken", text(Some("The newest refresh token.")).into())])
        .description(Some("Where tokens travel in bodies. A cookie needs no body."))
}

/// What is in bodies only where tokens travel in bodies is optional.
fn tokens() -> ObjectBuilder {
    let next =
        "The next refresh token, in place of the one that was sent. Absent where it is a cookie, or there are none.";
    object([("sessionId", uuid().into()), ("expiresAt", time(Some("When the access token expires.")).into())])
        .property("token", text(Some("The access token. Absent where it is a cookie.")))
        .property("refreshToken", text(Some(next)))
        .property("tokenType", one_of(&["Bearer"]))
        .description(Some("What a sign-in and a renewal return."))
}

fn revoked() -> ObjectBuilder {
    object([("revoked", count().into())]).description(Some("How many sessions have ended by this."))
}

/// An object with at least one condition.
fn matching() -> RefOr<Schema> {
    const CONDITIONS: [&str; 5] = ["startedBefore", "addresses", "browser", "deviceKind", "method"];
    let one_is_there = CONDITIONS
        .into_iter()
        .fold(AnyOfBuilder::new(), |any, name| any.item(ObjectBuilder::new().schema_type(Type::Object).required(name)));
    let conditions = ObjectBuilder::new()
        .schema_type(Type::Object)
        .property("startedBefore", time(Some("Signed in before this moment.")))
        .property("addresses", text(Some("Last seen at this address, or in this range, such as 203.0.113.0/24.")))
        .property("browser", text(Some("The browser's name, such as Chrome.")))
        .property("deviceKind", Ref::from_schema_name("DeviceSessionDeviceKind"))
        .property("method", text(Some("An authentication method of the sign-in, such as pwd.")))
        .property("dryRun", flag().default(Some(Value::Bool(true))).description(Some("Whether they are only counted.")))
        .property("cursor", nullable(Type::String).description(Some("What the answer before has said is next.")))
        .additional_properties(Some(AdditionalProperties::FreeForm(false)));
    AllOfBuilder::new().item(conditions).item(one_is_there).description(Some("All conditions have to hold.")).into()
}

fn sweep() -> ObjectBuilder {
    object([
        ("dryRun", flag().into()),
        ("lookedAt", count().into()),
        ("matched", count().into()),
        ("revoked", count().into()),
        ("next", nullable(Type::String).description(Some("The cursor for the rest; null when that was all.")).into()),
    ])
    .description(Some("What one request has looked at, and what it has ended."))
}

pub(super) fn uuid() -> Object {
    ObjectBuilder::new().schema_type(Type::String).format(Some(SchemaFormat::Custom("uuid".to_owned()))).build()
}

pub(super) fn user_id() -> Object {
    ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).build()
}

pub(super) fn text(description: Option<&str>) -> Object {
    ObjectBuilder::new().schema_type(Type::String).description(description).build()
}

pub(super) fn number() -> Object {
    ObjectBuilder::new().schema_type(Type::Integer).build()
}

fn count() -> Object {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)).build()
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
    ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[A-Za-z0-9_-]{32,119}$")).build()
}

fn time(description: Option<&str>) -> Object {
    let format = SchemaFormat::KnownFormat(KnownFormat::DateTime);
    ObjectBuilder::new().schema_type(Type::String).format(Some(format)).description(description).build()
}

fn time_or_null(description: &str) -> ObjectBuilder {
    let format = SchemaFormat::KnownFormat(KnownFormat::DateTime);
    nullable(Type::String).format(Some(format)).description(Some(description))
}

fn flag() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Boolean)
}

fn nullable(kind: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::from_iter([kind, Type::Null]))
}

fn or_null(name: &str, description: &str) -> RefOr<Schema> {
    let null = ObjectBuilder::new().schema_type(Type::Null);
    AnyOfBuilder::new().item(Ref::from_schema_name(name)).item(null).description(Some(description)).into()
}

/// An object that always has all of these properties.
pub(super) fn object<const N: usize>(properties: [(&str, RefOr<Schema>); N]) -> ObjectBuilder {
    properties.into_iter().fold(ObjectBuilder::new().schema_type(Type::Object), |object, (name, schema)| {
        object.property(name, schema).required(name)
    })
}

//! The small shapes that schemas are made of.

use serde_json::Value;
use utoipa::openapi::{
    Array, ArrayBuilder, KnownFormat, Object, ObjectBuilder, Ref, RefOr, Schema, SchemaFormat, Type,
    schema::{AnyOfBuilder, SchemaType},
};

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

pub(super) fn count() -> Object {
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

/// A place, or a place and where the list began: 24, 88 or 89 bytes in base64, and the last begin with a 1.
pub(super) fn cursor() -> Object {
    ObjectBuilder::new().schema_type(Type::String).pattern(Some(CURSOR)).build()
}

const CURSOR: &str = "^([A-Za-z0-9_-]{32}|[A-Za-z0-9_-]{117}[AQgw]|A[Q-Za-f][A-Za-z0-9_-]{116}[AEIMQUYcgkosw048])$";

pub(super) fn time(description: Option<&str>) -> Object {
    let format = SchemaFormat::KnownFormat(KnownFormat::DateTime);
    ObjectBuilder::new().schema_type(Type::String).format(Some(format)).description(description).build()
}

pub(super) fn time_or_null(description: &str) -> ObjectBuilder {
    let format = SchemaFormat::KnownFormat(KnownFormat::DateTime);
    nullable(Type::String).format(Some(format)).description(Some(description))
}

pub(super) fn flag() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Boolean)
}

pub(super) fn nullable(kind: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::from_iter([kind, Type::Null]))
}

pub(super) fn or_null(name: &str, description: &str) -> RefOr<Schema> {
    let null = ObjectBuilder::new().schema_type(Type::Null);
    AnyOfBuilder::new().item(Ref::from_schema_name(name)).item(null).description(Some(description)).into()
}

/// An object that always has all of these properties.
pub(super) fn object<const N: usize>(properties: [(&str, RefOr<Schema>); N]) -> ObjectBuilder {
    properties.into_iter().fold(ObjectBuilder::new().schema_type(Type::Object), |object, (name, schema)| {
        object.property(name, schema).required(name)
    })
}

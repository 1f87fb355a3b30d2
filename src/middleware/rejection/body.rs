//! Response bodies that hold a text, for the types that are known.

use std::any::Any;

use bytes::Bytes;
use http_body_util::Full;

use crate::middleware::EndStreamsBody;

/// A body of type `B` that holds `bytes`, where `B` is a type that can.
///
/// The response's body type is the inner service's, and no trait of the field makes a body from bytes for all of them;
/// so the known ones are recognised by type, as `axum` and `tonic` do when they avoid boxing a body twice.
pub(super) fn body_with<B: Default + 'static>(bytes: Bytes) -> B {
    let mut body = B::default();
    let slot: &mut dyn Any = &mut body;

    if let Some(slot) = slot.downcast_mut::<String>() {
        *slot = String::from_utf8_lossy(&bytes).into_owned();
        return body;
    }
    if let Some(slot) = slot.downcast_mut::<Full<Bytes>>() {
        *slot = Full::new(bytes);
        return body;
    }
    if let Some(slot) = slot.downcast_mut::<EndStreamsBody<Full<Bytes>>>() {
        *slot = EndStreamsBody::unwatched(Full::new(bytes));
        return body;
    }
    #[cfg(feature = "axum")]
    if let Some(slot) = slot.downcast_mut::<axum_core::body::Body>() {
        *slot = axum_core::body::Body::from(bytes);
        return body;
    }
    #[cfg(feature = "axum")]
    if let Some(slot) = slot.downcast_mut::<EndStreamsBody<axum_core::body::Body>>() {
        *slot = EndStreamsBody::unwatched(axum_core::body::Body::from(bytes));
        return body;
    }
    if let Some(slot) = slot.downcast_mut::<Bytes>() {
        *slot = bytes;
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_reaches_the_bodies_that_can_hold_it() {
        assert_eq!(body_with::<String>("text".into()), "text");
        assert_eq!(body_with::<Bytes>("text".into()), "text");
        assert_eq!(body_with::<()>("text".into()), ());
    }
}

//! Responses to clients of Connect's own protocol, which only read bodies of its form.

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Uri, header};
use serde_json::{Value, json};

use crate::{
    middleware::{
        media_type::MediaType,
        rejection::{Problem, body::body_with, details},
    },
    policy::Denied,
    session::EndReason,
};

/// What kind of call a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Unary,
    Streaming,
}

/// The call that a request is, if it is one of this protocol.
pub(super) fn call(uri: &Uri, headers: &HeaderMap) -> Option<Call> {
    if MediaType::of(headers).is_connect_stream() {
        return Some(Call::Streaming);
    }
    let is_get = || uri.query().is_some_and(|query| query.split('&').any(|pair| pair == "connect=v1"));
    (headers.contains_key("connect-protocol-version") || is_get()).then_some(Call::Unary)
}

/// The answer: the status and headers of the problem with the error as JSON, or a stream of nothing but its end.
pub(super) fn response<B: Default + 'static>(call: Call, denied: &Denied, headers: &HeaderMap) -> Response<B> {
    let mut response: Response<B> = Problem::from(denied).into_response();
    if let Some(reason) = denied.end_reason() {
        response.headers_mut().insert(SESSION_END_REASON, HeaderValue::from_static(reason.as_str()));
    }
    match call {
        Call::Unary => {
            *response.body_mut() = body_with(error(denied).to_string().into());
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        Call::Streaming => {
            *response.status_mut() = StatusCode::OK;
            *response.body_mut() = body_with(end_of_stream(denied));
            let same = headers.get(header::CONTENT_TYPE).cloned();
            let content_type = same.unwrap_or(HeaderValue::from_static("application/connect+json"));
            response.headers_mut().insert(header::CONTENT_TYPE, content_type);
        }
    }
    response
}

/// The last message of a stream: a flag, a length, and the error.
pub(in crate::middleware) fn end_of_stream(denied: &Denied) -> Bytes {
    let mut end = json!({ "error": error(denied) });
    if let Some(reason) = denied.end_reason() {
        end["metadata"] = json!({ SESSION_END_REASON.as_str(): [reason.as_str()] });
    }
    let end = end.to_string();
    let mut message = BytesMut::with_capacity(5 + end.len());
    message.put_u8(END_OF_STREAM);
    message.put_u32(u32::try_from(end.len()).unwrap_or_default());
    message.put(end.as_bytes());
    message.freeze()
}

fn error(denied: &Denied) -> Value {
    let profile = denied.profile();
    let details = details::of_connect(profile.code, denied.end_reason().map(EndReason::as_str));
    json!({ "code": profile.connect_code, "message": profile.title, "details": [details] })
}

const SESSION_END_REASON: HeaderName = HeaderName::from_static("session-end-reason");

/// The flag of the message that ends a stream.
const END_OF_STREAM: u8 = 0b10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_known_by_their_header_their_media_type_or_their_query() {
        let headers = |name: &'static str, value: &'static str| {
            HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))])
        };
        let get = Uri::from_static("/x.Y/Z?connect=v1&encoding=json");
        let post = Uri::from_static("/x.Y/Z");
        assert_eq!(call(&post, &headers("connect-protocol-version", "1")), Some(Call::Unary));
        assert_eq!(call(&post, &headers("content-type", "Application/Connect+Proto")), Some(Call::Streaming));
        assert_eq!(call(&get, &HeaderMap::new()), Some(Call::Unary));
        assert_eq!(call(&post, &headers("content-type", "application/json")), None);
        assert_eq!(call(&Uri::from_static("/?reconnect=v1"), &HeaderMap::new()), None);
    }
}

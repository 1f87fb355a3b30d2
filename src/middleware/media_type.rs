//! Media types, and which of them are gRPC or Connect.

use http::{HeaderMap, header};

/// The media type of a message, without its parameters. It is compared without case (RFC 9110 §8.3.1).
#[derive(Clone, Copy, Debug)]
pub(super) struct MediaType<'a>(&'a [u8]);

impl<'a> MediaType<'a> {
    /// What the headers say; nothing where they say nothing.
    pub(super) fn of(headers: &'a HeaderMap) -> Self {
        let value = headers.get(header::CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
        Self(value.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii())
    }

    pub(super) fn is(self, name: &str) -> bool {
        self.0.eq_ignore_ascii_case(name.as_bytes())
    }

    /// What follows `application/grpc` up to the name of the message format: nothing, `-web`, or `-web-text`.
    pub(super) fn grpc(self) -> Option<Grpc> {
        let rest = self.after("application/grpc")?;
        let variant = rest.split(|&byte| byte == b'+').next().unwrap_or_default();
        match variant.to_ascii_lowercase().as_slice() {
            b"" => Some(Grpc::Plain),
            b"-web" => Some(Grpc::Web),
            b"-web-text" => Some(Grpc::WebText),
            _ => None,
        }
    }

    /// Whether this is a stream of Connect's own protocol: `application/connect+json` and its kin.
    pub(super) fn is_connect_stream(self) -> bool {
        self.after("application/connect+").is_some()
    }

    fn after(self, prefix: &str) -> Option<&'a [u8]> {
        let (start, rest) = self.0.split_at_checked(prefix.len())?;
        start.eq_ignore_ascii_case(prefix.as_bytes()).then_some(rest)
    }
}

/// The protocols of gRPC, which differ in where the trailers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grpc {
    Plain,
    Web,
    WebText,
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn media_types_are_known_in_any_case_and_with_any_parameters() {
        let headers =
            |value: &'static str| HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(value))]);
        let grpc = |value| MediaType::of(&headers(value)).grpc();
        for (value, expected) in [
            ("application/grpc", Some(Grpc::Plain)),
            ("Application/GRPC+Proto", Some(Grpc::Plain)),
            ("application/grpc; charset=utf-8", Some(Grpc::Plain)),
            ("application/grpc-web+proto", Some(Grpc::Web)),
            ("application/gRPC-Web-Text", Some(Grpc::WebText)),
            ("application/grpcish", None),
            ("application/grpc-else", None),
            ("application/json", None),
            ("", None),
        ] {
            assert_eq!(grpc(value), expected, "{value}");
        }
        assert!(MediaType::of(&headers(" Text/Event-Stream ;charset=utf-8")).is("text/event-stream"));
        assert!(MediaType::of(&headers("Application/Connect+JSON")).is_connect_stream());
        assert!(!MediaType::of(&headers("application/json")).is_connect_stream());
        assert!(MediaType::of(&HeaderMap::new()).grpc().is_none());
    }
}

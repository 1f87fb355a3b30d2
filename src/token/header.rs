//! The header of a token: `alg`, `typ` and `kid`, each a string, and nothing else.
//!
//! 1. Strict JSON (S18, S20). Any other member is refused: `crit` and `b64` change what the signature means (S04),
//!    `jku`, `jwk`, `x5u`, `x5c` and `x5t` bring a key along (S03), `zip`, `enc` and `cty` announce another kind of
//!    token (S17).
//! 2. `typ` is compared as a media type (RFC 7515 §4.1.9): without regard to case, and with `application/` in front or
//!    not.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;

use super::{
    TokenRejection,
    crypto::Algorithm,
    gate,
    json::{self, Invalid, Item},
};

/// The type of an access token (RFC 9068 §2.1).
pub(super) const DEFAULT_TYPE: &str = "at+jwt";

/// A header as it was read; nothing in it is verified yet.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) algorithm: String,
    pub(super) kind: Option<String>,
    pub(super) kid: Option<String>,
}

/// Reads an encoded header.
pub(super) fn decode(encoded: &[u8]) -> Result<Header, TokenRejection> {
    let bytes = gate::decode(encoded)?;
    let text = str::from_utf8(&bytes).map_err(|_| TokenRejection::Header)?;
    let (mut algorithm, mut kind, mut kid) = (None, None, None);
    let mut member = |name: &str, item: Item<'_>| {
        let Item::String(value) = item else { return Err(Invalid) };
        let slot = match name {
            "alg" => &mut algorithm,
            "typ" => &mut kind,
            "kid" => &mut kid,
            _ => return Err(Invalid),
        };
        *slot = Some(value.into_owned());
        Ok(())
    };
    json::object(text, &mut member).map_err(|Invalid| TokenRejection::Header)?;
    Ok(Header { algorithm: algorithm.ok_or(TokenRejection::Header)?, kind, kid })
}

/// The encoded header that this crate writes.
pub(super) fn encode(algorithm: Algorithm, kind: &str, kid: Option<&str>) -> String {
    let mut header = json!({ "alg": algorithm.name(), "typ": kind });
    if let (Some(kid), Some(members)) = (kid, header.as_object_mut()) {
        members.insert("kid".to_owned(), json!(kid));
    }
    URL_SAFE_NO_PAD.encode(header.to_string())
}

/// A media type without `application/`, in lower case.
pub(super) fn essence(kind: &str) -> Cow<'_, str> {
    const PREFIX: &str = "application/";
    let short = match kind.split_at_checked(PREFIX.len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) => rest,
        _ => kind,
    };
    if short.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(short.to_ascii_lowercase())
    } else {
        Cow::Borrowed(short)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: impl AsRef<[u8]>) -> Result<Header, TokenRejection> {
        decode(URL_SAFE_NO_PAD.encode(json).as_bytes())
    }

    #[test]
    fn what_is_written_is_read() {
        for kid in [None, Some("2026-01"), Some("é\"\\/")] {
            let header = decode(encode(Algorithm::Es256, "at+jwt", kid).as_bytes()).unwrap();
            assert_eq!(header.algorithm, "ES256");
            assert_eq!(header.kind.as_deref(), Some("at+jwt"));
            assert_eq!(header.kid.as_deref(), kid);
        }
    }

    /// S03, S04, S17.
    #[test]
    fn a_member_beyond_the_three_is_refused() {
        let others = [
            "crit", "jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256", "zip", "enc", "cty", "b64", "epk", "apu", "p2c",
            "nonce", "ALG", "Typ", "", "x",
        ];
        for name in others {
            for value in ["[]", "[\"exp\"]", "[\"b64\"]", "null", "false", "\"x\"", "{}", "1"] {
                let header = format!(r#"{{"alg":"HS256","typ":"at+jwt","{name}":{value}}}"#);
                assert_eq!(read(&header).err(), Some(TokenRejection::Header), "{header}");
            }
        }
        assert!(read(r#"{"alg":"HS256","\u0063rit":[]}"#).is_err());
    }

    /// S01, S18, S19, S20.
    #[test]
    fn what_is_not_three_plain_strings_is_refused() {
        let bomb = format!(r#"{{"alg":{}{}}}"#, "[".repeat(300), "]".repeat(300));
        let bad = [
            "",
            "{}",
            "[]",
            "\"HS256\"",
            r#"{"typ":"at+jwt"}"#,
            r#"{"alg":null}"#,
            r#"{"alg":256}"#,
            r#"{"alg":["HS256"]}"#,
            r#"{"alg":{"HS256":true}}"#,
            r#"{"alg":"HS256","typ":null}"#,
            r#"{"alg":"HS256","typ":["at+jwt"]}"#,
            r#"{"alg":"HS256","kid":1}"#,
            r#"{"alg":"HS256","kid":null}"#,
            r#"{"alg":"HS256","kid":["a"]}"#,
            r#"{"alg":"HS256","alg":"HS256"}"#,
            r#"{"alg":"none","alg":"HS256"}"#,
            r#"{"alg":"HS256","\u0061lg":"none"}"#,
            r#"{"alg":"HS256","kid":"a","kid":"b"}"#,
            r#"{"alg":"HS256\u0000"}"#,
            r#"{"alg":"HS256","kid":"a\u0000"}"#,
            r#"{"alg":"HS256"} x"#,
            "\u{feff}{\"alg\":\"HS256\"}",
            bomb.as_str(),
        ];
        for header in bad {
            assert_eq!(read(header).err(), Some(TokenRejection::Header), "{header}");
        }
        assert_eq!(read(b"{\"alg\":\"HS256\",\"kid\":\"\xff\"}").err(), Some(TokenRejection::Header));
    }

    /// S09.
    #[test]
    fn types_are_compared_as_media_types() {
        for kind in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/AT+jwt"] {
            assert_eq!(essence(kind), "at+jwt", "{kind}");
        }
        for kind in
            ["", "application/", "application/application/at+jwt", "text/at+jwt", "at+jwt ", "at+jwt;v=1", "JWT"]
        {
            assert_ne!(essence(kind), "at+jwt", "{kind}");
        }
    }
}

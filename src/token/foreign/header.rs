//! The header of a token of another issuer: `alg`, `typ` and `kid` are strings, and others may be there.
//!
//! 1. Strict JSON, as everywhere.
//! 2. A member that changes what the signature means (`crit`, `b64`), brings a key along (`jku`, `jwk`, `x5u`, `x5c`)
//!    or announces another kind of token (`zip`, `enc`, `cty`, `epk`) is refused.
//! 3. Others are ignored (RFC 7515 §4): `x5t` and `cat`, for example, only name things.

use crate::token::{
    TokenRejection, gate,
    header::Header,
    json::{self, Invalid, Item},
};

/// Reads an encoded header.
pub(super) fn decode(encoded: &[u8]) -> Result<Header, TokenRejection> {
    let bytes = gate::decode(encoded)?;
    let text = str::from_utf8(&bytes).map_err(|_| TokenRejection::Header)?;
    let (mut algorithm, mut kind, mut kid) = (None, None, None);
    let mut member = |name: &str, item: Item<'_>| {
        let slot = match name {
            "alg" => &mut algorithm,
            "typ" => &mut kind,
            "kid" => &mut kid,
            _ if REFUSED.contains(&name) => return Err(Invalid),
            _ => return Ok(()),
        };
        let Item::String(value) = item else { return Err(Invalid) };
        *slot = Some(value.into_owned());
        Ok(())
    };
    json::object(text, &mut member).map_err(|Invalid| TokenRejection::Header)?;
    Ok(Header { algorithm: algorithm.ok_or(TokenRejection::Header)?, kind, kid })
}

pub(super) const REFUSED: [&str; 10] = ["crit", "b64", "jku", "jwk", "x5u", "x5c", "zip", "enc", "cty", "epk"];

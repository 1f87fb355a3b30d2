//! The gate: checks the form of a token before anything in it is decoded.
//!
//! 1. At most [`TOKEN_BYTES_MAX`] bytes (S19).
//! 2. Three parts between dots, none of them empty: neither an encrypted token, nor one in JSON form, nor an unsigned
//!    one gets further (S16, S17).
//! 3. The first part, the header, has at most [`HEADER_BYTES_MAX`] bytes (S19).
//! 4. Each part is base64url in its canonical form: the URL-safe alphabet, no padding, no white space, no bits left
//!    over (S16). So two texts of one token differ at most in their signatures.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::TokenRejection;

pub(crate) const TOKEN_BYTES_MAX: usize = 8_192;
pub(super) const HEADER_BYTES_MAX: usize = 1_024;

/// The parts of a token that has passed the gate, still encoded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts<'a> {
    pub(super) header: &'a [u8],
    pub(super) claims: &'a [u8],
    pub(super) signature: &'a [u8],
    /// What the signature is made over: the first two parts and the dot between them.
    pub(super) message: &'a [u8],
}

/// Lets `token` pass, or not.
pub(super) fn pass(token: &[u8]) -> Result<Parts<'_>, TokenRejection> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(TokenRejection::TooLarge);
    }
    let parts = split(token).ok_or(TokenRejection::Malformed)?;
    if parts.header.len() > HEADER_BYTES_MAX {
        return Err(TokenRejection::TooLarge);
    }
    let encoded = [parts.header, parts.claims, parts.signature];
    if encoded.into_iter().all(is_strict_base64url) { Ok(parts) } else { Err(TokenRejection::Malformed) }
}

/// Decodes a part that has passed the gate.
pub(super) fn decode(part: &[u8]) -> Result<Vec<u8>, TokenRejection> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenRejection::Malformed)
}

/// Further dots stay in the signature, whose alphabet has none.
fn split(token: &[u8]) -> Option<Parts<'_>> {
    let header_end = dot(token)?;
    let (header, rest) = token.split_at_checked(header_end)?;
    let rest = rest.get(1..)?;
    let claims_end = dot(rest)?;
    let (claims, rest) = rest.split_at_checked(claims_end)?;
    let signature = rest.get(1..)?;
    let message = token.get(..header_end + 1 + claims_end)?;
    Some(Parts { header, claims, signature, message })
}

fn dot(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| *byte == b'.')
}

fn is_strict_base64url(part: &[u8]) -> bool {
    let Some(last) = part.last() else { return false };
    let unused_bits = match part.len() % 4 {
        0 => 0,
        2 => 0b1111,
        3 => 0b11,
        _ => return false,
    };
    // All bytes are looked at, so that the loop has no branch.
    let in_alphabet = part.iter().fold(0, |seen, byte| seen | SEXTETS[usize::from(*byte)]) & OUTSIDE == 0;
    in_alphabet && SEXTETS[usize::from(*last)] & unused_bits == 0
}

/// Set in the entry of every byte outside the alphabet.
const OUTSIDE: u8 = 0b1000_0000;

/// The six bits that each character stands for (RFC 4648 §5).
const SEXTETS: [u8; 256] = {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut sextets = [OUTSIDE; 256];
    let mut value = 0;
    while value < alphabet.len() {
        sextets[alphabet[value] as usize] = value as u8;
        value += 1;
    }
    sextets
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// S16, S17.
    #[test]
    fn only_three_parts_of_strict_base64url_pass() {
        for good in ["AA.AA.AA", "AAA.AAAA.AAAAAA", "-_-_.-_-_.-_-_"] {
            assert!(pass(good.as_bytes()).is_ok(), "{good}");
        }
        let bad = [
            "",
            ".",
            "..",
            "...",
            "AAAA",
            "AAAA.AAAA",
            "AAAA.AAAA.",
            "AAAA..AAAA",
            ".AAAA.AAAA",
            "AAAA.AAAA.AAAA.",
            ".AAAA.AAAA.AAAA",
            "AAAA.AAAA.AAAA.AAAA",
            "AAAA.AAAA.AAAA.AAAA.AAAA",
            // One character holds less than a byte.
            "A.AAAA.AAAA",
            "AAAA.AAAAA.AAAA",
            // Padding, the other alphabet, white space, what is no ASCII.
            "AA==.AAAA.AAAA",
            "AAAA.AAA=.AAAA",
            "AAAA.AAAA.AA==",
            "AA+A.AAAA.AAAA",
            "AAAA.AA/A.AAAA",
            " AAAA.AAAA.AAAA",
            "AAAA.AAAA.AAAA ",
            "AAAA.AAAA.AAAA\n",
            "AAAA.AAAA\r\n.AAAA",
            "AAAA.AAAA.AA\0A",
            "AAAA.AAAA.AAé",
            "AAAA.AAAA.AA%3D",
            // Bits left over.
            "AB.AAAA.AAAA",
            "AAAA.AAB.AAAA",
            "AAAA.AAAA.A_",
            // JSON serialization.
            "{\"payload\":\"AAAA\",\"protected\":\"AAAA\",\"signature\":\"AAAA\"}",
        ];
        for token in bad {
            assert_eq!(pass(token.as_bytes()).err(), Some(TokenRejection::Malformed), "{token:?}");
        }
        assert_eq!(pass(b"AAAA.AAAA.AA\xffA").err(), Some(TokenRejection::Malformed));
    }

    /// S19.
    #[test]
    fn sizes_are_bounded_before_anything_is_decoded() {
        let token = |header: usize, claims: usize| format!("{}.{}.AAAA", "A".repeat(header), "A".repeat(claims));
        assert!(pass(token(1_024, 4).as_bytes()).is_ok());
        assert_eq!(pass(token(1_026, 4).as_bytes()).err(), Some(TokenRejection::TooLarge));
        assert_eq!(pass(token(400 * 1_024, 4).as_bytes()).err(), Some(TokenRejection::TooLarge));

        let longest = token(1_020, 8_192 - 1_020 - 6);
        assert_eq!(longest.len(), 8_192);
        assert!(pass(longest.as_bytes()).is_ok());
        assert_eq!(pass(format!("{longest}A").as_bytes()).err(), Some(TokenRejection::TooLarge));
    }

    proptest! {
        /// S16.
        #[test]
        fn what_passes_is_the_only_way_to_write_its_bytes(token in "[A-Za-z0-9_.+/= -]{0,48}") {
            if let Ok(parts) = pass(token.as_bytes()) {
                for part in [parts.header, parts.claims, parts.signature] {
                    let bytes = decode(part).unwrap();
                    prop_assert_eq!(URL_SAFE_NO_PAD.encode(bytes).into_bytes(), part);
                }
                let message = [parts.header, parts.claims].join(&b'.');
                prop_assert_eq!(message, parts.message);
            }
        }

        #[test]
        fn any_three_encoded_parts_pass(
            header in prop::collection::vec(any::<u8>(), 1..768),
            claims in prop::collection::vec(any::<u8>(), 1..2_000),
            signature in prop::collection::vec(any::<u8>(), 1..512),
        ) {
            let token = [header, claims, signature].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
            prop_assert!(pass(token.as_bytes()).is_ok());
        }

        #[test]
        fn any_bytes_are_judged_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = pass(&bytes);
        }
    }
}

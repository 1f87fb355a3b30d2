//! Secrets that anyone can read.

/// Whether a secret looks like those in documentation, which are copied together with the rest.
pub(super) fn is_in_documentation(secret: &[u8]) -> bool {
    let letters: String = secret
        .iter()
        .filter(|byte| byte.is_ascii_alphanumeric())
        .map(|byte| byte.to_ascii_lowercase() as char)
        .collect();
    IN_DOCUMENTATION.iter().any(|known| letters.contains(known))
}

/// Parts of the secrets in the documentation of this crate, of others and of jwt.io, in lower case and without
/// punctuation. In random bytes as text, the shortest of them turns up once in ten billion.
const IN_DOCUMENTATION: [&str; 10] = [
    "examplesecret",
    "examplekey",
    "yoursecret",
    "your256bitsecret",
    "secretatleast256bits",
    "secretofatleast32bytes",
    "changeme",
    "changethis",
    "replaceme",
    "replacethis",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_documentation_are_known_however_they_are_written() {
        for known in [
            "an example secret of at least 32 bytes",
            "another example secret of at least 32 bytes",
            "the tests' secret of at least 32 bytes",
            "a-string-secret-at-least-256-bits-long",
            "YOUR_SECRET_YOUR_SECRET_YOUR_SECRET",
            "CHANGE-ME CHANGE-ME CHANGE-ME CHANGE-ME",
            "please change this: 0123456789abcdefgh",
        ] {
            assert!(is_in_documentation(known.as_bytes()), "{known}");
        }
        for own in ["hGq0Yc3V8xJ1m5r7dTzZ2bWk9uLpQeRs4fNn6aXvCcE=", "the tests' secret of more than 32 bytes"] {
            assert!(!is_in_documentation(own.as_bytes()), "{own}");
        }
        assert!(!is_in_documentation(&[0xff; 32]));
    }
}

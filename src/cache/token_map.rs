//! A lock-free map from tokens to entries.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};

use papaya::Equivalent;

use super::entry::Entry;

/// From a token's bytes to its entry. Reading takes no lock.
///
/// The hash is taken over the token's last bytes, its signature, with a seed of this process; the comparison is over
/// all of them. Entries are only made of verified tokens, so an attacker would have to find valid signatures that
/// collide.
pub(super) struct TokenMap<V> {
    entries: papaya::HashMap<TokenKey<V>, Entry<V>, SignatureHash>,
}

impl<V> TokenMap<V> {
    pub(super) fn new() -> Self {
        Self { entries: papaya::HashMap::with_hasher(SignatureHash::new()) }
    }

    pub(super) fn with<T>(&self, token: &[u8], read: impl FnOnce(Option<&Entry<V>>) -> T) -> T {
        let entries = self.entries.pin();
        read(entries.get(&TokenBytes(token)))
    }

    pub(super) fn insert(&self, entry: Entry<V>) {
        self.entries.pin().insert(TokenKey(entry.clone()), entry);
    }

    /// Removes exactly this entry: a newer one of the same token stays.
    pub(super) fn remove(&self, entry: &Entry<V>) {
        let same = |_: &TokenKey<V>, present: &Entry<V>| present.is(entry);
        // If another writer was first, the result is the same.
        let _ = self.entries.pin().remove_if(&TokenBytes(entry.token()), same);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

/// An owned key: the token of an entry.
struct TokenKey<V>(Entry<V>);

impl<V> PartialEq for TokenKey<V> {
    fn eq(&self, other: &Self) -> bool {
        self.0.token() == other.0.token()
    }
}

impl<V> Eq for TokenKey<V> {}

/// A borrowed key.
struct TokenBytes<'a>(&'a [u8]);

impl<V> Hash for TokenKey<V> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash_tail(self.0.token(), state);
    }
}

impl Hash for TokenBytes<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash_tail(self.0, state);
    }
}

impl<V> Equivalent<TokenKey<V>> for TokenBytes<'_> {
    fn equivalent(&self, key: &TokenKey<V>) -> bool {
        self.0 == key.0.token()
    }
}

/// Feeds the last 16 bytes, or all of a shorter token, as one number.
fn hash_tail<H: Hasher>(token: &[u8], state: &mut H) {
    let tail = token.last_chunk::<16>().map_or_else(
        || token.iter().fold(0, |number, &byte| number << 8 | u128::from(byte)),
        |tail| u128::from_le_bytes(*tail),
    );
    state.write_u128(tail);
}

/// A multiply-and-fold hash of one 128-bit number under two random seeds.
#[derive(Clone)]
struct SignatureHash {
    seeds: [u64; 2],
}

impl SignatureHash {
    fn new() -> Self {
        // Each `RandomState` brings fresh keys; what it hashes does not matter.
        let random = || RandomState::new().hash_one(0_u8);
        Self { seeds: [random(), random()] }
    }
}

impl BuildHasher for SignatureHash {
    type Hasher = SignatureHasher;

    fn build_hasher(&self) -> SignatureHasher {
        SignatureHasher { seeds: self.seeds, hash: 0 }
    }
}

struct SignatureHasher {
    seeds: [u64; 2],
    hash: u64,
}

impl Hasher for SignatureHasher {
    /// Folded once more: where tails have one half in common, the seeds alone may leave it to few bits to tell them apart.
    fn finish(&self) -> u64 {
        folded(self.hash, 0x9E37_79B9_7F4A_7C15)
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u128(u128::from(self.hash) << 8 | u128::from(byte));
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "the halves of a number are what is wanted")]
    fn write_u128(&mut self, number: u128) {
        let low = number as u64 ^ self.seeds[0];
        let high = (number >> 64) as u64 ^ self.seeds[1];
        self.hash = folded(low, high);
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the halves of a number are what is wanted")]
fn folded(one: u64, other: u64) -> u64 {
    let product = u128::from(one) * u128::from(other);
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Publication;

    /// R34.
    #[test]
    fn each_map_hashes_with_seeds_of_its_own() {
        let token = TokenBytes(b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
        assert_ne!(SignatureHash::new().hash_one(&token), SignatureHash::new().hash_one(&token));
    }

    #[test]
    fn a_borrowed_token_hashes_like_an_owned_one() {
        let hash = SignatureHash::new();
        for token in [&b"short"[..], b"", b"exactly-16-bytes", b"a token that is longer than that"] {
            let publication = Publication {
                token,
                value: (),
                key_revision: 0,
                valid_until: 0,
                touch_due: 0,
                reload_due: 0,
                bytes: 0,
            };
            let owned = TokenKey(Entry::new(publication, 0, 0));
            assert_eq!(hash.hash_one(TokenBytes(token)), hash.hash_one(owned));
        }
    }

    #[test]
    fn hashes_of_similar_tails_spread() {
        let tokens: Vec<_> = (0..6_400_u32).map(|number| format!("token-with-a-tail-{number:016}")).collect();
        for _ in 0..300 {
            let hash = SignatureHash::new();
            let mut buckets = [0_u32; 64];
            for token in &tokens {
                buckets[usize::try_from(hash.hash_one(TokenBytes(token.as_bytes())) >> 58).unwrap_or(0)] += 1;
            }
            assert!(buckets.iter().all(|&count| (40..200).contains(&count)), "{:?}: {buckets:?}", hash.seeds);
        }
    }
}

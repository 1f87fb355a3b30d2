//! An entry of the cache: a verified token with its session, in one piece of memory.

use triomphe::ThinArc;

use super::sync::{AtomicBool, AtomicU64, Ordering};

/// A verified token with the session it stands for, as of one read of the store. Cloning it counts a reference.
///
/// The token's bytes lie behind the fields, in the same piece of memory.
pub(crate) struct Entry<V>(ThinArc<Fields<V>, u8>);

/// In the order of their use: what each request reads stands together, beside the count of references.
#[repr(C)]
struct Fields<V> {
    /// Until when it may be used, in ticks; 0 once it is void.
    valid_until: AtomicU64,
    /// From when on the session's activity is worth recording again, in ticks.
    touch_due: AtomicU64,
    /// From when on a request that finds the entry triggers another read of the record, in ticks.
    reload_due: AtomicU64,
    epoch: u64,
    key_revision: u64,
    /// Whether a request has found it since room was last looked for here.
    used: AtomicBool,
    /// What the entry weighs, in bytes.
    bytes: u32,
    value: V,
}

/// What [`Cache::publish`](super::Cache::publish) is to publish.
pub(crate) struct Publication<'a, V> {
    pub(crate) token: &'a [u8],
    pub(crate) value: V,
    /// The revision that the key ring had before the token was verified.
    pub(crate) key_revision: u64,
    pub(crate) valid_until: u64,
    /// When activity is due to be recorded, unless another token of the session has recorded some meanwhile.
    pub(crate) touch_due: u64,
    /// When to read the record again, before its end.
    pub(crate) reload_due: u64,
    pub(crate) bytes: u32,
}

/// What the cache knows of a token.
pub(crate) enum Lookup<V> {
    /// The token is valid, and so is the session.
    Hit(Entry<V>),
    /// The token was valid; the session must be loaded again.
    Stale(Entry<V>),
    /// Nothing.
    Miss,
}

impl<V> Entry<V> {
    /// What was stored with the entry.
    pub(crate) fn value(&self) -> &V {
        &self.fields().value
    }

    /// The token's bytes.
    pub(crate) fn token(&self) -> &[u8] {
        &self.0.slice
    }

    /// Whether activity at `now` is worth recording.
    pub(crate) fn is_touch_due(&self, now: u64) -> bool {
        self.fields().touch_due.load(Ordering::Relaxed) <= now
    }

    /// Whether it is time to read the record again.
    pub(crate) fn is_reload_due(&self, now: u64) -> bool {
        self.fields().reload_due.load(Ordering::Relaxed) <= now
    }

    /// Claims the reading of the record at `now`: true for one caller until `again`, when another may try.
    pub(crate) fn claim_reload(&self, now: u64, again: u64) -> bool {
        claim(&self.fields().reload_due, now, again)
    }

    pub(super) fn new(publication: Publication<'_, V>, touch_due: u64, epoch: u64) -> Self {
        let fields = Fields {
            valid_until: AtomicU64::new(publication.valid_until),
            touch_due: AtomicU64::new(touch_due),
            reload_due: AtomicU64::new(publication.reload_due),
            epoch,
            key_revision: publication.key_revision,
            used: AtomicBool::new(false),
            bytes: publication.bytes,
            value: publication.value,
        };
        Self(ThinArc::from_header_and_slice(fields, publication.token))
    }

    /// Whether it is this very entry, and not only one of the same token.
    pub(super) fn is(&self, other: &Self) -> bool {
        std::ptr::eq(self.fields(), other.fields())
    }

    pub(super) fn is_valid(&self, now: u64) -> bool {
        now < self.fields().valid_until.load(Ordering::Acquire)
    }

    /// Whether it belongs to this epoch of the cache, and to this revision of the keys.
    pub(super) fn is_of(&self, epoch: u64, key_revision: u64) -> bool {
        let fields = self.fields();
        fields.epoch == epoch && fields.key_revision == key_revision
    }

    /// Notes that a request has found it. Mostly a read, so that many may do it at once.
    pub(super) fn note_use(&self) {
        if !self.fields().used.load(Ordering::Relaxed) {
            self.fields().used.store(true, Ordering::Relaxed);
        }
    }

    /// Whether a request has found it since this was last asked.
    pub(super) fn take_use(&self) -> bool {
        self.fields().used.swap(false, Ordering::Relaxed)
    }

    pub(super) fn bytes(&self) -> u32 {
        self.fields().bytes
    }

    /// Voids the entry for its holders.
    pub(super) fn void(&self) {
        self.fields().valid_until.store(0, Ordering::Release);
    }

    pub(super) fn claim_touch(&self, now: u64, next: u64) -> bool {
        claim(&self.fields().touch_due, now, next)
    }

    pub(super) fn put_off_touch(&self, next: u64) {
        self.fields().touch_due.store(next, Ordering::Relaxed);
    }

    fn fields(&self) -> &Fields<V> {
        &self.0.header.header
    }
}

impl<V> Clone for Entry<V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// Moves a moment that has come to `next`: true for one caller.
fn claim(due: &AtomicU64, now: u64, next: u64) -> bool {
    let since = due.load(Ordering::Relaxed);
    since <= now && due.compare_exchange(since, next, Ordering::Relaxed, Ordering::Relaxed).is_ok()
}

use std::collections::BTreeMap;

use loom::sync::Mutex;

use super::entry::Entry;

/// A map each of whose operations is one step, as the library's are.
pub(super) struct TokenMap<V> {
    entries: Mutex<Entries<V>>,
}

type Entries<V> = BTreeMap<Box<[u8]>, Entry<V>>;

impl<V> TokenMap<V> {
    pub(super) fn new() -> Self {
        Self { entries: Mutex::new(BTreeMap::new()) }
    }

    pub(super) fn get(&self, token: &[u8]) -> Option<Entry<V>> {
        self.entries.lock().unwrap().get(token).cloned()
    }

    pub(super) fn insert(&self, entry: Entry<V>) {
        self.entries.lock().unwrap().insert(entry.token().into(), entry);
    }

    pub(super) fn remove(&self, entry: &Entry<V>) {
        let mut entries = self.entries.lock().unwrap();
        if entries.get(entry.token()).is_some_and(|present| present.is(entry)) {
            entries.remove(entry.token());
        }
    }
}

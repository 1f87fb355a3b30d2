use std::{collections::BTreeMap, sync::Arc};

use loom::sync::Mutex;

use super::entry::Entry;

/// A map each of whose operations is one step, as the library's are.
pub(super) struct TokenMap<V> {
    entries: Mutex<Entries<V>>,
}

type Entries<V> = BTreeMap<Arc<[u8]>, Arc<Entry<V>>>;

impl<V> TokenMap<V> {
    pub(super) fn new() -> Self {
        Self { entries: Mutex::new(BTreeMap::new()) }
    }

    pub(super) fn get(&self, token: &[u8]) -> Option<Arc<Entry<V>>> {
        self.entries.lock().unwrap().get(token).cloned()
    }

    pub(super) fn insert(&self, entry: Arc<Entry<V>>) {
        self.entries.lock().unwrap().insert(Arc::clone(entry.token()), entry);
    }

    pub(super) fn remove(&self, entry: &Arc<Entry<V>>) {
        let mut entries = self.entries.lock().unwrap();
        if entries.get(entry.token()).is_some_and(|present| Arc::ptr_eq(present, entry)) {
            entries.remove(entry.token());
        }
    }
}

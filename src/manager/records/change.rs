//! Changing records: the one order in which a change is made and becomes known.
//!
//! 1. The store makes it, and is asked a second time if it fails, within one deadline. A connection may have been lost
//!    after the store had committed, so each change is safe to repeat.
//! 2. The cache drops what it affects, even if the store failed: it may have committed all the same. From then on no
//!    read that began before can be published.
//! 3. Connections of this node that wait for the end of these sessions are told.
//! 4. Other nodes are told, which takes a second at most and never fails the change.
//! 5. The caller's event comes last.
//!
//! To review the guard, read this file and the `cache`.

use std::collections::BTreeMap;

use tracing::Instrument;

use crate::{
    bus::{Cause, RevocationMessage},
    error::{Error, ErrorKind},
    id::{SessionId, SessionKey, UserId},
    logging,
    manager::records::Records,
    metrics::Operation,
    session::Ending,
    store::{SessionStore, StoreFuture},
};

/// Whose cached records a change makes void.
#[derive(Clone, Copy, Debug)]
pub(in crate::manager) enum Affected<'a> {
    One(&'a SessionKey),
    Several {
        user: &'a UserId,
        ids: &'a [SessionId],
    },
    /// Several, of whichever users.
    Each(&'a [SessionKey]),
    /// All sessions of a user, except the one to keep.
    All {
        user: &'a UserId,
        keep: Option<SessionId>,
    },
}

/// What live connections and other nodes are told about a change.
#[derive(Debug)]
pub(in crate::manager) enum Word {
    /// Nothing: they need not know, or nothing has happened.
    Nothing,
    /// These sessions have ended. Other nodes look at all that are affected, since some may have been past their
    /// deadline.
    Ended(Vec<(SessionId, Ending)>),
    /// Something else has changed, which a connection need not know.
    Changed,
    /// It is unknown whether it has happened, so all read the record again.
    Unclear(Cause),
}

impl Records {
    /// Makes a change, and makes it known in the order of this module. `word` decides what to tell, given the result of
    /// the store.
    pub(in crate::manager) async fn change<'a, T>(
        &'a self,
        operation: Operation,
        whom: Affected<'_>,
        call: impl FnMut(&'a dyn SessionStore) -> StoreFuture<'a, T>,
        word: impl FnOnce(&Result<T, Error>) -> Word,
    ) -> Result<T, Error> {
        let outcome = self.ask_twice(operation, call).await;
        let word = word(&outcome);
        self.settle(whom, &word).await;
        outcome
    }

    /// Makes a change known that the store has been asked for: steps 2 to 4.
    pub(in crate::manager) async fn settle(&self, whom: Affected<'_>, word: &Word) {
        self.void(whom);
        let cause = match word {
            Word::Nothing => return,
            Word::Ended(endings) => {
                self.tell_endings(whom, endings);
                Cause::Ended
            }
            Word::Changed => Cause::Changed,
            Word::Unclear(cause) => {
                self.doubt(whom);
                *cause
            }
        };
        self.tell_nodes(|| whom.messages(cause)).await;
    }

    /// Asks for a change that is safe to repeat, and repeats it once if it fails. Both attempts share one deadline.
    ///
    /// On its own it is for what nobody caches or waits for.
    pub(in crate::manager) async fn ask_twice<'a, T>(
        &'a self,
        operation: Operation,
        mut change: impl FnMut(&'a dyn SessionStore) -> StoreFuture<'a, T>,
    ) -> Result<T, Error> {
        let attempts = async {
            match change(&*self.store).await {
                Ok(value) => Ok(value),
                Err(error) => {
                    logging::store_failed(operation.as_str(), &error);
                    change(&*self.store).await
                }
            }
        };
        self.within_deadline(operation, attempts).await
    }

    fn void(&self, whom: Affected<'_>) {
        match whom {
            Affected::One(key) => self.cache.revoke(&key.user_id, key.id),
            Affected::Several { user, ids } => ids.iter().for_each(|&id| self.cache.revoke(user, id)),
            Affected::Each(keys) => keys.iter().for_each(|key| self.cache.revoke(&key.user_id, key.id)),
            Affected::All { user, keep } => self.cache.revoke_all(user, keep),
        }
    }

    fn tell_endings(&self, whom: Affected<'_>, endings: &[(SessionId, Ending)]) {
        match whom {
            Affected::One(SessionKey { user_id: user, .. })
            | Affected::Several { user, .. }
            | Affected::All { user, .. } => {
                endings.iter().for_each(|(id, ending)| self.watchers.tell(user, *id, ending));
            }
            Affected::Each(keys) => {
                let endings: BTreeMap<&SessionId, &Ending> = endings.iter().map(|(id, ending)| (id, ending)).collect();
                for key in keys {
                    match endings.get(&key.id) {
                        Some(ending) => self.watchers.tell(&key.user_id, key.id, ending),
                        // It had ended before, in a way that nobody has asked for.
                        None => self.watchers.doubt(&key.user_id, key.id),
                    }
                }
            }
        }
    }

    fn doubt(&self, whom: Affected<'_>) {
        match whom {
            Affected::One(key) => self.watchers.doubt(&key.user_id, key.id),
            Affected::Several { user, ids } => ids.iter().for_each(|&id| self.watchers.doubt(user, id)),
            Affected::Each(keys) => keys.iter().for_each(|key| self.watchers.doubt(&key.user_id, key.id)),
            Affected::All { user, keep: _ } => self.watchers.doubt_all(user),
        }
    }
}

/// Runs a change in a task of its own, so that it does not end with the caller's future.
pub(in crate::manager) async fn detached<T, F>(change: F) -> Result<T, Error>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Error>> + Send + 'static,
{
    let task = tokio::spawn(change.in_current_span());
    match task.await {
        Ok(result) => result,
        Err(panicked) => {
            logging::store_failed("change", &panicked);
            Err(Error::with_source(ErrorKind::Unavailable, panicked))
        }
    }
}

impl Affected<'_> {
    /// What other nodes are told: one message for each user.
    fn messages(self, cause: Cause) -> Vec<RevocationMessage> {
        let of_these: fn(UserId, Vec<SessionId>) -> RevocationMessage = match cause {
            Cause::Ended => RevocationMessage::ended,
            Cause::Changed => RevocationMessage::changed,
        };
        match (self, cause) {
            (Self::One(key), _) => vec![of_these(key.user_id.clone(), vec![key.id])],
            (Self::Several { user, ids }, _) => vec![of_these(user.clone(), ids.to_vec())],
            (Self::Each(keys), _) => {
                let mut of_users: BTreeMap<&UserId, Vec<SessionId>> = BTreeMap::new();
                keys.iter().for_each(|key| of_users.entry(&key.user_id).or_default().push(key.id));
                of_users.into_iter().map(|(user, ids)| of_these(user.clone(), ids)).collect()
            }
            (Self::All { user, keep }, Cause::Ended) => vec![RevocationMessage::all_ended(user.clone(), keep)],
            (Self::All { user, .. }, Cause::Changed) => vec![RevocationMessage::all_changed(user.clone())],
        }
    }
}

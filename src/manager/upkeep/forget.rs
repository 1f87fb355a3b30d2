//! Addresses of ended sessions are forgotten in time.

use crate::{
    clock::Timestamp,
    error::Error,
    manager::records::{Records, ends::Ends},
    metrics::Operation,
};

impl Records {
    /// Forgets the addresses and places of sessions that have ended long enough ago. Returns until when that has been
    /// done, for the next round to go on there; `done` is what the round before has returned.
    pub(in crate::manager) async fn forget_addresses(
        &self,
        now: Timestamp,
        done: Option<Timestamp>,
    ) -> Result<Option<Timestamp>, Error> {
        let Some(kept) = self.settings.address_retention else {
            return Ok(None);
        };
        let until = now.saturating_sub(kept);
        let mut ends = Ends::between(done.unwrap_or_else(|| now.saturating_sub(self.settings.retention * 2)), until);
        while let Some(page) = ends.next(self).await? {
            for change in &page {
                self.ask(Operation::ForgetAddresses, |store| store.forget_addresses(&change.key, until)).await?;
            }
        }
        // Where the clock was set back, what has been done is done.
        Ok(Some(done.map_or(until, |done| done.max(until))))
    }
}

//! Deleting records that are past their retention, and forgetting addresses that are past theirs.
//!
//! A wrong clock must not delete what a corrected one would keep:
//!
//! 1. Time is what the store confirms (`store_time`), so no session is deleted that is live by the newest times on
//!    record.
//! 2. Nothing is deleted in the first two rounds after a start.
//! 3. When more than half of all sessions would be deleted in one round, none is, and an event, the log and a metric
//!    report it. [`SessionManager::purge`] then deletes them.

use std::{sync::Weak, time::Duration};

use tokio::{sync::watch, time};

use crate::{
    clock::Timestamp,
    error::Error,
    event::SessionEvent,
    logging,
    manager::{
        Inner, SessionManager,
        records::{Records, ends::Ends},
        upkeep::next_round::next_round,
    },
    metrics::Operation,
};

impl SessionManager {
    /// Deletes ended records that are past their retention, now instead of at the next interval. Also deletes addresses
    /// that are past theirs, and devices that are no longer needed. Returns how many sessions were deleted.
    ///
    /// It deletes them even if they are most of the records: call it after
    /// [`RetentionPaused`](SessionEvent::RetentionPaused). No session is deleted that is live by the newest times found
    /// in the store.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) when the store fails or does not answer in time. What
    /// was deleted until then stays deleted.
    pub async fn purge(&self) -> Result<u64, Error> {
        let now = self.inner.records.time_on_record().await?;
        let purged = self.inner.records.purge(now.saturating_sub(self.inner.settings.retention)).await?;
        self.inner.records.purge_devices(now).await?;
        self.inner.records.forget_addresses(now, None).await?;
        Ok(purged)
    }
}

/// The task that cleans up.
pub(in crate::manager) async fn delete_old_records(inner: Weak<Inner>, mut stop: watch::Receiver<bool>) {
    let Some(interval) = inner.upgrade().map(|inner| inner.settings.purge_interval) else {
        return;
    };
    let (mut rounds, mut forgotten) = (0_u64, None);
    while next_round(interval, &mut stop).await {
        let Some(inner) = inner.upgrade() else {
            return;
        };
        // An error is on the log already, and the next round tries again. The store is asked for the time in the first
        // round, when little is on record that this node has written itself.
        let Ok(now) = inner.records.time_on_record().await else {
            continue;
        };
        rounds += 1;
        if rounds <= ROUNDS_OF_GRACE {
            continue;
        }
        if inner.records.clean(now).await.is_ok()
            && inner.records.purge_devices(now).await.is_ok()
            && let Ok(until) = inner.records.forget_addresses(now, forgotten).await
        {
            forgotten = until;
        }
    }
}

impl Records {
    /// Deletes what is past its retention, or asks whether it should.
    async fn clean(&self, now: Timestamp) -> Result<(), Error> {
        let before = now.saturating_sub(self.settings.retention);
        let due = Ends::between(Timestamp::UNIX_EPOCH, before).count(self, u64::MAX).await?;
        if due >= FEW {
            let kept = Ends::between(before, Timestamp::from_micros(i64::MAX)).count(self, due).await?;
            if kept < due {
                logging::retention_paused(due, kept);
                self.metrics.retention_paused();
                self.tell(&SessionEvent::RetentionPaused { due, kept });
                return Ok(());
            }
        }
        self.purge(before).await.map(drop)
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, Error> {
        let mut purged = 0;
        loop {
            let deleted = self.ask(Operation::Purge, |store| store.purge(before, BATCH)).await?;
            purged += deleted;
            if deleted < u64::from(BATCH) {
                logging::purged(purged);
                return Ok(purged);
            }
            // Others wait for the same rows and the same disk.
            time::sleep(BETWEEN_BATCHES).await;
        }
    }
}

/// In so many rounds after a start nothing is deleted: a clock that was wrong then is most often corrected by now.
const ROUNDS_OF_GRACE: u64 = 2;

/// So few are always deleted: where there is little, much of it may well have ended.
const FEW: u64 = 100;

const BATCH: u32 = 1_000;

const BETWEEN_BATCHES: Duration = Duration::from_millis(20);

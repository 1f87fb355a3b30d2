use std::time::Duration;

use tokio::time;

use crate::{clock::Timestamp, error::Error, manager::Inner};

impl Inner {
    /// Forgets the addresses and places of sessions that have ended long enough ago. Answers until when that has been done, for
    /// the next round to go on there; `done` is what the round before has answered.
    ///
    /// It goes through the endings page by page, in the order of their time. Where a whole page ended at one moment, the
    /// pages get larger: there is no other way past it.
    pub(super) async fn forget_addresses(
        &self,
        now: Timestamp,
        done: Option<Timestamp>,
    ) -> Result<Option<Timestamp>, Error> {
        let Some(kept) = self.timings.address_retention else {
            return Ok(None);
        };
        let until = now.saturating_sub(kept);
        let mut since = done.unwrap_or_else(|| now.saturating_sub(self.timings.retention * 2));
        let mut page = PAGE;
        while since < until {
            let found = self.within_deadline("ended_between", self.store.ended_between(since, until, page)).await?;
            for change in &found {
                let forget = self.store.forget_addresses(&change.key, until);
                self.within_deadline("forget_addresses", forget).await?;
            }
            let is_last = found.len() < usize::try_from(page).unwrap_or(usize::MAX);
            match found.last() {
                Some(last) if !is_last && last.at > since => since = last.at,
                Some(_) if !is_last => page = page.saturating_mul(2),
                _ => break,
            }
            // Others wait for the same rows and the same disk.
            time::sleep(BETWEEN_PAGES).await;
        }
        Ok(Some(until))
    }
}

const PAGE: u32 = 500;

const BETWEEN_PAGES: Duration = Duration::from_millis(20);

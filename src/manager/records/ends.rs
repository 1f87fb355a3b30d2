//! The sessions that ended between two moments, read page by page.

use std::time::Duration;

use tokio::time;

use crate::{clock::Timestamp, error::Error, manager::records::Records, metrics::Operation, session::EndedSession};

/// The sessions that ended, or will at the latest, between two moments: page by page in the order of their time, each
/// once.
pub(in crate::manager) struct Ends {
    /// Where the next page begins; `None` after the last.
    since: Option<Timestamp>,
    until: Timestamp,
    size: u32,
}

impl Ends {
    pub(in crate::manager) fn between(since: Timestamp, until: Timestamp) -> Self {
        Self { since: Some(since).filter(|since| *since < until), until, size: PAGE }
    }

    /// The next page; `None` after the last one.
    pub(in crate::manager) async fn next(&mut self, records: &Records) -> Result<Option<Vec<EndedSession>>, Error> {
        while let Some(since) = self.since {
            let (until, size) = (self.until, self.size);
            let mut page =
                records.ask(Operation::EndedBetween, |store| store.ended_between(since, until, size)).await?;
            let last = page.last().map(|change| change.at);
            let is_full = page.len() >= usize::try_from(self.size).unwrap_or(usize::MAX);
            self.since = last.filter(|_| is_full);
            if let Some(cut) = self.since {
                // Some of those that ended at the moment where the page ends may be on the next one. So all of them
                // are.
                page.retain(|change| change.at < cut);
                // Others wait for the same rows and the same disk.
                time::sleep(BETWEEN_PAGES).await;
            }
            if !page.is_empty() {
                return Ok(Some(page));
            }
            // A whole page ended at one moment: there is no other way past it.
            self.size = self.size.saturating_mul(2);
        }
        Ok(None)
    }

    /// How many there are, counted no further than `enough`.
    pub(in crate::manager) async fn count(mut self, records: &Records, enough: u64) -> Result<u64, Error> {
        let mut count = 0;
        while count < enough
            && let Some(page) = self.next(records).await?
        {
            count += page.len() as u64;
        }
        Ok(count)
    }
}

const PAGE: u32 = 500;

const BETWEEN_PAGES: Duration = Duration::from_millis(20);

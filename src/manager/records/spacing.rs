//! Limits how often something happens that anyone can cause.

use std::{future::pending, mem, pin::Pin, time::Duration};

use tokio::time::{self, Sleep};

/// Limits what anyone can cause by sending nonsense on the bus: it is done once immediately, and then once in a while
/// for all that came meanwhile.
#[derive(Default)]
pub(in crate::manager) struct Spacing {
    /// Runs since something was done.
    pause: Option<Pin<Box<Sleep>>>,
    /// Whether there is something to do when it ends.
    again: bool,
}

impl Spacing {
    /// Whether to do it now. Otherwise [`due`](Self::due) tells when.
    pub(in crate::manager) fn allows(&mut self) -> bool {
        if self.pause.is_some() {
            self.again = true;
            return false;
        }
        self.pause = Some(Box::pin(time::sleep(DISTANCE)));
        true
    }

    /// Waits until what was put off is to be done; for ever, if nothing was. May be dropped and called again.
    pub(in crate::manager) async fn due(&mut self) {
        loop {
            let Some(pause) = &mut self.pause else {
                return pending().await;
            };
            pause.as_mut().await;
            self.pause = None;
            if mem::take(&mut self.again) {
                self.pause = Some(Box::pin(time::sleep(DISTANCE)));
                return;
            }
        }
    }

    /// It was done for another reason.
    pub(in crate::manager) fn done(&mut self) {
        self.again = false;
    }
}

/// As long as most records are cached anyway.
pub(in crate::manager) const DISTANCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    async fn is_due_within(spacing: &mut Spacing, seconds: u64) -> bool {
        time::timeout(Duration::from_secs(seconds), spacing.due()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_often_is_done_once_and_again_later() {
        let mut spacing = Spacing::default();
        assert!(spacing.allows());
        assert!(!is_due_within(&mut spacing, 5).await);
        for _ in 0..100 {
            assert!(!spacing.allows());
        }
        assert!(!is_due_within(&mut spacing, 4).await);
        assert!(is_due_within(&mut spacing, 2).await, "for all that came meanwhile");
        assert!(!is_due_within(&mut spacing, 100).await, "once");
        assert!(spacing.allows(), "after a while it is done at once again");
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_done_for_another_reason_is_not_done_again() {
        let mut spacing = Spacing::default();
        assert!(spacing.allows() && !spacing.allows());
        spacing.done();
        assert!(!is_due_within(&mut spacing, 100).await);
    }
}

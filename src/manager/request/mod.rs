//! What happens to a request that brings a token.
//!
//! - `authenticate`: the walk from a token to its session; `pending` is what the cache leaves to be done.
//! - `several`: a request has several tokens.
//! - `load`, `reload`: the record is read, once for all that wait, and ahead of time for busy sessions.
//! - `adopt`: a token from before this crate came is put on record.
//! - `refusals`, `expired`: why tokens are refused, also expired ones.
//! - `current`: the session that the request has; `csrf_token` is for its forms.
//! - `notice`: whether it comes from elsewhere than before.
//! - `weight`: what a session weighs in the cache.

mod adopt;
mod authenticate;
mod csrf_token;
mod current;
mod expired;
mod load;
mod notice;
mod pending;
mod refusals;
mod reload;
mod several;
mod weight;

pub use self::current::CurrentSession;
pub(crate) use self::{current::Authenticated, pending::Checked, several::Unresolved};
pub(super) use self::{current::Claims, refusals::Refusal};

use std::{hash::RandomState, sync::Arc};

use tokio::sync::Semaphore;

use self::{
    notice::{MOST_NOTICED, NoticedBrowsers},
    refusals::Refusals,
};
use crate::manager::settings::Settings;

/// What requests have in common, besides the records.
pub(crate) struct Requests {
    pub(super) refusals: Refusals,
    noticed_browsers: NoticedBrowsers,
    /// Places for loads ahead of time, fewer than there are for all: requests that wait come first.
    reloads: Arc<Semaphore>,
    jitter: RandomState,
}

impl Requests {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            refusals: Refusals::new(),
            noticed_browsers: NoticedBrowsers::new(MOST_NOTICED),
            reloads: Arc::new(Semaphore::new(settings.loads_ahead_of_time())),
            jitter: RandomState::new(),
        }
    }
}

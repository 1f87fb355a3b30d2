//! What happens to a request that brings a token.
//!
//! - `authenticate`: the walk from a token to its session.
//! - `several`: a request has several tokens.
//! - `load`, `reload`: the record is read, by one for all who wait, and ahead of time where the session is busy.
//! - `adopt`: a token from before this crate came is put on record.
//! - `refusals`, `expired`: what is said of tokens that are refused, and of those that have run out.
//! - `current`: the session that the request has; `csrf_token` is for its forms.
//! - `notice`: whether it comes from elsewhere than before.
//! - `verifier`: what verifies tokens.
//! - `weight`: what a session weighs in the cache.

pub(super) mod adopt;
pub(super) mod authenticate;
mod csrf_token;
pub(super) mod current;
mod expired;
mod load;
pub(super) mod notice;
pub(super) mod refusals;
mod reload;
mod several;
mod verifier;
mod weight;

pub use self::{adopt::Adoption, current::CurrentSession};
pub(crate) use self::{
    authenticate::{Checked, Pending},
    several::Unresolved,
};

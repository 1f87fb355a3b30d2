//! A request and its credential: the cache, the guard, activity, refusals, and stores that fail.

mod activity;
mod both;
mod cancellation;
mod chunks;
mod coarse_clock;
mod cookies;
mod equivalence;
mod faults;
mod floods;
mod guard;
mod layers;
mod left_over;
mod one_transport;
mod refused;
mod rejections;
mod reload;
mod revision;
#[cfg(feature = "pages")]
mod two_realms;
mod unread_bodies;

//! Records of sessions: how they are read and changed, on this node and for others.
//!
//! - `change`: the one order in which a change is made and becomes known.
//! - `advance`: the one loop that moves a session to its next generation of tokens.
//! - `nodes`: other nodes are told what has ended or changed here, and heard; `spacing` keeps nonsense at a distance.
//! - `watch`: long-lived connections hear of the end of their session.
//! - `touch`, `flush`: activity is noted, and written in chunks that the store is done with soon.
//! - `idle`: sessions are idle once that is on record.
//! - `locate`: where a client is.
//! - `ends`, `store_time`: what ended between two moments, and what time it is by the records.

pub(super) mod advance;
pub(super) mod change;
pub(super) mod ends;
pub(super) mod flush;
pub(super) mod idle;
mod locate;
pub(super) mod nodes;
mod spacing;
pub(super) mod store_time;
mod touch;
pub(super) mod watch;

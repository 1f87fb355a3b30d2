//! What the model is made of: the guard as it is, and what stands in for the rest.

#[path = "../../src/cache/entry.rs"]
mod entry;
#[path = "../../src/cache/live.rs"]
mod live;
#[path = "load.rs"]
mod load;
#[path = "model.rs"]
mod model;
#[path = "../../src/cache/shard.rs"]
mod shard;
#[path = "sync.rs"]
mod sync;
#[path = "token_map.rs"]
mod token_map;

/// Documentation refers to it.
pub enum Cache {}

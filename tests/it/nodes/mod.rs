//! Several nodes: buses between them, and stores that go away.

mod bus;
mod hearing;
mod live;
#[cfg(all(unix, feature = "postgres", feature = "mysql", feature = "redis"))]
mod outages;
#[cfg(any(feature = "postgres", feature = "redis"))]
mod realms;
mod script;
mod telling;

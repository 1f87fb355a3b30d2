//! Several nodes: buses between them, and stores that go away.

mod bus;
mod hearing;
mod live;
#[cfg(all(unix, feature = "postgres", feature = "mysql", feature = "redis"))]
mod outages;
mod script;
mod telling;

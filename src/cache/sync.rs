//! The primitives that the guard is made of. Its model puts others in their place, which try every order of events.

pub(super) use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

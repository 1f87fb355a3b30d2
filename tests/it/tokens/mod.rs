//! Access tokens, refresh tokens and keys.

mod access;
mod keys;
mod refresh;

//! Multi-device sessions for Tower.

pub mod clock;
pub mod device;
pub mod id;
pub mod location;
pub mod policy;
pub mod session;
pub mod store;
mod text;

pub use self::{
    device::ClientInfo,
    id::{DeviceId, InvalidUserId, SessionId, UserId},
    policy::SessionPolicy,
    session::Session,
};

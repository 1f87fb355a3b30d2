use crate::{
    clock::Timestamp,
    device::Device,
    id::{DeviceId, UserId},
};

/// A device that a user has signed in on. It outlives the sessions on it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KnownDevice {
    /// Whose device. With [`id`](Self::id) the record's primary key.
    pub user_id: UserId,
    /// The device's id, which the client or the application keeps.
    pub id: DeviceId,
    /// What the client said of itself when it was last seen, and the name the user gave it.
    pub device: Device,
    /// When the user first signed in on it.
    pub first_seen_at: Timestamp,
    /// When the user last signed in on it.
    pub last_seen_at: Timestamp,
    /// Until when the application may skip a second factor on it.
    pub trusted_until: Option<Timestamp>,
}

impl KnownDevice {
    /// A device that is seen for the first time.
    pub fn new(user_id: UserId, id: DeviceId, device: Device, now: Timestamp) -> Self {
        Self { user_id, id, device, first_seen_at: now, last_seen_at: now, trusted_until: None }
    }

    /// Whether it is trusted at `now`.
    pub fn is_trusted(&self, now: Timestamp) -> bool {
        self.trusted_until.is_some_and(|until| now < until)
    }
}

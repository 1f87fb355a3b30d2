//! The record of a device that a user has signed in on.

use crate::{
    clock::Timestamp,
    device::{Device, DeviceProof, Trust},
    id::{DeviceId, UserId},
};

/// A device that a user has signed in on. It outlives the sessions on it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KnownDevice {
    /// The user. Together with [`id`](Self::id), the record's primary key.
    pub user_id: UserId,
    /// The device's id, which the client or the application keeps.
    pub id: DeviceId,
    /// The device as the client described it when last seen, with the name that the user gave it.
    pub device: Device,
    /// When the user first signed in on it.
    pub first_seen_at: Timestamp,
    /// When the user last signed in on it.
    pub last_seen_at: Timestamp,
    /// Whether, and for how long, the application may skip a second factor on it.
    pub trust: Option<Trust>,
    /// Whether its record lasts.
    pub standing: Standing,
    /// When to check next whether the record is still needed: see [`DeviceUpkeep`](crate::device::DeviceUpkeep).
    pub due_at: Timestamp,
}

/// Whether the record of a device lasts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Standing {
    /// The client has been given its id and has not brought it back yet.
    Provisional,
    /// The user has forgotten it: only its id is left, which is not used for this user again.
    Forgotten,
    /// The client has brought its id.
    #[default]
    Lasting,
}

impl Standing {
    /// The number that stores keep. When there are too many devices, smaller numbers are deleted first.
    pub const fn as_number(self) -> u8 {
        match self {
            Self::Provisional => 0,
            Self::Forgotten => 1,
            Self::Lasting => 2,
        }
    }

    /// Returns the standing with this number. An unknown number, as a newer version may have written it, is lasting.
    pub const fn from_number(number: i64) -> Self {
        match number {
            0 => Self::Provisional,
            1 => Self::Forgotten,
            _ => Self::Lasting,
        }
    }
}

impl KnownDevice {
    /// A device that is seen for the first time, with an id that the client brought.
    pub fn new(user_id: UserId, id: DeviceId, device: Device, now: Timestamp) -> Self {
        let (first_seen_at, last_seen_at, due_at) = (now, now, now);
        let (trust, standing) = (None, Standing::Lasting);
        Self { user_id, id, device, first_seen_at, last_seen_at, trust, standing, due_at }
    }

    /// What is left of a device that its user forgets at `now`.
    pub fn forgotten(user_id: UserId, id: DeviceId, now: Timestamp) -> Self {
        Self { standing: Standing::Forgotten, ..Self::new(user_id, id, Device::default(), now) }
    }

    /// Whether the user has forgotten it.
    pub fn is_forgotten(&self) -> bool {
        self.standing == Standing::Forgotten
    }

    /// Updates the record with a later sight of the same device. Name, trust and first sight stay, and the client's
    /// description is replaced. A forgotten device begins again.
    pub(crate) fn see(&mut self, seen: &Self) {
        if self.is_forgotten() {
            *self = seen.clone();
            return;
        }
        let name = self.device.custom_name.take();
        self.device = seen.device.clone().custom_name(name);
        self.last_seen_at = self.last_seen_at.max(seen.last_seen_at);
        self.due_at = self.due_at.max(seen.due_at);
        if seen.standing == Standing::Lasting {
            self.standing = Standing::Lasting;
        }
    }

    /// The order in which devices are deleted when a user has too many, the smallest first.
    pub(crate) fn worth(&self) -> (bool, u8, Timestamp, DeviceId) {
        let is_marked = self.device.custom_name.is_some() || self.trust.is_some();
        (is_marked, self.standing.as_number(), self.last_seen_at, self.id)
    }

    /// Returns until when it is trusted, or `None` when it is not trusted at `now`.
    pub fn trusted_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.trust.filter(|trust| trust.lasts(now)).map(|trust| trust.until)
    }

    /// Whether the user trusts the device at `now`, and `proof` is that device: it has the id, and holds the secret.
    pub fn trusts(&self, proof: &DeviceProof, now: Timestamp) -> bool {
        self.id == proof.id() && self.trust.is_some_and(|trust| trust.is_proven_by(proof, now))
    }
}

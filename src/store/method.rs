//! The methods of a store by name, for tests that plan faults.

/// The methods of a [`SessionStore`](super::SessionStore), for which a [`FailingStore`](super::FailingStore) plans
/// faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the method of its name")]
#[non_exhaustive]
pub enum StoreMethod {
    Migrate,
    Check,
    Insert,
    Find,
    List,
    Touch,
    End,
    Expire,
    EndAll,
    InScope,
    EndSeveral,
    CutOff,
    Rename,
    SetData,
    Rotate,
    Purge,
    ForgetAddresses,
    EndedBetween,
    SeeDevice,
    Devices,
    FindDevice,
    RenameDevice,
    TrustDevice,
    DistrustDevices,
    ForgetDevice,
    PurgeDevices,
    Erase,
    Scan,
}

impl StoreMethod {
    /// All methods.
    pub const ALL: &'static [Self] = &[
        Self::Migrate,
        Self::Check,
        Self::Insert,
        Self::Find,
        Self::List,
        Self::Touch,
        Self::End,
        Self::Expire,
        Self::EndAll,
        Self::InScope,
        Self::EndSeveral,
        Self::CutOff,
        Self::Rename,
        Self::SetData,
        Self::Rotate,
        Self::Purge,
        Self::ForgetAddresses,
        Self::EndedBetween,
        Self::SeeDevice,
        Self::Devices,
        Self::FindDevice,
        Self::RenameDevice,
        Self::TrustDevice,
        Self::DistrustDevices,
        Self::ForgetDevice,
        Self::PurgeDevices,
        Self::Erase,
        Self::Scan,
    ];
}

//! The devices of a store that fails as scripted.

use super::FailingStore;
use crate::{
    clock::Timestamp,
    device::{DeviceName, DeviceUpkeep, KnownDevice, Trust},
    id::{DeviceId, UserId},
    store::{DevicePosition, DeviceStore, DevicesSwept, StoreFuture, StoreMethod, devices_of},
};

impl DeviceStore for FailingStore {
    fn see_device<'a>(&'a self, device: &'a KnownDevice, most: u32) -> StoreFuture<'a, bool> {
        self.call(StoreMethod::SeeDevice, move |store| devices_of(store).see_device(device, most))
    }

    fn devices<'a>(&'a self, user: &'a UserId, after: DevicePosition, limit: u32) -> StoreFuture<'a, Vec<KnownDevice>> {
        self.call(StoreMethod::Devices, move |store| devices_of(store).devices(user, after, limit))
    }

    fn find_device<'a>(&'a self, user: &'a UserId, id: DeviceId) -> StoreFuture<'a, Option<KnownDevice>> {
        self.call(StoreMethod::FindDevice, move |store| devices_of(store).find_device(user, id))
    }

    fn rename_device<'a>(
        &'a self,
        user: &'a UserId,
        id: DeviceId,
        name: Option<&'a DeviceName>,
    ) -> StoreFuture<'a, bool> {
        self.call(StoreMethod::RenameDevice, move |store| devices_of(store).rename_device(user, id, name))
    }

    fn trust_device<'a>(&'a self, user: &'a UserId, id: DeviceId, trust: Option<Trust>) -> StoreFuture<'a, bool> {
        self.call(StoreMethod::TrustDevice, move |store| devices_of(store).trust_device(user, id, trust))
    }

    fn distrust_devices<'a>(&'a self, user: &'a UserId) -> StoreFuture<'a, u64> {
        self.call(StoreMethod::DistrustDevices, move |store| devices_of(store).distrust_devices(user))
    }

    fn forget_device<'a>(&'a self, user: &'a UserId, id: DeviceId, at: Timestamp) -> StoreFuture<'a, bool> {
        self.call(StoreMethod::ForgetDevice, move |store| devices_of(store).forget_device(user, id, at))
    }

    fn purge_devices<'a>(&'a self, upkeep: &'a DeviceUpkeep, limit: u32) -> StoreFuture<'a, DevicesSwept> {
        self.call(StoreMethod::PurgeDevices, move |store| devices_of(store).purge_devices(upkeep, limit))
    }
}

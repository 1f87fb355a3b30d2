//! What stands in for the devices of a store that keeps none.

use crate::{
    clock::Timestamp,
    device::{DeviceName, DeviceUpkeep, KnownDevice, Trust},
    id::{DeviceId, UserId},
    store::{DevicePosition, DeviceStore, DevicesSwept, SessionStore, StoreFuture},
};

/// Knows of no device, and none is new.
#[derive(Debug)]
struct NoDevices;

/// The devices of this store, or none.
pub(crate) fn devices_of(store: &dyn SessionStore) -> &dyn DeviceStore {
    store.device_store().unwrap_or(&NoDevices)
}

fn always<'a, T: Send + 'a>(value: T) -> StoreFuture<'a, T> {
    Box::pin(std::future::ready(Ok(value)))
}

impl DeviceStore for NoDevices {
    fn see_device<'a>(&'a self, _: &'a KnownDevice, _: u32) -> StoreFuture<'a, bool> {
        always(false)
    }

    fn devices<'a>(&'a self, _: &'a UserId, _: DevicePosition, _: u32) -> StoreFuture<'a, Vec<KnownDevice>> {
        always(Vec::new())
    }

    fn find_device<'a>(&'a self, _: &'a UserId, _: DeviceId) -> StoreFuture<'a, Option<KnownDevice>> {
        always(None)
    }

    fn rename_device<'a>(&'a self, _: &'a UserId, _: DeviceId, _: Option<&'a DeviceName>) -> StoreFuture<'a, bool> {
        always(false)
    }

    fn trust_device<'a>(&'a self, _: &'a UserId, _: DeviceId, _: Option<Trust>) -> StoreFuture<'a, bool> {
        always(false)
    }

    fn distrust_devices<'a>(&'a self, _: &'a UserId) -> StoreFuture<'a, u64> {
        always(0)
    }

    fn forget_device<'a>(&'a self, _: &'a UserId, _: DeviceId, _: Timestamp) -> StoreFuture<'a, bool> {
        always(false)
    }

    fn purge_devices<'a>(&'a self, _: &'a DeviceUpkeep, _: u32) -> StoreFuture<'a, DevicesSwept> {
        always(DevicesSwept::default())
    }
}

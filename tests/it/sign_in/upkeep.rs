//! Upkeep of devices: what is kept of them, how long, and how much of it.

use std::time::Duration;

use tower_device_sessions::{
    ClientInfo, DeviceId, SessionManager, UserId,
    device::DeviceProof,
    manager::Revocation,
    store::{MemoryStore, StoreMethod},
};

use crate::support::{CHROME, Kit, SECRET, TestResult};

const DAY: Duration = Duration::from_secs(86_400);

fn proven(id: DeviceId) -> ClientInfo {
    ClientInfo::new().user_agent(CHROME).device_proof(Some(DeviceProof::new(id)))
}

impl Kit {
    async fn known(&self, user: &str) -> usize {
        self.sessions.devices(&user.parse().expect("an id")).await.expect("a working store").len()
    }

    async fn purged(&self, after: Duration) -> usize {
        self.clock.advance(after);
        self.sessions.purge().await.expect("a working store");
        self.known("ann").await
    }
}

/// Forty sign-ins without a cookie leave nothing behind, and one that brought its cookie back is known.
#[tokio::test]
async fn a_client_that_brings_no_cookie_leaves_no_device() -> TestResult {
    let kit = Kit::new();
    let ann: UserId = "ann".parse()?;
    let unproven = || ClientInfo::new().user_agent("curl/8.5.0").device_proof(None);
    for _ in 0..40 {
        drop(kit.sessions.start("ann", unproven()).await?);
    }
    let started = kit.sessions.start("ann", unproven()).await?;
    let proof = started.device_proof().cloned().ok_or("no proof")?;
    drop(kit.sessions.start("ann", ClientInfo::new().device_proof(Some(proof.clone()))).await?);
    assert_eq!(kit.purged(2 * DAY).await, 41, "while their sessions are there");

    kit.sessions.revoke_all(&ann, Revocation::by_application()).await?;
    assert_eq!(kit.purged(2 * DAY).await, 1);
    assert!(kit.sessions.find_device(&ann, proof.id()).await?.is_some());
    assert_eq!(kit.purged(29 * DAY).await, 0, "without sessions, name and trust for the retention");
    Ok(())
}

#[tokio::test]
async fn a_device_goes_when_it_is_unseen_for_400_days() -> TestResult {
    let kit = Kit::new();
    let (ann, id) = (UserId::try_from("ann")?, DeviceId::new());
    drop(kit.sessions.start("ann", proven(id)).await?);
    kit.sessions.rename_device(&ann, id, Some("Box".try_into()?)).await?;
    assert_eq!(kit.purged(399 * DAY).await, 1, "a name keeps it");
    drop(kit.sessions.start("ann", proven(id)).await?);
    assert_eq!(kit.purged(399 * DAY).await, 1, "it was seen");
    assert_eq!(kit.purged(DAY).await, 0);
    Ok(())
}

#[tokio::test]
async fn what_is_left_of_a_forgotten_device_goes_too() -> TestResult {
    let kit = Kit::with(|builder| builder.device_retention(50 * DAY));
    let (ann, id) = (UserId::try_from("ann")?, DeviceId::new());
    drop(kit.sessions.start("ann", proven(id)).await?);
    kit.sessions.forget_device(&ann, id, Revocation::by_application()).await?;
    let left = |export: serde_json::Value| export["devices"].as_array().map_or(0, Vec::len);
    assert_eq!((kit.purged(49 * DAY).await, left(kit.sessions.export_user(&ann).await?)), (0, 1));
    assert_eq!((kit.purged(DAY).await, left(kit.sessions.export_user(&ann).await?)), (0, 0));
    Ok(())
}

/// A flood of sign-ins takes neither the devices that have a name nor unbounded room.
#[tokio::test]
async fn devices_of_a_user_are_bounded() -> TestResult {
    let kit = Kit::with(|builder| builder.max_devices(10));
    let (ann, id) = (UserId::try_from("ann")?, DeviceId::new());
    drop(kit.sessions.start("ann", proven(id)).await?);
    kit.sessions.rename_device(&ann, id, Some("Box".try_into()?)).await?;
    for _ in 0..50 {
        kit.clock.advance(Duration::from_secs(1));
        drop(kit.sessions.start("ann", proven(DeviceId::new())).await?);
    }
    assert_eq!(kit.known("ann").await, 10);
    assert!(kit.sessions.find_device(&ann, id).await?.is_some());
    Ok(())
}

/// Longer than a page, and none twice; the list shows the newest hundred.
#[tokio::test]
async fn an_export_of_many_devices_has_each_once() -> TestResult {
    let kit = Kit::with(|builder| builder.max_devices(1_000));
    for _ in 0..250 {
        drop(kit.sessions.start("ann", proven(DeviceId::new())).await?);
    }
    let before = kit.store.calls(StoreMethod::Devices);
    let export = kit.sessions.export_user(&"ann".parse()?).await?;
    let mut ids: Vec<String> =
        export["devices"].as_array().ok_or("no devices")?.iter().map(|device| device["id"].to_string()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!((ids.len(), kit.store.calls(StoreMethod::Devices) - before), (250, 3));
    assert_eq!(kit.known("ann").await, 100);
    Ok(())
}

#[tokio::test]
async fn bounds_that_could_not_work_are_refused() -> TestResult {
    let keys = || tower_device_sessions::KeyRing::hs256(SECRET).expect("a good secret");
    let builder = || SessionManager::builder(MemoryStore::new()).keys(keys());
    assert!(builder().max_devices(0).build().is_err());
    assert!(builder().device_retention(DAY - Duration::from_secs(1)).build().is_err());
    assert!(builder().max_devices(1).device_retention(DAY).build().is_ok());
    Ok(())
}

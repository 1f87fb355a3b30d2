//! Realms: unrelated applications that share a server neither hear each other, nor can they keep each other busy.

use std::time::Duration;

use tower_device_sessions::{
    KeyRing,
    bus::{BusHealth, RevocationBus},
    clock::ManualClock,
    manager::{Revocation, SessionManagerBuilder},
    store::{FailingStore, MemoryStore},
};

use crate::support::{Kit, SECRET, TestResult};

/// A node of this issuer and audience, which hears others already.
async fn node(bus: impl RevocationBus, issuer: &str, audience: &str) -> Kit {
    use tower_device_sessions::token::TokenOptions;

    let options = TokenOptions::new().issuer(issuer).audience(audience);
    listening(FailingStore::new(MemoryStore::new()), |builder| builder.token_options(options).bus(bus)).await
}

async fn listening(store: FailingStore, settings: impl FnOnce(SessionManagerBuilder) -> SessionManagerBuilder) -> Kit {
    let kit = Kit::over(store, ManualClock::new(), settings);
    let started = kit.sign_in("first").await;
    kit.sessions.authenticate(started.token()).await.expect("it is accepted");
    until(|| kit.sessions.health().bus.is_some_and(|bus| bus.connected)).await;
    kit
}

async fn until(holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting).await.expect("it comes to hold");
}

/// Ends a session on `here`, and waits until it has heard so itself.
async fn end_one(here: &Kit) -> TestResult {
    let before = heard(here);
    let started = here.sign_in("ann").await;
    let (user, id) = (started.session().user_id.clone(), started.session().id);
    here.sessions.revoke(&user, id, Revocation::by_application()).await?;
    until(|| heard(here) > before).await;
    Ok(())
}

fn heard(kit: &Kit) -> u64 {
    kit.sessions.health().bus.map_or(0, |bus| bus.received)
}

/// What the first says is heard by the second, and by none of the others: each has heard what it has said itself, which
/// was later, and nothing else.
async fn the_first_two_hear_each_other(kits: &[Kit]) -> TestResult {
    end_one(&kits[0]).await?;
    until(|| heard(&kits[1]) == 1).await;
    for (number, other) in kits.iter().enumerate().skip(2) {
        end_one(other).await?;
        assert_eq!(heard(other), 1, "node {number}");
    }
    assert_eq!((heard(&kits[0]), heard(&kits[1])), (1, 1));
    Ok(())
}

/// However much nonsense has been said until now, a message is heard, and everything was forgotten once or twice.
async fn nonsense_costs_little(here: &Kit, there: &Kit, said: u64, health: impl Fn() -> BusHealth) -> TestResult {
    until(|| health().gaps >= said).await;
    let before = heard(there);
    end_one(here).await?;
    until(|| heard(there) > before).await;
    let bumps = there.sessions.health().bus.ok_or("no bus")?.epoch_bumps;
    // One for the connection, one for the nonsense, and one more should the machine have been busy for ten seconds.
    assert!((2..=3).contains(&bumps), "{bumps}");
    Ok(())
}

#[cfg(feature = "redis")]
mod on_redis {
    use tower_device_sessions::{
        bus::{Realm, RedisBus},
        store::RedisStore,
    };

    use super::*;
    use crate::support::servers::{RedisServer, redis_url};

    #[tokio::test]
    async fn applications_hear_each_other_only_in_one_realm() -> TestResult {
        let Some(_) = redis_url().await else { return Ok(()) };
        let Some(server) = RedisServer::start(&[]) else { return Ok(()) };
        let bus = async |database: u32| RedisBus::connect(&format!("{}{database}", server.url())).await;
        let store = async |prefix: &str| {
            let store = RedisStore::connect(&server.url()).await?.key_prefix(prefix)?;
            let bus = bus(0).await?;
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(
                listening(FailingStore::new(store), |builder| builder.bus(bus)).await,
            )
        };
        the_first_two_hear_each_other(&[
            node(bus(0).await?, "i", "a").await,
            node(bus(0).await?, "i", "a").await,
            node(bus(0).await?, "i", "b").await,
            node(bus(0).await?, "j", "a").await,
            node(bus(1).await?, "i", "a").await,
        ])
        .await?;
        the_first_two_hear_each_other(&[store("a:").await?, store("a:").await?, store("b:").await?]).await?;
        // A channel that the application has named is one for all of them.
        let named = async || RedisBus::connect(&server.url()).await?.channel("mine");
        let (one, two) = (node(named().await?, "i", "a").await, node(named().await?, "j", "b").await);
        end_one(&one).await?;
        until(|| heard(&two) == 1).await;
        Ok(())
    }

    #[tokio::test]
    async fn nonsense_on_the_channel_costs_little() -> TestResult {
        let Some(_) = redis_url().await else { return Ok(()) };
        let Some(server) = RedisServer::start(&[]) else { return Ok(()) };
        let bus = RedisBus::connect(&server.url()).await?;
        let (here, there) = (node(bus.clone(), "i", "a").await, node(bus.clone(), "i", "a").await);
        let channel = format!("tds:revocations:0:{}", Realm::new("", Some("i"), Some("a")));
        for _ in 0..50 {
            assert_eq!(server.ask(&format!("PUBLISH {channel} nonsense")).trim(), "2");
        }
        nonsense_costs_little(&here, &there, 100, || bus.health()).await
    }
}

#[cfg(feature = "postgres")]
mod on_postgres {
    use sqlx::PgPool;
    use tower_device_sessions::bus::{PostgresBus, Realm};

    use super::*;
    use crate::support::servers::{skip, unique_name};

    async fn pool() -> Option<PgPool> {
        let url = std::env::var("TEST_POSTGRES_URL");
        let url = url.unwrap_or_else(|_| "postgres://postgres@127.0.0.1:5432/test".to_owned());
        match PgPool::connect(&url).await {
            Ok(pool) => Some(pool),
            Err(error) => {
                skip("postgres", &error.to_string());
                None
            }
        }
    }

    #[tokio::test]
    async fn applications_hear_each_other_only_in_one_realm() -> TestResult {
        let Some(pool) = pool().await else { return Ok(()) };
        let (ours, theirs) = (unique_name(), unique_name());
        let bus = || PostgresBus::from_pool(pool.clone());
        the_first_two_hear_each_other(&[
            node(bus(), &ours, "a").await,
            node(bus(), &ours, "a").await,
            node(bus(), &ours, "b").await,
            node(bus(), &theirs, "a").await,
        ])
        .await
    }

    #[tokio::test]
    async fn nonsense_on_the_channel_costs_little() -> TestResult {
        let Some(pool) = pool().await else { return Ok(()) };
        let issuer = unique_name();
        let bus = PostgresBus::from_pool(pool.clone());
        let (here, there) = (node(bus.clone(), &issuer, "a").await, node(bus.clone(), &issuer, "a").await);
        let channel = format!("tds_revocations_{}", Realm::new("", Some(&issuer), Some("a")));
        for number in 0..50 {
            // Postgres drops what is said twice in one transaction, not what is said in two.
            let said = sqlx::query("SELECT pg_notify($1, $2)").bind(&channel).bind(format!("nonsense {number}"));
            said.execute(&pool).await?;
        }
        nonsense_costs_little(&here, &there, 100, || bus.health()).await
    }

    /// A node with the secret hears those that have it, over a real bus too.
    #[tokio::test]
    async fn sealed_messages_are_heard_and_forged_ones_are_nonsense() -> TestResult {
        let Some(pool) = pool().await else { return Ok(()) };
        let name = unique_name().replace('-', "_");
        let bus = PostgresBus::from_pool(pool).channel(&name)?;
        let sealed = async |bus: PostgresBus| {
            let keys = KeyRing::hs256(SECRET).expect("a good secret");
            listening(FailingStore::new(MemoryStore::new()), |builder| builder.bus(bus).bus_keys(keys)).await
        };
        let (here, there) = (sealed(bus.clone()).await, sealed(bus.clone()).await);
        for user in 0..50_u32 {
            bus.publish(&tower_device_sessions::bus::RevocationMessage::all_ended(user.into(), None)).await?;
        }
        until(|| heard(&there) >= 100).await;
        end_one(&here).await?;
        until(|| heard(&there) >= 102).await;
        let bumps = there.sessions.health().bus.ok_or("no bus")?.epoch_bumps;
        assert!((2..=3).contains(&bumps), "{bumps}");
        Ok(())
    }
}

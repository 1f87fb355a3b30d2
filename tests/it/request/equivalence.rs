//! The cache changes how fast an answer comes, never which one.

use std::time::Duration;

use proptest::prelude::*;
use tower_device_sessions::{
    ClientInfo, KeyRing, SessionManager, SessionPolicy, StartedSession,
    clock::ManualClock,
    device::DeviceName,
    manager::{RefreshPolicy, Revocation},
    store::MemoryStore,
};

use crate::support::SECRET;

const USERS: [&str; 3] = ["ann", "bob", "cid"];
const MINUTE: Duration = Duration::from_secs(60);

/// What may happen. Sessions are named by the order in which they started; one that was refreshed has a second name,
/// under which it has its newer tokens.
#[derive(Clone, Debug)]
enum Step {
    SignIn {
        user: usize,
    },
    SignInAgain {
        held: usize,
    },
    Request {
        session: usize,
    },
    Revoke {
        session: usize,
    },
    RevokeOthers {
        session: usize,
    },
    RevokeAll {
        user: usize,
    },
    Rename {
        session: usize,
    },
    /// With the refresh token of that moment, which may have been used since.
    Refresh {
        session: usize,
    },
    Clock {
        by: Duration,
    },
    FlushActivity,
    FlushCache,
}

fn step() -> impl Strategy<Value = Step> {
    let session = 0..16_usize;
    let user = 0..USERS.len();
    let by = prop_oneof![
        (0..3_000_u64).prop_map(Duration::from_millis),
        (0..120_u64).prop_map(Duration::from_secs),
        (0..20_u32).prop_map(|minutes| MINUTE * minutes),
    ];
    prop_oneof![
        2 => user.clone().prop_map(|user| Step::SignIn { user }),
        1 => session.clone().prop_map(|held| Step::SignInAgain { held }),
        8 => session.clone().prop_map(|session| Step::Request { session }),
        1 => session.clone().prop_map(|session| Step::Revoke { session }),
        1 => session.clone().prop_map(|session| Step::RevokeOthers { session }),
        1 => user.prop_map(|user| Step::RevokeAll { user }),
        1 => session.clone().prop_map(|session| Step::Rename { session }),
        4 => session.prop_map(|session| Step::Refresh { session }),
        4 => by.prop_map(|by| Step::Clock { by }),
        2 => Just(Step::FlushActivity),
        1 => Just(Step::FlushCache),
    ]
}

/// One manager over a store of its own, with the sessions that it has started.
struct World {
    sessions: SessionManager,
    started: Vec<StartedSession>,
}

impl World {
    fn new(clock: &ManualClock, cache_ttl: Duration) -> Self {
        let policy = SessionPolicy::new().idle_timeout(10 * MINUTE).absolute_timeout(60 * MINUTE);
        let sessions = SessionManager::builder(MemoryStore::new())
            .keys(KeyRing::hs256(SECRET).expect("a good secret"))
            .policy(policy)
            .refresh(RefreshPolicy::new())
            .cache_ttl(cache_ttl)
            .clock(clock.clone())
            .build()
            .expect("good settings");
        Self { sessions, started: Vec::new() }
    }

    /// Does one step, and tells what came of it in words that do not depend on random ids.
    async fn take(&mut self, step: &Step) -> String {
        match *step {
            Step::SignIn { user } => self.sign_in(USERS[user], ClientInfo::new()).await,
            Step::SignInAgain { held } => {
                let Some(held) = self.started.get(held).map(|held| held.session().clone()) else {
                    return String::new();
                };
                let client = ClientInfo::new().held(held.user_id.clone(), held.id);
                self.sign_in(held.user_id.as_str(), client).await
            }
            Step::Request { session } => {
                let Some(started) = self.started.get(session) else { return String::new() };
                match self.sessions.authenticate(started.token()).await {
                    Ok(current) => format!("{} on {}", current.user_id(), current.device().name()),
                    Err(denied) => denied.to_string(),
                }
            }
            Step::Revoke { session } => {
                let Some(started) = self.started.get(session) else { return String::new() };
                let (user, id) = (&started.session().user_id, started.session().id);
                format!("{:?}", self.sessions.revoke(user, id, Revocation::by_application()).await.ok())
            }
            Step::RevokeOthers { session } => {
                let Some(started) = self.started.get(session) else { return String::new() };
                match self.sessions.authenticate(started.token()).await {
                    Ok(current) => format!("{:?}", self.sessions.revoke_others(&current).await.ok()),
                    Err(denied) => denied.to_string(),
                }
            }
            Step::RevokeAll { user } => {
                let user = USERS[user].parse().expect("a good id");
                format!("{:?}", self.sessions.revoke_all(&user, Revocation::by_policy()).await.ok())
            }
            Step::Rename { session } => {
                let Some(started) = self.started.get(session) else { return String::new() };
                let (user, id) = (&started.session().user_id, started.session().id);
                let name = DeviceName::try_from(format!("device {session}").as_str()).ok();
                format!("{:?}", self.sessions.rename(user, id, name).await.ok())
            }
            Step::Refresh { session } => {
                let Some(token) = self.started.get(session).and_then(StartedSession::refresh_token) else {
                    return String::new();
                };
                match self.sessions.refresh(token).await {
                    Ok(started) => {
                        let told = format!("refreshed {}", started.session().user_id);
                        self.started.push(started);
                        told
                    }
                    Err(error) => error.to_string(),
                }
            }
            Step::FlushActivity => format!("{}", self.sessions.flush_activity().await),
            Step::FlushCache => {
                self.sessions.flush_cache();
                String::new()
            }
            Step::Clock { .. } => String::new(),
        }
    }

    async fn sign_in(&mut self, user: &str, client: ClientInfo) -> String {
        let started = self.sessions.start(user, client).await.expect("a working store");
        self.started.push(started);
        String::new()
    }
}

/// S26, S28, S31, S51, S52: for any sequence of events, a manager with a cache and one that reads the store for every
/// request answer alike.
#[test]
fn cached_answers_are_those_of_the_store() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    proptest!(|(steps in prop::collection::vec(step(), 1..80), ttl in 1..=60_u64)| {
        runtime.block_on(async {
            let clock = ManualClock::new();
            let mut cached = World::new(&clock, Duration::from_secs(ttl));
            let mut uncached = World::new(&clock, Duration::ZERO);
            for (number, step) in steps.iter().enumerate() {
                if let Step::Clock { by } = step {
                    clock.advance(*by);
                }
                let (with, without) = (cached.take(step).await, uncached.take(step).await);
                prop_assert_eq!(with, without, "step {}: {:?}", number, step);
            }
            Ok(())
        })?;
    });
}

/// S54: a request at any moment keeps the session for the whole idle timeout, and no request for longer than that and
/// the time by which recorded activity may lag.
#[test]
fn a_request_is_worth_one_idle_timeout_whenever_it_comes() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let pauses = prop::collection::vec(0..10 * 60 * 1_000_u64, 1..6);
    proptest!(|(pauses in pauses, flushes: bool)| {
        runtime.block_on(async {
            let clock = ManualClock::new();
            let mut world = World::new(&clock, Duration::from_secs(10));
            world.sign_in("ann", ClientInfo::new()).await;
            let token = world.started[0].token().to_owned();
            for pause in pauses {
                clock.advance(Duration::from_millis(pause));
                // The absolute timeout is not what this is about: six pauses are shorter than an hour.
                prop_assume!(world.sessions.authenticate(&token).await.is_ok());
                if flushes {
                    world.sessions.flush_activity().await;
                }
            }
            let idle = 10 * MINUTE;
            let moment = Duration::from_millis(1);
            let lag = MINUTE + Duration::from_secs(10);
            let late = World { sessions: world.sessions.clone(), started: Vec::new() };

            clock.advance(idle - moment);
            let found = late.sessions.find(&"ann".parse().expect("good"), world.started[0].session().id).await;
            let record = found.expect("a working store").expect("a record");
            let absolute_is_near = record.expires_at.duration_since(record.created_at) < 61 * MINUTE
                && late.sessions.ending_of(&record).is_some_and(|ending| ending.reason.as_str() == "expired");
            prop_assume!(!absolute_is_near);
            prop_assert!(late.sessions.ending_of(&record).is_none(), "ended early");
            clock.advance(lag + moment);
            prop_assert!(world.sessions.authenticate(&token).await.is_err(), "rested too long");
            Ok(())
        })?;
    });
}

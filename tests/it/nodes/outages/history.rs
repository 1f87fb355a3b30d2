//! A check of histories, in the manner of Jepsen: what eight tasks have seen on two nodes is judged afterwards.
//!
//! The store of one node is slow, the wall clocks of both are set ahead and back all the time, and beside them there is
//! another realm with the same key, to whose sessions nobody here is let in, nor the other way round.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::RwLock;
use tower_device_sessions::{
    Error, SessionId, SessionManager, StartedSession, UserId,
    manager::{ListOptions, RefreshPolicy, Revocation},
    policy::Denied,
    store::MemoryStore,
};

use super::{
    hears, node,
    servers::{Database, Kind},
};
use crate::support::{TestResult, clocks::SteppingClock};

/// A session, with the newest tokens that anybody holds.
struct Known {
    user: UserId,
    id: SessionId,
    access_token: Mutex<String>,
    /// With its generation. It is lent while it is being presented, so that nobody presents one whose successor has
    /// been used up already: that would rightly end the session.
    refresh_token: RwLock<(u32, String)>,
}

impl Known {
    fn of(started: &StartedSession) -> Self {
        let session = started.session();
        Self {
            user: session.user_id.clone(),
            id: session.id,
            access_token: Mutex::new(started.token().to_owned()),
            refresh_token: RwLock::new(refresh_token(started)),
        }
    }

    async fn refresh_on(&self, node: &SessionManager) -> Result<(), Error> {
        let started = node.refresh(&self.refresh_token.read().await.1).await?;
        let (mut held, new) = (self.refresh_token.write().await, refresh_token(&started));
        if new.0 > held.0 {
            *held = new;
            *self.access_token.lock().expect("no panic") = started.token().to_owned();
        }
        Ok(())
    }
}

fn refresh_token(started: &StartedSession) -> (u32, String) {
    (started.session().tokens.generation, started.refresh_token().expect("refresh is on").to_owned())
}

/// What one task has done, and when.
struct Step {
    session: usize,
    node: usize,
    began: Instant,
    ended: Instant,
    seen: Seen,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Revoked,
    Accepted,
    Refused,
    Listed,
}

#[derive(Default)]
struct Shared {
    sessions: Mutex<Vec<Arc<Known>>>,
    steps: Mutex<Vec<Step>>,
    is_over: AtomicBool,
    dice: AtomicU64,
}

impl Shared {
    /// A number that looks random, below `sides`.
    fn roll(&self, sides: u64) -> u64 {
        let mut x = self.dice.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % sides
    }

    fn pick(&self) -> Option<(usize, Arc<Known>)> {
        let sessions = self.sessions.lock().expect("no panic");
        // The newest are the busiest, so that much happens to each.
        let newest = sessions.len().min(40);
        let offset = usize::try_from(self.roll(newest.max(1) as u64)).expect("small");
        let index = sessions.len().checked_sub(1 + offset)?;
        Some((index, Arc::clone(&sessions[index])))
    }

    fn note(&self, session: usize, node: usize, began: Instant, seen: Seen) {
        let step = Step { session, node, began, ended: Instant::now(), seen };
        self.steps.lock().expect("no panic").push(step);
    }
}

/// One of the eight.
async fn act(shared: &Shared, nodes: &[SessionManager; 2], realm: &Realm) -> TestResult {
    while !shared.is_over.load(Ordering::Relaxed) {
        let number = usize::try_from(shared.roll(2))?;
        let (sessions, began) = (&nodes[number], Instant::now());
        let picked = shared.pick();
        match (shared.roll(100), picked) {
            (0..10, _) | (_, None) => {
                let user = format!("user-{}", shared.roll(20));
                let started = sessions.start(user.as_str(), Default::default()).await?;
                shared.sessions.lock().expect("no panic").push(Arc::new(Known::of(&started)));
            }
            (10..17, Some((index, known))) => {
                sessions.revoke(&known.user, known.id, Revocation::by_application()).await?;
                shared.note(index, number, began, Seen::Revoked);
            }
            (17..25, Some((index, known))) => match known.refresh_on(sessions).await {
                Ok(()) => shared.note(index, number, began, Seen::Accepted),
                Err(error) if error.denied().is_some() => shared.note(index, number, began, Seen::Refused),
                Err(error) => return Err(error.into()),
            },
            (25..32, Some((_, known))) => {
                let listed = sessions.list(&known.user, &ListOptions::new().limit(100)).await?;
                let all: Vec<_> = shared.sessions.lock().expect("no panic").clone();
                for (index, _) in all.iter().enumerate().filter(|(_, k)| listed.sessions.iter().any(|s| s.id == k.id)) {
                    shared.note(index, number, began, Seen::Listed);
                }
            }
            (_, Some((index, known))) => {
                let token = known.access_token.lock().expect("no panic").clone();
                if shared.roll(10) == 0 {
                    realm.keeps_to_itself(&token, sessions).await;
                }
                match sessions.authenticate(&token).await {
                    Ok(_) => shared.note(index, number, began, Seen::Accepted),
                    Err(Denied::Ended(_)) => shared.note(index, number, began, Seen::Refused),
                    Err(denied) => return Err(format!("{denied:?}").into()),
                }
            }
        }
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// Another application with users of the same names, whose operator has given it the same key.
struct Realm {
    sessions: SessionManager,
    token: String,
}

impl Realm {
    async fn new() -> Self {
        let sessions = node(SessionManager::builder(MemoryStore::new()), Duration::from_secs(3));
        let token = sessions.start("user-1", Default::default()).await.expect("a working store").token().to_owned();
        Self { sessions, token }
    }

    /// Each realm refuses a token of the other, like one of nobody.
    async fn keeps_to_itself(&self, token: &str, others: &SessionManager) {
        assert_eq!(self.sessions.authenticate(token).await.err(), Some(Denied::Invalid));
        assert_eq!(others.authenticate(&self.token).await.err(), Some(Denied::Invalid));
        assert!(self.sessions.authenticate(&self.token).await.is_ok());
    }
}

/// S26, S27, S85: judges what was seen. Returns how many revocations there were.
fn judge(shared: &Shared, bound: Duration) -> usize {
    let steps = shared.steps.lock().expect("no panic");
    let count = shared.sessions.lock().expect("no panic").len();
    let mut first_revoked: Vec<[Option<Instant>; 2]> = vec![[None; 2]; count];
    let mut first_asked: Vec<Option<Instant>> = vec![None; count];
    for step in steps.iter().filter(|step| step.seen == Seen::Revoked) {
        let on_node = &mut first_revoked[step.session][step.node];
        *on_node = Some(on_node.map_or(step.ended, |earlier| earlier.min(step.ended)));
        let asked = &mut first_asked[step.session];
        *asked = Some(asked.map_or(step.began, |earlier| earlier.min(step.began)));
    }
    for step in steps.iter() {
        let [here, there] = [first_revoked[step.session][step.node], first_revoked[step.session][1 - step.node]];
        match step.seen {
            Seen::Accepted => {
                assert!(here.is_none_or(|revoked| step.began <= revoked), "accepted after a revocation on this node");
                let late = there.is_some_and(|revoked| step.began > revoked + bound);
                assert!(!late, "accepted {:?} after a revocation on the other node", there.map(|at| step.began - at));
            }
            Seen::Listed => {
                let revoked = here.into_iter().chain(there).min();
                assert!(revoked.is_none_or(|revoked| step.began <= revoked), "listed after a revocation");
            }
            Seen::Refused => {
                let asked = first_asked[step.session];
                assert!(asked.is_some_and(|asked| asked <= step.ended), "refused before anybody has revoked it");
            }
            Seen::Revoked => {}
        }
    }
    steps.iter().filter(|step| step.seen == Seen::Revoked).count()
}

async fn no_history_shows_a_revoked_session(kind: Kind) -> TestResult {
    let Some(database) = Database::start(kind).await else { return Ok(()) };
    let cache_ttl = Duration::from_secs(3);
    let refreshing = |builder: tower_device_sessions::manager::SessionManagerBuilder| {
        builder.refresh(RefreshPolicy::new().grace(Duration::from_secs(60))).store_deadline(Duration::from_secs(20))
    };
    let clocks = [SteppingClock::default(), SteppingClock::default()];
    let nodes = [
        node(refreshing(database.with_bus().await).clock(clocks[0].clone()), cache_ttl),
        node(refreshing(database.late(Duration::from_millis(5)).await).clock(clocks[1].clone()), cache_ttl),
    ];
    let realm = Arc::new(Realm::new().await);
    let stepping = clocks.map(|clock| clock.keep_stepping(Duration::from_millis(170)));
    let seconds = std::env::var("HISTORY_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    let required = std::env::var("REQUIRE_STORES").is_ok();
    let duration = Duration::from_secs(seconds.unwrap_or(if required { 20 } else { 3 }));

    let shared = Arc::new(Shared::default());
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (shared, nodes, realm) = (Arc::clone(&shared), nodes.clone(), Arc::clone(&realm));
            tokio::spawn(async move { act(&shared, &nodes, &realm).await })
        })
        .collect();
    // The way between the nodes is cut again and again.
    let began = Instant::now();
    while began.elapsed() < duration {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        database.cut_bus().await;
    }
    shared.is_over.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await??;
    }
    stepping.iter().for_each(|stepping| stepping.abort());
    let revoked = judge(&shared, cache_ttl);
    let steps = shared.steps.lock().expect("no panic").len();
    assert!(revoked > 10, "too little has happened: {steps} steps, {revoked} revocations");
    println!("{steps} steps, {revoked} revocations in {duration:?}");

    for sessions in &nodes {
        hears(sessions, if kind == Kind::MariaDb { 1 } else { 3 }).await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_history_on_postgres_shows_a_revoked_session() -> TestResult {
    no_history_shows_a_revoked_session(Kind::Postgres).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_history_on_mariadb_shows_a_revoked_session() -> TestResult {
    no_history_shows_a_revoked_session(Kind::MariaDb).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_history_on_redis_shows_a_revoked_session() -> TestResult {
    no_history_shows_a_revoked_session(Kind::Redis).await
}

/// A judge that finds nothing wrong with anything would be of no use.
#[test]
fn the_judge_sees_what_is_wrong() {
    let (start, second) = (Instant::now(), Duration::from_secs(1));
    let step =
        |node, at: u32, seen| Step { session: 0, node, began: start + at * second, ended: start + at * second, seen };
    let histories = [
        (vec![step(0, 1, Seen::Revoked), step(0, 2, Seen::Accepted)], false),
        (vec![step(0, 1, Seen::Revoked), step(1, 2, Seen::Listed)], false),
        (vec![step(0, 1, Seen::Revoked), step(1, 5, Seen::Accepted)], false),
        (vec![step(1, 1, Seen::Refused), step(0, 2, Seen::Revoked)], false),
        (
            vec![
                step(0, 1, Seen::Accepted),
                step(0, 2, Seen::Revoked),
                step(1, 3, Seen::Accepted),
                step(0, 3, Seen::Refused),
            ],
            true,
        ),
    ];
    for (number, (history, is_good)) in histories.into_iter().enumerate() {
        let shared = Shared::default();
        shared.sessions.lock().expect("no panic").push(Arc::new(Known {
            user: UserId::from(1),
            id: SessionId::at(tower_device_sessions::Timestamp::UNIX_EPOCH),
            access_token: Mutex::default(),
            refresh_token: RwLock::default(),
        }));
        *shared.steps.lock().expect("no panic") = history;
        let judged = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| judge(&shared, 3 * second)));
        assert_eq!(judged.is_ok(), is_good, "history {number}");
    }
}

use std::sync::Arc;

use loom::{model::Builder, sync::Mutex, thread};

use super::{
    entry::Publication,
    live::{Bounds, Joined, LiveSessions, Ticket},
    load::{Fresh, LoadOutcome, RunningLoad},
    token_map::TokenMap,
};
use crate::id::{SessionId, UserId};

/// One node with a store, as far as one user is concerned.
struct Node {
    live: LiveSessions<()>,
    tokens: TokenMap<()>,
    /// The sessions that are active in the store. A read or a change of it is one step.
    store: Mutex<Vec<SessionId>>,
    user: UserId,
}

impl Node {
    fn new(bytes: u64) -> Arc<Self> {
        Arc::new(Self {
            live: LiveSessions::new(Bounds { shards: 1, bytes, forget_after: u64::MAX }),
            tokens: TokenMap::new(),
            store: Mutex::new(vec![ONE, OTHER]),
            user: UserId::from(1),
        })
    }

    /// What the manager does for a request; whether it is accepted.
    fn request(&self, id: SessionId) -> bool {
        let token = id.as_uuid().as_bytes();
        if self.tokens.get(token).is_some_and(|entry| entry.is_of(self.live.epoch(), 0) && entry.is_valid(NOW)) {
            return true;
        }
        for _ in 0..ROUNDS {
            let (ticket, record) = match self.live.join(&self.user, id, NOW, NOW, &self.tokens) {
                Joined::Fresh(ticket, record) => (ticket, Some(record)),
                Joined::Running(ticket, load) => (ticket, found(load.outcome())),
                Joined::Lead(ticket, load) => {
                    let record = found(self.load(&ticket, &load));
                    (ticket, record)
                }
            };
            if !record.is_some_and(|record| record.active) {
                self.live.revoke(&self.user, |candidate| candidate == id, &self.tokens);
                return false;
            }
            if self.publish(&ticket) {
                return true;
            }
        }
        panic!("somebody changes the session all the time");
    }

    /// Reads the record of a session that has an entry, ahead of time.
    fn reload(&self, id: SessionId) {
        let (ticket, record) = match self.live.join(&self.user, id, NOW, UNTIL, &self.tokens) {
            Joined::Fresh(ticket, record) => (ticket, Some(record)),
            Joined::Running(ticket, load) => (ticket, found(load.outcome())),
            Joined::Lead(ticket, load) => {
                let record = found(self.load(&ticket, &load));
                (ticket, record)
            }
        };
        if record.is_some_and(|record| record.active) {
            self.publish(&ticket);
        } else {
            self.live.revoke(&self.user, |candidate| candidate == id, &self.tokens);
        }
    }

    /// Ends a session, and says so when it has.
    fn revoke(&self, id: SessionId) {
        self.store.lock().unwrap().retain(|active| *active != id);
        self.live.revoke(&self.user, |candidate| candidate == id, &self.tokens);
    }

    fn load(&self, ticket: &Ticket, load: &RunningLoad) -> LoadOutcome {
        let outcome = self.read(ticket);
        self.complete(ticket, load, &outcome);
        outcome
    }

    fn read(&self, ticket: &Ticket) -> LoadOutcome {
        let active = self.store.lock().unwrap().contains(&ticket.id());
        LoadOutcome::Found(Fresh { active, until: UNTIL })
    }

    fn complete(&self, ticket: &Ticket, load: &RunningLoad, outcome: &LoadOutcome) {
        self.live.complete(ticket, outcome, &self.tokens);
        load.finish(outcome.clone());
    }

    fn publish(&self, ticket: &Ticket) -> bool {
        let id = ticket.id();
        let publication = Publication {
            token: id.as_uuid().as_bytes(),
            value: (),
            key_revision: 0,
            valid_until: UNTIL,
            touch_due: 0,
            reload_due: 0,
            bytes: 1_000,
        };
        self.live.publish(ticket, publication, &self.tokens).is_some()
    }
}

/// S26.
#[test]
fn no_request_after_a_revocation_is_accepted_while_another_loads() {
    check(|| {
        let node = Node::new(ROOM);
        let early = spawn(&node, |node| node.request(ONE));
        node.revoke(ONE);
        assert!(!node.request(ONE), "it began after the revocation had returned");
        early.join().unwrap();
        assert!(!node.request(ONE), "whatever the earlier request has brought");
    });
}

/// S26.
#[test]
fn no_request_after_a_revocation_is_accepted_while_several_share_a_load() {
    check(|| {
        let node = Node::new(ROOM);
        let early = [spawn(&node, |node| node.request(ONE)), spawn(&node, |node| node.request(ONE))];
        node.revoke(ONE);
        assert!(!node.request(ONE), "it began after the revocation had returned");
        for request in early {
            request.join().unwrap();
        }
        assert!(!node.request(ONE), "whatever the earlier requests have brought");
    });
}

/// S26. A read from before the revocation ends after it, while two requests that begin later read again.
#[test]
fn what_an_early_read_brings_does_not_touch_the_reads_of_later_requests() {
    check(|| {
        let node = Node::new(ROOM);
        let Joined::Lead(ticket, load) = node.live.join(&node.user, ONE, NOW, NOW, &node.tokens) else {
            panic!("nobody else reads")
        };
        let found = node.read(&ticket);
        node.revoke(ONE);
        let early = spawn(&node, move |node| {
            node.complete(&ticket, &load, &found);
            assert!(!node.publish(&ticket), "the session was revoked since");
        });
        let late = spawn(&node, |node| node.request(ONE));
        assert!(!node.request(ONE), "it began after the revocation had returned");
        assert!(!late.join().unwrap(), "so did this one");
        early.join().unwrap();
    });
}

/// S26.
#[test]
fn no_request_after_a_revocation_is_accepted_while_the_record_is_read_ahead_of_time() {
    check(|| {
        let node = Node::new(ROOM);
        assert!(node.request(ONE));
        let reload = spawn(&node, |node| node.reload(ONE));
        node.revoke(ONE);
        assert!(!node.request(ONE), "it began after the revocation had returned");
        reload.join().unwrap();
        assert!(!node.request(ONE), "whatever the read ahead of time has brought");
    });
}

/// S26. There is room for one session, so that each request makes the other session go.
#[test]
fn no_request_after_a_revocation_is_accepted_while_sessions_make_room() {
    check(|| {
        let node = Node::new(ROOM_FOR_ONE);
        let early = spawn(&node, |node| node.request(ONE));
        let other = spawn(&node, |node| node.request(OTHER));
        node.revoke(ONE);
        assert!(!node.request(ONE), "it began after the revocation had returned");
        early.join().unwrap();
        assert!(other.join().unwrap(), "the other session goes on");
        assert!(!node.request(ONE), "whatever the earlier request has brought");
    });
}

/// S29. Another node has ended the session, and this one hears only that it may have missed something.
#[test]
fn nothing_that_was_read_before_a_flush_is_accepted_after_it() {
    check(|| {
        let node = Node::new(ROOM);
        let early = spawn(&node, |node| node.request(ONE));
        node.store.lock().unwrap().clear();
        node.live.raise_epoch();
        assert!(!node.request(ONE), "it began after the flush");
        early.join().unwrap();
        assert!(!node.request(ONE), "whatever the earlier request has brought");
    });
}

/// A revocation takes nothing from a session that goes on.
#[test]
fn a_session_that_goes_on_is_accepted_whatever_becomes_of_another() {
    check(|| {
        let node = Node::new(ROOM);
        let other = spawn(&node, |node| node.request(OTHER));
        node.revoke(ONE);
        assert!(other.join().unwrap());
        assert!(node.request(OTHER));
    });
}

/// Tries every order of the steps with at most three interruptions of a thread that could go on.
fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

fn spawn<T: 'static>(node: &Arc<Node>, run: impl FnOnce(&Node) -> T + 'static) -> thread::JoinHandle<T> {
    let node = Arc::clone(node);
    thread::spawn(move || run(&node))
}

fn found(outcome: LoadOutcome) -> Option<Fresh> {
    match outcome {
        LoadOutcome::Found(record) => Some(record),
        LoadOutcome::NotFound | LoadOutcome::Failed => None,
    }
}

const ONE: SessionId = SessionId::from_uuid(uuid::Uuid::from_u128(1));
const OTHER: SessionId = SessionId::from_uuid(uuid::Uuid::from_u128(2));
const NOW: u64 = 1_000;
const UNTIL: u64 = 2_000;
const ROUNDS: u32 = 8;
const ROOM: u64 = 1 << 20;
const ROOM_FOR_ONE: u64 = 2_000;

//! A model of live connections: the list of those who wait as it is, behind one of loom's locks, and steps of a store
//! beside it, in every order in which they can happen.
//!
//! What is checked is what connections are promised: a connection that still waits when all is quiet waits for a
//! session that has not ended. The model fails when a read that is over overwrites what became due meanwhile.

#[allow(dead_code, unreachable_pub, reason = "the model does not use all of what it is made of")]
#[path = "../../src/manager/records/watch/turns.rs"]
mod turns;

use std::sync::Arc;

use loom::{model::Builder, sync::Mutex, thread};

use self::turns::{Turns, Urgency};
use crate::id::{SessionId, UserId};

/// One node with a store, as far as one session is concerned.
struct Node {
    turns: Mutex<Turns<()>>,
    /// Whether the session is active in the store. A read or a change of it is one step.
    is_active: Mutex<bool>,
    /// Whether what the node has cached of it is void.
    is_void: Mutex<bool>,
    told: Mutex<bool>,
    user: UserId,
}

impl Node {
    /// A node that somebody waits on, and that is about to look at the session because something has changed.
    fn new() -> Arc<Self> {
        let mut turns = Turns::default();
        let user = UserId::from(1);
        turns.join(&user, ONE, LATER, || ());
        turns.make_due(&user, ONE, Urgency::Changed);
        let [is_active, is_void, told] = [true, false, false].map(Mutex::new);
        Arc::new(Self { turns: Mutex::new(turns), is_active, is_void, told, user })
    }

    /// Another node ends the session, and this one hears of it.
    fn end_elsewhere(&self) {
        *self.is_active.lock().unwrap() = false;
        *self.is_void.lock().unwrap() = true;
        self.turns.lock().unwrap().make_due(&self.user, ONE, Urgency::Ended);
    }

    /// Another node ends the session, and this one hears that it may have missed something.
    fn end_unheard(&self) {
        *self.is_active.lock().unwrap() = false;
        *self.is_void.lock().unwrap() = true;
        self.turns.lock().unwrap().make_every_due(Urgency::Doubt);
    }

    /// One read of what is due, if anything is.
    fn look(&self) -> bool {
        let Some((user, id, _)) = self.turns.lock().unwrap().take(NOW) else {
            return false;
        };
        let is_active = *self.is_active.lock().unwrap();
        let mut turns = self.turns.lock().unwrap();
        match is_active {
            true => turns.finish(&user, id, LATER, Urgency::Time),
            false => {
                if turns.end(&user, id).is_some() {
                    *self.told.lock().unwrap() = true;
                }
            }
        }
        true
    }

    /// A waiting connection goes, and comes again with a session that was accepted before.
    fn wait_anew(&self) {
        self.turns.lock().unwrap().leave(&self.user, ONE);
        *self.told.lock().unwrap() = false;
        self.turns.lock().unwrap().join(&self.user, ONE, LATER, || ());
        if *self.is_void.lock().unwrap() {
            self.turns.lock().unwrap().make_due(&self.user, ONE, Urgency::Changed);
        }
    }

    /// Looks until nothing is due, and no deadline is waited for.
    fn settle(&self) {
        while self.look() {}
        assert!(*self.told.lock().unwrap(), "the session has ended, and nobody was told");
    }
}

/// S39.
#[test]
fn an_end_is_told_whatever_is_read_meanwhile() {
    for end in [Node::end_elsewhere, Node::end_unheard] {
        check(move || {
            let node = Node::new();
            let looking = [spawn(&node, Node::look), spawn(&node, Node::look)];
            end(&node);
            for thread in looking {
                thread.join().unwrap();
            }
            node.settle();
        });
    }
}

/// S39.
#[test]
fn an_end_is_told_to_one_who_comes_again_meanwhile() {
    check(|| {
        let node = Node::new();
        let looking = spawn(&node, Node::look);
        let coming = spawn(&node, Node::wait_anew);
        node.end_elsewhere();
        looking.join().unwrap();
        coming.join().unwrap();
        node.settle();
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

const ONE: SessionId = SessionId::from_uuid(uuid::Uuid::from_u128(1));
const NOW: u64 = 1_000;
const LATER: u64 = 2_000;

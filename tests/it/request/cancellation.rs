//! A client that asks for a change may hang up at any moment: the store is as before, or as asked for.

use std::{
    pin::Pin,
    task::{Context, Waker},
};

use serde_json::{Map, json};
use tower_device_sessions::{
    CurrentSession, Session, SessionManager,
    device::DeviceName,
    manager::{ListOptions, Revocation},
    store::{SessionState, StoreMethod},
};

use crate::support::{Kit, TestResult};

type Change = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A change, the method of the store that makes it, and how the two states of the store are told apart.
struct Case {
    name: &'static str,
    method: StoreMethod,
    change: fn(SessionManager, CurrentSession) -> Change,
    is_new: fn(&[Session]) -> bool,
    is_old: fn(&[Session]) -> bool,
}

fn ended(sessions: &[Session]) -> usize {
    sessions.iter().filter(|session| session.ended.is_some()).count()
}

/// Two sessions are there, of which the first is the one that asks.
fn cases() -> Vec<Case> {
    let untouched: fn(&[Session]) -> bool = |all| all.len() == 2 && ended(all) == 0;
    vec![
        Case {
            name: "start",
            method: StoreMethod::Insert,
            change: |sessions, _| Box::pin(async move { drop(sessions.start("ann", Default::default()).await) }),
            is_new: |all| all.len() == 3 && ended(all) == 0,
            is_old: untouched,
        },
        Case {
            name: "start in place of another",
            method: StoreMethod::Insert,
            change: |sessions, current| {
                let client = tower_device_sessions::ClientInfo::new().held(current.user_id().clone(), current.id());
                Box::pin(async move { drop(sessions.start("ann", client).await) })
            },
            is_new: |all| all.len() == 3 && ended(all) == 1,
            is_old: untouched,
        },
        Case {
            name: "start without a token",
            method: StoreMethod::Insert,
            change: |sessions, _| {
                Box::pin(async move { drop(sessions.start("ann", Default::default()).without_token().await) })
            },
            is_new: |all| all.len() == 3 && ended(all) == 0,
            is_old: untouched,
        },
        Case {
            name: "sign_out",
            method: StoreMethod::End,
            change: |sessions, current| Box::pin(async move { drop(sessions.sign_out(&current).await) }),
            is_new: |all| ended(all) == 1,
            is_old: untouched,
        },
        Case {
            name: "revoke",
            method: StoreMethod::End,
            change: |sessions, current| {
                Box::pin(async move { drop(sessions.revoke(current.user_id(), current.id(), &current).await) })
            },
            is_new: |all| ended(all) == 1,
            is_old: untouched,
        },
        Case {
            name: "revoke_others",
            method: StoreMethod::EndAll,
            change: |sessions, current| Box::pin(async move { drop(sessions.revoke_others(&current).await) }),
            is_new: |all| ended(all) == 1,
            is_old: untouched,
        },
        Case {
            name: "revoke_all",
            method: StoreMethod::EndAll,
            change: |sessions, current| {
                Box::pin(
                    async move { drop(sessions.revoke_all(current.user_id(), Revocation::by_application()).await) },
                )
            },
            is_new: |all| ended(all) == 2,
            is_old: untouched,
        },
        Case {
            name: "rename",
            method: StoreMethod::Rename,
            change: |sessions, current| {
                let name = DeviceName::try_from("box").ok();
                Box::pin(async move { drop(sessions.rename(current.user_id(), current.id(), name).await) })
            },
            is_new: |all| all.iter().filter(|session| session.device.custom_name.is_some()).count() == 1,
            is_old: |all| all.iter().all(|session| session.device.custom_name.is_none()),
        },
        Case {
            name: "set_data",
            method: StoreMethod::SetData,
            change: |sessions, current| {
                let data = Map::from_iter([("a".to_owned(), json!(1))]);
                Box::pin(async move { drop(sessions.set_data(current.user_id(), current.id(), data).await) })
            },
            is_new: |all| all.iter().filter(|session| !session.data.is_empty()).count() == 1,
            is_old: |all| all.iter().all(|session| session.data.is_empty()),
        },
    ]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    Nowhere,
    BeforeTheChange,
    AfterTheChange,
}

/// S36, R27: every change of the manager, its future dropped after each number of polls, while the store has not begun,
/// is at work, or has committed.
#[tokio::test]
async fn a_dropped_change_is_done_or_not_begun_wherever_it_is_dropped() -> TestResult {
    for case in cases() {
        for held in [Held::Nowhere, Held::BeforeTheChange, Held::AfterTheChange] {
            for polls in 0..6 {
                let what = format!("{}, held {held:?}, dropped after {polls} polls", case.name);
                let kit = Kit::new();
                let asking = kit.sign_in("ann").await;
                drop(kit.sign_in("ann").await);
                let current = kit.sessions.authenticate(asking.token()).await?;
                let gate = match held {
                    Held::Nowhere => None,
                    Held::BeforeTheChange => Some(kit.store.hold_before(case.method)),
                    Held::AfterTheChange => Some(kit.store.hold_after(case.method)),
                };

                let mut change = (case.change)(kit.sessions.clone(), current);
                for _ in 0..polls {
                    if change.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
                drop(change);
                drop(gate);
                // Whatever was begun comes to its end: with everything in memory that takes a few turns.
                for _ in 0..50 {
                    tokio::task::yield_now().await;
                }

                let options = ListOptions::new().state(SessionState::All);
                let all = kit.sessions.list(&asking.session().user_id, &options).await?.sessions;
                let expected = if polls == 0 { case.is_old } else { case.is_new };
                assert!(expected(&all), "{what}: {all:#?}");
            }
        }
    }
    Ok(())
}

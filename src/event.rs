//! Events: what happened to sessions, for the application's own mail, audit log or metrics.
//!
//! Events carry ids and records, never a token, a key or a cookie value. They are told after the fact: what an event
//! says is on record already.

use std::{fmt, sync::Arc};

use crate::{
    id::{SessionId, UserId},
    policy::Full,
    session::{Ending, Session},
};

/// Something that happened to a session.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SessionEvent {
    /// A user signed in.
    Started {
        /// The new record.
        session: Arc<Session>,
    },
    /// A session was ended on purpose: by a person, a limit or a rule.
    Ended {
        /// Whose session.
        user_id: UserId,
        /// Which session.
        session_id: SessionId,
        /// Why, by whom and when.
        ending: Ending,
    },
    /// Somebody presented a validly signed token of a session that has ended.
    UsedAfterEnd {
        /// Whose session.
        user_id: UserId,
        /// Which session.
        session_id: SessionId,
        /// How it had ended.
        ending: Ending,
    },
    /// Somebody presented a validly signed token that names no session of its user.
    UnknownSession {
        /// The user whom the token names.
        user_id: UserId,
        /// The session that the token names.
        session_id: SessionId,
    },
    /// A limit on the number of sessions refused a sign-in.
    LimitReached {
        /// Who wanted to sign in.
        user_id: UserId,
        /// How many sessions there were.
        full: Full,
    },
    /// A request carried several credentials, or one that does not follow the syntax.
    AmbiguousCredentials,
}

/// Is told of every [`SessionEvent`].
///
/// Closures that take `&SessionEvent` are listeners. A listener is called on the task that did the work, so it must not
/// block; one that panics is logged, and changes nothing.
pub trait OnSessionEvent: Send + Sync + 'static {
    /// Takes note of `event`.
    fn on_event(&self, event: &SessionEvent);
}

impl<F> OnSessionEvent for F
where
    F: Fn(&SessionEvent) + Send + Sync + 'static,
{
    fn on_event(&self, event: &SessionEvent) {
        self(event);
    }
}

/// The listeners of one manager.
#[derive(Clone, Default)]
pub(crate) struct Listeners(Vec<Arc<dyn OnSessionEvent>>);

impl Listeners {
    pub(crate) fn add(&mut self, listener: Arc<dyn OnSessionEvent>) {
        self.0.push(listener);
    }

    pub(crate) fn tell(&self, event: &SessionEvent) {
        for listener in &self.0 {
            let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| listener.on_event(event)));
            if told.is_err() {
                crate::logging::listener_panicked();
            }
        }
    }
}

impl fmt::Debug for Listeners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Listeners({})", self.0.len())
    }
}

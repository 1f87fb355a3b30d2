//! Events: what happened to sessions, for the application's own mail, audit log or metrics.
//!
//! Events carry ids and records, never a token, a key or a cookie value. They are sent after the fact: what an event
//! says is already on record.

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use crate::{
    id::{SessionId, UserId},
    policy::{CsrfDenied, Denied, Full, ReuseCause},
    session::{Ending, Session},
};

/// Something that happened to a session.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SessionEvent {
    /// A user signed in.
    #[non_exhaustive]
    Started {
        /// The new record.
        session: Arc<Session>,
        /// Whether it is the user's first sign-in on this device, as far as is still on record. Always `false` for a
        /// client without a device id.
        new_device: bool,
        /// Whether a new device is also the only one on record: the first of a new user, or of one who was there before
        /// this crate came. A mail about a new device is for the others.
        first_device: bool,
        /// Whether no other session of the user that is still kept has come from this country and region. Always
        /// `false` when the place is not known.
        new_location: bool,
    },
    /// A session was ended on purpose: by a person, a limit or a rule.
    #[non_exhaustive]
    Ended {
        /// Whose session.
        user_id: UserId,
        /// Which session.
        session_id: SessionId,
        /// Why, by whom and when.
        ending: Ending,
    },
    /// A token from before this crate came was put on record, with its first use. Nodes that see it at the same time
    /// may each send this event.
    #[non_exhaustive]
    Adopted {
        /// The new record.
        session: Arc<Session>,
    },
    /// A refresh token was exchanged for the next pair of tokens.
    #[non_exhaustive]
    Refreshed {
        /// Whose session.
        user_id: UserId,
        /// Which session.
        session_id: SessionId,
        /// The number of the new pair.
        generation: u32,
    },
    /// A used refresh token was presented, and the same successor was returned again: a response was lost, several tabs
    /// refreshed at once, or somebody has a copy. Once within seconds is normal. Generation after generation, minutes
    /// apart, is not.
    #[non_exhaustive]
    RefreshReplayed {
        /// Whose session.
        user_id: UserId,
        /// Which session.
        session_id: SessionId,
        /// The number of the pair whose refresh token was presented.
        generation: u32,
        /// How often this node has returned the successor of that token again, this time included.
        times: u32,
        /// How long after the refresh that used it.
        after: Duration,
    },
    /// A used refresh token was presented: somebody has a copy. The session has been ended. CRITICAL.
    #[non_exhaustive]
    RefreshReused {
        /// Whose session.
        user_id: UserId,
        /// Which session.
        session_id: SessionId,
        /// How the reuse was recognised.
        cause: ReuseCause,
    },
    /// The user of a session has authenticated again.
    #[non_exhaustive]
    Reauthenticated {
        /// The record, as it is now.
        session: Arc<Session>,
    },
    /// A session is in use from another address than before. Users move; it is no proof of anything.
    #[non_exhaustive]
    AddressChanged {
        /// Whose session.
        user_id: UserId,
        /// Which session.
        session_id: SessionId,
        /// The newest address on record.
        from: IpAddr,
        /// The address now.
        to: IpAddr,
    },
    /// A session is in use from another browser or operating system than the one it was started in. Newer versions of
    /// the same do not count.
    #[non_exhaustive]
    BrowserChanged {
        /// Whose session.
        user_id: UserId,
        /// Which session.
        session_id: SessionId,
        /// The browser on record, such as `Chrome on Windows`.
        from: Box<str>,
        /// The browser now.
        to: Box<str>,
    },
    /// The credentials of a user have changed: all sessions have ended, except one that may have been kept.
    #[non_exhaustive]
    CredentialsChanged {
        /// The user.
        user_id: UserId,
        /// The session that was kept, under new tokens.
        kept: Option<SessionId>,
    },
    /// Everything about a user has been deleted.
    #[non_exhaustive]
    Erased {
        /// The user.
        user_id: UserId,
        /// How many sessions there were.
        sessions: u64,
    },
    /// A validly signed token of a session that has ended was presented.
    #[non_exhaustive]
    UsedAfterEnd {
        /// Whose session.
        user_id: UserId,
        /// Which session.
        session_id: SessionId,
        /// How it had ended.
        ending: Ending,
    },
    /// A validly signed token that names no session of its user was presented.
    #[non_exhaustive]
    UnknownSession {
        /// The user whom the token names.
        user_id: UserId,
        /// The session that the token names.
        session_id: SessionId,
    },
    /// The other nodes could not be told that sessions of a user have ended or changed. They notice when their cache
    /// entries expire.
    #[non_exhaustive]
    OtherNodesNotTold {
        /// Whose sessions.
        user_id: UserId,
        /// The longest time until they notice.
        bound: Duration,
    },
    /// Messages of other nodes may have been missed: everything cached is read again.
    #[non_exhaustive]
    OtherNodesMissed {
        /// The name of the bus, such as `redis`.
        bus: &'static str,
        /// Why: `disconnected`, `overflow` or `undecodable`.
        reason: &'static str,
    },
    /// Messages of other nodes arrive, for the first time or again.
    #[non_exhaustive]
    OtherNodesHeard {
        /// The name of the bus.
        bus: &'static str,
    },
    /// More than half of all sessions on record are past their retention. None of them was deleted in this round,
    /// because a wrong clock looks the same. [`SessionManager::purge`](crate::SessionManager::purge) deletes them.
    #[non_exhaustive]
    RetentionPaused {
        /// How many would be deleted.
        due: u64,
        /// How many would be left.
        kept: u64,
    },
    /// A limit on the number of sessions refused a sign-in.
    #[non_exhaustive]
    LimitReached {
        /// Who wanted to sign in.
        user_id: UserId,
        /// How many sessions there were.
        full: Full,
    },
    /// A request carried several credentials, or one that does not follow the syntax.
    AmbiguousCredentials,
    /// A layer in shadow mode has let a request pass that it would have refused.
    #[non_exhaustive]
    WouldDeny {
        /// Why it would have been refused.
        denied: Denied,
    },
    /// Something is set up in a way that is hardly intended. It is reported once per manager, and logged.
    #[non_exhaustive]
    Misconfigured {
        /// What it is.
        what: Misconfiguration,
    },
    /// A request with our cookie was refused because another site has caused it, or may have.
    #[non_exhaustive]
    CsrfDenied {
        /// How it was recognised.
        why: CsrfDenied,
    },
}

/// A setup that is hardly intended and shows only at run time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Misconfiguration {
    /// Cookies work over plain HTTP ([`insecure_localhost`](crate::credentials::CookieOptions::insecure_localhost)),
    /// and a request was for a host that is not this machine.
    InsecureCookies,
    /// A layer has been in [shadow mode](crate::SessionLayer::shadow) for a week, and refuses nothing.
    ShadowForLong,
    /// The store is on another machine, and the connection to it is not encrypted.
    PlainTextStore,
    /// Sessions on one device are to [replace each other](crate::policy::SameDevice::Replace), and a client signed in
    /// that has no device id.
    ReplaceWithoutDevice,
}

impl Misconfiguration {
    /// The name in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InsecureCookies => "insecure_cookies",
            Self::ShadowForLong => "shadow_for_long",
            Self::PlainTextStore => "plain_text_store",
            Self::ReplaceWithoutDevice => "replace_without_device",
        }
    }
}

impl fmt::Display for Misconfiguration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InsecureCookies => {
                "cookies are sent in clear text (`insecure_localhost`), and not only on localhost: anyone on the way can \
                 read and plant them"
            }
            Self::ShadowForLong => "a layer has been in shadow mode for a week: it refuses nothing",
            Self::PlainTextStore => {
                "the store is on another machine, and the connection is not encrypted: anyone on the way can read and \
                 change sessions"
            }
            Self::ReplaceWithoutDevice => {
                "sessions on one device are to be replaced, and a client has signed in without a device id: nothing is \
                 replaced then"
            }
        })
    }
}

/// Receives every [`SessionEvent`].
///
/// Closures that take `&SessionEvent` are listeners. A listener runs on the task that did the work, so it must not
/// block. A panic in it is logged and has no other effect.
///
/// # Examples
///
/// ```
/// use tower_device_sessions::{KeyRing, SessionManager, event::SessionEvent, store::MemoryStore};
///
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let sessions = SessionManager::builder(MemoryStore::new())
///     .keys(KeyRing::random()?)
///     .on_event(|event: &SessionEvent| match event {
///         SessionEvent::Started { session, new_device: true, .. } => {
///             println!("mail to {}: a sign-in on {}", session.user_id, session.device.name());
///         }
///         SessionEvent::RefreshReused { user_id, .. } => println!("audit: a stolen token of {user_id}"),
///         _ => {}
///     })
///     .build()?;
/// # Ok(())
/// # }
/// ```
pub trait OnSessionEvent: Send + Sync + 'static {
    /// Handles `event`.
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

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
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

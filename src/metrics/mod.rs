//! Metrics, for the recorder of the [`metrics`](https://docs.rs/metrics) crate that the application installs.
//!
//! The recorder must be installed before [`build()`](crate::manager::SessionManagerBuilder::build) is called: the
//! manager takes its handles there, so that counting a request costs one addition. Without the feature `metrics`
//! nothing of this is compiled.
//!
//! | name | kind | labels | what it says |
//! | --- | --- | --- | --- |
//! | `device_sessions_requests_total` | counter | `outcome` | requests that the layer has judged |
//! | `device_sessions_cache_lookups_total` | counter | `result`: `hit`, `stale`, `miss` | look-ups of a token |
//! | `device_sessions_loads_total` | counter | `result`: `found`, `not_found`, `failed` | reads that the cache missed |
//! | `device_sessions_store_seconds` | histogram | `operation`, `result`: `ok`, `error`, `timeout` | store time |
//! | `device_sessions_started_total` | counter | | sign-ins |
//! | `device_sessions_ended_total` | counter | `reason` | sessions ended on purpose, by this node |
//! | `device_sessions_revocation_seconds` | histogram | | from the call of a revocation to its end on this node |
//! | `device_sessions_remote_revocation_seconds` | histogram | | from an ending elsewhere to hearing of it |
//! | `device_sessions_activity_waiting` | gauge | | sessions whose activity waits to be written |
//! | `device_sessions_activity_written_total` | counter | | activity that was written, by session |
//! | `device_sessions_activity_dropped_total` | counter | | activity that was dropped because the queue was full |
//! | `device_sessions_connections_waiting` | gauge | | connections that wait for the end of their session |
//! | `device_sessions_bus_connected` | gauge | | 1 while other nodes can be heard, 0 while not |
//! | `device_sessions_epoch_bumps_total` | counter | | how often the whole cache was voided |
//! | `device_sessions_retention_paused_total` | counter | | rounds that deleted nothing |
//!
//! Store time includes the wait for a connection. The whole cache is voided when messages of other nodes may have
//! been missed. A round deletes nothing when it would delete more than half of all sessions.
//!
//! The outcomes are `accepted`, `anonymous`, `malformed`, `invalid`, `token_expired`, `ended`, `forged`, `step_up` and
//! `unavailable`; the reasons are those of [`EndReason`](crate::session::EndReason), and the operations the methods of
//! [`SessionStore`](crate::store::SessionStore). No label holds anything of a user, a session or a request: the number
//! of series is fixed.

#[cfg(feature = "metrics")]
mod recorded;
#[cfg(not(feature = "metrics"))]
mod silent;

#[cfg(feature = "metrics")]
pub(crate) use self::recorded::{Metrics, Stopwatch};
#[cfg(not(feature = "metrics"))]
pub(crate) use self::silent::{Metrics, Stopwatch};

/// Declares the operations of a store with their names.
macro_rules! operations {
    ($($operation:ident => $name:literal,)*) => {
        /// What a store is asked for: the method of [`SessionStore`](crate::store::SessionStore) of this name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Operation {
            $($operation,)*
        }

        impl Operation {
            /// All of them, in their order.
            #[cfg(feature = "metrics")]
            const ALL: &'static [Self] = &[$(Self::$operation,)*];

            pub(crate) const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$operation => $name,)*
                }
            }
        }
    };
}

operations! {
    Insert => "insert",
    Find => "find",
    List => "list",
    Touch => "touch",
    End => "end",
    Expire => "expire",
    EndAll => "end_all",
    InScope => "in_scope",
    EndSeveral => "end_several",
    CutOff => "cut_off",
    Rename => "rename",
    SetData => "set_data",
    Rotate => "rotate",
    Purge => "purge",
    ForgetAddresses => "forget_addresses",
    EndedBetween => "ended_between",
    SeeDevice => "see_device",
    Devices => "devices",
    FindDevice => "find_device",
    RenameDevice => "rename_device",
    TrustDevice => "trust_device",
    DistrustDevices => "distrust_devices",
    ForgetDevice => "forget_device",
    PurgeDevices => "purge_devices",
    Erase => "erase",
    Scan => "scan",
    Check => "check",
}

/// What the cache said of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LookedUp {
    Hit,
    Stale,
    Miss,
}

/// What a load brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loaded {
    Found,
    NotFound,
    Failed,
}

/// How the store answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answered {
    Ok,
    Error,
    Timeout,
}

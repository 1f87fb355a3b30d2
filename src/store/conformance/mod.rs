//! The suite that every store must pass.
//!
//! Each case proves one promise of [`SessionStore`] on a store of its own, which must be empty, have its schema, and be
//! used by nothing else meanwhile. A failure names the case, the promise and what was found instead.
//!
//! [`store_conformance!`](crate::store_conformance) makes one test of each case; [`all`] runs them one after another.
//!
//! # Examples
//!
//! ```
//! use tower_device_sessions::store::{MemoryStore, conformance};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), conformance::Failure> {
//! conformance::all(async || MemoryStore::new()).await?;
//! # Ok(())
//! # }
//! ```

mod admission;
mod adopting;
mod cancellation;
mod changes;
mod devices;
mod ending;
mod erasure;
mod interleaving;
mod listing;
mod records;
mod rotation;
mod scanning;
mod support;
mod sweeping;
mod touching;
mod trust;
mod upkeep;

use std::{error::Error, fmt, pin::Pin, sync::Arc};

use self::support::Violation;
use crate::store::SessionStore;

/// Runs every case, each on a store that `make` makes for it.
///
/// # Errors
///
/// The first [`Failure`].
pub async fn all<S: SessionStore>(make: impl AsyncFn() -> S) -> Result<(), Failure> {
    for case in CASES {
        case.check(make().await).await?;
    }
    Ok(())
}

/// The case of this name.
///
/// # Errors
///
/// A [`Failure`] when there is none.
pub fn find(case: &str) -> Result<&'static Case, Failure> {
    let known = CASES.iter().find(|known| known.name == case);
    known.ok_or_else(|| Failure { case: case.into(), promise: "the suite has such a case", found: "none".into() })
}

/// One promise of the contract, and the test of it.
pub struct Case {
    name: &'static str,
    promise: &'static str,
    is_of_devices: bool,
    body: fn(Arc<dyn SessionStore>) -> CaseFuture,
}

type CaseFuture = Pin<Box<dyn Future<Output = Result<(), Violation>> + Send>>;

impl Case {
    /// The name, which is also that of the test that [`store_conformance!`](crate::store_conformance) makes of it.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What a store promises.
    pub fn promise(&self) -> &'static str {
        self.promise
    }

    /// Holds `store` to the promise. It must be empty and have its schema, and nothing else may use it meanwhile. What
    /// is promised of devices is not asked of a store that [keeps none](SessionStore::device_store).
    ///
    /// Runs on a Tokio runtime; the races in it are only races on one with several threads.
    ///
    /// # Errors
    ///
    /// A [`Failure`] when the store breaks the promise.
    pub async fn check(&self, store: impl SessionStore) -> Result<(), Failure> {
        if self.is_of_devices && store.device_store().is_none() {
            return Ok(());
        }
        let verdict = (self.body)(Arc::new(store)).await;
        verdict.map_err(|found| Failure { case: self.name.into(), promise: self.promise, found: found.to_string() })
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case").field("name", &self.name).field("promise", &self.promise).finish_non_exhaustive()
    }
}

/// A promise that a store did not keep.
#[derive(Clone)]
pub struct Failure {
    case: Box<str>,
    promise: &'static str,
    found: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "case `{}`\n promise: {}\n found: {}", self.case, self.promise, self.found)
    }
}

/// The same as `Display`, since that is what a test that returns an error prints.
impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for Failure {}

/// Makes one test of each conformance case: `store_conformance!(make)` or `store_conformance!(run = run)`.
///
/// - `make` is called without arguments for each case and returns a future of an empty store with its schema.
/// - `run` is called with each [`Case`](crate::store::conformance::Case) instead and returns a future of a
///   `Result<(), Failure>`, for suites that skip cases or tear something down.
///
/// The tests use `#[tokio::test]`, so `tokio` with its `macros` and `rt-multi-thread` features must be a dependency.
///
/// # Examples
///
/// ```
/// use tower_device_sessions::{store::MemoryStore, store_conformance};
///
/// async fn empty_store() -> MemoryStore {
///     MemoryStore::new()
/// }
///
/// store_conformance!(empty_store);
/// ```
#[macro_export]
macro_rules! store_conformance {
    (run = $run:expr) => {
        $crate::__conformance_cases! { tests ($run) }
    };
    ($make:expr) => {
        $crate::store_conformance! { run = async |case: &'static $crate::store::conformance::Case| {
            case.check(($make)().await).await
        } }
    };
}

/// The one list of cases, made into the table of them or into tests.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_cases {
    (@tests ($run:expr) $($module:ident { $($case:ident: $promise:literal,)+ })+) => {$($(
        #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        async fn $case() -> ::std::result::Result<(), $crate::store::conformance::Failure> {
            ($run)($crate::store::conformance::find(stringify!($case))?).await
        }
    )+)+};

    (@table $($module:ident { $($case:ident: $promise:literal,)+ })+) => {
        /// All cases.
        pub const CASES: &[Case] = &[$($(
            Case {
                name: stringify!($case),
                promise: $promise,
                is_of_devices: matches!(stringify!($module).as_bytes(), b"devices" | b"trust" | b"upkeep"),
                body: |store| Box::pin($module::$case(store)),
            },
        )+)+];
    };

    ($into:ident $($with:tt)?) => { $crate::__conformance_cases! { @$into $($with)?
        records {
            a_full_record_reads_back_exactly: "a record is kept with every field, to the microsecond",
            a_bare_record_reads_back_exactly: "what is not known stays unknown",
            every_kind_of_device_reads_back_exactly: "a device is kept as it described itself",
            the_largest_numbers_read_back_exactly: "numbers at the ends of their ranges are kept",
            every_ending_reads_back_exactly: "each reason and each actor is kept",
            an_odd_name_of_an_administrator_ends_a_session: "whatever an administrator is called, the session ends",
            odd_user_ids_are_kept: "a user id is any clean text of up to 128 bytes, and never part of a query",
            user_ids_are_compared_byte_by_byte: "ids that differ in case, accent or composition are different users",
            another_users_record_is_as_good_as_absent: "an operation that names user and id wrongly finds nothing",
            migrating_again_keeps_every_record: "migrate is safe when there is nothing to do",
        }
        listing {
            a_list_is_newest_activity_first: "a list is ordered by activity, then by id, newest first",
            pages_show_every_session_once: "each page goes on where the one before it ended, ties included",
            each_state_is_told_from_the_others: "active, ended and all are told apart as the deadlines have it",
            a_list_can_leave_one_session_out: "the session to leave out is on no page",
            a_list_is_of_one_user: "a list shows no other user's sessions, and for a stranger it is empty",
            a_page_may_start_at_a_place_that_is_gone: "a position need not be that of a session that is still there",
            a_list_goes_up_from_a_place: "above a place, the lowest comes first, and each page goes on where the one before it ended",
            a_list_that_moves_misses_nobody: "down from where it began, and then up from there, a list shows whoever was there all the time",
        }
        admission {
            a_plain_insert_ends_nothing: "an admission that asks for nothing ends nothing",
            inserting_again_changes_nothing: "a record that is there already is left as it is, ended or not",
            the_superseded_session_is_replaced: "the session the client held ends as replaced, by the system, at that moment",
            a_session_that_ended_is_not_superseded: "only sessions that are active at that moment make room",
            sessions_on_the_same_device_are_replaced: "the user's other sessions on the same device end, no others",
            ended_sessions_beyond_the_bound_go: "of ended sessions the newest stay, and of the others those that ended long enough ago go",
            the_oldest_gives_way: "under revoke-oldest the sessions that started first are evicted",
            the_least_recent_gives_way: "under revoke-least-recent those that rested longest are evicted",
            a_refused_sign_in_changes_nothing: "under reject-new a refusal leaves no trace",
            a_limit_on_a_kind_leaves_other_kinds_alone: "a limit on a kind of device counts that kind alone",
            a_limit_is_each_users_own: "sessions of other users count for nothing",
            sessions_past_a_deadline_take_no_room: "a limit counts only sessions that are active at that moment",
            racing_sign_ins_never_pass_a_limit: "of 50 racing sign-ins under a limit of 5, exactly 5 stay (S85)",
            racing_sign_ins_on_one_device_leave_one: "of racing sign-ins on one device that replace, one stays",
            a_sign_in_joins_the_one_of_a_moment_ago: "a sign-in that joins is answered with the newest session of the last 30 seconds on its device, and changes nothing",
            racing_sign_ins_on_one_device_join_one: "of racing sign-ins on one device that join, one is inserted, and the others join it",
        }
        touching {
            a_touch_records_time_and_address: "a touch moves the newest activity and the address",
            activity_never_moves_backwards: "an older touch changes neither time nor address",
            a_touch_without_an_address_keeps_the_one_on_record: "an address that is not known replaces none",
            ended_and_gone_sessions_are_passed_over: "the rest of a batch lands, and the answer counts it (R22)",
            touches_of_one_session_count_as_one: "several touches of a session in a batch are its newest",
            only_the_newest_generation_is_seen_in_use: "a touch of an older generation tells nothing of the newest",
            a_batch_may_be_of_any_length: "no batch is too long, and none too short",
            racing_flushes_agree_on_the_newest: "flushes of the same sessions neither deadlock nor lose the newest (R23)",
        }
        ending {
            ending_a_session_puts_it_on_record: "an active session ends as asked",
            a_session_ends_once: "ending again changes nothing, and answers the first ending",
            ending_an_absent_session_finds_nothing: "an unknown id is answered as not found",
            a_session_past_its_absolute_deadline_has_expired: "such a session ends as expired, at the deadline",
            a_session_past_its_idle_deadline_was_idle: "such a session ends as idle, once the allowance has passed too",
            a_passed_deadline_goes_on_record: "a session past a deadline gets that ending, no other does, and the answer says which",
            activity_that_comes_first_keeps_a_session: "of racing activity and expiry either is lost, never both",
            several_sessions_end_by_their_keys: "those named end, of several users, no other does, and the answer names them",
            what_is_in_scope_is_open: "all open sessions in scope are named, and no others, if any are",
            racing_endings_have_one_winner: "of concurrent endings one is answered ended, the rest how it ended",
            ending_all_ends_what_is_in_scope: "all, all but one, or those on one device, and the answer names them",
            ending_all_leaves_other_users_alone: "no other user's session ends",
            ending_all_leaves_endings_alone: "sessions that had ended stay as they were and are not in the answer",
            ending_all_gives_deadlines_their_due: "sessions past a deadline get that ending and are not in the answer",
            ending_all_ends_what_was_there_before: "every session inserted before the call ends, whatever races it (S33)",
        }
        changes {
            a_device_is_renamed: "a name is given, replaced and taken away, and nothing else changes",
            an_ended_session_is_renamed_too: "renaming does not mind an ending, and does not touch it",
            data_is_replaced: "data is replaced as a whole, and nothing else changes",
            data_of_an_ended_session_stays: "an ended session takes no data",
        }
        rotation {
            a_rotation_moves_to_the_next_generation: "the new generation is one more, was issued now and not seen yet",
            a_rotation_from_another_generation_changes_nothing: "only the newest generation is followed by the next",
            a_rotation_may_refuse_older_tokens: "the least generation moves only when asked to",
            a_rotation_records_a_proof: "methods, level and the time of proof are replaced together",
            an_ended_session_is_not_rotated: "a session with an ending, or past a deadline, stays as it is",
            the_last_generation_has_no_successor: "generations do not start anew",
            racing_rotations_have_one_winner: "of 64 racing rotations exactly one is rotated (S42)",
        }
        sweeping {
            a_purge_deletes_what_ended_before: "records that ended, or reached their deadline, before then go, others stay",
            a_purge_is_bounded: "at most so many records go in one call, and repeated calls take all",
            racing_purges_delete_each_record_once: "the answers of racing purges add up",
            addresses_of_ended_sessions_can_be_forgotten: "only those of sessions that ended before then, and nothing else of them",
            changes_are_reported_in_their_order: "the sessions that ended in a window, with those due to, by time",
            an_early_ending_is_reported_once: "a session is reported when it ended, no longer at its deadline",
        }
        devices {
            a_device_reads_back_exactly: "a device is kept with every field, to the microsecond",
            a_device_is_new_once: "the first sight of a device by a user is answered true, later ones false",
            seeing_again_changes_what_the_client_says: "of a known device, only the last sight and the client's own words change",
            a_device_is_last_seen_at_the_latest_sight: "the last sight never moves backwards",
            a_device_is_each_users_own: "a device is known to each user by itself, and operations touch that user's alone",
            devices_are_listed_newest_seen_first: "a list is ordered by last sight, then by id, newest first, bounded, and goes on behind a place",
            racing_sights_of_a_device_have_one_first: "of 64 racing sights of an unknown device exactly one is answered true",
            a_device_that_was_brought_back_lasts: "a provisional device becomes lasting and stays so, and is due later, never sooner",
            a_user_has_so_many_devices_at_most: "a newcomer beyond the bound stays, and the least needed of the others goes",
            a_device_is_renamed_on_its_sessions_too: "its name is given, replaced and taken away, on all its sessions of the user",
        }
        trust {
            a_device_is_trusted_until_then: "trust is given, replaced and taken away, and nothing else changes",
            no_device_of_the_user_is_trusted_any_longer: "trust in all devices of the user ends, and the answer counts them",
            a_forgotten_device_is_unknown: "nothing but its id stays on record, its sessions stay, and seen again it is new and not trusted",
        }
        upkeep {
            devices_that_are_not_needed_go: "devices that are due go, or are due again when the upkeep says",
            a_sweep_over_devices_is_bounded: "at most so many are looked at in one call, and repeated calls look at all",
            a_device_that_is_used_meanwhile_stays: "a sign-in that races a sweep leaves the device on record",
        }
        erasure {
            an_erased_user_leaves_no_trace: "nothing finds, lists, reports, scans or purges what was erased",
            nothing_brings_an_erased_session_back: "no change of an erased session or device puts it on record again",
            racing_erasures_count_each_session_once: "the answers of racing erasures add up, and nothing of the user is left",
        }
        adopting {
            a_token_issued_up_to_the_cutoff_is_not_adopted: "the user's cutoff refuses tokens issued until then, and nothing else",
            a_cutoff_never_moves_back: "of several cutoffs of a user the latest counts, whatever their order",
            a_cutoff_outlives_an_erasure_and_a_purge: "a cutoff stays until its time is over, also when the user is erased",
            adoption_begins_in_time_or_not_at_all: "a store without a note of an adoption begins one in time, for all users, and never later",
            what_is_on_record_already_is_adopted: "a record that is there is left as it is, cutoff or not",
            no_adoption_slips_past_a_cutoff: "whatever races a cutoff and the ending of all sessions, none is left active",
        }
        scanning {
            a_scan_meets_every_session_once: "in a store at rest, pages of any size meet each session of each user once",
            a_scan_meets_what_stays: "a session that is there throughout is met, whatever comes and goes meanwhile",
            a_text_that_no_page_answered_is_no_cursor: "such a text is an error, or begins an empty page",
        }
        interleaving {
            no_order_of_changes_clears_an_ending: "an ending is final in every order of touch, rotate, data and end (S31)",
            no_race_clears_an_ending: "an ending is final, whatever races it (S31)",
            a_record_is_never_seen_half_changed: "each method is one atomic step to any reader",
        }
        cancellation {
            a_dropped_change_is_old_or_new: "dropping a method's future leaves the old state or the new (S36)",
            a_dropped_insert_is_all_or_nothing: "dropping an insert never ends a session without starting one (S36)",
            a_dropped_change_of_a_user_is_all_or_nothing: "a rename of a device and an erasure are done whole or not at all (S36)",
            a_dropped_call_breaks_no_later_one: "after dropped calls, changes answered with Ok are there (R28)",
        }
    } };
}

crate::__conformance_cases! { table }

#[cfg(test)]
mod tests {
    use crate::store::MemoryStore;

    crate::store_conformance!(async || MemoryStore::new());
}

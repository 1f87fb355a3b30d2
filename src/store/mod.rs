//! Stores: where session records live.
//!
//! [`SessionStore`] is the contract. Every implementation keeps these rules:
//!
//! 1. A record is known by its user *and* its id. An operation that names both wrongly finds nothing, exactly as if
//!    there were no such record.
//! 2. An ending is final: nothing changes or clears the ending of a record that has one.
//! 3. Each method is one atomic step, against any other method on any other node.
//! 4. Dropping a method's future leaves the old state or the new one, nothing between.
//! 5. Times are whole microseconds, and the present is what the caller says: a store reads no clock.
//! 6. A method that returns `Ok` has made its change durable, as far as the engine behind it can.
//!

mod apply;
mod bytes;
#[cfg(feature = "testing")]
pub mod conformance;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
mod connect_options;
mod contract;
mod describing;
mod error;
#[cfg(feature = "testing")]
mod failing;
mod memory;
#[cfg(feature = "testing")]
mod method;
mod no_devices;
mod record;
#[cfg(feature = "redis")]
mod redis;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "redis"))]
mod role;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
mod sql;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "redis", feature = "sqlite"))]
mod subject;
mod values;

#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
pub use self::connect_options::ConnectOptions;
#[cfg(feature = "testing")]
pub use self::failing::{FailingStore, Fault, Gate};
#[cfg(feature = "testing")]
pub use self::method::StoreMethod;
#[cfg(feature = "redis")]
pub use self::redis::RedisStore;
#[cfg(feature = "mysql")]
pub use self::sql::mysql::MySqlStore;
#[cfg(feature = "postgres")]
pub use self::sql::postgres::PostgresStore;
#[cfg(feature = "sqlite")]
pub use self::sql::sqlite::SqliteStore;
pub use self::{
    apply::RoomMade,
    bytes::{session_from_bytes, session_to_bytes},
    contract::{DeviceStore, SessionStore, StoreFuture},
    error::{StoreError, StoreErrorKind},
    memory::MemoryStore,
    values::{
        Admitted, DevicePosition, DevicesSwept, EndOutcome, EndScope, ListPosition, ListQuery, Proof, Rotation,
        RotationOutcome, ScanPage, SessionState, StoreFacts, StoreRetention,
    },
};
pub(crate) use self::{describing::DescribingStore, no_devices::devices_of};

/// The driver of the SQL stores, in the version whose pools they take.
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
pub use sqlx;

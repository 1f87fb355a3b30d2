//! Describing devices, by the built-in tables or by the application.

use std::fmt;

use crate::device::{ClientHints, Described, naming};

/// Describes the client of a session, in place of the built-in tables.
///
/// Set by [`SessionManagerBuilder::describe_devices`](crate::manager::SessionManagerBuilder::describe_devices). It is
/// called at sign-in and whenever a description is read: only the raw strings are stored, so a better description
/// renames old sessions too. So it should be quick (the built-in tables take about a microsecond) and must not block.
///
/// Closures implement it. Begin with the result of the built-in tables, and change what you know better:
///
/// ```
/// use tower_device_sessions::{
///     KeyRing, SessionManager,
///     device::{ClientHints, naming},
///     store::MemoryStore,
/// };
///
/// let sessions = SessionManager::builder(MemoryStore::new())
///     .keys(KeyRing::random()?)
///     .describe_devices(|user_agent: Option<&str>, hints: &ClientHints| {
///         let mut described = naming::describe(user_agent, hints);
///         if user_agent.is_some_and(|text| text.starts_with("acme-till/")) {
///             described.browser = Some("Acme Till".into());
///         }
///         described
///     })
///     .build()?;
/// # let _ = sessions;
/// # Ok::<(), tower_device_sessions::ConfigError>(())
/// ```
pub trait DescribeDevice: Send + Sync + 'static {
    /// Describes the client that sent these strings: a `User-Agent` of at most 512 bytes without control characters,
    /// and Client Hints of at most 256 bytes each. Both are claims of the client, not proof.
    ///
    /// [`Described::name`] drops what must not be shown; the single fields are shown as they are.
    fn describe(&self, user_agent: Option<&str>, hints: &ClientHints) -> Described;
}

impl<F> DescribeDevice for F
where
    F: Fn(Option<&str>, &ClientHints) -> Described + Send + Sync + 'static,
{
    fn describe(&self, user_agent: Option<&str>, hints: &ClientHints) -> Described {
        self(user_agent, hints)
    }
}

/// The built-in tables: [`naming::describe`].
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct BuiltInTables;

impl DescribeDevice for BuiltInTables {
    fn describe(&self, user_agent: Option<&str>, hints: &ClientHints) -> Described {
        naming::describe(user_agent, hints)
    }
}

impl fmt::Debug for dyn DescribeDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DescribeDevice")
    }
}

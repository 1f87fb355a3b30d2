//! Sessions of all users are found, and ended, in an emergency.

use std::{cell::LazyCell, fmt, net::IpAddr, str::FromStr, sync::Arc};

use ipnet::IpNet;

use crate::{
    client_ip::parse_range,
    clock::Timestamp,
    device::DeviceKind,
    error::Error,
    manager::{
        Revocation, SessionManager,
        records::{Records, change::detached},
    },
    session::Session,
};

/// Which sessions of all users to find, for an emergency: all conditions have to hold.
///
/// A filter without a condition matches every session.
///
/// # Examples
///
/// ```
/// use tower_device_sessions::{Timestamp, device::DeviceKind, manager::SessionFilter};
///
/// let stolen = SessionFilter::new()
///     .started_before(Timestamp::from_seconds(1_767_225_600))
///     .addresses("203.0.113.0/24".parse()?)
///     .browser("Chrome")
///     .device_kind(DeviceKind::Desktop)
///     .method("pwd");
/// assert!(!stolen.is_empty());
/// # Ok::<(), tower_device_sessions::manager::InvalidAddressRange>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct SessionFilter {
    started_before: Option<Timestamp>,
    addresses: Option<AddressRange>,
    browser: Option<Box<str>>,
    device_kind: Option<DeviceKind>,
    method: Option<Box<str>>,
}

impl SessionFilter {
    /// A filter without a condition.
    pub fn new() -> Self {
        Self::default()
    }

    /// The user signed in before this moment.
    pub fn started_before(mut self, moment: Timestamp) -> Self {
        self.started_before = Some(moment);
        self
    }

    /// The user signed in, or was last active, from one of these addresses.
    pub fn addresses(mut self, range: AddressRange) -> Self {
        self.addresses = Some(range);
        self
    }

    /// The browser has this name, in any version; upper and lower case are the same.
    pub fn browser(mut self, name: &str) -> Self {
        self.browser = Some(name.into());
        self
    }

    /// The device is of this kind.
    pub fn device_kind(mut self, kind: DeviceKind) -> Self {
        self.device_kind = Some(kind);
        self
    }

    /// The user has authenticated by this method, by its RFC 8176 name.
    pub fn method(mut self, name: &str) -> Self {
        self.method = Some(name.into());
        self
    }

    /// Whether there is no condition.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether all conditions hold for a session.
    pub fn matches(&self, session: &Session) -> bool {
        let described = LazyCell::new(|| session.device.described());
        let same_browser =
            |name: &str| described.browser.as_deref().is_some_and(|browser| browser.eq_ignore_ascii_case(name));
        self.started_before.is_none_or(|moment| session.created_at < moment)
            && self.addresses.is_none_or(|range| range.holds(session.created_ip) || range.holds(session.last_ip))
            && self.browser.as_deref().is_none_or(same_browser)
            && self.device_kind.is_none_or(|kind| described.kind == kind)
            && self.method.as_deref().is_none_or(|method| session.methods.contains_key(method))
    }
}

/// A range of addresses in CIDR notation, such as `203.0.113.0/24`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRange(IpNet);

impl AddressRange {
    fn holds(self, address: Option<IpAddr>) -> bool {
        address.is_some_and(|address| self.0.contains(&address.to_canonical()))
    }
}

impl FromStr for AddressRange {
    type Err = InvalidAddressRange;

    fn from_str(text: &str) -> Result<Self, InvalidAddressRange> {
        parse_range(text).map(Self).ok_or(InvalidAddressRange(()))
    }
}

/// A text that is neither an address nor a range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidAddressRange(());

impl fmt::Display for InvalidAddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("neither an address nor a range of addresses in CIDR notation")
    }
}

impl std::error::Error for InvalidAddressRange {}

/// What one step through the sessions of all users has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sweep {
    /// How many sessions were looked at.
    pub looked_at: u64,
    /// How many of them were active and matched.
    pub matched: u64,
    /// How many of those have ended by this step.
    pub revoked: u64,
    /// Where the next step begins; `None` when all sessions have been looked at.
    pub next: Option<String>,
}

/// # Emergencies
///
/// Sessions of all users are looked at in steps of at most 10,000, each in batches of 500, so that neither a request
/// nor the store is held up for long. A step returns where the next one begins. A session that starts between the steps
/// may be looked at or not; one that exists throughout is.
impl SessionManager {
    /// Counts the active sessions of all users that match, which [`revoke_matching`](Self::revoke_matching) would end.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) when the store failed or did not answer in time, or
    /// when the cursor is not one that a step has returned.
    pub async fn count_matching(&self, filter: &SessionFilter, cursor: Option<&str>) -> Result<Sweep, Error> {
        self.inner.records.sweep(filter, None, cursor).await
    }

    /// Ends the active sessions of all users that match.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) when the store failed or did not answer in time, or
    /// when the cursor is not one that a step has returned. What has ended until then stays ended; it is safe to retry.
    ///
    /// # Cancellation
    ///
    /// The step runs in a task of its own. Dropping the future does not stop it.
    pub async fn revoke_matching(
        &self,
        filter: &SessionFilter,
        by: impl Into<Revocation>,
        cursor: Option<&str>,
    ) -> Result<Sweep, Error> {
        let (inner, filter, by) = (Arc::clone(&self.inner), filter.clone(), by.into());
        let cursor = cursor.map(str::to_owned);
        detached(async move { inner.records.sweep(&filter, Some(&by), cursor.as_deref()).await }).await
    }
}

impl Records {
    async fn sweep(
        &self,
        filter: &SessionFilter,
        by: Option<&Revocation>,
        cursor: Option<&str>,
    ) -> Result<Sweep, Error> {
        let mut sweep = Sweep { next: cursor.map(str::to_owned), ..Sweep::default() };
        loop {
            let page = self.scan(sweep.next.as_deref(), BATCH).await?;
            let mut matching = Vec::new();
            for session in &page.sessions {
                if self.ending_here(session).is_none() && filter.matches(session) {
                    matching.push(session.key());
                }
            }
            sweep.looked_at += page.sessions.len() as u64;
            sweep.matched += matching.len() as u64;
            if let Some(by) = by.filter(|_| !matching.is_empty()) {
                sweep.revoked += self.revoke_several(&matching, by).await?;
            }
            sweep.next = page.next;
            if sweep.next.is_none() || sweep.looked_at >= STEP {
                return Ok(sweep);
            }
        }
    }
}

/// How many sessions are read at once.
const BATCH: u32 = 500;

/// How many sessions are looked at in one step, plus or minus a batch.
const STEP: u64 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        device::{ClientHints, Device},
        id::UserId,
    };

    #[test]
    fn a_range_is_an_address_or_a_network() {
        let table = [
            ("203.0.113.9", "203.0.113.9", true),
            ("203.0.113.9", "203.0.113.8", false),
            ("203.0.113.0/24", "203.0.113.255", true),
            ("203.0.113.0/24", "203.0.114.0", false),
            ("203.0.113.0/24", "::ffff:203.0.113.7", true),
            ("::ffff:203.0.113.9", "203.0.113.9", true),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("0.0.0.0/0", "::1", false),
        ];
        for (range, address, holds) in table {
            let range: AddressRange = range.parse().unwrap();
            assert_eq!(range.holds(address.parse().ok()), holds, "{range:?} {address}");
        }
        for bad in ["", "203.0.113.0/33", "203.0.113", "x", "203.0.113.0/-1", " 203.0.113.9", "203.0.113.0/24/8"] {
            assert!(bad.parse::<AddressRange>().is_err(), "{bad}");
        }
    }

    #[test]
    fn every_condition_has_to_hold() -> Result<(), InvalidAddressRange> {
        let start = Timestamp::from_seconds(1_767_225_600);
        let second = std::time::Duration::from_secs(1);
        let mut session = Session::new(UserId::from(1), start, start.saturating_add(second));
        let chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                      Chrome/131.0.0.0 Safari/537.36";
        session.device = Device::new(Some(chrome.into()), ClientHints::default());
        session.created_ip = "203.0.113.9".parse().ok();
        session.last_ip = "198.51.100.1".parse().ok();
        session.methods.insert("pwd".into(), start);

        let all = SessionFilter::new()
            .started_before(start.saturating_add(second))
            .addresses("203.0.113.0/24".parse()?)
            .browser("chrome")
            .device_kind(DeviceKind::Desktop)
            .method("pwd");
        assert!(SessionFilter::new().matches(&session) && SessionFilter::new().is_empty());
        assert!(all.matches(&session) && all.clone().addresses("198.51.100.1".parse()?).matches(&session));
        for other in [
            all.clone().started_before(start),
            all.clone().addresses("192.0.2.0/24".parse()?),
            all.clone().browser("Chromium"),
            all.clone().device_kind(DeviceKind::Mobile),
            all.method("otp"),
        ] {
            assert!(!other.matches(&session), "{other:?}");
        }
        Ok(())
    }
}

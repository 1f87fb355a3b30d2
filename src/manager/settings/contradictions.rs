//! Settings that contradict each other.

use crate::{
    credentials::Transport,
    error::ConfigError,
    manager::{
        device_cookie::DeviceCookie,
        settings::{Adoption, Proof, Settings, invalid},
    },
    policy::SameDevice,
};

impl Settings {
    /// Refuses settings of which one disables what another one sets: the developer expects something that would not
    /// happen, and nothing else would tell.
    pub(super) fn check_contradictions(&self, device_cookie: Option<&DeviceCookie>) -> Result<(), ConfigError> {
        let has_cookies = !matches!(self.transport, Transport::Bearer);
        let adopts_for = self.adoption.as_ref().and(self.proof.as_ref());
        let verifies_itself = self.adoption.as_ref().is_some_and(Adoption::verifies_itself);
        let replaces = self.limits.same_device() == SameDevice::Replace;
        let rules = [
            (
                self.proven_differently,
                "tokens are proven in two ways: call only one of `keys`, `verifier` and `verified_upstream`",
            ),
            (
                matches!(adopts_for, Some(Proof::Upstream)),
                "tokens are adopted only by a manager that reads them itself: call `keys` or `verifier`, or leave `adopt` out",
            ),
            (
                matches!(adopts_for, Some(Proof::Application(_))) && !verifies_itself,
                "the verifier does not say which tokens are old ones: give `Adoption::tokens` their keys, or leave `adopt` out",
            ),
            (
                self.limits.are_ignored(),
                "limits for everybody have no effect beside `limits_of`: return them from there instead",
            ),
            (
                !has_cookies && !self.origins.trusted.is_empty(),
                "origins are trusted, and no token travels in a cookie: choose such a transport, or leave `trusted_origins` out",
            ),
            (
                self.origins.are_unchecked && !self.origins.trusted.is_empty(),
                "origins are trusted, and none is checked: call `trusted_origins` or `insecure_without_csrf_check`, not both",
            ),
            (
                replaces && has_cookies && device_cookie.is_none(),
                "sessions on one device are to be replaced, and browsers have no device ids: give `device_cookie` a secret",
            ),
        ];
        match rules.into_iter().find(|(broken, _)| *broken) {
            Some((_, message)) => Err(invalid(message)),
            None => Ok(()),
        }
    }
}

//! How tokens travel, and how they are renewed.

use crate::{
    credentials::{SiteData, Transport},
    manager::settings::{Adoption, RefreshPolicy, SessionManagerBuilder},
};

/// # How tokens travel, and how they are renewed
impl SessionManagerBuilder {
    /// How tokens travel. Default: in the `Authorization` field.
    pub fn transport(mut self, transport: Transport) -> Self {
        self.settings.transport = transport;
        self
    }

    /// Origins besides the application's own whose pages may cause unsafe requests with our cookie, each as browsers
    /// write it: `https://app.example.com`. Default: none.
    pub fn trusted_origins(mut self, origins: impl IntoIterator<Item: Into<String>>) -> Self {
        self.settings.origins.trusted = origins.into_iter().map(Into::into).collect();
        self
    }

    /// Makes browsers forget everything that they keep of the site at a sign-out (`Clear-Site-Data`): cache, cookies
    /// and storage, also what is not ours. Default: only the cookies of this crate are cleared.
    pub fn clear_site_data(mut self) -> Self {
        self.settings.site_data = SiteData::Cleared;
        self
    }

    /// Leaves the defence against forged requests to the application. Default: unsafe requests with our cookie are
    /// checked by `Sec-Fetch-Site` and `Origin`.
    ///
    /// # Security
    ///
    /// Any page on the web can then make a signed-in visitor's browser send requests in the visitor's name, where
    /// `SameSite` does not prevent it.
    pub fn insecure_without_csrf_check(mut self) -> Self {
        self.settings.origins.are_unchecked = true;
        self
    }

    /// Switches refresh tokens on. Default: off; access tokens live as long as their session, and are checked against
    /// it on every request.
    pub fn refresh(mut self, policy: RefreshPolicy) -> Self {
        self.settings.refresh = Some(policy);
        self
    }

    /// Accepts tokens from before this crate came, for a while. Default: a token names a session, or is refused.
    pub fn adopt(mut self, adoption: Adoption) -> Self {
        self.settings.adoption = Some(adoption);
        self
    }
}

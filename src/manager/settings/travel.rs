use crate::{
    credentials::{Credentials, CsrfPolicy, SiteData, Transport},
    error::{ConfigError, ConfigErrorKind},
    manager::{
        refresh::Refreshing,
        request::Adoption,
        settings::{
            RefreshPolicy, SessionManagerBuilder,
            builder::{Proof, invalid},
        },
    },
    token::RefreshTokens,
};

/// Where unsafe requests with a cookie may come from.
#[derive(Default)]
pub(in crate::manager) struct Origins {
    /// Besides the application's own.
    pub(in crate::manager) trusted: Vec<String>,
    /// Whether the application checks them itself.
    pub(in crate::manager) are_unchecked: bool,
}

/// # How tokens travel, and how they are renewed
impl SessionManagerBuilder {
    /// How tokens travel. Default: in the `Authorization` field.
    pub fn transport(mut self, transport: Transport) -> Self {
        self.transport = transport;
        self
    }

    /// Origins besides the application's own whose pages may cause unsafe requests with our cookie, each as browsers write
    /// it: `https://app.example.com`. Default: none.
    pub fn trusted_origins(mut self, origins: impl IntoIterator<Item: Into<String>>) -> Self {
        self.origins.trusted = origins.into_iter().map(Into::into).collect();
        self
    }

    /// Has browsers forget all that they keep of the site at a sign-out (`Clear-Site-Data`): cache, cookies and storage, also
    /// what is not ours. Default: the cookies of this crate are cleared, and nothing else.
    pub fn clear_site_data(mut self) -> Self {
        self.site_data = SiteData::Cleared;
        self
    }

    /// Leaves the defence against forged requests to the application. Default: unsafe requests with our cookie are checked
    /// by `Sec-Fetch-Site` and `Origin`.
    ///
    /// # Security
    ///
    /// Any page on the web can then make a signed-in visitor's browser send requests in the visitor's name, where `SameSite`
    /// does not prevent it.
    pub fn insecure_without_csrf_check(mut self) -> Self {
        self.origins.are_unchecked = true;
        self
    }

    /// Switches refresh tokens on. Default: off; access tokens live as long as their session, and are checked against it on
    /// every request.
    pub fn refresh(mut self, policy: RefreshPolicy) -> Self {
        self.refresh = Some(policy);
        self
    }

    /// Admits tokens that were minted before this crate came, for a while. Default: a token names a session, or is refused.
    pub fn adopt(mut self, adoption: Adoption) -> Self {
        self.adoption = Some(adoption);
        self
    }

    pub(in crate::manager) fn checked_credentials(&self) -> Result<Credentials, ConfigError> {
        let refused = |error: &str| ConfigError::new(ConfigErrorKind::Transport, error.to_owned());
        let csrf = CsrfPolicy::new(&self.origins.trusted).map_err(|error| refused(&error.to_string()))?;
        let csrf = (!self.origins.are_unchecked).then_some(csrf);
        let refresh_path = self.refresh.as_ref().and_then(|policy| policy.cookie_path.as_deref());
        let credentials = Credentials::new(&self.transport, refresh_path, csrf);
        let credentials = credentials.map_err(|error| refused(&error.to_string()))?;
        Ok(Credentials { site_data: self.site_data, ..credentials })
    }

    pub(in crate::manager) fn checked_refreshing(&self) -> Result<Option<Refreshing>, ConfigError> {
        let Some(policy) = &self.refresh else {
            return Ok(None);
        };
        policy.check()?;
        let Some(Proof::Keys(signing)) = &self.proof else {
            return Err(invalid("refresh tokens need a manager that issues access tokens: call `keys`"));
        };
        let keys = policy.keys.as_ref().unwrap_or(signing);
        let tokens = RefreshTokens::new(keys.clone(), &self.token_options)?;
        Ok(Some(Refreshing::new(policy.clone(), tokens)))
    }
}

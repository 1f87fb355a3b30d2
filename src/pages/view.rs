//! The data of the templates.

use std::time::Duration;

use askama::Template;

use crate::{
    clock::Timestamp,
    device::DeviceKind,
    location::Location,
    manager::SessionManager,
    pages::{DevicesPage, PageTexts},
    session::{Ending, Session},
};

/// The page itself.
#[derive(Template)]
#[template(path = "devices.html")]
pub(super) struct DevicesTemplate<'a> {
    pub(super) frame: Frame<'a>,
    pub(super) attribution: Option<&'a str>,
    pub(super) notice: Option<String>,
    pub(super) problem: Option<String>,
    pub(super) current: Option<DeviceItem>,
    pub(super) others: Vec<DeviceItem>,
    /// Whether this is not the list's first page.
    pub(super) is_continued: bool,
    pub(super) more: Option<String>,
    pub(super) ended: Vec<EndedItem>,
}

/// The question before all others are signed out.
#[derive(Template)]
#[template(path = "confirm.html")]
pub(super) struct ConfirmTemplate<'a> {
    pub(super) frame: Frame<'a>,
}

/// A page that says one thing.
#[derive(Template)]
#[template(path = "message.html")]
pub(super) struct MessageTemplate<'a> {
    pub(super) frame: Frame<'a>,
    pub(super) text: &'a str,
}

/// What all pages have in common.
pub(super) struct Frame<'a> {
    texts: &'a dyn PageTexts,
    /// What links below the page begin with.
    base: &'a str,
    /// Where the page itself is.
    home: &'a str,
    stylesheet: Option<&'a str>,
    /// Keeps browsers from using what an older version looked like.
    version: &'static str,
}

impl<'a> Frame<'a> {
    pub(super) fn of(page: &'a DevicesPage) -> Self {
        let settings = &*page.settings;
        let stylesheet = settings.stylesheet.as_deref();
        Self {
            texts: &*settings.texts,
            base: &settings.base,
            home: settings.home(),
            stylesheet,
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

/// A device that is signed in.
pub(super) struct DeviceItem {
    id: String,
    kind: DeviceKind,
    name: String,
    custom_name: String,
    described: String,
    place: Option<String>,
    address: Option<String>,
    is_active_now: bool,
    active: String,
    active_machine: String,
    signed_in: String,
    signed_in_machine: String,
    is_current: bool,
}

/// A device that was signed out.
pub(super) struct EndedItem {
    kind: DeviceKind,
    name: String,
    place: Option<String>,
    reason: String,
    when: String,
    when_machine: String,
}

impl DeviceItem {
    pub(super) fn new(texts: &dyn PageTexts, session: &Session, now: Timestamp, is_current: bool) -> Self {
        let device = &session.device;
        let described = device.described();
        let (kind, described) = (described.kind, described.name());
        let custom_name = device.custom_name.as_ref().map(|name| name.as_str().to_owned());
        let ago = |at: Timestamp| texts.ago(now.duration_since(at)).into_owned();
        let rested = now.duration_since(session.last_active_at);
        Self {
            id: session.id.to_string(),
            kind,
            name: custom_name.clone().unwrap_or_else(|| described.clone()),
            custom_name: custom_name.unwrap_or_default(),
            described,
            place: session.location.as_ref().and_then(place),
            address: session.last_ip.or(session.created_ip).map(|ip| ip.to_string()),
            is_active_now: is_current || rested < ACTIVE_NOW,
            active: texts.last_active(rested).into_owned(),
            active_machine: session.last_active_at.to_string(),
            signed_in: ago(session.created_at),
            signed_in_machine: session.created_at.to_string(),
            is_current,
        }
    }
}

impl EndedItem {
    pub(super) fn new(texts: &dyn PageTexts, session: &Session, ending: &Ending, now: Timestamp) -> Self {
        Self {
            kind: session.device.kind(),
            name: session.device.name().into_owned(),
            place: session.location.as_ref().and_then(place),
            reason: texts.reason(ending.reason).into_owned(),
            when: texts.ago(now.duration_since(ending.at)).into_owned(),
            when_machine: ending.at.to_string(),
        }
    }

    /// Those of the sessions that ended last, at most `count`. The store lists them by their last activity.
    pub(super) fn newest(
        texts: &dyn PageTexts,
        manager: &SessionManager,
        sessions: &[Session],
        now: Timestamp,
        count: usize,
    ) -> Vec<Self> {
        let ended = |session| manager.ending_of(session).map(|ending| (session, ending));
        let mut ended: Vec<(&Session, Ending)> = sessions.iter().filter_map(ended).collect();
        ended.sort_by_key(|(_, ending)| std::cmp::Reverse(ending.at));
        ended.iter().take(count).map(|(session, ending)| Self::new(texts, session, ending, now)).collect()
    }
}

/// A place as people write it: `Berlin, DE`.
fn place(location: &Location) -> Option<String> {
    let near = location.city.as_deref().or(location.region.as_deref());
    let parts: Vec<&str> = near.into_iter().chain(location.country_code.as_deref()).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// Recorded activity lags the real one by a minute, unless the application has chosen another interval.
const ACTIVE_NOW: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_told_as_far_as_it_is_known() {
        let told = |city, region, country| place(&Location::new(city, region, country));
        assert_eq!(told(Some("Berlin"), Some("BE"), Some("DE")).as_deref(), Some("Berlin, DE"));
        assert_eq!(told(None, Some("Bavaria"), Some("DE")).as_deref(), Some("Bavaria, DE"));
        assert_eq!(told(None, None, Some("DE")).as_deref(), Some("DE"));
        assert_eq!(told(None, None, None), None);
    }
}

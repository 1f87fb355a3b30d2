use askama::Template;

use crate::{
    clock::Timestamp,
    device::DeviceKind,
    location::Location,
    manager::SessionManager,
    pages::PageTexts,
    session::{Ending, Session},
};

/// The page itself.
#[derive(Template)]
#[template(path = "devices.html")]
pub(super) struct DevicesTemplate<'a> {
    pub(super) texts: &'a dyn PageTexts,
    pub(super) base: &'a str,
    pub(super) stylesheet: Option<&'a str>,
    pub(super) attribution: Option<&'a str>,
    pub(super) notice: Option<String>,
    pub(super) problem: Option<String>,
    pub(super) current: Option<DeviceItem>,
    pub(super) others: Vec<DeviceItem>,
    pub(super) more: Option<String>,
    pub(super) ended: Vec<EndedItem>,
}

/// The question before all others are signed out.
#[derive(Template)]
#[template(path = "confirm.html")]
pub(super) struct ConfirmTemplate<'a> {
    pub(super) texts: &'a dyn PageTexts,
    pub(super) base: &'a str,
    pub(super) stylesheet: Option<&'a str>,
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
        let ago = |at: Timestamp| texts.ago(now.duration_since(at)).into_owned();
        Self {
            id: session.id.to_string(),
            kind: device.kind(),
            name: device.name().into_owned(),
            custom_name: device.custom_name.as_ref().map(|name| name.as_str().to_owned()).unwrap_or_default(),
            described: device.described.name(),
            place: session.location.as_ref().and_then(place),
            address: session.last_ip.or(session.created_ip).map(|ip| ip.to_string()),
            active: ago(session.last_active_at),
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

    /// The items of those sessions that have ended.
    pub(super) fn all(
        texts: &dyn PageTexts,
        manager: &SessionManager,
        sessions: &[Session],
        now: Timestamp,
    ) -> Vec<Self> {
        let ended =
            |session: &Session| manager.ending_of(session).map(|ending| Self::new(texts, session, &ending, now));
        sessions.iter().filter_map(ended).collect()
    }
}

/// A place as people write it: `Berlin, DE`.
fn place(location: &Location) -> Option<String> {
    let near = location.city.as_deref().or(location.region.as_deref());
    let parts: Vec<&str> = near.into_iter().chain(location.country_code.as_deref()).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

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

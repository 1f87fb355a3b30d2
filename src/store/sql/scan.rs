//! Scans over all sessions in the order of the primary key, a page at a time.

use uuid::Uuid;

use crate::{
    id::{SessionId, UserId},
    session::Session,
    store::{ScanPage, StoreError},
};

/// The key after which a page begins. As text it is the session's id, and the user's right behind it.
pub(super) struct ScanPosition {
    pub(super) user: String,
    pub(super) id: Uuid,
}

impl ScanPosition {
    /// The place that `cursor` names, which comes from the previous page; without one, the place before all others.
    pub(super) fn parse(cursor: Option<&str>) -> Result<Self, StoreError> {
        let Some(cursor) = cursor else {
            return Ok(Self { user: String::new(), id: Uuid::nil() });
        };
        let (id, user) =
            cursor.split_at_checked(ID_LENGTH).ok_or_else(|| StoreError::corrupt("not a place in a scan"))?;
        let id: SessionId = id.parse().map_err(StoreError::corrupt)?;
        let user = UserId::try_from(user).map_err(StoreError::corrupt)?;
        Ok(Self { user: user.into(), id: *id.as_uuid() })
    }
}

/// How many rows to ask for: one more than the page holds, which tells whether there is another page.
pub(super) fn rows_of_page(limit: u32) -> i64 {
    i64::from(limit) + 1
}

/// The page that these rows make.
pub(super) fn page_of(mut sessions: Vec<Session>, limit: u32) -> ScanPage {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = sessions.len() > limit;
    sessions.truncate(limit);
    let last = sessions.last().filter(|_| has_more);
    let next = last.map(|session| format!("{}{}", session.id, session.user_id));
    ScanPage::new(sessions, next)
}

/// The characters of an id.
const ID_LENGTH: usize = 36;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    #[test]
    fn a_place_reads_back_from_its_text() -> Result<(), Box<dyn std::error::Error>> {
        let at = Timestamp::from_seconds(1_767_225_600);
        for user in ["a", "Zoë|{7}'\"%_\\", &"x".repeat(128)] {
            let sessions: Vec<_> = (0..3).map(|_| Session::new(user.parse().unwrap(), at, at)).collect();
            let second = sessions[1].id;
            let page = page_of(sessions, 2);
            let place = ScanPosition::parse(page.next.as_deref())?;
            assert_eq!((place.user.as_str(), place.id), (user, *second.as_uuid()));
        }
        Ok(())
    }

    #[test]
    fn the_last_page_has_no_next() {
        let at = Timestamp::from_seconds(1_767_225_600);
        let session = || Session::new(UserId::from(1), at, at);
        assert_eq!(page_of(vec![session(), session()], 2).next, None);
        assert_eq!(page_of(Vec::new(), 2), ScanPage::default());
    }

    #[test]
    fn what_is_no_place_is_refused() {
        let id = SessionId::at(Timestamp::from_seconds(1_767_225_600));
        for text in
            ["", "x", &id.to_string(), &format!("{id} "), &format!("{}é", &id.to_string()[..35]), &format!("x{id}a")]
        {
            assert!(ScanPosition::parse(Some(text)).is_err(), "{text:?}");
        }
    }
}

//! Lists of sessions in MySQL, one page at a time.

use super::{MySqlStore, failure, read_session};
use crate::{
    id::UserId,
    session::Session,
    store::{ListPosition, ListQuery, SessionState, StoreError},
};

impl MySqlStore {
    pub(super) async fn list_page(&self, user: &UserId, query: &ListQuery) -> Result<Vec<Session>, StoreError> {
        let (statement, place) = match query.above {
            Some(above) => (self.sql.list_above, above),
            None => (self.sql.list, query.after.unwrap_or(ListPosition::TOP)),
        };
        let (user_id, limit) = (user.as_str(), i64::from(query.limit));
        let (at, id) = (place.last_active_at.as_micros(), *place.id.as_uuid());
        let (shows_others, except) = (query.state != SessionState::Active, query.except.map(uuid::Uuid::from));
        let rows = sqlx::query(statement)
            .bind(user_id)
            .bind(query.as_of.now.as_micros())
            .bind(query.as_of.idle_cutoff().as_micros())
            .bind(query.state != SessionState::Ended)
            .bind(shows_others)
            .bind(except)
            .bind(at)
            .bind(at)
            .bind(id)
            .bind(limit);
        let rows = rows.bind(user_id).bind(shows_others).bind(at).bind(except).bind(id).bind(limit);
        let rows = rows.bind(user_id).bind(shows_others).bind(at).bind(except).bind(limit).bind(limit);
        let mut lease = self.connection().await?;
        let rows = rows.fetch_all(&mut *lease).await.map_err(failure)?;
        rows.iter().map(|row| read_session(row, user)).collect()
    }
}

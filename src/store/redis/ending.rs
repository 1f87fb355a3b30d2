//! How several sessions end.

use std::time::Duration;

use redis::from_redis_value;

use super::{
    RedisStore,
    connection::shard_name,
    failure::unexpected,
    operations::read_end,
    script::{Call, END, IN_SCOPE},
};
use crate::{
    id::{SessionId, SessionKey, UserId},
    session::Ending,
    store::{EndOutcome, EndScope, StoreError},
};

impl RedisStore {
    /// The sessions in scope that have not ended.
    pub(super) async fn ids_in(&self, user: &UserId, scope: &EndScope) -> Result<Vec<SessionId>, StoreError> {
        let keys = self.keys.of(user);
        let call = Call::new(&IN_SCOPE, [keys.open()])
            .arg(keys.base.clone())
            .arg(user.as_str())
            .arg(scope.keep.map(|id| id.to_string()).unwrap_or_default())
            .arg(scope.device_id.map(|id| id.to_string()).unwrap_or_default());
        let ids: Vec<String> = from_redis_value(self.connection.invoke(&call).await?).map_err(unexpected)?;
        ids.iter().map(|id| id.parse().map_err(StoreError::corrupt)).collect()
    }

    /// Ends sessions, of whichever users: a short script for each, so that others get their turn in between.
    pub(super) async fn end_keys(
        &self,
        keys: &[SessionKey],
        asked: &Ending,
        allowance: Duration,
    ) -> Result<Vec<SessionKey>, StoreError> {
        let mut sorted: Vec<(&SessionKey, Call)> =
            keys.iter().map(|key| (key, self.end_call(&END, key, asked, allowance).flag("if_due", false))).collect();
        sorted.sort_by(|(_, one), (_, other)| shard_name(one).cmp(shard_name(other)));
        let (keys, calls): (Vec<&SessionKey>, Vec<Call>) = sorted.into_iter().unzip();
        let answers = match &self.endings {
            // An answer may wait for the disk as often as the server reads from the connection.
            None => {
                let mut answers = Vec::with_capacity(calls.len());
                for part in calls.chunks(AT_ONCE) {
                    answers.extend(self.connection.invoke_all(part).await?);
                }
                answers
            }
            Some((connection, replicas)) => {
                let mut answers = Vec::with_capacity(calls.len());
                for group in calls.chunk_by(|one, other| shard_name(one) == shard_name(other)) {
                    answers.extend(connection.invoke_and_wait(group, *replicas).await?);
                }
                answers
            }
        };
        let mut ended = Vec::new();
        for (key, answer) in keys.into_iter().zip(answers) {
            if read_end(answer)? == EndOutcome::Ended {
                ended.push(key.clone());
            }
        }
        Ok(ended)
    }
}

/// How many scripts are sent before their answers are waited for.
const AT_ONCE: usize = 125;

//! The connection to a single server, and what that server is.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use redis::{
    Client, Cmd, ErrorKind, Pipeline, RedisError, RedisResult, ServerErrorKind, Value,
    aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig},
    from_redis_value,
};

use crate::store::role::{PAUSE, Role};

/// A connection that all clones share.
///
/// A primary that is demoted keeps its connections: it answers reads, which are older from moment to moment, and refuses changes.
/// So it is asked for its [`Role`] now and then, and after a change that it has refused; a replica is given up for whatever
/// server the address leads to by then.
#[derive(Clone)]
pub(super) struct Single {
    shared: Arc<Shared>,
}

struct Shared {
    manager: RwLock<ConnectionManager>,
    /// What another connection is made of; the application keeps it to itself when it has given one.
    source: Option<(Client, ConnectionManagerConfig)>,
    role: Role,
}

impl Single {
    pub(super) async fn connect(client: Client, config: ConnectionManagerConfig) -> RedisResult<Self> {
        let manager = ConnectionManager::new_with_config(client.clone(), config.clone()).await?;
        Ok(Self::new(manager, Some((client, config))))
    }

    /// A connection that the application has made.
    pub(super) fn of_the_application(manager: ConnectionManager) -> Self {
        Self::new(manager, None)
    }

    fn new(manager: ConnectionManager, source: Option<(Client, ConnectionManagerConfig)>) -> Self {
        Self { shared: Arc::new(Shared { manager: RwLock::new(manager), source, role: Role::new("redis") }) }
    }

    pub(super) async fn query(&self, command: &Cmd) -> RedisResult<Value> {
        let answer = self.sound().await.req_packed_command(command).await.and_then(Value::extract_error);
        if !answer.as_ref().is_err_and(is_read_only) {
            return answer;
        }
        self.doubt().await;
        self.sound().await.req_packed_command(command).await?.extract_error()
    }

    /// Errors of single commands are among the answers.
    pub(super) async fn pipelined(&self, pipeline: &Pipeline, count: usize) -> RedisResult<Vec<Value>> {
        let answers = self.sound().await.req_packed_commands(pipeline, 0, count).await?;
        let is_refused = |answer: &Value| answer.clone().extract_error().is_err_and(|error| is_read_only(&error));
        if !answers.iter().any(is_refused) {
            return Ok(answers);
        }
        self.doubt().await;
        self.sound().await.req_packed_commands(pipeline, 0, count).await
    }

    /// Whether the server takes changes; `None` when it does not tell.
    pub(super) async fn takes_changes(&self) -> Option<bool> {
        let answer = self.manager().req_packed_command(&redis::cmd("HELLO")).await.ok()?;
        let answer: HashMap<String, Value> = from_redis_value(answer).ok()?;
        let role: String = from_redis_value(answer.get("role")?.clone()).ok()?;
        Some(role == "master")
    }

    /// Whether the server takes changes as far as it is known to. When it does not, the next call gets another connection.
    pub(super) async fn is_current(&self) -> bool {
        let is_demoted = self.takes_changes().await == Some(false);
        !(is_demoted && self.shared.role.ask_at_once())
    }

    /// The connection, to a server that takes changes if there is one at the address.
    async fn sound(&self) -> ConnectionManager {
        let role = &self.shared.role;
        if role.is_due() {
            match self.takes_changes().await {
                Some(true) => role.is(true),
                Some(false) => {
                    self.connect_again().await;
                    role.is(self.takes_changes().await.unwrap_or(true));
                }
                None => {}
            }
        }
        self.manager()
    }

    async fn doubt(&self) {
        self.shared.role.doubt();
        tokio::time::sleep(PAUSE).await;
    }

    async fn connect_again(&self) {
        let Some((client, config)) = &self.shared.source else {
            // The application's connection cannot be made anew, but it makes itself anew when it is closed.
            let _ = self.manager().req_packed_command(&redis::cmd("QUIT")).await;
            return;
        };
        // Where there is nobody, the one that is there has to do.
        if let Ok(manager) = ConnectionManager::new_with_config(client.clone(), config.clone()).await {
            *self.shared.manager.write().unwrap_or_else(PoisonError::into_inner) = manager;
        }
    }

    fn manager(&self) -> ConnectionManager {
        self.shared.manager.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for Single {
    /// Names no address: a URL may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Single").field("role", &self.shared.role).finish_non_exhaustive()
    }
}

fn is_read_only(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
}

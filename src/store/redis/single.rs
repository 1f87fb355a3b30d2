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
use tokio::sync::Mutex;

use crate::store::role::Role;

/// A connection that all clones share.
///
/// A primary that is demoted keeps its connections: it answers reads, which are older from moment to moment, and
/// refuses changes. So it is asked for its [`Role`] now and then, and after a change that it has refused; a replica is
/// given up for the server that the address leads to by then.
#[derive(Clone)]
pub(super) struct Single {
    shared: Arc<Shared>,
}

struct Shared {
    manager: RwLock<Numbered>,
    /// Held by the call that makes another connection; the others wait for it.
    renewing: Mutex<()>,
    /// What another connection is made of; the application keeps it to itself when it has given one.
    source: Option<(Client, ConnectionManagerConfig)>,
    role: Role,
}

/// The connection, and how many there were before it.
#[derive(Clone)]
struct Numbered {
    manager: ConnectionManager,
    number: u64,
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
        let (manager, renewing) = (RwLock::new(Numbered { manager, number: 0 }), Mutex::new(()));
        Self { shared: Arc::new(Shared { manager, renewing, source, role: Role::new("redis") }) }
    }

    pub(super) async fn query(&self, command: &Cmd) -> RedisResult<Value> {
        let Numbered { mut manager, number } = self.sound().await;
        let answer = manager.req_packed_command(command).await.and_then(Value::extract_error);
        if answer.as_ref().is_err_and(is_read_only) && self.give_up(number).await {
            return self.current().manager.req_packed_command(command).await?.extract_error();
        }
        answer
    }

    /// Errors of single commands are among the answers.
    pub(super) async fn pipelined(&self, pipeline: &Pipeline, count: usize) -> RedisResult<Vec<Value>> {
        let Numbered { mut manager, number } = self.sound().await;
        let answers = manager.req_packed_commands(pipeline, 0, count).await?;
        let is_refused = |answer: &Value| answer.clone().extract_error().is_err_and(|error| is_read_only(&error));
        if answers.iter().any(is_refused) && self.give_up(number).await {
            return self.current().manager.req_packed_commands(pipeline, 0, count).await;
        }
        Ok(answers)
    }

    /// Whether the server takes changes; `None` when it does not tell.
    pub(super) async fn takes_changes(&self) -> Option<bool> {
        let answer = self.current().manager.req_packed_command(&redis::cmd("HELLO")).await.ok()?;
        let answer: HashMap<String, Value> = from_redis_value(answer).ok()?;
        let role: String = from_redis_value(answer.get("role")?.clone()).ok()?;
        Some(role == "master")
    }

    /// Whether the server takes changes as far as it is known to. When it does not, another one is connected to, if
    /// there is one.
    pub(super) async fn is_current(&self) -> bool {
        let number = self.current().number;
        let is_demoted = self.takes_changes().await == Some(false);
        !(is_demoted && self.give_up(number).await)
    }

    /// The connection, to a server that takes changes if there is one at the address.
    async fn sound(&self) -> Numbered {
        let role = &self.shared.role;
        if role.is_due(1) {
            let number = self.current().number;
            match self.takes_changes().await {
                Some(true) => role.is(true),
                Some(false) => self.renew(number).await,
                None => {}
            }
        }
        self.current()
    }

    /// Gives up the connection of this number, and waits for another one. Returns whether a call is worth repeating: a
    /// server that is known to be the only one is kept.
    async fn give_up(&self, number: u64) -> bool {
        if self.shared.role.takes_changes() {
            self.renew(number).await;
        }
        self.current().number != number
    }

    async fn renew(&self, number: u64) {
        let _renewing = self.shared.renewing.lock().await;
        if self.current().number != number {
            return;
        }
        match &self.shared.source {
            Some((client, config)) => {
                // If there is no other, the existing connection has to be used.
                let Ok(manager) = ConnectionManager::new_with_config(client.clone(), config.clone()).await else {
                    return;
                };
                self.put(manager);
            }
            None => {
                // The application's connection cannot be made again here, but it reconnects by itself when it is
                // closed.
                let mut manager = self.current().manager;
                let _ = manager.req_packed_command(&redis::cmd("QUIT")).await;
                let _ = manager.req_packed_command(&redis::cmd("HELLO")).await;
                self.put(manager);
            }
        }
        if let Some(takes_changes) = self.takes_changes().await {
            self.shared.role.is(takes_changes);
        }
    }

    fn current(&self) -> Numbered {
        self.shared.manager.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn put(&self, manager: ConnectionManager) {
        let mut current = self.shared.manager.write().unwrap_or_else(PoisonError::into_inner);
        *current = Numbered { manager, number: current.number + 1 };
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

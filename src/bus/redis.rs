//! A bus over publish and subscribe of Redis.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use futures_util::StreamExt;
use redis::{
    Client, Cmd, ErrorKind, Pipeline, RedisError, RedisResult, Value,
    aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig, PubSubSink, PubSubStream},
    from_redis_value,
};
use tokio::time;

use super::{
    BusError, BusErrorKind, BusFuture, BusHealth, Realm, RevocationBus, RevocationMessage, Subscription,
    reconnect::{Link, Lost, listen},
    tally::Tally,
};
use crate::address::{client_of, info_of};

/// A bus on the publish and subscribe of Redis or Valkey.
///
/// It need not be the server that holds the sessions: a small one beside an SQL store is enough, because nothing is
/// kept in it. Each subscription has a connection of its own. A user that is restricted needs the right to the channel
/// and to `PUBLISH`, `SUBSCRIBE` and `PING`.
///
/// # Defaults
///
/// | setting | default |
/// | --- | --- |
/// | [`channel`](Self::channel) | one for each [realm](crate::bus::Realm) and database number |
/// | [`keep_alive`](Self::keep_alive) | 10 s |
///
/// # Examples
///
/// ```
/// use tower_device_sessions::bus::{BusError, RedisBus};
///
/// # async fn open() -> Result<(), BusError> {
/// let bus = RedisBus::connect("redis://127.0.0.1/").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisBus {
    nodes: Arc<[Node]>,
    channel: Arc<str>,
    /// Whether the application has chosen the channel.
    is_named: bool,
    keep_alive: Duration,
    tally: Arc<Tally>,
}

#[derive(Clone)]
struct Node {
    client: Client,
    publisher: Arc<RwLock<ConnectionManager>>,
}

impl Node {
    fn new(client: Client) -> RedisResult<Self> {
        let publisher = Arc::new(RwLock::new(publisher_of(&client)?));
        Ok(Self { client, publisher })
    }

    /// Sends a command. A server that has become a replica keeps what is published to itself: then it is sent again,
    /// over another connection.
    async fn send(&self, command: Cmd) -> RedisResult<()> {
        let is_replica = self.ask(&command).await?;
        if is_replica {
            let another = publisher_of(&self.client)?;
            *self.publisher.write().unwrap_or_else(PoisonError::into_inner) = another;
            self.ask(&command).await?;
        }
        Ok(())
    }

    /// Sends a command, and asks whether it went to a replica.
    async fn ask(&self, command: &Cmd) -> RedisResult<bool> {
        let mut pipeline = Pipeline::with_capacity(2);
        pipeline.add_command(redis::cmd("HELLO")).add_command(command.clone());
        let mut publisher = self.publisher.read().unwrap_or_else(PoisonError::into_inner).clone();
        let answers = publisher.req_packed_commands(&pipeline, 0, 2).await?;
        let [hello, answer] = answers.as_slice() else {
            return Err((ErrorKind::UnexpectedReturnType, "another number of answers than commands").into());
        };
        answer.clone().extract_error()?;
        Ok(is_replica(hello).unwrap_or(false))
    }
}

/// What a server says of itself, if it does.
fn is_replica(hello: &Value) -> Option<bool> {
    let hello: HashMap<String, Value> = from_redis_value(hello.clone()).ok()?;
    let role: String = from_redis_value(hello.get("role")?.clone()).ok()?;
    Some(role != "master")
}

fn publisher_of(client: &Client) -> RedisResult<ConnectionManager> {
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(PATIENCE))
        .set_response_timeout(Some(PATIENCE))
        .set_number_of_retries(1)
        .set_min_delay(Duration::from_millis(20))
        .set_max_delay(Duration::from_millis(100));
    ConnectionManager::new_lazy_with_config(client.clone(), config)
}

impl RedisBus {
    /// A bus on the server at `url`, which has the forms that
    /// [`RedisStore::connect`](crate::store::RedisStore::connect) takes.
    ///
    /// # Errors
    ///
    /// [`BusErrorKind::Location`] when `url` is not the address of a server, [`BusErrorKind::Unavailable`] when it does
    /// not answer.
    pub async fn connect(url: &str) -> Result<Self, BusError> {
        Self::cluster([url]).await
    }

    /// A bus on the cluster that these nodes belong to. One reachable node is enough: each passes messages on to all
    /// others.
    ///
    /// # Errors
    ///
    /// [`BusErrorKind::Location`] when one of `urls` is not the address of a server, or there is none,
    /// [`BusErrorKind::Unavailable`] when no node answers.
    pub async fn cluster(urls: impl IntoIterator<Item: AsRef<str>>) -> Result<Self, BusError> {
        let client = |url: &str| {
            let (info, certificates) = info_of(url)?;
            let tcp = info.tcp_settings().clone().set_nodelay(true);
            client_of(info.set_tcp_settings(tcp), certificates)
        };
        let clients = urls.into_iter().map(|url| client(url.as_ref())).collect::<Result<Vec<Client>, RedisError>>();
        let bus = Self::from_clients(clients.map_err(location)?)?;
        bus.send(|| redis::cmd("PING")).await?;
        Ok(bus)
    }

    /// A bus on a client of the application's own, with its address, credentials and TLS. It connects when it is
    /// needed.
    ///
    /// # Errors
    ///
    /// [`BusErrorKind::Location`] when the driver refuses the client's settings.
    pub fn from_client(client: Client) -> Result<Self, BusError> {
        Self::from_clients(vec![client])
    }

    /// A bus on the nodes of a cluster, with clients of the application's own.
    ///
    /// # Errors
    ///
    /// [`BusErrorKind::Location`] when there is no node, or the driver refuses a client's settings.
    pub fn from_clients(clients: Vec<Client>) -> Result<Self, BusError> {
        if clients.is_empty() {
            return Err(BusError::new(BusErrorKind::Location, "a bus needs a server"));
        }
        let nodes: Vec<Node> =
            clients.into_iter().map(Node::new).collect::<Result<_, RedisError>>().map_err(location)?;
        let (channel, tally) = (CHANNEL.into(), Arc::default());
        Ok(Self { nodes: nodes.into(), channel, is_named: false, keep_alive: KEEP_ALIVE, tally })
    }

    /// The name of the channel, for nodes of several realms, or database numbers, that should hear each other. Default:
    /// a manager names it `tds:revocations:` and after the database number and its [realm](crate::bus::Realm); a bus
    /// without a manager is on `tds:revocations`.
    ///
    /// # Errors
    ///
    /// [`BusErrorKind::Location`] unless it is 1 to 128 visible ASCII characters.
    pub fn channel(mut self, channel: &str) -> Result<Self, BusError> {
        if !(1..=128).contains(&channel.len()) || !channel.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(BusError::new(BusErrorKind::Location, "a channel is 1 to 128 visible ASCII characters"));
        }
        self.channel = channel.into();
        self.is_named = true;
        Ok(self)
    }

    /// How long a connection may be silent before it is tested. Only this detects a server that is gone without closing
    /// the connection, as behind a broken network. Default: 10 s, at least 100 ms.
    #[must_use]
    pub fn keep_alive(mut self, interval: Duration) -> Self {
        self.keep_alive = interval.max(SHORTEST_KEEP_ALIVE);
        self
    }

    fn link(&self) -> RedisLink {
        RedisLink { nodes: Arc::clone(&self.nodes), channel: Arc::clone(&self.channel), keep_alive: self.keep_alive }
    }

    /// Sends a command to the first node that takes it.
    async fn send(&self, command: impl Fn() -> Cmd) -> Result<(), BusError> {
        let mut failure = None;
        for node in &*self.nodes {
            match time::timeout(PATIENCE, node.send(command())).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => failure = Some(BusError::unavailable(error)),
                Err(elapsed) => failure = Some(BusError::unavailable(elapsed)),
            }
        }
        Err(failure.unwrap_or_else(|| BusError::unavailable("there is no server")))
    }
}

impl RevocationBus for RedisBus {
    fn name(&self) -> &'static str {
        "redis"
    }

    /// Channels know no database numbers, so the name has it.
    fn in_realm(&self, realm: &Realm) -> Option<Arc<dyn RevocationBus>> {
        if self.is_named {
            return None;
        }
        let database = self.nodes.first().map_or(0, |node| node.client.get_connection_info().redis_settings().db());
        Some(Arc::new(Self { channel: format!("{CHANNEL}:{database}:{realm}").into(), is_named: true, ..self.clone() }))
    }

    fn publish<'a>(&'a self, message: &'a RevocationMessage) -> BusFuture<'a, Result<(), BusError>> {
        Box::pin(async {
            let payload = message.encode();
            let sent = self.send(|| {
                let mut publish = redis::cmd("PUBLISH");
                publish.arg(&*self.channel).arg(&payload);
                publish
            });
            self.tally.publishing(sent.await)
        })
    }

    /// All at once: the connection sends them one behind the other.
    fn publish_all<'a>(&'a self, messages: &'a [RevocationMessage]) -> BusFuture<'a, Result<(), BusError>> {
        Box::pin(async move {
            let published = futures_util::future::join_all(messages.iter().map(|message| self.publish(message))).await;
            published.into_iter().collect()
        })
    }

    fn subscribe(&self) -> Subscription {
        listen(self.name(), self.link(), &self.tally)
    }

    fn check(&self) -> BusFuture<'_, Result<(), BusError>> {
        Box::pin(async { self.link().connect().await.map(drop).map_err(BusError::unavailable) })
    }

    fn health(&self) -> BusHealth {
        self.tally.health()
    }
}

impl fmt::Debug for RedisBus {
    /// Names no address: a URL may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBus").field("channel", &self.channel).finish_non_exhaustive()
    }
}

struct RedisLink {
    nodes: Arc<[Node]>,
    channel: Arc<str>,
    keep_alive: Duration,
}

impl RedisLink {
    async fn subscribe(&self, node: &Node) -> Result<(PubSubSink, PubSubStream), RedisError> {
        let (mut sink, stream) = node.client.get_async_pubsub().await?.split();
        sink.subscribe(&*self.channel).await?;
        Ok((sink, stream))
    }
}

impl Link for RedisLink {
    type Connection = (PubSubSink, PubSubStream);

    async fn connect(&self) -> Result<Self::Connection, Lost> {
        let mut failure: Lost = "there is no server".into();
        for node in &*self.nodes {
            match time::timeout(PATIENCE, self.subscribe(node)).await {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(error)) => failure = error.into(),
                Err(elapsed) => failure = elapsed.into(),
            }
        }
        Err(failure)
    }

    async fn receive(&self, (sink, stream): &mut Self::Connection) -> Result<Vec<u8>, Lost> {
        loop {
            match time::timeout(self.keep_alive, stream.next()).await {
                Ok(Some(message)) => return Ok(message.get_payload_bytes().to_vec()),
                Ok(None) => return Err("the connection was closed".into()),
                Err(_) => {
                    time::timeout(PATIENCE, sink.ping::<Value>()).await??;
                }
            }
        }
    }
}

fn location(error: RedisError) -> BusError {
    BusError::new(BusErrorKind::Location, error)
}

const CHANNEL: &str = "tds:revocations";

/// How long a connection may take to be made, and a command to be answered.
const PATIENCE: Duration = Duration::from_secs(1);

const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// More often would be a burden.
const SHORTEST_KEEP_ALIVE: Duration = Duration::from_millis(100);

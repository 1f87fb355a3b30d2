//! How commands reach the server, one or many.

use std::{fmt, time::Duration};

use futures_util::{StreamExt, TryStreamExt, stream};
use redis::{
    Client, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, Pipeline, ProtocolVersion, RedisError, RedisResult,
    ServerErrorKind, Value,
    aio::{ConnectionLike, ConnectionManagerConfig},
    cluster::{ClusterClient, ClusterClientBuilder},
    cluster_async::ClusterConnection,
};

use super::{
    failure::{failure, unsuitable},
    script::{Call, PROBE},
    single::Single,
};
use crate::{
    address::{Certificates, client_of, info_of},
    host::is_this_machine,
    store::{StoreError, StoreErrorKind},
};

/// A connection that all clones share, and that is made again when it breaks.
#[derive(Clone)]
pub(super) enum Connection {
    Single(Single),
    Cluster(ClusterConnection),
}

/// What more connections of the same kind are made of.
#[derive(Clone)]
pub(super) enum Source {
    Client(Box<Client>),
    Cluster {
        client: Box<ClusterClient>,
        /// A node that is talked to in clear text, as far as it is known.
        plain: Option<Box<str>>,
    },
    /// The application gave a connection, and kept the rest to itself.
    Application,
}

/// How many replicas must have an ending before the call returns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Replicas {
    pub(super) count: u32,
    pub(super) timeout: Duration,
}

impl Source {
    /// A single server. Nagle's algorithm is off, broken connections are noticed before they are needed (RESP3), and an
    /// unanswered one is given up after [`DEAD_AFTER`].
    pub(super) fn single(url: &str) -> Result<Self, StoreError> {
        let (info, certificates) = info_of(url).map_err(location)?;
        client_of(prepared(info), certificates).map(|client| Self::Client(Box::new(client))).map_err(location)
    }

    pub(super) fn cluster(urls: impl IntoIterator<Item: AsRef<str>>) -> Result<Self, StoreError> {
        let nodes: Vec<(ConnectionInfo, Option<Certificates>)> =
            urls.into_iter().map(|url| info_of(url.as_ref())).collect::<RedisResult<_>>().map_err(location)?;
        let (nodes, certificates): (Vec<_>, Vec<_>) = nodes.into_iter().unzip();
        let settings = nodes.first().cloned().map(prepared);
        let plain = nodes.iter().find_map(plain_text_host).map(Box::from);
        let mut builder = ClusterClient::builder(nodes)
            .use_protocol(ProtocolVersion::RESP3)
            .connection_timeout(PATIENCE)
            .response_timeout(PATIENCE)
            .overall_response_timeout(Some(2 * PATIENCE))
            .retries(4)
            .retry_wait_formula(10, 2)
            .min_retry_wait(5)
            .max_retry_wait(100);
        if let Some(settings) = settings {
            builder = builder.tcp_settings(settings.tcp_settings().clone());
        }
        if let Some(certificates) = certificates.into_iter().flatten().next() {
            builder = with_certificates(builder, certificates);
        }
        let client = builder.build().map(Box::new).map_err(location)?;
        Ok(Self::Cluster { client, plain })
    }

    /// Another machine that is talked to in clear text, if one is known.
    pub(super) fn plain_text_peer(&self) -> Option<&str> {
        match self {
            Self::Client(client) => plain_text_host(client.get_connection_info()),
            Self::Cluster { plain, .. } => plain.as_deref(),
            Self::Application => None,
        }
    }

    /// A connection on which an answer may take `longer` than usual.
    pub(super) async fn connect(&self, longer: Duration) -> Result<Connection, StoreError> {
        match self {
            Self::Client(client) => {
                let config = ConnectionManagerConfig::new()
                    .set_connection_timeout(Some(PATIENCE))
                    .set_response_timeout(Some(PATIENCE + longer))
                    .set_number_of_retries(1)
                    .set_min_delay(Duration::from_millis(20))
                    .set_max_delay(Duration::from_millis(100));
                Single::connect((**client).clone(), config).await.map(Connection::Single).map_err(failure)
            }
            Self::Cluster { client, .. } => {
                let connection = client.get_async_connection().await;
                connection.map(Connection::Cluster).map_err(failure)
            }
            Self::Application => {
                let rule = "a further connection cannot be made of a connection: give the store a client or a URL";
                Err(StoreError::new(StoreErrorKind::Location, rule))
            }
        }
    }
}

impl Connection {
    /// Refuses a server on which sessions cannot live.
    pub(super) async fn inspect(&self) -> Result<(), StoreError> {
        self.invoke(&Call::new(&PROBE, [])).await?;
        match self {
            Self::Single(single) if single.takes_changes().await == Some(false) => {
                Err(unsuitable("the server takes no changes: it is a replica"))
            }
            Self::Single(_) | Self::Cluster(_) => Ok(()),
        }
    }

    /// Whether what was found is so, or may be missing on a server that was demoted. In a cluster such a server passes
    /// calls on.
    pub(super) async fn is_current(&self) -> bool {
        match self {
            Self::Single(single) => single.is_current().await,
            Self::Cluster(_) => true,
        }
    }

    /// Whether one server has all keys.
    pub(super) fn is_single(&self) -> bool {
        matches!(self, Self::Single(_))
    }

    /// Runs a script.
    pub(super) async fn invoke(&self, call: &Call) -> Result<Value, StoreError> {
        match self.query(&call.by_hash()).await {
            Err(error) if is_unknown_script(&error) => self.query(&call.in_full()).await,
            result => result,
        }
        .map_err(failure)
    }

    /// Runs scripts, which all go to one node, and waits until enough replicas have all that this connection has
    /// written.
    pub(super) async fn invoke_and_wait(&self, calls: &[Call], replicas: Replicas) -> Result<Vec<Value>, StoreError> {
        // `WAIT 0` milliseconds would be for ever.
        let milliseconds = u64::try_from(replicas.timeout.as_millis()).unwrap_or(u64::MAX).max(1);
        let mut wait = redis::cmd("WAIT");
        wait.arg(replicas.count).arg(milliseconds);

        let with_wait =
            |commands: fn(&Call) -> Cmd| calls.iter().map(commands).chain([wait.clone()]).collect::<Vec<Cmd>>();
        let mut answers = self.pipelined(&with_wait(Call::by_hash)).await.map_err(failure)?;
        if answers.iter().any(|answer| extract(answer).is_err_and(|error| is_unknown_script(&error))) {
            answers = self.pipelined(&with_wait(Call::in_full)).await.map_err(failure)?;
        }
        let Some(acknowledged) = answers.pop().filter(|_| answers.len() == calls.len()) else {
            return Err(StoreError::unavailable("the server answered another number of commands than it was sent"));
        };
        let answers = answers.iter().map(|answer| extract(answer).map_err(failure)).collect::<Result<_, _>>()?;
        let acknowledged = extract(&acknowledged).map_err(failure)?;
        let acknowledged: u32 = redis::from_redis_value(acknowledged).map_err(super::failure::unexpected)?;
        if acknowledged < replicas.count {
            let told = format!("{acknowledged} of {} replicas have acknowledged the ending", replicas.count);
            return Err(StoreError::unavailable(told));
        }
        Ok(answers)
    }

    /// Runs scripts that may be repeated, as few round trips as it takes. Calls with the same routing key stand
    /// together.
    pub(super) async fn invoke_all(&self, calls: &[Call]) -> Result<Vec<Value>, StoreError> {
        // The driver refuses to send nothing.
        if calls.is_empty() {
            return Ok(Vec::new());
        }
        match self {
            Self::Single(_) => self.invoke_pipeline(calls).await,
            Self::Cluster(_) => {
                let mut groups = Vec::new();
                for group in calls.chunk_by(|a, b| shard_name(a) == shard_name(b)) {
                    groups.push(self.invoke_pipeline(group));
                }
                Ok(in_parallel(groups).await?.into_iter().flatten().collect())
            }
        }
    }

    /// Sends commands, each with the key that decides where it goes, as few round trips as it takes.
    pub(super) async fn query_all(&self, commands: Vec<Cmd>) -> Result<Vec<Value>, StoreError> {
        match self {
            Self::Single(_) => {
                let answers = self.pipelined(&commands).await.map_err(failure)?;
                answers.iter().map(|answer| extract(answer).map_err(failure)).collect()
            }
            Self::Cluster(_) => {
                let mut queries = Vec::new();
                for command in &commands {
                    queries.push(async { self.query(command).await.map_err(failure) });
                }
                in_parallel(queries).await
            }
        }
    }

    async fn invoke_pipeline(&self, calls: &[Call]) -> Result<Vec<Value>, StoreError> {
        let commands: Vec<Cmd> = calls.iter().map(Call::by_hash).collect();
        let mut answers = self.pipelined(&commands).await.map_err(failure)?;
        if answers.iter().any(|answer| extract(answer).is_err_and(|error| is_unknown_script(&error))) {
            let commands: Vec<Cmd> = calls.iter().map(Call::in_full).collect();
            answers = self.pipelined(&commands).await.map_err(failure)?;
        }
        answers.iter().map(|answer| extract(answer).map_err(failure)).collect()
    }

    async fn query(&self, command: &Cmd) -> RedisResult<Value> {
        match self {
            Self::Single(single) => single.query(command).await,
            Self::Cluster(connection) => connection.clone().req_packed_command(command).await?.extract_error(),
        }
    }

    /// Sends these together, to one node. Errors of single commands are among the answers.
    async fn pipelined(&self, commands: &[Cmd]) -> RedisResult<Vec<Value>> {
        let mut pipeline = Pipeline::with_capacity(commands.len());
        for command in commands {
            pipeline.add_command(command.clone());
        }
        match self {
            Self::Single(single) => single.pipelined(&pipeline, commands.len()).await,
            Self::Cluster(connection) => connection.clone().req_packed_commands(&pipeline, 0, commands.len()).await,
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Single(_) => "Single",
            Self::Cluster(_) => "Cluster",
        })
    }
}

impl fmt::Debug for Source {
    /// Names no address: a URL may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client(_) => "Client",
            Self::Cluster { .. } => "Cluster",
            Self::Application => "Application",
        })
    }
}

/// How long a connection may take to be made, and a command to be answered. Half the deadline that the manager gives a
/// store by default, so that there is time for a second attempt.
const PATIENCE: Duration = Duration::from_millis(500);

/// After how long a peer that acknowledges nothing counts as gone. Without it, the operating system would go on for a
/// quarter of an hour.
const DEAD_AFTER: Duration = Duration::from_secs(5);

/// How many commands are under way at once when each has to find its own node.
const AT_ONCE: usize = 128;

fn prepared(info: ConnectionInfo) -> ConnectionInfo {
    let tcp = info.tcp_settings().clone().set_nodelay(true);
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    let tcp = tcp.set_user_timeout(DEAD_AFTER);
    let redis = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    info.set_tcp_settings(tcp).set_redis_settings(redis)
}

/// The host, if it is another machine and the connection is not encrypted.
fn plain_text_host(info: &ConnectionInfo) -> Option<&str> {
    match info.addr() {
        ConnectionAddr::Tcp(host, _) if !is_this_machine(host) => Some(host),
        _ => None,
    }
}

#[cfg(feature = "tls-rustls")]
fn with_certificates(builder: ClusterClientBuilder, certificates: Certificates) -> ClusterClientBuilder {
    builder.certs(certificates)
}

#[cfg(not(feature = "tls-rustls"))]
fn with_certificates(_: ClusterClientBuilder, never: Certificates) -> ClusterClientBuilder {
    match never {}
}

fn location(error: RedisError) -> StoreError {
    StoreError::new(StoreErrorKind::Location, error)
}

fn extract(answer: &Value) -> RedisResult<Value> {
    answer.clone().extract_error()
}

fn is_unknown_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

/// The name of the key up to the end of what stands in braces.
pub(super) fn shard_name(call: &Call) -> &str {
    call.routing_key().split_inclusive('}').next().unwrap_or_default()
}

/// Waits for all of these, a bounded number at once.
async fn in_parallel<T>(futures: Vec<impl Future<Output = Result<T, StoreError>>>) -> Result<Vec<T>, StoreError> {
    stream::iter(futures).buffered(AT_ONCE).try_collect().await
}

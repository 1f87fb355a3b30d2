//! The other examples, as processes: each does what its first lines say.

#[path = "../../../examples/tonic_service/messages.rs"]
mod messages;

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tonic::{Code, Request, Status, client::Grpc, codegen::http::uri::PathAndQuery, transport::Channel};
use tonic_prost::ProstCodec;
use tonic_types::StatusExt;

use self::messages::{Empty, News, SignInReply, SignInRequest, WhoAmIReply};
use crate::support::TestResult;

/// A running example. It is killed when it is dropped.
struct Example {
    child: Child,
    address: String,
}

impl Example {
    fn start(name: &str, arguments: &[&str]) -> Self {
        let mut child = command(name).args(arguments).stderr(Stdio::piped()).spawn().expect("it is built");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let address = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.split_once("listening on http://").map(|(_, address)| address.to_owned()))
            .expect("the server says where it listens");
        // What it writes later must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address }
    }

    /// The status and the body of one request over HTTP.
    async fn call(&self, method: &str, path: &str, token: &str) -> std::io::Result<(u16, String)> {
        let mut stream = TcpStream::connect(&self.address).await?;
        let head = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", self.address);
        let credential = if token.is_empty() { String::new() } else { format!("authorization: Bearer {token}\r\n") };
        stream.write_all(format!("{head}{credential}user-agent: curl/8.5.0\r\n\r\n").as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        Ok((status, body.to_owned()))
    }

    /// The token that signing in returns.
    async fn sign_in(&self, user: &str) -> std::io::Result<String> {
        let (status, body) = self.call("POST", &format!("/login?user={user}"), "").await?;
        assert_eq!(status, 200, "{body}");
        let body: Value = serde_json::from_str(&body)?;
        Ok(body["token"].as_str().expect("a token").to_owned())
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary that cargo has built beside the tests.
fn command(name: &str) -> Command {
    let tests = std::env::current_exe().expect("a path");
    let profile = tests.parent().and_then(|deps| deps.parent()).expect("target/<profile>/deps");
    let binary: PathBuf = profile.join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    let mut command = Command::new(binary);
    command.env_clear().env("ADDR", "127.0.0.1:0").stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// A client of the gRPC service.
struct Client {
    grpc: Grpc<Channel>,
    token: String,
}

impl Client {
    async fn connect(example: &Example) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let channel = Channel::from_shared(format!("http://{}", example.address))?.user_agent("grpc-go/1.65.0")?;
        Ok(Self { grpc: Grpc::new(channel.connect().await?), token: String::new() })
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if !self.token.is_empty() {
            let value = format!("Bearer {}", self.token).parse().expect("visible");
            request.metadata_mut().insert("authorization", value);
        }
        request
    }

    async fn call<M, A>(&mut self, method: &'static str, message: M) -> Result<A, Status>
    where
        M: prost::Message + Send + Sync + 'static,
        A: prost::Message + Default + Send + Sync + 'static,
    {
        let (request, path) = (self.request(message), PathAndQuery::from_static(method));
        self.ready().await?;
        self.grpc.unary(request, path, ProstCodec::default()).await.map(tonic::Response::into_inner)
    }

    async fn ready(&mut self) -> Result<(), Status> {
        self.grpc.ready().await.map_err(|error| Status::unknown(error.to_string()))
    }

    async fn sign_in(&mut self, user: &str, password: &str) -> Result<SignInReply, Status> {
        let message = SignInRequest { user: user.to_owned(), password: password.to_owned() };
        let reply: SignInReply = self.call("/example.v1.Account/SignIn", message).await?;
        self.token.clone_from(&reply.token);
        Ok(reply)
    }
}

/// S39, S80: sign-in, a unary call, a stream, a sign-out over HTTP that ends the stream, and the codes on the way.
#[tokio::test]
async fn tonic_service_ends_the_stream_of_whom_is_signed_out() -> TestResult {
    let example = Example::start("tonic_service", &[]);
    let mut ann = Client::connect(&example).await?;
    let status = ann.call::<_, WhoAmIReply>("/example.v1.Account/WhoAmI", Empty {}).await.expect_err("not signed in");
    assert_eq!(status.code(), Code::Unauthenticated);
    assert_eq!(ann.sign_in("ann", "wrong").await.map_err(|status| status.code()), Err(Code::Unauthenticated));

    let started = ann.sign_in("ann", "secret").await?;
    let me: WhoAmIReply = ann.call("/example.v1.Account/WhoAmI", Empty {}).await?;
    assert_eq!((me.user.as_str(), me.device.as_str()), ("ann", "grpc-go"));
    let news = News { text: "lunch".to_owned() };
    let denied = ann.call::<_, Empty>("/example.v1.Account/Announce", news.clone()).await;
    assert_eq!(denied.map_err(|status| status.code()), Err(Code::PermissionDenied));

    let path = PathAndQuery::from_static("/example.v1.Account/Watch");
    let request = ann.request(Empty {});
    ann.ready().await?;
    let mut stream = ann.grpc.server_streaming(request, path, ProstCodec::<Empty, News>::default()).await?.into_inner();
    let mut admin = Client::connect(&example).await?;
    admin.sign_in("admin", "secret").await?;
    let _: Empty = admin.call("/example.v1.Account/Announce", news.clone()).await?;
    assert_eq!(stream.message().await?, Some(news));

    let mut phone = Client::connect(&example).await?;
    phone.sign_in("ann", "secret").await?;
    let revoked = example.call("DELETE", &format!("/api/sessions/{}", started.session_id), &phone.token).await?;
    assert_eq!(revoked.0, 204);
    let status = stream.message().await.expect_err("the session has ended");
    assert_eq!(status.code(), Code::Unauthenticated);
    let reason = status.metadata().get("session-end-reason").and_then(|reason| reason.to_str().ok());
    assert_eq!(reason, Some("revoked_by_user"));

    let status = ann.call::<_, WhoAmIReply>("/example.v1.Account/WhoAmI", Empty {}).await.expect_err("signed out");
    let info = status.get_details_error_info().expect("details");
    assert_eq!((info.reason.as_str(), info.domain.as_str()), ("SESSION_REVOKED", "tower-device-sessions"));
    assert_eq!(info.metadata.get("reason").map(String::as_str), Some("revoked_by_user"));
    Ok(())
}

/// The opening of a WebSocket, and the frames of its other end.
struct WebSocket(TcpStream);

impl WebSocket {
    async fn open(example: &Example, token: &str) -> std::io::Result<Self> {
        let mut stream = TcpStream::connect(&example.address).await?;
        let head = format!(
            "GET /echo HTTP/1.1\r\nhost: {}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             authorization: Bearer {token}\r\n\r\n",
            example.address
        );
        stream.write_all(head.as_bytes()).await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
        Ok(Self(stream))
    }

    /// Sends a short text, masked with zeros.
    async fn say(&mut self, text: &str) -> std::io::Result<()> {
        let length = u8::try_from(text.len()).expect("a short text");
        self.0.write_all(&[&[0x81, 0x80 | length, 0, 0, 0, 0], text.as_bytes()].concat()).await
    }

    /// The opcode and the payload of a short frame.
    async fn hear(&mut self) -> std::io::Result<(u8, Vec<u8>)> {
        let opcode = self.0.read_u8().await? & 0x0f;
        let mut payload = vec![0; usize::from(self.0.read_u8().await?)];
        self.0.read_exact(&mut payload).await?;
        Ok((opcode, payload))
    }
}

/// S39.
#[tokio::test]
async fn websocket_closes_with_4401_and_the_reason() -> TestResult {
    let example = Example::start("websocket", &[]);
    let token = example.sign_in("ann").await?;
    let mut socket = WebSocket::open(&example, &token).await?;
    socket.say("hello").await?;
    assert_eq!(socket.hear().await?, (1, b"hello".to_vec()));
    assert_eq!(example.call("POST", "/api/logout", &token).await?.0, 204);
    assert_eq!(socket.hear().await?, (8, [&4401_u16.to_be_bytes()[..], b"signed_out"].concat()));
    Ok(())
}

/// The events come as they are sent, and the last one says why there are no more.
#[tokio::test]
async fn event_stream_ends_with_the_reason() -> TestResult {
    let example = Example::start("event_stream", &[]);
    let token = example.sign_in("ann").await?;
    let mut stream = TcpStream::connect(&example.address).await?;
    let head = format!("GET /events HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\n\r\n", example.address);
    stream.write_all(head.as_bytes()).await?;
    let mut received = String::new();
    for (awaited, then) in [("event: tick", "/api/logout"), ("event: session-ended\ndata: signed_out", "")] {
        while !received.contains(awaited) {
            let mut bytes = [0; 1_024];
            let count = stream.read(&mut bytes).await?;
            assert!(count > 0, "{received}");
            received.push_str(std::str::from_utf8(&bytes[..count])?);
        }
        if !then.is_empty() {
            assert_eq!(example.call("POST", then, &token).await?.0, 204);
        }
    }
    assert_eq!(example.call("GET", "/events", &token).await?.0, 401);
    Ok(())
}

/// S25: both ways in, with tokens that this crate has neither issued nor verified.
#[tokio::test]
async fn bring_your_own_jwt_ends_sessions_of_tokens_it_did_not_issue() -> TestResult {
    for way in [&[][..], &["upstream"]] {
        let example = Example::start("bring_your_own_jwt", way);
        let (laptop, phone) = (example.sign_in("ann").await?, example.sign_in("ann").await?);
        let (status, me) = example.call("GET", "/me", &phone).await?;
        let me: Value = serde_json::from_str(&me)?;
        assert_eq!((status, &me["user"], &me["device"]), (200, &"ann".into(), &"curl".into()));

        let path = format!("/api/sessions/{}", me["sessionId"].as_str().expect("an id"));
        assert_eq!(example.call("DELETE", &path, &laptop).await?.0, 204);
        let (status, denied) = example.call("GET", "/me", &phone).await?;
        assert_eq!((status, &serde_json::from_str::<Value>(&denied)?["code"]), (401, &"session_revoked".into()));
        assert_eq!(example.call("GET", "/me", &laptop).await?.0, 200);
        assert_eq!(example.call("GET", "/me", &format!("{laptop}x")).await?.0, 401);
        assert_eq!(example.call("GET", "/me", "").await?.0, 401);
    }
    Ok(())
}

/// What is said of the memory of those who wait is still so.
#[cfg(target_os = "linux")]
#[test]
fn waiting_connections_take_little_memory() {
    let output = command("waiting_connections").stdout(Stdio::piped()).output().expect("it is built");
    let text = String::from_utf8_lossy(&output.stdout);
    let bytes: Vec<usize> =
        text.lines().filter_map(|line| line.rsplit_once(": ")?.1.strip_suffix(" bytes each")?.parse().ok()).collect();
    assert!(matches!(bytes[..], [..=400, ..=1_100]), "{text}");
}

/// S27.
#[test]
fn a_session_revoked_on_one_of_the_two_nodes_is_refused_by_the_other() {
    let output = command("two_nodes").env("REVOCATIONS", "50").stdout(Stdio::piped()).output().expect("it is built");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed} {}", String::from_utf8_lossy(&output.stderr));
    assert!(printed.contains("the second node answers 401: Signed out"), "{printed}");
    assert!(printed.contains("50 revocations, bus local: refused by the other node after p50 "), "{printed}");
}

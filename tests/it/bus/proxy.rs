use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

/// Stands between a client and a server, and can hold what they say to each other.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    is_holding: watch::Sender<bool>,
}

impl Proxy {
    pub(crate) async fn to(server: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let is_holding = watch::Sender::new(false);
        let holding = is_holding.subscribe();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(server).await else { continue };
                let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
                tokio::spawn(pass_on(from_client, to_server, holding.clone()));
                tokio::spawn(pass_on(from_server, to_client, holding.clone()));
            }
        });
        Ok(Self { port, is_holding })
    }

    /// Passes nothing on any more, in either direction, without closing anything.
    pub(crate) fn hold(&self) {
        self.is_holding.send_replace(true);
    }

    /// Passes on what was held, and what comes.
    pub(crate) fn release(&self) {
        self.is_holding.send_replace(false);
    }
}

async fn pass_on(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut holding: watch::Receiver<bool>) {
    let mut buffer = vec![0; 16_384];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let released = holding.wait_for(|is_holding| !is_holding).await.is_ok();
        if !released || to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

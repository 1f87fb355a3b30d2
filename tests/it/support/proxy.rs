//! A server on this machine as it looks over a bad connection.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    sync::watch,
};

/// What happens to answers on their way back. What is asked is always passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    Delay,
    Hold,
    /// The connection is closed in place of the answer: whatever was asked has been done.
    Cut,
    /// Nothing comes back any more, and the client is told so; what it says is still read.
    HalfClose,
}

pub(crate) struct Proxy {
    pub(crate) port: u16,
    fault: Arc<watch::Sender<Fault>>,
    asked: Arc<AtomicU64>,
    server: Arc<Mutex<SocketAddr>>,
}

impl Proxy {
    pub(crate) async fn to(server: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (port, fault) = (listener.local_addr()?.port(), Arc::new(watch::Sender::new(Fault::None)));
        let (faults, asked) = (Arc::clone(&fault), Arc::new(AtomicU64::new(0)));
        let count = Arc::clone(&asked);
        let server = Arc::new(Mutex::new(server));
        let address = Arc::clone(&server);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = *address.lock().expect("no panic");
                let Ok(server) = TcpStream::connect(server).await else { continue };
                let ((asked, answered), (answers, asks)) = (client.into_split(), server.into_split());
                tokio::spawn(ask(asked, asks, Arc::clone(&count)));
                tokio::spawn(pass_on(answers, answered, faults.subscribe()));
            }
        });
        Ok(Self { port, fault, asked, server })
    }

    /// Passes new connections on to another server, as a name that was repointed does. Those that are there stay.
    pub(crate) fn repoint(&self, server: SocketAddr) {
        *self.server.lock().expect("no panic") = server;
    }

    pub(crate) fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }

    /// How often something was passed on to the server.
    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}

async fn ask(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, count: Arc<AtomicU64>) {
    let mut buffer = vec![0; 16_384];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
        count.fetch_add(1, Ordering::Relaxed);
    }
}

async fn pass_on(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut fault: watch::Receiver<Fault>) {
    let mut buffer = vec![0; 16_384];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let now = *fault.borrow();
        match now {
            Fault::None => {}
            Fault::Delay => tokio::time::sleep(Duration::from_millis(20)).await,
            Fault::Hold => drop(fault.wait_for(|fault| *fault != Fault::Hold).await),
            Fault::Cut => return,
            Fault::HalfClose => {
                let _ = to.shutdown().await;
                let _ = tokio::io::copy(&mut from, &mut tokio::io::sink()).await;
                return;
            }
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

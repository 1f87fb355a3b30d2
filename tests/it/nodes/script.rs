//! A bus on which a test says what is heard.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use futures_util::stream;
use tokio::sync::{mpsc, watch};
use tower_device_sessions::bus::{
    BusError, BusEvent, BusFuture, BusHealth, RevocationBus, RevocationMessage, Subscription,
};

/// A bus on which the test says what is heard, and sees what is told.
#[derive(Clone, Debug)]
pub(super) struct Script {
    told: Arc<Mutex<Vec<RevocationMessage>>>,
    is_mute: Arc<AtomicBool>,
    events: mpsc::UnboundedSender<BusEvent>,
    heard: Arc<Mutex<Option<mpsc::UnboundedReceiver<BusEvent>>>>,
    /// How many events have been asked for, and so how many have been dealt with and one more.
    asked: watch::Sender<u64>,
    said: Arc<Mutex<u64>>,
}

impl Script {
    pub(super) fn new() -> Self {
        let (events, heard) = mpsc::unbounded_channel();
        Self {
            told: Arc::default(),
            is_mute: Arc::default(),
            events,
            heard: Arc::new(Mutex::new(Some(heard))),
            asked: watch::Sender::new(0),
            said: Arc::default(),
        }
    }

    /// Has the node hear this, and waits until it has dealt with it.
    pub(super) async fn say(&self, event: BusEvent) {
        let dealt_with = {
            let mut said = self.said.lock().expect("no panic");
            *said += 1;
            *said + 1
        };
        self.events.send(event).expect("the receiver is kept");
        self.asked.subscribe().wait_for(|asked| *asked >= dealt_with).await.expect("the sender is kept");
    }

    pub(super) fn told(&self) -> Vec<RevocationMessage> {
        std::mem::take(&mut *self.told.lock().expect("no panic"))
    }

    /// Publishing never ends any more.
    pub(super) fn mute(&self, is_mute: bool) {
        self.is_mute.store(is_mute, Ordering::Relaxed);
    }
}

impl RevocationBus for Script {
    fn name(&self) -> &'static str {
        "script"
    }

    fn publish<'a>(&'a self, message: &'a RevocationMessage) -> BusFuture<'a, Result<(), BusError>> {
        Box::pin(async {
            if self.is_mute.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
            self.told.lock().expect("no panic").push(message.clone());
            Ok(())
        })
    }

    fn subscribe(&self) -> Subscription {
        let heard = self.heard.lock().expect("no panic").take().expect("one subscription");
        let asked = self.asked.clone();
        Subscription::new(stream::unfold(heard, move |mut heard| {
            asked.send_modify(|asked| *asked += 1);
            async move { heard.recv().await.map(|event| (event, heard)) }
        }))
    }

    fn health(&self) -> BusHealth {
        BusHealth::default()
    }

    fn is_connected(&self) -> bool {
        true
    }
}

//! Work with passwords, which takes time and memory on purpose: a few jobs at a time, and a bounded queue.

use std::{
    num::NonZero,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use argon2::{
    Algorithm, Argon2, Block, Params, PasswordHash, Version,
    password_hash::{Output, ParamsString, SaltString, rand_core::OsRng},
};
use tokio::sync::oneshot;

/// Threads that hash passwords.
///
/// One Argon2 takes 19 MiB. Anyone can trigger one, so a server that begins each at once runs out of memory. Each
/// thread keeps its block: memory that is freed after each password leaves gaps that the next block does not fit into.
pub struct Passwords {
    queue: SyncSender<Job>,
}

/// The queue is full. A client should try again in a moment.
#[derive(Clone, Copy, Debug)]
pub struct Busy;

type Job = Box<dyn FnOnce(&mut Memory) + Send>;

pub type Memory = Vec<Block>;

impl Passwords {
    pub fn new() -> Self {
        let (queue, jobs) = sync_channel(LONGEST_QUEUE);
        let jobs = Arc::new(Mutex::new(jobs));
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        for _ in 0..processors.min(MOST_AT_ONCE) {
            let jobs = Arc::clone(&jobs);
            thread::spawn(move || work(&jobs));
        }
        Self { queue }
    }

    /// Whether this is the password that was hashed.
    pub async fn verify(&self, hashed: String, password: String) -> Result<bool, Busy> {
        self.run(move |memory| verify(&hashed, &password, memory).unwrap_or(false)).await
    }

    pub async fn hash(&self, password: String) -> Result<String, Busy> {
        self.run(move |memory| hash(&password, memory)).await
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce(&mut Memory) -> T + Send + 'static) -> Result<T, Busy> {
        let (answer, answered) = oneshot::channel();
        let job = move |memory: &mut Memory| {
            // The client has hung up, so nobody waits for the result.
            if !answer.is_closed() {
                let _ = answer.send(work(memory));
            }
        };
        self.queue.try_send(Box::new(job)).map_err(|_| Busy)?;
        answered.await.map_err(|_| Busy)
    }
}

/// Does what is in the queue until the last sender is gone.
fn work(jobs: &Mutex<Receiver<Job>>) {
    let mut memory = Memory::new();
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        // A panic is on the log. The next job is not to wait for ever.
        let _ = catch_unwind(AssertUnwindSafe(|| job(&mut memory)));
    }
}

/// Empty, which no password matches, should Argon2 refuse.
pub fn hash(password: &str, memory: &mut Memory) -> String {
    let (salt, argon2) = (SaltString::generate(&mut OsRng), Argon2::default());
    let mut bytes = [0; 64];
    let output = salt.decode_b64(&mut bytes).ok().and_then(|salt| digest(&argon2, password, salt, memory));
    let hashed = output.and_then(|output| {
        let (algorithm, version) = (Algorithm::default().ident(), Some(Version::default().into()));
        let params = ParamsString::try_from(argon2.params()).ok()?;
        Some(PasswordHash { algorithm, version, params, salt: Some(salt.as_salt()), hash: Some(output) }.to_string())
    });
    hashed.unwrap_or_default()
}

/// `None` when what was hashed is no such hash.
fn verify(hashed: &str, password: &str, memory: &mut Memory) -> Option<bool> {
    let hashed = PasswordHash::new(hashed).ok()?;
    let mut bytes = [0; 64];
    let salt = hashed.salt?.decode_b64(&mut bytes).ok()?;
    let params = Params::try_from(&hashed).ok()?;
    let argon2 = Argon2::new(Algorithm::try_from(hashed.algorithm).ok()?, Version::default(), params);
    // They are compared in constant time.
    Some(digest(&argon2, password, salt, memory)? == hashed.hash?)
}

fn digest(argon2: &Argon2<'_>, password: &str, salt: &[u8], memory: &mut Memory) -> Option<Output> {
    memory.resize(argon2.params().block_count(), Block::default());
    let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
    argon2.hash_password_into_with_memory(password.as_bytes(), salt, &mut output, memory.as_mut_slice()).ok()?;
    Output::new(&output).ok()
}

/// More than the processors can do would only take more memory.
const MOST_AT_ONCE: usize = 4;

/// As much as is done in a second or two.
const LONGEST_QUEUE: usize = 32;

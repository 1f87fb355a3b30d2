//! From a thousand sessions to a million, asked for at random: what is added by the processor's own caches, and what by
//! the map.

use std::{
    hash::{BuildHasher, Hash, Hasher},
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use tower_device_sessions::{ClientInfo, SessionManager, Timestamp, clock::ManualClock, store::MemoryStore};

use crate::{
    Failure, Pace,
    figures::{Figures, heading},
    ours,
    rounds::median,
};

/// As large as what this crate keeps for a token beside the token and the record.
type Entry = [u8; 128];

/// The last bytes of a token, folded: what costs least, for all maps alike.
#[derive(Clone, Copy, Default)]
pub struct TailHash;

pub struct TailHasher(u64);

impl BuildHasher for TailHash {
    type Hasher = TailHasher;

    fn build_hasher(&self) -> TailHasher {
        TailHasher(0)
    }
}

impl Hasher for TailHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(tail) = bytes.last_chunk::<16>() {
            let number = u128::from_le_bytes(*tail);
            let product =
                (number as u64 ^ 0x9e37_79b9_7f4a_7c15) as u128 * ((number >> 64) as u64 ^ 0xd1b5_4a32) as u128;
            self.0 = product as u64 ^ (product >> 64) as u64;
        }
    }

    fn write_usize(&mut self, _: usize) {}

    fn write_u8(&mut self, _: u8) {}
}

/// A token, owned once and shared by all that need it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(pub Arc<[u8]>);

impl Hash for Token {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(&self.0);
    }
}

pub async fn run(pace: Pace, figures: &mut Figures) -> Result<(), Failure> {
    let sizes: &[usize] = pace.pick(&[1_000, 100_000, 1_000_000], &[1_000, 10_000, 100_000, 1_000_000]);
    heading("Live sessions, asked for at random (ns per look-up)");
    println!("{:<12} {:>12} {:>12} {:>12}", "sessions", "this crate", "papaya", "moka, TTL");
    let mut rows = Vec::new();
    for &size in sizes {
        let (sessions, tokens) = populate(size).await?;
        let maps = Maps::new(&tokens);
        let row = measure(&sessions, &maps, &tokens, pace).await?;
        println!("{size:<12} {:>12.0} {:>12.0} {:>12.0}", row[0], row[1], row[2]);
        rows.push(row);
    }
    if let (Some(first), Some(last)) = (rows.first(), rows.last()) {
        let growth: Vec<f64> = first.iter().zip(last).map(|(first, last)| last - first).collect();
        figures.add("million_sessions_growth_ns", growth[0]);
        figures.add("million_sessions_growth_over_papaya", growth[0] / growth[1]);
        figures.add("million_sessions_growth_moka_over_papaya", growth[2] / growth[1]);
    }
    Ok(())
}

/// A manager with so many sessions in its cache, on a clock that stands still.
async fn populate(size: usize) -> Result<(SessionManager, Vec<Token>), Failure> {
    let sessions = ours::manager(MemoryStore::new())?.clock(ManualClock::new()).cache_capacity(8 << 30).build()?;
    let mut tokens = Vec::with_capacity(size);
    for number in 0..size {
        let started = sessions.start(number as u64, ClientInfo::new()).await?;
        sessions.authenticate(started.token()).await?;
        tokens.push(Token(started.token().as_bytes().into()));
    }
    Ok((sessions, tokens))
}

struct Maps {
    papaya: papaya::HashMap<Token, Arc<Entry>, TailHash>,
    moka: moka::sync::Cache<Token, Arc<Entry>, TailHash>,
}

impl Maps {
    fn new(tokens: &[Token]) -> Self {
        let papaya = papaya::HashMap::with_hasher(TailHash);
        let moka = moka::sync::Cache::builder()
            .max_capacity(u64::MAX)
            .time_to_live(Duration::from_secs(3_600))
            .build_with_hasher(TailHash);
        for token in tokens {
            // A copy of the token each, as a cache has to have.
            papaya.pin().insert(Token(token.0.to_vec().into()), Arc::new([0; 128]));
            moka.insert(Token(token.0.to_vec().into()), Arc::new([0; 128]));
        }
        Self { papaya, moka }
    }
}

/// The tokens that are asked for are copied right before, as a server has just read those of its requests: what is far
/// away in memory is what the maps hold.
///
/// Which one is next depends on what the last one has brought, so that a processor cannot begin with the next before it
/// has done with the last: between two requests there is more to do than it looks ahead.
async fn measure(sessions: &SessionManager, maps: &Maps, tokens: &[Token], pace: Pace) -> Result<[f64; 3], Failure> {
    let (rounds, batches) = (pace.pick(40, 100), 80);
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..rounds {
        for (which, times) in times.iter_mut().enumerate() {
            let mut elapsed = Duration::ZERO;
            for _ in 0..batches {
                let chosen: [Token; BATCH] =
                    std::array::from_fn(|_| Token(tokens[random.below(tokens.len())].0.to_vec().into()));
                // Never anything but zero, which the compiler does not know.
                let mut last = 0;
                let start = Instant::now();
                for number in 0..BATCH {
                    let token = &chosen[number + last];
                    last = match which {
                        0 => {
                            let current = sessions.authenticate(std::str::from_utf8(&token.0)?).await?;
                            usize::from(black_box(current).token_expires_at() == Timestamp::UNIX_EPOCH)
                        }
                        1 => usize::from(black_box(maps.papaya.pin().get(token).cloned()).ok_or("not there")?[0]),
                        _ => usize::from(black_box(maps.moka.get(token)).ok_or("not there")?[0]),
                    };
                }
                elapsed += start.elapsed();
            }
            times.push(elapsed.as_nanos() as f64 / (batches * BATCH) as f64);
        }
    }
    Ok(times.map(median))
}

/// How many tokens are asked for at a time: they stay in the nearest cache.
const BATCH: usize = 64;

/// A xorshift generator: cheap, and the same every time.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

//! The second factor: codes that were sent and not entered yet. No session exists before that.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use argon2::password_hash::rand_core::{OsRng, RngCore};
use tower_device_sessions::DeviceId;

use crate::accounts::Account;

/// Sign-ins that wait for their code.
#[derive(Default)]
pub struct Otp {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: HashMap<String, Waiting>,
    /// Forms may be submitted twice.
    used: HashMap<String, Used>,
    /// By the account's id, not by the token: anyone who knows the password has as many tokens as they like.
    failures: HashMap<&'static str, Failures>,
}

struct Waiting {
    account: Account,
    code: String,
    until: Instant,
    attempts_left: u32,
}

/// A sign-in whose code has come.
struct Used {
    account: Account,
    code: String,
    by: DeviceId,
    until: Instant,
}

/// How often in a row a code of one account was wrong. The right one clears it.
struct Failures {
    count: u32,
    pause_until: Instant,
}

/// Why a code is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    Wrong,
    /// There were too many wrong ones for this account. None is looked at before this time has passed.
    Paused(Duration),
}

impl Otp {
    /// Writes a code for `account` to the log, where a real application would send it to the user's phone. Returns the
    /// token to send back with the code, or how long the account has to wait for its next code.
    pub fn send(&self, account: Account) -> Result<String, Duration> {
        let mut state = self.state();
        if let Some(pause) = state.pause_of(account) {
            return Err(pause);
        }
        let mut random = [0; 24];
        OsRng.fill_bytes(&mut random);
        let token: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let code = format!("{:06}", OsRng.next_u64() % 1_000_000);
        eprintln!("my_devices: the one-time code for {} is {code}", account.email);

        let waiting = Waiting { account, code, until: Instant::now() + LIFETIME, attempts_left: ATTEMPTS };
        state.waiting.retain(|_, waiting| Instant::now() < waiting.until);
        state.waiting.insert(token.clone(), waiting);
        Ok(token)
    }

    /// The account whose code this is. A code is valid once, for five minutes and five attempts. The device that has
    /// used it may have submitted its form twice.
    pub fn check(&self, token: &str, code: &str, proven: Option<DeviceId>) -> Result<Account, Refused> {
        let mut state = self.state();
        if let Some(account) = state.repeated(token, code, proven) {
            return Ok(account);
        }
        let account = state.waiting.get(token).ok_or(Refused::Wrong)?.account;
        // Not even the right code is accepted meanwhile, or the pause would not slow down guessing.
        if let Some(pause) = state.pause_of(account) {
            return Err(Refused::Paused(pause));
        }
        if state.take(token, code) {
            state.failures.remove(account.id);
            state.note_use(token, code, account, proven);
            return Ok(account);
        }
        state.note_failure(account);
        Err(Refused::Wrong)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether this is the code that was sent with `token`. It is used up if it is, and after its last attempt.
    fn take(&mut self, token: &str, code: &str) -> bool {
        let Some(waiting) = self.waiting.get_mut(token) else { return false };
        waiting.attempts_left -= 1;
        let is_good = Instant::now() < waiting.until && waiting.code == digits(code);
        if is_good || waiting.attempts_left == 0 {
            self.waiting.remove(token);
        }
        is_good
    }

    /// The account, if the same device has just used the same code with the same token.
    fn repeated(&self, token: &str, code: &str, proven: Option<DeviceId>) -> Option<Account> {
        let used = self.used.get(token)?;
        let is_same = Some(used.by) == proven && used.code == digits(code) && Instant::now() < used.until;
        is_same.then_some(used.account)
    }

    fn note_use(&mut self, token: &str, code: &str, account: Account, proven: Option<DeviceId>) {
        let now = Instant::now();
        self.used.retain(|_, used| now < used.until);
        if let Some(by) = proven {
            let used = Used { account, code: digits(code), by, until: now + TWICE_WITHIN };
            self.used.insert(token.to_owned(), used);
        }
    }

    fn pause_of(&self, account: Account) -> Option<Duration> {
        let failures = self.failures.get(account.id)?;
        let left = failures.pause_until.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    /// Every fifth failure in a row brings a pause, twice as long as the one before. So the hundred that NIST SP
    /// 800-63B-4 allows are not reached in a year, and the owner is only kept out while somebody guesses.
    fn note_failure(&mut self, account: Account) {
        let now = Instant::now();
        let failures = self.failures.entry(account.id).or_insert(Failures { count: 0, pause_until: now });
        failures.count += 1;
        if failures.count.is_multiple_of(ATTEMPTS) {
            let doublings = failures.count / ATTEMPTS - 1;
            failures.pause_until = now + FIRST_PAUSE * 2_u32.pow(doublings.min(MOST_DOUBLINGS));
        }
    }
}

/// Codes are shown as 123 456 or 123-456, copied with a blank behind them, and typed in digits of other scripts.
fn digits(code: &str) -> String {
    let digit = |typed: char| {
        let values = ZEROS.iter().filter_map(|&zero| u32::from(typed).checked_sub(u32::from(zero)));
        values.filter(|value| *value < 10).find_map(|value| char::from_digit(value, 10))
    };
    code.chars().filter_map(digit).collect()
}

/// ASCII, Arabic, Persian, Devanagari, and full width.
const ZEROS: [char; 5] = ['0', '\u{660}', '\u{6f0}', '\u{966}', '\u{ff10}'];

/// How long after the first a second submission of a form counts as the same.
const TWICE_WITHIN: Duration = Duration::from_secs(30);

const LIFETIME: Duration = Duration::from_secs(300);

const ATTEMPTS: u32 = 5;

const FIRST_PAUSE: Duration = Duration::from_secs(60);

/// Two years.
const MOST_DOUBLINGS: u32 = 20;

//! The second factor: codes that were sent and wait to be typed in. No session exists before that.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use argon2::password_hash::rand_core::{OsRng, RngCore};

use crate::accounts::Account;

/// Sign-ins that wait for their code.
#[derive(Default)]
pub struct Otp {
    waiting: Mutex<HashMap<String, Waiting>>,
}

struct Waiting {
    account: Account,
    code: String,
    until: Instant,
    attempts_left: u32,
}

impl Otp {
    /// Sends a code for `account` to the log, where a real application would send it to the user's phone. Answers the token
    /// that the code has to come back with.
    pub fn send(&self, account: Account) -> String {
        let mut random = [0; 24];
        OsRng.fill_bytes(&mut random);
        let token: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let code = format!("{:06}", OsRng.next_u64() % 1_000_000);
        eprintln!("my_devices: the one-time code for {} is {code}", account.email);

        let waiting = Waiting { account, code, until: Instant::now() + LIFETIME, attempts_left: ATTEMPTS };
        let mut all = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, waiting| Instant::now() < waiting.until);
        all.insert(token.clone(), waiting);
        token
    }

    /// The account whose code this is. A code is good once, for five minutes and five attempts.
    pub fn check(&self, token: &str, code: &str) -> Option<Account> {
        let mut all = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = all.get_mut(token)?;
        waiting.attempts_left -= 1;
        // Codes are shown as 123 456 or 123-456, and copied with a blank behind them.
        let typed: String = code.chars().filter(char::is_ascii_digit).collect();
        let is_good = Instant::now() < waiting.until && waiting.code == typed;
        if !is_good && waiting.attempts_left > 0 {
            return None;
        }
        let used_up = all.remove(token)?;
        is_good.then_some(used_up.account)
    }
}

const LIFETIME: Duration = Duration::from_secs(300);

const ATTEMPTS: u32 = 5;

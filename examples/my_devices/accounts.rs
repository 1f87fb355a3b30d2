//! The application's own part: who may sign in.

use std::sync::{PoisonError, RwLock};

use argon2::{
    Argon2, PasswordHash, PasswordHasher, PasswordVerifier,
    password_hash::{SaltString, rand_core::OsRng},
};

/// The accounts, with their passwords hashed by Argon2id, in memory: a restart brings the first passwords back.
pub struct Accounts {
    accounts: RwLock<Vec<(Account, String)>>,
    /// Hashed when there is no such account, so that the answer takes as long.
    nobody: String,
}

#[derive(Clone, Copy)]
pub struct Account {
    pub id: &'static str,
    pub email: &'static str,
}

impl Accounts {
    /// Two accounts to try things out with.
    pub fn demo() -> Self {
        let account = |id, email| (Account { id, email }, hash("correct horse battery staple"));
        let accounts = vec![account("demo", "demo@example.com"), account("other", "other@example.com")];
        Self { accounts: RwLock::new(accounts), nobody: hash("nobody's password") }
    }

    /// The account with this email and password.
    pub async fn check(&self, email: &str, password: String) -> Option<Account> {
        self.verified(password, |account| account.email.eq_ignore_ascii_case(email.trim())).await
    }

    /// Whether this is the password of the account with this id.
    pub async fn confirm(&self, id: &str, password: String) -> bool {
        self.verified(password, |account| account.id == id).await.is_some()
    }

    /// Gives the account with this id another password.
    pub async fn change(&self, id: &str, password: String) {
        let Ok(hashed) = tokio::task::spawn_blocking(move || hash(&password)).await else {
            return;
        };
        let mut accounts = self.accounts.write().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, kept)) = accounts.iter_mut().find(|(account, _)| account.id == id) {
            *kept = hashed;
        }
    }

    pub fn email(&self, id: &str) -> Option<&'static str> {
        self.find(|account| account.id == id).map(|(account, _)| account.email)
    }

    async fn verified(&self, password: String, is_asked_for: impl Fn(&Account) -> bool) -> Option<Account> {
        let found = self.find(is_asked_for);
        let hashed = found.as_ref().map_or_else(|| self.nobody.clone(), |(_, hashed)| hashed.clone());
        // Argon2 takes its time on purpose; it must not take it from the other requests.
        let matches = tokio::task::spawn_blocking(move || verify(&hashed, &password)).await.unwrap_or(false);
        found.filter(|_| matches).map(|(account, _)| account)
    }

    fn find(&self, is_asked_for: impl Fn(&Account) -> bool) -> Option<(Account, String)> {
        let accounts = self.accounts.read().unwrap_or_else(PoisonError::into_inner);
        accounts.iter().find(|(account, _)| is_asked_for(account)).cloned()
    }
}

fn hash(password: &str) -> String {
    let salt = SaltString::generate(&mut OsRng);
    Argon2::default().hash_password(password.as_bytes(), &salt).map(|hash| hash.to_string()).unwrap_or_default()
}

fn verify(hashed: &str, password: &str) -> bool {
    let parsed = PasswordHash::new(hashed);
    parsed.is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

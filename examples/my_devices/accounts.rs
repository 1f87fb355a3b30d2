//! The application's own part: who may sign in.

use argon2::{
    Argon2, PasswordHash, PasswordHasher, PasswordVerifier,
    password_hash::{SaltString, rand_core::OsRng},
};

/// The accounts, with their passwords hashed by Argon2id.
pub struct Accounts {
    accounts: Vec<(Account, String)>,
    /// Hashed when there is no such account, so that the answer takes as long.
    nobody: String,
}

#[derive(Clone)]
pub struct Account {
    pub id: &'static str,
    email: &'static str,
}

impl Accounts {
    /// Two accounts to try things out with.
    pub fn demo() -> Self {
        let account = |id, email| (Account { id, email }, hash("correct horse battery staple"));
        let accounts = vec![account("demo", "demo@example.com"), account("other", "other@example.com")];
        Self { accounts, nobody: hash("nobody's password") }
    }

    /// The account with this email and password.
    pub async fn check(&self, email: String, password: String) -> Option<Account> {
        let found = self.accounts.iter().find(|(account, _)| account.email.eq_ignore_ascii_case(email.trim()));
        let hashed = found.map_or_else(|| self.nobody.clone(), |(_, hashed)| hashed.clone());
        // Argon2 takes its time on purpose; it must not take it from the other requests.
        let matches = tokio::task::spawn_blocking(move || verify(&hashed, &password)).await.unwrap_or(false);
        found.filter(|_| matches).map(|(account, _)| account.clone())
    }

    pub fn email(&self, id: &str) -> Option<&'static str> {
        self.accounts.iter().find(|(account, _)| account.id == id).map(|(account, _)| account.email)
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

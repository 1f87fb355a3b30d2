//! The application's own part: who may sign in.

use std::sync::{PoisonError, RwLock};

use crate::passwords::{Busy, Memory, Passwords, hash};

/// The accounts, with their passwords hashed by Argon2id, in memory: a restart brings the first passwords back.
pub struct Accounts {
    accounts: RwLock<Vec<(Account, String)>>,
    /// Hashed when there is no such account, so that the response takes as long.
    nobody: String,
    passwords: Passwords,
}

#[derive(Clone, Copy)]
pub struct Account {
    pub id: &'static str,
    pub email: &'static str,
}

impl Accounts {
    /// Two accounts to try things out with.
    pub fn demo() -> Self {
        let mut memory = Memory::new();
        let mut account = |id, email| (Account { id, email }, hash("correct horse battery staple", &mut memory));
        let accounts = vec![account("demo", "demo@example.com"), account("other", "other@example.com")];
        Self {
            accounts: RwLock::new(accounts),
            nobody: hash("nobody's password", &mut memory),
            passwords: Passwords::new(),
        }
    }

    /// The account with this email and password.
    pub async fn check(&self, email: &str, password: String) -> Result<Option<Account>, Busy> {
        self.verified(password, |account| account.email.eq_ignore_ascii_case(email.trim())).await
    }

    /// Whether this is the password of the account with this id.
    pub async fn confirm(&self, id: &str, password: String) -> Result<bool, Busy> {
        Ok(self.verified(password, |account| account.id == id).await?.is_some())
    }

    /// Gives the account with this id another password.
    pub async fn change(&self, id: &str, password: String) -> Result<(), Busy> {
        let hashed = self.passwords.hash(password).await?;
        let mut accounts = self.accounts.write().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, kept)) = accounts.iter_mut().find(|(account, _)| account.id == id) {
            *kept = hashed;
        }
        Ok(())
    }

    pub fn email(&self, id: &str) -> Option<&'static str> {
        self.find(|account| account.id == id).map(|(account, _)| account.email)
    }

    async fn verified(
        &self,
        password: String,
        is_asked_for: impl Fn(&Account) -> bool,
    ) -> Result<Option<Account>, Busy> {
        let found = self.find(is_asked_for);
        let hashed = found.as_ref().map_or_else(|| self.nobody.clone(), |(_, hashed)| hashed.clone());
        let matches = self.passwords.verify(hashed, password).await?;
        Ok(found.filter(|_| matches).map(|(account, _)| account))
    }

    fn find(&self, is_asked_for: impl Fn(&Account) -> bool) -> Option<(Account, String)> {
        let accounts = self.accounts.read().unwrap_or_else(PoisonError::into_inner);
        accounts.iter().find(|(account, _)| is_asked_for(account)).cloned()
    }
}

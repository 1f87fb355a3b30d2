use crate::{manager::SessionManagerBuilder, privacy::AddressPrivacy};

/// # What is kept of clients
impl SessionManagerBuilder {
    /// How much of clients' addresses is put on record. Default: all of it.
    pub fn addresses(mut self, privacy: AddressPrivacy) -> Self {
        self.addresses = privacy;
        self
    }
}

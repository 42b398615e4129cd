//! Who may sign requests: access keys with their secrets, each a tenant's. Never prints a secret.

use pocket_api::names::TenantName;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// All access keys of a gateway. They change as a whole, see [`Front::replace_credentials`](crate::front::Front::replace_credentials).
#[derive(Clone, Default)]
pub struct Credentials(BTreeMap<String, Credential>);

/// One access key.
#[derive(Clone)]
pub struct Credential {
    pub tenant: TenantName,
    /// Signs and verifies; nobody else's business.
    pub(crate) secret: String,
}

impl Credentials {
    /// Adds a key; false, and nothing is changed, when the key is there already or cannot stand in a credential scope
    /// (it is empty or has characters that are not printable ASCII, or a `,`).
    #[must_use]
    pub fn add(&mut self, access_key_id: &str, secret_access_key: &str, tenant: TenantName) -> bool {
        let fits = |b: u8| b.is_ascii_graphic() && b != b',';
        if access_key_id.is_empty() || !access_key_id.bytes().all(fits) || self.0.contains_key(access_key_id)
        {
            return false;
        }
        self.0.insert(access_key_id.into(), Credential { tenant, secret: secret_access_key.into() });
        true
    }

    /// Whom the keys belong to.
    pub fn tenants(&self) -> BTreeSet<TenantName> {
        self.0.values().map(|credential| credential.tenant.clone()).collect()
    }

    pub fn get(&self, access_key_id: &str) -> Option<&Credential> {
        self.0.get(access_key_id)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter()).finish()
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("tenant", &self.tenant).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_never_shown() {
        let mut credentials = Credentials::default();
        assert!(credentials.add("AKID", "hush", TenantName::parse("t").unwrap()));
        let shown = format!("{credentials:?}");
        assert!(shown.contains("AKID") && !shown.contains("hush"), "{shown}");
    }

    #[test]
    fn keys_that_could_not_be_signed_with_are_not_taken() {
        let mut credentials = Credentials::default();
        let tenant = TenantName::parse("t").unwrap();
        for bad in ["", "a b", "a,b", "ä"] {
            assert!(!credentials.add(bad, "s", tenant.clone()), "{bad}");
        }
        assert!(credentials.add("a/b", "s", tenant.clone()) && !credentials.add("a/b", "t", tenant));
    }
}

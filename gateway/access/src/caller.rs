//! Who a request is from, as far as the edge has proven it. What a caller may do is decided behind the edge, by `access`
//! and the operations that have no bucket yet; nothing here decides.

use pocket_api::names::TenantName;
use std::sync::Arc;

/// The sender of one request. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Proved that it holds this access key's secret.
    Key(Arc<Principal>),
    /// Sent nothing that would be a signature. One that is wrong or in pieces never gets here: it is refused.
    Anonymous,
}

/// An access key and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    pub tenant: TenantName,
    pub access_key_id: Box<str>,
}

/// How a request was signed, for rules about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signing {
    pub signed_in: SignedIn,
    pub version: SignatureVersion,
    /// Seconds since 1970; SigV2 in a URL says only when it ends.
    pub at_secs: Option<u64>,
}

/// Where a signature stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignedIn {
    Header,
    /// A presigned URL.
    Query,
    /// The fields of an HTML form.
    Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureVersion {
    V2,
    V4,
}

impl Caller {
    pub fn principal(&self) -> Option<&Principal> {
        match self {
            Self::Key(principal) => Some(principal),
            Self::Anonymous => None,
        }
    }

    /// Whom the caller belongs to; nobody, for an anonymous one.
    pub fn tenant(&self) -> Option<&TenantName> {
        self.principal().map(|principal| &principal.tenant)
    }
}

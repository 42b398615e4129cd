//! PublicAccessBlock: four switches that keep a bucket from becoming public by mistake. All are on until its owner
//! says otherwise.

use serde::{Deserialize, Serialize};

/// S3's four switches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicAccessBlock {
    /// An ACL that grants anything to everybody, or to every tenant, is refused.
    pub block_public_acls: bool,
    /// Such grants that are there are passed over.
    pub ignore_public_acls: bool,
    /// A public policy is refused.
    pub block_public_policy: bool,
    /// A public policy that is there lets nobody in but the owner's tenant.
    pub restrict_public_buckets: bool,
}

impl PublicAccessBlock {
    /// Of a bucket whose owner said nothing.
    pub const DEFAULT: Self = Self {
        block_public_acls: true,
        ignore_public_acls: true,
        block_public_policy: true,
        restrict_public_buckets: true,
    };
    /// Of a bucket whose owner took the configuration away.
    pub const NONE: Self = Self {
        block_public_acls: false,
        ignore_public_acls: false,
        block_public_policy: false,
        restrict_public_buckets: false,
    };
}

//! The allow-list of operations: which method, level and query parameters make which S3 operation, and which other
//! parameters may come with it. Tables alone; `routing.rs` reads them, and refuses whatever does not stand in them.
//!
//! `docs/s3-coverage.md` is written from these tables and the one in `header_rules.rs`.

use super::operation::Operation;
use super::query::Query;
use super::target::Level;
use crate::calls::{Many, Setting, Which};
use http::Method;

/// One line of the allow-list.
pub(super) struct Rule {
    pub(super) method: Method,
    pub(super) level: Level,
    /// All of these make the operation.
    pub(super) selectors: &'static [&'static str],
    pub(super) operation: Operation,
    /// These may come with it.
    pub(super) takes: &'static [&'static str],
}

const fn rule(
    method: Method,
    level: Level,
    selectors: &'static [&'static str],
    operation: Operation,
    takes: &'static [&'static str],
) -> Rule {
    Rule { method, level, selectors, operation, takes }
}

/// Selectors before the plain operation of the same method and level: the first match counts.
pub(super) static RULES: &[Rule] = {
    use Level::{Bucket, Object, Service};
    use Operation as O;
    const RESPONSE: [&str; 6] = [
        "response-content-type",
        "response-content-language",
        "response-expires",
        "response-cache-control",
        "response-content-disposition",
        "response-content-encoding",
    ];
    const GET_OBJECT: &[&str] = &[
        "versionId",
        "partNumber",
        RESPONSE[0],
        RESPONSE[1],
        RESPONSE[2],
        RESPONSE[3],
        RESPONSE[4],
        RESPONSE[5],
    ];
    const LIST_BUCKETS: &[&str] = &["prefix", "max-buckets", "continuation-token", "bucket-region"];
    const LIST_UPLOADS: &[&str] =
        &["prefix", "delimiter", "encoding-type", "max-uploads", "key-marker", "upload-id-marker"];
    const LIST_OBJECTS: &[&str] = &[
        "list-type",
        "prefix",
        "delimiter",
        "marker",
        "max-keys",
        "encoding-type",
        "continuation-token",
        "start-after",
        "fetch-owner",
    ];
    const LIST_VERSIONS: &[&str] =
        &["prefix", "delimiter", "encoding-type", "max-keys", "key-marker", "version-id-marker"];
    const LIST_PARTS: &[&str] = &["max-parts", "part-number-marker", "encoding-type"];
    &[
        rule(Method::GET, Object, &["tagging"], O::GetObjectTagging, &["versionId"]),
        rule(Method::PUT, Object, &["tagging"], O::PutObjectTagging, &["versionId"]),
        rule(Method::DELETE, Object, &["tagging"], O::DeleteObjectTagging, &["versionId"]),
        rule(Method::GET, Object, &["acl"], O::GetObjectAcl, &["versionId"]),
        rule(Method::PUT, Object, &["acl"], O::PutObjectAcl, &["versionId"]),
        rule(Method::GET, Object, &["attributes"], O::GetObjectAttributes, &["versionId"]),
        rule(Method::GET, Object, &["uploadId"], O::ListParts, LIST_PARTS),
        rule(Method::GET, Object, &[], O::GetObject, GET_OBJECT),
        rule(Method::HEAD, Object, &[], O::HeadObject, GET_OBJECT),
        rule(Method::PUT, Object, &["uploadId", "partNumber"], O::UploadPart, &[]),
        rule(Method::PUT, Object, &["renameObject"], O::RenameObject, &[]),
        rule(Method::PUT, Object, &[], O::PutObject, &[]),
        rule(Method::DELETE, Object, &["uploadId"], O::AbortMultipartUpload, &[]),
        rule(Method::DELETE, Object, &[], O::DeleteObject, &["versionId"]),
        rule(Method::POST, Object, &["uploads"], O::CreateMultipartUpload, &[]),
        rule(Method::POST, Object, &["uploadId"], O::CompleteMultipartUpload, &[]),
        rule(Method::GET, Bucket, &["session"], O::CreateSession, &[]),
        rule(Method::GET, Bucket, &["location"], O::GetBucketLocation, &[]),
        rule(Method::GET, Bucket, &["uploads"], O::ListMultipartUploads, LIST_UPLOADS),
        rule(Method::GET, Bucket, &["versions"], O::ListObjectVersions, LIST_VERSIONS),
        rule(Method::GET, Bucket, &[], O::ListObjects, LIST_OBJECTS),
        rule(Method::HEAD, Bucket, &[], O::HeadBucket, &[]),
        rule(Method::PUT, Bucket, &[], O::CreateBucket, &[]),
        rule(Method::DELETE, Bucket, &[], O::DeleteBucket, &[]),
        rule(Method::POST, Bucket, &["delete"], O::DeleteObjects, &[]),
        rule(Method::POST, Bucket, &[], O::PostObject, &[]),
        rule(Method::GET, Service, &[], O::ListBuckets, LIST_BUCKETS),
    ]
};

/// A setting that buckets have in S3. Its GET is answered for every bucket ([`Operation::GetBucketSetting`]).
pub(super) struct SettingRule {
    pub(super) name: &'static str,
    pub(super) setting: Setting,
    /// These may come with its GET: of some settings a bucket may have many in S3, and one is asked for by its id, or all
    /// in pages.
    pub(super) takes: &'static [&'static str],
    /// `None` is refused as not implemented.
    pub(super) put: Option<Operation>,
    pub(super) delete: Option<Operation>,
}

const fn made(
    name: &'static str,
    setting: Setting,
    put: Operation,
    delete: Option<Operation>,
) -> SettingRule {
    SettingRule { name, setting, takes: &[], put: Some(put), delete }
}

/// A setting that is never there.
const fn unset(name: &'static str, setting: Setting) -> SettingRule {
    SettingRule { name, setting, takes: &[], put: None, delete: None }
}

/// Likewise; in S3 a bucket may have many of it.
const fn many(name: &'static str, many: Many) -> SettingRule {
    let takes = &["id", "continuation-token"];
    SettingRule { name, setting: Setting::Many(many, Which::All), takes, put: None, delete: None }
}

pub(super) static SETTINGS: &[SettingRule] = {
    use Operation as O;
    use Setting as S;
    &[
        made("tagging", S::Tagging, O::PutBucketTagging, Some(O::DeleteBucketTagging)),
        unset("accelerate", S::Accelerate),
        made("acl", S::Acl, O::PutBucketAcl, None),
        many("analytics", Many::Analytics),
        made("cors", S::Cors, O::PutBucketCors, Some(O::DeleteBucketCors)),
        unset("encryption", S::Encryption),
        many("intelligent-tiering", Many::IntelligentTiering),
        many("inventory", Many::Inventory),
        made("lifecycle", S::Lifecycle, O::PutBucketLifecycleConfiguration, Some(O::DeleteBucketLifecycle)),
        unset("logging", S::Logging),
        many("metrics", Many::Metrics),
        unset("notification", S::Notification),
        unset("object-lock", S::ObjectLock),
        made(
            "ownershipControls",
            S::OwnershipControls,
            O::PutBucketOwnershipControls,
            Some(O::DeleteBucketOwnershipControls),
        ),
        made("policy", S::Policy, O::PutBucketPolicy, Some(O::DeleteBucketPolicy)),
        unset("policyStatus", S::PolicyStatus),
        made(
            "publicAccessBlock",
            S::PublicAccessBlock,
            O::PutPublicAccessBlock,
            Some(O::DeletePublicAccessBlock),
        ),
        unset("replication", S::Replication),
        unset("requestPayment", S::RequestPayment),
        unset("versioning", S::Versioning),
        unset("website", S::Website),
    ]
};

impl SettingRule {
    /// That of a request for a bucket, where it names a setting.
    pub(super) fn of(query: &Query<'_>) -> Option<&'static Self> {
        SETTINGS.iter().find(|rule| query.has(rule.name))
    }

    pub(super) fn operation(&self, method: &Method) -> Option<Operation> {
        match *method {
            Method::GET => Some(Operation::GetBucketSetting),
            Method::PUT => self.put,
            Method::DELETE => self.delete,
            _ => None,
        }
    }

    pub(super) fn is_named(name: &str) -> bool {
        SETTINGS.iter().any(|rule| rule.name == name)
    }
}

/// Sub-resources that S3 has and Pocket does not (or not with every method): 501 instead of 400, beside [`SETTINGS`].
pub(super) const NOT_BUILT: [&str; 14] = [
    "abac",
    "append",
    "events",
    "legal-hold",
    "metadataConfiguration",
    "metadataInventoryTable",
    "metadataJournalTable",
    "metadataTable",
    "restore",
    "retention",
    "select",
    "session",
    "torrent",
    "versions",
];

//! The allow-list of operations: which method, level and query parameters make which S3 operation, and which other
//! parameters may come with it. Anything else is refused before anything happens, so that a sub-resource nobody here
//! knows never turns into the plain operation beside it (`DELETE /bucket?something` must not delete the bucket).
//!
//! `docs/s3-coverage.md` is written from these tables and the one in `headers.rs`.
//!
//! s3s routes again behind the edge. Since no parameter passes that the operation does not take, it cannot come to
//! another result.

use super::query::Query;
use super::target::Level;
use crate::context::Refusal;
use crate::versions::check_version;
use http::Method;
use s3s::S3ErrorCode;

/// An operation of S3, as far as the edge has to tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Operation {
    ListBuckets,
    CreateBucket,
    HeadBucket,
    CreateSession,
    DeleteBucket,
    GetBucketLocation,
    /// GET of a setting that buckets have in S3; most answer that it is not configured.
    GetBucketSetting,
    PutBucketTagging,
    DeleteBucketTagging,
    PutBucketLifecycleConfiguration,
    DeleteBucketLifecycle,
    PutBucketAcl,
    PutBucketCors,
    DeleteBucketCors,
    PutBucketOwnershipControls,
    DeleteBucketOwnershipControls,
    PutBucketPolicy,
    DeleteBucketPolicy,
    PutPublicAccessBlock,
    DeletePublicAccessBlock,
    GetObjectAcl,
    PutObjectAcl,
    ListObjects,
    ListObjectVersions,
    ListMultipartUploads,
    DeleteObjects,
    /// An object by an HTML form.
    PostObject,
    GetObject,
    HeadObject,
    GetObjectAttributes,
    GetObjectTagging,
    PutObjectTagging,
    DeleteObjectTagging,
    PutObject,
    CopyObject,
    RenameObject,
    DeleteObject,
    CreateMultipartUpload,
    UploadPart,
    UploadPartCopy,
    CompleteMultipartUpload,
    AbortMultipartUpload,
    ListParts,
}

/// Longest document. A Complete of 10,000 parts with checksums has 1.7 MB; a Delete of 1,000 keys of 1,024 bytes, each
/// byte escaped to six, 6.2 MB.
const DOCUMENT_MAX_BYTES: u64 = 8 << 20;
/// Longest setting of a bucket: 1,000 lifecycle rules of 250 bytes. S3 bounds a policy by 20 KB and CORS by 64 KB.
const SETTING_MAX_BYTES: u64 = 256 << 10;

/// What an operation does with a request body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyUse {
    /// There must be none.
    Refused,
    /// An XML document, read, verified and held against S3's own (`document.rs`) before the operation sees it.
    Document,
    /// Likewise; one that is kept with the bucket and travels with its placement.
    Setting,
    /// A setting in JSON, which the operation reads itself.
    Json,
    /// An object's bytes, verified while they pass.
    Stream,
    /// Fields, and a file that is an object's bytes.
    Form,
}

impl BodyUse {
    pub(crate) fn is_xml(self) -> bool {
        matches!(self, Self::Document | Self::Setting)
    }

    /// Longest body that is read as a whole.
    pub(crate) fn document_max_bytes(self) -> Option<u64> {
        match self {
            Self::Document => Some(DOCUMENT_MAX_BYTES),
            Self::Setting | Self::Json => Some(SETTING_MAX_BYTES),
            Self::Refused | Self::Stream | Self::Form => None,
        }
    }
}

impl Operation {
    pub(crate) fn body_use(self) -> BodyUse {
        match self {
            Self::PutObject | Self::UploadPart => BodyUse::Stream,
            Self::PostObject => BodyUse::Form,
            Self::CreateBucket
            | Self::DeleteObjects
            | Self::CompleteMultipartUpload
            | Self::PutObjectTagging => BodyUse::Document,
            Self::PutObjectAcl
            | Self::PutBucketAcl
            | Self::PutBucketCors
            | Self::PutBucketOwnershipControls
            | Self::PutBucketTagging
            | Self::PutBucketLifecycleConfiguration
            | Self::PutPublicAccessBlock => BodyUse::Setting,
            Self::PutBucketPolicy => BodyUse::Json,
            _ => BodyUse::Refused,
        }
    }

    /// S3's name, for messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ListBuckets => "ListBuckets",
            Self::CreateBucket => "CreateBucket",
            Self::HeadBucket => "HeadBucket",
            Self::CreateSession => "CreateSession",
            Self::DeleteBucket => "DeleteBucket",
            Self::GetBucketLocation => "GetBucketLocation",
            Self::GetBucketSetting => "GET of a bucket's setting",
            Self::PutBucketTagging => "PutBucketTagging",
            Self::DeleteBucketTagging => "DeleteBucketTagging",
            Self::PutBucketLifecycleConfiguration => "PutBucketLifecycleConfiguration",
            Self::DeleteBucketLifecycle => "DeleteBucketLifecycle",
            Self::PutBucketAcl => "PutBucketAcl",
            Self::PutBucketCors => "PutBucketCors",
            Self::DeleteBucketCors => "DeleteBucketCors",
            Self::PutBucketOwnershipControls => "PutBucketOwnershipControls",
            Self::DeleteBucketOwnershipControls => "DeleteBucketOwnershipControls",
            Self::PutBucketPolicy => "PutBucketPolicy",
            Self::DeleteBucketPolicy => "DeleteBucketPolicy",
            Self::PutPublicAccessBlock => "PutPublicAccessBlock",
            Self::DeletePublicAccessBlock => "DeletePublicAccessBlock",
            Self::GetObjectAcl => "GetObjectAcl",
            Self::PutObjectAcl => "PutObjectAcl",
            Self::ListObjects => "ListObjects",
            Self::ListObjectVersions => "ListObjectVersions",
            Self::ListMultipartUploads => "ListMultipartUploads",
            Self::DeleteObjects => "DeleteObjects",
            Self::PostObject => "POST of an object",
            Self::GetObject => "GetObject",
            Self::HeadObject => "HeadObject",
            Self::GetObjectAttributes => "GetObjectAttributes",
            Self::GetObjectTagging => "GetObjectTagging",
            Self::PutObjectTagging => "PutObjectTagging",
            Self::DeleteObjectTagging => "DeleteObjectTagging",
            Self::PutObject => "PutObject",
            Self::CopyObject => "CopyObject",
            Self::RenameObject => "RenameObject",
            Self::DeleteObject => "DeleteObject",
            Self::CreateMultipartUpload => "CreateMultipartUpload",
            Self::UploadPart => "UploadPart",
            Self::UploadPartCopy => "UploadPartCopy",
            Self::CompleteMultipartUpload => "CompleteMultipartUpload",
            Self::AbortMultipartUpload => "AbortMultipartUpload",
            Self::ListParts => "ListParts",
        }
    }
}

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
pub(super) struct Setting {
    pub(super) name: &'static str,
    /// These may come with its GET: of some settings a bucket may have many in S3, and one is asked for by its id, or all
    /// in pages.
    takes: &'static [&'static str],
    /// `None` is refused as not implemented.
    pub(super) put: Option<Operation>,
    pub(super) delete: Option<Operation>,
}

const fn setting(name: &'static str, put: Option<Operation>, delete: Option<Operation>) -> Setting {
    Setting { name, takes: &[], put, delete }
}

/// A setting that is never there.
const fn unset(name: &'static str, takes: &'static [&'static str]) -> Setting {
    Setting { name, takes, put: None, delete: None }
}

pub(super) static SETTINGS: &[Setting] = {
    use Operation as O;
    const MANY: &[&str] = &["id", "continuation-token"];
    &[
        setting("tagging", Some(O::PutBucketTagging), Some(O::DeleteBucketTagging)),
        unset("accelerate", &[]),
        setting("acl", Some(O::PutBucketAcl), None),
        unset("analytics", MANY),
        setting("cors", Some(O::PutBucketCors), Some(O::DeleteBucketCors)),
        unset("encryption", &[]),
        unset("intelligent-tiering", MANY),
        unset("inventory", MANY),
        setting("lifecycle", Some(O::PutBucketLifecycleConfiguration), Some(O::DeleteBucketLifecycle)),
        unset("logging", &[]),
        unset("metrics", MANY),
        unset("notification", &[]),
        unset("object-lock", &[]),
        setting(
            "ownershipControls",
            Some(O::PutBucketOwnershipControls),
            Some(O::DeleteBucketOwnershipControls),
        ),
        setting("policy", Some(O::PutBucketPolicy), Some(O::DeleteBucketPolicy)),
        unset("policyStatus", &[]),
        setting("publicAccessBlock", Some(O::PutPublicAccessBlock), Some(O::DeletePublicAccessBlock)),
        unset("replication", &[]),
        unset("requestPayment", &[]),
        unset("versioning", &[]),
        unset("website", &[]),
    ]
};

impl Setting {
    fn operation(&self, method: &Method) -> Option<Operation> {
        match *method {
            Method::GET => Some(Operation::GetBucketSetting),
            Method::PUT => self.put,
            Method::DELETE => self.delete,
            _ => None,
        }
    }

    fn is_named(name: &str) -> bool {
        SETTINGS.iter().any(|setting| setting.name == name)
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

/// Whether a copy source came with the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Body,
    Copy,
}

/// Finds the operation or says why there is none. `signing` tells the query parameters of a presigned URL, which are
/// the signature's business.
pub(crate) fn classify(
    method: &Method,
    level: Level,
    query: &Query<'_>,
    source: Source,
    signing: impl Fn(&str) -> bool,
) -> Result<Operation, Refusal> {
    if level == Level::Bucket
        && let Some(setting) = SETTINGS.iter().find(|setting| query.has(setting.name))
        && let Some(operation) = setting.operation(method)
    {
        let takes = if *method == Method::GET { setting.takes } else { &[] };
        check_others(query, &[setting.name], takes, operation, signing)?;
        return Ok(operation);
    }
    let mut candidates = RULES.iter().filter(|rule| rule.method == *method && rule.level == level);
    let Some(rule) = candidates.find(|rule| rule.selectors.iter().all(|name| query.has(name))) else {
        return Err(no_operation(method, query));
    };
    check_others(query, rule.selectors, rule.takes, rule.operation, signing)?;
    if rule.operation == Operation::ListObjects {
        check_list_version(query)?;
    }
    match (rule.operation, source) {
        (Operation::PutObject, Source::Copy) => Ok(Operation::CopyObject),
        (Operation::UploadPart, Source::Copy) => Ok(Operation::UploadPartCopy),
        (operation, _) => Ok(operation),
    }
}

fn check_others(
    query: &Query<'_>,
    selectors: &[&str],
    takes: &[&str],
    operation: Operation,
    signing: impl Fn(&str) -> bool,
) -> Result<(), Refusal> {
    for pair in query.iter() {
        let name = &*pair.name;
        // SDKs name the operation in `x-id`; it routes nothing here.
        if selectors.contains(&name) || name == "x-id" || signing(name) {
            continue;
        }
        if !takes.contains(&name) {
            return Err(unknown_parameter(name, operation));
        }
        if name == "versionId" {
            check_version(&pair.value)?;
        }
        // Without it the first version of the listing is meant: another number is neither.
        if name == "list-type" && pair.value != "2" {
            return Err(Refusal::new(S3ErrorCode::InvalidArgument, "list-type must be 2"));
        }
    }
    Ok(())
}

/// Each version of the listing would ignore where the other one goes on, and a client would never come to an end.
fn check_list_version(query: &Query<'_>) -> Result<(), Refusal> {
    let (others, version): (&[&str], _) = match query.has("list-type") {
        true => (&["marker"], "without list-type"),
        false => (&["continuation-token", "start-after"], "with list-type=2"),
    };
    match others.iter().find(|name| query.get(name).is_some_and(|value| !value.is_empty())) {
        None => Ok(()),
        Some(name) => {
            let message = format!("{name} is only supported {version}");
            Err(Refusal::new(S3ErrorCode::InvalidArgument, message))
        }
    }
}

fn unknown_parameter(name: &str, operation: Operation) -> Refusal {
    let name: String = name.chars().take(80).collect();
    if Setting::is_named(&name) || NOT_BUILT.contains(&&*name) {
        let message = format!("the sub-resource {name:?} is not implemented here ({})", operation.name());
        return Refusal::new(S3ErrorCode::NotImplemented, message);
    }
    let message = format!("{} does not take the query parameter {name:?}", operation.name());
    Refusal::new(S3ErrorCode::InvalidArgument, message)
}

fn no_operation(method: &Method, query: &Query<'_>) -> Refusal {
    let named = query.iter().find(|pair| {
        let name = &*pair.name;
        Setting::is_named(name) || NOT_BUILT.contains(&name)
    });
    match named {
        Some(pair) => {
            let message = format!("the sub-resource {:?} is not implemented here ({method})", pair.name);
            Refusal::new(S3ErrorCode::NotImplemented, message)
        }
        None => Refusal::new(
            S3ErrorCode::MethodNotAllowed,
            format!("the method {:.20} is not allowed here", method.as_str()),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classified(method: &str, level: Level, query: &str) -> Result<Operation, S3ErrorCode> {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let query = Query::parse(query).unwrap();
        classify(&method, level, &query, Source::Body, |_| false).map_err(|refusal| refusal.code)
    }

    #[test]
    fn each_operation_is_found_with_what_clients_add_to_it() {
        use Level::*;
        use Operation::*;
        for (method, level, query, operation) in [
            ("GET", Service, "x-id=ListBuckets&prefix=a&max-buckets=5", ListBuckets),
            ("PUT", Bucket, "", CreateBucket),
            ("HEAD", Bucket, "", HeadBucket),
            ("DELETE", Bucket, "x-id=DeleteBucket", DeleteBucket),
            ("GET", Bucket, "location", GetBucketLocation),
            ("GET", Bucket, "session=", CreateSession),
            ("GET", Bucket, "versioning=", GetBucketSetting),
            ("GET", Bucket, "inventory&id=x", GetBucketSetting),
            ("PUT", Bucket, "tagging=", PutBucketTagging),
            ("PUT", Bucket, "policy", PutBucketPolicy),
            ("DELETE", Bucket, "policy=", DeleteBucketPolicy),
            ("PUT", Bucket, "cors", PutBucketCors),
            ("DELETE", Bucket, "publicAccessBlock", DeletePublicAccessBlock),
            ("PUT", Bucket, "acl", PutBucketAcl),
            ("PUT", Object, "acl&versionId=null", PutObjectAcl),
            ("GET", Object, "acl", GetObjectAcl),
            ("DELETE", Bucket, "tagging&x-id=DeleteBucketTagging", DeleteBucketTagging),
            ("PUT", Bucket, "lifecycle", PutBucketLifecycleConfiguration),
            ("DELETE", Bucket, "lifecycle=", DeleteBucketLifecycle),
            ("GET", Bucket, "", ListObjects),
            ("GET", Bucket, "list-type=2&prefix=&delimiter=%2F&fetch-owner=false&max-keys=5000", ListObjects),
            ("GET", Bucket, "versions=&key-marker=a&version-id-marker=null&max-keys=1", ListObjectVersions),
            ("GET", Bucket, "uploads&prefix=a/&max-uploads=5000", ListMultipartUploads),
            ("POST", Bucket, "delete=", DeleteObjects),
            ("POST", Bucket, "", PostObject),
            ("GET", Object, "partNumber=1&response-expires=0&versionId=null", GetObject),
            ("HEAD", Object, "", HeadObject),
            ("GET", Object, "attributes", GetObjectAttributes),
            ("GET", Object, "tagging", GetObjectTagging),
            ("PUT", Object, "tagging=&versionId=null", PutObjectTagging),
            ("DELETE", Object, "x-id=DeleteObjectTagging&tagging", DeleteObjectTagging),
            ("PUT", Object, "x-id=PutObject", PutObject),
            ("PUT", Object, "renameObject=&x-id=RenameObject", RenameObject),
            ("PUT", Object, "rename%4fbject", RenameObject),
            ("DELETE", Object, "versionId=null", DeleteObject),
            ("POST", Object, "uploads=", CreateMultipartUpload),
            ("PUT", Object, "partNumber=1&uploadId=u", UploadPart),
            ("POST", Object, "uploadId=u", CompleteMultipartUpload),
            ("DELETE", Object, "uploadId=u", AbortMultipartUpload),
            ("GET", Object, "uploadId=u&max-parts=3&part-number-marker=1", ListParts),
        ] {
            assert_eq!(classified(method, level, query), Ok(operation), "{method} {level:?} ?{query}");
        }
    }

    #[test]
    fn a_copy_source_turns_puts_into_copies_and_nothing_else() {
        let copy = |query, method| {
            let query = Query::parse(query).unwrap();
            classify(&method, Level::Object, &query, Source::Copy, |_| false).unwrap()
        };
        assert_eq!(copy("", Method::PUT), Operation::CopyObject);
        assert_eq!(copy("partNumber=1&uploadId=u", Method::PUT), Operation::UploadPartCopy);
        assert_eq!(copy("", Method::GET), Operation::GetObject);
    }

    #[test]
    fn sub_resources_that_are_not_built_never_reach_the_plain_operation() {
        for (method, level) in [
            ("DELETE", Level::Bucket),
            ("DELETE", Level::Object),
            ("PUT", Level::Bucket),
            ("PUT", Level::Object),
            ("POST", Level::Bucket),
            ("POST", Level::Object),
            ("HEAD", Level::Object),
            ("HEAD", Level::Bucket),
        ] {
            for name in
                ["encryption", "legal-hold", "policyStatus", "restore", "retention", "website", "versions"]
            {
                let code = classified(method, level, name);
                assert_eq!(code, Err(S3ErrorCode::NotImplemented), "{method} {level:?} ?{name}");
            }
        }
        for (method, query) in [
            ("POST", "tagging"),
            ("POST", "policy"),
            ("HEAD", "cors"),
            ("DELETE", "acl"),
            ("DELETE", "tagging&cors"),
            ("GET", "tagging&acl"),
        ] {
            let code = classified(method, Level::Bucket, query);
            assert_eq!(code, Err(S3ErrorCode::NotImplemented), "{method} ?{query}");
        }
        for (method, name) in [("PUT", "policy"), ("DELETE", "cors"), ("DELETE", "acl"), ("POST", "acl")] {
            let code = classified(method, Level::Object, name);
            assert_eq!(code, Err(S3ErrorCode::NotImplemented), "{method} ?{name}");
        }
        for name in ["legal-hold", "policy", "torrent"] {
            assert_eq!(classified("GET", Level::Object, name), Err(S3ErrorCode::NotImplemented), "{name}");
        }
    }

    #[test]
    fn parameters_that_nobody_knows_are_refused_by_name() {
        for (method, level, query) in [
            ("DELETE", Level::Bucket, "anythingUnknown"),
            ("DELETE", Level::Object, "anythingUnknown=1"),
            ("PUT", Level::Object, "uploadID=u"),
            ("PUT", Level::Object, "renameObject&versionId=null"),
            ("DELETE", Level::Object, "renameObject"),
            ("GET", Level::Object, "renameObject"),
            ("PUT", Level::Object, "uploadId=u"),
            ("PUT", Level::Object, "partNumber=1"),
            ("DELETE", Level::Bucket, "uploads"),
            ("GET", Level::Bucket, "location&uploads"),
            ("GET", Level::Bucket, "list-type=2&prefx=a"),
            ("GET", Level::Bucket, "list-type=7"),
            ("GET", Level::Bucket, "list-type=2&marker=a"),
            ("GET", Level::Bucket, "continuation-token=a"),
            ("GET", Level::Bucket, "start-after=a"),
            ("GET", Level::Object, "X-Amz-Signature=0"),
            ("HEAD", Level::Bucket, "="),
        ] {
            let code = classified(method, level, query);
            assert_eq!(code, Err(S3ErrorCode::InvalidArgument), "{method} ?{query}");
        }
        assert_eq!(classified("PATCH", Level::Object, ""), Err(S3ErrorCode::MethodNotAllowed));
        assert_eq!(classified("POST", Level::Object, ""), Err(S3ErrorCode::MethodNotAllowed));
        assert_eq!(classified("PUT", Level::Service, ""), Err(S3ErrorCode::MethodNotAllowed));
    }

    #[test]
    fn only_the_null_version_exists() {
        let delete = |query| classified("DELETE", Level::Object, query);
        assert_eq!(delete("versionId=null"), Ok(Operation::DeleteObject));
        assert_eq!(delete("versionId=abc"), Err(S3ErrorCode::NoSuchVersion));
        assert_eq!(delete("versionId="), Err(S3ErrorCode::InvalidArgument));
    }
}

//! Which operation a request is, by the tables of `allow_list.rs`. Anything else is refused before anything happens, so
//! that a sub-resource nobody here knows never turns into the plain operation beside it (`DELETE /bucket?something` must
//! not delete the bucket).

use super::allow_list::{NOT_BUILT, RULES, SETTINGS, SettingRule};
use super::arrived::is_ours;
use super::operation::Operation;
use super::query::Query;
use super::target::Level;
use crate::versions::check_version;
use http::Method;
use pocket_access::refusal::{ErrorCode, HeadNote, Refusal, shortened};

/// Whether a copy source came with the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ContentFrom {
    Body,
    Copy,
}

/// Finds the operation or says why there is none. `signing` tells the query parameters of a presigned URL, which are
/// the signature's business.
pub(crate) fn classify(
    method: &Method,
    level: Level,
    query: &Query<'_>,
    source: ContentFrom,
    signing: impl Fn(&str) -> bool,
) -> Result<Operation, Refusal> {
    if level == Level::Bucket
        && let Some(setting) = SettingRule::of(query)
        && let Some(operation) = setting.operation(method)
    {
        let takes = if *method == Method::GET { setting.takes } else { &[] };
        check_others(query, &[setting.name], takes, operation, signing)?;
        return Ok(operation);
    }
    let mut candidates = RULES.iter().filter(|rule| rule.method == *method && rule.level == level);
    let Some(rule) = candidates.find(|rule| rule.selectors.iter().all(|name| query.has(name))) else {
        return Err(no_operation(method, level, query));
    };
    check_others(query, rule.selectors, rule.takes, rule.operation, signing)?;
    if rule.operation == Operation::ListObjects {
        check_list_version(query)?;
    }
    match (rule.operation, source) {
        (Operation::PutObject, ContentFrom::Copy) => Ok(Operation::CopyObject),
        (Operation::UploadPart, ContentFrom::Copy) => Ok(Operation::UploadPartCopy),
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
        match takes.contains(&name) {
            true if name == "versionId" => check_version(&pair.value)?,
            true => {}
            false if only_reads(operation) && !means_something(name) => {}
            false => return Err(unknown_parameter(name, &pair.value, operation)),
        }
    }
    Ok(())
}

/// Those that show an object or a list, and change nothing. S3 passes over what it does not know in their queries: caches and
/// trackers add parameters of their own to links.
pub(crate) fn only_reads(operation: Operation) -> bool {
    use Operation as O;
    matches!(
        operation,
        O::GetObject
            | O::HeadObject
            | O::ListObjects
            | O::ListObjectVersions
            | O::ListMultipartUploads
            | O::ListParts
            | O::ListBuckets
    )
}

/// Whether a parameter makes another operation of some request, of S3's or of ours, or is a header that a signer moved into the
/// query: then it is never passed over.
fn means_something(name: &str) -> bool {
    let is = |known: &str| known.eq_ignore_ascii_case(name);
    is_ours(&name.to_ascii_lowercase())
        || SETTINGS.iter().any(|setting| is(setting.name))
        || NOT_BUILT.iter().any(|known| is(known))
        || RULES.iter().any(|rule| rule.selectors.iter().any(|known| is(known)))
}

/// Each version of the listing would ignore where the other one goes on, and a client would never come to an end.
fn check_list_version(query: &Query<'_>) -> Result<(), Refusal> {
    let (others, version): (&[&str], _) = match query.get("list-type") == Some("2") {
        true => (&["marker"], "without list-type=2"),
        false => (&["continuation-token", "start-after"], "with list-type=2"),
    };
    match others.iter().find(|name| query.get(name).is_some_and(|value| !value.is_empty())) {
        None => Ok(()),
        Some(name) => {
            let message = format!("{name} is only supported {version}");
            Err(Refusal::invalid(name, query.get(name).unwrap_or(""), message))
        }
    }
}

/// What can be done about it where tools switch versions on out of habit.
const NO_VERSIONS: &str = "versioning is not implemented here: a bucket keeps the last version of each key, and no other; leave \
                           PutBucketVersioning out, or give what is to be kept a key of its own";

fn not_built(name: &str, asked_by: &str) -> Refusal {
    let message = match name {
        "versioning" => NO_VERSIONS.to_owned(),
        _ => format!("the sub-resource {name:?} is not implemented here ({asked_by})"),
    };
    Refusal::new(ErrorCode::NotImplemented, message)
}

fn unknown_parameter(name: &str, value: &str, operation: Operation) -> Refusal {
    if SettingRule::is_named(name) || NOT_BUILT.contains(&name) {
        return not_built(name, operation.name());
    }
    let message = format!("{} does not take the query parameter {:?}", operation.name(), shortened(name));
    Refusal::invalid(name, value, message)
}

fn no_operation(method: &Method, level: Level, query: &Query<'_>) -> Refusal {
    let named = query.iter().find(|pair| {
        let name = &*pair.name;
        SettingRule::is_named(name) || NOT_BUILT.contains(&name)
    });
    match named {
        Some(pair) => not_built(&pair.name, method.as_str()),
        None => not_allowed(method, level, query),
    }
}

pub(super) fn not_allowed(method: &Method, level: Level, query: &Query<'_>) -> Refusal {
    let message = "The specified method is not allowed against this resource.";
    saying_methods(Refusal::new(ErrorCode::MethodNotAllowed, message), method, level, query)
}

/// Says of a method that is not allowed what it was, and which ones are.
pub(crate) fn saying_methods(refusal: Refusal, method: &Method, level: Level, query: &Query<'_>) -> Refusal {
    refusal
        .with("Method", method)
        .with("ResourceType", level.resource_type())
        .saying(HeadNote::Allowed(methods(level, query)))
}

/// The methods with which something can be done to the resource that a request is aimed at.
fn methods(level: Level, query: &Query<'_>) -> Vec<&'static str> {
    const METHODS: [(&str, Method); 5] = [
        ("GET", Method::GET),
        ("HEAD", Method::HEAD),
        ("PUT", Method::PUT),
        ("POST", Method::POST),
        ("DELETE", Method::DELETE),
    ];
    let setting = match level {
        Level::Bucket => SettingRule::of(query),
        Level::Service | Level::Object => None,
    };
    let is_allowed = |method: &Method| match setting {
        Some(setting) => setting.operation(method).is_some(),
        None => RULES.iter().any(|rule| {
            rule.method == *method && rule.level == level && rule.selectors.iter().all(|name| query.has(name))
        }),
    };
    METHODS.iter().filter(|(_, method)| is_allowed(method)).map(|(name, _)| *name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classified(method: &str, level: Level, query: &str) -> Result<Operation, ErrorCode> {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let query = Query::parse(query).unwrap();
        classify(&method, level, &query, ContentFrom::Body, |_| false).map_err(|refusal| refusal.code)
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
            ("GET", Bucket, "list-type=1&marker=a", ListObjects),
            ("GET", Bucket, "list-type=&prefx=a", ListObjects),
            ("GET", Bucket, "versions&colour=blue", ListObjectVersions),
            ("GET", Bucket, "uploads&colour=blue", ListMultipartUploads),
            ("GET", Service, "colour=blue", ListBuckets),
            ("GET", Object, "utm_source=mail&_=1", GetObject),
            ("HEAD", Object, "colour&prefix=a", HeadObject),
            ("GET", Object, "uploadId=u&colour", ListParts),
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
            classify(&method, Level::Object, &query, ContentFrom::Copy, |_| false).unwrap()
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
                assert_eq!(code, Err(ErrorCode::NotImplemented), "{method} {level:?} ?{name}");
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
            assert_eq!(code, Err(ErrorCode::NotImplemented), "{method} ?{query}");
        }
        for (method, name) in [("PUT", "policy"), ("DELETE", "cors"), ("DELETE", "acl"), ("POST", "acl")] {
            let code = classified(method, Level::Object, name);
            assert_eq!(code, Err(ErrorCode::NotImplemented), "{method} ?{name}");
        }
        for name in ["legal-hold", "policy", "torrent"] {
            assert_eq!(classified("GET", Level::Object, name), Err(ErrorCode::NotImplemented), "{name}");
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
            ("GET", Level::Bucket, "location&colour"),
            ("HEAD", Level::Bucket, "colour"),
            ("GET", Level::Object, "tagging&colour"),
            ("GET", Level::Object, "renameobject"),
            ("GET", Level::Object, "x-pocket-wait=1s"),
            ("HEAD", Level::Object, "x-amz-checksum-mode=ENABLED"),
            ("GET", Level::Bucket, "uploadid=u"),
            ("GET", Level::Bucket, "list-type=1&start-after=a"),
            ("GET", Level::Bucket, "list-type=2&marker=a"),
            ("GET", Level::Bucket, "continuation-token=a"),
            ("GET", Level::Bucket, "start-after=a"),
            ("GET", Level::Object, "X-Amz-Signature=0"),
            ("HEAD", Level::Bucket, "="),
        ] {
            let code = classified(method, level, query);
            assert_eq!(code, Err(ErrorCode::InvalidArgument), "{method} ?{query}");
        }
        assert_eq!(classified("PATCH", Level::Object, ""), Err(ErrorCode::MethodNotAllowed));
        assert_eq!(classified("POST", Level::Object, ""), Err(ErrorCode::MethodNotAllowed));
        assert_eq!(classified("PUT", Level::Service, ""), Err(ErrorCode::MethodNotAllowed));
    }

    #[test]
    fn a_method_that_is_not_allowed_is_told_which_ones_are() {
        for (level, query, allowed) in [
            (Level::Service, "", &["GET"][..]),
            (Level::Bucket, "", &["GET", "HEAD", "PUT", "POST", "DELETE"]),
            (Level::Bucket, "policy", &["GET", "PUT", "DELETE"]),
            (Level::Bucket, "versioning", &["GET"]),
            (Level::Object, "", &["GET", "HEAD", "PUT", "DELETE"]),
            (Level::Object, "uploads", &["GET", "HEAD", "PUT", "POST", "DELETE"]),
        ] {
            let refusal = not_allowed(&Method::PATCH, level, &Query::parse(query).unwrap());
            assert_eq!(refusal.said(), Some(&HeadNote::Allowed(allowed.to_vec())), "{level:?} ?{query}");
        }
    }

    #[test]
    fn only_the_null_version_exists() {
        let delete = |query| classified("DELETE", Level::Object, query);
        assert_eq!(delete("versionId=null"), Ok(Operation::DeleteObject));
        assert_eq!(delete("versionId=abc"), Err(ErrorCode::NoSuchVersion));
        assert_eq!(delete("versionId="), Err(ErrorCode::InvalidArgument));
    }
}

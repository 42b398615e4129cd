//! The allow-list of headers: which of those that change what a request does may come with which operation. One that could
//! change it and is not understood is refused, never ignored: ignoring a condition, an offset or an owner loses data. Others
//! of S3's that nobody knows are passed over, as S3 does.

use super::arrived::is_ours;
use super::documents::lifecycle::{MINIMUM_HEADER, UNIT_HEADER};
use super::hint_places::HEADER_PREFIX;
use super::operation::{BodyUse, Operation};
use super::session;
use http::{HeaderMap, HeaderName, HeaderValue};
use pocket_access::refusal::{ErrorCode, Refusal};
use pocket_api::hints::{HINTS, misplaced_hint, unknown_hint};

/// Headers whose value is a list, which may also come as one header an element: the SDK for Go sends them so. All are read.
const LISTS: [&str; 2] = ["x-amz-object-attributes", "x-amz-optional-object-attributes"];

/// What a body's checksum is said in, and that of a body of no bytes.
const CHECKSUMS: [(&str, &str); 5] = [
    ("x-amz-checksum-crc32", "AAAAAA=="),
    ("x-amz-checksum-crc32c", "AAAAAA=="),
    ("x-amz-checksum-crc64nvme", "AAAAAAAAAAA="),
    ("x-amz-checksum-sha1", "2jmj7l5rSw0yVb/vlWAYkK/YBwk="),
    ("x-amz-checksum-sha256", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
];

/// What names of S3's begin with that change what comes of a request: who may, what is written where and whether at all, what it is
/// held against and what it becomes. One that is not known here is not passed over.
const FAMILIES: [&str; 13] = [
    "x-amz-bucket-object-lock",
    "x-amz-checksum-",
    "x-amz-copy-source",
    "x-amz-expected-",
    "x-amz-grant-",
    "x-amz-if-",
    "x-amz-object-lock-",
    "x-amz-rename-",
    "x-amz-server-side-encryption",
    "x-amz-source-",
    "x-amz-tagging",
    "x-amz-website-",
    "x-amz-write-",
];

/// Whether a header says which checksum its request's body has.
pub(crate) fn is_checksum_of_body(name: &HeaderName) -> bool {
    sum_of_nothing(name.as_str()).is_some() || name == "x-amz-sdk-checksum-algorithm"
}

/// The checksum of no bytes, for the name of a header that says a body's.
fn sum_of_nothing(name: &str) -> Option<&'static str> {
    CHECKSUMS.iter().find(|(header, _)| *header == name).map(|(_, sum)| *sum)
}

/// Checks every header of a request whose operation is known.
pub(crate) fn check(headers: &HeaderMap, operation: Operation) -> Result<(), Refusal> {
    if headers.len() != headers.keys_len() {
        check_repeats(headers)?;
    }
    for (name, value) in headers {
        let name = name.as_str();
        if is_ours(name) || name.starts_with("if-") || name == "content-range" {
            check_one(name, value, operation)?;
        }
    }
    Ok(())
}

/// What the table says about a header.
pub(super) enum HeaderVerdict {
    Takes,
    /// Known, but only with this value; any other is not built.
    Only(&'static [&'static str]),
    /// Not for this operation, or one of Pocket's that is not for any.
    Misplaced,
    /// S3 has it, or may have: not built.
    NotBuilt,
    /// Nothing that anybody here acts on, and nothing that S3 would.
    PassedOver,
    NoSessions,
}

/// Whether a header may come without a value. Passed over as if it had not come, an append without its offset would
/// overwrite, and a copied part without its range be the whole object.
fn may_be_empty(name: &str) -> bool {
    let is_judged_elsewhere = sum_of_nothing(name).is_some() || name == "x-amz-content-sha256";
    is_judged_elsewhere
        || matches!(name, "x-amz-tagging" | "x-amz-user-agent")
        || name.starts_with("x-amz-meta-")
}

fn check_one(name: &str, value: &HeaderValue, operation: Operation) -> Result<(), Refusal> {
    let (code, message) = match verdict(name, operation) {
        HeaderVerdict::Takes if value.is_empty() && !may_be_empty(name) => {
            (ErrorCode::InvalidArgument, format!("the header {name} has no value"))
        }
        HeaderVerdict::Takes | HeaderVerdict::PassedOver => return Ok(()),
        HeaderVerdict::Only(values) if values.iter().any(|v| v.as_bytes() == value.as_bytes()) => {
            return Ok(());
        }
        HeaderVerdict::Only(values) => (
            ErrorCode::NotImplemented,
            format!("the header {name} is implemented for the value {} only", values.join(" or ")),
        ),
        // The SDK for Java vouches for the empty body of its GETs, and it is empty.
        HeaderVerdict::Misplaced
            if operation.body_use() == BodyUse::Refused
                && sum_of_nothing(name).is_some_and(|sum| value == sum) =>
        {
            return Ok(());
        }
        HeaderVerdict::Misplaced if name.starts_with(HEADER_PREFIX) => {
            (ErrorCode::InvalidArgument, not_ours(name, operation))
        }
        HeaderVerdict::Misplaced => {
            (ErrorCode::InvalidArgument, format!("{} does not take the header {name}", operation.name()))
        }
        HeaderVerdict::NotBuilt => {
            (ErrorCode::NotImplemented, format!("the header {name} is not implemented"))
        }
        HeaderVerdict::NoSessions => {
            (ErrorCode::InvalidToken, "there are no session tokens here: sign without one".to_owned())
        }
    };
    Err(match code {
        ErrorCode::InvalidArgument => {
            Refusal::invalid(name, String::from_utf8_lossy(value.as_bytes()), message)
        }
        code => Refusal::new(code, message),
    })
}

/// About a header of Pocket's that the operation does not take: those that it takes, the nearest first.
fn not_ours(name: &str, operation: Operation) -> String {
    let ours = || HINTS.iter().chain(&["force-delete", "delete-after-read", "lifecycle-unit"]).copied();
    let is_taken =
        |hint: &&str| matches!(verdict(&format!("{HEADER_PREFIX}{hint}"), operation), HeaderVerdict::Takes);
    let taken: Vec<&str> = ours().filter(is_taken).collect();
    let is_ours = ours().any(|hint| name.strip_prefix(HEADER_PREFIX) == Some(hint));
    match taken.is_empty() {
        true => format!("{} does not take the header {name}", operation.name()),
        false if is_ours => misplaced_hint(name, operation.name(), HEADER_PREFIX, &taken),
        false => unknown_hint(name, operation.name(), HEADER_PREFIX, &taken),
    }
}

/// The table. Patterns of one line share their reason.
pub(super) fn verdict(name: &str, operation: Operation) -> HeaderVerdict {
    use Operation as O;
    let only_with = |operations: &[O]| {
        if operations.contains(&operation) { HeaderVerdict::Takes } else { HeaderVerdict::Misplaced }
    };
    let value_with = |operations: &[O], values| {
        if operations.contains(&operation) { HeaderVerdict::Only(values) } else { HeaderVerdict::Misplaced }
    };
    // Operations that make an object, with its headers.
    const MAKES: [O; 3] = [O::PutObject, O::CopyObject, O::CreateMultipartUpload];
    const COPIES: [O; 2] = [O::CopyObject, O::UploadPartCopy];
    let with_body = || match operation.body_use() {
        BodyUse::Document | BodyUse::Setting | BodyUse::Json | BodyUse::Stream => HeaderVerdict::Takes,
        BodyUse::Refused | BodyUse::Form => HeaderVerdict::Misplaced,
    };
    match name {
        "x-amz-content-sha256" | "x-amz-date" | "x-amz-user-agent" | "x-amz-expected-bucket-owner" => {
            HeaderVerdict::Takes
        }
        // The version of S3's interface, which some SDKs say with every request. There is one.
        "x-amz-api-version" => HeaderVerdict::Only(&["2006-03-01"]),
        "x-amz-security-token" => HeaderVerdict::NoSessions,
        // Only with a signature that it was opened for, which the edge has seen to.
        session::TOKEN_HEADER => HeaderVerdict::Takes,
        session::MODE_HEADER => only_with(&[O::CreateSession]),

        "x-amz-decoded-content-length" | "x-amz-trailer" => with_body(),
        _ if sum_of_nothing(name).is_some() => with_body(),
        // A coding that its sender could read if it came: the SDK for Java would check an MD5 behind the object.
        "x-amz-te" => value_with(&[O::GetObject], &["append-md5"]),
        // SDKs say so with every request of theirs that could have a checksum.
        "x-amz-sdk-checksum-algorithm" => HeaderVerdict::Takes,
        "x-amz-checksum-algorithm" => {
            only_with(&[O::CreateMultipartUpload, O::CopyObject, O::PutObject, O::UploadPart])
        }
        "x-amz-checksum-type" => only_with(&[O::CreateMultipartUpload, O::CompleteMultipartUpload]),
        "x-amz-checksum-mode" => only_with(&[O::GetObject, O::HeadObject]),

        "x-amz-storage-class" => only_with(&MAKES),
        "x-amz-acl"
        | "x-amz-grant-full-control"
        | "x-amz-grant-read"
        | "x-amz-grant-read-acp"
        | "x-amz-grant-write-acp" => match operation {
            O::CreateBucket | O::PutBucketAcl | O::PutObjectAcl => HeaderVerdict::Takes,
            _ => only_with(&MAKES),
        },
        "x-amz-grant-write" => only_with(&[O::CreateBucket, O::PutBucketAcl, O::PutObjectAcl]),
        "x-amz-object-ownership" => only_with(&[O::CreateBucket]),
        // An owner can never remove the right to change the policy, so there is nothing to confirm.
        "x-amz-confirm-remove-self-bucket-access" => only_with(&[O::PutBucketPolicy]),
        "x-amz-bucket-object-lock-enabled" => value_with(&[O::CreateBucket], &["false", "False"]),
        // Nothing here is ever restored from an archive, so there is nothing to add to a list.
        "x-amz-optional-object-attributes" => {
            value_with(&[O::ListObjects, O::ListObjectVersions], &["RestoreStatus"])
        }

        "x-amz-copy-source"
        | "x-amz-copy-source-if-match"
        | "x-amz-copy-source-if-none-match"
        | "x-amz-copy-source-if-modified-since"
        | "x-amz-copy-source-if-unmodified-since"
        | "x-amz-source-expected-bucket-owner" => only_with(&COPIES),
        "x-amz-copy-source-range" => only_with(&[O::UploadPartCopy]),
        // An upload has no source whose metadata it could take: s3fs-fuse says so when it copies by parts, and S3 passes over it.
        "x-amz-metadata-directive" => only_with(&[O::CopyObject, O::CreateMultipartUpload]),
        MINIMUM_HEADER | UNIT_HEADER => only_with(&[O::PutBucketLifecycleConfiguration]),
        "x-amz-tagging" => only_with(&MAKES),
        "x-amz-tagging-directive" => only_with(&[O::CopyObject]),

        "x-amz-rename-source"
        | "x-amz-rename-source-if-match"
        | "x-amz-rename-source-if-none-match"
        | "x-amz-rename-source-if-modified-since"
        | "x-amz-rename-source-if-unmodified-since"
        | "x-amz-client-token" => only_with(&[O::RenameObject]),
        "x-amz-write-offset-bytes" => only_with(&[O::PutObject]),
        "x-amz-mp-object-size" => only_with(&[O::CompleteMultipartUpload]),
        "x-amz-object-attributes" | "x-amz-max-parts" | "x-amz-part-number-marker" => {
            only_with(&[O::GetObjectAttributes])
        }
        // A name that is left out would be left out of the object.
        "x-amz-meta-" => HeaderVerdict::Misplaced,
        _ if name.starts_with("x-amz-meta-") => only_with(&MAKES),
        _ if FAMILIES.iter().any(|family| name.starts_with(family)) => HeaderVerdict::NotBuilt,
        _ if name.starts_with("x-amz-") => HeaderVerdict::PassedOver,

        "x-pocket-force-delete" => only_with(&[O::DeleteBucket]),
        "x-pocket-delete-after-read" => only_with(&[O::GetObject]),
        "x-pocket-wait" => only_with(&[O::GetObject, O::HeadObject, O::CreateBucket]),
        "x-pocket-ttl" | "x-pocket-reads" => {
            only_with(&[O::PutObject, O::CopyObject, O::CreateMultipartUpload, O::CreateBucket])
        }
        _ if name.strip_prefix("x-pocket-").is_some_and(|hint| HINTS.contains(&hint)) => {
            only_with(&[O::CreateBucket])
        }
        _ if name.starts_with(HEADER_PREFIX) => HeaderVerdict::Misplaced,

        "if-match" => match operation {
            O::GetObject
            | O::HeadObject
            | O::PutObject
            | O::CopyObject
            | O::RenameObject
            | O::CompleteMultipartUpload
            | O::DeleteObject => HeaderVerdict::Takes,
            _ => HeaderVerdict::NotBuilt,
        },
        "if-none-match" => match operation {
            O::GetObject
            | O::HeadObject
            | O::PutObject
            | O::CopyObject
            | O::RenameObject
            | O::CompleteMultipartUpload => HeaderVerdict::Takes,
            _ => HeaderVerdict::NotBuilt,
        },
        "if-modified-since" | "if-unmodified-since" => match operation {
            O::GetObject | O::HeadObject | O::RenameObject => HeaderVerdict::Takes,
            _ => HeaderVerdict::NotBuilt,
        },
        "if-range" => match operation {
            O::GetObject => HeaderVerdict::Takes,
            _ => HeaderVerdict::NotBuilt,
        },
        // Partial PUTs, and what else may come.
        _ => HeaderVerdict::NotBuilt,
    }
}

/// Of a header that is there twice one would be ignored, by us or by somebody between us and the client. Codings are a
/// list, which may come in several lines; the edge makes one of them. So are metadata of one name, which are joined by commas.
fn check_repeats(headers: &HeaderMap) -> Result<(), Refusal> {
    let matters = |name: &HeaderName| {
        let name = name.as_str();
        is_ours(name) && !name.starts_with("x-amz-meta-")
            || name.starts_with("content-") && name != "content-encoding"
            || name.starts_with("if-")
            || matches!(
                name,
                "authorization" | "host" | "range" | "date" | "expires" | "cache-control" | "expect"
            )
    };
    let repeated = headers.keys().find(|name| {
        matters(name) && !LISTS.contains(&name.as_str()) && headers.get_all(*name).iter().nth(1).is_some()
    });
    match repeated {
        Some(name) => {
            let message = format!("the header {name} is given twice");
            Err(Refusal::new(ErrorCode::InvalidRequest, message))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(operation: Operation, name: &'static str, value: &'static str) -> Option<ErrorCode> {
        let headers =
            HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))]);
        let refusal = check(&headers, operation).err()?;
        let names_it = refusal.message.contains(name) || name == "x-amz-security-token";
        assert!(names_it, "{} does not name {name}", refusal.message);
        Some(refusal.code)
    }

    #[test]
    fn headers_pass_with_the_operations_that_act_on_them() {
        use Operation::*;
        for (operation, name, value) in [
            (PutObject, "x-amz-meta-colour", "blue"),
            (PutObject, "x-amz-acl", "private"),
            (CopyObject, "x-amz-grant-read-acp", "id=1"),
            (PutObjectAcl, "x-amz-grant-write", "id=1"),
            (CreateMultipartUpload, "x-amz-api-version", "2006-03-01"),
            (CreateMultipartUpload, "x-amz-tagging", "a=b"),
            (CreateMultipartUpload, "x-amz-metadata-directive", "REPLACE"),
            (PutObject, "x-amz-tagging", ""),
            (PutObject, "x-amz-meta-colour", ""),
            (CopyObject, "x-amz-tagging-directive", "REPLACE"),
            (PutObject, "x-amz-checksum-crc32", "AAAAAA=="),
            (PutObject, "if-none-match", "*"),
            (CopyObject, "if-match", "x"),
            (RenameObject, "x-amz-rename-source-if-match", "x"),
            (RenameObject, "if-unmodified-since", "x"),
            (PutObject, "x-pocket-ttl", "5s"),
            (PutObject, "x-amz-write-offset-bytes", "5"),
            (GetObject, "x-amz-checksum-crc32", "AAAAAA=="),
            (DeleteObject, "x-amz-checksum-crc64nvme", "AAAAAAAAAAA="),
            (GetObject, "x-amz-te", "append-md5"),
            (GetObject, "x-pocket-delete-after-read", "true"),
            (HeadObject, "x-pocket-wait", "1s"),
            (CreateBucket, "x-pocket-idle-ttl", "5s"),
            (CreateBucket, "x-amz-bucket-object-lock-enabled", "false"),
            (DeleteBucket, "x-pocket-force-delete", "true"),
            (UploadPartCopy, "x-amz-copy-source-range", "bytes=0-1"),
            (ListObjects, "x-amz-expected-bucket-owner", "t"),
            (GetObject, "amz-sdk-invocation-id", "1"),
            (GetObject, "x-amzn-trace-id", "1"),
            (PutObject, "x-amz-foo", "bar"),
            (DeleteObject, "x-amz-foo", ""),
            (GetObject, "x-amz-request-payer", "requester"),
            (DeleteObject, "x-amz-mfa", "1 2"),
        ] {
            assert_eq!(code(operation, name, value), None, "{operation:?} {name}");
        }
    }

    #[test]
    fn headers_that_would_be_ignored_are_refused_by_name() {
        use ErrorCode as C;
        use Operation::*;
        for (operation, name, value, expected) in [
            (UploadPart, "x-amz-write-offset-bytes", "5", C::InvalidArgument),
            (CopyObject, "x-amz-write-offset-bytes", "5", C::InvalidArgument),
            (PutObject, "x-amz-rename-source", "/b/k", C::InvalidArgument),
            (PutObject, "x-amz-client-token", "t", C::InvalidArgument),
            (RenameObject, "x-amz-copy-source", "/b/k", C::InvalidArgument),
            (RenameObject, "x-amz-meta-a", "b", C::InvalidArgument),
            (UploadPart, "x-amz-tagging", "a=b", C::InvalidArgument),
            (PutObject, "x-amz-tagging-directive", "REPLACE", C::InvalidArgument),
            (PutObject, "x-amz-metadata-directive", "REPLACE", C::InvalidArgument),
            (PutObject, "x-amz-server-side-encryption", "AES256", C::NotImplemented),
            (PutObject, "x-amz-object-lock-mode", "GOVERNANCE", C::NotImplemented),
            (UploadPart, "x-amz-acl", "private", C::InvalidArgument),
            (GetObject, "x-amz-api-version", "2011-01-01", C::NotImplemented),
            (PutObject, "x-amz-grant-write", "id=1", C::InvalidArgument),
            (UploadPart, "x-amz-grant-read", "id=1", C::InvalidArgument),
            (PutObject, "x-amz-grant-colour", "id=1", C::NotImplemented),
            (PutObject, "content-range", "bytes 0-1/2", C::NotImplemented),
            (PutObject, "if-modified-since", "now", C::NotImplemented),
            (DeleteObject, "if-none-match", "*", C::NotImplemented),
            (UploadPart, "if-match", "x", C::NotImplemented),
            (HeadObject, "if-range", "x", C::NotImplemented),
            (PutObject, "x-amz-checksum-md7", "AAAA", C::NotImplemented),
            (PutObject, "x-amz-checksum-md7", "", C::NotImplemented),
            (CopyObject, "x-amz-copy-source-version", "1", C::NotImplemented),
            (PutObject, "x-amz-website-redirect-location", "/", C::NotImplemented),
            (PutObject, "x-amz-write-length", "1", C::NotImplemented),
            (DeleteObject, "x-amz-if-match-size", "1", C::NotImplemented),
            (GetObject, "x-amz-expected-owner", "t", C::NotImplemented),
            (PutObject, "if-unmodified", "x", C::NotImplemented),
            (GetObject, "x-amz-te", "append-sha1", C::NotImplemented),
            (GetObject, "x-amz-checksum-crc32", "AAAAAQ==", C::InvalidArgument),
            (ListObjects, "x-amz-checksum-sha1", "2jmj7l5rSw0yVb/vlWAYkK/YBwg=", C::InvalidArgument),
            (GetObject, "x-amz-copy-source", "/b/k", C::InvalidArgument),
            (GetObject, "x-amz-security-token", "t", C::InvalidToken),
            (CreateBucket, "x-amz-bucket-object-lock-enabled", "true", C::NotImplemented),
            (CreateBucket, "x-pocket-tll", "5s", C::InvalidArgument),
            (PutObject, "x-pocket-workers", "5", C::InvalidArgument),
            (DeleteObject, "x-pocket-force-delete", "true", C::InvalidArgument),
            (UploadPart, "x-amz-meta-a", "b", C::InvalidArgument),
            (PutObject, "x-amz-meta-", "b", C::InvalidArgument),
            (PutObject, "x-amz-write-offset-bytes", "", C::InvalidArgument),
            (UploadPartCopy, "x-amz-copy-source-range", "", C::InvalidArgument),
            (CopyObject, "x-amz-copy-source-if-match", "", C::InvalidArgument),
            (GetObject, "if-match", "", C::InvalidArgument),
            (CompleteMultipartUpload, "x-amz-mp-object-size", "", C::InvalidArgument),
            (DeleteBucket, "x-amz-expected-bucket-owner", "", C::InvalidArgument),
            (GetObject, "x-pocket-delete-after-read", "", C::InvalidArgument),
        ] {
            assert_eq!(code(operation, name, value), Some(expected), "{operation:?} {name}");
        }
    }

    #[test]
    fn a_header_of_ours_that_is_none_is_refused_with_those_that_the_operation_takes() {
        use Operation::*;
        let refused = |operation, name: &'static str| {
            let headers =
                HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static("1"))]);
            check(&headers, operation).unwrap_err().message.into_owned()
        };
        for (operation, name, said) in [
            (
                PutObject,
                "x-pocket-tll",
                "(did you mean x-pocket-ttl?); PutObject takes x-pocket-ttl, x-pocket-reads",
            ),
            (
                PutObject,
                "x-pocket-workers",
                "PutObject does not take the hint \"x-pocket-workers\"; it takes x-pocket-ttl, x-pocket-reads",
            ),
            (DeleteBucket, "x-pocket-force", "\"x-pocket-force\"; DeleteBucket takes x-pocket-force-delete"),
            (DeleteBucket, "x-pocket-ttl", "take the hint \"x-pocket-ttl\"; it takes x-pocket-force-delete"),
            (
                GetObject,
                "x-pocket-delete_after_read",
                "(did you mean x-pocket-delete-after-read?); GetObject takes",
            ),
            (CreateBucket, "x-pocket-idel-ttl", "(did you mean x-pocket-idle-ttl?); CreateBucket takes"),
            (
                DeleteObject,
                "x-pocket-force-delete",
                "DeleteObject does not take the header x-pocket-force-delete",
            ),
        ] {
            let text = refused(operation, name);
            assert!(text.contains(said), "{text}");
        }
    }

    #[test]
    fn headers_that_matter_come_once() {
        let mut headers = HeaderMap::new();
        headers.append("accept", HeaderValue::from_static("a"));
        headers.append("accept", HeaderValue::from_static("b"));
        assert_eq!(check(&headers, Operation::PutObject), Ok(()));
        headers.append("x-amz-object-attributes", HeaderValue::from_static("ETag"));
        headers.append("x-amz-object-attributes", HeaderValue::from_static("ObjectSize"));
        assert_eq!(check(&headers, Operation::GetObjectAttributes), Ok(()), "a list");
        headers.remove("x-amz-object-attributes");
        headers.append("x-amz-meta-a", HeaderValue::from_static("1"));
        headers.append("x-amz-meta-a", HeaderValue::from_static("2"));
        assert_eq!(check(&headers, Operation::PutObject), Ok(()), "joined");
        headers.append("if-none-match", HeaderValue::from_static("*"));
        headers.append("if-none-match", HeaderValue::from_static("\"x\""));
        assert_eq!(check(&headers, Operation::PutObject).unwrap_err().code, ErrorCode::InvalidRequest);
    }
}

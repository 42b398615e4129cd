//! Answers of S3, and what they prove. An answer of 2xx says that it happened, one of 4xx that nothing did, and everything else, and no
//! answer, says neither: a 503 may come of a try that had lost the answer to its first one, and 500 of anything.

use super::{Told, content};
use crate::history::{Answer, Asked, Body, Item, ObjectShown, Outcome, Refusal, Text};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE};
use http::{HeaderMap, Response, StatusCode};
use roxmltree::Document;

pub(super) fn read(asked: &Asked, answer: Option<Response<Bytes>>) -> (Outcome, Told) {
    let Some(answer) = answer else {
        return (Outcome::Unknown("no answer".into()), Told::default());
    };
    let (head, body) = answer.into_parts();
    let error = error_of(asked, head.status, &body);
    match error {
        None => {
            let (answer, told) = success(asked, &head.headers, &body);
            (Outcome::Done(answer), told)
        }
        Some(code) if head.status.is_client_error() => {
            (Outcome::Refused(refusal(code, &head.headers)), Told::default())
        }
        Some(code) => (Outcome::Unknown(format!("{} {code}", head.status.as_u16()).into()), Told::default()),
    }
}

/// S3's code, or what stands for it where there is no document. Some operations begin their answer before they know.
fn error_of(asked: &Asked, status: StatusCode, body: &[u8]) -> Option<String> {
    let may_be_late = matches!(asked, Asked::Complete { .. } | Asked::Copy { .. });
    if status.is_success() && !may_be_late {
        return None;
    }
    let text = std::str::from_utf8(body).unwrap_or_default();
    let document = Document::parse(text).ok();
    let root = document.as_ref().map(|document| document.root_element());
    let code = root.filter(|root| root.has_tag_name("Error")).and_then(|root| child(root, "Code"));
    match code {
        Some(code) => Some(code),
        None if status.is_success() => None,
        None => Some(status.as_u16().to_string()),
    }
}

fn refusal(code: String, headers: &HeaderMap) -> Refusal {
    match &*code {
        "NoSuchKey" | "404" if headers.contains_key("x-pocket-lost") => Refusal::Lost,
        "NoSuchKey" => Refusal::NoSuchKey,
        "404" => Refusal::Nothing,
        "NoSuchBucket" => Refusal::NoSuchBucket,
        "BucketNotEmpty" => Refusal::NotEmpty,
        "PreconditionFailed" | "412" => Refusal::PreconditionFailed,
        "InvalidWriteOffset" => Refusal::WrongOffset,
        _ => Refusal::Other(code.into()),
    }
}

/// Panics where a success does not say what S3 says with it: no judge could go on from there.
fn success(asked: &Asked, headers: &HeaderMap, body: &Bytes) -> (Answer, Told) {
    let nothing = Told::default();
    match asked {
        Asked::CreateBucket(_) => (Answer::Bucket { job: header(headers, "x-pocket-job").into() }, nothing),
        Asked::DeleteBucket { .. } | Asked::Delete { .. } | Asked::Rename { .. } => (Answer::Done, nothing),
        Asked::Put { .. } | Asked::Append { .. } | Asked::UploadPart { .. } => {
            (Answer::Wrote { etag: unquoted(header(headers, "etag")) }, nothing)
        }
        Asked::Copy { .. } | Asked::Complete { .. } => {
            let etag = of_document(body, |document| child(document.root_element(), "ETag"));
            (Answer::Wrote { etag: unquoted(&etag.expect("a document with an ETag")) }, nothing)
        }
        Asked::CreateUpload { .. } => {
            let upload = of_document(body, |document| child(document.root_element(), "UploadId"));
            assert!(upload.is_some(), "an upload without an id");
            (Answer::Done, Told { upload, token: None })
        }
        Asked::List(_) => of_document(body, page),
        Asked::Get { .. } | Asked::Head { .. } => (Answer::Object(object(asked, headers, body)), nothing),
    }
}

fn page(document: &Document<'_>) -> (Answer, Told) {
    let root = document.root_element();
    let named = |element: &str, inside: &str, is_prefix| {
        let elements = root.children().filter(|node| node.tag_name().name() == element);
        let names = elements.filter_map(|node| child(node, inside));
        names.map(|name| Item { name: name.into(), is_prefix }).collect::<Vec<_>>()
    };
    let items = [named("Contents", "Key", false), named("CommonPrefixes", "Prefix", true)].concat();
    let more = child(root, "IsTruncated").is_some_and(|text| text == "true");
    let token = child(root, "NextContinuationToken");
    (Answer::Page { items, more }, Told { token, upload: None })
}

fn object(asked: &Asked, headers: &HeaderMap, bytes: &Bytes) -> ObjectShown {
    let range = match asked {
        Asked::Get { range, .. } => *range,
        _ => None,
    };
    let promised: u64 = header(headers, CONTENT_LENGTH.as_str()).parse().expect("a length");
    let total = |range: &str| range.rsplit('/').next().and_then(|total| total.parse().ok());
    let size_bytes = headers.get(CONTENT_RANGE).and_then(|range| total(range.to_str().ok()?));
    let body = match asked {
        Asked::Head { .. } => None,
        _ if bytes.len() as u64 != promised => {
            Some(Body::Torn(format!("{} bytes where {promised} were promised", bytes.len()).into()))
        }
        _ => Some(content::read(bytes, range)),
    };
    let reads_left = headers.contains_key("x-pocket-reads-left");
    ObjectShown {
        etag: unquoted(header(headers, "etag")),
        size_bytes: size_bytes.unwrap_or(promised),
        reads_left: reads_left.then(|| header(headers, "x-pocket-reads-left").parse().expect("a number")),
        body,
    }
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_else(|| panic!("a success without {name}: {headers:?}"))
}

fn unquoted(tag: &str) -> Text {
    tag.trim_matches('"').into()
}

fn of_document<T>(body: &[u8], read: impl FnOnce(&Document<'_>) -> T) -> T {
    let text = std::str::from_utf8(body).expect("a document in UTF-8");
    read(&Document::parse(text).expect("a document"))
}

fn child(node: roxmltree::Node<'_, '_>, name: &str) -> Option<String> {
    let found = node.children().find(|child| child.tag_name().name() == name);
    found.map(|node| node.text().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Condition;

    fn outcome(asked: &Asked, status: u16, code: &str) -> Outcome {
        let body = match code {
            "" => String::new(),
            code => format!("<?xml version=\"1.0\"?>\n<Error><Code>{code}</Code></Error>"),
        };
        read(asked, Some(Response::builder().status(status).body(body.into()).unwrap())).0
    }

    #[test]
    fn only_what_is_the_clients_fault_proves_that_nothing_happened() {
        let delete = Asked::Delete { key: "k".into(), condition: Condition::None };
        let head = Asked::Head { key: "k".into() };
        for (asked, status, code, expected) in [
            (&delete, 204, "", Outcome::Done(Answer::Done)),
            (&delete, 404, "NoSuchBucket", Outcome::Refused(Refusal::NoSuchBucket)),
            (&delete, 412, "PreconditionFailed", Outcome::Refused(Refusal::PreconditionFailed)),
            (&delete, 409, "OperationAborted", Outcome::Refused(Refusal::Other("OperationAborted".into()))),
            (&delete, 500, "InternalError", Outcome::Unknown("500 InternalError".into())),
            (&delete, 503, "SlowDown", Outcome::Unknown("503 SlowDown".into())),
            (&delete, 503, "ServiceUnavailable", Outcome::Unknown("503 ServiceUnavailable".into())),
            (&head, 404, "", Outcome::Refused(Refusal::Nothing)),
        ] {
            assert_eq!(outcome(asked, status, code), expected);
        }
        assert_eq!(read(&delete, None).0, Outcome::Unknown("no answer".into()));
    }

    #[test]
    fn an_error_that_comes_after_a_good_head_is_one() {
        let complete = Asked::Complete { key: "k".into(), pieces: vec![], bounds: Default::default() };
        assert_eq!(outcome(&complete, 200, "SlowDown"), Outcome::Unknown("200 SlowDown".into()));
    }
}

//! What a request promises about its body before the first byte of it: the form, the lengths, the checksums. A promise
//! that cannot hold is refused here; [`super::body`] holds the client to the rest.

use super::arrived::Came;
use super::operation::{BodyUse, Operation};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue};
use pocket_access::refusal::{ErrorCode, Refusal};
use pocket_api::checksum::ChecksumAlgorithm;
use pocket_api::limits::PUT_MAX_BYTES;
use smallvec::SmallVec;

/// S3's bound on what stands before the content of the file.
pub(crate) const FIELDS_MAX_BYTES: usize = 20 << 10;
/// Longest form: the largest object, what may stand before it, and as much again behind it.
pub(crate) const FORM_MAX_BYTES: u64 = PUT_MAX_BYTES + 2 * FIELDS_MAX_BYTES as u64;

const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");
/// Length of a body without its framing.
pub(crate) const DECODED_CONTENT_LENGTH: HeaderName = HeaderName::from_static("x-amz-decoded-content-length");
/// Names the checksum behind a body.
pub(crate) const TRAILER: HeaderName = HeaderName::from_static("x-amz-trailer");

pub(crate) const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";
/// SHA-256 of nothing: what clients send for a request without a body.
const EMPTY_SHA256: [u8; 32] = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27,
    0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];

const EMPTY_SHA256_DIGITS: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// The forms of `x-amz-content-sha256`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PayloadForm {
    Unsigned,
    /// The SHA-256 of the whole body.
    Sha256([u8; 32]),
    /// aws-chunked, every chunk signed.
    SignedChunks(Trailers),
    /// aws-chunked, a checksum behind it.
    UnsignedChunks,
}

/// Whether signed trailers follow signed chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trailers {
    None,
    Signed,
}

impl PayloadForm {
    pub(crate) fn parse(text: &str) -> Result<Self, Refusal> {
        match text {
            EMPTY_SHA256_DIGITS => Ok(Self::Sha256(EMPTY_SHA256)),
            UNSIGNED_PAYLOAD => Ok(Self::Unsigned),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => Ok(Self::SignedChunks(Trailers::None)),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => Ok(Self::SignedChunks(Trailers::Signed)),
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => Ok(Self::UnsignedChunks),
            _ if text.starts_with("STREAMING-") => {
                let message = format!("the payload form {text:.60} is not implemented");
                Err(Refusal::new(ErrorCode::NotImplemented, message))
            }
            _ => {
                let mut digest = [0; 32];
                match hex::decode_to_slice(text, &mut digest) {
                    Ok(()) => Ok(Self::Sha256(digest)),
                    Err(_) => Err(Refusal::invalid(
                        "x-amz-content-sha256",
                        text,
                        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, a STREAMING- form or a valid SHA-256",
                    )),
                }
            }
        }
    }

    fn has_trailers(self) -> bool {
        matches!(self, Self::UnsignedChunks | Self::SignedChunks(Trailers::Signed))
    }

    pub(crate) fn is_chunked(self) -> bool {
        matches!(self, Self::SignedChunks(_) | Self::UnsignedChunks)
    }

    /// A body of no bytes has to keep what this promises.
    fn hold_nothing(self) -> Result<(), Refusal> {
        match self {
            Self::Sha256(digest) if digest != EMPTY_SHA256 => Err(wrong_sha256(digest, EMPTY_SHA256)),
            Self::Sha256(_) | Self::Unsigned | Self::SignedChunks(_) | Self::UnsignedChunks => Ok(()),
        }
    }
}

/// A checksum that the body must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PromisedSum {
    None,
    /// From a header.
    Known(ChecksumAlgorithm, SmallVec<[u8; 32]>),
    /// From a header, and announced to come behind the body too, where it may be missing: the SDK for Java sends none there.
    Repeated(ChecksumAlgorithm, SmallVec<[u8; 32]>),
    /// Comes behind the body.
    InTrailer(ChecksumAlgorithm),
}

impl PromisedSum {
    pub(crate) fn algorithm(&self) -> Option<ChecksumAlgorithm> {
        match self {
            Self::Known(algorithm, _) | Self::Repeated(algorithm, _) | Self::InTrailer(algorithm) => {
                Some(*algorithm)
            }
            Self::None => None,
        }
    }
}

/// Everything that a body is held to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Promise {
    pub(crate) form: PayloadForm,
    /// Bytes without framing. `None` only for documents sent with `Transfer-Encoding: chunked`, and for files in forms.
    pub(crate) decoded_bytes: Option<u64>,
    pub(crate) sum: PromisedSum,
    pub(crate) md5: Option<[u8; 16]>,
}

impl Promise {
    /// Reads the promise of a request, or what is wrong with it. `None`: there is no body and nothing to hold it to.
    pub(crate) fn read(
        headers: &HeaderMap,
        came: Came,
        operation: Operation,
        form: PayloadForm,
    ) -> Result<Option<Self>, Refusal> {
        let encoded_bytes = length(headers, &CONTENT_LENGTH)?;
        let is_open = headers.contains_key(TRANSFER_ENCODING);
        if operation.body_use() == BodyUse::Refused {
            if is_open || encoded_bytes.is_some_and(|n| n > 0) {
                let message = format!("{} does not take a request body", operation.name());
                return Err(Refusal::new(ErrorCode::UnexpectedContent, message));
            }
            return form.hold_nothing().map(|()| None);
        }
        let said_bytes = if came.says { length(headers, &DECODED_CONTENT_LENGTH)? } else { None };
        let decoded_bytes = match (form.is_chunked(), said_bytes) {
            (true, Some(decoded)) => {
                // Framing only ever adds.
                if encoded_bytes.is_some_and(|encoded| encoded < decoded) {
                    let message = "content-length is less than x-amz-decoded-content-length";
                    return Err(Refusal::new(ErrorCode::IncompleteBody, message));
                }
                Some(decoded)
            }
            (true, None) => return Err(missing_length("x-amz-decoded-content-length")),
            (false, Some(decoded)) if encoded_bytes != Some(decoded) => {
                let message =
                    "x-amz-decoded-content-length differs from the length of a body without framing";
                return Err(Refusal::invalid("x-amz-decoded-content-length", decoded, message));
            }
            (false, _) => encoded_bytes,
        };
        let decoded_bytes = match (decoded_bytes, operation.body_use()) {
            (None, BodyUse::Stream | BodyUse::Form) => return Err(missing_length("content-length")),
            (None, _) if !is_open => Some(0),
            (bytes, _) => bytes,
        };
        let max_bytes = match operation.body_use() {
            BodyUse::Form => FORM_MAX_BYTES,
            _ => PUT_MAX_BYTES,
        };
        if let Some(bytes) = decoded_bytes.filter(|&bytes| bytes > max_bytes) {
            return Err(too_large(bytes, max_bytes));
        }
        // Complete says with these what the object's checksum is, not its document's.
        let sum = match operation {
            Operation::CompleteMultipartUpload => PromisedSum::None,
            _ if !came.says => PromisedSum::None,
            _ => promised_sum(headers, form)?,
        };
        let md5 = if came.says { content_md5(headers)? } else { None };
        Ok(Some(Self { form, decoded_bytes, sum, md5 }))
    }

    /// Of the file of a form, whose fields `headers` holds.
    pub(crate) fn of_file(headers: &HeaderMap) -> Result<Self, Refusal> {
        let form = PayloadForm::Unsigned;
        let sum = promised_sum(headers, form)?;
        if sum == PromisedSum::None && headers.contains_key("x-amz-checksum-algorithm") {
            let message = "the field x-amz-checksum-algorithm comes without the checksum that it names";
            return Err(Refusal::new(ErrorCode::InvalidRequest, message));
        }
        Ok(Self { form, decoded_bytes: None, sum, md5: content_md5(headers)? })
    }
}

fn promised_sum(headers: &HeaderMap, form: PayloadForm) -> Result<PromisedSum, Refusal> {
    // One look at each header that came costs less than one for each name that might have.
    let mut sums =
        headers.iter().filter_map(|(name, value)| Some((sum_named(name.as_str().as_bytes())?, value)));
    let known = sums.next();
    let trailer = headers.get(&TRAILER).map(announced).transpose()?;
    let many = "expecting a single x-amz-checksum- header: multiple checksum types are not allowed";
    let invalid = |message| Err(Refusal::new(ErrorCode::InvalidRequest, message));
    let sum = match (known, trailer) {
        (Some(_), _) if sums.next().is_some() => return invalid(many.to_owned()),
        (Some((algorithm, _)), Some(other)) if algorithm != other => return invalid(many.to_owned()),
        (Some((algorithm, value)), trailer) => match (decode_sum(algorithm, value.as_bytes()), trailer) {
            (Some(sum), Some(_)) if form.has_trailers() => PromisedSum::Repeated(algorithm, sum),
            (Some(sum), _) => PromisedSum::Known(algorithm, sum),
            (None, _) => return invalid(format!("value for {} header is invalid", algorithm.header())),
        },
        (None, Some(algorithm)) if form.has_trailers() => PromisedSum::InTrailer(algorithm),
        (None, Some(_)) => {
            return invalid("x-amz-trailer without a payload form that has trailers".to_owned());
        }
        (None, None) => PromisedSum::None,
    };
    for header in [SDK_ALGORITHM, "x-amz-checksum-algorithm"] {
        let Some(said) = headers.get(header) else { continue };
        match sum.algorithm() {
            Some(named) if said.as_bytes().eq_ignore_ascii_case(named.as_str().as_bytes()) => {}
            Some(named) => {
                return invalid(format!(
                    "{header} names another algorithm than the checksum that came: {named}"
                ));
            }
            // In the query of a presigned URL it may, and is gone by now: there was no body yet when that was signed.
            None if header == SDK_ALGORITHM => {
                return invalid(format!("{header} without a checksum in x-amz-checksum-* or x-amz-trailer"));
            }
            None => {}
        }
    }
    Ok(sum)
}

/// With it SDKs say that they send a checksum, and which.
const SDK_ALGORITHM: &str = "x-amz-sdk-checksum-algorithm";

/// The algorithm whose sum a header or trailer of this name carries.
fn sum_named(name: &[u8]) -> Option<ChecksumAlgorithm> {
    ChecksumAlgorithm::ALL.into_iter().find(|a| a.header().as_bytes().eq_ignore_ascii_case(name))
}

/// The checksum that `x-amz-trailer` announces.
fn announced(value: &HeaderValue) -> Result<ChecksumAlgorithm, Refusal> {
    sum_named(value.as_bytes().trim_ascii()).ok_or_else(|| {
        let message = "the value specified in the x-amz-trailer header is not supported";
        Refusal::new(ErrorCode::InvalidRequest, message)
    })
}

/// Base64 of exactly the algorithm's length.
pub(crate) fn decode_sum(algorithm: ChecksumAlgorithm, text: &[u8]) -> Option<SmallVec<[u8; 32]>> {
    // The longest sum is 32 bytes in 44 digits.
    let mut buffer = [0; 36];
    let len = BASE64_STANDARD.decode_slice(text.trim_ascii(), &mut buffer).ok()?;
    (len == algorithm.len_bytes()).then(|| SmallVec::from_slice(&buffer[..len]))
}

fn content_md5(headers: &HeaderMap) -> Result<Option<[u8; 16]>, Refusal> {
    let Some(value) = headers.get(&CONTENT_MD5) else { return Ok(None) };
    let mut buffer = [0; 18];
    let decoded = BASE64_STANDARD.decode_slice(value.as_bytes().trim_ascii(), &mut buffer);
    match decoded.ok().filter(|&len| len == 16).and_then(|len| buffer[..len].try_into().ok()) {
        Some(md5) => Ok(Some(md5)),
        None => Err(Refusal::new(ErrorCode::InvalidDigest, "the Content-MD5 you specified was invalid")
            .with("Content-MD5", String::from_utf8_lossy(value.as_bytes()))),
    }
}

fn length(headers: &HeaderMap, name: &HeaderName) -> Result<Option<u64>, Refusal> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let digits =
        value.to_str().ok().filter(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()));
    match digits.and_then(|digits| digits.parse().ok()) {
        Some(length) => Ok(Some(length)),
        None => {
            let message = format!("the header {name} is not a length in bytes");
            Err(Refusal::invalid(name.as_str(), String::from_utf8_lossy(value.as_bytes()), message))
        }
    }
}

pub(crate) fn missing_length(name: &'static str) -> Refusal {
    let message = format!("you must provide the {name} HTTP header");
    Refusal::new(ErrorCode::MissingContentLength, message)
}

/// S3's error for a body that has another SHA-256 than was promised.
pub(crate) fn wrong_sha256(promised: [u8; 32], computed: [u8; 32]) -> Refusal {
    let code = ErrorCode::XAmzContentSHA256Mismatch;
    Refusal::new(code, "the provided x-amz-content-sha256 header does not match what was computed")
        .with("ClientComputedContentSHA256", hex::encode(promised))
        .with("S3ComputedContentSHA256", hex::encode(computed))
}

/// `proposed_bytes`: as many as are known of.
pub(crate) fn too_large(proposed_bytes: u64, max_bytes: u64) -> Refusal {
    let message = "Your proposed upload exceeds the maximum allowed size";
    Refusal::new(ErrorCode::EntityTooLarge, message)
        .with("ProposedSize", proposed_bytes)
        .with("MaxSizeAllowed", max_bytes)
}

pub(crate) fn too_small(proposed_bytes: u64, min_bytes: u64) -> Refusal {
    let message = "Your proposed upload is smaller than the minimum allowed size";
    Refusal::new(ErrorCode::EntityTooSmall, message)
        .with("ProposedSize", proposed_bytes)
        .with("MinSizeAllowed", min_bytes)
}

/// `Content-Encoding` without `aws-chunked`, which is a framing and not the object's; `None` when nothing is left. A
/// value without it stays as it was sent.
pub(crate) fn stored_encoding(value: &str) -> Option<String> {
    let is_framing = |coding: &str| coding.trim().eq_ignore_ascii_case("aws-chunked");
    if !value.trim().is_empty() && !value.split(',').any(is_framing) {
        return Some(value.to_owned());
    }
    let kept: Vec<&str> =
        value.split(',').map(str::trim).filter(|coding| !coding.is_empty() && !is_framing(coding)).collect();
    (!kept.is_empty()).then(|| kept.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrived::Arrived;

    fn read(
        operation: Operation,
        form: PayloadForm,
        headers: &[(&'static str, &str)],
    ) -> Result<Option<Promise>, ErrorCode> {
        let pair = |&(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        let headers: HeaderMap = headers.iter().map(pair).collect();
        Promise::read(&headers, Arrived::of(&headers).came, operation, form).map_err(|refusal| refusal.code)
    }

    const CRC32: (&str, &str) = ("x-amz-checksum-crc32", "AAAAAA==");

    #[test]
    fn promises_that_cannot_hold_are_refused_before_the_body() {
        use ErrorCode as C;
        use Operation::{CreateBucket, DeleteObject, PutObject};
        use PayloadForm::{Sha256, SignedChunks, Unsigned, UnsignedChunks};
        let decoded = "x-amz-decoded-content-length";
        let mismatch = C::XAmzContentSHA256Mismatch;
        for (operation, form, headers, code) in [
            (PutObject, Unsigned, &[][..], C::MissingContentLength),
            (PutObject, Unsigned, &[("transfer-encoding", "chunked")], C::MissingContentLength),
            (PutObject, UnsignedChunks, &[("content-length", "9")], C::MissingContentLength),
            (PutObject, UnsignedChunks, &[("content-length", "9"), (decoded, "x")], C::InvalidArgument),
            (PutObject, UnsignedChunks, &[("content-length", "9"), (decoded, "-1")], C::InvalidArgument),
            (PutObject, UnsignedChunks, &[("content-length", "9"), (decoded, "10")], C::IncompleteBody),
            (PutObject, Unsigned, &[("content-length", "9"), (decoded, "8")], C::InvalidArgument),
            (PutObject, Unsigned, &[("content-length", "5368709121")], C::EntityTooLarge),
            (
                PutObject,
                UnsignedChunks,
                &[("transfer-encoding", "chunked"), (decoded, "5368709121")],
                C::EntityTooLarge,
            ),
            (PutObject, Unsigned, &[("content-length", "1"), ("content-md5", "AAAA")], C::InvalidDigest),
            (PutObject, Unsigned, &[("content-length", "1"), ("content-md5", "?")], C::InvalidDigest),
            (
                PutObject,
                Unsigned,
                &[("content-length", "1"), ("x-amz-checksum-crc32", "AA==")],
                C::InvalidRequest,
            ),
            (
                PutObject,
                Unsigned,
                &[("content-length", "1"), ("x-amz-checksum-crc32", "%")],
                C::InvalidRequest,
            ),
            (
                PutObject,
                Unsigned,
                &[("content-length", "1"), CRC32, ("x-amz-checksum-crc32c", "AAAAAA==")],
                C::InvalidRequest,
            ),
            (
                PutObject,
                Unsigned,
                &[("content-length", "1"), CRC32, ("x-amz-sdk-checksum-algorithm", "SHA256")],
                C::InvalidRequest,
            ),
            (
                PutObject,
                Unsigned,
                &[("content-length", "1"), ("x-amz-sdk-checksum-algorithm", "CRC32")],
                C::InvalidRequest,
            ),
            (
                PutObject,
                Unsigned,
                &[("content-length", "1"), ("x-amz-sdk-checksum-algorithm", "CRC31")],
                C::InvalidRequest,
            ),
            (
                PutObject,
                Unsigned,
                &[("content-length", "1"), CRC32, ("x-amz-sdk-checksum-algorithm", "CRC31")],
                C::InvalidRequest,
            ),
            (
                PutObject,
                UnsignedChunks,
                &[(decoded, "1"), CRC32, ("x-amz-trailer", "x-amz-checksum-crc32c")],
                C::InvalidRequest,
            ),
            (
                PutObject,
                SignedChunks(Trailers::None),
                &[(decoded, "1"), ("x-amz-trailer", "x-amz-checksum-crc32")],
                C::InvalidRequest,
            ),
            (
                PutObject,
                UnsignedChunks,
                &[(decoded, "1"), ("x-amz-trailer", "x-amz-meta-a")],
                C::InvalidRequest,
            ),
            (DeleteObject, Unsigned, &[("content-length", "1")], C::UnexpectedContent),
            (DeleteObject, Sha256([1; 32]), &[], mismatch),
            (CreateBucket, Unsigned, &[("content-length", "x")], C::InvalidArgument),
        ] {
            assert_eq!(read(operation, form, headers), Err(code), "{operation:?} {form:?} {headers:?}");
        }
    }

    #[test]
    fn a_promise_says_what_the_body_is_held_to() {
        let form = PayloadForm::UnsignedChunks;
        let headers = [
            ("transfer-encoding", "chunked"),
            ("x-amz-decoded-content-length", "5"),
            ("x-amz-trailer", "x-amz-checksum-crc64nvme"),
            ("x-amz-sdk-checksum-algorithm", "CRC64NVME"),
            ("content-md5", "AAAAAAAAAAAAAAAAAAAAAA=="),
        ];
        let promise = read(Operation::PutObject, form, &headers).unwrap().unwrap();
        let sum = PromisedSum::InTrailer(ChecksumAlgorithm::Crc64Nvme);
        assert_eq!(promise, Promise { form, decoded_bytes: Some(5), sum, md5: Some([0; 16]) });

        // The SDK for Java announces what it has sent already.
        let zeros = SmallVec::from_slice(&[0; 4]);
        let announced = [("x-amz-decoded-content-length", "1"), CRC32, ("x-amz-trailer", CRC32.0)];
        for (form, expected) in [
            (form, PromisedSum::Repeated(ChecksumAlgorithm::Crc32, zeros.clone())),
            (PayloadForm::SignedChunks(Trailers::None), PromisedSum::Known(ChecksumAlgorithm::Crc32, zeros)),
        ] {
            assert_eq!(read(Operation::PutObject, form, &announced).unwrap().unwrap().sum, expected);
        }

        let whole = read(
            Operation::CompleteMultipartUpload,
            PayloadForm::Unsigned,
            &[("content-length", "3"), CRC32],
        );
        assert_eq!(whole.unwrap().unwrap().sum, PromisedSum::None);
        let open = read(Operation::DeleteObjects, PayloadForm::Unsigned, &[("transfer-encoding", "chunked")]);
        assert_eq!(open.unwrap().unwrap().decoded_bytes, None);
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let empty = PayloadForm::parse(empty).unwrap();
        assert_eq!(read(Operation::GetObject, empty, &[("content-length", "0")]), Ok(None));
    }

    #[test]
    fn the_framing_is_no_content_encoding() {
        assert_eq!(stored_encoding("aws-chunked"), None);
        assert_eq!(stored_encoding("aws-chunked, gzip"), Some("gzip".into()));
        assert_eq!(stored_encoding("gzip,AWS-CHUNKED,br"), Some("gzip,br".into()));
        assert_eq!(stored_encoding("gzip"), Some("gzip".into()));
        assert_eq!(stored_encoding("gzip, br"), Some("gzip, br".into()));
    }
}

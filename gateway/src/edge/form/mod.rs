//! POST of an object by an HTML form: reads the fields, proves who signed them, holds them against their policy, and
//! makes of them and the file the PUT that they ask for. Behind the edge nobody knows of forms.
//!
//! Of a form only the fields before the file are ever in memory. The file streams.

mod claim;
pub(crate) mod fields;
mod file;
pub(crate) mod multipart;
pub(crate) mod policy;
mod success;

pub(crate) use success::Success;

use super::authorization::two_mechanisms;
use super::body::VerifiedBody;
use super::digests::Digests;
use super::payload::Promise;
use super::percent::{self, Part};
use super::signing_keys::SigningKeys;
use super::target::key_too_long;
use super::{Admitted, Edge, Passed, keep_expires};
use crate::caller::Caller;
use crate::context::{BodyOutcome, Connection, RequestContext};
use crate::headers::shortened;
use crate::refusal::{ErrorCode, Refusal};
use bytes::Bytes;
use claim::Sender;
use fields::Fields;
use file::{FileBody, not_one_file};
use http::header::{CONTENT_ENCODING, HOST};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Uri};
use http_body_util::BodyExt;
use multipart::{FormDecoder, PartHead, Piece, malformed};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use pocket_api::clock::Timestamp;
use pocket_api::limits::{KEY_MAX_BYTES, PUT_MAX_BYTES};
use policy::Policy;
use s3s::Body;
use std::ops::RangeInclusive;
use std::sync::{Arc, OnceLock};

/// S3's bound on what stands before the content of the file.
const FIELDS_MAX_BYTES: usize = 20 << 10;
/// Longest form: the largest object, what may stand before it, and as much again behind it.
pub(crate) const FORM_MAX_BYTES: u64 = PUT_MAX_BYTES + 2 * FIELDS_MAX_BYTES as u64;

/// Refuses what is no form, by its headers alone; answers with its boundary.
pub(crate) fn boundary(headers: &HeaderMap) -> Result<String, Refusal> {
    let boundary = multipart::boundary(headers)?;
    // The fields say what the object's is; of the form itself nobody takes one off.
    match headers.contains_key(CONTENT_ENCODING) {
        true => {
            Err(Refusal::new(ErrorCode::NotImplemented, "a form with a Content-Encoding is not implemented"))
        }
        false => Ok(boundary),
    }
}

impl Edge {
    /// Makes a PUT of a form.
    pub(super) async fn pass_form<B>(
        &self,
        parts: &Parts,
        admitted: Admitted,
        body: B,
        connection: Arc<Connection>,
        request_id: &str,
    ) -> Result<Passed, Refusal>
    where
        B: http_body::Body<Data = Bytes> + Send + Sync + Unpin + 'static,
    {
        let boundary = boundary(&parts.headers)?;
        let Admitted { proof, promise, uri, .. } = admitted;
        if proof.caller != Caller::Anonymous {
            return Err(two_mechanisms());
        }
        let promise = promise.filter(|promise| !promise.form.is_chunked());
        let Some((length, promise)) = promise.and_then(|promise| Some((promise.decoded_bytes?, promise)))
        else {
            let message = "a form comes as it is, with a content-length and not in chunks";
            return Err(Refusal::new(ErrorCode::InvalidRequest, message));
        };
        let path = percent::decode(uri.as_ref().unwrap_or(&parts.uri).path(), Part::Path)?;
        let bucket = path.trim_matches('/');
        let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("");
        let base = match uri.is_some() {
            true => format!("http://{host}/"),
            false => format!("http://{host}/{bucket}/"),
        };

        let whole = VerifiedBody::new(body, &promise, None, None);
        let opened = Opened::read(whole, &boundary, length).await?;
        let mut wanted = opened.judge(bucket, &self.keys, self.clock.now())?;
        let success = opened.success(bucket, &wanted.key, &base);
        let context = Arc::new(RequestContext {
            request_id: request_id.to_owned(),
            caller: wanted.sender.caller.clone(),
            connection,
            signing: wanted.sender.signing,
            body_max_bytes: Some(wanted.max_bytes),
            body: BodyOutcome::default(),
            refusal: OnceLock::new(),
        });
        let key = utf8_percent_encode(&wanted.key, NON_ALPHANUMERIC);
        let mut request = Request::new(Body::empty());
        *request.method_mut() = Method::PUT;
        *request.uri_mut() = Uri::try_from(format!("/{bucket}/{key}"))
            .map_err(|_| Refusal::new(ErrorCode::InvalidURI, "couldn't parse the specified URI"))?;
        *request.headers_mut() = std::mem::take(&mut wanted.headers);
        // The form's own headers say nothing of the object; these are for rules about requests.
        for name in ["host", "origin", "referer", "user-agent", "x-amz-expected-bucket-owner"] {
            if let Some(value) = parts.headers.get(name) {
                request.headers_mut().insert(name, value.clone());
            }
        }
        let (headers, extensions) = (&mut wanted.headers, request.extensions_mut());
        keep_expires(headers, extensions);
        extensions.insert(context.clone());
        *request.body_mut() = Body::http_body(opened.into_file(&wanted, context.clone()));
        Ok(Passed { request, context, form: Some(Box::new(success)) })
    }
}

/// A form whose file is about to begin.
pub(crate) struct Opened<B> {
    form: VerifiedBody<B>,
    decoder: FormDecoder,
    /// Of the file and what follows it.
    input: Bytes,
    fields: Fields,
    /// Most bytes that the file can have, by the length of the form.
    left_bytes: u64,
}

/// What a form asks for, allowed by its policy.
pub(crate) struct Wanted {
    pub(crate) sender: Sender,
    pub(crate) key: String,
    /// As those of a PUT.
    pub(crate) headers: HeaderMap,
    /// Most bytes that the file can have.
    pub(crate) max_bytes: u64,
    sizes: RangeInclusive<u64>,
    promise: Promise,
}

impl<B> Opened<B>
where
    B: http_body::Body<Data = Bytes> + Send + Sync + Unpin + 'static,
{
    /// Reads up to the file.
    pub(crate) async fn read(
        mut form: VerifiedBody<B>,
        boundary: &str,
        length: u64,
    ) -> Result<Self, Refusal> {
        let mut decoder = FormDecoder::new(boundary);
        let mut input = Bytes::new();
        let (mut fields, mut passed_bytes) = (Fields::default(), 0);
        let mut current: Option<(PartHead, Vec<u8>)> = None;
        loop {
            let before = input.len();
            let piece = decoder.next(&mut input)?;
            passed_bytes += before - input.len();
            if passed_bytes > FIELDS_MAX_BYTES {
                let message = format!(
                    "Your POST request fields preceding the upload file were too large: at most {FIELDS_MAX_BYTES} \
                     bytes may stand before it."
                );
                return Err(Refusal::new(ErrorCode::MaxPostPreDataLengthExceededError, message)
                    .with("MaxPostPreDataLengthBytes", FIELDS_MAX_BYTES));
            }
            match piece {
                Piece::Content(data) => {
                    if let Some((_, value)) = &mut current {
                        value.extend_from_slice(&data);
                    }
                }
                Piece::Part(part) => {
                    if let Some((field, value)) = current.take() {
                        fields.add(field.name, value)?;
                    }
                    if part.name.eq_ignore_ascii_case("file") {
                        fields.expand(part.filename.as_deref(), FIELDS_MAX_BYTES)?;
                        let around = passed_bytes as u64 + decoder.closing_bytes();
                        let left_bytes = length.saturating_sub(around).min(PUT_MAX_BYTES);
                        return Ok(Self { form, decoder, input, fields, left_bytes });
                    }
                    current = Some((part, Vec::new()));
                }
                Piece::More => match form.frame().await {
                    Some(frame) => input = frame.map_err(|error| error.0)?.into_data().unwrap_or_default(),
                    None => return Err(malformed("it ends before its last boundary")),
                },
                Piece::End => return Err(not_one_file()),
            }
        }
    }

    /// Finds out who asks for what, and whether the form may.
    pub(crate) fn judge(&self, bucket: &str, keys: &SigningKeys, now: Timestamp) -> Result<Wanted, Refusal> {
        let fields = &self.fields;
        let key = fields.get("key").ok_or_else(|| claim::missing_field("key"))?;
        let sender = claim::verify(fields, keys, now)?;
        let sizes = match fields.get("policy") {
            Some(policy) => Policy::parse(policy)?.check(fields, bucket, now)?,
            // Only a form that nobody signed has none.
            None => 0..=u64::MAX,
        };
        check_names(fields, bucket, key)?;
        let headers = fields.object_headers()?;
        let promise = Promise::of_file(&headers)?;
        let max_bytes = self.left_bytes.min(*sizes.end());
        let sizes = *sizes.start()..=*sizes.end().min(&PUT_MAX_BYTES);
        Ok(Wanted { sender, key: key.to_owned(), headers, max_bytes, sizes, promise })
    }

    pub(crate) fn success(&self, bucket: &str, key: &str, base: &str) -> Success {
        Success::read(&self.fields, bucket, key, base)
    }

    /// The file, whose end settles the outcome of `context`.
    pub(crate) fn into_file(self, wanted: &Wanted, context: Arc<RequestContext>) -> FileBody<B> {
        let digests = Digests::new(&wanted.promise);
        FileBody::new(self.form, self.decoder, self.input, digests, wanted.sizes.clone(), context)
    }
}

fn check_names(fields: &Fields, bucket: &str, key: &str) -> Result<(), Refusal> {
    if key.is_empty() {
        let message = "User key must have a length greater than 0.";
        return Err(Refusal::invalid("key", key, message));
    }
    if key.len() > KEY_MAX_BYTES {
        return Err(key_too_long(key.len()));
    }
    match fields.get("bucket") {
        Some(named) if named != bucket => {
            let message =
                format!("the form is for the bucket {:?} and was sent to {bucket}", shortened(named));
            Err(Refusal::invalid("bucket", named, message))
        }
        _ => Ok(()),
    }
}

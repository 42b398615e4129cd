//! POST of an object by an HTML form: reads the fields, proves who signed them, holds them against their policy, and
//! makes of them and the file the PUT that they ask for. Behind the edge nobody knows of forms.
//!
//! Of a form only the fields before the file are ever in memory. The file streams.

mod claim;
pub(crate) mod fields;
pub(crate) mod file;
pub(crate) mod multipart;
pub(crate) mod policy;
mod success;

pub(crate) use success::Success;

use super::answer::Body;
use super::arrived::Arrived;
use super::authorization::two_mechanisms;
use super::body::VerifiedBody;
use super::digests::Digests;
use super::errors::key_too_long;
use super::payload::{FIELDS_MAX_BYTES, Promise};
use super::payload_stream::{ByteSource, Payload};
use super::signing_keys::SigningKeys;
use super::wire::put_object::put_of_form;
use crate::calls::{Call, ExpectedOwner, RequestHead, ServeAll};
use crate::context::{Connection, RequestContext, RequestId};
use crate::details::Asked;
use crate::edge::{Admitted, Edge};
use bytes::Bytes;
use claim::Sender;
use fields::Fields;
use file::{FileBody, not_one_file};
use http::header::CONTENT_ENCODING;
use http::request::Parts;
use http::{HeaderMap, Method, Response, Uri};
use multipart::{FormDecoder, FormPiece, PartHead, malformed};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use pocket_access::caller::Caller;
use pocket_access::refusal::{ErrorCode, Refusal, shortened};
use pocket_api::clock::Timestamp;
use pocket_api::limits::PUT_MAX_BYTES;
use pocket_api::names::{NameError, ObjectKey};
use policy::PostPolicy;
use std::future::poll_fn;
use std::ops::RangeInclusive;
use std::sync::Arc;

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

impl<O: ServeAll> Edge<O> {
    /// Makes a PUT of a form, and carries it out.
    pub(super) async fn serve_form(
        &self,
        parts: &Parts,
        admitted: Admitted,
        body: ByteSource,
        connection: Arc<Connection>,
        request_id: RequestId,
    ) -> Result<Response<Body>, Refusal> {
        let boundary = boundary(&parts.headers)?;
        let Admitted { proof, promise, style, bucket, .. } = admitted;
        if proof.caller != Caller::Anonymous {
            return Err(two_mechanisms(&Arrived::of(&parts.headers)));
        }
        let promise = promise.filter(|promise| !promise.form.is_chunked());
        let (Some((length, promise)), Some(bucket)) =
            (promise.and_then(|promise| Some((promise.decoded_bytes?, promise))), bucket)
        else {
            let message = "a form comes as it is, with a content-length and not in chunks";
            return Err(Refusal::new(ErrorCode::InvalidRequest, message));
        };
        let whole = VerifiedBody::new(body, &promise, None);
        let opened = Opened::read(whole, &boundary, length).await?;
        let mut wanted = opened.judge(bucket.as_str(), &self.keys.load(), self.clock.now())?;
        let location = style.location(connection.is_secure(), &parts.headers, &bucket, &wanted.key);
        let success = opened.success(bucket.as_str(), wanted.key.as_str(), location);
        let encoded = utf8_percent_encode(wanted.key.as_str(), NON_ALPHANUMERIC);
        let uri = Uri::try_from(format!("/{bucket}/{encoded}"))
            .map_err(|_| Refusal::new(ErrorCode::InvalidURI, "couldn't parse the specified URI"))?;
        let asked = Asked::new(Method::PUT, uri);
        let mut headers = std::mem::take(&mut wanted.headers);
        // The form's own headers say nothing of the object; these are for rules about requests.
        for name in ["host", "origin", "referer", "user-agent", "x-amz-expected-bucket-owner"] {
            if let Some(value) = parts.headers.get(name) {
                headers.insert(name, value.clone());
            }
        }
        let (key, max_bytes, md5) = (wanted.key.clone(), wanted.max_bytes, wanted.promise.md5);
        let file = Payload::file(opened.into_file(&wanted));
        let put = put_of_form(bucket, key, &headers, max_bytes, md5, file)?;
        let sender = wanted.sender;
        let context = RequestContext::new(request_id, sender.caller, sender.signing, connection);
        let expected_owner = ExpectedOwner::of(&headers);
        let head = RequestHead::new(headers, asked.uri.clone());
        let call = Call { context, head, expected_owner, input: put };
        let answered = self.put(call).await;
        let mut response = answered.map_err(|refusal| asked.explain(refusal))?;
        success.shape(&mut response);
        Ok(response)
    }
}

/// A form whose file is about to begin.
pub(crate) struct Opened {
    form: VerifiedBody<ByteSource>,
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
    pub(crate) key: ObjectKey,
    /// As those of a PUT.
    pub(crate) headers: HeaderMap,
    /// Most bytes that the file can have.
    pub(crate) max_bytes: u64,
    sizes: RangeInclusive<u64>,
    promise: Promise,
}

impl Opened {
    /// Reads up to the file.
    pub(crate) async fn read(
        mut form: VerifiedBody<ByteSource>,
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
                FormPiece::Content(data) => {
                    if let Some((_, value)) = &mut current {
                        value.extend_from_slice(&data);
                    }
                }
                FormPiece::Part(part) => {
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
                FormPiece::More => match poll_fn(|cx| form.poll_next(cx)).await {
                    Some(data) => input = data?,
                    None => return Err(malformed("it ends before its last boundary")),
                },
                FormPiece::End => return Err(not_one_file(0)),
            }
        }
    }

    /// Finds out who asks for what, and whether the form may.
    pub(crate) fn judge(&self, bucket: &str, keys: &SigningKeys, now: Timestamp) -> Result<Wanted, Refusal> {
        let fields = &self.fields;
        let key = fields.get("key").ok_or_else(|| claim::missing_field("key"))?;
        let sender = claim::verify(fields, keys, now)?;
        let sizes = match fields.get("policy") {
            Some(policy) => PostPolicy::parse(policy)?.check(fields, bucket, now)?,
            // Only a form that nobody signed has none.
            None => 0..=u64::MAX,
        };
        let key = checked_key(fields, bucket, key)?;
        let headers = fields.object_headers()?;
        let promise = Promise::of_file(&headers)?;
        let max_bytes = self.left_bytes.min(*sizes.end());
        let sizes = *sizes.start()..=*sizes.end().min(&PUT_MAX_BYTES);
        Ok(Wanted { sender, key, headers, max_bytes, sizes, promise })
    }

    pub(crate) fn success(&self, bucket: &str, key: &str, location: String) -> Success {
        Success::read(&self.fields, bucket, key, location)
    }

    pub(crate) fn into_file(self, wanted: &Wanted) -> FileBody<ByteSource> {
        let digests = Digests::new(&wanted.promise);
        FileBody::new(self.form, self.decoder, self.input, digests, wanted.sizes.clone())
    }
}

fn checked_key(fields: &Fields, bucket: &str, key: &str) -> Result<ObjectKey, Refusal> {
    let parsed = ObjectKey::parse(key).map_err(|error| match error {
        NameError::KeyTooLong(bytes) => key_too_long(bytes),
        _ => Refusal::invalid("key", key, "User key must have a length greater than 0."),
    })?;
    match fields.get("bucket") {
        Some(named) if named != bucket => {
            let message =
                format!("the form is for the bucket {:?} and was sent to {bucket}", shortened(named));
            Err(Refusal::invalid("bucket", named, message))
        }
        _ => Ok(parsed),
    }
}

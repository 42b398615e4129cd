//! A request's body as operations read it: one piece of decoded bytes after the other, then the checksum that the client named.
//! It knows where the bytes come from, a socket or the file of a form, so that nobody else has to.

use super::body::VerifiedBody;
use super::document;
use super::form::file::FileBody;
use super::operation::{BodyUse, Operation};
use super::payload::Promise;
use super::proof::ChunkSeed;
use crate::compute::Compute;
use crate::errors;
use crate::server::request_body::RequestBody;
use bytes::Bytes;
use futures::Stream;
use http_body::{Body, Frame};
use pocket_access::refusal::{ErrorCode, Refusal};
use pocket_api::budget::{ByteBudget, Share};
use pocket_api::checksum::{Checksum, ChecksumAlgorithm};
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Where the bytes of a request come from.
pub(crate) enum ByteSource {
    Socket(RequestBody),
    /// Anything else, for requests that came on no connection.
    Other(Pin<Box<dyn Body<Data = Bytes, Error = BrokenOff> + Send>>),
}

/// The bytes of a request ended before its body did.
#[derive(Debug, thiserror::Error)]
#[error("the body broke off")]
pub(crate) struct BrokenOff;

impl ByteSource {
    pub(crate) fn of<B>(body: B) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
    {
        use http_body_util::BodyExt;
        Self::Other(Box::pin(body.map_err(|_| BrokenOff)))
    }
}

impl Body for ByteSource {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match self.get_mut() {
            Self::Socket(body) => Pin::new(body).poll_frame(cx).map_err(|_| BrokenOff),
            Self::Other(body) => body.as_mut().poll_frame(cx),
        }
    }
}

/// A request's body before anybody has read of it; none where there is none.
pub(crate) struct Unread(Option<Box<(VerifiedBody<ByteSource>, Promise)>>);

impl Unread {
    pub(super) fn new(body: ByteSource, promise: Option<Promise>, seed: Option<ChunkSeed>) -> Self {
        Self(promise.map(|promise| Box::new((VerifiedBody::new(body, &promise, seed), promise))))
    }

    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self(None)
    }

    /// Framing taken off, where it is known.
    pub(crate) fn size_bytes(&self) -> Option<u64> {
        self.0.as_ref()?.1.decoded_bytes
    }

    /// From Content-MD5, which the body is held to.
    pub(crate) fn md5(&self) -> Option<[u8; 16]> {
        self.0.as_ref()?.1.md5
    }

    /// Of which algorithm a checksum comes with the body, or behind it.
    pub(crate) fn named_sum(&self) -> Option<ChecksumAlgorithm> {
        self.0.as_ref()?.1.sum.algorithm()
    }

    /// To be read piece by piece.
    pub(crate) fn payload(self) -> Result<Payload, Refusal> {
        match self.0 {
            Some(unread) => Ok(Payload(Kind::Body(unread))),
            None => Err(Refusal::new(ErrorCode::MissingRequestBodyError, "Request body is empty")),
        }
    }

    /// To be read as a whole, by `read`.
    pub(crate) fn document<T>(
        self,
        operation: Operation,
        read: fn(Bytes) -> Result<T, Refusal>,
    ) -> Document<T> {
        Document { unread: self.0, body_use: operation.body_use(), read, held: None }
    }
}

/// What a request's body says, read when somebody wants to know: by then it is decided that the caller may ask.
pub struct Document<T> {
    unread: Option<Box<(VerifiedBody<ByteSource>, Promise)>>,
    body_use: BodyUse,
    read: fn(Bytes) -> Result<T, Refusal>,
    /// For its bytes, and after them for what they say.
    held: Option<Share>,
}

/// By so much of the buffers a document grows. One that is no longer gets it also where others have filled the rest.
const STEP_BYTES: u64 = 64 << 10;

impl<T: Send + 'static> Document<T> {
    /// Reads it, once. What was promised of the body holds, and it is one of S3's documents. Its bytes are taken of `buffers`
    /// as they come, for as long as this lives.
    pub async fn read(&mut self, buffers: &ByteBudget, compute: &Compute) -> Result<T, Refusal> {
        let document = match self.unread.take() {
            Some(unread) => {
                let (body, promise) = *unread;
                let max_bytes = max_bytes(&promise, self.body_use)?;
                let first = max_bytes.min(STEP_BYTES);
                let held = self.held.insert(buffers.share(first).ok_or_else(errors::buffers_are_full)?);
                collect(body, max_bytes, held).await?
            }
            None => Bytes::new(),
        };
        let (bytes, is_xml, read) = (document.len(), self.body_use.is_xml(), self.read);
        let read = move || read(if is_xml { document::checked(document)? } else { document });
        compute.run(bytes, read).await
    }
}

/// Most bytes that a document will have: as many as it was said to, or may.
fn max_bytes(promise: &Promise, body_use: BodyUse) -> Result<u64, Refusal> {
    let max_bytes = body_use.document_max_bytes().unwrap_or(0);
    match promise.decoded_bytes {
        Some(bytes) if bytes > max_bytes => Err(too_long(max_bytes)),
        Some(bytes) => Ok(bytes),
        None => Ok(max_bytes),
    }
}

/// `held` grows with what comes, not with what was announced: whoever announces much and sends little takes little.
async fn collect(
    mut body: VerifiedBody<ByteSource>,
    max_bytes: u64,
    held: &mut Share,
) -> Result<Bytes, Refusal> {
    // Memory that is not written to costs nothing.
    let mut document = Vec::with_capacity(max_bytes as usize);
    while let Some(data) = poll_fn(|cx| body.poll_next(cx)).await {
        let data = data?;
        let bytes = (document.len() + data.len()) as u64;
        if bytes > max_bytes {
            return Err(too_long(max_bytes));
        }
        let missing = bytes.saturating_sub(held.bytes());
        if missing > 0 && !held.lengthen(missing.next_multiple_of(STEP_BYTES)) {
            return Err(errors::buffers_are_full());
        }
        document.extend_from_slice(&data);
    }
    held.shrink(document.len() as u64);
    Ok(document.into())
}

fn too_long(max_bytes: u64) -> Refusal {
    let message = format!("your request was too big: this document may have {max_bytes} bytes");
    Refusal::new(ErrorCode::MaxMessageLengthExceeded, message).with("MaxMessageLengthBytes", max_bytes)
}

/// The body of a request that makes an object or a part.
pub struct Payload(Kind);

enum Kind {
    Body(Box<(VerifiedBody<ByteSource>, Promise)>),
    File(Box<FileBody<ByteSource>>),
}

impl Payload {
    pub(super) fn file(file: FileBody<ByteSource>) -> Self {
        Self(Kind::File(Box::new(file)))
    }

    /// The next bytes; `None` at the end, after an error too.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Refusal>>> {
        match &mut self.0 {
            Kind::Body(body) => body.0.poll_next(cx),
            Kind::File(file) => file.poll_next(cx),
        }
    }

    /// The checksum that the client named, once the body has ended well; one that has not ended is refused.
    pub fn checksum(&self) -> Result<Option<Checksum>, Refusal> {
        let outcome = match &self.0 {
            Kind::Body(body) => body.0.outcome(),
            Kind::File(file) => file.outcome(),
        };
        let incomplete = || Refusal::new(ErrorCode::IncompleteBody, "the request body ended early");
        outcome.cloned().ok_or_else(incomplete)
    }
}

impl Stream for Payload {
    type Item = Result<Bytes, Refusal>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Refusal>>> {
        self.get_mut().poll_next(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::super::payload::{PayloadForm, PromisedSum};
    use super::*;
    use crate::compute::HERE_MAX_BYTES;
    use http_body_util::Full;
    use pocket_api::env::Env;
    use std::thread;

    #[tokio::test]
    async fn long_documents_are_read_on_other_threads() {
        let (here, buffers) = (thread::current().id(), ByteBudget::new(1 << 20));
        let compute = Compute::new(Env::system());
        let is_read_here = async |text: String| {
            let decoded_bytes = Some(text.len() as u64);
            let form = PayloadForm::Unsigned;
            let promise = Promise { form, decoded_bytes, sum: PromisedSum::None, md5: None };
            let unread = Unread::new(ByteSource::of(Full::new(Bytes::from(text))), Some(promise), None);
            let mut document = unread.document(Operation::DeleteObjects, |_| Ok(thread::current().id()));
            document.read(&buffers, &compute).await.map(|there| there == here).map_err(|refusal| refusal.code)
        };
        let listing = |keys: &str| format!("<Delete><Object><Key>{keys}</Key></Object></Delete>");
        assert_eq!(is_read_here(listing("k")).await, Ok(true));
        assert_eq!(is_read_here(listing(&"&#60;".repeat(HERE_MAX_BYTES / 5))).await, Ok(false));
        assert_eq!(is_read_here("<Delete>".repeat(HERE_MAX_BYTES)).await, Err(ErrorCode::MalformedXML));
    }

    #[tokio::test]
    async fn a_document_takes_room_for_what_has_come_and_leaves_some_for_others() {
        let (buffers, compute) = (ByteBudget::new(8 * STEP_BYTES), Compute::new(Env::system()));
        let text = Bytes::from(vec![b' '; 3 * STEP_BYTES as usize]);
        let promise = |decoded_bytes| {
            let form = PayloadForm::Unsigned;
            Promise { form, decoded_bytes: Some(decoded_bytes), sum: PromisedSum::None, md5: None }
        };
        let document = |body: ByteSource, bytes: u64| {
            Unread::new(body, Some(promise(bytes)), None).document(Operation::PutBucketPolicy, |_| Ok(()))
        };
        // Of one that was announced and does not come.
        let silent =
            http_body_util::StreamBody::new(futures::stream::pending::<Result<Frame<Bytes>, BrokenOff>>());
        let mut announced = document(ByteSource::of(silent), 20 << 10);
        {
            let mut reading = std::pin::pin!(announced.read(&buffers, &compute));
            assert!(futures::poll!(reading.as_mut()).is_pending());
            assert_eq!(buffers.used_bytes(), 20 << 10);
        }
        drop(announced);
        let large = || {
            let body = ByteSource::of(Full::new(text.clone()));
            Unread::new(body, Some(promise(text.len() as u64)), None)
                .document(Operation::DeleteObjects, |_| Ok(()))
        };
        let others = buffers.share(4 * STEP_BYTES).unwrap();
        let refused = large().read(&buffers, &compute).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::SlowDown);
        drop(others);
        let mut taken = large();
        assert_eq!(
            taken.read(&buffers, &compute).await.unwrap_err().code,
            ErrorCode::MalformedXML,
            "it was read whole"
        );
        assert_eq!(buffers.used_bytes(), text.len() as u64);
        drop(taken);
        assert_eq!(buffers.used_bytes(), 0);
    }
}

//! UploadPart.

use super::object_requests::{part_number, upload_id};
use super::put_object::{answer, tagged};
use super::{Head, Wire};
use crate::answer::Body;
use crate::calls::{PartWritten, UploadPart};
use crate::metrics::Counted;
use crate::payload::missing_length;
use crate::payload_stream::Unread;
use http::Response;
use pocket_access::refusal::Refusal;

impl Wire for UploadPart {
    type Shown = ();

    fn read(head: &mut Head<'_, '_>, body: Unread) -> Result<(Self, ()), Refusal> {
        let part = Self {
            bucket: head.bucket()?,
            key: head.key()?,
            upload: upload_id(head.query),
            number: part_number(head.query.get("partNumber").unwrap_or(""))?,
            size: body.size_bytes().ok_or_else(|| missing_length("content-length"))?,
            md5: body.md5(),
            named: body.named_sum(),
            body: body.payload()?,
        };
        Ok((part, ()))
    }

    fn write(part: PartWritten, (): ()) -> Response<Body> {
        answer(tagged(&part.etag, part.checksum.as_ref()))
    }

    fn counted((): &()) -> Counted {
        Counted::UploadPart
    }
}

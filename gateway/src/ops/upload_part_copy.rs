//! UploadPartCopy: a part made of (a range of) an object, by references inside a bucket and by bytes between two.

use super::check_readable;
use super::copy_object::{copy_bytes, reading};
use super::upload_part::open_upload;
use super::{Operations, ask, copied_checksum};
use crate::copies::{self, CopySource};
use crate::errors::from_call;
use pocket_access::action::Action;
use pocket_access::refusal::Refusal;
use pocket_api::checksum::Checksum;
use pocket_api::clock::Timestamp;
use pocket_api::ids::WriteId;
use pocket_api::metadata::{ByteRange, PutPart, Request, Select};
use pocket_api::object::{ETag, NewContent, ObjectMeta};
use pocket_edge::calls::{Call, PartCopied, Serve, UploadPartCopy};
use pocket_edge::errors::copied_range;

impl Serve<UploadPartCopy> for Operations {
    async fn serve(&self, call: Call<UploadPartCopy>) -> Result<PartCopied, Refusal> {
        let UploadPartCopy { bucket: name, key, upload, number, source: object, select } = &call.input;
        let (number, select, context) = (*number, *select, &call.context);
        let writes = ask!(call, call.context, Action::PutObject).on(key);
        let mut to = self.bucket(writes, name, call.expected_owner.as_str()).await?;
        let reads = ask!(call, call.context, reading(object)).on(&object.key);
        let mut from = self.bucket(reads, &object.bucket, object.expected_owner.as_str()).await?;

        let put_part = |write: WriteId, content: NewContent, part: &NewPart| {
            let (key, upload) = (key.clone(), upload.clone());
            let NewPart { size, etag, checksum, .. } = part.clone();
            Request::PutPart(PutPart { key, upload, number, write, size, etag, checksum, content })
        };
        let info = open_upload(self, &mut to, key, upload).await?;
        let source = || CopySource { key: &object.key, conditions: &object.conditions, select };
        let checksum = match info.checksum {
            Some((algorithm, _)) => {
                Some(copied_checksum::find(self, context, &mut from, source(), algorithm).await?)
            }
            None => None,
        };
        let part_of = |meta: &ObjectMeta,
                       size: u64,
                       copied_at: Timestamp,
                       write: WriteId|
         -> Result<NewPart, Refusal> {
            check_readable(meta)?;
            check_range(select, meta.size)?;
            let checksum = copied_checksum::of_copy(checksum.as_ref(), meta, size)?;
            Ok(NewPart { size, etag: part_tag(meta, size, write), checksum, copied_at })
        };
        let part = if from.placement.job == to.placement.job {
            to.ask_also(&from);
            let (reference, write, holder) = (self.writer.mint(), self.writer.mint(), to.shard(key));
            let (placements, directory) = (&self.placements, &self.directory);
            let taken = copies::take(placements, directory, &mut to, source(), reference, holder).await?;
            from.catch_up(&to);
            let source = &taken.source;
            let admitted = placements.admits_found(&from, &source.meta).map_err(from_call);
            let part = match admitted.and_then(|()| part_of(&source.meta, source.len, source.now, write)) {
                Ok(part) => part,
                Err(error) => {
                    taken.release(directory, &to).await;
                    return Err(error);
                }
            };
            let make = |content| put_part(write, content, &part);
            taken.commit(placements, directory, &mut to, key, make).await.map_err(from_call)?;
            part
        } else {
            let (found, written) = copy_bytes(self, context, &mut from, source(), &to, key).await?;
            let write = written.write;
            let part = NewPart { etag: written.etag, ..part_of(&found.meta, found.len, found.now, write)? };
            let make = |content| put_part(write, content, &part);
            written.commit(&self.placements, &mut to, key, make).await.map_err(from_call)?;
            part
        };
        let NewPart { etag, checksum, copied_at, .. } = part;
        Ok(PartCopied { etag, checksum, copied_at })
    }
}

fn check_range(select: Select, size: u64) -> Result<(), Refusal> {
    match select {
        Select::Range(ByteRange::FromTo(first, last)) if last >= size => Err(copied_range(first, last, size)),
        _ => Ok(()),
    }
}

/// What is known of a part without reading its bytes.
#[derive(Clone)]
struct NewPart {
    size: u64,
    etag: ETag,
    checksum: Option<Checksum>,
    /// By the source's shard.
    copied_at: Timestamp,
}

/// The tag of the source is that of the part too, if it is all of the source and an MD5.
fn part_tag(source: &ObjectMeta, size: u64, write: WriteId) -> ETag {
    if size == source.size && source.etag.parts == 0 { source.etag } else { ETag::opaque(write) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pocket_api::conformance::plain_object;
    use pocket_api::ids::NodeId;

    #[test]
    fn a_part_that_is_a_whole_object_has_its_tag_and_any_other_has_its_own() {
        let source = plain_object(10);
        let write = WriteId { gateway: NodeId(1), number: 2 };
        let etag = |source: &ObjectMeta, size| part_tag(source, size, write);
        assert_eq!(etag(&source, 10), source.etag);
        assert_eq!(etag(&source, 9), ETag::opaque(write));
        let uploaded = ObjectMeta { etag: ETag { parts: 3, ..source.etag }, ..source };
        assert_eq!(etag(&uploaded, 10), ETag::opaque(write));
    }
}

//! CompleteMultipartUpload: holds the client's list against the parts that are there, computes what the object is
//! called by, and lets the shard join the references. Repeated after success, it answers the same again.

use super::list_parts::upload_page;
use super::{Operations, ask, committed};
use crate::checksums;
use crate::errors::{invalid_part, s3};
use crate::placements::Bucket;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use pocket_access::acl::Said;
use pocket_access::refusal::{ErrorCode, Refusal};
use pocket_api::checksum::{Checksum, ChecksumAlgorithm};
use pocket_api::conditions::WriteCondition;
use pocket_api::ids::WriteId;
use pocket_api::limits::{LIST_MAX_KEYS, OBJECT_MAX_BYTES, PART_MIN_BYTES, PART_NUMBER_MAX};
use pocket_api::metadata::{Committed, Complete, Request, UploadId, UploadInfo, UploadedPart};
use pocket_api::names::ObjectKey;
use pocket_api::object::ETag;
use pocket_edge::calls::{Call, CompleteMultipartUpload, ListedPart, NamedChecksum, PromisedWhole, Serve};
use pocket_edge::checksums::other_kind;
use pocket_edge::errors::other_size;

impl Serve<CompleteMultipartUpload> for Operations {
    async fn serve(&self, mut call: Call<CompleteMultipartUpload>) -> Result<Committed, Refusal> {
        let CompleteMultipartUpload { bucket: name, key, upload, condition, promised, parts } =
            &mut call.input;
        let is_told = matches!(condition, WriteCondition::Matches(_));
        let ask = ask!(call, call.context, super::writing(false, is_told, &Said::Nothing)).on(key);
        let owner = call.expected_owner.as_str();
        let mut bucket = self.bucket(ask, name, owner).await?;
        let listed = parts.read(&self.buffers, &self.compute).await?;
        match uploaded(self, &mut bucket, key, upload).await? {
            Uploaded::Completed(committed) => Ok(committed),
            Uploaded::Parts(info, parts) => {
                let promised = promised.clone();
                let bytes = parts.len() * PART_BYTES;
                let whole = self.compute.run(bytes, move || join(&listed, &parts, &promised, &info)).await?;
                let make = || {
                    Request::Complete(Complete {
                        key: key.clone(),
                        upload: upload.clone(),
                        parts: whole.parts.clone(),
                        etag: whole.etag,
                        checksum: whole.checksum.clone(),
                        condition: condition.clone(),
                    })
                };
                committed(self.call(&mut bucket, key, make).await?)
            }
        }
    }
}

/// What the parts are together.
struct Whole {
    parts: Vec<(u16, WriteId)>,
    etag: ETag,
    checksum: Option<Checksum>,
}

/// To join one part takes a microsecond or two, most of it for the checksum: as long as to read so much of a document.
const PART_BYTES: usize = 32;

fn join(
    listed: &[ListedPart],
    uploaded: &[UploadedPart],
    promised: &PromisedWhole,
    info: &UploadInfo,
) -> Result<Whole, Refusal> {
    let chosen = choose(listed, uploaded)?;
    Ok(Whole {
        checksum: hold(promised, info, &chosen)?,
        etag: checksums::composed_etag(chosen.iter().copied()),
        parts: chosen.iter().map(|part| (part.number, part.write)).collect(),
    })
}

enum Uploaded {
    Parts(UploadInfo, Vec<UploadedPart>),
    Completed(Committed),
}

/// All parts of an upload: at most ten pages.
async fn uploaded(
    ops: &Operations,
    bucket: &mut Bucket<'_>,
    key: &ObjectKey,
    upload: &UploadId,
) -> Result<Uploaded, Refusal> {
    let mut parts: Vec<UploadedPart> = Vec::new();
    loop {
        let after = parts.last().map_or(0, |part| part.number);
        let page = upload_page(ops, bucket, key, upload, after, LIST_MAX_KEYS).await?;
        if let Some(committed) = page.completed {
            return Ok(Uploaded::Completed(committed));
        }
        let goes_on = page.more && page.parts.last().is_some_and(|part| part.number < PART_NUMBER_MAX);
        parts.extend(page.parts);
        if !goes_on {
            return Ok(Uploaded::Parts(page.info, parts));
        }
    }
}

/// The uploaded parts that the client's list names, in its order. `uploaded` is in the order of numbers.
fn choose<'a>(listed: &[ListedPart], uploaded: &'a [UploadedPart]) -> Result<Vec<&'a UploadedPart>, Refusal> {
    if listed.is_empty() {
        return Err(s3(ErrorCode::MalformedXML, "You must specify at least one part"));
    }
    let mut chosen: Vec<&UploadedPart> = Vec::with_capacity(listed.len());
    for named in listed {
        let number = named.number;
        if chosen.last().is_some_and(|last| i32::from(last.number) >= number) {
            let text = "The list of parts was not in ascending order. Parts must be ordered by part number.";
            return Err(s3(ErrorCode::InvalidPartOrder, text));
        }
        let found = uploaded.binary_search_by_key(&number, |part| part.number.into()).map(|i| &uploaded[i]);
        let invalid = || invalid_part(number.into(), named.etag.as_deref());
        let part = found.map_err(|_| invalid())?;
        let same_tag = named.etag.as_ref().is_some_and(|tag| ETag::parse(tag) == Some(part.etag));
        let has_sum = |sum: &NamedChecksum| part.checksum.as_ref().is_some_and(|found| sum.is(found, 1));
        let same_sum = named.checksum.as_ref().is_none_or(has_sum);
        if !same_tag || !same_sum {
            return Err(invalid());
        }
        chosen.push(part);
    }
    let (_, but_last) = chosen.split_last().map_or((None, &[][..]), |(last, rest)| (Some(last), rest));
    if let Some(small) = but_last.iter().find(|part| part.size < PART_MIN_BYTES) {
        let text = format!(
            "Part {} has {} bytes: all parts but the last need {PART_MIN_BYTES}",
            small.number, small.size
        );
        return Err(s3(ErrorCode::EntityTooSmall, text)
            .with("ProposedSize", small.size)
            .with("MinSizeAllowed", PART_MIN_BYTES)
            .with("PartNumber", small.number)
            .with("ETag", small.etag));
    }
    Ok(chosen)
}

/// The object's checksum, if it has one, when all that was promised holds.
fn hold(
    promised: &PromisedWhole,
    info: &UploadInfo,
    parts: &[&UploadedPart],
) -> Result<Option<Checksum>, Refusal> {
    let size: u64 = parts.iter().map(|part| part.size).sum();
    if size > OBJECT_MAX_BYTES {
        let text = format!("the object of {size} bytes is larger than {OBJECT_MAX_BYTES}");
        let error = s3(ErrorCode::EntityTooLarge, text).with("ProposedSize", size);
        return Err(error.with("MaxSizeAllowed", OBJECT_MAX_BYTES));
    }
    if promised.size.is_some_and(|promised| u64::try_from(promised) != Ok(size)) {
        return Err(other_size(size));
    }
    let (algorithm, kind) = info.checksum.unwrap_or(checksums::UNANNOUNCED);
    let found = checksums::composed(algorithm, kind, parts);
    if found.is_none() && info.checksum.is_some() {
        return Err(missing_sum(algorithm, parts));
    }
    if promised.kind.is_some() && promised.kind != found.as_ref().map(|sum| sum.kind) {
        return Err(other_kind());
    }
    match (&promised.checksum, &found) {
        (None, _) => Ok(found),
        (Some(named), Some(sum)) if named.is(sum, parts.len()) => Ok(found),
        (Some(named), Some(sum)) if named.algorithm == sum.algorithm => {
            let text = format!("The {} you specified did not match what we received.", sum.algorithm);
            let error =
                s3(ErrorCode::BadDigest, text).with("ExpectedDigest", BASE64_STANDARD.encode(&named.value));
            Err(error.with("CalculatedDigest", BASE64_STANDARD.encode(&sum.value)))
        }
        (Some(named), _) => {
            let text = format!("There is no {} to check: it was not sent with every part", named.algorithm);
            Err(s3(ErrorCode::InvalidRequest, text))
        }
    }
}

/// A shard takes no such part, unless it is of another version than this gateway.
fn missing_sum(algorithm: ChecksumAlgorithm, parts: &[&UploadedPart]) -> Refusal {
    let has_sum = |part: &UploadedPart| part.checksum.as_ref().is_some_and(|sum| sum.algorithm == algorithm);
    let number = parts.iter().find(|part| !has_sum(part)).map_or(0, |part| part.number);
    let text =
        format!("The upload was created using a {algorithm} checksum. It is missing for part {number}.");
    s3(ErrorCode::InvalidRequest, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksums::Running;
    use pocket_api::checksum::ChecksumKind;
    use pocket_api::clock::Timestamp;
    use pocket_api::ids::NodeId;
    use pocket_edge::checksums::show;

    fn part(number: u16, size: u64) -> UploadedPart {
        UploadedPart {
            number,
            write: WriteId { gateway: NodeId(1), number: number.into() },
            size,
            etag: ETag::md5([number as u8; 16]),
            last_modified: Timestamp(0),
            checksum: None,
        }
    }

    fn named(number: i32) -> ListedPart {
        ListedPart { number, etag: Some(ETag::md5([number as u8; 16]).to_string()), checksum: None }
    }

    /// Two parts, "1234" and "56789", with their sums.
    fn summed(algorithm: ChecksumAlgorithm) -> [UploadedPart; 2] {
        [(1, "1234"), (2, "56789")].map(|(number, bytes)| {
            let mut running = Running::new(algorithm);
            running.update(bytes.as_bytes());
            UploadedPart { checksum: Some(running.finish()), ..part(number, bytes.len() as u64) }
        })
    }

    fn held(
        announced: Option<(ChecksumAlgorithm, ChecksumKind)>,
        promised: &PromisedWhole,
        parts: &[UploadedPart],
    ) -> Result<Option<String>, ErrorCode> {
        let (key, upload) = (ObjectKey::parse("k").unwrap(), UploadId("u".into()));
        let (initiated, storage_class) = (Timestamp(0), None);
        let info = UploadInfo { key, upload, initiated, checksum: announced, storage_class };
        let parts: Vec<_> = parts.iter().collect();
        let checksum = hold(promised, &info, &parts).map_err(|refusal| refusal.code)?;
        Ok(checksum.map(|sum| show(&sum, Some(2))))
    }

    #[test]
    fn the_sum_of_the_whole_is_shown_and_held_whether_it_was_announced_or_not() {
        use ChecksumAlgorithm::*;
        use ChecksumKind::*;
        let named = |algorithm, sum: &[u8]| {
            let checksum = Some(NamedChecksum { algorithm, value: sum.into(), parts: None });
            PromisedWhole { checksum, kind: Some(FullObject), size: Some(9) }
        };
        let right = named(Crc64Nvme, &0xae8b_1486_0a79_9888_u64.to_be_bytes());
        let wrong = named(Crc64Nvme, &[0; 8]);
        let whole = Ok(Some("rosUhgp5mIg=".to_owned()));
        for announced in [None, Some((Crc64Nvme, FullObject))] {
            let parts = summed(Crc64Nvme);
            assert_eq!(held(announced, &PromisedWhole::default(), &parts), whole);
            assert_eq!(held(announced, &right, &parts), whole);
            assert_eq!(held(announced, &wrong, &parts), Err(ErrorCode::BadDigest));
            let other = PromisedWhole { kind: Some(Composite), ..PromisedWhole::default() };
            assert_eq!(held(announced, &other, &parts), Err(ErrorCode::InvalidRequest));
        }
        let nobodys = summed(Crc32);
        assert_eq!(held(None, &PromisedWhole::default(), &nobodys), Ok(None), "sums that nobody announced");
        assert_eq!(held(None, &right, &nobodys), Err(ErrorCode::InvalidRequest));
        for kind in [FullObject, Composite] {
            let refused = held(Some((Crc32, kind)), &PromisedWhole::default(), &[part(1, 9)]);
            assert_eq!(refused, Err(ErrorCode::InvalidRequest), "a part without a sum");
        }
    }

    #[test]
    fn only_a_list_that_names_the_parts_that_are_there_is_taken() {
        let uploaded = [part(1, PART_MIN_BYTES), part(3, 10), part(4, PART_MIN_BYTES), part(9, 1)];
        let code = |list: &[ListedPart]| match choose(list, &uploaded) {
            Ok(parts) => parts.iter().map(|p| p.number.to_string()).collect::<Vec<_>>().join(","),
            Err(error) => error.code.as_str().to_owned(),
        };
        assert_eq!(code(&[named(1), named(4), named(9)]), "1,4,9");
        assert_eq!(code(&[named(1), named(3)]), "1,3");
        assert_eq!(code(&[named(1), named(3), named(4)]), "EntityTooSmall");
        assert_eq!(code(&[named(4), named(1)]), "InvalidPartOrder");
        assert_eq!(code(&[named(1), named(1)]), "InvalidPartOrder");
        assert_eq!(code(&[named(1), named(2)]), "InvalidPart");
        assert_eq!(code(&[named(-5)]), "InvalidPart");
        assert_eq!(code(&[]), "MalformedXML");
        let wrong = ListedPart { etag: named(1).etag, ..named(4) };
        assert_eq!(code(&[wrong]), "InvalidPart");
        assert_eq!(code(&[ListedPart { etag: None, ..named(1) }]), "InvalidPart");
        let sum = NamedChecksum {
            algorithm: ChecksumAlgorithm::Crc32,
            value: [0; 4].as_slice().into(),
            parts: None,
        };
        let summed = ListedPart { checksum: Some(sum), ..named(1) };
        assert_eq!(code(&[summed]), "InvalidPart");
    }
}

//! What is made of a body while its bytes pass. Its ETag: its MD5 where somebody relies on that, else a tag that is cheap; a
//! function of the content alone, so that writing the same bytes again does not look like a change. And a checksum that nobody
//! sent, where an object is to have one.

use crate::checksums::Running;
use crc_fast::CrcAlgorithm;
use md5::{Digest, Md5};
use pocket_api::checksum::{Checksum, ChecksumAlgorithm, ChecksumKind};
use pocket_api::object::ETag;
use smallvec::SmallVec;

// One a body, in a future that is on the heap already.
#[expect(clippy::large_enum_variant)]
pub(crate) enum ContentTag {
    /// From Content-MD5: the edge verifies it.
    Known([u8; 16]),
    Md5(Md5),
    Cheap(crc_fast::Digest),
}

impl ContentTag {
    pub(crate) fn cheap() -> Self {
        Self::Cheap(crc_fast::Digest::new(CrcAlgorithm::Crc64Nvme))
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Known(_) => {}
            Self::Md5(md5) => md5.update(bytes),
            Self::Cheap(crc) => crc.update(bytes),
        }
    }

    /// Of a body of `size` bytes that has passed.
    pub(crate) fn finish(self, size: u64) -> ETag {
        match self {
            Self::Known(digest) => ETag::md5(digest),
            Self::Md5(md5) => ETag::md5(md5.finalize().into()),
            Self::Cheap(crc) => ETag::of_content(crc.finalize(), size),
        }
    }
}

/// The tag of a body, and its checksum where one is wanted.
pub(crate) struct Passing {
    tag: ContentTag,
    sum: Sum,
}

#[expect(clippy::large_enum_variant)]
enum Sum {
    None,
    /// Is part of the tag: no byte is looked at twice.
    OfTag,
    Running(Running),
}

impl Passing {
    pub(crate) fn new(tag: ContentTag, wanted: Option<ChecksumAlgorithm>) -> Self {
        let sum = match (wanted, &tag) {
            (None, _) => Sum::None,
            (Some(ChecksumAlgorithm::Crc64Nvme), ContentTag::Cheap(_)) => Sum::OfTag,
            (Some(algorithm), _) => Sum::Running(Running::new(algorithm)),
        };
        Self { tag, sum }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.tag.update(bytes);
        if let Sum::Running(running) = &mut self.sum {
            running.update(bytes);
        }
    }

    /// Of a body of `size` bytes that has passed.
    pub(crate) fn finish(self, size: u64) -> (ETag, Option<Checksum>) {
        let etag = self.tag.finish(size);
        let checksum = match self.sum {
            Sum::None => None,
            Sum::OfTag => {
                let (algorithm, kind) = (ChecksumAlgorithm::Crc64Nvme, ChecksumKind::FullObject);
                let value = SmallVec::from_slice(&etag.digest[..algorithm.len_bytes()]);
                Some(Checksum { algorithm, kind, value })
            }
            Sum::Running(running) => Some(running.finish()),
        };
        (etag, checksum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pocket_edge::checksums::show;

    fn tag(mut of: ContentTag, pieces: &[&str]) -> String {
        pieces.iter().for_each(|piece| of.update(piece.as_bytes()));
        of.finish(pieces.iter().map(|piece| piece.len() as u64).sum()).to_string()
    }

    #[test]
    fn the_tag_is_that_of_the_content_however_it_comes() {
        for pieces in [&["123456789"][..], &["1234", "", "56789"]] {
            assert_eq!(tag(ContentTag::cheap(), pieces), "ae8b14860a7998880000000000000009-1");
            assert_eq!(tag(ContentTag::Md5(Md5::new()), pieces), "25f9e794323b453885f5181f1b624d0b");
        }
        assert_eq!(tag(ContentTag::Known([0xab; 16]), &["x"]), "ab".repeat(16));
        assert_ne!(tag(ContentTag::cheap(), &["\0"]), tag(ContentTag::cheap(), &["\0\0"]));
    }

    #[test]
    fn a_checksum_is_that_of_the_content_whatever_the_tag() {
        let tags = || [ContentTag::cheap(), ContentTag::Md5(Md5::new()), ContentTag::Known([0xab; 16])];
        for (algorithm, expected) in [
            (ChecksumAlgorithm::Crc64Nvme, "rosUhgp5mIg="),
            (ChecksumAlgorithm::Crc32, "y/Q5Jg=="),
            (ChecksumAlgorithm::Crc32c, "4waSgw=="),
        ] {
            for tag in tags() {
                let mut passing = Passing::new(tag, Some(algorithm));
                ["1234", "56789"].iter().for_each(|piece| passing.update(piece.as_bytes()));
                let checksum = passing.finish(9).1.unwrap();
                assert_eq!((checksum.algorithm, &*show(&checksum, None)), (algorithm, expected));
            }
        }
        assert!(tags().into_iter().all(|tag| Passing::new(tag, None).finish(0).1.is_none()));
    }
}

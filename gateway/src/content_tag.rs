//! The ETag of a body, made while its bytes pass: its MD5 where somebody relies on that, else a tag that is cheap. A
//! function of the content alone, so that writing the same bytes again does not look like a change.

use crc_fast::CrcAlgorithm;
use md5::{Digest, Md5};
use pocket_api::object::ETag;

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

#[cfg(test)]
mod tests {
    use super::*;

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
}

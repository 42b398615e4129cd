//! PublicAccessBlockConfiguration: four switches.

use super::parsed;
use crate::answer::{Body, xml_answer};
use crate::xml::DECLARATION;
use bytes::Bytes;
use http::Response;
use pocket_access::public_access_block::PublicAccessBlock;
use pocket_access::refusal::Refusal;
use s3s::dto::PublicAccessBlockConfiguration;

/// A switch that is not named is off, as in S3.
pub(crate) fn read(document: Bytes) -> Result<PublicAccessBlock, Refusal> {
    let said = parsed::<PublicAccessBlockConfiguration>(&document)?;
    Ok(PublicAccessBlock {
        block_public_acls: said.block_public_acls.unwrap_or(false),
        ignore_public_acls: said.ignore_public_acls.unwrap_or(false),
        block_public_policy: said.block_public_policy.unwrap_or(false),
        restrict_public_buckets: said.restrict_public_buckets.unwrap_or(false),
    })
}

pub(crate) fn shown(block: PublicAccessBlock) -> Response<Body> {
    let PublicAccessBlock {
        block_public_acls,
        ignore_public_acls,
        block_public_policy,
        restrict_public_buckets,
    } = block;
    xml_answer(format!(
        "{DECLARATION}<PublicAccessBlockConfiguration><BlockPublicAcls>{block_public_acls}</BlockPublicAcls>\
         <BlockPublicPolicy>{block_public_policy}</BlockPublicPolicy>\
         <IgnorePublicAcls>{ignore_public_acls}</IgnorePublicAcls>\
         <RestrictPublicBuckets>{restrict_public_buckets}</RestrictPublicBuckets></PublicAccessBlockConfiguration>"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_switch_is_its_own_and_off_where_it_is_not_named() {
        let document = |inside: &str| {
            Bytes::from(format!("<PublicAccessBlockConfiguration>{inside}</PublicAccessBlockConfiguration>"))
        };
        assert_eq!(read(document("")), Ok(PublicAccessBlock::NONE));
        for (name, expected) in [
            ("BlockPublicAcls", PublicAccessBlock { block_public_acls: true, ..PublicAccessBlock::NONE }),
            ("IgnorePublicAcls", PublicAccessBlock { ignore_public_acls: true, ..PublicAccessBlock::NONE }),
            ("BlockPublicPolicy", PublicAccessBlock { block_public_policy: true, ..PublicAccessBlock::NONE }),
            (
                "RestrictPublicBuckets",
                PublicAccessBlock { restrict_public_buckets: true, ..PublicAccessBlock::NONE },
            ),
        ] {
            let read_one = read(document(&format!("<{name}>true</{name}>")));
            assert_eq!(read_one, Ok(expected), "{name}");
            assert_eq!(read(shown(expected).body().bytes().unwrap()), Ok(expected), "{name}");
        }
    }
}

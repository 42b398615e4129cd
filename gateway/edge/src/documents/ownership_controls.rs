//! OwnershipControls: one rule, which says who owns objects.

use super::parsed;
use crate::answer::{Body, xml_answer};
use crate::errors::malformed_xml;
use crate::xml::DECLARATION;
use bytes::Bytes;
use http::Response;
use pocket_access::acl::Ownership;
use pocket_access::refusal::Refusal;
use s3s::dto;

pub(crate) fn read(document: Bytes) -> Result<Ownership, Refusal> {
    let ownership = match &parsed::<dto::OwnershipControls>(&document)?.rules[..] {
        [rule] => Ownership::parse(rule.object_ownership.as_str()),
        _ => None,
    };
    ownership.ok_or_else(malformed_xml)
}

pub(crate) fn shown(ownership: Ownership) -> Response<Body> {
    let name = ownership.name();
    xml_answer(format!(
        "{DECLARATION}<OwnershipControls><Rule><ObjectOwnership>{name}</ObjectOwnership></Rule></OwnershipControls>"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pocket_access::refusal::ErrorCode;

    #[test]
    fn what_is_shown_can_be_put_again() {
        for ownership in
            [Ownership::BucketOwnerEnforced, Ownership::BucketOwnerPreferred, Ownership::ObjectWriter]
        {
            assert_eq!(read(shown(ownership).body().bytes().unwrap()), Ok(ownership));
        }
    }

    #[test]
    fn there_is_one_rule_of_a_known_name() {
        let rule = |name: &str| format!("<Rule><ObjectOwnership>{name}</ObjectOwnership></Rule>");
        for rules in [String::new(), rule("Nobody"), rule("ObjectWriter").repeat(2)] {
            let document = format!("<OwnershipControls>{rules}</OwnershipControls>");
            assert_eq!(read(document.into()).unwrap_err().code, ErrorCode::MalformedXML, "{rules}");
        }
    }
}

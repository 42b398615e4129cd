//! What of a presigned URL's query is its signer's business: the signature, and the headers that the signer moved into
//! the query. Both are taken out before anything behind the edge sees the query.

use super::arrived::is_ours;
use super::header_rules;
use super::query::Query;
use http::{HeaderMap, HeaderName, HeaderValue};
use pocket_access::refusal::{Refusal, shortened};

/// Which signature a URL carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presigned {
    V4,
    V2,
}

impl Presigned {
    /// Whether a parameter is part of the signature.
    pub(crate) fn is_signature(self, name: &str) -> bool {
        match self {
            Self::V4 => matches!(
                name,
                "X-Amz-Algorithm"
                    | "X-Amz-Credential"
                    | "X-Amz-Date"
                    | "X-Amz-Expires"
                    | "X-Amz-SignedHeaders"
                    | "X-Amz-Signature"
                    | "X-Amz-Content-Sha256"
            ),
            Self::V2 => matches!(name, "AWSAccessKeyId" | "Signature" | "Expires"),
        }
    }

    /// Whether a parameter is a header: the SDKs for JavaScript and Go move them for SigV4, boto3 for SigV2.
    pub(crate) fn is_header(self, name: &str) -> bool {
        let lower = name.to_ascii_lowercase();
        match self {
            Self::V4 => is_ours(&lower) && !self.is_signature(name),
            Self::V2 => is_ours(&lower) || matches!(&*lower, "content-md5" | "content-type"),
        }
    }

    /// Whether a parameter is gone behind the edge.
    pub(crate) fn takes(self, name: &str) -> bool {
        self.is_signature(name) || self.is_header(name)
    }

    /// The headers among the parameters, without what they say of the body's checksum. A URL is signed before there is a
    /// body, and S3 takes no checksums from it: the SDK for JavaScript puts the CRC-32 of nothing into every URL for a
    /// PUT. A checksum that the sender of the body vouches for is a signed header.
    pub(crate) fn headers(self, query: &Query<'_>) -> Result<HeaderMap, Refusal> {
        let mut moved = self.signed_headers(query)?;
        let sums: Vec<_> =
            moved.keys().filter(|name| header_rules::is_checksum_of_body(name)).cloned().collect();
        sums.iter().for_each(|name| drop(moved.remove(name)));
        Ok(moved)
    }

    /// All headers among the parameters, as a signature covers them.
    pub(crate) fn signed_headers(self, query: &Query<'_>) -> Result<HeaderMap, Refusal> {
        let mut moved = HeaderMap::new();
        for pair in query.iter().filter(|pair| self.is_header(&pair.name)) {
            let bad = || {
                let message = format!("bad value for {:?}", shortened(&pair.name));
                Refusal::invalid(&pair.name, &pair.value, message)
            };
            let name = HeaderName::from_bytes(pair.name.as_bytes()).map_err(|_| bad())?;
            // These two have been read already, in the spelling of a presigned URL alone.
            if name == "x-amz-date" || name == "x-amz-content-sha256" {
                return Err(bad());
            }
            let value = HeaderValue::from_str(&pair.value).map_err(|_| bad())?;
            if moved.insert(name, value).is_some() {
                return Err(bad());
            }
        }
        Ok(moved)
    }
}

/// Puts moved headers back to the others. One that came in both places must have said the same.
pub(crate) fn put_back(moved: &HeaderMap, headers: &mut HeaderMap) -> Result<(), Refusal> {
    for (name, value) in moved {
        if headers.insert(name, value.clone()).is_some_and(|other| other != value) {
            let message = format!("{name} is in the headers and in the query with different values");
            return Err(Refusal::invalid(name.as_str(), String::from_utf8_lossy(value.as_bytes()), message));
        }
    }
    Ok(())
}

//! Versions as S3 names them. Buckets here are never versioned, so every object has exactly one: the null version. Pure;
//! shared by the edge, which sees version ids in queries, and by the operations, which see them in documents and copy
//! sources.

use pocket_access::refusal::{ErrorCode, Refusal};

/// S3's name for the version of an object that was written without versioning.
pub(crate) const NULL_VERSION: &str = "null";

/// Whether a version id names the version that objects have; any other would act on what the client did not mean.
pub fn check_version(version: &str) -> Result<(), Refusal> {
    match version {
        NULL_VERSION => Ok(()),
        "" => Err(Refusal::invalid("versionId", "", "version id cannot be the empty string")),
        _ => Err(Refusal::new(ErrorCode::NoSuchVersion, "the specified version does not exist")),
    }
}

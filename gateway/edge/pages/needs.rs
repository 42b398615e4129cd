//! What each operation asks for, by S3's documentation of its permissions, as a table to be read and reviewed. It is
//! printed in `docs/s3-coverage.md`, and `compat-tests/python/test_permissions.py` holds every line of it against a running
//! server: with all that it names a stranger gets through, and without any one of them is refused.

use crate::operation::Operation;
use pocket_access::action::Action;

/// One action that an operation asks for.
pub(crate) struct Need {
    pub(crate) action: Action,
    pub(crate) on: Subject,
    /// What the request has or has not. Empty: always.
    pub(crate) when: &'static str,
}

/// What the action is done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Bucket,
    /// The key that the request names: of a copy, a rename or an upload the one that is made.
    Key,
    /// What is copied or renamed.
    Source,
}

fn always(action: Action, on: Subject) -> Need {
    Need { action, on, when: "" }
}

fn when(when: &'static str, action: Action, on: Subject) -> Need {
    Need { action, on, when }
}

const PLAIN: &str = "no `versionId`";
const VERSION: &str = "`versionId`";
const ACL: &str = "`x-amz-acl` or `x-amz-grant-*`";
const TAGS: &str = "`x-amz-tagging`";
const IF_MATCH: &str = "`if-match`";

/// Everything that an operation asks for. To read a setting of a bucket is one operation at the edge, with an action for
/// each.
pub(crate) fn needs(operation: Operation) -> Vec<Need> {
    use Action as A;
    use Operation as O;
    use Subject::{Bucket, Key, Source};
    match operation {
        // S3 lets nobody but the account itself do these, and no policy of a bucket speaks of them.
        O::ListBuckets | O::CreateBucket => vec![],
        O::HeadBucket | O::ListObjects => vec![always(A::ListBucket, Bucket)],
        O::CreateSession => vec![always(A::CreateSession, Bucket)],
        O::DeleteBucket => vec![always(A::DeleteBucket, Bucket)],
        O::GetBucketLocation => vec![always(A::GetBucketLocation, Bucket)],
        O::GetBucketSetting => vec![
            when("`accelerate`", A::GetAccelerateConfiguration, Bucket),
            when("`acl`", A::GetBucketAcl, Bucket),
            when("`analytics`", A::GetAnalyticsConfiguration, Bucket),
            when("`cors`", A::GetBucketCORS, Bucket),
            when("`encryption`", A::GetEncryptionConfiguration, Bucket),
            when("`intelligent-tiering`", A::GetIntelligentTieringConfiguration, Bucket),
            when("`inventory`", A::GetInventoryConfiguration, Bucket),
            when("`lifecycle`", A::GetLifecycleConfiguration, Bucket),
            when("`logging`", A::GetBucketLogging, Bucket),
            when("`metrics`", A::GetMetricsConfiguration, Bucket),
            when("`notification`", A::GetBucketNotification, Bucket),
            when("`object-lock`", A::GetBucketObjectLockConfiguration, Bucket),
            when("`ownershipControls`", A::GetBucketOwnershipControls, Bucket),
            when("`policy`", A::GetBucketPolicy, Bucket),
            when("`policyStatus`", A::GetBucketPolicyStatus, Bucket),
            when("`publicAccessBlock`", A::GetBucketPublicAccessBlock, Bucket),
            when("`replication`", A::GetReplicationConfiguration, Bucket),
            when("`requestPayment`", A::GetBucketRequestPayment, Bucket),
            when("`tagging`", A::GetBucketTagging, Bucket),
            when("`versioning`", A::GetBucketVersioning, Bucket),
            when("`website`", A::GetBucketWebsite, Bucket),
        ],
        // Where nothing but putting is named in S3, taking away is putting nothing.
        O::PutBucketTagging | O::DeleteBucketTagging => vec![always(A::PutBucketTagging, Bucket)],
        O::PutBucketLifecycleConfiguration | O::DeleteBucketLifecycle => {
            vec![always(A::PutLifecycleConfiguration, Bucket)]
        }
        O::PutBucketAcl => vec![always(A::PutBucketAcl, Bucket)],
        O::PutBucketCors | O::DeleteBucketCors => vec![always(A::PutBucketCORS, Bucket)],
        O::PutBucketOwnershipControls | O::DeleteBucketOwnershipControls => {
            vec![always(A::PutBucketOwnershipControls, Bucket)]
        }
        O::PutBucketPolicy => vec![always(A::PutBucketPolicy, Bucket)],
        O::DeleteBucketPolicy => vec![always(A::DeleteBucketPolicy, Bucket)],
        O::PutPublicAccessBlock | O::DeletePublicAccessBlock => {
            vec![always(A::PutBucketPublicAccessBlock, Bucket)]
        }
        O::ListObjectVersions => vec![always(A::ListBucketVersions, Bucket)],
        O::ListMultipartUploads => vec![always(A::ListBucketMultipartUploads, Bucket)],

        O::GetObject => vec![
            when(PLAIN, A::GetObject, Key),
            when(VERSION, A::GetObjectVersion, Key),
            when("`x-pocket-delete-after-read`", A::DeleteObject, Key),
        ],
        O::HeadObject => vec![when(PLAIN, A::GetObject, Key), when(VERSION, A::GetObjectVersion, Key)],
        O::GetObjectAttributes => vec![
            when(PLAIN, A::GetObject, Key),
            when(PLAIN, A::GetObjectAttributes, Key),
            when(VERSION, A::GetObjectVersion, Key),
            when(VERSION, A::GetObjectVersionAttributes, Key),
        ],
        O::GetObjectAcl => {
            vec![when(PLAIN, A::GetObjectAcl, Key), when(VERSION, A::GetObjectVersionAcl, Key)]
        }
        O::PutObjectAcl => {
            vec![when(PLAIN, A::PutObjectAcl, Key), when(VERSION, A::PutObjectVersionAcl, Key)]
        }
        O::GetObjectTagging => {
            vec![when(PLAIN, A::GetObjectTagging, Key), when(VERSION, A::GetObjectVersionTagging, Key)]
        }
        O::PutObjectTagging => {
            vec![when(PLAIN, A::PutObjectTagging, Key), when(VERSION, A::PutObjectVersionTagging, Key)]
        }
        O::DeleteObjectTagging => {
            vec![when(PLAIN, A::DeleteObjectTagging, Key), when(VERSION, A::DeleteObjectVersionTagging, Key)]
        }
        // The answer to a condition tells what is there, here and below.
        O::DeleteObject => vec![
            when(PLAIN, A::DeleteObject, Key),
            when(VERSION, A::DeleteObjectVersion, Key),
            when(IF_MATCH, A::GetObject, Key),
        ],
        O::DeleteObjects => vec![
            when(PLAIN, A::DeleteObject, Key),
            when(VERSION, A::DeleteObjectVersion, Key),
            when("an `ETag` with the key", A::GetObject, Key),
        ],

        // An append is a PutObject.
        O::PutObject => vec![
            always(A::PutObject, Key),
            when(TAGS, A::PutObjectTagging, Key),
            when(ACL, A::PutObjectAcl, Key),
            when(IF_MATCH, A::GetObject, Key),
        ],
        O::PostObject => vec![
            always(A::PutObject, Key),
            when("`tagging`", A::PutObjectTagging, Key),
            when("`acl`", A::PutObjectAcl, Key),
        ],
        O::CreateMultipartUpload => vec![
            always(A::PutObject, Key),
            when(TAGS, A::PutObjectTagging, Key),
            when(ACL, A::PutObjectAcl, Key),
        ],
        O::CopyObject => vec![
            always(A::PutObject, Key),
            when(TAGS, A::PutObjectTagging, Key),
            when(ACL, A::PutObjectAcl, Key),
            when(IF_MATCH, A::GetObject, Key),
            when("no `versionId` of the source", A::GetObject, Source),
            when("`versionId` of the source", A::GetObjectVersion, Source),
            when("tags that come along", A::GetObjectTagging, Source),
        ],
        O::UploadPart => vec![always(A::PutObject, Key)],
        O::UploadPartCopy => vec![
            always(A::PutObject, Key),
            when("no `versionId` of the source", A::GetObject, Source),
            when("`versionId` of the source", A::GetObjectVersion, Source),
        ],
        O::CompleteMultipartUpload => vec![always(A::PutObject, Key), when(IF_MATCH, A::GetObject, Key)],
        O::AbortMultipartUpload => vec![always(A::AbortMultipartUpload, Key)],
        O::ListParts => vec![always(A::ListMultipartUploadParts, Key)],
        // S3 has it in directory buckets alone, where a session for reading and writing is all that it asks for. Whoever
        // may rename an object could read it, and its tags, under the key of his choice.
        O::RenameObject => vec![
            always(A::PutObject, Key),
            when("conditions on the new key", A::GetObject, Key),
            always(A::GetObject, Source),
            always(A::DeleteObject, Source),
            when("tags that come along", A::GetObjectTagging, Source),
        ],
    }
}

impl Need {
    /// A row of the page.
    pub(crate) fn shown(&self) -> [&'static str; 4] {
        let on = match self.on {
            Subject::Bucket => "bucket",
            Subject::Key => "key",
            Subject::Source => "source",
        };
        let when = if self.when.is_empty() { "always" } else { self.when };
        [when, self.action.service(), self.action.name(), on]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pocket_access::action::{ActionTarget, Actions};

    #[test]
    fn every_action_is_asked_for_by_an_operation_on_what_it_is_done_to() {
        let mut asked = Actions::NONE;
        for need in super::super::coverage::operations().into_iter().flat_map(needs) {
            asked = asked.and(need.action);
            let target = if need.on == Subject::Bucket { ActionTarget::Bucket } else { ActionTarget::Object };
            assert_eq!(need.action.target(), target, "{:?}", need.action);
        }
        assert_eq!(asked, Action::ALL.iter().copied().collect());
    }

    #[test]
    fn only_what_tenants_do_to_no_bucket_asks_for_nothing() {
        let of_tenants: Vec<_> = super::super::coverage::operations()
            .into_iter()
            .filter(|operation| needs(*operation).is_empty())
            .map(|operation| operation.name())
            .collect();
        assert_eq!(of_tenants, ["CreateBucket", "ListBuckets"]);
    }
}

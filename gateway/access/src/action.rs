//! The actions of S3, and of its Express zones, that a policy can name: those that requests here ask for, and the names of the others, which a
//! policy may hold without ever meeting them.

use super::pattern::{Steps, has_wildcard, matches};
use std::fmt;

/// What an action is done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActionTarget {
    Bucket,
    Object,
}

macro_rules! actions {
    (bucket: $($bucket:ident)*; object: $($object:ident)*;) => {
        /// An action that some request here asks for. Its name is S3's, without the service before it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Action { $($bucket,)* $($object,)* }

        impl Action {
            pub const ALL: &[Self] = &[$(Self::$bucket,)* $(Self::$object,)*];

            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$bucket => stringify!($bucket),)*
                    $(Self::$object => stringify!($object),)*
                }
            }

            pub fn target(self) -> ActionTarget {
                match self {
                    $(Self::$bucket)|* => ActionTarget::Bucket,
                    $(Self::$object)|* => ActionTarget::Object,
                }
            }
        }
    };
}

actions! {
    bucket:
        CreateSession DeleteBucket DeleteBucketPolicy GetAccelerateConfiguration GetAnalyticsConfiguration GetBucketAcl GetBucketCORS
        GetBucketLocation GetBucketLogging GetBucketNotification GetBucketObjectLockConfiguration
        GetBucketOwnershipControls GetBucketPolicy GetBucketPolicyStatus GetBucketPublicAccessBlock
        GetBucketRequestPayment GetBucketTagging GetBucketVersioning GetBucketWebsite GetEncryptionConfiguration
        GetIntelligentTieringConfiguration GetInventoryConfiguration GetLifecycleConfiguration GetMetricsConfiguration
        GetReplicationConfiguration ListBucket ListBucketMultipartUploads ListBucketVersions PutBucketAcl PutBucketCORS
        PutBucketOwnershipControls PutBucketPolicy PutBucketPublicAccessBlock PutBucketTagging
        PutLifecycleConfiguration;
    object:
        AbortMultipartUpload DeleteObject DeleteObjectTagging DeleteObjectVersion DeleteObjectVersionTagging GetObject
        GetObjectAcl GetObjectAttributes GetObjectTagging GetObjectVersion GetObjectVersionAcl
        GetObjectVersionAttributes GetObjectVersionTagging ListMultipartUploadParts PutObject PutObjectAcl
        PutObjectTagging PutObjectVersionAcl PutObjectVersionTagging;
}

impl Action {
    /// What stands before its name.
    pub fn service(self) -> &'static str {
        match self {
            Self::CreateSession => EXPRESS,
            _ => S3,
        }
    }
}

const S3: &str = "s3";
/// S3 in Express zones, where a session is opened before anything else is asked for.
const EXPRESS: &str = "s3express";

/// Actions on buckets that S3 has and nothing here asks for.
const OTHERS_OF_BUCKETS: [&str; 17] = [
    "CreateBucket",
    "CreateBucketMetadataTableConfiguration",
    "DeleteBucketMetadataTableConfiguration",
    "DeleteBucketWebsite",
    "PutAccelerateConfiguration",
    "PutAnalyticsConfiguration",
    "PutBucketLogging",
    "PutBucketNotification",
    "PutBucketObjectLockConfiguration",
    "PutBucketRequestPayment",
    "PutBucketVersioning",
    "PutBucketWebsite",
    "PutEncryptionConfiguration",
    "PutIntelligentTieringConfiguration",
    "PutInventoryConfiguration",
    "PutMetricsConfiguration",
    "PutReplicationConfiguration",
];
/// Actions on objects that S3 has and nothing here asks for.
const OTHERS_OF_OBJECTS: [&str; 14] = [
    "BypassGovernanceRetention",
    "GetObjectLegalHold",
    "GetObjectRetention",
    "GetObjectTorrent",
    "GetObjectVersionForReplication",
    "GetObjectVersionTorrent",
    "InitiateReplication",
    "ObjectOwnerOverrideToBucketOwner",
    "PutObjectLegalHold",
    "PutObjectRetention",
    "ReplicateDelete",
    "ReplicateObject",
    "ReplicateTags",
    "RestoreObject",
];

/// A set of actions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Actions(u64);

const _: () = assert!(Action::ALL.len() <= 64);

impl Actions {
    pub const NONE: Self = Self(0);

    pub const fn and(self, action: Action) -> Self {
        Self(self.0 | 1 << action as u8)
    }

    /// With `action` where it is asked for as well.
    pub fn and_if(self, asked: bool, action: Action) -> Self {
        if asked { self.and(action) } else { self }
    }

    pub fn has(self, action: Action) -> bool {
        self.0 & (1 << action as u8) != 0
    }

    pub fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// All actions but these.
    pub fn others(self) -> Self {
        Action::ALL.iter().filter(|action| !self.has(**action)).copied().collect()
    }

    pub fn iter(self) -> impl Iterator<Item = Action> {
        Action::ALL.iter().copied().filter(move |action| self.has(*action))
    }
}

impl From<Action> for Actions {
    fn from(action: Action) -> Self {
        Self::NONE.and(action)
    }
}

impl FromIterator<Action> for Actions {
    fn from_iter<I: IntoIterator<Item = Action>>(actions: I) -> Self {
        actions.into_iter().fold(Self::NONE, Self::and)
    }
}

impl fmt::Debug for Actions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// What a policy's `s3:Get*` stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// Those of them that requests here ask for.
    pub actions: Actions,
    /// Whether some of them, asked for or not, are done to buckets; to objects.
    pub of_buckets: bool,
    pub of_objects: bool,
}

/// Reads one action of a policy; `None` where S3 has none of that name. Case does not matter, as in S3.
pub(crate) fn parse(text: &str, steps: &mut Steps) -> Option<Named> {
    let (services, pattern) = match text.split_once(':') {
        None if text == "*" => (&[S3, EXPRESS][..], "*"),
        None => return None,
        Some((service, pattern)) if service.eq_ignore_ascii_case(S3) => (&[S3][..], pattern),
        Some((service, pattern)) if service.eq_ignore_ascii_case(EXPRESS) => (&[EXPRESS][..], pattern),
        Some(_) => return None,
    };
    let in_lower_case = pattern.to_ascii_lowercase();
    let mut is_named = |name: &str| match has_wildcard(pattern) {
        true => matches(&in_lower_case, &name.to_ascii_lowercase(), steps),
        false => pattern.eq_ignore_ascii_case(name),
    };
    let is_meant = |action: &Action| services.contains(&action.service()) && is_named(action.name());
    let actions: Actions = Action::ALL.iter().copied().filter(is_meant).collect();
    let of = |target| actions.iter().any(|action| action.target() == target);
    let mut is_other = |others: &[&str]| services.contains(&S3) && others.iter().any(|name| is_named(name));
    let of_buckets = of(ActionTarget::Bucket) || is_other(&OTHERS_OF_BUCKETS);
    let of_objects = of(ActionTarget::Object) || is_other(&OTHERS_OF_OBJECTS);
    (of_buckets || of_objects).then_some(Named { actions, of_buckets, of_objects })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_wildcards_find_their_actions_in_any_case() {
        let found = |text| parse(text, &mut Steps::new()).map(|named| named.actions);
        assert_eq!(found("s3:GetObject"), Some(Action::GetObject.into()));
        assert_eq!(found("S3:getobject"), Some(Action::GetObject.into()));
        assert_eq!(
            found("s3:ListBucket*"),
            Some(Actions::from_iter([
                Action::ListBucket,
                Action::ListBucketMultipartUploads,
                Action::ListBucketVersions
            ]))
        );
        let all: Actions = Action::ALL.iter().copied().collect();
        assert_eq!(found("*"), Some(all));
        assert_eq!(found("s3express:*"), Some(Action::CreateSession.into()));
        assert_eq!(found("S3Express:createsession"), found("s3express:*"));
        assert_eq!(found("s3:*"), found("s3express:*").map(Actions::others));
        assert_eq!(found("s3:RestoreObject"), Some(Actions::NONE));
        for bad in [
            "",
            "GetObject",
            "s3:",
            "s3:Foo",
            "s3:Foo*",
            "ec2:*",
            "s3:Get Object",
            "s3:CreateSession",
            "s3express:GetObject",
            "s3express",
        ] {
            assert_eq!(found(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_set_and_the_others_are_everything() {
        let some = parse("s3:Put*", &mut Steps::new()).unwrap().actions;
        assert_eq!(some.or(some.others()), Action::ALL.iter().copied().collect());
        assert!(some.iter().all(|action| !some.others().has(action)));
    }
}

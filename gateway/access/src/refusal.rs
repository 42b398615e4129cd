//! Refusals: S3's error codes with their statuses, and what an error says beside its code. The ground floor of the gateway:
//! everything else may refuse, and this imports nothing that does. It knows no header and no XML; the edge writes both.

use pocket_api::object::ObjectMeta;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::fmt::{self, Display};

/// Longest value of an element that is shown: more than the longest key, and than the canonical form of every ordinary head. A
/// longer one is left out.
const VALUE_MAX_BYTES: usize = 16 << 10;

macro_rules! codes {
    ($($name:ident $status:literal,)*) => {
        /// S3's error codes, as far as they are answered here.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode { $($name),* }

        impl ErrorCode {
            /// As it stands in an error's document.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),* }
            }

            /// S3's status of HTTP for it.
            pub fn status(self) -> u16 {
                match self { $(Self::$name => $status),* }
            }
        }

        #[cfg(test)]
        const ALL: &[ErrorCode] = &[$(ErrorCode::$name),*];
    };
}

codes! {
    AccessControlListNotSupported 400,
    AccessDenied 403,
    AccessForbidden 403,
    AuthorizationHeaderMalformed 400,
    AuthorizationQueryParametersError 400,
    BadDigest 400,
    BadRequest 400,
    BucketAlreadyExists 409,
    BucketAlreadyOwnedByYou 409,
    BucketNotEmpty 409,
    EntityTooLarge 400,
    EntityTooSmall 400,
    ExpiredToken 400,
    IdempotencyParameterMismatch 400,
    IncompleteBody 400,
    InternalError 500,
    InvalidAccessKeyId 403,
    InvalidArgument 400,
    InvalidBucketAclWithBlockPublicAccessError 400,
    InvalidBucketAclWithObjectOwnership 400,
    InvalidBucketName 400,
    InvalidDigest 400,
    InvalidLocationConstraint 400,
    InvalidObjectState 403,
    InvalidPart 400,
    InvalidPartNumber 416,
    InvalidPartOrder 400,
    InvalidPolicyDocument 400,
    InvalidRange 416,
    InvalidRequest 400,
    InvalidStorageClass 400,
    InvalidTag 400,
    InvalidToken 400,
    InvalidURI 400,
    InvalidWriteOffset 400,
    KeyTooLongError 400,
    MalformedACLError 400,
    MalformedPOSTRequest 400,
    MalformedPolicy 400,
    MalformedTrailerError 400,
    MalformedXML 400,
    MaxMessageLengthExceeded 400,
    MaxPostPreDataLengthExceededError 400,
    MetadataTooLarge 400,
    MethodNotAllowed 405,
    MissingContentLength 411,
    MissingRequestBodyError 400,
    MissingSecurityHeader 400,
    NoSuchBucket 404,
    NoSuchBucketPolicy 404,
    NoSuchCORSConfiguration 404,
    NoSuchConfiguration 404,
    NoSuchKey 404,
    NoSuchLifecycleConfiguration 404,
    NoSuchPublicAccessBlockConfiguration 404,
    NoSuchTagSet 404,
    NoSuchUpload 404,
    NoSuchVersion 404,
    NoSuchWebsiteConfiguration 404,
    NotImplemented 501,
    NotModified 304,
    ObjectLockConfigurationNotFoundError 404,
    OperationAborted 409,
    OwnershipControlsNotFoundError 404,
    PreconditionFailed 412,
    ReplicationConfigurationNotFoundError 404,
    RequestHeaderSectionTooLarge 400,
    RequestTimeTooSkewed 403,
    RequestTimeout 400,
    ServerSideEncryptionConfigurationNotFoundError 404,
    ServiceUnavailable 503,
    SignatureDoesNotMatch 403,
    SlowDown 503,
    TooManyParts 400,
    UnexpectedContent 400,
    XAmzContentSHA256Mismatch 400,
}

/// A request refused with S3's own error.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    pub code: ErrorCode,
    /// Names what is wrong; shown to the client.
    pub message: Cow<'static, str>,
    more: Option<Box<More>>,
}

/// What few errors have.
#[derive(Clone, Debug, Default, PartialEq)]
struct More {
    elements: Elements,
    said: Option<HeadNote>,
    is_of_source: bool,
}

/// Elements that an error's document has of its own (`Key`, `UploadId`, `ProposedSize`): SDKs and people read there what the
/// message does not say. Never a secret: nothing but what the client sent, and sizes, sums and times.
pub type Elements = SmallVec<[(&'static str, String); 2]>;

/// What the head of an error says.
#[derive(Clone, Debug, PartialEq)]
pub enum HeadNote {
    /// The object went with the storage server that held it.
    Lost,
    /// The object has so many bytes, and none of those that were asked for.
    Size(u64),
    /// What the client has is still the object.
    NotModified(Box<ObjectMeta>),
    /// The methods that there are for what the request is aimed at.
    Allowed(Vec<&'static str>),
}

impl Refusal {
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), more: None }
    }

    /// S3's InvalidArgument for a header, parameter or field.
    pub fn invalid(name: &str, value: impl Display, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::InvalidArgument, message).with("ArgumentName", name).with("ArgumentValue", value)
    }

    /// With one element more in the error's document.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Display) -> Self {
        let value = value.to_string();
        if value.len() <= VALUE_MAX_BYTES {
            self.more.get_or_insert_default().elements.push((name, value));
        }
        self
    }

    /// With something in the head of the error.
    #[must_use]
    pub fn saying(mut self, said: HeadNote) -> Self {
        self.more.get_or_insert_default().said = Some(said);
        self
    }

    /// It is what is copied or renamed that was refused, and not what is made of it.
    #[must_use]
    pub fn of_source(mut self) -> Self {
        self.more.get_or_insert_default().is_of_source = true;
        self
    }

    pub fn is_of_source(&self) -> bool {
        self.more.as_ref().is_some_and(|more| more.is_of_source)
    }

    pub fn elements(&self) -> &[(&'static str, String)] {
        self.more.as_ref().map_or(&[], |more| &more.elements)
    }

    pub fn has(&self, name: &str) -> bool {
        self.elements().iter().any(|(element, _)| *element == name)
    }

    pub fn said(&self) -> Option<&HeadNote> {
        self.more.as_ref()?.said.as_ref()
    }
}

impl Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.message)
    }
}

impl std::error::Error for Refusal {}

/// For error texts.
pub fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_an_error_but_the_one_that_says_that_nothing_changed() {
        for code in ALL {
            let is_error = (400..=599).contains(&code.status());
            assert_eq!(is_error, *code != ErrorCode::NotModified, "{code:?}");
        }
    }

    #[test]
    fn elements_stand_in_the_order_in_which_they_were_added_and_long_ones_are_left_out() {
        let refusal = Refusal::invalid("max-keys", -1, "no").with("Huge", "x".repeat(VALUE_MAX_BYTES + 1));
        let names: Vec<_> = refusal.elements().iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["ArgumentName", "ArgumentValue"]);
        assert!(refusal.has("ArgumentName") && !refusal.has("Huge"));
    }
}

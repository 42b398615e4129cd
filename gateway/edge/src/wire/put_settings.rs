//! PUT of the settings of buckets: a document each, and headers beside two of them.

use super::{Head, Wire, done};
use crate::acl_headers;
use crate::answer::Body;
use crate::calls::{
    PutBucketAcl, PutBucketCors, PutBucketLifecycle, PutBucketOwnershipControls, PutBucketPolicy,
    PutBucketTagging, PutPublicAccessBlock,
};
use crate::documents::lifecycle::{LifecycleRules, LifecycleTerms};
use crate::documents::{acl, cors, ownership_controls, public_access_block, tagging};
use crate::errors::s3;
use crate::metrics::Counted;
use crate::payload_stream::Unread;
use bytes::Bytes;
use http::{Response, StatusCode};
use pocket_access::refusal::{ErrorCode, Refusal};

/// Settings of which the document is all.
macro_rules! documents {
    ($($put:ident { $field:ident } by $read:path => $status:ident;)*) => {$(
        impl Wire for $put {
            type Shown = ();

            fn read(head: &mut Head<'_, '_>, body: Unread) -> Result<(Self, ()), Refusal> {
                let $field = body.document(head.operation, $read);
                Ok((Self { bucket: head.bucket()?, $field }, ()))
            }

            fn write((): (), (): ()) -> Response<Body> {
                done(StatusCode::$status, false)
            }

            fn counted((): &()) -> Counted {
                Counted::$put
            }
        }
    )*};
}

documents! {
    PutBucketCors { cors } by cors::read => OK;
    PutBucketOwnershipControls { ownership } by ownership_controls::read => OK;
    PutBucketPolicy { policy } by text => NO_CONTENT;
    PutBucketTagging { tags } by tagging::of_bucket => OK;
    PutPublicAccessBlock { block } by public_access_block::read => OK;
}

impl Wire for PutBucketAcl {
    type Shown = ();

    fn read(head: &mut Head<'_, '_>, body: Unread) -> Result<(Self, ()), Refusal> {
        let (said, sent) = (acl_headers::said(head.headers)?, body.document(head.operation, acl::read));
        Ok((Self { bucket: head.bucket()?, said, sent }, ()))
    }

    fn write((): (), (): ()) -> Response<Body> {
        done(StatusCode::OK, false)
    }

    fn counted((): &()) -> Counted {
        Counted::PutBucketAcl
    }
}

impl Wire for PutBucketLifecycle {
    type Shown = LifecycleTerms;

    fn read(head: &mut Head<'_, '_>, body: Unread) -> Result<(Self, LifecycleTerms), Refusal> {
        let terms = LifecycleTerms::read(head.headers)?;
        let rules = body.document(head.operation, LifecycleRules::read);
        Ok((Self { bucket: head.bucket()?, terms: terms.clone(), rules }, terms))
    }

    fn write((): (), terms: LifecycleTerms) -> Response<Body> {
        let mut response = done(StatusCode::OK, false);
        terms.put(response.headers_mut());
        response
    }

    fn counted(_: &LifecycleTerms) -> Counted {
        Counted::PutBucketLifecycleConfiguration
    }
}

fn text(document: Bytes) -> Result<String, Refusal> {
    String::from_utf8(document.into()).map_err(|_| s3(ErrorCode::InvalidRequest, "expected UTF-8 body"))
}

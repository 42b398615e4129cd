//! GetObjectAcl and PutObjectAcl.

use super::{Head, Wire, done};
use crate::acl_headers;
use crate::answer::Body;
use crate::calls::{GetObjectAcl, PutObjectAcl};
use crate::documents::acl;
use crate::metrics::Counted;
use crate::payload_stream::Unread;
use http::{Response, StatusCode};
use pocket_access::acl::OwnedAcl;
use pocket_access::refusal::Refusal;

impl Wire for GetObjectAcl {
    type Shown = ();

    fn read(head: &mut Head<'_, '_>, _: Unread) -> Result<(Self, ()), Refusal> {
        let of_version = head.names_version();
        Ok((Self { bucket: head.bucket()?, key: head.key()?, of_version }, ()))
    }

    fn write(list: OwnedAcl, (): ()) -> Response<Body> {
        acl::shown(&list)
    }

    fn counted((): &()) -> Counted {
        Counted::GetObjectAcl
    }
}

impl Wire for PutObjectAcl {
    type Shown = ();

    fn read(head: &mut Head<'_, '_>, body: Unread) -> Result<(Self, ()), Refusal> {
        let (said, sent) = (acl_headers::said(head.headers)?, body.document(head.operation, acl::read));
        let of_version = head.names_version();
        Ok((Self { bucket: head.bucket()?, key: head.key()?, of_version, said, sent }, ()))
    }

    fn write((): (), (): ()) -> Response<Body> {
        done(StatusCode::OK, false)
    }

    fn counted((): &()) -> Counted {
        Counted::PutObjectAcl
    }
}

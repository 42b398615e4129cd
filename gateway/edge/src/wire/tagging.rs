//! GetObjectTagging, PutObjectTagging and DeleteObjectTagging.

use super::{Head, Wire, done};
use crate::answer::Body;
use crate::calls::{DeleteObjectTagging, GetObjectTagging, PutObjectTagging};
use crate::documents::tagging;
use crate::metrics::Counted;
use crate::operation::Operation;
use crate::payload_stream::Unread;
use http::{Response, StatusCode};
use pocket_access::refusal::Refusal;
use pocket_api::object::Tags;

impl Wire for GetObjectTagging {
    type Shown = ();

    fn read(head: &mut Head<'_, '_>, _: Unread) -> Result<(Self, ()), Refusal> {
        let of_version = head.names_version();
        Ok((Self { bucket: head.bucket()?, key: head.key()?, of_version }, ()))
    }

    fn write(tags: Tags, (): ()) -> Response<Body> {
        tagging::shown(&tags)
    }

    fn counted((): &()) -> Counted {
        Counted::GetObjectTagging
    }
}

impl Wire for PutObjectTagging {
    type Shown = ();

    fn read(head: &mut Head<'_, '_>, body: Unread) -> Result<(Self, ()), Refusal> {
        let (of_version, tags) =
            (head.names_version(), body.document(Operation::PutObjectTagging, tagging::of_object));
        Ok((Self { bucket: head.bucket()?, key: head.key()?, of_version, tags }, ()))
    }

    fn write((): (), (): ()) -> Response<Body> {
        done(StatusCode::OK, false)
    }

    fn counted((): &()) -> Counted {
        Counted::PutObjectTagging
    }
}

impl Wire for DeleteObjectTagging {
    type Shown = ();

    fn read(head: &mut Head<'_, '_>, _: Unread) -> Result<(Self, ()), Refusal> {
        let of_version = head.names_version();
        Ok((Self { bucket: head.bucket()?, key: head.key()?, of_version }, ()))
    }

    fn write((): (), (): ()) -> Response<Body> {
        done(StatusCode::NO_CONTENT, false)
    }

    fn counted((): &()) -> Counted {
        Counted::DeleteObjectTagging
    }
}

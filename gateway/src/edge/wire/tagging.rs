//! GetObjectTagging, PutObjectTagging and DeleteObjectTagging.

use super::{Head, Wire, done};
use crate::calls::{DeleteObjectTagging, GetObjectTagging, PutObjectTagging};
use crate::edge::answer::Body;
use crate::edge::documents::{parsed, write};
use crate::edge::operation::Operation;
use crate::edge::payload_stream::Unread;
use crate::metrics::Operation as Counted;
use crate::refusal::Refusal;
use crate::tags::{self, Tagged};
use bytes::Bytes;
use http::{Response, StatusCode};
use pocket_api::object::Tags;
use s3s::dto;

impl Wire for GetObjectTagging {
    type Shown = ();

    fn read(head: &mut Head<'_, '_>, _: Unread) -> Result<(Self, ()), Refusal> {
        let of_version = head.names_version();
        Ok((Self { bucket: head.bucket()?, key: head.key()?, of_version }, ()))
    }

    fn write(tags: Tags, (): ()) -> Response<Body> {
        write("Tagging", &dto::Tagging { tag_set: tags::to_set(&tags) })
    }

    fn counted((): &()) -> Counted {
        Counted::GetObjectTagging
    }
}

impl Wire for PutObjectTagging {
    type Shown = ();

    fn read(head: &mut Head<'_, '_>, body: Unread) -> Result<(Self, ()), Refusal> {
        let (of_version, tags) =
            (head.names_version(), body.document(Operation::PutObjectTagging, read_tags));
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

fn read_tags(document: Bytes) -> Result<Tags, Refusal> {
    tags::from_set(parsed::<dto::Tagging>(&document)?.tag_set, Tagged::Object)
}

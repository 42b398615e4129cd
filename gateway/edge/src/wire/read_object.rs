//! GetObject, HeadObject and DeleteObject.

use super::object_requests::{read_conditions, select};
use super::shown_object::{self, ObjectShown};
use super::{Head, Wire, done};
use crate::answer::Body;
use crate::calls::{DeleteObject, GetObject, GotObject, HeadObject};
use crate::errors::not_implemented;
use crate::headers;
use crate::metrics::Counted;
use crate::payload_stream::Unread;
use http::{Response, StatusCode};
use pocket_access::refusal::Refusal;
use pocket_api::conditions::WriteCondition;
use pocket_api::metadata::{Found, Select};
use std::time::Duration;

fn wait(head: &Head<'_, '_>) -> Result<Option<Duration>, Refusal> {
    if head.came.wishes { headers::wait(head.headers) } else { Ok(None) }
}

impl Wire for GetObject {
    type Shown = ObjectShown;

    fn read(head: &mut Head<'_, '_>, _: Unread) -> Result<(Self, ObjectShown), Refusal> {
        let (headers, query) = (head.headers, head.query);
        let select = select(headers, query, head.came)?;
        let conditions = read_conditions(headers, head.came);
        let range_holds_if = match select {
            Select::Range(_) => headers::if_range(headers, &conditions)?,
            Select::Whole | Select::Part(_) => None,
        };
        let get = Self {
            bucket: head.bucket()?,
            key: head.key()?,
            conditions,
            select,
            range_holds_if,
            wait: wait(head)?,
            deletes: head.came.wishes && headers::flag(headers, "x-pocket-delete-after-read")?,
            of_version: head.names_version(),
        };
        Ok((get, ObjectShown::read(headers, query, head.came)))
    }

    fn write(got: GotObject, shown: ObjectShown) -> Response<Body> {
        let body = Body::from(got.content);
        shown_object::answer(&got.found, got.select, &shown, body)
    }

    fn counted(_: &ObjectShown) -> Counted {
        Counted::GetObject
    }
}

impl Wire for HeadObject {
    type Shown = (ObjectShown, Select);

    fn read(head: &mut Head<'_, '_>, _: Unread) -> Result<(Self, Self::Shown), Refusal> {
        let (headers, query) = (head.headers, head.query);
        let select = select(headers, query, head.came)?;
        let look = Self {
            bucket: head.bucket()?,
            key: head.key()?,
            conditions: read_conditions(headers, head.came),
            select,
            wait: wait(head)?,
            of_version: head.names_version(),
        };
        Ok((look, (ObjectShown::read(headers, query, head.came), select)))
    }

    fn write(found: Box<Found>, (shown, select): Self::Shown) -> Response<Body> {
        shown_object::answer(&found, select, &shown, Body::Empty)
    }

    fn counted(_: &Self::Shown) -> Counted {
        Counted::HeadObject
    }
}

impl Wire for DeleteObject {
    /// Whether the version was named.
    type Shown = bool;

    fn read(head: &mut Head<'_, '_>, _: Unread) -> Result<(Self, bool), Refusal> {
        let condition = match head.came.conditions {
            true => headers::write_condition(head.headers)?,
            false => WriteCondition::None,
        };
        if condition == WriteCondition::Absent {
            return Err(not_implemented("If-None-Match is not implemented for DELETE"));
        }
        let of_version = head.names_version();
        Ok((Self { bucket: head.bucket()?, key: head.key()?, condition, of_version }, of_version))
    }

    fn write((): (), names_version: bool) -> Response<Body> {
        done(StatusCode::NO_CONTENT, names_version)
    }

    fn counted(_: &bool) -> Counted {
        Counted::DeleteObject
    }
}

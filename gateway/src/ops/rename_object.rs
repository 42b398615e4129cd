//! RenameObject: an object of a bucket gets another key in one step, and stays the same object. s3s does not know the
//! operation, so it comes by the way that s3s leaves for others; the edge says which requests these are.

use super::service::tell;
use super::{Operations, ask, committed, context, object_key};
use crate::access::acl::Said;
use crate::access::action::{Action, Actions};
use crate::context::RenameRequest;
use crate::copies::of_source;
use crate::edge::percent::{self, Part};
use crate::errors::{invalid_argument, not_implemented, s3};
use crate::headers::{http_date, shortened, text};
use crate::metrics::Operation;
use crate::placements::Follow;
use crate::refusal::{ErrorCode, Refusal};
use bytes::Bytes;
use http::{Extensions, HeaderMap, Method, Uri};
use pocket_api::conditions::{ETagMatch, ReadConditions, WriteCondition};
use pocket_api::metadata::{Rename, Request};
use pocket_api::names::ObjectKey;
use s3s::route::S3Route;
use s3s::{Body, S3Request, S3Response, S3Result};
use std::sync::Arc;

/// S3's bound on `x-amz-client-token`.
const TOKEN_MAX_BYTES: usize = 64;

#[async_trait::async_trait]
impl S3Route for Operations {
    fn is_match(&self, _: &Method, _: &Uri, _: &HeaderMap, extensions: &mut Extensions) -> bool {
        extensions.get::<RenameRequest>().is_some()
    }

    /// By the edge and by [`Operations::bucket`], as for every operation.
    async fn check_access(&self, _: &mut S3Request<Body>) -> S3Result<()> {
        Ok(())
    }

    async fn call(&self, request: S3Request<Body>) -> S3Result<S3Response<Body>> {
        let context = context(&request).ok();
        let outcome = self.metrics.count(Operation::RenameObject, run(self, request)).await;
        outcome.map_err(|refusal| tell(context, refusal))
    }
}

async fn run(ops: &Operations, request: S3Request<Body>) -> Result<S3Response<Body>, Refusal> {
    let context = context(&request)?;
    let headers = &request.headers;
    let path = percent::decode(request.uri.path(), Part::Path)?;
    let (name, key) = path.trim_start_matches('/').split_once('/').unwrap_or((&path, ""));
    let (to, from) = (object_key(key)?, source(headers)?);
    let conditions = source_conditions(headers)?;
    let condition = destination_condition(headers)?;
    let token = token(headers)?;
    let owner = text(headers, "x-amz-expected-bucket-owner")?;
    // The answer to a condition tells what is there.
    let is_told = matches!(condition, WriteCondition::Meets(_));
    let writes = super::writing_by(headers, &Said::Nothing).and_if(is_told, Action::GetObject);
    let mut bucket =
        ops.bucket(ask!(request, context, writes).on(&to), &super::bucket_name(name)?, owner).await?;
    // Whoever may rename an object could read it, and its tags, under the key of his choice.
    let takes = Actions::from(Action::GetObject).and(Action::DeleteObject);
    let reads = ask!(request, context, takes).on(&from).taking_tags();
    let source = ops.bucket(reads, &super::bucket_name(name)?, owner).await?;
    bucket.ask_also(&source);
    if from == to {
        return Err(s3(ErrorCode::InvalidRequest, "An object cannot be renamed to its own key"));
    }
    let (rename, at) = (ops.writer.mint(), bucket.shard(&to));
    let make = || {
        Request::Rename(Box::new(Rename {
            rename,
            from: from.clone(),
            conditions: conditions.clone(),
            to: to.clone(),
            at,
            condition: condition.clone(),
            token: token.clone(),
        }))
    };
    let answer = ops.placements.call(&mut bucket, &from, Follow::SameShard, Bytes::new(), make).await;
    committed(answer.map_err(|error| of_source(&bucket, &from, ops.placements.shown(&bucket, error)))?)?;
    Ok(S3Response::new(Body::empty()))
}

/// The key in `x-amz-rename-source`. S3 writes it with a slash before it or without.
fn source(headers: &HeaderMap) -> Result<ObjectKey, Refusal> {
    let raw = text(headers, "x-amz-rename-source")?;
    let raw = raw.ok_or_else(|| s3(ErrorCode::InvalidRequest, "x-amz-rename-source is missing"))?;
    let raw = raw.strip_prefix('/').unwrap_or(raw);
    object_key(&percent::decode(raw, Part::Path)?)
}

fn source_conditions(headers: &HeaderMap) -> Result<ReadConditions, Refusal> {
    let tags = |name| Ok::<_, Refusal>(text(headers, name)?.map(ETagMatch::parse));
    Ok(ReadConditions {
        if_match: tags("x-amz-rename-source-if-match")?,
        if_none_match: tags("x-amz-rename-source-if-none-match")?,
        if_modified_since: http_date(headers, "x-amz-rename-source-if-modified-since")?,
        if_unmodified_since: http_date(headers, "x-amz-rename-source-if-unmodified-since")?,
    })
}

fn destination_condition(headers: &HeaderMap) -> Result<WriteCondition, Refusal> {
    let on_what_is_there = ReadConditions {
        if_match: text(headers, "if-match")?.map(ETagMatch::parse),
        if_none_match: None,
        if_modified_since: http_date(headers, "if-modified-since")?,
        if_unmodified_since: http_date(headers, "if-unmodified-since")?,
    };
    match (text(headers, "if-none-match")?, on_what_is_there.is_empty()) {
        (None, true) => Ok(WriteCondition::None),
        (None, false) => Ok(WriteCondition::Meets(Box::new(on_what_is_there))),
        (Some("*"), true) => Ok(WriteCondition::Absent),
        (Some("*"), false) => Err(not_implemented(
            "If-None-Match together with other conditions on the destination is not implemented",
        )),
        (Some(_), _) => Err(not_implemented("If-None-Match of a rename is implemented for * only")),
    }
}

fn token(headers: &HeaderMap) -> Result<Option<Arc<str>>, Refusal> {
    let Some(token) = text(headers, "x-amz-client-token")? else { return Ok(None) };
    let is_good = (1..=TOKEN_MAX_BYTES).contains(&token.len()) && token.bytes().all(|b| b.is_ascii_graphic());
    if !is_good {
        let text = format!(
            "x-amz-client-token must be 1 to {TOKEN_MAX_BYTES} characters without spaces: {:?}",
            shortened(token)
        );
        return Err(invalid_argument(text));
    }
    Ok(Some(token.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|&(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn the_source_is_a_key_with_or_without_a_slash_before_it() {
        let key = |raw| source(&map(&[("x-amz-rename-source", raw)])).map(|key| key.as_str().to_owned());
        for (raw, expected) in [
            ("a", "a"),
            ("/a", "a"),
            ("//a", "/a"),
            ("%2Fa", "/a"),
            ("a/b%20c+d", "a/b c+d"),
            ("%C3%BC%25", "ü%"),
            ("a/", "a/"),
        ] {
            assert_eq!(key(raw).unwrap(), expected, "{raw}");
        }
        for bad in ["", "/", "%zz", "%ff"] {
            assert!(key(bad).is_err(), "{bad}");
        }
        assert!(source(&HeaderMap::new()).is_err());
    }

    #[test]
    fn conditions_on_the_destination_are_held_or_refused() {
        let date = "Thu, 01 Jan 1970 00:00:02 GMT";
        let of = |pairs: &[_]| destination_condition(&map(pairs));
        assert_eq!(of(&[]).unwrap(), WriteCondition::None);
        assert_eq!(of(&[("if-none-match", "*")]).unwrap(), WriteCondition::Absent);
        let WriteCondition::Meets(held) = of(&[("if-match", "*"), ("if-unmodified-since", date)]).unwrap()
        else {
            panic!("no condition")
        };
        assert_eq!((held.if_match, held.if_unmodified_since), (Some(ETagMatch::Any), Some(2)));
        for bad in [
            &[("if-none-match", "\"x\"")][..],
            &[("if-none-match", "*"), ("if-match", "*")],
            &[("if-modified-since", "yesterday")],
        ] {
            assert!(of(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn tokens_are_bounded() {
        let of = |value| token(&map(&[("x-amz-client-token", value)]));
        assert_eq!(of("a-1").unwrap().as_deref(), Some("a-1"));
        for bad in ["", "a b", "0123456789012345678901234567890123456789012345678901234567890123x"] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }
}

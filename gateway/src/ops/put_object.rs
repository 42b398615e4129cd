//! PutObject: write the bytes, then make them visible in one step; or, with an offset, append them.

use super::append_object::{self, Wanted};
use super::{Operations, ask, committed};
use crate::errors::from_call;
use crate::writer::Source;
use pocket_access::refusal::Refusal;
use pocket_api::conditions::WriteCondition;
use pocket_api::hints::ObjectHints;
use pocket_api::limits::INLINE_MAX_BYTES;
use pocket_api::metadata::{Commit, Committed, NewMeta, Request};
use pocket_api::object::ObjectHeaders;
use pocket_edge::calls::{BodySize, Call, PutObject, Serve};

impl Serve<PutObject> for Operations {
    async fn serve(&self, mut call: Call<PutObject>) -> Result<Committed, Refusal> {
        let PutObject {
            bucket: name,
            key,
            size,
            md5,
            condition,
            headers,
            says_tags,
            acl,
            hints,
            append_at,
            body,
        } = &mut call.input;
        let asked = super::writing(*says_tags, matches!(condition, WriteCondition::Matches(_)), acl);
        let ask = ask!(call, call.context, asked)
            .on(key)
            .making_object(acl)
            .tagged(super::tags_of(headers.as_ref()));
        let expected_owner = call.expected_owner.as_str();
        let mut bucket = self.bucket_to_write(ask, name, key, expected_owner).await?;

        let (BodySize::Exactly(size_bytes) | BodySize::AtMost(size_bytes)) = *size;
        let seen = match *append_at {
            None => None,
            Some(offset) => {
                let of_creation =
                    |h: &ObjectHeaders| !h.user.is_empty() || !h.tags.is_empty() || h.storage_class.is_some();
                let describes =
                    *hints != ObjectHints::default() || headers.as_deref().is_some_and(of_creation);
                let wanted = Wanted { key, offset, size: size_bytes, condition, describes, acl };
                append_object::look(self, &mut bucket, wanted).await?
            }
        };
        let inline_max_bytes = seen.as_ref().map_or(INLINE_MAX_BYTES, append_object::inline_max_bytes);
        let connection = &call.context.connection;
        let (md5, sum) = (*md5, None);
        let source = Source { body: &mut *body, size: size_bytes, inline_max_bytes, md5, sum, connection };
        let written = match size {
            BodySize::AtMost(_) => self.writer.write_at_most(&bucket, key, source).await,
            BodySize::Exactly(_) => self.writer.write(&bucket, key, source).await,
        }?;
        let checksum = body.checksum()?;

        let answer = match seen {
            Some(seen) => append_object::commit(self, &mut bucket, key, &seen, written, checksum).await?,
            None => {
                let (write, size, etag) = (written.write, written.size, written.etag);
                let meta = NewMeta { etag, checksum, headers: headers.clone(), hints: hints.clone() };
                let appends = append_at.is_some();
                let holds = match &*condition {
                    WriteCondition::None if appends => WriteCondition::Absent,
                    condition => condition.clone(),
                };
                let make = |content| {
                    let (key, meta, condition) = (key.clone(), meta.clone(), holds.clone());
                    Request::Commit(Commit { key, write, size, content, meta, condition })
                };
                let outcome = written.commit(&self.placements, &mut bucket, key, make).await;
                outcome.map_err(|error| match appends {
                    true => append_object::of_creation(error, condition),
                    false => from_call(error),
                })?
            }
        };
        committed(answer)
    }
}

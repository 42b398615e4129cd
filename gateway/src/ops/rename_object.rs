//! RenameObject: an object of a bucket gets another key in one step, and stays the same object.

use super::{Operations, ask, committed};
use crate::copies::of_source;
use crate::errors::s3;
use crate::placements::Follow;
use bytes::Bytes;
use pocket_access::acl::Said;
use pocket_access::action::{Action, Actions};
use pocket_access::refusal::{ErrorCode, Refusal};
use pocket_api::conditions::WriteCondition;
use pocket_api::metadata::{Rename, Request};
use pocket_edge::calls::{Call, RenameObject, Serve};

impl Serve<RenameObject> for Operations {
    async fn serve(&self, call: Call<RenameObject>) -> Result<(), Refusal> {
        let RenameObject { bucket: name, from, conditions, to, condition, token } = &call.input;
        let owner = call.expected_owner.as_str();
        // The answer to a condition tells what is there.
        let is_told = matches!(condition, WriteCondition::Meets(_));
        let writes = ask!(call, call.context, super::writing(false, is_told, &Said::Nothing)).on(to);
        let mut bucket = self.bucket(writes, name, owner).await?;
        // Whoever may rename an object could read it, and its tags, under the key of his choice.
        let takes = Actions::from(Action::GetObject).and(Action::DeleteObject);
        let reads = ask!(call, call.context, takes).on(from).taking_tags();
        let source = self.bucket(reads, name, owner).await?;
        bucket.ask_also(&source);
        if from == to {
            return Err(s3(ErrorCode::InvalidRequest, "An object cannot be renamed to its own key"));
        }
        let at = bucket.shard(to);
        let make = || {
            Request::Rename(Box::new(Rename {
                // Each try has its own: what an earlier one took may be released as late as after this one.
                rename: self.writer.mint(),
                from: from.clone(),
                conditions: conditions.clone(),
                to: to.clone(),
                at,
                condition: condition.clone(),
                token: token.clone(),
            }))
        };
        let answer = self.placements.call(&mut bucket, from, Follow::SameShard, Bytes::new(), make).await;
        let answer = answer.map_err(|error| of_source(from, self.placements.shown(&bucket, error)))?;
        committed(answer).map(drop)
    }
}

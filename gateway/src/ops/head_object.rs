//! HeadObject: a lookup that touches no data and uses no read up.

use super::{Operations, ask, of_version, waiting};
use pocket_access::action::Action;
use pocket_access::refusal::Refusal;
use pocket_api::metadata::{Found, Lookup, Want};
use pocket_edge::calls::{Call, HeadObject, Serve};
use std::time::Duration;

impl Serve<HeadObject> for Operations {
    async fn serve(&self, call: Call<HeadObject>) -> Result<Box<Found>, Refusal> {
        let HeadObject { bucket: ref name, key, conditions, select, wait, of_version: named } = call.input;
        let mut lookup = Lookup { key, conditions, select, want: Want::Meta, wait: Duration::ZERO };
        let action = of_version(named, Action::GetObject, Action::GetObjectVersion);
        let ask = ask!(call, call.context, action).on(&lookup.key);
        let expected_owner = call.expected_owner.as_str();
        let mut bucket = self.bucket(ask, name, expected_owner).await?;
        lookup.wait = wait.unwrap_or_else(|| waiting::hinted(&bucket.placement.hints, &lookup));
        Ok(waiting::lookup(self, &mut bucket, &lookup, wait).await?.0)
    }
}

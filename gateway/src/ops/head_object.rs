//! HeadObject: a lookup that touches no data and uses no read up.

use super::{Operations, ask, of_version};
use pocket_access::action::Action;
use pocket_access::refusal::Refusal;
use pocket_api::metadata::{Found, Lookup, Want};
use pocket_edge::calls::{Call, HeadObject, Serve};

impl Serve<HeadObject> for Operations {
    async fn serve(&self, call: Call<HeadObject>) -> Result<Box<Found>, Refusal> {
        let HeadObject { bucket: ref name, key, conditions, select, wait, of_version: named } = call.input;
        // Clients probe by HEAD and must not hang because the job waits by default.
        let lookup = Lookup { key, conditions, select, want: Want::Meta, wait: wait.unwrap_or_default() };
        let action = of_version(named, Action::GetObject, Action::GetObjectVersion);
        let ask = ask!(call, call.context, action).on(&lookup.key);
        let expected_owner = call.expected_owner.as_str();
        let mut bucket = self.bucket(ask, name, expected_owner).await?;
        Ok(self.lookup(&mut bucket, &lookup).await?.0)
    }
}

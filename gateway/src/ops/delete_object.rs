//! DeleteObject. What is not there counts as deleted, unless there is a condition.

use super::{Operations, ask, of_version};
use pocket_access::action::{Action, Actions};
use pocket_access::refusal::Refusal;
use pocket_api::conditions::WriteCondition;
use pocket_api::metadata::Request;
use pocket_edge::calls::{Call, DeleteObject, Serve};

impl Serve<DeleteObject> for Operations {
    async fn serve(&self, call: Call<DeleteObject>) -> Result<(), Refusal> {
        let DeleteObject { bucket: name, key, condition, of_version: named } = &call.input;
        let deletes = of_version(*named, Action::DeleteObject, Action::DeleteObjectVersion);
        // The answer to a condition tells what is there.
        let asked = Actions::from(deletes).and_if(*condition != WriteCondition::None, Action::GetObject);
        let ask = ask!(call, call.context, asked).on(key);
        let mut bucket = self.bucket(ask, name, call.expected_owner.as_str()).await?;
        let make = || Request::Delete { key: key.clone(), condition: condition.clone() };
        self.call(&mut bucket, key, make).await?;
        Ok(())
    }
}

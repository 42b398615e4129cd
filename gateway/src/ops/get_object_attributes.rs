//! GetObjectAttributes: what is known of an object and of its parts, without its bytes.

use super::{Operations, ask, of_version, wrong_reply};
use crate::errors::from_call;
use pocket_access::action::{Action, Actions};
use pocket_access::refusal::Refusal;
use pocket_api::metadata::{PartsPage, Reply, Request};
use pocket_edge::calls::{Call, GetObjectAttributes, Serve};

impl Serve<GetObjectAttributes> for Operations {
    async fn serve(&self, call: Call<GetObjectAttributes>) -> Result<PartsPage, Refusal> {
        let GetObjectAttributes { bucket: name, key, after, max_parts, of_version: named } = &call.input;
        let asked = Actions::from(of_version(*named, Action::GetObject, Action::GetObjectVersion))
            .and(of_version(*named, Action::GetObjectAttributes, Action::GetObjectVersionAttributes));
        let ask = ask!(call, call.context, asked).on(key);
        let mut bucket = self.bucket(ask, name, call.expected_owner.as_str()).await?;
        let make = || Request::Parts { key: key.clone(), after: *after, max: *max_parts as u32 };
        match self.call(&mut bucket, key, make).await?.reply {
            Reply::Parts(page) => {
                self.placements.admits_found(&bucket, &page.meta).map_err(from_call)?;
                Ok(*page)
            }
            _ => Err(wrong_reply()),
        }
    }
}

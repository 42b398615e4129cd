//! CreateSession: hands out what the edge has made for a caller who may open sessions to the bucket. What is done in one is
//! judged request by request, like everything else.

use super::{Operations, ask};
use crate::errors::access_denied;
use pocket_access::action::Action;
use pocket_access::refusal::Refusal;
use pocket_edge::calls::{Call, CreateSession, Serve, SessionCredentials};

impl Serve<CreateSession> for Operations {
    async fn serve(&self, mut call: Call<CreateSession>) -> Result<Box<SessionCredentials>, Refusal> {
        let credentials = call.input.credentials.take();
        let ask = ask!(call, call.context, Action::CreateSession);
        let mut bucket = self.bucket(ask, &call.input.bucket, call.expected_owner.as_str()).await?;
        self.ping(&mut bucket).await?;
        credentials.ok_or_else(|| access_denied("Access Denied"))
    }
}

//! Ways to a gateway: straight, or with something wrong on the way.

use bytes::Bytes;
use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use parking_lot::Mutex;
use pocket_edge::context::Connection;
use pocket_gateway::gateway::Gateway;
use pocket_sim::port::S3Port;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    Nothing,
    /// Requests do not arrive, or their answers do not come back.
    LosesSome,
    /// A GET is answered as the last one like it was.
    AnswersAsBefore,
    /// A DELETE is answered and not passed on.
    DeletesNothing,
    /// So is a PUT, as the last one like it was.
    WritesNothing,
}

/// One request in so many meets what is wrong.
const ONE_IN: u32 = 20;

pub(crate) struct Way {
    to: Arc<Gateway>,
    wrong: Wrong,
    calls: AtomicU32,
    /// Successes, by method and target.
    last: Arc<Mutex<HashMap<String, Response<Bytes>>>>,
}

impl Way {
    pub(crate) fn new(to: Arc<Gateway>, wrong: Wrong) -> Self {
        Self { to, wrong, calls: AtomicU32::new(0), last: Arc::default() }
    }
}

impl S3Port for Way {
    fn call(&self, request: Request<Bytes>) -> BoxFuture<'static, Option<Response<Bytes>>> {
        let place = self.calls.fetch_add(1, Ordering::Relaxed) % ONE_IN;
        let name = format!("{} {}", request.method(), request.uri());
        let last = self.last.lock().get(&name).cloned();
        match (self.wrong, request.method()) {
            (Wrong::LosesSome, _) if place == ONE_IN / 2 => return ready(None).boxed(),
            (Wrong::LosesSome, _) if place == 0 => {
                return ask(self.to.clone(), request).map(|_| None).boxed();
            }
            (Wrong::DeletesNothing, &Method::DELETE) if place == 0 => {
                let gone = Response::builder().status(204).body(Bytes::new());
                return ready(gone.ok()).boxed();
            }
            (Wrong::AnswersAsBefore, &Method::GET) | (Wrong::WritesNothing, &Method::PUT)
                if place == 0 && last.is_some() =>
            {
                return ready(last).boxed();
            }
            _ => {}
        }
        let (answer, all) = (ask(self.to.clone(), request), self.last.clone());
        let remember = move |answer: &Option<Response<Bytes>>| {
            let success = answer.clone().filter(|answer| answer.status().is_success());
            all.lock().extend(success.map(|answer| (name, answer)));
        };
        answer.inspect(remember).boxed()
    }
}

/// Without a network between them.
async fn ask(gateway: Arc<Gateway>, request: Request<Bytes>) -> Option<Response<Bytes>> {
    let connection = Arc::<Connection>::default();
    let answer = gateway.answer(request.map(Full::new), connection.clone()).await;
    let (head, body) = answer.into_parts();
    let body = body.collect().await.ok()?.to_bytes();
    connection.flushed();
    Some(Response::from_parts(head, body))
}

//! Wishes for tests of what asks for them.

use super::action::Action;
use super::{Ask, Effect};
use crate::caller::Caller;
use crate::context::{RequestContext, RequestId};
use http::{HeaderMap, Uri};
use std::sync::{Arc, LazyLock, OnceLock};

/// Of a caller without a key, for an object.
pub(crate) fn nobodys_ask() -> Ask<'static> {
    static REQUEST: LazyLock<(RequestContext, HeaderMap, Uri)> = LazyLock::new(|| {
        let context = RequestContext {
            request_id: RequestId([b'0'; 16]),
            caller: Caller::Anonymous,
            connection: Arc::default(),
            signing: None,
            refusal: OnceLock::new(),
        };
        (context, HeaderMap::new(), Uri::from_static("/"))
    });
    let (context, headers, uri) = &*REQUEST;
    let actions = Action::GetObject.into();
    Ask { context, headers, uri, actions, keys: &[], tags: &[], effect: Effect::Other }
}

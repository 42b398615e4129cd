//! Whether this process can do its work, for `/readyz`.

use parking_lot::RwLock;
use std::borrow::Cow;
use std::sync::Arc;

/// Not ready from the start until somebody says otherwise. Clones share the state.
#[derive(Clone, Debug)]
pub(crate) struct Readiness(Arc<RwLock<Option<Cow<'static, str>>>>);

impl Readiness {
    pub(crate) fn starting() -> Self {
        Self(Arc::new(RwLock::new(Some("starting".into()))))
    }

    pub(crate) fn ready(&self) {
        *self.0.write() = None;
    }

    pub(crate) fn not_ready(&self, why: impl Into<Cow<'static, str>>) {
        *self.0.write() = Some(why.into());
    }

    /// What the process still waits for; `None` when it is ready.
    pub(crate) fn missing(&self) -> Option<Cow<'static, str>> {
        self.0.read().clone()
    }
}

//! What a store of objects should hold, as plainly as it can be said.

use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone)]
pub(crate) struct Object {
    pub(crate) body: Vec<u8>,
    /// Without quotes.
    pub(crate) etag: String,
    /// User metadata.
    pub(crate) step: Option<u64>,
}

#[derive(Default)]
pub(crate) struct Model(BTreeMap<String, Object>);

impl Model {
    pub(crate) fn put(&mut self, key: &str, body: Vec<u8>, etag: String, step: Option<u64>) {
        self.0.insert(key.to_owned(), Object { body, etag, step });
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Object> {
        self.0.get(key)
    }

    pub(crate) fn etag(&self, key: &str) -> Option<String> {
        self.0.get(key).map(|o| o.etag.clone())
    }

    pub(crate) fn delete(&mut self, key: &str) {
        self.0.remove(key);
    }
}

/// Keys and common prefixes under a prefix, in the order of their bytes.
pub(crate) fn expected_page(model: &Model, prefix: &str, delimiter: &str) -> Vec<String> {
    let names: BTreeSet<String> = model
        .0
        .keys()
        .filter_map(|key| {
            let rest = key.strip_prefix(prefix)?;
            match rest.find(delimiter) {
                Some(at) if !delimiter.is_empty() => Some(format!("{prefix}{}{delimiter}", &rest[..at])),
                _ => Some(key.clone()),
            }
        })
        .collect();
    names.into_iter().collect()
}

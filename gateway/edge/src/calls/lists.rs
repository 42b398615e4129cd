//! Lists of objects.

use super::call::Input;
use crate::listing::Page;
use pocket_api::metadata::{ListItem, ListStart};
use pocket_api::names::{BucketName, TenantName};

#[derive(Clone, Debug)]
pub struct ListObjects {
    pub bucket: BucketName,
    pub prefix: String,
    /// Never empty.
    pub delimiter: Option<String>,
    pub start: ListStart,
    /// At most [`pocket_api::limits::LIST_MAX_KEYS`].
    pub max: usize,
    pub listed_as: ListedAs,
}

/// Versions need another right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListedAs {
    Objects,
    Versions,
}

#[derive(Debug)]
pub struct ListedObjects {
    pub page: Page<ListItem>,
    /// Of the bucket and all that is in it.
    pub owner: TenantName,
}

impl Input for ListObjects {
    type Answer = ListedObjects;
}

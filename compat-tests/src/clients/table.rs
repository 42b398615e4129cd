//! All clients, in the order in which they run. A new one gets a folder, a line here, and nothing else.

use super::toolchains::python;
use super::{Client, Need, Version};

pub static CLIENTS: &[Client] = &[
    Client {
        name: "boto3",
        version: pypi("boto3=="),
        needs: &[Need::Python],
        limit_seconds: 180,
        job: python::job,
    },
    Client {
        name: "lambda",
        version: pypi("awslambdaric=="),
        needs: &[Need::Python],
        limit_seconds: 180,
        job: python::job,
    },
];

/// A package of the environment that clients in Python share; `after` ends with `==`.
const fn pypi(after: &'static str) -> Version {
    Version::Pinned { file: "python/requirements.txt", after }
}

/// The client of this name.
pub fn find(name: &str) -> Option<&'static Client> {
    CLIENTS.iter().find(|client| client.name == name)
}

//! The control and usage seams over gRPC: few calls, each worth more than its microseconds. The messages are those of
//! `proto/control.proto`; nothing outside of this folder sees them.

mod client;
mod failure;
#[cfg(test)]
pub(crate) mod fuzz;
mod jobs;
mod lines;
mod nodes;
mod server;

pub use client::RemoteControl;
pub use server::serve_control;

#[cfg(test)]
pub(crate) use jobs::tests::{full_hints, full_settings};

use std::time::Duration;

/// How long a call may take. Ending a job is the longest; the controller's own deadline for it is shorter.
const CONTROL_DEADLINE: Duration = Duration::from_secs(10);

/// Longest message: the jobs and nodes of `pocket status`, 300 bytes each, for 100,000 of them.
const CONTROL_MESSAGE_MAX_BYTES: usize = 32 << 20;

/// The generated messages and stubs.
#[allow(unreachable_pub, unused_qualifications, clippy::all)]
mod proto {
    tonic::include_proto!("pocket.control.v1");
}

/// A message of the peer that does not say what it must.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed message: {0}")]
pub struct Malformed(String);

impl Malformed {
    fn missing(field: &str) -> Self {
        Self(format!("{field} is missing"))
    }
}

impl From<Duration> for proto::Duration {
    fn from(d: Duration) -> Self {
        Self { seconds: d.as_secs(), nanos: d.subsec_nanos() }
    }
}

impl TryFrom<proto::Duration> for Duration {
    type Error = Malformed;

    fn try_from(d: proto::Duration) -> Result<Self, Malformed> {
        if d.nanos >= 1_000_000_000 {
            return Err(Malformed(format!("{} nanoseconds are more than a second", d.nanos)));
        }
        Ok(Duration::new(d.seconds, d.nanos))
    }
}

/// An optional field of a message, converted.
fn optional<P, T: TryFrom<P>>(field: Option<P>) -> Result<Option<T>, T::Error> {
    field.map(T::try_from).transpose()
}

/// A field that must be there, converted.
fn required<P, T: TryFrom<P, Error = Malformed>>(field: Option<P>, name: &str) -> Result<T, Malformed> {
    field.ok_or_else(|| Malformed::missing(name))?.try_into()
}

/// A repeated field, converted.
fn all<P, T: TryFrom<P>>(items: Vec<P>) -> Result<Vec<T>, T::Error> {
    items.into_iter().map(T::try_from).collect()
}

/// A repeated field, the way out.
fn each<T, P: From<T>>(items: Vec<T>) -> Vec<P> {
    items.into_iter().map(P::from).collect()
}

//! The seam's errors as gRPC statuses and back. The code is for people and tools; what the caller acts on travels in
//! the details, so that every error arrives as what it was.

use super::{Malformed, proto};
use pocket_api::control::ControlError;
use pocket_api::names::TenantName;
use prost::Message;
use proto::control_failure::Kind;
use tonic::{Code, Status};

pub(super) fn status_of(error: ControlError) -> Status {
    let (code, kind) = match &error {
        ControlError::NoSuchBucket => (Code::NotFound, Kind::NoSuchBucket),
        ControlError::BucketExists { .. } => (Code::AlreadyExists, Kind::BucketExists),
        ControlError::WrongTenant => (Code::PermissionDenied, Kind::WrongTenant),
        ControlError::NotEmpty => (Code::FailedPrecondition, Kind::NotEmpty),
        ControlError::NotAMember => (Code::FailedPrecondition, Kind::NotAMember),
        ControlError::Stale => (Code::Aborted, Kind::Stale),
        ControlError::Conflict => (Code::Aborted, Kind::Conflict),
        ControlError::Refused(_) => (Code::InvalidArgument, Kind::Refused),
        ControlError::Unavailable(_) => (Code::Unavailable, Kind::Unavailable),
    };
    let message = error.to_string();
    let mut failure = proto::ControlFailure { kind: kind.into(), ..Default::default() };
    match error {
        ControlError::BucketExists { tenant } => failure.tenant = tenant.into(),
        ControlError::Unavailable(reason) | ControlError::Refused(reason) => failure.reason = reason,
        _ => {}
    }
    Status::with_details(code, message, failure.encode_to_vec().into())
}

/// A status without details, or with some that make no sense, is the transport's or another program's: the caller
/// learns that the controller is not available.
pub(super) fn error_of(status: &Status) -> ControlError {
    let unavailable = |text: &str| ControlError::Unavailable(format!("{}: {text}", status.code()));
    let Ok(failure) = proto::ControlFailure::decode(status.details()) else {
        return unavailable(status.message());
    };
    match failure.kind() {
        Kind::Unknown => unavailable(&text_of(status)),
        Kind::NoSuchBucket => ControlError::NoSuchBucket,
        Kind::BucketExists => match TenantName::parse(&failure.tenant) {
            Ok(tenant) => ControlError::BucketExists { tenant },
            Err(e) => unavailable(&e.to_string()),
        },
        Kind::WrongTenant => ControlError::WrongTenant,
        Kind::NotEmpty => ControlError::NotEmpty,
        Kind::NotAMember => ControlError::NotAMember,
        Kind::Stale => ControlError::Stale,
        Kind::Conflict => ControlError::Conflict,
        Kind::Refused => ControlError::Refused(failure.reason),
        Kind::Unavailable => ControlError::Unavailable(failure.reason),
    }
}

/// The transport's message with its causes, which say more.
fn text_of(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut source = std::error::Error::source(status);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

impl From<Malformed> for Status {
    fn from(e: Malformed) -> Self {
        Status::invalid_argument(e.to_string())
    }
}

impl From<Malformed> for ControlError {
    fn from(e: Malformed) -> Self {
        ControlError::Unavailable(e.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_arrives_as_what_it_was() {
        for error in [
            ControlError::NoSuchBucket,
            ControlError::BucketExists { tenant: TenantName::parse("someone").unwrap() },
            ControlError::WrongTenant,
            ControlError::NotEmpty,
            ControlError::NotAMember,
            ControlError::Stale,
            ControlError::Conflict,
            ControlError::Refused("another address".into()),
            ControlError::Unavailable("shard n7 did not answer".into()),
            ControlError::Unavailable(String::new()),
        ] {
            assert_eq!(error_of(&status_of(error.clone())), error);
        }
    }

    #[test]
    fn what_does_not_come_from_the_controller_is_unavailable() {
        let plain = error_of(&Status::internal("h2 protocol error"));
        assert!(matches!(&plain, ControlError::Unavailable(text) if text.contains("h2 protocol error")));
        let garbage = Status::with_details(Code::NotFound, "odd", vec![0xff; 9].into());
        assert!(matches!(error_of(&garbage), ControlError::Unavailable(_)));
    }
}

//! Fuzz target for upload ids, which come back from clients.

use crate::state::upload_id::{UploadIds, claimed_number};
use pocket_api::ids::JobId;
use pocket_api::metadata::UploadId;
use pocket_fuzz::{Mutant, Mutants, check};

const JOB: JobId = JobId(7);

#[test]
fn no_upload_id_is_taken_that_was_not_issued() {
    let ids = UploadIds::new([7; 32]);
    let issued: Vec<String> =
        [0, 1, 42, u64::MAX].map(|number| ids.issue(JOB, "key", number).to_string()).to_vec();
    let other = ids.issue(JOB, "other", 42).to_string();
    let seeds = Mutants::of(issued.iter().chain([&other]).cloned());
    check!(20_000, seeds, |mutant: &Mutant| {
        let text = mutant.text();
        let read = ids.read(JOB, "key", &UploadId(text.as_str().into()));
        assert_eq!(read.is_some(), issued.contains(&text), "{text:?}");
        assert!(read.is_none() || read == claimed_number(&text), "{text:?}");
    });
}

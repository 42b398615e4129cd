//! boto3 and aws-cli, as people install them, against one process and against a cluster of processes. The suites are
//! in `python/`, to be read as a specification.

use pocket_compat_tests::python::run_suite;
use pocket_compat_tests::server::Server;

const BUCKETS_AND_OBJECTS: &[&str] =
    &["test_buckets.py", "test_objects.py", "test_conditions.py", "test_checksums.py", "test_signing.py"];
const FORMS_AND_SESSIONS: &[&str] = &["test_post_forms.py", "test_sessions.py", "test_habits.py"];
const LISTS_AND_MULTIPART: &[&str] = &["test_lists.py", "test_versions.py", "test_multipart.py"];
/// Each promise of the interface once, for all that it is promised of.
const SEMANTICS: &[&str] = &[
    "test_list_parameters.py",
    "test_copies.py",
    "test_errors.py",
    "test_error_details.py",
    "test_metadata.py",
    "test_deletes.py",
    "test_lenient.py",
];
const TAGS: &[&str] = &["test_tagging.py", "test_bucket_tagging.py"];
const LIFECYCLE: &[&str] = &["test_lifecycle.py"];
const ACCESS: &[&str] = &["test_access.py", "test_acl.py", "test_permissions.py", "test_cors.py"];
const OTHER_WRITES: &[&str] = &["test_append.py", "test_part_checksums.py"];

#[test]
fn boto3_buckets_and_objects_in_one_process() {
    run_suite(BUCKETS_AND_OBJECTS, &Server::embedded());
}

#[test]
fn boto3_buckets_and_objects_in_a_cluster() {
    run_suite(BUCKETS_AND_OBJECTS, &Server::cluster());
}

#[test]
fn boto3_in_tls() {
    run_suite(&["test_tls.py"], &Server::serve_secure("64MiB", ""));
}

#[test]
fn boto3_renames_in_one_process() {
    run_suite(&["test_rename.py"], &Server::embedded());
}

#[test]
fn boto3_renames_in_a_cluster() {
    run_suite(&["test_rename.py"], &Server::cluster());
}

#[test]
fn boto3_lists_and_multipart_in_one_process() {
    run_suite(LISTS_AND_MULTIPART, &Server::embedded());
}

#[test]
fn boto3_lists_and_multipart_in_a_cluster() {
    run_suite(LISTS_AND_MULTIPART, &Server::cluster());
}

#[test]
fn boto3_jobs_in_one_process() {
    run_suite(&["test_jobs.py"], &Server::embedded());
}

#[test]
fn boto3_jobs_in_a_cluster() {
    run_suite(&["test_jobs.py"], &Server::cluster());
}

#[test]
fn boto3_semantics_in_one_process() {
    run_suite(SEMANTICS, &Server::embedded());
}

#[test]
fn boto3_semantics_in_a_cluster() {
    run_suite(SEMANTICS, &Server::cluster());
}

#[test]
fn boto3_tags_in_one_process() {
    run_suite(TAGS, &Server::embedded());
}

#[test]
fn boto3_tags_in_a_cluster() {
    run_suite(TAGS, &Server::cluster());
}

#[test]
fn boto3_lifecycle_in_one_process() {
    run_suite(LIFECYCLE, &Server::embedded());
}

#[test]
fn boto3_lifecycle_in_a_cluster() {
    run_suite(LIFECYCLE, &Server::cluster());
}

#[test]
fn boto3_other_writes_in_one_process() {
    run_suite(OTHER_WRITES, &Server::embedded());
}

#[test]
fn boto3_other_writes_in_a_cluster() {
    run_suite(OTHER_WRITES, &Server::cluster());
}

#[test]
fn random_calls_are_answered_as_a_mock_of_aws_answers_them_or_the_difference_is_explained() {
    run_suite(&["test_differential.py"], &Server::embedded());
}

#[test]
fn boto3_access_in_one_process() {
    run_suite(ACCESS, &Server::embedded());
}

#[test]
fn boto3_access_in_a_cluster() {
    run_suite(ACCESS, &Server::cluster());
}

#[test]
fn aws_cli_in_one_process() {
    run_suite(&["test_awscli.py"], &Server::embedded());
}

#[test]
fn aws_cli_in_a_cluster() {
    run_suite(&["test_awscli.py"], &Server::cluster());
}

#[test]
fn boto3_forms_and_sessions_in_one_process() {
    run_suite(FORMS_AND_SESSIONS, &Server::embedded());
}

#[test]
fn boto3_forms_and_sessions_in_a_cluster() {
    run_suite(FORMS_AND_SESSIONS, &Server::cluster());
}

"""What S3 reads in more forms than one, or passes over, and what it takes for itself. Sent as clients send it that are not the
SDKs; some of it no SDK can send."""

from email.header import decode_header, make_header

import pytest
from conftest import error_of, new_name

# Before and after anything here, in the three forms of HTTP's dates.
LONG_AGO = ["Fri, 01 Jan 1960 00:00:00 GMT", "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
TO_COME = ["Fri, 01 Jan 2100 00:00:00 GMT", "Fri Jan  1 00:00:00 2100"]
NO_DATES = ["yesterday", "0", "2100-01-01T00:00:00Z", "Fri, 32 Jan 2100 00:00:00 GMT"]


@pytest.fixture
def path(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"body")
    return f"/{bucket}/k"


@pytest.mark.parametrize("date", LONG_AGO + TO_COME + NO_DATES)
def test_dates_of_conditions_are_read_in_all_forms_and_what_is_none_is_no_condition(signed, path, date):
    modified = 304 if date in TO_COME else 200
    unmodified = 412 if date in LONG_AGO else 200
    for method in ["GET", "HEAD"]:
        assert signed(method, path, If_Modified_Since=date).status_code == modified
        assert signed(method, path, If_Unmodified_Since=date).status_code == unmodified
    copy = {"x_amz_copy_source": path}
    since = signed("PUT", path + "2", x_amz_copy_source_if_modified_since=date, **copy)
    assert since.status_code == (412 if date in TO_COME else 200), since.text
    until = signed("PUT", path + "2", x_amz_copy_source_if_unmodified_since=date, **copy)
    assert until.status_code == unmodified, until.text


def test_metadata_may_be_many_small_things_and_have_tabs_in_it(signed, s3, bucket):
    # Python reads no more than 100 headers of an answer.
    metadata = {f"m{number}": "v" for number in range(85)}
    s3.put_object(Bucket=bucket, Key="many", Body=b"", Metadata=metadata)
    assert s3.head_object(Bucket=bucket, Key="many")["Metadata"] == metadata
    assert signed("PUT", f"/{bucket}/tab", x_amz_meta_note="one\ttwo").status_code == 200
    note = s3.head_object(Bucket=bucket, Key="tab")["Metadata"]["note"]
    assert str(make_header(decode_header(note))) == "one\ttwo"


def test_an_algorithm_without_its_sum_and_one_that_nobody_knows_are_refused(signed, s3, bucket):
    for algorithm in ["CRC32", "SHA256", "CRC31"]:
        refused = signed("PUT", f"/{bucket}/k", b"body", x_amz_sdk_checksum_algorithm=algorithm)
        assert refused.status_code == 400, (algorithm, refused.text)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_headers_that_nobody_knows_are_passed_over_unless_they_would_change_what_happens(signed, bucket):
    path = f"/{bucket}/k"
    assert signed("PUT", path, b"body", x_amz_foo="bar").status_code == 200
    assert signed("PUT", path, b"body", x_amz_request_payer="requester").status_code == 200
    for header in ["x_amz_write_gently", "x_amz_grant_everything", "x_amz_checksum_crc31", "x_amz_object_lock_mode"]:
        assert signed("PUT", path, b"body", **{header: "x"}).status_code in (400, 501), header


@pytest.mark.parametrize("kind", ["1", "3", ""])
def test_a_list_of_another_type_is_one_of_the_first_version(signed, path, bucket, kind):
    listed = signed("GET", f"/{bucket}?list-type={kind}")
    assert listed.status_code == 200 and "<Marker" in listed.text and "<KeyCount>" not in listed.text


@pytest.mark.parametrize("host", ["localhost", "s3.localhost"])
def test_a_bucket_may_be_named_by_the_host(signed, path, bucket, host):
    answer = signed("GET", "/k", Host=f"{bucket}.{host}")
    assert (answer.status_code, answer.content) == (200, b"body")


@pytest.mark.parametrize(
    "name", ["xn--bucket", "sthree-bucket", "amzn-s3-demo-bucket", "bucket-s3alias", "bucket--ol-s3", "bucket.mrap"]
)
def test_names_that_s3_keeps_for_itself_are_no_buckets(s3, name):
    assert error_of(s3.create_bucket, Bucket=name) == (400, "InvalidBucketName")


def test_a_bucket_of_a_name_like_those_is_one(s3):
    name = new_name("mrap-xn")
    s3.create_bucket(Bucket=name)
    s3.delete_bucket(Bucket=name)

"""Buckets: creation, ownership, names, listing, deletion."""

import pytest
from conftest import ENDPOINTS, REGION, end_job, error_of, headers, make_client, new_name


def test_a_bucket_lives_from_create_to_delete(s3, other_gateway):
    name = new_name()
    s3.create_bucket(Bucket=name)
    assert name in [b["Name"] for b in other_gateway.list_buckets()["Buckets"]]
    assert other_gateway.head_bucket(Bucket=name)["ResponseMetadata"]["HTTPStatusCode"] == 200
    other_gateway.delete_bucket(Bucket=name)
    assert error_of(s3.head_bucket, Bucket=name) == (404, "404")
    assert name not in [b["Name"] for b in s3.list_buckets()["Buckets"]]


def test_head_bucket_tells_the_region(s3, bucket):
    assert s3.head_bucket(Bucket=bucket)["BucketRegion"] == REGION


def test_location_of_us_east_1_is_null(s3, bucket):
    expected = None if REGION == "us-east-1" else REGION
    assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] == expected


def test_creating_an_own_bucket_again_is_fine_in_us_east_1(s3, bucket):
    s3.create_bucket(Bucket=bucket)


def test_a_foreign_location_is_refused(s3):
    name = new_name()
    place = {"LocationConstraint": "mars-north-1"}
    assert error_of(s3.create_bucket, Bucket=name, CreateBucketConfiguration=place)[0] == 400
    assert error_of(s3.head_bucket, Bucket=name) == (404, "404")


def test_a_bucket_with_an_object_is_not_deleted(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert error_of(s3.delete_bucket, Bucket=bucket) == (409, "BucketNotEmpty")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    s3.delete_object(Bucket=bucket, Key="k")
    s3.delete_bucket(Bucket=bucket)


def test_force_delete_ends_the_job_and_frees_the_name(s3, other_gateway):
    name = new_name()
    s3.create_bucket(Bucket=name)
    for i in range(5):
        s3.put_object(Bucket=name, Key=f"k{i}", Body=b"x" * 100_000)
    end_job(other_gateway, name)
    assert error_of(s3.get_object, Bucket=name, Key="k0") == (404, "NoSuchBucket")
    assert error_of(s3.list_objects_v2, Bucket=name) == (404, "NoSuchBucket")
    s3.create_bucket(Bucket=name)
    assert s3.list_objects_v2(Bucket=name)["KeyCount"] == 0
    assert error_of(s3.get_object, Bucket=name, Key="k0") == (404, "NoSuchKey")
    s3.delete_bucket(Bucket=name)


@pytest.mark.parametrize("bad", ["UPPER-case", "under_score", "a..b", "192.168.1.1", "-dash"])
def test_bad_bucket_names_are_refused(bad):
    client = make_client(ENDPOINTS[0])
    client.meta.events.unregister("before-parameter-build.s3", None)
    status, code = error_of(client.create_bucket, Bucket=bad)
    assert (status, code) == (400, "InvalidBucketName")


def test_what_is_not_configured_is_said_in_s3s_words(s3, bucket):
    expected = {
        s3.get_bucket_cors: "NoSuchCORSConfiguration",
        s3.get_bucket_lifecycle_configuration: "NoSuchLifecycleConfiguration",
        s3.get_bucket_policy: "NoSuchBucketPolicy",
        s3.get_bucket_tagging: "NoSuchTagSet",
        s3.get_bucket_website: "NoSuchWebsiteConfiguration",
        s3.get_bucket_replication: "ReplicationConfigurationNotFoundError",
        s3.get_object_lock_configuration: "ObjectLockConfigurationNotFoundError",
        s3.get_bucket_policy_status: "NoSuchBucketPolicy",
    }
    for call, code in expected.items():
        assert error_of(call, Bucket=bucket) == (404, code)
    for kind in ["analytics", "inventory", "metrics", "intelligent_tiering"]:
        named = getattr(s3, f"get_bucket_{kind}_configuration")
        assert error_of(named, Bucket=bucket, Id="x") == (404, "NoSuchConfiguration")
        listed = getattr(s3, f"list_bucket_{kind}_configurations")(Bucket=bucket)
        assert listed["IsTruncated"] is False and not [k for k in listed if k.endswith("List")]
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)


def test_the_wrong_expected_owner_is_refused_and_nothing_changes(s3, bucket):
    wrong = {"Bucket": bucket, "ExpectedBucketOwner": "123456789012"}
    assert error_of(s3.put_object, Key="k", Body=b"x", **wrong) == (403, "AccessDenied")
    assert error_of(s3.list_objects_v2, **wrong) == (403, "AccessDenied")
    assert error_of(s3.delete_bucket, **wrong) == (403, "AccessDenied")
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_no_bucket_no_service(s3):
    name = new_name()
    assert error_of(s3.put_object, Bucket=name, Key="k", Body=b"x") == (404, "NoSuchBucket")
    assert error_of(s3.list_objects_v2, Bucket=name) == (404, "NoSuchBucket")
    assert error_of(s3.delete_bucket, Bucket=name) == (404, "NoSuchBucket")
    assert error_of(s3.create_multipart_upload, Bucket=name, Key="k") == (404, "NoSuchBucket")


def test_unknown_configuration_calls_change_nothing(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert error_of(s3.delete_bucket_analytics_configuration, Bucket=bucket, Id="x")[0] in (400, 404, 501)
    assert error_of(s3.restore_object, Bucket=bucket, Key="k", RestoreRequest={"Days": 1})[0] == 501
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


def test_hints_that_are_wrong_register_nothing(s3):
    for hint, value, expected in [
        ("x_pocket_ttl", "5 fortnights", (400, "InvalidArgument")),
        ("x_pocket_workers", "0", (400, "InvalidArgument")),
        ("x_pocket_colour", "red", (400, "InvalidArgument")),
        ("x_pocket_replicas", "3", (501, "NotImplemented")),
        ("x_pocket_tier", "hdd", (501, "NotImplemented")),
    ]:
        name = new_name()
        with headers(s3, **{hint: value}):
            assert error_of(s3.create_bucket, Bucket=name) == expected, hint
        assert error_of(s3.head_bucket, Bucket=name) == (404, "404")


def test_granted_hints_come_back(s3, make_bucket):
    name = make_bucket(ttl="10m", workers="4", wait="2s", reads="3")
    shown = s3.head_bucket(Bucket=name)["ResponseMetadata"]["HTTPHeaders"]
    assert shown["x-pocket-ttl"] == "10m"
    assert shown["x-pocket-workers"] == "4"
    assert shown["x-pocket-wait"] == "2s"
    assert shown["x-pocket-reads"] == "3"
    assert "x-pocket-capacity" not in shown
    assert int(shown["x-pocket-derived-capacity"]) > int(shown["x-pocket-servers-capacity"]) > 0
    assert int(shown["x-pocket-derived-throughput"]) == 4 * 75_000_000


def test_hints_may_come_as_tags(s3):
    name = new_name()
    tags = lambda **given: {"Tags": [{"Key": f"pocket:{k}", "Value": v} for k, v in given.items()]}  # noqa: E731
    bad = error_of(s3.create_bucket, Bucket=name, CreateBucketConfiguration=tags(ttl="soon"))
    assert bad == (400, "InvalidArgument")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration=tags(ttl="10m", reads="2"))
    shown = s3.head_bucket(Bucket=name)["ResponseMetadata"]["HTTPHeaders"]
    assert (shown["x-pocket-ttl"], shown["x-pocket-reads"]) == ("10m", "2")
    s3.delete_bucket(Bucket=name)

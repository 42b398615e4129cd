"""Versions: buckets are never versioned, so every object is its own null version, and no other version exists."""

import pytest
from conftest import error_of, make_client

STRANGE = "3HL4kqtJvjVBH40Nrjfkd"


@pytest.fixture
def filled(s3, bucket):
    for key in ["a", "dir/1", "dir/2", "z"]:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    return bucket


def test_every_object_is_listed_as_its_latest_version(s3, other_gateway, filled):
    listed = other_gateway.list_object_versions(Bucket=filled)
    assert [v["Key"] for v in listed["Versions"]] == ["a", "dir/1", "dir/2", "z"]
    assert all(v["VersionId"] == "null" and v["IsLatest"] for v in listed["Versions"])
    assert "DeleteMarkers" not in listed and not listed["IsTruncated"]
    objects = s3.list_objects_v2(Bucket=filled)["Contents"]
    same = ["Key", "ETag", "Size", "LastModified", "StorageClass"]
    assert [[v[f] for f in same] for v in listed["Versions"]] == [[o[f] for f in same] for o in objects]


def test_pages_of_versions_join(s3, filled):
    for size in [1, 2, 3]:
        pages = s3.get_paginator("list_object_versions").paginate(
            Bucket=filled, Delimiter="/", PaginationConfig={"PageSize": size}
        )
        found = [item for page in pages for item in page.get("Versions", []) + page.get("CommonPrefixes", [])]
        assert sorted(i.get("Key") or i["Prefix"] for i in found) == ["a", "dir/", "z"]
    some = s3.list_object_versions(Bucket=filled, Prefix="dir/", KeyMarker="dir/1", VersionIdMarker="null")
    assert [v["Key"] for v in some["Versions"]] == ["dir/2"]
    refused = error_of(s3.list_object_versions, Bucket=filled, VersionIdMarker="null")
    assert refused == (400, "InvalidArgument")


def test_the_null_version_can_be_read_copied_and_deleted(s3, filled):
    where = {"Bucket": filled, "Key": "a"}
    null = {**where, "VersionId": "null"}
    got = s3.get_object(**null)
    assert got["Body"].read() == b"a" and got["VersionId"] == "null"
    assert s3.head_object(**null)["ContentLength"] == 1
    assert s3.get_object_attributes(**null, ObjectAttributes=["ObjectSize"])["ObjectSize"] == 1
    s3.copy_object(Bucket=filled, Key="b", CopySource={**null})
    assert s3.get_object(Bucket=filled, Key="b")["Body"].read() == b"a"
    s3.delete_object(**null)
    assert error_of(s3.head_object, **where) == (404, "404")


def test_another_version_does_not_exist_and_nothing_is_deleted_for_it(s3, filled):
    where = {"Bucket": filled, "Key": "a", "VersionId": STRANGE}
    assert error_of(s3.get_object, **where) == (404, "NoSuchVersion")
    assert error_of(s3.head_object, **where)[0] == 404
    assert error_of(s3.delete_object, **where) == (404, "NoSuchVersion")
    assert error_of(s3.get_object_attributes, **where, ObjectAttributes=["ETag"]) == (404, "NoSuchVersion")
    copied = error_of(s3.copy_object, Bucket=filled, Key="b", CopySource=where)
    assert copied == (404, "NoSuchVersion")
    named = [{"Key": "a", "VersionId": STRANGE}, {"Key": "z", "VersionId": "null"}]
    answer = s3.delete_objects(Bucket=filled, Delete={"Objects": named})
    assert [(e["Key"], e["Code"], e["VersionId"]) for e in answer["Errors"]] == [("a", "NoSuchVersion", STRANGE)]
    assert answer["Deleted"] == [{"Key": "z", "VersionId": "null"}]
    assert s3.get_object(Bucket=filled, Key="a")["Body"].read() == b"a"


def test_a_bucket_is_cleaned_up_by_its_versions(s3, filled):
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=filled):
        named = [{"Key": v["Key"], "VersionId": v["VersionId"]} for v in page["Versions"]]
        s3.delete_objects(Bucket=filled, Delete={"Objects": named, "Quiet": True})
    assert "Contents" not in s3.list_objects_v2(Bucket=filled)
    assert "Versions" not in s3.list_object_versions(Bucket=filled)


def test_the_resource_deletes_all_versions(s3, filled):
    import boto3
    from conftest import ENDPOINTS, REGION

    resource = boto3.resource("s3", endpoint_url=ENDPOINTS[0], region_name=REGION)
    resource.Bucket(filled).object_versions.delete()
    assert "Contents" not in make_client().list_objects_v2(Bucket=filled)


def test_putting_versioning_says_what_to_do_instead(s3, bucket):
    for status in ["Enabled", "Suspended"]:
        with pytest.raises(s3.exceptions.ClientError) as refused:
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})
        error = refused.value.response["Error"]
        assert error["Code"] == "NotImplemented"
        assert "leave PutBucketVersioning out" in error["Message"]

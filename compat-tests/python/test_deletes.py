"""Deletion of objects and buckets."""

import pytest
from conftest import content, error_of, new_name

SIZES = [0, 7, 16 * 1024 + 1, 2_500_000]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("how", ["one", "many", "version"])
def test_what_was_deleted_is_gone_for_every_gateway(s3, other_gateway, bucket, size, how):
    where = {"Bucket": bucket, "Key": "k"}
    s3.put_object(**where, Body=content(size))
    if how == "one":
        s3.delete_object(**where)
    elif how == "many":
        s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k"}]})
    else:
        s3.delete_object(**where, VersionId="null")
    assert error_of(other_gateway.get_object, **where) == (404, "NoSuchKey")
    assert error_of(other_gateway.head_object, **where) == (404, "404")
    assert error_of(other_gateway.get_object_tagging, **where) == (404, "NoSuchKey")
    attributes = {"ObjectAttributes": ["ObjectSize"]}
    assert error_of(other_gateway.get_object_attributes, **where, **attributes) == (404, "NoSuchKey")
    assert other_gateway.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    assert "Versions" not in other_gateway.list_object_versions(Bucket=bucket)


@pytest.mark.parametrize("quiet", [True, False])
@pytest.mark.parametrize("count", [1, 2, 999, 1000])
def test_bulk_deletes_of_any_size(s3, other_gateway, bucket, quiet, count):
    keys = [f"k {i:04}/ü" for i in range(count)]
    for key in keys[:3]:
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    s3.put_object(Bucket=bucket, Key="kept", Body=b"x")
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys], "Quiet": quiet})
    assert [d["Key"] for d in answer.get("Deleted", [])] == ([] if quiet else keys)
    assert "Errors" not in answer
    assert [entry["Key"] for entry in other_gateway.list_objects_v2(Bucket=bucket)["Contents"]] == ["kept"]


def test_a_key_named_twice_is_deleted_once_and_said_twice(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k"}, {"Key": "k"}]})
    assert {d["Key"] for d in answer["Deleted"]} == {"k"} and "Errors" not in answer
    assert error_of(s3.head_object, Bucket=bucket, Key="k")[0] == 404


@pytest.mark.parametrize("key", ["a", "a/", "a/b", "a//b", "a b+c%", "ü"])
def test_only_the_key_itself_is_deleted(s3, bucket, key):
    others = [k for k in ["a", "a/", "a/b", "a//b", "a b+c%", "ü", "a/b/c", "aa"] if k != key]
    for each in [*others, key]:
        s3.put_object(Bucket=bucket, Key=each, Body=b"x")
    s3.delete_object(Bucket=bucket, Key=key)
    left = [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert left == sorted(others, key=str.encode)


@pytest.mark.parametrize("what", ["object", "upload with a part", "nothing"])
def test_a_bucket_is_deleted_when_it_holds_no_objects(s3, other_gateway, what):
    bucket = new_name("emptied")
    s3.create_bucket(Bucket=bucket)
    if what == "object":
        s3.put_object(Bucket=bucket, Key="k", Body=b"x")
        assert error_of(other_gateway.delete_bucket, Bucket=bucket) == (409, "BucketNotEmpty")
        s3.get_object(Bucket=bucket, Key="k")
        other_gateway.delete_object(Bucket=bucket, Key="k")
    elif what == "upload with a part":
        upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
        s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=b"x")
        s3.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=upload)
    other_gateway.delete_bucket(Bucket=bucket)
    assert error_of(s3.head_bucket, Bucket=bucket)[0] == 404
    assert error_of(s3.put_object, Bucket=bucket, Key="k", Body=b"x") == (404, "NoSuchBucket")
    s3.create_bucket(Bucket=bucket)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    s3.delete_bucket(Bucket=bucket)

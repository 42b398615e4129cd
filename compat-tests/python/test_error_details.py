"""What errors say beside their code and message: SDKs hand these elements on, and people find their mistakes by them."""

import base64
import datetime
import hashlib
import os

import pytest
from botocore.exceptions import ClientError
from conftest import headers, make_client

NEVER = "never-made-0123456789"


def details(call, **arguments):
    """The elements of the error of a call that must fail."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return caught.value.response["Error"]


def assert_says(error, code, **elements):
    assert error["Code"] == code, error
    assert {name: error.get(name) for name in elements} == elements, error


def test_what_is_missing_is_named(s3, bucket):
    assert_says(details(s3.get_object, Bucket=bucket, Key="a b&ü"), "NoSuchKey", Key="a b&ü")
    assert_says(details(s3.get_object, Bucket=NEVER, Key="k"), "NoSuchBucket", BucketName=NEVER)
    assert_says(details(s3.list_objects_v2, Bucket=NEVER), "NoSuchBucket", BucketName=NEVER)
    upload = details(s3.list_parts, Bucket=bucket, Key="k", UploadId="u1")
    assert_says(upload, "NoSuchUpload", UploadId="u1")
    assert_says(details(s3.get_bucket_policy, Bucket=bucket), "NoSuchBucketPolicy", BucketName=bucket)


def test_a_copy_names_its_source_and_not_its_target(s3, bucket):
    missing = details(s3.copy_object, Bucket=bucket, Key="k", CopySource={"Bucket": bucket, "Key": "source"})
    assert_says(missing, "NoSuchKey", Key="source")
    nowhere = details(s3.copy_object, Bucket=bucket, Key="k", CopySource={"Bucket": NEVER, "Key": "source"})
    assert_says(nowhere, "NoSuchBucket", BucketName=NEVER)


def test_a_bucket_that_is_not_empty_is_named(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k")
    assert_says(details(s3.delete_bucket, Bucket=bucket), "BucketNotEmpty", BucketName=bucket)


def test_the_condition_that_did_not_hold_is_named(s3, bucket):
    where = {"Bucket": bucket, "Key": "k"}
    s3.put_object(**where)
    for call, condition, shown in [
        (s3.put_object, {"IfNoneMatch": "*"}, "If-None-Match"),
        (s3.put_object, {"IfMatch": '"0"'}, "If-Match"),
        (s3.get_object, {"IfMatch": '"0"'}, "If-Match"),
        (s3.get_object, {"IfUnmodifiedSince": datetime.datetime(2001, 1, 1)}, "If-Unmodified-Since"),
        (s3.delete_object, {"IfMatch": '"0"'}, "If-Match"),
    ]:
        assert_says(details(call, **where, **condition), "PreconditionFailed", Condition=shown)
    source = {"CopySource": where, "CopySourceIfMatch": '"0"'}
    of_source = details(s3.copy_object, Bucket=bucket, Key="copy", **source)
    assert_says(of_source, "PreconditionFailed", Condition="x-amz-copy-source-If-Match")


def test_a_range_behind_the_end_is_told_the_size(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"12345")
    error = details(s3.get_object, Bucket=bucket, Key="k", Range="bytes=7-9")
    assert_says(error, "InvalidRange", ActualObjectSize="5", RangeRequested="bytes=7-9")
    error = details(s3.get_object, Bucket=bucket, Key="k", PartNumber=3)
    assert_says(error, "InvalidPartNumber", ActualPartCount="1", PartNumberRequested="3")


def test_a_bad_argument_is_named_with_its_value(s3, bucket):
    error = details(s3.list_objects_v2, Bucket=bucket, ContinuationToken="nonsense")
    assert_says(error, "InvalidArgument", ArgumentName="continuation-token", ArgumentValue="nonsense")
    error = details(s3.list_parts, Bucket=bucket, Key="k", UploadId="u", MaxParts=-1)
    assert_says(error, "InvalidArgument", ArgumentName="max-parts", ArgumentValue="-1")
    with headers(s3, x_pocket_ttl="soon"):
        error = details(s3.create_bucket, Bucket=NEVER)
    assert_says(error, "InvalidArgument", ArgumentName="ttl", ArgumentValue="soon")


def test_what_is_too_long_says_by_how_much(s3, bucket):
    error = details(s3.put_object, Bucket=bucket, Key="k" * 1025)
    assert_says(error, "KeyTooLongError", Size="1025", MaxSizeAllowed="1024")
    error = details(s3.put_object, Bucket=bucket, Key="k", Metadata={"a": "x" * 2048})
    assert_says(error, "MetadataTooLarge", Size="2049", MaxSizeAllowed="2048")


def test_bytes_that_are_not_the_promised_ones_are_told_apart(s3, bucket):
    right, wrong = (base64.b64encode(hashlib.md5(data).digest()).decode() for data in [b"right", b"wrong"])
    error = details(s3.put_object, Bucket=bucket, Key="k", Body=b"right", ContentMD5=wrong)
    assert_says(error, "BadDigest", ExpectedDigest=wrong, CalculatedDigest=right)
    sums = [base64.b64encode(hashlib.sha256(data).digest()).decode() for data in [b"right", b"wrong"]]
    error = details(s3.put_object, Bucket=bucket, Key="k", Body=b"right", ChecksumSHA256=sums[1])
    assert_says(error, "BadDigest", ExpectedDigest=sums[1], CalculatedDigest=sums[0])


def test_parts_that_do_not_make_an_object_are_named(s3, bucket):
    where = {"Bucket": bucket, "Key": "k"}
    where["UploadId"] = s3.create_multipart_upload(**where)["UploadId"]
    etags = [s3.upload_part(**where, PartNumber=n, Body=b"x")["ETag"] for n in [1, 2]]
    wrong = {"Parts": [{"PartNumber": 1, "ETag": '"0123456789abcdef0123456789abcdef"'}]}
    error = details(s3.complete_multipart_upload, **where, MultipartUpload=wrong)
    said = {"UploadId": where["UploadId"], "PartNumber": "1", "ETag": "0123456789abcdef0123456789abcdef"}
    assert_says(error, "InvalidPart", **said)
    small = {"Parts": [{"PartNumber": n, "ETag": etag} for n, etag in enumerate(etags, 1)]}
    error = details(s3.complete_multipart_upload, **where, MultipartUpload=small)
    assert_says(error, "EntityTooSmall", ProposedSize="1", MinSizeAllowed=str(5 << 20), PartNumber="1")


def test_a_wrong_signature_is_told_what_was_to_be_signed_and_no_secret(bucket):
    key = os.environ["AWS_ACCESS_KEY_ID"]
    error = details(make_client(keys=(key, "not the secret")).head_bucket, Bucket=bucket)
    assert error["Code"] == "403"
    error = details(make_client(keys=(key, "not the secret")).list_objects_v2, Bucket=bucket)
    assert_says(error, "SignatureDoesNotMatch", AWSAccessKeyId=key)
    assert error["StringToSign"].startswith("AWS4-HMAC-SHA256\n")
    assert bytes.fromhex(error["StringToSignBytes"]).decode() == error["StringToSign"]
    canonical = error["CanonicalRequest"]
    assert canonical.startswith(f"GET\n/{bucket}\n")
    assert error["StringToSign"].endswith(hashlib.sha256(canonical.encode()).hexdigest())
    assert len(error["SignatureProvided"]) == 64
    assert os.environ["AWS_SECRET_ACCESS_KEY"] not in str(error)


def test_a_key_that_nobody_knows_is_named(bucket):
    error = details(make_client(keys=("NOBODYSKEY", "x")).list_objects_v2, Bucket=bucket)
    assert_says(error, "InvalidAccessKeyId", AWSAccessKeyId="NOBODYSKEY")

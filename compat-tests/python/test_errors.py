"""Errors: S3's code and status for what is not there, for every operation, and nothing changed by a refusal."""

from xml.etree import ElementTree

import pytest
from conftest import content, error_of

ONE = {"Parts": [{"PartNumber": 1, "ETag": '"0123456789abcdef0123456789abcdef"'}]}
TAGS = {"TagSet": [{"Key": "a", "Value": "b"}]}
ATTRIBUTES = ["ObjectSize"]

# Operations on a key, with what else they need.
ON_KEYS = {
    "get_object": {},
    "head_object": {},
    "put_object": {"Body": b"x"},
    "delete_object": {},
    "get_object_attributes": {"ObjectAttributes": ATTRIBUTES},
    "get_object_tagging": {},
    "put_object_tagging": {"Tagging": TAGS},
    "delete_object_tagging": {},
    "create_multipart_upload": {},
    "upload_part": {"UploadId": "u", "PartNumber": 1, "Body": b"x"},
    "list_parts": {"UploadId": "u"},
    "complete_multipart_upload": {"UploadId": "u", "MultipartUpload": ONE},
    "abort_multipart_upload": {"UploadId": "u"},
}
# Operations on a bucket.
ON_BUCKETS = {
    "head_bucket": {},
    "delete_bucket": {},
    "get_bucket_location": {},
    "list_objects": {},
    "list_objects_v2": {},
    "list_object_versions": {},
    "list_multipart_uploads": {},
    "delete_objects": {"Delete": {"Objects": [{"Key": "k"}]}},
    "get_bucket_versioning": {},
    "get_bucket_tagging": {},
    "get_bucket_cors": {},
    "get_bucket_policy": {},
    "get_bucket_lifecycle_configuration": {},
}
NEEDS_OBJECT = [
    "get_object", "head_object", "get_object_attributes", "get_object_tagging", "put_object_tagging", "delete_object_tagging",
]  # fmt: skip
NEEDS_UPLOAD = ["upload_part", "list_parts", "complete_multipart_upload", "abort_multipart_upload"]


def is_missing(error, code, call):
    """A HEAD has no body to say a code in."""
    return error == ((404, "404") if call.startswith("head_") else (404, code))


@pytest.mark.parametrize("call", ON_KEYS)
def test_no_operation_on_a_key_without_its_bucket(s3, call):
    error = error_of(getattr(s3, call), Bucket="never-made-0123456789", Key="k", **ON_KEYS[call])
    assert is_missing(error, "NoSuchBucket", call)


@pytest.mark.parametrize("call", ON_BUCKETS)
def test_no_operation_on_a_bucket_that_is_not_there(s3, call):
    error = error_of(getattr(s3, call), Bucket="never-made-0123456789", **ON_BUCKETS[call])
    assert is_missing(error, "NoSuchBucket", call)


@pytest.mark.parametrize("call", NEEDS_OBJECT)
def test_what_needs_an_object_says_that_there_is_none(s3, bucket, call):
    error = error_of(getattr(s3, call), Bucket=bucket, Key="never", **ON_KEYS[call])
    assert is_missing(error, "NoSuchKey", call)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


@pytest.mark.parametrize("upload", ["u", "0" * 300, "ü", "../../x"])
@pytest.mark.parametrize("call", NEEDS_UPLOAD)
def test_what_needs_an_upload_says_that_there_is_none(s3, bucket, call, upload):
    arguments = {**ON_KEYS[call], "UploadId": upload}
    status, code = error_of(getattr(s3, call), Bucket=bucket, Key="k", **arguments)
    assert (status, code) in [(404, "NoSuchUpload"), (400, "InvalidArgument")]
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


@pytest.mark.parametrize("call", [*NEEDS_UPLOAD])
def test_an_upload_belongs_to_its_key(s3, bucket, call):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    arguments = {**ON_KEYS[call], "UploadId": upload}
    assert error_of(getattr(s3, call), Bucket=bucket, Key="another", **arguments) == (404, "NoSuchUpload")
    s3.list_parts(Bucket=bucket, Key="k", UploadId=upload)


@pytest.mark.parametrize("call", ["get_object", "head_object", "put_object", "delete_object", "upload_part"])
def test_a_key_of_more_than_1024_bytes_is_refused(s3, bucket, call):
    status, code = error_of(getattr(s3, call), Bucket=bucket, Key="ü" * 512 + "k", **ON_KEYS[call])
    assert status == 400 and code in ["KeyTooLongError", "400"]


@pytest.mark.parametrize("number", [0, -1, 10_001, 2**31])
def test_part_numbers_lie_between_1_and_10000(s3, bucket, number):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    where = {"Bucket": bucket, "Key": "k", "UploadId": upload}
    assert error_of(s3.upload_part, **where, PartNumber=number, Body=b"x") == (400, "InvalidArgument")
    assert "Parts" not in s3.list_parts(**where)


@pytest.mark.parametrize(
    "parts, code",
    [
        ([], "MalformedXML"),
        ([1, 1], "InvalidPartOrder"),
        ([2, 1], "InvalidPartOrder"),
        ([1, 3], "InvalidPart"),
        ([0], "InvalidPart"),
    ],
)
def test_completes_that_name_other_parts_than_there_are(s3, bucket, parts, code):
    where = {"Bucket": bucket, "Key": "k"}
    where["UploadId"] = s3.create_multipart_upload(**where)["UploadId"]
    etag = {n: s3.upload_part(**where, PartNumber=n, Body=content(5 * 1024 * 1024))["ETag"] for n in [1, 2]}
    named = [{"PartNumber": n, "ETag": etag.get(n, '"0"')} for n in parts]
    status, found = error_of(s3.complete_multipart_upload, **where, MultipartUpload={"Parts": named})
    assert status == 400 and found in [code, "InvalidArgument" if parts == [0] else code]
    assert len(s3.list_parts(**where)["Parts"]) == 2
    assert error_of(s3.head_object, Bucket=bucket, Key="k")[0] == 404


def test_parts_that_are_too_small_are_refused_at_the_end(s3, bucket):
    where = {"Bucket": bucket, "Key": "k"}
    where["UploadId"] = s3.create_multipart_upload(**where)["UploadId"]
    named = [{"PartNumber": n, "ETag": s3.upload_part(**where, PartNumber=n, Body=b"x")["ETag"]} for n in [1, 2]]
    refused = error_of(s3.complete_multipart_upload, **where, MultipartUpload={"Parts": named})
    assert refused == (400, "EntityTooSmall")


@pytest.mark.parametrize("call", ["get_object", "head_object"])
@pytest.mark.parametrize("number", [2, 10_000])
def test_a_part_that_an_object_does_not_have(s3, bucket, call, number):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert error_of(getattr(s3, call), Bucket=bucket, Key="k", PartNumber=number)[0] == 416


@pytest.mark.parametrize(
    "bad",
    ["ab", "a" * 64, "Upper", "under_score", "-a", "a-", ".aa", "aa.", "a..b", "1.2.3.4", "a b"],
)
def test_names_that_no_bucket_can_have(bad):
    import botocore.handlers
    from conftest import make_client

    client = make_client()
    client.meta.events.unregister("before-parameter-build.s3", botocore.handlers.validate_bucket_name)
    status, code = error_of(client.create_bucket, Bucket=bad)
    assert status == 400 and code in ["InvalidBucketName", "InvalidURI"]
    assert bad not in [entry["Name"] for entry in client.list_buckets()["Buckets"]]


def test_errors_are_xml_with_what_they_are_about(s3, signed, bucket):
    try:
        s3.get_object(Bucket=bucket, Key="never/ü")
    except s3.exceptions.NoSuchKey as error:
        said = error.response
    assert said["Error"]["Code"] == "NoSuchKey" and said["Error"]["Message"]
    assert said["ResponseMetadata"]["RequestId"] and said["ResponseMetadata"]["HostId"]
    assert said["ResponseMetadata"]["HTTPHeaders"]["content-type"] == "application/xml"
    for path in [f"/{bucket}/never", f"/{bucket}/never?partNumber=x", "/never-made-0123456789"]:
        document = ElementTree.fromstring(signed("GET", path).content)
        assert document.findtext("Resource") == path.split("?")[0]
        assert document.findtext("Code") and document.findtext("Message") and document.findtext("RequestId")


@pytest.mark.parametrize(
    "name, method, query, others",
    [
        ("x-amz-write-offset-bytes", "PUT", "", {}),
        ("if-match", "PUT", "", {}),
        ("if-none-match", "PUT", "", {}),
        ("x-amz-expected-bucket-owner", "PUT", "", {}),
        ("x-amz-storage-class", "PUT", "", {}),
        ("x-amz-acl", "PUT", "", {}),
        ("x-pocket-ttl", "PUT", "", {}),
        ("x-amz-copy-source", "PUT", "", {}),
        ("x-amz-copy-source-if-match", "PUT", "", {"x-amz-copy-source": "{bucket}/other"}),
        ("x-amz-copy-source-if-unmodified-since", "PUT", "", {"x-amz-copy-source": "{bucket}/other"}),
        ("x-amz-metadata-directive", "PUT", "", {"x-amz-copy-source": "{bucket}/other"}),
        ("x-amz-copy-source-range", "PUT", "?partNumber=1&uploadId={upload}", {"x-amz-copy-source": "{bucket}/other"}),
        ("x-amz-rename-source-if-match", "PUT", "?renameObject", {"x-amz-rename-source": "other"}),
        ("if-match", "DELETE", "", {}),
        ("if-match", "GET", "", {}),
        ("if-none-match", "GET", "", {}),
        ("if-unmodified-since", "GET", "", {}),
        ("x-amz-checksum-mode", "GET", "", {}),
        ("x-pocket-delete-after-read", "GET", "", {}),
        ("x-amz-checksum-algorithm", "POST", "?uploads", {}),
    ],
)
def test_a_header_without_a_value_is_refused_by_name_and_nothing_is_done(signed, s3, bucket, name, method, query, others):
    """Passed over, it would do what nobody asked for: an append without its offset would overwrite."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"kept")
    s3.put_object(Bucket=bucket, Key="other", Body=b"other")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    others = {header: value.format(bucket=bucket) for header, value in others.items()}
    body = b"changed" if (method, query, others) == ("PUT", "", {}) else b""
    answer = signed(method, f"/{bucket}/k{query.format(upload=upload)}", body, **{name: ""}, **others)
    assert answer.status_code == 400
    assert "<Code>InvalidArgument</Code>" in answer.text and name in answer.text
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"kept"
    assert s3.get_object(Bucket=bucket, Key="other")["Body"].read() == b"other"
    uploads = s3.list_multipart_uploads(Bucket=bucket)["Uploads"]
    assert [entry["UploadId"] for entry in uploads] == [upload]
    assert "Parts" not in s3.list_parts(Bucket=bucket, Key="k", UploadId=upload)


def test_an_empty_value_that_means_something_is_taken(signed, s3, bucket):
    assert signed("PUT", f"/{bucket}/k", b"x", x_amz_meta_note="", x_amz_tagging="").status_code == 200
    head = s3.head_object(Bucket=bucket, Key="k")
    assert head["Metadata"] == {"note": ""} and "TagCount" not in head


def test_metadata_without_a_name_are_refused(signed, s3, bucket):
    answer = signed("PUT", f"/{bucket}/k", b"x", **{"x-amz-meta-": "value"})
    assert answer.status_code == 400 and "x-amz-meta-" in answer.text
    assert error_of(s3.head_object, Bucket=bucket, Key="k")[0] == 404

"""Habits of clients that no other suite shows: what S3A and the SDKs behind it send, signed by hand."""

import time

from conftest import content, error_of


def test_any_header_may_be_signed_whatever_it_says(signed, bucket):
    audit = "https://audit.example.org/hadoop/1/op_create/0a1b-00000007/?op=op_create&p1=dir/k&ts=1763740000000"
    odd = {"referer": audit, "user_agent": "Hadoop 3.4.2", "last_modified": "Sat Nov 21 2026", "amz_sdk_request": "attempt=1; max=3"}
    assert signed("PUT", f"/{bucket}/k", b"x", **odd).status_code == 200
    assert signed("GET", f"/{bucket}/k", **odd).content == b"x"


def test_accept_encoding_may_be_signed_or_not(signed, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    for unsigned in [(), ("accept-encoding",)]:
        answer = signed("GET", f"/{bucket}/k", accept_encoding="identity", unsigned=unsigned)
        assert (answer.status_code, answer.content) == (200, b"x")


def test_documents_may_come_without_a_namespace_and_tags_without_quotes(signed, s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    tag = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=b"x")["ETag"].strip('"')
    part = f"<Part><PartNumber>1</PartNumber><ETag>{tag}</ETag></Part>"
    document = f"<CompleteMultipartUpload>{part}</CompleteMultipartUpload>".encode()
    assert signed("POST", f"/{bucket}/k?uploadId={upload}", document).status_code == 200
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    answer = signed("POST", f"/{bucket}?delete", b"<Delete><Object><Key>k</Key></Object></Delete>")
    assert answer.status_code == 200 and "<Deleted>" in answer.text
    assert error_of(s3.head_object, Bucket=bucket, Key="k") == (404, "404")


def test_directory_markers_are_objects_like_others(s3, bucket):
    kind = "application/x-directory"
    s3.put_object(Bucket=bucket, Key="dir/sub/", Body=b"", ContentType=kind)
    s3.put_object(Bucket=bucket, Key="full/", Body=b"not empty")
    s3.put_object(Bucket=bucket, Key="dir/sub/k", Body=b"x", Metadata={"x-hadoop-s3a-magic-data-length": "7"})
    head = s3.head_object(Bucket=bucket, Key="dir/sub/")
    assert (head["ContentLength"], head["ContentType"]) == (0, kind)
    assert s3.get_object(Bucket=bucket, Key="full/")["Body"].read() == b"not empty"
    assert s3.head_object(Bucket=bucket, Key="dir/sub/k")["Metadata"] == {"x-hadoop-s3a-magic-data-length": "7"}
    keys = [o["Key"] for o in s3.list_objects_v2(Bucket=bucket, Prefix="dir/sub/")["Contents"]]
    assert keys == ["dir/sub/", "dir/sub/k"]
    s3.delete_object(Bucket=bucket, Key="dir/sub/k")
    s3.delete_object(Bucket=bucket, Key="dir/sub/")
    # No directory is left behind.
    assert s3.list_objects_v2(Bucket=bucket, Prefix="dir", Delimiter="/")["KeyCount"] == 0


def test_a_directory_is_renamed_by_copies_and_a_bulk_delete(s3, bucket):
    keys = [f"from/{i:03}" for i in range(100)]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    for key in keys:
        source = {"Bucket": bucket, "Key": key}
        s3.copy_object(Bucket=bucket, Key=key.replace("from", "to"), CopySource=source, MetadataDirective="REPLACE")
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True})
    listed = [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert listed == [key.replace("from", "to") for key in keys]
    assert s3.get_object(Bucket=bucket, Key="to/042")["Body"].read() == b"from/042"


def test_a_bucket_whose_objects_have_expired_can_be_removed(s3, make_bucket):
    bucket = make_bucket(object_ttl="1s")
    s3.put_object(Bucket=bucket, Key="k", Body=content(50_000))
    end = time.monotonic() + 30
    while s3.list_objects_v2(Bucket=bucket)["KeyCount"] and time.monotonic() < end:
        time.sleep(0.05)
    s3.delete_bucket(Bucket=bucket)
    assert error_of(s3.head_bucket, Bucket=bucket) == (404, "404")


def test_an_upload_outlives_the_objects_of_its_bucket(s3, make_bucket):
    bucket = make_bucket(object_ttl="1s")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    where = {"Bucket": bucket, "Key": "k", "UploadId": upload}
    s3.put_object(Bucket=bucket, Key="clock", Body=b"x")
    tag = s3.upload_part(**where, PartNumber=1, Body=b"part")["ETag"]
    end = time.monotonic() + 30
    while s3.list_objects_v2(Bucket=bucket)["KeyCount"] and time.monotonic() < end:
        time.sleep(0.05)
    assert len(s3.list_parts(**where)["Parts"]) == 1
    s3.complete_multipart_upload(**where, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": tag}]})


def test_bytes_come_from_the_endpoint_itself_and_never_by_a_redirect(signed, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=content(300_000))
    answer = signed("GET", f"/{bucket}/k")
    assert answer.history == [] and answer.content == content(300_000)

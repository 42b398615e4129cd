"""Multipart uploads and copies."""

import base64
import hashlib
import io
import zlib

import pytest
from boto3.s3.transfer import TransferConfig
from conftest import ENDPOINTS, content, error_of, headers, make_client

MIB = 1 << 20


def upload(client, where, bodies, **options):
    """Uploads parts in reverse order and completes; (upload id, parts, answer)."""
    upload_id = client.create_multipart_upload(**where, **options)["UploadId"]
    # boto3 does not remember what was announced: a part must name its algorithm itself.
    announced = {k: v for k, v in options.items() if k == "ChecksumAlgorithm"}
    parts = []
    for number, body in reversed(list(enumerate(bodies, 1))):
        part = client.upload_part(**where, UploadId=upload_id, PartNumber=number, Body=body, **announced)
        checksums = {k: v for k, v in part.items() if k.startswith("Checksum")}
        parts.append({"PartNumber": number, "ETag": part["ETag"], **checksums})
    parts.sort(key=lambda p: p["PartNumber"])
    done = client.complete_multipart_upload(**where, UploadId=upload_id, MultipartUpload={"Parts": parts})
    return upload_id, parts, done


@pytest.fixture
def where(bucket):
    return {"Bucket": bucket, "Key": "dir/k"}


def test_parts_of_uneven_size_become_one_object(s3, other_gateway, where):
    bodies = [content(5 * MIB, 1), content(6 * MIB + 12_345, 2), b"tail"]
    _, _, done = upload(s3, where, bodies, ContentType="a/b", Metadata={"m": "1"})
    got = other_gateway.get_object(**where)
    assert got["Body"].read() == b"".join(bodies)
    assert got["ContentType"] == "a/b" and got["Metadata"] == {"m": "1"}
    assert done["ETag"] == got["ETag"] and done["ETag"].endswith('-3"')
    assert got["ContentLength"] == sum(map(len, bodies))


def test_single_parts_can_be_read(s3, other_gateway, where):
    bodies = [content(5 * MIB, 1), content(5 * MIB, 2), b"tail"]
    upload(s3, where, bodies)
    for number, body in enumerate(bodies, 1):
        got = other_gateway.get_object(**where, PartNumber=number)
        assert got["Body"].read() == body
        assert got["PartsCount"] == 3
        assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
        head = s3.head_object(**where, PartNumber=number)
        assert head["ResponseMetadata"]["HTTPStatusCode"] == 206
        assert (head["ContentLength"], head["ContentRange"]) == (len(body), got["ContentRange"])
    assert error_of(s3.get_object, **where, PartNumber=4)[0] == 416


def test_the_parts_of_an_object_are_among_its_attributes(s3, other_gateway, where):
    bodies = [content(5 * MIB, 1), content(6 * MIB, 2), b"tail"]
    _, _, done = upload(s3, where, bodies)
    asked = {**where, "ObjectAttributes": ["ETag", "ObjectParts"]}
    got = other_gateway.get_object_attributes(**asked)
    assert got["ETag"] == done["ETag"].strip('"')
    assert got["ObjectParts"]["TotalPartsCount"] == 3 and not got["ObjectParts"]["IsTruncated"]
    assert [p["Size"] for p in got["ObjectParts"]["Parts"]] == [len(b) for b in bodies]
    page = s3.get_object_attributes(**asked, MaxParts=1, PartNumberMarker=1)["ObjectParts"]
    assert page["IsTruncated"] and page["NextPartNumberMarker"] == 2
    sum_ = base64.b64encode(zlib.crc32(bodies[1]).to_bytes(4, "big")).decode()
    assert page["Parts"] == [{"PartNumber": 2, "Size": 6 * MIB, "ChecksumCRC32": sum_}]


def test_complete_repeated_answers_the_same(s3, other_gateway, where):
    upload_id, parts, done = upload(s3, where, [b"only"])
    again = other_gateway.complete_multipart_upload(**where, UploadId=upload_id, MultipartUpload={"Parts": parts})
    assert again["ETag"] == done["ETag"]


def test_parts_are_listed_in_pages_and_can_be_replaced(s3, other_gateway, where):
    upload_id = s3.create_multipart_upload(**where)["UploadId"]
    for number in [7, 1, 10_000]:
        s3.upload_part(**where, UploadId=upload_id, PartNumber=number, Body=b"old" * number)
    new = s3.upload_part(**where, UploadId=upload_id, PartNumber=7, Body=b"new")
    first = other_gateway.list_parts(**where, UploadId=upload_id, MaxParts=2)
    assert [(p["PartNumber"], p["Size"]) for p in first["Parts"]] == [(1, 3), (7, 3)]
    assert first["Parts"][1]["ETag"] == new["ETag"] and first["IsTruncated"]
    rest = s3.list_parts(**where, UploadId=upload_id, PartNumberMarker=first["NextPartNumberMarker"])
    assert [p["PartNumber"] for p in rest["Parts"]] == [10_000] and not rest["IsTruncated"]
    s3.abort_multipart_upload(**where, UploadId=upload_id)
    assert error_of(s3.list_parts, **where, UploadId=upload_id) == (404, "NoSuchUpload")


def test_only_named_parts_are_in_the_object(s3, where):
    upload_id = s3.create_multipart_upload(**where)["UploadId"]
    tags = {n: s3.upload_part(**where, UploadId=upload_id, PartNumber=n, Body=f"part {n}")["ETag"] for n in [1, 2, 3]}
    s3.complete_multipart_upload(
        **where, UploadId=upload_id, MultipartUpload={"Parts": [{"PartNumber": 2, "ETag": tags[2]}]}
    )
    assert s3.get_object(**where)["Body"].read() == b"part 2"


def test_bad_completes_are_refused_and_the_upload_lives(s3, where):
    upload_id = s3.create_multipart_upload(**where)["UploadId"]
    tags = {n: s3.upload_part(**where, UploadId=upload_id, PartNumber=n, Body=b"small")["ETag"] for n in [1, 2]}

    def complete(*parts):
        listed = [{"PartNumber": n, "ETag": tag} for n, tag in parts]
        return error_of(
            s3.complete_multipart_upload, **where, UploadId=upload_id, MultipartUpload={"Parts": listed}
        )

    assert complete((2, tags[2]), (1, tags[1])) == (400, "InvalidPartOrder")
    assert complete((1, tags[1]), (3, tags[1])) == (400, "InvalidPart")
    assert complete((1, '"' + "0" * 32 + '"')) == (400, "InvalidPart")
    assert complete((1, tags[1]), (2, tags[2])) == (400, "EntityTooSmall")
    assert error_of(s3.head_object, **where) == (404, "404")
    assert len(s3.list_parts(**where, UploadId=upload_id)["Parts"]) == 2
    s3.abort_multipart_upload(**where, UploadId=upload_id)


def test_aborts(s3, other_gateway, where):
    upload_id = s3.create_multipart_upload(**where)["UploadId"]
    s3.upload_part(**where, UploadId=upload_id, PartNumber=1, Body=content(3 * MIB))
    other_gateway.abort_multipart_upload(**where, UploadId=upload_id)
    s3.abort_multipart_upload(**where, UploadId=upload_id)
    assert error_of(s3.abort_multipart_upload, **where, UploadId="never-issued") == (404, "NoSuchUpload")
    part = error_of(s3.upload_part, **where, UploadId=upload_id, PartNumber=1, Body=b"x")
    assert part == (404, "NoSuchUpload")


def test_bad_part_numbers(s3, where):
    upload_id = s3.create_multipart_upload(**where)["UploadId"]
    for number in [0, 10_001]:
        bad = error_of(s3.upload_part, **where, UploadId=upload_id, PartNumber=number, Body=b"x")
        assert bad == (400, "InvalidArgument")
    s3.abort_multipart_upload(**where, UploadId=upload_id)


def test_uploads_are_listed_by_any_prefix(s3, other_gateway, bucket):
    made = {}
    for key in ["a/1", "a/2", "b"]:
        made[key] = s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    page = other_gateway.list_multipart_uploads(Bucket=bucket, Prefix="a/")
    assert {u["Key"]: u["UploadId"] for u in page["Uploads"]} == {k: made[k] for k in ["a/1", "a/2"]}
    page = s3.list_multipart_uploads(Bucket=bucket, Delimiter="/")
    assert [p["Prefix"] for p in page["CommonPrefixes"]] == ["a/"]
    assert [u["Key"] for u in page["Uploads"]] == ["b"]
    seen, markers = [], {}
    while True:
        page = s3.list_multipart_uploads(Bucket=bucket, MaxUploads=1, **markers)
        seen += [u["Key"] for u in page["Uploads"]]
        if not page["IsTruncated"]:
            break
        markers = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}
    assert seen == ["a/1", "a/2", "b"]
    for key, upload_id in made.items():
        s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_completing_on_condition(s3, other_gateway, where):
    s3.put_object(**where, Body=b"first")
    upload_id = s3.create_multipart_upload(**where)["UploadId"]
    tag = s3.upload_part(**where, UploadId=upload_id, PartNumber=1, Body=b"second")["ETag"]
    named = {"UploadId": upload_id, "MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": tag}]}}
    refused = error_of(other_gateway.complete_multipart_upload, **where, **named, IfNoneMatch="*")
    assert refused == (412, "PreconditionFailed")
    s3.delete_object(**where)
    other_gateway.complete_multipart_upload(**where, **named, IfNoneMatch="*")
    assert s3.get_object(**where)["Body"].read() == b"second"


# Those that boto3 computes by itself; test_part_checksums.py has all of them.
@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_composite_checksums(s3, where, algorithm):
    upload_id, parts, done = upload(s3, where, [content(5 * MIB), b"tail"], ChecksumAlgorithm=algorithm)
    assert done[f"Checksum{algorithm}"].endswith("-2")
    head = s3.head_object(**where, ChecksumMode="ENABLED")
    assert head[f"Checksum{algorithm}"] == done[f"Checksum{algorithm}"]


@pytest.mark.parametrize("size", [10, 100_000])
def test_a_part_with_another_checksum_than_was_announced_is_refused(s3, where, size):
    upload_id = s3.create_multipart_upload(**where, ChecksumAlgorithm="SHA256")["UploadId"]
    part = {**where, "UploadId": upload_id, "PartNumber": 1, "Body": content(size)}
    assert error_of(s3.upload_part, **part, ChecksumAlgorithm="CRC32") == (400, "InvalidRequest")
    assert "Parts" not in s3.list_parts(**where, UploadId=upload_id)
    # Nor does a sum over sums come of those that nobody sent.
    silent = make_client(request_checksum_calculation="when_required")
    assert error_of(silent.upload_part, **part) == (400, "InvalidRequest")
    assert "Parts" not in s3.list_parts(**where, UploadId=upload_id)
    s3.upload_part(**part, ChecksumAlgorithm="SHA256")


def test_full_object_checksum(s3, where):
    import base64
    import zlib

    bodies = [content(5 * MIB), b"tail"]
    _, _, done = upload(s3, where, bodies, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
    expected = base64.b64encode(zlib.crc32(b"".join(bodies)).to_bytes(4, "big")).decode()
    assert done["ChecksumCRC32"] == expected
    assert s3.head_object(**where, ChecksumMode="ENABLED")["ChecksumCRC32"] == expected


# ---- the transfer manager and the resource ----


@pytest.mark.parametrize("size", [0, 1, 8 * MIB - 1, 8 * MIB, 20 * MIB + 3])
def test_the_transfer_manager_moves_files(s3, other_gateway, bucket, tmp_path, size):
    source, target = tmp_path / "in", tmp_path / "out"
    source.write_bytes(content(size))
    config = TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=5 * MIB, max_concurrency=4)
    s3.upload_file(str(source), bucket, "f", Config=config)
    other_gateway.download_file(bucket, "f", str(target), Config=config)
    assert target.read_bytes() == source.read_bytes()


def test_the_resource_api(bucket):
    import boto3
    from conftest import REGION

    resource = boto3.resource("s3", endpoint_url=ENDPOINTS[0], region_name=REGION)
    things = resource.Bucket(bucket)
    things.put_object(Key="a/1", Body=b"one")
    things.upload_fileobj(io.BytesIO(content(9 * MIB)), "a/2")
    assert sorted(o.key for o in things.objects.filter(Prefix="a/")) == ["a/1", "a/2"]
    assert things.Object("a/2").content_length == 9 * MIB
    things.copy({"Bucket": bucket, "Key": "a/2"}, "b")
    assert hashlib.md5(things.Object("b").get()["Body"].read()).digest() == hashlib.md5(content(9 * MIB)).digest()
    things.objects.all().delete()
    assert list(things.objects.all()) == []


# ---- copies ----


@pytest.mark.parametrize("size", [0, 5, 16 * 1024 + 1, 3 * MIB + 7])
def test_copies_have_the_bytes_and_headers_of_their_source(s3, other_gateway, bucket, size):
    body = content(size)
    s3.put_object(Bucket=bucket, Key="src", Body=body, ContentType="a/b", Metadata={"m": "1"})
    for i in range(8):  # several destinations, so that some live on another shard
        other_gateway.copy_object(Bucket=bucket, Key=f"dst{i}", CopySource={"Bucket": bucket, "Key": "src"})
    s3.delete_object(Bucket=bucket, Key="src")
    for i in range(8):
        got = s3.get_object(Bucket=bucket, Key=f"dst{i}")
        assert got["Body"].read() == body
        assert got["ContentType"] == "a/b" and got["Metadata"] == {"m": "1"}


def test_a_copy_of_a_copy_outlives_both(s3, bucket):
    body = content(2 * MIB + 5)
    s3.put_object(Bucket=bucket, Key="k0", Body=body)
    for i in range(10):
        s3.copy_object(Bucket=bucket, Key=f"k{i + 1}", CopySource=f"{bucket}/k{i}")
        s3.delete_object(Bucket=bucket, Key=f"k{i}")
    assert s3.get_object(Bucket=bucket, Key="k10")["Body"].read() == body
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["k10"]


def test_replacing_metadata_while_copying(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ContentType="a/b", Metadata={"m": "1"})
    s3.copy_object(
        Bucket=bucket,
        Key="k",
        CopySource=f"/{bucket}/k",
        MetadataDirective="REPLACE",
        ContentType="c/d",
        Metadata={"n": "2"},
    )
    head = s3.head_object(Bucket=bucket, Key="k")
    assert head["ContentType"] == "c/d" and head["Metadata"] == {"n": "2"}


def test_the_location_of_what_was_completed_is_its_url(s3, bucket):
    key = "a b/ü&c"
    upload_id, parts, done = upload(s3, {"Bucket": bucket, "Key": key}, [b"x"])
    assert done["Location"] == f"{ENDPOINTS[0]}/{bucket}/a%20b%2F%C3%BC%26c"


def test_an_upload_passes_over_a_directive_for_metadata(s3, where):
    """s3fs-fuse says so when it renames by parts."""
    with headers(s3, x_amz_metadata_directive="REPLACE"):
        upload_id = s3.create_multipart_upload(**where, Metadata={"m": "1"})["UploadId"]
    part = s3.upload_part(**where, UploadId=upload_id, PartNumber=1, Body=b"x")
    named = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(**where, UploadId=upload_id, MultipartUpload=named)
    assert s3.head_object(**where)["Metadata"] == {"m": "1"}


def test_copying_onto_itself_without_a_change_is_refused(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    refused = error_of(s3.copy_object, Bucket=bucket, Key="k", CopySource=f"{bucket}/k")
    assert refused == (400, "InvalidRequest")


def test_copy_conditions(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    source = {"Bucket": bucket, "Key": "l", "CopySource": f"{bucket}/k"}
    s3.copy_object(**source, CopySourceIfMatch=etag)
    refused = error_of(s3.copy_object, **source, CopySourceIfMatch='"' + "0" * 32 + '"')
    assert refused == (412, "PreconditionFailed")
    assert error_of(s3.copy_object, **source, CopySourceIfNoneMatch=etag) == (412, "PreconditionFailed")
    missing = error_of(s3.copy_object, Bucket=bucket, Key="l", CopySource=f"{bucket}/none")
    assert missing == (404, "NoSuchKey")


def test_copies_between_buckets(s3, bucket, make_bucket):
    other = make_bucket()
    for key, size in [("small", 100), ("large", 4 * MIB + 1)]:
        s3.put_object(Bucket=bucket, Key=key, Body=content(size))
        s3.copy_object(Bucket=other, Key=key, CopySource={"Bucket": bucket, "Key": key})
    with headers(s3, x_pocket_force_delete="true"):
        s3.delete_bucket(Bucket=bucket)
    assert s3.get_object(Bucket=other, Key="small")["Body"].read() == content(100)
    assert s3.get_object(Bucket=other, Key="large")["Body"].read() == content(4 * MIB + 1)


def test_parts_copied_from_objects(s3, bucket):
    body = content(12 * MIB)
    s3.put_object(Bucket=bucket, Key="src", Body=body)
    where = {"Bucket": bucket, "Key": "dst"}
    upload_id = s3.create_multipart_upload(**where)["UploadId"]
    parts = []
    for number, (first, last) in enumerate([(0, 5 * MIB - 1), (3 * MIB + 1, 9 * MIB), (12 * MIB - 9, 12 * MIB - 1)], 1):
        part = s3.upload_part_copy(
            **where,
            UploadId=upload_id,
            PartNumber=number,
            CopySource=f"{bucket}/src",
            CopySourceRange=f"bytes={first}-{last}",
        )
        parts.append({"PartNumber": number, "ETag": part["CopyPartResult"]["ETag"]})
    s3.complete_multipart_upload(**where, UploadId=upload_id, MultipartUpload={"Parts": parts})
    s3.delete_object(Bucket=bucket, Key="src")
    expected = body[: 5 * MIB] + body[3 * MIB + 1 : 9 * MIB + 1] + body[-9:]
    assert s3.get_object(**where)["Body"].read() == expected


def test_odd_source_keys(s3, bucket):
    for key in ["a b+c%", "ü/ö", "//x", "a?b"]:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
        s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": key})
        assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == key.encode()

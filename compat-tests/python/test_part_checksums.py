"""Checksums of multipart uploads: of each part, and of the object as a sum over sums or as a sum over its bytes."""

import base64
import hashlib
import zlib

import pytest
from conftest import content, error_of, make_client


def crc_table(polynomial):
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (polynomial if byte & 1 else 0)
        table.append(byte)
    return table


def crc(polynomial, size):
    """A reflected CRC of so many bytes, as its standard says it."""
    table, ones = crc_table(polynomial), (1 << 8 * size) - 1

    def of(body):
        value = ones
        for byte in body:
            value = table[(value ^ byte) & 0xFF] ^ (value >> 8)
        return (value ^ ones).to_bytes(size, "big")

    return of


SUMS = {
    "CRC32": lambda body: zlib.crc32(body).to_bytes(4, "big"),
    "CRC32C": crc(0x82F63B78, 4),
    "CRC64NVME": crc(0x9A6C9329AC4BC9B5, 8),
    "SHA1": lambda body: hashlib.sha1(body).digest(),
    "SHA256": lambda body: hashlib.sha256(body).digest(),
}
KINDS = [(a, "COMPOSITE") for a in ("CRC32", "CRC32C", "SHA1", "SHA256")]
KINDS += [(a, "FULL_OBJECT") for a in ("CRC32", "CRC32C", "CRC64NVME")]
BODIES = [content(5 << 20), content(5 << 20, 1), b"the end"]


def text(raw):
    return base64.b64encode(raw).decode()


@pytest.fixture(scope="module")
def sums():
    """Sums of the parts and of the whole, made once because Python is slow at them."""
    known = {}

    def of(algorithm):
        if algorithm not in known:
            known[algorithm] = ([SUMS[algorithm](body) for body in BODIES], SUMS[algorithm](b"".join(BODIES)))
        return known[algorithm]

    return of


def upload(s3, bucket, algorithm, kind, part_sums):
    """An upload with all its parts, each with its sum; what Complete is to say of them."""
    said = {"ChecksumAlgorithm": algorithm, "ChecksumType": kind} if algorithm else {}
    created = s3.create_multipart_upload(Bucket=bucket, Key="k", **said)
    where = {"Bucket": bucket, "Key": "k", "UploadId": created["UploadId"]}
    assert not algorithm or (created["ChecksumAlgorithm"], created["ChecksumType"]) == (algorithm, kind)
    parts = []
    for number, (body, sum_) in enumerate(zip(BODIES, part_sums), 1):
        named = {f"Checksum{algorithm or 'CRC32'}": text(sum_)}
        put = s3.upload_part(**where, PartNumber=number, Body=body, **named)
        assert named.items() <= put.items()
        parts.append({"PartNumber": number, "ETag": put["ETag"], **named})
    return where, parts


@pytest.mark.parametrize("algorithm, kind", KINDS)
def test_sums_are_verified_kept_and_given_back(s3, other_gateway, bucket, sums, algorithm, kind):
    field, (part_sums, whole_sum) = f"Checksum{algorithm}", sums(algorithm)
    shown = text(whole_sum) if kind == "FULL_OBJECT" else text(SUMS[algorithm](b"".join(part_sums))) + "-3"
    where, parts = upload(s3, bucket, algorithm, kind, part_sums)

    listed = other_gateway.list_parts(**where)
    assert (listed["ChecksumAlgorithm"], listed["ChecksumType"]) == (algorithm, kind)
    assert [part[field] for part in listed["Parts"]] == [text(sum_) for sum_ in part_sums]

    wrong = [*parts[:2], {**parts[2], field: parts[1][field]}]
    refused = error_of(s3.complete_multipart_upload, **where, MultipartUpload={"Parts": wrong})
    assert refused == (400, "InvalidPart")
    right = {"MultipartUpload": {"Parts": parts}, "ChecksumType": kind}
    for promise, code in [
        ({field: text(SUMS[algorithm](b"another"))}, "BadDigest"),
        ({field: f"{shown.split('-')[0]}-2"}, "BadDigest"),
        ({"MpuObjectSize": 7}, "InvalidRequest"),
        ({"ChecksumType": "COMPOSITE" if kind == "FULL_OBJECT" else "FULL_OBJECT"}, "InvalidRequest"),
    ]:
        assert error_of(s3.complete_multipart_upload, **where, **{**right, **promise}) == (400, code), promise
    size = sum(map(len, BODIES))
    done = s3.complete_multipart_upload(**where, **right, **{field: shown}, MpuObjectSize=size)
    assert (done[field], done["ChecksumType"]) == (shown, kind)

    head = other_gateway.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert (head[field], head["ChecksumType"]) == (shown, kind)
    for number, (body, sum_) in enumerate(zip(BODIES, part_sums), 1):
        part = {"Bucket": bucket, "Key": "k", "PartNumber": number, "ChecksumMode": "ENABLED"}
        head, got = s3.head_object(**part), other_gateway.get_object(**part)
        assert (head[field], got[field], got["PartsCount"]) == (text(sum_), text(sum_), 3)
        assert got["Body"].read() == body
    assert field not in s3.head_object(Bucket=bucket, Key="k", Range="bytes=0-9", ChecksumMode="ENABLED")

    attributes = {"Bucket": bucket, "Key": "k", "ObjectAttributes": ["Checksum", "ObjectParts"]}
    whole = other_gateway.get_object_attributes(**attributes)
    # Here alone the number of parts does not stand behind a sum over sums.
    assert (whole["Checksum"][field], whole["Checksum"]["ChecksumType"]) == (shown.split("-")[0], kind)
    expected = [(i, len(body), text(sum_)) for i, (body, sum_) in enumerate(zip(BODIES, part_sums), 1)]
    found = lambda page: [(part["PartNumber"], part["Size"], part[field]) for part in page["Parts"]]
    assert found(whole["ObjectParts"]) == expected and whole["ObjectParts"]["TotalPartsCount"] == 3
    first = s3.get_object_attributes(**attributes, MaxParts=2)["ObjectParts"]
    assert (found(first), first["IsTruncated"], first["NextPartNumberMarker"]) == (expected[:2], True, 2)
    rest = s3.get_object_attributes(**attributes, PartNumberMarker=2)["ObjectParts"]
    assert (found(rest), rest["IsTruncated"]) == (expected[2:], False)


def test_a_wrong_sum_of_a_part_stores_nothing(s3, bucket, sums):
    created = s3.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm="SHA256")
    where = {"Bucket": bucket, "Key": "k", "UploadId": created["UploadId"]}
    wrong = text(hashlib.sha256(b"another").digest())
    for body in (b"small", BODIES[0]):
        refused = error_of(s3.upload_part, **where, PartNumber=1, Body=body, ChecksumSHA256=wrong)
        assert refused == (400, "BadDigest")
        other = error_of(s3.upload_part, **where, PartNumber=1, Body=body, ChecksumAlgorithm="CRC32")
        assert other == (400, "InvalidRequest"), "another algorithm than the upload's"
    assert "Parts" not in s3.list_parts(**where)


@pytest.mark.parametrize("algorithm, announced", [("CRC32", True), ("CRC32C", True), ("CRC64NVME", True), ("CRC64NVME", False)])
def test_sums_that_nobody_sends_are_computed_for_the_whole_object(s3, other_gateway, bucket, sums, algorithm, announced):
    """Of large parts while they pass, of small ones when they are named; CRC64NVME where no algorithm is."""
    field, (part_sums, whole_sum) = f"Checksum{algorithm}", sums(algorithm)
    silent = make_client(request_checksum_calculation="when_required")
    said = {"ChecksumAlgorithm": algorithm, "ChecksumType": "FULL_OBJECT"} if announced else {}
    where = {"Bucket": bucket, "Key": "k"}
    where["UploadId"] = silent.create_multipart_upload(**where, **said)["UploadId"]
    parts = []
    for number, (body, sum_) in enumerate(zip(BODIES, part_sums), 1):
        md5 = {"ContentMD5": text(hashlib.md5(body).digest())} if number == 2 else {}
        put = silent.upload_part(**where, PartNumber=number, Body=body, **md5)
        assert put[field] == text(sum_)
        parts.append({"PartNumber": number, "ETag": put["ETag"]})
    assert [part[field] for part in other_gateway.list_parts(**where)["Parts"]] == [text(sum_) for sum_ in part_sums]
    named = {"MultipartUpload": {"Parts": parts}}
    wrong = error_of(s3.complete_multipart_upload, **where, **named, **{field: text(part_sums[0])})
    assert wrong == (400, "BadDigest")
    done = s3.complete_multipart_upload(**where, **named, **{field: text(whole_sum)}, ChecksumType="FULL_OBJECT")
    assert (done[field], done["ChecksumType"]) == (text(whole_sum), "FULL_OBJECT")
    head = other_gateway.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert (head[field], head["ChecksumType"]) == (text(whole_sum), "FULL_OBJECT")


def test_sums_that_nobody_announced_stay_with_their_parts(s3, bucket, sums):
    where, parts = upload(s3, bucket, None, None, sums("CRC32")[0])
    s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
    assert "ChecksumType" not in s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    part = s3.head_object(Bucket=bucket, Key="k", PartNumber=3, ChecksumMode="ENABLED")
    assert part["ChecksumCRC32"] == parts[2]["ChecksumCRC32"]


def test_an_object_that_was_not_uploaded_in_parts_is_its_own_part(s3, bucket):
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"hello", ChecksumAlgorithm="SHA256")
    got = s3.get_object(Bucket=bucket, Key="k", PartNumber=1, ChecksumMode="ENABLED")
    assert got["ChecksumSHA256"] == put["ChecksumSHA256"] and got["Body"].read() == b"hello"
    assert "ObjectParts" not in s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["ObjectParts"])


@pytest.mark.parametrize("algorithm, kind", [("SHA256", "COMPOSITE"), ("CRC64NVME", "FULL_OBJECT")])
def test_parts_that_are_copied_get_the_sum_that_their_upload_announced(s3, bucket, make_bucket, algorithm, kind):
    field, end = f"Checksum{algorithm}", BODIES[0][100:200]
    elsewhere = make_bucket()
    s3.put_object(Bucket=bucket, Key="source", Body=BODIES[0])
    s3.put_object(Bucket=elsewhere, Key="source", Body=BODIES[0])
    created = s3.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm=algorithm, ChecksumType=kind)
    where = {"Bucket": bucket, "Key": "k", "UploadId": created["UploadId"]}
    parts = []
    for number, (source, span) in enumerate([(bucket, {}), (elsewhere, {}), (bucket, {"CopySourceRange": "bytes=100-199"})], 1):
        copy = {"CopySource": {"Bucket": source, "Key": "source"}, **span}
        result = s3.upload_part_copy(**where, PartNumber=number, **copy)["CopyPartResult"]
        assert result[field] == text(SUMS[algorithm](end if span else BODIES[0]))
        parts.append({"PartNumber": number, "ETag": result["ETag"], field: result[field]})
    done = s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
    whole = BODIES[0] + BODIES[0] + end
    if kind == "FULL_OBJECT":
        assert done[field] == text(SUMS[algorithm](whole))
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == whole

"""Checksums: verified, stored, given back."""

import base64
import hashlib
import zlib

import pytest
from conftest import content, error_of, make_client


def value(algorithm, body):
    digest = {
        "CRC32": lambda b: zlib.crc32(b).to_bytes(4, "big"),
        "SHA1": lambda b: hashlib.sha1(b).digest(),
        "SHA256": lambda b: hashlib.sha256(b).digest(),
    }[algorithm]
    return base64.b64encode(digest(body)).decode()


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
@pytest.mark.parametrize("size", [0, 100, 200_000])
def test_what_the_client_sends_is_verified_and_given_back(s3, other_gateway, bucket, algorithm, size):
    body, field = content(size), f"Checksum{algorithm}"
    right = value(algorithm, body)
    put = s3.put_object(Bucket=bucket, Key="k", Body=body, **{field: right})
    assert put[field] == right
    assert other_gateway.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")[field] == right
    got = other_gateway.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert got[field] == right and got["Body"].read() == body
    wrong = value(algorithm, body + b"!")
    assert error_of(s3.put_object, Bucket=bucket, Key="w", Body=body, **{field: wrong}) == (400, "BadDigest")
    assert error_of(s3.put_object, Bucket=bucket, Key="w", Body=body, **{field: "%%%"})[0] == 400
    assert error_of(s3.head_object, Bucket=bucket, Key="w") == (404, "404")


def test_no_whole_checksum_on_a_part(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"hello", ChecksumAlgorithm="SHA256")
    got = s3.get_object(Bucket=bucket, Key="k", Range="bytes=0-1", ChecksumMode="ENABLED")
    assert "ChecksumSHA256" not in got and got["Body"].read() == b"he"


def test_no_checksum_unless_asked_for(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"hello", ChecksumAlgorithm="SHA256")
    client = make_client(response_checksum_validation="when_required")
    assert "ChecksumSHA256" not in client.head_object(Bucket=bucket, Key="k")


def test_a_copy_keeps_the_checksum(s3, bucket):
    put = s3.put_object(Bucket=bucket, Key="k", Body=content(50_000), ChecksumAlgorithm="SHA256")
    s3.copy_object(Bucket=bucket, Key="l", CopySource=f"{bucket}/k")
    head = s3.head_object(Bucket=bucket, Key="l", ChecksumMode="ENABLED")
    assert head["ChecksumSHA256"] == put["ChecksumSHA256"]


@pytest.mark.parametrize("size", [100, 3_000_000])
def test_a_copy_may_have_another_checksum_than_its_source(s3, bucket, make_bucket, size):
    body, elsewhere = content(size), make_bucket()
    s3.put_object(Bucket=bucket, Key="k", Body=body, ChecksumAlgorithm="CRC32")
    for target in (bucket, elsewhere):
        for algorithm in ("SHA1", "SHA256", "CRC32"):
            copied = {"Bucket": target, "Key": algorithm}
            copy = s3.copy_object(**copied, CopySource=f"{bucket}/k", ChecksumAlgorithm=algorithm)
            right = value(algorithm, body)
            assert copy["CopyObjectResult"][f"Checksum{algorithm}"] == right
            got = s3.get_object(**copied, ChecksumMode="ENABLED")
            assert got[f"Checksum{algorithm}"] == right and got["Body"].read() == body

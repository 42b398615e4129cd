"""boto3: client, resource and transfer manager, both addressing styles, every form of payload."""

import base64
import io
import os
import socket
import zlib
from urllib.parse import urlsplit

import boto3
import requests
from boto3.s3.transfer import TransferConfig
from boto3.exceptions import S3UploadFailedError
from botocore.config import Config
from botocore.exceptions import ClientError
from pocket_job import *
from tls import tls_endpoint

ALGORITHMS = ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]


def client_of(endpoint):
    return from_page(endpoint, boto3=boto3)["s3"]


class Boto3(Store):
    missing = (ClientError,)
    full = (ClientError,)
    full_text = "SlowDown"
    odd_keys = ODD_KEYS + RAW_KEYS

    def __init__(self, endpoint, bucket):
        self.s3 = client_of(endpoint)
        self.bucket = bucket

    def put(self, key, data):
        self.s3.upload_fileobj(io.BytesIO(data), self.bucket, key)

    def get(self, key):
        return self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def get_range(self, key, start, length):
        where = f"bytes={start}-{start + length - 1}"
        answer = self.s3.get_object(Bucket=self.bucket, Key=key, Range=where)
        check(answer["ResponseMetadata"]["HTTPStatusCode"] == 206)
        return answer["Body"].read()

    def keys(self, prefix):
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def delete(self, key):
        self.s3.delete_object(Bucket=self.bucket, Key=key)


def client():
    s3 = client_of(ENDPOINT)
    with bucket() as name:
        expected = put_many(s3, name, "d/")
        for version in ["list_objects", "list_objects_v2"]:
            pages = list(s3.get_paginator(version).paginate(Bucket=name, Prefix="d/"))
            check([entry["Key"] for page in pages for entry in page["Contents"]] == expected)
            check(len(pages) == 2 and not pages[-1]["IsTruncated"])
            [page] = s3.get_paginator(version).paginate(Bucket=name, Delimiter="/")
            check(page["CommonPrefixes"] == [{"Prefix": "d/"}] and "Contents" not in page)
        ok("both versions of the list, in pages and by delimiter")

        for start in range(0, MANY, 1000):
            some = [{"Key": key} for key in expected[start : start + 1000]]
            deleted = s3.delete_objects(Bucket=name, Delete={"Objects": [*some[1:], {"Key": "never"}, some[0]][:1000]})
            check("Errors" not in deleted and len(deleted["Deleted"]) == len(some[:1000]) + (len(some) < 1000))
        check(s3.list_objects_v2(Bucket=name)["KeyCount"] <= 1)
        ok("bulk deletion, keys that are not there included")

        s3.put_object(Bucket=name, Key="k", Body=b"one", Metadata={"colour": "blue"}, ContentType="text/x")
        head = s3.head_object(Bucket=name, Key="k")
        check(head["Metadata"] == {"colour": "blue"} and head["ContentType"] == "text/x")
        s3.copy_object(Bucket=name, Key="copy", CopySource={"Bucket": name, "Key": "k"})
        same(s3.get_object(Bucket=name, Key="copy")["Body"].read(), b"one")
        ok("metadata and copies")

        where = {"Bucket": name, "Key": "k"}
        refused(lambda: s3.put_object(**where, Body=b"two", IfNoneMatch="*"), "PreconditionFailed")
        refused(lambda: s3.put_object(**where, Body=b"two", IfMatch='"0"'), "PreconditionFailed")
        s3.put_object(**where, Body=b"two", IfMatch=head["ETag"])
        refused(lambda: s3.get_object(**where, IfMatch=head["ETag"]), "PreconditionFailed")
        refused(lambda: s3.get_object(**where, Range="bytes=3-"), "InvalidRange")
        refused(lambda: s3.delete_bucket(Bucket=name), "BucketNotEmpty")
        raises(lambda: s3.get_object(Bucket=name, Key="never"), s3.exceptions.NoSuchKey)
        raises(lambda: s3.list_objects_v2(Bucket=new_name("never")), s3.exceptions.NoSuchBucket)
        raises(lambda: s3.create_bucket(Bucket="not a bucket!"), Exception)
        ok("preconditions, ranges and what is not there are refused by their names", "precondition")

        made = new_name("waited")
        s3.create_bucket(Bucket=made)
        s3.get_waiter("bucket_exists").wait(Bucket=made)
        s3.put_object(Bucket=made, Key="k", Body=b"")
        s3.get_waiter("object_exists").wait(Bucket=made, Key="k")
        s3.delete_object(Bucket=made, Key="k")
        s3.get_waiter("object_not_exists").wait(Bucket=made, Key="k")
        check(made in [entry["Name"] for entry in s3.list_buckets()["Buckets"]])
        s3.delete_bucket(Bucket=made)
        s3.get_waiter("bucket_not_exists").wait(Bucket=made)
        ok("buckets made, waited for and deleted")


def resource():
    s3 = boto3.resource("s3", endpoint_url=ENDPOINT)
    made = s3.create_bucket(Bucket=new_name("resource"))
    try:
        for i in range(5):
            made.put_object(Key=f"r/{i}", Body=content(1000, i))
        check([entry.key for entry in made.objects.filter(Prefix="r/")] == [f"r/{i}" for i in range(5)])
        entry = made.Object("r/3")
        check(entry.content_length == 1000 and entry.e_tag == s3.ObjectSummary(made.name, "r/3").e_tag)
        same(entry.get()["Body"].read(), content(1000, 3))
        entry.copy_from(CopySource={"Bucket": made.name, "Key": "r/4"})
        same(entry.get()["Body"].read(), content(1000, 4))
        upload = made.Object("parts").initiate_multipart_upload()
        parts = [upload.Part(n).upload(Body=content(5 * MIB, n)) for n in (1, 2)]
        numbered = [{"PartNumber": n + 1, "ETag": part["ETag"]} for n, part in enumerate(parts)]
        check([part.part_number for part in upload.parts.all()] == [1, 2])
        upload.complete(MultipartUpload={"Parts": numbered})
        same(made.Object("parts").get()["Body"].read(), content(5 * MIB, 1) + content(5 * MIB, 2))
        made.Object("given-up").initiate_multipart_upload().abort()
        check(list(made.multipart_uploads.all()) == [])
        check(sorted(entry.object_key for entry in made.object_versions.all()) == ["parts", *(f"r/{i}" for i in range(5))])
        made.object_versions.filter(Prefix="r/").delete()
        check([entry.key for entry in made.objects.all()] == ["parts"])
        made.objects.all().delete()
        check(list(made.objects.all()) == [])
    finally:
        end_bucket(made.name)
    ok("resource: collections, copies, an upload in parts, bulk deletion")


def transfers():
    s3 = client_of(ENDPOINT)
    config = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB, max_concurrency=4)
    source, target = os.path.join(SCRATCH, "in"), os.path.join(SCRATCH, "out")
    seen = []
    with bucket() as name, open(source, "wb") as file:
        file.write(content(LARGE))
        file.flush()
        s3.upload_file(source, name, "f", Config=config, Callback=seen.append, ExtraArgs={"Metadata": {"a": "b"}})
        check(sum(seen) == LARGE)
        s3.copy({"Bucket": name, "Key": "f"}, name, "g", Config=config)
        check(s3.head_object(Bucket=name, Key="g")["Metadata"] == {"a": "b"})
        s3.download_file(name, "g", target, Config=config)
        with open(target, "rb") as back:
            same(back.read(), content(LARGE))
        back = io.BytesIO()
        s3.download_fileobj(name, "f", back, Config=config)
        same(back.getvalue(), content(LARGE))
        check(s3.head_object(Bucket=name, Key="f", PartNumber=2)["PartsCount"] == 4)
        raises(lambda: s3.download_file(name, "never", target, Config=config), ClientError, text="404")
        for algorithm in ALGORITHMS:
            s3.upload_file(source, name, algorithm, Config=config, ExtraArgs={"ChecksumAlgorithm": algorithm})
            head = s3.head_object(Bucket=name, Key=algorithm, ChecksumMode="ENABLED")
            check(f"Checksum{algorithm}" in head, head)
            s3.download_file(name, algorithm, target, Config=config)
    ok("the transfer manager: files up, copied and down in parts, with each checksum algorithm")

    with bucket(SMALL_ENDPOINT) as name:
        small = witness(SMALL_ENDPOINT)
        fill(small, name)
        raises(lambda: small.upload_file(source, name, "f", Config=config), S3UploadFailedError, text="SlowDown")
        check("Uploads" not in small.list_multipart_uploads(Bucket=name))
    ok("the transfer manager gives up an upload that finds the server full, and leaves nothing of it")


def addressing():
    # As resolvers answer for every name below localhost.
    resolve = socket.getaddrinfo
    socket.getaddrinfo = lambda host, *rest, **more: resolve(
        "127.0.0.1" if str(host).endswith("localhost") else host, *rest, **more
    )
    by_name = f"{urlsplit(ENDPOINT).scheme}://localhost:{urlsplit(ENDPOINT).port}"
    seen = []
    with bucket() as name:
        for style in ["path", "virtual", "auto"]:
            config = Config(s3={"addressing_style": style}, signature_version="s3v4")
            s3 = boto3.client("s3", endpoint_url=by_name, config=config)
            s3.meta.events.register("before-send.s3", lambda request, **_: seen.append(request.url))
            s3.put_object(Bucket=name, Key="a b/ü+%", Body=style.encode())
            same(s3.get_object(Bucket=name, Key="a b/ü+%")["Body"].read(), style.encode())
            check([entry["Key"] for entry in s3.list_objects_v2(Bucket=name)["Contents"]] == ["a b/ü+%"])
            link = s3.generate_presigned_url("get_object", {"Bucket": name, "Key": "a b/ü+%"})
            same(requests.get(link, timeout=20).content, style.encode())
            check((f"//{name}.localhost" in seen[-1]) == (style == "virtual"), seen[-1])
            s3.upload_fileobj(io.BytesIO(content(LARGE)), name, "large")
            same(s3.get_object(Bucket=name, Key="large")["Body"].read(), content(LARGE))
            s3.delete_objects(Bucket=name, Delete={"Objects": [{"Key": "large"}]})
        virtual = boto3.client("s3", endpoint_url=by_name, config=Config(s3={"addressing_style": "virtual"}))
        made = new_name("virtual")
        virtual.create_bucket(Bucket=made)
        virtual.delete_bucket(Bucket=made)
    ok("path style, virtual hosts, and what boto3 chooses by itself")


def payloads():
    sent = {}

    def note(request, **_):
        sent.update({name.lower(): value for name, value in request.headers.items()})

    def as_text(value):
        return value.decode() if isinstance(value, bytes) else value

    body = content(300_000)
    with tls_endpoint() as (secure, bundle), bucket() as name:
        forms = set()
        for endpoint in [ENDPOINT, secure]:
            for calculation in ["when_supported", "when_required"]:
                for signing in [None, True, False]:
                    config = Config(
                        request_checksum_calculation=calculation,
                        response_checksum_validation=calculation,
                        s3={"payload_signing_enabled": signing},
                    )
                    s3 = boto3.client("s3", endpoint_url=endpoint, verify=bundle, config=config)
                    s3.meta.events.register("before-send.s3", note)
                    sent.clear()
                    s3.put_object(Bucket=name, Key="k", Body=body)
                    form = as_text(sent["x-amz-content-sha256"])
                    forms.add(form if form.isupper() else "digest")
                    same(s3.get_object(Bucket=name, Key="k")["Body"].read(), body)
        for form in ["digest", "UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"]:
            check(form in forms, forms)
        ok(f"payloads as {', '.join(sorted(forms))}")

        for endpoint in [ENDPOINT, secure]:
            s3 = boto3.client("s3", endpoint_url=endpoint, verify=bundle)
            for algorithm in ALGORITHMS:
                put = s3.put_object(Bucket=name, Key="k", Body=body, ChecksumAlgorithm=algorithm)
                got = s3.get_object(Bucket=name, Key="k", ChecksumMode="ENABLED")
                check(got[f"Checksum{algorithm}"] == put[f"Checksum{algorithm}"])
                same(got["Body"].read(), body)
            stored = s3.put_object(Bucket=name, Key="k", Body=body)["ChecksumCRC32"]
            check(stored == base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode())
            wrong = {"Bucket": name, "Key": "k", "Body": b"other"}
            refused(lambda: s3.put_object(**wrong, ChecksumCRC32=stored), "BadDigest")
            refused(lambda: s3.put_object(**wrong, ContentMD5="AAAAAAAAAAAAAAAAAAAAAA=="), "BadDigest")
            same(s3.get_object(Bucket=name, Key="k")["Body"].read(), body)
        ok("all five checksums, by header and by trailer, and wrong ones refused")

        # What boto3 signs URLs with by itself is the old signature.
        for config in [Config(signature_version="s3v4"), Config()]:
            s3 = boto3.client("s3", endpoint_url=ENDPOINT, config=config)
            where = {"Bucket": name, "Key": "presigned"}
            check(requests.put(s3.generate_presigned_url("put_object", where), data=body, timeout=20).status_code == 200)
            same(requests.get(s3.generate_presigned_url("get_object", where), timeout=20).content, body)
            check(requests.head(s3.generate_presigned_url("head_object", where), timeout=20).status_code == 200)
            check(requests.delete(s3.generate_presigned_url("delete_object", where), timeout=20).status_code == 204)
        ok("presigned PUT, GET, HEAD and DELETE")


exercise(Boto3)
client()
resource()
transfers()
addressing()
payloads()

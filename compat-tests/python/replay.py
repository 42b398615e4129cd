"""Random sequences of S3 calls, replayed on two stores at once, and what they answered in a form that can be compared.

Calls name ETags and upload ids by what they stand for ("what this key had at first"), because each store has its own.
"""

import hashlib
import random

from botocore.exceptions import ClientError
from conftest import content

KEYS = ["a", "a/b", "a//b", "dir/", "ü b+c%41", "z~", "never"]
# Around what is kept beside its metadata, and a little more than one part may be small.
SIZES = [0, 5, 16 * 1024, 20_000]
MIB = 1 << 20
NOBODYS = '"0123456789abcdef0123456789abcdef"'


class Store:
    """A client, with what its store said that later calls refer to."""

    def __init__(self, client):
        self.client = client
        self.etags = {}
        self.uploads = []

    def etag(self, key, which):
        """Its latest ETag, the one before, or one that it never had."""
        known = self.etags.get(key, [])
        return {"latest": known[-1:], "earlier": known[-2:-1], "nobody's": []}[which][:1] or [NOBODYS]

    def note(self, key, etag):
        self.etags.setdefault(key, []).append(etag)

    def upload(self, n):
        """(key, id) of the n-th upload; one that was never begun when there are fewer."""
        return self.uploads[n] if n < len(self.uploads) else ("a", "never-begun")


def answer(call, **arguments):
    """What a call came to: its fields, or the status and code of its error."""
    try:
        return call(**arguments)
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        return {"error": (status, error.response["Error"]["Code"])}


def shown(response, *fields):
    """The fields that both stores should agree on, and whether there was an error."""
    if "error" in response:
        return {"error": response["error"]}
    return {"status": response["ResponseMetadata"]["HTTPStatusCode"], **{field: response.get(field) for field in fields}}


def put(store, bucket, key, size, seed, metadata, condition):
    more = {} if condition is None else {condition[0]: condition[1] if condition[1] == "*" else store.etag(key, condition[1])[0]}
    said = {"Metadata": {"seed": str(seed)}, "ContentType": "text/x"} if metadata else {}
    got = answer(store.client.put_object, Bucket=bucket, Key=key, Body=content(size, seed), **said, **more)
    if "error" not in got:
        store.note(key, got["ETag"])
    return shown(got, "ETag")


def read(store, bucket, key, how, range_, condition):
    call = {"get": store.client.get_object, "head": store.client.head_object}[how]
    more = {"Range": range_} if range_ else {}
    if condition:
        more[condition[0]] = store.etag(key, condition[1])[0]
    got = answer(call, Bucket=bucket, Key=key, **more)
    if "error" not in got and how == "get":
        got["digest"] = hashlib.md5(got["Body"].read()).hexdigest()
    fields = ["ETag", "ContentLength", "ContentRange", "ContentType", "Metadata", "digest", "TagCount"]
    return shown(got, *fields)


def delete(store, bucket, key):
    return shown(answer(store.client.delete_object, Bucket=bucket, Key=key))


def delete_many(store, bucket, keys, quiet):
    what = {"Objects": [{"Key": key} for key in keys], "Quiet": quiet}
    got = answer(store.client.delete_objects, Bucket=bucket, Delete=what)
    if "Deleted" in got:
        got["Deleted"] = sorted(entry["Key"] for entry in got["Deleted"])
    return shown(got, "Deleted", "Errors")


def copy(store, bucket, source, key, directive, condition):
    more = {"MetadataDirective": directive, "Metadata": {"copied": "yes"}} if directive else {}
    if condition:
        more[condition[0]] = store.etag(source[1], condition[1])[0]
    got = answer(store.client.copy_object, Bucket=bucket, Key=key, CopySource={"Bucket": source[0], "Key": source[1]}, **more)
    if "error" not in got:
        got["ETag"] = got["CopyObjectResult"]["ETag"]
        store.note(key, got["ETag"])
    return shown(got, "ETag")


def listed(store, bucket, version, arguments):
    call = {"v1": store.client.list_objects, "v2": store.client.list_objects_v2}[version]
    got = answer(call, Bucket=bucket, **arguments)
    if "error" not in got:
        got["Keys"] = [(entry["Key"], entry["Size"]) for entry in got.get("Contents", [])]
        got["Prefixes"] = [entry["Prefix"] for entry in got.get("CommonPrefixes", [])]
    return shown(got, "Keys", "Prefixes", "IsTruncated", "KeyCount", "MaxKeys", "Prefix", "Delimiter", "Marker", "NextMarker")


def attributes(store, bucket, key):
    got = answer(store.client.get_object_attributes, Bucket=bucket, Key=key, ObjectAttributes=["ObjectSize", "StorageClass"])
    return shown(got, "ObjectSize", "StorageClass")


def begin(store, bucket, key):
    got = answer(store.client.create_multipart_upload, Bucket=bucket, Key=key, Metadata={"parts": "yes"})
    if "error" not in got:
        store.uploads.append((key, got["UploadId"]))
    return shown(got, "Key", "Bucket")


def part(store, bucket, n, number, size, seed):
    key, upload = store.upload(n)
    body = content(size, seed)
    got = answer(store.client.upload_part, Bucket=bucket, Key=key, UploadId=upload, PartNumber=number, Body=body)
    return shown(got)


def parts(store, bucket, n, most):
    key, upload = store.upload(n)
    got = answer(store.client.list_parts, Bucket=bucket, Key=key, UploadId=upload, MaxParts=most)
    if "error" not in got:
        got["Parts"] = [(entry["PartNumber"], entry["Size"]) for entry in got.get("Parts", [])]
    return shown(got, "Parts", "IsTruncated", "MaxParts")


def complete(store, bucket, n, wanted):
    """With the parts that are there ("all"), without the first of them, in the wrong order, or with none."""
    key, upload = store.upload(n)
    found = answer(store.client.list_parts, Bucket=bucket, Key=key, UploadId=upload)
    there = [{"PartNumber": entry["PartNumber"], "ETag": entry["ETag"]} for entry in found.get("Parts", [])]
    named = {"all": there, "some": there[1:], "backwards": there[::-1], "none": []}[wanted]
    got = answer(store.client.complete_multipart_upload, Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": named})
    if "error" not in got:
        store.note(key, got["ETag"])
    return shown(got, "Key", "Bucket")


def abort(store, bucket, n):
    key, upload = store.upload(n)
    return shown(answer(store.client.abort_multipart_upload, Bucket=bucket, Key=key, UploadId=upload))


def uploads(store, bucket, prefix):
    got = answer(store.client.list_multipart_uploads, Bucket=bucket, **({"Prefix": prefix} if prefix else {}))
    if "error" not in got:
        got["Uploads"] = sorted(entry["Key"] for entry in got.get("Uploads", []))
    return shown(got, "Uploads", "IsTruncated")


def tag(store, bucket, key, tags):
    pairs = [{"Key": name, "Value": value} for name, value in tags]
    return shown(answer(store.client.put_object_tagging, Bucket=bucket, Key=key, Tagging={"TagSet": pairs}))


def tags(store, bucket, key):
    got = answer(store.client.get_object_tagging, Bucket=bucket, Key=key)
    if "error" not in got:
        got["TagSet"] = sorted((entry["Key"], entry["Value"]) for entry in got["TagSet"])
    return shown(got, "TagSet")


def untag(store, bucket, key):
    return shown(answer(store.client.delete_object_tagging, Bucket=bucket, Key=key))


def bucket_call(store, bucket, call, field):
    return shown(answer(getattr(store.client, call), Bucket=bucket), *([field] if field else []))


BUCKET_CALLS = [
    ("head_bucket", None),
    ("create_bucket", None),
    ("delete_bucket", None),
    ("get_bucket_location", "LocationConstraint"),
    ("get_bucket_versioning", "Status"),
    ("get_bucket_cors", None),
    ("get_bucket_policy", None),
    ("get_bucket_website", None),
    ("get_bucket_tagging", None),
    ("get_bucket_lifecycle_configuration", None),
    ("get_bucket_replication", None),
    ("get_object_lock_configuration", None),
    ("get_bucket_logging", "LoggingEnabled"),
    ("get_bucket_accelerate_configuration", "Status"),
]


def sequence(seed, buckets, length):
    """`length` calls: (function, arguments). The same for the same seed."""
    pick = random.Random(seed)
    key = lambda: pick.choice(KEYS)  # noqa: E731
    bucket = lambda: pick.choice(buckets)  # noqa: E731
    which = lambda: pick.choice(["latest", "latest", "earlier", "nobody's"])  # noqa: E731
    often = lambda chance, value: value if pick.random() < chance else None  # noqa: E731
    upload = lambda: pick.randrange(4)  # noqa: E731

    def a_put():
        condition = pick.choice([None, None, None, ("IfNoneMatch", "*"), ("IfMatch", which())])
        return put, (bucket(), key(), pick.choice(SIZES), pick.randrange(9), pick.random() < 0.5, condition)

    def a_read():
        range_ = often(0.4, pick.choice(["bytes=0-0", "bytes=2-", "bytes=-3", "bytes=4-2", "bytes=99999-", "lines=1-2"]))
        condition = often(0.3, (pick.choice(["IfMatch", "IfNoneMatch"]), which()))
        return read, (bucket(), key(), pick.choice(["get", "head"]), range_, condition)

    def a_copy():
        names = ["CopySourceIfMatch", "CopySourceIfNoneMatch"]
        condition = often(0.3, (pick.choice(names), which()))
        return copy, (bucket(), (bucket(), key()), key(), pick.choice([None, "COPY", "REPLACE"]), condition)

    def a_list():
        version = pick.choice(["v1", "v2"])
        arguments = {}
        if pick.random() < 0.5:
            arguments["Prefix"] = pick.choice(["a", "a/", "dir/", "ü", "x", ""])
        if pick.random() < 0.5:
            arguments["Delimiter"] = pick.choice(["/", "//", "b"])
        if pick.random() < 0.4:
            arguments["MaxKeys"] = pick.choice([0, 1, 2, 3, 2000])
        if pick.random() < 0.3:
            arguments["StartAfter" if version == "v2" else "Marker"] = pick.choice(["a", "a/", "b", "dir/", "zzz"])
        return listed, (bucket(), version, arguments)

    def a_tag():
        pairs = pick.choice([[("k", "v")], [("k", "v"), ("l", "ü =+")], [], [("k", "1"), ("k", "2")], [("k" * 129, "v")]])
        return tag, (bucket(), key(), pairs)

    calls = [
        (8, a_put),
        (8, a_read),
        (3, lambda: (delete, (bucket(), key()))),
        (1, lambda: (delete_many, (bucket(), pick.sample(KEYS, 3), pick.random() < 0.5))),
        (4, a_copy),
        (5, a_list),
        (1, lambda: (attributes, (bucket(), key()))),
        (2, lambda: (begin, (bucket(), key()))),
        (4, lambda: (part, (bucket(), upload(), pick.choice([1, 2, 3, 10_001]), pick.choice([5, 5 * MIB]), pick.randrange(9)))),
        (1, lambda: (parts, (bucket(), upload(), pick.choice([1, 1000])))),
        (3, lambda: (complete, (bucket(), upload(), pick.choice(["all", "all", "some", "backwards", "none"])))),
        (1, lambda: (abort, (bucket(), upload()))),
        (2, lambda: (uploads, (bucket(), pick.choice([None, "a", "x"])))),
        (2, a_tag),
        (2, lambda: (tags, (bucket(), key()))),
        (1, lambda: (untag, (bucket(), key()))),
        (2, lambda: (bucket_call, (bucket(), *pick.choice(BUCKET_CALLS)))),
    ]
    weights, makers = zip(*calls)
    for _ in range(length):
        yield pick.choices(makers, weights)[0]()

"""Random sequences of S3 calls: what each call does, and which calls come."""

import hashlib
import random

from conftest import content
from replay_settings import a_setting
from replay_store import answer, shown

KEYS = ["a", "a/b", "a//b", "dir/", "ü b+c%41", "z~", "never"]
# Around what is kept beside its metadata, and a little more than one part may be small.
SIZES = [0, 5, 16 * 1024, 20_000]
MIB = 1 << 20
ALGORITHMS = ["CRC32", "SHA1", "SHA256"]
SUMS = [f"Checksum{algorithm}" for algorithm in ALGORITHMS]


def put(store, bucket, key, size, seed, said, condition):
    more = {} if condition is None else {condition[0]: condition[1] if condition[1] == "*" else store.etag(key, condition[1])[0]}
    got = answer(store.client.put_object, Bucket=bucket, Key=key, Body=content(size, seed), **said, **more)
    if "error" not in got:
        store.note(key, got["ETag"])
    return shown(got, "ETag", *SUMS)


def read(store, bucket, key, how, range_, condition, sums):
    call = {"get": store.client.get_object, "head": store.client.head_object}[how]
    more = {"Range": range_} if range_ else {}
    if sums:
        more["ChecksumMode"] = "ENABLED"
    if condition:
        more[condition[0]] = store.etag(key, condition[1])[0]
    got = answer(call, Bucket=bucket, Key=key, **more)
    if "error" not in got and how == "get":
        got["digest"] = hashlib.md5(got["Body"].read()).hexdigest()
    fields = ["ETag", "ContentLength", "ContentRange", "ContentType", "CacheControl", "Metadata", "digest", "TagCount"]
    return shown(got, *fields, *SUMS)


def delete(store, bucket, key):
    return shown(answer(store.client.delete_object, Bucket=bucket, Key=key))


def delete_many(store, bucket, keys, quiet):
    what = {"Objects": [{"Key": key} for key in keys], "Quiet": quiet}
    got = answer(store.client.delete_objects, Bucket=bucket, Delete=what)
    if "Deleted" in got:
        got["Deleted"] = sorted(entry["Key"] for entry in got["Deleted"])
    return shown(got, "Deleted", "Errors")


def copy(store, bucket, source, key, directive, tagging, condition):
    more = {"MetadataDirective": directive, "Metadata": {"copied": "yes"}} if directive else {}
    if tagging:
        more |= {"TaggingDirective": tagging} | ({"Tagging": "copied=yes"} if tagging == "REPLACE" else {})
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


def versions(store, bucket, arguments):
    got = answer(store.client.list_object_versions, Bucket=bucket, **arguments)
    if "error" not in got:
        got["Versions"] = [(entry["Key"], entry["VersionId"], entry["IsLatest"], entry["Size"]) for entry in got.get("Versions", [])]
        got["Prefixes"] = [entry["Prefix"] for entry in got.get("CommonPrefixes", [])]
    return shown(got, "Versions", "Prefixes", "DeleteMarkers", "IsTruncated", "MaxKeys", "NextKeyMarker", "NextVersionIdMarker")


def attributes(store, bucket, key):
    wanted = ["ETag", "Checksum", "ObjectSize", "StorageClass"]
    got = answer(store.client.get_object_attributes, Bucket=bucket, Key=key, ObjectAttributes=wanted)
    return shown(got, "ETag", "ObjectSize", "StorageClass", "Checksum")


def begin(store, bucket, key):
    got = answer(store.client.create_multipart_upload, Bucket=bucket, Key=key, Metadata={"parts": "yes"})
    if "error" not in got:
        store.uploads.append((key, got["UploadId"]))
    return shown(got, "Key", "Bucket")


def part(store, bucket, n, number, size, seed):
    key, upload = store.upload(n)
    body = content(size, seed)
    got = answer(store.client.upload_part, Bucket=bucket, Key=key, UploadId=upload, PartNumber=number, Body=body)
    return shown(got, *SUMS)


def part_copy(store, bucket, n, number, source, range_):
    key, upload = store.upload(n)
    more = {"CopySourceRange": range_} if range_ else {}
    copied = {"Bucket": source[0], "Key": source[1]}
    got = answer(store.client.upload_part_copy, Bucket=bucket, Key=key, UploadId=upload, PartNumber=number, CopySource=copied, **more)
    return shown(got)


def parts(store, bucket, n, most, behind):
    key, upload = store.upload(n)
    got = answer(store.client.list_parts, Bucket=bucket, Key=key, UploadId=upload, MaxParts=most, PartNumberMarker=behind)
    if "error" not in got:
        got["Parts"] = [(entry["PartNumber"], entry["Size"]) for entry in got.get("Parts", [])]
    return shown(got, "Parts", "IsTruncated", "MaxParts", "PartNumberMarker")


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


def uploads(store, bucket, arguments):
    got = answer(store.client.list_multipart_uploads, Bucket=bucket, **arguments)
    if "error" not in got:
        got["Uploads"] = sorted(entry["Key"] for entry in got.get("Uploads", []))
        got["Prefixes"] = [entry["Prefix"] for entry in got.get("CommonPrefixes", [])]
    return shown(got, "Uploads", "Prefixes", "IsTruncated")


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
    ("get_bucket_website", None),
    ("get_bucket_replication", None),
    ("get_object_lock_configuration", None),
    ("get_bucket_logging", "LoggingEnabled"),
    ("get_bucket_accelerate_configuration", "Status"),
]


def furniture(buckets):
    """What is there before the first call, so that most calls find something."""
    plain, tagged = {"ContentType": "text/x"}, {"Tagging": "k=v"}
    for bucket in buckets:
        for key, size, said in [("a", 5, plain), ("a/b", 0, plain), ("dir/", 0, tagged), ("z~", 20_000, tagged)]:
            yield put, (bucket, key, size, 1, said, None)
    for bucket in buckets:
        yield begin, (bucket, "a")
    yield part, (buckets[0], 0, 1, 5, 1)


def sequence(seed, buckets, length):
    """`length` calls: (function, arguments). The same for the same seed; `buckets` may hold other names in between."""
    pick = random.Random(seed)
    key = lambda: pick.choice(KEYS)  # noqa: E731
    bucket = lambda: pick.choice(buckets)  # noqa: E731
    which = lambda: pick.choice(["latest", "latest", "earlier", "nobody's"])  # noqa: E731
    often = lambda chance, value: value if pick.random() < chance else None  # noqa: E731
    upload = lambda: pick.randrange(5)  # noqa: E731

    def a_put():
        condition = pick.choice([None, None, None, ("IfNoneMatch", "*"), ("IfMatch", which())])
        seed = pick.randrange(9)
        said = {}
        if pick.random() < 0.5:
            said |= {"Metadata": {"seed": str(seed)}, "ContentType": "text/x"}
        if pick.random() < 0.2:
            said["CacheControl"] = "max-age=5"
        if pick.random() < 0.2:
            said["Tagging"] = pick.choice(["k=v", "k=v&l=%C3%BC+%3D", "", "k=1&k=2"])
        if pick.random() < 0.3:
            said["ChecksumAlgorithm"] = pick.choice(ALGORITHMS)
        return put, (bucket(), key(), pick.choice(SIZES), seed, said, condition)

    def a_read():
        range_ = often(0.4, pick.choice(["bytes=0-0", "bytes=2-", "bytes=-3", "bytes=4-2", "bytes=99999-", "lines=1-2"]))
        condition = often(0.3, (pick.choice(["IfMatch", "IfNoneMatch"]), which()))
        return read, (bucket(), key(), pick.choice(["get", "head"]), range_, condition, pick.random() < 0.3)

    def a_copy():
        names = ["CopySourceIfMatch", "CopySourceIfNoneMatch"]
        condition = often(0.3, (pick.choice(names), which()))
        directive, tagging = pick.choice([None, "COPY", "REPLACE"]), pick.choice([None, None, "COPY", "REPLACE"])
        return copy, (bucket(), (bucket(), key()), key(), directive, tagging, condition)

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

    def some_versions():
        arguments = {}
        if pick.random() < 0.5:
            arguments["Prefix"] = pick.choice(["a", "a/", "x"])
        if pick.random() < 0.4:
            arguments["Delimiter"] = "/"
        if pick.random() < 0.3:
            arguments["MaxKeys"] = pick.choice([1, 2])
        return versions, (bucket(), arguments)

    def some_uploads():
        arguments = {}
        if pick.random() < 0.5:
            arguments["Prefix"] = pick.choice(["a", "x"])
        if pick.random() < 0.3:
            arguments["Delimiter"] = "/"
        return uploads, (bucket(), arguments)

    def a_part():
        number = pick.choice([1, 2, 3, 10_001])
        if pick.random() < 0.25:
            return part_copy, (bucket(), upload(), number, (bucket(), key()), pick.choice([None, "bytes=0-4", "bytes=0-99999"]))
        return part, (bucket(), upload(), number, pick.choice([5, 5, 5 * MIB]), pick.randrange(9))

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
        (4, a_part),
        (1, lambda: (parts, (bucket(), upload(), pick.choice([1, 1000]), pick.choice([0, 0, 1])))),
        (3, lambda: (complete, (bucket(), upload(), pick.choice(["all", "all", "some", "backwards", "none"])))),
        (1, lambda: (abort, (bucket(), upload()))),
        (2, some_uploads),
        (1, some_versions),
        (2, a_tag),
        (2, lambda: (tags, (bucket(), key()))),
        (1, lambda: (untag, (bucket(), key()))),
        (2, lambda: (bucket_call, (bucket(), *pick.choice(BUCKET_CALLS)))),
        (6, lambda: a_setting(pick, bucket())),
    ]
    weights, makers = zip(*calls)
    for _ in range(length):
        yield pick.choices(makers, weights)[0]()

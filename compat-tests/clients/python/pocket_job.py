"""What the jobs in Python share: what they are told, data, keys, and the part of a job that is the same for every client.

A job gives its client the form of a `Store`, calls `exercise`, and goes on with what only its client does. What a client
wrote is read back with another one (boto3) as well, so that no client is its own witness.
"""

import contextlib
import os
import random
import shlex
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ENDPOINT = os.environ["POCKET_ENDPOINT"]
SMALL_ENDPOINT = os.environ["POCKET_SMALL_ENDPOINT"]
REGION = os.environ["AWS_REGION"]
KEY = os.environ["AWS_ACCESS_KEY_ID"]
SECRET = os.environ["AWS_SECRET_ACCESS_KEY"]
SCRATCH = os.environ["POCKET_SCRATCH"]

MIB = 1 << 20
# More than one page of a list.
MANY = 1_100
# Of more than one part with every client's default part size.
LARGE = 17 * MIB + 1
# Several of these fill the small server.
FILLER = 7 * MIB
# Keys that careless encoding breaks, on either side.
ODD_KEYS = [
    "a b",
    "a+b",
    "a%20b",
    "100%",
    "ü/ö/日本語",
    "emoji-🦀",
    "a//b",
    "a/b",
    "a",
    "q?x=1&y=2",
    "hash#tag",
    "it's \"quoted\"",
    "<tag>&amp;",
    "back\\slash",
    "~*!()@:,;=$",
    "dots/..hidden/...",
    # 924 bytes in names that a file system takes.
    "/".join([*(letter * 200 for letter in "klmn"), "é" * 60]),
]
# What is a key and no path: an HTTP client might walk it, a file system has no name for it, and XML cannot say the last ones.
RAW_KEYS = ["//x", "dir/", "dir", "./a", "a/../b", "é" * 500, "tab\tline\nbreak\r", "\x01\x1f\x7f"]


# What is said otherwise of an endpoint that speaks TLS.
OVER_TLS = {
    "http://": "https://",
    "secure=False": "secure=True",
    "use_https = False": "use_https = True",
    "USE_SSL false": "USE_SSL true",
    # The only one that reads no variable.
    "CREATE SECRET (TYPE s3": f"SET ca_cert_file = '{os.environ.get('SSL_CERT_FILE')}'; CREATE SECRET (TYPE s3",
}


SHOWN = set()


def ok(what, *steps):
    """Says that something held, and which of the steps that every client has were shown by it. A brief job ends when bytes have
    come back in one piece and in parts; its buckets end on the way out.
    """
    print(" ".join(["ok", what, *(f"#{step}" for step in steps)]), flush=True)
    SHOWN.update(steps)
    if os.environ.get("POCKET_PART") == "brief" and {"bytes", "multipart"} <= SHOWN:
        sys.exit()


def page_lines(endpoint=ENDPOINT, bucket="my-bucket", block=0):
    """The lines that `docs/clients.md` shows for this job's client, with a real endpoint, bucket and credentials in them: it
    is set up by these and no others.
    """
    text = (Path(sys.argv[0]).parent / "config.md").read_text()
    lines = text.split("```")[2 * block + 1].split("\n", 1)[1]
    real = {"127.0.0.1:9000": urlsplit(endpoint).netloc, "my-bucket": bucket, "my-key": KEY, "my-secret": SECRET}
    if endpoint.startswith("https:"):
        real = OVER_TLS | real
    for shown, meant in real.items():
        lines = lines.replace(shown, meant)
    return lines


def from_page(endpoint=ENDPOINT, bucket="my-bucket", block=0, **names):
    """What those lines define, where they are Python that makes use of `names`."""
    exec(page_lines(endpoint, bucket, block), names)
    return names


def page_command(end, endpoint=ENDPOINT, bucket="my-bucket"):
    """The words of the one command that it shows, without the `end` that is only an example of what to do."""
    words = page_lines(endpoint, bucket).removeprefix("$ ").strip().removesuffix(end)
    return shlex.split(words)


def check(held, *shown):
    """As `assert`, which `-O` would remove, and with what was seen instead."""
    if not held:
        raise AssertionError(" ".join(map(repr, shown)) or "does not hold")


def same(got, expected):
    """Both byte by byte the same; the message shows where not, and never megabytes."""
    got = bytes(got)
    if got != expected:
        where = next((i for i, (a, b) in enumerate(zip(got, expected)) if a != b), min(len(got), len(expected)))
        raise AssertionError(f"{len(got)} bytes instead of {len(expected)}, different from byte {where} on")


def content(size, seed=0):
    """Bytes that repeat nowhere near a chunk or part border."""
    return random.Random(seed).randbytes(size)


def new_name(what="job"):
    return f"{what}-{uuid.uuid4().hex[:12]}"


def witness(endpoint=ENDPOINT):
    """boto3 without retries: sees what there is."""
    config = Config(retries={"max_attempts": 1, "mode": "standard"})
    return boto3.client("s3", endpoint_url=endpoint, config=config)


def end_bucket(name, endpoint=ENDPOINT):
    """Ends a bucket with whatever is in it."""
    s3 = witness(endpoint)
    s3.meta.events.register("before-sign.s3", lambda request, **_: request.headers.add_header("x-pocket-force-delete", "true"))
    with contextlib.suppress(s3.exceptions.NoSuchBucket):
        s3.delete_bucket(Bucket=name)


@contextlib.contextmanager
def bucket(endpoint=ENDPOINT, **hints):
    """A bucket that is gone afterwards."""
    name, tags = new_name(), [{"Key": f"pocket:{hint}", "Value": value} for hint, value in hints.items()]
    witness(endpoint).create_bucket(Bucket=name, **({"CreateBucketConfiguration": {"Tags": tags}} if tags else {}))
    try:
        yield name
    finally:
        end_bucket(name, endpoint)


def waits(read):
    """`read(bucket, key)` of a key that is written when it has begun, in a bucket whose reads wait."""
    with bucket(wait="20s") as name, ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read, name, "later")
        time.sleep(1)
        check(not reading.done(), reading)
        witness().put_object(Bucket=name, Key="later", Body=content(100_000))
        same(reading.result(30), content(100_000))
    ok("a read of what is written later waits for it")


def code_of(error):
    """S3's code in an error of botocore."""
    return error.response["Error"]["Code"]


def refused(call, *codes):
    """The call must fail with one of S3's codes; for clients made of botocore."""
    try:
        call()
    except ClientError as error:
        check(code_of(error) in codes, code_of(error), codes)
        return error
    raise AssertionError(f"was taken instead of refused with {codes}")


def raises(call, *types, text=""):
    """The call must fail with one of the client's own errors, and say `text`."""
    try:
        call()
    except types as error:
        check(text.lower() in f"{error!r} {error}".lower(), error, text)
        return error
    raise AssertionError(f"was taken instead of refused with {types}")


def fill(s3, name):
    """Puts objects into a bucket of the small server until it says that it is full."""
    keys = []
    for i in range(16):
        try:
            s3.put_object(Bucket=name, Key=f"filler-{i}", Body=content(FILLER, i))
        except ClientError as error:
            check(code_of(error) == "SlowDown", code_of(error))
            check(error.response["ResponseMetadata"]["HTTPStatusCode"] == 503)
            return keys
        keys.append(f"filler-{i}")
    raise AssertionError("the small server is never full")


def put_many(s3, name, prefix, count=MANY):
    """Objects of a few bytes, and their keys in the order of a list."""
    keys = [f"{prefix}{i:05}" for i in range(count)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda key: s3.put_object(Bucket=name, Key=key, Body=key.encode()), keys))
    return keys


class Store:
    """A client, seen as what every client can do with one bucket. Jobs override all of it."""

    # What the client raises for a key that is not there, and for a server that is full.
    missing = ()
    full = ()
    full_text = ""
    odd_keys = ODD_KEYS
    # Bytes that it uploads in parts.
    large = LARGE

    def put(self, key, data): ...

    def get(self, key): ...

    def get_range(self, key, start, length):
        """`None` instead of a function where the client has no such call."""

    def keys(self, prefix):
        """All keys that begin with it, from all pages."""

    def delete(self, key): ...


def exercise(store_of):
    """What holds for every client. `store_of(endpoint, bucket)` gives its `Store`."""
    s3 = witness()
    with bucket() as name:
        store = store_of(ENDPOINT, name)
        for size in [0, 1, 70_000, 5 * MIB]:
            store.put(f"size-{size}", content(size))
            same(store.get(f"size-{size}"), content(size))
            same(s3.get_object(Bucket=name, Key=f"size-{size}")["Body"].read(), content(size))
        ok("bytes of 0 to 5 MiB come back as they were", "bytes")

        large = content(store.large)
        store.put("large", large)
        parts = s3.head_object(Bucket=name, Key="large", PartNumber=1).get("PartsCount", 1)
        check(parts > 1, parts)
        same(store.get("large"), large)
        same(s3.get_object(Bucket=name, Key="large")["Body"].read(), large)
        check(s3.list_multipart_uploads(Bucket=name).get("Uploads", []) == [])
        ok(f"a multipart upload of {parts} parts", "multipart")

        if store.get_range:
            for start, length in [(0, 1), (5 * MIB - 7, 100), (len(large) - 10, 10)]:
                same(store.get_range("large", start, length), large[start : start + length])
            ok("ranges, across parts and at the end", "ranges")

        for i, key in enumerate(store.odd_keys):
            store.put(f"odd/{key}", content(100 + i, i))
        for i, key in enumerate(store.odd_keys):
            same(store.get(f"odd/{key}"), content(100 + i, i))
            same(s3.get_object(Bucket=name, Key=f"odd/{key}")["Body"].read(), content(100 + i, i))
        expected = sorted(f"odd/{key}" for key in store.odd_keys)
        listed = sorted(store.keys("odd/"))
        check(listed == expected, set(listed) ^ set(expected))
        for key in store.odd_keys:
            store.delete(f"odd/{key}")
        # Some clients leave an empty marker where a directory was.
        left = s3.list_objects_v2(Bucket=name, Prefix="odd/").get("Contents", [])
        check(not {entry["Key"] for entry in left} & set(expected), left)
        ok(f"{len(store.odd_keys)} odd keys, written, read, listed and deleted", "odd-keys", "deletion")

        expected = put_many(s3, name, "many/")
        listed = list(store.keys("many/"))
        check(sorted(listed) == expected, len(listed))
        ok(f"a list of {len(listed)} keys", "list")

        raises(lambda: store.get("never"), *store.missing)
        store.delete("size-1")
        raises(lambda: store.get("size-1"), *store.missing)
        ok("a key that was never there and one that was deleted are missing", "missing")

    with bucket(SMALL_ENDPOINT) as name:
        small = witness(SMALL_ENDPOINT)
        filler = fill(small, name)
        store = store_of(SMALL_ENDPOINT, name)
        raises(lambda: store.put("one-too-many", content(FILLER)), *store.full, text=store.full_text)
        refused(lambda: small.head_object(Bucket=name, Key="one-too-many"), "404")
        small.delete_object(Bucket=name, Key=filler[0])
        store.put("fits", content(FILLER))
        same(store.get("fits"), content(FILLER))
    ok("a full server says so, and takes more when there is room again", "full")

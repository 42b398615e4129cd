"""Lambda: functions under its runtime interface client that hand their data on by S3 URL."""

import contextlib
import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pocket_job import *
from runtime import Function, FunctionError

PIECE_BYTES = 3 * MIB + 1
# How many instances of the function in the middle work at once.
INSTANCES = 2


class Fetch(Store):
    """The bucket as a function sees it, whose disk is the job's scratch folder."""

    missing = (FunctionError,)
    full = (FunctionError,)
    full_text = "SlowDown"
    odd_keys = ODD_KEYS + RAW_KEYS

    def __init__(self, functions, bucket):
        self.function, self.bucket = functions, bucket
        self.file = Path(SCRATCH) / "function-disk"

    def call(self, do, key, **more):
        return self.function({"do": do, "url": f"s3://{self.bucket}/{key}", "file": str(self.file), **more})

    def put(self, key, data):
        self.file.write_bytes(data)
        self.call("put", key)

    def get(self, key):
        self.file.unlink(missing_ok=True)
        self.call("get", key)
        return self.file.read_bytes()

    def get_range(self, key, start, length):
        self.call("range", key, first=start, length=length)
        return self.file.read_bytes()

    def keys(self, prefix):
        return self.call("list", prefix)

    def delete(self, key):
        self.call("delete", key)


def hand_over():
    """Three functions in a row: what one leaves in the bucket is the next one's input."""
    s3, data = witness(), content(LARGE)
    with contextlib.ExitStack() as stack:
        name = stack.enter_context(bucket())
        start = lambda handler: stack.enter_context(Function(handler, ENDPOINT))
        split, collect, digests = start("split"), start("collect"), [start("digest") for _ in range(INSTANCES)]
        s3.put_object(Bucket=name, Key="in put/1", Body=data)
        pieces = split({"input": f"s3://{name}/in put/1", "output": f"s3://{name}/pieces", "piece_bytes": PIECE_BYTES})
        expected = [data[first : first + PIECE_BYTES] for first in range(0, LARGE, PIECE_BYTES)]
        for piece, body in zip(pieces, expected, strict=True):
            same(s3.get_object(Bucket=name, Key=piece.removeprefix(f"s3://{name}/"))["Body"].read(), body)
        ok(f"a function cut an object into {len(pieces)} pieces and handed their URLs on")

        def share(number):
            return [digests[number]({"input": piece}) for piece in pieces[number::INSTANCES]]

        with ThreadPoolExecutor(INSTANCES) as pool:
            done = [url for urls in pool.map(share, range(INSTANCES)) for url in urls]
        inputs = sorted(done)
        event = {"inputs": inputs, "output": f"s3://{name}/digests", "done": inputs + pieces}
        check(collect(event) == event["output"])
        found = s3.get_object(Bucket=name, Key="digests")["Body"].read()
        same(found, b"".join(hashlib.sha256(body).digest() for body in expected))
        listed = [entry["Key"] for entry in s3.list_objects_v2(Bucket=name)["Contents"]]
        check(listed == ["digests", "in put/1"], listed)
        ok(f"{INSTANCES} instances of the next took them, the last one wrote the result and removed what is done")

        # Lambda calls again when it is not sure that a call was answered.
        raises(lambda: collect(event), FunctionError, text="NoSuchKey")
        again = {**event, "inputs": [event["output"]], "done": []}
        raises(lambda: collect(again), FunctionError, text="PreconditionFailed")
        same(s3.get_object(Bucket=name, Key="digests")["Body"].read(), found)
        ok("called twice, the result is written once (412)", "precondition")


with Function("fetch", ENDPOINT) as main, Function("fetch", SMALL_ENDPOINT) as small:
    exercise(lambda endpoint, bucket: Fetch(small if endpoint == SMALL_ENDPOINT else main, bucket))
hand_over()

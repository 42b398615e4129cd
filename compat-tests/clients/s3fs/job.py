"""s3fs over aiobotocore: a file system, and the asynchronous client below it."""

import asyncio
import os

import s3fs
from aiobotocore.session import get_session
from botocore.exceptions import ClientError
from pocket_job import *


class S3Fs(Store):
    missing = (FileNotFoundError,)
    full = (OSError,)
    full_text = "no room"
    # Paths of fsspec lose slashes at their end, and it takes `?` in a path for a version only where versions are asked for.
    odd_keys = ODD_KEYS

    def __init__(self, endpoint, bucket):
        self.fs = from_page(endpoint, s3fs=s3fs)["fs"]
        self.fs.retries = 1 if endpoint == SMALL_ENDPOINT else self.fs.retries
        self.bucket = bucket

    def path(self, key):
        return f"{self.bucket}/{key}"

    def put(self, key, data):
        # Parts of 5 MiB, so that 17 MiB are several. What comes in one write goes out as one part.
        with self.fs.open(self.path(key), "wb", block_size=5 * MIB) as file:
            for start in range(0, len(data), 5 * MIB):
                file.write(data[start : start + 5 * MIB])

    def get(self, key):
        return self.fs.cat_file(self.path(key))

    def get_range(self, key, start, length):
        with self.fs.open(self.path(key), "rb") as file:
            file.seek(start)
            return file.read(length)

    def keys(self, prefix):
        return [path.removeprefix(f"{self.bucket}/") for path in self.fs.find(self.path(prefix.rstrip("/")))]

    def delete(self, key):
        self.fs.rm_file(self.path(key))


def file_system():
    fs = from_page(s3fs=s3fs)["fs"]
    made = new_name("s3fs")
    fs.mkdir(made)
    try:
        tree, back = os.path.join(SCRATCH, "tree"), os.path.join(SCRATCH, "back")
        os.makedirs(f"{tree}/d/e")
        for name in ["a", "d/b", "d/e/ü"]:
            with open(f"{tree}/{name}", "wb") as file:
                file.write(content(1000, len(name)))
        fs.put(tree, f"{made}/t", recursive=True)
        check(fs.isdir(f"{made}/t/d") and fs.isfile(f"{made}/t/d/b") and not fs.exists(f"{made}/t/c"))
        check(sorted(fs.ls(f"{made}/t", detail=False)) == [f"{made}/t/a", f"{made}/t/d"])
        check(sorted(fs.glob(f"{made}/t/**/b")) == [f"{made}/t/d/b"])
        fs.get(f"{made}/t", back, recursive=True)
        for name in ["a", "d/b", "d/e/ü"]:
            with open(f"{back}/{name}", "rb") as file:
                same(file.read(), content(1000, len(name)))
        fs.mv(f"{made}/t/a", f"{made}/t/d/a")
        fs.copy(f"{made}/t/d", f"{made}/moved", recursive=True)
        fs.rm(f"{made}/t/d", recursive=True)
        check(not fs.exists(f"{made}/t/d/b"))
        same(fs.cat(f"{made}/moved/e/ü"), content(1000, 5))
        same(fs.cat(f"{made}/moved/a"), content(1000, 1))
        with fs.open(f"{made}/text", "w") as file:
            file.write("line\n" * 3)
        with fs.open(f"{made}/text") as file:
            check(file.readlines() == [b"line\n"] * 3)
        raises(lambda: fs.pipe_file(f"{made}/text", b"x", mode="create"), OSError, text="pre-condition")
        keys = put_many(witness(), made, "many/")
        fs.invalidate_cache()
        fs.rm([f"{made}/{key}" for key in keys])
        check("Contents" not in witness().list_objects_v2(Bucket=made, Prefix="many/"))
        fs.rm(made, recursive=True)
        check(not fs.exists(made))
    finally:
        end_bucket(made)
    ok(f"trees up and down, moved, searched and removed, {MANY} files at once; none is made twice", "precondition")


async def asynchronous():
    with bucket() as name:
        async with get_session().create_client("s3", endpoint_url=ENDPOINT) as s3:

            async def round_trip(i):
                await s3.put_object(Bucket=name, Key=f"k{i}", Body=content(50_000, i))
                answer = await s3.get_object(Bucket=name, Key=f"k{i}")
                async with answer["Body"] as body:
                    same(await body.read(), content(50_000, i))

            await asyncio.gather(*(round_trip(i) for i in range(100)))
            listed = [
                entry["Key"]
                async for page in s3.get_paginator("list_objects_v2").paginate(Bucket=name)
                for entry in page["Contents"]
            ]
            check(sorted(listed) == sorted(f"k{i}" for i in range(100)))
            try:
                await s3.put_object(Bucket=name, Key="k1", Body=b"", IfNoneMatch="*")
                raise AssertionError("overwritten")
            except ClientError as error:
                check(code_of(error) == "PreconditionFailed")
    ok("aiobotocore: 100 round trips at once")


def waiting():
    """It looks how large a file is before it reads any of it."""

    def read(bucket, key):
        with from_page(s3fs=s3fs)["fs"].open(f"{bucket}/{key}", "rb") as file:
            return file.read()

    waits(read)


exercise(S3Fs)
file_system()
waiting()
asyncio.run(asynchronous())

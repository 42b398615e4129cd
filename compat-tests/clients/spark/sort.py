"""A sort whose stages hand their data over through the bucket: generated, split into ranges, sorted, each by a job of
its own that reads only what the stage before it left there.
"""

import os
from concurrent.futures import ThreadPoolExecutor

import pyarrow.compute as pc
import pyarrow.parquet as pq
from filesystem import FileSystem
from pocket_job import MIB, bucket, check, ok, witness
from pyarrow import BufferReader

# A record is a key of 8 bytes, its number, and 84 bytes that follow from both.
RECORD_BYTES = 100
RANGES = 16
SPLITS = 16
KEY = "xxhash64(id)"
PAYLOAD = "unhex(concat(sha2(concat(key, ' ', id), 512), substr(sha2(concat(id, ' ', key), 256), 1, 40)))"
SUMS = ["count(*) as n", "sum(id) as ids", "bit_xor(xxhash64(key, id, payload)) as mixed"]


SORTED_BYTES = 64_000_000 if os.environ.get("POCKET_PART") == "short" else 1_000_000_000


def records(spark, count: int):
    keyed = spark.range(0, count, 1, SPLITS).selectExpr("id", f"{KEY} as key")
    return keyed.selectExpr("key", "id", f"{PAYLOAD} as payload")


def stored(name: str, prefix: str) -> tuple[list[str], int]:
    """Files of data below a prefix, and their bytes."""
    pages = witness().get_paginator("list_objects_v2").paginate(Bucket=name, Prefix=prefix)
    found = [entry for page in pages for entry in page.get("Contents", []) if entry["Key"].endswith(".parquet")]
    return [entry["Key"] for entry in found], sum(entry["Size"] for entry in found)


def write(frame, path: str, *by: str) -> None:
    # Records are random: what compresses them only takes time, and the bytes would not be those that were asked for.
    frame.write.option("compression", "uncompressed").partitionBy(*by).parquet(path)


def run(sessions) -> None:
    spark = sessions.get()
    count = SORTED_BYTES // RECORD_BYTES
    with bucket() as name:
        base, files = f"s3a://{name}", FileSystem(spark, name)
        write(records(spark, count), f"{base}/generated")
        expected = spark.read.parquet(f"{base}/generated").selectExpr(*SUMS).first()
        check(expected.n == count and expected.ids == count * (count - 1) // 2, expected)
        size = stored(name, "generated/")[1]
        check(size >= count * RECORD_BYTES, size)
        ok(f"stage 1: {count} records generated, {size / MIB:.0f} MiB in the bucket")

        # The keys' upper four bits say which of the ranges they are in; the lowest key is negative.
        split = spark.read.parquet(f"{base}/generated").withColumnRenamed("key", "k")
        split = split.selectExpr("k as key", "id", "payload", f"shiftright(k, 60) + {RANGES // 2} as range")
        write(split, f"{base}/split", "range")
        files.delete("generated", recursive=True)
        pieces, size = stored(name, "split/")
        ok(f"stage 2: split into {RANGES} ranges, {len(pieces)} pieces, {size / MIB:.0f} MiB in the bucket")

        def sort_range(number: int) -> None:
            piece = spark.read.parquet(f"{base}/split/range={number}").coalesce(1)
            write(piece.sortWithinPartitions("key"), f"{base}/sorted/range={number:02}")

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(sort_range, range(RANGES)))
        files.delete("split", recursive=True)
        pieces, size = stored(name, "sorted/")
        check(len(pieces) == RANGES, pieces)
        ok(f"stage 3: {RANGES} sorted files, {size / MIB:.0f} MiB in the bucket")

        found = spark.read.parquet(f"{base}/sorted").selectExpr(*SUMS).first()
        check(found == expected, found, expected)
        check_order(name, pieces, count)
        ok(f"all {count} records are there, each as it was made, in order")
        files.delete("sorted", recursive=True)
        left = witness().list_objects_v2(Bucket=name)
        check(left["KeyCount"] == 0 or all(entry["Size"] == 0 for entry in left["Contents"]), left)
        check("Uploads" not in witness().list_multipart_uploads(Bucket=name))
        ok("the bucket is empty of bytes")


def check_order(name: str, pieces: list[str], count: int) -> None:
    """Reads the files one after another, without Spark."""
    last, seen = None, 0
    for piece in sorted(pieces):
        body = witness().get_object(Bucket=name, Key=piece)["Body"].read()
        keys = pq.read_table(BufferReader(body), columns=["key"])["key"].combine_chunks()
        check(last is None or last <= keys[0].as_py(), piece)
        check(pc.all(pc.less_equal(keys[:-1], keys[1:])).as_py(), piece)
        last, seen = keys[-1].as_py(), seen + len(keys)
    check(seen == count, seen)

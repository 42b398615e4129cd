"""Shuffle blocks as the plugin spark-s3-shuffle leaves, fetches and removes them: its calls of Hadoop's file system, which
are in `ShuffleBlocks.java`, with the settings that it recommends.
"""

import os

from filesystem import FileSystem, JavaError, java_errors
from pocket_job import MIB, bucket, check, ok, raises, witness

APPLICATION = "app-20240101000000-0001"
# How many folders the plugin spreads its blocks over, unless it is told otherwise: more than there are map tasks here, so
# that it also lists and removes folders that were never made.
PREFIXES = 10
REDUCES = 16
MAPS, PART_BYTES = (4, 3_000_000) if os.environ.get("POCKET_PART") == "short" else (8, 5_000_000)
SETTINGS = {
    "fs.s3a.block.size": "134217728",
    "fs.s3a.multipart.size": "33554432",
    "fs.s3a.threads.max": "20",
    "fs.s3a.connection.maximum": "20",
}


def stored(name: str, prefix: str = "") -> dict[str, int]:
    """key -> bytes, without the markers of folders."""
    pages = witness().get_paginator("list_objects_v2").paginate(Bucket=name, Prefix=prefix)
    found = [entry for page in pages for entry in page.get("Contents", [])]
    return {entry["Key"]: entry["Size"] for entry in found if not entry["Key"].endswith("/")}


def block(shuffle: int, map_task: int, kind: str) -> str:
    return f"shuffle/{map_task % PREFIXES}/{APPLICATION}/{shuffle}/shuffle_{shuffle}_{map_task}_0.{kind}"


def spread(blocks, name: str) -> None:
    """The plugin's own layout, and its own reader."""
    written = blocks.write(0)
    check(blocks.write(1) == written)
    keys = {block(shuffle, number, kind) for shuffle in (0, 1) for number in range(MAPS) for kind in ("data", "index", "checksum.ADLER32")}
    found = stored(name)
    check(found.keys() == keys, found.keys() ^ keys)
    check(sum(size for key, size in found.items() if key.endswith(".data")) == 2 * written, written)
    parts = witness().head_object(Bucket=name, Key=block(0, 0, "data"), PartNumber=1).get("PartsCount", 1)
    check(parts > 1, parts)
    check("Uploads" not in witness().list_multipart_uploads(Bucket=name))
    ok(f"{MAPS} map tasks left {written / MIB:.0f} MiB of shuffle blocks each time, in uploads of {parts} parts")

    check(blocks.read(0, 1) == written)
    check(blocks.read(1, 4) == written)
    ok(f"{REDUCES} reduce tasks fetched their ranges of all map tasks' blocks, one partition and four at a time")
    check(blocks.listed(0) == MAPS, blocks.listed(0))
    check(blocks.listed(7) == 0)
    ok("blocks found by listing every prefix, those without a folder too")

    check(blocks.remove(0) == MAPS)
    check(stored(name).keys() == {key for key in keys if f"/{APPLICATION}/1/" in key})
    raises(lambda: read_again(blocks), JavaError, text="FileNotFoundException")
    check(blocks.read(1, 1) == written)
    ok("a shuffle removed, the other one whole")
    check(blocks.removeAll() == MAPS)
    check(stored(name) == {}, stored(name))
    ok("all that the application left removed")


def read_again(blocks) -> None:
    with java_errors():
        blocks.read(0, 1)


def by_spark(blocks, files: FileSystem) -> None:
    """The plugin's `useSparkShuffleFetch`: it writes, and Spark's fallback storage reads."""
    written = blocks.writeForSpark(2)
    check(blocks.readBySpark(2) == written)
    check(files.delete(f"shuffle/{APPLICATION}", recursive=True))
    check(stored(files.bucket) == {}, stored(files.bucket))
    ok("blocks in the layout of Spark's fallback storage, fetched by its reader")


def run(sessions) -> None:
    spark = sessions.get()
    jvm, own = spark.sparkContext._jvm, spark.sparkContext._jsc.hadoopConfiguration()
    with bucket() as name, java_errors():
        settings = jvm.org.apache.hadoop.conf.Configuration(own)
        for setting, value in SETTINGS.items():
            settings.set(setting, value)
        blocks = jvm.pocket.compat.ShuffleBlocks(settings, f"s3a://{name}/shuffle/", APPLICATION, PREFIXES, MAPS, REDUCES, PART_BYTES)
        spread(blocks, name)
        by_spark(blocks, FileSystem(spark, name))

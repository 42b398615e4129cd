"""polars: frames written to and scanned from S3 URLs."""

import io

import polars as pl
from pocket_job import *

OPTIONS = from_page(pl=pl)["options"]
ROWS = 300_000


def main():
    s3 = witness()
    frame = pl.DataFrame({"id": range(ROWS), "part": [i % 3 for i in range(ROWS)], "word": [f"w{i * 7919}" for i in range(ROWS)]})
    # Its paths have no empty segments, and no longer names than a file system has.
    keys = ["one", *(f"odd/{key}" for key in ODD_KEYS if "//" not in key)]
    with bucket() as name:
        for key in keys:
            frame.head(1000).write_parquet(f"s3://{name}/{key}.parquet", storage_options=OPTIONS)
            read = pl.read_parquet(f"s3://{name}/{key}.parquet", storage_options=OPTIONS, glob=False)
            check(read.equals(frame.head(1000)), key)
            stored = s3.get_object(Bucket=name, Key=f"{key}.parquet")["Body"].read()
            check(pl.read_parquet(io.BytesIO(stored)).equals(frame.head(1000)), key)
        scanned = from_page(bucket=name, pl=pl)["frame"].collect()
        check(scanned.equals(frame.head(1000)))
        ok("Parquet written and read, under odd keys too", "bytes", "odd-keys")

        large = pl.DataFrame({"noise": [content(1024, i) for i in range(40 * 1024)]})
        large.write_parquet(f"s3://{name}/large.parquet", compression="uncompressed", storage_options=OPTIONS)
        parts = s3.head_object(Bucket=name, Key="large.parquet", PartNumber=1).get("PartsCount", 1)
        check(parts > 1, parts)
        check(pl.read_parquet(f"s3://{name}/large.parquet", storage_options=OPTIONS).equals(large))
        ok(f"a multipart upload of {parts} parts", "multipart")

        frame.write_parquet(f"s3://{name}/groups.parquet", row_group_size=10_000, storage_options=OPTIONS)
        lazy = pl.scan_parquet(f"s3://{name}/groups.parquet", storage_options=OPTIONS)
        some = lazy.filter(pl.col("id").is_between(123_000, 123_009)).select("word").collect()
        check(some["word"].to_list() == [f"w{i * 7919}" for i in range(123_000, 123_010)])
        ok("columns and row groups, by ranges", "ranges")

        for i in range(0, ROWS, 100_000):
            frame.slice(i, 100_000).write_parquet(f"s3://{name}/set/part={i}/f.parquet", storage_options=OPTIONS)
        scanned = pl.scan_parquet(f"s3://{name}/set/**/*.parquet", storage_options=OPTIONS, hive_partitioning=False)
        check(scanned.select(pl.len()).collect().item() == ROWS)
        totals = scanned.group_by("part").agg(pl.col("id").sum()).sort("part").collect()
        check(totals["id"].to_list() == [sum(range(p, ROWS, 3)) for p in range(3)])
        lazy.filter(pl.col("part") == 1).sink_parquet(f"s3://{name}/sunk.parquet", storage_options=OPTIONS)
        check(pl.read_parquet(f"s3://{name}/sunk.parquet", storage_options=OPTIONS)["id"].sum() == sum(range(1, ROWS, 3)))
        frame.head(1000).write_csv(f"s3://{name}/f.csv", storage_options=OPTIONS)
        check(pl.scan_csv(f"s3://{name}/f.csv", storage_options=OPTIONS).collect().equals(frame.head(1000)))
        ok("many files by a pattern, streamed results, CSV")

        expected = put_many(s3, name, "many/")
        lines = pl.scan_csv(f"s3://{name}/many/*", has_header=False, new_columns=["key"], storage_options=OPTIONS)
        check(lines.collect()["key"].sort().to_list() == expected)
        ok(f"a pattern that matches {len(expected)} keys", "list")

        never = f"s3://{name}/never.parquet"
        raises(lambda: pl.read_parquet(never, storage_options=OPTIONS), FileNotFoundError, OSError, pl.exceptions.ComputeError)
        ok("a key that is not there is missing", "missing")

    with bucket(SMALL_ENDPOINT) as name:
        fill(witness(SMALL_ENDPOINT), name)
        # By default it goes on asking a server that is full for minutes.
        options = {**from_page(SMALL_ENDPOINT, pl=pl)["options"], "max_retries": 0}
        where = f"s3://{name}/one-too-many.parquet"
        error = raises(lambda: large.write_parquet(where, compression="uncompressed", storage_options=options), Exception)
        check("503" in str(error) or "SlowDown" in str(error), error)
    ok("a full server says so", "full")


main()

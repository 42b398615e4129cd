"""DuckDB: httpfs, from the package that carries the extension."""

import duckdb
from duckdb_extensions import import_extension
from pocket_job import *
from programs import path_of, write_file

ROWS = 300_000
LARGE_ROWS = 6_000_000


def connect(endpoint=ENDPOINT):
    import_extension("httpfs")
    db = duckdb.connect()
    db.execute("LOAD httpfs")
    db.execute(page_lines(endpoint))
    return db


def url(bucket, key):
    """As a literal of SQL."""
    return "'" + f"s3://{bucket}/{key}.parquet".replace("'", "''") + "'"


def main():
    db, s3 = connect(), witness()
    # What its own URLs and patterns give a meaning is left out: `?`, `*`, `[`, `\`.
    keys = ["one", *(f"odd/{key}" for key in ODD_KEYS if not set(key) & set("?*[\\"))]
    with bucket() as name:
        db.execute(f"CREATE TABLE t AS SELECT i AS id, i % 3 AS part, 'w' || (i * 7919) AS word FROM range({ROWS}) r(i)")
        for key in keys:
            db.execute(f"COPY (FROM t LIMIT 1000) TO {url(name, key)} (FORMAT parquet)")
            [(count, total)] = db.execute(f"SELECT count(*), sum(id) FROM {url(name, key)}").fetchall()
            check((count, total) == (1000, sum(range(1000))), key, count, total)
            stored = s3.get_object(Bucket=name, Key=f"{key}.parquet")["Body"].read()
            local = write_file(path_of("stored.parquet"), stored)
            check(db.execute(f"FROM '{local}'").fetchall() == db.execute("FROM t LIMIT 1000").fetchall())
        ok("Parquet written and read, under odd keys too", "bytes", "odd-keys")

        # Its parts are of 80 MB.
        large = f"(SELECT i AS id, random() AS x FROM range({LARGE_ROWS}) r(i))"
        db.execute(f"COPY {large} TO {url(name, 'large')} (FORMAT parquet, COMPRESSION uncompressed)")
        parts = s3.head_object(Bucket=name, Key="large.parquet", PartNumber=1).get("PartsCount", 1)
        [(count, total)] = db.execute(f"SELECT count(*), sum(id) FROM {url(name, 'large')}").fetchall()
        check((count, total) == (LARGE_ROWS, sum(range(LARGE_ROWS))), count, total)
        check(parts > 1, parts)
        ok(f"a multipart upload of {parts} parts", "multipart")

        db.execute(f"COPY t TO 's3://{name}/set' (FORMAT parquet, PARTITION_BY (part))")
        scan = f"read_parquet('s3://{name}/set/*/*.parquet', hive_partitioning = true)"
        check(db.execute(f"SELECT part, count(*) FROM {scan} GROUP BY part ORDER BY part").fetchall() == [(p, ROWS // 3) for p in range(3)])
        found = db.execute(f"SELECT word FROM {scan} WHERE part = 1 AND id = 123001").fetchall()
        check(found == [(f"w{123_001 * 7919}",)], found)
        ok("partitions, columns and row groups, by ranges", "ranges")

        expected = put_many(s3, name, "many/")
        [(count,)] = db.execute(f"SELECT count(*) FROM glob('s3://{name}/many/*')").fetchall()
        check(count == len(expected), count)
        [(text,)] = db.execute(f"SELECT content FROM read_text('s3://{name}/many/00042')").fetchall()
        check(text == "many/00042")
        ok(f"a pattern that matches {count} keys", "list")

        raises(lambda: db.execute(f"FROM 's3://{name}/never.parquet'"), duckdb.Error, text="404")
        ok("a key that is not there is missing", "missing")

        again = "(FORMAT parquet, PARTITION_BY (part), OVERWRITE)"
        db.execute(f"COPY (FROM t WHERE part < 2) TO 's3://{name}/set' {again}")
        check("Contents" not in s3.list_objects_v2(Bucket=name, Prefix="set/part=2/"))
        check(db.execute(f"SELECT DISTINCT part FROM {scan} ORDER BY part").fetchall() == [(0,), (1,)])
        ok("partitions written again, what was there before deleted", "deletion")

    with bucket(SMALL_ENDPOINT) as name:
        fill(witness(SMALL_ENDPOINT), name)
        small = connect(SMALL_ENDPOINT)
        small.execute("SET http_retries = 0")
        copy = f"COPY (SELECT random() AS x FROM range(500000)) TO 's3://{name}/one-too-many.csv'"
        raises(lambda: small.execute(copy), duckdb.Error, text="503")
    ok("a full server says so", "full")


main()

"""Partitions of a table that are overwritten, one or all of them."""

import committers
from pocket_job import bucket, check, ok
from pyspark.sql.functions import col
from session import configured

ROWS = 100
# Values that become names of folders; Spark escapes some of their characters by itself, and the store sees the rest.
ODD_VALUES = ["a b", "a+b", "100%", "a%20b", "x=y", "a/b", "größe", "日本語", "🦀", "?x=1&y", "#1", "it's \"so\"", "c:d", "{*}", "back\\slash", "~", "..", None]
# Spark's own committer, which puts partitions in their place by renaming. Spark 4.1 takes S3A's magic one by itself
# where that is in its jars.
RENAMING = {
    "spark.sql.sources.commitProtocolClass": "org.apache.spark.sql.execution.datasources.SQLHadoopMapReduceCommitProtocol",
    "spark.sql.parquet.output.committer.class": "org.apache.parquet.hadoop.ParquetOutputCommitter",
}


def days(spark, numbers, edition):
    """`ROWS` values a day; the edition says which write they come from."""
    values = [(f"2024-01-{day:02}", edition * 10_000 + day * ROWS + row) for day in numbers for row in range(ROWS)]
    return spark.createDataFrame(values, "day string, value int").repartition(2)


def editions(spark, path: str) -> dict[int, int]:
    """day -> edition, when all its values are of one edition and none is missing."""
    found: dict[int, list[int]] = {}
    for row in spark.read.parquet(path).collect():
        found.setdefault(int(str(row.day)[-2:]), []).append(row.value)
    editions = {}
    for day, values in found.items():
        edition = values[0] // 10_000
        check(sorted(values) == [edition * 10_000 + day * ROWS + row for row in range(ROWS)], day)
        editions[day] = edition
    return editions


def overwrite(frame, path: str, mode: str) -> None:
    frame.write.mode("overwrite").option("partitionOverwriteMode", mode).partitionBy("day").parquet(path)


def odd_values(spark, base: str) -> None:
    """Each value's rows come back under it, are found by it, and are replaced without the others."""
    path, numbered = f"{base}/odd", list(enumerate(ODD_VALUES))

    def stored() -> dict:
        return {row.value: row.number for row in spark.read.schema("number int, value string").parquet(path).collect()}

    frame = spark.createDataFrame(numbered, "number int, value string")
    frame.write.partitionBy("value").parquet(path)
    check(stored() == {value: number for number, value in numbered}, stored())
    for number, value in numbered:
        found = spark.read.schema("number int, value string").parquet(path).where(col("value").eqNullSafe(value)).collect()
        check([row.number for row in found] == [number], value, found)
    again = frame.where("number % 3 = 0").selectExpr("number + 100 as number", "value")
    again.write.mode("overwrite").option("partitionOverwriteMode", "dynamic").partitionBy("value").parquet(path)
    check(stored() == {value: number if number % 3 else number + 100 for number, value in numbered}, stored())
    ok(f"{len(ODD_VALUES)} odd partition values, written, found and replaced")


def run(sessions) -> None:
    spark = sessions.get()
    with bucket() as name:
        path = f"s3a://{name}/days"
        with configured(spark, RENAMING):
            days(spark, [1, 2, 3], 1).write.partitionBy("day").parquet(path)
            check(editions(spark, path) == {1: 1, 2: 1, 3: 1}, editions(spark, path))
            overwrite(days(spark, [2, 4], 2), path, "dynamic")
            check(editions(spark, path) == {1: 1, 2: 2, 3: 1, 4: 2}, editions(spark, path))
            ok("dynamic partition overwrite replaces the partitions that it writes")
            overwrite(days(spark, [3, 5], 3), path, "static")
            check(editions(spark, path) == {3: 3, 5: 3}, editions(spark, path))
            ok("static partition overwrite replaces all")
            odd_values(spark, f"s3a://{name}")

        with configured(spark, committers.BRIDGE):
            conflict = {"fs.s3a.committer.staging.conflict-mode": "replace"}
            options = {"fs.s3a.committer.name": "partitioned", **conflict}
            days(spark, [5, 6], 4).write.mode("append").options(**options).partitionBy("day").parquet(path)
        check(editions(spark, path) == {3: 3, 5: 4, 6: 4}, editions(spark, path))
        check(committers.uploads(name) == [], committers.uploads(name))
        ok("the partitioned committer replaces the partitions that it writes")

"""Delta Lake: a log whose commits the store has to keep apart."""

from concurrent.futures import ThreadPoolExecutor

from pocket_job import bucket, check, ok

APPENDERS = 4


def table(spark, path: str, **options) -> dict[int, str]:
    rows = spark.read.format("delta").options(**options).load(path).collect()
    check(len({row.id for row in rows}) == len(rows), "an id is there twice")
    return {row.id: row.word for row in rows}


def run(sessions) -> None:
    spark = sessions.get()
    with bucket() as name:
        path = f"s3a://{name}/table"
        first = {number: f"first {number}" for number in range(1000)}
        spark.createDataFrame(list(first.items()), "id long, word string").write.format("delta").save(path)
        check(table(spark, path) == first)

        changes = {number: f"merged {number}" for number in range(900, 1100)}
        spark.createDataFrame(list(changes.items()), "id long, word string").createOrReplaceTempView("changes")
        spark.sql(
            f"merge into delta.`{path}` t using changes c on t.id = c.id "
            "when matched then update set word = c.word when not matched then insert *"
        )
        merged = first | changes
        check(table(spark, path) == merged)
        spark.sql(f"update delta.`{path}` set word = 'updated' where id % 100 = 7")
        spark.sql(f"delete from delta.`{path}` where id < 50")
        changed = {number: "updated" if number % 100 == 7 else word for number, word in merged.items() if number >= 50}
        check(table(spark, path) == changed)
        check(table(spark, path, versionAsOf=0) == first)
        check(table(spark, path, versionAsOf=1) == merged)
        ok("Delta: written, merged, updated, deleted, and read as of older versions")

        def append(number: int) -> None:
            frame = spark.createDataFrame([(10_000 + number, "appended")], "id long, word string")
            frame.write.format("delta").mode("append").save(path)

        with ThreadPoolExecutor(APPENDERS) as pool:
            list(pool.map(append, range(APPENDERS)))
        changed |= {10_000 + number: "appended" for number in range(APPENDERS)}
        check(table(spark, path) == changed)
        versions = sorted(row.version for row in spark.sql(f"describe history delta.`{path}`").collect())
        check(versions == list(range(4 + APPENDERS)), versions)
        ok(f"Delta: {APPENDERS} appended at once, each as a version of its own")

        spark.sql(f"optimize delta.`{path}`")
        spark.conf.set("spark.databricks.delta.retentionDurationCheck.enabled", "false")
        spark.sql(f"vacuum delta.`{path}` retain 0 hours")
        check(table(spark, path) == changed)
        files = spark.read.format("delta").load(path).inputFiles()
        check(len(files) == 1, files)
        ok("Delta: compacted and vacuumed")

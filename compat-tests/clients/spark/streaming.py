"""Structured streaming: checkpoints in the bucket bring a stopped query back to where it was, exactly once."""

import json

from pocket_job import bucket, check, ok, witness
from session import configured

# How Spark writes its checkpoints: by renaming, as on any file system, and by an upload that is only completed at the end.
MANAGERS = {
    "renamed": "org.apache.spark.sql.execution.streaming.FileContextBasedCheckpointFileManager",
    "uploaded": "org.apache.spark.internal.io.cloud.AbortableStreamBasedCheckpointFileManager",
}
RENAMING_SINCE_4_1 = "org.apache.spark.sql.execution.streaming.checkpointing.FileContextBasedCheckpointFileManager"
ROUNDS = 3
FILES_A_ROUND = 4
ROWS_A_FILE = 50


def feed(name: str, manager: str, round_number: int) -> None:
    for number in range(FILES_A_ROUND):
        first = (round_number * FILES_A_ROUND + number) * ROWS_A_FILE
        lines = "".join(json.dumps({"id": first + row}) + "\n" for row in range(ROWS_A_FILE))
        witness().put_object(Bucket=name, Key=f"{manager}/in/{round_number}-{number}.json", Body=lines.encode())


def copied(spark, base: str) -> None:
    """One query that keeps no state: each file once."""
    source = spark.readStream.schema("id long").option("maxFilesPerTrigger", 2).json(f"{base}/in")
    query = source.writeStream.format("parquet").option("checkpointLocation", f"{base}/checkpoint-copied")
    query.trigger(availableNow=True).start(f"{base}/out").awaitTermination()


def counted(spark, base: str) -> dict[int, int]:
    """One that counts over all rounds: its state lives in the checkpoint."""
    seen = {}

    def keep(batch, _):
        seen.update({row.rest: row["count"] for row in batch.collect()})

    source = spark.readStream.schema("id long").json(f"{base}/in").selectExpr("id % 3 as rest").groupBy("rest").count()
    query = source.writeStream.outputMode("complete").foreachBatch(keep)
    query.option("checkpointLocation", f"{base}/checkpoint-counted").trigger(availableNow=True).start().awaitTermination()
    return seen


def run(sessions) -> None:
    spark = sessions.get()
    for manager, implementation in MANAGERS.items():
        if manager == "renamed" and spark.version >= "4.1":
            implementation = RENAMING_SINCE_4_1
        with configured(spark, {"spark.sql.streaming.checkpointFileManagerClass": implementation}), bucket() as name:
            base = f"s3a://{name}/{manager}"
            for number in range(ROUNDS):
                feed(name, manager, number)
                copied(spark, base)
                total = (number + 1) * FILES_A_ROUND * ROWS_A_FILE
                ids = sorted(row.id for row in spark.read.parquet(f"{base}/out").collect())
                check(ids == list(range(total)), len(ids))
                expected = {rest: len(range(rest, total, 3)) for rest in range(3)}
                check(counted(spark, base) == expected, number)
            check("Uploads" not in witness().list_multipart_uploads(Bucket=name))
        ok(f"streams stopped and resumed {ROUNDS - 1} times, checkpoints {manager}")

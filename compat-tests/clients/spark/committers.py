"""S3A's own committers: data becomes visible when the job commits, and a failed job leaves nothing behind."""

import json
import time

from filesystem import use_small_server
from formats import rows, same_rows
from pocket_job import ENDPOINT, MIB, SMALL_ENDPOINT, bucket, check, ok, raises, witness
from pyspark.sql import DataFrame
from pyspark.sql.functions import udf
from session import configured

# What Spark needs to hand its commits to a committer that a write names.
BRIDGE = {
    "spark.sql.sources.commitProtocolClass": "org.apache.spark.internal.io.cloud.PathOutputCommitProtocol",
    "spark.sql.parquet.output.committer.class": "org.apache.spark.internal.io.cloud.BindingParquetOutputCommitter",
}
TASKS = 8
# For the other tasks of a job, on a busy machine.
WAIT_SECONDS = 60


def write(frame: DataFrame, committer: str, path: str, **options) -> None:
    frame.write.options(**{"fs.s3a.committer.name": committer}).options(**options).parquet(path)


def objects(name: str, prefix: str = "", endpoint: str = ENDPOINT) -> list[str]:
    return [entry["Key"] for entry in witness(endpoint).list_objects_v2(Bucket=name, Prefix=prefix).get("Contents", [])]


def uploads(name: str, endpoint: str = ENDPOINT) -> list[dict]:
    return witness(endpoint).list_multipart_uploads(Bucket=name).get("Uploads", [])


def success(spark, name: str, committer: str) -> None:
    path = f"{committer}/good"
    write(rows(spark), committer, f"s3a://{name}/{path}")
    check(same_rows(spark.read.parquet(f"s3a://{name}/{path}"), rows(spark)), committer)
    marker = json.loads(witness().get_object(Bucket=name, Key=f"{path}/_SUCCESS")["Body"].read())
    check(marker["committer"] == committer, marker)
    # S3A keeps the marker of the folder.
    written = [key for key in objects(name, f"{path}/") if key not in (f"{path}/", f"{path}/_SUCCESS")]
    check(len(written) == 4 and all(key.endswith(".parquet") for key in written), written)
    check(uploads(name) == [], uploads(name))
    ok(f"{committer} committer: {len(written)} files, nothing else")


def handed_in(name: str, committer: str) -> int:
    """Tasks that are done: their uploads are open, and the magic committer keeps its notes of them in the bucket too."""
    count = len(uploads(name))
    if committer == "magic":
        count = min(count, len([key for key in objects(name, f"{committer}/bad/") if key.endswith(".pendingset")]))
    return count


def failure(spark, name: str, committer: str) -> None:
    """The last task fails when all others have handed in their uploads."""
    last = TASKS * 1000 - 1000

    def number_or_failure(number: int) -> int:
        if number < last:
            return number
        end = time.monotonic() + WAIT_SECONDS
        while handed_in(name, committer) < TASKS - 1 and time.monotonic() < end:
            time.sleep(0.1)
        raise RuntimeError(f"uploads open: {len(uploads(name))}.")

    frame = spark.range(0, TASKS * 1000, 1, TASKS).select(udf(number_or_failure, "long")("id").alias("id"))
    path = f"{committer}/bad"
    raises(lambda: write(frame, committer, f"s3a://{name}/{path}"), Exception, text=f"uploads open: {TASKS - 1}.")
    check(uploads(name) == [], uploads(name))
    left = [key for key in objects(name, path) if not key.endswith("/")]
    check(left == [], left)
    ok(f"{committer} committer: a failed job leaves no upload and no file")


def full(spark) -> None:
    """An upload that a small server has no room for is given up by its task."""
    with bucket(SMALL_ENDPOINT) as name:
        use_small_server(spark, name)
        spark.sparkContext._jsc.hadoopConfiguration().set(f"fs.s3a.bucket.{name}.multipart.size", "8M")
        # Hashes, which nothing compresses: twice of what there is room for.
        frame = spark.range(0, 2 * MIB, 1, 1).selectExpr("unhex(sha2(cast(id as string), 256)) as hash")
        raises(lambda: write(frame, "magic", f"s3a://{name}/too-much"), Exception, text="503")
        check(uploads(name, SMALL_ENDPOINT) == [], uploads(name, SMALL_ENDPOINT))
        left = [key for key in objects(name, endpoint=SMALL_ENDPOINT) if not key.endswith("/")]
        check(left == [], left)
    ok("a job that finds the server full fails, and leaves no upload and no file")


def run(sessions) -> None:
    spark = sessions.get()
    with configured(spark, BRIDGE):
        for committer in ["magic", "directory"]:
            with bucket() as name:
                success(spark, name, committer)
                failure(spark, name, committer)
        full(spark)

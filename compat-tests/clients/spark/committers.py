"""S3A's own committers: data becomes visible when the job commits, and a failed job leaves nothing behind."""

import json

from formats import rows, same_rows
from pocket_job import bucket, check, ok, witness
from pyspark.sql import DataFrame
from pyspark.sql.functions import udf

# What Spark needs to hand its commits to a committer that a write names.
BRIDGE = {
    "spark.sql.sources.commitProtocolClass": "org.apache.spark.internal.io.cloud.PathOutputCommitProtocol",
    "spark.sql.parquet.output.committer.class": "org.apache.spark.internal.io.cloud.BindingParquetOutputCommitter",
}
TASKS = 8


def sessions_with_committers(sessions):
    return sessions.get(**BRIDGE)


def write(frame: DataFrame, committer: str, path: str, **options) -> None:
    frame.write.options(**{"fs.s3a.committer.name": committer}).options(**options).parquet(path)


def objects(name: str, prefix: str = "") -> list[str]:
    return [entry["Key"] for entry in witness().list_objects_v2(Bucket=name, Prefix=prefix).get("Contents", [])]


def uploads(name: str) -> list[dict]:
    return witness().list_multipart_uploads(Bucket=name).get("Uploads", [])


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


def failure(spark, name: str, committer: str) -> None:
    """The last task fails when others have handed in their uploads."""
    last = TASKS * 1000 - 1000

    def number_or_failure(number: int) -> int:
        if number < last:
            return number
        raise RuntimeError(f"uploads open: {len(uploads(name))}.")

    frame = spark.range(0, TASKS * 1000, 1, TASKS).select(udf(number_or_failure, "long")("id").alias("id"))
    path = f"{committer}/bad"
    try:
        write(frame, committer, f"s3a://{name}/{path}")
    except Exception as error:
        check("uploads open: " in str(error), error)
        check("uploads open: 0." not in str(error), "no task had handed anything in")
    else:
        raise AssertionError("the job ended well, though a task of it failed")
    check(uploads(name) == [], uploads(name))
    left = [key for key in objects(name, path) if not key.endswith("/")]
    check(left == [], left)
    ok(f"{committer} committer: a failed job leaves no upload and no file")


def run(sessions) -> None:
    spark = sessions_with_committers(sessions)
    for committer in ["magic", "directory"]:
        with bucket() as name:
            success(spark, name, committer)
            failure(spark, name, committer)

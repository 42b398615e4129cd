"""Every file format that Spark brings, and Avro where its jar is published, written and read back row by row."""

from pocket_job import bucket, check, ok, raises, witness
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame

ROWS = 20_000
# format -> (how it is compressed, options of its writer and reader)
FORMATS = {
    "parquet": ("snappy", {}),
    "orc": ("zlib", {}),
    "csv": ("gzip", {"header": "true", "escape": '"', "multiLine": "true"}),
    "json": ("gzip", {}),
}
AVRO = {"avro": ("deflate", {})}


def rows(spark) -> DataFrame:
    return spark.range(0, ROWS, 1, 4).selectExpr(
        "id",
        "concat('größe \"', id, '\",\\n', sha2(cast(id as string), 256)) as text",
        "id * 0.125D as eighth",
        "id % 7 = 0 as flag",
        "date_add(date'2020-01-01', cast(id % 1000 as int)) as day",
        "if(id % 5 = 0, null, id % 11) as hole",
    )


def same_rows(found: DataFrame, expected: DataFrame) -> bool:
    both = found.count() == expected.count()
    return both and found.exceptAll(expected).isEmpty()


def run(sessions) -> None:
    spark = sessions.get()
    expected = rows(spark)
    few = "id between 7000 and 7009"
    formats = FORMATS | AVRO if spark.version >= "4" else FORMATS
    with bucket() as name:
        for form, (codec, options) in formats.items():
            path = f"s3a://{name}/{form}"
            expected.write.format(form).options(compression=codec, **options).save(path)
            back = spark.read.format(form).options(**options).schema(expected.schema).load(path)
            check(same_rows(back, expected), form)
            # Two columns of ten rows: ranges, where the format allows it.
            check(same_rows(back.where(few).select("hole", "id"), expected.where(few).select("hole", "id")), form)
            ok(f"{form}, {codec}: {ROWS} rows")
        lines = expected.selectExpr("sha2(text, 512) as value")
        lines.write.text(f"s3a://{name}/text")
        check(same_rows(spark.read.text(f"s3a://{name}/text"), lines), "text")
        ok(f"text: {ROWS} lines")
        raises(lambda: spark.read.parquet(f"s3a://{name}/never"), AnalysisException, text="PATH_NOT_FOUND")
        ok("a path that is not there is missing")
        check("Uploads" not in witness().list_multipart_uploads(Bucket=name))

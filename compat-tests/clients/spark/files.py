"""S3A as a file system: what every Spark job stands on."""

from concurrent.futures import ThreadPoolExecutor

from filesystem import FileSystem, JavaError, MissingFile, use_small_server
from pocket_job import ENDPOINT, MIB, ODD_KEYS, Store, bucket, check, content, exercise, ok, put_many, raises, same, witness

RENAMED = 1_000


class S3A(Store):
    missing = (MissingFile,)
    full = (JavaError,)
    full_text = "503"
    # S3A uploads in blocks of 64 MiB: three parts, the last one of a byte.
    large = 128 * MIB + 1
    # Hadoop's paths have no empty segments, and a file is not a folder too.
    odd_keys = [key for key in ODD_KEYS if key not in ("a//b", "a")]

    def __init__(self, spark, scratch, endpoint, name):
        self.scratch = scratch / "file"
        if endpoint != ENDPOINT:
            use_small_server(spark, name)
        self.files = FileSystem(spark, name)

    def put(self, key, data):
        self.scratch.write_bytes(data)
        self.files.upload(self.scratch, key)

    def get(self, key):
        self.scratch.unlink(missing_ok=True)
        self.files.download(key, self.scratch)
        return self.scratch.read_bytes()

    def get_range(self, key, start, length):
        stream = self.files.open(key)
        stream.seek(start)
        data = self.files.read(stream, length)
        stream.close()
        return data

    def keys(self, prefix):
        return self.files.names(prefix)

    def delete(self, key):
        self.files.delete(key)


def rename(files: FileSystem) -> None:
    s3, name = witness(), files.bucket
    put_many(s3, name, "from/deep/", RENAMED)
    check(files.rename("from", "to"))
    expected = [f"to/deep/{number:05}" for number in range(RENAMED)]
    listed = [entry["Key"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket=name) for entry in page["Contents"]]
    check(listed == expected, len(listed))
    with ThreadPoolExecutor(4) as pool:
        bodies = list(pool.map(lambda key: s3.get_object(Bucket=name, Key=key)["Body"].read(), expected))
    check(bodies == [key.replace("to/", "from/").encode() for key in expected])
    check(sorted(files.names("to")) == expected)
    ok(f"rename of {RENAMED} files, each read back under its new name")
    check(files.delete("to", recursive=True))
    check(s3.list_objects_v2(Bucket=name)["KeyCount"] == 0)
    ok(f"recursive delete of {RENAMED} files")


def conditions(files: FileSystem) -> None:
    s3, name = witness(), files.bucket
    files.create("there", b"1" * MIB)
    raises(lambda: files.create("there", b"2", overwrite=False), JavaError, text="FileAlreadyExistsException")
    stream = files.open("there")
    same(files.read(stream, 10), b"1" * 10)
    s3.put_object(Bucket=name, Key="there", Body=b"3" * MIB)
    stream.unbuffer()
    raises(lambda: files.read(stream, 10), JavaError, text="RemoteFileChangedException")
    stream.close()
    ok("a reader notices that its file was replaced (412)", "precondition")


def conditional_create(files: FileSystem) -> None:
    """S3A of Hadoop 3.4 can leave it to the store whether a file is there."""
    for body, first in [(b"1", True), (b"2", False)]:
        out = files.fs.createFile(files.path("once")).opt("fs.option.create.conditional.overwrite", True).build()
        out.write(body)
        if first:
            out.close()
        else:
            raises(lambda: close(out), JavaError, text="412")
    same(witness().get_object(Bucket=files.bucket, Key="once")["Body"].read(), b"1")
    ok("the store refuses to create a file twice (412)")


def close(stream) -> None:
    from filesystem import java_errors

    with java_errors():
        stream.close()


def run(sessions) -> None:
    spark = sessions.get()
    exercise(lambda endpoint, name: S3A(spark, sessions.scratch, endpoint, name))
    with bucket() as name:
        files = FileSystem(spark, name)
        rename(files)
        conditions(files)
        if files.fs.hasPathCapability(files.path(""), "fs.option.create.conditional.overwrite"):
            conditional_create(files)

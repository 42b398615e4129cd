"""Hadoop's FileSystem over one bucket, by way of the session's JVM."""

import contextlib

from pocket_job import SMALL_ENDPOINT
from py4j.protocol import Py4JJavaError

# A full store is asked again for minutes; the jobs want to see its refusal.
IMPATIENT = {"attempts.maximum": "1", "retry.limit": "1", "retry.throttle.limit": "1"}


class JavaError(Exception):
    """A chain of Java exceptions, as text."""


class MissingFile(JavaError):
    pass


@contextlib.contextmanager
def java_errors():
    """Java's exceptions as Python's."""
    try:
        yield
    except Py4JJavaError as error:
        lines, cause = [], error.java_exception
        while cause is not None:
            lines.append(f"{cause.getClass().getSimpleName()}: {cause.getMessage()}")
            cause = cause.getCause()
        kind = MissingFile if lines[0].startswith("FileNotFoundException") else JavaError
        raise kind("\n".join(lines)) from None


def use_small_server(spark, bucket: str) -> None:
    """This bucket is on the server that is soon full."""
    settings = spark.sparkContext._jsc.hadoopConfiguration()
    for name, value in {"endpoint": SMALL_ENDPOINT, **IMPATIENT}.items():
        settings.set(f"fs.s3a.bucket.{bucket}.{name}", value)


class FileSystem:
    def __init__(self, spark, bucket: str):
        self.jvm = spark.sparkContext._jvm
        self.bucket = bucket
        self.fs = self.path("").getFileSystem(spark.sparkContext._jsc.hadoopConfiguration())

    def path(self, name: str):
        return self.jvm.org.apache.hadoop.fs.Path(self.jvm.java.net.URI("s3a", self.bucket, "/" + name, None))

    def create(self, name: str, body: bytes, overwrite: bool = True) -> None:
        with java_errors():
            out = self.fs.create(self.path(name), overwrite)
            out.write(body)
            out.close()

    def upload(self, local, name: str) -> None:
        with java_errors():
            self.fs.copyFromLocalFile(False, True, self._local(local), self.path(name))

    def download(self, name: str, local) -> None:
        with java_errors():
            # Hadoop's own local file system would lay a checksum file beside it.
            self.fs.copyToLocalFile(False, self.path(name), self._local(local), True)

    def open(self, name: str):
        with java_errors():
            return self.fs.open(self.path(name))

    def read(self, stream, length: int) -> bytes:
        with java_errors():
            return bytes(self.jvm.org.apache.commons.io.IOUtils.toByteArray(stream, length))

    def names(self, folder: str) -> list[str]:
        """All files below, as keys of the bucket."""
        with java_errors():
            found, names = self.fs.listFiles(self.path(folder), True), []
            while found.hasNext():
                names.append(found.next().getPath().toUri().getPath().removeprefix("/"))
            return names

    def rename(self, source: str, target: str) -> bool:
        with java_errors():
            return self.fs.rename(self.path(source), self.path(target))

    def delete(self, name: str, recursive: bool = False) -> bool:
        with java_errors():
            return self.fs.delete(self.path(name), recursive)

    def _local(self, path):
        return self.jvm.org.apache.hadoop.fs.Path(path.as_uri())

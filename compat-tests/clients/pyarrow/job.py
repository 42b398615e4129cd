"""pyarrow: its own S3 file system (the AWS SDK for C++), and datasets of Parquet files on it."""

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pocket_job import *
from pyarrow import fs


def file_system(endpoint=ENDPOINT):
    return from_page(endpoint, pyarrow=pa)["fs"]


class PyArrow(Store):
    missing = (FileNotFoundError,)
    full = (OSError,)
    full_text = "slow"
    # Its paths are made of segments that are not empty.
    odd_keys = [key for key in ODD_KEYS if "//" not in key]

    def __init__(self, endpoint, bucket):
        self.fs, self.bucket = file_system(endpoint), bucket

    def put(self, key, data):
        with self.fs.open_output_stream(f"{self.bucket}/{key}") as stream:
            stream.write(data)

    def get(self, key):
        with self.fs.open_input_stream(f"{self.bucket}/{key}") as stream:
            return stream.read()

    def get_range(self, key, start, length):
        with self.fs.open_input_file(f"{self.bucket}/{key}") as file:
            return file.read_at(length, start)

    def keys(self, prefix):
        selector = fs.FileSelector(f"{self.bucket}/{prefix.rstrip('/')}", recursive=True)
        infos = self.fs.get_file_info(selector)
        return [info.path.removeprefix(f"{self.bucket}/") for info in infos if info.type == fs.FileType.File]

    def delete(self, key):
        self.fs.delete_file(f"{self.bucket}/{key}")


def datasets():
    s3 = file_system()
    table = pa.table({"id": range(200_000), "part": [i % 4 for i in range(200_000)], "x": [i * 0.5 for i in range(200_000)]})
    with bucket() as name:
        pq.write_table(table, f"{name}/one.parquet", filesystem=s3, row_group_size=10_000)
        check(pq.read_table(f"{name}/one.parquet", filesystem=s3).equals(table))
        column = pq.read_table(f"{name}/one.parquet", filesystem=s3, columns=["x"], filters=[("id", "<", 100)])
        check(column["x"].to_pylist() == [i * 0.5 for i in range(100)])
        ds.write_dataset(table, f"{name}/set", filesystem=s3, format="parquet", partitioning=["part"], partitioning_flavor="hive")
        read = ds.dataset(f"{name}/set", filesystem=s3, format="parquet", partitioning="hive")
        check(len(read.files) == 4 and read.count_rows() == 200_000)
        third = read.to_table(filter=(pc.field("part") == 2), columns=["id"])
        check(sorted(third["id"].to_pylist()) == list(range(2, 200_000, 4)))
        ok("Parquet files and partitioned datasets, columns and filters")

        s3.copy_file(f"{name}/one.parquet", f"{name}/two.parquet")
        s3.move(f"{name}/two.parquet", f"{name}/d/three.parquet")
        check(s3.get_file_info(f"{name}/two.parquet").type == fs.FileType.NotFound)
        check(s3.get_file_info(f"{name}/d").type == fs.FileType.Directory)
        s3.create_dir(f"{name}/e/f", recursive=True)
        s3.delete_dir(f"{name}/e")
        s3.delete_dir_contents(f"{name}/set")
        kept = {info.base_name for info in s3.get_file_info(fs.FileSelector(f"{name}", recursive=True)) if info.is_file}
        check(kept == {"one.parquet", "three.parquet"}, kept)
        put_many(witness(), name, "many/")
        s3.delete_dir_contents(f"{name}/many")
        check(not [entry for entry in witness().list_objects_v2(Bucket=name, Prefix="many/").get("Contents", []) if entry["Size"]])
        ok(f"copies, moves and directories, one of {MANY} files deleted")


def waiting():
    """It looks how large a file is before it reads any of it."""

    def read(bucket, key):
        with file_system().open_input_file(f"{bucket}/{key}") as file:
            return file.read()

    waits(read)


exercise(PyArrow)
datasets()
waiting()

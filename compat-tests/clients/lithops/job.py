"""Lithops: functions on this machine whose inputs, results and shuffled data go through a bucket."""

import os

# Lithops takes no endpoint for S3; boto3, which it is made of, reads it here, in its workers too.
os.environ["AWS_ENDPOINT_URL"] = os.environ["POCKET_ENDPOINT"]

import lithops
from lithops.storage.utils import StorageNoSuchKeyError
from pocket_job import *

WORDS = ["ant", "bee", "cat", "dog", "ewe"]
MAPPERS = 4
REDUCERS = 3
LINES = 20_000


def config(bucket):
    keys = {"access_key_id": KEY, "secret_access_key": SECRET}
    return {
        "lithops": {"backend": "localhost", "storage": "aws_s3", "log_level": "WARNING", "telemetry": False},
        "localhost": {"worker_processes": 2},
        "aws_s3": {"storage_bucket": bucket, "region": REGION, **keys},
    }


def text(n):
    """Lines of one word each; every mapper's input has another mix of them."""
    return "\n".join(WORDS[(i * (n + 1) + i // 7) % len(WORDS)] for i in range(LINES))


def square(x):
    return x * x


def count_lines(obj):
    return len(obj.data_stream.read().split())


def add(results):
    return sum(results)


def split(n, bucket, storage):
    """The map side of a shuffle: words of one input, in an object for each reducer."""
    pieces = {r: [] for r in range(REDUCERS)}
    for word in storage.get_object(bucket, f"in/{n}").decode().split():
        pieces[sum(word.encode()) % REDUCERS].append(word)
    for r, words in pieces.items():
        storage.put_object(bucket, f"shuffle/{r}/{n}", "\n".join(words).encode())
    return n


def gather(r, bucket, storage):
    """The reduce side: all objects for this reducer, found by a list."""
    counts = {}
    keys = storage.list_keys(bucket, f"shuffle/{r}/")
    for key in keys:
        for word in storage.get_object(bucket, key).decode().split():
            counts[word] = counts.get(word, 0) + 1
    return len(keys), counts


def main():
    s3 = witness()
    with bucket() as name:
        with lithops.FunctionExecutor(config=config(name)) as pool:
            check(pool.get_result(pool.map(square, range(20))) == [x * x for x in range(20)])
            ok("map: functions, data and results through the bucket")

            inputs = [text(n) for n in range(MAPPERS)]
            for n, lines in enumerate(inputs):
                s3.put_object(Bucket=name, Key=f"in/{n}", Body=lines.encode())
            futures = pool.map_reduce(count_lines, f"s3://{name}/in/", add, obj_chunk_number=3)
            counted = pool.get_result(futures)
            check(counted == MAPPERS * LINES, counted)
            ok("map_reduce over objects, each read in three ranges")

            pool.get_result(pool.map(split, [(n, name) for n in range(MAPPERS)]))
            parts = pool.get_result(pool.map(gather, [(r, name) for r in range(REDUCERS)]))
            expected = {word: sum(lines.split().count(word) for lines in inputs) for word in WORDS}
            check([count for count, _ in parts] == [MAPPERS] * REDUCERS, parts)
            check({word: n for _, counts in parts for word, n in counts.items()} == expected, parts, expected)
            ok(f"a shuffle of {MAPPERS} mappers to {REDUCERS} reducers through the bucket")
            pool.clean(clean_cloudobjects=True)

        storage = lithops.Storage(config=config(name))
        storage.put_object(name, "ü b/c+d%", content(70_000))
        same(storage.get_object(name, "ü b/c+d%"), content(70_000))
        same(storage.get_object(name, "ü b/c+d%", extra_get_args={"Range": "bytes=5-9"}), content(70_000)[5:10])
        storage.upload_file(write(content(LARGE)), name, "large")
        check(s3.head_object(Bucket=name, Key="large", PartNumber=1)["PartsCount"] > 1)
        same(storage.get_object(name, "large"), content(LARGE))
        expected = put_many(s3, name, "many/")
        check(storage.list_keys(name, "many/") == expected)
        storage.delete_objects(name, expected)
        check(storage.list_keys(name, "many/") == [])
        raises(lambda: storage.get_object(name, "never"), StorageNoSuchKeyError)
        ok(f"objects, ranges, an upload in parts, {len(expected)} keys listed and deleted, a missing key")


def write(data):
    path = os.path.join(SCRATCH, "large")
    with open(path, "wb") as file:
        file.write(data)
    return path


main()

"""Lithops: functions on this machine whose inputs, results and shuffled data go through a bucket."""

import os

from pocket_job import *

# Lithops takes no endpoint for S3; boto3, which it is made of, reads it from the environment, in its workers too.
from_page(os=os)
import lithops
from lithops.storage.utils import StorageNoSuchKeyError

WORDS = ["ant", "bee", "cat", "dog", "ewe"]
MAPPERS = 4
REDUCERS = 3
LINES = 20_000


def config(bucket, endpoint=ENDPOINT):
    config = from_page(endpoint, bucket, os=os)["config"]
    config["lithops"] |= {"log_level": "WARNING", "telemetry": False}
    return config | {"localhost": {"worker_processes": 2}}


def text(n):
    """Lines of one word each; every mapper's input has another mix of them."""
    return "\n".join(WORDS[(i * (n + 1) + i // 7) % len(WORDS)] for i in range(LINES))


def square(x):
    return x * x


def count_lines(obj):
    return len(obj.data_stream.read().split())


def count_words(obj):
    words = obj.data_stream.read().decode().split()
    return obj.key, {word: words.count(word) for word in WORDS}


def one_object(results):
    """What was counted in the parts of one object; each object has a reducer of its own."""
    return results[0][0], {word: sum(counts[word] for _, counts in results) for word in WORDS}


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
            ok("map_reduce over objects, each read in three ranges", "ranges")

            futures = pool.map_reduce(count_words, f"s3://{name}/in/", one_object, obj_chunk_number=2, obj_reduce_by_key=True)
            counted = {key.rpartition("/")[2]: counts for key, counts in pool.get_result(futures)}
            expected = {str(n): {word: lines.split().count(word) for word in WORDS} for n, lines in enumerate(inputs)}
            check(counted.keys() == expected.keys(), counted.keys())
            for n, words in expected.items():
                # Lithops leaves off the rest of a line that the end of the first part cuts.
                lost = [words[word] - counted[n][word] for word in WORDS]
                check(min(lost) >= 0 and sum(lost) <= 1, n, words, counted[n])
            ok("map_reduce with a reducer for each object")

            pool.get_result(pool.map(split, [(n, name) for n in range(MAPPERS)]))
            parts = pool.get_result(pool.map(gather, [(r, name) for r in range(REDUCERS)]))
            expected = {word: sum(lines.split().count(word) for lines in inputs) for word in WORDS}
            check([count for count, _ in parts] == [MAPPERS] * REDUCERS, parts)
            check({word: n for _, counts in parts for word, n in counts.items()} == expected, parts, expected)
            ok(f"a shuffle of {MAPPERS} mappers to {REDUCERS} reducers through the bucket")
            pool.clean(clean_cloudobjects=True)

        storage = lithops.Storage(config=config(name))
        keys = [f"odd/{key}" for key in ODD_KEYS + RAW_KEYS]
        for i, key in enumerate(keys):
            storage.put_object(name, key, content(1000, i))
        for i, key in enumerate(keys):
            same(storage.get_object(name, key), content(1000, i))
            same(s3.get_object(Bucket=name, Key=key)["Body"].read(), content(1000, i))
        same(storage.get_object(name, keys[0], extra_get_args={"Range": "bytes=5-9"}), content(1000)[5:10])
        check(sorted(storage.list_keys(name, "odd/")) == sorted(keys))
        for key in keys:
            storage.delete_object(name, key)
        check(storage.list_keys(name, "odd/") == [])
        ok(f"{len(keys)} odd keys", "bytes", "odd-keys", "deletion")

        storage.upload_file(write(content(LARGE)), name, "large")
        check(s3.head_object(Bucket=name, Key="large", PartNumber=1)["PartsCount"] > 1)
        same(storage.get_object(name, "large"), content(LARGE))
        expected = put_many(s3, name, "many/")
        check(storage.list_keys(name, "many/") == expected)
        storage.delete_objects(name, expected)
        check(storage.list_keys(name, "many/") == [])
        raises(lambda: storage.get_object(name, "never"), StorageNoSuchKeyError)
        ok(f"an upload in parts, {len(expected)} keys listed and deleted at once, a missing key", "multipart", "list", "missing")

    with bucket(SMALL_ENDPOINT) as name:
        fill(witness(SMALL_ENDPOINT), name)
        storage = lithops.Storage(config=config(name, SMALL_ENDPOINT))
        raises(lambda: storage.put_object(name, "one-too-many", content(FILLER)), Exception, text="SlowDown")
    ok("a full server says so", "full")


def write(data):
    path = os.path.join(SCRATCH, "large")
    with open(path, "wb") as file:
        file.write(data)
    return path


main()

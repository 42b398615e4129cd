"""Shuffle blocks in the bucket, by Spark's own fallback storage: executors that are taken away leave their blocks there,
and those that come after read them back.
"""

import time

from pocket_job import bucket, check, ok, witness
from session import CLUSTER

RECORDS = 200_000
REDUCERS = 8
WAIT_SECONDS = 120


def settings(name: str) -> dict[str, str]:
    return {
        "spark.decommission.enabled": "true",
        "spark.storage.decommission.enabled": "true",
        "spark.storage.decommission.shuffleBlocks.enabled": "true",
        "spark.storage.decommission.fallbackStorage.path": f"s3a://{name}/fallback/",
        "spark.storage.decommission.fallbackStorage.cleanUp": "true",
        "spark.shuffle.compress": "false",
    }


def wait_until(what: str, held) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not held():
        check(time.monotonic() < end, what)
        time.sleep(0.1)


def run(sessions) -> None:
    with bucket() as name:
        spark = sessions.get(CLUSTER, **settings(name))
        context = spark.sparkContext
        scheduler = context._jsc.sc().schedulerBackend()
        wait_until("two executors", lambda: executors(context, scheduler).__len__() == 2)

        made = context.accumulator(0)

        def make(number: int):
            made.add(1)
            return number % 1000, number

        grouped = context.parallelize(range(RECORDS), 4).map(make).groupByKey(REDUCERS).mapValues(sum)
        expected = {key: sum(range(key, RECORDS, 1000)) for key in range(1000)}
        check(dict(grouped.collect()) == expected)
        check(made.value == RECORDS, made.value)

        before = executors(context, scheduler)
        decommission(context, scheduler, before)
        wait_until("executors are gone", lambda: not before & executors(context, scheduler))
        blocks = witness().list_objects_v2(Bucket=name, Prefix="fallback/").get("Contents", [])
        size = sum(entry["Size"] for entry in blocks)
        check(len([entry for entry in blocks if entry["Key"].endswith(".data")]) == 4, blocks)
        ok(f"executors were taken away; {len(blocks)} files of shuffle blocks are in the bucket, {size} bytes")

        check(dict(grouped.collect()) == expected)
        check(made.value == RECORDS, "map tasks ran again, so blocks were not read back", made.value)
        ok("other executors read the blocks back from the bucket: no map task ran again")

        sessions.stop()
        left = witness().list_objects_v2(Bucket=name).get("Contents", [])
        # The marker of an empty folder stays.
        check(all(entry["Key"].endswith("/") for entry in left), left)
        ok("Spark removed its blocks when the application ended")


def executors(context, scheduler) -> set[str]:
    ids = scheduler.getExecutorIds()
    return {ids.apply(i) for i in range(ids.size())}


def decommission(context, scheduler, ids: set[str]) -> None:
    """As a cluster manager does that takes machines away."""
    jvm = context._jvm
    pair, info = jvm.scala.Tuple2, jvm.org.apache.spark.scheduler.ExecutorDecommissionInfo
    pairs = context._gateway.new_array(pair, len(ids))
    for i, executor in enumerate(sorted(ids)):
        pairs[i] = pair(executor, info("taken away", jvm.scala.Option.apply(None)))
    scheduler.decommissionExecutors(pairs, False, False)

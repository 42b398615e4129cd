"""Ray: objects that do not fit into its store are spilled to a bucket and restored from it."""

import json
import os

import numpy as np
import ray
from pocket_job import *

# Ray takes no endpoint; boto3, which it spills with, reads it here.
os.environ["AWS_ENDPOINT_URL"] = ENDPOINT
# The least that Ray takes for its store.
STORE = 80 * MIB
BLOCK = 8 * MIB
BLOCKS = 30


def block(n):
    return np.frombuffer(content(BLOCK, n), dtype=np.uint8)


@ray.remote
def made(n):
    return block(n)


@ray.remote
def is_same(array, n):
    return bool(np.array_equal(array, block(n)))


def spilled(s3, name):
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=name, Prefix="spill/ü b+c/")
    return [entry for page in pages for entry in page.get("Contents", [])]


def main():
    s3 = witness()
    with bucket() as name:
        spilling = {"type": "smart_open", "params": {"uri": f"s3://{name}/spill/ü b+c"}}
        config = {"object_spilling_config": json.dumps(spilling)}
        ray.init(num_cpus=2, object_store_memory=STORE, include_dashboard=False, _system_config=config, log_to_driver=False)
        try:
            put = [ray.put(block(n)) for n in range(BLOCKS)]
            entries = spilled(s3, name)
            check(sum(entry["Size"] for entry in entries) >= BLOCKS * BLOCK - STORE, entries)
            ok(f"{BLOCKS * BLOCK // MIB} MiB put into a store of {STORE // MIB} MiB: {len(entries)} objects in the bucket")

            parts = max(s3.head_object(Bucket=name, Key=entry["Key"], PartNumber=1).get("PartsCount", 1) for entry in entries)
            check(parts > 1, parts)
            ok(f"several blocks in one object, by multipart uploads of up to {parts} parts")

            for n in reversed(range(BLOCKS)):
                same(ray.get(put[n]).tobytes(), block(n).tobytes())
            ok("each block restored from its range, byte by byte the same")

            results = [made.remote(n) for n in range(BLOCKS)]
            check(all(ray.get([is_same.remote(results[n], n) for n in range(BLOCKS)])))
            ok("results of tasks, spilled and handed to other tasks")
        finally:
            ray.shutdown()


main()

"""Ray: objects that do not fit into its store are spilled to a bucket and restored from it."""

import json
import os
from types import SimpleNamespace

import numpy as np
import ray
from pocket_job import *

# The least that Ray takes for its store.
STORE = 80 * MIB
BLOCK = 8 * MIB
BLOCKS = 30
STARTS = 3


def block(n):
    return np.frombuffer(content(BLOCK, n), dtype=np.uint8)


@ray.remote
def made(n):
    return block(n)


@ray.remote
def is_same(array, n):
    return bool(np.array_equal(array, block(n)))


def start(**settings):
    """Ray gives its own processes half a minute to start, which a busy machine may exceed."""
    for attempt in range(STARTS):
        try:
            return ray.init(num_cpus=2, object_store_memory=STORE, include_dashboard=False, log_to_driver=False, **settings)
        except Exception as error:
            if "timed out during startup" not in str(error) or attempt == STARTS - 1:
                raise
            ray.shutdown()


def spilled(s3, name):
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=name, Prefix="ü b+c/spill/")
    return [entry for page in pages for entry in page.get("Contents", [])]


def main():
    s3 = witness()
    with bucket() as name:
        from_page(bucket=f"{name}/ü b+c", os=os, json=json, ray=SimpleNamespace(init=start))
        try:
            put = [ray.put(block(n)) for n in range(BLOCKS)]
            entries = spilled(s3, name)
            check(sum(entry["Size"] for entry in entries) >= BLOCKS * BLOCK - STORE, entries)
            ok(f"{BLOCKS * BLOCK // MIB} MiB put into a store of {STORE // MIB} MiB: {len(entries)} objects in the bucket")

            parts = max(s3.head_object(Bucket=name, Key=entry["Key"], PartNumber=1).get("PartsCount", 1) for entry in entries)
            check(parts > 1, parts)
            ok(f"several blocks in one object, by multipart uploads of up to {parts} parts", "multipart")

            for n in reversed(range(BLOCKS)):
                same(ray.get(put[n]).tobytes(), block(n).tobytes())
            ok("each block restored from its range, byte by byte the same", "bytes", "ranges", "odd-keys")

            results = [made.remote(n) for n in range(BLOCKS)]
            check(all(ray.get([is_same.remote(results[n], n) for n in range(BLOCKS)])))
            ok("results of tasks, spilled and handed to other tasks")
        finally:
            ray.shutdown()


main()

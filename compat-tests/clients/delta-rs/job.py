"""delta-rs: tables whose commits are conditional puts; time travel, merges, vacuum, and writers that race."""

import io
import threading

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from pocket_job import *


def rows(first, count):
    return pa.table({"id": pa.array(range(first, first + count)), "word": [f"w{i}" for i in range(first, first + count)]})


def ids(table):
    return sorted(pa.table(table.to_pyarrow_table())["id"].to_pylist())


def tables(url):
    raises(lambda: DeltaTable(url, storage_options=OPTIONS), TableNotFoundError)
    write_deltalake(url, rows(0, 1000), storage_options=OPTIONS)
    write_deltalake(url, rows(1000, 500), mode="append", storage_options=OPTIONS)
    table = DeltaTable(url, storage_options=OPTIONS)
    check(table.version() == 1 and ids(table) == list(range(1500)))
    check(table.delete("id < 100")["num_deleted_rows"] == 100)
    table.update(predicate="id = 100", updates={"word": "'changed'"})
    merged = table.merge(rows(1400, 200), predicate="t.id = s.id", source_alias="s", target_alias="t")
    merged.when_matched_update_all().when_not_matched_insert_all().execute()
    check(ids(table) == list(range(100, 1600)))
    old = DeltaTable(url, version=0, storage_options=OPTIONS)
    check(ids(old) == list(range(1000)) and len(table.history()) == 5)
    ok("appends, deletes, updates, merges, earlier versions of a table, and one that is not there", "missing")

    table.optimize.compact()
    table.create_checkpoint()
    check(DeltaTable(url, storage_options=OPTIONS).version() == table.version())
    before = set(table.file_uris())
    removed = table.vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False)
    check(len(removed) > 0 and set(table.file_uris()) == before)
    check(ids(DeltaTable(url, storage_options=OPTIONS)) == list(range(100, 1600)))
    ok(f"compaction, a checkpoint, and a vacuum of {len(removed)} files")


def races(url, writers=4, rounds=5):
    """Writers that replace the same table from the same version: exactly one wins, the others say that they lost."""
    write_deltalake(url, rows(0, 10), storage_options=OPTIONS)
    for _ in range(rounds):
        tables = [DeltaTable(url, storage_options=OPTIONS) for _ in range(writers)]
        before, start, outcomes = tables[0].version(), threading.Barrier(writers), []

        def replace(n):
            start.wait()
            try:
                write_deltalake(tables[n], rows(n * 100, 10), mode="overwrite", commit_properties=None)
                outcomes.append(n)
            except (CommitFailedError, DeltaError) as error:
                check("conflict" in str(error).lower() or "concurrent" in str(error).lower(), error)

        threads = [threading.Thread(target=replace, args=(n,)) for n in range(writers)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        after = DeltaTable(url, storage_options=OPTIONS)
        check(len(outcomes) == 1 and after.version() == before + 1, after.version(), before, outcomes)
        check(ids(after)[0] // 100 == outcomes[0])
    # Appends do not conflict: each finds its version by trying again.
    before = DeltaTable(url, storage_options=OPTIONS).version()
    each = 5
    add = lambda n: [write_deltalake(url, rows(1000 * (n + 1) + i, 1), mode="append", storage_options=OPTIONS) for i in range(each)]
    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(add, range(writers)))
    after = DeltaTable(url, storage_options=OPTIONS)
    check(after.version() == before + writers * each, after.version(), before)
    check([i for i in ids(after) if i >= 1000] == [1000 * (n + 1) + i for n in range(writers) for i in range(each)])
    ok(f"{writers} writers at once: each version is written by one of them, and no row is lost", "precondition")


def many(name):
    """More files than one page of a list has, under names that have to be escaped, and one file of several parts."""
    url, words = f"s3://{name}/many", [f"{i} ü/+%=&{i}" for i in range(MANY)]
    data = pa.table({"word": words, "id": range(MANY)})
    write_deltalake(url, data, partition_by=["word"], storage_options=OPTIONS)
    table = DeltaTable(url, storage_options=OPTIONS)
    check(len(table.file_uris()) == MANY and ids(table) == list(range(MANY)))
    some = table.to_pyarrow_table(filters=[("word", "=", words[7])])
    check(some["id"].to_pylist() == [7], some)
    write_deltalake(url, data.slice(0, 1), partition_by=["word"], mode="overwrite", storage_options=OPTIONS)
    table = DeltaTable(url, storage_options=OPTIONS)
    removed = table.vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False)
    check(len(removed) == MANY and ids(table) == [0], len(removed))
    pages = witness().get_paginator("list_objects_v2").paginate(Bucket=name, Prefix="many/word=")
    left = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    check(len(left) == 1, len(left))
    ok(f"a table of {MANY} files under odd names, listed and deleted by a vacuum", "list", "odd-keys", "deletion")

    large, options = pa.table({"noise": [content(1024, i) for i in range(17 * 1024)]}), WriterProperties(compression="UNCOMPRESSED")
    write_deltalake(f"s3://{name}/large", large, storage_options=OPTIONS, writer_properties=options)
    table = DeltaTable(f"s3://{name}/large", storage_options=OPTIONS)
    [key] = [uri.removeprefix(f"s3://{name}/") for uri in table.file_uris()]
    parts = witness().head_object(Bucket=name, Key=key, PartNumber=1).get("PartsCount", 1)
    check(parts > 1, parts)
    check(table.to_pyarrow_table().equals(large))
    stored = witness().get_object(Bucket=name, Key=key)["Body"].read()
    check(pq.read_table(io.BytesIO(stored)).equals(large))
    ok(f"a multipart upload of {parts} parts, read back whole and by ranges", "bytes", "multipart", "ranges")
    return large


with bucket() as name:
    page = from_page(bucket=name, write_deltalake=write_deltalake, data=rows(0, 10))
    OPTIONS = page["options"]
    check(ids(DeltaTable(f"s3://{name}/table", storage_options=OPTIONS)) == list(range(10)))
    tables(f"s3://{name}/tables/ü one")
    races(f"s3://{name}/races")
    large = many(name)

with bucket(SMALL_ENDPOINT) as name:
    fill(witness(SMALL_ENDPOINT), name)
    # By default it goes on asking a server that is full for minutes.
    options = {**OPTIONS, "AWS_ENDPOINT_URL": SMALL_ENDPOINT, "max_retries": "0"}
    raises(lambda: write_deltalake(f"s3://{name}/t", large, storage_options=options), Exception, text="503")
ok("a full server says so", "full")

"""What a bucket is beyond S3: a job with hints, TTLs, counted reads, waiting reads."""

import concurrent.futures as futures
import email.utils
import re
import threading
import time

import pytest
from conftest import content, error_of, headers, make_client


def put(client, bucket, key, body=b"x", **hints):
    with headers(client, **{f"x_pocket_{k}": v for k, v in hints.items()}):
        return client.put_object(Bucket=bucket, Key=key, Body=body)


def wait_until(happens, seconds):
    """Polls a condition up to a bound; for things that are promised within a time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if happens():
            return True
        time.sleep(0.02)
    return happens()


def test_an_object_is_never_served_after_its_ttl(s3, other_gateway, bucket):
    put(make_client(), bucket, "k", content(200_000), ttl="2s")
    written = time.monotonic()
    expiry = other_gateway.head_object(Bucket=bucket, Key="k")["Expiration"]
    date = re.search(r'expiry-date="([^"]+)"', expiry)[1]
    assert abs(email.utils.parsedate_to_datetime(date).timestamp() - (time.time() + 2)) < 2
    while True:
        asked = time.monotonic()
        try:
            other_gateway.get_object(Bucket=bucket, Key="k")["Body"].read()
        except s3.exceptions.NoSuchKey:
            break
        assert asked - written < 2.0, "served after its end"
    assert time.monotonic() - written > 1.5, "gone before its end"
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_the_default_ttl_of_a_jobs_objects(s3, make_bucket):
    bucket = make_bucket(object_ttl="1s")
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    put(make_client(), bucket, "longer", ttl="1h")
    assert wait_until(lambda: s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1, 3)
    assert error_of(s3.get_object, Bucket=bucket, Key="k") == (404, "NoSuchKey")
    s3.get_object(Bucket=bucket, Key="longer")


def test_a_job_ends_with_its_ttl(s3, other_gateway, make_bucket):
    bucket = make_bucket(ttl="2s")
    s3.put_object(Bucket=bucket, Key="k", Body=content(100_000))
    gone = lambda: bucket not in [b["Name"] for b in other_gateway.list_buckets()["Buckets"]]  # noqa: E731
    assert wait_until(gone, 4)
    assert error_of(other_gateway.get_object, Bucket=bucket, Key="k") == (404, "NoSuchBucket")


def test_an_idle_job_ends_and_a_used_one_does_not(s3, make_bucket):
    idle, used = make_bucket(idle_ttl="2s"), make_bucket(idle_ttl="2s")
    for bucket in [idle, used]:
        s3.put_object(Bucket=bucket, Key="k", Body=b"x")

    def ended():
        s3.get_object(Bucket=used, Key="k")
        return idle not in [b["Name"] for b in s3.list_buckets()["Buckets"]]

    assert wait_until(ended, 8)
    s3.get_object(Bucket=used, Key="k")


def test_one_reader_may_read_ranges_again_and_again(s3, bucket):
    """Each answer may reach the client before the shard knows of it."""
    put(make_client(), bucket, "k", content(100_000), reads="1")
    for _ in range(100):
        assert s3.get_object(Bucket=bucket, Key="k", Range="bytes=0-9")["Body"].read() == content(100_000)[:10]


@pytest.mark.parametrize("size", [10, 300_000])
@pytest.mark.parametrize("reads", [1, 3])
def test_of_many_racing_readers_exactly_so_many_get_the_bytes(other_gateway, bucket, size, reads):
    body = content(size)
    put(make_client(), bucket, "k", body, reads=str(reads))
    start = threading.Barrier(12)

    def read():
        client = make_client()
        start.wait()
        while True:
            try:
                return client.get_object(Bucket=bucket, Key="k")["Body"].read()
            except client.exceptions.NoSuchKey:
                return None

    with futures.ThreadPoolExecutor(12) as pool:
        got = [f.result() for f in [pool.submit(read) for _ in range(12)]]
    winners = [b for b in got if b is not None]
    assert all(b == body for b in winners)
    assert len(winners) <= reads
    # Readers that came while all reads were taken saw nothing; what they left is still there for later ones.
    while len(winners) < reads:
        winners.append(other_gateway.get_object(Bucket=bucket, Key="k")["Body"].read())
    assert error_of(other_gateway.get_object, Bucket=bucket, Key="k") == (404, "NoSuchKey")
    assert other_gateway.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_delete_after_read(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=content(100_000))
    with headers(make_client(), x_pocket_delete_after_read="true") as client:
        assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == content(100_000)
    assert error_of(s3.get_object, Bucket=bucket, Key="k") == (404, "NoSuchKey")


def test_ranged_reads_use_a_read_up_together(s3, bucket):
    body = content(100_000)
    put(make_client(), bucket, "k", body, reads="1")
    assert s3.get_object(Bucket=bucket, Key="k", Range="bytes=0-59999")["Body"].read() == body[:60_000]
    assert s3.get_object(Bucket=bucket, Key="k", Range="bytes=0-9")["Body"].read() == body[:10]
    assert s3.get_object(Bucket=bucket, Key="k", Range="bytes=60000-")["Body"].read() == body[60_000:]
    assert wait_until(lambda: s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0, 2)


def test_a_head_uses_no_read_up(s3, bucket):
    put(make_client(), bucket, "k", reads="1")
    for _ in range(3):
        s3.head_object(Bucket=bucket, Key="k")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


def test_a_waiting_read_is_woken_by_the_write(s3, other_gateway, bucket):
    def read():
        with headers(make_client(), x_pocket_wait="20s") as client:
            return client.get_object(Bucket=bucket, Key="later")["Body"].read(), time.monotonic()

    with futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(read)
        time.sleep(0.5)
        assert not waiting.done()
        other_gateway.put_object(Bucket=bucket, Key="later", Body=b"there")
        written = time.monotonic()
        body, woken = waiting.result(10)
    assert body == b"there" and woken - written < 1


def test_a_wait_ends_in_time(bucket):
    with headers(make_client(), x_pocket_wait="1s") as client:
        started = time.monotonic()
        assert error_of(client.get_object, Bucket=bucket, Key="never") == (404, "NoSuchKey")
        assert 0.9 < time.monotonic() - started < 3


def test_a_jobs_wait_holds_for_get_and_for_head(s3, make_bucket):
    bucket = make_bucket(wait="1s")
    for read, code in [(s3.head_object, "404"), (s3.get_object, "NoSuchKey")]:
        started = time.monotonic()
        assert error_of(read, Bucket=bucket, Key="never") == (404, code)
        assert 0.9 < time.monotonic() - started < 5


def test_markers_of_folders_and_heads_where_the_bucket_says_get_do_not_wait(s3, make_bucket):
    bucket, on_get = make_bucket(wait="20s"), make_bucket(wait="20s", wait_on="get")
    started = time.monotonic()
    assert error_of(s3.head_object, Bucket=bucket, Key="folder/") == (404, "404")
    assert error_of(s3.get_object, Bucket=bucket, Key="folder/") == (404, "NoSuchKey")
    assert error_of(s3.head_object, Bucket=on_get, Key="never") == (404, "404")
    assert time.monotonic() - started < 10
    shown = s3.head_bucket(Bucket=on_get)["ResponseMetadata"]["HTTPHeaders"]
    assert (shown["x-pocket-wait"], shown["x-pocket-wait-on"]) == ("20s", "get")


def test_a_download_that_looks_first_waits_for_the_write(other_gateway, make_bucket, tmp_path):
    """`download_file` asks for the size with HEAD before it reads."""
    bucket, target = make_bucket(wait="20s"), tmp_path / "out"
    with futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(make_client().download_file, bucket, "later", str(target))
        time.sleep(0.5)
        assert not waiting.done()
        other_gateway.put_object(Bucket=bucket, Key="later", Body=content(100_000))
        waiting.result(10)
    assert target.read_bytes() == content(100_000)


def test_the_end_of_the_job_ends_a_wait(s3, make_bucket):
    bucket = make_bucket()

    def read():
        with headers(make_client(), x_pocket_wait="20s") as client:
            return error_of(client.get_object, Bucket=bucket, Key="never")

    with futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(read)
        time.sleep(0.5)
        with headers(s3, x_pocket_force_delete="true"):
            s3.delete_bucket(Bucket=bucket)
        assert waiting.result(5) == (404, "NoSuchBucket")


def test_bad_object_hints_are_refused(s3, bucket):
    for hint, value in [("ttl", "soon"), ("reads", "0"), ("ttl", "-1s")]:
        with headers(make_client(), **{f"x_pocket_{hint}": value}) as client:
            bad = error_of(client.put_object, Bucket=bucket, Key="k", Body=b"x")
        assert bad == (400, "InvalidArgument")
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_a_copy_inherits_what_is_left(s3, bucket):
    put(make_client(), bucket, "k", b"x", reads="2", ttl="1h")
    s3.get_object(Bucket=bucket, Key="k")["Body"].read()
    s3.copy_object(Bucket=bucket, Key="l", CopySource=f"{bucket}/k")
    assert "Expiration" in s3.head_object(Bucket=bucket, Key="l")
    s3.get_object(Bucket=bucket, Key="l")["Body"].read()
    assert wait_until(lambda: s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1, 2)
    assert error_of(s3.head_object, Bucket=bucket, Key="l") == (404, "404")


def test_etag_rules_of_a_job(s3, make_bucket):
    import hashlib

    body = content(500_000)
    bucket = make_bucket(etag="md5")
    assert s3.put_object(Bucket=bucket, Key="k", Body=body)["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'

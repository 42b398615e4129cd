"""aws-cli as people type it."""

import json
import os
import subprocess
import sys
import time

import pytest
from conftest import ENDPOINTS, REGION, content, new_name

MIB = 1 << 20
AWS = [sys.executable, "-m", "awscli"]


def aws(*words, check=True, config="/dev/null"):
    environment = {**os.environ, "AWS_DEFAULT_REGION": REGION, "AWS_CONFIG_FILE": str(config)}
    command = [*AWS, "--endpoint-url", ENDPOINTS[0], *map(str, words)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    if check:
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done


@pytest.fixture
def url(s3):
    name = new_name("cli")
    aws("s3", "mb", f"s3://{name}")
    yield f"s3://{name}"
    aws("s3", "rb", "--force", f"s3://{name}", check=False)


def test_cp_both_ways(url, tmp_path):
    for size in [0, 100, 20 * MIB + 1]:
        source, target = tmp_path / f"in-{size}", tmp_path / f"out-{size}"
        source.write_bytes(content(size))
        aws("s3", "cp", source, f"{url}/f")
        aws("s3", "cp", f"{url}/f", target)
        assert target.read_bytes() == source.read_bytes()


def test_cp_from_standard_input(url, tmp_path):
    command = [*AWS, "--endpoint-url", ENDPOINTS[0], "--region", REGION, "s3", "cp", "-", f"{url}/piped"]
    subprocess.run(command, input=content(9 * MIB), check=True, timeout=120, capture_output=True)
    target = tmp_path / "out"
    aws("s3", "cp", f"{url}/piped", target)
    assert target.read_bytes() == content(9 * MIB)


def test_cp_waits_for_what_is_written_later(s3, make_bucket):
    """It looks with HEAD before it reads."""
    bucket = make_bucket(wait="20s")
    command = [*AWS, "--endpoint-url", ENDPOINTS[0], "--region", REGION, "s3", "cp", f"s3://{bucket}/later", "-"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as reading:
        time.sleep(2)
        assert reading.poll() is None, reading.communicate()
        s3.put_object(Bucket=bucket, Key="later", Body=content(100_000))
        read, said = reading.communicate(timeout=20)
    assert read == content(100_000), said


def test_sync_there_and_back(url, tmp_path):
    tree, back = tmp_path / "tree", tmp_path / "back"
    for i, name in enumerate(["a.txt", "b/c.txt", "b/ü ö.txt", "d/e/f.bin"]):
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content(1000 * i, i))
        # S3 knows times to the second: a file of this second would be newer than its own upload.
        os.utime(path, (time.time() - 60,) * 2)
    aws("s3", "sync", tree, f"{url}/t")
    assert aws("s3", "sync", tree, f"{url}/t").stdout == "", "nothing has changed"
    aws("s3", "sync", f"{url}/t", back)
    for path in tree.rglob("*.*"):
        assert (back / path.relative_to(tree)).read_bytes() == path.read_bytes()
    (tree / "a.txt").unlink()
    aws("s3", "sync", "--delete", tree, f"{url}/t")
    assert "a.txt" not in aws("s3", "ls", "--recursive", f"{url}/t/").stdout


def test_ls_mv_rm(url, tmp_path):
    file = tmp_path / "f"
    file.write_bytes(b"x")
    for key in ["a", "d/b", "d/c"]:
        aws("s3", "cp", file, f"{url}/{key}")
    shown = aws("s3", "ls", f"{url}/").stdout.split()
    assert "a" in shown and "d/" in shown
    aws("s3", "mv", f"{url}/a", f"{url}/e")
    aws("s3", "rm", "--recursive", f"{url}/d/")
    names = [line.split()[-1] for line in aws("s3", "ls", "--recursive", f"{url}/").stdout.splitlines()]
    assert names == ["e"]


def test_rb_refuses_a_bucket_with_objects(url, tmp_path):
    file = tmp_path / "f"
    file.write_bytes(b"x")
    aws("s3", "cp", file, f"{url}/k")
    refused = aws("s3", "rb", url, check=False)
    assert refused.returncode != 0 and "BucketNotEmpty" in refused.stderr


def test_presign(url, tmp_path):
    import urllib.request

    file = tmp_path / "f"
    file.write_bytes(content(5000))
    aws("s3", "cp", file, f"{url}/k")
    # Without this, aws-cli 1 presigns with SigV2 in us-east-1.
    config = tmp_path / "config"
    config.write_text("[default]\ns3 =\n    signature_version = s3v4\n")
    link = aws("s3", "presign", f"{url}/k", config=config).stdout.strip()
    with urllib.request.urlopen(link, timeout=20) as answer:
        assert answer.read() == content(5000)


def test_s3api(url, tmp_path):
    bucket = url.removeprefix("s3://")
    file = tmp_path / "f"
    file.write_bytes(b"hello")
    where = ["--bucket", bucket, "--key", "k"]
    put = json.loads(aws("s3api", "put-object", *where, "--body", file, "--metadata", "a=1").stdout)
    head = json.loads(aws("s3api", "head-object", *where).stdout)
    assert head["ETag"] == put["ETag"] and head["Metadata"] == {"a": "1"} and head["ContentLength"] == 5
    aws("s3api", "get-object", *where, "--range", "bytes=1-2", tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == b"el"
    refused = aws("s3api", "put-object", *where, "--body", file, "--if-none-match", "*", check=False)
    assert "PreconditionFailed" in refused.stderr
    aws("s3api", "delete-object", *where)
    assert aws("s3api", "head-object", *where, check=False).returncode != 0


def test_an_empty_file_does_not_stall(url, tmp_path):
    import time

    empty = tmp_path / "empty"
    empty.write_bytes(b"")
    started = time.monotonic()
    aws("s3api", "put-object", "--bucket", url.removeprefix("s3://"), "--key", "e", "--body", empty)
    assert time.monotonic() - started < 20


def test_lifecycle_rules_in_seconds(url, tmp_path):
    bucket = url.removeprefix("s3://")
    rule = {"ID": "scratch", "Status": "Enabled", "Filter": {"Prefix": "scratch/"}, "Expiration": {"Days": 1}}
    document = tmp_path / "rules.json"
    document.write_text(json.dumps({"Rules": [rule]}))
    unit = "TagSet=[{Key=pocket:lifecycle-unit,Value=1s}]"
    aws("s3api", "put-bucket-tagging", "--bucket", bucket, "--tagging", unit)
    put = "put-bucket-lifecycle-configuration"
    aws("s3api", put, "--bucket", bucket, "--lifecycle-configuration", f"file://{document}")
    kept = aws("s3api", "get-bucket-lifecycle-configuration", "--bucket", bucket).stdout
    assert json.loads(kept)["Rules"] == [rule]
    for key in ["scratch/a", "b"]:
        aws("s3api", "put-object", "--bucket", bucket, "--key", key, "--body", document)
    end = time.monotonic() + 30
    while aws("s3api", "head-object", "--bucket", bucket, "--key", "scratch/a", check=False).returncode == 0:
        assert time.monotonic() < end, "it never ended"
    listed = aws("s3api", "list-objects-v2", "--bucket", bucket).stdout
    assert [entry["Key"] for entry in json.loads(listed)["Contents"]] == ["b"]
    aws("s3api", "delete-bucket-lifecycle", "--bucket", bucket)
    gone = aws("s3api", "get-bucket-lifecycle-configuration", "--bucket", bucket, check=False)
    assert gone.returncode != 0 and "NoSuchLifecycleConfiguration" in gone.stderr

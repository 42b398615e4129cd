"""aws-cli 2: all that version 1 does, and what differs."""

import os
import pty
import subprocess
from pathlib import Path

from pocket_job import *

# Debian's program of that name instead of the one of this environment, which is version 1.
os.environ["PATH"] = f"/usr/bin:{os.environ['PATH']}"


def at_a_terminal(*words, **variables):
    """What a command says there, where it shows answers in a pager."""
    ours, theirs = pty.openpty()
    command = [*page_command("s3 ls"), *words]
    done = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=os.environ | variables)
    os.close(theirs)
    said = b""
    try:
        while piece := os.read(ours, 4096):
            said += piece
    except OSError:
        pass  # Linux says so that the other end is closed.
    os.close(ours)
    check(done.wait(timeout=60) == 0, words, said[-500:])
    return said.decode()


def tags_as_the_page_of_hints_says():
    name = new_name("awscli2")
    command = [*page_command("s3 ls"), "s3", "mb", f"s3://{name}"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    try:
        tags = ["--bucket", name, "--tagging", "TagSet=[{Key=pocket:ttl,Value=15m}]"]
        command = [*page_command("s3 ls"), "s3api", "put-bucket-tagging", *tags]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        check(witness().head_bucket(Bucket=name)["ResponseMetadata"]["HTTPHeaders"]["x-pocket-ttl"] == "15m")
        said = at_a_terminal("s3api", "get-bucket-tagging", "--bucket", name, AWS_PAGER="")
        check('"Value": "15m"' in said, said)
        said = at_a_terminal("s3api", "get-bucket-tagging", "--bucket", name, AWS_PAGER="sed s/15m/paged/")
        check('"Value": "paged"' in said, said)
    finally:
        end_bucket(name)
    ok("hints as tags of a bucket; its pager, and none where AWS_PAGER is empty")


version = subprocess.run(["aws", "--version"], capture_output=True, check=True, timeout=60).stdout.decode()
check(version.startswith("aws-cli/2."), version)
tags_as_the_page_of_hints_says()
job = Path(__file__).parent.parent / "aws-cli" / "job.py"
# Not by runpy, which would have it take the page of version 1 for its own.
exec(compile(job.read_text(), job, "exec"))

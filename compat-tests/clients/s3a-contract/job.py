"""The contract tests that Hadoop publishes with S3A, run as they are, and counted.

`classes.csv` has every class of them, and of some a method, and says how it runs:

short   always
whole   unless only the short part was asked for
scale   as `whole`, with the switch without which Hadoop leaves larger tests out
root    in a bucket of its own, because it empties it
racy    alone, and again when it fails; `reason` says which race of its own it loses
none    not; `reason` says why
fails   whatever comes of it; `reason` says why
"""

import contextlib
import csv
import gzip
import json
import os
import random
import subprocess
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path
from string import Template

from pocket_job import MIB, SCRATCH, bucket, check, ok, put_many, witness

PACKAGE = "org.apache.hadoop."
FOLDER = Path(__file__).parent
# Compiled tests, by the driver.
BUILT = Path(os.environ["POCKET_BUILT"])
# Each is a JVM; most of a test is waiting for its start or for the store.
FORKS = 2
# A test that loses a race of its own every other time loses all of these once in a thousand times.
ATTEMPTS = 10
# It then waits for ten minutes; those that win are done in a quarter of this time, on a busy machine too.
ATTEMPT_SECONDS = 120
# What some tests read of a public data set of AWS where nothing is said: a file of text, and more keys than a list of
# 3,000 shows.
EXTERNAL, EXTERNAL_BYTES = "external.csv.gz", 8 * MIB
MANY, MANY_KEYS = "many/", 3_100


def listed():
    """class or class#test -> (part, reason)"""
    with open(FOLDER / "classes.csv", newline="") as file:
        return {row["class"]: (row["part"], row["reason"]) for row in csv.DictReader(file)}


def published():
    """All classes of integration tests in Hadoop's sources."""
    sources = BUILT / "hadoop-tests"
    files = (file.relative_to(sources).with_suffix("") for file in sources.rglob("ITest*.java"))
    return {".".join(file.parts).removeprefix(PACKAGE) for file in files}


def put_data(name):
    """What stands for the public data set: anyone may read it."""
    witness().delete_public_access_block(Bucket=name)
    everything = {"Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject", "s3:ListBucket"]}
    everything["Resource"] = [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"]
    witness().put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [everything]}))
    rows = random.Random(1)
    text = b"".join(b"%s,%d\n" % (rows.randbytes(24).hex().encode(), row) for row in range(EXTERNAL_BYTES // 32))
    witness().put_object(Bucket=name, Key=EXTERNAL, Body=gzip.compress(text, 1))
    put_many(witness(), name, MANY, MANY_KEYS)


def write_conf(into, buckets):
    """Tells the tests their store: `conf`, with values where the names of variables are."""
    into.mkdir()
    for template in (FOLDER / "conf").iterdir():
        (into / template.name).write_text(Template(template.read_text()).substitute(os.environ, **buckets))


def run(part, tests, buckets, forks=1, limit_seconds=None, **properties):
    """Runs tests, leaves out those after a `!`, and gives (class, test, outcome) of each that came to an end."""
    folder = Path(SCRATCH) / part
    for number in range(1, forks + 1):
        # Where tests look for the files that lie beside Hadoop's sources.
        resources = folder / f"fork-{number}/src/test/resources"
        resources.parent.mkdir(parents=True)
        resources.symlink_to(BUILT / "hadoop-tests")
    write_conf(folder / "conf", buckets)
    command = ["mvn", "--batch-mode", "--quiet", "--offline", "--file", str(FOLDER / "pom.xml"), "surefire:test"]
    names = (f"!{PACKAGE}{test[1:]}" if test.startswith("!") else PACKAGE + test for test in tests)
    settings = {
        "maven.repo.local": os.environ["POCKET_MAVEN"],
        "work.dir": BUILT,
        "run.dir": folder,
        "forks": forks,
        "parallel.forks": "true" if forks > 1 else "false",
        "test": ",".join(names),
        **properties,
    }
    command += [f"-D{name}={value}" for name, value in settings.items()]
    subprocess.run(command, check=True, timeout=limit_seconds)
    for report in sorted((folder / "reports").glob("TEST-*.xml")):
        suite = ElementTree.parse(report).getroot()
        print(f"{suite.get('name')} took {suite.get('time')} s")
        for case in suite.iter("testcase"):
            ended = [child for child in case if child.tag in ("failure", "error", "skipped")]
            outcome = ended[0].tag if ended else "passed"
            name, test = suite.get("name").removeprefix(PACKAGE), case.get("name") or "the class itself"
            if outcome == "skipped":
                print(f"{name}#{test} skipped: {ended[0].get('message')}")
            yield name, test, outcome


def run_until_passed(part, test, buckets):
    """The outcomes of the attempt that counts: the first without a failure, or the last one."""
    for attempt in range(1, ATTEMPTS + 1):
        outcomes = []
        with contextlib.suppress(subprocess.TimeoutExpired):
            # What Maven started ends with it.
            outcomes += run(f"{part}-{attempt}", [test], buckets, limit_seconds=ATTEMPT_SECONDS, scale="true")
        if outcomes and all(outcome == "passed" for _, _, outcome in outcomes):
            print(f"{test} passed, run for the {attempt}. time")
            return outcomes
    return outcomes or [(test.split("#")[0], "did not come to an end", "error")]


def main():
    rows = listed()
    classes = published()
    unlike = classes ^ {name for name in rows if "#" not in name}
    check(not unlike, unlike)
    short = os.environ["POCKET_PART"] == "short"
    chosen = {part: [name for name, (of, _) in rows.items() if of == part] for part in ("short", "whole", "scale", "root", "racy")}
    left_out = [f"!{name}" for name, (part, _) in rows.items() if "#" in name and part in ("none", "racy")]
    with bucket() as shared, bucket() as own, bucket() as data:
        put_data(data)
        buckets = {"POCKET_BUCKET": shared, "POCKET_DATA_BUCKET": data}
        outcomes = list(run("short", chosen["short"] + left_out, buckets, FORKS))
        outcomes += run("root", chosen["root"], {**buckets, "POCKET_BUCKET": own})
        if not short:
            outcomes += run("whole", chosen["whole"] + left_out, buckets, FORKS)
            outcomes += run("scale", chosen["scale"] + left_out, buckets, FORKS, scale="true")
            for number, test in enumerate(chosen["racy"]):
                outcomes += run_until_passed(f"racy-{number}", test, buckets)
    report(rows, outcomes, len(classes))
    parts = ["short", "root"] if short else chosen
    unlike = {name for name, _, _ in outcomes} ^ {name.split("#")[0] for part in parts for name in chosen[part]}
    check(not unlike, unlike)


def report(rows, outcomes, classes):
    counts, unexpected = {}, []
    for name, test, outcome in outcomes:
        if outcome in ("failure", "error"):
            may_fail = rows.get(f"{name}#{test}", ("", ""))[0] == "fails"
            outcome = "failed as known" if may_fail else "failed"
            if not may_fail:
                unexpected.append(f"{name}#{test}")
        counts.setdefault(name, Counter())[outcome] += 1
    for name, count in counts.items():
        if "failed" not in count:
            ok(f"{name}: {shown(count)}")
    print(f"note {len(counts)} of {classes} classes, {shown(sum(counts.values(), Counter()))}")
    check(not unexpected, *unexpected)


def shown(count):
    return ", ".join(f"{number} {outcome}" for outcome, number in sorted(count.items(), key=lambda item: -item[1]))


main()

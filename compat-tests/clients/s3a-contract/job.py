"""The contract tests that Hadoop publishes with S3A, run as they are, and counted.

`classes.csv` has every class of them: `short` ones run always, `whole` ones unless only the short part was asked for,
`root` ones have a bucket of their own because they empty it, `none` says why it does not run, `fails` why a test may fail.
"""

import csv
import os
import subprocess
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

from pocket_job import SCRATCH, bucket, check, ok

PACKAGE = "org.apache.hadoop."
FOLDER = Path(__file__).parent
# Compiled tests, by the driver.
BUILT = Path(os.environ["POCKET_BUILT"])
# Each is a JVM; most of a test is waiting for its start or for the store.
FORKS = 2


def listed():
    """class or class#test -> (part, reason)"""
    with open(FOLDER / "classes.csv", newline="") as file:
        return {row["class"]: (row["part"], row["reason"]) for row in csv.DictReader(file)}


def published():
    """All classes of integration tests in Hadoop's sources."""
    sources = BUILT / "hadoop-tests"
    files = (file.relative_to(sources).with_suffix("") for file in sources.rglob("ITest*.java"))
    return {".".join(file.parts).removeprefix(PACKAGE) for file in files}


def run(part, tests, bucket_name, forks):
    """Runs classes, leaves out those after a `!`, and gives (class, test, outcome) of each test."""
    folder = Path(SCRATCH) / part
    command = ["mvn", "--batch-mode", "--quiet", "--offline", "--file", str(FOLDER / "pom.xml"), "surefire:test"]
    names = (f"!{PACKAGE}{test[1:]}" if test.startswith("!") else PACKAGE + test for test in tests)
    settings = {
        "maven.repo.local": os.environ["POCKET_MAVEN"],
        "work.dir": BUILT,
        "run.dir": folder,
        "forks": forks,
        "parallel.forks": "true" if forks > 1 else "false",
        "test": ",".join(names),
    }
    command += [f"-D{name}={value}" for name, value in settings.items()]
    subprocess.run(command, env={**os.environ, "POCKET_BUCKET": bucket_name}, check=True)
    for report in sorted((folder / "reports").glob("TEST-*.xml")):
        suite = ElementTree.parse(report).getroot()
        for case in suite.iter("testcase"):
            ended = [child.tag for child in case if child.tag in ("failure", "error", "skipped")]
            name = suite.get("name").removeprefix(PACKAGE)
            yield name, case.get("name") or "the class itself", ended[0] if ended else "passed"


def main():
    rows = listed()
    check(published() == {name for name in rows if "#" not in name}, published() ^ rows.keys())
    parts = ["short"] if os.environ["POCKET_PART"] == "short" else ["short", "whole"]
    chosen = [name for name, (part, _) in rows.items() if part in parts]
    left_out = [f"!{name}" for name, (part, _) in rows.items() if "#" in name and part == "none"]
    roots = [name for name, (part, _) in rows.items() if part == "root"]
    with bucket() as shared, bucket() as own:
        outcomes = list(run("shared", chosen + left_out, shared, FORKS)) + list(run("root", roots, own, 1))

    counts, unexpected = {}, []
    for name, test, outcome in outcomes:
        if outcome in ("failure", "error"):
            may_fail = rows.get(f"{name}#{test}", ("", ""))[0] == "fails"
            outcome = "failed as known" if may_fail else "failed"
            if not may_fail:
                unexpected.append(f"{name}#{test}")
        counts.setdefault(name, Counter())[outcome] += 1
    check(counts.keys() == set(chosen + roots), counts.keys() ^ set(chosen + roots))
    for name, count in counts.items():
        if "failed" not in count:
            ok(f"{name}: {shown(count)}")
    total = sum(counts.values(), Counter())
    print(f"note {len(counts)} of {len(published())} classes, {shown(total)}")
    check(not unexpected, *unexpected)


def shown(count):
    return ", ".join(f"{number} {outcome}" for outcome, number in sorted(count.items(), key=lambda item: -item[1]))


main()

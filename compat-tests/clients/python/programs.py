"""Clients that are programs and not libraries: what the jobs need to run them, to mount with them, and to compare trees."""

import contextlib
import os
import subprocess
import time

from pocket_job import SCRATCH, check, same

# On two cores that are busy with something else too.
LIMIT_SECONDS = 300
UNTIL_SECONDS = 30


class Refused(Exception):
    """A program that ended with an error; its text is what the program wrote."""


def program(*words, input=None, env=None):
    """Runs a program to its end and gives what it wrote to its standard output."""
    words = [str(word) for word in words]
    done = subprocess.run(words, input=input, capture_output=True, timeout=LIMIT_SECONDS, env=env)
    if done.returncode != 0:
        raise Refused(f"{words} ended with {done.returncode}: {(done.stderr + done.stdout).decode()[-2000:]}")
    return done.stdout


def lines(output):
    return output.decode().splitlines()


def path_of(*names):
    """A path in the job's own folder, with the folders above it."""
    path = os.path.join(SCRATCH, *names)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return path


def write_file(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)
    return path


def read_file(path):
    with open(path, "rb") as file:
        return file.read()


def write_tree(root, files):
    """Files of a folder: relative paths and what they hold."""
    for name, data in files.items():
        write_file(os.path.join(root, name), data)


def make_old(root):
    """The files of a folder become a minute old: S3 knows times to the second, so that a file of this second would be
    newer than its own upload to programs that go by times."""
    then = time.time() - 60
    for folder, _, names in os.walk(root):
        for name in names:
            os.utime(os.path.join(folder, name), (then, then))


def same_tree(root, files):
    """The folder holds these files, byte by byte, and no others."""
    found = {
        os.path.relpath(os.path.join(folder, name), root) for folder, _, names in os.walk(root) for name in names
    }
    check(found == set(files), found ^ set(files))
    for name, data in files.items():
        same(read_file(os.path.join(root, name)), data)


def until(holds):
    """Waits for what a program does in its own time."""
    started = time.monotonic()
    while not holds():
        check(time.monotonic() - started < UNTIL_SECONDS, f"not within {UNTIL_SECONDS} s")
        time.sleep(0.05)


@contextlib.contextmanager
def mounted(folder, *words):
    """A program that stays in the foreground as long as `folder` is mounted by it."""
    os.makedirs(folder)
    with open(path_of("mount.log"), "ab") as log:
        process = subprocess.Popen([str(word) for word in words], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        until(lambda: os.path.ismount(folder) or process.poll() is not None)
        check(process.poll() is None, read_file(path_of("mount.log"))[-2000:])
        yield folder
        # Writes what is not written yet, and fails while a file is open.
        program("fusermount", "-u", folder)
        process.wait(LIMIT_SECONDS)
    finally:
        if process.poll() is None:
            subprocess.run(["fusermount", "-u", "-z", folder])
            process.kill()
            process.wait()

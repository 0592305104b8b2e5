"""Kills during the creation or the migration of a data directory: it opens again, with all its content.

The directories are an empty one and, for each schema with committed rows in the store's tests, one that a
program of that schema has left.
"""

import random
import re
import shutil
import signal
import sqlite3
import time

import pytest

from harness.aws import JsonApi
from harness.disks import killed_at
from harness.images import Image
from harness.oci import Registry
from harness.server import ROOT, Server

STORE = ROOT / "crates/store/src"
STEPS = {int(path.name[:4]): path for path in (STORE / "migrations").glob("*.sql")}
FIXTURES = {int(path.name[:4]): path for path in (STORE / "tests/fixtures").glob("*.sql")}
EMPTY = 0

# The SQL of the migrations, for SQLite.
WORDS = {
    "{id}": "INTEGER PRIMARY KEY",
    "{int}": "INTEGER",
    "{text}": "TEXT",
    "{blob}": "BLOB",
    "{strict}": "STRICT",
    "{without_rowid}": "STRICT, WITHOUT ROWID",
    "{no_bytes}": "x''",
    "{packed_blob_ids}": "unhex(group_concat(printf('%016x', blob_id), ''))",
}

REPOSITORY = "team/app"
LAYER = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

# Calls of every start, and calls that create or remove files at the first start.
CALLS = ["pwrite64", "fsync,fdatasync", "openat"]
CALLS_OF_FIRST_START = ["ftruncate", "mkdir,mkdirat", "unlink,unlinkat"]
# More calls than any start makes.
CALLS_MAX = 2_000
RANDOM_KILLS = 20
KILLED_WITHIN_SECONDS = 0.05


def leave_data(path, schema):
    """Creates a directory as a program of that schema left it."""
    path.mkdir(mode=0o700)
    if schema == EMPTY:
        return
    (path / "blobs").mkdir(mode=0o700)
    (path / "lock").write_bytes(b"ecru\n")
    database = sqlite3.connect(path / "ecru.sqlite")
    # The migrations are written for the built-in SQLite, which has functions that an older one here lacks.
    database.create_function("unhex", 1, bytes.fromhex)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("CREATE TABLE migrations (number INTEGER PRIMARY KEY) STRICT")
    for number, step in sorted(STEPS.items()):
        if number <= schema:
            words = re.compile("|".join(map(re.escape, WORDS)))
            database.executescript(words.sub(lambda word: WORDS[word[0]], step.read_text()))
            database.execute("INSERT INTO migrations VALUES (?)", (number,))
    database.executescript(FIXTURES[schema].read_text())
    database.commit()
    database.close()


def check(server, schema):
    """The server starts on the directory, has all content of the fixture, and accepts writes."""
    server.prefix = []
    server.start()
    json, registry = JsonApi(server.host), Registry(server.host)
    try:
        if schema == EMPTY:
            assert json.call("DescribeRepositories")["repositories"] == []
            json.call("CreateRepository", repositoryName=REPOSITORY)
        else:
            (repository,) = json.call("DescribeRepositories")["repositories"]
            assert repository["repositoryName"] == REPOSITORY
            arn = repository["repositoryArn"]
            assert json.call("ListTagsForResource", resourceArn=arn)["tags"] == [
                {"Key": "owner", "Value": "team"}
            ]
            policy = json.call("GetRepositoryPolicy", repositoryName=REPOSITORY)["policyText"]
            assert '"kept"' in policy
            assert registry.pull_blob(REPOSITORY, LAYER) == b"abc"
            assert registry.list_tags(REPOSITORY) == ["latest"]
            for tag, manifest in (("latest", b"index"), (None, b"image")):
                listed = json.call("ListImages", repositoryName=REPOSITORY)["imageIds"]
                (image,) = [image for image in listed if image.get("imageTag") == tag]
                assert registry.find_manifest(REPOSITORY, image["imageDigest"]) == manifest
        image = Image.seeded("after the kill", (1_000, 100_000))
        registry.push_image(REPOSITORY, "pushed", image)
        assert registry.find_manifest(REPOSITORY, "pushed") == image.manifest
    finally:
        json.close()
        registry.close()
        server.stop()
    database = sqlite3.connect(server.data_directory / "ecru.sqlite")
    steps = [number for (number,) in database.execute("SELECT number FROM migrations ORDER BY number")]
    (keys,) = database.execute("SELECT count(*) FROM keys").fetchone()
    database.close()
    assert (steps, keys) == (sorted(STEPS), 1)


def test_every_schema_has_rows_to_begin_with():
    assert sorted(FIXTURES) == sorted(STEPS)


@pytest.mark.parametrize("calls", CALLS + CALLS_OF_FIRST_START)
@pytest.mark.parametrize("schema", [EMPTY, *sorted(FIXTURES)], ids=lambda schema: f"schema-{schema}")
def test_a_start_that_is_killed_at_any_call_is_done_again(tmp_path, schema, calls):
    for when in range(1, CALLS_MAX):
        server = Server(tmp_path / f"data-{when}")
        leave_data(server.data_directory, schema)
        killed = start_to_be_killed(server, calls, when)
        check(server, schema)
        shutil.rmtree(server.data_directory)
        if not killed:
            break
    assert not killed
    assert when > 1 or (schema != EMPTY and calls in CALLS_OF_FIRST_START), "no call was killed"


def start_to_be_killed(server, calls, when):
    """Returns whether the server was killed before it was ready."""
    server.prefix = killed_at(calls, when)
    try:
        server.start()
    except AssertionError:
        assert server.process.wait() == -signal.SIGKILL, server.output()
        return True
    server.kill()
    return False


@pytest.mark.parametrize("schema", [EMPTY, *sorted(FIXTURES)], ids=lambda schema: f"schema-{schema}")
def test_starts_that_are_killed_at_random_moments_are_done_again(tmp_path, schema):
    seed = random.SystemRandom().randrange(10**6)
    chance = random.Random(seed)
    server = Server(tmp_path / "data")
    leave_data(server.data_directory, schema)
    for _ in range(RANDOM_KILLS):
        server.spawn()
        # The test needs a random time, so there is no event to wait for.
        time.sleep(chance.uniform(0, KILLED_WITHIN_SECONDS))
        assert server.process.poll() is None, f"seed {seed}: {server.output()}"
        server.kill()
    check(server, schema)

"""`ecru gc`, `verify`, `backup` and `restore`, with and without a running server."""

import concurrent.futures
import signal
import sqlite3
import subprocess
import threading
import time

import pytest

from harness.aws import ecr_client
from harness.images import OCI_INDEX, Image, index_of
from harness.oci import Refused, Registry
from harness.server import BINARY, Server

SECONDS_MAX = 60
STARTED_SECONDS_MAX = 2


def ecru_command(*words, code=0):
    """Runs a command, checks its exit code, and returns its output."""
    ended = subprocess.run(
        [BINARY, *map(str, words)], capture_output=True, text=True, timeout=SECONDS_MAX
    )
    assert ended.returncode == code, f"{words}: {ended}"
    return ended.stdout + ended.stderr


def on(server):
    return ("--data-dir", server.data_directory)


def make_idle(server):
    """Makes all layers look unused for two days."""
    database = sqlite3.connect(server.data_directory / "ecru.sqlite", timeout=30)
    database.execute("UPDATE links SET used_at = used_at - 2 * 86400 * 1000")
    database.commit()
    database.close()


def assert_whole(registry, name, tag, image):
    assert registry.find_manifest(name, tag) == image.manifest
    for digest, content in image.blobs.items():
        assert registry.pull_blob(name, digest) == content


@pytest.mark.parametrize("running", [True, False], ids=["running", "alone"])
def test_gc_frees_what_no_image_needs_and_keeps_every_architecture_of_an_index(
    ecru, registry, repository, two_architectures, running
):
    name = repository()
    images, index, media_type = two_architectures
    for image in images:
        registry.push_image(name, image.digest, image)
    registry.push_manifest(name, "all", media_type, index)
    gone = Image.seeded("gone", (300_000,))
    registry.push_image(name, "gone", gone)
    registry.delete_manifest(name, gone.digest)
    loose = registry.push_blob(name, b"never in an image" * 10_000)

    assert ecru_command("gc", *on(ecru)).startswith("freed 0 bytes: 0 blobs")
    make_idle(ecru)
    if not running:
        ecru.stop()
    freed = 170_000 + sum(len(blob) for blob in gone.blobs.values())
    assert ecru_command("gc", *on(ecru)).startswith(f"freed {freed} bytes: 3 blobs")
    if not running:
        ecru.start()
        registry = Registry(ecru.host)

    for digest in [loose, *gone.blobs]:
        registry.request("GET", f"/v2/{name}/blobs/{digest}", accept=(404,))
    assert registry.find_manifest(name, "all") == index
    for image in images:
        assert_whole(registry, name, image.digest, image)
    assert ecru_command("verify", *on(ecru)).startswith("verified ")


@pytest.mark.parametrize("running", [True, False], ids=["running", "alone"])
def test_verify_says_each_damage_in_a_line_and_ends_with_1(
    ecru, registry, repository, seeded_image, running
):
    name = repository()
    registry.push_image(name, "tag", seeded_image)
    said = ecru_command("verify", *on(ecru))
    assert said.splitlines()[-1].endswith("and 1 images: 0 damaged, 0 files unused")

    cut, missing = sorted((ecru.data_directory / "blobs").glob("*/*"))[:2]
    cut.write_bytes(cut.read_bytes()[:-1])
    missing.unlink()
    if not running:
        ecru.stop()
    lines = ecru_command("verify", *on(ecru), code=1).splitlines()
    assert len(lines) == 3 and lines[-1].endswith(": 2 damaged, 0 files unused"), lines
    assert all(line.startswith("blob sha256:") for line in lines[:2])
    assert sum("is missing" in line for line in lines) == 1

    if not running:
        ecru.start()
        registry = Registry(ecru.host)
    registry.push_image(name, "tag", seeded_image)
    assert_whole(registry, name, "tag", seeded_image)
    ecru_command("verify", *on(ecru))


def test_a_backup_of_a_server_at_work_holds_all_that_was_acknowledged_before_it(
    ecru, repository, tmp_path
):
    name, backup = repository(), tmp_path / "backup"
    pushed, ended = [], threading.Event()

    def push(client):
        registry = Registry(ecru.host)
        for number in range(10_000):
            if ended.is_set():
                return
            image = Image.seeded(f"{client}/{number}", (500, 90_000))
            registry.push_image(name, f"{client}-{number}", image)
            pushed.append((f"{client}-{number}", image))
            if number % 5 == 4:
                # Content that a backup has begun to copy is deleted.
                scratch = f"scratch/{client}"
                ecr_client(ecru).create_repository(repositoryName=scratch)
                registry.push_image(scratch, "tag", Image.seeded(f"s/{client}/{number}", (90_000,)))
                ecr_client(ecru).delete_repository(repositoryName=scratch, force=True)

    with concurrent.futures.ThreadPoolExecutor() as pool:
        pushing = [pool.submit(push, client) for client in range(4)]
        collecting = pool.submit(
            lambda: [ecru_command("gc", *on(ecru)) for _ in iter(ended.is_set, True)]
        )
        try:
            for round in range(5):
                begun = len(pushed)
                while len(pushed) < begun + 8:
                    assert not any(client.done() for client in pushing)
                    time.sleep(0.01)
                before = list(pushed)
                assert ecru_command("backup", backup, *on(ecru)).endswith(": 0 damaged\n")

                restored = Server(tmp_path / f"restored-{round}")
                ecru_command("restore", backup, *on(restored))
                assert restored.start() < STARTED_SECONDS_MAX
                registry = Registry(restored.host)
                for tag, image in before:
                    assert_whole(registry, name, tag, image)
                registry.close()
                assert "0 damaged" in ecru_command("verify", *on(restored))
                restored.stop()
        finally:
            ended.set()
        for client in [*pushing, collecting]:
            client.result()


def test_what_a_backup_holds_is_not_copied_again_and_settings_come_back(
    ecru, ecr, registry, repository, tmp_path
):
    name, backup = repository(imageTagMutability="IMMUTABLE"), tmp_path / "backup"
    first = Image.seeded("first", (300_000,))
    registry.push_image(name, "one", first)
    said = ecru_command("backup", backup, *on(ecru))
    assert said.startswith("backed up the database and 1 blob files of ")
    assert "of which 1 files of " in said
    assert "of which 0 files of 0 bytes were copied" in ecru_command("backup", backup, *on(ecru))
    ages = {file: file.stat().st_mtime_ns for file in backup.glob("blobs/*/*")}
    registry.push_image(name, "two", Image.seeded("second", (300_000,)))
    assert "of which 1 files of " in ecru_command("backup", backup, *on(ecru))
    assert all(file.stat().st_mtime_ns == age for file, age in ages.items())

    ecru.stop()
    # The same without a server.
    assert "of which 0 files of 0 bytes were copied" in ecru_command("backup", backup, *on(ecru))
    restored = Server(tmp_path / "restored")
    assert ecru_command("restore", backup, *on(restored)).endswith(": 0 damaged\n")
    restored.start()
    registry = Registry(restored.host)
    assert registry.list_tags(name) == ["one", "two"]
    assert_whole(registry, name, "one", first)
    with pytest.raises(Refused) as refused:
        registry.push_manifest(name, "two", first.media_type, first.manifest)
    assert refused.value.status == 400
    restored.stop()


def test_what_cannot_be_backed_up_or_restored_is_said_in_a_line(ecru, tmp_path):
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "notes").write_text("mine")
    backup = tmp_path / "backup"
    ecru_command("backup", backup, *on(ecru))
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "unfinished/backup.lock").touch()
    restored = Server(tmp_path / "restored")
    cases = [
        (("backup", foreign, *on(ecru)), "holds no backup"),
        (("backup", ecru.data_directory, *on(ecru)), "holds no backup"),
        (("restore", foreign, *on(restored)), "holds no backup"),
        (("restore", tmp_path / "unfinished", *on(restored)), "has not been finished"),
        (("restore", backup, *on(ecru)), "is not empty"),
        (("restore", backup, "--data-dir", foreign), "is not empty"),
        (("verify", *on(restored)), "there is no registry"),
        (("gc", *on(restored)), "there is no registry"),
        (("backup", backup, *on(restored)), "there is no registry"),
    ]
    for words, problem in cases:
        said = ecru_command(*words, code=1)
        assert said.startswith("ecru: ") and problem in said and said.count("\n") == 1, (words, said)
    assert [file.name for file in foreign.iterdir()] == ["notes"]
    assert not restored.data_directory.exists()


def test_a_backup_and_a_restore_that_were_killed_are_begun_again(
    ecru, registry, repository, tmp_path
):
    name, backup = repository(), tmp_path / "backup"
    images = [Image.seeded(f"many/{number}", (120_000,)) for number in range(30)]
    for number, image in enumerate(images):
        registry.push_image(name, f"tag-{number}", image)
    ecru.stop()
    restored = Server(tmp_path / "restored")

    def killed(*words, once):
        """Kills a command while it runs. Returns false if it had already ended."""
        process = subprocess.Popen([BINARY, *map(str, words)], stdout=subprocess.DEVNULL)
        while process.poll() is None and not once():
            time.sleep(0.0005)
        process.send_signal(signal.SIGKILL)
        return process.wait() != 0

    def copies(place):
        return len(list(place.glob("blobs/*/*")))

    if killed("backup", backup, *on(ecru), once=lambda: copies(backup) > 5):
        ecru_command("restore", backup, *on(restored), code=1)
    ecru_command("backup", backup, *on(ecru))
    if killed("restore", backup, *on(restored), once=lambda: copies(restored.data_directory) > 5):
        said = restored.refuse_to_start()
        assert "a restore into the data directory has not ended" in said, said
    else:
        pytest.fail("the restore ended before it could be killed")
    ecru_command("restore", backup, *on(restored))
    restored.start()
    registry = Registry(restored.host)
    for number, image in enumerate(images):
        assert_whole(registry, name, f"tag-{number}", image)
    restored.stop()
    ecru.start()


def test_an_index_is_restored_with_its_children(ecru, registry, repository, tmp_path):
    name = repository()
    images = [Image.seeded(f"child/{at}", (70_000,)) for at in range(2)]
    for image in images:
        registry.push_image(name, image.digest, image)
    index = index_of(images)
    registry.push_manifest(name, "all", OCI_INDEX, index)
    ecru_command("backup", tmp_path / "backup", *on(ecru))
    restored = Server(tmp_path / "restored")
    ecru_command("restore", tmp_path / "backup", *on(restored))
    restored.start()
    registry = Registry(restored.host)
    assert registry.find_manifest(name, "all") == index
    for image in images:
        assert_whole(registry, name, image.digest, image)
    restored.stop()

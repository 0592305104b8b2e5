"""The real binary on disks that are full, broken or read-only, and after a power cut.

During a fault, no write is acknowledged and reads continue. After the fault, writes work without a restart.
Everything that was ever acknowledged exists after the next start.
"""

import random
import time

import pytest

import kill
from harness.aws import JsonApi
from harness.disks import CutDisk, SmallDisk, refused_calls
from harness.images import Image, seeded_bytes
from harness.oci import Refused, Registry
from harness.server import Server

RECOVERY_SECONDS_MAX = 10


class Load:
    """Pushes images, each to a new repository, and records those that were acknowledged."""

    def __init__(self, server):
        self.server = server
        self.number = 0
        self.acknowledged = {}

    def push(self):
        """Makes all writes of an image. Returns true if each was acknowledged."""
        self.number += 1
        # One blob is stored in its row, the other in a file.
        image = Image.seeded(f"load-{self.number}", (1_000, 200_000))
        name = f"load/image-{self.number}"
        json, registry = JsonApi(self.server.host), Registry(self.server.host)
        try:
            json.call("CreateRepository", repositoryName=name)
            registry.push_image(name, "tag", image)
        except Refused as refused:
            assert refused.status >= 500, refused
            return False
        finally:
            json.close()
            registry.close()
        self.acknowledged[name] = image
        return True

    def refused_alone(self):
        """Each write, on an existing repository, is refused."""
        self.number += 1
        first = next(iter(self.acknowledged))
        image = self.acknowledged[first]
        json, registry = JsonApi(self.server.host), Registry(self.server.host)
        writes = [
            lambda: json.call("CreateRepository", repositoryName=f"never/{self.number}"),
            lambda: json.call("InitiateLayerUpload", repositoryName=first),
            lambda: json.call(
                "PutImage",
                repositoryName=first,
                imageManifest=image.manifest.decode(),
                imageTag=f"never-{self.number}",
            ),
            lambda: json.call(
                "BatchDeleteImage", repositoryName=first, imageIds=[{"imageTag": "tag"}]
            ),
            lambda: json.call(
                "PutImageTagMutability", repositoryName=first, imageTagMutability="IMMUTABLE"
            ),
            lambda: json.call("DeleteRepository", repositoryName=first, force=True),
            lambda: registry.push_blob(first, seeded_bytes(f"never/{self.number}", 150_000)),
            lambda: registry.push_manifest(first, "never", image.media_type, image.manifest),
            lambda: registry.delete_manifest(first, image.digest),
        ]
        for write in writes:
            with pytest.raises(Refused) as refused:
                write()
            assert refused.value.status >= 500
        json.close()
        registry.close()

    def check(self):
        registry = Registry(self.server.host)
        for name, image in self.acknowledged.items():
            assert registry.find_manifest(name, "tag") == image.manifest, name
            assert registry.list_tags(name) == ["tag"]
            for digest, content in image.blobs.items():
                assert registry.pull_blob(name, digest) == content
        registry.close()

    def check_writes_are_back(self):
        deadline = time.monotonic() + RECOVERY_SECONDS_MAX
        while not self.push():
            assert time.monotonic() < deadline, "writes are still refused"
            time.sleep(0.05)

    def check_after_restart(self):
        self.server.kill()
        self.server.start()
        self.check()
        verified = kill.run_on_data("verify", self.server)
        assert verified.returncode == 0, verified.stdout + verified.stderr


@pytest.fixture
def load(ecru):
    load = Load(ecru)
    for _ in range(3):
        assert load.push()
    return load


@pytest.fixture
def cut_disk(tmp_path):
    disk = CutDisk(tmp_path)
    yield disk
    disk.close()


@pytest.mark.parametrize("error", ["EIO", "ENOSPC", "EROFS"])
@pytest.mark.parametrize("calls", ["fdatasync,fsync", "pwrite64", "fdatasync,fsync,pwrite64"])
def test_while_a_call_fails_nothing_is_acknowledged_and_reads_go_on(load, calls, error):
    with refused_calls(load.server.process, calls, error):
        assert not load.push()
        load.refused_alone()
        load.check()
    load.check_writes_are_back()
    load.check()
    load.check_after_restart()


@pytest.mark.parametrize("calls", ["fdatasync", "fsync", "pwrite64", "mkdir,mkdirat", "ftruncate"])
def test_one_call_that_fails_loses_nothing_whichever_it_is(load, calls):
    for when in range(1, 11):
        with refused_calls(load.server.process, calls, "EIO", when=when):
            # Each thread has its own count, so some pushes are refused and others are not.
            for _ in range(4):
                load.push()
            load.check()
        load.check_writes_are_back()
    load.check_after_restart()


def test_a_full_disk_refuses_writes_until_there_is_room(tmp_path):
    disk = SmallDisk(tmp_path / "small", 24 << 20)
    server = Server(disk.path / "data")
    try:
        server.start()
        load = Load(server)
        assert load.push()
        for _ in range(2):
            _fill_until_refused(disk, load)
            load.check()
            disk.make_room()
            load.check_writes_are_back()
        load.check_after_restart()

        while load.push():
            assert load.number < 1_000, "the disk does not fill up"
        load.check()
        server.stop()
        # The server starts and serves its data. Whether it accepts writes depends on the space that the stop
        # has freed.
        server.start(until="healthz")
        load.check()
        server.stop()
    finally:
        if server.running:
            server.kill()
        disk.close()


def _fill_until_refused(disk, load):
    """Fills the disk again if the server frees space by emptying its log and then accepts writes."""
    for _ in range(20):
        disk.fill()
        if not load.push():
            return
    raise AssertionError("the disk does not fill up")


def test_a_read_only_disk_refuses_writes_and_serves_reads(cut_disk):
    server = Server(cut_disk.path / "data")
    try:
        server.start()
        load = Load(server)
        assert load.push() and load.push()
        cut_disk.break_file_system()
        assert not load.push()
        load.refused_alone()
        load.check()
        server.kill()

        said = server.refuse_to_start()
        assert said.startswith("ecru: ") and len(said.splitlines()) == 1, said

        cut_disk.remount()
        server.start()
        load.check()
        assert load.push()
        server.stop()
    finally:
        if server.running:
            server.kill()


def test_what_was_acknowledged_before_a_power_cut_is_there_when_it_comes_back(cut_disk):
    seed = random.SystemRandom().randrange(10**6)

    def cut(server, _):
        # A power cut stops the machine as well. Without that, a flush during the shutdown of the file system
        # could
        # return success although the journal was not written, and a client could receive that result.
        server.freeze()
        cut_disk.cut_power()
        server.kill()

    count, failures = kill.run(8, clients=6, images=60, seed=seed, end=cut, disk=cut_disk)

    assert failures == [], f"seed {seed}"
    assert (count.rounds, count.lost, count.corrupt) == (8, 0, 0), f"seed {seed}"
    assert count.acked > 50

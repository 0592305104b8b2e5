"""The process: exclusive use of its data, clocks that jump, and a stop under load."""

import concurrent.futures
import datetime
import json
import pathlib
import random
import time
import urllib.request

import pytest

import kill
from harness.aws import ecr_client, registry_password
from harness.images import Image
from harness.oci import Registry
from harness.server import Server

DAY = 86_400
STOP_SECONDS_MAX = 12


def test_a_second_server_on_the_same_data_is_refused_and_the_first_goes_on(
    ecru, registry, repository, seeded_image
):
    name = repository()
    registry.push_image(name, "tag", seeded_image)
    second = Server(ecru.data_directory)
    said = second.refuse_to_start()
    assert said.startswith("ecru: ") and "another process uses the data directory" in said
    assert len(said.splitlines()) == 1
    assert registry.find_manifest(name, "tag") == seeded_image.manifest
    registry.push_image(name, "other", seeded_image)

    # The lock ends with its process.
    ecru.kill()
    second.start()
    assert Registry(second.host).find_manifest(name, "other") == seeded_image.manifest
    second.stop()


@pytest.fixture
def jumping(tmp_path):
    """A server with a fake system time, through a preloaded library, and a function that sets the time."""
    offset = tmp_path / "offset"
    offset.write_text("+0")
    libraries = list(_libraries())
    assert libraries, "libfaketime is not available: the package `faketime` is not installed"
    environment = {
        "LD_PRELOAD": str(libraries[0]),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    server = Server(tmp_path / "ecru", environment=environment)
    server.start()

    def jump(seconds):
        # Replaced in one step, because a half-written offset would be valid too.
        written = tmp_path / "offset.new"
        written.write_text(f"{seconds:+d}")
        written.rename(offset)

    yield server, jump
    if server.running:
        server.stop()


def _machine_time(server):
    """The system time that the server sees."""
    with urllib.request.urlopen(f"{server.url}/_ecru/clock") as answer:
        shown = json.load(answer)["machine"]
    return datetime.datetime.fromisoformat(shown.replace("Z", "+00:00")).timestamp()


def _libraries():
    return pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")


def test_jumps_of_the_machine_clock_lose_no_image_and_keep_the_order_of_pushes(jumping):
    server, jump = jumping
    ecr = ecr_client(server)
    ecr.create_repository(repositoryName="demo")
    images = []
    for number, days in enumerate([0, -400, 30, -1, 3_000, 0]):
        jump(days * DAY)
        assert abs(_machine_time(server) - time.time() - days * DAY) < DAY / 2
        image = Image.seeded(f"jump/{number}", (500, 90_000))
        registry = Registry(server.host)
        registry.push_image("demo", f"tag-{number}", image)
        images.append(image)
        kill.run_on_data("gc", server)
        if number % 2:
            server.kill()
            server.start()
            registry = Registry(server.host)
        for at, pushed in enumerate(images):
            assert registry.find_manifest("demo", f"tag-{at}") == pushed.manifest
            for digest, content in pushed.blobs.items():
                assert registry.pull_blob("demo", digest) == content
        registry.close()
        # A token issued after the jump is valid, whatever the time is.
        with_token = Registry(server.host, "AWS", registry_password(ecr_client(server)))
        assert with_token.list_tags("demo") == [f"tag-{at}" for at in range(len(images))]
        with_token.close()

    # Images expire in the order of pushes, whatever the clock says. Only the newest remains.
    policy = (
        '{"rules": [{"rulePriority": 1, "selection": {"tagStatus": "any", "countType": '
        '"imageCountMoreThan", "countNumber": 1}, "action": {"type": "expire"}}]}'
    )
    ecr = ecr_client(server)
    ecr.start_lifecycle_policy_preview(repositoryName="demo", lifecyclePolicyText=policy)
    deadline = time.monotonic() + 60
    while True:
        preview = ecr.get_lifecycle_policy_preview(repositoryName="demo")
        if preview["status"] == "COMPLETE":
            break
        assert time.monotonic() < deadline, preview
        time.sleep(0.05)
    expiring = {result["imageDigest"] for result in preview["previewResults"]}
    assert len(expiring) == len(images) - 1


def test_the_clock_of_the_registry_moves_without_losing_an_image(ecru, registry, repository):
    name = repository()
    image = Image.seeded("clock", (90_000,))
    registry.push_image(name, "tag", image)
    for frozen in ["1971-01-01T00:00:00Z", "9000-01-01T00:00:00Z", "2026-01-01T00:00:00Z"]:
        request = urllib.request.Request(
            f"{ecru.url}/_ecru/clock", json.dumps({"frozen": frozen}).encode(), method="PUT"
        )
        urllib.request.urlopen(request).close()
        kill.run_on_data("gc", ecru)
        registry = Registry(ecru.host)
        assert registry.find_manifest(name, "tag") == image.manifest
        registry.push_image(name, f"at-{frozen[:4]}", image)
        registry.close()
    ecru.kill()
    ecru.start()
    assert len(Registry(ecru.host).list_tags(name)) == 4


def test_a_stop_under_load_ends_well_and_soon_and_keeps_what_it_has_acknowledged():
    seed = random.SystemRandom().randrange(10**6)
    took = []

    def stop(server, _):
        begun = time.monotonic()
        # Checks that the exit code is 0.
        server.stop()
        took.append(time.monotonic() - begun)

    count, failures = kill.run(5, clients=8, images=80, seed=seed, end=stop)

    assert failures == [], f"seed {seed}"
    assert (count.rounds, count.lost, count.corrupt) == (5, 0, 0), f"seed {seed}"
    assert max(took) < STOP_SECONDS_MAX


def test_many_starts_at_once_on_one_directory_give_one_server(tmp_path):
    servers = [Server(tmp_path / "ecru") for _ in range(6)]

    def start(server):
        try:
            server.start()
        except AssertionError:
            return False
        return True

    with concurrent.futures.ThreadPoolExecutor() as pool:
        started = list(pool.map(start, servers))
    assert sum(started) == 1
    servers[started.index(True)].stop()

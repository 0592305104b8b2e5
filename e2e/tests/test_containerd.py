"""containerd's own client: a push of an image that came from another registry of the same machine."""

import json

import pytest

from harness.command import run
from harness.oci import Registry
from harness.process import Helper, succeeds
from harness.upstream import OtherRegistry

CONFIGURATION = """\
version = 2
root = "{directory}/root"
state = "{directory}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "{directory}/socket"
"""


@pytest.fixture
def ctr():
    """Runs `ctr` with a separate daemon."""
    helper = Helper("containerd")
    address = helper.directory / "socket"
    path = helper.directory / "containerd.toml"
    path.write_text(CONFIGURATION.format(directory=helper.directory))

    def call(*arguments):
        return run("ctr", "--address", address, *arguments)

    try:
        helper.start(
            *("containerd", "--config", path),
            is_ready=lambda: succeeds("ctr", "--address", address, "version"),
        )
        yield call
    finally:
        helper.stop()


@pytest.fixture
def other(tmp_path):
    registry = OtherRegistry(tmp_path / "other")
    registry.start()
    yield registry
    registry.stop()


# A name that is valid here too, and an invalid one: a single character.
@pytest.mark.parametrize("foreign", ["team/app", "a"])
def test_an_image_that_came_from_another_registry_of_this_machine_is_pushed(
    ctr, other, ecru, ecr, registry, repository, password, seeded_image, foreign
):
    Registry(other.host).push_image(foreign, "one", seeded_image)
    source, name = f"{other.host}/{foreign}:one", repository()
    target = f"{ecru.host}/{name}:one"

    ctr("images", "pull", "--plain-http", "--snapshotter", "native", source)
    ctr("images", "tag", source, target)
    ctr("images", "push", "--plain-http", "--user", f"AWS:{password}", target)
    [detail] = ecr.describe_images(repositoryName=name)["imageDetails"]
    assert (detail["imageDigest"], detail["imageTags"]) == (seeded_image.digest, ["one"])
    manifest = json.loads(registry.find_manifest(name, "one"))
    assert [layer["digest"] for layer in manifest["layers"]] == list(seeded_image.blobs)[1:]

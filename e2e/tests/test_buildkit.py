"""BuildKit: an image without layers, from a Dockerfile without files."""

import json

import pytest

from harness.command import TOOLS, run
from harness.process import Helper, succeeds

DOCKERFILE = "FROM scratch\nENV GREETING=hello\n"


@pytest.fixture
def buildctl(configuration):
    """Runs `buildctl`, logged in, with a separate daemon."""
    helper = Helper("buildkit")
    address = f"unix://{helper.directory}/socket"

    def call(*arguments):
        environment = {"DOCKER_CONFIG": str(configuration), "HOME": str(configuration)}
        return run("buildctl", "--addr", address, *arguments, environment=environment)

    try:
        helper.start(
            *(TOOLS / "bin/buildkitd", "--root", helper.directory / "root", "--addr", address),
            *("--config", "/dev/null", "--containerd-worker=false"),
            *("--oci-worker=true", "--oci-worker-snapshotter=native"),
            is_ready=lambda: succeeds("buildctl", "--addr", address, "debug", "workers"),
        )
        yield call
    finally:
        helper.stop()


def test_an_image_of_an_environment_alone_is_pushed(
    buildctl, ecru, ecr, registry, repository, tmp_path
):
    name = repository()
    (tmp_path / "context").mkdir()
    (tmp_path / "context/Dockerfile").write_text(DOCKERFILE)
    image = f"type=image,name={ecru.host}/{name}:one,push=true,registry.insecure=true"
    buildctl(
        *("build", "--progress", "plain", "--frontend", "dockerfile.v0", "--output", image),
        *("--local", f"context={tmp_path}/context", "--local", f"dockerfile={tmp_path}/context"),
        *("--opt", "attest:provenance=disabled=true"),
    )
    [detail] = ecr.describe_images(repositoryName=name)["imageDetails"]
    assert detail["imageTags"] == ["one"]
    manifest = json.loads(registry.find_manifest(name, "one"))
    assert not manifest["layers"]
    config = json.loads(registry.pull_blob(name, manifest["config"]["digest"]))
    assert "GREETING=hello" in config["config"]["Env"]

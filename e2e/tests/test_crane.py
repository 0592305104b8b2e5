"""crane: push, pull, copy, append, index, and smaller commands."""

import json

import pytest

from harness.command import Failed, run
from harness.images import OCI_INDEX, files_in_tar


@pytest.fixture
def crane(configuration):
    def call(*arguments):
        return run("crane", *arguments, environment={"DOCKER_CONFIG": str(configuration)}).strip()

    return call


def test_crane_pushes_a_layout_and_pulls_it_back(
    crane, ecru, repository, seeded_image, tmp_path
):
    reference = f"{ecru.host}/{repository()}:one"
    layout = seeded_image.write_oci_layout(tmp_path / "layout")
    pushed = crane("push", layout, reference)
    assert pushed.endswith(f"@{seeded_image.digest}")

    crane("pull", "--format", "oci", reference, tmp_path / "back")
    for digest, content in seeded_image.blobs.items():
        path = tmp_path / "back/blobs/sha256" / digest.partition(":")[2]
        assert path.read_bytes() == content
    assert crane("digest", reference) == seeded_image.digest
    assert crane("manifest", reference).encode() == seeded_image.manifest
    assert crane("config", reference).encode() == seeded_image.config
    crane("validate", "--remote", reference)


def test_crane_pushes_an_archive_of_docker_and_pulls_one(
    crane, ecru, repository, seeded_image, tmp_path
):
    reference = f"{ecru.host}/{repository()}:one"
    crane("push", seeded_image.write_docker_archive(tmp_path / "image.tar"), reference)

    crane("pull", reference, tmp_path / "back.tar")
    back = files_in_tar(tmp_path / "back.tar")
    [listed] = json.loads(back["manifest.json"])
    assert listed["Config"] == seeded_image.image_id


def test_crane_copies_and_tags(crane, ecru, ecr, registry, repository, seeded_image):
    first, second = repository(), repository()
    registry.push_image(first, "one", seeded_image)

    crane("copy", f"{ecru.host}/{first}:one", f"{ecru.host}/{second}:one")
    crane("tag", f"{ecru.host}/{second}:one", "two")
    assert crane("ls", f"{ecru.host}/{second}").split() == ["one", "two"]
    assert crane("catalog", ecru.host).split() == sorted([first, second])
    [detail] = ecr.describe_images(repositoryName=second)["imageDetails"]
    assert detail["imageDigest"] == seeded_image.digest


def test_crane_deletes_by_tag_and_by_digest(crane, ecru, registry, repository, seeded_image):
    name = repository()
    for tag in ["one", "two"]:
        registry.push_image(name, tag, seeded_image)

    crane("delete", f"{ecru.host}/{name}:one")
    assert crane("ls", f"{ecru.host}/{name}") == "two"

    crane("delete", f"{ecru.host}/{name}@{seeded_image.digest}")
    with pytest.raises(Failed, match="MANIFEST_UNKNOWN"):
        crane("manifest", f"{ecru.host}/{name}:two")


def test_crane_appends_a_layer_to_an_image(
    crane, ecru, registry, repository, seeded_image, tmp_path
):
    name = repository()
    registry.push_image(name, "base", seeded_image)
    (tmp_path / "added").write_text("added")
    run("tar", "--create", "--file", tmp_path / "layer.tar", "--directory", tmp_path, "added")

    reference = f"{ecru.host}/{name}:more"
    base = f"{ecru.host}/{name}:base"
    crane("append", "--base", base, "--new_layer", tmp_path / "layer.tar", "--new_tag", reference)
    layers = json.loads(crane("manifest", reference))["layers"]
    assert [layer["digest"] for layer in layers[:-1]] == list(seeded_image.blobs)[1:]

    crane("export", reference, tmp_path / "files.tar")
    files = files_in_tar(tmp_path / "files.tar")
    assert files == {**seeded_image.files, "added": b"added"}


def test_crane_makes_an_index(crane, ecru, ecr, registry, repository, two_architectures):
    name = repository()
    images, _, _ = two_architectures
    for tag, image in zip(["amd64", "arm64"], images):
        registry.push_image(name, tag, image)

    children = [f"--manifest={ecru.host}/{name}:{tag}" for tag in ["amd64", "arm64"]]
    crane("index", "append", *children, "--tag", f"{ecru.host}/{name}:all")
    listed = json.loads(crane("manifest", f"{ecru.host}/{name}:all"))["manifests"]
    assert [entry["digest"] for entry in listed] == [image.digest for image in images]
    arm = crane("digest", "--platform", "linux/arm64", f"{ecru.host}/{name}:all")
    assert arm == images[1].digest

    [detail] = ecr.describe_images(repositoryName=name, imageIds=[{"imageTag": "all"}])[
        "imageDetails"
    ]
    assert detail["imageManifestMediaType"] == OCI_INDEX
    with pytest.raises(Failed, match="Requested image referenced by manifest list"):
        crane("delete", f"{ecru.host}/{name}@{images[0].digest}")

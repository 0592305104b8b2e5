"""skopeo: copies between the registry, directories and archives, reads and deletes."""

import json

import pytest

from harness.command import Failed, run
from harness.images import Image, digest_of, files_in_tar


@pytest.fixture
def skopeo(configuration):
    """Runs skopeo, logged in and with plain HTTP."""

    def call(command, *arguments):
        sides = ["src-", "dest-"] if command == "copy" else [""]
        plain = [
            f"--{side}tls-verify=false"
            for side, argument in zip(sides, arguments[-2:])
            if argument.startswith("docker://")
        ]
        authentication = ["--authfile", str(configuration / "config.json")]
        return run(
            "skopeo", "--insecure-policy", command, *authentication, *plain, *arguments
        )

    return call


def test_skopeo_copies_an_image_to_the_registry_and_back_to_a_directory(
    skopeo, ecru, repository, seeded_image, tmp_path
):
    remote = f"docker://{ecru.host}/{repository()}:one"
    layout = seeded_image.write_oci_layout(tmp_path / "layout", "one")
    skopeo("copy", f"oci:{layout}:one", remote)

    skopeo("copy", remote, f"dir:{tmp_path}/back")
    assert (tmp_path / "back/manifest.json").read_bytes() == seeded_image.manifest
    for digest, content in seeded_image.blobs.items():
        assert (tmp_path / "back" / digest.partition(":")[2]).read_bytes() == content


def test_skopeo_copies_an_archive_of_docker_to_the_registry_and_back(
    skopeo, ecru, repository, seeded_image, tmp_path
):
    remote = f"docker://{ecru.host}/{repository()}:one"
    archive = seeded_image.write_docker_archive(tmp_path / "image.tar")
    skopeo("copy", f"docker-archive:{archive}", remote)

    skopeo("copy", remote, f"docker-archive:{tmp_path}/back.tar:test/image:back")
    back = files_in_tar(tmp_path / "back.tar")
    [listed] = json.loads(back["manifest.json"])
    assert digest_of(back[listed["Config"]]) == seeded_image.image_id
    assert [digest_of(back[name]) for name in listed["Layers"]] == [
        digest_of(tar) for tar in seeded_image.tars
    ]


def test_skopeo_copies_between_two_repositories(skopeo, ecru, ecr, repository, registry):
    first, second = repository(), repository()
    image = Image.seeded("between")
    registry.push_image(first, "one", image)

    skopeo(
        "copy", f"docker://{ecru.host}/{first}:one", f"docker://{ecru.host}/{second}:two"
    )
    [detail] = ecr.describe_images(repositoryName=second)["imageDetails"]
    assert (detail["imageDigest"], detail["imageTags"]) == (image.digest, ["two"])


def test_skopeo_copies_a_whole_index(skopeo, ecru, registry, repository, two_architectures):
    first, second = repository(), repository()
    images, index, media_type = two_architectures
    for image in images:
        registry.push_image(first, image.digest, image)
    registry.push_manifest(first, "all", media_type, index)

    skopeo(
        "copy", "--all", f"docker://{ecru.host}/{first}:all", f"docker://{ecru.host}/{second}:all"
    )
    assert registry.find_manifest(second, "all") == index
    for image in images:
        assert registry.find_manifest(second, image.digest) == image.manifest


def test_skopeo_inspects_lists_and_deletes(skopeo, ecru, ecr, registry, repository, seeded_image):
    name = repository()
    for tag in ["one", "two"]:
        registry.push_image(name, tag, seeded_image)

    remote = f"docker://{ecru.host}/{name}"
    inspected = json.loads(skopeo("inspect", f"{remote}:one"))
    assert inspected["Digest"] == seeded_image.digest
    assert inspected["Layers"] == list(seeded_image.blobs)[1:]
    assert json.loads(skopeo("list-tags", remote))["Tags"] == ["one", "two"]

    skopeo("delete", f"{remote}:one")
    with pytest.raises(Failed, match="manifest unknown|not found"):
        skopeo("inspect", f"{remote}:one")
    assert ecr.list_images(repositoryName=name)["imageIds"] == []

"""Docker's daemon and command line: login, push, pull, and manifest lists."""

import json

import pytest

from harness.command import TOOLS, Failed
from harness.daemon import Docker
from harness.images import DOCKER_LIST, Image, files_in_tar


@pytest.fixture
def archive(tmp_path, seeded_image):
    return seeded_image.write_docker_archive(tmp_path / "image.tar")


def test_the_password_of_get_login_password_logs_docker_in(
    ecru, aws, docker_daemon, tmp_path, archive, repository
):
    docker = Docker(docker_daemon, tmp_path / "fresh")
    reference = f"{ecru.host}/{repository()}:one"
    docker.load(archive, reference)
    with pytest.raises(Failed, match="no basic auth credentials"):
        docker("push", reference)

    password = aws("get-login-password")
    said = docker("login", "--username", "AWS", "--password-stdin", ecru.host, stdin=password)
    assert "Login Succeeded" in said

    docker("push", reference)
    docker.close()


def test_a_login_with_a_password_of_nobody_is_refused(ecru, docker_daemon, tmp_path, password):
    docker = Docker(docker_daemon, tmp_path / "fresh")

    for wrong in ["wrong", password[:-1], password[:-9] + "AAAAAAAA" + password[-1]]:
        with pytest.raises(Failed, match="401 Unauthorized"):
            docker("login", "--username", "AWS", "--password-stdin", ecru.host, stdin=wrong)


def test_a_pushed_image_is_pulled_by_tag_and_by_digest(
    docker, ecru, ecr, repository, archive, seeded_image, tmp_path
):
    name = repository()
    reference = f"{ecru.host}/{name}:one"
    docker.load(archive, reference)
    docker("push", reference)
    digest = docker.pushed_digest(reference)
    docker.close()

    docker.pull(reference)
    assert docker.image_id(reference) == seeded_image.image_id
    assert files_in_tar(docker.exported(reference, tmp_path)).items() >= seeded_image.files.items()
    docker.close()

    by_digest = f"{ecru.host}/{name}@{digest}"
    docker.pull(by_digest)
    assert docker.image_id(by_digest) == seeded_image.image_id

    described = ecr.describe_images(repositoryName=name)["imageDetails"]
    assert [image["imageDigest"] for image in described] == [digest]


def test_describe_images_counts_the_configuration_and_the_layers_that_docker_pushed(
    docker, ecru, ecr, repository, archive
):
    name = repository()
    reference = f"{ecru.host}/{name}:one"
    docker.load(archive, reference)
    docker("push", reference)

    [detail] = ecr.describe_images(repositoryName=name)["imageDetails"]
    assert detail["imageDigest"] == docker.pushed_digest(reference)
    assert detail["imageTags"] == ["one"]

    [image] = ecr.batch_get_image(repositoryName=name, imageIds=[{"imageTag": "one"}])["images"]
    manifest = json.loads(image["imageManifest"])
    sizes = [blob["size"] for blob in [manifest["config"], *manifest["layers"]]]
    assert len(sizes) == 4
    assert detail["imageSizeInBytes"] == sum(sizes)


def test_a_debian_file_system_comes_back_whole(docker, ecru, repository, tmp_path):
    reference = f"{ecru.host}/{repository()}:bookworm"
    docker("import", TOOLS / "debian.tar", reference)
    before = docker.image_id(reference)
    docker("push", "--quiet", reference)
    docker.forget(reference)

    docker.pull(reference)
    assert docker.image_id(reference) == before
    exported = files_in_tar(docker.exported(reference, tmp_path))
    pushed = files_in_tar(TOOLS / "debian.tar")
    assert len(pushed) > 1000
    # A container has its own versions of these files.
    own = {"etc/hostname", "etc/hosts", "etc/resolv.conf"}
    assert {path for path in pushed if exported.get(path) != pushed[path]} <= own


def test_a_second_push_of_an_image_sends_no_layer_again(docker, ecru, repository, archive):
    reference = f"{ecru.host}/{repository()}:one"
    docker.load(archive, reference)
    docker("push", reference)

    said = docker("push", reference)
    assert said.count("Layer already exists") == 3


def test_an_image_is_pushed_to_a_second_repository_of_the_same_registry(
    docker, ecru, repository, archive, seeded_image
):
    first, second = [f"{ecru.host}/{repository()}:one" for _ in range(2)]
    docker.load(archive, first, second)
    docker("push", first)
    docker("push", second)
    docker.close()

    docker.pull(second)
    assert docker.image_id(second) == seeded_image.image_id


def test_a_push_to_an_absent_repository_says_that_it_does_not_exist(docker, ecru, archive):
    reference = f"{ecru.host}/absent:one"
    docker.load(archive, reference)

    with pytest.raises(Failed, match="The repository with name 'absent' does not exist"):
        docker("push", reference)


def test_a_tag_of_an_immutable_repository_is_not_pushed_twice(
    docker, ecru, ecr, repository, archive, tmp_path
):
    name = repository(imageTagMutability="IMMUTABLE")
    reference = f"{ecru.host}/{name}:one"
    docker.load(archive, reference)
    docker("push", reference)
    digest = docker.pushed_digest(reference)

    other = Image.seeded("another image under the same tag")
    docker.load(other.write_docker_archive(tmp_path / "other.tar"), reference)
    with pytest.raises(Failed, match="cannot be overwritten because the tag is immutable"):
        docker("push", reference)

    [detail] = ecr.describe_images(repositoryName=name, imageIds=[{"imageTag": "one"}])[
        "imageDetails"
    ]
    assert detail["imageDigest"] == digest


def test_a_manifest_list_is_pushed_and_pulled(docker, ecru, ecr, repository, tmp_path):
    name = repository()
    repository_uri = f"{ecru.host}/{name}"
    images = {}
    for architecture in ["amd64", "arm64"]:
        image = Image.seeded(f"list/{architecture}", architecture=architecture)
        archive = image.write_docker_archive(tmp_path / f"{architecture}.tar")
        docker.load(archive, f"{repository_uri}:{architecture}")
        docker("push", f"{repository_uri}:{architecture}")
        images[architecture] = image

    children = [f"{repository_uri}:{architecture}" for architecture in images]
    docker("manifest", "create", "--insecure", f"{repository_uri}:all", *children)
    digest = docker("manifest", "push", "--insecure", f"{repository_uri}:all").strip()
    docker.close()

    docker.pull(f"{repository_uri}:all")
    assert docker.image_id(f"{repository_uri}:all") == images["amd64"].image_id
    docker.close()

    [detail] = ecr.describe_images(repositoryName=name, imageIds=[{"imageTag": "all"}])[
        "imageDetails"
    ]
    assert detail["imageDigest"] == digest
    assert detail["imageManifestMediaType"] == DOCKER_LIST

    deleted = ecr.batch_delete_image(repositoryName=name, imageIds=[{"imageTag": "amd64"}])
    assert [failure["failureCode"] for failure in deleted["failures"]] == [
        "ImageReferencedByManifestList"
    ]


def test_a_login_outlives_a_restart_of_the_server(docker, ecru, repository, archive, seeded_image):
    reference = f"{ecru.host}/{repository()}:one"
    docker.load(archive, reference)
    docker("push", reference)
    docker.close()

    ecru.restart()

    docker.pull(reference)
    assert docker.image_id(reference) == seeded_image.image_id

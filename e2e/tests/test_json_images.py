"""Images that are pushed or read through the JSON API, as seen by clients of the OCI protocol."""

import json

import pytest

from harness.aws import put_image, upload_layer
from harness.command import run
from harness.images import DOCKER_MANIFEST, OCI_INDEX, Image, digest_of, files_in_tar, index_of

PART_BYTES = 10 << 20


def test_an_image_put_with_boto3_alone_is_pulled_by_docker(
    docker, ecru, ecr, repository, tmp_path
):
    name = repository()
    image = Image.seeded("by boto3", (23 << 20, 1_000), media_type=DOCKER_MANIFEST)
    put = put_image(ecr, name, image, "one", PART_BYTES)
    assert put["imageId"] == {"imageDigest": image.digest, "imageTag": "one"}

    reference = f"{ecru.host}/{name}:one"
    docker.pull(reference)
    assert docker.image_id(reference) == image.image_id
    assert files_in_tar(docker.exported(reference, tmp_path)).items() >= image.files.items()

    [detail] = ecr.describe_images(repositoryName=name)["imageDetails"]
    assert detail["imageSizeInBytes"] == image.size_bytes


def test_a_layer_is_downloaded_with_plain_curl_and_no_credentials(
    ecr, repository, seeded_image, tmp_path
):
    name = repository()
    put_image(ecr, name, seeded_image, "one")

    for digest, content in seeded_image.blobs.items():
        url = ecr.get_download_url_for_layer(repositoryName=name, layerDigest=digest)
        path = tmp_path / "layer"
        run("curl", "--silent", "--show-error", "--fail", "--output", path, url["downloadUrl"])
        assert path.read_bytes() == content


def test_a_download_url_opens_no_other_layer(ecr, repository, seeded_image):
    name = repository()
    put_image(ecr, name, seeded_image, "one")
    [first, second, *_] = seeded_image.blobs

    url = ecr.get_download_url_for_layer(repositoryName=name, layerDigest=first)["downloadUrl"]
    other = url.replace(first, second)
    assert other != url
    status = run("curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", other)
    assert status == "401"


def test_batch_get_image_gives_the_manifest_byte_for_byte(
    ecr, registry, repository, seeded_image
):
    name = repository()
    registry.push_image(name, "one", seeded_image)

    for wanted in [{"imageTag": "one"}, {"imageDigest": seeded_image.digest}]:
        got = ecr.batch_get_image(repositoryName=name, imageIds=[wanted])
        [image] = got["images"]
        assert image["imageManifest"].encode() == seeded_image.manifest
        assert image["imageManifestMediaType"] == seeded_image.media_type
        assert got["failures"] == []


def test_layers_are_available_once_either_protocol_has_uploaded_them(
    ecr, registry, repository
):
    name = repository()
    by_json, by_oci = b"first" * 1_000, b"second" * 1_000
    upload_layer(ecr, name, by_json, PART_BYTES)
    registry.push_blob(name, by_oci)

    digests = [digest_of(by_json), digest_of(by_oci)]
    layers = ecr.batch_check_layer_availability(repositoryName=name, layerDigests=digests)
    assert {
        (layer["layerDigest"], layer["layerAvailability"], layer["layerSize"])
        for layer in layers["layers"]
    } == {
        (digest_of(by_json), "AVAILABLE", len(by_json)),
        (digest_of(by_oci), "AVAILABLE", len(by_oci)),
    }
    assert registry.pull_blob(name, digest_of(by_json)) == by_json


def test_an_index_put_with_boto3_is_pulled_by_docker(docker, ecru, ecr, repository):
    name = repository()
    images = [
        Image.seeded(f"index/{architecture}", architecture=architecture)
        for architecture in ["amd64", "arm64"]
    ]
    index = index_of(images)
    with pytest.raises(ecr.exceptions.ReferencedImagesNotFoundException):
        ecr.put_image(repositoryName=name, imageManifest=index.decode(), imageTag="all")

    for image in images:
        put_image(ecr, name, image)
    ecr.put_image(repositoryName=name, imageManifest=index.decode(), imageTag="all")

    reference = f"{ecru.host}/{name}:all"
    docker.pull(reference)
    assert docker.image_id(reference) == images[0].image_id
    [detail] = ecr.describe_images(repositoryName=name, imageIds=[{"imageTag": "all"}])[
        "imageDetails"
    ]
    assert detail["imageManifestMediaType"] == OCI_INDEX
    assert detail["imageSizeInBytes"] == max(image.size_bytes for image in images)


def test_an_image_deleted_with_boto3_is_gone_for_docker(
    docker, ecru, ecr, repository, tmp_path, seeded_image
):
    name = repository()
    references = [f"{ecru.host}/{name}:{tag}" for tag in ["one", "two"]]
    docker.load(seeded_image.write_docker_archive(tmp_path / "image.tar"), *references)
    for reference in references:
        docker("push", reference)
    digest = docker.pushed_digest(references[0])
    docker.close()

    untagged = ecr.batch_delete_image(repositoryName=name, imageIds=[{"imageTag": "one"}])
    assert untagged["imageIds"] == [{"imageDigest": digest, "imageTag": "one"}]
    with pytest.raises(AssertionError, match="(?i)not found"):
        docker.pull(references[0])
    docker.pull(references[1])

    ecr.batch_delete_image(repositoryName=name, imageIds=[{"imageDigest": digest}])
    with pytest.raises(AssertionError, match="(?i)not found"):
        docker("pull", references[1])
    assert ecr.list_images(repositoryName=name)["imageIds"] == []


def test_put_image_with_a_new_tag_is_seen_by_docker_at_once(
    docker, ecru, ecr, repository, tmp_path, seeded_image
):
    name = repository()
    reference = f"{ecru.host}/{name}:built"
    docker.load(seeded_image.write_docker_archive(tmp_path / "image.tar"), reference)
    docker("push", reference)
    docker.close()

    got = ecr.batch_get_image(repositoryName=name, imageIds=[{"imageTag": "built"}])
    manifest = got["images"][0]["imageManifest"]
    assert json.loads(manifest)["mediaType"] == DOCKER_MANIFEST
    ecr.put_image(repositoryName=name, imageManifest=manifest, imageTag="released")

    docker.pull(f"{ecru.host}/{name}:released")
    assert docker.image_id(f"{ecru.host}/{name}:released") == seeded_image.image_id

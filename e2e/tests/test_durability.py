"""Acknowledged content is unchanged after the server was killed."""

import subprocess
import time

import pytest

from harness.aws import put_image
from harness.images import Image, digest_of, seeded_bytes
from harness.oci import Registry, stream

PUSH_SECONDS_MAX = 60


def test_a_docker_push_that_was_cut_by_a_kill_is_pushed_again_and_nothing_else_is_lost(
    docker, ecru, ecr, repository, registry, password, tmp_path
):
    name = repository()
    before = [Image.seeded(f"before/{number}") for number in range(3)]
    for number, image in enumerate(before):
        registry.push_image(name, f"before-{number}", image)
    by_json = Image.seeded("before/json")
    put_image(ecr, name, by_json, "before-json")

    large = Image.seeded("large", (48 << 20, 48 << 20, 100_000))
    reference = f"{ecru.host}/{name}:large"
    docker.load(large.write_docker_archive(tmp_path / "large.tar"), reference)
    quiet_bytes = ecru.stored_bytes()
    push = docker.spawn("push", reference)
    try:
        _await_growth(ecru, quiet_bytes + (16 << 20), push)
        ecru.kill()
    finally:
        push.terminate()
        push.wait()
    ecru.start()

    after = Registry(ecru.host, "AWS", password)
    for number, image in enumerate(before):
        _assert_whole(after, name, f"before-{number}", image)
    _assert_whole(after, name, "before-json", by_json)
    assert after.find_manifest(name, "large") is None

    docker("push", reference)
    docker.close()
    docker.pull(reference)
    assert docker.image_id(reference) == large.image_id
    after.close()


def test_every_image_pushed_before_a_kill_is_whole_after_it(ecru, ecr, repository, password):
    names = [repository() for _ in range(3)]
    images = {
        (name, f"tag-{number}"): Image.seeded(f"{name}/{number}", (20_000, 70_000 + number))
        for name in names
        for number in range(8)
    }
    registry = Registry(ecru.host, "AWS", password)
    for (name, tag), image in images.items():
        registry.push_image(name, tag, image)
    registry.close()

    ecru.kill()
    ecru.start()

    registry = Registry(ecru.host, "AWS", password)
    for (name, tag), image in images.items():
        _assert_whole(registry, name, tag, image)
    for name in names:
        assert registry.list_tags(name) == [f"tag-{number}" for number in range(8)]
        details = ecr.describe_images(repositoryName=name)["imageDetails"]
        assert {detail["imageDigest"] for detail in details} == {
            image.digest for (owner, _), image in images.items() if owner == name
        }
    registry.close()


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_deleted_tags_and_repositories_stay_deleted(
    ecru, ecr, repository, password, seeded_image, end
):
    name, gone = repository(), repository()
    registry = Registry(ecru.host, "AWS", password)
    for tag in ["stays", "goes"]:
        registry.push_image(name, tag, seeded_image)
    registry.push_image(gone, "one", seeded_image)
    registry.delete_manifest(name, "goes")
    ecr.delete_repository(repositoryName=gone, force=True)
    registry.close()

    getattr(ecru, end)()
    ecru.start()

    registry = Registry(ecru.host, "AWS", password)
    assert registry.list_tags(name) == ["stays"]
    assert registry.find_manifest(gone, "one") is None
    _assert_whole(registry, name, "stays", seeded_image)
    registry.close()


def test_an_upload_by_the_json_api_goes_on_after_a_kill_where_it_was(ecru, ecr, repository):
    name = repository()
    content = seeded_bytes("continued", 12 << 20)
    part_bytes = 5 << 20
    upload = ecr.initiate_layer_upload(repositoryName=name)["uploadId"]

    for first in range(0, len(content), part_bytes):
        part = content[first : first + part_bytes]
        ecr.upload_layer_part(
            repositoryName=name,
            uploadId=upload,
            partFirstByte=first,
            partLastByte=first + len(part) - 1,
            layerPartBlob=part,
        )
        ecru.kill()
        ecru.start()

    completed = ecr.complete_layer_upload(
        repositoryName=name, uploadId=upload, layerDigests=[digest_of(content)]
    )
    assert completed["layerDigest"] == digest_of(content)
    registry = Registry(ecru.host)
    assert registry.pull_blob(name, digest_of(content)) == content
    registry.close()


def test_a_blob_whose_upload_a_kill_cut_short_is_not_there(ecru, repository, password):
    name = repository()
    registry = Registry(ecru.host, "AWS", password)
    size_bytes = 64 << 20

    def cut():
        for number, chunk in enumerate(stream("cut", size_bytes)):
            if number == 40:
                ecru.kill()
            yield chunk

    with pytest.raises(OSError):
        registry.push_blob_stream(name, cut())
    ecru.start()

    registry = Registry(ecru.host, "AWS", password)
    whole = digest_of(b"".join(stream("cut", size_bytes)))
    registry.request("HEAD", f"/v2/{name}/blobs/{whole}", accept=(404,))
    assert registry.push_blob_stream(name, stream("cut", size_bytes)) == whole
    assert registry.pull_blob_digest(name, whole) == (whole, size_bytes)
    registry.close()


def _await_growth(ecru, size_bytes, push):
    """Waits until the data directory has reached this size during the push."""
    deadline = time.monotonic() + PUSH_SECONDS_MAX
    while ecru.stored_bytes() < size_bytes:
        assert time.monotonic() < deadline, "the push does not store data"
        try:
            code = push.wait(0.02)
        except subprocess.TimeoutExpired:
            continue
        raise AssertionError(f"the push ended with {code} before it could be cut")


def _assert_whole(registry, name, tag, image):
    assert registry.find_manifest(name, tag) == image.manifest
    for digest, content in image.blobs.items():
        assert registry.pull_blob(name, digest) == content

"""Pulls through the cache from Debian's `docker-registry`, and again after that registry has stopped."""

import urllib.request

import pytest

from harness.aws import ecr_client
from harness.command import run
from harness.daemon import Docker, write_configuration
from harness.images import files_in_tar
from harness.oci import Registry, stream
from harness.server import Server
from harness.upstream import OtherRegistry

LARGE_BYTES = 256 << 20
MEMORY_BYTES_MAX = 40 << 20


@pytest.fixture
def upstream(tmp_path):
    registry = OtherRegistry(tmp_path / "upstream")
    registry.start()
    yield registry
    registry.stop()


@pytest.fixture
def cache(tmp_path, upstream):
    """A server that uses the other registry instead of quay.io."""
    server = Server(tmp_path / "cache", "--upstream", f"quay.io=http://{upstream.host}")
    server.start()
    ecr_client(server).create_pull_through_cache_rule(
        ecrRepositoryPrefix="quay", upstreamRegistryUrl="quay.io"
    )
    yield server
    server.stop()


@pytest.fixture
def client(docker_daemon, cache, tmp_path):
    write_configuration(tmp_path / "client", cache.host, "test", "test")
    docker = Docker(docker_daemon, tmp_path / "client")
    yield docker
    docker.close()


def settle(server):
    """Waits for the background work of the cache."""
    request = urllib.request.Request(f"{server.url}/_ecru/run-due", method="POST")
    urllib.request.urlopen(request, timeout=60).close()


def test_an_image_is_pulled_through_the_cache_and_again_without_its_upstream(
    client, cache, upstream, seeded_image, tmp_path
):
    there = f"{upstream.host}/team/app:1.0"
    client.load(seeded_image.write_docker_archive(tmp_path / "image.tar"), there)
    client("push", there)
    digest = client.pushed_digest(there)
    client.forget(there, seeded_image.image_id)

    here = f"{cache.host}/quay/team/app:1.0"
    client.pull(here)
    assert client.image_id(here) == seeded_image.image_id
    assert files_in_tar(client.exported(here, tmp_path)).items() >= seeded_image.files.items()
    assert client.pushed_digest(here) == digest
    settle(cache)

    upstream.stop()
    client.forget(here, seeded_image.image_id)
    client.pull(here)
    assert client.image_id(here) == seeded_image.image_id
    described = ecr_client(cache).describe_images(repositoryName="quay/team/app")["imageDetails"]
    assert [(image["imageDigest"], image["imageTags"]) for image in described] == [(digest, ["1.0"])]

    cache.restart()
    client.forget(here, seeded_image.image_id)
    client.pull(f"{cache.host}/quay/team/app@{digest}")


def test_an_index_comes_with_every_image_that_it_names(
    cache, upstream, two_architectures, tmp_path
):
    images, index, media_type = two_architectures
    there = Registry(upstream.host)
    for image in images:
        there.push_image("team/many", image.digest, image)
    there.push_manifest("team/many", "1", media_type, index)
    there.close()

    copies = tmp_path / "copies"
    copies.mkdir()
    here = f"docker://{cache.host}/quay/team/many:1"
    copy = ["skopeo", "--insecure-policy", "copy", "--all", "--src-tls-verify=false"]
    login = ["--src-creds", "test:test"]
    run(*copy, *login, here, f"oci:{copies}/first:1")
    settle(cache)
    upstream.stop()
    run(*copy, *login, here, f"oci:{copies}/second:1")
    described = ecr_client(cache).describe_images(repositoryName="quay/team/many")["imageDetails"]
    assert len(described) == 1 + len(images)


def test_a_large_layer_streams_through_in_little_memory(cache, upstream):
    there = Registry(upstream.host)
    digest = there.push_blob_stream("team/large", stream("pull-through", LARGE_BYTES))
    there.close()

    here = Registry(cache.host)
    for _ in range(2):
        assert here.pull_blob_digest("quay/team/large", digest) == (digest, LARGE_BYTES)
        upstream.stop()
    here.close()
    assert cache.peak_memory_bytes() <= MEMORY_BYTES_MAX

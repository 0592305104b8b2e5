"""Layers of gigabytes are streamed. The server never holds one in memory."""

import hashlib
import json
import os
import subprocess

import pytest

from harness.command import environment_with, run
from harness.images import MEDIA_TYPES, OCI_MANIFEST, Image, digest_of
from harness.oci import CHUNK_BYTES, Registry, stream

MEMORY_BYTES_MAX = 25 << 20
GIBIBYTE = 1 << 30


@pytest.mark.large
def test_a_layer_of_five_gibibytes_streams_in_and_out_in_little_memory(
    ecru, repository, password
):
    name = repository()
    size_bytes = 5 * GIBIBYTE
    registry = Registry(ecru.host, "AWS", password)
    digest = registry.push_blob_stream(name, stream("five", size_bytes))
    pushed_peak_bytes = ecru.peak_memory_bytes()

    assert registry.pull_blob_digest(name, digest) == (digest, size_bytes)
    registry.close()
    url = f"{ecru.url}/v2/{name}/blobs/{digest}"
    assert _digest_by_curl(url, f"AWS:{password}", size_bytes) == digest

    peak_bytes = ecru.peak_memory_bytes()
    assert peak_bytes <= MEMORY_BYTES_MAX, f"{pushed_peak_bytes} pushed, {peak_bytes} pulled"


@pytest.mark.large
def test_crane_pushes_and_pulls_a_layer_of_a_gibibyte_in_little_memory(
    ecru, repository, configuration, tmp_path
):
    reference = f"{ecru.host}/{repository()}:large"
    digest = _write_large_layout(tmp_path / "layout", GIBIBYTE)
    environment = {"DOCKER_CONFIG": str(configuration)}
    run("crane", "push", tmp_path / "layout", reference, environment=environment)

    source = f"{reference.rpartition(':')[0]}@{digest}"
    command = ["crane", "blob", source]
    with subprocess.Popen(
        command, env=environment_with(environment), stdout=subprocess.PIPE
    ) as process:
        assert _digest_of_stream(process.stdout) == (digest, GIBIBYTE)
    assert process.returncode == 0
    assert ecru.peak_memory_bytes() <= MEMORY_BYTES_MAX


@pytest.mark.large
def test_docker_pushes_and_pulls_large_layers_side_by_side_in_little_memory(
    docker, ecru, repository, tmp_path
):
    reference = f"{ecru.host}/{repository()}:large"
    image = Image.seeded("side by side", (96 << 20, 96 << 20, 96 << 20))
    docker.load(image.write_docker_archive(tmp_path / "image.tar"), reference)
    docker("push", reference)
    docker.close()

    docker.pull(reference)
    assert docker.image_id(reference) == image.image_id
    assert ecru.peak_memory_bytes() <= MEMORY_BYTES_MAX


def _digest_by_curl(url, user, size_bytes):
    command = ["curl", "--silent", "--show-error", "--fail", "--user", user, url]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        digest, received_bytes = _digest_of_stream(process.stdout)
    assert (process.returncode, received_bytes) == (0, size_bytes)
    return digest


def _digest_of_stream(source):
    hashed, size_bytes = hashlib.sha256(), 0
    while chunk := source.read(CHUNK_BYTES):
        hashed.update(chunk)
        size_bytes += len(chunk)
    return f"sha256:{hashed.hexdigest()}", size_bytes


def _write_large_layout(directory, size_bytes):
    """Writes an OCI layout of one large layer and returns the layer's digest."""
    image = Image([{"small": b"small"}])
    image.write_oci_layout(directory)
    blobs = directory / "blobs/sha256"
    hashed = hashlib.sha256()
    with (directory / "layer").open("wb") as file:
        for chunk in stream("crane", size_bytes):
            hashed.update(chunk)
            file.write(chunk)
    os.rename(directory / "layer", blobs / hashed.hexdigest())

    digest = f"sha256:{hashed.hexdigest()}"
    manifest = json.loads(image.manifest)
    layer = {"mediaType": MEDIA_TYPES[OCI_MANIFEST]["layer"], "digest": digest, "size": size_bytes}
    manifest["layers"] = [layer]
    content = json.dumps(manifest).encode()
    (blobs / digest_of(content).partition(":")[2]).write_bytes(content)
    index = json.loads((directory / "index.json").read_bytes())
    index["manifests"][0].update(digest=digest_of(content), size=len(content))
    (directory / "index.json").write_text(json.dumps(index))
    return digest

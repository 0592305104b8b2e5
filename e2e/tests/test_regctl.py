"""regctl: images, tags, blobs, artifacts and referrers."""

import json

import pytest

from harness.command import Failed, run
from harness.images import seeded_bytes


@pytest.fixture
def regctl(configuration, ecru):
    environment = {"DOCKER_CONFIG": str(configuration), "HOME": str(configuration)}
    plain = ["--host", f"reg={ecru.host},tls=disabled"]

    def call(*arguments, stdin=None, text=True):
        return run("regctl", *plain, *arguments, environment=environment, stdin=stdin, text=text)

    return call


def test_regctl_copies_an_image_in_and_out(regctl, ecru, repository, seeded_image, tmp_path):
    reference = f"{ecru.host}/{repository()}:one"
    layout = seeded_image.write_oci_layout(tmp_path / "layout", "one")
    regctl("image", "copy", f"ocidir://{layout}:one", reference)
    assert regctl("image", "digest", reference).strip() == seeded_image.digest

    regctl("image", "copy", reference, f"ocidir://{tmp_path}/back:one")
    for digest, content in seeded_image.blobs.items():
        path = tmp_path / "back/blobs/sha256" / digest.partition(":")[2]
        assert path.read_bytes() == content


def test_regctl_reads_manifests_and_lists_and_deletes_tags(
    regctl, ecru, registry, repository, seeded_image
):
    name = repository()
    for tag in ["one", "two"]:
        registry.push_image(name, tag, seeded_image)

    remote = f"{ecru.host}/{name}"
    manifest = regctl("manifest", "get", f"{remote}:one", "--format", "raw-body", text=False)
    assert manifest == seeded_image.manifest
    head = regctl("manifest", "head", f"{remote}:one").strip()
    assert head == seeded_image.digest
    assert regctl("tag", "ls", remote).split() == ["one", "two"]
    assert regctl("repo", "ls", ecru.host).split() == [name]

    # Only the tag is deleted. The image remains under its other tag.
    regctl("tag", "delete", f"{remote}:one")
    assert regctl("tag", "ls", remote).split() == ["two"]
    assert registry.find_manifest(name, "two") == seeded_image.manifest

    regctl("manifest", "delete", f"{remote}@{seeded_image.digest}")
    with pytest.raises(Failed, match="not found|MANIFEST_UNKNOWN"):
        regctl("manifest", "get", f"{remote}:two")


def test_regctl_puts_and_gets_a_blob_in_chunks(ecru, configuration, repository):
    reference = f"{ecru.host}/{repository()}"
    content = seeded_bytes("regctl blob", 3_000_000)
    # Small chunks cause several PATCH requests, each with its range.
    chunked = f"reg={ecru.host},tls=disabled,blobChunk=700000,blobMax=100000"
    environment = {"DOCKER_CONFIG": str(configuration), "HOME": str(configuration)}

    put = ["regctl", "--host", chunked, "blob", "put", reference]
    digest = run(*put, environment=environment, stdin=content, text=False).decode().strip()
    got = ["regctl", "--host", chunked, "blob", "get", reference, digest]
    assert run(*got, environment=environment, text=False) == content


def test_regctl_attaches_artifacts_and_lists_them_as_referrers(
    regctl, ecru, ecr, registry, repository, seeded_image
):
    name = repository()
    registry.push_image(name, "one", seeded_image)
    reference = f"{ecru.host}/{name}:one"

    for kind in ["application/vnd.test.report", "application/vnd.test.signature"]:
        put = ["artifact", "put", "--artifact-type", kind, "--subject", reference]
        regctl(*put, "--file-media-type", "text/plain", stdin=f"about {kind}")

    listed = json.loads(regctl("artifact", "list", reference, "--format", "{{json .}}"))
    kinds = [entry["artifactType"] for entry in listed["descriptors"]]
    assert sorted(kinds) == ["application/vnd.test.report", "application/vnd.test.signature"]

    only = ["--filter-artifact-type", "application/vnd.test.report"]
    got = regctl("artifact", "get", "--subject", reference, *only)
    assert got == "about application/vnd.test.report"

    referrers = ecr.list_image_referrers(
        repositoryName=name, subjectId={"imageDigest": seeded_image.digest}
    )["referrers"]
    assert sorted(entry["artifactType"] for entry in referrers) == sorted(kinds)
    # The referrers API lists them, so no client keeps a list under a tag.
    assert regctl("tag", "ls", f"{ecru.host}/{name}").split() == ["one"]

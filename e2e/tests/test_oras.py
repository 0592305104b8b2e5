"""oras: artifacts of any type, attached artifacts, and copies of whole graphs."""

import json

import pytest

from harness.command import Failed, run
from harness.daemon import write_configuration
from harness.images import seeded_bytes


@pytest.fixture
def oras(configuration, tmp_path):
    environment = {"DOCKER_CONFIG": str(configuration), "HOME": str(configuration)}

    def call(*arguments, plain=("--plain-http",)):
        words = [str(argument) for argument in arguments]
        return run("env", f"--chdir={tmp_path}", "oras", *words, *plain, environment=environment)

    return call


@pytest.fixture
def artifact(tmp_path):
    """A file to push as an artifact. Returns its name and content."""
    content = seeded_bytes("artifact", 200_000)
    (tmp_path / "report.bin").write_bytes(content)
    return "report.bin", content


def test_oras_pushes_and_pulls_an_artifact(oras, ecru, ecr, repository, artifact, tmp_path):
    name = repository()
    reference = f"{ecru.host}/{name}:one"
    file, content = artifact
    kind = "application/vnd.test.report"
    oras("push", "--artifact-type", kind, reference, f"{file}:application/octet-stream")

    oras("pull", "--output", tmp_path / "back", reference)
    assert (tmp_path / "back" / file).read_bytes() == content
    [detail] = ecr.describe_images(repositoryName=name)["imageDetails"]
    assert detail["artifactMediaType"] == kind
    assert oras("repo", "tags", f"{ecru.host}/{name}").split() == ["one"]


def test_oras_attaches_discovers_and_copies_the_whole_graph(
    oras, ecru, registry, repository, seeded_image, artifact
):
    first, second = repository(), repository()
    registry.push_image(first, "one", seeded_image)
    reference = f"{ecru.host}/{first}:one"
    file, _ = artifact
    for kind in ["application/vnd.test.report", "application/vnd.test.signature"]:
        oras("attach", "--artifact-type", kind, reference, f"{file}:application/octet-stream")

    found = json.loads(oras("discover", "--format", "json", reference))
    attached = {entry["artifactType"]: entry["digest"] for entry in found["manifests"]}
    assert sorted(attached) == ["application/vnd.test.report", "application/vnd.test.signature"]

    copied = f"{ecru.host}/{second}:one"
    plain = ("--from-plain-http", "--to-plain-http")
    oras("cp", "--recursive", reference, copied, plain=plain)
    found = json.loads(oras("discover", "--format", "json", copied))
    assert {entry["artifactType"]: entry["digest"] for entry in found["manifests"]} == attached
    assert registry.find_manifest(second, "one") == seeded_image.manifest


def test_oras_deletes_a_manifest(oras, ecru, registry, repository, seeded_image):
    name = repository()
    registry.push_image(name, "one", seeded_image)

    reference = f"{ecru.host}/{name}@{seeded_image.digest}"
    oras("manifest", "delete", "--force", reference)
    with pytest.raises(Failed, match="not found"):
        oras("manifest", "fetch", reference)


def test_oras_pushes_fetches_and_deletes_a_blob(oras, ecru, repository, artifact, tmp_path):
    remote = f"{ecru.host}/{repository()}"
    file, content = artifact
    pushed = json.loads(oras("blob", "push", "--descriptor", remote, file))
    assert pushed["size"] == len(content)

    reference = f"{remote}@{pushed['digest']}"
    oras("blob", "fetch", "--output", tmp_path / "back", reference)
    assert (tmp_path / "back").read_bytes() == content
    oras("blob", "delete", "--force", reference)
    with pytest.raises(Failed, match="not found"):
        oras("blob", "fetch", "--output", tmp_path / "gone", reference)


@pytest.fixture
def large_artifact(tmp_path):
    """The name of a file so large that the push is refused while it is sent."""
    (tmp_path / "large.bin").write_bytes(seeded_bytes("large artifact", 20 << 20))
    return "large.bin"


@pytest.mark.parametrize("action", ["InitiateLayerUpload", "UploadLayerPart", "CompleteLayerUpload"])
def test_oras_says_which_permission_a_refused_push_lacks(
    oras, ecru, ecr, repository, large_artifact, action
):
    name = repository()
    statement = {"Sid": "no", "Effect": "Deny", "Principal": "*", "Action": f"ecr:{action}"}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    ecr.set_repository_policy(repositoryName=name, policyText=json.dumps(policy))
    with pytest.raises(Failed) as refused:
        oras("push", f"{ecru.host}/{name}:one", f"{large_artifact}:application/octet-stream")
    assert f"is not authorized to perform: ecr:{action}" in refused.value.stderr


def test_oras_says_that_a_password_is_wrong(oras, ecru, repository, large_artifact, tmp_path):
    write_configuration(tmp_path / "configuration", ecru.host, "AWS", "wrong")
    with pytest.raises(Failed) as refused:
        oras("push", f"{ecru.host}/{repository()}:one", f"{large_artifact}:application/octet-stream")
    # oras sends a HEAD for the manifest first, and its answer has no body.
    assert "401: Unauthorized" in refused.value.stderr


def test_oras_says_that_a_repository_is_absent(oras, ecru, large_artifact):
    with pytest.raises(Failed, match="The repository with name 'absent' does not exist"):
        oras("push", f"{ecru.host}/absent:one", f"{large_artifact}:application/octet-stream")

"""The real binary on disks that cannot be read: an error or a cut connection, never wrong bytes with 200.

A failed read does not mark a blob as damaged: after the fault, everything is served as before.
"""

import http.client
import json as json_text
import os

import pytest

import kill
from harness.aws import JsonApi
from harness.disks import refused_calls
from harness.images import Image
from harness.oci import Refused, Registry

REPOSITORY = "reads/images"
IMAGES = 12
CALLS_MAX = 40
CUT = (http.client.IncompleteRead, http.client.BadStatusLine, ConnectionError)

# Calls that read content. `statx` checks whether a file is still the verified one.
CALLS = ["pread64,preadv2", "sendfile", "openat", "statx", "read"]
ALL_CALLS = ",".join(CALLS)


class Readers:
    """Reads all content, and compares every answer with the one before the fault."""

    def __init__(self, server, images):
        self.server = server
        self.images = images
        self.expected = {}
        self.expected = dict(self._answers())
        assert None not in self.expected.values()

    def read(self):
        """The number of refused reads. No answer may differ from the one before the fault."""
        refused = 0
        for name, answer in self._answers():
            if answer is None:
                refused += 1
            else:
                assert answer == self.expected[name], name
        return refused

    def read_everything(self):
        assert self.read() == 0

    def _answers(self):
        for method, path in self._paths():
            yield f"{method} {path}", self._asked(lambda: self._get(method, path))
        for operation, input in self._operations():
            name = f"{operation} {json_text.dumps(input)}"
            yield name, self._asked(lambda: self._call(operation, input))

    def _asked(self, ask):
        """The answer, or nothing if the server refused the request or cut the connection."""
        try:
            return ask()
        except Refused as refused:
            assert refused.status >= 500, refused
        except CUT:
            assert self.server.running, self.server.output()
        return None

    def _get(self, method, path):
        # A new connection for each request, because the server may cut any of them.
        registry = Registry(self.server.host)
        try:
            status, headers, content = registry.request(method, path, accept=(200,))
            return status, headers.get("Docker-Content-Digest"), headers["Content-Length"], content
        finally:
            registry.close()

    def _call(self, operation, input):
        json = JsonApi(self.server.host)
        try:
            answer = json.call(operation, **input)
        finally:
            json.close()
        # The URL contains the time of the answer.
        answer.pop("downloadUrl", None)
        # The time of a pull is written with a delay.
        for image in answer.get("imageDetails", []):
            image.pop("lastRecordedPullTime", None)
        return answer

    def _paths(self):
        yield "GET", f"/v2/{REPOSITORY}/tags/list"
        yield "GET", "/v2/_catalog"
        for number, image in enumerate(self.images):
            for method in ("HEAD", "GET"):
                yield method, f"/v2/{REPOSITORY}/manifests/tag-{number}"
                yield method, f"/v2/{REPOSITORY}/manifests/{image.digest}"
                for digest in image.blobs:
                    yield method, f"/v2/{REPOSITORY}/blobs/{digest}"

    def _operations(self):
        of_repository = {"repositoryName": REPOSITORY}
        yield "DescribeRepositories", {}
        yield "ListImages", of_repository
        yield "DescribeImages", of_repository
        yield "GetRepositoryPolicy", of_repository
        for number, image in enumerate(self.images):
            yield "BatchGetImage", {**of_repository, "imageIds": [{"imageTag": f"tag-{number}"}]}
            digests = list(image.blobs)
            yield "BatchCheckLayerAvailability", {**of_repository, "layerDigests": digests}
            yield "GetDownloadUrlForLayer", {**of_repository, "layerDigest": digests[-1]}


@pytest.fixture
def readers(ecru):
    """A server that was just started, with almost nothing in memory."""
    json, registry = JsonApi(ecru.host), Registry(ecru.host)
    json.call("CreateRepository", repositoryName=REPOSITORY)
    policy = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "ecr:BatchGetImage"}]}
    json.call("SetRepositoryPolicy", repositoryName=REPOSITORY, policyText=json_text.dumps(policy))
    # One layer is stored in its row, the others in files. One file is larger than a connection reads at once.
    images = [
        Image.seeded(f"reads/{number}", (1_000, 50_000, 150_000, 5_000_000 if number == 0 else 70_000))
        for number in range(IMAGES)
    ]
    for number, image in enumerate(images):
        registry.push_image(REPOSITORY, f"tag-{number}", image)
    json.close()
    registry.close()
    readers = Readers(ecru, images)
    ecru.restart()
    return readers


def check_afterwards(readers):
    """Nothing was marked as damaged, and nothing panicked."""
    readers.read_everything()
    readers.server.restart()
    readers.read_everything()
    verified = kill.run_on_data("verify", readers.server)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    readers.server.stop()
    assert "panicked" not in readers.server.output()


@pytest.mark.parametrize("calls", CALLS)
def test_while_nothing_can_be_read_no_other_bytes_are_answered(readers, calls):
    with refused_calls(readers.server.process, calls, "EIO"):
        refused = readers.read()
        assert readers.read() >= 0
    # Only `read` never reads content.
    assert refused > 0 or calls == "read", "the fault met no read"
    check_afterwards(readers)


@pytest.mark.parametrize("calls", ["pread64,preadv2", "sendfile", "openat"])
def test_one_read_that_fails_is_refused_alone_whichever_it_is(readers, calls):
    met = 0
    for when in range(1, CALLS_MAX):
        with refused_calls(readers.server.process, calls, "EIO", when=when):
            refused = readers.read()
        readers.read_everything()
        if refused == 0:
            break
        met += refused
        # The restart discards what the server has in memory.
        readers.server.restart()
    assert met > 0, "the fault met no read"
    check_afterwards(readers)


@pytest.mark.parametrize("calls", ["pread64,preadv2", "openat", "statx", ALL_CALLS])
def test_a_changed_file_that_cannot_be_hashed_is_not_taken_for_damaged(readers, calls):
    # Replaces each file by a copy, which is not the verified file.
    for file in (readers.server.data_directory / "blobs").glob("*/*"):
        os.utime(file)
    with refused_calls(readers.server.process, calls, "EIO"):
        assert readers.read() > 0, "the fault met no read"
        readers.read()
    check_afterwards(readers)


def test_a_verification_that_cannot_read_the_database_says_so(readers):
    with refused_calls(readers.server.process, "pread64,preadv2", "EIO"):
        verified = kill.run_on_data("verify", readers.server)
    assert verified.returncode == 1 and "disk I/O error" in verified.stdout, verified.stdout
    check_afterwards(readers)


@pytest.mark.parametrize("calls", ["pread64", "openat", "statx"])
def test_a_verification_that_cannot_read_blobs_says_so_and_takes_none_for_damaged(readers, calls):
    files = list((readers.server.data_directory / "blobs").glob("*/*"))
    with refused_calls(readers.server.process, calls, "EIO", files=files):
        verified = kill.run_on_data("verify", readers.server)
    said = verified.stdout.splitlines()
    assert verified.returncode == 1, verified.stdout
    assert len([line for line in said if "cannot be read: Input/output error" in line]) == len(files), said
    check_afterwards(readers)

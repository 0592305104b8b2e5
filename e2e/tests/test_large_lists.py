"""Lists of rows as large as manifests: a page holds 4 MiB, and reading it slows no other client."""

import concurrent.futures
import http.client
import json
import pathlib
import re
import subprocess
import sys
import time

import pytest

from harness.images import OCI_MANIFEST, digest_of
from harness.oci import Refused, Registry

REFERRERS = 25
ANNOTATIONS_BYTES = 3_900_000
READERS = 4
HOSTILE_CLIENTS = 16
TAGS = 80
GROWTH_BYTES_MAX = 128 << 20
HEALTH_SECONDS_MAX = 0.2
SECONDS_MAX = 70
PAGE_BYTES_MAX = 4 << 20
# Bytes of a page other than the texts of its rows.
PAGE_GRACE_BYTES = 64 << 10
CONFIG = b"{}"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"


def resident_bytes(process):
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("the process has no resident size")


# In a separate process, so that the work of this process does not affect the measurement.
ASK_FOR_HEALTH = """
import http.client, sys, threading, time
ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set())).start()
connection, waits = http.client.HTTPConnection(sys.argv[1], timeout=60), []
while not ended.wait(0.01):
    asked = time.monotonic()
    connection.request("GET", "/healthz")
    assert connection.getresponse().read()
    waits.append(time.monotonic() - asked)
print(len(waits), max(waits))
"""


class Watch:
    """Polls a server's health until it is closed. It then has the longest wait and the peak memory."""

    def __init__(self, ecru):
        self.ecru = ecru

    def __enter__(self):
        # Resets the peak resident size.
        pathlib.Path(f"/proc/{self.ecru.process.pid}/clear_refs").write_text("5")
        self.before = resident_bytes(self.ecru.process)
        self.begun = time.monotonic()
        self.asking = subprocess.Popen(
            [sys.executable, "-c", ASK_FOR_HEALTH, self.ecru.host],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_):
        self.seconds = time.monotonic() - self.begun
        self.growth = self.ecru.peak_memory_bytes() - self.before
        printed, _ = self.asking.communicate()
        count, longest = printed.split()
        self.count, self.longest = int(count), float(longest)

    def check(self):
        growth = f"{self.growth >> 20} MiB more"
        longest = f"{self.longest * 1000:.0f} ms to answer /healthz, of {self.count}"
        print(f"{self.seconds:.1f} s, {growth}, {longest}")
        assert self.growth <= GROWTH_BYTES_MAX, growth
        assert self.longest <= HEALTH_SECONDS_MAX, longest
        assert self.seconds <= SECONDS_MAX, f"{self.seconds:.0f} s"


def annotations(kind, number):
    """Annotations of the maximum size: one long text, or as many short ones as fit."""
    if kind == "one":
        return {"n": str(number), "text": "x" * ANNOTATIONS_BYTES}
    pairs = {f"{pair:x}": "" for pair in range(ANNOTATIONS_BYTES // 11)}
    return {"n": str(number), **pairs}


def manifest(**members):
    config = {"mediaType": CONFIG_TYPE, "digest": digest_of(CONFIG), "size": len(CONFIG)}
    document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [], **members}
    return json.dumps(document, separators=(",", ":")).encode()


def push_referrers(registry, name, kind, count=REFERRERS):
    """Pushes an image. Returns its referrers by digest, with their annotations."""
    registry.push_blob(name, CONFIG)
    subject = manifest()
    registry.push_manifest(name, "subject", OCI_MANIFEST, subject)
    descriptor = {"mediaType": OCI_MANIFEST, "digest": digest_of(subject), "size": len(subject)}
    digests = set()
    for number in range(count):
        content = manifest(subject=descriptor, annotations=annotations(kind, number))
        digest = digest_of(content)
        digests.add(registry.push_manifest(name, digest, OCI_MANIFEST, content))
    return descriptor["digest"], digests


def referrers(ecru, name, subject):
    """The digests of all descriptors on all pages, for a client that follows `Link`."""
    client = Registry(ecru.host)
    path = f"/v2/{name}/referrers/{subject}"
    found = []
    while path:
        _, headers, content = client.request("GET", path, accept=(200,))
        assert len(content) <= PAGE_BYTES_MAX + PAGE_GRACE_BYTES
        # A regular expression, because parsing hundreds of thousands of annotations on each page would be
        # slow.
        found += re.findall(rb'"digest":"(sha256:[0-9a-f]{64})"', content)
        link = headers["Link"]
        path = link and "/v2/" + link[1 : link.index(">")].partition("/v2/")[2]
    client.close()
    (last,) = json.loads(content)["manifests"]
    assert sum(map(len, last["annotations"])) + sum(map(len, last["annotations"].values())) > 1 << 20
    return [digest.decode() for digest in found]


@pytest.mark.parametrize("kind", ["one", "many"])
def test_referrers_with_large_annotations_arrive_over_pages_and_slow_nobody(
    ecru, registry, repository, kind
):
    name = repository()
    subject, digests = push_referrers(registry, name, kind)
    ecru.restart()
    with Watch(ecru) as watch, concurrent.futures.ThreadPoolExecutor(READERS) as readers:
        lists = list(readers.map(lambda _: referrers(ecru, name, subject), range(READERS)))
    for listed in lists:
        assert len(listed) == REFERRERS
        assert set(listed) == digests
    watch.check()


def push_tagged(registry, name, content, tags):
    """Pushes one image under all these tags."""
    query = "&".join(f"tag={tag}" for tag in tags)
    registry.push_manifest(name, f"{digest_of(content)}?{query}", OCI_MANIFEST, content)


def raw(ecru, method, path, body=None, headers=None):
    """Reads an answer without parsing it, so that the client needs little processor time."""
    connection = http.client.HTTPConnection(ecru.host, timeout=60)
    connection.request(method, path, body=body, headers=headers or {})
    answer = connection.getresponse()
    status, content = answer.status, answer.read()
    connection.close()
    return status, content


def operate(ecru, operation, **members):
    signed = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/ecr/aws4_request, SignedHeaders=host"
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": f"AmazonEC2ContainerRegistry_V20150921.{operation}",
        "Authorization": f"{signed}, Signature={'0' * 64}",
    }
    return raw(ecru, "POST", "/", json.dumps(members), headers)


def test_sixteen_clients_that_list_large_rows_leave_the_others_their_server(ecru, registry, repository):
    name = repository()
    subject, _ = push_referrers(registry, name, "many", count=6)
    for image in range(20):
        content = manifest(annotations={"n": str(image)})
        push_tagged(registry, name, content, [f"{image}-{tag}-".ljust(128, "t") for tag in range(TAGS)])

    basic = {"Authorization": "Basic dGVzdDp0ZXN0"}
    lists = [
        lambda: raw(ecru, "GET", f"/v2/{name}/referrers/{subject}", headers=basic),
        lambda: operate(
            ecru, "ListImageReferrers", repositoryName=name, subjectId={"imageDigest": subject}
        ),
        lambda: operate(ecru, "DescribeImages", repositoryName=name, maxResults=1000),
        lambda: raw(ecru, "GET", "/_ecru/events?limit=1000"),
    ]
    ecru.restart()
    with Watch(ecru) as watch, concurrent.futures.ThreadPoolExecutor(HOSTILE_CLIENTS) as clients:

        def hostile(client):
            until = time.monotonic() + 10
            answers = 0
            while time.monotonic() < until:
                status, content = lists[client % len(lists)]()
                assert status == 200
                assert len(content) <= PAGE_BYTES_MAX + PAGE_GRACE_BYTES
                answers += 1
            return answers

        assert all(clients.map(hostile, range(HOSTILE_CLIENTS)))
    watch.check()


def test_a_push_under_many_tags_writes_small_events(ecru, registry, repository):
    name = repository()
    registry.push_blob(name, CONFIG)
    long = manifest(artifactType=f"application/{'x' * 4_000_000}")
    with pytest.raises(Refused) as refused:
        registry.push_manifest(name, "long", OCI_MANIFEST, long)
    assert refused.value.status == 400

    content = manifest(artifactType=f"application/{'x' * 127}", annotations={"text": "x" * ANNOTATIONS_BYTES})
    before = ecru.stored_bytes()
    push_tagged(registry, name, content, [f"t{tag}" for tag in range(TAGS)])
    assert ecru.stored_bytes() - before < 4 * len(content)

    listed = ecru.control("GET", "events?limit=1000")
    assert len(listed["events"]) == TAGS
    assert all(len(json.dumps(event)) < 2_000 for event in listed["events"])

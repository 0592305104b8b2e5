"""Layer parts of the largest size, sent by several clients at once as JSON, take little memory and give it back."""

import base64
import concurrent.futures
import pathlib
import re

from harness.aws import JsonApi
from harness.images import digest_of, seeded_bytes
from harness.oci import Registry

CLIENTS = 4
PARTS = 3
PART_BYTES = 20 << 20
PEAK_BYTES_MAX = 60 << 20
KEPT_BYTES_MAX = 3 << 20


def test_parts_of_the_largest_size_by_four_clients_take_little_memory(ecru):
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as clients:
        # The first requests make threads and connections, which stay.
        for _ in clients.map(lambda number: upload(ecru, f"first/{number}", 2, 1 << 20), range(CLIENTS)):
            pass
        before_bytes = memory_bytes(ecru)
        layers = list(clients.map(lambda number: upload(ecru, f"parts/{number}"), range(CLIENTS)))
    after_bytes = memory_bytes(ecru)
    peak_bytes = ecru.peak_memory_bytes()

    registry = Registry(ecru.host)
    for repository, layer in layers:
        assert registry.pull_blob(repository, digest_of(layer)) == layer
    registry.close()
    figures = f"{before_bytes >> 10} KiB before, {peak_bytes >> 10} at most, {after_bytes >> 10} after"
    assert peak_bytes <= PEAK_BYTES_MAX and after_bytes <= before_bytes + KEPT_BYTES_MAX, figures


def upload(server, repository, parts=PARTS, part_bytes=PART_BYTES):
    """Uploads a layer by the JSON API, its parts one after the other."""
    layer = seeded_bytes(repository, parts * part_bytes)
    json = JsonApi(server.host)
    json.call("CreateRepository", repositoryName=repository)
    upload_id = json.call("InitiateLayerUpload", repositoryName=repository)["uploadId"]
    for number in range(parts):
        first = number * part_bytes
        part = {"layerPartBlob": base64.b64encode(layer[first : first + part_bytes]).decode()}
        place = {
            "repositoryName": repository,
            "uploadId": upload_id,
            "partFirstByte": first,
            "partLastByte": first + part_bytes - 1,
        }
        # Some clients name the bytes first, others last.
        json.call("UploadLayerPart", **({**part, **place} if number % 2 else {**place, **part}))
    if part_bytes == PART_BYTES:
        digests = [digest_of(layer)]
        json.call("CompleteLayerUpload", repositoryName=repository, uploadId=upload_id, layerDigests=digests)
    json.close()
    return repository, layer


def memory_bytes(server):
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024

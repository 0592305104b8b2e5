"""Layer parts of the maximum size, sent by several clients at once as JSON: memory stays small and is returned."""

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
KEPT_BYTES_MAX = 28 << 20
ADDED_BYTES_MAX = 3 << 20
ROUNDS = 3


def test_parts_of_the_largest_size_by_four_clients_take_little_memory(ecru):
    kept = []
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as clients:
        # The first round creates threads, connections and heaps, which remain. Later rounds must not need
        # more. The memory of
        # the last parts that the allocator still holds at the end of a round differs by some MiB.
        for turn in range(ROUNDS):
            names = [f"parts/{turn}/{client}" for client in range(CLIENTS)]
            layers = list(clients.map(lambda name: upload(ecru, name), names))
            kept.append(memory_bytes(ecru))
    peak_bytes = ecru.peak_memory_bytes()

    registry = Registry(ecru.host)
    for repository, layer in layers:
        assert registry.pull_blob(repository, digest_of(layer)) == layer
    registry.close()
    figures = f"{[bytes >> 10 for bytes in kept]} KiB after each round, {peak_bytes >> 10} at most"
    print(figures)
    assert peak_bytes <= PEAK_BYTES_MAX, figures
    assert max(kept) <= KEPT_BYTES_MAX, figures
    assert min(kept[1:]) <= kept[0] + ADDED_BYTES_MAX, figures


def upload(server, repository, parts=PARTS, part_bytes=PART_BYTES):
    """Uploads a layer through the JSON API, one part after another."""
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
        # Some clients send the bytes first, others last.
        json.call("UploadLayerPart", **({**part, **place} if number % 2 else {**place, **part}))
    if part_bytes == PART_BYTES:
        digests = [digest_of(layer)]
        json.call("CompleteLayerUpload", repositoryName=repository, uploadId=upload_id, layerDigests=digests)
    json.close()
    return repository, layer


def memory_bytes(server):
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024

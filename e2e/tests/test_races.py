"""Concurrent clients: every answer holds, and all clients end in the same state."""

import base64
import concurrent.futures
import contextlib
import json
import sqlite3
import threading
import time

import kill
from harness.aws import JsonApi
from harness.images import Image, digest_of, seeded_bytes
from harness.oci import Refused, Registry

FLIPS = 300
WRITERS = 32
RACE_SECONDS = 4


class Both:
    """A client of both protocols, with its own connections."""

    def __init__(self, server):
        self.json = JsonApi(server.host)
        self.oci = Registry(server.host)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.json.close()
        self.oci.close()


def race(server, count, work):
    """Runs the work in several clients at the same time, and returns their results."""
    barrier = threading.Barrier(count)

    def run(number):
        with Both(server) as client:
            barrier.wait()
            return work(client, number)

    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def like(image, number):
    """A different manifest with the same blobs."""
    manifest = json.loads(image.manifest)
    manifest["annotations"] = {"number": str(number)}
    return json.dumps(manifest).encode()


def prepared(server, repository, count):
    """Manifests whose blobs are all stored."""
    image = Image.seeded(repository, (10_000,))
    with Both(server) as client:
        for blob in image.blobs.values():
            client.oci.push_blob(repository, blob)
    return image.media_type, [like(image, number) for number in range(count)]


def test_readers_of_a_tag_that_moves_see_it_move_forward_only(ecru, repository):
    name = repository()
    media_type, manifests = prepared(ecru, name, FLIPS)
    number_of = {manifest: number for number, manifest in enumerate(manifests)}
    begun, acknowledged, ended = [0], [0], threading.Event()

    def write(client):
        for number, manifest in enumerate(manifests[1:], 1):
            begun[0] = number
            if number % 2:
                client.oci.push_manifest(name, "tag", media_type, manifest)
            else:
                client.json.call(
                    "PutImage", repositoryName=name, imageManifest=manifest.decode(), imageTag="tag"
                )
            acknowledged[0] = number
        ended.set()

    def read(client, reader):
        last = reads = 0
        while not ended.is_set():
            floor = acknowledged[0]
            if reader % 2:
                found = client.oci.find_manifest(name, "tag")
            else:
                answer = client.json.call(
                    "BatchGetImage", repositoryName=name, imageIds=[{"imageTag": "tag"}]
                )
                assert answer["failures"] == []
                found = answer["images"][0]["imageManifest"].encode()
            seen = number_of[found]
            assert max(last, floor) <= seen <= begun[0]
            last, reads = seen, reads + 1
        return reads

    with Both(ecru) as client:
        client.oci.push_manifest(name, "tag", media_type, manifests[0])

    def work(client, number):
        try:
            return write(client) if number == 0 else read(client, number)
        finally:
            # If one client fails, all stop.
            ended.set()

    reads = race(ecru, 9, work)
    assert min(reads[1:]) > 10


def test_of_writers_of_an_immutable_tag_one_wins_by_whichever_protocol(ecru, repository):
    name = repository(imageTagMutability="IMMUTABLE")
    media_type, manifests = prepared(ecru, name, WRITERS)
    for round in range(8):
        tag = f"tag-{round}"

        def put(client, writer):
            manifest = like_round(manifests[writer], round)
            try:
                if writer % 2:
                    client.oci.push_manifest(name, tag, media_type, manifest)
                else:
                    client.json.call(
                        "PutImage", repositoryName=name, imageManifest=manifest.decode(), imageTag=tag
                    )
            except Refused as refused:
                assert refused.status == 400
                assert b"ImageTagAlreadyExists" in refused.body or b"TAG_INVALID" in refused.body
                return None
            return manifest

        won = [manifest for manifest in race(ecru, WRITERS, put) if manifest]
        assert len(won) == 1
        with Both(ecru) as client:
            assert client.oci.find_manifest(name, tag) == won[0]


def like_round(manifest, round):
    changed = json.loads(manifest)
    changed["annotations"]["round"] = str(round)
    return json.dumps(changed).encode()


def test_a_part_of_an_upload_is_taken_from_one_writer_and_closing_is_once(ecru, repository):
    name = repository()
    part_bytes = 200_000
    for round in range(6):
        with Both(ecru) as client:
            location = client.oci.begin_upload(name)
        taken = []
        for part in range(3):
            offset = part * part_bytes

            def send(client, writer):
                content = seeded_bytes(f"{round}/{part}/{writer}", part_bytes)
                status, _, _ = client.oci.request(
                    "PATCH",
                    location,
                    body=content,
                    headers={"Content-Range": f"{offset}-{offset + part_bytes - 1}"},
                    accept=(202, 416),
                )
                return content if status == 202 else None

            winners = [content for content in race(ecru, 8, send) if content]
            assert len(winners) == 1
            taken += winners

        whole = b"".join(taken)
        digest = digest_of(whole)
        separator = "&" if "?" in location else "?"

        def close(client, _):
            target = f"{location}{separator}digest={digest}"
            status, _, _ = client.oci.request("PUT", target, accept=(201, 404, 416))
            return status

        assert race(ecru, 8, close).count(201) == 1
        with Both(ecru) as client:
            assert client.oci.pull_blob(name, digest) == whole


def test_a_layer_part_of_the_json_api_is_taken_from_one_writer(ecru, repository):
    name = repository()
    for round in range(4):
        with Both(ecru) as client:
            upload = client.json.call("InitiateLayerUpload", repositoryName=name)["uploadId"]
        contents = [seeded_bytes(f"{round}/{writer}", 100_000) for writer in range(8)]

        def send(client, writer):
            answer = client.json.call(
                "UploadLayerPart",
                repositoryName=name,
                uploadId=upload,
                partFirstByte=0,
                partLastByte=99_999,
                layerPartBlob=base64.b64encode(contents[writer]).decode(),
                accept=("InvalidLayerPartException",),
            )
            return None if isinstance(answer, str) else contents[writer]

        (won,) = [content for content in race(ecru, 8, send) if content]

        def close(client, _):
            answer = client.json.call(
                "CompleteLayerUpload",
                repositoryName=name,
                uploadId=upload,
                layerDigests=[digest_of(won)],
                # The upload no longer exists, or another client has completed it.
                accept=("UploadNotFoundException", "InvalidParameterException"),
            )
            return not isinstance(answer, str)

        assert race(ecru, 8, close).count(True) == 1
        with Both(ecru) as client:
            assert client.oci.pull_blob(name, digest_of(won)) == won


def test_one_blob_pushed_by_many_at_once_is_stored_once_and_all_succeed(ecru, repository):
    names = [repository() for _ in range(4)]
    content = seeded_bytes("same", 500_000)

    def push(client, number):
        name = names[number % 4]
        if number % 2:
            client.json.upload_layer(name, content, 5 << 20)
        else:
            client.oci.push_blob(name, content)

    race(ecru, 16, push)
    with Both(ecru) as client:
        for name in names:
            assert client.oci.pull_blob(name, digest_of(content)) == content
    assert len(list(ecru.data_directory.glob("blobs/*/*"))) == 1


def test_a_repository_is_created_once(ecru):
    for round in range(20):

        def create(client, _):
            answer = client.json.call(
                "CreateRepository",
                repositoryName=f"race/{round}",
                accept=("RepositoryAlreadyExistsException",),
            )
            return not isinstance(answer, str)

        assert race(ecru, 16, create).count(True) == 1


def test_a_repository_deleted_under_pushes_leaves_no_ghosts_to_the_next_of_its_name(ecru):
    name = "race/ghosts"
    image = Image.seeded("ghosts", (100_000,))
    for round in range(12):
        with Both(ecru) as client:
            client.json.call("CreateRepository", repositoryName=name)

        def work(client, number):
            if number == 0:
                time.sleep(0.005 * round)
                client.json.call("DeleteRepository", repositoryName=name, force=True)
                return
            for at in range(20):
                try:
                    for blob in image.blobs.values():
                        client.oci.push_blob(name, blob)
                    manifest = like(image, f"{round}/{number}/{at}")
                    client.oci.push_manifest(name, f"t-{number}-{at}", image.media_type, manifest)
                except Refused as refused:
                    # The repository no longer exists.
                    assert refused.status == 404, refused
                    return

        race(ecru, 6, work)
        with Both(ecru) as client:
            client.json.call("CreateRepository", repositoryName=name)
            assert client.oci.list_tags(name) == []
            assert client.json.call("ListImages", repositoryName=name)["imageIds"] == []
            for digest in image.blobs:
                client.oci.request("HEAD", f"/v2/{name}/blobs/{digest}", accept=(404,))
            client.json.call("DeleteRepository", repositoryName=name)


def test_pushes_deletes_mounts_and_collection_leave_every_image_whole(ecru, repository):
    """Layers count as unused at once, so garbage collection removes as much as it may at every moment."""
    ecr_settings = JsonApi(ecru.host)
    ecr_settings.call("PutAccountSetting", name="BLOB_MOUNTING", value="ENABLED")
    ecr_settings.close()
    names = [repository() for _ in range(2)]
    ended = threading.Event()
    shared = {"shared": seeded_bytes("shared", 120_000)}

    def client_work(client, number):
        name, other = names[number % 2], names[1 - number % 2]
        images = [
            Image([shared, {f"own-{at}": seeded_bytes(f"{number}/{at}", 70_000 + at)}])
            for at in range(3)
        ]
        pushed = 0
        while not ended.is_set():
            image = images[pushed % 3]
            tag = f"tag-{number}-{pushed % 3}"
            try:
                for digest, content in image.blobs.items():
                    mounted, _, _ = client.oci.request(
                        "POST",
                        f"/v2/{name}/blobs/uploads/?mount={digest}&from={other}",
                        accept=(201, 202),
                    )
                    if mounted == 202:
                        client.oci.push_blob(name, content)
                client.oci.push_manifest(name, tag, image.media_type, image.manifest)
            except Refused as refused:
                # For the server, a day has passed between the layer and its manifest.
                assert refused.status == 404 and b"BLOB" in refused.body, refused
                continue
            pushed += 1
            assert client.oci.find_manifest(name, tag) == image.manifest
            for digest, content in image.blobs.items():
                assert client.oci.pull_blob(name, digest) == content
            if pushed % 2:
                client.oci.delete_manifest(name, image.digest)
        return pushed

    def collect(_, number):
        database = sqlite3.connect(ecru.data_directory / "ecru.sqlite", timeout=30)
        with contextlib.closing(database):
            while not ended.is_set():
                with database:
                    database.execute("UPDATE links SET used_at = 0")
                collected = kill.run_on_data("gc", ecru)
                assert collected.returncode == 0, collected.stderr

    def stop(_, number):
        time.sleep(RACE_SECONDS)
        ended.set()

    def work(client, number):
        try:
            return [stop, collect, client_work][min(number, 2)](client, number)
        finally:
            ended.set()

    pushed = race(ecru, 8, work)
    assert min(pushed[2:]) > 0, pushed
    verified = kill.run_on_data("verify", ecru)
    assert verified.returncode == 0, verified.stdout

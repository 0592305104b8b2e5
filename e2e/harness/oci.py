"""Sends OCI distribution requests over one plain HTTP connection, one at a time."""

import base64
import hashlib
import http.client
import json
import urllib.parse

from harness.images import DOCKER_LIST, MEDIA_TYPES, OCI_INDEX, digest_of

SECONDS_MAX = 120
CHUNK_BYTES = 1 << 20


class Refused(Exception):
    """The server answered with a status that the caller did not expect."""

    def __init__(self, request, status, body):
        super().__init__(f"{request}: {status} {body[:500]!r}")
        self.status = status
        self.body = body


class Registry:
    def __init__(self, host, user="test", password="test"):
        self.connection = http.client.HTTPConnection(host, timeout=SECONDS_MAX)
        secret = base64.b64encode(f"{user}:{password}".encode()).decode()
        self.authorization = {"Authorization": f"Basic {secret}"}

    def close(self):
        self.connection.close()

    def request(self, method, path, *, accept, body=None, headers=None):
        """Sends a request. Returns the headers and the body if the status is accepted."""
        self.connection.request(
            method, path, body=body, headers={**self.authorization, **(headers or {})}
        )
        answer = self.connection.getresponse()
        content = answer.read()
        if answer.status not in accept:
            raise Refused(f"{method} {path}", answer.status, content)
        return answer.status, answer.headers, content

    def push_blob(self, repository, content):
        digest = digest_of(content)
        location = self.begin_upload(repository)
        self.request(
            "PUT",
            _with_digest(location, digest),
            body=content,
            headers={"Content-Type": "application/octet-stream"},
            accept=(201,),
        )
        return digest

    def push_blob_stream(self, repository, chunks):
        """Streams chunks in one PATCH of unknown length, as Docker does. Returns the digest."""
        hashed = hashlib.sha256()

        def hashing():
            for chunk in chunks:
                hashed.update(chunk)
                yield chunk

        location = self.begin_upload(repository)
        _, headers, _ = self.request("PATCH", location, body=hashing(), accept=(202,))
        digest = f"sha256:{hashed.hexdigest()}"
        self.request("PUT", _with_digest(headers["Location"], digest), accept=(201,))
        return digest

    def begin_upload(self, repository):
        _, headers, _ = self.request("POST", f"/v2/{repository}/blobs/uploads/", accept=(202,))
        return headers["Location"]

    def pull_blob(self, repository, digest):
        _, _, content = self.request("GET", f"/v2/{repository}/blobs/{digest}", accept=(200,))
        return content

    def pull_blob_digest(self, repository, digest):
        """Streams a blob without keeping it. Returns the digest and the size of the received bytes."""
        self.connection.request(
            "GET", f"/v2/{repository}/blobs/{digest}", headers=self.authorization
        )
        answer = self.connection.getresponse()
        if answer.status != 200:
            raise Refused(f"GET {digest}", answer.status, answer.read())
        hashed, size_bytes = hashlib.sha256(), 0
        while chunk := answer.read(CHUNK_BYTES):
            hashed.update(chunk)
            size_bytes += len(chunk)
        return f"sha256:{hashed.hexdigest()}", size_bytes

    def push_manifest(self, repository, reference, media_type, content):
        _, headers, _ = self.request(
            "PUT",
            f"/v2/{repository}/manifests/{reference}",
            body=content,
            headers={"Content-Type": media_type},
            accept=(201,),
        )
        return headers["Docker-Content-Digest"]

    def push_image(self, repository, reference, image):
        for blob in image.blobs.values():
            self.push_blob(repository, blob)
        return self.push_manifest(repository, reference, image.media_type, image.manifest)

    def find_manifest(self, repository, reference):
        """The bytes of a manifest, or `None` if the registry does not have it."""
        status, _, content = self.request(
            "GET",
            f"/v2/{repository}/manifests/{reference}",
            headers={"Accept": ", ".join([*MEDIA_TYPES, DOCKER_LIST, OCI_INDEX])},
            accept=(200, 404),
        )
        return content if status == 200 else None

    def delete_manifest(self, repository, reference):
        self.request("DELETE", f"/v2/{repository}/manifests/{reference}", accept=(202,))

    def list_tags(self, repository):
        _, _, content = self.request("GET", f"/v2/{repository}/tags/list", accept=(200,))
        return json.loads(content)["tags"]


def stream(name, size_bytes):
    """A stream of bytes that depends on its name. No two chunks are equal."""
    block = bytearray(hashlib.shake_256(name.encode()).digest(CHUNK_BYTES))
    for offset in range(0, size_bytes, CHUNK_BYTES):
        block[:8] = offset.to_bytes(8, "big")
        yield bytes(block[: min(CHUNK_BYTES, size_bytes - offset)])


def _with_digest(location, digest):
    parts = urllib.parse.urlsplit(location)
    query = urllib.parse.parse_qsl(parts.query) + [("digest", digest)]
    return f"{parts.path}?{urllib.parse.urlencode(query, safe=':')}"

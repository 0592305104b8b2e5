"""Makes container images from nothing. The bytes depend on the name only."""

import gzip
import hashlib
import io
import json
import pathlib
import random
import tarfile

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
MEDIA_TYPES = {
    DOCKER_MANIFEST: {
        "config": "application/vnd.docker.container.image.v1+json",
        "layer": "application/vnd.docker.image.rootfs.diff.tar.gzip",
    },
    OCI_MANIFEST: {
        "config": "application/vnd.oci.image.config.v1+json",
        "layer": "application/vnd.oci.image.layer.v1.tar+gzip",
    },
}


def digest_of(content):
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def seeded_bytes(name, size_bytes):
    """Bytes that do not compress and depend on the name only."""
    return random.Random(name).randbytes(size_bytes)


class Image:
    """One image: its layers as tars and as gzip files, its configuration, its manifest."""

    def __init__(self, layers, media_type=OCI_MANIFEST, architecture="amd64", level=0):
        """`layers`: for each layer, from the lowest up, its files as a dictionary path to bytes."""
        self.media_type = media_type
        self.files = {path: content for layer in layers for path, content in layer.items()}
        self.tars = [_tar(layer) for layer in layers]
        # With level 0 the bytes do not depend on the version of zlib.
        self.layers = [gzip.compress(tar, compresslevel=level, mtime=0) for tar in self.tars]
        self.config = _json(
            {
                "architecture": architecture,
                "os": "linux",
                "created": "2024-01-01T00:00:00Z",
                "config": {"Cmd": ["/nothing"]},
                "rootfs": {"type": "layers", "diff_ids": [digest_of(tar) for tar in self.tars]},
                "history": [{"created_by": "test"} for _ in layers],
            }
        )
        self.manifest = _json(
            {
                "schemaVersion": 2,
                "mediaType": media_type,
                "config": self._descriptor("config", self.config),
                "layers": [self._descriptor("layer", layer) for layer in self.layers],
            }
        )
        self.digest = digest_of(self.manifest)
        self.image_id = digest_of(self.config)

    @classmethod
    def seeded(cls, name, layer_sizes=(40_000, 90_000, 300_000), **keywords):
        layers = [
            {f"data/{name}-{index}": seeded_bytes(f"{name}/{index}", size_bytes)}
            for index, size_bytes in enumerate(layer_sizes)
        ]
        return cls(layers, **keywords)

    @property
    def blobs(self):
        """Every blob that the manifest names. The configuration is the first."""
        return {digest_of(blob): blob for blob in [self.config, *self.layers]}

    @property
    def size_bytes(self):
        """The value of `imageSizeInBytes`: the size of the configuration and the layers."""
        return len(self.config) + sum(len(layer) for layer in self.layers)

    def descriptor(self, **more):
        return {
            "mediaType": self.media_type,
            "digest": self.digest,
            "size": len(self.manifest),
            **more,
        }

    def write_docker_archive(self, path, reference="test/image:latest"):
        """Writes an archive for `docker load` and `crane push`."""
        names = [f"{index}/layer.tar" for index in range(len(self.tars))]
        listed = [{"Config": "config.json", "RepoTags": [reference], "Layers": names}]
        members = dict(zip(names, self.tars))
        members["config.json"] = self.config
        members["manifest.json"] = _json(listed)
        pathlib.Path(path).write_bytes(_tar(members))
        return path

    def write_oci_layout(self, directory, tag="latest"):
        """Writes an OCI image layout that holds the blobs unchanged."""
        directory = pathlib.Path(directory)
        blobs = directory / "blobs/sha256"
        blobs.mkdir(parents=True)
        for content in [self.config, self.manifest, *self.layers]:
            (blobs / digest_of(content).partition(":")[2]).write_bytes(content)
        annotations = {"org.opencontainers.image.ref.name": tag}
        entry = self.descriptor(annotations=annotations)
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}
        (directory / "index.json").write_bytes(_json(index))
        (directory / "oci-layout").write_bytes(_json({"imageLayoutVersion": "1.0.0"}))
        return directory

    def _descriptor(self, kind, content):
        return {
            "mediaType": MEDIA_TYPES[self.media_type][kind],
            "digest": digest_of(content),
            "size": len(content),
        }


def index_of(images, media_type=OCI_INDEX, architectures=("amd64", "arm64")):
    """The bytes of an index of images, one for each architecture."""
    return _json(
        {
            "schemaVersion": 2,
            "mediaType": media_type,
            "manifests": [
                image.descriptor(platform={"os": "linux", "architecture": architecture})
                for image, architecture in zip(images, architectures)
            ],
        }
    )


def files_in_tar(path):
    """The regular files of a tar, as a dictionary path to bytes."""
    with tarfile.open(path) as archive:
        return {
            member.name.removeprefix("./"): archive.extractfile(member).read()
            for member in archive
            if member.isfile()
        }


def _tar(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _json(value):
    return json.dumps(value, separators=(",", ":")).encode()

"""Damaged data: the server refuses to start with one clear line, or serves only undamaged content.

Whatever the damage, a GET never answers 200 with wrong bytes, nothing panics, and a damaged database never
becomes an empty registry.
"""

import dataclasses
import os
import shutil
import socket
import sqlite3
from collections.abc import Callable

import pytest

import kill
from harness.aws import JsonApi
from harness.images import Image, digest_of
from harness.oci import Registry
from harness.server import Server

REPOSITORY = "damage/images"
IMAGES = 4
PAGE_BYTES = 4096

WHOLE = "everything is served"
SOME = "what is whole is served, and verify finds the rest"
UNSEEN = "what is there is served, and verify finds nothing wrong with it"
REFUSED = "no server starts"


@dataclasses.dataclass
class Data:
    """A data directory that no process uses."""

    path: os.PathLike

    @property
    def database(self):
        return self.path / "ecru.sqlite"

    @property
    def log(self):
        return self.path / "ecru.sqlite-wal"

    @property
    def index(self):
        return self.path / "ecru.sqlite-shm"

    def blob_files(self):
        return sorted(file for file in (self.path / "blobs").glob("*/*"))

    @property
    def blob(self):
        return self.blob_files()[0]

    def sql(self, *statements):
        database = sqlite3.connect(self.database)
        for statement in statements:
            database.execute(statement)
        database.commit()
        database.close()


@dataclasses.dataclass
class Harm:
    name: str
    do: Callable[[Data], None]
    outcome: str
    # Whether the database log still holds the last writes, as after a kill.
    after_a_kill: bool = False


def cut(file, part):
    with open(file, "r+b") as opened:
        opened.truncate(int(os.path.getsize(file) * part))


def flip(file, *offsets):
    with open(file, "r+b") as opened:
        for offset in offsets:
            opened.seek(offset)
            (byte,) = opened.read(1)
            opened.seek(offset)
            opened.write(bytes([byte ^ 0x55]))


def overwrite(file, offset, content):
    with open(file, "r+b") as opened:
        opened.seek(offset)
        opened.write(content)


def flip_behind_its_age(file):
    before = os.stat(file)
    flip(file, 1_000)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def replace_with(file, make):
    if file.is_dir():
        shutil.rmtree(file)
    else:
        file.unlink()
    make()


def leave_socket(path):
    listener = socket.socket(socket.AF_UNIX)
    directory = os.open(path.parent, os.O_RDONLY)
    listener.bind(f"/proc/self/fd/{directory}/{path.name}")
    listener.close()
    os.close(directory)


def swap(one, other):
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)


def flip_in_database(data, content):
    """Flips a byte in the middle of content that is contiguous in the database file."""
    offset = data.database.read_bytes().find(content)
    assert offset > 0, "the content was not found"
    flip(data.database, offset + len(content) // 2)


def flip_pages(data):
    pages = os.path.getsize(data.database) // PAGE_BYTES
    for page in range(1, pages):
        overwrite(data.database, page * PAGE_BYTES, os.urandom(200))


def another_database(data):
    data.database.unlink()
    other = sqlite3.connect(data.database)
    other.execute("CREATE TABLE notes (text)")
    other.close()


def exchange_directory_and_file(data):
    shutil.rmtree(data.path / "blobs")
    (data.path / "blobs").write_bytes(b"")


IMAGE = Image.seeded("damage/0", (600, 150_000))

HARMS = [
    # Files of blobs.
    Harm("a blob is cut", lambda data: cut(data.blob, 0.5), SOME),
    Harm("a blob is emptied", lambda data: cut(data.blob, 0), SOME),
    Harm("a blob has grown", lambda data: overwrite(data.blob, os.path.getsize(data.blob), b"x"), SOME),
    Harm("a byte of a blob is flipped", lambda data: flip(data.blob, 70_000), SOME),
    Harm("a byte is flipped and the age set back", lambda data: flip_behind_its_age(data.blob), SOME),
    Harm("a hole is in a blob", lambda data: overwrite(data.blob, 8_192, bytes(4_096)), SOME),
    Harm("a blob has the bytes of another", lambda data: swap(*data.blob_files()[:2]), SOME),
    Harm("files of blobs are exchanged", lambda data: os.rename(*data.blob_files()[:2]), SOME),
    Harm("a blob is written anew", lambda data: data.blob.write_bytes(data.blob.read_bytes()), WHOLE),
    Harm("a blob is missing", lambda data: data.blob.unlink(), SOME),
    Harm("a blob is a directory", lambda data: replace_with(data.blob, data.blob.mkdir), SOME),
    Harm(
        "a blob is a link to nowhere",
        lambda data: replace_with(blob := data.blob, lambda: blob.symlink_to("nowhere")),
        SOME,
    ),
    Harm(
        "a blob is a link to itself",
        lambda data: replace_with(blob := data.blob, lambda: blob.symlink_to(blob)),
        SOME,
    ),
    Harm(
        "a blob is a link to a secret",
        lambda data: replace_with(blob := data.blob, lambda: blob.symlink_to("/etc/passwd")),
        SOME,
    ),
    Harm(
        "a blob is a pipe",
        lambda data: replace_with(blob := data.blob, lambda: os.mkfifo(blob)),
        SOME,
    ),
    Harm(
        "a blob is a socket",
        lambda data: replace_with(blob := data.blob, lambda: leave_socket(blob)),
        SOME,
    ),
    Harm("a directory of blobs is missing", lambda data: shutil.rmtree(data.blob.parent), SOME),
    Harm("all blobs are missing", lambda data: shutil.rmtree(data.path / "blobs"), SOME),
    Harm("the blob directory is a file", exchange_directory_and_file, REFUSED),
    # The database.
    Harm("the database is cut", lambda data: cut(data.database, 0.5), REFUSED),
    Harm("the last page is missing", lambda data: cut(data.database, 0.999), REFUSED),
    Harm("the database is empty", lambda data: cut(data.database, 0), REFUSED),
    Harm("the database is missing", lambda data: data.database.unlink(), REFUSED),
    Harm("the database is text", lambda data: data.database.write_bytes(b"text\n" * 9_999), REFUSED),
    Harm("the database is another one", another_database, REFUSED),
    Harm(
        "the database is a directory",
        lambda data: replace_with(data.database, data.database.mkdir),
        REFUSED,
    ),
    Harm("the header is zeroed", lambda data: overwrite(data.database, 0, bytes(100)), REFUSED),
    Harm("the first page is zeroed", lambda data: overwrite(data.database, 0, bytes(PAGE_BYTES)), REFUSED),
    Harm("every page is overwritten", flip_pages, REFUSED),
    Harm(
        "a byte of a manifest is flipped",
        lambda data: flip_in_database(data, IMAGE.manifest),
        SOME,
    ),
    Harm(
        "a byte of a small blob is flipped",
        lambda data: flip_in_database(data, IMAGE.config),
        SOME,
    ),
    Harm("the schema is newer", lambda data: data.sql("INSERT INTO migrations VALUES (999)"), REFUSED),
    Harm("the schema is unknown", lambda data: data.sql("DELETE FROM migrations"), REFUSED),
    Harm(
        "a tag points at nothing",
        lambda data: data.sql("UPDATE tags SET image_id = 7777 WHERE tag = 'tag-0'"),
        SOME,
    ),
    Harm(
        "an image has lost a layer's row",
        lambda data: data.sql("UPDATE images SET blob_ids = x'' WHERE id = 1"),
        SOME,
    ),
    # Files beside the database.
    Harm("the log is cut", lambda data: cut(data.log, 0.7), UNSEEN, after_a_kill=True),
    Harm("a byte of the log is flipped", lambda data: flip(data.log, 30_000), UNSEEN, after_a_kill=True),
    Harm("the log is text", lambda data: data.log.write_bytes(b"text\n" * 9_999), UNSEEN, after_a_kill=True),
    Harm("the log is missing", lambda data: data.log.unlink(), UNSEEN, after_a_kill=True),
    Harm("the index is missing", lambda data: data.index.unlink(), WHOLE, after_a_kill=True),
    Harm(
        "the index is noise",
        lambda data: data.index.write_bytes(os.urandom(32_768)),
        WHOLE,
        after_a_kill=True,
    ),
    Harm("the lock is missing", lambda data: (data.path / "lock").unlink(), WHOLE),
    Harm(
        "the lock is a directory",
        lambda data: replace_with(data.path / "lock", (data.path / "lock").mkdir),
        REFUSED,
    ),
    Harm("a socket was left behind", lambda data: leave_socket(data.path / "control"), WHOLE),
]


@pytest.fixture(scope="module")
def pushed(tmp_path_factory):
    """Data with images, from a stopped server and from a killed one."""
    directory = tmp_path_factory.mktemp("pushed")
    server = Server(directory / "data")
    server.start()
    registry = Registry(server.host)
    try:
        json = JsonApi(server.host)
        json.call("CreateRepository", repositoryName=REPOSITORY)
        json.close()
        images = [Image.seeded(f"damage/{number}", (600, 150_000)) for number in range(IMAGES)]
        for number, image in enumerate(images):
            registry.push_image(REPOSITORY, f"tag-{number}", image)
        registry.close()
        server.kill()
        shutil.copytree(server.data_directory, directory / "killed", ignore=_sockets)
        server.start()
        server.stop()
        shutil.copytree(server.data_directory, directory / "stopped", ignore=_sockets)
    finally:
        if server.running:
            server.kill()
    return directory, images


def _sockets(_, names):
    return [name for name in names if name == "control"]


@pytest.mark.parametrize("harm", HARMS, ids=lambda harm: harm.name.replace(" ", "-"))
def test_damage_is_refused_or_kept_from_readers(pushed, tmp_path, harm):
    directory, images = pushed
    state = "killed" if harm.after_a_kill else "stopped"
    data = Data(tmp_path / "data")
    shutil.copytree(directory / state, data.path, symlinks=True)
    harm.do(data)
    server = Server(data.path)

    if harm.outcome == REFUSED:
        said = server.refuse_to_start()
        assert len(said.splitlines()) == 1 and said.startswith("ecru: "), said
        # A second start fails with the same message.
        assert server.refuse_to_start() == said
        verified = kill.run_on_data("verify", server)
        assert verified.returncode == 1 and "panicked" not in verified.stderr
        return

    server.start()
    try:
        read, whole = _read_everything(server, images)
        if harm.outcome == WHOLE:
            assert read == whole
        if harm.outcome == SOME:
            # An image that lacks a row is still served; verify reports it.
            assert 0 < read < whole or "row" in harm.name
        verified = kill.run_on_data("verify", server)
        assert verified.returncode == (1 if harm.outcome == SOME else 0), verified.stdout
        if harm.outcome == SOME and ("blob" in harm.name or "manifest" in harm.name):
            _push_again(server, images)
            assert _read_everything(server, images) == (whole, whole)
        server.stop()
        assert "panicked" not in server.output()
    finally:
        if server.running:
            server.kill()


def _read_everything(server, images):
    """The number of correct reads, and the number of all reads. No read may return wrong bytes."""
    registry = Registry(server.host)
    read = whole = 0
    for number, image in enumerate(images):
        contents = {f"blobs/{digest}": content for digest, content in image.blobs.items()}
        for reference in (f"tag-{number}", image.digest):
            contents[f"manifests/{reference}"] = image.manifest
        for path, content in contents.items():
            whole += 1
            for method in ("HEAD", "GET"):
                status, headers, answer = registry.request(
                    method, f"/v2/{REPOSITORY}/{path}", accept=(200, 404, 500, 503)
                )
                if status != 200:
                    continue
                assert int(headers["Content-Length"]) == len(content)
                if method == "GET":
                    read += 1
                    assert digest_of(answer) == digest_of(content), path
    registry.close()
    return read, whole


def _push_again(server, images):
    registry = Registry(server.host)
    for number, image in enumerate(images):
        registry.push_image(REPOSITORY, f"tag-{number}", image)
    registry.close()

"""Small layers that are expensive to scan: each scan ends as failed, and other work is not affected."""

import contextlib
import json
import pathlib
import struct
import threading
import time
import urllib.request

import pytest

from harness.command import run
from harness.images import Image
from harness.server import BINARY

MIB = 1 << 20
GROWTH_BYTES_MAX = 128 * MIB
SCAN_SECONDS_MAX = 70
HEALTH_SECONDS_MAX = 0.2
# Other due jobs must run long before a scan ends.
OTHER_WORK_SECONDS_MAX = 20


def repeated(piece, size_bytes=16 * MIB):
    return (piece * (size_bytes // len(piece) + 1))[:size_bytes]


def rpm_header(size_bytes):
    """The header of a package whose architecture does not end."""
    texts = [(1000, b"bash\0"), (1001, b"5.1\0"), (1002, b"6.el9\0"), (1022, b"")]
    index, values = b"", b""
    for tag, text in texts:
        index += struct.pack(">4I", tag, 6, len(values), 1)
        values += text
    header = struct.pack(">2I", len(texts), len(values)) + index + values
    return header.ljust(size_bytes, b"a")


def bdb():
    """8,000 entries that share one value, which has its own page."""
    page_bytes, entries, item = 65_536, 8_000, b"\x01" + rpm_header(33_000)
    meta = bytearray(page_bytes)
    struct.pack_into("<I4xI", meta, 12, 0x61561, page_bytes)
    struct.pack_into("<I", meta, 32, 1)
    table = bytearray(page_bytes)
    struct.pack_into("<H3xB", table, 20, 2 * entries, 13)
    place = page_bytes - 1 - len(item)
    table[place : place + len(item)] = item
    struct.pack_into(f"<{2 * entries}H", table, 26, *([page_bytes - 1, place] * entries))
    return bytes(meta + table)


def ndb():
    """30,000 slots that share one header of 12 MiB."""
    slots, header = 30_000, rpm_header(12 * MIB)
    slot_pages = (slots + 2) // 256 + 1
    block = slot_pages * 256
    database = struct.pack("<4s7I", b"RpmP", 0, 7, slot_pages, 2, 0, 0, 0)
    database += struct.pack("<4s3I", b"Slot", 1, block, 1) * slots
    database += struct.pack("<4s3I", b"Slot", 0, 0, 0) * (slot_pages * 256 - 2 - slots)
    return database + struct.pack("<4s3I", b"BlbS", 1, 7, len(header)) + header


def sqlite(tmp_path):
    """20,000 cells that share one record."""
    import sqlite3

    path = tmp_path / "rpmdb.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA page_size = 65536")
        connection.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB NOT NULL)")
        connection.execute("INSERT INTO Packages (blob) VALUES (?)", [rpm_header(20_000)])
        connection.commit()
    database = bytearray(path.read_bytes())
    (cell,) = struct.unpack_from(">H", database, 65_536 + 8)
    struct.pack_into(">H", database, 65_536 + 3, 20_000)
    struct.pack_into(">20000H", database, 65_536 + 8, *([cell] * 20_000))
    return bytes(database)


def npm_lock(member, count):
    return b'{"packages":{' + b",".join(member % number for number in range(count)) + b"}}"


PACKAGES, BYTES = "more packages than are scanned", "more memory than a scan may"
DATABASE = "the same bytes again and again"
HOSTILE = {
    "rpm's hash table": ("var/lib/rpm/Packages", bdb, DATABASE),
    "rpm's slots": ("var/lib/rpm/Packages.db", ndb, DATABASE),
    "rpm's SQLite": ("var/lib/rpm/rpmdb.sqlite", sqlite, DATABASE),
    "requirements": ("app/requirements.txt", lambda: repeated(b"a==1\n"), PACKAGES),
    "go.mod": ("app/go.mod", lambda: b"require (\n" + repeated(b"a v1\n"), PACKAGES),
    "apk": ("lib/apk/db/installed", lambda: repeated(b"P:a\nV:1\n\n"), PACKAGES),
    "dpkg": (
        "var/lib/dpkg/status",
        lambda: repeated(b"Package: a\nVersion: 1\nArchitecture: %s\n\n" % (b"a" * 4000)),
        None,
    ),
    "long names": (
        "lib/apk/db/installed",
        lambda: repeated(b"P:%s\nV:1\no:%s\n\n" % (b"p" * 500, b"o" * 500)),
        BYTES,
    ),
    "package-lock.json": (
        "app/package-lock.json",
        lambda: npm_lock(b'"%d":{}', 1_200_000),
        None,
    ),
    "packages of package-lock.json": (
        "app/package-lock.json",
        lambda: npm_lock(b'"node_modules/%d":{"version":"1"}', 400_000),
        PACKAGES,
    ),
    "one long text": (
        "app/package-lock.json",
        lambda: b'{"packages":{"a":{"name":"' + b"a" * (15 * MIB) + b'"}}}',
        None,
    ),
}


def advisory(number):
    return {
        "id": f"PYSEC-2099-{number}",
        "modified": "2024-01-02T03:04:05Z",
        "aliases": [f"CVE-2099-{10_000 + 50 * number + place}" for place in range(50)],
        "details": "d" * 8_000,
        "affected": [
            {
                "package": {"ecosystem": "PyPI", "name": "a"},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}],
            }
        ],
    }


def resident_bytes(process):
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("the process has no resident size")


class Watch:
    """Polls the server's health and size until its context ends."""

    def __init__(self, ecru):
        self.ecru = ecru
        self.before = resident_bytes(ecru.process)
        self.most = self.before
        self.seconds = []
        self.failure = None

    def __enter__(self):
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.look)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()

    def look(self):
        while not self.ended.wait(0.02):
            asked = time.monotonic()
            try:
                with urllib.request.urlopen(f"{self.ecru.url}/healthz", timeout=10):
                    self.seconds.append(time.monotonic() - asked)
            except OSError as failure:
                self.failure = failure
                return
            self.most = max(self.most, resident_bytes(self.ecru.process))

    def check(self, what):
        assert self.failure is None
        growth = self.most - self.before
        slowest = max(self.seconds, default=0)
        print(f"\n{what}: {growth / MIB:.0f} MiB more, health within {slowest * 1000:.0f} ms")
        assert growth <= GROWTH_BYTES_MAX
        assert slowest <= HEALTH_SECONDS_MAX


def scan_to_its_end(ecr, name, tag="v1"):
    """The final status of an image's scan, and the seconds until then."""
    image = {"repositoryName": name, "imageId": {"imageTag": tag}}
    begun = time.monotonic()
    while True:
        status = ecr.describe_image_scan_findings(**image)["imageScanStatus"]
        if status["status"] not in ("IN_PROGRESS", "PENDING"):
            return status, time.monotonic() - begun
        assert time.monotonic() - begun < 3 * SCAN_SECONDS_MAX, "the scan does not end"
        time.sleep(0.05)


def start(ecr, name, tag="v1"):
    ecr.start_image_scan(repositoryName=name, imageId={"imageTag": tag})


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_small_layer_costs_no_more_than_a_scan_may(ecru, ecr, registry, repository, kind, tmp_path):
    path, make, words = HOSTILE[kind]
    content = make(tmp_path) if make is sqlite else make()
    image = Image([{path: content}], level=9)
    name = repository()
    registry.push_image(name, "v1", image)
    with Watch(ecru) as watch:
        start(ecr, name)
        status, seconds = scan_to_its_end(ecr, name)
    assert status["status"] == "FAILED"
    if words:
        assert words in status["description"]
    assert seconds <= SCAN_SECONDS_MAX
    watch.check(f"{kind}, {image.size_bytes >> 10} KiB, {seconds:.1f} s")


def test_findings_without_end_fail_the_scan(ecru, ecr, registry, repository, tmp_path):
    directory = tmp_path / "advisories"
    directory.mkdir()
    (directory / "all.json").write_text(json.dumps([advisory(number) for number in range(40)]))
    run(BINARY, "advisories", "import", "--data-dir", ecru.data_directory, directory)
    name = repository()
    versions = "".join(f"a=={number}\n" for number in range(40_000)).encode()
    registry.push_image(name, "v1", Image([{"requirements.txt": versions}], level=9))
    with Watch(ecru) as watch:
        start(ecr, name)
        status, seconds = scan_to_its_end(ecr, name)
    assert status["status"] == "FAILED" and "more findings than are kept" in status["description"]
    assert seconds <= SCAN_SECONDS_MAX
    watch.check(f"findings, {seconds:.1f} s")


def slow_image(number):
    """Programs in which a compressed list may begin at every second byte."""
    programs = [b"\x7fELF%d/%d" % (number, place) + b"\x78\x9c" * (15 * MIB // 2) for place in range(8)]
    return Image([{"program": program} for program in programs], level=9)


def test_other_work_goes_on_while_scans_take_all_the_time_they_may(ecru, ecr, registry, repository):
    scanned = repository()
    for number in range(2):
        registry.push_image(scanned, f"v{number}", slow_image(number))
    expiring = repository()
    for tag in ["one", "two"]:
        registry.push_image(expiring, tag, Image.seeded(f"{expiring}/{tag}", layer_sizes=(1_000,)))

    with Watch(ecru) as watch:
        begun = time.monotonic()
        for number in range(2):
            start(ecr, scanned, f"v{number}")
        time.sleep(1)
        rule = {
            "rulePriority": 1,
            "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 1},
            "action": {"type": "expire"},
        }
        policy = json.dumps({"rules": [rule]})
        ecr.put_lifecycle_policy(repositoryName=expiring, lifecyclePolicyText=policy)
        asked = time.monotonic()
        while len(registry.list_tags(expiring)) > 1:
            assert time.monotonic() - asked < OTHER_WORK_SECONDS_MAX, "other work waits for scans"
            time.sleep(0.1)
        meanwhile = time.monotonic() - asked
        statuses = [scan_to_its_end(ecr, scanned, f"v{number}")[0] for number in range(2)]
        seconds = time.monotonic() - begun
    assert all(status["status"] == "FAILED" for status in statuses), statuses
    # Scans run one after another.
    assert seconds <= 2 * SCAN_SECONDS_MAX
    watch.check(f"two slow scans, {seconds:.1f} s, and a policy carried out after {meanwhile:.1f} s")

"""Clients that send nothing, stop halfway, never read, or connect by the thousand, beside normal clients."""

import contextlib
import pathlib
import resource
import socket
import subprocess
import threading
import time

import pytest

from harness.images import seeded_bytes
from harness.oci import Refused, Registry

HEADER_SECONDS_MAX = 30
BODY_SECONDS_MAX = 60
# Extra time for a busy machine.
GRACE_SECONDS = 10
IDLE_CONNECTIONS = 10_000
IDLE_BYTES_MAX = 16 * 1024


def connect(ecru, receive_bytes=None):
    client = socket.socket()
    if receive_bytes:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    client.connect(("127.0.0.1", ecru.port))
    client.settimeout(BODY_SECONDS_MAX + 2 * GRACE_SECONDS)
    return client


def seconds_until_closed(client):
    """Reads until the other side closes the connection."""
    begun = time.monotonic()
    with contextlib.suppress(ConnectionError):
        while client.recv(65536):
            pass
    return time.monotonic() - begun


def drip(client, seconds):
    """Sends one more byte of a header each second, without end."""
    with contextlib.suppress(OSError):
        client.sendall(b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        for _ in range(seconds):
            time.sleep(1)
            client.sendall(b"a")


def begin_push(ecru, repository, length):
    head = (
        f"POST /v2/{repository}/blobs/uploads/?digest=sha256:{'0' * 64} HTTP/1.1\r\n"
        "Host: localhost\r\nAuthorization: Basic dGVzdDp0ZXN0\r\n"
        f"Content-Length: {length}\r\n\r\nx"
    )
    client = connect(ecru)
    client.sendall(head.encode())
    return client


def resident_bytes(process):
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("the process has no resident size")


def test_slow_and_silent_clients_are_closed_in_their_time_while_others_are_served(
    ecru, registry, repository
):
    name = repository()
    content = seeded_bytes("large", 64 << 20)
    digest = registry.push_blob(name, content)

    silent = connect(ecru)
    slow = connect(ecru)
    dripping = threading.Thread(target=drip, args=(slow, HEADER_SECONDS_MAX + 5))
    dripping.start()
    halfway = begin_push(ecru, name, 100)
    never_reads = connect(ecru, receive_bytes=4096)
    never_reads.sendall(
        f"GET /v2/{name}/blobs/{digest} HTTP/1.1\r\nHost: localhost\r\n"
        "Authorization: Basic dGVzdDp0ZXN0\r\n\r\n".encode()
    )
    begun = time.monotonic()

    limits = {silent: HEADER_SECONDS_MAX, slow: HEADER_SECONDS_MAX, halfway: BODY_SECONDS_MAX}
    closed = {}

    def watch(client):
        seconds_until_closed(client)
        closed[client] = time.monotonic() - begun

    watchers = [threading.Thread(target=watch, args=(client,)) for client in limits]
    for watcher in watchers:
        watcher.start()
    while any(watcher.is_alive() for watcher in watchers):
        asked = time.monotonic()
        assert registry.pull_blob_digest(name, digest) == (digest, len(content))
        assert time.monotonic() - asked < GRACE_SECONDS
        time.sleep(1)
    dripping.join()
    for client, seconds_max in limits.items():
        assert closed[client] < seconds_max + GRACE_SECONDS
        client.close()

    # By now the kernel has dropped clients that read nothing. Only data that was sent before remains.
    time.sleep(max(0, BODY_SECONDS_MAX + GRACE_SECONDS - (time.monotonic() - begun)))
    received = 0
    with contextlib.suppress(ConnectionError):
        while some := never_reads.recv(1 << 20):
            received += len(some)
    assert received < len(content)
    never_reads.close()


ENDLESS_HEADERS = {"one": b"X-Long: " + b"a" * 600_000, "many": b"a: b\r\n" * 100_000}


@pytest.mark.parametrize("kind", ENDLESS_HEADERS)
def test_a_header_without_end_is_not_taken_in(ecru, kind):
    header = ENDLESS_HEADERS[kind]
    client = connect(ecru)
    before = resident_bytes(ecru.process)
    with contextlib.suppress(ConnectionError):
        client.sendall(b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\n" + header)
    assert seconds_until_closed(client) < GRACE_SECONDS
    assert resident_bytes(ecru.process) - before < 4 << 20
    client.close()


def test_ten_thousand_idle_connections_cost_little_and_slow_nobody(ecru, registry, repository):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    limit = IDLE_CONNECTIONS + 1000
    assert hard >= limit, "this test opens more files than the system allows"
    subprocess.run(
        ["prlimit", "--pid", str(ecru.process.pid), f"--nofile={limit}:{limit}"], check=True
    )
    name = repository()
    content = seeded_bytes("large", 32 << 20)
    digest = registry.push_blob(name, content)
    before = resident_bytes(ecru.process)
    begun = time.monotonic()
    registry.pull_blob_digest(name, digest)
    alone = time.monotonic() - begun

    with contextlib.ExitStack() as stack:
        for _ in range(IDLE_CONNECTIONS):
            stack.enter_context(contextlib.closing(connect(ecru)))
        begun = time.monotonic()
        assert registry.pull_blob_digest(name, digest) == (digest, len(content))
        beside = time.monotonic() - begun
        cost = (resident_bytes(ecru.process) - before) / IDLE_CONNECTIONS
        print(f"\nan idle connection costs {cost:.0f} bytes; a pull takes {beside / alone:.2f} times as long")
        assert cost <= IDLE_BYTES_MAX
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_server_that_ran_out_of_descriptors_recovers_by_itself(ecru, registry, repository, password):
    name = repository()
    content = seeded_bytes("blob", 200_000)
    digest = registry.push_blob(name, content)
    open_now = len(list(pathlib.Path(f"/proc/{ecru.process.pid}/fd").iterdir()))
    limit = open_now + 20
    subprocess.run(
        ["prlimit", "--pid", str(ecru.process.pid), f"--nofile={limit}:{limit}"], check=True
    )

    with contextlib.ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(contextlib.closing(connect(ecru)))
        # The server cannot open files either. Connected clients get an error, or are served from memory.
        try:
            assert registry.pull_blob(name, digest) == content
        except Refused as refused:
            assert refused.status >= 500
    assert ecru.running

    again = Registry(ecru.host, "AWS", password)
    deadline = time.monotonic() + GRACE_SECONDS
    while True:
        try:
            assert again.pull_blob(name, digest) == content
            break
        except OSError:
            assert time.monotonic() < deadline
    again.push_blob(name, seeded_bytes("another", 200_000))
    again.close()

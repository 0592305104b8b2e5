"""Names that this machine takes for its own while a test runs, by a line in `/etc/hosts`."""

import contextlib
import fcntl
import pathlib

HOSTS = pathlib.Path("/etc/hosts")


@contextlib.contextmanager
def local_name(name):
    """A name must be one that no test running at the same time has."""
    _rewrite_hosts(lambda lines: [*lines, f"127.0.0.1 {name}"])
    try:
        yield name
    finally:
        _rewrite_hosts(lambda lines: [line for line in lines if name not in line.split()])


def _rewrite_hosts(change):
    # Written in place and under a lock: the file may be a mount, and others may be changing it too.
    with HOSTS.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        lines = change(file.read().splitlines())
        file.seek(0)
        file.write("\n".join(lines) + "\n")
        file.truncate()

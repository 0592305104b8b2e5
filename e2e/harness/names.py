"""Host names that resolve to this machine while a test runs, through `/etc/hosts`."""

import contextlib
import fcntl
import pathlib

HOSTS = pathlib.Path("/etc/hosts")


@contextlib.contextmanager
def local_name(name):
    """Adds a name, which must differ from those of all tests that run at the same time."""
    _rewrite_hosts(lambda lines: [*lines, f"127.0.0.1 {name}"])
    try:
        yield name
    finally:
        _rewrite_hosts(lambda lines: [line for line in lines if name not in line.split()])


def _rewrite_hosts(change):
    # Written in place, because the file may be a mount, and under a lock, because other tests change it too.
    with HOSTS.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        lines = change(file.read().splitlines())
        file.seek(0)
        file.write("\n".join(lines) + "\n")
        file.truncate()

"""Disks that fail: small disks, disks that lose power, and calls that the kernel refuses.

All need root. A test fails if its mechanism is not available.
"""

import contextlib
import pathlib
import re
import subprocess
import time

from harness.command import run

ATTACH_SECONDS_MAX = 20


class SmallDisk:
    """A file system in memory with a limited size."""

    def __init__(self, path, size_bytes):
        self.path = pathlib.Path(path)
        self.path.mkdir()
        run("mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "ecru-test", self.path)
        self.filler = self.path / "filler"

    def fill(self):
        """Fills the file system completely."""
        with open(self.filler, "ab", buffering=0) as file:
            for size in (1 << 16, 1 << 12, 1):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(bytes(size))

    def make_room(self):
        self.filler.unlink()

    def close(self):
        run("umount", self.path)


class CutDisk:
    """An ext4 file system in a file, which can lose its power at any moment."""

    def __init__(self, directory, size_bytes=512 << 20):
        self.image = pathlib.Path(directory) / "disk.ext4"
        self.path = pathlib.Path(directory) / "disk"
        self.path.mkdir()
        with open(self.image, "wb") as file:
            file.truncate(size_bytes)
        run("mkfs.ext4", "-q", "-F", self.image)
        self._mount()

    def cut_power(self):
        """From now on nothing reaches the disk, including earlier writes that were not flushed."""
        run("xfs_io", "-x", "-c", "shutdown", self.path)

    def break_file_system(self):
        """Makes the kernel detect damage in the file system, which it then mounts read-only."""
        device = run("findmnt", "-n", "-o", "SOURCE", self.path).strip()
        trigger = pathlib.Path("/sys/fs/ext4") / pathlib.Path(device).name / "trigger_fs_error"
        trigger.write_text("a test\n")

    def remount(self):
        run("umount", self.path)
        self._mount()

    def close(self):
        run("umount", self.path)
        self.image.unlink()

    def _mount(self):
        run("mount", "-o", "loop,errors=remount-ro", self.image, self.path)


def killed_at(calls, when):
    """The command that runs a server and kills it before the n-th of these calls in one of its threads."""
    fault = f"inject={calls}:signal=KILL:when={when}"
    return ["strace", "-f", "-D", "-o", "/dev/null", "-e", f"trace={calls}", "-e", fault]


@contextlib.contextmanager
def refused_calls(process, calls, error, when=None, files=()):
    """In this context, the kernel refuses these calls of a process. `when` selects calls as in strace.

    With `files`, only calls on one of them are refused.
    """
    fault = f"inject={calls}:error={error}" + (f":when={when}" if when else "")
    tracer = subprocess.Popen(
        ["strace", "-f", "-o", "/dev/null", "-e", f"trace={calls}", "-e", fault]
        + [argument for file in files for argument in ("-P", str(file))]
        + ["-p", str(process.pid)],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        _await_tracer(process, tracer)
        yield
    finally:
        # The process continues without its tracer.
        tracer.terminate()
        tracer.wait()


def _await_tracer(process, tracer):
    """Waits until every thread of the process is traced."""
    deadline = time.monotonic() + ATTACH_SECONDS_MAX
    tasks = pathlib.Path(f"/proc/{process.pid}/task")
    while True:
        assert tracer.poll() is None, f"strace is not available: {tracer.stderr.read().decode()}"
        states = [(task / "status").read_text() for task in tasks.iterdir()]
        if all(re.search(rf"TracerPid:\t{tracer.pid}\n", state) for state in states):
            return
        assert time.monotonic() < deadline, "strace does not trace the server"
        time.sleep(0.01)

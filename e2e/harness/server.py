"""Runs the `ecru` binary on a data directory: starts, stops and kills it, and reads its memory."""

import json
import os
import pathlib
import queue
import re
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("ECRU_BINARY", str(ROOT / "target/release/ecru"))
START_SECONDS_MAX = 20
STOP_SECONDS_MAX = 20
CONTROL_SECONDS_MAX = 60
ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)")


class Server:
    """A data directory, and the process that serves it. The port remains after a restart."""

    def __init__(self, data_directory, *arguments, environment=None):
        self.data_directory = pathlib.Path(data_directory)
        self.arguments = arguments
        self.environment = environment or {}
        # A command to run the server with, such as a tracer.
        self.prefix = []
        self.port = 0
        self.process = None
        self.lines = []

    @property
    def host(self):
        return f"127.0.0.1:{self.port}"

    @property
    def url(self):
        return f"http://{self.host}"

    def start(self, until="readyz"):
        """Starts the process. Returns the seconds until this path answered 200."""
        begun = time.monotonic()
        self.spawn()
        self.port = self._announced_port(begun + START_SECONDS_MAX)
        self._await(until, begun + START_SECONDS_MAX)
        return time.monotonic() - begun

    def spawn(self):
        """Starts the process without waiting for it."""
        command = [BINARY, "serve", "--listen", self.host, "--data-dir", str(self.data_directory)]
        self.process = subprocess.Popen(
            [*self.prefix, *command, *self.arguments],
            env={**os.environ, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self.lines = queue.Queue()
        # Read until the process ends, because a full pipe would block it.
        self.reader = threading.Thread(
            target=_forward_lines, args=(self.process.stdout, self.lines), daemon=True
        )
        self.reader.start()

    def stop(self):
        """Sends SIGTERM and requires a clean exit."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(STOP_SECONDS_MAX)
        assert code == 0, f"the server ended with {code} after SIGTERM:\n{self.output()}"

    def kill(self):
        self.process.kill()
        self.process.wait()

    def refuse_to_start(self):
        """Starts a process that must exit with a failure, and returns its output."""
        self.spawn()
        assert self.process.wait(START_SECONDS_MAX) not in (0, 101)
        self.reader.join()
        return self.output()

    def freeze(self):
        """Stops every thread. A thread inside a system call does not return from it."""
        self.process.send_signal(signal.SIGSTOP)
        deadline = time.monotonic() + STOP_SECONDS_MAX
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task")
        while True:
            states = [(task / "stat").read_text().rpartition(")")[2].split()[0] for task in tasks.iterdir()]
            if set(states) <= {"T", "t", "D"}:
                return
            assert time.monotonic() < deadline, "the server does not stop running"

    def restart(self):
        self.stop()
        return self.start()

    def control(self, method, path, body=None):
        """Calls one of the server's paths below `/_ecru/`."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/_ecru/{path}", data=data, method=method)
        with urllib.request.urlopen(request, timeout=CONTROL_SECONDS_MAX) as answer:
            return json.load(answer)

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    def peak_memory_bytes(self):
        """The peak resident size of the process, as the kernel counts it."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024

    def stored_bytes(self):
        """The total size of the files in the data directory. Files may disappear meanwhile."""
        total = 0
        for directory, _, names in os.walk(self.data_directory):
            for name in names:
                try:
                    total += os.stat(os.path.join(directory, name)).st_size
                except FileNotFoundError:
                    continue
        return total

    def output(self):
        lines = []
        while not self.lines.empty():
            lines.append(self.lines.get_nowait())
        return "".join(line for line in lines if line is not None)

    def _announced_port(self, deadline):
        read = []
        while True:
            try:
                line = self.lines.get(timeout=max(deadline - time.monotonic(), 0.01))
            except queue.Empty:
                line = None
            if line is None:
                raise AssertionError(f"the server named no address:\n{''.join(read)}")
            read.append(line)
            found = ADDRESS.search(line)
            if found:
                return int(found[1])

    def _await(self, path, deadline):
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}/{path}", timeout=5) as answer:
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, OSError):
                assert self.running, f"the server ended while starting:\n{self.output()}"
            assert time.monotonic() < deadline, f"the server is not ready:\n{self.output()}"


def _forward_lines(stream, lines):
    for line in stream:
        lines.put(line)
    lines.put(None)

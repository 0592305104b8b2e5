"""Debian's `docker-registry`: an upstream of the pull-through cache on this machine."""

import pathlib
import queue
import re
import subprocess
import threading
import time

from harness.command import environment_with

START_SECONDS_MAX = 20
STOP_SECONDS_MAX = 20
ADDRESS = re.compile(r"listening on 127\.0\.0\.1:(\d+)")

CONFIGURATION = """\
version: 0.1
log:
  level: info
storage:
  filesystem:
    rootdirectory: {directory}
http:
  addr: 127.0.0.1:0
  secret: only for a test
"""


class OtherRegistry:
    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.process = None
        self.port = None

    @property
    def host(self):
        return f"127.0.0.1:{self.port}"

    def start(self):
        self.directory.mkdir(parents=True)
        path = self.directory / "configuration.yml"
        path.write_text(CONFIGURATION.format(directory=self.directory / "data"))
        self.process = subprocess.Popen(
            ["docker-registry", "serve", path],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=environment_with({}),
        )
        found = queue.Queue()
        # Read until the process ends, because a full pipe would block it.
        threading.Thread(target=self._look, args=(found,), daemon=True).start()
        self.port = found.get(timeout=START_SECONDS_MAX)
        assert self.port, "the registry ended before it listened"

    def stop(self):
        self.process.terminate()
        deadline = time.monotonic() + STOP_SECONDS_MAX
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                self.process.wait(0.1)
            except subprocess.TimeoutExpired:
                continue
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def _look(self, found):
        for line in self.process.stdout:
            match = ADDRESS.search(line)
            if match:
                found.put(int(match[1]))
        found.put(None)
